#include "scan-internal.h"

#include <endian.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define QUOTED(x) #x
#define EXPANDED(x) QUOTED(x)
#define DEPTH_EXPECTED                                                                             \
    "at most " EXPANDED(LIMIT_JSON_DEPTH_COUNT) " arrays and objects inside each other"

enum { SAFE_INTEGER_DIGITS = 15 }; /* any integer this long fits a double exactly */

void scan_init(struct scan *s, struct str text)
{
    const char *start = text.ptr ? text.ptr : "";
    *s = (struct scan){.start = start, .at = start, .end = start + text.len};
}

void scan_finish(struct scan *s)
{
    vec_finish(&s->big_integers);
}

static bool fail(struct scan *s, const char *at, enum status status, const char *expected)
{
    s->at = at;
    s->status = status;
    s->expected = expected;
    return false;
}

static bool want(struct scan *s, const char *expected)
{
    return fail(s, s->at, STATUS_INVALID, expected);
}

enum status scan_error(const struct scan *s, struct err *err)
{
    size_t offset = (size_t)(s->at - s->start);
    if (s->status == STATUS_LIMIT)
        return err_set(err, STATUS_LIMIT, "JSON at byte %zu: expected %s", offset, s->expected);
    if (s->at == s->end)
        return err_set(err, s->status, "JSON at byte %zu: expected %s, found the end", offset,
                       s->expected);
    unsigned char found = (unsigned char)*s->at;
    if (found > 0x20 && found < 0x7F)
        return err_set(err, s->status, "JSON at byte %zu: expected %s, found '%c'", offset,
                       s->expected, found);
    return err_set(err, s->status, "JSON at byte %zu: expected %s, found byte 0x%02x", offset,
                   s->expected, (unsigned)found);
}

void scan_blanks(struct scan *s)
{
    while (s->at < s->end && (*s->at == ' ' || *s->at == '\n' || *s->at == '\r' || *s->at == '\t'))
        s->at++;
}

bool scan_at_end(const struct scan *s)
{
    return s->at == s->end;
}

bool scan_byte(struct scan *s, char byte, const char *expected)
{
    if (s->at == s->end || *s->at != byte)
        return want(s, expected);
    s->at++;
    return true;
}

/* -- Strings --------------------------------------------------------------------------------------
 */

#define EVERY(byte) (0x0101010101010101u * (uint64_t)(byte))

/* The top bit of the first byte that is zero, and perhaps of later ones. */
static uint64_t zero_bytes(uint64_t word)
{
    return (word - EVERY(1)) & ~word & EVERY(0x80);
}

/* The top bit of the bytes that need an escape. A borrow may also mark bytes behind the first such
 * one, never before it, and only the first is looked at. */
static uint64_t special_bytes(uint64_t word)
{
    uint64_t control = (word - EVERY(0x20)) & ~word & EVERY(0x80);
    return control | zero_bytes(word ^ EVERY('"')) | zero_bytes(word ^ EVERY('\\'));
}

/* Of 64 bytes at once, in a form that compilers make vectors of: what is long is mostly plain. */
enum { BLOCK_BYTES = 64 };

static bool is_plain_block(const char *p)
{
    unsigned char special = 0;
    for (int i = 0; i < BLOCK_BYTES; i++)
        special |= (unsigned char)(((unsigned char)p[i] < 0x20) | (p[i] == '"') | (p[i] == '\\'));
    return !special;
}

size_t scan_plain_length(const char *p, size_t len)
{
    size_t i = 0;
    for (bool by_blocks = true; len - i >= 8; i += 8) {
        if (by_blocks && i == BLOCK_BYTES) { /* it is a long one */
            while (len - i >= BLOCK_BYTES && is_plain_block(p + i))
                i += BLOCK_BYTES;
            by_blocks = false;
            if (len - i < 8)
                break;
        }
        uint64_t word;
        memcpy(&word, p + i, 8);
        uint64_t special = special_bytes(htole64(word));
        if (special)
            return i + (size_t)__builtin_ctzll(special) / 8;
    }
    while (i < len && (unsigned char)p[i] >= 0x20 && p[i] != '"' && p[i] != '\\')
        i++;
    return i;
}

