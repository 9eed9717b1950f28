/* Where a suggestion belongs, and what the model is shown. */
#include <criterion/criterion.h>

#include "../../../server/complete/complete-internal.h"

TestSuite(place, .timeout = 10);

struct page {
    struct documents *documents;
    struct document *document;
};

static struct document *open_file(struct page *page, const char *uri, const char *path,
                                  const char *bytes)
{
    struct text *text = text_new(str_from(bytes));
    struct document *document = document_open(page->documents, str_from(uri), str_from(path), 0, 0,
                                              STR("c"), 1, text, STR(""));
    text_unref(text);
    return document;
}

static void page_init(struct page *page, const char *bytes)
{
    page->documents = documents_new();
    page->document = open_file(page, "file:///w/a.c", "/w/a.c", bytes);
}

static void change(struct page *page, size_t start, size_t end, const char *with)
{
    cr_assert_eq(document_change(page->documents, STR("file:///w/a.c"), page->document->version + 1,
                                 start, end, str_from(with), NULL),
                 STATUS_OK);
}

static const struct {
    const char *before, *after; /* "|" is the cursor */
    bool is_same;
    const char *typed;
} rows[] = {
    {"int |;\n", "int |;\n", true, ""},
    {"int |;\n", "int abc|;\n", true, "abc"},
    {"int |;\n", "int a\n\tb|;\n", true, "a\n\tb"},
    {"int |\nx", "int a|\nx", true, "a"},
    {"int |;\n", "int a|b;\n", false, ""},  /* the cursor is inside */
    {"int |;\n", "int a|,\n", false, ""},   /* the rest is another one */
    {"int |;\n", "Int a|;\n", false, ""},   /* so is what was before */
    {"int ab|;\n", "int a|;\n", false, ""}, /* taken back */
    {"|", "x|", true, "x"},
};

static size_t without_cursor(const char *text, struct buf *bytes)
{
    size_t cursor = str_find_byte(str_from(text), '|', 0);
    buf_append_fmt(bytes, "%.*s%s", (int)cursor, text, text + cursor + 1);
    return cursor;
}

Test(place, what_was_typed_since)
{
    for (size_t i = 0; i < array_count(rows); i++) {
        struct page page;
        struct place place;
        struct buf before = {0}, after = {0}, typed = {0};
        size_t from = without_cursor(rows[i].before, &before);
        size_t to = without_cursor(rows[i].after, &after);
        page_init(&page, before.ptr);
        place_init(&place, page.document, from);
        change(&page, 0, before.len, after.ptr);
        cr_expect_eq(place_typed(&place, page.document, to, &typed), rows[i].is_same, "%s",
                     rows[i].after);
        cr_expect(str_eq(buf_str(&typed), str_from(rows[i].typed)), "%s", rows[i].after);
        place_finish(&place);
        documents_free(page.documents);
        buf_finish(&before);
        buf_finish(&after);
        buf_finish(&typed);
    }
}

static bool may_send(void *user, struct str path)
{
    return !str_ends_with(path, STR(".env"));
}

static void assert_shown(const struct buf *item, const char *part, bool is_shown)
{
    cr_expect_eq(str_find(buf_str(item), str_from(part), 0) != STR_NONE, is_shown, "\"%s\" in %s",
                 part, item->ptr);
}

Test(place, the_model_sees_the_cursor_and_what_was_edited_lately)
{
    struct page page;
    struct recents recents = {0};
    struct buf item = {0};
    page_init(&page, "first\nsecond\nthird\n");
    struct document *other = open_file(&page, "file:///w/b.c", "/w/b.c", "elsewhere\n");
    struct document *secret = open_file(&page, "file:///w/.env", "/w/.env", "KEY=canary\n");
    recents_note(&recents, other, 0);
    recents_note(&recents, secret, 0);
    recents_note(&recents, page.document, 1);
    struct complete_env env = {.documents = page.documents, .may_send = may_send};
    struct prompt prompt = {
        .document = page.document, .offset = 6, .shown_path = STR("a.c"), .ahead = STR("new ")};
    prompt_write(&env, &recents, &prompt, &item);
    assert_shown(&item, "File a.c (c). Insert at most the rest of this line.", true);
    assert_shown(&item, "first\\nnew <|cursor|>second\\nthird\\n", true);
    assert_shown(&item, "elsewhere", true);
    assert_shown(&item, "canary", false);
    recents_finish(&recents);
    documents_free(page.documents);
    buf_finish(&item);
}

/* However long the file is, what is sent of it is not, and it is whole lines where there are any.
 */
Test(place, the_excerpt_is_bounded)
{
    struct page page;
    struct recents recents = {0};
    struct buf text = {0}, item = {0};
    for (int i = 0; i < 20000; i++)
        buf_append_fmt(&text, "line %d\n", i);
    page_init(&page, text.ptr);
    struct complete_env env = {.documents = page.documents, .may_send = may_send};
    struct prompt prompt = {.document = page.document,
                            .offset = text_line_start(page.document->text, 10000),
                            .shown_path = STR("a.c")};
    prompt_write(&env, &recents, &prompt, &item);
    cr_expect_lt(item.len, 11000, "%zu", item.len);
    assert_shown(&item, "\\nline 9999\\n<|cursor|>line 10000\\n", true);
    assert_shown(&item, "\\nne ", false);
    documents_free(page.documents);
    buf_finish(&text);
    buf_finish(&item);
}
