/* A proxy between client and endpoint that does one thing wrong, at a chosen place of what goes
 * through it. It knows borders and nothing else: a unit is the head of an HTTP message, an HTTP
 * body, a chunk of one (the endpoint writes an event a chunk), or a WebSocket message's frame.
 * Units are counted from 0 for each direction over all connections; pings, pongs and close frames,
 * which come by the clock, are no units. It runs on a thread of its own, on blocking sockets and
 * poll. */
#ifndef LANEBRIDGE_FAULTS_PROXY_H
#define LANEBRIDGE_FAULTS_PROXY_H

#include <lanebridge/base.h>

enum direction { TO_SERVER, TO_CLIENT, DIRECTION_COUNT };

enum fault_kind {
    FAULT_NONE,
    FAULT_DELAY,      /* waits; argument: milliseconds */
    FAULT_SPLIT,      /* the next thousands of bytes go out one by one */
    FAULT_COALESCE,   /* some units go out in one piece */
    FAULT_STALL,      /* nothing goes on in this direction; the connection stays */
    FAULT_RESET,      /* RST to both sides */
    FAULT_ORPHAN,     /* RST to the client; the server is not told */
    FAULT_HALF_CLOSE, /* end of data in this direction, the other one goes on */
    FAULT_CUT,        /* both sides are closed */
    FAULT_GARBAGE,  /* on a border a frame that is no JSON, within a unit bytes that are no frame */
    FAULT_CLOSE,    /* a close frame; argument: its code, 1005 for none */
    FAULT_REFUSE,   /* reset, and from then on upgrades are answered with a status; the argument */
    FAULT_BUSY,     /* the same for the next two upgrades alone */
    FAULT_MUTE,     /* reset, and from then on upgrades are never answered */
    FAULT_DROP,     /* reset, and from then on upgrades are answered by a reset */
    FAULT_DEAF,     /* reset, and from then on nothing comes after the upgrade */
    FAULT_ANSWER,   /* HTTP: the request is answered with a status; the argument */
    FAULT_COMMENTS, /* HTTP: for a while nothing but comments; argument: milliseconds */
    FAULT_DEAD,     /* after the first turn, without a word: the connections stay, nothing passes */
    FAULT_INTERRUPT, /* nothing is wrong: it is kept back until proxy_release */
    FAULT_KIND_COUNT,
};

enum place { PLACE_BEFORE, PLACE_HEADER, PLACE_PAYLOAD, PLACE_AFTER, PLACE_COUNT };

struct fault {
    enum fault_kind kind;
    unsigned argument;
    enum direction direction;
    unsigned unit;
    enum place place;
};

struct proxy_counts {
    unsigned units[DIRECTION_COUNT];
    unsigned connections, upgrades, posts;
    bool fired;
};

struct proxy;
/* Between a port it picks and `server_port`, both on 127.0.0.1. NULL when there is no socket. */
struct proxy *proxy_new(unsigned server_port, const struct fault *fault);
unsigned proxy_port(const struct proxy *proxy);
/* From now on nothing goes wrong any more; what went wrong is not mended. */
void proxy_calm(struct proxy *proxy);
/* What is connected now stays so, and nothing passes any more. */
void proxy_kill_silently(struct proxy *proxy);
/* The fault's unit is kept back, and everything behind it. */
bool proxy_is_holding(struct proxy *proxy);
void proxy_release(struct proxy *proxy);
void proxy_get_counts(struct proxy *proxy, struct proxy_counts *ret_counts);
void proxy_free(struct proxy *proxy);

#endif
