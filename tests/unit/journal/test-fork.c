/* Forks of a thread. */
#include <criterion/criterion.h>

#include "support.h"

TestSuite(fork, .timeout = 60);

static struct journal *journal;
static char thread[ID_BYTES], turns[3][ID_BYTES], forked[ID_BYTES];
static struct err err;

static void append(int turn, const char *kind, const char *json)
{
    cr_assert_eq(journal_item_append(journal, thread, turn < 0 ? "" : turns[turn], kind,
                                     str_from(json), &err),
                 STATUS_OK, "%s", err.text);
}

/* A preamble, three turns: the second compacts, the third runs. */
static void begin(void)
{
    struct str beginning[] = {STR("c1"), STR("c2")};
    make_folder();
    journal = open_journal();
    cr_assert_eq(journal_thread_create(journal, STR("/r"), STR("m"), thread, &err), STATUS_OK);
    append(-1, "context", "p");
    for (int i = 0; i < 3; i++) {
        wall_ms += 10;
        cr_assert_eq(journal_turn_create(journal, thread, turns[i], &err), STATUS_OK);
        append(i, "user", i == 0 ? "u0" : i == 1 ? "u1" : "u2");
        append(i, "output", i == 0 ? "o0" : i == 1 ? "o1" : "o2");
        if (i == 0)
            cr_assert_eq(journal_call_start(journal, thread, turns[0], STR("call"), STR("n"),
                                            STR("{}"), STR("d"), &err),
                         STATUS_OK);
        if (i == 1)
            cr_assert_eq(journal_compact(journal, thread, turns[1], beginning, 2, &err), STATUS_OK);
        if (i < 2)
            cr_assert_eq(journal_turn_end(journal, turns[i], "completed", STR(""), STR(""), &err),
                         STATUS_OK);
    }
}

static void end(void)
{
    journal_close(journal);
    remove_folder();
}

static void assert_fork(int turn, const char *sent, const char *shown)
{
    struct buf got = {0};
    struct str last = turn < 0 ? STR("") : str_from(turns[turn]);
    cr_assert_eq(journal_thread_fork(journal, thread, last, forked, &err), STATUS_OK, "%s",
                 err.text);
    cr_assert(journal_lease_is_ours(journal, forked));
    collect_items(journal, forked, 0, &got);
    cr_assert_str_eq(got.ptr, sent);
    collect_items(journal, forked, 1, &got);
    cr_assert_str_eq(got.ptr, shown);
    buf_finish(&got);
}

Test(fork, begins_with_what_was_there, .init = begin, .fini = end)
{
    static const char first[] = "context:p|user:u0|output:o0|";
    static const char both[] =
        "context:p|user:u0|output:o0|user:u1|output:o1|compacted:c1|compacted:c2|";
    assert_fork(0, first, first);
    cr_assert_eq(journal_call_find(journal, forked, STR("call"), NULL), CALL_STARTED);
    assert_fork(1, "compacted:c1|compacted:c2|", both);
    assert_fork(-1, "compacted:c1|compacted:c2|", both);
}

static bool count_turn(void *user, const struct journal_turn *turn)
{
    cr_assert_neq(strcmp(turns[0], ""), 0);
    cr_assert_not(str_eq_c(turn->id, turns[0]), "ids are its own");
    cr_assert(str_eq_c(turn->status, "completed"));
    ++*(int *)user;
    return true;
}

Test(fork, has_turns_of_its_own, .init = begin, .fini = end)
{
    int count = 0;
    struct buf got = {0};
    assert_fork(0, "context:p|user:u0|output:o0|", "context:p|user:u0|output:o0|");
    cr_assert_eq(journal_turn_each(journal, forked, count_turn, &count, &err), STATUS_OK);
    cr_assert_eq(count, 1);
    cr_assert_eq(journal_thread_delete(journal, thread, &err), STATUS_OK, "%s", err.text);
    collect_items(journal, forked, 0, &got);
    cr_assert_str_eq(got.ptr, "context:p|user:u0|output:o0|", "it stays when the other goes");
    buf_finish(&got);
}

Test(fork, is_refused_where_it_cannot_be, .init = begin, .fini = end)
{
    forked[0] = '\0';
    cr_assert_eq(journal_thread_fork(journal, thread, str_from(turns[2]), forked, &err),
                 STATUS_CONFLICT);
    cr_assert_eq(journal_thread_fork(journal, thread, STR("turn_x"), forked, &err),
                 STATUS_NOT_FOUND);
    cr_assert_eq(journal_thread_fork(journal, "thread_x", STR(""), forked, &err), STATUS_NOT_FOUND);
    cr_assert_str_eq(forked, "");
    run_sql("UPDATE thread SET lease = ''");
}
