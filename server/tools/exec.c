/* exec_command: a shell command, in the sandbox unless the person says otherwise. */
#include "saving-internal.h"

enum {
    YIELD_DEFAULT_MS = 10000,
    YIELD_MAX_MS = 30000,
    TOKEN_BYTES = 4,
    RULES_MAX = 3,
};

struct exec_state {
    struct str cmd, workdir, justification;
    int64_t yield_time_ms, max_output_tokens;
    bool tty;
    const struct json_value *escalate;
    /* made from them */
    struct workspace_path folder;
    struct policy_command command;
    struct policy_rule rules[RULES_MAX];
    size_t rule_count;
    struct session *session;
    const char *decision;
};

static const struct json_field fields[] = {
    {"cmd", JSON_FIELD_STR, JSON_REQUIRED, offsetof(struct exec_state, cmd)},
    {"workdir", JSON_FIELD_STR, JSON_OPTIONAL, offsetof(struct exec_state, workdir)},
    {"yield_time_ms", JSON_FIELD_INT, JSON_OPTIONAL, offsetof(struct exec_state, yield_time_ms)},
    {"max_output_tokens", JSON_FIELD_INT, JSON_OPTIONAL,
     offsetof(struct exec_state, max_output_tokens)},
    {"tty", JSON_FIELD_BOOL, JSON_OPTIONAL, offsetof(struct exec_state, tty)},
    {"escalate", JSON_FIELD_ANY, JSON_OPTIONAL, offsetof(struct exec_state, escalate)},
    {"justification", JSON_FIELD_STR, JSON_OPTIONAL, offsetof(struct exec_state, justification)},
};

/* -- Arguments ------------------------------------------------------------------------------- */

static enum status read_escalate(const struct json_value *value, struct policy_command *command,
                                 struct err *err)
{
    struct str text = json_str(value);
    if (!value || json_is(value, JSON_NULL) || json_is(value, JSON_BOOL))
        command->escalate = json_bool(value, false);
    else if (str_eq(text, STR("network")))
        command->network = true;
    else if (str_eq(text, STR("git")))
        command->git = true;
    else if (str_eq(text, STR("unsandboxed")))
        command->escalate = true;
    else
        return err_set(err, STATUS_INVALID,
                       "exec_command: escalate must be null, \"network\", \"git\" or "
                       "\"unsandboxed\"");
    return STATUS_OK;
}

static enum status find_folder(struct tools_call *call, struct exec_state *state, struct err *err)
{
    const struct workspace *workspace = call->tools->env.workspace;
    struct workspace_path named;
    struct workspace_stat stat;
    enum status status =
        workspace_resolve(workspace, thread_root(call->thread),
                          state->workdir.len > 0 ? state->workdir : STR("."), &named, err);
    if (status < 0)
        return status;
    status = workspace_pin(workspace, &named, &state->folder, err);
    workspace_path_finish(&named);
    if (status == STATUS_OK)
        status = workspace_stat(&state->folder, &stat, err);
    if (status < 0)
        return status;
    if (!stat.exists || !stat.is_folder)
        return err_set(err, STATUS_INVALID, "exec_command: workdir %s is not a folder",
                       state->folder.display);
    return STATUS_OK;
}

static int64_t clamp(int64_t value, int64_t fallback, int64_t min, int64_t max)
{
    value = value ? value : fallback;
    return value < min ? min : value > max ? max : value;
}

static enum status prepare(struct tools_call *call, struct err *err)
{
    struct exec_state *state = call->state;
    if (str_trim(state->cmd).len == 0)
        return err_set(err, STATUS_INVALID, "exec_command: cmd must not be empty");
    if (str_find_byte(state->cmd, '\0', 0) != STR_NONE)
        return err_set(err, STATUS_INVALID, "exec_command: cmd must not hold a NUL");
    enum status status = read_escalate(state->escalate, &state->command, err);
    if (status == STATUS_OK)
        status = find_folder(call, state, err);
    if (status < 0)
        return status;
    state->command.command = state->cmd;
    state->command.workdir = str_from(state->folder.absolute);
    state->command.tty = state->tty;
    state->command.turn_id = call->turn_id;
    state->yield_time_ms = clamp(state->yield_time_ms, YIELD_DEFAULT_MS,
                                 (int64_t)call->tools->deadlines.yield_min_ms, YIELD_MAX_MS);
    state->max_output_tokens = clamp(state->max_output_tokens, LIMIT_EXEC_MODEL_BYTES / TOKEN_BYTES,
                                     16, LIMIT_EXEC_MODEL_BYTES / TOKEN_BYTES);
    return STATUS_OK;
}

