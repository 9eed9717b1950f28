/* find_files: paths that match a glob. */
#include "tools-internal.h"

struct find_state {
    struct str glob, path;
    int64_t limit;
    struct search_state search;
};

static const struct json_field fields[] = {
    {"glob", JSON_FIELD_STR, JSON_REQUIRED, offsetof(struct find_state, glob)},
    {"path", JSON_FIELD_STR, JSON_OPTIONAL, offsetof(struct find_state, path)},
    {"limit", JSON_FIELD_INT, JSON_OPTIONAL, offsetof(struct find_state, limit)},
};

static enum status prepare(struct tools_call *call, struct err *err)
{
    struct find_state *state = call->state;
    state->limit = state->limit ? state->limit : LIMIT_FIND_COUNT;
    enum status status =
        argument_range("find_files: limit", state->limit, 1, LIMIT_FIND_COUNT, err);
    if (status == STATUS_OK)
        status = glob_check(state->glob, err);
    if (status == STATUS_OK)
        status = search_resolve(call, state->path, &state->search, err);
    return status;
}

static void on_results(void *user, const struct workspace_results *results)
{
    struct tools_call *call = user;
    struct find_state *state = call->state;
    state->search.job = NULL;
    if (results->status < 0) {
        call_fail(call, "find_files: %s", results->error);
        return;
    }
    for (size_t i = 0; i < results->count; i++)
        buf_append_fmt(&call->text, "%s%s\n", results->matches[i].path,
                       results->matches[i].is_folder ? "/" : "");
    if (results->count == 0)
        buf_append_fmt(&call->text, "No file in %s matches " STR_FMT "\n",
                       state->search.path.display, STR_ARG(state->glob));
    if (results->limited)
        buf_append_fmt(&call->text, "[%zu of at least %zu are shown: narrow the glob]\n",
                       results->count, results->total);
    if (results->timed_out)
        buf_append_c(&call->text, "[stopped: it took too long; there may be more]\n");
    buf_append_fmt(&call->summary, STR_FMT ": %zu files", STR_ARG(state->glob), results->count);
    call_end(call, true);
}

static void run_permitted(struct tools_call *call, const struct host_ask_answer *answer)
{
    (void)answer;
    struct find_state *state = call->state;
    struct workspace_search search = {.limit = (size_t)state->limit, .glob = state->glob};
    search_run(call, &state->search, workspace_find, &search, on_results);
}

static void run(struct tools_call *call)
{
    struct find_state *state = call->state;
    path_permit(call, &state->search.path, POLICY_LIST, run_permitted);
}

static bool cancel(struct tools_call *call)
{
    return search_cancel(&((struct find_state *)call->state)->search);
}

static void finish(struct tools_call *call)
{
    search_finish(&((struct find_state *)call->state)->search);
}

const struct tool tool_find_files = {
    .name = "find_files",
    .kind = TOOL_SEARCH,
    .title_key = "glob",
    .description =
        "Finds files of the workspace by a glob such as \"*.c\" or \"src/**/test_*.py\". "
        "Ignored files are left out.",
    .parameters =
        "{\"type\":\"object\",\"properties\":{"
        "\"glob\":{\"type\":\"string\",\"description\":\"Without a slash it matches names at any "
        "depth\"},"
        "\"path\":{\"type\":[\"string\",\"null\"],\"description\":\"Folder to look in; null: the "
        "workspace\"},"
        "\"limit\":{\"type\":[\"integer\",\"null\"],\"description\":\"At most so many, up to 200; "
        "null: 200\"}},"
        "\"required\":[\"glob\",\"path\",\"limit\"],\"additionalProperties\":false}",
    .fields = fields,
    .field_count = array_count(fields),
    .state_size = sizeof(struct find_state),
    .prepare = prepare,
    .run = run,
    .cancel = cancel,
    .finish = finish,
};
