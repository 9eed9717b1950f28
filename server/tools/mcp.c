/* The tools of MCP servers: one row for all of them. The name says which; what it takes is the
 * server's business. Nothing is known of what they do, so each runs alone and asks, unless a rule
 * says otherwise. */
#include <lanebridge/mcp.h>

#include "tools-internal.h"

enum { RULES_MAX = 3, SHOWN_BYTES = 16 * 1024, TITLE_ARGUMENTS_BYTES = 80 };

struct elsewhere {
    struct buf arguments; /* as they are sent: compact */
    char *server, *own_name;
    struct policy_tool tool;
    struct policy_rule rules[RULES_MAX];
    size_t rule_count;
    struct mcp_call *call;
};

bool mcp_is_name(struct str name)
{
    return str_starts_with(name, STR("mcp__"));
}

static enum status prepare(struct tools_call *call, struct err *err)
{
    struct elsewhere *state = call->state;
    const struct mcp *mcp = call->tools->env.mcp;
    const struct mcp_tool *tool = mcp ? mcp_tool_find(mcp, str_from(call->name)) : NULL;
    if (!tool)
        return err_set(err, STATUS_NOT_FOUND,
                       "There is no tool \"%s\" now: its MCP server does not run, or does not "
                       "offer it any more. Do without it, or tell the user.",
                       call->name);
    json_append(&state->arguments, call->json);
    state->server = mem_dup_c(tool->server);
    state->own_name = mem_dup_c(tool->own_name);
    state->tool = (struct policy_tool){.server = str_from(state->server),
                                       .name = str_from(state->own_name),
                                       .root = str_from(call->thread->root_path),
                                       .turn_id = call->turn_id};
    return STATUS_OK;
}

/* -- Running --------------------------------------------------------------------------------- */

static void on_progress(void *user, struct str text)
{
    call_progress(user, text);
}

static void on_done(void *user, const struct mcp_result *result)
{
    struct tools_call *call = user;
    struct elsewhere *state = call->state;
    state->call = NULL;
    buf_append(&call->text, result->text);
    for (size_t i = 0; i < result->image_count; i++) {
        struct str url = result->images[i];
        vec_push(&call->images, ((struct str){mem_dup(url.ptr, url.len), url.len}));
    }
    call_end(call, result->ok);
}

static void start(struct tools_call *call, const char *decision)
{
    static const struct mcp_call_handlers handlers = {on_progress, on_done};
    struct elsewhere *state = call->state;
    if (!call_begin(call, decision))
        return;
    state->call = mcp_call_start(call->tools->env.mcp, str_from(call->name),
                                 buf_str(&state->arguments), &handlers, call);
}

static void on_approved(struct tools_call *call, const struct host_ask_answer *answer)
{
    struct elsewhere *state = call->state;
    const char *decision = "approved by the user, once";
    for (size_t i = 0; answer->rule_id && i < state->rule_count; i++) {
        if (strcmp(answer->rule_id, state->rules[i].id) != 0)
            continue;
        if (policy_accept_tool_rule(call->tools->env.policy, &state->tool, &state->rules[i]) < 0)
            log_line(LOG_WARN, "rule not remembered: the state folder cannot be written");
        decision = state->rules[i].text;
    }
    start(call, decision);
}

static void append_arguments(struct buf *show, struct str arguments)
{
    struct buf text = {0};
    utf8_append_visible(&text, arguments);
    output_truncate(&text, SHOWN_BYTES);
    buf_append(show, buf_str(&text));
    buf_finish(&text);
}

static void ask(struct tools_call *call, const struct policy_verdict *verdict)
{
    struct elsewhere *state = call->state;
    struct host_ask_rule rules[RULES_MAX];
    struct buf show = {0}, title = {0};
    state->rule_count =
        policy_offer_tool_rules(call->tools->env.policy, &state->tool, state->rules, RULES_MAX);
    for (size_t i = 0; i < state->rule_count; i++)
        rules[i] = (struct host_ask_rule){state->rules[i].id, state->rules[i].text,
                                          (int)state->rules[i].scope};
    buf_append_fmt(&title, "Call the tool \"%s\" of the MCP server \"%s\"?", state->own_name,
                   state->server);
    buf_append_fmt(&show, "%s / %s\n", state->server, state->own_name);
    append_arguments(&show, buf_str(&state->arguments));
    struct host_ask question = {
        .kind = HOST_ASK_TOOL,
        .title = title.ptr,
        .show = show.ptr,
        .reason = verdict->reason,
        .rules = rules,
        .rule_count = state->rule_count,
    };
    call_ask(call, &question, on_approved);
    buf_finish(&show);
    buf_finish(&title);
}

