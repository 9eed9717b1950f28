/* write_file: the whole content of a new file, or of one that was read and did not change since. */
#include "tools-internal.h"

struct write_state {
    struct change_state change;
    struct str path, content;
};

static const struct json_field fields[] = {
    {"path", JSON_FIELD_STR, JSON_REQUIRED, offsetof(struct write_state, path)},
    {"content", JSON_FIELD_STR, JSON_REQUIRED, offsetof(struct write_state, content)},
};

static enum status prepare(struct tools_call *call, struct err *err)
{
    struct write_state *state = call->state;
    (void)err;
    state->change.change = change_new_write(state->path, state->content);
    return STATUS_OK;
}

const struct tool tool_write_file = {
    .name = "write_file",
    .kind = TOOL_EDIT,
    .offer = OFFER_FOR_REPLACE,
    .is_exclusive = true,
    .title_key = "path",
    .description =
        "Writes the whole content of a file of the workspace: a new one, or one that you "
        "have read and that has not changed since.",
    .parameters =
        "{\"type\":\"object\",\"properties\":{"
        "\"path\":{\"type\":\"string\",\"description\":\"Path relative to the workspace\"},"
        "\"content\":{\"type\":\"string\"}},"
        "\"required\":[\"path\",\"content\"],\"additionalProperties\":false}",
    .fields = fields,
    .field_count = array_count(fields),
    .state_size = sizeof(struct write_state),
    .prepare = prepare,
    .run = change_run,
    .cancel = change_cancel,
    .finish = change_finish,
};
