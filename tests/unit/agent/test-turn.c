/* Turns that go well: what is told, in which order, and what the model is sent. */
#include <stdio.h>
#include <string.h>

#include "desk.h"

TestSuite(turn, .timeout = 60);

Test(turn, text_only)
{
    struct desk d;
    static const char *const steps[] = {"think hm\nsay Hello.\ndone", NULL};
    desk_init(&d);
    model_script(&d.w.model, steps);
    cr_assert_not(desk_prompt(&d, "  Say hello\nand more", NULL));
    cr_assert(agent_thread_is_busy(d.thread));
    cr_assert_eq(d.events, 0, "nothing is told before the call has returned");
    desk_idle(&d);
    desk_assert_log(&d, "title=Say hello; turn=Say hello; userMessage=  Say hello\nand more; "
                        "+reasoning; reasoning=hm; +agentMessage; ~Hello.; agentMessage=Hello.; "
                        "completed; ");
    cr_assert_eq(d.last_end.usage.input_tokens, 10);
    cr_assert_eq(d.last_end.usage.cached_tokens, 4);
    cr_assert_eq(d.last_end.usage.output_tokens, 7);
    cr_assert_eq(d.last_end.usage.reasoning_tokens, 2);
    cr_assert_eq(d.last_end.timing.steps, 1);
    cr_assert_eq(d.last_end.timing.calls, 0);
    cr_assert_eq(d.last_end.timing.full_inputs, 1);
    cr_assert_gt(d.last_end.timing.bytes_sent, 0);
    cr_assert(str_eq_c(agent_thread_title(d.thread), "Say hello"));
    desk_finish(&d);
}

Test(turn, second_turn_continues_the_chain)
{
    struct desk d;
    desk_init(&d);
    desk_ask(&d, "one");
    desk_ask(&d, "two");
    cr_assert_eq(d.w.model.frames.len, 2);
    assert_lacks(d.w.model.frames.ptr[0], "previous_response_id");
    assert_has(d.w.model.frames.ptr[1], "\"previous_response_id\":\"resp_1\"");
    assert_lacks(d.w.model.frames.ptr[1], "\"one\"");
    cr_assert(str_eq_c(agent_thread_title(d.thread), "one"), "the title stays");
    desk_finish(&d);
}

static void on_line_note(void *user, const char *line)
{
    struct desk *desk = user;
    buf_append_fmt(&desk->log, "<%s>; ", line);
}

Test(turn, calls_start_when_their_item_is_done)
{
    struct desk d;
    static const char *const steps[] = {"call c1 read_file {'path':'a.txt'}\nwait\nthink on\ncall "
                                        "c2 read_file {'path':'b.txt'}\ndone",
                                        "say done\ndone", NULL};
    desk_init(&d);
    world_put(&d.w, "a.txt", "alpha\n");
    world_put(&d.w, "b.txt", "beta\n");
    model_script(&d.w.model, steps);
    d.w.model.on_line = on_line_note;
    d.w.model.user = &d;
    desk_prompt(&d, "read", NULL);
    desk_waiting(&d);
    world_turns(&d.w, 30);
    assert_has(d.log.ptr, "<wait>; ");
    assert_has(d.log.ptr, "toolCall read_file ok; ");
    cr_assert_eq(d.w.model.frames.len, 1, "outputs wait for the end of the response");
    model_go(&d.w.model);
    desk_idle(&d);
    cr_assert_eq(d.w.model.frames.len, 2);
    const char *frame = d.w.model.frames.ptr[1];
    assert_has(frame, "\"previous_response_id\":\"resp_1\"");
    const char *first = strstr(frame, "\"call_id\":\"c1\""),
               *second = strstr(frame, "\"call_id\":\"c2\"");
    cr_assert(first && second && first < second, "%s", frame);
    assert_has(frame, "alpha");
    assert_has(frame, "beta");
    assert_lacks(frame, "\"function_call\"");
    cr_assert_eq(d.last_end.timing.steps, 2);
    cr_assert_eq(d.last_end.timing.calls, 2);
    cr_assert_eq(d.last_end.usage.input_tokens, 20);
    desk_finish(&d);
}

