/* client: a small real LSP client: starts the server as a child, keeps buffers as an editor does,
 * applies its workspace edits, answers its questions. Serves server/try, `lanebridge run` and the
 * session tests.
 *
 * Invariants: a buffer changes by the client's own edits and by workspace/applyEdit alone, and each
 * change is told by didChange; what the server sends is checked (a malformed edit is a failed answer,
 * never a crash). Quirks make it behave like the editors in docs/decisions/…-editors.md. */
#ifndef LANEBRIDGE_CLIENT_H
#define LANEBRIDGE_CLIENT_H

#include <lanebridge/base.h>
#include <lanebridge/json.h>
#include <lanebridge/jsonrpc.h>
#include <lanebridge/loop.h>
#include <lanebridge/text.h>

struct client;

/* How real editors differ (all false: a well-behaved client). */
struct client_quirks {
    bool apply_stale;              /* applies edits of any version (Neovim, lsp-mode at version 0) */
    bool answer_applied_always;    /* says applied:true whatever happened (Neovim) */
    bool refuse_stale_with_error;  /* JSON-RPC error instead of applied:false (eglot) */
    bool change_before_answer;     /* didChange goes out before the applyEdit answer (lsp-mode, Helix) */
    bool no_document_changes;      /* announces no documentChanges */
    bool no_resource_operations;
    bool version_zero;             /* didOpen says 0 */
    bool full_sync;                /* sends whole texts */
    bool decline_edits;            /* answers applied:false to every edit */
    bool format_on_save;           /* a formatter makes blanks of tabs before a buffer is written */
};
struct client_options {
    char *const *argv;                    /* the server, e.g. {"lanebridge", "lsp", NULL} */
    char *const *env;                     /* NULL: ours */
    const char *cwd;
    const char *const *roots;             /* absolute folders */
    size_t root_count;
    const char *name;                     /* clientInfo.name */
    struct str initialization_options;    /* JSON object or empty */
    const char *encodings;                /* "utf-8,utf-16"; NULL: "utf-8" */
    bool rich;                            /* announces experimental.lanebridge: save, approvals, questions */
    const char *offers;                   /* rich: "diagnostics,navigation,refactor", what else it does */
    bool inherit_stderr;
    struct client_quirks quirks;
};
struct client_question {
    struct str message;                   /* what is asked */
    const struct json_value *params;      /* of showMessageRequest or lanebridge/approval/request */
    bool is_approval;                     /* the rich one */
};
enum { CLIENT_LATER = -2 };
struct client_handlers {
    void (*on_ready)(void *user);         /* initialize was answered and initialized sent */
    void (*on_notification)(void *user, struct str method, const struct json_value *params);
    /* Index of the button to press (showMessageRequest: of actions; approval: 0 accept, 1 decline),
     * or -1 for none, or CLIENT_LATER: client_answer will say. Optional: declines. */
    int (*on_question)(void *user, const struct client_question *question);
    /* lanebridge/question/request, and lanebridge/editor/… beyond save: appends the result; false answers
     * with an error of that text. Optional: nobody answers, nothing is known. */
    bool (*on_request)(void *user, struct str method, const struct json_value *params,
                       struct buf *result);
    /* An edit is about to be applied; false: answered applied:false. Here a test types in between. */
    bool (*on_apply)(void *user, const struct json_value *params);
    void (*on_applied)(void *user, struct str path, const struct text *before, const struct text *after);
    void (*on_traffic)(void *user, bool outgoing, struct str body);
    void (*on_exit)(void *user, int exit_code, int signal);   /* the server ended, asked or not */
};
struct client *client_new(struct loop *loop, const struct client_options *options,
                          const struct client_handlers *handlers, void *user, struct err *err);
void client_free(struct client *client);      /* kills a server that still runs */
pid_t client_pid(const struct client *client);
/* shutdown, exit; on_exit follows. */
void client_stop(struct client *client);

/* -- Buffers ------------------------------------------------------------------------------------------- */
/* Opens from disk, or with `text` as its content when not NULL (unsaved from the start). */
enum status client_open(struct client *client, const char *path, const struct str *text, struct err *err);
/* Types: replaces [start, end) bytes of the buffer and tells the server. */
enum status client_edit(struct client *client, const char *path, size_t start, size_t end,
                        struct str with, struct err *err);
enum status client_save(struct client *client, const char *path, struct err *err);
enum status client_close(struct client *client, const char *path, struct err *err);
const struct text *client_text(const struct client *client, const char *path);  /* NULL: not open */
bool client_is_dirty(const struct client *client, const char *path);
/* Paths of all buffers, hidden ones that edits opened included. */
const char *client_path_at(const struct client *client, size_t index);

/* -- Messages -------------------------------------------------------------------------------------------- */
int64_t client_request(struct client *client, const char *method, struct str params,
                       jsonrpc_answer_fn *on_answer, void *user);
/* lanebridge/turn/start in a new thread, with this prompt alone. */
int64_t client_start_turn(struct client *client, const char *prompt, jsonrpc_answer_fn *on_answer,
                          void *user);
void client_notify(struct client *client, const char *method, struct str params);
void client_cancel(struct client *client, int64_t id);
/* Answers the oldest question that on_question left for later; false if there is none. */
bool client_answer(struct client *client, int button);
void client_write_raw(struct client *client, struct str bytes);
const struct json_value *client_server_capabilities(const struct client *client);

#endif
