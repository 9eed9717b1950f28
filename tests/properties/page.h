/* A text whose every line has an owner: slots of some lines each, in turn the person's, nobody's,
 * the model's, nobody's. So what is to come out of any mixture of edits is known byte for byte. */
#ifndef LANEBRIDGE_TESTS_PAGE_H
#define LANEBRIDGE_TESTS_PAGE_H

#include <lanebridge/base.h>

enum { PAGE_SLOTS = 32, PAGE_OWNED = PAGE_SLOTS / 4 };
struct page {
    struct buf slots[PAGE_SLOTS];
    const char *ending;
    bool has_bom;
    unsigned *tokens; /* numbers given to lines, so that no two are the same */
};
void page_init(struct page *page, unsigned *tokens, uint64_t *random);
void page_copy(struct page *to, const struct page *from);
void page_finish(struct page *page);
void page_append(const struct page *page, struct buf *out);
/* The n-th slot of one owner. */
static inline size_t page_person(size_t n)
{
    return 4 * n;
}
static inline size_t page_model(size_t n)
{
    return 4 * n + 2;
}
/* 0 to 3 new lines with the page's ending. */
void page_append_lines(const struct page *page, uint64_t *random, const char *who, struct buf *out);
/* Some characters of one to four bytes, and a number that is never given again. */
void page_append_words(unsigned *tokens, uint64_t *random, struct buf *out);

#endif
