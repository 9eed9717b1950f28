/* 16 responses at once on one socket, 4,000 deltas a second among them, and a person who types. One
 * of the lanes has inline completion, one question after the other. Asked for
 * are the times from an event on the socket to its text at the editor, and from a question of the
 * editor to its request on the socket. A text that is timed has a mark in it: #KIND NUMBER#. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "stream.h"

enum {
    LANE_COUNT = 16,
    SHORT_LANE = LANE_COUNT - 1,
    DELTAS_A_SECOND = 4000,
    TICK_NS = 1000000000 / DELTAS_A_SECOND,
    SAMPLE_EVERY = 37, /* of the long responses' deltas; no divisor of the lanes' count */
    KEY_EVERY_MS = 20, /* a fast typist, many times over */
    SHORT_EVERY_KEYS = 5,
    MARKS_MAX = 32768,
    LINES = 2000, /* of the document that is typed in */
};

/* When a mark left, and when it was seen first. */
struct marks {
    uint64_t left_ns[MARKS_MAX], seen_ns[MARKS_MAX];
    size_t count;
};
enum mark { MARK_LONG, MARK_SHORT, MARK_ASKED, MARK_COUNT };

struct lane {
    char name[64], response[32];
    unsigned sequence;
    bool is_due; /* a short response is to be answered */
};

struct play {
    size_t seconds;
    struct editor *editor;
    struct ws ws;
    int listener;
    struct lane lanes[LANE_COUNT];
    struct marks marks[MARK_COUNT];
    unsigned requests; /* that have come */
    size_t completed;  /* turns, seen by the editor */
    size_t deltas;     /* sent while paced */
    uint64_t began_ns, ended_ns, cpu_ns;
    int is_paced, is_over; /* atomic: what the threads tell each other */
};

static bool is_set(int *flag)
{
    return __atomic_load_n(flag, __ATOMIC_ACQUIRE) != 0;
}

static void set(int *flag)
{
    __atomic_store_n(flag, 1, __ATOMIC_RELEASE);
}

static uint64_t make_mark(struct marks *marks)
{
    if (marks->count + 1 >= MARKS_MAX)
        bench_die("too many texts are timed");
    marks->left_ns[++marks->count] = time_mono_ns();
    return marks->count;
}

/* -- The endpoint --------------------------------------------------------------------------------
 */

static void begin_response(struct play *play, struct lane *lane, struct str request)
{
    struct buf event = {0};
    struct str name = bench_lane_of(request);
    if (name.len == 0 || name.len >= sizeof(lane->name))
        bench_die("a request without a lane: " STR_FMT, STR_ARG(request));
    memcpy(lane->name, name.ptr, name.len);
    lane->name[name.len] = '\0';
    snprintf(lane->response, sizeof(lane->response), "resp_%u", play->requests);
    lane->sequence = 1;
    buf_append_fmt(&event,
                   "{\"type\":\"response.created\",%s\"sequence_number\":0,"
                   "\"response\":{\"id\":\"%s\",\"status\":\"in_progress\"}}",
                   lane->name, lane->response);
    ws_send(&play->ws, buf_str(&event));
    buf_finish(&event);
}

static void end_response(struct play *play, struct lane *lane)
{
    stream_queue_end(&play->ws, str_from(lane->name), lane->response);
    ws_flush(&play->ws);
}

static void send_delta(struct play *play, struct lane *lane, const char *text)
{
    struct buf event = {0};
    stream_append_delta(&event, str_from(lane->name), lane->sequence++, text);
    ws_send(&play->ws, buf_str(&event));
    buf_finish(&event);
}

/* The turns' requests come first, in any order; then the short ones. */
static void take_request(struct play *play)
{
    struct str request = ws_receive(&play->ws);
    if (request.len == 0)
        bench_die("the client left");
    if (str_find(request, STR("\"type\":\"response.create\""), 0) == STR_NONE)
        bench_die("what is this? " STR_FMT, STR_ARG(request));
    unsigned number = play->requests++;
    if (number >= SHORT_LANE) {
        play->marks[MARK_ASKED].seen_ns[number - SHORT_LANE + 1] = play->ws.received_ns;
        play->lanes[SHORT_LANE].is_due = true;
        begin_response(play, &play->lanes[SHORT_LANE], request);
    } else {
        begin_response(play, &play->lanes[number], request);
    }
}

