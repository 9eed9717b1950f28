/* A rank file into a table: open addressing over one arena of bytes. */
#include <string.h>

#include "tokens-internal.h"

enum { RANK_END = 1 << 24 };

static uint32_t hash_of(struct str bytes)
{
    uint64_t hash = bytes.len * 0x9e3779b97f4a7c15u;
    while (bytes.len >= sizeof(hash)) {
        uint64_t word;
        memcpy(&word, bytes.ptr, sizeof(word));
        hash = (hash ^ word) * 0xff51afd7ed558ccdu;
        hash ^= hash >> 32;
        bytes = str_skip(bytes, sizeof(word));
    }
    uint64_t word = 0;
    if (bytes.len > 0)
        memcpy(&word, bytes.ptr, bytes.len);
    hash = (hash ^ word) * 0xff51afd7ed558ccdu;
    return (uint32_t)(hash ^ hash >> 29);
}

/* Where these bytes are, or would go. */
static struct vocab_entry *find(const struct vocab *vocab, struct str bytes, uint32_t hash)
{
    for (size_t i = hash;; i++) {
        struct vocab_entry *entry = &vocab->entries[i & vocab->mask];
        if (entry->len == 0)
            return entry;
        if (entry->hash == hash && entry->len == bytes.len &&
            memcmp(vocab->bytes.ptr + entry->offset, bytes.ptr, bytes.len) == 0)
            return entry;
    }
}

uint32_t vocab_rank(const struct vocab *vocab, struct str bytes)
{
    if (bytes.len == 0 || bytes.len > vocab->len_max)
        return TOKENS_NO_RANK;
    const struct vocab_entry *entry = find(vocab, bytes, hash_of(bytes));
    return entry->len ? entry->rank : TOKENS_NO_RANK;
}

/* -- Reading --------------------------------------------------------------------------------------
 */

static void grow(struct vocab *vocab)
{
    struct vocab old = *vocab;
    size_t size = old.mask ? (old.mask + 1) * 2 : 1024;
    vocab->entries = mem_alloc_array(size, sizeof(*vocab->entries));
    vocab->mask = size - 1;
    for (size_t i = 0; old.entries && i <= old.mask; i++) {
        const struct vocab_entry *entry = &old.entries[i];
        if (entry->len)
            *find(vocab, (struct str){vocab->bytes.ptr + entry->offset, entry->len}, entry->hash) =
                *entry;
    }
    mem_free(old.entries);
}

static enum status add(struct vocab *vocab, size_t offset, int64_t rank, size_t line,
                       struct err *err)
{
    struct str bytes = str_skip(buf_str(&vocab->bytes), offset);
    uint32_t hash = hash_of(bytes);
    if (vocab->count * 2 >= vocab->mask)
        grow(vocab);
    struct vocab_entry *entry = find(vocab, bytes, hash);
    if (entry->len)
        return err_set(err, STATUS_INVALID, "line %zu: this token was on an earlier line", line);
    *entry = (struct vocab_entry){hash, (uint32_t)offset, (uint32_t)bytes.len, (uint32_t)rank};
    vocab->count++;
    if (rank >= vocab->rank_end)
        vocab->rank_end = (uint32_t)rank + 1;
    if (bytes.len > vocab->len_max)
        vocab->len_max = bytes.len;
    return STATUS_OK;
}

/* "base64 rank" */
static enum status take_line(struct vocab *vocab, struct str text, size_t line, struct err *err)
{
    size_t blank = str_find_byte(text, ' ', 0), offset = vocab->bytes.len;
    int64_t rank;
    if (blank == STR_NONE || !str_to_int64(str_skip(text, blank + 1), &rank) || rank < 0 ||
        rank >= RANK_END)
        return err_set(err, STATUS_INVALID, "line %zu: expected BASE64 RANK", line);
    if (!base64_decode(str_slice(text, 0, blank), &vocab->bytes) || vocab->bytes.len == offset)
        return err_set(err, STATUS_INVALID, "line %zu: the token is no base64", line);
    return add(vocab, offset, rank, line, err);
}

static enum status check(const struct vocab *vocab, struct err *err)
{
    for (unsigned byte = 0; byte < 256; byte++) {
        char one = (char)byte;
        if (vocab_rank(vocab, (struct str){&one, 1}) == TOKENS_NO_RANK)
            return err_set(err, STATUS_INVALID,
                           "no token stands for the byte 0x%02x: a rank file has all 256", byte);
    }
    return STATUS_OK;
}

enum status vocab_parse(struct vocab *vocab, struct str text, struct err *err)
{
    *vocab = (struct vocab){0};
    struct str rest = text, line;
    enum status status = STATUS_OK;
    if (text.len > LIMIT_VOCAB_BYTES)
        return err_set(err, STATUS_LIMIT, "it is larger than %zu MiB", LIMIT_VOCAB_BYTES / MIB);
    grow(vocab);
    for (size_t i = 1; status == STATUS_OK && str_next(&rest, '\n', &line); i++) {
        line = str_trim(line);
        if (line.len > 0)
            status = take_line(vocab, line, i, err);
    }
    if (status == STATUS_OK)
        status = check(vocab, err);
    if (status < 0)
        vocab_finish(vocab);
    return status;
}

void vocab_finish(struct vocab *vocab)
{
    mem_free(vocab->entries);
    buf_finish(&vocab->bytes);
    *vocab = (struct vocab){0};
}
