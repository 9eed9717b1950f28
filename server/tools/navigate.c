/* symbols, definition, references: asked of the editor's own language servers. */
#include "spot-internal.h"

struct navigate_state {
    struct spot spot; /* definition, references; of symbols only the file */
    struct str path, query;
    enum host_query_kind kind;
    struct loop_timer *deadline;
};

static const struct json_field spot_fields[] = {SPOT_FIELDS(navigate_state)};
static const struct json_field symbol_fields[] = {
    {"path", JSON_FIELD_STR, JSON_OPTIONAL, offsetof(struct navigate_state, path)},
    {"query", JSON_FIELD_STR, JSON_OPTIONAL, offsetof(struct navigate_state, query)},
};

/* -- The answer ------------------------------------------------------------------------------ */

static const char *const symbol_kinds[] = {
    "",         "file",           "module",      "namespace", "package",
    "class",    "method",         "property",    "field",     "constructor",
    "enum",     "interface",      "function",    "variable",  "constant",
    "string",   "number",         "boolean",     "array",     "object",
    "key",      "null",           "enum member", "struct",    "event",
    "operator", "type parameter",
};

/* The line is the model's to see only where it may read the file. */
struct shown {
    char *display; /* NULL: not to be told of at all */
    bool with_text;
};

static struct shown judge(struct tools_call *call, struct str path)
{
    const struct workspace *workspace = call->tools->env.workspace;
    struct policy *policy = call->tools->env.policy;
    struct workspace_path resolved;
    struct policy_verdict verdict = {0};
    if (policy_hides(policy, path, false))
        return (struct shown){0};
    if (workspace_resolve(workspace, thread_root(call->thread), path, &resolved, NULL) < 0)
        return (struct shown){str_dup_c(path), false}; /* a library's header: where, not what */
    policy_check_path(policy, &resolved, POLICY_READ, &verdict);
    struct shown shown = {0};
    if (verdict.answer == POLICY_ALLOW)
        shown = (struct shown){mem_dup_c(resolved.display), true};
    workspace_path_finish(&resolved);
    return shown;
}

static void append_location(struct tools_call *call, const struct host_location *location,
                            const struct shown *shown)
{
    struct buf *out = &call->text;
    buf_append_fmt(out, "%s:%u:%u", shown->display, location->line, location->character);
    if (location->name.len > 0) {
        const char *kind =
            location->kind < array_count(symbol_kinds) ? symbol_kinds[location->kind] : "";
        buf_append_fmt(out, ": %s%s", kind, kind[0] ? " " : "");
        output_append_line(out, location->name, LIMIT_SYMBOL_BYTES);
        if (location->container.len > 0) {
            buf_append_c(out, " in ");
            output_append_line(out, location->container, LIMIT_SYMBOL_BYTES);
        }
    } else if (location->text.len > 0 && shown->with_text) {
        buf_append_c(out, ": ");
        output_append_line(out, location->text, LIMIT_SYMBOL_BYTES);
    }
    buf_append_byte(out, '\n');
}

static void append_nothing(struct tools_call *call, const struct navigate_state *state)
{
    static const char *const words[] = {
        [HOST_SYMBOLS] = "no such symbol",
        [HOST_DEFINITION] = "no definition",
        [HOST_REFERENCES] = "no reference",
    };
    buf_append_fmt(&call->text, "The editor's language servers know of %s", words[state->kind]);
    if (state->kind != HOST_SYMBOLS) {
        buf_append_c(&call->text, " for what stands at ");
        spot_append(&state->spot, &call->text);
    }
    buf_append_c(&call->text, ".\n");
}

static void on_located(void *user, enum status status, struct str note,
                       const struct host_location *list, size_t count)
{
    struct tools_call *call = user;
    struct navigate_state *state = call->state;
    size_t told = 0, more = 0;
    if (status < 0) {
        call_fail(call, "%s: the editor could not answer: " STR_FMT, call->name,
                  STR_ARG(status == STATUS_CONFLICT ? STR("the text changed; ask again") : note));
        return;
    }
    for (size_t i = 0; i < count; i++) {
        struct shown shown = judge(call, list[i].path);
        if (shown.display && told < LIMIT_LOCATIONS_COUNT) {
            append_location(call, &list[i], &shown);
            told++;
        } else if (shown.display) {
            more++;
        }
        mem_free(shown.display);
    }
    if (told == 0)
        append_nothing(call, state);
    if (more > 0)
        buf_append_fmt(&call->text, "[%zu more are not shown]\n", more);
    spot_note_awaited(call, &state->spot.file);
    buf_append_fmt(&call->summary, "%zu %s", told + more,
                   state->kind == HOST_SYMBOLS ? "symbols" : "places");
    call_end(call, true);
}

/* -- The question ---------------------------------------------------------------------------- */