/* Its one delta and its end, which makes a suggestion of it. */
static void send_of_short(struct play *play, struct lane *lane)
{
    char text[64];
    snprintf(text, sizeof(text), "#s%zu#", (size_t)make_mark(&play->marks[MARK_SHORT]));
    lane->is_due = false;
    send_delta(play, lane, text);
    end_response(play, lane);
}

static void send_of_long(struct play *play, struct lane *lane)
{
    char text[64] = " some words \\\"of many\\\"\\n";
    if (play->deltas % SAMPLE_EVERY == 0)
        snprintf(text, sizeof(text), "#l%zu#", (size_t)make_mark(&play->marks[MARK_LONG]));
    send_delta(play, lane, text);
}

/* The short lane has its turn as the others have, when there is something on it. */
static void send_next(struct play *play, size_t number)
{
    struct lane *lane = &play->lanes[number % LANE_COUNT];
    if (lane != &play->lanes[SHORT_LANE])
        send_of_long(play, lane);
    else if (lane->is_due)
        send_of_short(play, lane);
    else
        send_of_long(play, &play->lanes[number / LANE_COUNT % SHORT_LANE]);
    play->deltas++;
}

static void run_paced(struct play *play)
{
    uint64_t end = play->began_ns + play->seconds * 1000000000;
    for (size_t number = 0;; number++) {
        uint64_t due = play->began_ns + number * TICK_NS;
        if (due >= end)
            return;
        while (ws_wait(&play->ws, due))
            take_request(play);
        send_next(play, number);
    }
}

static void *serve(void *user)
{
    struct play *play = user;
    ws_accept(&play->ws, play->listener, &(struct ws_options){0});
    while (play->requests < SHORT_LANE)
        take_request(play);
    play->cpu_ns = bench_cpu_ns(play->editor->pid);
    play->began_ns = time_mono_ns();
    set(&play->is_paced);
    run_paced(play);
    play->ended_ns = time_mono_ns();
    play->cpu_ns = bench_cpu_ns(play->editor->pid) - play->cpu_ns;
    set(&play->is_over);
    if (play->lanes[SHORT_LANE].is_due)
        send_of_short(play, &play->lanes[SHORT_LANE]);
    for (size_t i = 0; i < SHORT_LANE; i++)
        end_response(play, &play->lanes[i]);
    /* One more question may be on its way. */
    while (ws_wait(&play->ws, time_mono_ns() + (uint64_t)BENCH_WAIT_MS * 1000000)) {
        if (ws_receive(&play->ws).len == 0)
            break;
        bench_die("a question came late");
    }
    return NULL;
}

/* -- The editor ----------------------------------------------------------------------------------
 */

static void see_mark(struct play *play, char kind, size_t number, uint64_t now)
{
    struct marks *marks = &play->marks[kind == 's' ? MARK_SHORT : MARK_LONG];
    if (number > 0 && number < MARKS_MAX && marks->seen_ns[number] == 0)
        __atomic_store_n(&marks->seen_ns[number], now, __ATOMIC_RELEASE);
}

/* Returns what may be the beginning of something and must be looked at again. */
static size_t look_through(struct play *play, const char *text, size_t len, uint64_t now)
{
    static const char over[] = "lanebridge/turn/completed";
    const char *end = text + len, *at = text;
    while ((at = memmem(at, (size_t)(end - at), over, sizeof(over) - 1))) {
        __atomic_add_fetch(&play->completed, 1, __ATOMIC_RELEASE);
        at += sizeof(over) - 1;
    }
    for (at = text; (at = memchr(at, '#', (size_t)(end - at))); at++) {
        char *stop;
        if (at[1] == 's' || at[1] == 'l') { /* a NUL stands behind the text */
            unsigned long number = strtoul(at + 2, &stop, 10);
            if (*stop == '#')
                see_mark(play, at[1], number, now);
        }
    }
    return len < sizeof(over) ? len : sizeof(over) - 2;
}

static void *read_editor(void *user)
{
    static char text[256 * 1024 + 1];
    struct play *play = user;
    size_t kept = 0;
    for (;;) {
        ssize_t count = read(play->editor->out, text + kept, sizeof(text) - 1 - kept);
        uint64_t now = time_mono_ns();
        if (count <= 0)
            return NULL;
        size_t len = kept + (size_t)count;
        text[len] = '\0';
        kept = look_through(play, text, len, now);
        memmove(text, text + len - kept, kept);
    }
}

