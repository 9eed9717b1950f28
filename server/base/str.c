#include <lanebridge/base/str.h>

#include <string.h>

#include <lanebridge/base/mem.h>

struct str str_from(const char *text)
{
    return (struct str){text, text ? strlen(text) : 0};
}

bool str_eq(struct str a, struct str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

bool str_eq_c(struct str a, const char *b)
{
    return str_eq(a, str_from(b));
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

bool str_eq_nocase(struct str a, struct str b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++)
        if (lower(a.ptr[i]) != lower(b.ptr[i]))
            return false;
    return true;
}

int str_compare(struct str a, struct str b)
{
    size_t common = a.len < b.len ? a.len : b.len;
    int order = common ? memcmp(a.ptr, b.ptr, common) : 0;
    if (order != 0)
        return order < 0 ? -1 : 1;
    return (a.len > b.len) - (a.len < b.len);
}

bool str_starts_with(struct str s, struct str prefix)
{
    return s.len >= prefix.len && str_eq(str_slice(s, 0, prefix.len), prefix);
}

bool str_ends_with(struct str s, struct str suffix)
{
    return s.len >= suffix.len && str_eq(str_skip(s, s.len - suffix.len), suffix);
}

struct str str_slice(struct str s, size_t start, size_t end)
{
    if (end > s.len)
        end = s.len;
    if (start > end)
        start = end;
    return (struct str){start ? s.ptr + start : s.ptr, end - start};
}

struct str str_skip(struct str s, size_t count)
{
    return str_slice(s, count, s.len);
}

size_t str_find(struct str s, struct str needle, size_t from)
{
    if (from > s.len)
        return STR_NONE;
    if (needle.len == 0)
        return from;
    if (s.len - from < needle.len)
        return STR_NONE;
    const char *hit = memmem(s.ptr + from, s.len - from, needle.ptr, needle.len);
    return hit ? (size_t)(hit - s.ptr) : STR_NONE;
}

size_t str_find_byte(struct str s, char byte, size_t from)
{
    if (from >= s.len)
        return STR_NONE;
    const char *hit = memchr(s.ptr + from, byte, s.len - from);
    return hit ? (size_t)(hit - s.ptr) : STR_NONE;
}

size_t str_rfind_byte(struct str s, char byte)
{
    const char *hit = s.len ? memrchr(s.ptr, byte, s.len) : NULL;
    return hit ? (size_t)(hit - s.ptr) : STR_NONE;
}

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

struct str str_trim(struct str s)
{
    size_t start = 0;
    while (start < s.len && is_blank(s.ptr[start]))
        start++;
    return str_trim_end(str_skip(s, start));
}

struct str str_trim_end(struct str s)
{
    while (s.len && is_blank(s.ptr[s.len - 1]))
        s.len--;
    return s;
}

/* A NULL pointer is "used up": the last piece may be empty, so the length cannot say it. */
bool str_next(struct str *rest, char separator, struct str *ret_piece)
{
    if (!rest->ptr)
        return false;
    size_t at = str_find_byte(*rest, separator, 0);
    if (at == STR_NONE) {
        *ret_piece = *rest;
        *rest = (struct str){0};
    } else {
        *ret_piece = str_slice(*rest, 0, at);
        *rest = str_skip(*rest, at + 1);
    }
    return true;
}

bool str_to_uint64(struct str s, uint64_t *ret_value)
{
    uint64_t value = 0;
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] < '0' || s.ptr[i] > '9')
            return false;
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(s.ptr[i] - '0'), &value))
            return false;
    }
    if (s.len == 0)
        return false;
    *ret_value = value;
    return true;
}

bool str_to_int64(struct str s, int64_t *ret_value)
{
    bool negative = s.len && s.ptr[0] == '-';
    uint64_t magnitude;
    if (!str_to_uint64(negative ? str_skip(s, 1) : s, &magnitude))
        return false;
    if (magnitude > (uint64_t)INT64_MAX + negative)
        return false;
    /* Negated unsigned, because -INT64_MIN is no int64_t. */
    *ret_value = (int64_t)(negative ? 0 - magnitude : magnitude);
    return true;
}

char *str_dup_c(struct str s)
{
    char *copy = mem_realloc(NULL, s.len + 1);
    if (s.len)
        memcpy(copy, s.ptr, s.len);
    copy[s.len] = '\0';
    return copy;
}
