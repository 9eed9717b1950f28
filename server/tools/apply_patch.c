/* apply_patch: the free-form patch format, all or nothing. */
#include "tools-internal.h"

/* Endpoints without custom tools wrap the text in {"input": …}. */
static const struct json_field fields[] = {
    {"input", JSON_FIELD_STR, JSON_REQUIRED, offsetof(struct change_state, input)},
};

static enum status prepare(struct tools_call *call, struct err *err)
{
    struct change_state *state = call->state;
    state->change = change_new_patch(state->input, err);
    if (!state->change) {
        err_prefix(err, "apply_patch");
        return err->status;
    }
    return STATUS_OK;
}

const struct tool tool_apply_patch = {
    .name = "apply_patch",
    .kind = TOOL_EDIT,
    .offer = OFFER_FOR_PATCH,
    .is_exclusive = true,
    .description =
        "Edits files with a patch in the \"*** Begin Patch\" format, given as plain text and not "
        "as "
        "JSON. Paths are relative to the workspace. It is matched against the text on the user's "
        "screen and applied whole or not at all; the user can undo it.",
    .fields = fields,
    .field_count = array_count(fields),
    .state_size = sizeof(struct change_state),
    .prepare = prepare,
    .run = change_run,
    .cancel = change_cancel,
    .finish = change_finish,
};
