/* json: reading JSON into values and structs, writing it, and taking verbatim spans out of it.
 *
 * Invariants: cJSON is included here alone. A value that parsed is strict JSON (RFC 8259), valid
 * UTF-8, at most LIMIT_JSON_DEPTH_COUNT deep, without \u0000 and without duplicate work: what cJSON
 * would accept beyond the standard is refused before it sees the text. Numbers that matter as
 * identities (JSON-RPC ids) are never taken through doubles: use the raw functions. */
#ifndef LANEBRIDGE_JSON_H
#define LANEBRIDGE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lanebridge/base.h>

/* -- Values: a parsed document. Opaque; borrowed pointers live as long as the root. ------------- */

struct json_value;
enum json_type { JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

/* Errors: STATUS_INVALID with the byte offset and what was expected; STATUS_LIMIT when too deep, or
 * for a number beyond 63 characters or a double's range; STATUS_UNSUPPORTED for a string that holds
 * \u0000 (the caller may scan instead). Half a surrogate pair becomes U+FFFD.
 * Owns: *ret_value is the caller's, freed with json_free. */
enum status json_parse(struct str text, struct json_value **ret_value, struct err *err);
void json_free(struct json_value *root);

/* All of these take NULL as "absent" and answer with the neutral value. */
enum json_type json_type_of(const struct json_value *value);          /* JSON_NULL for NULL */
bool json_is(const struct json_value *value, enum json_type type);    /* false for NULL */
const struct json_value *json_get(const struct json_value *object, const char *key);
struct str json_get_str(const struct json_value *object, const char *key);   /* "" if no string */
bool json_get_bool(const struct json_value *object, const char *key, bool fallback);
int64_t json_get_int(const struct json_value *object, const char *key, int64_t fallback);
/* Walks a path of keys: json_at(v, "error", "code", NULL). */
const struct json_value *json_at(const struct json_value *object, ...) __attribute__((sentinel));
struct str json_str(const struct json_value *value);   /* measures the string: O(n) */
bool json_bool(const struct json_value *value, bool fallback);
double json_number(const struct json_value *value, double fallback);
/* Exact, also beyond 2^53 if the text was written as an integer; fallback if not integral. */
int64_t json_int(const struct json_value *value, int64_t fallback);
/* Children of an array or object in order: for (c = json_first(v); c; c = json_next(c)). */
const struct json_value *json_first(const struct json_value *container);
const struct json_value *json_next(const struct json_value *child);
struct str json_key(const struct json_value *child);                  /* "" outside objects */
size_t json_count(const struct json_value *container);                /* walks: O(n) */
/* Appends the compact text of a value: integers as they came, other numbers by the shortest form
 * that reads back the same. */
void json_append(struct buf *buf, const struct json_value *value);

/* -- Field tables: an object into a struct. ------------------------------------------------------ */

enum json_kind {
    JSON_FIELD_STR,     /* struct str, borrowed from the value */
    JSON_FIELD_BOOL,    /* bool */
    JSON_FIELD_INT,     /* int64_t, must be integral and within 2^53 */
    JSON_FIELD_DOUBLE,  /* double */
    JSON_FIELD_ARRAY,   /* const struct json_value * */
    JSON_FIELD_OBJECT,  /* const struct json_value * */
    JSON_FIELD_ANY,     /* const struct json_value *, JSON null included */
};
enum json_need { JSON_OPTIONAL, JSON_REQUIRED };

/* Shape: {"timeout_ms", JSON_FIELD_INT, JSON_OPTIONAL, offsetof(struct args, timeout_ms)}.
 * An optional field that is absent or null leaves the struct as it was: set defaults first. */
struct json_field {
    const char *name;
    enum json_kind kind;
    enum json_need need;
    size_t offset;
};

/* Unknown members are ignored (what peers send). Errors: STATUS_INVALID naming the field, what it
 * is and what it should be; `ret_struct` may then be partly filled. */
enum status json_read(const struct json_value *object, const struct json_field *fields,
                      size_t field_count, void *ret_struct, struct err *err);
/* For our own files: a member that is unknown or written twice is an error that names it. */
enum status json_read_strict(const struct json_value *object, const struct json_field *fields,
                             size_t field_count, void *ret_struct, struct err *err);

/* -- Writer: appends compact JSON to a buffer; commas are its business. ------------------------- */

struct json_writer {
    struct buf *buf;       /* borrowed */
    bool need_comma;
    bool after_key;
};

void json_writer_init(struct json_writer *w, struct buf *buf);
void json_write_begin_object(struct json_writer *w);
void json_write_end_object(struct json_writer *w);
void json_write_begin_array(struct json_writer *w);
void json_write_end_array(struct json_writer *w);
void json_write_key(struct json_writer *w, const char *key);
void json_write_key_str(struct json_writer *w, struct str key);
void json_write_str(struct json_writer *w, struct str s);     /* escapes; bad UTF-8 becomes U+FFFD */
void json_write_c(struct json_writer *w, const char *text);   /* NULL writes null */
void json_write_int(struct json_writer *w, int64_t value);
void json_write_double(struct json_writer *w, double value);  /* NaN and infinities write null */
void json_write_bool(struct json_writer *w, bool value);
void json_write_null(struct json_writer *w);
void json_write_raw(struct json_writer *w, struct str json);  /* must be one whole JSON value */
void json_write_value(struct json_writer *w, const struct json_value *value);
/* Key and value in one. */
void json_write_field_str(struct json_writer *w, const char *key, struct str s);
void json_write_field_c(struct json_writer *w, const char *key, const char *text);
void json_write_field_int(struct json_writer *w, const char *key, int64_t value);
void json_write_field_bool(struct json_writer *w, const char *key, bool value);
void json_write_field_raw(struct json_writer *w, const char *key, struct str json);
/* Appends s as a JSON string with its quotes, without a writer. */
void json_append_quoted(struct buf *buf, struct str s);

/* -- Raw: verbatim spans of text, no tree built. ------------------------------------------------ */

/* Finds the member `key` of the object in `text` and gives the verbatim span of its value, without
 * checking the rest of the text. The last of duplicate keys does not win: the first does.
 * Errors: STATUS_NOT_FOUND; STATUS_INVALID if the text is broken before the member ends. */
enum status json_raw_member(struct str text, const char *key, struct str *ret_span);
/* Walks an array's or object's elements: start with .rest = text; false at the end or at an error
 * (then iter->failed: text is no container, is broken, or goes on behind it). ret_key is what stands
 * between the key's quotes, escapes undecoded (compare with json_raw_key_is); for arrays it is
 * empty. ret_value is one whole, strict JSON value, without blanks around it; UTF-8 is not checked. */
struct json_raw_iter {
    struct str rest;
    int state;       /* private */
    bool failed;
    bool skims;      /* set at the start: strings are only passed over, nothing in them is checked */
};
bool json_raw_next(struct json_raw_iter *iter, struct str *ret_key, struct str *ret_value);
bool json_raw_key_is(struct str key, const char *name);

/* What stands between a string's quotes, escapes undecoded; empty for any other value. */
struct str json_raw_inside(struct str span);

/* The spans of an object's members, each put at its offset (a struct str) in view. A null is as good
 * as no member; keys are compared without decoding, and of two the last one counts. False: no
 * well-formed object; what was read before the fault is there. */
struct json_raw_place {
    const char *name;
    size_t offset;
};
bool json_raw_view(struct str object, const struct json_raw_place *places, size_t count, void *view);
/* Appends the decoded string span (with its quotes), \u0000 included; half a surrogate pair and bad
 * UTF-8 become U+FFFD. False if it is no string, then nothing is appended. */
bool json_raw_decode(struct str span, struct buf *buf);

#endif