int scan_hex4(const char *p)
{
    int value = 0;
    for (int i = 0; i < 4; i++) {
        char c = p[i];
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (digit < 0)
            return -1;
        value = value << 4 | digit;
    }
    return value;
}

bool scan_surrogate_pair(const char *p, const char *end, uint32_t *ret_code_point)
{
    if (end - p < 12 || p[6] != '\\' || p[7] != 'u')
        return false;
    int high = scan_hex4(p + 2), low = scan_hex4(p + 8);
    if (high < 0xD800 || high > 0xDBFF || low < 0xDC00 || low > 0xDFFF)
        return false;
    *ret_code_point = 0x10000u + ((uint32_t)(high - 0xD800) << 10) + (uint32_t)(low - 0xDC00);
    return true;
}

/* `at` is the backslash of \u. */
static bool scan_unicode_escape(struct scan *s)
{
    int unit = s->end - s->at >= 6 ? scan_hex4(s->at + 2) : -1;
    if (unit < 0)
        return want(s, "\\u and four hex digits");
    if (unit == 0 && !s->nul_escape)
        s->nul_escape = s->at;
    size_t len = 6;
    if (unit >= 0xD800 && unit <= 0xDFFF) {
        uint32_t code;
        if (scan_surrogate_pair(s->at, s->end, &code))
            len = 12;
        else
            s->lone_surrogates = true;
    }
    s->at += len;
    return true;
}

static bool scan_escape(struct scan *s)
{
    char kind = s->end - s->at >= 2 ? s->at[1] : '\0';
    switch (kind) {
    case 'u':
        return scan_unicode_escape(s);
    case '"':
    case '\\':
    case '/':
    case 'b':
    case 'f':
    case 'n':
    case 'r':
    case 't':
        s->at += 2;
        return true;
    default:
        s->at += s->end - s->at >= 2 ? 1 : 0;
        return want(s, "one of \"\\/bfnrtu after the backslash");
    }
}

/* To the first quote that no backslash takes its meaning from. */
static bool skim_string(struct scan *s)
{
    const char *start = s->at, *quote;
    while ((quote = memchr(s->at, '"', (size_t)(s->end - s->at)))) {
        const char *p = quote;
        while (p > start && p[-1] == '\\')
            p--;
        s->at = quote + 1;
        if ((quote - p) % 2 == 0)
            return true;
    }
    s->at = s->end;
    return want(s, "the closing quote of the string");
}

bool scan_string(struct scan *s)
{
    if (!scan_byte(s, '"', "a string"))
        return false;
    if (s->skims)
        return skim_string(s);
    for (;;) {
        s->at += scan_plain_length(s->at, (size_t)(s->end - s->at));
        if (s->at == s->end)
            return want(s, "the closing quote of the string");
        if (*s->at == '"') {
            s->at++;
            return true;
        }
        if (*s->at != '\\')
            return want(s, "control characters of a string to be escaped");
        if (!scan_escape(s))
            return false;
    }
}

/* -- Numbers and literals -------------------------------------------------------------------------
 */

static bool scan_digits(struct scan *s)
{
    const char *start = s->at;
    while (s->at < s->end && *s->at >= '0' && *s->at <= '9')
        s->at++;
    return s->at > start ? true : want(s, "a digit");
}

static bool take(struct scan *s, char byte)
{
    if (s->at == s->end || *s->at != byte)
        return false;
    s->at++;
    return true;
}

static bool is_finite_number(const char *start, size_t len)
{
    char text[SCAN_NUMBER_BYTES + 1];
    memcpy(text, start, len);
    text[len] = '\0';
    return isfinite(strtod(text, NULL));
}

/* Remembers what a double, or cJSON's way to one, would spoil. */
static void note_number(struct scan *s, const char *start, bool integer, bool exponent)
{
    size_t len = (size_t)(s->at - start), ordinal = s->number_count++;
    if (len <= SAFE_INTEGER_DIGITS && !exponent)
        return;
    bool usable = len <= SCAN_NUMBER_BYTES && (!exponent || is_finite_number(start, len));
    if (!usable && !s->bad_number)
        s->bad_number = start;
    if (integer && usable && s->keep_big_integers) {
        struct scan_integer big = {ordinal, {start, len}};
        vec_push(&s->big_integers, big);
    }
}

