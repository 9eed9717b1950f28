/* server/try: the main job before your eyes. The real server under the project's own small LSP
 * client, on a copy of a small project with an unsaved change in the file that is edited; the model
 * is a recording.
 *
 * usage: lanebridge-try LANEBRIDGE PROJECT REPLAY */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <lanebridge/client.h>

#include "cli.h"

enum { DEADLINE_MS = 60000 };

static const char unsaved_from[] = "MAX_FIELDS = 4 ", unsaved_to[] = "MAX_FIELDS = 16 ";

enum act { ACT_FIX, ACT_HTTP, ACT_LANES, ACT_COUNT };
static const struct {
    const char *title, *prompt, *transport;
} acts[ACT_COUNT] = {
    [ACT_FIX] = {"fix", "The doubled quote test fails: fix the parser and run the tests.",
                 "websocket"},
    [ACT_HTTP] = {"HTTP, full history every step", "Read the parser 24 times.", "http"},
    [ACT_LANES] = {"one WebSocket, lanes", "Read the parser 24 times.", "websocket"},
};

struct figures {
    int64_t total_ms, model_ms, tools_ms, first_output_ms, steps, calls;
    int64_t frames_sent, frames_received, bytes_sent, bytes_received;
};

struct show {
    struct loop *loop;
    struct client *client;
    struct loop_process *endpoint;
    struct loop_timer *deadline;
    const char *lanebridge, *replay;
    char folder[PATH_MAX], source[PATH_MAX + 32], state[PATH_MAX + 32];
    struct buf url, on_disk; /* on_disk: the file's bytes before anything happened */
    enum act act;
    bool line_open, failed_before, passed_after, completed;
    struct figures figures[ACT_COUNT];
};

/* -- Printing ---------------------------------------------------------------------------------- */

static const char bold[] = "\x1b[1m", dim[] = "\x1b[2m", red[] = "\x1b[31m", green[] = "\x1b[32m",
                  plain[] = "\x1b[0m";

static const char *style(const char *code)
{
    return isatty(STDOUT_FILENO) ? code : "";
}

static void end_line(struct show *show)
{
    if (show->line_open)
        putchar('\n');
    show->line_open = false;
}

static void headline(struct show *show, const char *text)
{
    end_line(show);
    printf("\n%s%s%s\n", style(bold), text, style(plain));
}

static void print_indented(struct str text, const char *indent)
{
    struct str line;
    while (str_next(&text, '\n', &line))
        if (line.len > 0 || text.len > 0)
            printf("%s" STR_FMT "\n", indent, STR_ARG(line));
}

static void print_diff(struct str diff)
{
    struct str line;
    while (str_next(&diff, '\n', &line)) {
        bool added = str_starts_with(line, STR("+")), removed = str_starts_with(line, STR("-"));
        if (line.len > 0)
            printf("      %s" STR_FMT "%s\n",
                   style(added     ? green
                         : removed ? red
                                   : ""),
                   STR_ARG(line), style(plain));
    }
}

static void print_item(struct show *show, const struct json_value *item)
{
    struct str title = json_get_str(item, "title"), output = json_get_str(item, "output");
    bool is_command = str_eq_c(json_get_str(item, "type"), "commandExecution");
    if (title.len == 0)
        return;
    end_line(show);
    printf("  %s%s%s " STR_FMT "  %s%lld ms%s\n",
           style(json_get_bool(item, "ok", true) ? green : red),
           json_get_bool(item, "ok", true) ? "✓" : "✗", style(plain), STR_ARG(title), style(dim),
           (long long)json_get_int(item, "ranMs", 0), style(plain));
    if (is_command)
        print_indented(output, "      ");
    print_diff(json_get_str(item, "diff"));
}

/* -- Ends -------------------------------------------------------------------------------------- */

static bool read_file(const char *path, struct buf *bytes)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    char chunk[16384];
    ssize_t got = -1;
    while (fd >= 0 && (got = read(fd, chunk, sizeof(chunk))) > 0)
        buf_append(bytes, (struct str){chunk, (size_t)got});
    if (fd >= 0)
        close(fd);
    return got == 0;
}

