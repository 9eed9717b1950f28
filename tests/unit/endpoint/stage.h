/* A scripted HTTP server on loopback, in threads of its own: it answers by what the request holds,
 * in pieces of any size, chunked or not, and sees when who asked has left. */
#ifndef TESTS_ENDPOINT_STAGE_H
#define TESTS_ENDPOINT_STAGE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

struct stage_reply {
    const char *line;    /* the request's first line begins with it */
    const char *holds;   /* and it holds this somewhere; NULL: whatever it holds */
    unsigned times;      /* at most so often; 0: always */
    int status;          /* 0: 200 */
    const char *type;    /* NULL: text/event-stream */
    const char *headers; /* more of them, each with \r\n; NULL: none */
    const char *body;    /* at each \a it waits for stage_go_on */
    size_t tear;         /* bytes of a write; 0: all at once */
    bool chunked;
    bool stays; /* keeps the connection when it has said all */
    bool cuts;  /* drops it instead of a proper end */
};
enum { STAGE_REQUESTS = 64, STAGE_REPLIES = 32 };
struct staged {
    int fd;
    unsigned port;
    struct stage_reply replies[STAGE_REPLIES];
    size_t reply_count;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    pthread_t talks[STAGE_REQUESTS];
    size_t talk_count;
    char *requests[STAGE_REQUESTS]; /* head and body */
    size_t request_count, left_count, steps;
    bool ending;
};
void stage_start(struct staged *stage, const struct stage_reply *replies, size_t count);
void stage_end(struct staged *stage);
/* The nth request whose first line begins so, or NULL; its text lives as long as the stage. */
const char *stage_request(struct staged *stage, const char *line, size_t nth);
const char *stage_body(const char *request);
void stage_go_on(struct staged *stage);
/* Who asked was gone before the answer's end, so often. */
size_t stage_left(struct staged *stage);

#endif
