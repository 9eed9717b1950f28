/* PCRE2, compiled just in time and bounded. The only includer of pcre2.h. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "regex-internal.h"

#include <pcre2.h>
#include <stdio.h>

struct regex {
    pcre2_code *code;
    pcre2_match_data *data;
    pcre2_match_context *context;
    pcre2_jit_stack *stack;
    bool is_shared; /* the code is another's */
    bool is_fast, may_cross_lines;
};

enum { JIT_STACK_START_BYTES = 32 * 1024, JIT_STACK_BYTES = 1024 * 1024, DEPTH_COUNT = 10000 };

/* "(?:", "(?i)", "(?P<name>": groups that mean the same however far the subject goes. */
static bool is_plain_group(struct str rest)
{
    static const struct str plain[] = {{"(?:", 3}, {"(?i)", 4}, {"(?i:", 4}, {"(?P<", 4}};
    for (size_t i = 0; i < array_count(plain); i++) {
        if (str_starts_with(rest, plain[i]))
            return true;
    }
    return false;
}

/* Over many lines at once a pattern must be able to give back what it took beyond its line. What
 * cannot (possessive and atomic parts), looks around, or names the subject's ends, is run line by
 * line; so is what merely looks like it. */
static bool gives_back(struct str pattern)
{
    static const char *const escapes = "AzZGKR";
    for (size_t i = 0; i < pattern.len; i++) {
        struct str rest = str_skip(pattern, i);
        char c = rest.ptr[0], next = rest.len > 1 ? rest.ptr[1] : '\0';
        if (c == '\\') {
            if (next && strchr(escapes, next))
                return false;
            i++;
        } else if (c == '(' && (next == '*' || (next == '?' && !is_plain_group(rest)))) {
            return false;
        } else if (next == '+' && strchr("*+?}", c)) {
            return false;
        }
    }
    return true;
}

static enum status compile_error(int number, size_t offset, struct str pattern, struct err *err)
{
    unsigned char text[160];
    if (pcre2_get_error_message(number, text, sizeof(text)) < 0)
        snprintf((char *)text, sizeof(text), "error %d", number);
    return err_set(
        err, STATUS_INVALID,
        "the pattern is no valid regular expression: %s at offset %zu of %zu; correct it, "
        "or set fixed for plain text",
        (const char *)text, offset, pattern.len);
}

static pcre2_code *compile(struct str pattern, bool fixed, bool ignore_case, struct err *err)
{
    uint32_t options =
        PCRE2_UTF | PCRE2_MATCH_INVALID_UTF | (ignore_case ? PCRE2_CASELESS : 0) |
        (fixed ? PCRE2_LITERAL : PCRE2_MULTILINE | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C);
    pcre2_compile_context *context = pcre2_compile_context_create(NULL);
    pcre2_set_newline(context, PCRE2_NEWLINE_ANYCRLF);
    pcre2_set_max_pattern_length(context, LIMIT_REGEX_BYTES);
    int number;
    size_t offset;
    pcre2_code *code =
        pcre2_compile((PCRE2_SPTR)pattern.ptr, pattern.len, options, &number, &offset, context);
    pcre2_compile_context_free(context);
    if (!code)
        compile_error(number, offset, pattern, err);
    return code;
}

static struct regex *regex_of(pcre2_code *code, bool is_fast)
{
    struct regex *regex = mem_new(struct regex);
    regex->code = code;
    regex->is_fast = is_fast;
    regex->data = pcre2_match_data_create_from_pattern(code, NULL);
    regex->context = pcre2_match_context_create(NULL);
    pcre2_set_match_limit(regex->context, LIMIT_REGEX_STEPS_COUNT);
    pcre2_set_depth_limit(regex->context, DEPTH_COUNT);
    pcre2_set_heap_limit(regex->context, LIMIT_REGEX_HEAP_BYTES / KIB);
    if (is_fast) {
        regex->stack = pcre2_jit_stack_create(JIT_STACK_START_BYTES, JIT_STACK_BYTES, NULL);
        pcre2_jit_stack_assign(regex->context, NULL, regex->stack);
    }
    return regex;
}

struct regex *regex_new(struct str pattern, bool fixed, bool ignore_case, struct err *err)
{
    if (!pattern.len) {
        err_set(err, STATUS_INVALID, "the pattern is empty; say what to search for");
        return NULL;
    }
    if (str_find_byte(pattern, '\n', 0) != STR_NONE) {
        err_set(err, STATUS_INVALID,
                "the pattern spans lines, but each line is searched alone; search for one of them");
        return NULL;
    }
    pcre2_code *code = compile(pattern, fixed, ignore_case, err);
    if (!code)
        return NULL;
    bool is_fast = pcre2_jit_compile(code, PCRE2_JIT_COMPLETE) == 0;
    struct regex *regex = regex_of(code, is_fast);
    /* Without JIT each attempt checks the whole subject's UTF-8 first. */
    regex->may_cross_lines = is_fast && (fixed || gives_back(pattern));
    return regex;
}

struct regex *regex_share(const struct regex *regex)
{
    struct regex *share = regex_of(regex->code, regex->is_fast);
    share->is_shared = true;
    share->may_cross_lines = regex->may_cross_lines;
    return share;
}

void regex_free(struct regex *regex)
{
    if (!regex)
        return;
    pcre2_match_data_free(regex->data);
    pcre2_match_context_free(regex->context);
    pcre2_jit_stack_free(regex->stack);
    if (!regex->is_shared)
        pcre2_code_free(regex->code);
    mem_free(regex);
}

enum regex_result regex_match(struct regex *regex, struct str subject, size_t from,
                              size_t *ret_start)
{
    int result = pcre2_match(regex->code, (PCRE2_SPTR)(subject.len ? subject.ptr : ""), subject.len,
                             from, 0, regex->data, regex->context);
    if (result == PCRE2_ERROR_NOMATCH)
        return REGEX_NONE;
    if (result < 0)
        return REGEX_GAVE_UP;
    *ret_start = pcre2_get_ovector_pointer(regex->data)[0];
    return REGEX_FOUND;
}

bool regex_may_cross_lines(const struct regex *regex)
{
    return regex->may_cross_lines;
}
