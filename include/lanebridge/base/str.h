/* Borrowed text: a pointer and a length. May hold NUL bytes; is not NUL-terminated. */
#ifndef LANEBRIDGE_BASE_STR_H
#define LANEBRIDGE_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ptr may be NULL only when len is 0. Compare and print by length. */
struct str {
    const char *ptr;
    size_t len;
};

#define STR(literal) ((struct str){"" literal, sizeof(literal) - 1})
#define STR_INIT(literal) {"" literal, sizeof(literal) - 1} /* for tables, which need constants */
#define STR_NONE ((size_t)-1)              /* "not found" of the find functions */
#define STR_FMT "%.*s"                     /* printf: STR_FMT with STR_ARG(s) */
#define STR_ARG(s) (int)(s).len, (s).ptr ? (s).ptr : ""

struct str str_from(const char *text);     /* NULL gives the empty str */
bool str_eq(struct str a, struct str b);
bool str_eq_c(struct str a, const char *b);
bool str_eq_nocase(struct str a, struct str b);            /* ASCII letters only */
int str_compare(struct str a, struct str b);               /* memcmp order, shorter first */
bool str_starts_with(struct str s, struct str prefix);
bool str_ends_with(struct str s, struct str suffix);
struct str str_slice(struct str s, size_t start, size_t end);  /* clamped to s */
struct str str_skip(struct str s, size_t count);               /* clamped to s */
size_t str_find(struct str s, struct str needle, size_t from); /* STR_NONE if absent */
size_t str_find_byte(struct str s, char byte, size_t from);
size_t str_rfind_byte(struct str s, char byte);
struct str str_trim(struct str s);                             /* ASCII blanks, both sides */
struct str str_trim_end(struct str s);

/* Takes the next piece up to `separator` off the front of *rest; false when *rest is used up.
 * "a,b" gives "a", "b"; "a," gives "a", ""; "" gives "" once, a NULL rest nothing. */
bool str_next(struct str *rest, char separator, struct str *ret_piece);

/* Decimal, whole string, no blanks; false on overflow or rubbish, *ret untouched. */
bool str_to_int64(struct str s, int64_t *ret_value);
bool str_to_uint64(struct str s, uint64_t *ret_value);

/* A NUL-terminated copy; free with mem_free. */
char *str_dup_c(struct str s);

#endif