/* The first call takes longest: the outputs still go out in the order of the calls. */
Test(turn, outputs_keep_the_order_of_the_calls)
{
    struct desk d;
    static const char *const steps[] = {"call c1 grep {'pattern':'x'}\ncall c2 update_plan "
                                        "{'plan':[{'step':'s','status':'pending'}]}\n"
                                        "call c3 no_such_tool {}\ndone",
                                        "say done\ndone", NULL};
    desk_init(&d);
    world_put(&d.w, "a.txt", "x\n");
    model_script(&d.w.model, steps);
    desk_ask(&d, "go");
    const char *frame = d.w.model.frames.ptr[1];
    const char *at[3] = {strstr(frame, "\"c1\""), strstr(frame, "\"c2\""), strstr(frame, "\"c3\"")};
    cr_assert(at[0] && at[1] && at[2] && at[0] < at[1] && at[1] < at[2], "%s", frame);
    assert_has(d.log.ptr, "toolCall no_such_tool bad; ");
    assert_has(d.log.ptr, "plan update_plan ok; ");
    desk_finish(&d);
}

Test(turn, an_edit_goes_to_the_host)
{
    struct desk d;
    static const char *const steps[] = {
        "call c1 write_file {'path':'new.txt','content':'text\\n'}\ndone", "say done\ndone", NULL};
    desk_init(&d);
    model_script(&d.w.model, steps);
    desk_ask(&d, "write");
    cr_assert_eq(d.applies, 1);
    cr_assert_str_eq(world_disk(&d.w, "new.txt"), "text\n");
    assert_has(d.log.ptr, "+fileChange; fileChange write_file ok; ");
    desk_finish(&d);
}

Test(turn, incomplete_is_told_and_ends_the_turn)
{
    struct desk d;
    static const char *const steps[] = {"say half\nincomplete max_output_tokens", "say more\ndone",
                                        NULL};
    desk_init(&d);
    model_script(&d.w.model, steps);
    desk_ask(&d, "go");
    assert_has(d.log.ptr, "agentMessage=half; notice; completed; ");
    desk_ask(&d, "go on");
    cr_assert_eq(d.w.model.frames.len, 2);
    desk_finish(&d);
}

/* -- Prompts and the queue -------------------------------------------------------------------- */

Test(turn, empty_prompts_are_refused)
{
    static const char *const prompts[] = {"", " ", "\n\t \n"};
    struct desk d;
    desk_init(&d);
    for (size_t i = 0; i < array_count(prompts); i++) {
        char id[ID_BYTES];
        bool queued;
        struct err err = {0};
        struct agent_input input = {.prompt = str_from(prompts[i])};
        cr_assert_eq(agent_turn_start(d.thread, &input, id, &queued, &err), STATUS_INVALID);
        assert_has(err.text, "empty");
    }
    cr_assert_not(agent_thread_is_busy(d.thread));
    desk_finish(&d);
}

Test(turn, context_stands_before_the_prompt)
{
    struct desk d;
    char id[ID_BYTES];
    bool queued;
    struct agent_context context = {.label = "selection of a.c, lines 3-9", .text = STR("int x;")};
    struct agent_input input = {.prompt = STR("why?"), .contexts = &context, .context_count = 1};
    desk_init(&d);
    cr_assert_eq(agent_turn_start(d.thread, &input, id, &queued, NULL), STATUS_OK);
    desk_idle(&d);
    assert_has(d.w.model.frames.ptr[0],
               "<context label=\\\"selection of a.c, lines 3-9\\\">\\nint x;\\n</context>\\nwhy?");
    cr_assert(str_eq_c(agent_thread_title(d.thread), "why?"));
    desk_finish(&d);
}

Test(turn, prompts_queue_and_run_in_order)
{
    struct desk d;
    desk_init(&d);
    cr_assert_not(desk_prompt(&d, "one", NULL));
    cr_assert(desk_prompt(&d, "two", NULL));
    cr_assert(desk_prompt(&d, "three", NULL));
    desk_idle(&d);
    cr_assert_eq(d.ends, 3);
    const char *log = d.log.ptr, *one = strstr(log, "turn=one"), *two = strstr(log, "turn=two"),
               *three = strstr(log, "turn=three");
    cr_assert(one && two && three && one < two && two < three, "%s", log);
    cr_assert_lt(strstr(log, "completed"), two, "one turn at a time: %s", log);
    desk_finish(&d);
}

