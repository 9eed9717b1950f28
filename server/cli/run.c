/* lanebridge run: one turn on a folder, without an editor: the language server as a child, a client
 * here. */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <lanebridge/client.h>

#include "cli.h"

struct run {
    struct loop *loop;
    struct client *client;
    struct loop_signal *on_int;
    struct loop_timer *save_timer;
    const char *prompt;
    char folder[PATH_MAX];
    bool json, accept_commands, is_terminal;
    bool is_watched; /* somebody sees the answer come; else it is printed once it counts */
    bool denied, interrupted, told_failure;
    bool line_open; /* the answer's last line is not ended yet */
    struct buf thread_id;
    int code;
};

/* -- Printing ---------------------------------------------------------------------------------- */

static void print_text(struct run *run, struct str text)
{
    struct buf clean = {0};
    utf8_append_printable(&clean, text); /* what a model writes must not steer the terminal */
    if (clean.len > 0) {
        fwrite(clean.ptr, 1, clean.len, stdout);
        run->line_open = clean.ptr[clean.len - 1] != '\n';
        fflush(stdout);
    }
    buf_finish(&clean);
}

static void end_line(struct run *run)
{
    if (run->line_open)
        putchar('\n');
    run->line_open = false;
}

static void print_json(struct str method, const struct json_value *params)
{
    struct buf line = {0};
    struct json_writer w;
    json_writer_init(&w, &line);
    json_write_begin_object(&w);
    json_write_field_str(&w, "method", method);
    json_write_key(&w, "params");
    json_write_value(&w, params);
    json_write_end_object(&w);
    puts(line.ptr);
    fflush(stdout);
    buf_finish(&line);
}

static void print_item(struct run *run, const struct json_value *item)
{
    struct str type = json_get_str(item, "type"), title = json_get_str(item, "title");
    struct buf line = {0};
    if (json_get_str(item, "parentItemId").len > 0) /* a helper's: its call has a line */
        return;
    bool counts = !json_get_bool(item, "void", false); /* else it comes once more */
    if (str_eq_c(type, "agentMessage") && !run->is_watched && counts)
        print_text(run, json_get_str(item, "text"));
    if (str_eq_c(type, "agentMessage") || str_eq_c(type, "reasoning")) {
        end_line(run);
        return;
    }
    if (str_eq_c(type, "compaction") && json_get_str(item, "text").len > 0) {
        end_line(run);
        fprintf(stderr, "  . " STR_FMT "\n", STR_ARG(json_get_str(item, "text")));
        return;
    }
    if (title.len == 0)
        return;
    end_line(run);
    utf8_append_printable(&line, title);
    fprintf(stderr, "  %s %s (%lld ms)\n", json_get_bool(item, "ok", true) ? "+" : "!", line.ptr,
            (long long)json_get_int(item, "ranMs", 0));
    buf_clear(&line);
    utf8_append_printable(&line, json_get_str(item, "diff"));
    if (line.len > 0)
        fputs(line.ptr, stderr);
    buf_finish(&line);
}

/* -- The turn
 * ------------------------------------------------------------------------------------------------
 */

static void stop(struct run *run)
{
    client_stop(run->client);
}

static void on_turn_completed(struct run *run, const struct json_value *params)
{
    struct str status = json_get_str(params, "status");
    end_line(run);
    if (str_eq_c(status, "completed"))
        run->code = run->denied ? EXIT_DENIED : EXIT_OK;
    else if (str_eq_c(status, "interrupted"))
        run->code = EXIT_INTERRUPTED;
    else
        run->code = EXIT_FAILED;
    if (run->code == EXIT_FAILED) {
        struct str error = json_get_str(params, "error");
        cli_complain("run", STR_FMT, STR_ARG(error));
        run->told_failure = true;
    }
    stop(run);
}

