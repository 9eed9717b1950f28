/* Threads that are part of a call of another one. */
#include <criterion/criterion.h>

#include "support.h"

TestSuite(helpers, .timeout = 60);

static struct journal *journal;
static char thread[ID_BYTES], helper[ID_BYTES], found[ID_BYTES];
static struct err err;

static void begin(void)
{
    make_folder();
    journal = open_journal();
    cr_assert_eq(journal_thread_create(journal, STR("/r"), STR("m"), thread, &err), STATUS_OK);
    cr_assert_eq(journal_helper_create(journal, thread, STR("call_1"), helper, &err), STATUS_OK,
                 "%s", err.text);
}

static void end(void)
{
    journal_close(journal);
    remove_folder();
}

static bool count(void *user, const struct journal_thread *one)
{
    cr_assert_str_eq(one->id, thread);
    ++*(int *)user;
    return true;
}

static bool is_like_parent(void *user, const struct journal_thread *one)
{
    *(bool *)user = str_eq_c(one->root, "/r") && str_eq_c(one->model, "m");
    return true;
}

Test(helpers, no_list_shows_them, .init = begin, .fini = end)
{
    const struct journal_filter filters[] = {
        {.limit = 9}, {.root = STR("/r"), .limit = 9}, {.with_archived = true, .limit = 9}};
    for (size_t i = 0; i < array_count(filters); i++) {
        int shown = 0;
        journal_thread_list(journal, &filters[i], count, &shown, &err);
        cr_assert_eq(shown, 1);
    }
}

Test(helpers, are_threads_like_any_other, .init = begin, .fini = end)
{
    bool is_like = false;
    char turn[ID_BYTES];
    cr_assert(journal_lease_is_ours(journal, helper));
    journal_thread_get(journal, str_from(helper), is_like_parent, &is_like, &err);
    cr_assert(is_like);
    cr_assert_eq(journal_turn_create(journal, helper, turn, &err), STATUS_OK);
    cr_assert_eq(journal_item_append(journal, helper, turn, "user", STR("u"), &err), STATUS_OK);
    cr_assert_eq(journal_call_start(journal, helper, turn, STR("call_1"), STR("n"), STR("{}"),
                                    STR("d"), &err),
                 STATUS_OK);
}

Test(helpers, are_found_by_their_call, .init = begin, .fini = end)
{
    cr_assert_eq(journal_helper_find(journal, thread, STR("call_1"), found, &err), STATUS_OK);
    cr_assert_str_eq(found, helper);
    cr_assert_eq(journal_helper_find(journal, thread, STR("call_2"), found, &err),
                 STATUS_NOT_FOUND);
    cr_assert_eq(journal_helper_find(journal, helper, STR("call_1"), found, &err),
                 STATUS_NOT_FOUND);
}

Test(helpers, need_a_thread_of_ours, .init = begin, .fini = end)
{
    cr_assert_eq(journal_lease_drop(journal, thread, &err), STATUS_OK);
    cr_assert_eq(journal_helper_create(journal, thread, STR("call_2"), found, &err),
                 STATUS_CONFLICT);
}

Test(helpers, go_with_their_thread, .init = begin, .fini = end)
{
    struct buf items = {0};
    char turn[ID_BYTES];
    cr_assert_eq(journal_turn_create(journal, helper, turn, &err), STATUS_OK);
    cr_assert_eq(journal_item_append(journal, helper, turn, "user", STR("u"), &err), STATUS_OK);
    journal_lease_drop(journal, helper, NULL);
    cr_assert_eq(journal_thread_delete(journal, thread, &err), STATUS_OK, "%s", err.text);
    cr_assert_eq(journal_helper_find(journal, thread, STR("call_1"), found, &err),
                 STATUS_NOT_FOUND);
    collect_items(journal, helper, 1, &items);
    cr_assert_eq(items.len, 0);
    buf_finish(&items);
}

Test(helpers, grow_old_with_their_thread_alone, .init = begin, .fini = end)
{
    size_t pruned = 0;
    journal_lease_drop(journal, helper, NULL);
    cr_assert_eq(journal_prune(journal, wall_ms + 1000, &pruned, &err), STATUS_OK);
    cr_assert_eq(pruned, 0); /* the thread is held */
    cr_assert_eq(journal_helper_find(journal, thread, STR("call_1"), found, &err), STATUS_OK);
    journal_lease_drop(journal, thread, NULL);
    cr_assert_eq(journal_prune(journal, wall_ms + 1000, &pruned, &err), STATUS_OK);
    cr_assert_eq(pruned, 1);
}

Test(helpers, an_older_journal_gets_room_for_them)
{
    make_folder();
    journal = open_journal();
    cr_assert_eq(journal_thread_create(journal, STR("/r"), STR("m"), thread, &err), STATUS_OK);
    journal_close(journal);
    make_older(6);
    journal = open_journal();
    cr_assert_eq(journal_lease_take(journal, thread, false, &err), STATUS_OK);
    cr_assert_eq(journal_helper_create(journal, thread, STR("call_1"), helper, &err), STATUS_OK,
                 "%s", err.text);
    end();
}
