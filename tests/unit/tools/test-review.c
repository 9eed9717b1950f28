/* What waits for the person: what sessions cannot show. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "fixture.h"

TestSuite(review, .timeout = 60);

static const char update_a[] =
    "*** Begin Patch\n*** Update File: a.c\n@@\n one\n-two\n+TWO\n three\n"
    "*** End Patch\n";

/* -- Looking and deciding ---------------------------------------------------------------------- */

struct list {
    struct buf text; /* "a.c kind old>new" for each hunk */
    unsigned first_id;
};

static void on_file(void *user, const struct tools_review_file *file)
{
    struct list *list = user;
    for (size_t i = 0; i < file->count; i++) {
        const struct tools_hunk *hunk = &file->hunks[i];
        list->first_id = list->first_id ? list->first_id : hunk->id;
        buf_append_fmt(&list->text, "%s%s %d " STR_FMT ">" STR_FMT "|",
                       file->proposed_by ? "?" : "", file->display, (int)hunk->kind,
                       STR_ARG(hunk->old_lines), STR_ARG(hunk->new_lines));
    }
}

static unsigned check_pending(struct fixture *f, const char *thread_id, const char *wanted)
{
    struct list list = {0};
    struct tools_review_filter filter = {.thread_id = str_from(thread_id)};
    tools_review_each(f->tools, &filter, on_file, &list);
    cr_assert(str_eq_c(buf_str(&list.text), wanted), "pending: " STR_FMT,
              STR_ARG(buf_str(&list.text)));
    buf_finish(&list.text);
    return list.first_id;
}

struct decided {
    struct fixture *f;
    enum status status;
    size_t count;
    char why[256];
};

static void on_decided(void *user, const struct tools_decided *decided)
{
    struct decided *out = user;
    out->status = decided->status;
    out->count = decided->count;
    snprintf(out->why, sizeof(out->why), STR_FMT, STR_ARG(decided->why));
    out->f->running--;
    loop_stop(out->f->loop);
}

static struct decided decide(struct fixture *f, enum tools_verdict verdict)
{
    struct decided out = {.f = f};
    struct tools_decision decision = {.verdict = verdict};
    struct err err = {0};
    cr_assert_eq(tools_review_decide(f->tools, &decision, on_decided, &out, &err), STATUS_OK, "%s",
                 err.text);
    f->running++;
    wait_all(f);
    return out;
}

static void check_told(struct fixture *f, const char *part)
{
    struct buf lines = {0};
    tools_review_take_told(f->tools, f->thread_id, &lines);
    if (part)
        assert_has(lines.ptr ? lines.ptr : "", part);
    else
        cr_assert_eq(lines.len, 0, "%s", lines.ptr);
    buf_finish(&lines);
}

/* -- Tests ------------------------------------------------------------------------------------- */

static void format_a(struct fixture *f)
{
    type_over(f, "a.c", "one\n    TWO;\nthree;\n");
}

Test(review, a_formatter_on_save_decides_nothing)
{
    struct fixture f;
    struct record r = {0};
    fixture_init(&f);
    put(&f, "a.c", "one\ntwo\nthree\n");
    open_file(&f, "a.c", "one\ntwo\nthree\n");
    f.host.before_save = format_a;
    patch(&f, &r, update_a);
    cr_assert(r.ok, "%s", r.text);
    check_pending(&f, "", "a.c 0 two\nthree\n>    TWO;\nthree;\n|");
    f.host.before_save = NULL;
    struct decided out = decide(&f, TOOLS_REJECT);
    cr_assert_eq(out.status, STATUS_OK, "%s", out.why);
    cr_assert_eq(out.count, 1);
    cr_assert_str_eq(screen(&f, "a.c"), "one\ntwo\nthree\n");
    cr_assert_str_eq(disk(&f, "a.c"), "one\ntwo\nthree\n", "it was clean, so it is saved");
    check_told(&f, "rejected your change of a.c");
    check_told(&f, NULL);
    record_finish(&r);
    fixture_finish(&f);
}

static void type_above(struct fixture *f)
{
    f->host.before_apply = NULL;
    type_over(f, "a.c", "mine\none\nTWO\nthree\n");
}

Test(review, a_rejection_is_planned_again_when_the_text_moves)
{
    struct fixture f;
    struct record r = {0};
    fixture_init(&f);
    put(&f, "a.c", "one\ntwo\nthree\n");
    open_file(&f, "a.c", "one\ntwo\nthree\n");
    patch(&f, &r, update_a);
    f.host.before_apply = type_above;
    struct decided out = decide(&f, TOOLS_REJECT);
    cr_assert_eq(out.status, STATUS_OK, "%s", out.why);
    cr_assert_str_eq(screen(&f, "a.c"), "mine\none\ntwo\nthree\n");
    record_finish(&r);
    fixture_finish(&f);
}

