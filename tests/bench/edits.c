/* What an edit costs: a keystroke in a file of 10 MB, a patch in a million lines, a patch of a
 * hundred files. usage: bench-edits LANEBRIDGE [RUNS] Keystrokes go to the real server, incremental
 * didChange in random places, from the first byte written until it has answered a request behind
 * them. Patches are planned in this process: from the words of the model to the edits for the
 * editor, the texts in memory. Beside each the floor: the same bytes found and copied once by the C
 * library, without lines, endings, positions or any doubt. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <lanebridge/edit.h>

#include "bench.h"

enum {
    RUNS_MAX = 99,
    KEYS = 2000,
    TYPED_BYTES = 10000000,
    LONG_LINES = 1000000,
    FILES = 100,
    FILE_LINES = 1000,
};

static uint64_t random_state = 88172645463325252u;

static size_t random_below(size_t limit)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (size_t)(random_state % limit);
}

/* -- Keystrokes -------------------------------------------------------------------------------- */

static size_t append_typed_text(struct buf *text)
{
    size_t lines = 0;
    while (text->len < TYPED_BYTES)
        buf_append_fmt(text, "line %zu of a file that is as large as they come\n", lines++);
    return lines;
}

static void append_message(struct buf *out, const struct buf *body)
{
    buf_append_fmt(out, "Content-Length: %zu\r\n\r\n%s", body->len, body->ptr);
}

static void append_keys(struct buf *out, const char *folder, size_t lines)
{
    struct buf body = {0};
    for (unsigned i = 0; i < KEYS; i++) {
        size_t line = random_below(lines), at = random_below(40);
        buf_clear(&body);
        buf_append_fmt(&body,
                       "{\"jsonrpc\":\"2.0\",\"method\":\"textDocument/didChange\",\"params\":{"
                       "\"textDocument\":{\"uri\":\"file://%s/project/large.txt\",\"version\":%u},"
                       "\"contentChanges\":[{\"range\":{\"start\":{\"line\":%zu,\"character\":%zu},"
                       "\"end\":{\"line\":%zu,\"character\":%zu}},\"text\":\"%s\"}]}}",
                       folder, i + 2, line, at, line, at + i % 2, i % 16 ? "x" : "x\\n");
        append_message(out, &body);
    }
    buf_clear(&body);
    buf_append_c(&body, "{\"jsonrpc\":\"2.0\",\"id\":9,\"method\":\"lanebridge/none\"}");
    append_message(out, &body);
    buf_finish(&body);
}

static void open_large(struct editor *editor, const char *folder, const struct buf *text)
{
    struct buf quoted = {0};
    for (size_t i = 0; i < text->len; i++) {
        if (text->ptr[i] == '\n')
            buf_append_c(&quoted, "\\n");
        else
            buf_append_byte(&quoted, text->ptr[i]);
    }
    editor_say(editor,
               "{\"jsonrpc\":\"2.0\",\"method\":\"textDocument/didOpen\",\"params\":{"
               "\"textDocument\":{\"uri\":\"file://%s/project/large.txt\",\"languageId\":\"text\","
               "\"version\":1,\"text\":\"%s\"}}}",
               folder, quoted.ptr);
    editor_say(editor, "{\"jsonrpc\":\"2.0\",\"id\":8,\"method\":\"lanebridge/none\"}");
    editor_await(editor, "\"id\":8,");
    buf_finish(&quoted);
}

static void write_all(int fd, const struct buf *bytes)
{
    for (size_t done = 0; done < bytes->len;) {
        ssize_t n = write(fd, bytes->ptr + done, bytes->len - done);
        if (n <= 0)
            bench_die("the language server does not read");
        done += (size_t)n;
    }
}

/* A text that was lost on the way costs nothing: only one that is known can be lost now. */
static void check_is_known(struct editor *editor, const char *folder)
{
    editor_say(editor,
               "{\"jsonrpc\":\"2.0\",\"method\":\"textDocument/didChange\",\"params\":{"
               "\"textDocument\":{\"uri\":\"file://%s/project/large.txt\",\"version\":%d},"
               "\"contentChanges\":[{\"range\":{\"start\":{\"line\":9999999,\"character\":0},"
               "\"end\":{\"line\":9999999,\"character\":0}},\"text\":\"x\"}]}}",
               folder, KEYS + 2);
    editor_await(editor, "lost track");
}

