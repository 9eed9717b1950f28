/* response.cancel: tried once where it can hurt nobody, and what came of it is learned. */
#include "fake.h"

#include <string.h>

TestSuite(responses_cancel, .timeout = 10);

#define CANCEL_R1 "{'type':'response.cancel','response_id':'r1'}"

struct scene {
    struct fake fake;
    struct caller caller, other;
    struct fake_wire *wire;
    struct responses_learned learned;
    unsigned told;
};

static void on_learned(void *user, const struct responses_learned *learned)
{
    struct scene *scene = user;
    scene->learned = *learned;
    scene->told++;
}

/* The caller's response runs on l0, and the other's, if wanted, on l1. */
static void scene_start(struct scene *scene, const struct responses_learned *known, bool two)
{
    *scene = (struct scene){.wire = NULL};
    struct responses_options options = {
        .profile = responses_profile_find(STR("openai"), STR("")),
        .deadlines = &fake_deadlines,
        .known = known,
        .on_learned = on_learned,
        .user = scene,
    };
    fake_start_options(&scene->fake, &options);
    caller_start(&scene->caller, &scene->fake, PRIORITY_TURN);
    caller_start(&scene->other, &scene->fake, PRIORITY_TURN);
    caller_say(&scene->caller, "one");
    caller_say(&scene->other, "two");
    cr_assert(caller_create(&scene->caller));
    scene->wire = fake_wire(&scene->fake, 0);
    fake_accept(scene->wire);
    fake_created(scene->wire, "l0", "r1");
    if (two)
        cr_assert(caller_create(&scene->other));
}

static void scene_stop(struct scene *scene)
{
    caller_finish(&scene->caller);
    caller_finish(&scene->other);
    fake_stop(&scene->fake);
}

static void interrupt(struct scene *scene)
{
    caller_interrupt(&scene->caller);
    fake_settle(&scene->fake);
    caller_assert_ended(&scene->caller, RESPONSE_INTERRUPTED);
}

Test(responses_cancel, one_that_works_is_remembered)
{
    static const char *const ends[] = {
        "{'type':'response.cancelled','stream_id':'l0','response':{'id':'r1'}}",
        "{'type':'response.done','stream_id':'l0','response':{'id':'r1','status':'cancelled'}}",
        ("{'type':'response.incomplete','stream_id':'l0','response':{'id':'r1',"
         "'incomplete_details':{'reason':'cancelled'}}}"),
    };
    for (size_t i = 0; i < array_count(ends); i++) {
        struct scene s, next;
        scene_start(&s, NULL, false);
        interrupt(&s);
        fake_assert_sent(s.wire, 1, CANCEL_R1);
        fake_event(s.wire, "%s", ends[i]);
        cr_assert_eq(fake_status(&s.fake).state, RESPONSES_READY, "%zu", i);
        cr_assert(s.learned.cancels);
        cr_assert_str_empty(s.learned.refused);
        scene_stop(&s);

        scene_start(&next, &s.learned, true);
        interrupt(&next);
        fake_assert_sent(next.wire, 2, CANCEL_R1); /* also while others run */
        cr_assert_eq(next.told, 0, "nothing new");
        scene_stop(&next);
    }
}

Test(responses_cancel, not_tried_where_others_run)
{
    struct scene s;
    scene_start(&s, NULL, true);
    interrupt(&s);
    cr_assert_eq(s.wire->sent.len, 2);
    scene_stop(&s);
}

/* Whoever refuses it is not asked again, and nothing else is taken for refused. */
Test(responses_cancel, refused_in_every_shape)
{
    static const char *const errors[] = {
        ("{'type':'error','status':400,'error':{'type':'invalid_request_error','param':'type',"
         "'message':'Unknown event type response.cancel: send response.create.'}}"),
        "{'type':'error','code':'unknown_event','message':'no such event'}",
        "{'type':'error','stream_id':'l0','status':400,'error':{'code':'x','message':'no'}}",
    };
    for (size_t i = 0; i < array_count(errors); i++) {
        struct scene s;
        scene_start(&s, NULL, false);
        interrupt(&s);
        fake_event(s.wire, "%s", errors[i]);
        cr_assert_str_eq(s.learned.refused, "response.cancel", "%zu", i);
        cr_assert_eq(fake_status(&s.fake).state, RESPONSES_DRAINING, "%zu: it still runs", i);
        fake_completed(s.wire, "l0", "r1");
        caller_say(&s.caller, "next");
        cr_assert(caller_create(&s.caller));
        fake_created(s.wire, "l0", "r2");
        interrupt(&s);
        cr_assert_eq(s.wire->sent.len, 3, "%zu: not again", i);
        scene_stop(&s);
    }
}

Test(responses_cancel, an_answer_that_comes_late_hurts_nobody)
{
    struct scene s;
    scene_start(&s, NULL, false);
    interrupt(&s);
    fake_completed(s.wire, "l0", "r1");
    cr_assert(caller_create(&s.other));
    caller_say(&s.caller, "next");
    cr_assert(caller_create(&s.caller));
    fake_event(s.wire, "{'type':'error','status':400,'error':{'code':'response_not_active',"
                       "'message':'It has ended already.'}}");
    cr_assert_eq(s.told, 0, "too late says nothing");
    cr_assert_not(s.wire->is_closed);
    struct str lane = fake_lane_of(fake_last_sent(s.wire));
    cr_assert(str_eq_c(lane, "l1") || str_eq_c(lane, "l0"));
    cr_assert_eq(s.caller.ends, 1);
    cr_assert_eq(s.other.ends, 0);
    scene_stop(&s);
}

Test(responses_cancel, an_error_of_the_response_itself_is_its_end)
{
    struct scene s;
    scene_start(&s, NULL, false);
    interrupt(&s);
    fake_event(s.wire, "{'type':'error','stream_id':'l0','status':500,'error':{'message':'oh'}}");
    cr_assert_eq(fake_status(&s.fake).state, RESPONSES_READY);
    cr_assert_eq(s.told, 0);
    scene_stop(&s);
}

/* Without a word: it went on for all of its budget, or the connection was closed upon it. */
Test(responses_cancel, in_vain)
{
    for (int closed = 0; closed < 2; closed++) {
        struct scene s;
        scene_start(&s, NULL, false);
        interrupt(&s);
        if (closed) {
            fake_close(s.wire, 1008, STATUS_CLOSED);
        } else {
            for (int i = 0; i < 11; i++) {
                fake_advance(&s.fake, 100);
                if (!s.wire->is_closed)
                    fake_alive(s.wire);
            }
        }
        cr_assert_str_eq(s.learned.refused, "response.cancel", "%d", closed);
        scene_stop(&s);
    }
}

/* Its id is told after the interrupt. */
Test(responses_cancel, goes_out_as_soon_as_there_is_an_id)
{
    struct scene s;
    scene_start(&s, NULL, false);
    fake_completed(s.wire, "l0", "r1");
    caller_say(&s.caller, "next");
    cr_assert(caller_create(&s.caller));
    interrupt(&s);
    cr_assert_eq(s.wire->sent.len, 2);
    fake_created(s.wire, "l0", "r2");
    fake_assert_sent(s.wire, 2, "'response_id':'r2'");
    fake_event(s.wire, "{'type':'response.output_text.delta','stream_id':'l0','delta':'x'}");
    cr_assert_eq(s.wire->sent.len, 3, "once");
    scene_stop(&s);
}
