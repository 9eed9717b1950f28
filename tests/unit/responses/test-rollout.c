/* Whole conversations against a server that remembers as a real one does, disturbed at every place:
 * whatever happens, the next answer is the answer to the next question. */
#include "server.h"

#include <stdio.h>

TestSuite(responses_rollout, .timeout = 60);

struct world {
    struct fake fake;
    struct server server;
    struct asker asker;
};

static void world_start(struct world *world, const char *profile)
{
    fake_start(&world->fake, profile, RESPONSES_AUTO, false);
    server_start(&world->server, &world->fake);
    asker_start(&world->asker, &world->fake);
}

static void world_stop(struct world *world)
{
    asker_finish(&world->asker);
    server_stop(&world->server);
    fake_stop(&world->fake);
}

/* Delivers in order until nothing moves any more; at most `limit` events. How many were. */
static size_t run(struct world *world, size_t limit)
{
    size_t count = 0;
    for (int idle = 0; idle < 3 && count < limit;) {
        server_read(&world->server);
        if (server_deliver(&world->server, 0)) {
            count++;
            idle = 0;
        } else {
            fake_advance(&world->fake, 50); /* back-offs */
            idle++;
        }
    }
    return count;
}

/* The status, held against what can be seen from outside. */
static void check_status(struct world *world, const struct asker *askers, size_t count)
{
    struct responses_status status = fake_status(&world->fake);
    size_t asked = 0, open = fake_open_count(&world->fake);
    for (size_t i = 0; i < count; i++)
        asked += askers[i].response != NULL;
    const char *state = responses_state_name(status.state);
    struct str states = buf_str(&world->fake.states);
    size_t blank = str_rfind_byte(states, ' ');
    struct str told = blank == STR_NONE ? states : str_skip(states, blank + 1);
    cr_assert(states.len == 0 || str_eq_c(told, state), "told " STR_FMT ", it is %s", STR_ARG(told),
              state);
    cr_assert_eq(status.sockets, open, "%s", state);
    switch (status.state) {
    case RESPONSES_IDLE:
        cr_assert(asked == 0 && open == 0);
        break;
    case RESPONSES_CONNECTING:
    case RESPONSES_WAITING:
    case RESPONSES_THINKING:
    case RESPONSES_STREAMING:
        cr_assert_gt(asked, 0, "%s", state);
        break;
    case RESPONSES_READY:
    case RESPONSES_DRAINING:
    case RESPONSES_ROTATING:
        cr_assert(asked == 0 && open > 0, "%s: %zu asked", state, asked);
        break;
    case RESPONSES_HTTP:
        cr_assert_eq(status.transport, TRANSPORT_HTTP);
        break;
    case RESPONSES_OFFLINE:
        break;
    }
    cr_assert(status.state == RESPONSES_DRAINING || asked > 0 || status.lanes_active == 0 ||
              status.state == RESPONSES_HTTP);
}

static void ask_and_expect(struct world *world, const char *question)
{
    unsigned before = world->asker.answers;
    asker_ask(&world->asker, question);
    run(world, 1000);
    cr_assert_eq(world->asker.answers, before + 1, "no answer to %s", question);
}

enum { EVENTS_OF_QUESTION = 10 };
static const char *const profiles[] = {"openai", "azure"};

Test(responses_rollout, undisturbed)
{
    for (size_t p = 0; p < array_count(profiles); p++) {
        struct world w;
        world_start(&w, profiles[p]);
        ask_and_expect(&w, "one");
        ask_and_expect(&w, "two");
        ask_and_expect(&w, "three");
        cr_assert_eq(w.asker.calls, 3);
        cr_assert_eq(w.server.full_inputs, 1);
        cr_assert_eq(w.server.continuations, 5);
        cr_assert_eq(w.fake.wires.len, 1);
        cr_assert_eq(fake_status(&w.fake).strays, 0);
        world_stop(&w);
    }
}

