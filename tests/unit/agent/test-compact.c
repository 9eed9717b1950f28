/* Compaction: by whom, when, what the model gets from then on, and that nothing is lost. */
#include <stdio.h>
#include <string.h>

#include "desk.h"

TestSuite(compact, .timeout = 60);

#define LONG_TEXT "0123456789012345678901234567890123456789012345678901234567890123456789"
#define BY_SUMMARY "generic"

static bool append_kind(void *user, const struct journal_item *item)
{
    buf_append_fmt(user, STR_FMT " ", STR_ARG(item->kind));
    return true;
}

static void assert_kinds(struct desk *d, uint64_t from, const char *expected)
{
    struct buf kinds = {0};
    journal_item_each(d->w.journal, agent_thread_id(d->thread), from, append_kind, &kinds, NULL);
    cr_assert_str_eq(kinds.ptr, expected);
    buf_finish(&kinds);
}

/* A part of what the last request amounted to; NULL-ended. */
static void assert_asked(struct desk *d, const char *const *has, const char *const *lacks)
{
    struct buf text = {0};
    model_context(&d->w.model, &text);
    for (; *has; has++)
        assert_has(text.ptr, *has);
    for (; *lacks; lacks++)
        assert_lacks(text.ptr, *lacks);
    buf_finish(&text);
}

static void start(struct desk *d, const char *profile, const char *compacts,
                  const char *const *steps)
{
    desk_init(d);
    if (profile) {
        world_end_agent(&d->w);
        d->w.profile = profile;
        desk_agent(d);
        d->thread = agent_thread_start(d->w.agent, str_from(d->w.ws), NULL);
    }
    d->w.model.compacts = compacts;
    model_script(&d->w.model, steps);
    world_put(&d->w, "a.txt", "alpha\n");
}

static void want(struct desk *d)
{
    char id[ID_BYTES];
    bool queued;
    cr_assert_eq(agent_thread_compact(d->thread, id, &queued, NULL), STATUS_OK);
}

static void compact(struct desk *d)
{
    want(d);
    desk_idle(d);
}

#define READ_A "call c1 read_file {'path':'a.txt'}\ndone"

/* -- By the endpoint -------------------------------------------------------------------------- */

Test(compact, by_request_its_items_are_kept_verbatim)
{
    struct desk d;
    static const char *const steps[] = {READ_A, "say ANSWER\ndone", "say after\ndone", NULL};
    start(&d, NULL, "ok", steps);
    desk_ask(&d, "FIRST");
    buf_clear(&d.log);
    compact(&d);
    assert_has(d.log.ptr, "turn=Compact the conversation; +compaction; compaction=The conversation "
                          "was compacted: about ");
    assert_has(d.log.ptr, "; completed; ");
    cr_assert_eq(d.last_end.usage.input_tokens, 5);
    cr_assert_eq(d.w.model.frames.len, 2, "nothing of it goes over the socket");
    cr_assert_eq(d.w.model.bodies.len, 1);
    assert_lacks(d.w.model.bodies.ptr[0], "<environment>");
    assert_has(d.w.model.bodies.ptr[0], "\"instructions\":\"You are Lanebridge");
    assert_has(d.w.model.bodies.ptr[0], "function_call_output");
    desk_ask(&d, "SECOND");
    assert_lacks(vec_last(&d.w.model.frames), "previous_response_id");
    static const char *const has[] = {"You are Lanebridge",
                                      "<environment>",
                                      "FIRST",
                                      "{\"type\":\"compaction\",\"encrypted_content\":\"SECRET\"}",
                                      "SECOND",
                                      NULL};
    static const char *const lacks[] = {"ANSWER", "function_call", NULL};
    assert_asked(&d, has, lacks);
    assert_kinds(&d, 1,
                 "context context user output tool output compacted compacted compacted "
                 "compacted user output ");
    assert_kinds(&d, 0, "compacted compacted compacted compacted user output ");
    desk_ask(&d, "THIRD");
    assert_has(vec_last(&d.w.model.frames), "previous_response_id");
    desk_finish(&d);
}

