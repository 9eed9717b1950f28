#include "support.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

TestSuite(threads, .timeout = 60, .init = make_folder, .fini = remove_folder);

static bool add_title(void *user, const struct journal_thread *thread)
{
    buf_append_fmt(user, STR_FMT "%s%s|", STR_ARG(thread->title),
                   thread->archived ? "(archived)" : "",
                   thread->leased_elsewhere ? "(elsewhere)" : "");
    return true;
}

static bool stop_at_first(void *user, const struct journal_thread *thread)
{
    add_title(user, thread);
    return false;
}

static const char *list(struct journal *journal, const char *root, const char *query,
                        uint64_t cursor, size_t limit)
{
    static struct buf out;
    struct err err = {0};
    struct journal_filter filter = {.root = str_from(root),
                                    .query = str_from(query),
                                    .with_archived = true,
                                    .cursor_ms = cursor,
                                    .limit = limit};
    buf_clear(&out);
    buf_append_c(&out, "");
    cr_assert_eq(journal_thread_list(journal, &filter, add_title, &out, &err), STATUS_OK, "%s",
                 err.text);
    return out.ptr;
}

static void make_thread(struct journal *journal, const char *root, const char *title,
                        char ret_id[ID_BYTES])
{
    wall_ms += 10;
    cr_assert_eq(journal_thread_create(journal, str_from(root), STR("m"), ret_id, NULL), STATUS_OK);
    cr_assert_eq(journal_thread_set_title(journal, ret_id, str_from(title), NULL), STATUS_OK);
}

Test(threads, are_listed_newest_first_by_root_query_and_page)
{
    struct journal *journal = open_journal();
    char a[ID_BYTES], b[ID_BYTES], c[ID_BYTES], turn[ID_BYTES];
    make_thread(journal, "/r", "alpha", a);
    make_thread(journal, "/r", "Beta %_", b);
    make_thread(journal, "/s", "gamma", c);
    cr_assert_str_eq(list(journal, "", "", 0, 10), "gamma|Beta %_|alpha|");
    cr_assert_str_eq(list(journal, "/r", "", 0, 10), "Beta %_|alpha|");
    cr_assert_str_eq(list(journal, "", "bet", 0, 10), "Beta %_|");
    cr_assert_str_eq(list(journal, "", "%", 0, 10), "Beta %_|");
    cr_assert_str_eq(list(journal, "", "", 0, 1), "gamma|");
    cr_assert_str_eq(list(journal, "", "", wall_ms, 1), "Beta %_|");
    cr_assert_str_eq(list(journal, "", "", 0, 0), "");
    wall_ms += 10;
    cr_assert_eq(journal_turn_create(journal, a, turn, NULL), STATUS_OK);
    cr_assert_str_eq(list(journal, "", "", 0, 1), "alpha|", "a turn makes it the newest");
    cr_assert_eq(journal_thread_set_archived(journal, b, true, NULL), STATUS_OK);
    cr_assert_str_eq(list(journal, "/r", "", 0, 10), "alpha|Beta %_(archived)|");
    struct buf first = {0};
    struct journal_filter filter = {.limit = 10};
    journal_thread_list(journal, &filter, stop_at_first, &first, NULL);
    cr_assert_str_eq(first.ptr, "alpha|");
    buf_clear(&first);
    filter.root = STR("/r");
    journal_thread_list(journal, &filter, add_title, &first, NULL);
    cr_assert_str_eq(first.ptr, "alpha|", "archived ones are left out");
    buf_finish(&first);
    journal_close(journal);
}

static bool add_facts(void *user, const struct journal_thread *thread)
{
    buf_append(user, thread->model);
    if (thread->own_model.len > 0)
        buf_append_fmt(user, "(" STR_FMT ")", STR_ARG(thread->own_model));
    buf_append_fmt(user, "/" STR_FMT "/" STR_FMT "%s|", STR_ARG(thread->effort),
                   STR_ARG(thread->mode), thread->cut_off ? "/cut off" : "");
    return true;
}

static const char *facts(struct journal *journal, const char *id)
{
    static struct buf out;
    buf_clear(&out);
    buf_append_c(&out, "");
    cr_assert_eq(journal_thread_get(journal, str_from(id), add_facts, &out, NULL), STATUS_OK);
    return out.ptr;
}

