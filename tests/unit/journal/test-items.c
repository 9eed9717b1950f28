#include "one-turn.h"

#include <criterion/criterion.h>
#include <lanebridge/loop.h>
#include <stdio.h>
#include <string.h>

TestSuite(items, .timeout = 60);

static enum status append(const char *kind, const char *json)
{
    return journal_item_append(journal, thread, turn, kind, str_from(json), &err);
}

Test(items, come_back_verbatim_in_order, .init = begin, .fini = end)
{
    struct buf got = {0}, big = {0};
    static const char nul[] = "{\"a\":\"x\0y\"}";
    cr_assert_eq(append("user", "{ \"b\" : 1.0e1,\n\"\xc3\xa9\":\"\\u0000\" }"), STATUS_OK);
    cr_assert_eq(append("output", ""), STATUS_OK);
    cr_assert_eq(journal_item_append(journal, thread, turn, "tool",
                                     (struct str){nul, sizeof(nul) - 1}, &err),
                 STATUS_OK);
    collect_items(journal, thread, 0, &got);
    static const char expected[] =
        "user:{ \"b\" : 1.0e1,\n\"\xc3\xa9\":\"\\u0000\" }|output:|tool:";
    cr_assert_eq(memcmp(got.ptr, expected, sizeof(expected) - 1), 0);
    cr_assert_eq(got.len, sizeof(expected) - 1 + sizeof(nul) - 1 + 1);
    buf_append_repeat(&big, 'x', 3 * MIB);
    cr_assert_eq(journal_item_append(journal, thread, turn, "tool", buf_str(&big), &err),
                 STATUS_OK);
    collect_items(journal, thread, journal_item_last_seq(journal), &got);
    cr_assert_eq(got.len, 3 * MIB + strlen("tool:|"));
    buf_finish(&big);
    buf_finish(&got);
}

Test(items, later_reads_begin_at_the_base, .init = begin, .fini = end)
{
    struct buf got = {0};
    append("user", "1");
    append("output", "2");
    cr_assert_eq(append("context", "3"), STATUS_OK);
    uint64_t seq = journal_item_last_seq(journal);
    append("user", "4");
    cr_assert_eq(journal_thread_set_base(journal, thread, seq, &err), STATUS_OK);
    collect_items(journal, thread, 0, &got);
    cr_assert_str_eq(got.ptr, "context:3|user:4|");
    collect_items(journal, thread, 1, &got);
    cr_assert_str_eq(got.ptr, "user:1|output:2|context:3|user:4|");
    buf_finish(&got);
}

Test(items, a_thread_that_is_not_held_takes_none, .init = begin, .fini = end)
{
    cr_assert_eq(journal_lease_drop(journal, thread, &err), STATUS_OK);
    cr_assert_eq(append("user", "1"), STATUS_CONFLICT);
    cr_assert(strstr(err.text, "not held by this window"), "%s", err.text);
    cr_assert_eq(journal_lease_take(journal, thread, false, &err), STATUS_OK);
    cr_assert_eq(append("user", "1"), STATUS_OK);
}

static bool append_while_reading(void *user, const struct journal_item *item)
{
    struct buf inner = {0};
    collect_items(journal, thread, item->seq, &inner);
    buf_append(user, buf_str(&inner));
    buf_finish(&inner);
    return true;
}

Test(items, a_callback_may_read_too, .init = begin, .fini = end)
{
    struct buf got = {0};
    append("user", "1");
    append("user", "2");
    cr_assert_eq(journal_item_each(journal, thread, 0, append_while_reading, &got, &err),
                 STATUS_OK);
    cr_assert_str_eq(got.ptr, "user:1|user:2|user:2|");
    buf_finish(&got);
}

static bool add_turn(void *user, const struct journal_turn *row)
{
    buf_append_fmt(user, STR_FMT "," STR_FMT "," STR_FMT ",%d|", STR_ARG(row->status),
                   STR_ARG(row->usage_json), STR_ARG(row->error),
                   (int)(row->ended_ms - row->started_ms));
    return true;
}

Test(items, turns_begin_and_end, .init = begin, .fini = end)
{
    struct buf got = {0};
    char second[ID_BYTES];
    wall_ms += 7;
    cr_assert_eq(journal_turn_end(journal, turn, "completed", STR("{\"t\":1}"), STR(""), &err),
                 STATUS_OK, "%s", err.text);
    cr_assert_eq(journal_turn_create(journal, thread, second, &err), STATUS_OK);
    cr_assert_eq(journal_turn_end(journal, second, "failed", STR(""), STR("why"), &err), STATUS_OK);
    cr_assert_eq(journal_turn_each(journal, thread, add_turn, &got, &err), STATUS_OK);
    cr_assert_str_eq(got.ptr, "completed,{\"t\":1},,7|failed,,why,0|");
    cr_assert_eq(journal_turn_end(journal, "turn_x", "failed", STR(""), STR(""), &err),
                 STATUS_CONFLICT);
    buf_finish(&got);
}

