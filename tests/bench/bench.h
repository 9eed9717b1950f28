/* What the benchmarks have in common: a WebSocket over blocking sockets (both sides), an editor
 * that is only a pipe, and measuring. None of it shares code with what is measured but base. */
#ifndef LANEBRIDGE_BENCH_H
#define LANEBRIDGE_BENCH_H

#include <sys/types.h>

#include <lanebridge/base.h>

enum { BENCH_WAIT_MS = 60000 }; /* above it something hangs, and the benchmark fails */

__attribute__((noreturn, format(printf, 1, 2))) void bench_die(const char *format, ...);

/* -- ws.c ----------------------------------------------------------------------------------------
 */

struct ssl_ctx_st;
struct ssl_st;
struct ws_flate;

struct ws {
    int fd;
    struct ssl_st *tls;     /* NULL: in the clear */
    bool masks;             /* the client's side */
    struct ws_flate *flate; /* permessage-deflate; NULL: not agreed on */
    struct buf in, out;
    size_t taken;                        /* of `in`, by the message handed out last */
    uint64_t received_ns;                /* when the last message was whole */
    uint64_t received_bytes, sent_bytes; /* frames, without TLS */
    uint64_t received_text_bytes;        /* messages */
};
int ws_listen(unsigned *ret_port);
struct ws_options {
    struct ssl_ctx_st *tls; /* NULL: in the clear */
    bool deflates;          /* agrees to permessage-deflate where it is offered */
};
void ws_accept(struct ws *ws, int listener, const struct ws_options *options);
void ws_connect(struct ws *ws, unsigned port, struct ssl_ctx_st *tls);
/* Queues one text frame; ws_flush writes what is queued in one go. */
void ws_queue(struct ws *ws, struct str text);
void ws_flush(struct ws *ws);
void ws_send(struct ws *ws, struct str text);
/* Borrowed until the next call; empty when the peer has closed. */
struct str ws_receive(struct ws *ws);
/* Whether ws_receive has something to hand out or to read before the deadline (time_mono_ns). */
bool ws_wait(struct ws *ws, uint64_t until_ns);
void ws_finish(struct ws *ws);
/* `"stream_id":"…",` of a request, or nothing: what names the lane in our events. */
struct str bench_lane_of(struct str request);

/* -- flate.c: RFC 7692
 * -----------------------------------------------------------------------------
 */

struct ws_flate *ws_flate_new(void);
void ws_flate_free(struct ws_flate *flate);
/* Borrowed until the next call. */
struct str ws_flate_deflate(struct ws_flate *flate, struct str message);
struct str ws_flate_inflate(struct ws_flate *flate, struct str payload);

/* -- tls.c ---------------------------------------------------------------------------------------
 */

/* A certificate for 127.0.0.1 and localhost, signed by an authority of the benchmark's own, whose
 * certificate is written to ca_path. */
struct ssl_ctx_st *tls_server_new(const char *ca_path);
struct ssl_ctx_st *tls_client_new(const char *ca_path);
/* One TLS session over a connected socket, the handshake done. */
struct ssl_st *tls_begin(struct ssl_ctx_st *context, int fd, bool is_server);

/* -- editor.c ------------------------------------------------------------------------------------
 */

struct editor {
    pid_t pid;
    int in, out;
    struct buf text; /* what the server wrote, from the last match on */
    uint64_t spawned_ns, initialized_ns;
};
struct editor_options {
    const char *binary;
    const char *folder;   /* of bench_folder_new */
    const char *settings; /* JSON members beside the profile: `"endpoint.url":"…"` */
};
/* A folder with project/hello.txt in it, for settings, home and state as well. */
const char *bench_folder_new(void);
void bench_folders_remove(void);
void bench_write_file(const char *folder, const char *name, struct str text);
/* `lanebridge lsp` on the folder's project, with the rich layer; initialized. */
void editor_start(struct editor *editor, const struct editor_options *options);
/* One message. */
void editor_say(struct editor *editor, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Reads until `words` have come; what is before them is dropped, what is behind them stays. */
void editor_await(struct editor *editor, const char *words);
void editor_prompt(struct editor *editor);
/* Reads on until the turn is over; dies unless it completed. */
void editor_await_turn(struct editor *editor);
void editor_stop(struct editor *editor);
/* After an `exit` that somebody else has sent. */
void editor_reap(struct editor *editor);

/* -- served.c ----------------------------------------------------------------------------------
 */

/* The real `lanebridge endpoint`, with the recording script.jsonl of the folder. */
struct served {
    pid_t pid;
    int in; /* it ends with its stdin */
    unsigned port;
};
void served_start(struct served *endpoint, const char *binary, const char *folder);
/* Dies if it ends with anything but exit code 0. */
void served_stop(struct served *endpoint);

/* -- measure.c -----------------------------------------------------------------------------------
 */

/* Where we may: a network namespace with nothing but loopback, and a turn before everybody else. */
void bench_isolate(void);
/* CPU time of all threads of a process. */
uint64_t bench_cpu_ns(pid_t pid);
uint64_t bench_peak_rss_kib(pid_t pid);
void bench_sort(double *values, size_t count);
double bench_percentile(const double *sorted, size_t count, double part);
/* Sorts. "name  median unit (lowest to highest)", and whether a goal (0: none) is met. */
void bench_print_row(const char *name, const char *unit, double goal, double *values, size_t runs);
void bench_print_goal(double goal, double value);
/* The machine and how busy it is, as one line: numbers without it say little. */
void bench_print_machine(void);

#endif
