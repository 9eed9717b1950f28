/* The waits of the connection. */
#include <stdlib.h>

#include "app.h"

/* LANEBRIDGE_TEST_DEADLINES=first_event:500,backoff_first:10 makes waits shorter, in milliseconds,
 * so that sessions can play a dead endpoint in seconds. Never longer: we can only give up sooner.
 */
struct responses_deadlines app_deadlines(void)
{
    struct responses_deadlines deadlines = responses_deadlines_default;
    const struct {
        const char *name;
        uint64_t *wait;
    } waits[] = {
        {"prepare", &deadlines.prepare},
        {"connect", &deadlines.connect},
        {"answer", &deadlines.answer},
        {"proof", &deadlines.proof},
        {"first_event", &deadlines.first_event},
        {"silence", &deadlines.silence},
        {"pong", &deadlines.pong},
        {"thinking", &deadlines.thinking},
        {"http_stream", &deadlines.http_stream},
        {"http_quiet", &deadlines.http_quiet},
        {"drain", &deadlines.drain},
        {"pin_short", &deadlines.pin_short},
        {"pin_middle", &deadlines.pin_middle},
        {"pin_long", &deadlines.pin_long},
        {"backoff_first", &deadlines.backoff_first},
        {"backoff_max", &deadlines.backoff_max},
    };
    struct str rest = str_from(getenv("LANEBRIDGE_TEST_DEADLINES")), pair, name;
    while (str_next(&rest, ',', &pair)) {
        uint64_t ms;
        if (!str_next(&pair, ':', &name) || !str_to_uint64(pair, &ms) || ms == 0)
            continue;
        for (size_t i = 0; i < array_count(waits); i++)
            if (str_eq_c(name, waits[i].name) && ms < *waits[i].wait)
                *waits[i].wait = ms;
    }
    return deadlines;
}