static void on_deadline(void *user)
{
    struct tools_call *call = user;
    const struct host *host = call->tools->env.host;
    host->ops->drop(host->host, call);
    call_fail(call, "%s: the editor's language server did not answer within %llu s.", call->name,
              (unsigned long long)call->tools->deadlines.editor_ms / 1000);
}

static void ask(struct tools_call *call, const struct host_query *query)
{
    struct navigate_state *state = call->state;
    const struct host *host = call->tools->env.host;
    state->deadline = loop_timer_new(call->tools->env.loop, on_deadline, call);
    loop_timer_start(state->deadline, call->tools->deadlines.editor_ms, 0);
    host->ops->locate(host->host, query, on_located, call);
}

static void run_permitted(struct tools_call *call, const struct host_ask_answer *answer)
{
    (void)answer;
    struct navigate_state *state = call->state;
    struct err err = {0};
    struct host_query query = {.kind = state->kind, .words = state->query};
    if (!call_begin(call, call->was_approved ? "approved by the user" : "allowed"))
        return;
    if (state->kind == HOST_SYMBOLS) {
        (void)now_look(call->tools, &state->spot.file);
        query.path = state->path.len > 0 ? now_key(&state->spot.file).ptr : NULL;
    } else if (spot_find(call->tools, &state->spot, &err) < 0) {
        spot_note_awaited(call, &state->spot.file);
        call_fail_err(call, &err);
        return;
    } else {
        query.path = now_key(&state->spot.file).ptr;
        query.text = state->spot.file.text;
        query.start = query.end = state->spot.start;
    }
    ask(call, &query);
}

static void run(struct tools_call *call)
{
    struct navigate_state *state = call->state;
    if (state->kind == HOST_SYMBOLS && state->path.len == 0)
        run_permitted(call, NULL);
    else
        path_permit(call, &state->spot.file.real, POLICY_READ, run_permitted);
}

static bool cancel(struct tools_call *call)
{
    const struct host *host = call->tools->env.host;
    host->ops->drop(host->host, call);
    return true;
}

static void finish(struct tools_call *call)
{
    struct navigate_state *state = call->state;
    loop_timer_free(state->deadline);
    spot_finish(&state->spot);
}

static enum status prepare_symbols(struct tools_call *call, struct err *err)
{
    struct navigate_state *state = call->state;
    state->kind = HOST_SYMBOLS;
    if (state->path.len == 0 && state->query.len == 0)
        return err_set(err, STATUS_INVALID,
                       "symbols: give a path for the symbols of a file, or a query for those of "
                       "the workspace");
    return state->path.len > 0 ? now_resolve(call, state->path, &state->spot.file, err) : STATUS_OK;
}

static enum status prepare_definition(struct tools_call *call, struct err *err)
{
    struct navigate_state *state = call->state;
    state->kind = HOST_DEFINITION;
    return spot_resolve(call, &state->spot, err);
}

static enum status prepare_references(struct tools_call *call, struct err *err)
{
    struct navigate_state *state = call->state;
    state->kind = HOST_REFERENCES;
    return spot_resolve(call, &state->spot, err);
}

#define NAVIGATION                                                                                 \
    .kind = TOOL_SEARCH, .need = NEED_NAVIGATION, .state_size = sizeof(struct navigate_state),     \
    .run = run, .cancel = cancel, .finish = finish

#define SPOT_PARAMETERS                                                                            \
    "{\"type\":\"object\",\"properties\":{" SPOT_PROPERTIES                                        \
    "},\"required\":[\"path\",\"symbol\",\"line\"],\"additionalProperties\":false}"

const struct tool tool_symbols = {
    .name = "symbols",
    .title_key = "query",
    .description =
        "Lists functions, types and other symbols that the editor's language servers know: of one "
        "file, or of the whole workspace by part of a name. At most 200.",
    .parameters =
        "{\"type\":\"object\",\"properties\":{"
        "\"path\":{\"type\":[\"string\",\"null\"],\"description\":\"A file; null: the workspace\"},"
        "\"query\":{\"type\":[\"string\",\"null\"],\"description\":\"Part of a name; null: all of "
        "the file\"}},"
        "\"required\":[\"path\",\"query\"],\"additionalProperties\":false}",
    .fields = symbol_fields,
    .field_count = array_count(symbol_fields),
    .prepare = prepare_symbols,
    NAVIGATION,
};

const struct tool tool_definition = {
    .name = "definition",
    .title_key = "symbol",
    .description = "Finds where a symbol is defined, by the editor's language servers.",
    .parameters = SPOT_PARAMETERS,
    .fields = spot_fields,
    .field_count = array_count(spot_fields),
    .prepare = prepare_definition,
    NAVIGATION,
};

const struct tool tool_references = {
    .name = "references",
    .title_key = "symbol",
    .description =
        "Finds every use of a symbol, by the editor's language servers: no mere text matches. At "
        "most 200.",
    .parameters = SPOT_PARAMETERS,
    .fields = spot_fields,
    .field_count = array_count(spot_fields),
    .prepare = prepare_references,
    NAVIGATION,
};
