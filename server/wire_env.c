/* What the Responses client needs beside connections: clocks, chance, timers. */
#include "wire-internal.h"

#include <time.h>

static uint64_t wire_now_ms(void *user)
{
    struct wire *wire = user;
    return loop_now_ms(wire->loop);
}

/* CLOCK_BOOTTIME counts the time of sleep, the loop's clock does not. */
static uint64_t wire_slept_ms(void *user)
{
    struct timespec all, awake;
    (void)user;
    clock_gettime(CLOCK_BOOTTIME, &all);
    clock_gettime(CLOCK_MONOTONIC, &awake);
    int64_t ms =
        (int64_t)(all.tv_sec - awake.tv_sec) * 1000 + (all.tv_nsec - awake.tv_nsec) / 1000000;
    return ms > 0 ? (uint64_t)ms : 0;
}

static uint32_t wire_random(void *user)
{
    (void)user;
    return (uint32_t)hash_bytes((struct str){(const char *)&(uint64_t){time_mono_ns()}, 8});
}

static struct transport_timer *wire_timer_new(void *user, void (*on_fire)(void *fire_user),
                                              void *fire_user)
{
    struct wire *wire = user;
    return (struct transport_timer *)loop_timer_new(wire->loop, on_fire, fire_user);
}

static void wire_timer_start(struct transport_timer *timer, uint64_t after_ms)
{
    loop_timer_start((struct loop_timer *)timer, after_ms, 0);
}

static void wire_timer_stop(struct transport_timer *timer)
{
    loop_timer_stop((struct loop_timer *)timer);
}

static void wire_timer_free(struct transport_timer *timer)
{
    loop_timer_free((struct loop_timer *)timer);
}

struct transport_env wire_env(struct wire *wire)
{
    return (struct transport_env){.user = wire,
                                  .open = wire_open,
                                  .now_ms = wire_now_ms,
                                  .slept_ms = wire_slept_ms,
                                  .random = wire_random,
                                  .timer_new = wire_timer_new,
                                  .timer_start = wire_timer_start,
                                  .timer_stop = wire_timer_stop,
                                  .timer_free = wire_timer_free};
}
