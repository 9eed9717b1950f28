/* Finding the place of a hunk. Only one place will do: of several, the first would often be the
 * wrong one, silently. An anchor narrows the search to what is below it and indented deeper; if the
 * hunk is not there, to all that is below it. */
#include "locate-internal.h"

enum { REGIONS_MAX = 256 };

enum outcome { FOUND, ABSENT, AMBIGUOUS };

/* What an anchor at line `from` stands for; without anchors the whole file. */
struct region {
    size_t from, to;
};
struct regions {
    struct region *ptr;
    size_t len, cap;
};

struct search {
    const struct locate *where;
    const struct patch_chunk *chunk;
    struct regions regions; /* of the last anchor */
    enum match_level anchor_level;
    const char *remark;
    struct line_list places; /* when AMBIGUOUS */
};

/* -- Anchors ----------------------------------------------------------------------------------- */

static size_t indentation(struct str line)
{
    size_t n = 0;

    while (n < line.len && (line.ptr[n] == ' ' || line.ptr[n] == '\t'))
        n++;
    return n;
}

/* A line that begins something of its own, unlike a brace that belongs to what was before. */
static bool begins_something(struct str line, size_t indent)
{
    return indent < line.len && !strchr("{}()[];,", line.ptr[indent]);
}

static size_t scope_end(struct edit_lines *file, size_t anchor, size_t limit)
{
    const struct str *lines = edit_lines_at(file, MATCH_EXACT);
    size_t own = indentation(lines[anchor]);

    for (size_t i = anchor + 1; i < limit; i++) {
        size_t indent = indentation(lines[i]);

        if (indent <= own && begins_something(lines[i], indent))
            return i;
    }
    return limit;
}

static bool anchor_matches(struct edit_lines *file, size_t line, struct edit_lines *anchor,
                           size_t level)
{
    if (level < MATCH_LEVELS)
        return str_eq(edit_lines_at(file, level)[line], edit_lines_at(anchor, level)[0]);
    return str_starts_with(edit_lines_at(file, MATCH_TRIMMED)[line],
                           edit_lines_at(anchor, MATCH_TRIMMED)[0]);
}

/* The anchor's places within `parents`, each with its scope. Parents come in order and may lie in
 * each other; each line is looked at once. */
static void find_anchor(struct search *s, struct edit_lines *anchor, size_t level, bool to_end,
                        const struct regions *parents, struct regions *ret_found)
{
    struct edit_lines *file = s->where->file;
    size_t line = 0;

    for (size_t i = 0; i < parents->len; i++) {
        size_t to = to_end ? file->count : parents->ptr[i].to;

        line = line > parents->ptr[i].from ? line : parents->ptr[i].from;
        for (; line < to && ret_found->len < REGIONS_MAX; line++) {
            struct region region = {line, line};

            if (!anchor_matches(file, line, anchor, level))
                continue;
            region.to = scope_end(file, line, to);
            vec_push(ret_found, region);
        }
    }
}

/* One anchor: narrows s->regions. The levels are those of hunks, then the start of a line. */
static bool apply_anchor(struct search *s, struct str text)
{
    struct str *list = mem_dup(&text, sizeof(text));
    struct edit_lines anchor;
    struct regions found = {0};

    edit_lines_take(&anchor, list, 1);
    for (int to_end = 0; to_end <= 1 && found.len == 0; to_end++) {
        for (size_t level = 0; level <= MATCH_LEVELS && found.len == 0; level++) {
            find_anchor(s, &anchor, level, to_end, &s->regions, &found);
            if (found.len > 0 && level == MATCH_LEVELS)
                s->remark = "its '@@' line is only the start of the line there";
            else if (found.len > 0 && level > s->anchor_level)
                s->anchor_level = level;
        }
    }
    edit_lines_finish(&anchor);
    vec_finish(&s->regions);
    s->regions = found;
    return found.len > 0;
}

/* Regions that end before the hunk may begin are of no use, unless there is no other. */
static void drop_passed_regions(struct search *s)
{
    size_t kept = 0;

    for (size_t i = 0; i < s->regions.len; i++) {
        if (s->regions.ptr[i].to > s->where->after)
            s->regions.ptr[kept++] = s->regions.ptr[i];
    }
    if (kept > 0)
        s->regions.len = kept;
}