static bool verdict(const char *what, bool good)
{
    printf("  %s%s%s %s\n", style(good ? green : red), good ? "✓" : "✗", style(plain), what);
    return good;
}

static void print_figures(const struct figures *f)
{
    printf(
        "  over the wire   %lld frames and %lld bytes sent, %lld frames and %lld bytes received\n",
        (long long)f->frames_sent, (long long)f->bytes_sent, (long long)f->frames_received,
        (long long)f->bytes_received);
    printf("  time            %lld ms in all: waiting for the recording %lld ms, tools after it "
           "%lld ms;\n"
           "                  %lld steps, %lld calls, first output after %lld ms\n",
           (long long)f->total_ms, (long long)f->model_ms, (long long)f->tools_ms,
           (long long)f->steps, (long long)f->calls, (long long)f->first_output_ms);
}

static int judge(struct show *show)
{
    struct buf now = {0};
    bool read = read_file(show->source, &now);
    const struct text *text = client_text(show->client, show->source);
    bool kept = text && str_find(text_bytes(text), STR("MAX_FIELDS = 16 "), 0) != STR_NONE;
    headline(show, "What must be true now");
    bool good = verdict("the project's tests failed before", show->failed_before);
    good &= verdict("they pass after, on the unsaved text", show->passed_after);
    good &= verdict("your unsaved change is still in the buffer", kept);
    good &= verdict("the file on disk is byte for byte what it was",
                    read && str_eq(buf_str(&now), buf_str(&show->on_disk)));
    good &= verdict("every turn ended completed", show->completed);
    buf_finish(&now);
    return good ? EXIT_OK : EXIT_FAILED;
}

static void print_comparison(struct show *show)
{
    const struct figures *http = &show->figures[ACT_HTTP], *lanes = &show->figures[ACT_LANES];
    headline(show,
             "The same 25-step turn, twice (both over loopback, the recording answers at once)");
    for (enum act act = ACT_HTTP; act <= ACT_LANES; act++)
        printf("  %-32s %7.3f s  %9lld bytes sent\n", acts[act].title,
               (double)show->figures[act].total_ms / 1000,
               (long long)show->figures[act].bytes_sent);
    if (http->bytes_sent > 0 && http->total_ms > 0)
        printf("  over lanes: %.1f %% of the bytes, %.0f %% of the time\n",
               100.0 * (double)lanes->bytes_sent / (double)http->bytes_sent,
               100.0 * (double)lanes->total_ms / (double)http->total_ms);
}

/* -- The acts ---------------------------------------------------------------------------------- */

static struct figures read_figures(const struct json_value *timing)
{
    return (struct figures){
        .total_ms = json_get_int(timing, "totalMs", 0),
        .model_ms = json_get_int(timing, "modelMs", 0),
        .tools_ms = json_get_int(timing, "toolsMs", 0),
        .first_output_ms = json_get_int(timing, "firstOutputMs", 0),
        .steps = json_get_int(timing, "steps", 0),
        .calls = json_get_int(timing, "calls", 0),
        .frames_sent = json_get_int(timing, "framesSent", 0),
        .frames_received = json_get_int(timing, "framesReceived", 0),
        .bytes_sent = json_get_int(timing, "bytesSent", 0),
        .bytes_received = json_get_int(timing, "bytesReceived", 0),
    };
}

static void on_turn_completed(struct show *show, const struct json_value *params)
{
    struct str status = json_get_str(params, "status");
    show->figures[show->act] = read_figures(json_get(params, "timing"));
    if (!str_eq_c(status, "completed")) {
        show->completed = false;
        end_line(show);
        printf("  the turn %s: " STR_FMT "\n", status.ptr, STR_ARG(json_get_str(params, "error")));
    }
    client_stop(show->client);
}

static void on_item(struct show *show, const struct json_value *item)
{
    struct str output = json_get_str(item, "output");
    if (show->act != ACT_FIX)
        return;
    print_item(show, item);
    if (!str_eq_c(json_get_str(item, "type"), "commandExecution"))
        return;
    if (str_find(output, STR("FAIL doubled quote"), 0) != STR_NONE)
        show->failed_before = true;
    if (str_find(output, STR("all passed"), 0) != STR_NONE)
        show->passed_after = show->failed_before;
}