Test(compact, what_came_of_it_outlives_the_process)
{
    struct desk d;
    char id[ID_BYTES];
    static const char *const steps[] = {"say ANSWER\ndone", "say after\ndone", NULL};
    start(&d, NULL, "ok", steps);
    desk_ask(&d, "FIRST");
    compact(&d);
    memcpy(id, agent_thread_id(d.thread), ID_BYTES);
    world_end_agent(&d.w);
    desk_agent(&d);
    d.thread = agent_thread_resume(d.w.agent, str_from(id), NULL);
    desk_ask(&d, "SECOND");
    static const char *const has[] = {"You are Lanebridge", "FIRST", "SECRET", "SECOND", NULL};
    static const char *const lacks[] = {"ANSWER", NULL};
    assert_asked(&d, has, lacks);
    desk_finish(&d);
}

/* What an endpoint without it, or one that fails, makes of it: a summary. */
Test(compact, by_request_failing_ends_in_a_summary)
{
    static const char *const failures[] = {NULL, "server_error", "context_length_exceeded"};
    for (size_t i = 0; i < array_count(failures); i++) {
        struct desk d;
        static const char *const steps[] = {"say ANSWER\ndone", "say SUMMARY\ndone",
                                            "say after\ndone", NULL};
        start(&d, NULL, failures[i], steps);
        desk_ask(&d, "FIRST");
        buf_clear(&d.log);
        compact(&d);
        assert_has(d.log.ptr, "+compaction; compaction=The conversation was compacted: ");
        cr_assert_eq(d.w.model.bodies.len, 1);
        desk_ask(&d, "SECOND");
        static const char *const has[] = {"FIRST", "SUMMARY", "SECOND", NULL};
        static const char *const lacks[] = {"ANSWER", NULL};
        assert_asked(&d, has, lacks);
        want(&d);
        desk_idle(&d);
        cr_assert_eq(d.w.model.bodies.len, failures[i] ? 2 : 1, "a 404 is remembered");
        desk_finish(&d);
    }
}

Test(compact, a_request_that_hangs_can_be_stopped)
{
    struct desk d;
    static const char *const steps[] = {"say ANSWER\ndone", "say after\ndone", NULL};
    start(&d, NULL, "hang", steps);
    desk_ask(&d, "FIRST");
    buf_clear(&d.log);
    want(&d);
    world_turns(&d.w, 10);
    cr_assert_eq(d.w.model.bodies.len, 1);
    cr_assert_eq(agent_turn_interrupt(d.thread, STR(""), NULL), STATUS_OK);
    desk_assert_log(&d, "turn=Compact the conversation; +compaction; !compaction=; interrupted; ");
    desk_idle(&d);
    desk_ask(&d, "SECOND");
    assert_has(vec_last(&d.w.model.frames), "previous_response_id");
    static const char *const has[] = {"FIRST", "ANSWER", "SECOND", NULL};
    static const char *const lacks[] = {"turn_interrupted", NULL};
    assert_asked(&d, has, lacks);
    desk_finish(&d);
}

Test(compact, a_thread_closes_in_the_middle_of_it)
{
    struct desk d;
    static const char *const steps[] = {"say ANSWER\ndone", "wait\nsay x\ndone", NULL};
    for (int i = 0; i < 2; i++) {
        start(&d, i ? BY_SUMMARY : NULL, "hang", steps);
        desk_ask(&d, "FIRST");
        want(&d);
        world_turns(&d.w, 10);
        desk_finish(&d);
    }
}

/* -- By the endpoint, in a response ------------------------------------------------------------ */

