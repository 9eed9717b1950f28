/* lanebridge log: what ran, who let it, in which sandbox; with --sent what went out to the
 * endpoint. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <lanebridge/config.h>
#include <lanebridge/json.h>

#include "../report.h"
#include "../sweep.h"
#include "cli.h"

enum { CALLS_COUNT = 200, SHOWN_BYTES = 100 };

struct log {
    const char *wanted; /* a turn or a thread, or NULL: the latest calls of all */
    bool json, sent;
    int64_t limit;
    struct journal *journal;
    struct buf out; /* oldest last, as it is read; turned round when printed */
    VEC(char *) rows;
};

static const char *get_environment(const char *name)
{
    return getenv(name);
}

/* -- What ran --------------------------------------------------------------------------------- */

/* The argument that says most: the command, the path, else all of them. */
static void append_what(struct buf *out, const struct journal_call *call)
{
    static const char *const telling[] = {"cmd", "command", "path", "pattern", "glob", "question"};
    struct json_value *arguments = NULL;
    struct str what = call->arguments;
    if (json_parse(call->arguments, &arguments, NULL) == STATUS_OK)
        for (size_t i = 0; i < array_count(telling); i++)
            if (json_get_str(arguments, telling[i]).len > 0) {
                what = json_get_str(arguments, telling[i]);
                break;
            }
    utf8_append_line(out, what, SHOWN_BYTES);
    json_free(arguments);
}

static const char *result_of(const struct journal_call *call)
{
    if (call->state != CALL_DONE)
        return "its end is not known";
    return call->ok ? "ok" : "failed";
}

static void append_call(struct buf *out, const struct journal_call *call)
{
    report_append_time(out, call->started_ms);
    buf_append_fmt(out, "  " STR_FMT "  ", STR_ARG(call->name));
    append_what(out, call);
    buf_append_c(out, "\n    decided by: ");
    utf8_append_line(out, call->decision, SHOWN_BYTES);
    if (call->sandbox.len)
        buf_append_fmt(out, "; sandbox: " STR_FMT, STR_ARG(call->sandbox));
    buf_append_fmt(out, "; %s", result_of(call));
    if (call->state == CALL_DONE)
        buf_append_fmt(out, " after %llu ms",
                       (unsigned long long)(call->ended_ms - call->started_ms));
    buf_append_fmt(out, "  (" STR_FMT ")\n", STR_ARG(call->turn_id));
}

static void append_call_json(struct buf *out, const struct journal_call *call)
{
    struct json_writer w;
    json_writer_init(&w, out);
    json_write_begin_object(&w);
    json_write_field_str(&w, "threadId", call->thread_id);
    json_write_field_str(&w, "turnId", call->turn_id);
    json_write_field_str(&w, "callId", call->call_id);
    json_write_field_str(&w, "tool", call->name);
    json_write_field_str(&w, "arguments", call->arguments);
    json_write_field_str(&w, "decision", call->decision);
    json_write_field_str(&w, "sandbox", call->sandbox);
    json_write_field_c(&w, "result",
                       call->state != CALL_DONE ? "unknown"
                       : call->ok               ? "ok"
                                                : "failed");
    json_write_field_int(&w, "startedMs", (int64_t)call->started_ms);
    json_write_field_int(&w, "endedMs", (int64_t)call->ended_ms);
    json_write_field_int(&w, "outputBytes", (int64_t)call->output.len);
    json_write_end_object(&w);
    buf_append_byte(out, '\n');
}

static bool on_call(void *user, const struct journal_call *call)
{
    struct log *log = user;
    struct buf row = {0};
    (log->json ? append_call_json : append_call)(&row, call);
    vec_push(&log->rows, buf_take(&row));
    return true;
}

static int print_calls(struct log *log)
{
    char thread[ID_BYTES];
    struct str wanted = str_from(log->wanted);
    bool is_turn =
        wanted.len > 0 && journal_turn_thread(log->journal, wanted, thread, NULL) == STATUS_OK;
    journal_call_each(log->journal, is_turn ? STR("") : wanted, is_turn ? wanted : STR(""),
                      (size_t)log->limit, on_call, log, NULL);
    for (size_t i = log->rows.len; i-- > 0;)
        fputs(log->rows.ptr[i], stdout);
    if (log->rows.len == 0 && log->wanted)
        cli_complain("log", "nothing ran in %s, or there is no such turn or thread", log->wanted);
    else if (log->rows.len == 0)
        cli_complain("log", "nothing has run yet");
    return log->rows.len ? EXIT_OK : EXIT_FAILED;
}

/* -- What was sent ---------------------------------------------------------------------------- */

static int print_sent(struct log *log)
{
    struct buf text = {0};
    struct err err = {0};
    enum status status = log->json
                             ? report_sent_json(log->journal, str_from(log->wanted), &text, &err)
                             : report_sent_text(log->journal, str_from(log->wanted), &text, &err);
    if (status == STATUS_OK)
        printf("%s%s", text.ptr, log->json ? "\n" : "");
    else
        cli_complain("log", "%s", err.text);
    buf_finish(&text);
    return status == STATUS_OK ? EXIT_OK : EXIT_FAILED;
}

/* Also where no window is open for long enough. */
static void sweep(struct log *log, const char *state_folder, const char *config_file)
{
    struct config *config = config_new();
    struct buf warnings = {0};
    bool has_more = true;
    if (config_load_file(config, str_from(config_file), &warnings, NULL) == STATUS_OK)
        while (has_more)
            sweep_run(log->journal, config, state_folder, &has_more);
    buf_finish(&warnings);
    config_free(config);
}

/* -- The command ------------------------------------------------------------------------------ */

static int log_run(struct log *log)
{
    struct config_env env;
    int code = EXIT_FAILED;
    config_env_init(&env, get_environment);
    log->journal = cli_open_journal("log", env.state_folder, "nothing has run");
    if (log->journal)
        sweep(log, env.state_folder, env.config_file);
    if (log->journal)
        code = log->sent ? print_sent(log) : print_calls(log);
    journal_close(log->journal);
    for (size_t i = 0; i < log->rows.len; i++)
        mem_free(log->rows.ptr[i]);
    vec_finish(&log->rows);
    config_env_finish(&env);
    return code;
}

int cli_log(int argc, char **argv)
{
    struct log log = {.limit = CALLS_COUNT};
    const struct cli_option options[] = {
        {"--json", CLI_FLAG, &log.json},
        {"--sent", CLI_FLAG, &log.sent},
        {"--limit", CLI_NUMBER, &log.limit},
    };
    if (!cli_options_take("log", &argc, argv, options, array_count(options)))
        return EXIT_USAGE;
    if (argc > 2 || log.limit < 1) {
        cli_complain("log", argc > 2 ? "one id of a turn or a thread, please"
                                     : "--limit takes a number from 1 on");
        return EXIT_USAGE;
    }
    log.wanted = argc > 1 ? argv[1] : NULL;
    return log_run(&log);
}
