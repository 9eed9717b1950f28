/* csvline: one line of CSV into fields, in place. Source: RFC 4180. */
#ifndef CSVLINE_H
#define CSVLINE_H

#include <stddef.h>

/* Splits `line` (changed: quotes are removed, separators become NUL) into at most `max` fields.
 * Returns the number of fields, or -1 for a quote that is never closed, or -2 for too many fields. */
int csvline_split(char *line, char **fields, size_t max);

/* The most fields a line may have. */
size_t csvline_max_fields(void);

#endif
