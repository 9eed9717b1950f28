/* One body, told apart: what kind of message it is and what to answer if it is none. */
#ifndef LANEBRIDGE_JSONRPC_MESSAGE_INTERNAL_H
#define LANEBRIDGE_JSONRPC_MESSAGE_INTERNAL_H

#include <lanebridge/jsonrpc.h>

enum message_kind {
    MESSAGE_REQUEST,
    MESSAGE_NOTIFICATION,
    MESSAGE_RESPONSE,
    MESSAGE_REFUSED,    /* answer with `code`, `err` and `id` */
    MESSAGE_UNREADABLE, /* the same if there is an id, and tell the owner method and uri */
};

/* Spans point into the body, `method` into `root` or `method_text`. Absent ones are empty. */
struct message {
    enum message_kind kind;
    int code;
    struct str id, method, params, result;
    struct json_value *root;
    struct buf method_text, uri_text, tail_text; /* MESSAGE_UNREADABLE */
    struct err err;
};

void message_read(struct str body, struct message *message);
/* The same for a body of which only both ends were kept. */
void message_read_ends(struct str head, struct str tail, uint64_t length, struct message *message);
void message_finish(struct message *message);

#endif
