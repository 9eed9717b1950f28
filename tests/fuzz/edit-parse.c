/* A patch, parsed and planned on files that do not exist and on files that all have one text. */
#include <lanebridge/edit.h>

#include "fuzz.h"

static void check_file(const struct edit_file *file)
{
    FUZZ_CHECK((file->before == NULL) == (file->kind == EDIT_CREATE));
    FUZZ_CHECK((file->after == NULL) == (file->kind == EDIT_DELETE));
    FUZZ_CHECK((file->new_path == NULL) == (file->kind != EDIT_MOVE));
    FUZZ_CHECK(file->path && file->path[0]);
}

static void plan(const struct edit_patch *patch, struct text *text)
{
    VEC(struct edit_source) sources = {0};
    struct edit_plan plan = {0};
    struct buf errors = {0};
    for (size_t i = 0; i < edit_patch_path_count(patch); i++) {
        struct edit_source source = {edit_patch_path(patch, i), text, STR("")};
        FUZZ_CHECK(source.path.len > 0);
        vec_push(&sources, source);
    }
    enum status status = edit_patch_plan(patch, sources.ptr, sources.len, &plan, &errors);
    FUZZ_CHECK((status == STATUS_OK) == (errors.len == 0));
    FUZZ_CHECK(status == STATUS_OK || plan.files.len == 0);
    for (size_t i = 0; i < plan.files.len; i++)
        check_file(&plan.files.ptr[i]);
    edit_plan_finish(&plan);
    buf_finish(&errors);
    vec_finish(&sources);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct edit_patch *patch = NULL;
    struct err err = {0};
    struct text *text = text_new(STR("a\nb\r\nc"));
    if (edit_patch_parse((struct str){(const char *)data, size}, &patch, &err) == STATUS_OK) {
        plan(patch, NULL);
        plan(patch, text);
    } else {
        FUZZ_CHECK(!patch && err.text[0]);
    }
    edit_patch_free(patch);
    text_unref(text);
    return 0;
}