/* -- Running --------------------------------------------------------------------------------- */

static bool is_sandboxed(const struct tools_call *call, const struct exec_state *state)
{
    return !state->command.escalate &&
           policy_tier_confines(policy_sandbox_tier(call->tools->env.policy));
}

static const char *sandbox_state(const struct tools_call *call, const struct exec_state *state)
{
    bool weaker = policy_sandbox_tier(call->tools->env.policy) == TIER_LANDLOCK;
    if (is_sandboxed(call, state) && state->command.network)
        return weaker ? "landlock, with network" : "bubblewrap, with network";
    if (is_sandboxed(call, state) && state->command.git)
        return weaker ? "landlock" : "bubblewrap, git writable";
    if (is_sandboxed(call, state))
        return weaker ? "landlock" : "bubblewrap";
    if (state->command.escalate)
        return "none: outside the sandbox";
    return policy_sandbox_tier(call->tools->env.policy) == TIER_EXTERNAL ? "external" : "none";
}

/* Only what runs unasked in the sandbox may run beside others. */
static bool classify(struct tools_call *call)
{
    struct exec_state *state = call->state;
    struct policy_verdict verdict = {0};
    policy_check_command(call->tools->env.policy, &state->command, &verdict);
    return verdict.answer != POLICY_ALLOW || !is_sandboxed(call, state);
}

static void start_now(struct tools_call *call, bool all_saved)
{
    struct exec_state *state = call->state;
    struct err err = {0};
    (void)all_saved; /* what is not is named in the output */
    struct session_options options = {
        .command = state->command,
        .sandboxed = is_sandboxed(call, state),
        .turn_id = call->turn_id,
    };
    call->sandbox = sandbox_state(call, state);
    if (!call_begin(call, state->decision))
        return;
    state->session = session_start(call->thread, &options, &err);
    if (!state->session) {
        call_fail(call, "The command could not be started: %s", err.text);
        return;
    }
    session_wait(state->session, call, (uint64_t)state->yield_time_ms,
                 (size_t)state->max_output_tokens * TOKEN_BYTES);
}

/* Outside the sandbox it runs on the disk alone. */
static void start(struct tools_call *call, const char *decision)
{
    struct exec_state *state = call->state;
    struct path_list unsaved = {0};
    state->decision = decision;
    if (!is_sandboxed(call, state))
        saving_find_unsaved(call->tools, &unsaved);
    if (unsaved.len > 0)
        saving_ask(call, &unsaved,
                   "The command runs outside the sandbox, on the files as they are on disk. "
                   "Decline runs it without the text that is not saved.",
                   start_now);
    else
        start_now(call, true);
}

static void on_approved(struct tools_call *call, const struct host_ask_answer *answer)
{
    struct exec_state *state = call->state;
    const char *decision = "approved by the user, once";
    for (size_t i = 0; answer->rule_id && i < state->rule_count; i++) {
        if (strcmp(answer->rule_id, state->rules[i].id) == 0) {
            if (policy_accept_rule(call->tools->env.policy, &state->command, &state->rules[i]) < 0)
                log_line(LOG_WARN, "rule not remembered: the state folder cannot be written");
            decision = state->rules[i].text;
        }
    }
    start(call, decision);
}

static void append_reason(const struct tools_call *call, const struct policy_verdict *verdict,
                          struct buf *out)
{
    const struct exec_state *state = call->state;
    buf_append_c(out, verdict->reason);
    if (policy_sandbox_tier(call->tools->env.policy) != TIER_BUBBLEWRAP &&
        call->tools->sandbox_error.text[0])
        buf_append_fmt(out, " (%s)", call->tools->sandbox_error.text);
    if (state->justification.len > 0) {
        buf_append_c(out, "\nThe model says: ");
        output_append_line(out, state->justification, 500);
    }
}

