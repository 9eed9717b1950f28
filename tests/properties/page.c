#include "page.h"

#include "check.h"

void page_append_words(unsigned *tokens, uint64_t *random, struct buf *out)
{
    static const char *const words[] = {"é", "😀", "word ", "e\u0301", "中文", "x", "\t", "–"};
    for (size_t n = random_below(random, 4); n > 0; n--)
        buf_append_c(out, words[random_below(random, array_count(words))]);
    buf_append_fmt(out, "<%u>", ++*tokens);
}

void page_append_lines(const struct page *page, uint64_t *random, const char *who, struct buf *out)
{
    for (size_t n = random_below(random, 4); n > 0; n--) {
        buf_append_fmt(out, "%s ", who);
        page_append_words(page->tokens, random, out);
        buf_append_c(out, page->ending);
    }
}

/* One line that is nowhere else, and perhaps some that are everywhere. */
static void fill_nobodys(struct page *page, size_t slot, uint64_t *random)
{
    static const char *const fillers[] = {"}", "", "    return;", "\tend"};
    struct buf *out = &page->slots[slot];
    buf_append_fmt(out, "line %zu ", slot);
    page_append_words(page->tokens, random, out);
    buf_append_c(out, page->ending);
    for (size_t n = random_below(random, 3); n > 0; n--) {
        buf_append_c(out, fillers[random_below(random, array_count(fillers))]);
        buf_append_c(out, page->ending);
    }
}

void page_init(struct page *page, unsigned *tokens, uint64_t *random)
{
    static const char *const endings[] = {"\n", "\n", "\r\n", "\r"};
    *page = (struct page){.tokens = tokens};
    page->ending = endings[random_below(random, array_count(endings))];
    page->has_bom = random_once(random, 8);
    for (size_t slot = 0; slot < PAGE_SLOTS; slot++) {
        if (slot % 2 == 1)
            fill_nobodys(page, slot, random);
        else
            page_append_lines(page, random, slot % 4 == 0 ? "first" : "text", &page->slots[slot]);
    }
    if (random_once(random, 3)) { /* no final newline */
        struct buf *last = &page->slots[PAGE_SLOTS - 1];
        buf_append_c(last, "the end");
    }
}

void page_copy(struct page *to, const struct page *from)
{
    *to = *from;
    for (size_t slot = 0; slot < PAGE_SLOTS; slot++) {
        to->slots[slot] = (struct buf){0};
        buf_append(&to->slots[slot], buf_str(&from->slots[slot]));
    }
}

void page_finish(struct page *page)
{
    for (size_t slot = 0; slot < PAGE_SLOTS; slot++)
        buf_finish(&page->slots[slot]);
}

void page_append(const struct page *page, struct buf *out)
{
    buf_append_c(out, page->has_bom ? "\xEF\xBB\xBF" : "");
    for (size_t slot = 0; slot < PAGE_SLOTS; slot++)
        buf_append(out, buf_str(&page->slots[slot]));
}