Test(compact, in_a_response_the_history_begins_with_its_item)
{
    struct desk d;
    static const char *const steps[] = {
        "say ANSWER\ndone", "think hm\ncompaction\nthink on\n" READ_A, "say after\ndone", NULL};
    start(&d, NULL, NULL, steps);
    desk_ask(&d, "FIRST");
    buf_clear(&d.log);
    desk_ask(&d, "SECOND");
    assert_has(d.log.ptr, "+compaction; compaction=The conversation was compacted.; ");
    static const char *const has[] = {"You are Lanebridge", "\"encrypted_content\":\"E\"",
                                      "\"text\":\"on\"", "function_call_output", NULL};
    static const char *const lacks[] = {"FIRST", "SECOND", "\"text\":\"hm\"", NULL};
    assert_asked(&d, has, lacks);
    assert_lacks(vec_last(&d.w.model.frames), "previous_response_id");
    assert_kinds(&d, 0, "compacted compacted compacted output output tool output ");
    desk_finish(&d);
}

/* The outputs of calls before it still go out: nothing is begun anew then. */
Test(compact, in_a_response_behind_a_call_nothing_begins_anew)
{
    struct desk d;
    static const char *const steps[] = {"call c1 read_file {'path':'a.txt'}\ncompaction\ndone",
                                        "say after\ndone", NULL};
    start(&d, NULL, NULL, steps);
    desk_ask(&d, "FIRST");
    static const char *const has[] = {"FIRST", "\"encrypted_content\":\"E\"",
                                      "function_call_output", NULL};
    static const char *const lacks[] = {NULL};
    assert_asked(&d, has, lacks);
    desk_finish(&d);
}

/* -- By a summary ------------------------------------------------------------------------------ */

Test(compact, a_summary_stands_behind_the_messages_of_the_user)
{
    struct desk d;
    static const char *const steps[] = {READ_A,
                                        "say ANSWER\ndone",
                                        "say more\ndone",
                                        "think hm\nsay SUMMARY ONE\ndone",
                                        "say after\ndone",
                                        "say SUMMARY TWO\ndone",
                                        "say last\ndone",
                                        NULL};
    start(&d, BY_SUMMARY, NULL, steps);
    desk_ask(&d, "FIRST");
    desk_ask(&d, "SECOND");
    buf_clear(&d.log);
    compact(&d);
    cr_assert_eq(d.w.model.bodies.len, 0);
    const char *frame = vec_last(&d.w.model.frames);
    assert_has(frame, "\"tool_choice\":\"none\"");
    assert_has(frame, "\"previous_response_id\":\"resp_3\"");
    assert_has(frame, "Write a summary of this conversation");
    assert_lacks(d.log.ptr, "SUMMARY");
    desk_ask(&d, "THIRD");
    assert_lacks(vec_last(&d.w.model.frames), "previous_response_id");
    static const char *const has[] = {"FIRST", "SECOND", "SUMMARY ONE", "THIRD", NULL};
    static const char *const lacks[] = {"ANSWER", "Write a summary", "function_call", NULL};
    assert_asked(&d, has, lacks);
    compact(&d);
    desk_ask(&d, "FOURTH");
    static const char *const then[] = {"FIRST", "SECOND", "THIRD", "SUMMARY TWO", "FOURTH", NULL};
    static const char *const gone[] = {"SUMMARY ONE", NULL};
    assert_asked(&d, then, gone);
    desk_finish(&d);
}

Test(compact, a_summary_that_is_not_written_changes_nothing)
{
    static const char *const failing[] = {"failed no", "done", READ_A, "think hm\ndone"};
    for (size_t i = 0; i < array_count(failing); i++) {
        struct desk d;
        const char *const steps[] = {"say ANSWER\ndone", failing[i], "say after\ndone", NULL};
        start(&d, BY_SUMMARY, NULL, steps);
        desk_ask(&d, "FIRST");
        buf_clear(&d.log);
        compact(&d);
        assert_has(d.log.ptr, "!compaction=; !error=The conversation could not be compacted: ");
        assert_has(d.log.ptr, "failed; ");
        assert_lacks(d.log.ptr, "toolCall");
        desk_ask(&d, "SECOND");
        static const char *const has[] = {"FIRST", "ANSWER", "SECOND", NULL};
        static const char *const lacks[] = {"Write a summary", NULL};
        assert_asked(&d, has, lacks);
        assert_kinds(&d, 0, "context context user output user output ");
        desk_finish(&d);
    }
}

