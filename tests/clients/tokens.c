/* The tokens of a text, one a line: RANKS-FILE TEXT-FILE. For tokens.test.mjs, which holds them
 * against those of another implementation. */
#include <stdio.h>

#include "../../server/endpoint/tokens-internal.h"

static bool read_all(const char *path, struct buf *bytes)
{
    char chunk[65536];
    FILE *file = fopen(path, "rb");
    for (size_t got; file && (got = fread(chunk, 1, sizeof(chunk), file)) > 0;)
        buf_append(bytes, (struct str){chunk, got});
    if (file)
        fclose(file);
    return file != NULL;
}

static int print_tokens(struct str ranks, struct str text)
{
    struct token_list list = {0};
    struct err err = {0};
    struct tokenizer *tokenizer = tokenizer_new(ranks, &err);
    if (!tokenizer) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    uint64_t begun = time_mono_ns();
    tokenizer_encode(tokenizer, text, &list);
    fprintf(stderr, "%zu bytes, %zu tokens, %.1f ms\n", text.len, list.len,
            (double)(time_mono_ns() - begun) / 1e6);
    for (size_t i = 0; i < list.len; i++)
        printf("%u\n", list.ptr[i]);
    tokenizer_free(tokenizer);
    vec_finish(&list);
    return 0;
}

int main(int argc, char **argv)
{
    struct buf ranks = {0}, text = {0};
    if (argc != 3 || !read_all(argv[1], &ranks) || !read_all(argv[2], &text)) {
        fprintf(stderr, "usage: tokens RANKS-FILE TEXT-FILE\n");
        return 2;
    }
    int code = print_tokens(buf_str(&ranks), buf_str(&text));
    buf_finish(&ranks);
    buf_finish(&text);
    return code;
}
