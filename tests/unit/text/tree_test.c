/* The rope against the obvious way: bytes in one piece, looked at one by one. */
#include <criterion/criterion.h>

#include "random.h"

TestSuite(tree, .timeout = 60);

/* -- The obvious way -------------------------------------------------------------------------- */

static size_t units_of(struct str s, enum position_encoding encoding, size_t *ret_units)
{
    uint32_t code_point;
    size_t bytes = utf8_decode(s, &code_point);

    *ret_units = encoding == POSITION_UTF8                           ? bytes
                 : encoding == POSITION_UTF16 && code_point > 0xFFFF ? 2
                                                                     : 1;
    return bytes;
}

/* The end of the line that starts at `start`, without its ending; *ret_next: where the next starts,
 * SIZE_MAX if it is the last. */
static size_t line_end(struct str bytes, size_t start, size_t *ret_next)
{
    for (size_t at = start; at < bytes.len; at++) {
        if (bytes.ptr[at] != '\n' && bytes.ptr[at] != '\r')
            continue;
        *ret_next = at + 1;
        if (bytes.ptr[at] == '\r' && at + 1 < bytes.len && bytes.ptr[at + 1] == '\n')
            ++*ret_next;
        return at;
    }
    *ret_next = SIZE_MAX;
    return bytes.len;
}

static size_t slow_offset(struct str bytes, enum position_encoding encoding, uint32_t character,
                          size_t start, size_t end)
{
    size_t left = character;

    while (start < end && left > 0) {
        size_t units, n = units_of((struct str){bytes.ptr + start, end - start}, encoding, &units);

        if (units > left)
            break;
        left -= units;
        start += n;
    }
    return start;
}

static uint32_t slow_character(struct str bytes, enum position_encoding encoding, size_t offset,
                               size_t start, size_t end)
{
    uint32_t character = 0;

    while (start < end) {
        size_t units, n = units_of((struct str){bytes.ptr + start, end - start}, encoding, &units);

        start += n;
        if (start > offset)
            break;
        character += (uint32_t)units;
    }
    return character;
}

static void check_offset(const struct text *text, struct str bytes, size_t offset, size_t line,
                         size_t start, size_t end)
{
    for (int e = POSITION_UTF8; e <= POSITION_UTF32; e++) {
        enum position_encoding encoding = (enum position_encoding)e;
        struct position position = text_position_of(text, encoding, offset);
        uint32_t character = (uint32_t)(offset - start);
        size_t found;

        cr_assert_eq(position.line, line, "offset %zu: line %u, not %zu", offset, position.line,
                     line);
        cr_assert_eq(position.character, slow_character(bytes, encoding, offset, start, end),
                     "offset %zu, encoding %d: %u", offset, e, position.character);
        position.character = character;
        cr_assert_eq(text_offset_of(text, encoding, position, &found, NULL), STATUS_OK);
        cr_assert_eq(found, slow_offset(bytes, encoding, character, start, end),
                     "%zu:%u, encoding %d: %zu", line, character, e, found);
    }
}

/* Every `step`-th offset. */
static void check_positions(const struct text *text, struct str bytes, size_t step)
{
    size_t line = 0, start = 0, next, end = line_end(bytes, 0, &next);

    for (size_t offset = 0; offset <= bytes.len; offset += step) {
        while (offset >= next) {
            start = next;
            end = line_end(bytes, start, &next);
            line++;
        }
        check_offset(text, bytes, offset, line, start, end);
    }
}

/* -- Random texts ----------------------------------------------------------------------------- */

/* Characters of every length, halves of them, line endings and their halves. */
static void append_wild(struct buf *buf, uint64_t *seed, size_t pieces)
{
    static const char *const wild[] = {"a",        "plain text of some length",
                                       "\r",       "\n",
                                       "\r\n",     "é",
                                       "€",        "😀",
                                       "\x80",     "\xBF\xBF",
                                       "\xF0\x9F", "\xE2",
                                       "\xC3",     "a line\n"};

    while (pieces-- > 0)
        buf_append_c(buf, wild[random_below(seed, array_count(wild))]);
}

static void append_run(struct buf *buf, uint64_t *seed, size_t pieces)
{
    static const char bytes[] = {'a', '\n', '\r', (char)0x80, (char)0xF0};
    char byte = bytes[random_below(seed, sizeof(bytes))];

    for (size_t n = pieces * random_below(seed, 20); n > 0; n--)
        buf_append(buf, (struct str){&byte, 1});
}