static void on_notification(void *user, struct str method, const struct json_value *params)
{
    struct run *run = user;
    bool is_ours = str_starts_with(method, STR("lanebridge/"));
    if (run->json && is_ours)
        print_json(method, params);
    if (str_eq_c(method, "lanebridge/turn/completed")) {
        on_turn_completed(run, params);
    } else if (str_eq_c(method, "window/showMessage") && json_get_int(params, "type", 4) <= 2) {
        cli_complain("run", STR_FMT, STR_ARG(json_get_str(params, "message")));
    } else if (run->json) {
        return;
    } else if (str_eq_c(method, "lanebridge/item/delta")) {
        if (run->is_watched && str_eq_c(json_get_str(params, "type"), "agentMessage"))
            print_text(run, json_get_str(params, "delta"));
    } else if (str_eq_c(method, "lanebridge/item/completed")) {
        print_item(run, json_get(params, "item"));
    } else if (str_eq_c(method, "lanebridge/turn/notice")) {
        fprintf(stderr, "  . " STR_FMT "\n", STR_ARG(json_get_str(params, "text")));
    }
}

/* A person at the terminal is asked, Decline being what Enter means; without one it is denied. */
static bool ask_person(struct str text)
{
    struct buf clean = {0};
    char answer[16] = "";
    utf8_append_printable(&clean, text);
    fprintf(stderr, "\nAllow this?\n%s\n[y/N] ", clean.ptr ? clean.ptr : "");
    buf_finish(&clean);
    return fgets(answer, sizeof(answer), stdin) && (answer[0] == 'y' || answer[0] == 'Y');
}

static int on_question(void *user, const struct client_question *question)
{
    struct run *run = user;
    bool is_command = str_eq_c(json_get_str(question->params, "kind"), "command");
    bool yes = question->is_approval && ((is_command && run->accept_commands) ||
                                         (run->is_terminal && ask_person(question->message)));
    if (!yes) {
        run->denied = true;
        end_line(run);
        if (!run->is_terminal)
            fprintf(stderr, "  ! denied, nobody to ask: " STR_FMT "\n", STR_ARG(question->message));
    }
    return yes ? 0 : 1;
}

/* The number of an option, or other words; Enter alone is no answer. */
static void read_answer(struct json_writer *w, const struct json_value *question)
{
    char line[1024] = "";
    uint64_t number = 0;
    const struct json_value *option = json_first(json_get(question, "options"));
    if (!fgets(line, sizeof(line), stdin))
        return;
    struct str text = str_trim(str_from(line));
    if (str_to_uint64(text, &number) && number > 0) {
        while (option && --number > 0)
            option = json_next(option);
        text = option ? json_get_str(option, "label") : text;
    }
    if (text.len == 0)
        return;
    json_write_begin_object(w);
    json_write_field_str(w, "id", json_get_str(question, "id"));
    json_write_field_str(w, "text", text);
    json_write_end_object(w);
}

static void print_question(const struct json_value *question)
{
    struct buf text = {0};
    unsigned number = 0;
    utf8_append_printable(&text, json_get_str(question, "text"));
    const struct json_value *option = json_first(json_get(question, "options"));
    for (; option; option = json_next(option)) {
        struct str description = json_get_str(option, "description");
        buf_append_fmt(&text, "\n  %u. ", ++number);
        utf8_append_printable(&text, json_get_str(option, "label"));
        buf_append_c(&text, description.len > 0 ? ": " : "");
        utf8_append_printable(&text, description);
    }
    fprintf(stderr, "\n%s\n", text.ptr);
    buf_finish(&text);
}

/* What the model asks; without a terminal nobody answers, which is no denial. */
static bool on_request(void *user, struct str method, const struct json_value *params,
                       struct buf *result)
{
    struct run *run = user;
    struct json_writer w;
    const struct json_value *question = json_first(json_get(params, "questions"));
    if (!str_eq_c(method, "lanebridge/question/request"))
        return true;
    end_line(run);
    json_writer_init(&w, result);
    json_write_begin_object(&w);
    json_write_key(&w, "answers");
    json_write_begin_array(&w);
    for (; question; question = json_next(question)) {
        print_question(question);
        fputs(run->is_terminal ? "[number, or your own words] " : "  . nobody to ask\n", stderr);
        if (run->is_terminal)
            read_answer(&w, question);
    }
    json_write_end_array(&w);
    json_write_end_object(&w);
    return true;
}

static void on_turn_answer(void *user, const struct jsonrpc_answer *answer)
{
    struct run *run = user;
    if (answer->status == STATUS_OK) {
        buf_append(&run->thread_id, json_get_str(answer->result, "threadId"));
        return;
    }
    if (answer->status != STATUS_CLOSED)
        cli_complain("run", STR_FMT, STR_ARG(answer->error_text));
    run->told_failure = true;
    stop(run);
}

