/* Helpers of everything that makes plans. */
#ifndef LANEBRIDGE_EDIT_PLAN_INTERNAL_H
#define LANEBRIDGE_EDIT_PLAN_INTERNAL_H

#include <lanebridge/edit.h>

/* False, with a line in `errors`, for a text that cannot be edited. A missing file is fine here. */
bool edit_source_check(const struct edit_source *source, struct buf *errors);
/* False, with a line in `errors`, for a result that is too large. */
bool edit_size_check(struct str path, size_t bytes, struct buf *errors);
bool edit_result_check(struct str path, const struct text *after, struct buf *errors);
/* Copies paths, takes references. new_path may be empty. */
void edit_plan_push(struct edit_plan *plan, enum edit_kind kind, struct str path,
                    struct str new_path, struct text *before, struct text *after);
/* One update, or a note that nothing changes. */
void edit_plan_push_update(struct edit_plan *plan, struct str path, struct text *before,
                           struct text *after);

#endif
