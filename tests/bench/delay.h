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

struct delay;
/* is_forgetful: the client is told in every HTTP answer that the connection is not kept. */
struct delay *delay_new(unsigned server_port, unsigned round_trip_ms, bool is_forgetful);
unsigned delay_port(const struct delay *delay);
/* Ends the thread; the counts are of the whole time. */
struct delay_counts delay_free(struct delay *delay);

#endif
