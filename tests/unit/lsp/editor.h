/* The editor's end of a socket pair: what the server sends is kept and answered by the test. The
 * agent behind the server is real, its model scripted. */
#ifndef TEST_LSP_EDITOR_H
#define TEST_LSP_EDITOR_H

#include "../agent/world.h"

#include "../../../server/lsp/lsp-internal.h"

struct editor_message {
    char *method, *id; /* id "" for notifications */
    struct json_value *params;
    uint64_t at_ms;
    bool answered;
};
struct editor {
    struct world w;
    struct lsp_server *server;
    struct jsonrpc_peer *peer;
    int ends[2];
    VEC(struct editor_message *) messages;
    size_t seen; /* messages the test has looked at */
    bool closed;
    int exits, exit_code;
    struct buf settings; /* as they came */
    const char *warning; /* what settings are answered with */
    /* of the last request of ours */
    bool answered;
    enum status answer_status;
    int error_code;
    struct buf answer; /* result or error text */
    /* of apply_start */
    unsigned verdicts;
    enum host_apply_result verdict;
    struct buf note;
};

/* Texts of JSON may use ' for ". */
void editor_init(struct editor *e);                            /* nothing sent yet */
void editor_start(struct editor *e, const char *capabilities); /* initialized; the folder trusted */
void editor_finish(struct editor *e);
void editor_notify(struct editor *e, const char *method, const char *params);
void editor_send(struct editor *e, const char *method, const char *params);    /* a request */
void editor_request(struct editor *e, const char *method, const char *params); /* and its answer */
void editor_turns(struct editor *e, unsigned count); /* lets everything under way arrive */

/* The next message of that method after those seen; waits for it. */
struct editor_message *editor_wait(struct editor *e, const char *method);
/* Whether one came that was not seen; does not wait. */
bool editor_has(const struct editor *e, const char *method);
size_t editor_count(const struct editor *e, const char *method);
void editor_answer(struct editor *e, struct editor_message *message, const char *result);
void editor_answer_error(struct editor *e, struct editor_message *message, const char *text);
/* The compact text of params; static memory. */
const char *editor_params(const struct editor_message *message);

/* -- Documents -------------------------------------------------------------------------------- */
const char *editor_uri(struct editor *e, const char *name); /* static memory, of four turns */
void editor_open(struct editor *e, const char *name, int version, const char *text);
void editor_type(struct editor *e, const char *name, int version, const char *text); /* full */
void editor_insert(struct editor *e, const char *name, int version, int line, const char *text);
void editor_close(struct editor *e, const char *name);
const char *editor_screen(struct editor *e, const char *name); /* the server's text of it */

/* -- Edits ------------------------------------------------------------------------------------ */
void editor_apply(struct editor *e, const struct host_change *changes, size_t count);
/* One update, from the text it has now. */
void editor_apply_text(struct editor *e, const char *name, const char *after);
void editor_judged(struct editor *e, enum host_apply_result expected); /* waits */

extern const char editor_full[]; /* capabilities: all that is standard */

#endif
