#ifndef TEST_JSONRPC_SIDE_H
#define TEST_JSONRPC_SIDE_H

#include <lanebridge/jsonrpc.h>

/* One end: notes every call as text, and does to the peer what a test asks for. */
struct side {
    struct loop *loop;
    struct jsonrpc_peer *peer;
    struct buf calls, traffic;
    struct buf open_id; /* of the last request */
    bool answer_at_once, free_in_call;
    int closed;
    enum status closed_status;
};

extern const struct jsonrpc_handlers handlers; /* for a struct side */
/* Adds to calls; after that the peer is freed, if the test wants it freed in a call. */
void note(struct side *side, const char *format, ...) __attribute__((format(printf, 2, 3)));
void on_answer(void *user, const struct jsonrpc_answer *answer);
void open_side(struct side *side, struct loop *loop, int fd); /* fd is given away */
void finish_side(struct side *side);
/* A body with its header. */
void append_frame(struct buf *buf, const char *body);

#endif
