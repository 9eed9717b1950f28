/* Between replay.c, which reads lines, and reader.c, which reads what is in them. */
#ifndef LANEBRIDGE_ENDPOINT_READER_INTERNAL_H
#define LANEBRIDGE_ENDPOINT_READER_INTERNAL_H

#include "replay-internal.h"

/* What is being read, for messages. */
struct reader {
    struct replay *replay;
    const char *name;
    unsigned line;
    struct err *err;
};
/* STATUS_INVALID, with name and line in front. */
enum status reader_fail(struct reader *r, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* json_read_strict, with a message that says of what. */
enum status reader_fields(struct reader *r, const char *what, const struct json_value *object,
                          const struct json_field *fields, size_t count, void *ret_struct);
enum status reader_make_matcher(struct reader *r, struct matcher *matcher, enum matcher_kind kind,
                                struct str text);
/* {"text":…}, {"regex":…}, {"equals":…}: one member, as a matcher. */
enum status reader_matcher(struct reader *r, const char *what, bool with_equals,
                           const struct json_value *value, struct matcher *matcher);
void reader_matcher_finish(struct matcher *matcher);
int reader_label(struct replay *replay, struct str label);
const struct replay_item *reader_find_call(const struct replay_step *step, int label);
enum status reader_emit(struct reader *r, struct replay_step *step, const struct json_value *emit);

#endif
