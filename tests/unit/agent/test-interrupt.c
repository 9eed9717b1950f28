/* Stopping turns, at every moment; and going on after it. */
#include <stdio.h>
#include <string.h>

#include "desk.h"

TestSuite(interrupt, .timeout = 60);

/* Two steps with reasoning, two calls that run at once, one of them slow. */
static const char *const busy_steps[] = {
    "think a\nthink b\ncall c1 read_file {'path':'a.txt'}\nsay first\n"
    "call c2 write_file {'path':'new.txt','content':'x'}\nthink c\ndone",
    "think d\ncall c3 read_file {'path':'a.txt'}\nsay second\ndone",
    "say third\ndone",
    NULL,
};

/* The same, with an edit of a protected name: it asks, and nobody answers. */
static const char *const asking_steps[] = {
    "think a\nthink b\ncall c1 read_file {'path':'a.txt'}\nsay first\n"
    "call c2 write_file {'path':'.envrc','content':'x'}\nthink c\ndone",
    "say third\ndone",
    NULL,
};

static void stop_now(void *user)
{
    agent_turn_interrupt(((struct desk *)user)->thread, STR(""), NULL);
}

static void stop_inside(struct desk *desk)
{
    if (desk->events == desk->stop_at)
        stop_now(desk);
}

static void stop_after(struct desk *desk)
{
    if (desk->events == desk->stop_at)
        loop_defer(desk->w.loop, stop_now, desk);
}

static size_t count(const char *text, const char *part)
{
    size_t found = 0;
    for (; (text = strstr(text, part)); text++)
        found++;
    return found;
}

/* What the journal has is what the model will be sent after a restart. */
static bool take_item(void *user, const struct journal_item *item)
{
    buf_append_fmt(user, STR_FMT "\n", STR_ARG(item->json));
    return true;
}

/* The model checks that every call is answered once and that no reasoning stands alone. */
static unsigned stop_at(unsigned event, void (*how)(struct desk *desk), const char *const *steps)
{
    struct desk d;
    struct buf kept = {0}, sent = {0};
    desk_init(&d);
    world_put(&d.w, "a.txt", "alpha\n");
    model_script(&d.w.model, steps);
    d.stop_at = event;
    d.on_event = how;
    desk_ask(&d, "go");
    unsigned events = d.events;
    cr_assert_eq(d.ends, 1);
    cr_assert_eq(count(d.log.ptr, "interrupted; ") + count(d.log.ptr, "completed; "), 1, "%s",
                 d.log.ptr);
    bool began = strstr(d.log.ptr, "turn=") != NULL;
    size_t completed =
        count(d.log.ptr, "=") + count(d.log.ptr, " ok; ") + count(d.log.ptr, " bad; ");
    if (began) /* title, turn and prompt have no start */
        cr_assert_eq(count(d.log.ptr, "+"), completed - 3, "started, not completed: %s", d.log.ptr);
    d.on_event = NULL;
    bool was_stopped = strstr(d.log.ptr, "interrupted; ") != NULL;
    desk_ask(&d, "and now?");
    cr_assert_eq(d.ends, 2);
    model_context(&d.w.model, &sent);
    cr_assert_eq(count(sent.ptr, "<turn_interrupted>"), was_stopped && began, "at %u: %s", event,
                 sent.ptr);
    cr_assert_eq(count(sent.ptr, "and now?"), 1);
    journal_item_each(d.w.journal, agent_thread_id(d.thread), 0, take_item, &kept, NULL);
    cr_assert_eq(strncmp(kept.ptr, sent.ptr, sent.len), 0, "%s\n--\n%s", kept.ptr, sent.ptr);
    buf_finish(&kept);
    buf_finish(&sent);
    desk_finish(&d);
    return events;
}

Test(interrupt, inside_every_event)
{
    unsigned all = stop_at(9999, stop_inside, busy_steps);
    cr_assert_gt(all, 15);
    for (unsigned i = 1; i <= all; i++)
        stop_at(i, stop_inside, busy_steps);
}

Test(interrupt, after_every_event)
{
    unsigned all = stop_at(9999, stop_after, busy_steps);
    for (unsigned i = 1; i <= all; i++)
        stop_at(i, stop_after, busy_steps);
}

