/* UTF-8: checking, repairing, walking. */
#ifndef LANEBRIDGE_BASE_UTF8_H
#define LANEBRIDGE_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lanebridge/base/buf.h>
#include <lanebridge/base/str.h>

/* True for well-formed UTF-8 (RFC 3629: no surrogates, no overlong forms). On false, *ret_offset
 * (may be NULL) is where the first bad byte stands. */
bool utf8_is_valid(struct str s, size_t *ret_offset);

/* Length in bytes of the character at s.ptr[0], 1 to 4, with its code point; an ill-formed byte
 * gives 1 and U+FFFD. s.len must be > 0. */
size_t utf8_decode(struct str s, uint32_t *ret_code_point);

/* Appends one code point; what is no scalar value becomes U+FFFD. */
void utf8_append(struct buf *buf, uint32_t code_point);

/* Appends s with each ill-formed byte replaced by U+FFFD. */
void utf8_append_repaired(struct buf *buf, struct str s);

/* Like utf8_append_repaired, and removes terminal escape sequences (CSI, OSC, single ESC) and
 * control characters except tab and newline (CR LF becomes LF). For tool output and names. */
void utf8_append_printable(struct buf *buf, struct str s);
/* For what a person decides on: nothing goes and nothing hides. Control characters but newline and tab,
 * directions, joiners and other characters without a shape stand as "⟨U+202E⟩". */
void utf8_append_visible(struct buf *buf, struct str s);
/* The same on one line, cut with "…" behind max_bytes: for tables and labels. */
void utf8_append_line(struct buf *buf, struct str s, size_t max_bytes);

/* The largest length <= limit that does not cut a character of s. */
size_t utf8_floor(struct str s, size_t limit);

#endif
