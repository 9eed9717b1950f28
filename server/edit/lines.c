/* Views of lines and the search in them. */
#include "lines-internal.h"

static const char *const level_names[] = {
    [MATCH_EXACT] = "",
    [MATCH_TRAILING] = "ignoring trailing blanks",
    [MATCH_TRIMMED] = "ignoring indentation",
    [MATCH_FOLDED] = "ignoring indentation and typographic characters",
};

const char *match_level_name(enum match_level level)
{
    return level_names[level];
}

size_t edit_bom_len(const struct text *text)
{
    return str_starts_with(text_bytes(text), STR("\xEF\xBB\xBF")) ? 3 : 0;
}

void edit_lines_of_text(struct edit_lines *lines, const struct text *text)
{
    size_t count = text_line_count(text);

    if (text_line_start(text, count - 1) == text_len(text))
        count--;
    if (count == 1 && edit_bom_len(text) == text_len(text))
        count = 0;
    *lines = (struct edit_lines){.count = count, .text = text};
}

static struct str *list_of_text(const struct edit_lines *lines)
{
    struct str *list = mem_alloc_array(lines->count, sizeof(*list));

    text_line_contents(lines->text, list, lines->count);
    if (lines->count > 0)
        list[0] = str_skip(list[0], edit_bom_len(lines->text));
    return list;
}

void edit_lines_take(struct edit_lines *lines, struct str *list, size_t count)
{
    *lines = (struct edit_lines){.count = count};
    lines->at[MATCH_EXACT] = list;
}

void edit_lines_finish(struct edit_lines *lines)
{
    for (size_t i = 0; i < MATCH_LEVELS; i++)
        mem_free(lines->at[i]);
    mem_free(lines->folded);
    *lines = (struct edit_lines){0};
}

/* -- Folding ----------------------------------------------------------------------------------- */

/* What word processors and chat interfaces put in place of plain characters. */
static const struct {
    uint32_t first, last;
    char plain;
} folds[] = {
    {0x00A0, 0x00A0, ' '},  {0x2000, 0x200A, ' '}, {0x2010, 0x2015, '-'},
    {0x2018, 0x201B, '\''}, {0x201C, 0x201F, '"'}, {0x202F, 0x202F, ' '},
    {0x205F, 0x205F, ' '},  {0x2212, 0x2212, '-'}, {0x3000, 0x3000, ' '},
};

static char fold_of(uint32_t code_point)
{
    for (size_t i = 0; i < array_count(folds); i++) {
        if (code_point >= folds[i].first && code_point <= folds[i].last)
            return folds[i].plain;
    }
    return '\0';
}

static bool is_ascii(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        if ((unsigned char)s.ptr[i] >= 0x80)
            return false;
    }
    return true;
}

/* Writes the folded line at `to`; it is never longer than the line. */
static struct str fold_into(char *to, struct str line)
{
    char *end = to;

    while (line.len > 0) {
        uint32_t code_point;
        size_t bytes = utf8_decode(line, &code_point);
        char plain = fold_of(code_point);

        if (plain) {
            *end++ = plain;
        } else {
            memcpy(end, line.ptr, bytes);
            end += bytes;
        }
        line = str_skip(line, bytes);
    }
    return str_trim((struct str){to, (size_t)(end - to)});
}

static void fold_all(struct edit_lines *lines, struct str *list)
{
    size_t total = 0, used = 0;

    for (size_t i = 0; i < lines->count; i++)
        total += is_ascii(list[i]) ? 0 : list[i].len;
    lines->folded = mem_alloc(total);
    for (size_t i = 0; i < lines->count; i++) {
        size_t room = list[i].len;

        if (is_ascii(list[i]))
            continue;
        list[i] = fold_into(lines->folded + used, list[i]);
        used += room;
    }
}

const struct str *edit_lines_at(struct edit_lines *lines, enum match_level level)
{
    struct str *list;

    if (lines->at[level])
        return lines->at[level];
    if (!lines->at[MATCH_EXACT])
        lines->at[MATCH_EXACT] = list_of_text(lines);
    if (level == MATCH_EXACT)
        return lines->at[level];
    list = mem_alloc_array(lines->count, sizeof(*list));
    for (size_t i = 0; i < lines->count; i++)
        list[i] = level == MATCH_TRAILING ? str_trim_end(lines->at[MATCH_EXACT][i])
                                          : str_trim(lines->at[MATCH_EXACT][i]);
    if (level == MATCH_FOLDED)
        fold_all(lines, list);
    lines->at[level] = list;
    return list;
}

