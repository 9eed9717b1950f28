/* The tokenizer against an obvious and slow one, and the pieces that text is cut into. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "../../../server/endpoint/tokens-internal.h"

TestSuite(tokens, .timeout = 60);

/* -- A small vocabulary ---------------------------------------------------------------------------
 */

struct merges {
    VEC(struct buf) tokens; /* by rank; the first 256 are the bytes */
};

static void append_base64(struct buf *buf, struct str bytes)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < bytes.len; i += 3) {
        uint32_t bits = 0;
        for (size_t j = 0; j < 3; j++)
            bits = bits << 8 | (i + j < bytes.len ? (unsigned char)bytes.ptr[i + j] : 0);
        for (size_t j = 0; j < 4; j++)
            buf_append_byte(buf, i + j > bytes.len ? '=' : digits[bits >> (18 - 6 * j) & 63]);
    }
}

static void add_token(struct merges *merges, struct str bytes)
{
    struct buf token = {0};
    for (size_t i = 0; i < merges->tokens.len; i++)
        if (str_eq(buf_str(&merges->tokens.ptr[i]), bytes))
            return;
    buf_append(&token, bytes);
    vec_push(&merges->tokens, token);
}

/* Not trained: pairs of tokens at random, so that merges compete in every way. */
static void make_merges(struct merges *merges, unsigned *seed)
{
    *merges = (struct merges){0};
    for (unsigned byte = 0; byte < 256; byte++)
        add_token(merges, (struct str){(char[]){(char)(byte ^ 0x55)}, 1});
    static const char *const words[] = {"a", "b", "c", "ab", " ", "e", "\xc3", "\xa9", "1", "\n"};
    for (size_t i = 0; i < array_count(words); i++)
        add_token(merges, str_from(words[i]));
    for (unsigned i = 0; i < 3000; i++) {
        struct buf pair = {0};
        for (unsigned half = 0; half < 2; half++) {
            size_t made = merges->tokens.len - 256;
            bool of_words = made == 0 || rand_r(seed) % 3 > 0;
            if (of_words)
                buf_append_c(&pair, words[(size_t)rand_r(seed) % array_count(words)]);
            else
                buf_append(&pair, buf_str(&merges->tokens.ptr[256 + (size_t)rand_r(seed) % made]));
        }
        if (pair.len <= 12)
            add_token(merges, buf_str(&pair));
        buf_finish(&pair);
    }
}

static struct tokenizer *make_tokenizer(const struct merges *merges)
{
    struct buf text = {0};
    struct err err = {0};
    for (size_t i = 0; i < merges->tokens.len; i++) {
        append_base64(&text, buf_str(&merges->tokens.ptr[i]));
        buf_append_fmt(&text, " %zu\n", i);
    }
    struct tokenizer *tokenizer = tokenizer_new(buf_str(&text), &err);
    cr_assert(tokenizer, "%s", err.text);
    buf_finish(&text);
    return tokenizer;
}

static void free_merges(struct merges *merges)
{
    for (size_t i = 0; i < merges->tokens.len; i++)
        buf_finish(&merges->tokens.ptr[i]);
    vec_finish(&merges->tokens);
}

/* -- The obvious way ------------------------------------------------------------------------------
 */

static size_t slow_rank(const struct merges *merges, struct str bytes)
{
    for (size_t i = 0; i < merges->tokens.len; i++)
        if (str_eq(buf_str(&merges->tokens.ptr[i]), bytes))
            return i;
    return STR_NONE;
}

/* Merges the pair of the lowest rank until there is none. ends: where each token ends. */
static void slow_encode(const struct merges *merges, struct str piece, struct token_list *list)
{
    VEC(size_t) ends = {0};
    if (slow_rank(merges, piece) != STR_NONE) {
        vec_push(list, (uint32_t)slow_rank(merges, piece));
        return;
    }
    for (size_t i = 0; i < piece.len; i++)
        vec_push(&ends, i + 1);
    for (;;) {
        size_t best = STR_NONE, at = 0;
        for (size_t i = 0; i + 1 < ends.len; i++) {
            struct str pair = str_slice(piece, i ? ends.ptr[i - 1] : 0, ends.ptr[i + 1]);
            size_t rank = slow_rank(merges, pair);
            if (rank < best) {
                best = rank;
                at = i;
            }
        }
        if (best == STR_NONE)
            break;
        vec_remove(&ends, at);
    }
    for (size_t i = 0; i < ends.len; i++)
        vec_push(list, (uint32_t)slow_rank(merges,
                                           str_slice(piece, i ? ends.ptr[i - 1] : 0, ends.ptr[i])));
    vec_finish(&ends);
}

