/* report: the audit log as people and editors read it, made from the journal when somebody looks.
 */
#ifndef LANEBRIDGE_REPORT_H
#define LANEBRIDGE_REPORT_H

#include <lanebridge/journal.h>
#include <lanebridge/policy.h>

/* What was sent in a turn ("": the latest that sent something), as the result of
 * lanebridge/log/sent. Errors: STATUS_NOT_FOUND. */
enum status report_sent_json(struct journal *journal, struct str turn_id, struct buf *json,
                             struct err *err);
enum status report_sent_text(struct journal *journal, struct str turn_id, struct buf *text,
                             struct err *err);
/* The rules in force, as the result of lanebridge/rules/list. folder "": of all. */
void report_rules_json(struct policy *policy, struct str folder, struct buf *json);
/* "2026-05-01 12:00:00", here. */
void report_append_time(struct buf *text, uint64_t ms);

#endif
