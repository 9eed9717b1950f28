/* The cost of one step: from the end of a response to the next request, which carries the output of
 * one call of read_file. Beside it, in the same run, a bare loop over a blocking socket: the floor.
 * The gap counts from before the terminal event is written until the next request is whole. */
#include <errno.h>
#include <pthread.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

enum { PAD_BYTES = 20000, RUNS_MAX = 50, STEPS_MAX = 400 /* a turn has at most 500 */ };

enum figure {
    GAP_MEDIAN,
    GAP_95,
    CPU_STEP,
    PEAK_RSS,
    INITIALIZE,
    FIRST_REQUEST,
    SENT,
    FIGURE_COUNT
};
static const struct {
    const char *name, *unit;
    double goal, later; /* 0: none */
    bool is_of_floor;
} figures[FIGURE_COUNT] = {
    [GAP_MEDIAN] = {"gap, median", "ms", 0.5, 0.10, true},
    [GAP_95] = {"gap, 95th percentile", "ms", 0, 0.30, true},
    [CPU_STEP] = {"CPU a step", "ms", 0, 0.20, true},
    [PEAK_RSS] = {"peak RSS", "MiB", 16, 12, true},
    [INITIALIZE] = {"spawn to initialize answered", "ms", 20, 0, false},
    [FIRST_REQUEST] = {"spawn to first request", "ms", 0, 15, true},
    [SENT] = {"sent by the client, all steps", "KiB", 0, 0, true},
};

/* -- The endpoint --------------------------------------------------------------------------------
 */

struct endpoint {
    int listener;
    size_t steps;
    pid_t pid; /* whose CPU is counted; set before it connects */
    bool is_floor;
    uint64_t spawned_ns, first_ns;
    double gaps[STEPS_MAX];
    double figures[FIGURE_COUNT];
};

/* "stream_id":"…" with its comma, or nothing: what names the lane in our events. */
static struct str lane_of(struct str request)
{
    size_t at = str_find(request, STR("\"stream_id\":\""), 0);
    size_t end = at == STR_NONE ? at : str_find_byte(request, ',', at);
    return end == STR_NONE ? STR("") : str_slice(request, at, end + 1);
}

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
    if (endpoint->is_floor)
        return;
    if (str_find(request, str_from(call), 0) == STR_NONE ||
        str_find(request, STR("hello from the benchmark"), 0) == STR_NONE)
        bench_die("step %zu is not answered by the file: " STR_FMT, step, STR_ARG(request));
    if (str_find(request, str_from(previous), 0) == STR_NONE)
        bench_die("step %zu is not continued: " STR_FMT, step, STR_ARG(request));
}

static void play(struct endpoint *endpoint, struct ws *ws)
{
    struct buf item = {0};
    struct str request = ws_receive(ws);
    endpoint->first_ns = ws->received_ns;
    uint64_t cpu = bench_cpu_ns(endpoint->pid), bytes = ws->received_bytes;
    for (size_t step = 0; step < endpoint->steps; step++) {
        buf_clear(&item);
        append_call(&item, step);
        uint64_t sent = respond(ws, lane_of(request), step, buf_str(&item));
        request = ws_receive(ws);
        if (request.len == 0)
            bench_die("the client left at step %zu", step);
        endpoint->gaps[step] = (double)(ws->received_ns - sent) / 1e6;
        check(endpoint, request, step);
    }
    cpu = bench_cpu_ns(endpoint->pid) - cpu;
    endpoint->figures[CPU_STEP] = (double)cpu / 1e6 / (double)endpoint->steps;
    endpoint->figures[SENT] = (double)(ws->received_bytes - bytes) / 1024;
    buf_clear(&item);
    append_answer(&item);
    respond(ws, lane_of(request), endpoint->steps, buf_str(&item));
    buf_finish(&item);
}

static void *serve(void *user)
{
    struct endpoint *endpoint = user;
    struct ws ws;
    ws_accept(&ws, endpoint->listener);
    play(endpoint, &ws);
    endpoint->figures[PEAK_RSS] = (double)bench_peak_rss_kib(endpoint->pid) / 1024;
    while (ws_receive(&ws).len > 0)
        ;
    ws_finish(&ws);
    return NULL;
}

/* -- The two clients -----------------------------------------------------------------------------
 */

static void run_floor(unsigned port, size_t steps)
{
    struct ws ws;
    ws_connect(&ws, port);
    for (size_t step = 0; step <= steps; step++) {
        struct str event;
        ws_send(&ws, STR("{\"type\":\"response.create\",\"previous_response_id\":\"resp\","
                         "\"input\":[{\"type\":\"function_call_output\",\"call_id\":\"call\","
                         "\"output\":\"hello from the benchmark\"}]}"));
        do {
            event = ws_receive(&ws);
        } while (event.len > 0 && !str_starts_with(event, STR("{\"type\":\"response.completed\"")));
    }
    getchar(); /* until we have been looked at */
    ws_finish(&ws);
}