static bool apply_anchors(struct search *s, struct buf *errors)
{
    struct region all = {0, s->where->file->count};

    vec_push(&s->regions, all);
    for (size_t i = 0; i < s->chunk->anchors.len; i++) {
        struct str anchor = s->chunk->anchors.ptr[i];
        struct edit_lines wanted;

        if (apply_anchor(s, anchor))
            continue;
        buf_append_fmt(errors, "its anchor '" STR_FMT "' is not in the file%s", STR_ARG(anchor),
                       i > 0 ? " below the anchor before it" : "");
        if (s->where->brief)
            return buf_append_byte(errors, '\n'), false;
        edit_lines_take(&wanted, mem_dup(&anchor, sizeof(anchor)), 1);
        edit_append_nearest(errors, s->where->file, &wanted);
        edit_lines_finish(&wanted);
        return false;
    }
    drop_passed_regions(s);
    return true;
}

/* -- Matching ---------------------------------------------------------------------------------- */

static bool in_regions(const struct search *s, size_t line)
{
    for (size_t i = 0; i < s->regions.len; i++) {
        if (line >= s->regions.ptr[i].from && line < s->regions.ptr[i].to)
            return true;
    }
    return false;
}

static void keep_in_regions(struct search *s)
{
    size_t kept = 0;

    for (size_t i = 0; i < s->places.len; i++) {
        if (in_regions(s, s->places.ptr[i]))
            s->places.ptr[kept++] = s->places.ptr[i];
    }
    s->places.len = kept;
}

static enum outcome search_levels(struct search *s, struct edit_lines *wanted, size_t from,
                                  bool scoped, struct location *ret)
{
    for (int level = MATCH_EXACT; level < MATCH_LEVELS; level++) {
        vec_clear(&s->places);
        edit_lines_find(s->where->file, from, s->where->file->count, wanted, level, &s->places);
        if (scoped)
            keep_in_regions(s);
        if (s->places.len == 0)
            continue;
        *ret = (struct location){.line = s->places.ptr[0], .rows = wanted->count, .level = level};
        return s->places.len == 1 ? FOUND : AMBIGUOUS;
    }
    return ABSENT;
}

/* The context at the end of the hunk before may be the beginning of this one. */
static enum outcome search_wanted(struct search *s, struct edit_lines *wanted, struct location *ret)
{
    size_t count = s->where->file->count, from = s->where->after;
    enum outcome outcome;

    if (from < s->regions.ptr[0].from)
        from = s->regions.ptr[0].from;
    if (s->chunk->at_end && count >= wanted->count && count - wanted->count >= from &&
        search_levels(s, wanted, count - wanted->count, false, ret) == FOUND)
        return FOUND;
    outcome = s->chunk->anchors.len > 0 ? search_levels(s, wanted, from, true, ret) : ABSENT;
    if (outcome == ABSENT)
        outcome = search_levels(s, wanted, from, false, ret);
    if (outcome == FOUND && s->chunk->at_end && !s->remark)
        s->remark = "it is not at the end of the file";
    return outcome;
}

/* -- Hunks of additions only ------------------------------------------------------------------- */

static enum outcome place_additions(struct search *s, struct location *ret)
{
    size_t count = s->where->file->count;

    *ret = (struct location){.line = count, .loose_tail_dropped = true};
    if (s->chunk->anchors.len == 0 || s->chunk->at_end) {
        if (!s->chunk->at_end && count > 0)
            s->remark = "it has no context and no anchor, so it was added at the end of the file";
        return FOUND;
    }
    vec_clear(&s->places);
    for (size_t i = 0; i < s->regions.len; i++) {
        if (s->regions.ptr[i].from + 1 >= s->where->after)
            vec_push(&s->places, s->regions.ptr[i].from);
    }
    if (s->places.len != 1)
        return s->places.len == 0 ? ABSENT : AMBIGUOUS;
    ret->line = s->places.ptr[0] + 1;
    return FOUND;
}

/* -- Problems ---------------------------------------------------------------------------------- */

