/* The same rollout over HTTP with its full history, over HTTP with previous_response_id, and over a
 * lane of one WebSocket, on ways of several lengths and with models of several speeds. Simulated
 * are the way (delay.h) and the pace of the tokens (the replay engine's timers) alone: client,
 * endpoint, journal, tool and their processes are the real ones.
 *
 * time = steps x tokens / pace + trips x round trip + work. The first two are inputs, so that what
 * is left, the work, is measured: both processes' and the timers' own. */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "delay.h"

enum {
    RUNS_MAX = 9,
    TOKEN_BYTES = 4,
    CHUNK_TOKENS = 12,
    STEP_CHUNKS = 5, /* four of text, one of the call's arguments */
    STEP_TOKENS = CHUNK_TOKENS * STEP_CHUNKS,
    TERMINAL_BYTES = 20000,
    FILE_LINES = 60,
};

enum mode { HTTP_ANEW, HTTP_FULL, HTTP_PREVIOUS, LANES, MODE_COUNT };
static const struct {
    const char *name, *settings;
    unsigned upgrades; /* round trips before the first request beside TCP's */
    bool connects_anew;
} modes[MODE_COUNT] = {
    [HTTP_ANEW] = {"HTTP, full history, a connection each", "\"endpoint.transport\":\"http\"", 0,
                   true},
    [HTTP_FULL] = {"HTTP, full history", "\"endpoint.transport\":\"http\"", 0, false},
    [HTTP_PREVIOUS] = {"HTTP, previous_response_id",
                       "\"endpoint.transport\":\"http\",\"store\":true", 0, false},
    [LANES] = {"lanes", "\"endpoint.transport\":\"websocket\"", 1, false},
};

/* Tokens a second are CHUNK_TOKENS every so many ms. */
struct pace {
    unsigned tokens_a_second, chunk_ms;
};
static const struct pace paces[] = {{65, 185}, {1000, 12}, {4000, 3}};

static const unsigned lengths[] = {100, 30}, round_trips_ms[] = {0, 20, 80};

/* Which part of it all: the shorter ones leave out what takes long. */
static const struct plan {
    const char *name;
    unsigned steps_at_most, round_trip_at_most;
    unsigned pace_at_least;
    size_t runs;
} plans[] = {
    {"--full", 100, 80, 0, 3},    /* some 8 minutes */
    {"--quick", 30, 20, 1000, 1}, /* 15 seconds */
    {"--test", 30, 20, 4000, 1},
};

struct figures {
    double total_ms, work_ms, client_cpu_ms, endpoint_cpu_ms;
    unsigned connections, trips;
    uint64_t sent_bytes, received_bytes;
};
struct cell {
    unsigned steps, round_trip_ms;
    const struct pace *pace;
    enum mode mode;
    const char *folder;
    size_t runs;
    double totals[RUNS_MAX], works[RUNS_MAX];
    struct figures last;
};

static const char *binary;

/* -- The endpoint --------------------------------------------------------------------------------
 */

static void append_step(struct buf *script, const struct cell *cell, unsigned repeat, bool expects,
                        bool calls)
{
    static const char words[] = "I look at the next part of the module to see how it is used. ";
    size_t text = (size_t)(calls ? STEP_CHUNKS - 1 : STEP_CHUNKS) * CHUNK_TOKENS * TOKEN_BYTES;
    buf_append_fmt(script, "{\"repeat\":%u,\"pad_bytes\":%d,", repeat, TERMINAL_BYTES);
    buf_append_fmt(script, "\"pace\":{\"first_ms\":%u,\"delta_ms\":%u,\"chunk\":%d},",
                   cell->pace->chunk_ms, cell->pace->chunk_ms, CHUNK_TOKENS * TOKEN_BYTES);
    if (expects)
        buf_append_c(script, "\"expect\":{\"outputs\":{\"r\":\"line 60 of the module\"}},");
    buf_append_c(script, "\"emit\":[{\"type\":\"message\",\"text\":\"");
    for (size_t i = 0; i < text; i++)
        buf_append_byte(script, words[i % (sizeof(words) - 1)]);
    buf_append_c(script, "\"}");
    if (calls) /* CHUNK_TOKENS x TOKEN_BYTES of arguments */
        buf_append_c(script, ",{\"type\":\"function_call\",\"call\":\"r\",\"name\":\"read_file\","
                             "\"arguments\":\"{\\\"path\\\":\\\"module.c\\\",\\\"start_line\\\":1,"
                             "\\\"end_line\\\":60}\"}");
    buf_append_c(script, "]}\n");
}

static void write_script(const struct cell *cell)
{
    struct buf script = {0}, file = {0};
    char project[96];
    append_step(&script, cell, 1, false, true);
    append_step(&script, cell, cell->steps - 2, true, true);
    append_step(&script, cell, 1, true, false);
    bench_write_file(cell->folder, "script.jsonl", buf_str(&script));
    for (int i = 1; i <= FILE_LINES; i++)
        buf_append_fmt(&file, "int line_%d; /* line %d of the module */\n", i, i);
    snprintf(project, sizeof(project), "%s/project", cell->folder);
    bench_write_file(project, "module.c", buf_str(&file));
    buf_finish(&script);
    buf_finish(&file);
}