static bool was_asked(void *user)
{
    return ((struct desk *)user)->asks > 0;
}

struct first_line {
    struct desk *desk;
    unsigned events; /* that had come when the model had the request; 0: not yet */
};

static void note_first_line(void *user, const char *line)
{
    struct first_line *first = user;
    (void)line;
    if (first->events == 0)
        first->events = first->desk->events;
}

/* How many events come before everything waits for the person, and before the model has the
 * request. */
static unsigned events_until_asked(unsigned *ret_requested)
{
    struct desk d;
    desk_init(&d);
    world_put(&d.w, "a.txt", "alpha\n");
    model_script(&d.w.model, asking_steps);
    struct first_line first = {.desk = &d};
    d.w.model.on_line = note_first_line;
    d.w.model.user = &first;
    desk_prompt(&d, "go", NULL);
    world_run(&d.w, was_asked, &d);
    *ret_requested = first.events;
    d.w.model.on_line = NULL;
    world_turns(&d.w, 50);
    unsigned events = d.events;
    agent_turn_interrupt(d.thread, STR(""), NULL);
    desk_idle(&d);
    desk_finish(&d);
    return events;
}

/* The question is never answered: the turn can only end by being stopped. */
Test(interrupt, while_a_call_hangs)
{
    unsigned requested, all = events_until_asked(&requested);
    cr_assert_gt(all, requested + 4);
    /* Stopped before the model has the request, the next prompt would be what is asked about. */
    for (unsigned i = requested + 1; i <= all; i++)
        stop_at(i, stop_after, asking_steps);
}

Test(interrupt, cancels_calls_and_answers_at_once)
{
    static const char *const steps[] = {
        "call c1 write_file {'path':'.envrc','content':'x'}\nwait\ndone", "say ok\ndone", NULL};
    struct desk d;
    desk_init(&d);
    model_script(&d.w.model, steps);
    desk_prompt(&d, "go", NULL);
    desk_waiting(&d);
    world_turns(&d.w, 20);
    cr_assert_eq(d.asks, 1);
    cr_assert_eq(agent_turn_interrupt(d.thread, STR(""), NULL), STATUS_OK);
    cr_assert_eq(d.ends, 1, "told at once");
    cr_assert_eq(d.last_end.status, TURN_INTERRUPTED);
    cr_assert_eq(agent_turn_interrupt(d.thread, STR(""), NULL), STATUS_NOT_FOUND);
    desk_idle(&d);
    cr_assert_eq(d.drops, 1);
    assert_has(d.log.ptr, "interrupted; +fileChange; fileChange write_file bad; ");
    cr_assert_str_eq(world_disk(&d.w, ".envrc"), "(none)");
    desk_ask(&d, "go on");
    assert_has(vec_last(&d.w.model.frames), "\"call_id\":\"c1\",\"output\":");
    assert_lacks(vec_last(&d.w.model.frames), "previous_response_id");
    desk_finish(&d);
}

/* What is with the editor cannot be called back: the next turn waits until it is known. */
Test(interrupt, an_edit_under_way_is_waited_for)
{
    static const char *const steps[] = {
        "call c1 write_file {'path':'new.txt','content':'x'}\nwait\ndone", "say ok\ndone", NULL};
    struct desk d;
    desk_init(&d);
    model_script(&d.w.model, steps);
    d.holds = true;
    desk_prompt(&d, "go", NULL);
    desk_waiting(&d);
    world_turns(&d.w, 20);
    cr_assert_eq(d.applies, 1);
    agent_turn_interrupt(d.thread, STR(""), NULL);
    cr_assert_eq(d.ends, 1, "told at once");
    cr_assert(desk_prompt(&d, "go on", NULL));
    world_turns(&d.w, 20);
    cr_assert_eq(d.w.model.frames.len, 1);
    desk_release(&d);
    desk_idle(&d);
    cr_assert_eq(d.w.model.frames.len, 2);
    assert_has(d.w.model.frames.ptr[1], "\"call_id\":\"c1\",\"output\":\"Applied.");
    desk_finish(&d);
}