/* The hunk's lines of two kinds: what it expects, or what it leaves behind. */
static void lines_of_chunk(const struct patch_chunk *chunk, enum patch_line_kind other,
                           size_t skip_tail, struct edit_lines *ret_lines)
{
    struct str *list = mem_alloc_array(chunk->lines.len, sizeof(*list));
    size_t count = 0;

    for (size_t i = 0; i + skip_tail < chunk->lines.len; i++) {
        const struct patch_line *line = &chunk->lines.ptr[i];

        if (line->kind == LINE_CONTEXT || line->kind == other)
            list[count++] = line->text;
    }
    edit_lines_take(ret_lines, list, count);
}

static bool stands_above(struct search *s, struct edit_lines *wanted, struct buf *errors)
{
    struct location found;

    if (s->where->after == 0 || search_levels(s, wanted, 0, false, &found) == ABSENT)
        return false;
    buf_append_c(errors, "it matches only above the place of the hunk before it, at ");
    edit_append_places(errors, &s->places);
    buf_append_c(errors, "; put the hunks in the order of the file\n");
    return true;
}

static bool adds_lines(const struct patch_chunk *chunk)
{
    for (size_t i = 0; i < chunk->lines.len; i++) {
        if (chunk->lines.ptr[i].kind == LINE_ADDED)
            return true;
    }
    return false;
}

static bool is_applied_already(struct search *s, struct buf *errors)
{
    struct edit_lines result;
    bool found;

    lines_of_chunk(s->chunk, LINE_ADDED, s->chunk->loose_tail, &result);
    vec_clear(&s->places);
    edit_lines_find(s->where->file, 0, s->where->file->count, &result, MATCH_EXACT, &s->places);
    found = s->places.len > 0 && result.count > 0 && adds_lines(s->chunk);
    if (found) {
        buf_append_c(errors, "the file already has its result, at ");
        edit_append_places(errors, &s->places);
        buf_append_c(errors, "; leave the hunk out\n");
    }
    edit_lines_finish(&result);
    return found;
}

static void explain(struct search *s, enum outcome outcome, struct edit_lines *wanted,
                    struct buf *errors)
{
    if (outcome == AMBIGUOUS) {
        buf_append_c(errors, wanted->count > 0 ? "it matches at " : "its anchor stands at ");
        edit_append_places(errors, &s->places);
        buf_append_c(errors, "; add context lines or an '@@' line that tell them apart\n");
    } else if (wanted->count == 0) {
        buf_append_c(errors,
                     "its anchor stands only above the place of the hunk before it; put the "
                     "hunks in the order of the file\n");
    } else if (s->where->brief) {
        buf_append_c(errors, "it does not match the file either\n");
    } else if (!stands_above(s, wanted, errors) && !is_applied_already(s, errors)) {
        buf_append_c(errors, "it does not match the file");
        edit_append_nearest(errors, s->where->file, wanted);
    }
}

/* -- The whole --------------------------------------------------------------------------------- */

static enum outcome search_all(struct search *s, struct edit_lines *wanted,
                               struct edit_lines *without_tail, struct location *ret)
{
    enum outcome outcome;

    if (without_tail->count == 0)
        return place_additions(s, ret);
    outcome = search_wanted(s, wanted, ret);
    if (outcome != ABSENT || wanted->count == without_tail->count)
        return outcome;
    outcome = search_wanted(s, without_tail, ret);
    ret->loose_tail_dropped = true;
    return outcome;
}

enum status edit_locate(const struct locate *where, const struct patch_chunk *chunk,
                        struct location *ret_location, struct buf *errors)
{
    struct search s = {.where = where, .chunk = chunk};
    struct edit_lines wanted, without_tail;
    struct location found = {0};
    enum outcome outcome = ABSENT;

    lines_of_chunk(chunk, LINE_REMOVED, 0, &wanted);
    lines_of_chunk(chunk, LINE_REMOVED, chunk->loose_tail, &without_tail);
    if (apply_anchors(&s, errors)) {
        outcome = search_all(&s, &wanted, &without_tail, &found);
        if (outcome != FOUND)
            explain(&s, outcome, &without_tail, errors);
    }
    if (outcome == FOUND) {
        if (found.level < s.anchor_level)
            found.level = s.anchor_level;
        found.remark = s.remark;
        *ret_location = found;
    }
    vec_finish(&s.regions);
    vec_finish(&s.places);
    edit_lines_finish(&wanted);
    edit_lines_finish(&without_tail);
    return outcome == FOUND ? STATUS_OK : STATUS_INVALID;
}
