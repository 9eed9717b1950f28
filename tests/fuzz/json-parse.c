/* What parses is printed, and the print parses again to the same print; what does not says why. */
#include <string.h>

#include <lanebridge/json.h>

#include "fuzz.h"

static void check_print(const struct json_value *value)
{
    struct buf first = {0}, second = {0};
    json_append(&first, value);
    FUZZ_CHECK(utf8_is_valid(buf_str(&first), NULL));
    struct json_value *again = NULL;
    FUZZ_CHECK(json_parse(buf_str(&first), &again, NULL) == STATUS_OK);
    json_append(&second, again);
    FUZZ_CHECK(str_eq(buf_str(&first), buf_str(&second)));
    json_free(again);
    buf_finish(&first);
    buf_finish(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = {(const char *)data, size};
    struct json_value *value = NULL;
    struct err err = {0};
    enum status status = json_parse(text, &value, &err);
    if (status == STATUS_OK) {
        check_print(value);
        json_free(value);
    } else {
        FUZZ_CHECK(!value && err.status == status);
        FUZZ_CHECK(str_starts_with(str_from(err.text), STR("JSON at byte ")));
        FUZZ_CHECK(utf8_is_valid(str_from(err.text), NULL));
    }

    /* Any bytes at all can be written as a string. */
    struct buf quoted = {0}, decoded = {0}, repaired = {0};
    json_append_quoted(&quoted, text);
    FUZZ_CHECK(json_raw_decode(buf_str(&quoted), &decoded));
    utf8_append_repaired(&repaired, text);
    FUZZ_CHECK(str_eq(buf_str(&decoded), buf_str(&repaired)));
    buf_finish(&quoted);
    buf_finish(&decoded);
    buf_finish(&repaired);
    return 0;
}
