/* The two halves of review: review.c folds new texts in, review_decide.c is what is decided. */
#ifndef LANEBRIDGE_REVIEW_INTERNAL_H
#define LANEBRIDGE_REVIEW_INTERNAL_H

#include <lanebridge/edit.h>

struct str review_lines(const struct text *text, size_t first, size_t count);
/* Without the empty line behind the last ending. */
size_t review_line_count(const struct text *text);
/* Lines that were put together have become others (a CR before an LF): the hunks are what the texts
 * differ in. */
void review_begin_anew(struct edit_review *review);
/* Hunks whose old lines are back in `to`, whatever else changed there: they leave the review, which
 * then has the text without them. */
void review_find_undone(struct edit_review *review, const struct text *to,
                        struct edit_settlement *settled);

#endif
