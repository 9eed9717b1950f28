/* One pattern, compiled, with bounds on what a match may cost. */
#ifndef WORKSPACE_REGEX_INTERNAL_H
#define WORKSPACE_REGEX_INTERNAL_H

#include <lanebridge/base.h>

struct regex;

enum regex_result {
    REGEX_NONE,
    REGEX_FOUND,
    REGEX_GAVE_UP, /* it would have cost too much */
};

/* Errors: STATUS_INVALID says where the pattern breaks off. */
struct regex *regex_new(struct str pattern, bool fixed, bool ignore_case, struct err *err);
/* The same pattern for another thread: one struct regex serves one thread at a time. `regex` must
 * outlive it. */
struct regex *regex_share(const struct regex *regex);
void regex_free(struct regex *regex);
enum regex_result regex_match(struct regex *regex, struct str subject, size_t from,
                              size_t *ret_start);
/* True when running over many lines at once finds every line that would match alone (and perhaps
 * more, which must then be tried alone). */
bool regex_may_cross_lines(const struct regex *regex);

#endif
