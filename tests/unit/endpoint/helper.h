/* An endpoint, and clients of it that write down every event: real sockets on loopback. */
#ifndef TESTS_ENDPOINT_HELPER_H
#define TESTS_ENDPOINT_HELPER_H

#include <criterion/criterion.h>

#include <lanebridge/endpoint.h>
#include <lanebridge/json.h>

struct party {
    struct loop *loop;
    struct net *net;
    struct endpoint *endpoint;
    struct loop_timer *guard;
    size_t in_count, out_count; /* what on_traffic saw */
};
/* script NULL: built-in rules. */
void party_start(struct party *party, const char *script);
void party_start_with(struct party *party, struct endpoint_options options);
void party_end(struct party *party);
enum { PATIENCE_MS = 50000, TURN_MS = 5, PATIENCE_TURNS = PATIENCE_MS / TURN_MS };
/* Runs until *done is true; fails the test after PATIENCE_MS: the machine may be busy. */
void party_run_until(struct party *party, const bool *done, const char *what);
void party_run_ms(struct party *party, uint64_t ms); /* only to show that nothing comes */
int party_connect(const struct party *party);        /* a socket made by hand */
/* Runs until such a socket has bytes, and receives them; 0: it was closed. */
ssize_t party_receive(struct party *party, int fd, char *bytes, size_t size);

/* -- A WebSocket client ---------------------------------------------------------------------------
 */

struct peer {
    struct party *party;
    struct net_ws *ws;
    bool opened, closed, woken;
    struct net_close close;
    VEC(struct json_value *) events; /* NULL: it was no JSON */
    size_t seen;                     /* peer_next goes on from here */
    size_t alives;
};
void peer_open(struct peer *peer, struct party *party);
void peer_try(struct peer *peer, struct party *party, const char *path,
              const struct net_header *headers, size_t count);
void peer_end(struct peer *peer);
void peer_send(struct peer *peer, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* response.create with these members. */
void peer_create(struct peer *peer, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Waits for the next event of that type, skipping others; NULL type: any event. */
const struct json_value *peer_next(struct peer *peer, const char *type);
/* Waits for what ends a response: completed, failed, incomplete or error; on that lane if given. */
const struct json_value *peer_ending(struct peer *peer, const char *lane);
void peer_wait_closed(struct peer *peer);
/* How many events of that type came so far; lane NULL: of all lanes. */
size_t peer_count(const struct peer *peer, const char *type, const char *lane);

/* -- What is in an event --------------------------------------------------------------------------
 */

#define expect_type(event, name) cr_expect_str_eq(json_get_str(event, "type").ptr, name)
const char *event_id(const struct json_value *event);   /* of its response */
const char *event_text(const struct json_value *event); /* of the first output's message; static */
/* Of the nth output. */
const char *event_call(const struct json_value *event, size_t nth);
const char *error_code(const struct json_value *event);
const char *error_message(const struct json_value *event);

#define USER(text) "{\"role\":\"user\",\"content\":\"" text "\"}"
#define OUTPUT "{\"type\":\"function_call_output\",\"call_id\":\"%s\",\"output\":\"%s\"}"

/* -- HTTP -----------------------------------------------------------------------------------------
 */

struct fetch {
    struct party *party;
    struct net_http *http;
    int status;
    bool closed;
    struct net_close close;
    struct buf body;
};
void fetch_start(struct fetch *fetch, struct party *party, const char *method, const char *path,
                 const char *body, const struct net_header *headers, size_t count);
void fetch_run(struct fetch *fetch, struct party *party, const char *method, const char *path,
               const char *body);
void fetch_end(struct fetch *fetch);

#endif
