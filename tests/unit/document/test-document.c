#include <criterion/criterion.h>

#include <lanebridge/document.h>

TestSuite(document, .timeout = 10);

/* What an observer saw last, and how often. */
struct witness {
    unsigned calls, closes;
    uint64_t revision;
    int64_t version;
    struct buf before, after, with;
    size_t start, end;
    bool had_before, had_after;
    struct document_observer *self; /* removed from inside when set */
};

static void on_change(void *user, const struct document_change *change, bool closed)
{
    struct witness *witness = user;
    witness->calls++;
    witness->closes += closed;
    witness->revision = change->document->revision;
    witness->version = change->document->version;
    witness->had_before = change->before != NULL;
    witness->had_after = change->document->text != NULL;
    buf_clear(&witness->before);
    buf_clear(&witness->after);
    buf_clear(&witness->with);
    if (change->before)
        buf_append(&witness->before, text_bytes(change->before));
    if (change->document->text)
        buf_append(&witness->after, text_bytes(change->document->text));
    buf_append(&witness->with, change->with);
    witness->start = change->start;
    witness->end = change->end;
    if (witness->self) {
        document_unobserve(witness->self);
        witness->self = NULL;
    }
}

static void witness_finish(struct witness *witness)
{
    buf_finish(&witness->before);
    buf_finish(&witness->after);
    buf_finish(&witness->with);
}

static struct document *open_text(struct documents *documents, const char *uri, const char *path,
                                  uint64_t inode, const char *content)
{
    struct text *text = text_new(str_from(content));
    struct document *document =
        document_open(documents, str_from(uri), str_from(path), inode ? 1 : 0, inode, STR("c"), 1,
                      text, (struct str){0});
    text_unref(text);
    return document;
}

static void expect_text(const struct document *document, const char *content)
{
    cr_assert_not_null(document);
    cr_assert_not_null(document->text);
    cr_assert(str_eq_c(text_bytes(document->text), content), "text is '" STR_FMT "', not '%s'",
              STR_ARG(text_bytes(document->text)), content);
}

Test(document, opens_and_finds_by_every_name)
{
    struct documents *documents = documents_new();
    struct document *document =
        open_text(documents, "file:///w/a%20b.c", "/w/a b.c", 7, "int a;\n");
    cr_assert_eq(document_find_uri(documents, STR("file:///w/a%20b.c")), document);
    cr_assert_eq(document_find_path(documents, STR("/w/a b.c")), document);
    cr_assert_eq(document_find_inode(documents, 1, 7), document);
    cr_assert_eq(document_at(documents, 0), document);
    cr_assert_null(document_at(documents, 1));
    cr_assert_null(document_find_uri(documents, STR("file:///w/a b.c")));
    cr_assert_null(document_find_path(documents, STR("/w/a")));
    cr_assert_null(document_find_inode(documents, 2, 7));
    cr_assert_str_eq(document->uri, "file:///w/a%20b.c");
    cr_assert_str_eq(document->language_id, "c");
    expect_text(document, "int a;\n");
    documents_free(documents);
}

Test(document, unknown_names_are_never_found)
{
    struct documents *documents = documents_new();
    open_text(documents, "untitled:1", "", 0, "one");
    open_text(documents, "untitled:2", "", 0, "two");
    cr_assert_not_null(document_at(documents, 1), "no path and no inode is no identity");
    cr_assert_null(document_find_path(documents, STR("")));
    cr_assert_null(document_find_inode(documents, 0, 0));
    documents_free(documents);
}

Test(document, changes_apply_in_order)
{
    static const struct {
        size_t start, end;
        const char *with, *result;
    } cases[] = {
        {0, 0, "x", "xabc"},      {4, 4, "y", "xabcy"}, {0, 5, "", ""},
        {0, 0, "é\r\n", "é\r\n"}, {0, 2, "e", "e\r\n"}, {0, 3, "whole", "whole"},
    };
    struct documents *documents = documents_new();
    struct document *document = open_text(documents, "file:///a", "/a", 0, "abc");
    for (size_t i = 0; i < array_count(cases); i++) {
        uint64_t revision = document->revision, sequence = document->sequence;
        struct err err = {0};
        enum status status =
            document_change(documents, STR("file:///a"), (int64_t)i * 10, cases[i].start,
                            cases[i].end, str_from(cases[i].with), &err);
        cr_assert_eq(status, STATUS_OK, "case %zu: %s", i, err.text);
        expect_text(document, cases[i].result);
        cr_assert_eq(document->version, (int64_t)i * 10, "versions are what the client sent");
        cr_assert_gt(document->revision, revision);
        cr_assert_gt(document->sequence, sequence);
    }
    documents_free(documents);
}

