#include "scan-internal.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

void number_append_int(struct buf *buf, int64_t value)
{
    char digits[20];
    size_t at = sizeof(digits);
    uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    do {
        digits[--at] = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest);
    if (value < 0)
        digits[--at] = '-';
    buf_append(buf, (struct str){digits + at, sizeof(digits) - at});
}

/* The fewest digits that read back as the same double: 17 always do, and any 15 survive the way
 * into a double and back, except near zero, where a double holds fewer. */
static void append_shortest(struct buf *buf, double value)
{
    char text[40];
    int len = 0;
    for (int digits = fabs(value) < DBL_MIN ? 1 : 15; digits <= 17; digits++) {
        len = snprintf(text, sizeof(text), "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    buf_append(buf, (struct str){text, (size_t)len});
}

void number_append_double(struct buf *buf, double value)
{
    if (!isfinite(value))
        buf_append_c(buf, "null");
    else if (value == trunc(value) && fabs(value) < 1e18 && !(value == 0 && signbit(value)))
        number_append_int(buf, (int64_t)value);
    else if (value == trunc(value) && fabs(value) < 1e21)
        buf_append_fmt(buf, "%.0f", value); /* plain digits as long as JavaScript prints them */
    else
        append_shortest(buf, value);
}