Test(threads, say_what_they_choose_and_whether_they_were_cut_off)
{
    struct journal *journal = open_journal();
    char id[ID_BYTES], turn[ID_BYTES], queued[ID_BYTES];
    make_thread(journal, "/r", "alpha", id);
    cr_assert_str_eq(facts(journal, id), "m//|");
    cr_assert_eq(journal_thread_set_model(journal, id, STR("n"), NULL), STATUS_OK);
    cr_assert_eq(journal_thread_set_effort(journal, id, STR("high"), NULL), STATUS_OK);
    cr_assert_eq(journal_thread_set_mode(journal, id, STR("plan"), NULL), STATUS_OK);
    cr_assert_str_eq(facts(journal, id), "n/high/plan|");
    cr_assert_eq(journal_thread_set_own_model(journal, id, STR("own"), NULL), STATUS_OK);
    cr_assert_str_eq(facts(journal, id), "n(own)/high/plan|");
    cr_assert_eq(journal_thread_set_own_model(journal, id, STR(""), NULL), STATUS_OK);
    cr_assert_eq(journal_turn_create(journal, id, turn, NULL), STATUS_OK);
    cr_assert_str_eq(facts(journal, id), "n/high/plan/cut off|", "it runs, as far as is known");
    cr_assert_eq(journal_turn_end(journal, turn, "completed", STR(""), STR(""), NULL), STATUS_OK);
    cr_assert_str_eq(facts(journal, id), "n/high/plan|");
    cr_assert_eq(journal_turn_queue(journal, id, STR("later"), STR("{}"), queued, NULL), STATUS_OK);
    cr_assert_str_eq(facts(journal, id), "n/high/plan/cut off|");
    cr_assert_eq(
        journal_turn_end(journal, queued, "interrupted", STR(""), STR(JOURNAL_CUT_OFF), NULL),
        STATUS_OK);
    cr_assert_str_eq(facts(journal, id), "n/high/plan/cut off|");
    journal_close(journal);
}

static bool add_turn(void *user, const struct journal_turn *turn)
{
    buf_append_fmt(user, STR_FMT ":" STR_FMT ":" STR_FMT STR_FMT "|", STR_ARG(turn->status),
                   STR_ARG(turn->prompt), STR_ARG(turn->input_json), STR_ARG(turn->mode));
    return true;
}

static const char *turns(struct journal *journal, const char *id)
{
    static struct buf out;
    buf_clear(&out);
    cr_assert_eq(journal_turn_each(journal, id, add_turn, &out, NULL), STATUS_OK);
    return out.ptr;
}

Test(threads, keep_prompts_that_wait_and_find_them_by_their_words)
{
    struct journal *journal = open_journal();
    char a[ID_BYTES], b[ID_BYTES], turn[ID_BYTES];
    make_thread(journal, "/r", "alpha", a);
    make_thread(journal, "/r", "beta", b);
    cr_assert_eq(
        journal_turn_queue(journal, a, STR("Mend the \"parser\""), STR("{\"a\":1}"), turn, NULL),
        STATUS_OK);
    cr_assert_eq(journal_turn_set_mode(journal, turn, STR("plan"), NULL), STATUS_OK);
    cr_assert_str_eq(turns(journal, a), "queued:Mend the \"parser\":{\"a\":1}plan|");
    cr_assert_str_eq(list(journal, "/r", "PARSER", 0, 10), "alpha|");
    cr_assert_eq(journal_turn_begin(journal, turn, NULL), STATUS_OK);
    cr_assert_str_eq(turns(journal, a), "running:Mend the \"parser\":plan|");
    cr_assert_eq(journal_lease_drop(journal, a, NULL), STATUS_OK);
    cr_assert_eq(journal_turn_begin(journal, turn, NULL), STATUS_CONFLICT);
    cr_assert_eq(journal_turn_set_mode(journal, turn, STR("ask"), NULL), STATUS_CONFLICT);
    journal_close(journal);
}

/* A page ends between milliseconds, so the cursor skips nobody. */
Test(threads, a_page_never_splits_one_millisecond)
{
    struct journal *journal = open_journal();
    char id[ID_BYTES];
    for (const char *c = "abc"; *c; c++) {
        char title[2] = {*c, '\0'};
        cr_assert_eq(journal_thread_create(journal, STR("/r"), STR("m"), id, NULL), STATUS_OK);
        cr_assert_eq(journal_thread_set_title(journal, id, str_from(title), NULL), STATUS_OK);
    }
    cr_assert_str_eq(list(journal, "", "", 0, 1), "c|b|a|");
    journal_close(journal);
}

