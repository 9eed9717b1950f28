/* One line per decision on stderr: `level event key=value …`. Never secrets, never whole messages.
 * Lower layers do not log, they return. stdout is never written here. */
#ifndef LANEBRIDGE_BASE_LOG_H
#define LANEBRIDGE_BASE_LOG_H

#include <stdbool.h>

#include <lanebridge/base/str.h>

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

void log_set_level(enum log_level level);
enum log_level log_get_level(void);
bool log_level_parse(struct str name, enum log_level *ret_level);   /* error, warn, info, debug */

/* Writes at most 2 KiB, newline added, control characters made visible; a full pipe drops the line
 * rather than stall the loop (the dropped count is printed when there is room again). */
void log_line(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
