/* list_dir: what is in a folder, ignored entries marked. */
#include "tools-internal.h"

struct list_state {
    struct str path;
    int64_t depth, offset, limit;
    struct search_state search;
};

static const struct json_field fields[] = {
    {"path", JSON_FIELD_STR, JSON_OPTIONAL, offsetof(struct list_state, path)},
    {"depth", JSON_FIELD_INT, JSON_OPTIONAL, offsetof(struct list_state, depth)},
    {"offset", JSON_FIELD_INT, JSON_OPTIONAL, offsetof(struct list_state, offset)},
    {"limit", JSON_FIELD_INT, JSON_OPTIONAL, offsetof(struct list_state, limit)},
};

static enum status prepare(struct tools_call *call, struct err *err)
{
    struct list_state *state = call->state;
    state->depth = state->depth ? state->depth : 1;
    state->limit = state->limit ? state->limit : LIMIT_LIST_COUNT;
    enum status status = argument_range("list_dir: depth", state->depth, 1, 3, err);
    if (status == STATUS_OK)
        status = argument_range("list_dir: offset", state->offset, 0, INT32_MAX, err);
    if (status == STATUS_OK)
        status = argument_range("list_dir: limit", state->limit, 1, LIMIT_LIST_COUNT, err);
    if (status == STATUS_OK)
        status = search_resolve(call, state->path, &state->search, err);
    return status;
}

static void append_entry(struct buf *out, const struct workspace_match *match)
{
    buf_append_fmt(out, "%s%s", match->path, match->is_folder ? "/" : "");
    if (!match->is_folder) {
        buf_append_c(out, "  ");
        output_append_size(out, match->size);
    }
    if (match->unsaved)
        buf_append_c(out, "  (unsaved)");
    if (match->ignored)
        buf_append_c(out, "  (ignored)");
    buf_append_byte(out, '\n');
}

static void on_results(void *user, const struct workspace_results *results)
{
    struct tools_call *call = user;
    struct list_state *state = call->state;
    state->search.job = NULL;
    if (results->status < 0) {
        call_fail(call, "%s cannot be listed: %s", state->search.path.display, results->error);
        return;
    }
    for (size_t i = 0; i < results->count; i++)
        append_entry(&call->text, &results->matches[i]);
    if (results->count == 0)
        buf_append_fmt(&call->text, "%s has no entries%s\n", state->search.path.display,
                       state->offset > 0 ? " from this offset on" : "");
    if (results->count == (size_t)state->limit && results->limited)
        buf_append_fmt(&call->text, "[there is more: go on with offset %zu]\n",
                       (size_t)state->offset + results->count);
    else if (results->limited)
        buf_append_c(&call->text, "[there is more than could be listed; list a smaller folder]\n");
    if (results->timed_out)
        buf_append_c(&call->text, "[stopped: it took too long; list a smaller folder]\n");
    buf_append_fmt(&call->summary, "%s: %zu entries", state->search.path.display, results->count);
    call_end(call, true);
}

static void run_permitted(struct tools_call *call, const struct host_ask_answer *answer)
{
    (void)answer;
    struct list_state *state = call->state;
    struct workspace_search search = {
        .limit = (size_t)state->limit,
        .offset = (size_t)state->offset,
        .depth = (unsigned)state->depth,
    };
    search_run(call, &state->search, workspace_list, &search, on_results);
}

static void run(struct tools_call *call)
{
    struct list_state *state = call->state;
    path_permit(call, &state->search.path, POLICY_LIST, run_permitted);
}

static bool cancel(struct tools_call *call)
{
    return search_cancel(&((struct list_state *)call->state)->search);
}

static void finish(struct tools_call *call)
{
    search_finish(&((struct list_state *)call->state)->search);
}

const struct tool tool_list_dir = {
    .name = "list_dir",
    .kind = TOOL_READ,
    .title_key = "path",
    .description = "Lists a folder of the workspace, folders first. Entries that .gitignore or "
                   ".agentignore name are marked.",
    .parameters =
        "{\"type\":\"object\",\"properties\":{"
        "\"path\":{\"type\":[\"string\",\"null\"],\"description\":\"Folder; null: the workspace\"},"
        "\"depth\":{\"type\":[\"integer\",\"null\"],\"description\":\"Levels, 1 to 3; null: 1\"},"
        "\"offset\":{\"type\":[\"integer\",\"null\"],\"description\":\"Entries to skip; null: 0\"},"
        "\"limit\":{\"type\":[\"integer\",\"null\"],\"description\":\"At most so many, up to 500; "
        "null: 500\"}},"
        "\"required\":[\"path\",\"depth\",\"offset\",\"limit\"],\"additionalProperties\":false}",
    .fields = fields,
    .field_count = array_count(fields),
    .state_size = sizeof(struct list_state),
    .prepare = prepare,
    .run = run,
    .cancel = cancel,
    .finish = finish,
};