static void run(struct tools_call *call)
{
    struct elsewhere *state = call->state;
    struct policy_verdict verdict = {0};
    policy_check_tool(call->tools->env.policy, &state->tool, &verdict);
    if (verdict.answer == POLICY_ALLOW)
        start(call, "allowed by a rule");
    else if (verdict.answer == POLICY_ASK)
        ask(call, &verdict);
    else
        call_refuse(call, "The tool was not called: %s", verdict.reason);
}

static bool cancel(struct tools_call *call)
{
    struct elsewhere *state = call->state;
    if (state->call)
        mcp_call_cancel(state->call);
    state->call = NULL;
    return true;
}

static void finish(struct tools_call *call)
{
    struct elsewhere *state = call->state;
    if (state->call)
        mcp_call_cancel(state->call);
    buf_finish(&state->arguments);
    mem_free(state->server);
    mem_free(state->own_name);
}

const struct tool tool_mcp = {
    .name = "mcp",
    .kind = TOOL_OTHER,
    .is_exclusive = true,
    .takes_anything = true,
    .description = "",
    .parameters = "{}",
    .state_size = sizeof(struct elsewhere),
    .prepare = prepare,
    .run = run,
    .cancel = cancel,
    .finish = finish,
};

/* -- Their servers --------------------------------------------------------------------------- */

void tools_set_mcp(struct tools *tools, struct mcp *mcp)
{
    tools->env.mcp = mcp;
}

bool tools_prepare(struct tools *tools, void (*on_ready)(void *user), void *user,
                   struct buf *notice)
{
    struct mcp *mcp = tools->env.mcp;
    if (!mcp || !mcp_prepare(mcp, on_ready, user))
        return false;
    buf_append_c(notice, "Waiting for MCP servers to start: ");
    mcp_append_awaited(mcp, notice);
    return true;
}

void tools_prepare_drop(struct tools *tools, void *user)
{
    if (tools->env.mcp)
        mcp_prepare_drop(tools->env.mcp, user);
}

void tools_append_missing(struct tools *tools, struct buf *notice)
{
    struct buf news = {0};
    if (tools->env.mcp)
        mcp_append_news(tools->env.mcp, &news);
    buf_append(notice, str_trim(buf_str(&news)));
    buf_finish(&news);
}

bool tools_are_settled(const struct tools *tools)
{
    return !tools->env.mcp || mcp_is_settled(tools->env.mcp);
}

/* -- For the table --------------------------------------------------------------------------- */

void mcp_append_schemas(const struct tools *tools, struct json_writer *w)
{
    const struct mcp *mcp = tools->env.mcp;
    for (size_t i = 0; mcp && i < mcp_tool_count(mcp); i++) {
        const struct mcp_tool *tool = mcp_tool_at(mcp, i);
        json_write_begin_object(w);
        json_write_field_c(w, "type", "function");
        json_write_field_c(w, "name", tool->name);
        json_write_field_c(w, "description", tool->description);
        json_write_field_bool(w, "strict", false); /* their schemas are not made for it */
        json_write_field_raw(w, "parameters", str_from(tool->schema));
        json_write_end_object(w);
    }
}

/* "mcp__files__read {"path":…}": without asking whether there is such a tool. */
void mcp_append_title(struct buf *buf, struct str name, struct str arguments)
{
    struct str rest = str_trim(arguments);
    output_append_line(buf, name, 80);
    if (rest.len > 2) { /* more than "{}" */
        buf_append_c(buf, " ");
        output_append_line(buf, rest, TITLE_ARGUMENTS_BYTES);
    }
}
