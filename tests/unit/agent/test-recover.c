/* Turns that meet lost connections, failures and their limits. */
#include <stdio.h>
#include <string.h>

#include "desk.h"

TestSuite(recover, .timeout = 60);

static size_t count(const char *text, const char *part)
{
    size_t found = 0;
    for (; (text = strstr(text, part)); text++)
        found++;
    return found;
}

/* Done items are kept, a trailing reasoning item and what was seen only in part are not. */
Test(recover, a_broken_response_is_adopted)
{
    static const char *const steps[] = {
        "think a\ncall c1 read_file {'path':'a.txt'}\nsay kept\nthink lost\npartial gone\nbreak",
        "say done\ndone", NULL};
    struct desk d;
    struct buf sent = {0};
    desk_init(&d);
    world_put(&d.w, "a.txt", "alpha\n");
    model_script(&d.w.model, steps);
    desk_ask(&d, "go");
    cr_assert_eq(d.w.model.frames.len, 2);
    assert_lacks(d.w.model.frames.ptr[1], "previous_response_id");
    model_context(&d.w.model, &sent);
    cr_assert_eq(count(sent.ptr, "\"function_call\""), 1);
    cr_assert_eq(count(sent.ptr, "\"reasoning\""), 1, "%s", sent.ptr);
    assert_has(sent.ptr, "kept");
    assert_lacks(sent.ptr, "gone");
    assert_has(d.log.ptr, "+agentMessage; ~gone; ");
    assert_has(d.log.ptr, "!!agentMessage=gone; ");
    assert_has(d.log.ptr, "agentMessage=done; completed; ");
    cr_assert_eq(count(d.log.ptr, "toolCall read_file ok"), 1, "no call is asked for twice");
    cr_assert_eq(d.last_end.timing.full_inputs, 2);
    buf_finish(&sent);
    desk_finish(&d);
}

/* Nothing was done: sent again, and what was shown of it ends. */
Test(recover, a_response_without_items_is_sent_again)
{
    static const char *const steps[] = {"partial gone\nbreak", "say done\ndone", NULL};
    struct desk d;
    desk_init(&d);
    model_script(&d.w.model, steps);
    desk_ask(&d, "go");
    assert_has(d.log.ptr,
               "+agentMessage; ~gone; !!agentMessage=gone; notice; +agentMessage; ~done; "
               "agentMessage=done; completed; ");
    cr_assert_eq(d.last_end.timing.retries, 1);
    cr_assert_eq(d.last_end.timing.steps, 1);
    desk_finish(&d);
}

Test(recover, five_breaks_in_a_row_fail)
{
    static const char *const steps[] = {"say on\nbreak", NULL};
    struct desk d;
    desk_init(&d);
    model_script(&d.w.model, steps);
    desk_ask(&d, "go");
    cr_assert_eq(d.last_end.status, TURN_FAILED);
    cr_assert_eq(d.w.model.frames.len, 5);
    assert_has(d.log.ptr, "!error=the connection broke in the middle of the answer, five times");
    static const char *const well[] = {"say back\ndone", NULL};
    model_script(&d.w.model, well);
    desk_ask(&d, "again");
    assert_has(d.log.ptr, "agentMessage=back; completed; ");
    desk_finish(&d);
}

Test(recover, a_call_between_breaks_is_progress)
{
    static const char *const steps[] = {"say 1\nbreak",
                                        "say 2\nbreak",
                                        "say 3\nbreak",
                                        "say 4\nbreak",
                                        "call c1 read_file {'path':'a.txt'}\nbreak",
                                        "say 5\nbreak",
                                        "say 6\nbreak",
                                        "say 7\nbreak",
                                        "say 8\nbreak",
                                        "say end\ndone",
                                        NULL};
    struct desk d;
    desk_init(&d);
    model_script(&d.w.model, steps);
    desk_ask(&d, "go");
    cr_assert_eq(d.last_end.status, TURN_COMPLETED);
    cr_assert_eq(d.w.model.frames.len, 10);
    desk_finish(&d);
}

Test(recover, a_failed_response_ends_its_calls)
{
    static const char *const steps[] = {
        "think a\ncall c1 write_file {'path':'.envrc','content':'x'}\nthink b\nwait\nfailed too "
        "long",
        "say ok\ndone", NULL};
    struct desk d;
    desk_init(&d);
    model_script(&d.w.model, steps);
    desk_prompt(&d, "go", NULL);
    desk_waiting(&d);
    world_turns(&d.w, 20);
    cr_assert_eq(d.asks, 1);
    model_go(&d.w.model);
    desk_idle(&d);
    cr_assert_eq(d.last_end.status, TURN_FAILED);
    assert_has(d.log.ptr, "!error=");
    assert_has(d.log.ptr, "too long");
    assert_has(d.log.ptr, "fileChange write_file bad; failed; ");
    desk_ask(&d, "again"); /* the model checks that c1 has its output */
    cr_assert_eq(d.last_end.status, TURN_COMPLETED);
    desk_finish(&d);
}

