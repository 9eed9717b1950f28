/* The cost of one step: from the end of a response to the next request, which carries the output of
 * one call of read_file. In the clear, over TLS, and where the tools go with every request and
 * messages are compressed. Beside it, in the same run, two bare clients: the floor. The gap counts
 * from before the terminal event is written until the next request is whole. */
#include <errno.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "floors.h"

enum { PAD_BYTES = 20000, RUNS_MAX = 50, STEPS_MAX = 400 /* a turn has at most 500 */ };

enum figure {
    GAP_MEDIAN,
    GAP_95,
    CPU_STEP,
    PEAK_RSS,
    INITIALIZE,
    FIRST_REQUEST,
    SENT_JSON,
    SENT_WIRE,
    FIGURE_COUNT
};
static const struct {
    const char *name, *unit;
    bool is_ours; /* the bare clients have nothing to compare */
} figures[FIGURE_COUNT] = {
    [GAP_MEDIAN] = {"gap, median", "ms", false},
    [GAP_95] = {"gap, 95th percentile", "ms", false},
    [CPU_STEP] = {"CPU a step", "ms", false},
    [PEAK_RSS] = {"peak RSS", "MiB", false},
    [INITIALIZE] = {"spawn to initialize answered", "ms", true},
    [FIRST_REQUEST] = {"spawn to first request", "ms", false},
    [SENT_JSON] = {"JSON sent after the first request", "KiB", true},
    [SENT_WIRE] = {"frames sent, all", "KiB", true},
};

enum client { LANEBRIDGE, BARE, LIBRARY, CLIENT_COUNT };
static const char *const client_names[CLIENT_COUNT] = {"lanebridge", "bare", "library"};

/* What a step is measured with, and the goals (0: none). */
struct variant {
    const char *title, *settings;
    bool is_tls, repeats_tools;
    double goals[FIGURE_COUNT];
};
static const struct variant variants[] = {
    {.title = "ws://",
     .goals = {[GAP_MEDIAN] = 0.10,
               [GAP_95] = 0.30,
               [CPU_STEP] = 0.20,
               [PEAK_RSS] = 12,
               [FIRST_REQUEST] = 15,
               [SENT_JSON] = 80}},
    {.title = "wss://",
     .is_tls = true,
     .goals = {[GAP_MEDIAN] = 0.10,
               [GAP_95] = 0.30,
               [CPU_STEP] = 0.20,
               [PEAK_RSS] = 16,
               [FIRST_REQUEST] = 40,
               [SENT_JSON] = 80}},
    {.title = "wss://, tools in every request, permessage-deflate where it is offered",
     .settings = ",\"model\":\"gpt-5\"", /* one that does not take them once */
     .is_tls = true,
     .repeats_tools = true,
     .goals = {[SENT_WIRE] = 120}},
};

/* Of the whole benchmark. */
static struct {
    const char *binary, *folder;
    char ca_path[96];
    struct ssl_ctx_st *tls;
} bench;

/* -- The endpoint --------------------------------------------------------------------------------
 */

struct endpoint {
    const struct variant *variant;
    enum client client;
    int listener;
    unsigned port;
    size_t steps;
    pid_t pid; /* whose CPU is counted; set before it connects */
    uint64_t spawned_ns, first_ns;
    bool is_looked_at; /* its memory was measured, it may end */
    double gaps[STEPS_MAX];
    double figures[FIGURE_COUNT];
};

