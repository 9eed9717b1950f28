/* A text, a NUL and the hunks of an update, also as old and new string of a replacement. Either a
 * plan that changes something, or notes that nothing changes, or errors. */
#include <lanebridge/edit.h>

#include "fuzz.h"

static void finish(enum status status, struct edit_plan *plan, struct buf *errors)
{
    FUZZ_CHECK((status == STATUS_OK) == (errors->len == 0));
    FUZZ_CHECK(status == STATUS_OK || plan->files.len == 0);
    if (plan->files.len > 0 && plan->files.ptr[0].kind == EDIT_UPDATE)
        FUZZ_CHECK(!text_eq(plan->files.ptr[0].before, plan->files.ptr[0].after));
    edit_plan_finish(plan);
    buf_finish(errors);
}

static void apply(const struct edit_source *source, struct str hunks)
{
    struct edit_patch *patch = NULL;
    struct edit_plan plan = {0};
    struct buf bytes = {0}, errors = {0};
    buf_append_c(&bytes, "*** Begin Patch\n*** Update File: f\n");
    buf_append(&bytes, hunks);
    buf_append_c(&bytes, "\n*** End Patch\n");
    if (edit_patch_parse(buf_str(&bytes), &patch, NULL) == STATUS_OK)
        finish(edit_patch_plan(patch, source, 1, &plan, &errors), &plan, &errors);
    edit_patch_free(patch);
    buf_finish(&bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str hunks, first = fuzz_split((struct str){(const char *)data, size}, &hunks);
    struct text *text = text_new(first);
    struct edit_source source = {STR("f"), text, STR("")};
    apply(&source, hunks);
    for (int all = 0; all <= 1; all++) {
        struct str old = str_slice(hunks, 0, hunks.len / 2), new = str_skip(hunks, hunks.len / 2);
        struct edit_plan plan = {0};
        struct buf errors = {0};
        finish(edit_replace_plan(&source, old, new, all, &plan, &errors), &plan, &errors);
    }
    text_unref(text);
    return 0;
}