static void ask(struct tools_call *call, const struct policy_verdict *verdict)
{
    struct exec_state *state = call->state;
    struct host_ask_rule rules[RULES_MAX];
    struct buf show = {0}, reason = {0};
    state->rule_count =
        policy_offer_rules(call->tools->env.policy, &state->command, state->rules, RULES_MAX);
    for (size_t i = 0; i < state->rule_count; i++)
        rules[i] = (struct host_ask_rule){state->rules[i].id, state->rules[i].text,
                                          (int)state->rules[i].scope};
    buf_append(&show, state->cmd);
    buf_append_fmt(&show, "\n(in %s)", state->folder.absolute);
    policy_append_git_elsewhere(call->tools->env.policy, &state->command, &show);
    append_reason(call, verdict, &reason);
    struct host_ask question = {
        .kind = state->command.network ? HOST_ASK_NETWORK
                : state->command.git   ? HOST_ASK_PROTECTED
                                       : HOST_ASK_COMMAND,
        .title = state->command.network      ? "Let this command use the network?"
                 : state->command.git        ? "Let this command write to the git repository?"
                 : is_sandboxed(call, state) ? "Run this command?"
                                             : "Run this command outside the sandbox?",
        .show = show.ptr,
        .reason = reason.ptr ? reason.ptr : "",
        .rules = rules,
        .rule_count = state->rule_count,
    };
    call_ask(call, &question, on_approved);
    buf_finish(&show);
    buf_finish(&reason);
}

static void run(struct tools_call *call)
{
    struct exec_state *state = call->state;
    struct policy_verdict verdict = {0};
    policy_check_command(call->tools->env.policy, &state->command, &verdict);
    /* What was let in beside others must not go on alone: the rules changed while it waited. */
    if (verdict.answer == POLICY_ALLOW)
        start(call, "allowed");
    else if (verdict.answer == POLICY_ASK)
        ask(call, &verdict);
    else
        call_refuse(call, "The command was not run: %s", verdict.reason);
}

static bool cancel(struct tools_call *call)
{
    struct exec_state *state = call->state;
    if (state->session)
        session_abandon(state->session, call);
    state->session = NULL;
    return true;
}

static void finish(struct tools_call *call)
{
    struct exec_state *state = call->state;
    workspace_path_finish(&state->folder);
}

const struct tool tool_exec_command = {
    .name = "exec_command",
    .kind = TOOL_COMMAND,
    .needs_sandbox = true,
    .title_key = "cmd",
    .description =
        "Runs a command with bash in the workspace, inside a sandbox without network, and gives "
        "its "
        "output and exit code. It sees the files as they are on the user's screen. A command that "
        "still runs after yield_time_ms goes on as a session: look at it with write_stdin.",
    .parameters =
        "{\"type\":\"object\",\"properties\":{"
        "\"cmd\":{\"type\":\"string\"},"
        "\"workdir\":{\"type\":[\"string\",\"null\"],\"description\":\"Folder of the workspace; "
        "null: "
        "its root\"},"
        "\"yield_time_ms\":{\"type\":[\"integer\",\"null\"],\"description\":\"How long to wait for "
        "its end, 250 to 30000; null: 10000\"},"
        "\"max_output_tokens\":{\"type\":[\"integer\",\"null\"],\"description\":\"Null: 10000\"},"
        "\"tty\":{\"type\":[\"boolean\",\"null\"],\"description\":\"Give it a terminal of its own, "
        "for programs that ask or are written to with write_stdin\"},"
        "\"escalate\":{\"type\":[\"string\",\"null\"],\"enum\":[\"network\",\"git\","
        "\"unsandboxed\",null],"
        "\"description\":\"Ask the user to let it use the network, write to the git repository "
        "(commit), or run outside the sandbox\"},"
        "\"justification\":{\"type\":[\"string\",\"null\"],\"description\":\"With escalate: why, "
        "for "
        "the user\"}},"
        "\"required\":[\"cmd\",\"workdir\",\"yield_time_ms\",\"max_output_tokens\",\"tty\","
        "\"escalate\",\"justification\"],\"additionalProperties\":false}",
    .fields = fields,
    .field_count = array_count(fields),
    .state_size = sizeof(struct exec_state),
    .prepare = prepare,
    .classify = classify,
    .run = run,
    .cancel = cancel,
    .finish = finish,
};
