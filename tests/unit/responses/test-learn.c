/* What was learned of an endpoint is told once, and used by who comes next. */
#include "fake.h"

#include <string.h>

TestSuite(responses_learn, .timeout = 10);

struct notes {
    struct responses_learned last;
    unsigned count;
    uint64_t pause_ms;
};

static void on_learned(void *user, const struct responses_learned *learned)
{
    struct notes *notes = user;
    notes->last = *learned;
    notes->count++;
}

static uint64_t pause_ms(void *user)
{
    return ((struct notes *)user)->pause_ms;
}

static void start(struct fake *fake, struct caller *caller, struct notes *notes,
                  const struct responses_learned *known)
{
    struct responses_options options = {
        .profile = responses_profile_find(STR("openai"), STR("")),
        .deadlines = &fake_deadlines,
        .known = known,
        .on_learned = on_learned,
        .pause_ms = pause_ms,
        .user = notes,
    };
    fake_start_options(fake, &options);
    caller_start(caller, fake, PRIORITY_TURN);
    caller_say(caller, "one");
}

static void stop(struct fake *fake, struct caller *caller)
{
    caller_finish(caller);
    fake_stop(fake);
}

Test(responses_learn, what_is_refused_is_told_and_not_asked_again)
{
    struct fake fake;
    struct caller caller;
    struct notes notes = {0}, second = {0};
    start(&fake, &caller, &notes, NULL);
    cr_assert(caller_create(&caller));
    struct fake_wire *wire = fake_wire(&fake, 0);
    fake_accept(wire);
    cr_assert_eq(notes.count, 0);
    fake_event(wire, "{'type':'error','stream_id':'l0','status':400,'error':{'param':'include'}}");
    cr_assert_eq(notes.count, 1);
    cr_assert_str_eq(notes.last.refused, "include");
    fake_event(wire, "{'type':'error','status':400,'error':{'param':'stream_id'}}");
    cr_assert_str_eq(notes.last.refused, "stream_id include");
    cr_assert_eq(notes.count, 2);
    stop(&fake, &caller);

    start(&fake, &caller, &second, &notes.last);
    cr_assert(caller_create(&caller));
    wire = fake_wire(&fake, 0);
    fake_accept(wire);
    fake_assert_not_sent(wire, 0, "stream_id");
    fake_assert_not_sent(wire, 0, "include'");
    cr_assert_eq(second.count, 0, "nothing new");
    stop(&fake, &caller);
}

Test(responses_learn, an_early_age_limit_is_told)
{
    struct fake fake;
    struct caller caller;
    struct notes notes = {0};
    struct responses_learned known = {.refused = "what nobody knows", .life_ms = 120000};
    start(&fake, &caller, &notes, &known);
    cr_assert(caller_create(&caller));
    struct fake_wire *wire = fake_wire(&fake, 0);
    fake_accept(wire);
    fake_answer(wire, "l0", "r1", "a");
    fake_advance(&fake, 60 * 1000 - 1);
    cr_assert_eq(fake.wires.len, 1);
    fake_event(wire, "{'type':'error','error':{'code':'websocket_connection_limit_reached'}}");
    cr_assert_eq(notes.count, 1);
    cr_assert_eq(notes.last.life_ms, 59999);
    cr_assert_str_eq(notes.last.refused, "");
    stop(&fake, &caller);
}

Test(responses_learn, a_pause_is_told_and_kept_by_others)
{
    struct fake fake;
    struct caller caller;
    struct notes notes = {0};
    start(&fake, &caller, &notes, NULL);
    cr_assert(caller_create(&caller));
    fake_refuse(fake_wire(&fake, 0), 429, 4000);
    cr_assert_geq(notes.last.pause_ms, 4000);
    stop(&fake, &caller);

    notes.pause_ms = 4000;
    start(&fake, &caller, &notes, NULL);
    cr_assert(caller_create(&caller));
    cr_assert_eq(fake.wires.len, 0);
    notes.pause_ms = 0;
    fake_advance(&fake, 3999);
    cr_assert_eq(fake.wires.len, 0);
    fake_advance(&fake, 1);
    cr_assert_eq(fake.wires.len, 1);
    stop(&fake, &caller);
}

/* -- By model -------------------------------------------------------------------------------- */

