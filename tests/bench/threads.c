/* What a long history costs: a journal of 10,000 threads, and an editor that starts, asks for the
 * list of threads, searches and reads. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <lanebridge/journal.h>

#include "bench.h"

enum {
    RUNS_MAX = 50,
    HERE = 20,   /* one of so many is of the folder that is open */
    HELPERS = 4, /* of each of those: threads that no list shows */
};

enum figure { INITIALIZE, RSS_IDLE, LIST_FIRST, LIST, SEARCH, READ, RSS_AFTER, FIGURE_COUNT };
static const struct {
    const char *name, *unit;
    double goal;
} figures[FIGURE_COUNT] = {
    [INITIALIZE] = {"spawn to initialize answered", "ms", 5},
    [RSS_IDLE] = {"peak RSS, idle", "MiB", 8},
    [LIST_FIRST] = {"thread/list, the first (opens the journal)", "ms", 5},
    [LIST] = {"thread/list, again", "ms", 5},
    [SEARCH] = {"thread/list, searched", "ms", 0},
    [READ] = {"thread/read", "ms", 0},
    [RSS_AFTER] = {"peak RSS after that", "MiB", 0},
};

static const char user_item[] = "{\"type\":\"message\",\"role\":\"user\",\"content\":[{\"type\":"
                                "\"input_text\",\"text\":\"Change this, then run the tests.\"}]}";
static const char output_item[] =
    "{\"type\":\"message\",\"id\":\"m\",\"role\":\"assistant\",\"content\":[{\"type\":"
    "\"output_text\",\"text\":\"I have changed what was to be changed, and the tests pass now. "
    "Nothing else was touched; what is left open is said in the comment above it.\"}]}";

/* -- The history ------------------------------------------------------------------------------ */

static void add_turn(struct journal *journal, const char *thread_id, size_t number)
{
    char turn[ID_BYTES], prompt[96];
    snprintf(prompt, sizeof(prompt), "Change number %zu, then run the tests.", number);
    journal_turn_queue(journal, thread_id, str_from(prompt), STR("{}"), turn, NULL);
    journal_turn_begin(journal, turn, NULL);
    journal_item_append(journal, thread_id, turn, "user", str_from(user_item), NULL);
    journal_item_append(journal, thread_id, turn, "output", str_from(output_item), NULL);
    journal_turn_end(journal, turn, "completed", STR(""), STR(""), NULL);
}

static void add_helpers(struct journal *journal, const char *thread_id, size_t number)
{
    char call[16], id[ID_BYTES];
    for (size_t i = 0; i < HELPERS; i++) {
        snprintf(call, sizeof(call), "call_%zu", i);
        if (journal_helper_create(journal, thread_id, str_from(call), id, NULL) < 0)
            bench_die("no helper could be made");
        add_turn(journal, id, number);
        journal_lease_drop(journal, id, NULL);
    }
}

static void add_threads(const char *folder, size_t count, char ret_id[ID_BYTES])
{
    char state[96], root[96], title[64];
    struct err err = {0};
    snprintf(state, sizeof(state), "%s/home", folder);
    mkdir(state, 0700);
    snprintf(state, sizeof(state), "%s/home/state", folder);
    mkdir(state, 0700);
    struct journal *journal = journal_open(str_from(state), time_wall_ms, &err);
    if (!journal)
        bench_die("%s", err.text);
    journal_begin(journal);
    for (size_t i = 0; i < count; i++) {
        bool is_here = i % HERE == 0;
        snprintf(root, sizeof(root), is_here ? "%s/project" : "%s/other-%zu", folder, i % 97);
        snprintf(title, sizeof(title), "Change number %zu", i);
        char id[ID_BYTES];
        if (journal_thread_create(journal, str_from(root), STR("gpt-6-astra"), id, &err) < 0)
            bench_die("%s", err.text);
        journal_thread_set_title(journal, id, str_from(title), NULL);
        for (size_t turn = 0; turn < 3; turn++)
            add_turn(journal, id, i);
        if (is_here)
            add_helpers(journal, id, i);
        journal_lease_drop(journal, id, NULL);
        if (is_here)
            memcpy(ret_id, id, ID_BYTES);
    }
    journal_commit(journal);
    journal_close(journal);
}

/* -- The editor ------------------------------------------------------------------------------- */

static double request_ms(struct editor *editor, unsigned id, const char *method, const char *params)
{
    char words[32];
    snprintf(words, sizeof(words), "\"id\":%u,\"result\"", id);
    uint64_t from = time_mono_ns();
    editor_say(editor,
               "{\"jsonrpc\":\"2.0\",\"id\":%u,\"method\":\"lanebridge/thread/%s\",\"params\":%s}",
               id, method, params);
    editor_await(editor, words);
    return (double)(time_mono_ns() - from) / 1e6;
}

static void measure(const char *binary, const char *folder, const char *thread_id,
                    double ret_figures[FIGURE_COUNT])
{
    struct editor editor;
    char read[96];
    snprintf(read, sizeof(read), "{\"threadId\":\"%s\"}", thread_id);
    editor_start(&editor, &(struct editor_options){binary, folder,
                                                   "\"endpoint.url\":\"ws://127.0.0.1:1/\""});
    ret_figures[INITIALIZE] = (double)(editor.initialized_ns - editor.spawned_ns) / 1e6;
    usleep(100 * 1000);
    ret_figures[RSS_IDLE] = (double)bench_peak_rss_kib(editor.pid) / 1024;
    ret_figures[LIST_FIRST] = request_ms(&editor, 901, "list", "{}");
    ret_figures[LIST] = request_ms(&editor, 902, "list", "{}");
    ret_figures[SEARCH] = request_ms(&editor, 903, "list", "{\"query\":\"number 20, then\"}");
    ret_figures[READ] = request_ms(&editor, 904, "read", read);
    ret_figures[RSS_AFTER] = (double)bench_peak_rss_kib(editor.pid) / 1024;
    editor_stop(&editor);
}

int main(int argc, char **argv)
{
    static double results[FIGURE_COUNT][RUNS_MAX];
    size_t count = argc > 2 ? (size_t)atoi(argv[2]) : 10000;
    size_t runs = argc > 3 ? (size_t)atoi(argv[3]) : 9;
    char thread_id[ID_BYTES] = "";
    if (argc < 2 || count < 1 || runs < 1 || runs > RUNS_MAX)
        bench_die("usage: threads LANEBRIDGE [THREADS [RUNS]]");
    bench_isolate();
    bench_print_machine();
    const char *folder = bench_folder_new();
    add_threads(folder, count, thread_id);
    for (size_t run = 0; run < runs; run++) {
        double values[FIGURE_COUNT];
        measure(argv[1], folder, thread_id, values);
        for (int figure = 0; figure < FIGURE_COUNT; figure++)
            results[figure][run] = values[figure];
    }
    printf("\nthreads: %zu in the journal, %zu runs, medians (lowest to highest)\n", count, runs);
    for (int figure = 0; figure < FIGURE_COUNT; figure++)
        bench_print_row(figures[figure].name, figures[figure].unit, figures[figure].goal,
                        results[figure], runs);
    bench_folders_remove();
    return 0;
}