static void on_notification(void *user, struct str method, const struct json_value *params)
{
    struct show *show = user;
    if (str_eq_c(method, "lanebridge/turn/completed")) {
        on_turn_completed(show, params);
    } else if (str_eq_c(method, "lanebridge/item/completed")) {
        on_item(show, json_get(params, "item"));
    } else if (str_eq_c(method, "lanebridge/item/delta") && show->act == ACT_FIX &&
               str_eq_c(json_get_str(params, "type"), "agentMessage")) {
        printf("%s" STR_FMT, show->line_open ? "" : "  ", STR_ARG(json_get_str(params, "delta")));
        show->line_open = true;
    } else if (str_eq_c(method, "window/showMessage")) {
        end_line(show);
        printf("  editor says: " STR_FMT "\n", STR_ARG(json_get_str(params, "message")));
    }
    fflush(stdout);
}

/* The file is open in the editor, and something was typed that nobody saved. */
static bool open_unsaved(struct show *show)
{
    struct err err = {0};
    if (client_open(show->client, show->source, NULL, &err) < 0) {
        cli_complain("try", "%s", err.text);
        return false;
    }
    struct str text = text_bytes(client_text(show->client, show->source));
    size_t at = str_find(text, str_from(unsaved_from), 0);
    if (at == STR_NONE)
        return false;
    client_edit(show->client, show->source, at, at + strlen(unsaved_from), str_from(unsaved_to),
                &err);
    return true;
}

static void on_turn_answer(void *user, const struct jsonrpc_answer *answer)
{
    struct show *show = user;
    if (answer->status == STATUS_OK)
        return;
    cli_complain("try", STR_FMT, STR_ARG(answer->error_text));
    show->completed = false;
    client_stop(show->client);
}

static void on_ready(void *user)
{
    struct show *show = user;
    if (!open_unsaved(show)) {
        show->completed = false;
        client_stop(show->client);
        return;
    }
    client_start_turn(show->client, acts[show->act].prompt, on_turn_answer, show);
}

static void on_server_exit(void *user, int exit_code, int signal)
{
    struct show *show = user;
    if (exit_code != 0) {
        end_line(show);
        printf("  the server ended with exit code %d, signal %d\n", exit_code, signal);
        show->completed = false;
    }
    loop_stop(show->loop);
}

static void start_act(struct show *show)
{
    static const struct client_handlers handlers = {
        .on_ready = on_ready, .on_notification = on_notification, .on_exit = on_server_exit};
    struct buf options = {0};
    struct json_writer w;
    json_writer_init(&w, &options);
    json_write_begin_object(&w);
    json_write_field_bool(&w, "trusted", true);
    json_write_key(&w, "endpoint");
    json_write_begin_object(&w);
    json_write_field_str(&w, "url", buf_str(&show->url));
    json_write_field_c(&w, "transport", acts[show->act].transport);
    json_write_end_object(&w);
    json_write_end_object(&w);
    char *name = mem_dup_c(show->lanebridge), command[] = "lsp";
    char *argv[] = {name, command, NULL};
    const char *roots[] = {show->folder};
    struct client_options client_options = {.argv = argv,
                                            .roots = roots,
                                            .root_count = 1,
                                            .name = "lanebridge-try",
                                            .initialization_options = buf_str(&options),
                                            .rich = true,
                                            .inherit_stderr = true};
    struct err err = {0};
    show->client = client_new(show->loop, &client_options, &handlers, show, &err);
    if (!show->client)
        cli_complain("try", "%s", err.text);
    else
        loop_run(show->loop);
    mem_free(name);
    buf_finish(&options);
}

/* -- The endpoint ------------------------------------------------------------------------------ */

static void on_endpoint_stdout(void *user, struct str bytes)
{
    struct show *show = user;
    if (str_find_byte(buf_str(&show->url), '\n', 0) != STR_NONE)
        return;
    buf_append(&show->url, bytes);
    if (str_find_byte(buf_str(&show->url), '\n', 0) != STR_NONE)
        loop_stop(show->loop);
}

