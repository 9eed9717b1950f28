/* A new beginning for the model, and messages that wait for their place. */
#include "one-turn.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

TestSuite(beginning, .timeout = 60);

static void open_again(void)
{
    journal_close(journal);
    journal = open_journal();
    cr_assert_eq(journal_lease_take(journal, thread, false, &err), STATUS_OK, "%s", err.text);
}

static void assert_items(uint64_t from, const char *expected)
{
    struct buf got = {0};
    collect_items(journal, thread, from, &got);
    cr_assert_str_eq(got.ptr, expected);
    buf_finish(&got);
}

static void append(const char *json)
{
    cr_assert_eq(journal_item_append(journal, thread, turn, "user", str_from(json), &err),
                 STATUS_OK);
}

Test(beginning, the_model_reads_from_it_people_from_the_first_item, .init = begin, .fini = end)
{
    const struct str items[] = {STR("a"), STR("b")};
    append("1");
    append("2");
    cr_assert_eq(journal_compact(journal, thread, turn, items, 2, &err), STATUS_OK);
    append("3");
    assert_items(0, "compacted:a|compacted:b|user:3|");
    assert_items(1, "user:1|user:2|compacted:a|compacted:b|user:3|");
    cr_assert_eq(journal_compact(journal, thread, turn, items, 1, &err), STATUS_OK);
    open_again();
    assert_items(0, "compacted:a|");
    assert_items(1, "user:1|user:2|compacted:a|compacted:b|user:3|compacted:a|");
}

Test(beginning, half_of_it_is_nothing, .init = begin, .fini = end)
{
    struct buf big = {0};
    buf_append_repeat(&big, 'x', LIMIT_ITEM_BYTES + 1);
    const struct str items[] = {STR("a"), buf_str(&big), STR("c")};
    append("1");
    cr_assert_eq(journal_compact(journal, thread, turn, items, 3, &err), STATUS_LIMIT);
    cr_assert_eq(journal_compact(journal, thread, turn, items, 0, &err), STATUS_INVALID);
    assert_items(0, "user:1|");
    assert_items(1, "user:1|");
    cr_assert_eq(journal_lease_drop(journal, thread, NULL), STATUS_OK);
    cr_assert_eq(journal_compact(journal, thread, turn, items, 1, &err), STATUS_CONFLICT);
    assert_items(1, "user:1|");
    buf_finish(&big);
}

static bool add_waiting(void *user, const struct journal_waiting *waiting)
{
    buf_append_fmt(user, STR_FMT ":" STR_FMT "|", STR_ARG(waiting->id), STR_ARG(waiting->json));
    return true;
}

static void assert_waiting(const char *expected)
{
    struct buf got = {0};
    buf_append_c(&got, "");
    cr_assert_eq(journal_waiting_each(journal, thread, add_waiting, &got, &err), STATUS_OK);
    cr_assert_str_eq(got.ptr, expected);
    buf_finish(&got);
}

Test(beginning, messages_wait_until_they_are_items, .init = begin, .fini = end)
{
    append("1");
    cr_assert_eq(journal_waiting_add(journal, thread, turn, "s1", STR("x"), &err), STATUS_OK);
    cr_assert_eq(journal_waiting_add(journal, thread, turn, "s2", STR("y"), &err), STATUS_OK);
    assert_items(0, "user:1|");
    open_again();
    assert_waiting("s1:x|s2:y|");
    cr_assert_eq(journal_waiting_place(journal, thread, "s2", &err), STATUS_OK);
    assert_waiting("s1:x|");
    assert_items(0, "user:1|user:y|");
    cr_assert_eq(journal_waiting_place(journal, thread, "s2", &err), STATUS_NOT_FOUND);
    assert_items(0, "user:1|user:y|");
    cr_assert_eq(journal_thread_delete(journal, thread, &err), STATUS_OK);
    assert_waiting("");
}

Test(beginning, messages_of_a_thread_that_is_not_held_do_not_wait, .init = begin, .fini = end)
{
    cr_assert_eq(journal_waiting_add(journal, thread, turn, "s1", STR("x"), &err), STATUS_OK);
    cr_assert_eq(journal_lease_drop(journal, thread, NULL), STATUS_OK);
    cr_assert_eq(journal_waiting_add(journal, thread, turn, "s2", STR("y"), &err), STATUS_CONFLICT);
    cr_assert_eq(journal_waiting_place(journal, thread, "s1", &err), STATUS_CONFLICT);
    assert_waiting("s1:x|");
}

/* A journal of the first version has no such table, nor what came after it. */
Test(beginning, an_older_journal_gets_its_table, .init = begin, .fini = end)
{
    append("1");
    journal_close(journal);
    make_older(1);
    journal = open_journal();
    cr_assert_eq(journal_lease_take(journal, thread, false, &err), STATUS_OK, "%s", err.text);
    cr_assert_eq(journal_waiting_add(journal, thread, turn, "s1", STR("x"), &err), STATUS_OK, "%s",
                 err.text);
    assert_waiting("s1:x|");
    assert_items(0, "user:1|");
}
