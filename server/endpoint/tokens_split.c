/* Text into pieces, by the patterns of cl100k_base and o200k_base. \s is what it is in those:
 * Unicode's White_Space, which PCRE2's own \s is not quite. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "tokens-internal.h"

#define SPACES                                                                                     \
    "\\x{9}-\\x{d}\\x{20}\\x{85}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}"    \
    "\\x{205f}\\x{3000}"
#define SPACE "[" SPACES "]"
#define SUFFIX "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
#define TAIL                                                                                       \
    "|" SPACE "*[\\r\\n]+"                                                                         \
    "|" SPACE "+(?![^" SPACES "])"                                                                 \
    "|" SPACE "+"
#define UPPER "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]"
#define LOWER "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]"

static const char *const patterns[SPLIT_KIND_COUNT] = {
    [SPLIT_CL100K] = SUFFIX "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+"
                            "|\\p{N}{1,3}"
                            "| ?[^" SPACES "\\p{L}\\p{N}]+[\\r\\n]*" TAIL,
    [SPLIT_O200K] = "[^\\r\\n\\p{L}\\p{N}]?" UPPER "*" LOWER "+" SUFFIX "?"
                    "|[^\\r\\n\\p{L}\\p{N}]?" UPPER "+" LOWER "*" SUFFIX "?"
                    "|\\p{N}{1,3}"
                    "| ?[^" SPACES "\\p{L}\\p{N}]+[\\r\\n/]*" TAIL,
};

struct split {
    pcre2_code *code;
    pcre2_match_data *match;
    pcre2_match_context *context;
};

struct split *split_new(enum split_kind kind, struct err *err)
{
    int number;
    PCRE2_SIZE at;
    struct split *split = mem_new(struct split);
    split->code = pcre2_compile((PCRE2_SPTR)patterns[kind], PCRE2_ZERO_TERMINATED,
                                PCRE2_UTF | PCRE2_UCP, &number, &at, NULL);
    split->context = pcre2_match_context_create(NULL);
    if (split->code)
        split->match = pcre2_match_data_create_from_pattern(split->code, NULL);
    if (!split->match || !split->context) {
        err_set(err, STATUS_INVALID, "PCRE2 does not take the pattern of the tokenizer (%d)",
                number);
        split_free(split);
        return NULL;
    }
    pcre2_jit_compile(split->code, PCRE2_JIT_COMPLETE); /* without it, the same but slower */
    pcre2_set_match_limit(split->context, LIMIT_SPLIT_STEPS_COUNT);
    return split;
}

void split_free(struct split *split)
{
    if (!split)
        return;
    pcre2_match_data_free(split->match);
    pcre2_match_context_free(split->context);
    pcre2_code_free(split->code);
    mem_free(split);
}

/* What no alternative takes, or costs more than the limit: a character alone. */
bool split_next(struct split *split, struct str *rest, struct str *ret_piece)
{
    uint32_t ignored;
    if (rest->len == 0)
        return false;
    int found = pcre2_match(split->code, (PCRE2_SPTR)rest->ptr, rest->len, 0,
                            PCRE2_ANCHORED | PCRE2_NO_UTF_CHECK, split->match, split->context);
    const PCRE2_SIZE *span = pcre2_get_ovector_pointer(split->match);
    size_t len = found > 0 && span[1] > 0 ? span[1] : utf8_decode(*rest, &ignored);
    *ret_piece = str_slice(*rest, 0, len);
    *rest = str_skip(*rest, len);
    return true;
}
