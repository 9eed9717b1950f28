/* Tokens: a byte-pair tokenizer over a rank file that the user gives (`--vocab`), as tiktoken
 * writes them: a line for each token, its bytes in base64 and its rank. None is shipped. Text is
 * cut into pieces as cl100k and o200k do, and no pair is merged across pieces; what a record adds
 * to its conversation is therefore encoded alone and appended, never encoded twice (render.c). */
#ifndef LANEBRIDGE_ENDPOINT_TOKENS_INTERNAL_H
#define LANEBRIDGE_ENDPOINT_TOKENS_INTERNAL_H

#include <lanebridge/base.h>

#define TOKENS_NO_RANK UINT32_MAX /* too large for an enum */

struct token_list {
    uint32_t *ptr;
    size_t len, cap;
};

/* -- tokens_vocab.c: bytes to ranks --------------------------------------------------------------
 */

struct vocab_entry {
    uint32_t hash, offset, len, rank; /* len 0: free */
};
struct vocab {
    struct vocab_entry *entries;
    size_t mask, count;
    struct buf bytes;  /* of all tokens */
    uint32_t rank_end; /* one above the highest */
    size_t len_max;
};
/* Errors: STATUS_INVALID naming the line, or the byte that no token stands for; STATUS_LIMIT. */
enum status vocab_parse(struct vocab *vocab, struct str text, struct err *err);
void vocab_finish(struct vocab *vocab);
/* TOKENS_NO_RANK if these bytes are no token. */
uint32_t vocab_rank(const struct vocab *vocab, struct str bytes);

/* -- tokens_split.c: text to pieces --------------------------------------------------------------
 */

enum split_kind { SPLIT_CL100K, SPLIT_O200K, SPLIT_KIND_COUNT };
struct split;
struct split *split_new(enum split_kind kind, struct err *err);
void split_free(struct split *split);
/* Takes the next piece off `rest`, at least one character of it; false at the end. The text is
 * valid UTF-8. */
bool split_next(struct split *split, struct str *rest, struct str *ret_piece);

/* -- tokens.c: text to tokens --------------------------------------------------------------------
 */

/* What no text can stand for: where an item begins and ends. One token each, above the vocabulary's
 * own. */
enum token_mark { TOKEN_START, TOKEN_MESSAGE, TOKEN_END, TOKEN_IMAGE, TOKEN_MARK_COUNT };

struct tokenizer;
/* Which split: o200k for more than 150,000 tokens, else cl100k. */
struct tokenizer *tokenizer_new(struct str ranks, struct err *err);
void tokenizer_free(struct tokenizer *tokenizer);
const char *tokenizer_split_name(const struct tokenizer *tokenizer);
size_t tokenizer_token_count(const struct tokenizer *tokenizer); /* of the vocabulary */
uint32_t tokenizer_mark(const struct tokenizer *tokenizer, enum token_mark mark);
/* Appends the text's tokens; text that looks like a mark is text. */
void tokenizer_encode(struct tokenizer *tokenizer, struct str text, struct token_list *list);

#endif