static void expect_same(struct tokenizer *tokenizer, const struct merges *merges, struct str text)
{
    struct token_list fast = {0}, slow = {0};
    struct split *split = split_new(SPLIT_CL100K, NULL);
    struct str rest = text, piece;
    tokenizer_encode(tokenizer, text, &fast);
    while (split_next(split, &rest, &piece))
        slow_encode(merges, piece, &slow);
    cr_expect_eq(fast.len, slow.len, STR_FMT, STR_ARG(text));
    cr_expect(fast.len == slow.len && memcmp(fast.ptr, slow.ptr, fast.len * 4) == 0, STR_FMT,
              STR_ARG(text));
    split_free(split);
    vec_finish(&fast);
    vec_finish(&slow);
}

static void append_random(struct buf *text, size_t len, unsigned *seed)
{
    static const char *const letters[] = {"a", "b",  "c", "e", "ab", "é", "1",
                                          "2", "\n", " ", "'", "s",  "X", "中"};
    size_t choice = rand_r(seed) % 2 ? 4 : array_count(letters);
    while (text->len < len)
        buf_append_c(text, letters[(size_t)rand_r(seed) % choice]);
}

Test(tokens, are_those_of_the_obvious_way)
{
    unsigned seed = 1;
    struct merges merges;
    make_merges(&merges, &seed);
    cr_assert_gt(merges.tokens.len, 700);
    struct tokenizer *tokenizer = make_tokenizer(&merges);
    cr_expect_eq(tokenizer_token_count(tokenizer), merges.tokens.len);
    for (size_t i = 0; i < 120; i++) {
        struct buf text = {0};
        append_random(&text, 1 + (size_t)rand_r(&seed) % (i < 100 ? 60 : 260), &seed);
        expect_same(tokenizer, &merges, buf_str(&text));
        buf_finish(&text);
    }
    tokenizer_free(tokenizer);
    free_merges(&merges);
}

/* Without a blank to cut at: by the heap, and back to the same text. */
Test(tokens, of_a_megabyte_in_one_piece_are_the_text)
{
    unsigned seed = 2;
    struct merges merges;
    struct buf text = {0}, back = {0};
    struct token_list list = {0};
    make_merges(&merges, &seed);
    struct tokenizer *tokenizer = make_tokenizer(&merges);
    while (text.len < MIB)
        buf_append_byte(&text, "abce"[rand_r(&seed) % 4]);
    tokenizer_encode(tokenizer, buf_str(&text), &list);
    for (size_t i = 0; i < list.len; i++)
        buf_append(&back, buf_str(&merges.tokens.ptr[list.ptr[i]]));
    cr_expect(str_eq(buf_str(&text), buf_str(&back)));
    cr_expect_lt(list.len, MIB / 2);
    tokenizer_free(tokenizer);
    free_merges(&merges);
    buf_finish(&text);
    buf_finish(&back);
    vec_finish(&list);
}

Test(tokens, of_two_texts_at_a_mark_are_appended)
{
    unsigned seed = 3;
    struct merges merges;
    make_merges(&merges, &seed);
    struct tokenizer *tokenizer = make_tokenizer(&merges);
    uint32_t start = tokenizer_mark(tokenizer, TOKEN_START);
    cr_expect_eq(start, merges.tokens.len);
    cr_expect_neq(start, tokenizer_mark(tokenizer, TOKEN_END));
    struct token_list list = {0};
    tokenizer_encode(tokenizer, STR("<|start|>"), &list);
    cr_expect_gt(list.len, 1, "text is text, whatever it looks like");
    tokenizer_free(tokenizer);
    free_merges(&merges);
    vec_finish(&list);
}

/* -- Pieces ---------------------------------------------------------------------------------------
 */