static void run_keys(const char *binary, double *ret_us, double *ret_cpu_us)
{
    const char *folder = bench_folder_new();
    struct editor editor;
    struct buf text = {0}, keys = {0};
    editor_start(&editor, &(struct editor_options){binary, folder,
                                                   "\"endpoint.url\":\"ws://127.0.0.1:1/\""});
    size_t lines = append_typed_text(&text);
    open_large(&editor, folder, &text);
    append_keys(&keys, folder, lines);
    uint64_t cpu = bench_cpu_ns(editor.pid), start = time_mono_ns();
    write_all(editor.in, &keys);
    editor_await(&editor, "\"id\":9,");
    *ret_us = (double)(time_mono_ns() - start) / 1e3 / KEYS;
    *ret_cpu_us = (double)(bench_cpu_ns(editor.pid) - cpu) / 1e3 / KEYS;
    check_is_known(&editor, folder);
    editor_stop(&editor);
    buf_finish(&text);
    buf_finish(&keys);
}

/* One array of bytes, in which what is behind the change is moved. */
static double run_key_floor(void)
{
    struct buf text = {0};
    append_typed_text(&text);
    uint64_t start = time_mono_ns();
    for (unsigned i = 0; i < KEYS / 10; i++) {
        size_t at = random_below(text.len - 1);
        memmove(text.ptr + at + 1, text.ptr + at, text.len - at - 1);
    }
    double us = (double)(time_mono_ns() - start) / 1e3 / (KEYS / 10);
    buf_finish(&text);
    return us;
}

/* -- Patches ----------------------------------------------------------------------------------- */

struct files {
    struct text *texts[FILES];
    char names[FILES][32];
    size_t count;
    struct buf patch;
    struct buf old[FILES], new[FILES]; /* of the floor */
};

static void append_lines(struct buf *out, const char *mark, const char *words, size_t first,
                         size_t count)
{
    for (size_t i = first; i < first + count; i++)
        buf_append_fmt(out, "%s%s%zu\n", mark, words, i);
}

static void make_files(struct files *files, size_t count, size_t lines, const char *words)
{
    *files = (struct files){.count = count};
    buf_append_c(&files->patch, "*** Begin Patch\n");
    for (size_t f = 0; f < count; f++) {
        struct buf text = {0};
        size_t at = lines / 2 + f % 7;
        append_lines(&text, "", words, 0, lines);
        files->texts[f] = text_take(&text);
        snprintf(files->names[f], sizeof(files->names[f]), "src/file%zu.c", f);
        buf_append_fmt(&files->patch, "*** Update File: %s\n@@\n", files->names[f]);
        append_lines(&files->patch, " ", words, at - 3, 3);
        append_lines(&files->patch, "-", words, at, 3);
        append_lines(&files->patch, "+new ", words, at, 3);
        append_lines(&files->patch, " ", words, at + 3, 3);
        append_lines(&files->old[f], "", words, at, 3);
        append_lines(&files->new[f], "new ", words, at, 3);
    }
    buf_append_c(&files->patch, "*** End Patch\n");
}

static void finish_files(struct files *files)
{
    for (size_t f = 0; f < files->count; f++) {
        text_unref(files->texts[f]);
        buf_finish(&files->old[f]);
        buf_finish(&files->new[f]);
    }
    buf_finish(&files->patch);
}