Test(compact, nothing_to_compact_says_so)
{
    struct desk d;
    static const char *const steps[] = {"say x\ndone", NULL};
    start(&d, NULL, "ok", steps);
    compact(&d);
    assert_has(d.log.ptr, "!error=The conversation could not be compacted: there is nothing");
    cr_assert_eq(d.w.model.bodies.len + d.w.model.frames.len, 0);
    desk_ask(&d, "FIRST");
    desk_finish(&d);
}

/* -- When ------------------------------------------------------------------------------------- */

static void limit(struct desk *d, const char *profile, int64_t tokens)
{
    world_end_agent(&d->w);
    d->w.context_tokens = tokens;
    d->w.profile = profile;
    desk_agent(d);
    d->thread = agent_thread_start(d->w.agent, str_from(d->w.ws), NULL);
}

Test(compact, before_a_turn_that_would_pass_the_threshold)
{
    struct desk d;
    static const char *const steps[] = {"say ANSWER\ndone", "say after\ndone", NULL};
    start(&d, NULL, "ok", steps);
    limit(&d, NULL, 100000);
    d.w.model.used_tokens = 79000;
    desk_ask(&d, "FIRST");
    desk_ask(&d, "SECOND");
    cr_assert_eq(d.w.model.bodies.len, 0);
    d.w.model.used_tokens = 81000;
    desk_ask(&d, "THIRD");
    d.w.model.used_tokens = 9000;
    buf_clear(&d.log);
    desk_ask(&d, "FOURTH");
    assert_has(d.log.ptr, "turn=FOURTH; userMessage=FOURTH; +compaction; compaction=The "
                          "conversation was compacted: about 81,0");
    assert_has(d.log.ptr, " now.; +agentMessage; ~after; agentMessage=after; completed; ");
    cr_assert_eq(d.w.model.bodies.len, 1);
    assert_lacks(d.w.model.bodies.ptr[0], "FOURTH");
    static const char *const has[] = {"FIRST", "THIRD", "SECRET", "FOURTH", NULL};
    static const char *const lacks[] = {"ANSWER", NULL};
    assert_asked(&d, has, lacks);
    desk_finish(&d);
}

/* Where it does not help, it is not done before each turn. */
Test(compact, not_again_before_the_thread_has_grown)
{
    struct desk d;
    static const char *const steps[] = {"say ANSWER\ndone", "say after\ndone", NULL};
    start(&d, NULL, "ok", steps);
    limit(&d, NULL, 1200);
    d.w.model.used_tokens = 1100;
    for (int i = 0; i < 4; i++)
        desk_ask(&d, "AGAIN");
    cr_assert_eq(d.w.model.bodies.len, 1);
    desk_finish(&d);
}

Test(compact, in_the_middle_of_a_turn_only_what_would_not_fit)
{
    static const struct {
        int64_t used;
        size_t bodies;
    } rows[] = {{90000, 0}, {120000, 1}};
    for (size_t i = 0; i < array_count(rows); i++) {
        struct desk d;
        static const char *const steps[] = {READ_A, "say after\ndone", NULL};
        start(&d, NULL, "ok", steps);
        limit(&d, NULL, 100000);
        d.w.model.used_tokens = rows[i].used;
        desk_ask(&d, "FIRST");
        cr_assert_eq(d.w.model.bodies.len, rows[i].bodies);
        assert_has(d.log.ptr, "agentMessage=after; completed; ");
        desk_finish(&d);
    }
}

