/* write_stdin: looks at a command that goes on, gives it input, ends it. */
#include "tools-internal.h"

enum { POLL_DEFAULT_MS = 5000, POLL_MAX_MS = 30000 };

struct stdin_state {
    int64_t session_id, yield_time_ms;
    struct str chars;
    bool kill;
    struct session *session;
};

static const struct json_field fields[] = {
    {"session_id", JSON_FIELD_INT, JSON_REQUIRED, offsetof(struct stdin_state, session_id)},
    {"chars", JSON_FIELD_STR, JSON_OPTIONAL, offsetof(struct stdin_state, chars)},
    {"yield_time_ms", JSON_FIELD_INT, JSON_OPTIONAL, offsetof(struct stdin_state, yield_time_ms)},
    {"kill", JSON_FIELD_BOOL, JSON_OPTIONAL, offsetof(struct stdin_state, kill)},
};

static enum status prepare(struct tools_call *call, struct err *err)
{
    struct stdin_state *state = call->state;
    int64_t min = (int64_t)call->tools->deadlines.yield_min_ms;
    if (state->chars.len > LIMIT_EXEC_STDIN_BYTES)
        return err_set(err, STATUS_LIMIT, "write_stdin: chars may have %zu bytes at once, not %zu",
                       (size_t)LIMIT_EXEC_STDIN_BYTES, state->chars.len);
    if (!state->yield_time_ms)
        state->yield_time_ms = POLL_DEFAULT_MS;
    if (state->yield_time_ms < min)
        state->yield_time_ms = min;
    if (state->yield_time_ms > POLL_MAX_MS)
        state->yield_time_ms = POLL_MAX_MS;
    return STATUS_OK;
}

static struct session *find(struct tools_call *call)
{
    struct stdin_state *state = call->state;
    struct session *session = session_find(call->thread, state->session_id);
    if (!session)
        call_fail(call,
                  "write_stdin: there is no session %lld: it has ended and its output was given, "
                  "or it never was",
                  (long long)state->session_id);
    return session;
}

static void go(struct tools_call *call, const char *decision)
{
    struct stdin_state *state = call->state;
    struct err err = {0};
    if (!call_begin(call, decision))
        return;
    struct session *session = find(call);
    if (!session)
        return;
    if (state->chars.len > 0 &&
        policy_get_turn_mode(call->tools->env.policy, call->turn_id) == MODE_PLAN) {
        call_fail(call, "write_stdin: plan mode steers no commands; it can look at one that runs");
        return;
    }
    /* Ctrl-C, where no terminal makes a signal of it. */
    if (str_eq(state->chars, STR("\x03")) && !session_has_stdin(session)) {
        state->kill = true;
        state->chars.len = 0;
    }
    if (state->chars.len > 0 && !session_has_stdin(session)) {
        call_fail(call, "write_stdin: the command's standard input is closed; start it with tty "
                        "true to write to it");
        return;
    }
    if (state->chars.len > 0 && session_write(session, state->chars, &err) < 0) {
        call_fail_err(call, &err);
        return;
    }
    if (state->kill)
        session_kill(session, "by write_stdin");
    state->session = session;
    session_wait(session, call, (uint64_t)state->yield_time_ms, LIMIT_EXEC_MODEL_BYTES);
}

/* -- Whether it may ------------------------------------------------------------------------------
 */

/* Ctrl-C and Ctrl-D end something and begin nothing. */
static bool only_ends(struct str chars)
{
    for (size_t i = 0; i < chars.len; i++)
        if (chars.ptr[i] != '\x03' && chars.ptr[i] != '\x04')
            return false;
    return true;
}

static void on_approved(struct tools_call *call, const struct host_ask_answer *answer)
{
    const struct stdin_state *state = call->state;
    struct session *session = session_find(call->thread, state->session_id);
    if (answer->rule_id && session)
        session_allow_input(session);
    go(call,
       answer->rule_id ? "approved by the user, all input to it" : "approved by the user, once");
}

static void ask(struct tools_call *call, const struct session *session, const char *reason)
{
    const struct stdin_state *state = call->state;
    const struct policy_command *command = session_command(session);
    struct buf show = {0}, rule = {0};
    buf_append(&show, state->chars);
    buf_append_fmt(&show, "\n(into " STR_FMT "\nin " STR_FMT ")", STR_ARG(command->command),
                   STR_ARG(command->workdir));
    buf_append_c(&rule, "will allow: all input to `");
    output_append_line(&rule, command->command, 200);
    buf_append_c(&rule, "`, until it ends");
    struct host_ask_rule rules[] = {{"input", rule.ptr, SCOPE_SESSION}};
    struct host_ask question = {
        .kind = command->network ? HOST_ASK_NETWORK
                : command->git   ? HOST_ASK_PROTECTED
                                 : HOST_ASK_COMMAND,
        .title = "Type this into the running command?",
        .show = show.ptr,
        .reason = reason,
        .rules = rules,
        .rule_count = array_count(rules),
    };
    call_ask(call, &question, on_approved);
    buf_finish(&show);
    buf_finish(&rule);
}

/* An approval was for the words of the command: typing into an approved shell is another one. */
static void run(struct tools_call *call)
{
    const struct stdin_state *state = call->state;
    struct policy_verdict verdict = {0};
    const struct session *session = session_find(call->thread, state->session_id);
    if (session)
        policy_check_input(call->tools->env.policy, session_command(session), &verdict);
    if (session && verdict.answer != POLICY_ALLOW && !only_ends(state->chars) &&
        session_has_stdin(session) && !session_input_is_allowed(session) &&
        policy_get_turn_mode(call->tools->env.policy, call->turn_id) != MODE_PLAN)
        ask(call, session, verdict.reason);
    else
        go(call, "allowed");
}

/* The user stopped the turn while we waited: what is waited for stops too. */
static bool cancel(struct tools_call *call)
{
    struct stdin_state *state = call->state;
    if (state->session)
        session_abandon(state->session, call);
    state->session = NULL;
    return true;
}

const struct tool tool_write_stdin = {
    .name = "write_stdin",
    .kind = TOOL_COMMAND,
    .is_exclusive = true,
    .title_key = "session_id",
    .description = "Looks at a command that exec_command left running: waits up to yield_time_ms "
                   "for it to end "
                   "and gives its new output. chars are written to its standard input first (it "
                   "must have been "
                   "started with tty true, and so has a terminal: \\u0003 interrupts, \\u0004 on a "
                   "line of its own ends the input). kill ends it.",
    .parameters =
        "{\"type\":\"object\",\"properties\":{"
        "\"session_id\":{\"type\":\"integer\"},"
        "\"chars\":{\"type\":[\"string\",\"null\"],\"description\":\"Null: only look\"},"
        "\"yield_time_ms\":{\"type\":[\"integer\",\"null\"],\"description\":\"250 to 30000; null: "
        "5000\"},"
        "\"kill\":{\"type\":[\"boolean\",\"null\"]}},"
        "\"required\":[\"session_id\",\"chars\",\"yield_time_ms\",\"kill\"],"
        "\"additionalProperties\":false}",
    .fields = fields,
    .field_count = array_count(fields),
    .state_size = sizeof(struct stdin_state),
    .prepare = prepare,
    .run = run,
    .cancel = cancel,
};