static void queue_event(struct ws *ws, struct str lane, const char *type, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
static void queue_event(struct ws *ws, struct str lane, const char *type, const char *format, ...)
{
    struct buf event = {0};
    va_list args;
    va_start(args, format);
    buf_append_fmt(&event, "{\"type\":\"%s\"," STR_FMT, type, STR_ARG(lane));
    buf_append_vfmt(&event, format, args);
    buf_append_byte(&event, '}');
    va_end(args);
    ws_queue(ws, buf_str(&event));
    buf_finish(&event);
}

static void append_call(struct buf *item, size_t step)
{
    buf_append_fmt(item,
                   "{\"type\":\"function_call\",\"id\":\"fc_%zu\",\"call_id\":\"call_%zu\","
                   "\"name\":\"read_file\",\"arguments\":\"{\\\"path\\\":\\\"hello.txt\\\","
                   "\\\"start_line\\\":null,\\\"end_line\\\":null}\",\"status\":\"completed\"}",
                   step, step);
}

static void append_answer(struct buf *item)
{
    buf_append_c(item, "{\"type\":\"message\",\"id\":\"msg_1\",\"role\":\"assistant\",\"status\":"
                       "\"completed\",\"content\":[{\"type\":\"output_text\",\"text\":\"Done.\","
                       "\"annotations\":[]}]}");
}

/* A response with one item, its terminal event written alone. Returns when that was. */
static uint64_t respond(struct ws *ws, struct str lane, size_t step, struct str item)
{
    static char pad[PAD_BYTES + 1];
    memset(pad, 'x', PAD_BYTES);
    queue_event(ws, lane, "response.created",
                "\"sequence_number\":0,\"response\":{\"id\":\"resp_%zu\",\"status\":"
                "\"in_progress\",\"output\":[]}",
                step);
    queue_event(ws, lane, "response.output_item.done",
                "\"sequence_number\":1,\"output_index\":0,\"item\":" STR_FMT, STR_ARG(item));
    ws_flush(ws);
    queue_event(ws, lane, "response.completed",
                "\"sequence_number\":2,\"response\":{\"id\":\"resp_%zu\",\"object\":\"response\","
                "\"status\":\"completed\",\"instructions\":\"%s\",\"output\":[" STR_FMT
                "],\"usage\":{\"input_tokens\":1000,\"output_tokens\":20,\"total_tokens\":1020}}",
                step, pad, STR_ARG(item));
    uint64_t sent = time_mono_ns();
    ws_flush(ws);
    return sent;
}

/* That the client does what it is measured for. */
static void check(const struct endpoint *endpoint, struct str request, size_t step)
{
    char call[32], previous[64];
    snprintf(call, sizeof(call), "\"call_%zu\"", step);
    snprintf(previous, sizeof(previous), "\"previous_response_id\":\"resp_%zu\"", step);
    if (endpoint->client != LANEBRIDGE)
        return;
    if (str_find(request, str_from(call), 0) == STR_NONE ||
        str_find(request, STR("hello from the benchmark"), 0) == STR_NONE)
        bench_die("step %zu is not answered by the file: " STR_FMT, step, STR_ARG(request));
    if (str_find(request, str_from(previous), 0) == STR_NONE)
        bench_die("step %zu is not continued: " STR_FMT, step, STR_ARG(request));
    bool has_tools = str_find(request, STR("\"tools\":["), 0) != STR_NONE;
    if (has_tools != endpoint->variant->repeats_tools)
        bench_die("step %zu %s the tools: " STR_FMT, step, has_tools ? "repeats" : "lacks",
                  STR_ARG(request));
}

static void play(struct endpoint *endpoint, struct ws *ws)
{
    struct buf item = {0};
    struct str request = ws_receive(ws);
    endpoint->first_ns = ws->received_ns;
    uint64_t cpu = bench_cpu_ns(endpoint->pid), first_bytes = ws->received_text_bytes;
    for (size_t step = 0; step < endpoint->steps; step++) {
        buf_clear(&item);
        append_call(&item, step);
        uint64_t sent = respond(ws, bench_lane_of(request), step, buf_str(&item));
        request = ws_receive(ws);
        if (request.len == 0)
            bench_die("the client left at step %zu", step);
        endpoint->gaps[step] = (double)(ws->received_ns - sent) / 1e6;
        check(endpoint, request, step);
    }
    cpu = bench_cpu_ns(endpoint->pid) - cpu;
    endpoint->figures[CPU_STEP] = (double)cpu / 1e6 / (double)endpoint->steps;
    endpoint->figures[SENT_JSON] = (double)(ws->received_text_bytes - first_bytes) / 1024;
    endpoint->figures[SENT_WIRE] = (double)ws->received_bytes / 1024;
    buf_clear(&item);
    append_answer(&item);
    respond(ws, bench_lane_of(request), endpoint->steps, buf_str(&item));
    buf_finish(&item);
}

static bool was_deflated;

static void *serve(void *user)
{
    struct endpoint *endpoint = user;
    const struct variant *variant = endpoint->variant;
    const struct ws_options options = {.tls = variant->is_tls ? bench.tls : NULL,
                                       .deflates = variant->repeats_tools};
    struct ws ws;
    ws_accept(&ws, endpoint->listener, &options);
    play(endpoint, &ws);
    was_deflated |= ws.flate != NULL;
    endpoint->figures[PEAK_RSS] = (double)bench_peak_rss_kib(endpoint->pid) / 1024;
    __atomic_store_n(&endpoint->is_looked_at, true, __ATOMIC_RELEASE);
    while (ws_receive(&ws).len > 0)
        ;
    ws_finish(&ws);
    return NULL;
}

/* -- The clients ---------------------------------------------------------------------------------
 */

static void measure_floor(struct endpoint *endpoint)
{
    char self[] = "step", name[16], number[32], count[32], ca[96];
    bool is_tls = endpoint->variant->is_tls;
    char *argv[] = {self, name, number, count, is_tls ? ca : NULL, NULL};
    char *env[] = {NULL};
    int in[2];
    pthread_t thread;
    posix_spawn_file_actions_t actions;
    snprintf(name, sizeof(name), "%s", client_names[endpoint->client]);
    snprintf(number, sizeof(number), "%u", endpoint->port);
    snprintf(count, sizeof(count), "%zu", endpoint->steps);
    snprintf(ca, sizeof(ca), "%s", bench.ca_path);
    if (pipe(in) < 0)
        bench_die("cannot make a pipe: %s", strerror(errno));
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, in[0], STDIN_FILENO);
    posix_spawn_file_actions_addclose(&actions, in[1]);
    endpoint->spawned_ns = time_mono_ns();
    if (posix_spawn(&endpoint->pid, "/proc/self/exe", &actions, NULL, argv, env) != 0)
        bench_die("cannot start the bare client");
    posix_spawn_file_actions_destroy(&actions);
    pthread_create(&thread, NULL, serve, endpoint);
    while (__atomic_load_n(&endpoint->is_looked_at, __ATOMIC_ACQUIRE) == false)
        usleep(1000);
    close(in[0]);
    close(in[1]);
    pthread_join(thread, NULL);
    waitpid(endpoint->pid, NULL, 0);
}

