/* What the model's two halves share: who asks and is refused (model.c), and what is answered
 * (model-play.c). */
#ifndef TEST_AGENT_MODEL_INTERNAL_H
#define TEST_AGENT_MODEL_INTERNAL_H

#include "model.h"

struct model_wire {
    struct transport transport;
    struct model *model;
    const struct transport_handlers *handlers;
    void *user;
    struct loop_timer *opener;
    enum transport_kind kind;
    char *body; /* of a compaction */
    bool is_closed;
};

struct model_answer {
    struct model *model;
    struct model_wire *wire;
    char id[32], lane[80];
    const char *rest;    /* of the step */
    VEC(char *) context; /* items of the request with its chain, then those done */
    size_t asked, output_index;
    bool is_warm_up, is_waiting, is_over, has_calls;
    VEC(char *) steers; /* accepted, for a successor or the next request */
    bool refuses;       /* what it is steered with */
    struct loop_timer *timer, *steer_timer;
};

void model_deliver(struct model_answer *answer, const char *type, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* A turn: plays the next line of its step. */
void model_play(void *answer);
/* After its end. */
void model_pass_steers_on(struct model_answer *answer);

#endif
