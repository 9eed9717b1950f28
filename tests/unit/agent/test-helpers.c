/* Helpers of a turn: forked, read-only, nested, and their answer is the call's output. */
#include <stdio.h>
#include <string.h>

#include "desk.h"

TestSuite(helpers, .timeout = 60);

#define ASK(id, question) "call " id " explore {'question':'" question "'}\n"

static size_t count_of(const char *text, const char *part)
{
    size_t count = 0;
    for (const char *at = text; (at = strstr(at, part)); at += strlen(part))
        count++;
    return count;
}

static const char *frame_with(const struct desk *d, const char *part)
{
    for (size_t i = 0; i < d->w.model.frames.len; i++)
        if (strstr(d->w.model.frames.ptr[i], part))
            return d->w.model.frames.ptr[i];
    cr_assert_fail("no request has %s", part);
    return NULL;
}

static const char *last_frame(const struct desk *d)
{
    return vec_last(&d->w.model.frames);
}

Test(helpers, answers_are_the_calls_outputs)
{
    struct desk d;
    static const char *const steps[] = {"think hm\n" ASK("e1", "where is alpha")
                                            ASK("e2", "where is beta") "done",
                                        "say both found\ndone", NULL};
    static const struct model_route routes[] = {
        {"where is alpha", "call r1 grep {'pattern':'alpha'}\ndone"},
        {"where is beta", "say beta is nowhere\ndone"},
        {"alpha here", "say alpha is in a.txt\ndone"},
        {NULL, NULL}};
    desk_init(&d);
    world_put(&d.w, "a.txt", "alpha here\n");
    model_script(&d.w.model, steps);
    d.w.model.routes = routes;
    desk_ask(&d, "look");
    cr_assert_eq(d.w.model.frames.len, 5);
    assert_has(last_frame(&d), "\"call_id\":\"e1\",\"output\":\"alpha is in a.txt\"");
    assert_has(last_frame(&d), "\"call_id\":\"e2\",\"output\":\"beta is nowhere\"");
    assert_has(last_frame(&d), "\"previous_response_id\":\"resp_1\"");
    /* two helpers, two and one requests, and two of its own */
    cr_assert_eq(d.last_end.usage.input_tokens, 50);
    cr_assert_eq(d.last_end.timing.steps, 2);
    cr_assert_eq(d.last_end.timing.calls, 2);
    cr_assert_eq(d.ends, 1);
    desk_finish(&d);
}

Test(helpers, fork_from_the_response_that_asked)
{
    struct desk d;
    static const char *const steps[] = {
        "call c1 read_file {'path':'a.txt'}\n" ASK("e1", "where is alpha") "done", "say done\ndone",
        NULL};
    static const struct model_route routes[] = {{"where is alpha", "say here\ndone"}, {NULL, NULL}};
    desk_init(&d);
    world_put(&d.w, "a.txt", "alpha here\n");
    model_script(&d.w.model, steps);
    d.w.model.routes = routes;
    desk_ask(&d, "the question of the person");
    const char *frame = frame_with(&d, "where is alpha");
    assert_has(frame, "\"previous_response_id\":\"resp_1\"");
    assert_lacks(frame, "the question of the person");
    assert_lacks(frame, "\"stream_id\":\"l0\"");
    assert_has(frame, "\"type\":\"allowed_tools\"");
    assert_has(frame, "{\"type\":\"function\",\"name\":\"grep\"}");
    assert_lacks(frame, "{\"type\":\"function\",\"name\":\"exec_command\"}");
    assert_has(frame, "\"call_id\":\"c1\"");
    assert_has(frame, "\"call_id\":\"e1\"");
    desk_finish(&d);
}

Test(helpers, are_items_within_their_call)
{
    struct desk d;
    static const char *const steps[] = {ASK("e1", "find it") "done", "say done\ndone", NULL};
    static const struct model_route routes[] = {
        {"find it", "call r1 read_file {'path':'a.txt'}\ndone"},
        {"alpha here", "say found\ndone"},
        {NULL, NULL}};
    desk_init(&d);
    world_put(&d.w, "a.txt", "alpha here\n");
    model_script(&d.w.model, steps);
    d.w.model.routes = routes;
    desk_ask(&d, "go");
    desk_assert_log(&d,
                    "title=go; turn=go; userMessage=go; +subagent; (e1)+toolCall; "
                    "(e1)toolCall read_file ok; (e1)+agentMessage; (e1)agentMessage=found; "
                    "subagent explore ok; +agentMessage; ~done; agentMessage=done; completed; ");
    desk_finish(&d);
}

