/* An editor that is tired of waiting sends SIGTERM, a terminal that closes SIGHUP: what we have
 * started ends with us then, as it does when the editor says "exit". */
#include <signal.h>

#include "app.h"

static const int numbers[] = {SIGTERM, SIGHUP, SIGINT};

struct signals {
    struct loop_signal *each[array_count(numbers)];
};

struct signals *signals_new(struct loop *loop, void (*on_signal)(void *user), void *user)
{
    struct signals *signals = mem_new(struct signals);
    for (size_t i = 0; i < array_count(numbers); i++)
        signals->each[i] = loop_signal_new(loop, numbers[i], on_signal, user);
    return signals;
}

void signals_free(struct signals *signals)
{
    for (size_t i = 0; signals && i < array_count(numbers); i++)
        loop_signal_free(signals->each[i]);
    mem_free(signals);
}
