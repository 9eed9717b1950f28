/* Four questions about the workspace: by four helpers at once, by four helpers one after the other,
 * and by the thread itself, over one socket. Each takes two reads and an answer. Simulated are the
 * way (delay.h) and the pace of the tokens (the replay engine's timers) alone. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "delay.h"

enum {
    RUNS_MAX = 9,
    QUESTIONS = 4,
    READS = 2, /* of each */
    TOKEN_BYTES = 4,
    CHUNK_TOKENS = 12,
    STEP_CHUNKS = 5,
    STEP_TOKENS = CHUNK_TOKENS * STEP_CHUNKS,
    FILE_LINES = 60,
};

enum mode { AT_ONCE, IN_TURN, ALONE, MODE_COUNT };
static const struct {
    const char *name;
    unsigned calls_at_once;
} modes[MODE_COUNT] = {
    [AT_ONCE] = {"four helpers at once", QUESTIONS},
    [IN_TURN] = {"four helpers in turn", 1},
    [ALONE] = {"the thread alone", 0},
};

struct cell {
    unsigned tokens_a_second, chunk_ms, round_trip_ms;
    bool is_quick;
};
static const struct cell cells[] = {
    {65, 185, 0, false}, {65, 185, 20, false}, {65, 185, 80, false},
    {1000, 12, 0, true}, {1000, 12, 20, true}, {1000, 12, 80, false},
    {4000, 3, 0, true},  {4000, 3, 20, true},  {4000, 3, 80, false},
};

/* -- The script ----------------------------------------------------------------------------------
 */

struct script {
    struct buf text;
    const struct cell *cell;
};

static void begin_step(struct script *script, const char *expect, size_t chunks)
{
    static const char words[] = "I look at the next part of the module to see how it is used. ";
    buf_append_fmt(&script->text,
                   "{\"pace\":{\"first_ms\":%u,\"delta_ms\":%u,\"chunk\":%d},%s\"emit\":[{\"type\":"
                   "\"message\",\"text\":\"",
                   script->cell->chunk_ms, script->cell->chunk_ms, CHUNK_TOKENS * TOKEN_BYTES,
                   expect);
    for (size_t i = 0; i < chunks * CHUNK_TOKENS * TOKEN_BYTES; i++)
        buf_append_byte(&script->text, words[i % (sizeof(words) - 1)]);
    buf_append_c(&script->text, "\"}");
}

static void end_step(struct script *script)
{
    buf_append_c(&script->text, "]}\n");
}

/* As many tokens as a step has. */
static void add_read(struct script *script, const char *expect)
{
    begin_step(script, expect, STEP_CHUNKS - 1);
    buf_append_c(&script->text,
                 ",{\"type\":\"function_call\",\"call\":\"r\",\"name\":\"read_file\","
                 "\"arguments\":\"{\\\"path\\\":\\\"module.c\\\",\\\"start_line\\\""
                 ":1,\\\"end_line\\\":60}\"}");
    end_step(script);
}

static void add_helpers(struct script *script, const char *expect, unsigned first, unsigned count)
{
    begin_step(script, expect, STEP_CHUNKS - 1);
    for (unsigned i = first; i < first + count; i++)
        buf_append_fmt(&script->text,
                       ",{\"type\":\"function_call\",\"call\":\"h%u\",\"name\":\"explore\","
                       "\"arguments\":\"{\\\"question\\\":\\\"question number %u?\\\"}\"}",
                       i, i);
    end_step(script);
}

static const char read_expected[] = "\"expect\":{\"outputs\":{\"r\":\"line 60 of the module\"}},";
static const char help_expected[] = "\"expect\":{\"outputs\":{\"h%u\":\"I look at the next\"}},";

static void add_main(struct script *script, enum mode mode)
{
    char expect[96] = "";
    unsigned at_once = modes[mode].calls_at_once;
    buf_append_c(&script->text, "{\"rollout\":\"main\",\"match\":{\"text\":\"Read the file\"}}\n");
    for (unsigned i = 0; at_once > 0 && i < QUESTIONS; i += at_once) {
        add_helpers(script, expect, i, at_once);
        snprintf(expect, sizeof(expect), help_expected, i);
    }
    for (unsigned i = 0; at_once == 0 && i < QUESTIONS * READS; i++) {
        add_read(script, expect);
        snprintf(expect, sizeof(expect), "%s", read_expected);
    }
    begin_step(script, expect, STEP_CHUNKS);
    end_step(script);
}

