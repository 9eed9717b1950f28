/* The cost of a text delta: a burst of them from the endpoint to an editor with the rich layer. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"

enum { RUNS_MAX = 50, BATCH_COUNT = 200 };

struct endpoint {
    int listener;
    pid_t pid;
    size_t count, event_bytes;
    uint64_t cpu_before_ns, began_ns;
};

static struct str lane_of(struct str request)
{
    size_t at = str_find(request, STR("\"stream_id\":\""), 0);
    size_t end = at == STR_NONE ? at : str_find_byte(request, ',', at);
    return end == STR_NONE ? STR("") : str_slice(request, at, end + 1);
}

static void append_delta(struct buf *event, struct str lane, size_t number)
{
    buf_clear(event);
    buf_append_fmt(event,
                   "{\"type\":\"response.output_text.delta\"," STR_FMT "\"sequence_number\":%zu,"
                   "\"item_id\":\"msg_0123456789abcdef0123456789abcdef0123456789abcdef\","
                   "\"output_index\":0,\"content_index\":0,\"delta\":\" some words \\\"%zu\\\"\\n"
                   "\",\"logprobs\":[]}",
                   STR_ARG(lane), number, number);
}

static const char item[] =
    "{\"type\":\"message\",\"id\":\"msg_0123456789abcdef0123456789abcdef0123456789abcdef\","
    "\"role\":\"assistant\",\"status\":\"completed\",\"content\":[{\"type\":\"output_text\","
    "\"text\":\"Done.\",\"annotations\":[]}]}";

static void play(struct endpoint *endpoint, struct ws *ws)
{
    struct buf event = {0};
    struct str lane = lane_of(ws_receive(ws));
    buf_append_fmt(&event,
                   "{\"type\":\"response.created\"," STR_FMT "\"sequence_number\":0,"
                   "\"response\":{\"id\":\"resp_1\",\"status\":\"in_progress\"}}",
                   STR_ARG(lane));
    endpoint->cpu_before_ns = bench_cpu_ns(endpoint->pid);
    endpoint->began_ns = time_mono_ns();
    ws_send(ws, buf_str(&event));
    for (size_t i = 0; i < endpoint->count; i++) {
        append_delta(&event, lane, i + 1);
        ws_queue(ws, buf_str(&event));
        if ((i + 1) % BATCH_COUNT == 0)
            ws_flush(ws);
    }
    endpoint->event_bytes = event.len;
    buf_clear(&event);
    buf_append_fmt(&event,
                   "{\"type\":\"response.output_item.done\"," STR_FMT "\"sequence_number\":%zu,"
                   "\"output_index\":0,\"item\":%s}",
                   STR_ARG(lane), endpoint->count + 1, item);
    ws_queue(ws, buf_str(&event));
    buf_clear(&event);
    buf_append_fmt(&event,
                   "{\"type\":\"response.completed\"," STR_FMT "\"sequence_number\":%zu,"
                   "\"response\":{\"id\":\"resp_1\",\"status\":\"completed\",\"output\":[%s]}}",
                   STR_ARG(lane), endpoint->count + 2, item);
    ws_send(ws, buf_str(&event));
    buf_finish(&event);
}

static void *serve(void *user)
{
    struct endpoint *endpoint = user;
    struct ws ws;
    ws_accept(&ws, endpoint->listener);
    play(endpoint, &ws);
    while (ws_receive(&ws).len > 0)
        ;
    ws_finish(&ws);
    return NULL;
}

struct result {
    double cpu_us, wall_us, peak_mib;
};

static struct result measure(const char *binary, size_t count, size_t *ret_event_bytes)
{
    unsigned port;
    struct endpoint endpoint = {.listener = ws_listen(&port), .count = count};
    struct editor editor;
    pthread_t thread;
    editor_start(&editor, binary, port);
    endpoint.pid = editor.pid;
    pthread_create(&thread, NULL, serve, &endpoint);
    editor_prompt(&editor);
    editor_await_turn(&editor);
    uint64_t cpu = bench_cpu_ns(editor.pid) - endpoint.cpu_before_ns;
    uint64_t wall = time_mono_ns() - endpoint.began_ns;
    struct result result = {
        .cpu_us = (double)cpu / 1e3 / (double)count,
        .wall_us = (double)wall / 1e3 / (double)count,
        .peak_mib = (double)bench_peak_rss_kib(editor.pid) / 1024,
    };
    editor_stop(&editor);
    pthread_join(thread, NULL);
    close(endpoint.listener);
    *ret_event_bytes = endpoint.event_bytes;
    return result;
}

static void print_row(const char *name, const char *unit, double *values, size_t runs)
{
    bench_sort(values, runs);
    printf("%-30s %8.3f %-4s (%.3f to %.3f)\n", name, bench_percentile(values, runs, 0.5), unit,
           values[0], values[runs - 1]);
}

int main(int argc, char **argv)
{
    static double cpu[RUNS_MAX], wall[RUNS_MAX], peak[RUNS_MAX];
    size_t count = argc > 2 ? (size_t)atoi(argv[2]) : 20000, event_bytes = 0;
    size_t runs = argc > 3 ? (size_t)atoi(argv[3]) : 5;
    if (argc < 2 || count < 1 || runs < 1 || runs > RUNS_MAX)
        bench_die("usage: deltas LANEBRIDGE [DELTAS [RUNS]]");
    bench_isolate();
    bench_print_machine();
    for (size_t run = 0; run < runs; run++) {
        struct result result = measure(argv[1], count, &event_bytes);
        cpu[run] = result.cpu_us;
        wall[run] = result.wall_us;
        peak[run] = result.peak_mib;
    }
    printf("deltas: %zu text deltas of %zu bytes, %zu runs, medians (lowest to highest)\n", count,
           event_bytes, runs);
    print_row("CPU a delta", "us", cpu, runs);
    print_row("time a delta, end to end", "us", wall, runs);
    print_row("peak RSS", "MiB", peak, runs);
    editor_clean_up();
    return 0;
}