/* -- Calls -- */

Test(items, a_call_runs_at_most_once, .init = begin, .fini = end)
{
    struct buf output = {0};
    struct str id = STR("call_1"), name = STR("exec_command");
    cr_assert_eq(journal_call_find(journal, thread, id, &output), CALL_ABSENT);
    cr_assert_eq(journal_call_finish(journal, thread, id, STR("o"), true, &err), STATUS_NOT_FOUND);
    cr_assert_eq(journal_call_start(journal, thread, turn, id, name, STR("{}"), STR("auto"), &err),
                 STATUS_OK);
    cr_assert_eq(journal_call_find(journal, thread, id, &output), CALL_STARTED);
    cr_assert_eq(journal_call_start(journal, thread, turn, id, name, STR("{}"), STR("auto"), &err),
                 STATUS_EXISTS);
    cr_assert_eq(journal_call_finish(journal, thread, id, STR(""), true, &err), STATUS_OK);
    cr_assert_eq(journal_call_find(journal, thread, id, &output), CALL_DONE, "empty is an output");
    cr_assert_eq(output.len, 0);
    cr_assert_eq(journal_call_finish(journal, thread, id, STR("again"), true, &err), STATUS_EXISTS);
    cr_assert_eq(journal_call_start(journal, thread, turn, id, name, STR("{}"), STR("auto"), &err),
                 STATUS_EXISTS);
    buf_finish(&output);
}

Test(items, a_call_is_recorded_whole, .init = begin, .fini = end)
{
    struct journal_call call = {.turn_id = str_from(turn),
                                .call_id = STR("call_1"),
                                .name = STR("n"),
                                .decision = STR("allowed"),
                                .output = STR("text"),
                                .ok = true};
    struct buf output = {0};
    cr_assert_eq(journal_call_record(journal, thread, &call, &err), STATUS_OK);
    cr_assert_eq(journal_call_find(journal, thread, call.call_id, &output), CALL_DONE);
    cr_assert_str_eq(output.ptr, "text");
    cr_assert_eq(journal_call_record(journal, thread, &call, &err), STATUS_EXISTS);
    cr_assert_eq(
        journal_call_start(journal, thread, turn, call.call_id, STR(""), STR(""), STR(""), &err),
        STATUS_EXISTS);
    run_sql("UPDATE thread SET lease = 'another:1:1:1'");
    call.call_id = STR("call_2");
    cr_assert_eq(journal_call_record(journal, thread, &call, &err), STATUS_LEASED);
    cr_assert_eq(journal_call_find(journal, thread, call.call_id, NULL), CALL_ABSENT);
    buf_finish(&output);
}

/* -- Changes -- */

struct hashes {
    char before[8][SHA256_HEX_BYTES], after[8][SHA256_HEX_BYTES];
    size_t count;
};

static bool add_change(void *user, const struct journal_change *change)
{
    struct hashes *h = user;
    snprintf(h->before[h->count], SHA256_HEX_BYTES, STR_FMT, STR_ARG(change->before_hash));
    snprintf(h->after[h->count], SHA256_HEX_BYTES, STR_FMT, STR_ARG(change->after_hash));
    cr_assert(str_eq_c(change->turn_id, turn));
    h->count++;
    return true;
}

static enum status change(const char *kind, const char *path, const char *before, const char *after)
{
    struct str b = str_from(before), a = str_from(after);
    return journal_change_add(journal, thread, turn, kind, str_from(path), STR(""),
                              before ? &b : NULL, after ? &a : NULL, &err);
}

Test(items, changes_keep_their_texts, .init = begin, .fini = end)
{
    struct hashes h = {.count = 0};
    struct buf text = {0};
    cr_assert_eq(change("create", "a", NULL, ""), STATUS_OK, "%s", err.text);
    cr_assert_eq(change("update", "a", "", "two"), STATUS_OK);
    cr_assert_eq(change("delete", "a", "two", NULL), STATUS_OK);
    cr_assert_eq(journal_change_each(journal, turn, add_change, &h, &err), STATUS_OK);
    cr_assert_eq(h.count, 3);
    cr_assert_str_eq(h.before[0], "");
    cr_assert_str_eq(h.after[2], "");
    cr_assert_str_eq(h.after[1], h.before[2]);
    cr_assert_eq(journal_blob_get(journal, str_from(h.after[1]), &text, &err), STATUS_OK);
    cr_assert_str_eq(text.ptr, "two");
    cr_assert_eq(journal_blob_get(journal, str_from(h.after[0]), &text, &err), STATUS_OK);
    cr_assert_eq(text.len, 0, "an empty file is a text");
    cr_assert_eq(journal_blob_get(journal, STR("none"), &text, &err), STATUS_NOT_FOUND);
    run_sql("CREATE TEMP TABLE two (n CHECK (n = 2)); INSERT INTO two SELECT count(*) FROM blob");
    buf_finish(&text);
}

