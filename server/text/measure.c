/* The rope: how many bytes, code units, characters and line endings lie where. */
#include "tree-internal.h"

static bool is_ascii(struct str bytes)
{
    uint64_t seen = 0, word;
    size_t at = 0;

    for (; at + sizeof(word) <= bytes.len; at += sizeof(word)) {
        memcpy(&word, bytes.ptr + at, sizeof(word));
        seen |= word;
    }
    for (; at < bytes.len; at++)
        seen |= (unsigned char)bytes.ptr[at];
    return (seen & 0x8080808080808080u) == 0;
}

/* 64 bytes at once, in a form that compilers make vectors of. */
enum { BLOCK_BYTES = 64 };

static size_t count_in_block(const char *p, char byte)
{
    unsigned char count = 0;

    for (int i = 0; i < BLOCK_BYTES; i++)
        count = (unsigned char)(count + (p[i] == byte));
    return count;
}

size_t count_byte(struct str bytes, char byte)
{
    size_t count = 0, at = 0;

    for (; at + BLOCK_BYTES <= bytes.len; at += BLOCK_BYTES)
        count += count_in_block(bytes.ptr + at, byte);
    for (; at < bytes.len; at++)
        count += (size_t)(bytes.ptr[at] == byte);
    return count;
}

static size_t count_endings(struct str bytes)
{
    size_t count = count_byte(bytes, '\n');
    const char *cr = bytes.ptr, *end = bytes.ptr + bytes.len;

    while (cr < end && (cr = memchr(cr, '\r', (size_t)(end - cr))) != NULL) {
        cr++;
        count += (size_t)(cr == end || *cr != '\n');
    }
    return count;
}

/* Bytes of the character that `s` begins with; adds its units, not its line ending. */
static size_t add_character(struct str s, struct measure *measure)
{
    uint32_t code_point = 0;
    size_t bytes = (unsigned char)s.ptr[0] < 0x80 ? 1 : utf8_decode(s, &code_point);

    measure->of[MEASURE_UTF8] += bytes;
    measure->of[MEASURE_UTF16] += code_point > 0xFFFF ? 2 : 1;
    measure->of[MEASURE_UTF32]++;
    return bytes;
}

struct measure measure_bytes(struct str bytes)
{
    struct measure sum = {{bytes.len, bytes.len, bytes.len, count_endings(bytes)}};

    if (is_ascii(bytes))
        return sum;
    sum.of[MEASURE_UTF8] = sum.of[MEASURE_UTF16] = sum.of[MEASURE_UTF32] = 0;
    while (bytes.len > 0)
        bytes = str_skip(bytes, add_character(bytes, &sum));
    return sum;
}

static void add(struct measure *sum, const struct measure *more)
{
    for (int i = 0; i < MEASURE_COUNT; i++)
        sum->of[i] += more->of[i];
}

/* The bytes of the characters that lie wholly before `offset`. */
static struct measure measure_before(struct str bytes, size_t offset)
{
    struct measure sum = {0}, next;

    if (offset == bytes.len || is_ascii((struct str){bytes.ptr, offset}))
        return measure_bytes((struct str){bytes.ptr, offset});
    for (next = sum; sum.of[MEASURE_UTF8] < offset; sum = next) {
        add_character(str_skip(bytes, sum.of[MEASURE_UTF8]), &next);
        if (next.of[MEASURE_UTF8] > offset)
            break;
    }
    sum.of[MEASURE_ENDINGS] = count_endings((struct str){bytes.ptr, sum.of[MEASURE_UTF8]});
    return sum;
}

struct measure tree_measure(const struct node *root, size_t offset)
{
    struct measure sum = {0}, last;

    if (!root)
        return sum;
    while (root->height > 0) {
        size_t left = tree_len(root->child[0]);
        bool right = offset >= left;

        if (right) {
            add(&sum, &root->child[0]->sum);
            offset -= left;
        }
        root = root->child[right];
    }
    last = measure_before((struct str){root->bytes, tree_len(root)}, offset);
    add(&sum, &last);
    return sum;
}

static size_t find_ending(struct str bytes, size_t count)
{
    size_t at = 0;

    while (at + BLOCK_BYTES <= bytes.len && count > 0) {
        size_t here = count_in_block(bytes.ptr + at, '\n');

        if (here >= count || count_in_block(bytes.ptr + at, '\r') > 0)
            break;
        count -= here;
        at += BLOCK_BYTES;
    }
    while (at < bytes.len && count > 0) {
        bool is_crlf = bytes.ptr[at] == '\r' && at + 1 < bytes.len && bytes.ptr[at + 1] == '\n';

        if (bytes.ptr[at] == '\n' || bytes.ptr[at] == '\r')
            count--;
        at += is_crlf ? 2 : 1;
    }
    return at;
}

static size_t find_units(struct str bytes, enum measure_unit unit, size_t count)
{
    struct measure sum = {0}, next;

    if (count <= bytes.len && is_ascii((struct str){bytes.ptr, count}))
        return count;
    for (next = sum; sum.of[MEASURE_UTF8] < bytes.len; sum = next) {
        add_character(str_skip(bytes, sum.of[MEASURE_UTF8]), &next);
        if (next.of[unit] > count)
            break;
    }
    return sum.of[MEASURE_UTF8];
}

size_t tree_find(const struct node *root, enum measure_unit unit, size_t count)
{
    size_t offset = 0;
    struct str bytes;

    if (!root)
        return 0;
    while (root->height > 0) {
        size_t left = root->child[0]->sum.of[unit];
        /* An ending is looked for where it lies, units where the next character begins. */
        bool right = unit == MEASURE_ENDINGS ? count > left : count >= left;

        if (right) {
            offset += tree_len(root->child[0]);
            count -= left;
        }
        root = root->child[right];
    }
    bytes = (struct str){root->bytes, tree_len(root)};
    return offset +
           (unit == MEASURE_ENDINGS ? find_ending(bytes, count) : find_units(bytes, unit, count));
}
