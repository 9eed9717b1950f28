/* Positions × encodings × line endings: every position of every text of a family, beside a reading
 * that walks from the front; and the numbers of some, written out by hand. */
#include <criterion/criterion.h>

#include "../../properties/plain.h"
#include "random.h"

TestSuite(encodings, .timeout = 30);

/* A line's content, its code units, and where each unit's character begins. */
static const struct {
    struct str content;
    size_t units[3]; /* of the whole: UTF-8, UTF-16, UTF-32 */
} contents[] = {
    {{"", 0}, {0, 0, 0}},
    {{"ab", 2}, {2, 2, 2}},
    {{"\xC3\xA9", 2}, {2, 1, 1}},                 /* é */
    {{"e\xCC\x81", 3}, {3, 2, 2}},                /* e and a combining acute accent */
    {{"\xE4\xB8\xAD\xE6\x96\x87", 6}, {6, 2, 2}}, /* 中文 */
    {{"\xF0\x9F\x98\x80", 4}, {4, 2, 1}},         /* a pair of surrogates */
    {{"a\xF0\x9F\x98\x80z", 6}, {6, 4, 3}},
    {{"\xEF\xBB\xBFx", 4}, {4, 2, 2}}, /* a BOM is a character */
    {{"a\0b", 3}, {3, 3, 3}},
    {{"\xE2\x80\xA8", 3}, {3, 1, 1}}, /* U+2028 ends no line */
    {{"\xFF\xC3", 2}, {2, 2, 2}},     /* no UTF-8: a unit each */
    {{"\v\f\x85", 3}, {3, 3, 3}},
};
static const char *const endings[] = {"\n", "\r\n", "\r"};

static struct str ending_of(size_t kind, size_t line)
{
    return str_from(endings[kind < 3 ? kind : line % 3]); /* the fourth kind is mixed */
}

/* Two lines of content and perhaps an ending behind them. */
static struct text *make_text(size_t a, size_t b, size_t kind, bool is_closed)
{
    struct buf bytes = {0};

    buf_append(&bytes, contents[a].content);
    buf_append(&bytes, ending_of(kind, 0));
    buf_append(&bytes, contents[b].content);
    if (is_closed)
        buf_append(&bytes, ending_of(kind, 1));
    return text_take(&bytes);
}

static void check_position(const struct text *text, enum position_encoding encoding,
                           struct position position)
{
    size_t offset = 99, plain = 99;
    bool exists = plain_offset(text_bytes(text), encoding, position, &plain);

    cr_assert_eq(text_offset_of(text, encoding, position, &offset, NULL) == STATUS_OK, exists,
                 "%u:%u", position.line, position.character);
    cr_assert(!exists || offset == plain, "%u:%u is %zu, not %zu", position.line,
              position.character, offset, plain);
}

static void check_text(const struct text *text)
{
    size_t count = text_line_count(text);

    for (int encoding = POSITION_UTF8; encoding <= POSITION_UTF32; encoding++) {
        for (uint32_t line = 0; line <= count + 1; line++) {
            for (uint32_t character = 0; character < 10; character++)
                check_position(text, encoding, (struct position){line, character});
            check_position(text, encoding, (struct position){line, UINT32_MAX});
        }
        check_position(text, encoding, (struct position){UINT32_MAX, 0});
        for (size_t at = 0; at <= text_len(text); at++) {
            struct position ours = text_position_of(text, encoding, at);
            struct position plain = plain_position(text_bytes(text), encoding, at);

            cr_assert(ours.line == plain.line && ours.character == plain.character);
        }
    }
}

Test(encodings, every_position_of_every_text)
{
    for (size_t a = 0; a < array_count(contents); a++) {
        for (size_t b = 0; b < array_count(contents); b++) {
            for (size_t kind = 0; kind < 4; kind++) {
                for (int is_closed = 0; is_closed <= 1; is_closed++) {
                    struct text *text = make_text(a, b, kind, is_closed);

                    check_text(text);
                    text_unref(text);
                }
            }
        }
    }
}

Test(encodings, units_of_a_line)
{
    for (size_t a = 0; a < array_count(contents); a++) {
        for (size_t kind = 0; kind < 4; kind++) {
            struct text *text = make_text(a, 1, kind, true);

            for (int encoding = POSITION_UTF8; encoding <= POSITION_UTF32; encoding++) {
                size_t units = contents[a].units[encoding], end = contents[a].content.len, at;
                struct position last = {0, (uint32_t)units}, beyond = {0, (uint32_t)units + 1};

                cr_assert_eq(text_position_of(text, encoding, end).character, units, "row %zu", a);
                cr_assert_eq(text_offset_of(text, encoding, last, &at, NULL), STATUS_OK);
                cr_assert_eq(at, end, "row %zu", a);
                cr_assert_eq(text_offset_of(text, encoding, beyond, &at, NULL), STATUS_OK);
                cr_assert_eq(at, end, "beyond the line counts as its end");
                cr_assert_eq(text_position_of(text, encoding, end + ending_of(kind, 0).len).line,
                             1);
            }
            text_unref(text);
        }
    }
}

/* The same in a text of many leaves, torn and joined by edits: what is measured is the same. */
Test(encodings, after_edits_in_a_large_text)
{
    uint64_t seed = 0x9E3779B97F4A7C15u;
    struct buf bytes = {0};
    struct text *text;

    while (bytes.len < 20000) {
        buf_append(&bytes, contents[random_below(&seed, array_count(contents))].content);
        buf_append(&bytes, ending_of(3, random_below(&seed, 3)));
    }
    text = text_take(&bytes);
    for (size_t i = 0; i < 60; i++) {
        size_t at = random_below(&seed, text_len(text) + 1);
        size_t end = at + random_below(&seed, text_len(text) - at + 1) % 40;
        struct str with = contents[random_below(&seed, array_count(contents))].content;
        struct text *next = text_replace(text, at, end, with), *fresh;

        text_unref(text);
        text = next;
        fresh = text_new(text_bytes(text));
        for (int encoding = POSITION_UTF8; encoding <= POSITION_UTF32; encoding++) {
            for (size_t k = 0; k < 20; k++) {
                size_t offset = random_below(&seed, text_len(text) + 1), a, b;
                struct position ours = text_position_of(text, encoding, offset);
                struct position other = text_position_of(fresh, encoding, offset);

                cr_assert(ours.line == other.line && ours.character == other.character);
                cr_assert_eq(text_offset_of(text, encoding, ours, &a, NULL), STATUS_OK);
                cr_assert_eq(text_offset_of(fresh, encoding, ours, &b, NULL), STATUS_OK);
                cr_assert_eq(a, b);
            }
        }
        text_unref(fresh);
    }
    text_unref(text);
}
