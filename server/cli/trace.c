/* lanebridge trace: where the time of a turn went, from the journal. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <lanebridge/config.h>
#include <lanebridge/journal.h>
#include <lanebridge/json.h>

#include "cli.h"
#include "trace-internal.h"

/* A turn that is wanted; others are read while the journal lists them. */
struct kept {
    char *id, *status, *prompt, *usage;
    uint64_t started_ms, ended_ms;
};

struct trace {
    const char *wanted; /* id of a turn or a thread, or NULL: the latest turn of all */
    bool json, chrome;
    struct journal *journal;
    char thread[ID_BYTES];
    struct buf title, last; /* last: the latest turn, printed when it is known to be that */
    bool is_thread;
    VEC(struct kept) turns;
    struct trace_spans spans;
};

static const char *get_environment(const char *name)
{
    return getenv(name);
}

/* -- Printing --------------------------------------------------------------------------------- */

static double seconds_of(const struct json_value *timing, const char *member)
{
    return (double)json_get_int(timing, member, 0) / 1000;
}

static void append_line(struct buf *out, const char *what, double seconds, double total,
                        const char *note)
{
    static const char bar[] = "##############################";
    int width = (int)sizeof(bar) - 1, length = total > 0 ? (int)(seconds / total * width + 0.5) : 0;
    buf_append_fmt(out, "  %-22s %12.3f ms", what, seconds * 1000);
    if (length > 0)
        buf_append_fmt(out, "  %.*s", length < width ? length : width, bar);
    buf_append_fmt(out, "%s%s\n", note[0] ? "  " : "", note);
}

/* The endpoint's stages lie within the model's time. Of the bookkeeping it tells a step late. */
static void append_stages(struct buf *out, const struct json_value *stages, double total)
{
    const struct json_value *stage = json_first(stages);
    if (!stage)
        buf_append_c(out, "    (the endpoint does not say what it spent where)\n");
    for (; stage; stage = json_next(stage)) {
        char name[40];
        struct str key = json_key(stage);
        bool late = str_eq_c(key, "bookkeeping_before");
        snprintf(name, sizeof(name), "  of it %.*s", (int)key.len, key.ptr);
        append_line(out, late ? "  of it bookkeeping" : name, (double)json_int(stage, 0) / 1e6,
                    total, late ? "without the last step's" : "");
    }
}

static void append_turn(struct buf *out, const struct journal_turn *turn,
                        const struct json_value *usage)
{
    const struct json_value *timing = json_get(usage, "timing");
    double total = seconds_of(timing, "totalMs"), model = seconds_of(timing, "modelMs");
    double tools = seconds_of(timing, "toolsMs"), rest = total - model - tools;
    time_t started = (time_t)(turn->started_ms / 1000);
    struct tm local;
    char at[32] = "";
    if (localtime_r(&started, &local))
        strftime(at, sizeof(at), "%Y-%m-%d %H:%M:%S", &local);
    buf_append_fmt(out, STR_FMT "  %s  " STR_FMT "\n", STR_ARG(turn->id), at,
                   STR_ARG(turn->status));
    if (!json_is(timing, JSON_OBJECT)) {
        buf_append_c(out, "  nothing was measured: the turn did not end, or an older version ran "
                          "it\n");
        return;
    }
    append_line(out, "in all", total, total, "");
    append_line(out, "waiting for the model", model, total, "");
    append_line(out, "  until first words", seconds_of(timing, "firstOutputMs"), total,
                "of the first step");
    append_stages(out, json_get(usage, "stagesUs"), total);
    append_line(out, "tools after its answer", tools, total, "with approvals");
    append_line(out, "ourselves", rest > 0 ? rest : 0, total, "");
    buf_append_fmt(out,
                   "  %lld steps, %lld calls, %lld tokens in (%lld cached), %lld out; %lld bytes "
                   "sent, %lld received; %lld full inputs, %lld retries\n",
                   (long long)json_get_int(usage, "steps", 0),
                   (long long)json_get_int(timing, "calls", 0),
                   (long long)json_get_int(usage, "inputTokens", 0),
                   (long long)json_get_int(usage, "cachedTokens", 0),
                   (long long)json_get_int(usage, "outputTokens", 0),
                   (long long)json_get_int(timing, "bytesSent", 0),
                   (long long)json_get_int(timing, "bytesReceived", 0),
                   (long long)json_get_int(timing, "fullInputs", 0),
                   (long long)json_get_int(timing, "retries", 0));
}

static void append_json(struct buf *out, const struct trace *trace, const struct journal_turn *turn)
{
    struct json_writer w;
    json_writer_init(&w, out);
    json_write_begin_object(&w);
    json_write_field_c(&w, "threadId", trace->thread);
    json_write_field_str(&w, "turnId", turn->id);
    json_write_field_str(&w, "status", turn->status);
    json_write_field_int(&w, "startedMs", (int64_t)turn->started_ms);
    if (turn->usage_json.len)
        json_write_field_raw(&w, "usage", turn->usage_json);
    json_write_end_object(&w);
    buf_append_byte(out, '\n');
}

