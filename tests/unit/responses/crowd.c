/* Many callers on one client. */
#include "fake.h"

#include <stdio.h>
#include <string.h>

void crowd_start(struct crowd *crowd, const char *profile, size_t count,
                 enum responses_priority priority)
{
    fake_start(&crowd->fake, profile, RESPONSES_AUTO, false);
    crowd->count = count;
    for (size_t i = 0; i < count; i++) {
        char text[32];
        snprintf(text, sizeof(text), "question %zu.", i);
        caller_start(&crowd->callers[i], &crowd->fake, priority);
        caller_say(&crowd->callers[i], text);
    }
}

void crowd_stop(struct crowd *crowd)
{
    for (size_t i = 0; i < crowd->count; i++)
        caller_finish(&crowd->callers[i]);
    fake_stop(&crowd->fake);
}

const char *lane_asking(struct fake_wire *wire, const char *text, char lane[LANE_BYTES])
{
    for (size_t i = wire->sent.len; i-- > 0;) {
        if (!strstr(wire->sent.ptr[i], text))
            continue;
        struct str name = fake_lane_of(wire->sent.ptr[i]);
        snprintf(lane, LANE_BYTES, STR_FMT, STR_ARG(name));
        return lane;
    }
    cr_assert_fail("nobody asked %s", text);
    return NULL;
}

void answer_caller(struct crowd *crowd, struct fake_wire *wire, size_t index, int round)
{
    char lane[LANE_BYTES], question[32], id[32];
    snprintf(question, sizeof(question), "question %zu.", index);
    snprintf(id, sizeof(id), "r%zu-%d", index, round);
    fake_answer(wire, lane_asking(wire, question, lane), id, "answer");
    caller_assert_ended(&crowd->callers[index], RESPONSE_COMPLETED);
    cr_assert_str_eq(crowd->callers[index].result.response_id, id);
}
