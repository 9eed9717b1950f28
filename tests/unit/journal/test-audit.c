/* What ran in which sandbox, and what was sent. */
#include "one-turn.h"

#include <criterion/criterion.h>
#include <string.h>

TestSuite(audit, .timeout = 60, .init = begin, .fini = end);

static bool on_call(void *user, const struct journal_call *call)
{
    buf_append_fmt(user, STR_FMT " " STR_FMT " [" STR_FMT "] " STR_FMT " %s %d|",
                   STR_ARG(call->call_id), STR_ARG(call->decision), STR_ARG(call->sandbox),
                   STR_ARG(call->output), call->state == CALL_DONE ? "done" : "started", call->ok);
    return true;
}

static void assert_calls(struct str turn_id, size_t limit, const char *expected)
{
    struct buf got = {0};
    buf_append_c(&got, "");
    cr_assert_eq(journal_call_each(journal, STR(""), turn_id, limit, on_call, &got, &err),
                 STATUS_OK, "%s", err.text);
    cr_assert_str_eq(got.ptr, expected);
    buf_finish(&got);
}

static void start_call(const char *id)
{
    cr_assert_eq(journal_call_start(journal, thread, turn, str_from(id), STR("exec_command"),
                                    STR("{}"), STR("allowed"), &err),
                 STATUS_OK, "%s", err.text);
    wall_ms++;
}

Test(audit, sec_33_calls_are_told_with_their_sandbox)
{
    start_call("c1");
    start_call("c2");
    cr_assert_eq(journal_call_set_sandbox(journal, thread, STR("c1"), STR("bubblewrap"), &err),
                 STATUS_OK);
    cr_assert_eq(journal_call_finish(journal, thread, STR("c1"), STR("out"), true, &err),
                 STATUS_OK);
    assert_calls(STR(""), 10, "c2 allowed []  started 0|c1 allowed [bubblewrap] out done 1|");
    assert_calls(STR(""), 1, "c2 allowed []  started 0|");
    assert_calls(STR("turn_other"), 10, "");
    cr_assert_eq(journal_call_set_sandbox(journal, thread, STR("none"), STR("x"), &err),
                 STATUS_NOT_FOUND);
}

static bool on_sent(void *user, const struct journal_sent *sent)
{
    buf_append_fmt(user, STR_FMT " %llu-%llu %llu %d @%llu %lld|", STR_ARG(sent->kind),
                   (unsigned long long)sent->first_seq, (unsigned long long)sent->last_seq,
                   (unsigned long long)sent->bytes, sent->continued,
                   (unsigned long long)sent->sent_ms, (long long)sent->input_tokens);
    return true;
}

static void assert_sent(struct str turn_id, const char *expected)
{
    struct buf got = {0};
    buf_append_c(&got, "");
    cr_assert_eq(journal_sent_each(journal, turn_id, on_sent, &got, &err), STATUS_OK);
    cr_assert_str_eq(got.ptr, expected);
    buf_finish(&got);
}

static uint64_t add_sent(const char *kind, bool continued)
{
    uint64_t num = 0;
    struct journal_sent sent = {.turn_id = str_from(turn),
                                .kind = str_from(kind),
                                .host = STR("h"),
                                .first_seq = 3,
                                .last_seq = 5,
                                .items = 3,
                                .bytes = 100,
                                .continued = continued};
    cr_assert_eq(journal_sent_add(journal, thread, &sent, &num, &err), STATUS_OK, "%s", err.text);
    return num;
}

Test(audit, sec_33_what_was_sent_is_kept_as_long_as_it_should_be)
{
    wall_ms = 500;
    uint64_t num = add_sent("turn", false);
    cr_assert_eq(journal_sent_set_tokens(journal, num, 42, 0, 7, &err), STATUS_OK);
    wall_ms = 600;
    add_sent("warm-up", true);
    assert_sent(str_from(turn), "turn 3-5 100 0 @500 42|warm-up 3-5 100 1 @600 0|");
    assert_sent(STR("turn_other"), "");
    cr_assert_eq(journal_sent_prune(journal, 600, &err), STATUS_OK);
    assert_sent(str_from(turn), "warm-up 3-5 100 1 @600 0|");
    cr_assert_eq(journal_thread_delete(journal, thread, &err), STATUS_OK, "%s", err.text);
    assert_sent(str_from(turn), "");
}

/* A helper is a thread of its own; what it does is its turn's. */
Test(audit, sec_33_what_a_turns_helpers_did_is_the_turns)
{
    char helper[ID_BYTES], other[ID_BYTES];
    struct journal_sent sent = {
        .turn_id = str_from(turn), .kind = STR("helper"), .host = STR("h"), .last_seq = 1};
    start_call("c1");
    add_sent("turn", false);
    cr_assert_eq(journal_helper_create(journal, thread, STR("c1"), helper, &err), STATUS_OK);
    cr_assert_eq(journal_call_start(journal, helper, turn, STR("c2"), STR("read_file"), STR("{}"),
                                    STR("allowed"), &err),
                 STATUS_OK, "%s", err.text);
    cr_assert_eq(journal_sent_add(journal, helper, &sent, NULL, &err), STATUS_OK);
    cr_assert_eq(journal_turn_create(journal, thread, other, &err), STATUS_OK);
    assert_calls(str_from(turn), 10, "c2 allowed []  started 0|c1 allowed []  started 0|");
    assert_sent(str_from(turn), "turn 3-5 100 0 @1000001 0|helper 0-1 0 0 @1000001 0|");
    assert_calls(str_from(other), 10, "");
    assert_sent(str_from(other), "");
}

Test(audit, the_turn_that_sent_last_is_found)
{
    char latest[ID_BYTES] = "";
    struct journal_sent warm_up = {.kind = STR("warm-up"), .host = STR("h")};
    cr_assert_eq(journal_sent_latest(journal, latest, &err), STATUS_NOT_FOUND);
    cr_assert_str_eq(err.text, "nothing was sent yet");
    add_sent("turn", false);
    cr_assert_eq(journal_sent_add(journal, thread, &warm_up, NULL, &err), STATUS_OK);
    cr_assert_eq(journal_sent_latest(journal, latest, &err), STATUS_OK);
    cr_assert_str_eq(latest, turn);
}

Test(audit, a_turn_knows_its_thread)
{
    char id[ID_BYTES] = "";
    cr_assert_eq(journal_turn_thread(journal, str_from(turn), id, &err), STATUS_OK);
    cr_assert_str_eq(id, thread);
    cr_assert_eq(journal_turn_thread(journal, STR("turn_none"), id, &err), STATUS_NOT_FOUND);
}

Test(audit, a_journal_without_it_gets_it)
{
    start_call("c1");
    journal_close(journal);
    make_older(5);
    journal = open_journal();
    assert_calls(STR(""), 10, "c1 allowed []  started 0|");
    assert_sent(str_from(turn), "");
}