static bool copy_thread(void *user, const struct journal_thread *thread)
{
    struct journal_thread *copy = user;
    *copy = *thread;
    cr_assert(str_eq_c(thread->root, "/r") && str_eq_c(thread->model, "other"));
    return true;
}

Test(threads, one_is_found_by_its_id)
{
    struct journal *journal = open_journal();
    char id[ID_BYTES];
    struct journal_thread thread;
    struct err err = {0};
    make_thread(journal, "/r", "t", id);
    cr_assert_eq(journal_thread_set_model(journal, id, STR("other"), NULL), STATUS_OK);
    cr_assert_eq(journal_thread_get(journal, str_from(id), copy_thread, &thread, &err), STATUS_OK);
    cr_assert_str_eq(thread.id, id);
    cr_assert_eq(thread.created_ms, wall_ms);
    cr_assert_eq(journal_thread_get(journal, STR("thread_x"), copy_thread, &thread, &err),
                 STATUS_NOT_FOUND);
    cr_assert_eq(journal_thread_set_title(journal, "thread_x", STR("t"), &err), STATUS_NOT_FOUND);
    journal_close(journal);
}

Test(threads, deleting_leaves_nothing)
{
    struct journal *journal = open_journal();
    char id[ID_BYTES], turn[ID_BYTES];
    struct str text = STR("secret text");
    make_thread(journal, "/r", "t", id);
    cr_assert_eq(journal_turn_create(journal, id, turn, NULL), STATUS_OK);
    cr_assert_eq(journal_item_append(journal, id, turn, "user", STR("{}"), NULL), STATUS_OK);
    cr_assert_eq(
        journal_call_start(journal, id, turn, STR("c"), STR("n"), STR("{}"), STR("d"), NULL),
        STATUS_OK);
    cr_assert_eq(
        journal_change_add(journal, id, turn, "create", STR("f"), STR(""), NULL, &text, NULL),
        STATUS_OK);
    cr_assert_eq(journal_thread_delete(journal, id, NULL), STATUS_OK);
    cr_assert_not(journal_lease_is_ours(journal, id));
    cr_assert_eq(journal_thread_delete(journal, id, NULL), STATUS_NOT_FOUND);
    run_sql(
        "CREATE TEMP TABLE zero (n CHECK (n = 0)); INSERT INTO zero SELECT "
        "(SELECT count(*) FROM item) + (SELECT count(*) FROM turn) + (SELECT count(*) FROM call) + "
        "(SELECT count(*) FROM change) + (SELECT count(*) FROM blob) + (SELECT value FROM total)");
    journal_close(journal);
}

Test(threads, pruning_takes_the_old_and_unheld)
{
    struct journal *journal = open_journal();
    char a[ID_BYTES], b[ID_BYTES], c[ID_BYTES];
    size_t count = 99;
    make_thread(journal, "/r", "old", a);
    make_thread(journal, "/r", "held", b);
    uint64_t border = wall_ms + 1;
    make_thread(journal, "/r", "new", c);
    cr_assert_eq(journal_lease_drop(journal, a, NULL), STATUS_OK);
    cr_assert_eq(journal_lease_drop(journal, c, NULL), STATUS_OK);
    cr_assert_eq(journal_prune(journal, border, &count, NULL), STATUS_OK);
    cr_assert_eq(count, 1);
    cr_assert_str_eq(list(journal, "", "", 0, 10), "new|held|");
    journal_close(journal);
}

/* -- Leases -- */

static void read_own_lease(char boot[64], char namespace[32], char start[32])
{
    FILE *file = popen("cat /proc/sys/kernel/random/boot_id", "r");
    cr_assert(file && fscanf(file, "%63s", boot) == 1);
    pclose(file);
    char command[128];
    snprintf(command, sizeof(command),
             "stat -L -c %%i /proc/self/ns/pid; cut -d' ' -f22 /proc/%d/stat", (int)getppid());
    file = popen(command, "r");
    cr_assert(file && fscanf(file, "%31s %31s", namespace, start) == 2);
    pclose(file);
}

