/* The strict scanner of RFC 8259 under json_parse and the raw functions: one pass, no tree, no
 * recursion, never past `end`. It does not look at UTF-8; json_parse checks that beforehand. */
#ifndef LANEBRIDGE_JSON_SCAN_INTERNAL_H
#define LANEBRIDGE_JSON_SCAN_INTERNAL_H

#include <lanebridge/json.h>

/* An integer that a double may not hold, kept so that it can be printed as it came. */
struct scan_integer {
    size_t ordinal; /* it is the ordinal-th number of the text, from 0 */
    struct str text;
};

struct scan {
    const char *start, *end;
    const char *at;
    /* Of a failure: what was expected at `at`. */
    enum status status;
    const char *expected;
    /* What is JSON, but not for cJSON; the first of each. */
    const char *nul_escape;
    const char *bad_number;
    bool lone_surrogates;
    size_t number_count;
    VEC(struct scan_integer) big_integers;
    bool keep_big_integers; /* or big_integers stays empty */
    bool skims;             /* looks for the ends of strings alone */
};

void scan_init(struct scan *s, struct str text);
void scan_finish(struct scan *s);

/* Each goes from `at` to behind what it names; on false, status and expected say why not. */
void scan_blanks(struct scan *s);
bool scan_value(struct scan *s);  /* blanks in front are skipped */
bool scan_string(struct scan *s); /* `at` is where the quote must be */
bool scan_byte(struct scan *s, char byte, const char *expected);
bool scan_at_end(const struct scan *s);
enum status scan_error(const struct scan *s, struct err *err);

/* Of the bytes at the front that need no escape in a JSON string: neither '"', '\' nor control. */
size_t scan_plain_length(const char *p, size_t len);
/* The UTF-16 unit of four hex digits, -1 if they are none. */
int scan_hex4(const char *p);

/* Whether the escape at p ("\uD83D…") begins a surrogate pair, with its code point. */
bool scan_surrogate_pair(const char *p, const char *end, uint32_t *ret_code_point);

enum { SCAN_NUMBER_BYTES = 63 }; /* cJSON reads numbers through a buffer of 64 */

/* Numbers as text, shared by writer and values. */
void number_append_int(struct buf *buf, int64_t value);
void number_append_double(struct buf *buf, double value);

#endif