static double run_patch(const struct files *files)
{
    struct edit_source sources[FILES];
    struct edit_patch *patch = NULL;
    struct edit_plan plan = {0};
    struct buf errors = {0};
    struct err err = {0};
    size_t edits = 0;
    uint64_t start = time_mono_ns();
    if (edit_patch_parse(buf_str(&files->patch), &patch, &err) < 0)
        bench_die("%s", err.text);
    for (size_t f = 0; f < files->count; f++)
        sources[f] = (struct edit_source){str_from(files->names[f]), files->texts[f], STR("")};
    if (edit_patch_plan(patch, sources, files->count, &plan, &errors) < 0)
        bench_die("%s", errors.ptr);
    for (size_t f = 0; f < plan.files.len; f++) {
        struct edit_spans spans;
        edit_spans_between(plan.files.ptr[f].before, plan.files.ptr[f].after, &spans);
        edits += spans.spans.len;
        edit_spans_finish(&spans);
    }
    double ms = (double)(time_mono_ns() - start) / 1e6;
    if (edits != files->count)
        bench_die("%zu edits of %zu files", edits, files->count);
    edit_plan_finish(&plan);
    edit_patch_free(patch);
    return ms;
}

static double run_floor(const struct files *files)
{
    size_t total = 0;
    uint64_t start = time_mono_ns();
    for (size_t f = 0; f < files->count; f++) {
        struct str text = text_bytes(files->texts[f]);
        const struct buf *old = &files->old[f], *new = &files->new[f];
        const char *at = memmem(text.ptr, text.len, old->ptr, old->len);
        if (!at)
            bench_die("the floor found nothing");
        size_t front = (size_t)(at - text.ptr);
        char *copy = malloc(text.len - old->len + new->len);
        if (!copy)
            bench_die("no memory");
        memcpy(copy, text.ptr, front);
        memcpy(copy + front, new->ptr, new->len);
        memcpy(copy + front + new->len, at + old->len, text.len - front - old->len);
        total += (unsigned char)copy[front];
        free(copy);
    }
    double ms = (double)(time_mono_ns() - start) / 1e6;
    return total > 0 ? ms : 0;
}

/* -- Table ------------------------------------------------------------------------------------- */

static void print(const char *name, const char *unit, double goal, double *ours, double *floors,
                  size_t runs)
{
    bench_sort(ours, runs);
    bench_sort(floors, runs);
    double our = bench_percentile(ours, runs, 0.5), floor = bench_percentile(floors, runs, 0.5);
    printf("%-44s %8.3f %s (%.3f to %.3f)   %8.3f  x%-6.2f", name, our, unit, ours[0],
           ours[runs - 1], floor, our / floor);
    bench_print_goal(goal, our);
    putchar('\n');
}

static void run_patches(const char *name, double goal, size_t count, size_t lines,
                        const char *words, size_t runs)
{
    double ours[RUNS_MAX], floors[RUNS_MAX];
    struct files *files = mem_new(struct files);
    make_files(files, count, lines, words);
    for (size_t i = 0; i < runs; i++) {
        floors[i] = run_floor(files);
        ours[i] = run_patch(files);
    }
    print(name, "ms", goal, ours, floors, runs);
    finish_files(files);
    mem_free(files);
}

int main(int argc, char **argv)
{
    double us[RUNS_MAX], cpu[RUNS_MAX], floors[RUNS_MAX];
    size_t runs = argc > 2 ? (size_t)atoi(argv[2]) : 9;
    if (argc < 2 || runs < 1 || runs > RUNS_MAX)
        bench_die("usage: edits LANEBRIDGE [RUNS]");
    bench_isolate();
    bench_print_machine();
    printf("edits: %zu runs, medians (lowest to highest)\n%-44s %-34s %-9s %s\n", runs, "",
           "lanebridge", "floor", "ratio");
    for (size_t i = 0; i < runs; i++) {
        run_keys(argv[1], &us[i], &cpu[i]);
        floors[i] = run_key_floor();
    }
    print("didChange in 10 MB", "us", 50, us, floors, runs);
    print("the same, CPU of the server", "us", 0, cpu, floors, runs);
    run_patches("patch of 3 lines in 1,000,000", 20, 1, LONG_LINES, "l ", runs);
    run_patches("patch of 100 files of 1,000 lines", 50, FILES, FILE_LINES,
                "    a line of some length with the number ", runs);
    bench_folders_remove();
    return 0;
}
