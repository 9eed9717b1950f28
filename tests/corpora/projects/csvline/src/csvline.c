#include "csvline.h"

#include <string.h>

enum { MAX_FIELDS = 4 };

size_t csvline_max_fields(void)
{
    return MAX_FIELDS;
}

/* Reads one quoted field; *at stands behind the opening quote. Returns the end of the field's text, or
 * NULL when the quote is never closed. */
static char *take_quoted(char **at)
{
    char *to = *at;
    for (char *from = *at; *from; from++) {
        if (*from == '"') {
            *at = from + 1;
            return to;
        }
        *to++ = *from;
    }
    return NULL;
}

/* Reads one plain field, up to the next comma. */
static char *take_plain(char **at)
{
    *at += strcspn(*at, ",");
    return *at;
}

int csvline_split(char *line, char **fields, size_t max)
{
    size_t count = 0;
    char *at = line;
    for (;;) {
        if (count == max || count == MAX_FIELDS)
            return -2;
        char *end;
        if (*at == '"') {
            fields[count] = ++at;
            end = take_quoted(&at);
            if (!end)
                return -1;
        } else {
            fields[count] = at;
            end = take_plain(&at);
        }
        count++;
        char next = *at;
        *end = '\0';
        if (next != ',')
            return (int)count;
        at++;
    }
}