Test(compact, what_the_server_finds_too_long_is_compacted_once_and_sent_again)
{
    struct desk d;
    static const char *const steps[] = {
        READ_A, "long", "say after\ndone", "long", "long", "say never\ndone", NULL};
    start(&d, NULL, "ok", steps);
    desk_ask(&d, "FIRST");
    assert_has(d.log.ptr, "compaction=The conversation was compacted: ");
    assert_has(d.log.ptr, "agentMessage=after; completed; ");
    cr_assert_eq(d.w.model.bodies.len, 1);
    buf_clear(&d.log);
    desk_ask(&d, "SECOND");
    assert_has(d.log.ptr, "!error=much too long; failed; ");
    cr_assert_eq(d.w.model.bodies.len, 2);
    cr_assert_eq(d.w.model.frames.len, 5);
    desk_ask(&d, "THIRD");
    assert_has(d.log.ptr, "agentMessage=never; completed; ");
    desk_finish(&d);
}

Test(compact, what_is_too_long_to_be_summarized_is_summarized_from_its_later_part)
{
    struct desk d;
    static const char *const steps[] = {"say OLDEST " LONG_TEXT LONG_TEXT "\ndone",
                                        READ_A,
                                        "say NEWEST " LONG_TEXT LONG_TEXT "\ndone",
                                        "long",
                                        "long",
                                        "say SUMMARY\ndone",
                                        "say after\ndone",
                                        NULL};
    start(&d, BY_SUMMARY, NULL, steps);
    desk_ask(&d, "FIRST");
    desk_ask(&d, "SECOND");
    desk_ask(&d, "THIRD");
    assert_has(d.log.ptr, "agentMessage=after; completed; ");
    cr_assert_eq(d.w.model.frames.len, 7);
    const char *cut = d.w.model.frames.ptr[5];
    assert_has(cut, "Older parts of this conversation");
    assert_has(cut, "NEWEST");
    assert_lacks(cut, "OLDEST");
    assert_lacks(cut, "previous_response_id");
    static const char *const has[] = {"FIRST", "SECOND", "SUMMARY", "THIRD", NULL};
    static const char *const lacks[] = {"OLDEST", "NEWEST", NULL};
    assert_asked(&d, has, lacks);
    desk_finish(&d);
}

Test(compact, a_message_that_never_fits_says_so)
{
    struct desk d;
    static const char *const steps[] = {"long", "say never\ndone", NULL};
    start(&d, NULL, "ok", steps);
    desk_ask(&d, "FIRST");
    assert_has(d.log.ptr, "!error=The conversation is too long for the model and could not be "
                          "compacted: there is nothing");
    cr_assert_eq(d.w.model.frames.len, 1);
    desk_finish(&d);
}

static void say_left(struct desk *d)
{
    struct agent_input input = {.prompt = STR("LEFT")};
    if (strstr(d->log.ptr, "+compaction; ") && !strstr(d->log.ptr, "compaction=")) {
        d->on_event = NULL;
        cr_assert_eq(agent_turn_steer(d->thread, STR(""), &input, NULL), STATUS_OK);
    }
}

Test(compact, messages_that_come_meanwhile_are_answered_after_it)
{
    static const char *const ways[] = {NULL, BY_SUMMARY};
    for (size_t i = 0; i < array_count(ways); i++) {
        struct desk d;
        static const char *const steps[] = {"say ANSWER\ndone", "say SUMMARY\ndone",
                                            "say after\ndone", NULL};
        start(&d, ways[i], "ok", ways[i] ? steps : steps + 2);
        desk_ask(&d, "FIRST");
        d.on_event = say_left;
        compact(&d);
        assert_has(d.log.ptr, "userMessage=LEFT; +agentMessage; ~after; ");
        static const char *const has[] = {"FIRST", "LEFT", NULL};
        static const char *const lacks[] = {"ANSWER", NULL};
        assert_asked(&d, has, lacks);
        desk_finish(&d);
    }
}