static void start_thread(struct editor *editor, size_t number, char ret_id[static 64])
{
    char answer[64];
    editor_say(editor,
               "{\"jsonrpc\":\"2.0\",\"id\":%zu,\"method\":\"lanebridge/thread/start\","
               "\"params\":{}}",
               1000 + number);
    snprintf(answer, sizeof(answer), "\"id\":%zu,\"result\":{\"thread\":{\"id\":\"", 1000 + number);
    editor_await(editor, answer);
    struct str id = str_skip(buf_str(&editor->text), strlen(answer));
    id = str_slice(id, 0, str_find_byte(id, '"', 0));
    snprintf(ret_id, 64, STR_FMT, STR_ARG(id));
}

static void ask(struct editor *editor, size_t number, const char *thread)
{
    editor_say(editor,
               "{\"jsonrpc\":\"2.0\",\"id\":%zu,\"method\":\"lanebridge/turn/start\",\"params\":{"
               "\"threadId\":\"%s\",\"input\":[{\"type\":\"text\",\"text\":\"Go on.\"}]}}",
               2000 + number, thread);
}

/* By key, so that no pause in typing is in it; each at a place of its own, which no suggestion
 * knows. */
static void ask_inline(struct editor *editor, const char *folder, size_t number)
{
    editor_say(editor,
               "{\"jsonrpc\":\"2.0\",\"id\":%zu,\"method\":\"textDocument/inlineCompletion\","
               "\"params\":{\"textDocument\":{\"uri\":\"file://%s/project/asked.txt\"},"
               "\"position\":{\"line\":%zu,\"character\":4},\"context\":{\"triggerKind\":1}}}",
               2000 + SHORT_LANE + number, folder, number % LINES);
}

static void open_document(struct editor *editor, const char *folder, const char *name)
{
    struct buf text = {0};
    for (int i = 0; i < LINES; i++)
        buf_append_fmt(&text, "line %d of what is being written\\n", i);
    editor_say(editor,
               "{\"jsonrpc\":\"2.0\",\"method\":\"textDocument/didOpen\",\"params\":{"
               "\"textDocument\":{\"uri\":\"file://%s/project/%s.txt\",\"languageId\":\"text\","
               "\"version\":1,\"text\":\"%s\"}}}",
               folder, name, text.ptr);
    buf_finish(&text);
}

static void press_key(struct editor *editor, const char *folder, size_t key)
{
    editor_say(editor,
               "{\"jsonrpc\":\"2.0\",\"method\":\"textDocument/didChange\",\"params\":{"
               "\"textDocument\":{\"uri\":\"file://%s/project/typed.txt\",\"version\":%zu},"
               "\"contentChanges\":[{\"range\":{\"start\":{\"line\":%d,\"character\":%zu},"
               "\"end\":{\"line\":%d,\"character\":%zu}},\"text\":\"x\"}]}}",
               folder, key + 2, LINES / 2, key % 20, LINES / 2, key % 20);
}

static void await_completed(struct play *play, size_t count)
{
    uint64_t deadline = time_mono_ns() + (uint64_t)BENCH_WAIT_MS * 1000000;
    while (__atomic_load_n(&play->completed, __ATOMIC_ACQUIRE) < count) {
        if (time_mono_ns() > deadline)
            bench_die("not all turns complete");
        usleep(1000);
    }
}

static bool is_answered(struct play *play, size_t asked)
{
    return asked == 0 ||
           __atomic_load_n(&play->marks[MARK_SHORT].seen_ns[asked], __ATOMIC_ACQUIRE) != 0;
}

static void type(struct play *play, const char *folder)
{
    while (!is_set(&play->is_paced))
        usleep(1000);
    size_t asked = 0;
    uint64_t last = play->began_ns + (play->seconds * 1000 - 50) * 1000000; /* the last question */
    for (size_t key = 0; !is_set(&play->is_over); key++) {
        press_key(play->editor, folder, key);
        if (key % SHORT_EVERY_KEYS == 0 && is_answered(play, asked) && time_mono_ns() < last) {
            asked = make_mark(&play->marks[MARK_ASKED]);
            ask_inline(play->editor, folder, asked);
        }
        usleep(KEY_EVERY_MS * 1000);
    }
    await_completed(play, SHORT_LANE);
}

/* -- The run -------------------------------------------------------------------------------------
 */