Test(document, changes_that_do_not_fit_leave_everything)
{
    static const struct {
        const char *uri;
        size_t start, end;
        enum status status;
    } cases[] = {
        {"file:///b", 0, 0, STATUS_NOT_FOUND},      {"file:///a", 2, 1, STATUS_INVALID},
        {"file:///a", 0, 4, STATUS_INVALID},        {"file:///a", 4, 4, STATUS_INVALID},
        {"file:///a", 0, SIZE_MAX, STATUS_INVALID},
    };
    struct documents *documents = documents_new();
    struct document *document = open_text(documents, "file:///a", "/a", 0, "abc");
    uint64_t revision = document->revision;
    for (size_t i = 0; i < array_count(cases); i++) {
        struct err err = {0};
        cr_assert_eq(document_change(documents, str_from(cases[i].uri), 9, cases[i].start,
                                     cases[i].end, STR("x"), &err),
                     cases[i].status, "case %zu", i);
        cr_assert_eq(err.status, cases[i].status);
        expect_text(document, "abc");
        cr_assert_eq(document->version, 1);
        cr_assert_eq(document->revision, revision);
    }
    documents_free(documents);
}

Test(document, two_spellings_are_one_document)
{
    struct documents *documents = documents_new();
    struct document *first = open_text(documents, "file:///w/a.c", "/w/a.c", 0, "one");
    struct document *second = open_text(documents, "file:///w/%61.c", "/w/a.c", 0, "two");
    cr_assert_eq(first, second);
    cr_assert_null(document_at(documents, 1));
    expect_text(first, "two");
    cr_assert_str_eq(first->uri, "file:///w/%61.c");
    cr_assert_eq(document_find_uri(documents, STR("file:///w/a.c")), first);
    cr_assert_eq(document_change(documents, STR("file:///w/a.c"), 2, 0, 3, STR("three"), NULL), 0);
    expect_text(second, "three");
    cr_assert_eq(document_close(documents, STR("file:///w/%61.c"), NULL), STATUS_OK);
    cr_assert_str_eq(first->uri, "file:///w/a.c");
    cr_assert_eq(document_find_path(documents, STR("/w/a.c")), first);
    cr_assert_eq(document_close(documents, STR("file:///w/a.c"), NULL), STATUS_OK);
    cr_assert_null(document_at(documents, 0));
    documents_free(documents);
}

Test(document, hard_links_are_one_document_with_two_paths)
{
    struct documents *documents = documents_new();
    struct document *first = open_text(documents, "file:///w/a", "/w/a", 5, "one");
    struct document *second = open_text(documents, "file:///w/b", "/w/b", 5, "two");
    cr_assert_eq(first, second);
    cr_assert_eq(document_find_path(documents, STR("/w/a")), first);
    cr_assert_eq(document_find_path(documents, STR("/w/b")), first);
    struct document_snapshot snapshot;
    document_snapshot_take(documents, &snapshot);
    cr_assert_eq(snapshot.count, 2);
    document_snapshot_finish(&snapshot);
    cr_assert_eq(document_close(documents, STR("file:///w/b"), NULL), STATUS_OK);
    cr_assert_null(document_find_path(documents, STR("/w/b")));
    cr_assert_str_eq(first->path, "/w/a");
    cr_assert_eq(document_find_inode(documents, 1, 5), first);
    documents_free(documents);
}