static void on_endpoint_exit(void *user, int exit_code, int signal)
{
    struct show *show = user;
    cli_complain("try", "the endpoint ended (exit code %d, signal %d)", exit_code, signal);
    show->completed = false;
    loop_stop(show->loop);
}

static bool start_endpoint(struct show *show)
{
    static const struct loop_process_handlers handlers = {.on_stdout = on_endpoint_stdout,
                                                          .on_exit = on_endpoint_exit};
    struct buf engine = {0};
    struct err err = {0};
    buf_append_fmt(&engine, "replay:%s", show->replay);
    char *name = mem_dup_c(show->lanebridge);
    char command[] = "endpoint", engine_flag[] = "--engine", stdin_flag[] = "--exit-with-stdin",
         path[] = "PATH=/usr/bin:/bin";
    char *argv[] = {name, command, engine_flag, engine.ptr, stdin_flag, NULL},
         *env[] = {path, NULL};
    struct loop_process_options options = {
        .argv = argv, .env = env, .pipe_stdin = true, .inherit_stderr = true};
    show->endpoint = loop_process_new(show->loop, &options, &handlers, show, &err);
    if (show->endpoint)
        loop_run(show->loop);
    else
        cli_complain("try", "%s", err.text);
    mem_free(name);
    buf_finish(&engine);
    struct str url = str_trim(buf_str(&show->url));
    buf_truncate(&show->url, url.len);
    return str_starts_with(url, STR("ws://"));
}

static void on_deadline(void *user)
{
    struct show *show = user;
    end_line(show);
    printf("  nothing came for %d s: giving up\n", DEADLINE_MS / 1000);
    show->completed = false;
    loop_stop(show->loop);
}

/* -- The play ---------------------------------------------------------------------------------- */

static int play(struct show *show)
{
    int code = EXIT_FAILED;
    if (!read_file(show->source, &show->on_disk) || !start_endpoint(show))
        return code;
    printf("%sLanebridge%s: one agent turn in a real language server, on a copy of a small C "
           "project.\n"
           "The model is a RECORDING (engine \"replay\"): no model is behind it and no key is "
           "needed. All else "
           "is real:\nthe WebSocket, the tools, the sandbox, the edit, the tests.\n",
           style(bold), style(plain));
    headline(show, "You have src/csvline.c open, with an unsaved change:");
    printf("      %s-enum { MAX_FIELDS = 4 };%s\n      %s+enum { MAX_FIELDS = 16 };%s\n",
           style(red), style(plain), style(green), style(plain));
    printf("\n%sYou ask:%s %s\n\n", style(bold), style(plain), acts[ACT_FIX].prompt);
    start_act(show);
    headline(show, "Figures of this turn");
    print_figures(&show->figures[ACT_FIX]);
    code = judge(show);
    client_free(show->client);
    show->client = NULL;
    for (show->act = ACT_HTTP; code == EXIT_OK && show->act < ACT_COUNT; show->act++) {
        start_act(show);
        client_free(show->client);
        show->client = NULL;
    }
    if (code == EXIT_OK)
        print_comparison(show);
    return code == EXIT_OK && show->completed ? EXIT_OK : EXIT_FAILED;
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: lanebridge-try LANEBRIDGE PROJECT REPLAY\n");
        return EXIT_USAGE;
    }
    loop_prepare_process();
    struct show show = {.lanebridge = argv[1], .replay = argv[3], .completed = true};
    if (!realpath(argv[2], show.folder)) {
        cli_complain("try", "%s: %s", argv[2], strerror(errno));
        return EXIT_FAILED;
    }
    snprintf(show.source, sizeof(show.source), "%s/src/csvline.c", show.folder);
    show.loop = loop_new(NULL);
    show.deadline = loop_timer_new(show.loop, on_deadline, &show);
    loop_timer_start(show.deadline, DEADLINE_MS, 0);
    int code = play(&show);
    client_free(show.client);
    loop_timer_free(show.deadline);
    loop_process_free(show.endpoint);
    loop_free(show.loop);
    buf_finish(&show.url);
    buf_finish(&show.on_disk);
    return code;
}
