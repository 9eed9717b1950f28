/* Lines as hunks are matched against them: without endings and BOM, in four degrees of exactness.
 */
#ifndef LANEBRIDGE_EDIT_LINES_INTERNAL_H
#define LANEBRIDGE_EDIT_LINES_INTERNAL_H

#include <lanebridge/edit.h>

enum match_level {
    MATCH_EXACT,
    MATCH_TRAILING, /* trailing blanks ignored */
    MATCH_TRIMMED,  /* blanks on both sides ignored */
    MATCH_FOLDED,   /* also typographic dashes, quotes and blanks taken for the plain ones */
    MATCH_LEVELS,
};

/* "ignoring trailing blanks" … ; "" for MATCH_EXACT. */
const char *match_level_name(enum match_level level);

struct edit_lines {
    size_t count;
    const struct text *text;      /* whose lines they are, or NULL: a list that was given */
    struct str *at[MATCH_LEVELS]; /* made when first asked for */
    char *folded;
};

struct line_list {
    size_t *ptr;
    size_t len, cap;
};

/* The text's lines, borrowed from it. The empty line after a final ending is none. */
void edit_lines_of_text(struct edit_lines *lines, const struct text *text);
/* Takes a list of lines; what they point to stays the caller's. */
void edit_lines_take(struct edit_lines *lines, struct str *list, size_t count);
void edit_lines_finish(struct edit_lines *lines);
const struct str *edit_lines_at(struct edit_lines *lines, enum match_level level);

/* Appends every place in [from, to) of `lines` where all of `wanted` stands (it must end by `to`).
 */
void edit_lines_find(struct edit_lines *lines, size_t from, size_t to, struct edit_lines *wanted,
                     enum match_level level, struct line_list *places);

/* The text without its BOM starts here: 0 or 3. */
size_t edit_bom_len(const struct text *text);

/* Appends the stretch of `lines` most like `wanted`, numbered and indented, to an error. Lines that
 * differ from what was wanted are marked with ">". */
void edit_append_nearest(struct buf *errors, struct edit_lines *lines, struct edit_lines *wanted);
/* "lines 3, 9 and 12", at most 20 of them; `places` is 0-based. */
void edit_append_places(struct buf *errors, const struct line_list *places);

#endif
