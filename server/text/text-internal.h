/* The inside of a text, for the files of this module. */
#ifndef LANEBRIDGE_TEXT_INTERNAL_H
#define LANEBRIDGE_TEXT_INTERNAL_H

#include <lanebridge/text.h>

struct text {
    unsigned references;
    size_t len;
    char *bytes;
    /* lines.len >= 1, lines.ptr[0] == 0, ascending: where each line starts. */
    struct line_starts {
        size_t *ptr;
        size_t len, cap;
    } lines;
};

/* Appends the line starts in [from, to] (both inclusive, from > 0) of `bytes`. */
void lines_scan(struct line_starts *lines, struct str bytes, size_t from, size_t to);
/* Index of the first line start that is >= offset (or > offset). */
size_t lines_lower_bound(const struct line_starts *lines, size_t offset);
/* Room for `count` more starts, then append them moved by `shift`. */
void lines_append(struct line_starts *lines, const size_t *starts, size_t count, size_t shift);

/* Lines as a diff counts them: the empty line after a final line ending is none. */
size_t text_diff_line_count(const struct text *text);

#endif