static void edit_once(struct text **text, struct buf *model, uint64_t *seed)
{
    struct buf with = {0}, next = {0};
    size_t start = random_below(seed, model->len + 1);
    size_t rest = model->len - start;
    size_t cut = random_below(seed, (random_below(seed, 8) == 0 ? rest : rest / 64) + 1);
    struct text *edited;

    if (random_below(seed, 2))
        append_wild(&with, seed, random_below(seed, 40));
    else if (random_below(seed, 8) == 0)
        append_run(&with, seed, random_below(seed, 900));
    buf_append(&next, (struct str){model->ptr, start});
    buf_append(&next, (struct str){with.ptr, with.len});
    buf_append(&next, (struct str){model->ptr + start + cut, rest - cut});
    edited = text_replace(*text, start, start + cut, buf_str(&with));
    text_unref(*text);
    *text = edited;
    buf_finish(model);
    *model = next;
    buf_finish(&with);
}

Test(tree, edits_give_what_the_obvious_way_gives)
{
    for (uint64_t seed = 1; seed <= 12; seed++) {
        uint64_t random = seed * 0x9E3779B97F4A7C15u;
        struct buf model = {0};
        append_wild(&model, &random, random_below(&random, 9000));
        struct text *text = text_new(buf_str(&model));

        for (int i = 0; i < 60; i++) {
            edit_once(&text, &model, &random);
            cr_assert_eq(text_len(text), model.len);
        }
        check_positions(text, buf_str(&model), 1 + random_below(&random, 97));
        cr_assert(str_eq(text_bytes(text), buf_str(&model)), "seed %lu", (unsigned long)seed);
        text_unref(text);
        buf_finish(&model);
    }
}

Test(tree, every_offset_of_a_text_with_seams)
{
    uint64_t random = 7;
    struct buf model = {0};
    append_wild(&model, &random, 1500);
    struct text *text = text_new(buf_str(&model));

    for (int i = 0; i < 200; i++)
        edit_once(&text, &model, &random);
    check_positions(text, buf_str(&model), 1);
    text_unref(text);
    buf_finish(&model);
}

Test(tree, older_versions_stay)
{
    uint64_t random = 11;
    struct buf model = {0};
    append_wild(&model, &random, 5000);
    struct text *versions[50] = {text_new(buf_str(&model))};
    struct buf kept[50] = {0};

    buf_append(&kept[0], (struct str){model.ptr, model.len});
    for (size_t i = 1; i < array_count(versions); i++) {
        versions[i] = text_ref(versions[i - 1]);
        edit_once(&versions[i], &model, &random);
        buf_append(&kept[i], (struct str){model.ptr, model.len});
    }
    for (size_t i = 0; i < array_count(versions); i++) {
        cr_assert(str_eq(text_bytes(versions[i]), buf_str(&kept[i])), "version %zu", i);
        text_unref(versions[i]);
        buf_finish(&kept[i]);
    }
    buf_finish(&model);
}

Test(tree, equal_whatever_the_seams)
{
    uint64_t random = 13;
    struct buf model = {0};
    append_wild(&model, &random, 6000);
    struct text *edited = text_new(buf_str(&model));

    for (int i = 0; i < 100; i++)
        edit_once(&edited, &model, &random);
    struct text *fresh = text_new(buf_str(&model));
    cr_assert(text_eq(edited, fresh));
    char *byte = &model.ptr[model.len / 2];
    *byte = (char)(*byte ^ 1);
    struct text *other = text_new(buf_str(&model));
    cr_assert_not(text_eq(edited, other));
    text_unref(edited);
    text_unref(fresh);
    text_unref(other);
    buf_finish(&model);
}

Test(tree, typed_one_by_one_and_deleted)
{
    struct text *text = text_new(STR(""));

    for (size_t i = 0; i < 20000; i++) {
        struct text *next = text_replace(text, i, i, i % 40 == 39 ? STR("\n") : STR("x"));
        text_unref(text);
        text = next;
    }
    struct position at = text_position_of(text, POSITION_UTF16, 20000);
    cr_assert(at.line == 500 && at.character == 0);
    for (size_t i = 20000; i-- > 0;) {
        struct text *next = text_replace(text, i / 2, i / 2 + 1, STR(""));
        text_unref(text);
        text = next;
    }
    cr_assert_eq(text_len(text), 0);
    cr_assert_eq(text_line_count(text), 1);
    text_unref(text);
}
