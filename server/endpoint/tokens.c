/* Byte-pair encoding: a piece that is a token is that token; else its bytes are merged, the pair of
 * the lowest rank first, the leftmost of equals, until no pair is a token. Short pieces look for
 * the pair by walking, long ones by a heap, so that a megabyte without a blank costs n log n. */
#include "tokens-internal.h"

#define NO_PART UINT32_MAX /* too large for an enum */
enum { WALK_BYTES = 96, O200K_COUNT = 150000 };

/* A token so far, at the offset that is its index; they are a list. */
struct part {
    uint32_t next, previous, rank; /* rank: of this and the next merged */
};
struct pair {
    uint32_t rank, at, end; /* end: of both, to tell a pair that is gone */
};

struct tokenizer {
    struct vocab vocab;
    struct split *split;
    enum split_kind kind;
    VEC(struct part) parts;
    VEC(struct pair) heap;
};

static const char *const split_names[SPLIT_KIND_COUNT] = {
    [SPLIT_CL100K] = "cl100k", [SPLIT_O200K] = "o200k"};

static void push(struct token_list *list, uint32_t token)
{
    vec_push(list, token);
}

/* -- Parts ----------------------------------------------------------------------------------------
 */

static uint32_t end_of_pair(const struct tokenizer *tokenizer, uint32_t at, size_t len)
{
    uint32_t next = tokenizer->parts.ptr[at].next;
    if (next == NO_PART)
        return NO_PART;
    uint32_t after = tokenizer->parts.ptr[next].next;
    return after == NO_PART ? (uint32_t)len : after;
}

static uint32_t rank_of_pair(const struct tokenizer *tokenizer, struct str piece, uint32_t at)
{
    uint32_t end = end_of_pair(tokenizer, at, piece.len);
    return end == NO_PART ? TOKENS_NO_RANK
                          : vocab_rank(&tokenizer->vocab, str_slice(piece, at, end));
}

static void begin_parts(struct tokenizer *tokenizer, struct str piece)
{
    vec_clear(&tokenizer->parts);
    for (uint32_t i = 0; i < piece.len; i++)
        vec_push(&tokenizer->parts,
                 ((struct part){i + 1 < piece.len ? i + 1 : NO_PART, i ? i - 1 : NO_PART, 0}));
    for (uint32_t i = 0; i < piece.len; i++)
        tokenizer->parts.ptr[i].rank = rank_of_pair(tokenizer, piece, i);
}

/* The part behind `at` becomes part of it. */
static void merge(struct tokenizer *tokenizer, struct str piece, uint32_t at)
{
    struct part *parts = tokenizer->parts.ptr, *part = &parts[at];
    part->next = parts[part->next].next;
    if (part->next != NO_PART)
        parts[part->next].previous = at;
    part->rank = rank_of_pair(tokenizer, piece, at);
    if (part->previous != NO_PART)
        parts[part->previous].rank = rank_of_pair(tokenizer, piece, part->previous);
}

/* -- Short pieces ---------------------------------------------------------------------------------
 */

static void merge_by_walking(struct tokenizer *tokenizer, struct str piece)
{
    for (;;) {
        uint32_t best = NO_PART, rank = TOKENS_NO_RANK;
        for (uint32_t i = 0; i != NO_PART; i = tokenizer->parts.ptr[i].next) {
            if (tokenizer->parts.ptr[i].rank < rank) {
                rank = tokenizer->parts.ptr[i].rank;
                best = i;
            }
        }
        if (best == NO_PART)
            return;
        merge(tokenizer, piece, best);
    }
}

/* -- Long pieces ----------------------------------------------------------------------------------
 */

static bool is_before(const struct pair *a, const struct pair *b)
{
    return a->rank != b->rank ? a->rank < b->rank : a->at < b->at;
}

static void push_pair(struct tokenizer *tokenizer, uint32_t at, size_t len)
{
    uint32_t rank = tokenizer->parts.ptr[at].rank;
    if (rank == TOKENS_NO_RANK)
        return;
    struct pair pair = {rank, at, end_of_pair(tokenizer, at, len)};
    vec_push(&tokenizer->heap, pair);
    struct pair *heap = tokenizer->heap.ptr;
    size_t i = tokenizer->heap.len - 1;
    for (; i > 0 && is_before(&pair, &heap[(i - 1) / 2]); i = (i - 1) / 2)
        heap[i] = heap[(i - 1) / 2];
    heap[i] = pair;
}

