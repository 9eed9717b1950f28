/* Messages for a turn that runs: each reaches the model once, whatever happens on the way. */
#include <stdio.h>
#include <string.h>

#include "desk.h"

TestSuite(steer, .timeout = 60);

static enum status say(struct desk *d, const char *text)
{
    struct agent_input input = {.prompt = str_from(text)};
    return agent_turn_steer(d->thread, STR(""), &input, NULL);
}

static size_t count_in(const char *text, const char *part)
{
    size_t count = 0;
    for (const char *at = text; at && (at = strstr(at, part)); at += strlen(part))
        count++;
    return count;
}

/* In what the model was asked last, all of it. */
static size_t count_asked(struct desk *d, const char *part)
{
    struct buf text = {0};
    model_context(&d->w.model, &text);
    size_t count = count_in(text.ptr, part);
    buf_finish(&text);
    return count;
}

static bool append_item(void *user, const struct journal_item *item)
{
    buf_append_fmt(user, STR_FMT ":" STR_FMT "\n", STR_ARG(item->kind), STR_ARG(item->json));
    return true;
}

static size_t count_kept(struct desk *d, const char *part)
{
    struct buf text = {0};
    journal_item_each(d->w.journal, agent_thread_id(d->thread), 1, append_item, &text, NULL);
    size_t count = count_in(text.ptr, part);
    buf_finish(&text);
    return count;
}

static bool count_one(void *user, const struct journal_waiting *waiting)
{
    (void)waiting;
    ++*(size_t *)user;
    return true;
}

static size_t count_waiting(struct desk *d)
{
    size_t count = 0;
    journal_waiting_each(d->w.journal, agent_thread_id(d->thread), count_one, &count, NULL);
    return count;
}

static void assert_placed(struct desk *d, const char *text, size_t times)
{
    cr_assert_eq(count_asked(d, text), times, "\"%s\" was asked %zu times", text,
                 count_asked(d, text));
    cr_assert_eq(count_kept(d, text), times, "\"%s\" is kept %zu times", text, count_kept(d, text));
    cr_assert_eq(count_waiting(d), 0);
}

#define READ_A "call c1 read_file {'path':'a.txt'}\n"

/* -- How it can go ---------------------------------------------------------------------------- */

struct way {
    const char *name;
    const char *const *steps;
    bool steers;
    size_t frames, steered; /* response.create and response.steer that go out */
    const char *log, *then; /* parts of what is told: a call may be told between them */
};

static const char *const cut_steps[] = {"say one\nwait\ncut\nsay never\ndone", "say two\ndone",
                                        NULL};
static const char *const end_steps[] = {"say one\nwait\ndone", "say two\ndone", NULL};
static const char *const call_steps[] = {READ_A "wait\ndone", "say two\ndone", NULL};
static const struct way ways[] = {
    {"applied in the middle", cut_steps, true, 1, 1, "agentMessage=one; userMessage=LEFT; ",
     "+agentMessage; ~two; "},
    {"applied at the end", end_steps, true, 1, 1, "agentMessage=one; userMessage=LEFT; ",
     "+agentMessage; ~two; "},
    {"pending", call_steps, true, 2, 1, "userMessage=LEFT; ", "+agentMessage; ~two; "},
    {"refused, and the answer is done", end_steps, false, 2, 1,
     "agentMessage=one; userMessage=LEFT; ", "+agentMessage; ~two; "},
    {"refused, with calls open", call_steps, false, 2, 1, "userMessage=LEFT; ",
     "+agentMessage; ~two; "},
};

Test(steer, the_ways_it_can_go)
{
    for (size_t i = 0; i < array_count(ways); i++) {
        struct desk d;
        desk_init(&d);
        world_put(&d.w, "a.txt", "alpha\n");
        d.w.model.steers = ways[i].steers;
        model_script(&d.w.model, ways[i].steps);
        desk_prompt(&d, "go", NULL);
        desk_waiting(&d);
        cr_assert_eq(say(&d, "LEFT"), STATUS_OK, "%s", ways[i].name);
        cr_assert_eq(count_waiting(&d), 1, "%s: it is in the journal before it has a place",
                     ways[i].name);
        model_go(&d.w.model);
        desk_idle(&d);
        assert_has(d.log.ptr, ways[i].log);
        assert_has(strstr(d.log.ptr, ways[i].log), ways[i].then);
        cr_assert_eq(d.w.model.frames.len, ways[i].frames, "%s: %zu", ways[i].name,
                     d.w.model.frames.len);
        cr_assert_eq(d.w.model.steered.len, ways[i].steered, "%s", ways[i].name);
        assert_placed(&d, "LEFT", 1);
        desk_finish(&d);
    }
}