Test(recover, no_connection_fails_the_turn)
{
    struct desk d;
    desk_init(&d);
    d.w.model.refuses = true;
    desk_ask(&d, "go");
    cr_assert_eq(d.last_end.status, TURN_FAILED);
    assert_has(d.log.ptr, "notice; ");
    assert_has(d.log.ptr, "!error=");
    d.w.model.refuses = false;
    desk_ask(&d, "again");
    cr_assert_eq(d.last_end.status, TURN_COMPLETED);
    desk_finish(&d);
}

static void desk_init_with_steps(struct desk *d, unsigned steps_max)
{
    struct err err = {0};
    desk_init(d);
    world_end_agent(&d->w);
    d->w.steps_max = steps_max;
    desk_agent(d);
    d->thread = agent_thread_start(d->w.agent, str_from(d->w.ws), &err);
    cr_assert_not_null(d->thread);
}

Test(recover, steps_are_limited)
{
    static const char *const steps[] = {
        "call c1 read_file {'path':'a.txt'}\ndone", "call c2 read_file {'path':'a.txt'}\ndone",
        "call c3 read_file {'path':'a.txt'}\ndone", "say ok\ndone", NULL};
    struct desk d;
    desk_init_with_steps(&d, 3);
    model_script(&d.w.model, steps);
    desk_ask(&d, "go");
    cr_assert_eq(d.last_end.status, TURN_FAILED);
    cr_assert_eq(d.last_end.timing.steps, 3);
    assert_has(d.log.ptr, "after 3 steps");
    desk_ask(&d, "go on"); /* the model checks that c3 has one output */
    cr_assert_eq(d.last_end.status, TURN_COMPLETED);
    desk_finish(&d);
}

/* -- Warm-up ---------------------------------------------------------------------------------- */

static void warm_desk(struct desk *d)
{
    struct err err = {0};
    desk_init(d);
    world_end_agent(&d->w);
    d->w.warm = true;
    desk_agent(d);
    d->thread = agent_thread_start(d->w.agent, str_from(d->w.ws), &err);
    cr_assert_not_null(d->thread);
}

Test(recover, nothing_is_sent_unasked)
{
    struct desk d;
    warm_desk(&d);
    world_turns(&d.w, 10);
    cr_assert_eq(d.w.model.opens, 0);
    desk_finish(&d);
}

Test(recover, a_warm_up_shortens_the_first_request)
{
    struct desk d;
    warm_desk(&d);
    agent_thread_warm(d.thread);
    world_turns(&d.w, 10);
    cr_assert_eq(d.w.model.warm_ups, 1);
    desk_ask(&d, "go");
    assert_has(d.w.model.frames.ptr[0], "\"previous_response_id\":\"resp_1\"");
    assert_lacks(d.w.model.frames.ptr[0], "You are Lanebridge");
    desk_finish(&d);
}

Test(recover, a_prompt_waits_for_its_warm_up)
{
    struct desk d;
    warm_desk(&d);
    d.w.model.waits_for_warm_up = true;
    agent_thread_warm(d.thread);
    desk_waiting(&d);
    desk_prompt(&d, "go", NULL);
    world_turns(&d.w, 10);
    cr_assert_eq(d.w.model.frames.len, 0);
    model_go(&d.w.model);
    desk_idle(&d);
    cr_assert_eq(d.w.model.frames.len, 1);
    desk_finish(&d);
}

/* A warm-up that fails is not tried again; the prompt has its own attempts. */
Test(recover, a_prompt_does_not_wait_for_retries_of_a_warm_up)
{
    struct desk d;
    warm_desk(&d);
    d.w.model.refuses = true;
    agent_thread_warm(d.thread);
    world_turns(&d.w, 40);
    cr_assert_eq(d.w.model.warm_ups, 0);
    unsigned opens = d.w.model.opens;
    world_turns(&d.w, 40);
    cr_assert_eq(d.w.model.opens, opens, "it goes on trying: %u", d.w.model.opens);
    d.w.model.refuses = false;
    desk_ask(&d, "go");
    cr_assert_eq(d.last_end.status, TURN_COMPLETED);
    desk_finish(&d);
}

Test(recover, closing_during_a_warm_up)
{
    struct desk d;
    warm_desk(&d);
    d.w.model.waits_for_warm_up = true;
    agent_thread_warm(d.thread);
    desk_waiting(&d);
    desk_prompt(&d, "go", NULL);
    agent_thread_close(d.thread);
    desk_finish(&d);
}