Test(turn, a_full_queue_says_so)
{
    static const char *const steps[] = {"wait\nsay x\ndone", NULL};
    struct desk d;
    char id[ID_BYTES];
    bool queued;
    struct err err = {0};
    struct agent_input input = {.prompt = STR("more")};
    desk_init(&d);
    model_script(&d.w.model, steps);
    desk_prompt(&d, "first", NULL);
    desk_waiting(&d);
    for (int i = 0; i < LIMIT_TURN_QUEUE_COUNT; i++)
        cr_assert(desk_prompt(&d, "more", NULL));
    cr_assert_eq(agent_turn_start(d.thread, &input, id, &queued, &err), STATUS_LIMIT);
    assert_has(err.text, "32 prompts wait");
    desk_finish(&d); /* in the middle of everything */
}

Test(turn, titles)
{
    static const struct {
        const char *prompt, *title;
    } rows[] = {
        {"  fix it  ", "fix it"},
        {"\n\nfirst line\nsecond", "first line"},
        {"12345678901234567890123456789012345678901234567890123456789\xc3\xa9x",
         "12345678901234567890123456789012345678901234567890123456789"},
    };
    for (size_t i = 0; i < array_count(rows); i++) {
        struct desk d;
        desk_init(&d);
        desk_ask(&d, rows[i].prompt);
        cr_assert(str_eq_c(agent_thread_title(d.thread), rows[i].title), "%s", rows[i].prompt);
        desk_finish(&d);
    }
}

/* -- Byte for byte: what the model is told first stays, or no cache of the server is of use ---- */

static void beginning_of(struct desk *d, size_t frame, struct buf *tools, struct buf *items)
{
    struct str text = str_from(d->w.model.frames.ptr[frame]), span, key, item;
    cr_assert_eq(json_raw_member(text, "tools", &span), STATUS_OK);
    buf_clear(tools);
    buf_append(tools, span);
    buf_clear(items);
    cr_assert_eq(json_raw_member(text, "input", &span), STATUS_OK);
    struct json_raw_iter iter = {.rest = span};
    for (size_t i = 0; i < 2 && json_raw_next(&iter, &key, &item); i++)
        buf_append(items, item);
}

Test(turn, instructions_and_tools_are_the_same_bytes_through_a_thread)
{
    struct desk d;
    struct buf tools = {0}, items = {0}, now = {0}, first = {0};
    struct agent_context context = {.label = "image",
                                    .text = STR("shot"),
                                    .image = STR("data:image/gif;base64,R0lGODlhAwACAIAAAA==")};
    struct agent_input input = {.prompt = STR("see"), .contexts = &context, .context_count = 1};
    char turn_id[ID_BYTES], id[ID_BYTES];
    bool queued;
    desk_init(&d);
    world_put(&d.w, "AGENTS.md", "first advice\n");
    desk_ask(&d, "one");
    beginning_of(&d, 0, &tools, &first);
    cr_assert_gt(tools.len, 1000);
    assert_has(first.ptr, "developer");
    world_put(&d.w, "AGENTS.md", "other advice\n"); /* for the next thread */
    cr_assert_eq(agent_turn_start(d.thread, &input, turn_id, &queued, NULL), STATUS_OK);
    desk_idle(&d);
    memcpy(id, agent_thread_id(d.thread), sizeof(id));
    world_end_agent(&d.w);
    desk_agent(&d);
    d.thread = agent_thread_resume(d.w.agent, str_from(id), NULL);
    cr_assert_not_null(d.thread);
    desk_ask(&d, "three");
    desk_ask(&d, "four");
    cr_assert_eq(d.w.model.frames.len, 4);
    for (size_t i = 1; i < d.w.model.frames.len; i++) {
        beginning_of(&d, i, &now, &items);
        cr_expect(str_eq(buf_str(&now), buf_str(&tools)), "the tools of request %zu", i);
    }
    beginning_of(&d, 2, &now, &items); /* full input, of another process */
    cr_expect(str_eq(buf_str(&items), buf_str(&first)), "%s", items.ptr);
    buf_finish(&tools);
    buf_finish(&items);
    buf_finish(&now);
    buf_finish(&first);
    desk_finish(&d);
}