Test(document, opening_again_replaces_and_one_close_closes)
{
    struct documents *documents = documents_new();
    struct document *document = open_text(documents, "file:///a", "/a", 3, "one");
    cr_assert_eq(open_text(documents, "file:///a", "/a", 4, "two"), document);
    expect_text(document, "two");
    cr_assert_null(document_find_inode(documents, 1, 3), "the old identity is forgotten");
    cr_assert_eq(document_find_inode(documents, 1, 4), document);
    cr_assert_eq(document_close(documents, STR("file:///a"), NULL), STATUS_OK);
    struct err err = {0};
    cr_assert_eq(document_close(documents, STR("file:///a"), &err), STATUS_NOT_FOUND);
    cr_assert_str_eq(err.text, "file:///a is not open");
    documents_free(documents);
}

Test(document, a_uri_that_moved_to_another_open_file_leaves_the_first)
{
    struct documents *documents = documents_new();
    struct document *first = open_text(documents, "file:///link", "/one", 0, "one");
    struct document *other = open_text(documents, "file:///two", "/two", 0, "two");
    cr_assert_neq(first, other);
    cr_assert_eq(open_text(documents, "file:///link", "/two", 0, "new"), other);
    cr_assert_null(document_find_path(documents, STR("/one")));
    cr_assert_null(document_at(documents, 1));
    expect_text(other, "new");
    documents_free(documents);
}

Test(document, identity_follows_a_save)
{
    struct documents *documents = documents_new();
    struct document *document = open_text(documents, "file:///a", "/a", 3, "one");
    document_set_identity(documents, STR("file:///a"), 1, 8);
    document_set_identity(documents, STR("file:///none"), 1, 9);
    cr_assert_null(document_find_inode(documents, 1, 3));
    cr_assert_null(document_find_inode(documents, 1, 9));
    cr_assert_eq(document_find_inode(documents, 1, 8), document);
    cr_assert_neq(open_text(documents, "file:///b", "/b", 3, "other"), document,
                  "the disk gave the old number to another file");
    documents_free(documents);
}

Test(document, touching_makes_it_the_latest)
{
    struct documents *documents = documents_new();
    struct document *first = open_text(documents, "file:///a", "/a", 0, "one");
    struct document *second = open_text(documents, "file:///b", "/b", 0, "two");
    cr_assert_gt(second->sequence, first->sequence);
    document_touch(documents, STR("file:///a"));
    document_touch(documents, STR("file:///none"));
    cr_assert_gt(first->sequence, second->sequence);
    documents_free(documents);
}

Test(document, unknown_text_says_why_until_closed)
{
    struct documents *documents = documents_new();
    struct document *document = document_open(documents, STR("file:///a"), STR("/a"), 0, 0,
                                              STR("c"), 4, NULL, STR("no UTF-8"));
    cr_assert_null(document->text);
    cr_assert_str_eq(document->unknown_reason, "no UTF-8");
    struct err err = {0};
    cr_assert_eq(document_change(documents, STR("file:///a"), 5, 0, 0, STR("x"), &err),
                 STATUS_UNSUPPORTED);
    cr_assert_str_eq(err.text, "the text of file:///a is unknown: no UTF-8");
    cr_assert_eq(document->version, 5);
    open_text(documents, "file:///a", "/a", 0, "known");
    cr_assert_null(document->unknown_reason);
    document_lose_text(documents, STR("file:///a"), STR("a change was torn"));
    document_lose_text(documents, STR("file:///none"), STR("nothing"));
    cr_assert_null(document->text);
    cr_assert_str_eq(document->unknown_reason, "a change was torn");
    documents_free(documents);
}

Test(document, texts_above_the_limit_are_unknown)
{
    struct buf bytes = {0};
    buf_append_repeat(&bytes, 'x', LIMIT_DOCUMENT_BYTES);
    struct text *full = text_new(buf_str(&bytes));
    buf_append_byte(&bytes, 'x');
    struct text *above = text_new(buf_str(&bytes));
    struct documents *documents = documents_new();
    struct document *document = document_open(documents, STR("file:///a"), STR("/a"), 0, 0,
                                              STR("c"), 1, full, (struct str){0});
    cr_assert_not_null(document->text);
    struct err err = {0};
    cr_assert_eq(document_change(documents, STR("file:///a"), 2, 0, 0, STR("y"), &err),
                 STATUS_LIMIT);
    cr_assert_null(document->text);
    cr_assert_eq(document->version, 2);
    cr_assert_str_eq(document->unknown_reason, "its text of 10 MiB is above the limit of 10 MiB");
    document_open(documents, STR("file:///b"), STR("/b"), 0, 0, STR("c"), 1, above,
                  (struct str){0});
    cr_assert_null(document_find_path(documents, STR("/b"))->text);
    documents_free(documents);
    text_unref(full);
    text_unref(above);
    buf_finish(&bytes);
}

