#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "faults.h"

enum { SLEEP_MS = 600 }; /* longer than the silence after which a socket is asked first */
enum { CASE_DEADLINE_MS = 20000, FAILURES_MAX = 2, SHOWN_MESSAGES = 12, SHOWN_BYTES = 400 };
/* A silent socket is given up after 0.75 s, an exchange over HTTP, which has no pings, after one.
 */
static const char deadlines[] =
    "LANEBRIDGE_TEST_DEADLINES=connect:250,proof:400,first_event:750,silence:500,pong:250,"
    "pin_short:50,pin_middle:50,pin_long:50,thinking:2500,http_stream:750,http_quiet:1000,drain:"
    "250,backoff_first:5,backoff_max:750";

enum stage { STAGE_ENDPOINT, STAGE_FIRST, STAGE_NEXT, STAGE_STOPPING };

struct play {
    const struct spec *spec;
    const char *program;
    struct loop *loop;
    struct loop_timer *deadline;
    struct buf folder, root, state;
    struct loop_process *endpoint;
    struct buf endpoint_out;
    struct proxy *proxy;
    struct client *client;
    enum stage stage;
    unsigned failures;
    bool second_was_answered, has_ended, was_missed;
    struct loop_timer *watch; /* for what the proxy holds back */
    bool was_interrupted, asked_again;
    uint64_t interrupted_ns, ready_ns;
    char thread[96];
    char turn[96];             /* that runs */
    struct proxy_counts first; /* at the end of the first turn */
    struct buf wrong;          /* what was said in the second turn and is no answer */
    struct buf judged, why;
    VEC(char *) wire; /* notifications, for the report */
};