/* -- Finding ---------------------------------------------------------------------------------- */

static void drop_turns(struct trace *trace)
{
    for (size_t i = 0; i < trace->turns.len; i++) {
        struct kept *kept = &trace->turns.ptr[i];
        char *const owned[] = {kept->id, kept->status, kept->prompt, kept->usage};
        for (size_t j = 0; j < array_count(owned); j++)
            mem_free(owned[j]);
    }
    vec_clear(&trace->turns);
}

static bool on_turn(void *user, const struct journal_turn *turn)
{
    struct trace *trace = user;
    bool is_it = trace->wanted && str_eq_c(turn->id, trace->wanted);
    if (trace->wanted && !trace->is_thread && !is_it)
        return true;
    if (!trace->is_thread)
        drop_turns(trace); /* the latest counts */
    struct kept kept = {str_dup_c(turn->id),     str_dup_c(turn->status),
                        str_dup_c(turn->prompt), str_dup_c(turn->usage_json),
                        turn->started_ms,        turn->ended_ms};
    vec_push(&trace->turns, kept);
    return !is_it;
}

static void append_kept(struct trace *trace, const struct kept *kept)
{
    const struct journal_turn turn = {.id = str_from(kept->id),
                                      .status = str_from(kept->status),
                                      .prompt = str_from(kept->prompt),
                                      .usage_json = str_from(kept->usage),
                                      .started_ms = kept->started_ms,
                                      .ended_ms = kept->ended_ms};
    struct trace_spans spans = {0};
    struct json_value *usage = NULL;
    if (trace->json) {
        append_json(&trace->last, trace, &turn);
        return;
    }
    trace_collect(trace->journal, trace->thread, &turn, trace->chrome ? &trace->spans : &spans);
    if (!trace->chrome) {
        (void)json_parse(turn.usage_json, &usage, NULL);
        append_turn(&trace->last, &turn, usage);
        trace_append_lines(&spans, &trace->last);
    }
    json_free(usage);
    trace_finish(&spans);
}

static bool on_thread(void *user, const struct journal_thread *thread)
{
    struct trace *trace = user;
    snprintf(trace->thread, sizeof(trace->thread), "%s", thread->id);
    trace->is_thread = trace->wanted && strcmp(thread->id, trace->wanted) == 0;
    buf_clear(&trace->title);
    buf_append(&trace->title, thread->title);
    journal_turn_each(trace->journal, trace->thread, on_turn, trace, NULL);
    return trace->turns.len == 0;
}

static int print_result(struct trace *trace)
{
    if (trace->turns.len == 0) {
        if (trace->wanted)
            cli_complain("trace",
                         "there is no turn or thread %s in the journal; without an id the latest "
                         "turn is shown",
                         trace->wanted);
        else
            cli_complain("trace", "no turn has been asked for yet");
        return EXIT_FAILED;
    }
    for (size_t i = 0; i < trace->turns.len; i++)
        append_kept(trace, &trace->turns.ptr[i]);
    if (trace->chrome)
        trace_append_chrome(&trace->spans, buf_str(&trace->title), &trace->last);
    if (!trace->json && !trace->chrome && trace->title.len)
        printf("%.*s (%s)\n", (int)trace->title.len, trace->title.ptr, trace->thread);
    fwrite(trace->last.ptr, 1, trace->last.len, stdout);
    return EXIT_OK;
}

static int trace_run(struct trace *trace)
{
    enum { ALL_THREADS = 1000000 };
    struct config_env env;
    int code = EXIT_FAILED;
    config_env_init(&env, get_environment);
    trace->journal = cli_open_journal("trace", env.state_folder, "no turn has run");
    if (trace->journal) {
        const struct journal_filter all = {.with_archived = true, .limit = ALL_THREADS};
        journal_thread_list(trace->journal, &all, on_thread, trace, NULL);
        code = print_result(trace);
    }
    journal_close(trace->journal);
    drop_turns(trace);
    vec_finish(&trace->turns);
    trace_finish(&trace->spans);
    buf_finish(&trace->title);
    buf_finish(&trace->last);
    config_env_finish(&env);
    return code;
}

int cli_trace(int argc, char **argv)
{
    struct trace trace = {0};
    const struct cli_option options[] = {{"--json", CLI_FLAG, &trace.json},
                                         {"--perfetto", CLI_FLAG, &trace.chrome}};
    if (!cli_options_take("trace", &argc, argv, options, array_count(options)))
        return EXIT_USAGE;
    if (argc > 2) {
        cli_complain("trace", "\"%s\" is one word too many; give one id of a turn or a thread",
                     argv[2]);
        return EXIT_USAGE;
    }
    trace.wanted = argc > 1 ? argv[1] : NULL;
    return trace_run(&trace);
}