Test(helpers, only_read)
{
    struct desk d;
    static const char *const steps[] = {ASK("e1", "break it") "done", "say done\ndone", NULL};
    static const struct model_route routes[] = {
        {"break it", "call w1 write_file {'path':'a.txt','content':'x'}\n"
                     "call w2 exec_command {'cmd':'rm a.txt'}\n" ASK("w3", "more") "done"},
        {"is not for helpers", "say could not\ndone"},
        {NULL, NULL}};
    desk_init(&d);
    world_put(&d.w, "a.txt", "alpha\n");
    model_script(&d.w.model, steps);
    d.w.model.routes = routes;
    desk_ask(&d, "go");
    cr_assert_eq(count_of(frame_with(&d, "is not for helpers"), "is not for helpers"), 3);
    cr_assert_str_eq(world_disk(&d.w, "a.txt"), "alpha\n");
    cr_assert_eq(d.applies, 0);
    assert_has(last_frame(&d), "\"output\":\"could not\"");
    desk_finish(&d);
}

static const char *const five[] = {ASK("e1", "q1.") ASK("e2", "q2.") ASK("e3", "q3.")
                                       ASK("e4", "q4.") ASK("e5", "q5.") "done",
                                   "say done\ndone", NULL};

Test(helpers, four_at_once_and_the_fifth_waits)
{
    struct desk d;
    static const struct model_route routes[] = {
        {"q1.", "wait\nsay a1\ndone"}, {"q2.", "wait\nsay a2\ndone"}, {"q3.", "wait\nsay a3\ndone"},
        {"q4.", "wait\nsay a4\ndone"}, {"q5.", "say a5\ndone"},       {NULL, NULL}};
    desk_init(&d);
    model_script(&d.w.model, five);
    d.w.model.routes = routes;
    desk_prompt(&d, "go", NULL);
    desk_waiting(&d);
    world_turns(&d.w, 50);
    cr_assert_eq(d.w.model.frames.len, 5);
    model_go(&d.w.model);
    desk_idle(&d);
    cr_assert_eq(d.w.model.frames.len, 7);
    static const char *const answers[] = {"a1", "a2", "a3", "a4", "a5"};
    for (size_t i = 0; i < array_count(answers); i++)
        assert_has(last_frame(&d), answers[i]);
    desk_finish(&d);
}

Test(helpers, one_that_fails_is_told_and_the_others_go_on)
{
    struct desk d;
    static const char *const steps[] = {
        ASK("e1", "good.") ASK("e2", "bad.") ASK("e3", "empty.") "done", "say done\ndone", NULL};
    static const struct model_route routes[] = {{"good.", "say fine\ndone"},
                                                {"bad.", "failed no luck today"},
                                                {"empty.", "think hm\ndone"},
                                                {NULL, NULL}};
    desk_init(&d);
    model_script(&d.w.model, steps);
    d.w.model.routes = routes;
    desk_ask(&d, "go");
    assert_has(last_frame(&d), "\"output\":\"fine\"");
    assert_has(last_frame(&d), "The helper failed: no luck today");
    assert_has(last_frame(&d), "The helper failed: it ended without an answer");
    assert_has(d.log.ptr, "subagent explore bad; ");
    assert_has(d.log.ptr, "completed; ");
    desk_finish(&d);
}

Test(helpers, are_stopped_with_their_turn)
{
    struct desk d;
    static const struct model_route routes[] = {{"q1.", "wait\nsay a1\ndone"},
                                                {"q2.", "wait\nsay a2\ndone"},
                                                {"q3.", "wait\nsay a3\ndone"},
                                                {"q4.", "wait\nsay a4\ndone"},
                                                {NULL, NULL}};
    desk_init(&d);
    model_script(&d.w.model, five);
    d.w.model.routes = routes;
    desk_prompt(&d, "go", NULL);
    desk_waiting(&d);
    world_turns(&d.w, 50);
    cr_assert_eq(agent_turn_interrupt(d.thread, STR(""), NULL), STATUS_OK);
    model_go(&d.w.model);
    desk_idle(&d);
    world_turns(&d.w, 50);
    cr_assert_eq(d.ends, 1);
    assert_has(d.log.ptr, "interrupted; ");
    d.w.model.routes = NULL;
    desk_ask(&d, "and now");
    struct buf sent = {0};
    model_context(&d.w.model, &sent);
    cr_assert_eq(count_of(sent.ptr, "Cancelled by the user."), 5);
    buf_finish(&sent);
    desk_finish(&d);
}

