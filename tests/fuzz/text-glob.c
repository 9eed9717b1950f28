/* A pattern, a NUL and a path: the matcher beside the plainest one, which writes the braces out and
 * tries every length for every star. */
#include <lanebridge/text.h>

#include "fuzz.h"

/* A byte that is no UTF-8 matches itself alone. */
static size_t decode(struct str s, uint32_t *ret_c)
{
    size_t bytes = utf8_decode(s, ret_c);
    if (bytes == 1 && (unsigned char)s.ptr[0] >= 0x80)
        *ret_c = 0x200000u + (unsigned char)s.ptr[0];
    return bytes;
}

enum { PATTERN_BYTES_MAX = 48, PATH_BYTES_MAX = 24, EXPANSIONS_MAX = 64 };

enum kind { LITERAL, ANY, CLASS, STAR, GLOBSTAR };
struct token {
    enum kind kind;
    uint32_t c;
    struct str class; /* between the brackets */
};
struct tokens {
    struct token at[PATTERN_BYTES_MAX];
    size_t count;
};

/* -- Writing braces out ------------------------------------------------------------------------ */

static struct tokens expansions[EXPANSIONS_MAX];
static size_t expansion_count;
static bool is_too_many;

/* Behind the class that starts at s[0]. */
static size_t class_length(struct str s)
{
    size_t first = s.len > 1 && (s.ptr[1] == '!' || s.ptr[1] == '^') ? 2 : 1;
    return str_find_byte(s, ']', first + 1) + 1;
}

/* Behind the brace that closes the one at s[0]; fills what is between: `parts` of them. */
static size_t split_braces(struct str s, struct str *parts, size_t *ret_count)
{
    size_t depth = 0, start = 1, count = 0;
    for (size_t i = 0;; i++) {
        if (s.ptr[i] == '[') {
            i += class_length(str_skip(s, i)) - 1;
        } else if (s.ptr[i] == '{') {
            depth++;
        } else if (depth == 1 && (s.ptr[i] == ',' || s.ptr[i] == '}')) {
            parts[count++] = str_slice(s, start, i);
            start = i + 1;
            if (s.ptr[i] == '}') {
                *ret_count = count;
                return i + 1;
            }
        } else if (s.ptr[i] == '}') {
            depth--;
        }
    }
}

/* Patterns behind each other: of the first what is left, then `rest`. */
struct chain {
    struct str s;
    const struct chain *rest;
};

static void expand(const struct chain *chain, struct tokens tokens)
{
    while (chain && chain->s.len == 0)
        chain = chain->rest;
    if (!chain) {
        is_too_many = is_too_many || expansion_count == EXPANSIONS_MAX;
        if (!is_too_many)
            expansions[expansion_count++] = tokens;
        return;
    }
    struct str s = chain->s;
    struct token token = {LITERAL, 0, {0}};
    size_t length = 1;
    if (s.ptr[0] == '{') {
        struct str parts[PATTERN_BYTES_MAX];
        size_t count;
        struct chain rest = {str_skip(s, split_braces(s, parts, &count)), chain->rest};
        for (size_t i = 0; i < count && !is_too_many; i++)
            expand(&(struct chain){parts[i], &rest}, tokens);
        return;
    }
    if (s.ptr[0] == '*') {
        while (length < s.len && s.ptr[length] == '*')
            length++;
        token.kind = length > 1 ? GLOBSTAR : STAR;
    } else if (s.ptr[0] == '?') {
        token.kind = ANY;
    } else if (s.ptr[0] == '[') {
        length = class_length(s);
        token = (struct token){CLASS, 0, str_slice(s, 1, length - 1)};
    } else {
        length = decode(s, &token.c);
    }
    tokens.at[tokens.count++] = token;
    expand(&(struct chain){str_skip(s, length), chain->rest}, tokens);
}

/* -- Matching ---------------------------------------------------------------------------------- */

static bool class_has(struct str s, uint32_t c)
{
    bool negated = s.len > 0 && (s.ptr[0] == '!' || s.ptr[0] == '^'), found = false;
    s = str_skip(s, negated);
    while (s.len > 0) {
        uint32_t from, to;
        s = str_skip(s, decode(s, &from));
        to = from;
        if (s.len > 1 && s.ptr[0] == '-')
            s = str_skip(s, 1), s = str_skip(s, decode(s, &to));
        found = found || (from <= c && c <= to);
    }
    return found != negated;
}

static bool accepts(const struct token *token, uint32_t c)
{
    switch (token->kind) {
    case LITERAL:
        return c == token->c;
    case CLASS:
        return c != '/' && class_has(token->class, c);
    case ANY:
    case STAR:
        return c != '/';
    case GLOBSTAR:
        break;
    }
    return true;
}

static unsigned steps;

static bool match(const struct tokens *tokens, size_t at, struct str path, size_t offset)
{
    uint32_t c;
    if (++steps > 200000)
        return false;
    if (at == tokens->count)
        return offset == path.len;
    const struct token *token = &tokens->at[at];
    bool is_start = offset == 0 || path.ptr[offset - 1] == '/';
    bool slash_follows =
        at + 1 < tokens->count && tokens->at[at + 1].kind == LITERAL && tokens->at[at + 1].c == '/';
    size_t bytes = offset < path.len ? decode(str_skip(path, offset), &c) : 0;
    bool taken = bytes > 0 && accepts(token, c);
    if (token->kind != STAR && token->kind != GLOBSTAR)
        return taken && match(tokens, at + 1, path, offset + bytes);
    if (match(tokens, at + 1, path, offset))
        return true;
    if (token->kind == GLOBSTAR && is_start && slash_follows && match(tokens, at + 2, path, offset))
        return true;
    return taken && match(tokens, at, path, offset + bytes);
}

static void compare(struct str pattern, struct str path)
{
    if (pattern.len > PATTERN_BYTES_MAX || path.len > PATH_BYTES_MAX)
        return;
    bool wanted = false;
    expansion_count = 0;
    is_too_many = false;
    steps = 0;
    expand(&(struct chain){pattern, NULL}, (struct tokens){.count = 0});
    struct str subject = str_find_byte(pattern, '/', 0) == STR_NONE ? path_name(path) : path;
    for (size_t i = 0; i < expansion_count && !wanted; i++)
        wanted = match(&expansions[i], 0, subject, 0);
    if (!is_too_many && steps <= 200000)
        FUZZ_CHECK(glob_match(pattern, path) == wanted);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str path, pattern = fuzz_split((struct str){(const char *)data, size}, &path);
    struct err err = {0};
    bool usable = glob_check(pattern, &err) == STATUS_OK;
    bool matches = glob_match(pattern, path);
    FUZZ_CHECK(usable || (!matches && err.text[0]));
    if (usable)
        compare(pattern, path);
    return 0;
}