static void fail(struct play *play, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void fail(struct play *play, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    buf_append_vfmt(&play->why, format, args);
    va_end(args);
    buf_append_byte(&play->why, '\n');
    loop_stop(play->loop);
}

/* -- Places --------------------------------------------------------------------------------------
 */

static bool write_file(const char *path, struct str bytes)
{
    FILE *file = fopen(path, "we");
    bool good = file && fwrite(bytes.ptr, 1, bytes.len, file) == bytes.len;
    return file && fclose(file) == 0 && good;
}

static bool read_file(const char *path, struct buf *bytes)
{
    char chunk[16384];
    size_t count;
    FILE *file = fopen(path, "re");
    if (!file)
        return false;
    buf_append_c(bytes, "");
    while ((count = fread(chunk, 1, sizeof(chunk), file)) > 0)
        buf_append(bytes, (struct str){chunk, count});
    fclose(file);
    return true;
}

static bool make_places(struct play *play)
{
    char place[] = "/tmp/lanebridge-fault-XXXXXX";
    struct buf path = {0}, replay = {0};
    if (!mkdtemp(place))
        return false;
    buf_append_c(&play->folder, place);
    buf_append_fmt(&play->root, "%s/work", place);
    buf_append_fmt(&play->state, "%s/state", place);
    buf_append_fmt(&path, "%s/replay.jsonl", place);
    rollout_append_replay(&replay);
    bool good = write_file(path.ptr, buf_str(&replay)) && rollout_make_files(play->root.ptr);
    buf_finish(&path);
    buf_finish(&replay);
    return good;
}

static void remove_places(struct play *play)
{
    static const struct loop_process_handlers handlers = {0};
    char command[] = "rm", flags[] = "-rf", path[] = "PATH=/usr/bin:/bin";
    char *argv[] = {command, flags, play->folder.ptr, NULL}, *env[] = {path, NULL};
    struct loop_process_options options = {.argv = argv, .env = env};
    struct loop *loop = loop_new(NULL);
    struct loop_process *process = loop_process_new(loop, &options, &handlers, NULL, NULL);
    if (process)
        loop_run(loop);
    loop_process_free(process);
    loop_free(loop);
}

/* The environment of the programs under test. */
struct env {
    char texts[8][512];
    char *list[9];
};
static void env_init(struct env *env, const struct play *play)
{
    static const char *const sanitizers[] = {"ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS"};
    const char *folder = play->folder.ptr;
    size_t count = 0;
    snprintf(env->texts[count++], 512, "PATH=/usr/bin:/bin");
    snprintf(env->texts[count++], 512, "HOME=%s/home", folder);
    snprintf(env->texts[count++], 512, "LANEBRIDGE_STATE=%s/state", folder);
    snprintf(env->texts[count++], 512, "LANEBRIDGE_CONFIG=%s/config.json", folder);
    snprintf(env->texts[count++], 512, "%s", deadlines);
    for (size_t i = 0; i < array_count(sanitizers); i++)
        if (getenv(sanitizers[i]))
            snprintf(env->texts[count++], 512, "%s=%s", sanitizers[i], getenv(sanitizers[i]));
    for (size_t i = 0; i < count; i++)
        env->list[i] = env->texts[i];
    env->list[count] = NULL;
}

/* -- The editor ----------------------------------------------------------------------------------
 */

static void on_answer(void *user, const struct jsonrpc_answer *answer)
{
    struct play *play = user;
    if (answer->status < 0)
        fail(play, "turn/start was answered by: " STR_FMT, STR_ARG(answer->error_text));
}

static void prompt(struct play *play, const char *text)
{
    struct buf params = {0};
    buf_append_fmt(&params, "{\"input\":[{\"type\":\"text\",\"text\":\"%s\"}]}", text);
    client_request(play->client, "lanebridge/turn/start", buf_str(&params), on_answer, play);
    buf_finish(&params);
}

static void on_ready(void *user)
{
    struct play *play = user;
    struct err err = {0};
    if (!rollout_open(play->client, play->root.ptr, &err)) {
        fail(play, "%s", err.text);
        return;
    }
    play->stage = STAGE_FIRST;
    prompt(play, rollout_prompt);
}

/* -- The interrupt: once the chosen event is at the door, and before it is let in -------------- */

/* The turn may have ended while we asked: then its end has come, or comes. */
static void on_interrupted(void *user, const struct jsonrpc_answer *answer)
{
    (void)user;
    (void)answer;
}

static void on_watch(void *user)
{
    struct play *play = user;
    struct buf params = {0};
    if (!play->turn[0] || play->was_interrupted || !proxy_is_holding(play->proxy))
        return;
    play->was_interrupted = true;
    play->interrupted_ns = time_mono_ns();
    buf_append_fmt(&params, "{\"threadId\":\"%s\"}", play->thread);
    client_request(play->client, "lanebridge/turn/interrupt", buf_str(&params), on_interrupted,
                   play);
    buf_finish(&params);
}

/* The input is ready: the next question, and only then what was held back. */
static void ask_next(struct play *play)
{
    play->ready_ns = time_mono_ns();
    play->asked_again = true;
    play->stage = STAGE_NEXT;
    play->second_was_answered = false;
    buf_clear(&play->wrong);
    prompt(play, rollout_next_prompt);
    proxy_release(play->proxy);
}

static void note_turn(struct play *play, const struct json_value *params)
{
    struct str id = json_str(json_at(params, "turn", "id", NULL));
    if (id.len == 0)
        id = json_get_str(params, "turnId");
    snprintf(play->turn, sizeof(play->turn), STR_FMT, STR_ARG(id));
    snprintf(play->thread, sizeof(play->thread), STR_FMT,
             STR_ARG(json_get_str(params, "threadId")));
}

/* A failure that must be: its words are right, and once the fault is over the turn goes on. */
static void handle_failure(struct play *play, struct str error)
{
    const struct spec_failure *failure = spec_failure(play->spec);
    if (!failure)
        fail(play, "the turn failed: " STR_FMT, STR_ARG(error));
    else if (str_find(error, str_from(failure->words), 0) == STR_NONE)
        fail(play, "the failure does not say \"%s\": " STR_FMT, failure->words, STR_ARG(error));
    else if (++play->failures > FAILURES_MAX)
        fail(play, "it fails on and on: " STR_FMT, STR_ARG(error));
    proxy_calm(play->proxy);
    prompt(play, play->stage == STAGE_FIRST ? "Go on, please" : rollout_next_prompt);
}

/* -- A machine that slept: the socket is dead, and nobody has said so ---------------------------
 */

static void on_awake(void *user)
{
    prompt(user, rollout_next_prompt);
}

static void fall_asleep(struct play *play)
{
    proxy_kill_silently(play->proxy);
    play->watch = loop_timer_new(play->loop, on_awake, play);
    loop_timer_start(play->watch, SLEEP_MS, 0);
}

static void handle_turn_end(struct play *play, const struct json_value *params)
{
    struct str status = json_get_str(params, "status");
    play->turn[0] = '\0';
    if (play->was_interrupted && !play->asked_again) {
        ask_next(play);
        return;
    }
    if (str_eq_c(status, "failed")) {
        handle_failure(play, json_get_str(params, "error"));
    } else if (!str_eq_c(status, "completed")) {
        fail(play, "the turn ended as " STR_FMT, STR_ARG(status));
    } else if (play->stage == STAGE_FIRST) {
        play->stage = STAGE_NEXT;
        proxy_get_counts(play->proxy, &play->first);
        if (play->spec->fault.kind == FAULT_DEAD)
            fall_asleep(play);
        else
            prompt(play, rollout_next_prompt);
    } else if (play->stage == STAGE_NEXT) {
        judge_append_workspace(&play->judged, play->root.ptr, play->client);
        play->stage = STAGE_STOPPING;
        client_stop(play->client);
    }
}

/* In the second turn nothing may be said but its answer. */
static void note_said(struct play *play, const struct json_value *params,
                      const struct json_value *item)
{
    struct str text = json_get_str(item, "text");
    if (!str_eq_c(json_get_str(item, "type"), "agentMessage") ||
        (play->asked_again && !str_eq_c(json_get_str(params, "turnId"), play->turn)))
        return;
    if (str_eq_c(text, rollout_next_answer))
        play->second_was_answered = true;
    else
        buf_append_fmt(&play->wrong, STR_FMT "; ", STR_ARG(text));
}

static void on_notification(void *user, struct str method, const struct json_value *params)
{
    struct play *play = user;
    const struct json_value *item = json_get(params, "item");
    if (str_eq_c(method, "lanebridge/turn/started"))
        note_turn(play, params);
    else if (str_eq_c(method, "lanebridge/turn/completed"))
        handle_turn_end(play, params);
    else if (str_eq_c(method, "lanebridge/item/completed") && play->stage == STAGE_NEXT)
        note_said(play, params, item);
}

static int on_question(void *user, const struct client_question *question)
{
    (void)user;
    (void)question;
    return 0; /* yes */
}

static void on_traffic(void *user, bool outgoing, struct str body)
{
    struct play *play = user;
    struct buf line = {0};
    buf_append_fmt(&line, "%c " STR_FMT, outgoing ? '>' : '<',
                   STR_ARG(str_slice(body, 0, SHOWN_BYTES)));
    vec_push(&play->wire, buf_take(&line));
}

static void on_exit_of_server(void *user, int exit_code, int signal)
{
    struct play *play = user;
    play->has_ended = true;
    if (play->stage != STAGE_STOPPING || exit_code != 0)
        fail(play, "the language server ended with code %d, signal %d", exit_code, signal);
    loop_stop(play->loop);
}

static void start_client(struct play *play)
{
    static const struct client_handlers handlers = {.on_ready = on_ready,
                                                    .on_notification = on_notification,
                                                    .on_question = on_question,
                                                    .on_traffic = on_traffic,
                                                    .on_exit = on_exit_of_server};
    static const char *const settings[] = {
        [MODE_LANES] = "",
        [MODE_SINGLE] = ",\"endpoint.profile\":\"generic\"",
        [MODE_HTTP] = ",\"endpoint.transport\":\"http\"",
    };
    char *program = mem_dup_c(play->program), command[] = "lsp";
    char *argv[] = {program, command, NULL};
    const char *roots[] = {play->root.ptr};
    struct buf json = {0};
    struct env env;
    struct err err = {0};
    env_init(&env, play);
    buf_append_fmt(&json,
                   "{\"trusted\":true,\"mode\":\"auto\",\"endpoint.url\":"
                   "\"ws://127.0.0.1:%u/v1/responses\"%s}",
                   proxy_port(play->proxy), settings[play->spec->mode]);
    struct client_options options = {.argv = argv,
                                     .env = env.list,
                                     .cwd = play->root.ptr,
                                     .roots = roots,
                                     .root_count = 1,
                                     .name = "faults",
                                     .initialization_options = buf_str(&json),
                                     .rich = true,
                                     .inherit_stderr = true};
    play->client = client_new(play->loop, &options, &handlers, play, &err);
    if (!play->client)
        fail(play, "%s", err.text);
    buf_finish(&json);
    mem_free(program);
}

/* -- The endpoint --------------------------------------------------------------------------------
 */

static void on_endpoint_stdout(void *user, struct str bytes)
{
    struct play *play = user;
    buf_append(&play->endpoint_out, bytes);
    size_t colon = str_rfind_byte(buf_str(&play->endpoint_out), ':');
    if (play->stage != STAGE_ENDPOINT || play->proxy || colon == STR_NONE ||
        str_find_byte(buf_str(&play->endpoint_out), '\n', 0) == STR_NONE)
        return;
    unsigned port = (unsigned)strtoul(play->endpoint_out.ptr + colon + 1, NULL, 10);
    play->proxy = proxy_new(port, &play->spec->fault);
    if (play->proxy && play->spec->fault.kind == FAULT_INTERRUPT) {
        play->watch = loop_timer_new(play->loop, on_watch, play);
        loop_timer_start(play->watch, 1, 1);
    }
    if (play->proxy)
        start_client(play);
    else
        fail(play, "there is no socket for the proxy");
}

static void on_endpoint_exit(void *user, int exit_code, int signal)
{
    fail(user, "the endpoint ended with code %d, signal %d", exit_code, signal);
}

static void on_endpoint_stderr(void *user, struct str bytes)
{
    (void)user;
    fprintf(stderr, "endpoint: " STR_FMT, STR_ARG(bytes));
}

static bool start_endpoint(struct play *play, struct err *err)
{
    static const struct loop_process_handlers handlers = {.on_stdout = on_endpoint_stdout,
                                                          .on_stderr = on_endpoint_stderr,
                                                          .on_exit = on_endpoint_exit};
    struct buf engine = {0}, trace = {0};
    struct env env;
    buf_append_fmt(&engine, "replay:%s/replay.jsonl", play->folder.ptr);
    buf_append_fmt(&trace, "%s/trace", play->folder.ptr);
    const char *words[] = {play->program,       "endpoint", "--engine", engine.ptr,
                           "--exit-with-stdin", "--trace",  trace.ptr,  "--without-lanes"};
    char *argv[array_count(words) + 1] = {0};
    size_t count = array_count(words) - (play->spec->mode != MODE_SINGLE);
    for (size_t i = 0; i < count; i++)
        argv[i] = mem_dup_c(words[i]);
    env_init(&env, play);
    struct loop_process_options options = {
        .argv = argv, .env = env.list, .cwd = play->folder.ptr, .pipe_stdin = true};
    play->endpoint = loop_process_new(play->loop, &options, &handlers, play, err);
    for (size_t i = 0; i < count; i++)
        mem_free(argv[i]);
    buf_finish(&engine);
    buf_finish(&trace);
    return play->endpoint != NULL;
}

/* -- Judging -------------------------------------------------------------------------------------
 */

bool play_read_units(const char *file, bool first_turn, unsigned ret_units[DIRECTION_COUNT])
{
    struct buf text = {0};
    unsigned all[DIRECTION_COUNT], first[DIRECTION_COUNT];
    bool good = read_file(file, &text) &&
                sscanf(text.ptr, "units %u %u first %u %u", &all[TO_SERVER], &all[TO_CLIENT],
                       &first[TO_SERVER], &first[TO_CLIENT]) == 4;
    for (int d = 0; good && d < DIRECTION_COUNT; d++)
        ret_units[d] = first_turn ? first[d] : all[d];
    buf_finish(&text);
    return good;
}

static struct str without_users(struct str text)
{
    return str_slice(text, 0, str_find(text, STR("\nuser|"), 0));
}

/* The first line that is another. */
static void compare(struct play *play, struct str wanted)
{
    struct str got = buf_str(&play->judged), a = {0}, b = {0};
    if (play->failures > 0) {
        got = without_users(got);
        wanted = without_users(wanted);
    }
    struct str rest_a = wanted, rest_b = got;
    if (str_eq(wanted, got))
        return;
    do {
        a = b = STR("(nothing)");
        bool more_a = str_next(&rest_a, '\n', &a), more_b = str_next(&rest_b, '\n', &b);
        if (!more_a && !more_b)
            break;
    } while (str_eq(a, b));
    fail(play, "not as without the fault: \"" STR_FMT "\" instead of \"" STR_FMT "\"", STR_ARG(b),
         STR_ARG(a));
}

/* Where it stopped is another place each time; the rest holds wherever that is. */
static void judge_interrupt(struct play *play)
{
    judge_append_journal(&play->judged, play->state.ptr, &play->why);
    judge_traces(play->root.ptr, &play->why);
    if (!play->was_interrupted)
        fail(play, "the event did not come: nothing was interrupted");
    if (!play->second_was_answered || play->wrong.len > 0)
        fail(play, "the next question was not answered by its answer alone: %s",
             play->wrong.ptr ? play->wrong.ptr : "nothing was said");
    fprintf(stderr, "ready %llu us\n",
            (unsigned long long)(play->ready_ns - play->interrupted_ns) / 1000);
}

/* Comments are life: nothing may be asked again while they come. */
static void check_posts(struct play *play, const char *learned, const struct proxy_counts *counts)
{
    unsigned posts = 0;
    if (play->spec->fault.kind != FAULT_COMMENTS)
        return;
    if (sscanf(learned, "units %*u %*u first %*u %*u posts %u", &posts) != 1 ||
        counts->posts != posts)
        fail(play, "%u requests instead of %u: comments were not taken for life", counts->posts,
             posts);
}

static void judge(struct play *play, const char *file, bool learn)
{
    struct buf wanted = {0}, learned = {0};
    struct proxy_counts counts;
    proxy_get_counts(play->proxy, &counts);
    judge_append_journal(&play->judged, play->state.ptr, &play->why);
    if (!play->second_was_answered)
        fail(play, "the second prompt was not answered by its own answer");
    play->was_missed = play->spec->fault.kind != FAULT_NONE && !counts.fired;
    const struct spec_failure *failure = spec_failure(play->spec);
    /* A reset before the first event goes to HTTP: then only probes are refused. */
    bool is_met = play->spec->fault.kind != FAULT_REFUSE || play->spec->fault.unit != 1;
    if (failure && failure->must && is_met && play->failures == 0)
        fail(play, "no turn failed, though one must");
    buf_append_fmt(&learned, "units %u %u first %u %u posts %u\n", counts.units[TO_SERVER],
                   counts.units[TO_CLIENT], play->first.units[TO_SERVER],
                   play->first.units[TO_CLIENT], counts.posts);
    if (learn) {
        buf_append(&learned, buf_str(&play->judged));
        if (!write_file(file, buf_str(&learned)))
            fail(play, "cannot write %s", file);
    } else if (!read_file(file, &wanted)) {
        fail(play, "cannot read %s", file);
    } else {
        check_posts(play, wanted.ptr, &counts);
        compare(play, str_skip(buf_str(&wanted), str_find_byte(buf_str(&wanted), '\n', 0) + 1));
    }
    buf_finish(&wanted);
    buf_finish(&learned);
}

static void report(struct play *play)
{
    struct buf name = {0};
    struct proxy_counts counts = {0};
    spec_format(play->spec, &name);
    if (play->proxy)
        proxy_get_counts(play->proxy, &counts);
    fprintf(stderr, "FAILED %s: %s", name.ptr, play->why.ptr);
    fprintf(stderr, "  proxy: units %u %u, %u connections, %u upgrades, %u posts, %s\n",
            counts.units[TO_SERVER], counts.units[TO_CLIENT], counts.connections, counts.upgrades,
            counts.posts, counts.fired ? "fired" : "not fired");
    size_t from = play->wire.len > SHOWN_MESSAGES ? play->wire.len - SHOWN_MESSAGES : 0;
    for (size_t i = from; i < play->wire.len; i++)
        fprintf(stderr, "  %s\n", play->wire.ptr[i]);
    buf_finish(&name);
}

/* -- All of it -----------------------------------------------------------------------------------
 */

static void on_deadline(void *user)
{
    static const char *const stages[] = {"the endpoint", "the first turn", "the second turn",
                                         "the end of the server"};
    struct play *play = user;
    fail(play, "%s does not come within %d ms", stages[play->stage], CASE_DEADLINE_MS);
}

static void play_finish(struct play *play)
{
    client_free(play->client);
    if (play->endpoint)
        loop_process_free(play->endpoint);
    proxy_free(play->proxy);
    loop_timer_free(play->deadline);
    loop_timer_free(play->watch);
    loop_free(play->loop);
    if (getenv("FAULTS_KEEP"))
        fprintf(stderr, "kept: %s\n", play->folder.ptr);
    else
        remove_places(play);
    for (size_t i = 0; i < play->wire.len; i++)
        mem_free(play->wire.ptr[i]);
    vec_finish(&play->wire);
    buf_finish(&play->folder);
    buf_finish(&play->root);
    buf_finish(&play->state);
    buf_finish(&play->endpoint_out);
    buf_finish(&play->judged);
    buf_finish(&play->why);
    buf_finish(&play->wrong);
}

int play_case(const char *program, const struct spec *spec, const char *file, bool learn)
{
    struct play play = {.spec = spec, .program = program};
    struct err err = {0};
    play.loop = loop_new(&err);
    if (!play.loop || !make_places(&play)) {
        fputs("cannot make the folder of a case\n", stderr);
        return 1;
    }
    play.deadline = loop_timer_new(play.loop, on_deadline, &play);
    loop_timer_start(play.deadline, CASE_DEADLINE_MS, 0);
    if (start_endpoint(&play, &err))
        loop_run(play.loop);
    else
        fail(&play, "%s", err.text);
    if (play.why.len == 0 && spec->fault.kind == FAULT_INTERRUPT)
        judge_interrupt(&play);
    else if (play.why.len == 0)
        judge(&play, file, learn);
    bool failed = play.why.len > 0;
    if (failed)
        report(&play);
    bool missed = play.was_missed;
    play_finish(&play);
    return failed ? 1 : missed ? PLAY_MISSED : 0;
}