/* The successor's beginning is the commit point: what is told before it is not history. */
Test(steer, commits_when_the_successor_begins)
{
    struct desk d;
    static const char *const steps[] = {"say one\nwait\ndone", "wait\nsay two\ndone",
                                        "say three\ndone", NULL};
    desk_init(&d);
    d.w.model.steers = true;
    model_script(&d.w.model, steps);
    desk_prompt(&d, "go", NULL);
    desk_waiting(&d);
    say(&d, "LEFT");
    world_turns(&d.w, 10);
    assert_lacks(d.log.ptr, "LEFT");
    cr_assert_eq(count_kept(&d, "LEFT"), 0);
    model_go(&d.w.model);
    desk_waiting(&d);
    assert_has(d.log.ptr, "userMessage=LEFT");
    cr_assert_eq(count_kept(&d, "LEFT"), 1);
    model_go(&d.w.model);
    desk_idle(&d);
    assert_placed(&d, "LEFT", 1);
    desk_ask(&d, "and on");
    assert_has(vec_last(&d.w.model.frames), "\"previous_response_id\":\"resp_2\"");
    assert_placed(&d, "LEFT", 1);
    desk_finish(&d);
}

Test(steer, twice_goes_in_order)
{
    struct desk d;
    static const char *const steps[] = {"say one\nwait\ndone", "wait\nsay two\ndone",
                                        "say three\ndone", NULL};
    desk_init(&d);
    d.w.model.steers = true;
    model_script(&d.w.model, steps);
    desk_prompt(&d, "go", NULL);
    desk_waiting(&d);
    cr_assert_eq(say(&d, "FIRST"), STATUS_OK);
    cr_assert_eq(say(&d, "SECOND"), STATUS_OK);
    cr_assert_eq(d.w.model.steered.len, 1, "the second waits for the first one's fate");
    model_go(&d.w.model);
    desk_waiting(&d);
    cr_assert_eq(d.w.model.steered.len, 2);
    model_go(&d.w.model);
    desk_idle(&d);
    assert_placed(&d, "FIRST", 1);
    assert_placed(&d, "SECOND", 1);
    cr_assert_lt(strstr(d.log.ptr, "userMessage=FIRST"), strstr(d.log.ptr, "userMessage=SECOND"));
    desk_finish(&d);
}

Test(steer, after_a_refusal_it_is_not_tried_again)
{
    struct desk d;
    static const char *const steps[] = {"say one\nwait\ndone", "say two\nwait\ndone",
                                        "say three\ndone", NULL};
    desk_init(&d);
    model_script(&d.w.model, steps);
    desk_prompt(&d, "go", NULL);
    for (int i = 0; i < 2; i++) {
        desk_waiting(&d);
        cr_assert_eq(say(&d, i == 0 ? "FIRST" : "SECOND"), STATUS_OK);
        model_go(&d.w.model);
        world_turns(&d.w, 10);
    }
    desk_idle(&d);
    cr_assert_eq(d.w.model.steered.len, 1);
    assert_placed(&d, "FIRST", 1);
    assert_placed(&d, "SECOND", 1);
    desk_finish(&d);
}

Test(steer, an_interrupted_turn_keeps_it)
{
    struct desk d;
    static const char *const steps[] = {"say one\nwait\ndone", "say two\ndone", NULL};
    for (int steers = 0; steers < 2; steers++) {
        desk_init(&d);
        d.w.model.steers = steers != 0;
        model_script(&d.w.model, steps);
        desk_prompt(&d, "go", NULL);
        desk_waiting(&d);
        say(&d, "LEFT");
        cr_assert_eq(agent_turn_interrupt(d.thread, STR(""), NULL), STATUS_OK);
        cr_assert_eq(say(&d, "TOO LATE"), STATUS_NOT_FOUND);
        desk_idle(&d);
        model_go(&d.w.model);
        desk_ask(&d, "and on");
        assert_placed(&d, "LEFT", 1);
        assert_placed(&d, "TOO LATE", 0);
        desk_finish(&d);
    }
}

