/* What answer.c and answer_fault.c share. */
#ifndef LANEBRIDGE_ENDPOINT_ANSWER_INTERNAL_H
#define LANEBRIDGE_ENDPOINT_ANSWER_INTERNAL_H

#include "saves-internal.h"

void answer_set_state(struct answer *answer, enum answer_state state);
/* The last of it: on_end. */
void answer_end(struct answer *answer, bool can_continue);
/* Sends the terminal event, and ends; false, as a fault that stops the answer returns. */
bool answer_end_with(struct answer *answer, enum plan_state how, const char *reason,
                     const char *code, const char *message);
/* False: the answer has ended, or waits. */
bool fault_suffer(struct answer *answer);
/* Those that change how the whole response looks. */
void fault_apply_shape(struct answer *answer);

#endif