/* -- Searching --------------------------------------------------------------------------------- */

/* For each prefix of `wanted`, the length of its longest border. */
static size_t *borders(const struct str *wanted, size_t count)
{
    size_t *border = mem_alloc_array(count + 1, sizeof(size_t));
    size_t k = 0;

    for (size_t i = 1; i < count; i++) {
        while (k > 0 && !str_eq(wanted[i], wanted[k]))
            k = border[k];
        if (str_eq(wanted[i], wanted[k]))
            k++;
        border[i + 1] = k;
    }
    return border;
}

static bool stands_at(const struct text *text, size_t line, const struct str *wanted, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct str content = text_line_content(text, line + i);

        if (line + i == 0)
            content = str_skip(content, edit_bom_len(text));
        if (!str_eq(content, wanted[i]))
            return false;
    }
    return true;
}

/* Exactly, in the bytes of the text: a list of a million lines costs more than the search. False if
 * the longest line stands in too many places, as blank ones do. */
static bool find_in_text(const struct text *text, size_t from, size_t to, struct edit_lines *wanted,
                         struct line_list *places)
{
    enum { LOOKED_AT_MAX = 1000 };
    const struct str *list = edit_lines_at(wanted, MATCH_EXACT);
    size_t longest = 0, at = text_line_start(text, from), end = text_line_start(text, to);

    for (size_t i = 1; i < wanted->count; i++)
        longest = list[i].len > list[longest].len ? i : longest;
    if (list[longest].len == 0)
        return false;
    for (size_t looked_at = 0; looked_at < LOOKED_AT_MAX; looked_at++) {
        size_t line;

        at = str_find(str_slice(text_bytes(text), 0, end), list[longest], at);
        if (at == STR_NONE)
            return true;
        line = text_line_of(text, at);
        if (line >= from + longest && line - longest + wanted->count <= to &&
            stands_at(text, line - longest, list, wanted->count)) {
            size_t place = line - longest;

            vec_push(places, place);
        }
        at = text_line_start(text, line + 1);
    }
    return false;
}

/* Knuth, Morris and Pratt: a patch of blank lines on a file of blank lines must not take for ever.
 */
static void find_in_list(struct edit_lines *lines, size_t from, size_t to,
                         struct edit_lines *wanted, enum match_level level,
                         struct line_list *places)
{
    const struct str *hay = edit_lines_at(lines, level), *needle = edit_lines_at(wanted, level);
    size_t *border, k = 0;
    char last;

    border = borders(needle, wanted->count);
    last = needle[0].len > 0 ? needle[0].ptr[needle[0].len - 1] : '\0';
    for (size_t i = from; i < to; i++) {
        /* Nearly every line of nearly every search. */
        if (k == 0 &&
            (hay[i].len != needle[0].len || (hay[i].len > 0 && hay[i].ptr[hay[i].len - 1] != last)))
            continue;
        while (k > 0 && (k == wanted->count || !str_eq(hay[i], needle[k])))
            k = border[k];
        if (str_eq(hay[i], needle[k]))
            k++;
        if (k == wanted->count)
            vec_push(places, i + 1 - k);
    }
    mem_free(border);
}

void edit_lines_find(struct edit_lines *lines, size_t from, size_t to, struct edit_lines *wanted,
                     enum match_level level, struct line_list *places)
{
    size_t before = places->len;

    if (wanted->count == 0 || to < from || to - from < wanted->count)
        return;
    if (level == MATCH_EXACT && lines->text && !lines->at[MATCH_EXACT]) {
        if (find_in_text(lines->text, from, to, wanted, places))
            return;
        places->len = before;
    }
    find_in_list(lines, from, to, wanted, level, places);
}

void edit_append_places(struct buf *errors, const struct line_list *places)
{
    enum { SHOWN_MAX = 20 };
    size_t shown = places->len < SHOWN_MAX ? places->len : SHOWN_MAX;

    buf_append_c(errors, places->len == 1 ? "line " : "lines ");
    for (size_t i = 0; i < shown; i++) {
        bool last = i + 1 == places->len;

        buf_append_fmt(errors, "%s%zu", i == 0 ? "" : last ? " and " : ", ", places->ptr[i] + 1);
    }
    if (places->len > shown)
        buf_append_fmt(errors, " and %zu more", places->len - shown);
}