/* Milliseconds from leaving to being seen, sorted. */
static size_t list_times(const struct marks *marks, double *times, size_t count)
{
    for (size_t i = 1; i <= marks->count; i++) {
        if (marks->seen_ns[i] == 0)
            bench_die("a text never came to the editor");
        times[count++] = (double)(marks->seen_ns[i] - marks->left_ns[i]) / 1e6;
    }
    return count;
}

static void play_through(struct play *play, const struct stream_bench *bench)
{
    char threads[SHORT_LANE][64], settings[160];
    unsigned port;
    struct editor editor;
    pthread_t endpoint, reader;
    play->listener = ws_listen(&port);
    snprintf(settings, sizeof(settings),
             "\"endpoint.url\":\"ws://127.0.0.1:%u/v1/responses\",\"warm\":\"never\","
             "\"inlineCompletion.enabled\":true",
             port);
    editor_start(&editor, &(struct editor_options){bench->binary, bench->folder, settings});
    play->editor = &editor;
    open_document(&editor, bench->folder, "typed");
    open_document(&editor, bench->folder, "asked");
    for (size_t i = 0; i < SHORT_LANE; i++)
        start_thread(&editor, i, threads[i]);
    pthread_create(&endpoint, NULL, serve, play);
    pthread_create(&reader, NULL, read_editor, play);
    for (size_t i = 0; i < SHORT_LANE; i++)
        ask(&editor, i, threads[i]);
    type(play, bench->folder);
    editor_say(&editor, "{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"shutdown\"}");
    editor_say(&editor, "{\"jsonrpc\":\"2.0\",\"method\":\"exit\"}");
    pthread_join(endpoint, NULL);
    pthread_join(reader, NULL);
    editor_reap(&editor);
    ws_finish(&play->ws);
    close(play->listener);
}

static const struct {
    enum mark mark;
    const char *name;
    double part, goal;
} rows[] = {
    {MARK_SHORT, "inline completion: its end to its text, median", 0.5, 0},
    {MARK_SHORT, "inline completion: its end to its text, 95th", 0.95, 0},
    {MARK_SHORT, "inline completion: its end to its text, worst", 1, 5},
    {MARK_ASKED, "inline completion: asked to on the wire, median", 0.5, 0},
    {MARK_ASKED, "inline completion: asked to on the wire, worst", 1, 0},
    {MARK_LONG, "turns: event to text, median", 0.5, 0},
    {MARK_LONG, "turns: event to text, 95th", 0.95, 0},
    {MARK_LONG, "turns: event to text, worst", 1, 0},
};

void stream_paced(const struct stream_bench *bench)
{
    static double results[array_count(rows)][STREAM_RUNS_MAX], times[MARKS_MAX];
    static double cpu[STREAM_RUNS_MAX], pace[STREAM_RUNS_MAX];
    size_t shorts = 0, longs = 0;
    for (size_t run = 0; run < bench->runs; run++) {
        struct play *play = mem_new(struct play);
        play->seconds = bench->seconds;
        play_through(play, bench);
        for (size_t i = 0; i < array_count(rows); i++) {
            size_t count = list_times(&play->marks[rows[i].mark], times, 0);
            if (count == 0)
                bench_die("nothing was timed");
            bench_sort(times, count);
            results[i][run] = bench_percentile(times, count, rows[i].part);
        }
        double seconds = (double)(play->ended_ns - play->began_ns) / 1e9;
        cpu[run] = (double)play->cpu_ns / 1e3 / (double)play->deltas;
        pace[run] = (double)play->deltas / seconds;
        shorts += play->marks[MARK_SHORT].count;
        longs += play->marks[MARK_LONG].count;
        mem_free(play);
    }
    printf(
        "\nstream, paced: %d deltas a second on %d lanes for %zu s, a key every %d ms, %zu runs,\n"
        "%zu inline completions and %zu deltas of turns timed; medians of the runs (lowest to "
        "highest)\n",
        DELTAS_A_SECOND, LANE_COUNT, bench->seconds, KEY_EVERY_MS, bench->runs, shorts, longs);
    for (size_t i = 0; i < array_count(rows); i++)
        bench_print_row(rows[i].name, "ms", rows[i].goal, results[i], bench->runs);
    bench_print_row("CPU a delta, keys and all", "us", 0, cpu, bench->runs);
    bench_print_row("deltas a second", "", 0, pace, bench->runs);
    fflush(stdout);
}