static void measure_lanebridge(struct endpoint *endpoint)
{
    const struct variant *variant = endpoint->variant;
    struct buf settings = {0};
    struct editor editor;
    pthread_t thread;
    buf_append_fmt(&settings, "\"endpoint.url\":\"%s://127.0.0.1:%u/v1/responses\"%s",
                   variant->is_tls ? "wss" : "ws", endpoint->port,
                   variant->settings ? variant->settings : "");
    if (variant->is_tls)
        buf_append_fmt(&settings, ",\"endpoint.caFile\":\"%s\"", bench.ca_path);
    editor_start(&editor, &(struct editor_options){bench.binary, bench.folder, settings.ptr});
    endpoint->pid = editor.pid;
    endpoint->spawned_ns = editor.spawned_ns;
    endpoint->figures[INITIALIZE] = (double)(editor.initialized_ns - editor.spawned_ns) / 1e6;
    pthread_create(&thread, NULL, serve, endpoint);
    editor_prompt(&editor);
    editor_await_turn(&editor);
    editor_stop(&editor);
    pthread_join(thread, NULL);
    buf_finish(&settings);
}

static void measure(const struct variant *variant, enum client client, size_t steps,
                    double ret_figures[FIGURE_COUNT])
{
    struct endpoint endpoint = {.variant = variant, .client = client, .steps = steps};
    endpoint.listener = ws_listen(&endpoint.port);
    if (client == LANEBRIDGE)
        measure_lanebridge(&endpoint);
    else
        measure_floor(&endpoint);
    close(endpoint.listener);
    bench_sort(endpoint.gaps, steps);
    endpoint.figures[GAP_MEDIAN] = bench_percentile(endpoint.gaps, steps, 0.5);
    endpoint.figures[GAP_95] = bench_percentile(endpoint.gaps, steps, 0.95);
    endpoint.figures[FIRST_REQUEST] = (double)(endpoint.first_ns - endpoint.spawned_ns) / 1e6;
    memcpy(ret_figures, endpoint.figures, sizeof(endpoint.figures));
}