/* As OpenAI's tiktoken cuts them. */
static const struct {
    const char *text, *cl100k, *o200k;
} cuts[] = {
    {"hello world", "hello| world", "hello| world"},
    {"I'll don't", "I|'ll| don|'t", "I'll| don't"},
    {"HelloWorld", "HelloWorld", "Hello|World"},
    {"HTTPServer2", "HTTPServer|2", "HTTPServer|2"},
    {"12345.678", "123|45|.|678", "123|45|.|678"},
    {"a  b\n\n  c", "a| | b|\n\n| | c", "a| | b|\n\n| | c"},
    {"x = 1;\n", "x| =| |1|;\n", "x| =| |1|;\n"},
    {"a/b//\n/c", "a|/b|//\n|/c", "a|/b|//\n/|c"},
    {"  \n  x", "  \n| | x", "  \n| | x"},
    {"tail   ", "tail|   ", "tail|   "},
    {"caf\u00e9 \u4e2d\u6587!", "caf\u00e9| \u4e2d\u6587|!", "caf\u00e9| \u4e2d\u6587|!"},
    {"\u00a0\u2003x", "\u00a0|\u2003x", "\u00a0|\u2003x"},
    {"\u180ex", "\u180ex", "\u180ex"}, /* no space since Unicode 6.3 */
    {"e\u0301tat", "e|\u0301tat", "e\u0301tat"},
};

static void expect_cut(enum split_kind kind, const char *text, const char *wanted)
{
    struct buf got = {0};
    struct str rest = str_from(text), piece;
    struct split *split = split_new(kind, NULL);
    while (split_next(split, &rest, &piece)) {
        if (got.len > 0)
            buf_append_byte(&got, '|');
        buf_append(&got, piece);
    }
    cr_expect_str_eq(got.ptr, wanted);
    buf_finish(&got);
    split_free(split);
}

Test(tokens, text_is_cut_as_the_vocabulary_was_made)
{
    for (size_t i = 0; i < array_count(cuts); i++) {
        expect_cut(SPLIT_CL100K, cuts[i].text, cuts[i].cl100k);
        expect_cut(SPLIT_O200K, cuts[i].text, cuts[i].o200k);
    }
}

/* -- Files that are none --------------------------------------------------------------------------
 */

static const struct {
    const char *text, *message;
} wrong[] = {
    {"", "no token stands for the byte 0x00"},
    {"IQ== 0\nIQ==\n", "line 2: expected BASE64 RANK"},
    {"IQ== 0\nIg== x\n", "line 2: expected BASE64 RANK"},
    {"IQ== -1\n", "line 1: expected BASE64 RANK"},
    {"IQ== 99999999\n", "line 1: expected BASE64 RANK"},
    {"I!== 0\n", "line 1: the token is no base64"},
    {"A 0\n", "line 1: the token is no base64"},
    {" 0\n", "line 1: expected BASE64 RANK"},
    {"IQ== 0\nIQ== 1\n", "line 2: this token was on an earlier line"},
};

Test(tokens, a_file_that_is_no_vocabulary_is_refused_by_line)
{
    for (size_t i = 0; i < array_count(wrong); i++) {
        struct err err = {0};
        cr_assert_null(tokenizer_new(str_from(wrong[i].text), &err));
        cr_expect(strstr(err.text, wrong[i].message), "%s", err.text);
    }
    struct buf huge = {0};
    struct err err = {0};
    buf_append_repeat(&huge, 'A', LIMIT_VOCAB_BYTES + 1);
    cr_assert_null(tokenizer_new(buf_str(&huge), &err));
    cr_expect_eq(err.status, STATUS_LIMIT);
    buf_finish(&huge);
}

Test(tokens, base64_is_decoded_or_refused_whole)
{
    static const struct {
        const char *text, *bytes;
    } good[] = {{"", ""}, {"Zg==", "f"}, {"Zm8=", "fo"}, {"Zm9v", "foo"}, {"Zm9vYg", "foob"}};
    static const char *const bad[] = {"Z", "Zm9vY", "Zm 9", "Zm9-"};
    struct buf bytes = {0};
    for (size_t i = 0; i < array_count(good); i++) {
        buf_clear(&bytes);
        cr_expect(base64_decode(str_from(good[i].text), &bytes));
        cr_expect(str_eq_c(buf_str(&bytes), good[i].bytes));
    }
    buf_clear(&bytes);
    for (size_t i = 0; i < array_count(bad); i++)
        cr_expect_not(base64_decode(str_from(bad[i]), &bytes));
    cr_expect_eq(bytes.len, 0);
    buf_finish(&bytes);
}
