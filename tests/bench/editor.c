/* An editor that is only a pipe: it says what must be said and looks for a few words in what comes
 * back, so that the editor's work is not in what is measured. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

enum { READ_BYTES = 64 * 1024, BEFORE_BYTES = 128, FOLDERS_MAX = 256 };

/* -- Folders -------------------------------------------------------------------------------------
 */

static struct {
    char path[64];
} folders[FOLDERS_MAX];
static size_t folder_count;

void bench_write_file(const char *folder, const char *name, struct str text)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *file = fopen(path, "we");
    if (!file || fwrite(text.ptr, 1, text.len, file) != text.len || fclose(file) != 0)
        bench_die("cannot write %s: %s", path, strerror(errno));
}

const char *bench_folder_new(void)
{
    char project[96];
    assert(folder_count < FOLDERS_MAX);
    char *path = folders[folder_count].path;
    strcpy(path, "/tmp/lanebridge-bench-XXXXXX");
    if (!mkdtemp(path))
        bench_die("cannot make %s: %s", path, strerror(errno));
    folder_count++;
    snprintf(project, sizeof(project), "%s/project", path); /* a home is no workspace */
    mkdir(project, 0700);
    bench_write_file(project, "hello.txt",
                     STR("hello from the benchmark\nsecond line\nthird line\n"));
    return path;
}

void bench_folders_remove(void)
{
    char remove[] = "rm", flags[] = "-rf";
    for (; folder_count > 0; folder_count--) {
        char *argv[] = {remove, flags, folders[folder_count - 1].path, NULL};
        pid_t pid;
        if (posix_spawnp(&pid, remove, NULL, NULL, argv, NULL) == 0)
            waitpid(pid, NULL, 0);
    }
}

/* -- The process ---------------------------------------------------------------------------------
 */

static void spawn(struct editor *editor, const char *binary, const char *folder)
{
    char home[96], config[96], state[96];
    snprintf(home, sizeof(home), "HOME=%s/home", folder);
    snprintf(config, sizeof(config), "LANEBRIDGE_CONFIG=%s/config.json", folder);
    snprintf(state, sizeof(state), "LANEBRIDGE_STATE=%s/home/state", folder);
    char path[] = "PATH=/usr/bin:/bin", key[] = "OPENAI_API_KEY=bench", command[] = "lsp";
    char *env[] = {home, config, state, path, key, NULL};
    char *argv[] = {(char *)(uintptr_t)binary, command, NULL};
    int in[2], out[2];
    posix_spawn_file_actions_t actions;
    if (pipe2(in, O_CLOEXEC) < 0 || pipe2(out, O_CLOEXEC) < 0)
        bench_die("cannot make pipes: %s", strerror(errno));
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, in[0], STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
    editor->spawned_ns = time_mono_ns();
    int code = posix_spawn(&editor->pid, binary, &actions, NULL, argv, env);
    if (code != 0)
        bench_die("cannot start %s: %s", binary, strerror(code));
    posix_spawn_file_actions_destroy(&actions);
    close(in[0]);
    close(out[1]);
    editor->in = in[1];
    editor->out = out[0];
}

void editor_say(struct editor *editor, const char *format, ...)
{
    struct buf body = {0}, frame = {0};
    va_list args;
    va_start(args, format);
    buf_append_vfmt(&body, format, args);
    va_end(args);
    buf_append_fmt(&frame, "Content-Length: %zu\r\n\r\n%s", body.len, body.ptr);
    if (write(editor->in, frame.ptr, frame.len) != (ssize_t)frame.len)
        bench_die("the language server does not read");
    buf_finish(&frame);
    buf_finish(&body);
}

