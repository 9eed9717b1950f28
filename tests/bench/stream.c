/* The cost of a text delta, from the socket to an editor with the rich layer: a burst of them, and
 * a steady stream on all lanes. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "stream.h"

enum { BATCH_COUNT = 200 };

/* -- The burst -----------------------------------------------------------------------------------
 */

struct endpoint {
    int listener;
    pid_t pid;
    size_t count, event_bytes;
    uint64_t cpu_before_ns, began_ns;
};

static void play(struct endpoint *endpoint, struct ws *ws)
{
    struct buf event = {0};
    struct str lane = bench_lane_of(ws_receive(ws));
    buf_append_fmt(&event,
                   "{\"type\":\"response.created\"," STR_FMT "\"sequence_number\":0,"
                   "\"response\":{\"id\":\"resp_1\",\"status\":\"in_progress\"}}",
                   STR_ARG(lane));
    endpoint->cpu_before_ns = bench_cpu_ns(endpoint->pid);
    endpoint->began_ns = time_mono_ns();
    ws_send(ws, buf_str(&event));
    for (size_t i = 1; i <= endpoint->count; i++) {
        char text[64];
        snprintf(text, sizeof(text), " some words \\\"%zu\\\"\\n", i);
        buf_clear(&event);
        stream_append_delta(&event, lane, (unsigned)i, text);
        ws_queue(ws, buf_str(&event));
        if (i % BATCH_COUNT == 0)
            ws_flush(ws);
    }
    endpoint->event_bytes = event.len;
    stream_queue_end(ws, lane, "resp_1");
    ws_flush(ws);
    buf_finish(&event);
}

static void *serve(void *user)
{
    struct endpoint *endpoint = user;
    struct ws ws;
    ws_accept(&ws, endpoint->listener, &(struct ws_options){0});
    play(endpoint, &ws);
    while (ws_receive(&ws).len > 0)
        ;
    ws_finish(&ws);
    return NULL;
}

struct figures {
    double cpu_us, wall_us, peak_mib;
};

static struct figures measure(const struct stream_bench *bench, size_t *ret_event_bytes)
{
    unsigned port;
    struct endpoint endpoint = {.listener = ws_listen(&port), .count = bench->deltas};
    struct editor editor;
    pthread_t thread;
    char settings[96];
    snprintf(settings, sizeof(settings), "\"endpoint.url\":\"ws://127.0.0.1:%u/v1/responses\"",
             port);
    editor_start(&editor, &(struct editor_options){bench->binary, bench->folder, settings});
    endpoint.pid = editor.pid;
    pthread_create(&thread, NULL, serve, &endpoint);
    editor_prompt(&editor);
    editor_await_turn(&editor);
    uint64_t cpu = bench_cpu_ns(editor.pid) - endpoint.cpu_before_ns;
    uint64_t wall = time_mono_ns() - endpoint.began_ns;
    struct figures figures = {
        .cpu_us = (double)cpu / 1e3 / (double)bench->deltas,
        .wall_us = (double)wall / 1e3 / (double)bench->deltas,
        .peak_mib = (double)bench_peak_rss_kib(editor.pid) / 1024,
    };
    editor_stop(&editor);
    pthread_join(thread, NULL);
    close(endpoint.listener);
    *ret_event_bytes = endpoint.event_bytes;
    return figures;
}

void stream_burst(const struct stream_bench *bench)
{
    static double cpu[STREAM_RUNS_MAX], wall[STREAM_RUNS_MAX], peak[STREAM_RUNS_MAX];
    size_t event_bytes = 0;
    for (size_t run = 0; run < bench->runs; run++) {
        struct figures figures = measure(bench, &event_bytes);
        cpu[run] = figures.cpu_us;
        wall[run] = figures.wall_us;
        peak[run] = figures.peak_mib;
    }
    printf("\nstream, burst: %zu text deltas of %zu bytes, %zu runs, medians (lowest to highest)\n",
           bench->deltas, event_bytes, bench->runs);
    bench_print_row("CPU a delta", "us", 3, cpu, bench->runs);
    bench_print_row("time a delta, end to end", "us", 0, wall, bench->runs);
    bench_print_row("peak RSS", "MiB", 0, peak, bench->runs);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    struct stream_bench bench = {
        .deltas = argc > 2 ? (size_t)atoi(argv[2]) : 20000,
        .runs = argc > 3 ? (size_t)atoi(argv[3]) : 5,
        .seconds = argc > 4 ? (size_t)atoi(argv[4]) : 5,
    };
    if (argc < 2 || bench.deltas < 1 || bench.runs < 1 || bench.runs > STREAM_RUNS_MAX ||
        bench.seconds < 1)
        bench_die("usage: stream LANEBRIDGE [DELTAS [RUNS [SECONDS]]]");
    bench_isolate();
    bench_print_machine();
    bench.binary = argv[1];
    bench.folder = bench_folder_new();
    stream_burst(&bench);
    stream_paced(&bench);
    bench_folders_remove();
    return 0;
}
