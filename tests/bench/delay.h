/* A long way to the server: what goes in on one side comes out on the other half a round trip
 * later, whatever its size. A new connection counts as set up one round trip after the client has
 * made it: what it sends before that leaves then, as it would behind a handshake of TCP. It runs on
 * a thread of its own. Bandwidth, loss and slow start are not simulated. */
#ifndef LANEBRIDGE_BENCH_DELAY_H
#define LANEBRIDGE_BENCH_DELAY_H

#include "bench.h"

struct delay_counts {
    unsigned connections;
    uint64_t to_server_bytes, to_client_bytes;
};

/* What the way does beside being long. Those behind DELAY_FORGETS are of proxies that know no
 * WebSocket: they concern the connections that ask for one, all others pass. */
enum delay_manner {
    DELAY_PASSES,
    DELAY_FORGETS,  /* tells the client in every HTTP answer that the connection is not kept */
    DELAY_REFUSES,  /* an upgrade is answered with 403 */
    DELAY_CLOSES,   /* the same, and the connection is closed */
    DELAY_SWALLOWS, /* an upgrade is never answered */
    DELAY_DEAFENS,  /* an upgrade is agreed on, and then nothing passes any more */
};

struct delay;
struct delay *delay_new(unsigned server_port, unsigned round_trip_ms, enum delay_manner manner);
unsigned delay_port(const struct delay *delay);
/* Ends the thread; the counts are of the whole time. */
struct delay_counts delay_free(struct delay *delay);

#endif