/* Where they are in the text, which is kept from some way before them on. */
static size_t find_words(struct editor *editor, const char *words)
{
    struct buf *text = &editor->text;
    for (;;) {
        size_t at = str_find(buf_str(text), str_from(words), 0);
        if (at != STR_NONE)
            return at;
        size_t kept = strlen(words) + BEFORE_BYTES; /* a part of them may have come */
        if (text->len > kept)
            buf_remove_front(text, text->len - kept);
        struct pollfd ready = {.fd = editor->out, .events = POLLIN};
        if (poll(&ready, 1, BENCH_WAIT_MS) <= 0)
            bench_die("the language server never says %s", words);
        buf_reserve(text, READ_BYTES);
        ssize_t count = read(editor->out, text->ptr + text->len, READ_BYTES);
        if (count <= 0)
            bench_die("the language server ended before it said %s", words);
        text->len += (size_t)count;
        text->ptr[text->len] = '\0';
    }
}

void editor_await(struct editor *editor, const char *words)
{
    size_t at = find_words(editor, words);
    buf_remove_front(&editor->text, at);
}

/* As an editor does in which nothing is open: an unanswered question would be waited for. */
static void answer_context(struct editor *editor)
{
    size_t at = find_words(editor, "\"method\":\"lanebridge/editor/context\"");
    size_t colon = str_rfind_byte(str_slice(buf_str(&editor->text), 0, at), ':'); /* "id":7, */
    if (colon == STR_NONE)
        bench_die("the question for the editor's context has no id");
    editor_say(editor, "{\"jsonrpc\":\"2.0\",\"id\":%ld,\"result\":{}}",
               strtol(editor->text.ptr + colon + 1, NULL, 10));
}

/* -- The session ---------------------------------------------------------------------------------
 */

static void write_settings(const struct editor_options *options)
{
    struct buf settings = {0};
    buf_append_fmt(&settings, "{\"endpoint.profile\":\"openai\",%s}", options->settings);
    bench_write_file(options->folder, "config.json", buf_str(&settings));
    buf_finish(&settings);
}

void editor_start(struct editor *editor, const struct editor_options *options)
{
    *editor = (struct editor){.pid = -1};
    write_settings(options);
    spawn(editor, options->binary, options->folder);
    editor_say(editor,
               "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"initialize\",\"params\":{"
               "\"processId\":%d,\"clientInfo\":{\"name\":\"bench\"},\"rootUri\":null,"
               "\"workspaceFolders\":[{\"uri\":\"file://%s/project\",\"name\":\"bench\"}],"
               "\"capabilities\":{\"general\":{\"positionEncodings\":[\"utf-8\"]},"
               "\"experimental\":{\"lanebridge\":{\"version\":1}}},"
               "\"initializationOptions\":{\"trusted\":true}}}",
               (int)getpid(), options->folder);
    editor_await(editor, "\"capabilities\"");
    editor->initialized_ns = time_mono_ns();
    editor_say(editor, "{\"jsonrpc\":\"2.0\",\"method\":\"initialized\",\"params\":{}}");
}

void editor_prompt(struct editor *editor)
{
    editor_say(editor,
               "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"lanebridge/turn/start\",\"params\":{"
               "\"input\":[{\"type\":\"text\",\"text\":\"Read the file, many times.\"}]}}");
    answer_context(editor);
}

void editor_await_turn(struct editor *editor)
{
    editor_await(editor, "lanebridge/turn/completed");
    editor_await(editor, "\"status\":\"");
    if (!str_starts_with(buf_str(&editor->text), STR("\"status\":\"completed\"")))
        bench_die("the turn did not complete: %s", editor->text.ptr);
}

void editor_stop(struct editor *editor)
{
    editor_say(editor, "{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"shutdown\"}");
    editor_await(editor, "\"id\":3,\"result\":null");
    editor_say(editor, "{\"jsonrpc\":\"2.0\",\"method\":\"exit\"}");
    editor_reap(editor);
}

void editor_reap(struct editor *editor)
{
    int status;
    close(editor->in);
    waitpid(editor->pid, &status, 0);
    close(editor->out);
    buf_finish(&editor->text);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        bench_die("the language server did not end well (wait status %d)", status);
}