static void on_ready(void *user)
{
    struct run *run = user;
    client_start_turn(run->client, run->prompt, on_turn_answer, run);
}

/* What edits opened is saved as soon as the edit has been told: no editor holds it. */
static void on_save_time(void *user)
{
    struct run *run = user;
    const char *path;
    struct err err = {0};
    for (size_t i = 0; (path = client_path_at(run->client, i)); i++)
        if (client_is_dirty(run->client, path) && client_save(run->client, path, &err) < 0)
            cli_complain("run", "%s", err.text);
}

static void on_applied(void *user, struct str path, const struct text *before,
                       const struct text *after)
{
    struct run *run = user;
    (void)path;
    (void)before;
    (void)after;
    loop_timer_start(run->save_timer, 0, 0);
}

static void on_exit_child(void *user, int exit_code, int signal)
{
    struct run *run = user;
    if (run->code == EXIT_FAILED && !run->told_failure)
        cli_complain("run", "the server ended (exit code %d, signal %d)", exit_code, signal);
    loop_stop(run->loop);
}

static void on_interrupt(void *user)
{
    struct run *run = user;
    if (run->interrupted || run->thread_id.len == 0) { /* a second Ctrl-C does not wait */
        run->code = EXIT_INTERRUPTED;
        run->told_failure = true;
        loop_stop(run->loop);
        return;
    }
    struct buf params = {0};
    run->interrupted = true;
    buf_append_fmt(&params, "{\"threadId\":\"" STR_FMT "\"}", STR_ARG(buf_str(&run->thread_id)));
    client_request(run->client, "lanebridge/turn/interrupt", buf_str(&params), on_turn_answer, run);
    buf_finish(&params);
}

static int run_turn(struct run *run)
{
    static const struct client_handlers handlers = {.on_ready = on_ready,
                                                    .on_notification = on_notification,
                                                    .on_question = on_question,
                                                    .on_request = on_request,
                                                    .on_applied = on_applied,
                                                    .on_exit = on_exit_child};
    char self[] = "/proc/self/exe", command[] = "lsp";
    char *argv[] = {self, command, NULL};
    const char *roots[] = {run->folder};
    struct client_options options = {.argv = argv,
                                     .roots = roots,
                                     .root_count = 1,
                                     .name = "lanebridge-run",
                                     .initialization_options = STR("{\"trusted\":true}"),
                                     .rich = true,
                                     .inherit_stderr = true};
    struct err err = {0};
    run->code = EXIT_FAILED;
    run->is_terminal = isatty(STDIN_FILENO) && isatty(STDERR_FILENO);
    run->is_watched = isatty(STDOUT_FILENO);
    run->loop = loop_new(&err);
    run->save_timer = loop_timer_new(run->loop, on_save_time, run);
    run->on_int = loop_signal_new(run->loop, SIGINT, on_interrupt, run);
    run->client = client_new(run->loop, &options, &handlers, run, &err);
    if (run->client)
        loop_run(run->loop);
    else
        cli_complain("run", "%s", err.text);
    client_free(run->client);
    loop_timer_free(run->save_timer);
    loop_signal_free(run->on_int);
    loop_free(run->loop);
    buf_finish(&run->thread_id);
    return run->code;
}

int cli_run(int argc, char **argv)
{
    struct run run = {0};
    const char *folder = ".";
    const struct cli_option options[] = {
        {"-C", CLI_TEXT, &folder},
        {"--json", CLI_FLAG, &run.json},
        {"--yes-to-commands", CLI_FLAG, &run.accept_commands},
    };
    if (!cli_options_take("run", &argc, argv, options, array_count(options)))
        return EXIT_USAGE;
    if (argc != 2) {
        cli_complain("run", argc < 2 ? "the prompt is missing: lanebridge run \"PROMPT\""
                                     : "one prompt, please: put it in quotes");
        return EXIT_USAGE;
    }
    if (!realpath(folder, run.folder)) {
        cli_complain("run", "cannot open the folder %s: %s", folder, strerror(errno));
        return EXIT_USAGE;
    }
    run.prompt = argv[1];
    return run_turn(&run);
}