Test(threads, a_live_owner_keeps_its_lease_a_dead_one_loses_it)
{
    char boot[64], namespace[32], start[32], id[ID_BYTES];
    read_own_lease(boot, namespace, start);
    struct journal *journal = open_journal();
    make_thread(journal, "/r", "t", id);
    cr_assert_eq(journal_lease_drop(journal, id, NULL), STATUS_OK);
    uint64_t renewed = wall_ms;
    const struct {
        const char *boot, *namespace;
        long pid;
        const char *start;
        uint64_t age_ms;
        enum status status;
    } rows[] = {
        {boot, namespace, (long)getppid(), start, 3600000, STATUS_LEASED}, /* alive, however old */
        {boot, namespace, (long)getppid(), "1", 0, STATUS_OK},             /* pid was given again */
        {boot, namespace, 0x7FFFFFF0, "5", 0, STATUS_OK},                  /* no such process */
        {"another-boot", namespace, (long)getppid(), start, 0, STATUS_LEASED}, /* cannot be seen */
        {"another-boot", namespace, (long)getppid(), start, LIMIT_LEASE_MS + 1, STATUS_OK},
        {boot, "1", (long)getppid(), start, 0, STATUS_LEASED},
        {boot, "1", (long)getppid(), start, LIMIT_LEASE_MS + 1, STATUS_OK},
        {"rubbish", "", 0, "x", 0, STATUS_OK},
    };
    for (size_t i = 0; i < array_count(rows); i++) {
        struct buf sql = {0};
        struct err err = {0};
        wall_ms = renewed + rows[i].age_ms;
        buf_append_fmt(&sql, "UPDATE thread SET lease = '%s:%s:%ld:%s'", rows[i].boot,
                       rows[i].namespace, rows[i].pid, rows[i].start);
        buf_append_fmt(&sql, ", lease_ms = %llu", (unsigned long long)renewed);
        run_sql(sql.ptr);
        buf_finish(&sql);
        bool conflict = rows[i].status == STATUS_LEASED;
        cr_assert_str_eq(list(journal, "", "", 0, 10), conflict ? "t(elsewhere)|" : "t|", "%zu", i);
        if (conflict) {
            cr_assert_eq(journal_thread_set_title(journal, id, STR("x"), NULL), STATUS_LEASED);
            cr_assert_eq(journal_thread_delete(journal, id, NULL), STATUS_LEASED);
        }
        cr_assert_eq(journal_lease_take(journal, id, false, &err), rows[i].status, "%zu: %s", i,
                     err.text);
        cr_assert_eq(journal_lease_is_ours(journal, id), !conflict);
        if (conflict) {
            cr_assert(strstr(err.text, "open in another editor (process "), "%s", err.text);
            cr_assert_eq(journal_lease_take(journal, id, true, &err), STATUS_OK);
        }
    }
    journal_close(journal);
}

Test(threads, after_a_take_over_the_old_owner_writes_nothing)
{
    struct journal *journal = open_journal();
    char id[ID_BYTES], turn[ID_BYTES], other[ID_BYTES];
    struct err err = {0};
    struct str text = STR("x");
    struct buf items = {0};
    make_thread(journal, "/r", "t", id);
    cr_assert_eq(journal_turn_create(journal, id, turn, NULL), STATUS_OK);
    cr_assert_eq(journal_call_start(journal, id, turn, STR("c"), STR("n"), STR(""), STR(""), NULL),
                 STATUS_OK);
    for (unsigned i = 0; i < 7; i++) {
        cr_assert_eq(journal_lease_take(journal, id, true, NULL), STATUS_OK);
        run_sql("UPDATE thread SET lease = 'b:1:2:3'");
        enum status status =
            i == 0   ? journal_item_append(journal, id, turn, "user", STR("{}"), &err)
            : i == 1 ? journal_turn_create(journal, id, other, &err)
            : i == 2 ? journal_turn_end(journal, turn, "completed", STR(""), STR(""), &err)
            : i == 3
                ? journal_call_start(journal, id, turn, STR("d"), STR(""), STR(""), STR(""), &err)
            : i == 4 ? journal_call_finish(journal, id, STR("c"), STR("o"), true, &err)
            : i == 5 ? journal_change_add(journal, id, turn, "create", STR("f"), STR(""), NULL,
                                          &text, &err)
                     : journal_thread_set_base(journal, id, 1, &err);
        /* A turn is found by its own id, and nothing says who has its thread. */
        cr_assert_eq(status, i == 2 ? STATUS_CONFLICT : STATUS_LEASED, "%u: %s", i, err.text);
        cr_assert_not(journal_lease_is_ours(journal, id));
    }
    collect_items(journal, id, 1, &items);
    cr_assert_str_eq(items.ptr, "");
    cr_assert_eq(journal_call_find(journal, id, STR("c"), NULL), CALL_STARTED);
    buf_finish(&items);
    journal_close(journal);
}

