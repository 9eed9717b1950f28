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

struct ws {
    int fd;
    bool masks; /* the client's side */
    struct buf in, out;
    size_t taken;         /* of `in`, by the message handed out last */
    uint64_t received_ns; /* when the last message was whole */
    uint64_t received_bytes, sent_bytes;
};
int ws_listen(unsigned *ret_port);
void ws_accept(struct ws *ws, int listener);
void ws_connect(struct ws *ws, unsigned port);
/* Queues one text frame; ws_flush writes what is queued in one go. */
void ws_queue(struct ws *ws, struct str text);
void ws_flush(struct ws *ws);
void ws_send(struct ws *ws, struct str text);
/* Borrowed until the next call; empty when the peer has closed. */
struct str ws_receive(struct ws *ws);
void ws_finish(struct ws *ws);

/* -- editor.c ------------------------------------------------------------------------------------
 */

struct editor {
    pid_t pid;
    int in, out;
    struct buf text; /* what the server wrote, from the last match on */
    uint64_t spawned_ns, initialized_ns;
};
/* `lanebridge lsp` on a folder with the file hello.txt, against ws://127.0.0.1:PORT; initialized.
 */
void editor_start(struct editor *editor, const char *binary, unsigned port);
void editor_prompt(struct editor *editor);
/* Reads on until the turn is over; dies unless it completed. */
void editor_await_turn(struct editor *editor);
void editor_stop(struct editor *editor);
void editor_clean_up(void);

/* -- measure.c -----------------------------------------------------------------------------------
 */

/* Where we may: a network namespace with nothing but loopback, and a turn before everybody else. */
void bench_isolate(void);
/* CPU time of all threads of a process. */
uint64_t bench_cpu_ns(pid_t pid);
uint64_t bench_peak_rss_kib(pid_t pid);
void bench_sort(double *values, size_t count);
double bench_percentile(const double *sorted, size_t count, double part);
/* The machine and how busy it is, as one line: numbers without it say little. */
void bench_print_machine(void);

#endif
