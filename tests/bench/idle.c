/* What ten editor windows cost while nobody asks for anything: ten servers, each with a folder and
 * an open file. PSS counts a page that several share by its part, so the sum is what the machine
 * pays. Beside it the same ten after a turn, with journal and connection open. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "stream.h"

enum { PROCESSES = 10, RUNS_MAX = 50, SETTLE_MS = 300 };

struct memory {
    double pss_mib, rss_mib;
};

/* Our processes hide their memory from others of the same user: only root reads PSS. */
static unsigned long long read_kib(pid_t pid, const char *file, const char *name)
{
    char path[64], line[256];
    unsigned long long kib = 0, value;
    snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
    FILE *stream = fopen(path, "re");
    while (stream && fgets(line, sizeof(line), stream)) {
        char *at = strchr(line, ':');
        if (at && strncmp(line, name, strlen(name)) == 0 && at == line + strlen(name) &&
            sscanf(at + 1, "%llu", &value) == 1)
            kib = value;
    }
    if (stream)
        fclose(stream);
    return kib;
}

static struct memory add_up(const struct editor *editors)
{
    struct memory sum = {0};
    for (size_t i = 0; i < PROCESSES; i++) {
        sum.pss_mib += (double)read_kib(editors[i].pid, "smaps_rollup", "Pss") / 1024;
        sum.rss_mib += (double)read_kib(editors[i].pid, "status", "VmRSS") / 1024;
    }
    return sum;
}

/* -- A turn on each of them ----------------------------------------------------------------------
 */

static void *serve(void *user)
{
    struct ws ws[PROCESSES];
    int listener = *(int *)user;
    for (size_t i = 0; i < PROCESSES; i++) {
        ws_accept(&ws[i], listener, &(struct ws_options){0});
        struct str lane = bench_lane_of(ws_receive(&ws[i]));
        struct buf event = {0};
        buf_append_fmt(&event,
                       "{\"type\":\"response.created\"," STR_FMT "\"sequence_number\":0,"
                       "\"response\":{\"id\":\"resp_1\",\"status\":\"in_progress\"}}",
                       STR_ARG(lane));
        ws_queue(&ws[i], buf_str(&event));
        stream_queue_end(&ws[i], lane, "resp_1");
        ws_flush(&ws[i]);
        buf_finish(&event);
    }
    for (size_t i = 0; i < PROCESSES; i++) {
        while (ws_receive(&ws[i]).len > 0)
            ;
        ws_finish(&ws[i]);
    }
    return NULL;
}

static void open_file(struct editor *editor, const char *folder)
{
    editor_say(editor,
               "{\"jsonrpc\":\"2.0\",\"method\":\"textDocument/didOpen\",\"params\":{"
               "\"textDocument\":{\"uri\":\"file://%s/project/hello.txt\",\"languageId\":\"text\","
               "\"version\":1,\"text\":\"hello from the benchmark\\nsecond line\\n\"}}}",
               folder);
}

static void measure(const char *binary, const char *folder, struct memory ret_memory[static 2])
{
    struct editor editors[PROCESSES];
    char settings[96];
    unsigned port;
    int listener = ws_listen(&port);
    pthread_t thread;
    snprintf(settings, sizeof(settings), "\"endpoint.url\":\"ws://127.0.0.1:%u/v1/responses\"",
             port);
    for (size_t i = 0; i < PROCESSES; i++) {
        editor_start(&editors[i], &(struct editor_options){binary, folder, settings});
        open_file(&editors[i], folder);
    }
    usleep(SETTLE_MS * 1000);
    ret_memory[0] = add_up(editors);
    pthread_create(&thread, NULL, serve, &listener);
    for (size_t i = 0; i < PROCESSES; i++) {
        editor_prompt(&editors[i]);
        editor_await_turn(&editors[i]);
    }
    usleep(SETTLE_MS * 1000);
    ret_memory[1] = add_up(editors);
    for (size_t i = 0; i < PROCESSES; i++)
        editor_stop(&editors[i]);
    pthread_join(thread, NULL);
    close(listener);
}

int main(int argc, char **argv)
{
    static double pss[2][RUNS_MAX], rss[2][RUNS_MAX];
    static const char *const names[] = {"idle, a file open", "idle after a turn"};
    size_t runs = argc > 2 ? (size_t)atoi(argv[2]) : 3;
    if (argc < 2 || runs < 1 || runs > RUNS_MAX)
        bench_die("usage: idle LANEBRIDGE [RUNS]");
    bench_isolate();
    bench_print_machine();
    const char *folder = bench_folder_new();
    for (size_t run = 0; run < runs; run++) {
        struct memory memory[2];
        measure(argv[1], folder, memory);
        for (size_t i = 0; i < 2; i++) {
            pss[i][run] = memory[i].pss_mib;
            rss[i][run] = memory[i].rss_mib;
        }
    }
    printf("\nidle: %d language servers together, %zu runs, medians (lowest to highest)\n",
           PROCESSES, runs);
    for (size_t i = 0; i < 2; i++) {
        char name[64];
        snprintf(name, sizeof(name), "%s, PSS%s", names[i],
                 geteuid() == 0 ? "" : " (0: only root may read it)");
        bench_print_row(name, "MiB", i == 0 ? 80e6 / (1 << 20) : 0, pss[i], runs);
        snprintf(name, sizeof(name), "%s, RSS", names[i]);
        bench_print_row(name, "MiB", 0, rss[i], runs);
    }
    bench_folders_remove();
    return 0;
}
