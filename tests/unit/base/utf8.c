#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include <lanebridge/base.h>

TestSuite(utf8, .timeout = 20);

/* -- A second opinion: well-formed means that encoding the decoded value gives the same bytes. ---
 */

static size_t reference_length(const unsigned char *p, size_t len)
{
    size_t need = p[0] < 0x80 ? 1 : p[0] < 0xC0 ? 0 : p[0] < 0xE0 ? 2 : p[0] < 0xF0 ? 3 : 4;
    if (need == 0 || need > len || p[0] >= 0xF8)
        return 0;
    static const uint32_t lead_bits[] = {0, 0x7F, 0x1F, 0x0F, 0x07};
    static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    uint32_t code = p[0] & lead_bits[need];
    for (size_t i = 1; i < need; i++) {
        if (p[i] >> 6 != 2)
            return 0;
        code = code << 6 | (p[i] & 0x3F);
    }
    bool scalar = code <= 0x10FFFF && (code < 0xD800 || code > 0xDFFF);
    return scalar && code >= smallest[need] ? need : 0;
}

Test(utf8, every_scalar_value_goes_there_and_back)
{
    struct buf text = {0};
    for (uint32_t code = 0; code <= 0x10FFFF; code++) {
        if (code >= 0xD800 && code <= 0xDFFF)
            continue;
        buf_clear(&text);
        utf8_append(&text, code);
        uint32_t back;
        size_t len = utf8_decode(buf_str(&text), &back);
        bool same = len == text.len && back == code;
        buf_append_c(&text, "end");
        if (!same || !utf8_is_valid(buf_str(&text), NULL))
            cr_assert(false, "U+%04X", (unsigned)code);
    }
    buf_finish(&text);
}

Test(utf8, what_is_no_scalar_becomes_the_replacement)
{
    static const uint32_t codes[] = {0xD800, 0xDFFF, 0x110000, UINT32_MAX};
    for (size_t i = 0; i < array_count(codes); i++) {
        struct buf text = {0};
        utf8_append(&text, codes[i]);
        cr_assert_str_eq(text.ptr, "\uFFFD");
        buf_finish(&text);
    }
}

Test(utf8, all_lead_and_second_bytes_agree_with_the_reference)
{
    static const unsigned char thirds[] = {0x00, 0x41, 0x7F, 0x80, 0xBF, 0xC0, 0xFF};
    for (unsigned lead = 0; lead < 256; lead++)
        for (unsigned second = 0; second < 256; second++)
            for (size_t t = 0; t < sizeof(thirds); t++)
                for (size_t len = 1; len <= 4; len++) {
                    const unsigned char bytes[4] = {(unsigned char)lead, (unsigned char)second,
                                                    thirds[t], 0x80};
                    size_t expected = reference_length(bytes, len);
                    struct str s = {(const char *)bytes, len};
                    uint32_t code;
                    size_t got = utf8_decode(s, &code);
                    size_t bad = len;
                    utf8_is_valid(s, &bad);
                    if ((bad > 0) != (expected > 0) || bad < expected ||
                        got != (expected ? expected : 1) || (expected == 0 && code != 0xFFFD))
                        cr_assert(false, "%02x %02x %02x, %zu bytes", lead, second, thirds[t], len);
                }
}

Test(utf8, says_where_it_is_bad)
{
    static const struct {
        struct str text;
        size_t offset;
    } cases[] = {
        {STR_INIT("\xFF"), 0},
        {STR_INIT("abc\x80"), 3},
        {STR_INIT("é\xC3"), 2},
        {STR_INIT("é\xC3(ok"), 2},
        {STR_INIT("12345678\xF0\x9F\x98"), 8},
        {STR_INIT("\xED\xA0\x80"), 0},
        {STR_INIT("\xE0\x80\x80"), 0},
        {STR_INIT("\xF4\x90\x80\x80"), 0},
        {STR_INIT("\xC0\xAF"), 0},
    };
    for (size_t i = 0; i < array_count(cases); i++) {
        size_t offset = 99;
        cr_assert_not(utf8_is_valid(cases[i].text, &offset));
        cr_assert_eq(offset, cases[i].offset, "case %zu", i);
        cr_assert_not(utf8_is_valid(cases[i].text, NULL));
    }
    size_t offset = 99;
    cr_assert(utf8_is_valid(STR("plain, é, €, 😀, \0, plain again"), &offset));
    cr_assert(utf8_is_valid((struct str){NULL, 0}, &offset));
    cr_assert_eq(offset, 99, "untouched");
}

Test(utf8, repairs_each_bad_byte)
{
    struct buf out = {0};
    utf8_append_repaired(&out, STR("a\xFF"
                                   "b\xE2\x82"
                                   "c\xED\xA0\x80€"));
    cr_assert_str_eq(out.ptr, "a\uFFFDb\uFFFD\uFFFDc\uFFFD\uFFFD\uFFFD€");
    buf_finish(&out);
}

