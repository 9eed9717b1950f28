/* A small Responses server on fake wires: it keeps, per lane, what a real one keeps in memory, and
 * answers each question with that question, so that a wrong continuation shows as a wrong answer.
 * A question makes two responses: a call, and after its output a message. */
#ifndef TEST_RESPONSES_SERVER_H
#define TEST_RESPONSES_SERVER_H

#include "fake.h"

struct server_event {
    struct fake_wire *wire;
    char *text;
};
struct server_lane {
    struct fake_wire *wire;
    char name[16];
    char response_id[32]; /* the latest, "" if evicted */
    struct buf input;     /* the conversation it stands for: items separated by newlines */
};
enum cancels { CANCELS_ARE_IGNORED, CANCELS_ARE_REFUSED, CANCELS_ARE_OBEYED, CANCELS_COUNT };
struct server {
    struct fake *fake;
    enum cancels cancels;
    VEC(struct server_lane *) lanes;
    VEC(struct server_event) events; /* not yet delivered, in order per wire */
    VEC(struct {
        struct fake_wire *wire;
        size_t read;
    })
    seen;
    unsigned responses, full_inputs, continuations, cancelled;
};
void server_start(struct server *server, struct fake *fake);
void server_stop(struct server *server);
/* Opens what asks to be opened, reads new frames, and makes their events. */
void server_read(struct server *server);
/* Delivers the event at `index`; false if there is none. */
bool server_deliver(struct server *server, size_t index);
/* Forgets what was for a connection that is gone. */
void server_lose(struct server *server, struct fake_wire *wire);

/* -- The other side: asks questions, runs the "tools", keeps the history. -------------------- */

struct asker {
    struct fake *fake;
    struct responses_chain *chain;
    struct response *response;
    struct responses_request request;
    VEC(char *) history;
    VEC(char *) steps; /* items done of the running response */
    char question[32]; /* the one to be answered next */
    unsigned answers;  /* right ones */
    unsigned calls;    /* runs of the tool */
    bool is_idle;      /* nothing is asked */
    bool may_fail;     /* giving up is an end like others */
    bool stops;        /* an interrupt ends the question instead of going on */
};
void asker_start(struct asker *asker, struct fake *fake);
void asker_finish(struct asker *asker);
void asker_ask(struct asker *asker, const char *question);

#endif