Test(interrupt, the_wrong_turn_is_not_found)
{
    static const char *const steps[] = {"wait\nsay x\ndone", NULL};
    struct desk d;
    struct err err = {0};
    desk_init(&d);
    cr_assert_eq(agent_turn_interrupt(d.thread, STR(""), &err), STATUS_NOT_FOUND);
    model_script(&d.w.model, steps);
    desk_prompt(&d, "go", NULL);
    desk_waiting(&d);
    cr_assert_eq(agent_turn_interrupt(d.thread, STR("turn-of-another"), &err), STATUS_NOT_FOUND);
    assert_has(err.text, "no such turn");
    cr_assert_eq(d.ends, 0);
    desk_finish(&d);
}

Test(interrupt, a_queued_turn_leaves_the_queue)
{
    static const char *const steps[] = {"wait\nsay x\ndone", NULL};
    struct desk d;
    char first[ID_BYTES], second[ID_BYTES], third[ID_BYTES];
    desk_init(&d);
    model_script(&d.w.model, steps);
    desk_prompt(&d, "one", first);
    desk_waiting(&d);
    desk_prompt(&d, "two", second);
    desk_prompt(&d, "three", third);
    cr_assert_eq(agent_turn_interrupt(d.thread, str_from(third), NULL), STATUS_OK);
    cr_assert_eq(d.ends, 1);
    cr_assert_eq(agent_turn_interrupt(d.thread, str_from(third), NULL), STATUS_NOT_FOUND);
    cr_assert_eq(agent_turn_interrupt(d.thread, str_from(first), NULL), STATUS_OK);
    cr_assert_eq(agent_turn_interrupt(d.thread, str_from(second), NULL), STATUS_OK);
    desk_idle(&d);
    cr_assert_eq(d.ends, 3);
    assert_lacks(d.log.ptr, "turn=two");
    assert_lacks(d.log.ptr, "turn=three");
    desk_finish(&d);
}

Test(interrupt, at_once_after_the_prompt)
{
    struct desk d;
    char id[ID_BYTES];
    desk_init(&d);
    desk_prompt(&d, "go", id);
    cr_assert_eq(agent_turn_interrupt(d.thread, str_from(id), NULL), STATUS_OK);
    cr_assert_not(agent_thread_is_busy(d.thread));
    desk_ask(&d, "again");
    cr_assert_eq(d.ends, 2);
    cr_assert_eq(d.w.model.frames.len, 1);
    desk_finish(&d);
}

/* -- Closing ---------------------------------------------------------------------------------- */

static bool after_events(void *user)
{
    struct desk *desk = user;
    return desk->events >= desk->stop_at;
}

Test(interrupt, closing_at_every_event_leaks_nothing)
{
    for (unsigned i = 1; i <= 14; i++) {
        struct desk d;
        desk_init(&d);
        world_put(&d.w, "a.txt", "alpha\n");
        model_script(&d.w.model, busy_steps);
        d.stop_at = i;
        d.holds = true;
        desk_prompt(&d, "go", NULL);
        desk_prompt(&d, "and then", NULL);
        world_run(&d.w, after_events, &d);
        unsigned events = d.events;
        if (i % 2)
            agent_thread_close(d.thread);
        else
            world_end_agent(&d.w);
        cr_assert_eq(d.events, events, "no events any more");
        desk_finish(&d);
    }
}

static bool note_status(void *user, const struct journal_turn *turn)
{
    buf_append_fmt(user, STR_FMT " ", STR_ARG(turn->status));
    return true;
}

Test(interrupt, a_closed_thread_has_no_running_turns_and_keeps_prompts_that_wait)
{
    static const char *const steps[] = {"wait\nsay x\ndone", NULL};
    struct desk d;
    struct buf states = {0};
    char id[ID_BYTES];
    desk_init(&d);
    model_script(&d.w.model, steps);
    desk_prompt(&d, "one", NULL);
    desk_waiting(&d);
    desk_prompt(&d, "two", NULL);
    snprintf(id, sizeof(id), "%s", agent_thread_id(d.thread));
    agent_thread_close(d.thread);
    cr_assert_null(agent_thread_find(d.w.agent, str_from(id)));
    cr_assert_not(journal_lease_is_ours(d.w.journal, id));
    journal_turn_each(d.w.journal, id, note_status, &states, NULL);
    cr_assert_str_eq(states.ptr, "interrupted queued ");
    buf_finish(&states);
    desk_finish(&d);
}