/* -- A cell --------------------------------------------------------------------------------------
 */

static double model_ms(const struct cell *cell)
{
    return cell->steps * STEP_CHUNKS * (double)cell->pace->chunk_ms;
}

static void run_cell(struct cell *cell)
{
    struct figures figures = {0};
    struct served endpoint;
    struct editor editor;
    char settings[256];
    write_script(cell);
    served_start(&endpoint, binary, cell->folder);
    struct delay *delay = delay_new(endpoint.port, cell->round_trip_ms,
                                    modes[cell->mode].connects_anew ? DELAY_FORGETS : DELAY_PASSES);
    snprintf(settings, sizeof(settings), "\"endpoint.url\":\"ws://127.0.0.1:%u/v1/responses\",%s",
             delay_port(delay), modes[cell->mode].settings);
    editor_start(&editor, &(struct editor_options){binary, cell->folder, settings});
    uint64_t began = time_mono_ns();
    figures.client_cpu_ms = -(double)bench_cpu_ns(editor.pid) / 1e6;
    figures.endpoint_cpu_ms = -(double)bench_cpu_ns(endpoint.pid) / 1e6;
    editor_prompt(&editor);
    editor_await_turn(&editor);
    figures.total_ms = (double)(time_mono_ns() - began) / 1e6;
    figures.client_cpu_ms += (double)bench_cpu_ns(editor.pid) / 1e6;
    figures.endpoint_cpu_ms += (double)bench_cpu_ns(endpoint.pid) / 1e6;
    editor_stop(&editor);
    struct delay_counts counts = delay_free(delay);
    served_stop(&endpoint);
    figures.connections = counts.connections;
    figures.sent_bytes = counts.to_server_bytes;
    figures.received_bytes = counts.to_client_bytes;
    if (modes[cell->mode].connects_anew != (counts.connections > cell->steps / 2))
        bench_die("%u connections for %u steps: %s", counts.connections, cell->steps,
                  modes[cell->mode].name);
    figures.trips = cell->steps + counts.connections + modes[cell->mode].upgrades;
    figures.work_ms = figures.total_ms - model_ms(cell) - figures.trips * cell->round_trip_ms;
    cell->totals[cell->runs] = figures.total_ms;
    cell->works[cell->runs++] = figures.work_ms;
    cell->last = figures;
}

/* -- All cells -----------------------------------------------------------------------------------
 */

enum {
    CELLS_MAX = array_count(lengths) * array_count(round_trips_ms) * array_count(paces) * MODE_COUNT
};
static struct cell cells[CELLS_MAX];
static size_t cell_count;

static void make_cells(const struct plan *plan)
{
    for (size_t l = 0; l < array_count(lengths); l++)
        for (size_t p = 0; p < array_count(paces); p++)
            for (size_t r = 0; r < array_count(round_trips_ms); r++)
                for (enum mode mode = 0; mode < MODE_COUNT; mode++)
                    if (lengths[l] <= plan->steps_at_most &&
                        round_trips_ms[r] <= plan->round_trip_at_most &&
                        paces[p].tokens_a_second >= plan->pace_at_least)
                        cells[cell_count++] = (struct cell){.steps = lengths[l],
                                                            .round_trip_ms = round_trips_ms[r],
                                                            .pace = &paces[p],
                                                            .mode = mode,
                                                            .folder = bench_folder_new()};
}

/* How much of a cell's time is waiting says how many may run side by side and not be in each
 * other's way: on two cores less than a tenth of each is used. */
struct group {
    unsigned pace_at_least, pace_at_most, round_trip_at_least, round_trip_at_most, jobs;
    size_t next;
};
static const struct group groups[] = {
    {0, 99, 0, 1000, 24, 0},       {100, 1999, 1, 1000, 3, 0}, {100, 1999, 0, 0, 1, 0},
    {2000, 100000, 1, 1000, 2, 0}, {2000, 100000, 0, 0, 1, 0},
};

static bool is_in(const struct group *group, const struct cell *cell)
{
    return cell->pace->tokens_a_second >= group->pace_at_least &&
           cell->pace->tokens_a_second <= group->pace_at_most &&
           cell->round_trip_ms >= group->round_trip_at_least &&
           cell->round_trip_ms <= group->round_trip_at_most;
}

static void *run_cells(void *user)
{
    struct group *group = user;
    for (;;) {
        size_t i = __atomic_fetch_add(&group->next, 1, __ATOMIC_RELAXED);
        if (i >= cell_count)
            return NULL;
        if (is_in(group, &cells[i]))
            run_cell(&cells[i]);
    }
}

