/* grep: lines that match, in files and in what is on the screen but not saved. */
#include "tools-internal.h"

enum { GREP_DEFAULT_COUNT = 100, GREP_CONTEXT_MAX = 5 };

struct grep_state {
    struct str pattern, path, glob;
    bool fixed, ignore_case;
    int64_t context, limit;
    struct search_state search;
};

static const struct json_field fields[] = {
    {"pattern", JSON_FIELD_STR, JSON_REQUIRED, offsetof(struct grep_state, pattern)},
    {"path", JSON_FIELD_STR, JSON_OPTIONAL, offsetof(struct grep_state, path)},
    {"glob", JSON_FIELD_STR, JSON_OPTIONAL, offsetof(struct grep_state, glob)},
    {"fixed", JSON_FIELD_BOOL, JSON_OPTIONAL, offsetof(struct grep_state, fixed)},
    {"ignore_case", JSON_FIELD_BOOL, JSON_OPTIONAL, offsetof(struct grep_state, ignore_case)},
    {"context", JSON_FIELD_INT, JSON_OPTIONAL, offsetof(struct grep_state, context)},
    {"limit", JSON_FIELD_INT, JSON_OPTIONAL, offsetof(struct grep_state, limit)},
};

static enum status prepare(struct tools_call *call, struct err *err)
{
    struct grep_state *state = call->state;
    state->limit = state->limit ? state->limit : GREP_DEFAULT_COUNT;
    if (state->pattern.len == 0)
        return err_set(err, STATUS_INVALID, "grep: pattern must not be empty");
    enum status status = argument_range("grep: limit", state->limit, 1, LIMIT_GREP_COUNT, err);
    if (status == STATUS_OK)
        status = argument_range("grep: context", state->context, 0, GREP_CONTEXT_MAX, err);
    if (status == STATUS_OK && state->glob.len > 0)
        status = glob_check(state->glob, err);
    if (status == STATUS_OK)
        status = search_resolve(call, state->path, &state->search, err);
    return status;
}

static void append_matches(struct buf *out, const struct workspace_results *results)
{
    const struct workspace_match *before = NULL;
    for (size_t i = 0; i < results->count; i++) {
        const struct workspace_match *match = &results->matches[i];
        if (!before || strcmp(before->path, match->path) != 0)
            buf_append_fmt(out, "%s%s%s\n", before ? "\n" : "", match->path,
                           match->unsaved ? " (unsaved)" : "");
        else if (match->line > before->line + 1 && (match->is_context || before->is_context))
            buf_append_c(out, "--\n");
        buf_append_fmt(out, "%zu%c%s\n", match->line, match->is_context ? '-' : ':', match->text);
        before = match;
    }
}

static size_t count_matches(const struct workspace_results *results)
{
    size_t count = 0;
    for (size_t i = 0; i < results->count; i++)
        count += !results->matches[i].is_context;
    return count;
}

static void append_notes(struct buf *out, const struct workspace_results *results)
{
    if (results->limited)
        buf_append_c(out, "[there are more matches, or may be: narrow the pattern or the path]\n");
    if (results->timed_out)
        buf_append_c(out, "[stopped after 20 s: not all files were searched]\n");
    if (results->files_skipped_large > 0)
        buf_append_fmt(out, "[%zu files above 8 MiB were not searched]\n",
                       results->files_skipped_large);
}

static void on_results(void *user, const struct workspace_results *results)
{
    struct tools_call *call = user;
    struct grep_state *state = call->state;
    state->search.job = NULL;
    if (results->status < 0) {
        call_fail(call, "grep: %s", results->error);
        return;
    }
    size_t count = count_matches(results);
    append_matches(&call->text, results);
    if (count == 0)
        buf_append_fmt(&call->text, "No match in %s (%zu files searched)\n",
                       state->search.path.display, results->files_searched);
    append_notes(&call->text, results);
    buf_append_fmt(&call->summary, "%zu matches in %zu files searched", count,
                   results->files_searched);
    call_end(call, true);
}

static void run_permitted(struct tools_call *call, const struct host_ask_answer *answer)
{
    (void)answer;
    struct grep_state *state = call->state;
    struct workspace_search search = {
        .limit = (size_t)state->limit,
        .glob = state->glob,
        .pattern = state->pattern,
        .fixed = state->fixed,
        .ignore_case = state->ignore_case,
        .context = (unsigned)state->context,
    };
    search_run(call, &state->search, workspace_grep, &search, on_results);
}

static void run(struct tools_call *call)
{
    struct grep_state *state = call->state;
    path_permit(call, &state->search.path, POLICY_READ, run_permitted);
}

static bool cancel(struct tools_call *call)
{
    return search_cancel(&((struct grep_state *)call->state)->search);
}

static void finish(struct tools_call *call)
{
    search_finish(&((struct grep_state *)call->state)->search);
}

const struct tool tool_grep = {
    .name = "grep",
    .kind = TOOL_SEARCH,
    .title_key = "pattern",
    .description =
        "Searches the workspace's files for a regular expression (PCRE), line by line. "
        "Unsaved text is searched in place of its file; ignored and binary files are left "
        "out. Matches are \"line:text\", lines around them \"line-text\".",
    .parameters =
        "{\"type\":\"object\",\"properties\":{"
        "\"pattern\":{\"type\":\"string\"},"
        "\"path\":{\"type\":[\"string\",\"null\"],\"description\":\"Folder or file; null: the "
        "workspace\"},"
        "\"glob\":{\"type\":[\"string\",\"null\"],\"description\":\"Only files that match it, such "
        "as "
        "\\\"*.c\\\"\"},"
        "\"fixed\":{\"type\":[\"boolean\",\"null\"],\"description\":\"The pattern is plain text\"},"
        "\"ignore_case\":{\"type\":[\"boolean\",\"null\"]},"
        "\"context\":{\"type\":[\"integer\",\"null\"],\"description\":\"Lines around a match, 0 to "
        "5\"},"
        "\"limit\":{\"type\":[\"integer\",\"null\"],\"description\":\"At most so many matches, up "
        "to "
        "500; null: 100\"}},"
        "\"required\":[\"pattern\",\"path\",\"glob\",\"fixed\",\"ignore_case\",\"context\","
        "\"limit\"],"
        "\"additionalProperties\":false}",
    .fields = fields,
    .field_count = array_count(fields),
    .state_size = sizeof(struct grep_state),
    .prepare = prepare,
    .run = run,
    .cancel = cancel,
    .finish = finish,
};