Test(threads, closing_gives_the_leases_back)
{
    struct journal *journal = open_journal();
    char id[ID_BYTES];
    make_thread(journal, "/r", "t", id);
    wall_ms += 5000;
    cr_assert_eq(journal_lease_renew(journal, NULL), STATUS_OK);
    run_sql("CREATE TEMP TABLE yes (n CHECK (n = 1)); INSERT INTO yes SELECT count(*) FROM thread "
            "WHERE lease <> '' AND lease_ms = updated_ms + 5000");
    journal_close(journal);
    run_sql("CREATE TEMP TABLE yes (n CHECK (n = 1)); INSERT INTO yes SELECT count(*) FROM thread "
            "WHERE lease = ''");
}

/* -- Tools -- */

static const char *tools_of(struct journal *journal, const char *id, const char *made_by)
{
    static struct buf json;
    buf_clear(&json);
    buf_append_c(&json, "");
    enum status status = journal_thread_get_tools(journal, id, str_from(made_by), &json, NULL);
    return status == STATUS_OK ? json.ptr : status_name(status);
}

Test(threads, the_tools_a_thread_began_with_are_kept)
{
    char one[ID_BYTES], two[ID_BYTES];
    struct journal *journal = open_journal();
    make_thread(journal, "/r", "one", one);
    make_thread(journal, "/r", "two", two);
    cr_assert_str_eq(tools_of(journal, one, "1"), status_name(STATUS_NOT_FOUND));
    cr_assert_eq(journal_thread_set_tools(journal, one, STR("1"), STR("[1]"), NULL), STATUS_OK);
    cr_assert_eq(journal_thread_set_tools(journal, two, STR("1"), STR("[1]"), NULL), STATUS_OK);
    cr_assert_str_eq(tools_of(journal, one, "1"), "[1]");
    cr_assert_eq(journal_thread_set_tools(journal, two, STR("1"), STR("[2]"), NULL), STATUS_OK);
    journal_close(journal);
    journal = open_journal();
    cr_assert_str_eq(tools_of(journal, one, "1"), "[1]");
    cr_assert_str_eq(tools_of(journal, two, "1"), "[2]");
    /* Another version of the program takes other arguments. */
    cr_assert_str_eq(tools_of(journal, one, "2"), status_name(STATUS_NOT_FOUND));
    journal_close(journal);
    run_sql(
        "CREATE TABLE kept (sets CHECK (sets = 2)); INSERT INTO kept SELECT count(*) FROM toolset");
}

Test(threads, tools_are_set_by_the_owner_alone)
{
    char id[ID_BYTES];
    struct err err = {0};
    struct journal *journal = open_journal();
    make_thread(journal, "/r", "t", id);
    run_sql("UPDATE thread SET lease = 'somebody else'");
    cr_assert_eq(journal_thread_set_tools(journal, id, STR("1"), STR("[1]"), &err), STATUS_LEASED);
    cr_assert_str_eq(tools_of(journal, id, "1"), status_name(STATUS_NOT_FOUND));
    journal_close(journal);
}

Test(threads, a_journal_of_before_gets_its_tools)
{
    char id[ID_BYTES];
    struct err err = {0};
    struct journal *journal = open_journal();
    make_thread(journal, "/r", "t", id);
    journal_close(journal);
    make_older(2);
    journal = open_journal();
    cr_assert_str_eq(list(journal, "", "", 0, 9), "t|");
    cr_assert_str_eq(tools_of(journal, id, "1"), status_name(STATUS_NOT_FOUND));
    cr_assert_eq(journal_lease_take(journal, id, false, &err), STATUS_OK, "%s", err.text);
    cr_assert_eq(journal_thread_set_tools(journal, id, STR("1"), STR("[1]"), &err), STATUS_OK, "%s",
                 err.text);
    cr_assert_str_eq(tools_of(journal, id, "1"), "[1]");
    journal_close(journal);
}