static void run_groups(void)
{
    for (size_t g = 0; g < array_count(groups); g++) {
        struct group group = groups[g];
        pthread_t threads[32];
        for (unsigned i = 0; i < group.jobs; i++)
            pthread_create(&threads[i], NULL, run_cells, &group);
        for (unsigned i = 0; i < group.jobs; i++)
            pthread_join(threads[i], NULL);
    }
}

/* -- Tables, as Markdown -------------------------------------------------------------------------
 */

static double median(double *values, size_t count)
{
    bench_sort(values, count);
    return bench_percentile(values, count, 0.5);
}

static void print_totals(unsigned steps)
{
    printf("\n%u steps, seconds:\n\n| tokens/s | round trip |", steps);
    for (enum mode mode = 0; mode < MODE_COUNT; mode++)
        printf(" %s |", modes[mode].name);
    printf(" lanes are faster by |\n|---|---|---|---|---|---|---|\n");
    for (size_t i = 0; i < cell_count; i += MODE_COUNT) {
        double seconds[MODE_COUNT];
        if (cells[i].steps != steps)
            continue;
        printf("| %u | %u ms |", cells[i].pace->tokens_a_second, cells[i].round_trip_ms);
        for (enum mode mode = 0; mode < MODE_COUNT; mode++) {
            struct cell *cell = &cells[i + mode];
            seconds[mode] = median(cell->totals, cell->runs) / 1000;
            printf(" %.2f (%.2f to %.2f) |", seconds[mode], cell->totals[0] / 1000,
                   cell->totals[cell->runs - 1] / 1000);
        }
        printf(" %.2f, %.2f, %.2f |\n", seconds[HTTP_ANEW] / seconds[LANES],
               seconds[HTTP_FULL] / seconds[LANES], seconds[HTTP_PREVIOUS] / seconds[LANES]);
    }
}

static void print_parts(unsigned steps)
{
    printf("\nWhere it goes, %u steps, seconds; CPU in ms a step:\n\n"
           "| tokens/s | round trip | | model | trips | way | work | client CPU | endpoint CPU | "
           "connections | sent, KiB |\n|---|---|---|---|---|---|---|---|---|---|---|\n",
           steps);
    for (size_t i = 0; i < cell_count; i++) {
        struct cell *cell = &cells[i];
        if (cell->steps != steps)
            continue;
        printf("| %u | %u ms | %s | %.2f | %u | %.2f | %.2f | %.2f | %.2f | %u | %.0f |\n",
               cell->pace->tokens_a_second, cell->round_trip_ms, modes[cell->mode].name,
               model_ms(cell) / 1000, cell->last.trips,
               cell->last.trips * cell->round_trip_ms / 1000.0,
               median(cell->works, cell->runs) / 1000, cell->last.client_cpu_ms / steps,
               cell->last.endpoint_cpu_ms / steps, cell->last.connections,
               (double)cell->last.sent_bytes / 1024);
    }
}

/* For the plot. */
static void write_raw(const char *path)
{
    FILE *file = fopen(path, "we");
    if (!file)
        bench_die("cannot write %s: %s", path, strerror(errno));
    fprintf(file, "steps\ttokens_a_second\tround_trip_ms\tmode\ttotal_s\tmodel_s\tway_s\n");
    for (size_t i = 0; i < cell_count; i++)
        fprintf(file, "%u\t%u\t%u\t%s\t%.3f\t%.3f\t%.3f\n", cells[i].steps,
                cells[i].pace->tokens_a_second, cells[i].round_trip_ms, modes[cells[i].mode].name,
                median(cells[i].totals, cells[i].runs) / 1000, model_ms(&cells[i]) / 1000,
                cells[i].last.trips * cells[i].round_trip_ms / 1000.0);
    fclose(file);
}

int main(int argc, char **argv)
{
    const struct plan *plan = &plans[0];
    for (size_t i = 0; argc > 2 && i < array_count(plans); i++)
        if (strcmp(argv[2], plans[i].name) == 0)
            plan = &plans[i];
    if (argc < 2 || (argc > 2 && strcmp(argv[2], plan->name) != 0))
        bench_die("usage: speedup LANEBRIDGE [--full|--quick|--test [RAW-FILE [RUNS]]]");
    size_t runs = argc > 4 ? (size_t)atoi(argv[4]) : plan->runs;
    if (runs < 1 || runs > RUNS_MAX)
        bench_die("1 to %d runs", RUNS_MAX);
    binary = argv[1];
    bench_isolate();
    bench_print_machine();
    make_cells(plan);
    for (size_t run = 0; run < runs; run++)
        run_groups();
    printf("\nspeedup: %d tokens a step, %d bytes of terminal event, one read_file of %d lines a "
           "step; %zu runs, medians (lowest to highest)\n",
           STEP_TOKENS, TERMINAL_BYTES, FILE_LINES, runs);
    for (size_t l = 0; l < array_count(lengths); l++) {
        if (lengths[l] <= plan->steps_at_most) {
            print_totals(lengths[l]);
            print_parts(lengths[l]);
        }
    }
    if (argc > 3)
        write_raw(argv[3]);
    bench_folders_remove();
    return 0;
}