static void measure_floor(struct endpoint *endpoint, const char *self, unsigned port)
{
    char number[32], count[32], mode[] = "floor";
    char *argv[] = {(char *)(uintptr_t)self, mode, number, count, NULL};
    char *env[] = {NULL};
    int in[2];
    pthread_t thread;
    posix_spawn_file_actions_t actions;
    snprintf(number, sizeof(number), "%u", port);
    snprintf(count, sizeof(count), "%zu", endpoint->steps);
    if (pipe(in) < 0)
        bench_die("cannot make a pipe: %s", strerror(errno));
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, in[0], STDIN_FILENO);
    posix_spawn_file_actions_addclose(&actions, in[1]);
    endpoint->is_floor = true;
    endpoint->spawned_ns = time_mono_ns();
    if (posix_spawn(&endpoint->pid, "/proc/self/exe", &actions, NULL, argv, env) != 0)
        bench_die("cannot start the bare client");
    posix_spawn_file_actions_destroy(&actions);
    pthread_create(&thread, NULL, serve, endpoint);
    while (endpoint->figures[PEAK_RSS] == 0)
        usleep(1000);
    close(in[0]);
    close(in[1]);
    pthread_join(thread, NULL);
    waitpid(endpoint->pid, NULL, 0);
}

static void measure_lanebridge(struct endpoint *endpoint, const char *binary, unsigned port)
{
    struct editor editor;
    pthread_t thread;
    editor_start(&editor, binary, port);
    endpoint->pid = editor.pid;
    endpoint->spawned_ns = editor.spawned_ns;
    endpoint->figures[INITIALIZE] = (double)(editor.initialized_ns - editor.spawned_ns) / 1e6;
    pthread_create(&thread, NULL, serve, endpoint);
    editor_prompt(&editor);
    editor_await_turn(&editor);
    editor_stop(&editor);
    pthread_join(thread, NULL);
}

static void measure(const char *self, const char *binary, size_t steps,
                    double ret_figures[FIGURE_COUNT])
{
    unsigned port;
    struct endpoint endpoint = {.listener = ws_listen(&port), .steps = steps};
    if (binary)
        measure_lanebridge(&endpoint, binary, port);
    else
        measure_floor(&endpoint, self, port);
    close(endpoint.listener);
    bench_sort(endpoint.gaps, steps);
    endpoint.figures[GAP_MEDIAN] = bench_percentile(endpoint.gaps, steps, 0.5);
    endpoint.figures[GAP_95] = bench_percentile(endpoint.gaps, steps, 0.95);
    endpoint.figures[FIRST_REQUEST] = (double)(endpoint.first_ns - endpoint.spawned_ns) / 1e6;
    memcpy(ret_figures, endpoint.figures, sizeof(endpoint.figures));
}

/* -- The table -----------------------------------------------------------------------------------
 */

static double results[2][FIGURE_COUNT][RUNS_MAX];

static void print_goal(double goal, double value)
{
    if (goal > 0)
        printf("  <= %-5.4g %-6s", goal, value <= goal ? "met" : "MISSED");
    else
        printf("  %15s", "");
}

static void print_figure(enum figure figure, size_t runs)
{
    double *own = results[1][figure], *floor = results[0][figure];
    bench_sort(own, runs);
    bench_sort(floor, runs);
    double median = bench_percentile(own, runs, 0.5);
    double ground = bench_percentile(floor, runs, 0.5);
    printf("%-30s %8.3f %-4s (%.3f to %.3f)", figures[figure].name, median, figures[figure].unit,
           own[0], own[runs - 1]);
    if (figures[figure].is_of_floor)
        printf("\t%8.3f  x%-5.1f", ground, median / ground);
    else
        printf("\t%8s  %6s", "", "");
    print_goal(figures[figure].goal, median);
    print_goal(figures[figure].later, median);
    putchar('\n');
}

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "floor") == 0) {
        run_floor((unsigned)atoi(argv[2]), (size_t)atoi(argv[3]));
        return 0;
    }
    size_t steps = argc > 2 ? (size_t)atoi(argv[2]) : 100;
    size_t runs = argc > 3 ? (size_t)atoi(argv[3]) : 5;
    if (argc < 2 || steps < 1 || steps > STEPS_MAX || runs < 1 || runs > RUNS_MAX)
        bench_die("usage: step LANEBRIDGE [STEPS [RUNS]]");
    bench_isolate();
    bench_print_machine();
    double ignored[FIGURE_COUNT];
    measure(argv[0], argv[1], 1, ignored); /* makes the journal, brings the program into memory */
    for (size_t run = 0; run < runs; run++) {
        for (int side = 0; side < 2; side++) {
            double values[FIGURE_COUNT];
            measure(argv[0], side ? argv[1] : NULL, steps, values);
            for (int figure = 0; figure < FIGURE_COUNT; figure++)
                results[side][figure][run] = values[figure];
        }
    }
    printf("step: %zu steps, %zu runs, medians of the runs (lowest to highest)\n", steps, runs);
    printf("%-44s %-22s\t%8s  %-6s  %-15s  %s\n", "", "", "bare", "ratio", "goal", "later");
    for (int figure = 0; figure < FIGURE_COUNT; figure++)
        print_figure((enum figure)figure, runs);
    editor_clean_up();
    return 0;
}
