/* What a turn costs where a WebSocket cannot be had, beside the same turn over plain HTTP: the
 * first turn of a new process, one request, on ways of several lengths. Simulated are the way and
 * the proxy on it that knows no WebSocket (delay.h); client and endpoint are the real ones. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "delay.h"

enum { RUNS_MAX = 9 };
static const unsigned round_trips_ms[] = {0, 20, 80};

/* `trips` and `more_ms`: what it may cost over plain HTTP. */
static const struct manner {
    const char *name, *transport;
    enum delay_manner manner;
    unsigned trips, more_ms;
    bool is_slow; /* left out of the short run */
} manners[] = {
    {"HTTP", "http", DELAY_PASSES, 0, 0, false},
    {"WebSocket", "auto", DELAY_PASSES, 0, 0, false},
    {"upgrade refused", "auto", DELAY_REFUSES, 1, 50, false},
    {"upgrade refused, closed", "auto", DELAY_CLOSES, 1, 50, false},
    {"upgrade never answered", "auto", DELAY_SWALLOWS, 0, 3000, true},
    {"agreed on, then silence", "auto", DELAY_DEAFENS, 0, 5000, true},
};

static double measure_turn(const char *binary, const struct manner *manner, unsigned round_trip_ms)
{
    struct served endpoint;
    struct editor editor;
    char settings[256];
    const char *folder = bench_folder_new();
    bench_write_file(folder, "script.jsonl",
                     STR("{\"emit\":[{\"type\":\"message\",\"text\":\"Yes.\"}]}\n"));
    served_start(&endpoint, binary, folder);
    struct delay *delay = delay_new(endpoint.port, round_trip_ms, manner->manner);
    snprintf(settings, sizeof(settings),
             "\"endpoint.url\":\"ws://127.0.0.1:%u/v1/responses\",\"endpoint.transport\":\"%s\"",
             delay_port(delay), manner->transport);
    editor_start(&editor, &(struct editor_options){binary, folder, settings});
    uint64_t began = time_mono_ns();
    editor_prompt(&editor);
    editor_await_turn(&editor);
    double ms = (double)(time_mono_ns() - began) / 1e6;
    editor_stop(&editor);
    delay_free(delay);
    served_stop(&endpoint);
    return ms;
}

static double median(double *values, size_t count)
{
    bench_sort(values, count);
    return bench_percentile(values, count, 0.5);
}

static void print_row(const struct manner *manner, unsigned trip, double *ms, size_t runs,
                      double http_ms)
{
    double goal = manner->trips * trip + manner->more_ms;
    double middle = median(ms, runs);
    printf("%-26s %8.1f ms   (%.1f to %.1f)", manner->name, middle, ms[0], ms[runs - 1]);
    if (manner != &manners[0])
        printf("   over HTTP %+9.1f", middle - http_ms);
    bench_print_goal(goal, middle - http_ms);
    printf("\n");
}

int main(int argc, char **argv)
{
    bool is_short = argc > 2 && strcmp(argv[2], "--test") == 0;
    size_t runs = is_short ? 1 : argc > 2 ? (size_t)atoi(argv[2]) : 5;
    if (argc < 2 || runs < 1 || runs > RUNS_MAX)
        bench_die("usage: fallback LANEBRIDGE [--test|RUNS]");
    bench_isolate();
    bench_print_machine();
    for (size_t r = 0; r < (is_short ? 1 : array_count(round_trips_ms)); r++) {
        double http_ms = 0;
        printf("\nfallback, round trip %u ms: the first turn, %zu runs, medians (lowest to "
               "highest)\n",
               round_trips_ms[r], runs);
        for (size_t m = 0; m < array_count(manners); m++) {
            double ms[RUNS_MAX];
            if (is_short && manners[m].is_slow)
                continue;
            for (size_t run = 0; run < runs; run++)
                ms[run] = measure_turn(argv[1], &manners[m], round_trips_ms[r]);
            if (m == 0)
                http_ms = median(ms, runs);
            print_row(&manners[m], round_trips_ms[r], ms, runs, http_ms);
        }
    }
    bench_folders_remove();
    return 0;
}