Test(utf8, printable_removes_what_drives_a_terminal)
{
    static const char *const cases[][2] = {
        {"plain ä\ttext\n", "plain ä\ttext\n"},
        {"a\r\nb\rc\r\r\n", "a\nbc\n"},
        {"\033[1;31mred\033[0m", "red"},
        {"\033[?25l\033[2Jx", "x"},
        {"\033[1 qx", "x"},
        {"\033]0;title\ax", "x"},
        {"\033]8;;http://x\033\\link\033]8;;\033\\", "link"},
        {"\033Pdcs\033\\x", "x"},
        {"\033_apc\033\\x\033^pm\ay\033Xsos\033\\z", "xyz"},
        {"\033(Bx\0337y\033=z", "xyz"},
        {"a\b\v\fb\x7F", "ab"},
        {"\xC2\x9B"
         "31mx\xC2\x85y",
         "31mxy"},
        {"\xC2\xA0x", "\xC2\xA0x"},
        {"\xFFx\xE2\x82", "\uFFFDx\uFFFD\uFFFD"},
        /* Torn sequences hide no more than their line. */
        {"a\033", "a"},
        {"a\033[12", "a"},
        {"a\033[12\nb", "a\nb"},
        {"a\033]0;never closed\nb", "a\nb"},
        {"a\033]0;x\033[31mb", "ab"},
        {"a\033\nb", "a\nb"},
        {"a\033\033[1mb", "ab"},
        {"a\033äb", "aäb"},
    };
    for (size_t i = 0; i < array_count(cases); i++) {
        struct buf out = {0};
        utf8_append_printable(&out, str_from(cases[i][0]));
        cr_assert(str_eq_c(buf_str(&out), cases[i][1]), "case %zu gave %s", i, out.ptr);
        buf_finish(&out);
    }
    struct buf out = {0};
    utf8_append_printable(&out, STR("a\0b"));
    cr_assert_str_eq(out.ptr, "ab");
    buf_finish(&out);
}

Test(utf8, floor_cuts_no_character)
{
    struct str s = STR("aé€😀z");
    static const size_t floors[] = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 11, 11, 11};
    for (size_t limit = 0; limit < array_count(floors); limit++)
        cr_assert_eq(utf8_floor(s, limit), floors[limit], "limit %zu", limit);
    /* Loose tails are characters of their own. */
    struct str loose = STR("\x80\x80\x80\x80\x80\x80");
    for (size_t limit = 0; limit <= 6; limit++)
        cr_assert_eq(utf8_floor(loose, limit), limit);
    cr_assert_eq(utf8_floor(STR("é\x80"), 2), 2);
    cr_assert_eq(utf8_floor((struct str){NULL, 0}, 5), 0);
}

static const char *const visible[][2] = {
    {"plain \t text\n", "plain \t text\n"},
    {"a\x1b[31mb", "a⟨U+001B⟩[31mb"},
    {"rm \xe2\x80\xae/x", "rm ⟨U+202E⟩/x"},
    {"a\xe2\x80\x8b"
     "b",
     "a⟨U+200B⟩b"},
    {"\xe2\x81\xa6x\xe2\x81\xa9", "⟨U+2066⟩x⟨U+2069⟩"},
    {"\xef\xbb\xbfx", "⟨U+FEFF⟩x"},
    {"\xf3\xa0\x81\x81", "⟨U+E0041⟩"},
    {"a\rb", "a⟨U+000D⟩b"},
    {"\xc2\x9bx", "⟨U+009B⟩x"},
    {"\xff", "\xef\xbf\xbd"},
    {"äöü 漢字", "äöü 漢字"},
};

Test(utf8, sec_28_what_hides_is_made_visible)
{
    for (size_t i = 0; i < array_count(visible); i++) {
        struct buf out = {0};
        utf8_append_visible(&out, str_from(visible[i][0]));
        cr_assert_str_eq(out.ptr, visible[i][1], "%zu", i);
        buf_finish(&out);
    }
}

Test(utf8, sec_28_what_hides_is_made_visible_on_one_line)
{
    static const struct {
        const char *text, *line;
        size_t max;
    } lines[] = {
        {"a\nb\tc", "a b c", 80},     {"äöü", "äö…", 5}, {"äöü", "äöü", 6}, {"", "", 0},
        {"x\x1by", "x⟨U+001B⟩y", 80}, {"ab", "…", 0},
    };
    for (size_t i = 0; i < array_count(lines); i++) {
        struct buf out = {0};
        utf8_append_line(&out, str_from(lines[i].text), lines[i].max);
        cr_assert(str_eq_c(buf_str(&out), lines[i].line), "%zu", i);
        buf_finish(&out);
    }
}
