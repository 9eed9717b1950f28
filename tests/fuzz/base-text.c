/* Text from outside: UTF-8, terminal escapes, paths and file URIs. */
#include <string.h>

#include <lanebridge/base.h>

#include "fuzz.h"

static void check_utf8(struct str text)
{
    struct buf repaired = {0}, printable = {0};
    utf8_append_repaired(&repaired, text);
    FUZZ_CHECK(utf8_is_valid(buf_str(&repaired), NULL));
    FUZZ_CHECK(str_eq(text, buf_str(&repaired)) == utf8_is_valid(text, NULL));
    utf8_append_printable(&printable, text);
    FUZZ_CHECK(utf8_is_valid(buf_str(&printable), NULL));
    for (size_t i = 0; i < printable.len; i++) {
        unsigned char byte = (unsigned char)printable.ptr[i];
        FUZZ_CHECK(byte >= 0x20 ? byte != 0x7F : byte == '\t' || byte == '\n');
    }
    for (size_t limit = 0; limit <= repaired.len && limit < 256; limit++) {
        size_t floor = utf8_floor(buf_str(&repaired), limit);
        FUZZ_CHECK(floor <= limit && limit - floor < 4);
        FUZZ_CHECK(utf8_is_valid(str_slice(buf_str(&repaired), 0, floor), NULL));
    }
    buf_finish(&repaired);
    buf_finish(&printable);
}

static void check_path(struct str path)
{
    struct buf clean = {0}, again = {0}, joined = {0};
    path_append_clean(&clean, path);
    path_append_clean(&again, buf_str(&clean));
    FUZZ_CHECK(str_eq(buf_str(&clean), buf_str(&again)));
    path_append_join(&joined, STR("/ws"), path);
    FUZZ_CHECK(joined.ptr[0] == '/' && str_find(buf_str(&joined), STR("/../"), 0) == STR_NONE);
    FUZZ_CHECK(!str_ends_with(buf_str(&joined), STR("/..")));
    FUZZ_CHECK(path_is_under(buf_str(&joined), STR("/")));
    FUZZ_CHECK(path_is_under(buf_str(&joined), path_folder(buf_str(&joined))));
    buf_finish(&clean);
    buf_finish(&again);
    buf_finish(&joined);
}

static void check_uri(struct str uri)
{
    struct buf path = {0}, formed = {0}, back = {0};
    struct err err = {0};
    enum status status = uri_to_path(uri, &path, &err);
    FUZZ_CHECK(status == STATUS_OK || (path.len == 0 && err.text[0]));
    if (status == STATUS_OK) {
        FUZZ_CHECK(path.ptr[0] == '/' && path_check(buf_str(&path), NULL) == STATUS_OK);
        uri_append_file(&formed, buf_str(&path));
        FUZZ_CHECK(uri_to_path(buf_str(&formed), &back, &err) == STATUS_OK);
        FUZZ_CHECK(str_eq(buf_str(&path), buf_str(&back)));
    }
    buf_finish(&path);
    buf_finish(&formed);
    buf_finish(&back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = {(const char *)data, size};
    check_utf8(text);
    check_path(text);
    check_uri(text);
    return 0;
}
