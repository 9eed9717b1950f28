/* Inside of the client. client.c: the server's process and the lifecycle; buffers.c: open files;
 * apply.c: workspace edits; serve.c: what the server asks. */
#ifndef LANEBRIDGE_CLIENT_INTERNAL_H
#define LANEBRIDGE_CLIENT_INTERNAL_H

#include <lanebridge/client.h>

struct buffer {
    char *path, *uri;
    struct text *text;
    struct text *saved; /* what the disk holds, NULL: no file */
    int64_t version;
};

struct held_message {
    const char *method;
    struct buf params;
};

/* A question that waits for its answer. */
struct held_question {
    struct buf id;
    struct json_value *params;
    bool is_approval;
};

enum client_state { CLIENT_STARTING, CLIENT_READY, CLIENT_STOPPING, CLIENT_GONE };

struct client {
    struct loop *loop;
    struct client_handlers handlers;
    void *user;
    struct client_quirks quirks;
    bool rich;
    enum client_state state;
    enum position_encoding encoding;
    struct loop_process *process;
    struct jsonrpc_peer *peer;
    struct json_value *capabilities;
    VEC(struct buffer *) buffers;
    bool holding; /* an edit is being applied: its didChange waits for the answer */
    VEC(struct held_message) held;
    VEC(struct held_question) questions;
};

/* A notification; while an edit is applied it is held until the answer has gone out, as most
 * editors do (quirk change_before_answer: sent at once). */
void client_tell(struct client *client, const char *method, struct str params);
void client_release_held(struct client *client);

struct buffer *buffer_find(const struct client *client, struct str path);
/* From disk; NULL text when there is no file and `may_be_missing`. Tells the server (didOpen). */
struct buffer *buffer_open(struct client *client, struct str path, const struct str *text,
                           bool may_be_missing, struct err *err);
void buffer_free(struct buffer *buffer);
void buffer_close(struct client *client, struct buffer *buffer);
/* The buffer becomes `text` (a new reference is taken); `change` is the didChange content or empty.
 */
void buffer_set(struct client *client, struct buffer *buffer, struct text *text,
                struct str content_change);
enum status buffer_save(struct client *client, struct buffer *buffer, struct err *err);

/* Applies a WorkspaceEdit; on failure nothing of the failing document is changed and `why` says
 * what. */
bool apply_workspace_edit(struct client *client, const struct json_value *edit, struct buf *why);

void held_question_finish(struct held_question *question);

/* The handlers of the peer. */
void serve_request(void *user, const struct jsonrpc_message *message);
void serve_notification(void *user, const struct jsonrpc_message *message);

#endif
