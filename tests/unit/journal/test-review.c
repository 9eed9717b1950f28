#include "support.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

TestSuite(review, .timeout = 60, .init = make_folder, .fini = remove_folder);

static void put(struct journal *journal, const char *path, const char *base, const char *now)
{
    struct journal_review review = {
        .path = str_from(path), .old_path = STR(""), .hunks = STR("{}")};
    struct str texts[] = {str_from(base), str_from(now)};
    cr_assert_eq(
        journal_review_put(journal, &review, base ? &texts[0] : NULL, now ? &texts[1] : NULL, NULL),
        STATUS_OK);
}

struct seen {
    struct journal *journal;
    struct buf text;
};

static void on_review(void *user, const struct journal_review *review)
{
    struct seen *seen = user;
    struct buf base = {0}, now = {0};
    if (review->base_hash.len)
        cr_assert_eq(journal_blob_get(seen->journal, review->base_hash, &base, NULL), STATUS_OK);
    if (review->now_hash.len)
        cr_assert_eq(journal_blob_get(seen->journal, review->now_hash, &now, NULL), STATUS_OK);
    buf_append_fmt(&seen->text, STR_FMT ":" STR_FMT ">" STR_FMT "|", STR_ARG(review->path),
                   STR_ARG(buf_str(&base)), STR_ARG(buf_str(&now)));
    buf_finish(&base);
    buf_finish(&now);
}

static void check_taken(struct journal *journal, const char *root, const char *wanted)
{
    struct seen seen = {.journal = journal};
    cr_assert_eq(journal_review_take(journal, str_from(root), on_review, &seen, NULL), STATUS_OK);
    cr_assert(str_eq_c(buf_str(&seen.text), wanted), STR_FMT, STR_ARG(buf_str(&seen.text)));
    buf_finish(&seen.text);
}

Test(review, the_next_window_finds_what_waits)
{
    struct journal *journal = open_journal();
    put(journal, "/w/a.c", "old\n", "first\n");
    put(journal, "/w/a.c", "old\n", "new\n");
    put(journal, "/w/made.c", NULL, "made\n");
    put(journal, "/other/b.c", "x\n", NULL);
    put(journal, "/w/gone.c", "x\n", NULL);
    cr_assert_eq(journal_review_remove(journal, STR("/w/gone.c"), NULL), STATUS_OK);
    check_taken(journal, "/w", ""); /* ours already */
    cr_assert(journal_review_waits(str_from(folder)));
    journal_close(journal);
    journal = open_journal();
    check_taken(journal, "/w", "/w/a.c:old\n>new\n|/w/made.c:>made\n|");
    check_taken(journal, "/w", "");
    check_taken(journal, "/other", "/other/b.c:x\n>|");
    journal_close(journal);
}

/* Two windows on one folder: what another one shows is not taken from it. */
Test(review, what_a_living_window_shows_is_left_to_it)
{
    int ready[2], done[2];
    char byte = 0;
    cr_assert_eq(pipe(ready), 0);
    cr_assert_eq(pipe(done), 0);
    pid_t pid = fork();
    if (pid == 0) {
        struct journal *journal = open_journal();
        put(journal, "/w/a.c", "old\n", "theirs\n");
        cr_assert_eq(write(ready[1], "r", 1), 1);
        cr_assert_eq(read(done[0], &byte, 1), 1);
        raise(SIGKILL);
    }
    cr_assert_eq(read(ready[0], &byte, 1), 1);
    struct journal *journal = open_journal();
    check_taken(journal, "/w", "");
    put(journal, "/w/a.c", "old\n", "ours\n");
    cr_assert_eq(write(done[1], "d", 1), 1);
    waitpid(pid, NULL, 0);
    check_taken(journal, "/w", "/w/a.c:old\n>theirs\n|");
    journal_close(journal);
}

/* Texts are kept within the limit; what is pending without its texts is for others to say. */
Test(review, texts_grow_old_with_the_changes)
{
    struct journal *journal = open_journal();
    char thread[ID_BYTES], turn[ID_BYTES];
    struct str before = STR("before"), after = STR("after, which is longer"), more = STR("x");
    struct buf bytes = {0};
    char hash[SHA256_HEX_BYTES];
    cr_assert_eq(journal_thread_create(journal, STR("/w"), STR("m"), thread, NULL), STATUS_OK);
    cr_assert_eq(journal_turn_create(journal, thread, turn, NULL), STATUS_OK);
    put(journal, "/w/a.c", "before", "mine");
    hash_sha256_hex(STR("mine"), hash);
    cr_assert_eq(journal_blob_get(journal, str_from(hash), &bytes, NULL), STATUS_OK);
    journal_set_blob_limit(journal, 30);
    for (int i = 0; i < 3; i++)
        cr_assert_eq(journal_change_add(journal, thread, turn, "update", STR("/w/b.c"), STR(""),
                                        i % 2 ? &more : &before, &after, NULL),
                     STATUS_OK);
    cr_assert_eq(journal_blob_get(journal, str_from(hash), &bytes, NULL), STATUS_NOT_FOUND);
    buf_finish(&bytes);
    journal_close(journal);
}

/* A thread's texts go with it, but not those that wait for a decision. */
Test(review, a_deleted_thread_leaves_what_is_shown)
{
    struct journal *journal = open_journal();
    char thread[ID_BYTES], turn[ID_BYTES];
    struct str before = STR("old\n"), after = STR("new\n");
    cr_assert_eq(journal_thread_create(journal, STR("/w"), STR("m"), thread, NULL), STATUS_OK);
    cr_assert_eq(journal_turn_create(journal, thread, turn, NULL), STATUS_OK);
    cr_assert_eq(journal_change_add(journal, thread, turn, "update", STR("/w/a.c"), STR(""),
                                    &before, &after, NULL),
                 STATUS_OK);
    put(journal, "/w/a.c", "old\n", "new\n");
    cr_assert_eq(journal_thread_delete(journal, thread, NULL), STATUS_OK);
    journal_close(journal);
    journal = open_journal();
    check_taken(journal, "/w", "/w/a.c:old\n>new\n|");
    journal_close(journal);
}

Test(review, an_older_journal_has_nothing_to_show)
{
    struct journal *journal = open_journal();
    journal_close(journal);
    make_older(3);
    cr_assert_not(journal_review_waits(str_from(folder)));
    cr_assert_not(journal_review_waits(STR("/nowhere")));
    journal = open_journal();
    put(journal, "/w/a.c", "old\n", "new\n");
    cr_assert(journal_review_waits(str_from(folder)));
    journal_close(journal);
}