Test(review, a_host_that_refuses_leaves_it_pending)
{
    struct fixture f;
    struct record r = {0};
    fixture_init(&f);
    put(&f, "a.c", "one\ntwo\nthree\n");
    patch(&f, &r, update_a);
    f.host.forced[0] = HOST_FAILED;
    f.host.forced_count = 1;
    f.host.applies = 0;
    f.host.note = "no such luck";
    struct decided out = decide(&f, TOOLS_REJECT);
    cr_assert_eq(out.status, STATUS_IO);
    assert_has(out.why, "no such luck");
    check_pending(&f, "", "a.c 0 two\n>TWO\n|");
    check_told(&f, NULL);
    record_finish(&r);
    fixture_finish(&f);
}

static void on_news(void *user, const struct tools_review_news *news)
{
    struct buf *notices = user;
    if (news->notice.len > 0)
        buf_append_fmt(notices, STR_FMT "\n", STR_ARG(news->notice));
}

static void stop(void *user)
{
    struct fixture *f = user;
    f->running--;
    loop_stop(f->loop);
}

static void turn_the_loop(struct fixture *f)
{
    struct loop_timer *timer = loop_timer_new(f->loop, stop, f);
    loop_timer_start(timer, 30, 0);
    f->running++;
    wait_all(f);
    loop_timer_free(timer);
}

/* The store of texts is bounded: what cannot be shown any more is said, and nothing is guessed. */
Test(review, a_text_that_is_no_longer_kept_is_said)
{
    struct fixture f;
    struct record r = {0};
    struct buf notices = {0};
    struct str big = STR("other text that takes the room of the one before it");
    fixture_init(&f);
    put(&f, "a.c", "one\ntwo\nthree\n");
    patch(&f, &r, update_a);
    journal_set_blob_limit(f.journal, big.len + 1);
    cr_assert_eq(journal_change_add(f.journal, f.thread_id, f.turn_id, "update", STR("/x"), STR(""),
                                    NULL, &big, NULL),
                 STATUS_OK);
    fixture_restart(&f);
    tools_review_watch(f.tools, on_news, &notices);
    turn_the_loop(&f);
    check_pending(&f, "", "");
    assert_has(notices.ptr ? notices.ptr : "", "a.c that waited for your review can no longer be");
    cr_assert_str_eq(disk(&f, "a.c"), "one\nTWO\nthree\n");
    tools_review_watch(f.tools, NULL, NULL);
    buf_finish(&notices);
    record_finish(&r);
    fixture_finish(&f);
}

Test(review, a_proposal_is_seen_by_its_thread_alone)
{
    struct fixture f;
    struct record r = {0}, read = {0}, other = {0};
    char thread_id[ID_BYTES];
    fixture_init(&f);
    put(&f, "a.c", "one\ntwo\nthree\n");
    f.config->review = REVIEW_BEFORE;
    patch(&f, &r, update_a);
    cr_assert(r.ok, "%s", r.text);
    assert_has(r.text, "Proposed, not applied");
    cr_assert_eq(f.host.applies, 0);
    cr_assert_str_eq(disk(&f, "a.c"), "one\ntwo\nthree\n");
    call(&f, &read, "read_file", "{'path':'a.c','start_line':null,'end_line':null}");
    assert_has(read.text, "one\nTWO\nthree");
    cr_assert_eq(journal_thread_create(f.journal, str_from(f.ws), STR("m"), thread_id, NULL),
                 STATUS_OK);
    struct tools_thread *mine = f.thread;
    char my_id[ID_BYTES];
    memcpy(my_id, f.thread_id, ID_BYTES);
    memcpy(f.thread_id, thread_id, ID_BYTES);
    f.thread = tools_thread_new(f.tools, thread_id, str_from(f.ws));
    call(&f, &other, "read_file", "{'path':'a.c','start_line':null,'end_line':null}");
    assert_has(other.text, "one\ntwo\nthree");
    tools_thread_free(f.thread);
    f.thread = mine;
    memcpy(f.thread_id, my_id, ID_BYTES);
    check_pending(&f, "", "?a.c 0 two\n>TWO\n|");
    struct decided out = decide(&f, TOOLS_ACCEPT);
    cr_assert_eq(out.status, STATUS_OK, "%s", out.why);
    cr_assert_str_eq(disk(&f, "a.c"), "one\nTWO\nthree\n");
    check_pending(&f, "", "");
    record_finish(&r);
    record_finish(&read);
    record_finish(&other);
    fixture_finish(&f);
}

/* The mode may change while a proposal waits: what is edited on top of it waits with it. */
Test(review, an_edit_of_a_proposed_text_is_proposed)
{
    struct fixture f;
    struct record r = {0}, again = {0};
    fixture_init(&f);
    put(&f, "a.c", "one\ntwo\nthree\n");
    f.config->review = REVIEW_BEFORE;
    patch(&f, &r, update_a);
    f.config->review = REVIEW_AFTER;
    patch(
        &f, &again,
        "*** Begin Patch\n*** Update File: a.c\n@@\n-TWO\n+TWO AND MORE\n three\n*** End Patch\n");
    cr_assert(again.ok, "%s", again.text);
    cr_assert_eq(f.host.applies, 0);
    check_pending(&f, "", "?a.c 0 two\n>TWO AND MORE\n|");
    put(&f, "a.c", "");
    check_pending(&f, "", "");
    check_told(&f, "The user changed a.c where you proposed a change");
    record_finish(&r);
    record_finish(&again);
    fixture_finish(&f);
}