Test(items, the_oldest_texts_go_when_the_store_is_full, .init = begin, .fini = end)
{
    struct hashes h = {.count = 0};
    struct buf text = {0};
    journal_set_blob_limit(journal, 100);
    char body[5][41];
    for (int i = 0; i < 5; i++)
        snprintf(body[i], sizeof(body[i]), "%040d", i);
    cr_assert_eq(change("create", "0", NULL, body[0]), STATUS_OK);
    cr_assert_eq(change("create", "1", NULL, body[1]), STATUS_OK);
    cr_assert_eq(change("create", "0", NULL, body[0]), STATUS_OK, "used again: young again");
    cr_assert_eq(change("create", "2", NULL, body[2]), STATUS_OK);
    cr_assert_eq(journal_change_each(journal, turn, add_change, &h, &err), STATUS_OK);
    cr_assert_eq(journal_blob_get(journal, str_from(h.after[1]), &text, &err), STATUS_NOT_FOUND);
    cr_assert_eq(journal_blob_get(journal, str_from(h.after[0]), &text, &err), STATUS_OK);
    cr_assert_eq(journal_blob_get(journal, str_from(h.after[3]), &text, &err), STATUS_OK);
    cr_assert_eq(change("update", "3", body[3], body[4]), STATUS_OK);
    run_sql("CREATE TEMP TABLE yes (n CHECK (n = 80)); INSERT INTO yes SELECT value FROM total; "
            "INSERT INTO yes SELECT sum(size) FROM blob");
    cr_assert_eq(
        change("create", "big", NULL,
               "more than a hundred bytes, which can never be kept, whatever is thrown out "
               "for it, so it must be refused"),
        STATUS_LIMIT);
    buf_finish(&text);
}

/* -- Transactions -- */

Test(items, transactions_nest, .init = begin, .fini = end)
{
    struct journal *other = open_journal();
    struct buf got = {0};
    journal_begin(journal);
    append("user", "1");
    journal_begin(journal);
    cr_assert_eq(change("create", "a", NULL, "x"), STATUS_OK, "%s", err.text);
    journal_commit(journal);
    append("user", "2");
    collect_items(other, thread, 0, &got);
    cr_assert_str_eq(got.ptr, "", "nobody sees half of it");
    journal_commit(journal);
    collect_items(other, thread, 0, &got);
    cr_assert_str_eq(got.ptr, "user:1|user:2|");
    journal_close(other);
    buf_finish(&got);
}

/* What may end a transaction that was left open. */
enum settles { BY_LOOP, BY_HAND, BY_WRITE, BY_BEGIN, BY_CLOSE, SETTLES };

static void settle(enum settles how, struct loop *loop)
{
    if (how == BY_LOOP)
        loop_run(loop);
    if (how == BY_HAND)
        journal_settle(journal);
    if (how == BY_WRITE)
        cr_assert_eq(journal_thread_set_title(journal, thread, STR("t"), &err), STATUS_OK);
    if (how == BY_BEGIN) {
        journal_begin(journal);
        journal_commit(journal);
    }
    if (how == BY_CLOSE) {
        journal_close(journal);
        journal = open_journal();
    }
}

Test(items, what_is_left_open_is_joined_or_committed_first)
{
    for (enum settles how = 0; how < SETTLES; how++) {
        begin();
        struct loop *loop = loop_new(NULL);
        struct journal *other = open_journal();
        struct buf got = {0};
        journal_join(journal);
        append("user", "1");
        journal_commit_later(journal, loop);
        journal_join(journal);
        append("output", "2");
        journal_join(journal);
        append("output", "3");
        journal_commit_later(journal, loop);
        journal_commit_later(journal, loop);
        collect_items(journal, thread, 0, &got);
        cr_assert_str_eq(got.ptr, "user:1|output:2|output:3|");
        collect_items(other, thread, 0, &got);
        cr_assert_str_eq(got.ptr, "", "nobody sees it yet");
        settle(how, loop);
        collect_items(other, thread, 0, &got);
        cr_assert_str_eq(got.ptr, "user:1|output:2|output:3|", "%d", how);
        if (how == BY_CLOSE)
            cr_assert_eq(journal_lease_take(journal, thread, false, &err), STATUS_OK, "%s",
                         err.text);
        journal_join(journal);
        append("tool", "4");
        journal_commit(journal);
        collect_items(other, thread, 0, &got);
        cr_assert_str_eq(got.ptr, "user:1|output:2|output:3|tool:4|", "%d", how);
        journal_close(other);
        end();
        loop_free(loop);
        buf_finish(&got);
    }
}
