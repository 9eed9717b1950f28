/* What the script of a replay does to a response: the faults of a network and of a server. */
#include "answer-internal.h"

static bool end_as_told(struct answer *answer, enum plan_state how,
                        const struct replay_fault *fault)
{
    char *reason = str_dup_c(fault->reason), *code = str_dup_c(fault->code),
         *message = str_dup_c(fault->message);
    answer_end_with(answer, how, reason, code, message);
    mem_free(reason);
    mem_free(code);
    mem_free(message);
    return false;
}

static bool do_cut(struct answer *answer, const struct replay_fault *fault)
{
    answer_set_state(answer, ANSWER_LEAVING);
    answer->close_code = 0;
    loop_timer_start(answer->timer, 0, 0);
    return false;
}

static bool do_close(struct answer *answer, const struct replay_fault *fault)
{
    do_cut(answer, fault);
    answer->close_code = (unsigned)fault->close_code;
    return false;
}

static bool do_stall(struct answer *answer, const struct replay_fault *fault)
{
    answer_set_state(answer, ANSWER_STALLED);
    return false;
}

static bool do_error(struct answer *answer, const struct replay_fault *fault)
{
    struct problem problem;
    problem_set_fault(&problem, fault);
    answer->failed = true;
    answer->ops->on_error(answer->user, &problem);
    answer_end(answer, false);
    return false;
}

static bool do_failed(struct answer *answer, const struct replay_fault *fault)
{
    return end_as_told(answer, PLAN_FAILED, fault);
}

static bool do_incomplete(struct answer *answer, const struct replay_fault *fault)
{
    return end_as_told(answer, PLAN_INCOMPLETE, fault);
}

static bool do_garbage(struct answer *answer, const struct replay_fault *fault)
{
    struct buf text = {0};
    buf_append_c(&text, "{\"type\":\"response.outp");
    answer->ops->on_event(answer->user, NULL, &text);
    return true;
}

static bool do_unknown(struct answer *answer, const struct replay_fault *fault)
{
    struct buf json = {0};
    emit_unknown(answer, &json);
    answer->ops->on_event(answer->user, "response.lanebridge_unknown", &json);
    return true;
}

static const struct {
    bool (*act)(struct answer *answer, const struct replay_fault *fault); /* true: it goes on */
    bool after_the_end; /* makes sense when the terminal event has been sent */
} faults[FAULT_KIND_COUNT] = {
    [FAULT_CUT] = {do_cut, true},         [FAULT_CLOSE] = {do_close, true},
    [FAULT_STALL] = {do_stall, false},    [FAULT_ERROR] = {do_error, false},
    [FAULT_FAILED] = {do_failed, false},  [FAULT_INCOMPLETE] = {do_incomplete, false},
    [FAULT_GARBAGE] = {do_garbage, true}, [FAULT_UNKNOWN] = {do_unknown, true},
};

static struct replay_fault *due_fault(const struct answer *answer)
{
    struct replay_fault *fault = answer->plan.fault;
    bool due = fault && faults[fault->kind].act && fault->times_left > 0 &&
               (uint64_t)fault->after_event == answer->events;
    if (due && answer->phase == PHASE_OVER && !faults[fault->kind].after_the_end)
        return NULL;
    return due ? fault : NULL;
}

/* False: the answer has ended, or waits. */
bool fault_suffer(struct answer *answer)
{
    struct replay_fault *fault = due_fault(answer);
    if (!fault)
        return true;
    fault->times_left--;
    answer->plan.fault = NULL;
    return faults[fault->kind].act(answer, fault);
}

/* These change how the whole response looks. */
void fault_apply_shape(struct answer *answer)
{
    struct replay_fault *fault = answer->plan.fault;
    if (!fault || faults[fault->kind].act)
        return;
    fault->times_left--;
    answer->sparse = fault->kind == FAULT_SPARSE;
    answer->twice = fault->kind == FAULT_DUPLICATE_TERMINAL;
    answer->plan.fault = NULL;
}