static bool scan_number(struct scan *s)
{
    const char *start = s->at;
    take(s, '-');
    if (!take(s, '0') && !scan_digits(s))
        return false;
    bool fraction = take(s, '.');
    if (fraction && !scan_digits(s))
        return false;
    bool exponent = take(s, 'e') || take(s, 'E');
    if (exponent) {
        if (!take(s, '+'))
            take(s, '-');
        if (!scan_digits(s))
            return false;
    }
    note_number(s, start, !fraction && !exponent, exponent);
    return true;
}

static bool scan_literal(struct scan *s, const char *literal, size_t len)
{
    if ((size_t)(s->end - s->at) < len || memcmp(s->at, literal, len) != 0)
        return want(s, "a value");
    s->at += len;
    return true;
}

static bool scan_scalar(struct scan *s)
{
    switch (*s->at) {
    case '"':
        return scan_string(s);
    case 't':
        return scan_literal(s, "true", 4);
    case 'f':
        return scan_literal(s, "false", 5);
    case 'n':
        return scan_literal(s, "null", 4);
    default:
        if (*s->at != '-' && (*s->at < '0' || *s->at > '9'))
            return want(s, "a value");
        return scan_number(s);
    }
}

/* -- Containers -----------------------------------------------------------------------------------
 */

/* The closers still owed, innermost last. */
struct nest {
    char closers[LIMIT_JSON_DEPTH_COUNT];
    size_t depth;
};

enum step { STEP_VALUE, STEP_FIRST, STEP_KEY, STEP_AFTER, STEP_FAILED };

static enum step open_container(struct scan *s, struct nest *nest)
{
    if (nest->depth == LIMIT_JSON_DEPTH_COUNT) {
        fail(s, s->at, STATUS_LIMIT, DEPTH_EXPECTED);
        return STEP_FAILED;
    }
    nest->closers[nest->depth++] = *s->at++ == '{' ? '}' : ']';
    return STEP_FIRST;
}

static enum step step_value(struct scan *s, struct nest *nest)
{
    if (s->at == s->end) {
        want(s, "a value");
        return STEP_FAILED;
    }
    if (*s->at == '{' || *s->at == '[')
        return open_container(s, nest);
    return scan_scalar(s) ? STEP_AFTER : STEP_FAILED;
}

/* Behind an opening bracket. */
static enum step step_first(struct scan *s, struct nest *nest)
{
    char closer = nest->closers[nest->depth - 1];
    if (take(s, closer)) {
        nest->depth--;
        return STEP_AFTER;
    }
    return closer == '}' ? STEP_KEY : STEP_VALUE;
}

static enum step step_key(struct scan *s)
{
    if (s->at == s->end || *s->at != '"') {
        want(s, "a key in quotes");
        return STEP_FAILED;
    }
    if (!scan_string(s))
        return STEP_FAILED;
    scan_blanks(s);
    return scan_byte(s, ':', "':' after the key") ? STEP_VALUE : STEP_FAILED;
}

/* Behind a value that stands in a container. */
static enum step step_after(struct scan *s, struct nest *nest)
{
    char closer = nest->closers[nest->depth - 1];
    if (take(s, ','))
        return closer == '}' ? STEP_KEY : STEP_VALUE;
    if (!scan_byte(s, closer, closer == '}' ? "',' or '}'" : "',' or ']'"))
        return STEP_FAILED;
    nest->depth--;
    return STEP_AFTER;
}

bool scan_value(struct scan *s)
{
    struct nest nest;
    nest.depth = 0;
    for (enum step step = STEP_VALUE; step != STEP_FAILED;) {
        if (step == STEP_AFTER && nest.depth == 0)
            return true;
        scan_blanks(s);
        switch (step) {
        case STEP_VALUE:
            step = step_value(s, &nest);
            break;
        case STEP_FIRST:
            step = step_first(s, &nest);
            break;
        case STEP_KEY:
            step = step_key(s);
            break;
        case STEP_AFTER:
        case STEP_FAILED:
            step = step_after(s, &nest);
            break;
        }
    }
    return false;
}