Test(helpers, end_when_their_thread_is_closed)
{
    struct desk d;
    static const struct model_route routes[] = {{"q1.", "wait\nsay a1\ndone"},
                                                {"q2.", "say a2\ndone"},
                                                {"q3.", "say a3\ndone"},
                                                {"q4.", "say a4\ndone"},
                                                {NULL, NULL}};
    desk_init(&d);
    model_script(&d.w.model, five);
    d.w.model.routes = routes;
    desk_prompt(&d, "go", NULL);
    desk_waiting(&d);
    agent_thread_close(d.thread);
    world_turns(&d.w, 50);
    desk_finish(&d);
}

/* Without lanes nothing can be forked: four copies of the conversation would be sent. */
Test(helpers, get_the_question_alone_where_nothing_can_be_forked)
{
    struct desk d;
    static const char *const steps[] = {ASK("e1", "where is alpha") "done", "say done\ndone", NULL};
    static const struct model_route routes[] = {{"where is alpha", "say here\ndone"}, {NULL, NULL}};
    desk_init(&d);
    world_end_agent(&d.w);
    d.w.profile = "xai";
    desk_agent(&d);
    d.thread = agent_thread_start(d.w.agent, str_from(d.w.ws), NULL);
    model_script(&d.w.model, steps);
    d.w.model.routes = routes;
    desk_ask(&d, "the question of the person");
    const char *frame = frame_with(&d, "where is alpha");
    assert_lacks(frame, "previous_response_id");
    assert_lacks(frame, "the question of the person");
    assert_has(frame, "You are Lanebridge");
    assert_has(frame, "\"name\":\"grep\"");
    assert_lacks(frame, "exec_command\",");
    assert_has(last_frame(&d), "\"output\":\"here\"");
    desk_finish(&d);
}

/* Each has a socket then; the thread keeps its own, and what the endpoint holds for it. */
Test(helpers, two_at_once_without_lanes)
{
    struct desk d;
    static const struct model_route routes[] = {
        {"q1.", "wait\nsay a1\ndone"}, {"q2.", "wait\nsay a2\ndone"}, {"q3.", "say a3\ndone"},
        {"q4.", "say a4\ndone"},       {"q5.", "say a5\ndone"},       {NULL, NULL}};
    desk_init(&d);
    world_end_agent(&d.w);
    d.w.profile = "xai";
    desk_agent(&d);
    d.thread = agent_thread_start(d.w.agent, str_from(d.w.ws), NULL);
    model_script(&d.w.model, five);
    d.w.model.routes = routes;
    desk_prompt(&d, "go", NULL);
    desk_waiting(&d);
    world_turns(&d.w, 50);
    cr_assert_eq(d.w.model.frames.len, 3);
    model_go(&d.w.model);
    desk_idle(&d);
    cr_assert_eq(d.w.model.frames.len, 7);
    assert_has(last_frame(&d), "\"previous_response_id\":\"resp_1\"");
    assert_has(last_frame(&d), "a5");
    desk_finish(&d);
}

Test(helpers, come_to_an_end)
{
    struct desk d;
    static const char *const steps[] = {ASK("e1", "for ever") "done", "say done\ndone", NULL};
    struct buf script = {0};
    struct model_route routes[LIMIT_HELPER_STEPS_COUNT + 2] = {
        {"for ever", "call r0 list_dir {'path':'.'}\ndone"}};
    char texts[LIMIT_HELPER_STEPS_COUNT][2][64];
    for (int i = 1; i < LIMIT_HELPER_STEPS_COUNT; i++) {
        snprintf(texts[i][0], sizeof(texts[i][0]), "\"call_id\":\"r%d\"", i - 1);
        snprintf(texts[i][1], sizeof(texts[i][1]), "call r%d list_dir {'path':'.'}\ndone", i);
        routes[i] = (struct model_route){texts[i][0], texts[i][1]};
    }
    routes[LIMIT_HELPER_STEPS_COUNT - 1].step = "say I have seen enough\ndone";
    desk_init(&d);
    model_script(&d.w.model, steps);
    d.w.model.routes = routes;
    desk_ask(&d, "go");
    cr_assert_eq(d.w.model.frames.len, 2 + LIMIT_HELPER_STEPS_COUNT);
    const char *frame = frame_with(&d, "This is your last step");
    assert_has(frame, "\"tool_choice\":\"none\"");
    assert_has(last_frame(&d), "\"output\":\"I have seen enough\"");
    buf_finish(&script);
    desk_finish(&d);
}