Test(responses_rollout, interrupted_at_every_event)
{
    for (size_t p = 0; p < array_count(profiles); p++) {
        for (size_t at = 0; at < EVENTS_OF_QUESTION * CANCELS_COUNT; at++) {
            struct world w;
            world_start(&w, profiles[p]);
            w.server.cancels = at / EVENTS_OF_QUESTION;
            ask_and_expect(&w, "before");
            w.asker.stops = true;
            asker_ask(&w.asker, "interrupted");
            cr_assert_eq(run(&w, at % EVENTS_OF_QUESTION), at % EVENTS_OF_QUESTION);
            if (w.asker.response)
                response_interrupt(w.asker.response);
            fake_settle(&w.fake);
            cr_assert_null(w.asker.response);
            w.asker.is_idle = true;
            ask_and_expect(&w, "after");
            ask_and_expect(&w, "and again");
            world_stop(&w);
        }
    }
}

/* The interrupted response goes on arriving before, between and behind the next one's events. */
Test(responses_rollout, interrupted_and_drained_in_every_order)
{
    for (size_t at = 0; at < EVENTS_OF_QUESTION / 2; at++) {
        for (unsigned mix = 0; mix < 1u << EVENTS_OF_QUESTION; mix++) {
            struct world w;
            world_start(&w, "openai");
            w.asker.stops = true;
            asker_ask(&w.asker, "interrupted");
            run(&w, at);
            response_interrupt(w.asker.response);
            fake_settle(&w.fake);
            w.asker.is_idle = true;
            asker_ask(&w.asker, "after");
            for (unsigned i = 0; i < EVENTS_OF_QUESTION; i++) {
                server_read(&w.server);
                /* Bit set: the first of the new lane's events, else the oldest of all. */
                size_t index = 0;
                char *old = w.server.events.len ? w.server.events.ptr[0].text : NULL;
                while (mix >> i & 1 && index < w.server.events.len &&
                       str_find(str_from(w.server.events.ptr[index].text), STR("\"l0\""), 0) !=
                           STR_NONE)
                    index++;
                if (!old || index >= w.server.events.len)
                    index = 0;
                server_deliver(&w.server, index);
            }
            run(&w, 1000);
            cr_assert_eq(w.asker.answers, 1);
            ask_and_expect(&w, "again");
            cr_assert_eq(w.fake.wires.len, 1);
            world_stop(&w);
            if (at > 0 && mix > 128)
                break; /* one full sweep is enough */
        }
    }
}

Test(responses_rollout, lost_at_every_event)
{
    for (size_t p = 0; p < array_count(profiles); p++) {
        for (size_t at = 0; at <= EVENTS_OF_QUESTION; at++) {
            struct world w;
            world_start(&w, profiles[p]);
            ask_and_expect(&w, "before");
            asker_ask(&w.asker, "lost");
            cr_assert_eq(run(&w, at), at);
            struct fake_wire *wire = fake_wire(&w.fake, 0);
            server_lose(&w.server, wire);
            fake_drop(wire);
            run(&w, 1000);
            cr_assert_eq(w.asker.answers, 2, "lost at %zu", at);
            cr_assert_eq(w.asker.calls, 2, "no call twice, lost at %zu", at);
            ask_and_expect(&w, "after");
            cr_assert_eq(w.fake.wires.len, 2);
            cr_assert_eq(w.server.full_inputs, 2, "lost at %zu", at);
            world_stop(&w);
        }
    }
}

/* The server forgets at every place: each continuation then costs one more round, no more. */
Test(responses_rollout, evicted_before_every_continuation)
{
    for (size_t at = 1; at < 6; at++) {
        struct world w;
        world_start(&w, "openai");
        size_t frames = 0;
        asker_ask(&w.asker, "one");
        for (int i = 0; i < 200; i++) {
            struct fake_wire *wire = fake_wire(&w.fake, 0);
            if (wire->sent.len > frames && ++frames == at + 1 && w.server.lanes.len > 0)
                w.server.lanes.ptr[0]->response_id[0] = '\0';
            server_read(&w.server);
            if (!server_deliver(&w.server, 0) && w.asker.is_idle && w.asker.answers < 3)
                asker_ask(&w.asker, w.asker.answers == 1 ? "two" : "three");
        }
        cr_assert_eq(w.asker.answers, 3);
        cr_assert_eq(w.asker.calls, 3);
        cr_assert_eq(w.server.full_inputs, 2);
        world_stop(&w);
    }
}

