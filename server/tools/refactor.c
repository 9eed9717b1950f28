/* rename_symbol, code_action, format: what the editor's own language servers do to a text. */
#include "propose-internal.h"

/* -- rename_symbol --------------------------------------------------------------------------- */

struct rename_state {
    struct propose_state propose;
    struct str new_name;
};

static const struct json_field rename_fields[] = {
    SPOT_FIELDS(propose_state),
    {"new_name", JSON_FIELD_STR, JSON_REQUIRED, offsetof(struct rename_state, new_name)},
};

static enum status fill_rename(struct tools_call *call, struct host_query *query, struct err *err)
{
    struct rename_state *state = call->state;
    struct spot *spot = &state->propose.spot;
    enum status status = spot_find(call->tools, spot, err);
    query->kind = HOST_RENAME;
    query->start = query->end = spot->start;
    query->words = state->new_name;
    return status;
}

static enum status prepare_rename(struct tools_call *call, struct err *err)
{
    struct rename_state *state = call->state;
    if (str_trim(state->new_name).len == 0)
        return err_set(err, STATUS_INVALID, "rename_symbol: new_name must not be empty");
    enum status status = propose_prepare(call, fill_rename, err);
    if (status == STATUS_OK &&
        (state->propose.spot.symbol.len == 0 || state->propose.spot.line < 0))
        status = err_set(err, STATUS_INVALID,
                         "rename_symbol: symbol must not be empty, and line counts from 1");
    return status;
}

#define REFACTOR                                                                                   \
    .kind = TOOL_EDIT, .need = NEED_REFACTOR, .is_exclusive = true, .run = propose_run,            \
    .cancel = propose_cancel, .finish = propose_finish

const struct tool tool_rename_symbol = {
    .name = "rename_symbol",
    .title_key = "symbol",
    .description =
        "Renames a symbol everywhere, by the editor's language server; the user can undo it.",
    .parameters = "{\"type\":\"object\",\"properties\":{" SPOT_PROPERTIES ",\"new_name\":{\"type\":"
                  "\"string\"}},\"required\":[\"path\",\"symbol\",\"line\",\"new_name\"],"
                  "\"additionalProperties\":false}",
    .fields = rename_fields,
    .field_count = array_count(rename_fields),
    .state_size = sizeof(struct rename_state),
    .prepare = prepare_rename,
    REFACTOR,
};

/* -- Lines ----------------------------------------------------------------------------------- */

struct lines_state {
    struct propose_state propose;
    int64_t start_line, end_line; /* 1-based, inclusive; 0: not given */
    struct str kind, title;
};

static enum status check_lines(const struct tools_call *call, struct err *err)
{
    const struct lines_state *state = call->state;
    if (state->start_line < 0 || state->end_line < 0 ||
        (state->end_line && state->end_line < state->start_line))
        return err_set(err, STATUS_INVALID,
                       "%s: start_line and end_line count from 1, and end_line is not before "
                       "start_line",
                       call->name);
    return STATUS_OK;
}

static enum status fill_lines(struct tools_call *call, struct host_query *query, struct err *err)
{
    const struct lines_state *state = call->state;
    const struct now_file *file = &state->propose.spot.file;
    size_t count = text_line_count(file->text);
    size_t first = state->start_line > 0 ? (size_t)state->start_line - 1 : 0;
    size_t last = state->end_line > 0     ? (size_t)state->end_line
                  : state->start_line > 0 ? first + 1
                                          : count;
    if (first >= count)
        return err_set(err, STATUS_INVALID, "%s has %zu lines; start_line %zu is beyond its end",
                       file->path.display, count, first + 1);
    last = last > count ? count : last;
    struct str end = text_line_content(file->text, last - 1);
    query->start = text_line_start(file->text, first);
    query->end = text_line_start(file->text, last - 1) + end.len;
    return STATUS_OK;
}

/* -- code_action ----------------------------------------------------------------------------- */