/* -- The tables ----------------------------------------------------------------------------------
 */

static double results[CLIENT_COUNT][FIGURE_COUNT][RUNS_MAX];

static void print_floor(enum client client, enum figure figure, double own, size_t runs)
{
    double *values = results[client][figure];
    bench_sort(values, runs);
    double median = bench_percentile(values, runs, 0.5);
    printf("  %8.3f x%-5.1f", median, own / median);
}

static void print_figure(const struct variant *variant, enum figure figure, size_t runs)
{
    double *own = results[LANEBRIDGE][figure];
    char range[48];
    bench_sort(own, runs);
    double median = bench_percentile(own, runs, 0.5);
    snprintf(range, sizeof(range), "(%.3f to %.3f)", own[0], own[runs - 1]);
    printf("%-34s %8.3f %-4s %-20s", figures[figure].name, median, figures[figure].unit, range);
    for (enum client client = BARE; client < CLIENT_COUNT; client++) {
        if (figures[figure].is_ours)
            printf("  %15s", "");
        else
            print_floor(client, figure, median, runs);
    }
    bench_print_goal(variant->goals[figure], median);
    putchar('\n');
}

static void run_variant(const struct variant *variant, size_t steps, size_t runs)
{
    for (size_t run = 0; run < runs; run++) {
        for (enum client client = LANEBRIDGE; client < CLIENT_COUNT; client++) {
            double values[FIGURE_COUNT];
            measure(variant, client, steps, values);
            for (int figure = 0; figure < FIGURE_COUNT; figure++)
                results[client][figure][run] = values[figure];
        }
    }
    printf("\nstep, %s: %zu steps, %zu runs, medians of the runs (lowest to highest)\n",
           variant->title, steps, runs);
    printf("%-34s %-34s  %-15s  %-15s  %s\n", "", "lanebridge", "bare", "libwebsockets", "goal");
    for (int figure = 0; figure < FIGURE_COUNT; figure++)
        print_figure(variant, (enum figure)figure, runs);
    if (variant->repeats_tools)
        printf("permessage-deflate was %s\n", was_deflated ? "agreed on" : "not offered");
    fflush(stdout);
}

static bool run_as_floor(int argc, char **argv)
{
    if (argc < 4 || argc > 5)
        return false;
    unsigned port = (unsigned)atoi(argv[2]);
    size_t steps = (size_t)atoi(argv[3]);
    if (strcmp(argv[1], client_names[BARE]) == 0)
        floor_run_bare(port, steps, argv[4]);
    else if (strcmp(argv[1], client_names[LIBRARY]) == 0)
        floor_run_library(port, steps, argv[4]);
    else
        return false;
    return true;
}

int main(int argc, char **argv)
{
    if (run_as_floor(argc, argv))
        return 0;
    size_t steps = argc > 2 ? (size_t)atoi(argv[2]) : 100;
    size_t runs = argc > 3 ? (size_t)atoi(argv[3]) : 5;
    if (argc < 2 || steps < 1 || steps > STEPS_MAX || runs < 1 || runs > RUNS_MAX)
        bench_die("usage: step LANEBRIDGE [STEPS [RUNS]]");
    bench_isolate();
    bench_print_machine();
    bench.binary = argv[1];
    bench.folder = bench_folder_new();
    snprintf(bench.ca_path, sizeof(bench.ca_path), "%s/ca.pem", bench.folder);
    bench.tls = tls_server_new(bench.ca_path);
    double ignored[FIGURE_COUNT];
    measure(variants, LANEBRIDGE, 1, ignored); /* makes the journal, brings all into memory */
    for (size_t i = 0; i < array_count(variants); i++)
        run_variant(&variants[i], steps, runs);
    SSL_CTX_free(bench.tls);
    bench_folders_remove();
    return 0;
}