Test(steer, what_is_refused_at_once)
{
    struct desk d;
    struct err err = {0};
    static const char *const steps[] = {"say one\nwait\ndone", NULL};
    desk_init(&d);
    struct agent_input input = {.prompt = STR("x")}, empty = {.prompt = STR(" \n")};
    cr_assert_eq(agent_turn_steer(d.thread, STR(""), &input, &err), STATUS_NOT_FOUND);
    model_script(&d.w.model, steps);
    desk_prompt(&d, "go", NULL);
    desk_waiting(&d);
    cr_assert_eq(agent_turn_steer(d.thread, STR("turn_other"), &input, &err), STATUS_NOT_FOUND);
    cr_assert_eq(agent_turn_steer(d.thread, STR(""), &empty, &err), STATUS_INVALID);
    for (int i = 0; i < LIMIT_TURN_QUEUE_COUNT; i++)
        cr_assert_eq(agent_turn_steer(d.thread, STR(""), &input, &err), STATUS_OK);
    cr_assert_eq(agent_turn_steer(d.thread, STR(""), &input, &err), STATUS_LIMIT);
    assert_has(err.text, "32 messages wait");
    desk_finish(&d); /* in the middle of everything */
}

/* -- Nothing is lost or sent twice ------------------------------------------------------------- */

static const char *const rollout[] = {"think hm\nsay one\n" READ_A "cut\ndone",
                                      "say two\ncut\nthink on\nsay three\ndone", "say four\ndone",
                                      "say five\ndone", NULL};
enum { LINES_COUNT = 14 };

struct cut {
    struct desk d;
    size_t say_at;
    enum status said;
};

static void on_line(void *user, const char *line)
{
    struct cut *cut = user;
    (void)line;
    if (cut->d.w.model.lines == cut->say_at)
        cut->said = say(&cut->d, "LEFT");
}

static void start_cut(struct cut *cut, size_t say_at, bool steers)
{
    *cut = (struct cut){.say_at = say_at, .said = STATUS_NOT_FOUND};
    desk_init(&cut->d);
    world_put(&cut->d.w, "a.txt", "alpha\n");
    cut->d.w.model.steers = steers;
    cut->d.w.model.on_line = on_line;
    cut->d.w.model.user = cut;
    model_script(&cut->d.w.model, rollout);
    desk_prompt(&cut->d, "go", NULL);
}

/* Said before each line of the rollout, and the connection lost before each other. */
Test(steer, no_message_is_lost_or_sent_twice_when_the_connection_is)
{
    size_t tried = 0;
    for (int steers = 0; steers < 2; steers++) {
        for (size_t say_at = 1; say_at <= LINES_COUNT; say_at++) {
            for (size_t break_at = 0; break_at <= LINES_COUNT; break_at += break_at ? 1 : say_at) {
                struct cut cut;
                start_cut(&cut, say_at, steers != 0);
                cut.d.w.model.break_at = break_at;
                desk_idle(&cut.d);
                desk_ask(&cut.d, "and on");
                assert_placed(&cut.d, "LEFT", cut.said == STATUS_OK ? 1 : 0);
                tried += cut.said == STATUS_OK;
                desk_finish(&cut.d);
            }
        }
    }
    cr_assert_gt(tried, 50, "only %zu", tried);
}

static bool has_line(void *user)
{
    const struct cut *cut = user;
    return cut->d.w.model.lines >= cut->d.stop_at || !agent_thread_is_busy(cut->d.thread);
}

/* The process ends at each line, and another takes the thread up. */
Test(steer, no_message_is_lost_or_sent_twice_when_the_process_ends)
{
    for (int steers = 0; steers < 2; steers++) {
        for (size_t say_at = 1; say_at <= 9; say_at += 2) {
            for (size_t end_at = say_at; end_at <= LINES_COUNT; end_at++) {
                struct cut cut;
                char id[ID_BYTES];
                struct err err = {0};
                start_cut(&cut, say_at, steers != 0);
                cut.d.stop_at = (unsigned)end_at;
                world_run(&cut.d.w, has_line, &cut);
                memcpy(id, agent_thread_id(cut.d.thread), ID_BYTES);
                world_end_agent(&cut.d.w);
                cut.say_at = 0;
                desk_agent(&cut.d);
                cut.d.thread = agent_thread_resume(cut.d.w.agent, str_from(id), &err);
                cr_assert_not_null(cut.d.thread, "%s", err.text);
                desk_ask(&cut.d, "and on");
                assert_placed(&cut.d, "LEFT", cut.said == STATUS_OK ? 1 : 0);
                desk_finish(&cut.d);
            }
        }
    }
}
