/* Taking out what must not be logged, traced or sent: values we know, and shapes of keys. */
#include "policy-internal.h"

#include <limits.h>
#include <string.h>

enum { SECRET_MIN_BYTES = 6 }; /* shorter would black out ordinary words */

/* prefix, then at least so many characters of a token */
static const struct {
    const char *prefix;
    size_t min;
} shapes[] = {
    {"sk-", 20},         {"ghp_", 30},    {"gho_", 30},       {"ghs_", 30},  {"ghu_", 30},
    {"github_pat_", 30}, {"glpat-", 20},  {"xoxb-", 20},      {"xoxp-", 20}, {"xai-", 30},
    {"hf_", 30},         {"AIza", 30},    {"AKIA", 16},       {"ASIA", 16},  {"npm_", 30},
    {"Bearer ", 20},     {"bearer ", 20}, {"eyJhbGciOi", 40},
};
static const char redacted[] = "[redacted]";

static bool is_token(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c && strchr("-_.=+/", c));
}

void policy_add_secret(struct policy *policy, struct str secret)
{
    if (secret.len >= SECRET_MIN_BYTES)
        vec_push(&policy->secrets, str_dup_c(secret));
}

/* Of "Authorization: Bearer VALUE" what stands behind the scheme. */
void policy_add_secret_header(struct policy *policy, struct str header)
{
    static const char *const words[] = {"auth", "cookie", "key", "pass", "secret", "token"};
    size_t colon = str_find_byte(header, ':', 0);
    if (colon == STR_NONE)
        return;
    char *name = str_dup_c(str_slice(header, 0, colon));
    bool is_secret = false;
    for (size_t i = 0; i < array_count(words); i++)
        is_secret |= strcasestr(name, words[i]) != NULL;
    mem_free(name);
    struct str value = str_trim(str_skip(header, colon + 1));
    size_t blank = str_find_byte(value, ' ', 0);
    if (is_secret && blank != STR_NONE)
        policy_add_secret(policy, str_trim(str_skip(value, blank)));
    else if (is_secret)
        policy_add_secret(policy, value);
}

static size_t match_known(const struct policy *policy, struct str text)
{
    size_t longest = 0;
    for (size_t i = 0; i < policy->secrets.len; i++) {
        struct str secret = str_from(policy->secrets.ptr[i]);
        if (secret.len > longest && str_starts_with(text, secret))
            longest = secret.len;
    }
    return longest;
}

static size_t match_shape(struct str text, size_t *ret_keep)
{
    for (size_t i = 0; i < array_count(shapes); i++) {
        struct str prefix = str_from(shapes[i].prefix);
        if (!str_starts_with(text, prefix))
            continue;
        size_t end = prefix.len;
        while (end < text.len && is_token(text.ptr[end]))
            end++;
        if (end - prefix.len >= shapes[i].min) {
            *ret_keep = str_ends_with(prefix, STR(" ")) ? prefix.len : 0;
            return end;
        }
    }
    return 0;
}

/* "-----BEGIN … PRIVATE KEY-----" to the end of its block, or of the text when that was cut off. */
static size_t match_key_block(struct str text)
{
    if (!str_starts_with(text, STR("-----BEGIN ")))
        return 0;
    size_t line = str_find_byte(text, '\n', 0);
    struct str head = str_slice(text, 0, line == STR_NONE ? text.len : line);
    if (str_find(head, STR("PRIVATE KEY"), 0) == STR_NONE)
        return 0;
    size_t end = str_find(text, STR("-----END "), 0);
    size_t close = end == STR_NONE ? STR_NONE : str_find(text, STR("-----"), end + 9);
    return close == STR_NONE ? text.len : close + 5;
}

/* The password in scheme://user:password@host; keeps what is before it. */
static size_t match_userinfo(struct str text, size_t *ret_keep)
{
    if (!str_starts_with(text, STR("://")))
        return 0;
    size_t colon = STR_NONE;
    for (size_t i = 3; i < text.len && i < 300; i++) {
        char c = text.ptr[i];
        if (c == '@' && colon != STR_NONE && i > colon + 1) {
            *ret_keep = colon + 1;
            return i;
        }
        if (c == ':' && colon == STR_NONE)
            colon = i;
        if (c <= ' ' || strchr("/\"'<>?#", c))
            return 0;
    }
    return 0;
}

/* The bytes that anything of it can begin with. */
static void mark_beginnings(const struct policy *policy, bool begins[UCHAR_MAX + 1])
{
    begins['-'] = begins[':'] = true; /* key blocks; passwords in URLs */
    for (size_t i = 0; i < array_count(shapes); i++)
        begins[(unsigned char)shapes[i].prefix[0]] = true;
    for (size_t i = 0; i < policy->secrets.len; i++)
        begins[(unsigned char)policy->secrets.ptr[i][0]] = true;
}

static size_t harmless_length(const bool begins[UCHAR_MAX + 1], struct str text)
{
    size_t length = 0;
    while (length < text.len && !begins[(unsigned char)text.ptr[length]])
        length++;
    return length;
}

static bool ends_in_word(struct str text)
{
    char last = text.ptr[text.len - 1];
    return is_token(last) && !strchr("=./+", last);
}

void policy_redact(const struct policy *policy, struct str text, struct buf *out)
{
    bool begins[UCHAR_MAX + 1] = {false};
    bool inside_word = false;
    mark_beginnings(policy, begins);
    while (text.len) {
        struct str harmless = str_slice(text, 0, harmless_length(begins, text));
        if (harmless.len) {
            buf_append(out, harmless);
            inside_word = ends_in_word(harmless);
            text = str_skip(text, harmless.len);
            continue;
        }
        size_t keep = 0, length = match_known(policy, text);
        if (!length && !inside_word)
            length = match_shape(text, &keep);
        if (!length)
            length = match_key_block(text);
        if (!length)
            length = match_userinfo(text, &keep);
        if (length) {
            buf_append(out, str_slice(text, 0, keep));
            buf_append_c(out, redacted);
        } else {
            length = 1;
            buf_append_byte(out, text.ptr[0]);
        }
        inside_word = ends_in_word(str_slice(text, 0, length));
        text = str_skip(text, length);
    }
}