Test(responses_rollout, two_conversations_in_random_order)
{
    uint32_t seed = 1;
    for (int round = 0; round < 300; round++) {
        struct world w;
        struct asker other;
        world_start(&w, "openai");
        asker_start(&other, &w.fake);
        for (int i = 0; i < 60; i++) {
            char question[32];
            snprintf(question, sizeof(question), "question %d", i);
            seed = seed * 1664525 + 1013904223;
            if (w.asker.is_idle && !w.asker.response)
                asker_ask(&w.asker, question);
            question[0] = 'Q';
            if (other.is_idle && !other.response)
                asker_ask(&other, question);
            server_read(&w.server);
            /* The first waiting event of either lane: order within a lane is kept. */
            size_t index = 0;
            const char *lane = seed >> 16 & 1 ? "\"l0\"" : "\"l1\"";
            while (index < w.server.events.len &&
                   str_find(str_from(w.server.events.ptr[index].text), str_from(lane), 0) ==
                       STR_NONE)
                index++;
            server_deliver(&w.server, index < w.server.events.len ? index : 0);
        }
        cr_assert_gt(w.asker.answers + other.answers, 3);
        cr_assert_eq(w.server.full_inputs, 2);
        cr_assert_eq(fake_status(&w.fake).strays, 0);
        asker_finish(&other);
        world_stop(&w);
    }
}

/* Everything at once: interrupts, lost sockets and evictions in random order, many conversations.
 */
Test(responses_rollout, a_bad_day)
{
    enum { ASKERS = 6 };
    uint32_t seed = 7;
    unsigned answers = 0, cancelled = 0, seen = 0;
    for (int round = 0; round < 200; round++) {
        struct world w;
        struct asker askers[ASKERS];
        world_start(&w, profiles[round % 2]);
        w.server.cancels = round / 2 % CANCELS_COUNT;
        for (int i = 0; i < ASKERS; i++) {
            asker_start(&askers[i], &w.fake);
            askers[i].may_fail = true; /* when the socket is lost three times in a row */
        }
        for (int i = 0; i < 200; i++) {
            char question[32];
            seed = seed * 1664525 + 1013904223;
            struct asker *asker = &askers[(seed >> 8) % ASKERS];
            unsigned what = (seed >> 16) % 32;
            if (asker->is_idle && !asker->response) {
                snprintf(question, sizeof(question), "question %d", i);
                asker_ask(asker, question);
            } else if (what == 0 && asker->response && i < 150) {
                asker->stops = seed >> 24 & 1;
                response_interrupt(asker->response);
                fake_settle(&w.fake);
            } else if (what == 1 && i < 150) {
                struct fake_wire *wire = fake_last(&w.fake);
                server_read(&w.server);
                if (!wire->is_closed) {
                    server_lose(&w.server, wire);
                    fake_drop(wire);
                }
            } else if (what == 2 && w.server.lanes.len > 0) {
                w.server.lanes.ptr[seed % w.server.lanes.len]->response_id[0] = '\0';
            }
            server_read(&w.server);
            server_deliver(&w.server, 0);
            if (what == 3)
                fake_advance(&w.fake, 30);
            fake_settle(&w.fake);
            check_status(&w, askers, ASKERS);
            seen |= 1u << fake_status(&w.fake).state;
        }
        run(&w, 10000);
        fake_settle(&w.fake);
        check_status(&w, askers, ASKERS);
        for (int i = 0; i < ASKERS; i++) {
            cr_assert(askers[i].is_idle, "asker %d hangs in round %d", i, round);
            answers += askers[i].answers;
            asker_finish(&askers[i]);
        }
        cancelled += w.server.cancelled;
        world_stop(&w);
    }
    cr_assert_gt(answers, 1000);
    cr_assert_gt(cancelled, 10);
    static const enum responses_state states[] = {RESPONSES_WAITING, RESPONSES_THINKING,
                                                  RESPONSES_STREAMING};
    for (size_t i = 0; i < array_count(states); i++)
        cr_assert(seen & 1u << states[i], "never %s", responses_state_name(states[i]));
}