static void ask_model(struct fake *fake, struct caller *caller, const char *model, const char *id)
{
    caller->request.model = str_from(model);
    caller_say(caller, "again");
    cr_assert(caller_create(caller));
    fake_created(fake_last(fake), "l0", id);
}

Test(responses_learn, no_steering_is_about_the_model_that_was_asked)
{
    struct fake fake;
    struct caller caller;
    struct notes notes = {0}, second = {0};
    start(&fake, &caller, &notes, NULL);
    caller.request.model = STR("small");
    cr_assert(caller_create(&caller));
    struct fake_wire *wire = fake_wire(&fake, 0);
    fake_accept(wire);
    fake_created(wire, "l0", "r1");
    cr_assert_eq(caller_steer(&caller, "{}"), STATUS_OK);
    fake_event(wire, "{'type':'response.steer.failed','stream_id':'l0','steer':{"
                     "'previous_response_id':'r1'},'error':{'code':'steering_not_supported'}}");
    cr_assert_str_eq(notes.last.refused, "response.steer@small");
    cr_assert_eq(caller_steer(&caller, "{}"), STATUS_UNSUPPORTED);
    fake_completed(wire, "l0", "r1");
    ask_model(&fake, &caller, "large", "r2");
    cr_assert_eq(caller_steer(&caller, "{}"), STATUS_OK, "another model may well");
    stop(&fake, &caller);

    start(&fake, &caller, &second, &notes.last);
    caller.request.model = STR("small");
    cr_assert(caller_create(&caller));
    fake_accept(fake_wire(&fake, 0));
    fake_created(fake_wire(&fake, 0), "l0", "r1");
    cr_assert_eq(caller_steer(&caller, "{}"), STATUS_UNSUPPORTED, "remembered");
    fake_completed(fake_wire(&fake, 0), "l0", "r1");
    ask_model(&fake, &caller, "large", "r2");
    cr_assert_eq(caller_steer(&caller, "{}"), STATUS_OK);
    stop(&fake, &caller);
}

Test(responses_learn, a_refusal_that_speaks_of_the_model_is_about_it)
{
    static const struct {
        const char *error, *refused;
    } cases[] = {
        {"'param':'reasoning.summary','message':'Unsupported parameter.'", "reasoning.summary"},
        {"'param':'reasoning.summary','message':'Not supported with this model.'",
         "reasoning.summary@small"},
        {"'param':'include','code':'unsupported_model','message':'no'", "include@small"},
        {"'param':'context_management','message':'not for this model'", "context_management@small"},
        {"'param':'context_management','message':'unknown parameter'", "context_management"},
        {"'param':'input[0].type','message':'additional_tools: not for this model'",
         "additional_tools@small"},
        {"'param':'generate','message':'no model does that here'", "generate"},
    };
    for (size_t i = 0; i < array_count(cases); i++) {
        struct fake fake;
        struct caller caller;
        struct notes notes = {0};
        start(&fake, &caller, &notes, NULL);
        caller.request.model = STR("small");
        caller.request.effort = STR("low");
        cr_assert(caller_create(&caller));
        struct fake_wire *wire = fake_wire(&fake, 0);
        fake_accept(wire);
        fake_event(wire, "{'type':'error','stream_id':'l0','status':400,'error':{%s}}",
                   cases[i].error);
        cr_assert_str_eq(notes.last.refused, cases[i].refused);
        cr_assert_eq(caller.retries, 1, "%zu: without it, at once", i);
        fake_event(wire, "{'type':'error','stream_id':'l0','status':400,'error':{%s}}",
                   cases[i].error);
        cr_assert_eq(caller.retries, 1, "%zu: not for ever", i);
        caller_assert_ended(&caller, RESPONSE_FAILED);
        stop(&fake, &caller);
    }
}

Test(responses_learn, a_name_that_cannot_be_kept_counts_for_all)
{
    struct fake fake;
    struct caller caller;
    struct notes notes = {0};
    start(&fake, &caller, &notes, NULL);
    caller.request.model = STR("a name with blanks");
    cr_assert(caller_create(&caller));
    fake_accept(fake_wire(&fake, 0));
    fake_event(fake_wire(&fake, 0), "{'type':'error','stream_id':'l0','status':400,'error':{"
                                    "'param':'include','message':'not with this model'}}");
    cr_assert_str_eq(notes.last.refused, "include");
    stop(&fake, &caller);
}