static const struct json_field action_fields[] = {
    {"path", JSON_FIELD_STR, JSON_REQUIRED, offsetof(struct lines_state, propose.spot.path)},
    {"start_line", JSON_FIELD_INT, JSON_OPTIONAL, offsetof(struct lines_state, start_line)},
    {"end_line", JSON_FIELD_INT, JSON_OPTIONAL, offsetof(struct lines_state, end_line)},
    {"kind", JSON_FIELD_STR, JSON_OPTIONAL, offsetof(struct lines_state, kind)},
    {"title", JSON_FIELD_STR, JSON_OPTIONAL, offsetof(struct lines_state, title)},
};

static enum status fill_action(struct tools_call *call, struct host_query *query, struct err *err)
{
    const struct lines_state *state = call->state;
    query->kind = HOST_CODE_ACTION;
    query->words = state->title;
    query->action_kind = state->kind;
    return fill_lines(call, query, err);
}

static enum status prepare_action(struct tools_call *call, struct err *err)
{
    enum status status = propose_prepare(call, fill_action, err);
    return status < 0 ? status : check_lines(call, err);
}

const struct tool tool_code_action = {
    .name = "code_action",
    .title_key = "title",
    .description =
        "Has the editor's language server make one of its own changes: a quick fix, organized "
        "imports, an extraction. Where there are several, it lists their titles and changes "
        "nothing; call it again with one of them.",
    .parameters =
        "{\"type\":\"object\",\"properties\":{"
        "\"path\":{\"type\":\"string\"},"
        "\"start_line\":{\"type\":[\"integer\",\"null\"],\"description\":\"First line it is about, "
        "from 1; null: the whole file\"},"
        "\"end_line\":{\"type\":[\"integer\",\"null\"],\"description\":\"Last line, included; "
        "null: "
        "start_line\"},"
        "\"kind\":{\"type\":[\"string\",\"null\"],\"description\":\"Such as quickfix, "
        "refactor.extract, source.organizeImports or source.fixAll; null: any\"},"
        "\"title\":{\"type\":[\"string\",\"null\"],\"description\":\"Which of several; null: the "
        "only one, or tell me the titles\"}},"
        "\"required\":[\"path\",\"start_line\",\"end_line\",\"kind\",\"title\"],"
        "\"additionalProperties\":false}",
    .fields = action_fields,
    .field_count = array_count(action_fields),
    .state_size = sizeof(struct lines_state),
    .prepare = prepare_action,
    REFACTOR,
};

/* -- format ---------------------------------------------------------------------------------- */

static const struct json_field format_fields[] = {
    {"path", JSON_FIELD_STR, JSON_REQUIRED, offsetof(struct lines_state, propose.spot.path)},
    {"start_line", JSON_FIELD_INT, JSON_OPTIONAL, offsetof(struct lines_state, start_line)},
    {"end_line", JSON_FIELD_INT, JSON_OPTIONAL, offsetof(struct lines_state, end_line)},
};

static enum status fill_format(struct tools_call *call, struct host_query *query, struct err *err)
{
    const struct lines_state *state = call->state;
    query->kind = HOST_FORMAT;
    query->whole = state->start_line == 0 && state->end_line == 0;
    return fill_lines(call, query, err);
}

static enum status prepare_format(struct tools_call *call, struct err *err)
{
    enum status status = propose_prepare(call, fill_format, err);
    return status < 0 ? status : check_lines(call, err);
}

const struct tool tool_format = {
    .name = "format",
    .title_key = "path",
    .description = "Formats a file, or some of its lines, as the editor would.",
    .parameters =
        "{\"type\":\"object\",\"properties\":{"
        "\"path\":{\"type\":\"string\"},"
        "\"start_line\":{\"type\":[\"integer\",\"null\"],\"description\":\"First line, from 1; "
        "null: the whole file\"},"
        "\"end_line\":{\"type\":[\"integer\",\"null\"],\"description\":\"Last line, included; "
        "null: "
        "start_line\"}},"
        "\"required\":[\"path\",\"start_line\",\"end_line\"],\"additionalProperties\":false}",
    .fields = format_fields,
    .field_count = array_count(format_fields),
    .state_size = sizeof(struct lines_state),
    .prepare = prepare_format,
    REFACTOR,
};
