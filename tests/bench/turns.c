/* Memory through a long day: 100 turns of 30 steps in one thread, each step a read of a file. The
 * model has room for a small part of that, so that the conversation is compacted again and again,
 * as it would be. RSS after some of the turns: what grows with them would be a leak, or something
 * kept without need. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"

enum { FILE_LINES = 60, LOOKS_MAX = 16, SETTLE_MS = 300 };

struct look {
    size_t turns;
    double rss_mib, heap_mib, journal_mib;
};

static void write_script(const char *folder, size_t steps)
{
    struct buf script = {0}, file = {0};
    char project[96];
    buf_append_c(&script, "{\"rollout\":\"turn\",\"match\":{\"text\":\"Read the file\"},"
                          "\"takes_over\":true}\n");
    buf_append_fmt(&script,
                   "{\"repeat\":%zu,\"emit\":[{\"type\":\"message\",\"text\":\"I look at the next "
                   "part of the module to see how it is used.\"},{\"type\":\"function_call\","
                   "\"call\":\"r\",\"name\":\"read_file\",\"arguments\":\"{\\\"path\\\":"
                   "\\\"module.c\\\",\\\"start_line\\\":1,\\\"end_line\\\":60}\"}]}\n",
                   steps - 1);
    buf_append_c(&script, "{\"emit\":[{\"type\":\"message\",\"text\":\"Done: the module is used in "
                          "sixty places, none of which needs a change.\"}]}\n");
    bench_write_file(folder, "script.jsonl", buf_str(&script));
    for (int i = 1; i <= FILE_LINES; i++)
        buf_append_fmt(&file, "int line_%d; /* line %d of the module */\n", i, i);
    snprintf(project, sizeof(project), "%s/project", folder);
    bench_write_file(project, "module.c", buf_str(&file));
    buf_finish(&script);
    buf_finish(&file);
}

static double read_mib(pid_t pid, const char *name)
{
    char path[64], line[256];
    unsigned long long kib = 0;
    size_t length = strlen(name);
    snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
    FILE *stream = fopen(path, "re");
    while (stream && fgets(line, sizeof(line), stream))
        if (strncmp(line, name, length) == 0 && line[length] == ':')
            kib = strtoull(line + length + 1, NULL, 10);
    if (stream)
        fclose(stream);
    return (double)kib / 1024;
}

static struct look take_look(const struct editor *editor, const char *folder, size_t turns)
{
    char path[128], state[96];
    usleep(SETTLE_MS * 1000);
    struct look look = {.turns = turns,
                        .rss_mib = read_mib(editor->pid, "VmRSS"),
                        .heap_mib = read_mib(editor->pid, "RssAnon")};
    snprintf(state, sizeof(state), "%s/home/state", folder);
    snprintf(path, sizeof(path), "%s/journal.db", state);
    FILE *file = fopen(path, "re");
    if (file && fseek(file, 0, SEEK_END) == 0)
        look.journal_mib = (double)ftell(file) / (1 << 20);
    if (file)
        fclose(file);
    return look;
}

static void prompt(struct editor *editor, const char *thread)
{
    editor_say(editor,
               "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"lanebridge/turn/start\",\"params\":{"
               "\"threadId\":\"%s\",\"input\":[{\"type\":\"text\",\"text\":\"Read the file, many "
               "times.\"}]}}",
               thread);
    editor_await_turn(editor);
}

static void start_thread(struct editor *editor, char ret_id[static 64])
{
    static const char answer[] = "\"id\":900,\"result\":{\"thread\":{\"id\":\"";
    editor_say(editor, "{\"jsonrpc\":\"2.0\",\"id\":900,\"method\":\"lanebridge/thread/start\","
                       "\"params\":{}}");
    editor_await(editor, answer);
    struct str id = str_skip(buf_str(&editor->text), strlen(answer));
    snprintf(ret_id, 64, STR_FMT, STR_ARG(str_slice(id, 0, str_find_byte(id, '"', 0))));
}

int main(int argc, char **argv)
{
    static const size_t asked[] = {0, 1, 10, 25, 50, 75, 100, 200, 400, 800};
    struct look looks[LOOKS_MAX];
    struct served endpoint;
    struct editor editor;
    size_t turns = argc > 2 ? (size_t)atoi(argv[2]) : 100,
           steps = argc > 3 ? (size_t)atoi(argv[3]) : 30;
    size_t count = 0;
    char settings[160], thread[64];
    if (argc < 2 || turns < 1 || steps < 2)
        bench_die("usage: turns LANEBRIDGE [TURNS [STEPS]]");
    bench_isolate();
    bench_print_machine();
    const char *folder = bench_folder_new();
    write_script(folder, steps);
    served_start(&endpoint, argv[1], folder);
    snprintf(settings, sizeof(settings),
             "\"endpoint.url\":\"ws://127.0.0.1:%u/v1/responses\",\"model\":\"gpt-4o\"",
             endpoint.port); /* 128,000 tokens of context */
    editor_start(&editor, &(struct editor_options){argv[1], folder, settings});
    start_thread(&editor, thread);
    looks[count++] = take_look(&editor, folder, 0);
    uint64_t began = time_mono_ns();
    for (size_t turn = 1; turn <= turns; turn++) {
        prompt(&editor, thread);
        for (size_t i = 1; i < array_count(asked); i++)
            if (asked[i] == turn)
                looks[count++] = take_look(&editor, folder, turn);
    }
    double seconds = (double)(time_mono_ns() - began) / 1e9;
    editor_stop(&editor);
    served_stop(&endpoint);
    printf("\nturns: %zu turns of %zu steps in one thread, %.0f s\n\n"
           "| after | RSS | of it anonymous | journal |\n|---|---|---|---|\n",
           turns, steps, seconds);
    for (size_t i = 0; i < count; i++)
        printf("| %zu turns | %.2f MiB | %.2f MiB | %.1f MiB |\n", looks[i].turns, looks[i].rss_mib,
               looks[i].heap_mib, looks[i].journal_mib);
    bench_folders_remove();
    return 0;
}