/* -- The journal ------------------------------------------------------------------------------ */

struct told {
    struct buf text;
    size_t turns;
};

static void on_past_turn(void *user, const struct journal_turn *turn)
{
    struct told *told = user;
    (void)turn;
    told->turns++;
}

static void on_past_item(void *user, const struct agent_event *event)
{
    struct told *told = user;
    buf_append_fmt(&told->text, "%s%s%s" STR_FMT STR_FMT "; ",
                   event->parent_item_id ? event->parent_item_id : "",
                   event->parent_item_id ? ">" : "", agent_item_type_name(event->item_type),
                   STR_ARG(event->name), STR_ARG(event->text));
}

static bool count_sent(void *user, const struct journal_sent *sent)
{
    *(size_t *)user += str_eq_c(sent->kind, "helper") && sent->input_tokens == 10;
    return true;
}

static bool count_calls(void *user, const struct journal_call *call)
{
    (void)call;
    ++*(size_t *)user;
    return true;
}

Test(helpers, are_in_the_journal_and_the_audit_log)
{
    struct desk d;
    static const char *const steps[] = {ASK("e1", "find it") "done", "say done\ndone", NULL};
    static const struct model_route routes[] = {
        {"find it", "call r1 read_file {'path':'a.txt'}\ndone"},
        {"alpha here", "say found\ndone"},
        {NULL, NULL}};
    static const struct agent_past_handlers handlers = {on_past_turn, on_past_item};
    struct told told = {0};
    struct agent_past_page page = {0};
    char turn_id[ID_BYTES];
    size_t sent = 0, calls = 0;
    desk_init(&d);
    world_put(&d.w, "a.txt", "alpha here\n");
    model_script(&d.w.model, steps);
    d.w.model.routes = routes;
    desk_prompt(&d, "go", turn_id);
    desk_idle(&d);
    agent_thread_past(d.w.agent, agent_thread_id(d.thread), &page, &handlers, &told, NULL);
    cr_assert_str_eq(told.text.ptr, "userMessagego; subagentexplore; e1>toolCallread_file; "
                                    "e1>agentMessagefound; agentMessagedone; ");
    cr_assert_eq(told.turns, 1);
    journal_sent_each(d.w.journal, str_from(turn_id), count_sent, &sent, NULL);
    cr_assert_eq(sent, 2);
    journal_call_each(d.w.journal, STR(""), str_from(turn_id), 100, count_calls, &calls, NULL);
    cr_assert_eq(calls, 2);
    buf_finish(&told.text);
    desk_finish(&d);
}

/* As after kill -9: the call has one output, and the helper is not taken up again. */
Test(helpers, a_turn_that_was_cut_off_goes_on_without_them)
{
    struct desk d;
    static const char *const steps[] = {ASK("e1", "find it") "done", "say going on\ndone", NULL};
    static const struct model_route routes[] = {{"find it", "wait\nsay found\ndone"}, {NULL, NULL}};
    struct buf sent = {0};
    char id[ID_BYTES], turn_id[ID_BYTES];
    bool queued;
    desk_init(&d);
    snprintf(id, sizeof(id), "%s", agent_thread_id(d.thread));
    model_script(&d.w.model, steps);
    d.w.model.routes = routes;
    desk_prompt(&d, "go", NULL);
    desk_waiting(&d);
    world_end_agent(&d.w);
    desk_agent(&d);
    d.w.model.routes = NULL;
    d.thread = agent_thread_resume(d.w.agent, str_from(id), NULL);
    cr_assert_not_null(d.thread);
    cr_assert_eq(agent_thread_continue(d.thread, turn_id, &queued, NULL), STATUS_OK);
    desk_idle(&d);
    model_context(&d.w.model, &sent);
    cr_assert_eq(count_of(sent.ptr, "\"function_call_output\""), 1);
    cr_assert_eq(count_of(sent.ptr, "find it"), 1);
    assert_has(d.log.ptr, "agentMessage=going on; ");
    buf_finish(&sent);
    desk_finish(&d);
}