static void write_script(const struct cell *cell, enum mode mode, const char *folder)
{
    struct script script = {.cell = cell};
    struct buf file = {0};
    char project[96];
    add_main(&script, mode);
    for (unsigned i = 0; i < QUESTIONS; i++) {
        buf_append_fmt(&script.text,
                       "{\"rollout\":\"q%u\",\"match\":{\"text\":\"question number %u?\"},"
                       "\"takes_over\":true}\n",
                       i, i);
        for (unsigned j = 0; j < READS; j++)
            add_read(&script, j ? read_expected : "");
        begin_step(&script, read_expected, STEP_CHUNKS);
        end_step(&script);
    }
    bench_write_file(folder, "script.jsonl", buf_str(&script.text));
    for (int i = 1; i <= FILE_LINES; i++)
        buf_append_fmt(&file, "int line_%d; /* line %d of the module */\n", i, i);
    snprintf(project, sizeof(project), "%s/project", folder);
    bench_write_file(project, "module.c", buf_str(&file));
    buf_finish(&script.text);
    buf_finish(&file);
}

/* -- A run ---------------------------------------------------------------------------------------
 */

struct figures {
    double total_s, sent_kib;
};

static struct figures run_cell(const char *binary, const struct cell *cell, enum mode mode)
{
    struct served endpoint;
    struct editor editor;
    char settings[160];
    struct figures figures;
    const char *folder = bench_folder_new();
    write_script(cell, mode, folder);
    served_start(&endpoint, binary, folder);
    struct delay *delay = delay_new(endpoint.port, cell->round_trip_ms, DELAY_PASSES);
    snprintf(settings, sizeof(settings),
             "\"endpoint.url\":\"ws://127.0.0.1:%u/v1/responses\","
             "\"endpoint.transport\":\"websocket\"",
             delay_port(delay));
    editor_start(&editor, &(struct editor_options){binary, folder, settings});
    uint64_t began = time_mono_ns();
    editor_prompt(&editor);
    editor_await_turn(&editor);
    figures.total_s = (double)(time_mono_ns() - began) / 1e9;
    editor_stop(&editor);
    struct delay_counts counts = delay_free(delay);
    served_stop(&endpoint);
    if (counts.connections != 1)
        bench_die("%u connections where there should be one", counts.connections);
    figures.sent_kib = (double)counts.to_server_bytes / 1024;
    return figures;
}

static void print_cell(const char *binary, const struct cell *cell, size_t runs)
{
    double medians[MODE_COUNT], sent[MODE_COUNT];
    printf("| %u | %u ms |", cell->tokens_a_second, cell->round_trip_ms);
    for (enum mode mode = 0; mode < MODE_COUNT; mode++) {
        double totals[RUNS_MAX];
        for (size_t run = 0; run < runs; run++) {
            struct figures figures = run_cell(binary, cell, mode);
            totals[run] = figures.total_s;
            sent[mode] = figures.sent_kib;
        }
        bench_sort(totals, runs);
        medians[mode] = bench_percentile(totals, runs, 0.5);
        printf(" %.2f (%.2f to %.2f) |", medians[mode], totals[0], totals[runs - 1]);
    }
    printf(" %.2f | %.2f | %.0f, %.0f, %.0f |\n", medians[IN_TURN] / medians[AT_ONCE],
           medians[ALONE] / medians[AT_ONCE], sent[AT_ONCE], sent[IN_TURN], sent[ALONE]);
    fflush(stdout);
    bench_folders_remove();
}

int main(int argc, char **argv)
{
    bool is_test = argc > 2 && strcmp(argv[2], "--test") == 0;
    bool is_quick = is_test || (argc > 2 && strcmp(argv[2], "--quick") == 0);
    size_t runs = argc > 3 ? (size_t)atoi(argv[3]) : is_quick ? 1 : 3;
    if (argc < 2 || runs < 1 || runs > RUNS_MAX ||
        (argc > 2 && !is_quick && strcmp(argv[2], "--full") != 0))
        bench_die("usage: explore LANEBRIDGE [--full|--quick|--test [RUNS]]");
    bench_isolate();
    bench_print_machine();
    printf(
        "\nexplore: %d questions, each of %d reads and an answer, %d tokens a step; seconds until "
        "the turn is over, %zu runs, medians (lowest to highest)\n\n"
        "| tokens/s | round trip |",
        QUESTIONS, READS, STEP_TOKENS, runs);
    for (enum mode mode = 0; mode < MODE_COUNT; mode++)
        printf(" %s |", modes[mode].name);
    printf(" at once is faster than in turn by | … than alone by | sent, KiB |\n"
           "|---|---|---|---|---|---|---|---|\n");
    for (size_t i = 0; i < array_count(cells); i++)
        if (!is_quick || (cells[i].is_quick && (!is_test || cells[i].tokens_a_second == 4000)))
            print_cell(argv[1], &cells[i], runs);
    return 0;
}