static struct pair pop_pair(struct tokenizer *tokenizer)
{
    struct pair *heap = tokenizer->heap.ptr;
    struct pair first = heap[0], moved = vec_pop(&tokenizer->heap);
    size_t len = tokenizer->heap.len, i = 0;
    for (size_t child; len > 0 && (child = 2 * i + 1) < len; i = child) {
        if (child + 1 < len && is_before(&heap[child + 1], &heap[child]))
            child++;
        if (!is_before(&heap[child], &moved))
            break;
        heap[i] = heap[child];
    }
    if (len > 0)
        heap[i] = moved;
    return first;
}

/* A part that was merged into another is never reached again: its rank says so. */
static bool is_current(const struct tokenizer *tokenizer, const struct pair *pair, size_t len)
{
    const struct part *part = &tokenizer->parts.ptr[pair->at];
    return part->rank == pair->rank && end_of_pair(tokenizer, pair->at, len) == pair->end;
}

static void merge_by_heap(struct tokenizer *tokenizer, struct str piece)
{
    vec_clear(&tokenizer->heap);
    for (uint32_t i = 0; i < piece.len; i++)
        push_pair(tokenizer, i, piece.len);
    while (tokenizer->heap.len > 0) {
        struct pair pair = pop_pair(tokenizer);
        if (!is_current(tokenizer, &pair, piece.len))
            continue;
        struct part *parts = tokenizer->parts.ptr;
        parts[parts[pair.at].next].rank = TOKENS_NO_RANK;
        merge(tokenizer, piece, pair.at);
        push_pair(tokenizer, pair.at, piece.len);
        if (parts[pair.at].previous != NO_PART)
            push_pair(tokenizer, parts[pair.at].previous, piece.len);
    }
}

/* -- Texts ----------------------------------------------------------------------------------------
 */

static void encode_piece(struct tokenizer *tokenizer, struct str piece, struct token_list *list)
{
    uint32_t whole = vocab_rank(&tokenizer->vocab, piece);
    if (whole != TOKENS_NO_RANK) {
        push(list, whole);
        return;
    }
    begin_parts(tokenizer, piece);
    if (piece.len <= WALK_BYTES)
        merge_by_walking(tokenizer, piece);
    else
        merge_by_heap(tokenizer, piece);
    for (uint32_t i = 0; i != NO_PART; i = tokenizer->parts.ptr[i].next) {
        uint32_t next = tokenizer->parts.ptr[i].next;
        push(list, vocab_rank(&tokenizer->vocab,
                              str_slice(piece, i, next == NO_PART ? piece.len : next)));
    }
}

void tokenizer_encode(struct tokenizer *tokenizer, struct str text, struct token_list *list)
{
    struct str piece;
    while (split_next(tokenizer->split, &text, &piece))
        encode_piece(tokenizer, piece, list);
}

uint32_t tokenizer_mark(const struct tokenizer *tokenizer, enum token_mark mark)
{
    return tokenizer->vocab.rank_end + (uint32_t)mark;
}

/* -- Life -----------------------------------------------------------------------------------------
 */

struct tokenizer *tokenizer_new(struct str ranks, struct err *err)
{
    struct tokenizer *tokenizer = mem_new(struct tokenizer);
    if (vocab_parse(&tokenizer->vocab, ranks, err) == STATUS_OK) {
        tokenizer->kind = tokenizer->vocab.count > O200K_COUNT ? SPLIT_O200K : SPLIT_CL100K;
        tokenizer->split = split_new(tokenizer->kind, err);
    }
    if (!tokenizer->split) {
        tokenizer_free(tokenizer);
        return NULL;
    }
    return tokenizer;
}

void tokenizer_free(struct tokenizer *tokenizer)
{
    if (!tokenizer)
        return;
    vocab_finish(&tokenizer->vocab);
    split_free(tokenizer->split);
    vec_finish(&tokenizer->parts);
    vec_finish(&tokenizer->heap);
    mem_free(tokenizer);
}

const char *tokenizer_split_name(const struct tokenizer *tokenizer)
{
    return split_names[tokenizer->kind];
}

size_t tokenizer_token_count(const struct tokenizer *tokenizer)
{
    return tokenizer->vocab.count;
}
