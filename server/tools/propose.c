/* Edits of the editor's language servers, on their way to being an edit like any other. */
#include "propose-internal.h"

static const struct host *host_of(const struct tools_call *call)
{
    return call->tools->env.host;
}

static void stop_waiting(struct tools_call *call)
{
    struct propose_state *state = call->state;
    state->is_waiting = false;
    if (state->deadline)
        loop_timer_stop(state->deadline);
}

static void on_deadline(void *user)
{
    struct tools_call *call = user;
    stop_waiting(call);
    host_of(call)->ops->drop(host_of(call)->host, call);
    call_fail(call,
              "Nothing was changed: the editor's language server did not answer within %llu s.",
              (unsigned long long)call->tools->deadlines.editor_ms / 1000);
}

/* -- What came ------------------------------------------------------------------------------- */

static void tell_choice(struct tools_call *call, const struct host_proposal *proposal)
{
    if (proposal->title_count == 0) {
        buf_append_c(&call->text,
                     "Nothing was changed: the language server has nothing to change here.");
    } else {
        buf_append_c(&call->text, "Nothing was changed yet. Call it again with one of these "
                                  "titles:\n");
        for (size_t i = 0; i < proposal->title_count && i < LIMIT_LOCATIONS_COUNT; i++) {
            buf_append_c(&call->text, "- ");
            output_append_line(&call->text, proposal->titles[i], LIMIT_SYMBOL_BYTES);
            buf_append_byte(&call->text, '\n');
        }
    }
    call_end(call, true);
}

/* Language servers see the screen, where what waits for review before it is applied is not. */
static bool is_awaited(struct tools_call *call, const char *path)
{
    if (!review_has_proposal(call->thread, str_from(path)))
        return false;
    struct propose_state *state = call->state;
    call_fail(
        call,
        "Nothing was changed: edits of %s wait for the user's review, and the language server "
        "does not see them. Make this change with the edit tool.",
        strcmp(path, now_key(&state->spot.file).ptr) == 0 ? state->spot.file.path.display : path);
    return true;
}

static bool any_is_awaited(struct tools_call *call, const struct host_proposal *proposal)
{
    for (size_t i = 0; i < proposal->count; i++)
        if (is_awaited(call, proposal->changes[i].path))
            return true;
    return false;
}

static void on_proposal(void *user, const struct host_proposal *proposal)
{
    struct tools_call *call = user;
    struct propose_state *state = call->state;
    struct change *change = state->change.change;
    stop_waiting(call);
    if (proposal->status == STATUS_CONFLICT && change->attempts < LIMIT_EDIT_ATTEMPTS_COUNT) {
        propose_run(call);
    } else if (proposal->status < 0) {
        call_fail(call, "Nothing was changed: " STR_FMT, STR_ARG(proposal->note));
    } else if (proposal->count == 0) {
        tell_choice(call, proposal);
    } else if (!any_is_awaited(call, proposal)) {
        change_take_proposal(change, proposal);
        change_run(call);
    }
}

/* -- Asking ---------------------------------------------------------------------------------- */

static void ask(struct tools_call *call, const struct host_query *query)
{
    struct propose_state *state = call->state;
    if (!state->deadline)
        state->deadline = loop_timer_new(call->tools->env.loop, on_deadline, call);
    loop_timer_start(state->deadline, call->tools->deadlines.editor_ms, 0);
    state->is_waiting = true;
    host_of(call)->ops->propose(host_of(call)->host, query, on_proposal, call);
}

/* Again and again, until an answer fits the texts it was made for. */
void propose_run(struct tools_call *call)
{
    struct propose_state *state = call->state;
    struct host_query query = {0};
    struct policy_verdict verdict = {0};
    struct err err = {0};
    policy_check_edit_in(call->tools->env.policy, call->turn_id, &state->spot.file.path, 1,
                         &verdict);
    if (verdict.answer == POLICY_REFUSE) {
        call_fail(call, "Nothing was changed: %s", verdict.reason);
        return;
    }
    state->change.change->attempts++;
    if (spot_read(call->tools, &state->spot, &err) < 0 || state->fill(call, &query, &err) < 0) {
        call_fail(call, "Nothing was changed: %s", err.text);
        return;
    }
    query.path = now_key(&state->spot.file).ptr;
    query.text = state->spot.file.text;
    if (!is_awaited(call, query.path))
        ask(call, &query);
}

/* -- Rows of the table ----------------------------------------------------------------------- */

enum status propose_prepare(struct tools_call *call,
                            enum status (*fill)(struct tools_call *call, struct host_query *query,
                                                struct err *err),
                            struct err *err)
{
    struct propose_state *state = call->state;
    state->change.change = change_new_proposed(propose_run);
    state->fill = fill;
    return now_resolve(call, state->spot.path, &state->spot.file, err);
}

bool propose_cancel(struct tools_call *call)
{
    struct propose_state *state = call->state;
    if (!state->is_waiting)
        return change_cancel(call);
    stop_waiting(call);
    host_of(call)->ops->drop(host_of(call)->host, call);
    return true;
}

void propose_finish(struct tools_call *call)
{
    struct propose_state *state = call->state;
    loop_timer_free(state->deadline);
    spot_finish(&state->spot);
    change_finish(call);
}
