#include <criterion/criterion.h>

#include "random.h"

TestSuite(position, .timeout = 10);

Test(position, names)
{
    enum position_encoding encoding;

    for (encoding = POSITION_UTF8; encoding <= POSITION_UTF32; encoding++) {
        enum position_encoding parsed;

        cr_assert(position_encoding_parse(str_from(position_encoding_name(encoding)), &parsed));
        cr_assert_eq(parsed, encoding);
    }
    cr_assert_not(position_encoding_parse(STR("utf-7"), &encoding));
}

/* a é(2 bytes) 😀(4 bytes, 2 units of UTF-16) b CRLF, then an empty last line */
static const struct {
    struct position position;
    enum position_encoding encoding;
    size_t offset;
    bool exact; /* position_of gives the same position back */
} rows[] = {
    {{0, 0}, POSITION_UTF16, 0, true},   {{0, 1}, POSITION_UTF16, 1, true},
    {{0, 2}, POSITION_UTF16, 3, true},   {{0, 3}, POSITION_UTF16, 3, false},
    {{0, 4}, POSITION_UTF16, 7, true},   {{0, 5}, POSITION_UTF16, 8, true},
    {{0, 6}, POSITION_UTF16, 8, false},  {{0, 4000000000u}, POSITION_UTF16, 8, false},
    {{0, 3}, POSITION_UTF32, 7, true},   {{0, 4}, POSITION_UTF32, 8, true},
    {{0, 1}, POSITION_UTF8, 1, true},    {{0, 2}, POSITION_UTF8, 1, false},
    {{0, 3}, POSITION_UTF8, 3, true},    {{0, 6}, POSITION_UTF8, 3, false},
    {{0, 7}, POSITION_UTF8, 7, true},    {{1, 0}, POSITION_UTF16, 10, true},
    {{1, 7}, POSITION_UTF16, 10, false}, {{2, 0}, POSITION_UTF16, 10, false},
};

Test(position, to_offsets_and_back)
{
    struct text *text = text_new(STR("aé😀b\r\n"));

    for (size_t i = 0; i < array_count(rows); i++) {
        size_t offset = 99;
        struct position back;

        cr_assert_eq(text_offset_of(text, rows[i].encoding, rows[i].position, &offset, NULL), 0);
        cr_assert_eq(offset, rows[i].offset, "row %zu: %zu", i, offset);
        back = text_position_of(text, rows[i].encoding, offset);
        cr_assert_eq(back.line == rows[i].position.line &&
                         back.character == rows[i].position.character,
                     rows[i].exact, "row %zu: %u:%u", i, back.line, back.character);
    }
    text_unref(text);
}

Test(position, outside_the_document)
{
    static const struct position outside[] = {{2, 0}, {1, 1}, {4000000000u, 0}};
    struct text *text = text_new(STR("one"));

    for (size_t i = 0; i < array_count(outside); i++) {
        size_t offset = 77;
        struct err err;

        cr_assert_eq(text_offset_of(text, POSITION_UTF16, outside[i], &offset, &err),
                     STATUS_INVALID);
        cr_assert_eq(offset, 77);
        cr_assert(strstr(err.text, "is outside the document, which has 1 lines"));
    }
    text_unref(text);
}

Test(position, an_offset_inside_a_character_or_crlf_counts_as_its_start)
{
    struct text *text = text_new(STR("é\r\n"));

    cr_assert_eq(text_position_of(text, POSITION_UTF16, 1).character, 0);
    cr_assert_eq(text_position_of(text, POSITION_UTF16, 3).character, 1);
    cr_assert_eq(text_position_of(text, POSITION_UTF16, 3).line, 0);
    cr_assert_eq(text_position_of(text, POSITION_UTF16, 4).line, 1);
    text_unref(text);
}

Test(position, bytes_that_are_no_utf8_count_one_each)
{
    struct text *text = text_new(STR("a\xff\xfe"
                                     "b"));
    size_t offset;

    cr_assert_eq(text_offset_of(text, POSITION_UTF16, (struct position){0, 3}, &offset, NULL), 0);
    cr_assert_eq(offset, 3);
    text_unref(text);
}

Test(position, every_character_start_survives_the_round_trip)
{
    for (uint64_t seed = 1; seed <= 500; seed++) {
        uint64_t state = seed * 0x9E3779B97F4A7C15u;
        struct text *text = random_text(&state, 20);

        for (size_t at = 0; at <= text_len(text); at++) {
            struct str rest = str_skip(text_bytes(text), at);

            if (rest.len > 0 && ((unsigned char)rest.ptr[0] & 0xC0) == 0x80)
                continue;
            if (at > 0 && rest.len > 0 && rest.ptr[-1] == '\r' && rest.ptr[0] == '\n')
                continue;
            for (int encoding = POSITION_UTF8; encoding <= POSITION_UTF32; encoding++) {
                struct position position = text_position_of(text, encoding, at);
                size_t back = 0;

                cr_assert_eq(text_offset_of(text, encoding, position, &back, NULL), 0);
                cr_assert_eq(back, at);
            }
        }
        text_unref(text);
    }
}