Test(document, observers_see_every_step)
{
    struct documents *documents = documents_new();
    struct witness witness = {0};
    struct document_observer *observer = document_observe(documents, on_change, &witness);
    open_text(documents, "file:///a", "/a", 0, "abc");
    cr_assert_eq(witness.calls, 1);
    cr_assert_not(witness.had_before);
    cr_assert_str_eq(witness.with.ptr, "abc");
    document_change(documents, STR("file:///a"), 2, 1, 2, STR("-"), NULL);
    cr_assert_eq(witness.calls, 2);
    cr_assert_eq(witness.start, 1);
    cr_assert_eq(witness.end, 2);
    cr_assert_str_eq(witness.before.ptr, "abc");
    cr_assert_str_eq(witness.after.ptr, "a-c");
    cr_assert_str_eq(witness.with.ptr, "-");
    open_text(documents, "file:///a", "/a", 0, "new");
    cr_assert_eq(witness.end, 3);
    cr_assert_str_eq(witness.before.ptr, "a-c");
    document_lose_text(documents, STR("file:///a"), STR("why"));
    cr_assert(witness.had_before);
    cr_assert_not(witness.had_after);
    open_text(documents, "file:///a", "/a", 0, "last");
    uint64_t revision = witness.revision;
    document_close(documents, STR("file:///a"), NULL);
    cr_assert_eq(witness.closes, 1);
    cr_assert_str_eq(witness.after.ptr, "last");
    cr_assert_eq(witness.with.len, 0);
    cr_assert_gt(witness.revision, revision);
    document_unobserve(observer);
    document_unobserve(NULL);
    witness_finish(&witness);
    documents_free(documents);
}

Test(document, observers_may_leave_from_inside)
{
    struct documents *documents = documents_new();
    struct witness first = {0}, second = {0};
    first.self = document_observe(documents, on_change, &first);
    struct document_observer *stays = document_observe(documents, on_change, &second);
    open_text(documents, "file:///a", "/a", 0, "abc");
    document_change(documents, STR("file:///a"), 2, 0, 0, STR("x"), NULL);
    cr_assert_eq(first.calls, 1);
    cr_assert_eq(second.calls, 2);
    document_unobserve(stays);
    witness_finish(&first);
    witness_finish(&second);
    documents_free(documents);
}

Test(document, snapshots_stay_as_they_were)
{
    struct documents *documents = documents_new();
    open_text(documents, "file:///a", "/a", 2, "one");
    open_text(documents, "untitled:1", "", 0, "none");
    document_open(documents, STR("file:///b"), STR("/b"), 0, 0, STR("c"), 3, NULL, STR("why"));
    struct document_snapshot snapshot;
    document_snapshot_take(documents, &snapshot);
    document_change(documents, STR("file:///a"), 2, 0, 3, STR("two"), NULL);
    documents_free(documents);
    cr_assert_eq(snapshot.count, 2);
    const struct document_snapshot_entry *entry = document_snapshot_find(&snapshot, STR("/a"));
    cr_assert_not_null(entry);
    cr_assert(str_eq_c(text_bytes(entry->text), "one"));
    cr_assert_eq(entry->inode, 2);
    entry = document_snapshot_find(&snapshot, STR("/b"));
    cr_assert_null(entry->text);
    cr_assert_eq(entry->version, 3);
    cr_assert_null(document_snapshot_find(&snapshot, STR("/c")));
    document_snapshot_finish(&snapshot);
    cr_assert_eq(snapshot.count, 0);
}
