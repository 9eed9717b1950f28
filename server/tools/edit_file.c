/* edit_file: one string for another, for models that were not trained on patches. */
#include "tools-internal.h"

struct edit_state {
    struct change_state change;
    struct str path, old_string, new_string;
    bool replace_all;
};

static const struct json_field fields[] = {
    {"path", JSON_FIELD_STR, JSON_REQUIRED, offsetof(struct edit_state, path)},
    {"old_string", JSON_FIELD_STR, JSON_REQUIRED, offsetof(struct edit_state, old_string)},
    {"new_string", JSON_FIELD_STR, JSON_REQUIRED, offsetof(struct edit_state, new_string)},
    {"replace_all", JSON_FIELD_BOOL, JSON_OPTIONAL, offsetof(struct edit_state, replace_all)},
};

static enum status prepare(struct tools_call *call, struct err *err)
{
    struct edit_state *state = call->state;
    if (state->old_string.len == 0)
        return err_set(err, STATUS_INVALID,
                       "edit_file: old_string must not be empty; write_file makes new files");
    state->change.change =
        change_new_replace(state->path, state->old_string, state->new_string, state->replace_all);
    return STATUS_OK;
}

const struct tool tool_edit_file = {
    .name = "edit_file",
    .kind = TOOL_EDIT,
    .offer = OFFER_FOR_REPLACE,
    .is_exclusive = true,
    .title_key = "path",
    .description =
        "Replaces old_string by new_string in a file of the workspace. old_string must be "
        "the file's exact text, with enough lines around it to occur only once, unless "
        "replace_all is true.",
    .parameters =
        "{\"type\":\"object\",\"properties\":{"
        "\"path\":{\"type\":\"string\",\"description\":\"Path relative to the workspace\"},"
        "\"old_string\":{\"type\":\"string\"},"
        "\"new_string\":{\"type\":\"string\"},"
        "\"replace_all\":{\"type\":[\"boolean\",\"null\"]}},"
        "\"required\":[\"path\",\"old_string\",\"new_string\",\"replace_all\"],"
        "\"additionalProperties\":false}",
    .fields = fields,
    .field_count = array_count(fields),
    .state_size = sizeof(struct edit_state),
    .prepare = prepare,
    .run = change_run,
    .cancel = change_cancel,
    .finish = change_finish,
};
