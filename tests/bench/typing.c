/* Inline completion on recorded typing, in real time: the keys go to the real server as an editor
 * sends them (didChange, the question before cancelled, a question), behind it a way of 20 ms and
 * the real endpoint with a model that knows how the recording goes on, or is wrong half the time.
 * The person takes what is right, a line at a time, when they have had the time to read it before
 * their next key; the recording then goes on behind that. */
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <lanebridge/json.h>

#include "delay.h"
#include "recording.h"

enum {
    ROUND_TRIP_MS = 20,
    READ_MS = 300,   /* a suggestion stands there for so long before it is taken */
    LEAST_BYTES = 3, /* for less nobody takes the hand off */
    AT_ONCE_MS = 60, /* sooner than any request can be answered: from a suggestion that was there */
    TIMES_MAX = 4096,
    FIRST_ID = 1000,
};

struct times {
    double ms[TIMES_MAX];
    size_t count;
};

struct play {
    const struct recording *recording;
    const char *binary, *folder, *name;
    unsigned wrong_percent;
    size_t keys_at_most;
    struct served endpoint;
    struct delay *delay;
    struct editor editor;
    struct buf in, now, suggestion;
    size_t key; /* the next one */
    uint64_t due_ns, asked_ns, shown_ns;
    unsigned id, version;
    bool is_open; /* the question of that id */
    size_t questions, shown, keys, accepts, accepted_bytes, typed_bytes;
    struct times at_once, asked;
    uint64_t requests, from_cache, kept, dropped, input_tokens, output_tokens;
};

/* -- What the editor says ---------------------------------------------------------------------- */

static void append_position(const struct play *play, size_t typed, struct buf *json)
{
    struct buf text = {0};
    buf_append(&text, buf_str(&play->recording->before));
    buf_append(&text, str_slice(buf_str(&play->now), 0, typed));
    size_t line = 0, begin = 0;
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] == '\n') {
            line++;
            begin = i + 1;
        }
    buf_append_fmt(json, "{\"line\":%zu,\"character\":%zu}", line, text.len - begin);
    buf_finish(&text);
}

/* Also cancels the question before, as editors do. */
static void ask(struct play *play)
{
    struct buf at = {0};
    if (play->is_open)
        editor_say(&play->editor,
                   "{\"jsonrpc\":\"2.0\",\"method\":\"$/cancelRequest\",\"params\":{\"id\":%u}}",
                   play->id);
    append_position(play, play->now.len, &at);
    play->id++;
    play->questions++;
    play->is_open = true;
    play->asked_ns = time_mono_ns();
    buf_clear(&play->suggestion);
    editor_say(&play->editor,
               "{\"jsonrpc\":\"2.0\",\"id\":%u,\"method\":\"textDocument/inlineCompletion\","
               "\"params\":{\"textDocument\":{\"uri\":\"file://%s/project/typed\"},"
               "\"position\":%s,\"context\":{\"triggerKind\":2}}}",
               play->id, play->folder, at.ptr);
    buf_finish(&at);
}

static void change(struct play *play, size_t removed, struct str with)
{
    struct buf range = {0}, text = {0};
    buf_append_c(&range, "{\"start\":");
    append_position(play, play->now.len - removed, &range);
    buf_append_c(&range, ",\"end\":");
    append_position(play, play->now.len, &range);
    buf_append_c(&range, "}");
    json_append_quoted(&text, with);
    editor_say(&play->editor,
               "{\"jsonrpc\":\"2.0\",\"method\":\"textDocument/didChange\",\"params\":{"
               "\"textDocument\":{\"uri\":\"file://%s/project/typed\",\"version\":%u},"
               "\"contentChanges\":[{\"range\":%s,\"text\":%s}]}}",
               play->folder, ++play->version, range.ptr, text.ptr);
    buf_truncate(&play->now, play->now.len - removed);
    buf_append(&play->now, with);
    buf_finish(&range);
    buf_finish(&text);
    ask(play);
}

static void open_document(struct play *play)
{
    struct buf text = {0}, quoted = {0};
    buf_append(&text, buf_str(&play->recording->before));
    buf_append(&text, buf_str(&play->recording->after));
    json_append_quoted(&quoted, buf_str(&text));
    editor_say(&play->editor,
               "{\"jsonrpc\":\"2.0\",\"method\":\"textDocument/didOpen\",\"params\":{"
               "\"textDocument\":{\"uri\":\"file://%s/project/typed\",\"languageId\":\"%s\","
               "\"version\":1,\"text\":%s}}}",
               play->folder, play->recording->language, quoted.ptr);
    play->version = 1;
    buf_finish(&text);
    buf_finish(&quoted);
}

/* -- What it hears ----------------------------------------------------------------------------- */

static void add_time(struct play *play, uint64_t from_ns)
{
    double ms = (double)(time_mono_ns() - from_ns) / 1e6;
    struct times *times = ms < AT_ONCE_MS ? &play->at_once : &play->asked;
    if (times->count < TIMES_MAX)
        times->ms[times->count++] = ms;
}

static void take_answer(struct play *play, const struct json_value *result)
{
    struct str text = json_get_str(json_first(json_get(result, "items")), "insertText");
    play->is_open = false;
    if (text.len == 0)
        return;
    buf_clear(&play->suggestion);
    buf_append(&play->suggestion, text);
    play->shown++;
    play->shown_ns = time_mono_ns();
    add_time(play, play->asked_ns);
}

static void take_counts(struct play *play, const struct json_value *result)
{
    const struct json_value *counts = json_get(result, "inlineCompletion");
    const struct {
        const char *name;
        uint64_t *value;
    } members[] = {
        {"requests", &play->requests},        {"fromCache", &play->from_cache},
        {"keptRunning", &play->kept},         {"dropped", &play->dropped},
        {"inputTokens", &play->input_tokens}, {"outputTokens", &play->output_tokens},
    };
    for (size_t i = 0; i < array_count(members); i++)
        *members[i].value = (uint64_t)json_get_int(counts, members[i].name, 0);
    if (play->requests == 0)
        bench_die("nothing was asked of the model");
}

static void take_message(struct play *play, struct str body)
{
    struct json_value *value = NULL;
    if (json_parse(body, &value, NULL) < 0)
        bench_die("not JSON: " STR_FMT, STR_ARG(body));
    int64_t id = json_get_int(value, "id", 0);
    if (id == FIRST_ID)
        take_counts(play, json_get(value, "result"));
    else if (id == play->id && play->is_open)
        take_answer(play, json_get(value, "result"));
    json_free(value);
}

static bool take_one(struct play *play)
{
    struct str all = buf_str(&play->in);
    size_t end = str_find(all, STR("\r\n\r\n"), 0), at = str_find(all, STR("Content-Length: "), 0);
    if (end == STR_NONE || at == STR_NONE)
        return false;
    size_t length = strtoul(all.ptr + at + strlen("Content-Length: "), NULL, 10);
    if (all.len < end + 4 + length)
        return false;
    take_message(play, str_slice(all, end + 4, end + 4 + length));
    buf_remove_front(&play->in, end + 4 + length);
    return true;
}

/* Until then, or something has come. */
static void listen(struct play *play, uint64_t until_ns)
{
    uint64_t now = time_mono_ns();
    struct pollfd ready = {.fd = play->editor.out, .events = POLLIN};
    int wait = until_ns > now ? (int)((until_ns - now + 999999) / 1000000) : 0;
    if (poll(&ready, 1, wait) <= 0)
        return;
    char chunk[16384];
    ssize_t count = read(play->editor.out, chunk, sizeof(chunk));
    if (count <= 0)
        bench_die("the language server ended");
    buf_append(&play->in, (struct str){chunk, (size_t)count});
    while (take_one(play))
        ;
}

/* -- The person -------------------------------------------------------------------------------- */

/* The rest of the line, or the next one; no more than what stands there after one of the keys. */
static struct str what_to_take(const struct play *play)
{
    struct str typed = buf_str(&play->recording->typed), text = buf_str(&play->suggestion);
    struct str rest = str_skip(typed, play->now.len);
    size_t begin = 0, least = 0;
    while (begin < text.len && text.ptr[begin] == '\n')
        begin++;
    text = str_slice(text, 0, str_find_byte(text, '\n', begin));
    if (!str_starts_with(typed, buf_str(&play->now)) || !str_starts_with(rest, text))
        return STR("");
    while (text.len > 0 && play->recording->states.ptr[play->now.len + text.len] == 0)
        text.len--;
    for (size_t i = 0; i < text.len; i++)
        least += text.ptr[i] != ' ' && text.ptr[i] != '\n';
    return least < LEAST_BYTES ? STR("") : text;
}

static unsigned pause_of(const struct play *play)
{
    return play->key < play->recording->keys.len ? play->recording->keys.ptr[play->key].ms : 0;
}

static void accept(struct play *play, struct str text)
{
    struct buf taken = {0};
    buf_append(&taken, text);
    play->accepts++;
    play->accepted_bytes += taken.len;
    change(play, 0, buf_str(&taken));
    play->key = play->recording->states.ptr[play->now.len];
    play->due_ns = time_mono_ns() + (uint64_t)pause_of(play) * 1000000;
    buf_finish(&taken);
}

static void press(struct play *play)
{
    const struct recorded_key *key = &play->recording->keys.ptr[play->key++];
    play->keys++;
    play->typed_bytes += strlen(key->text);
    change(play, key->is_back, str_from(key->text));
    play->due_ns += (uint64_t)pause_of(play) * 1000000;
}

static void type(struct play *play)
{
    size_t keys = play->recording->keys.len;
    if (play->keys_at_most < keys)
        keys = play->keys_at_most;
    play->due_ns = time_mono_ns() + (uint64_t)pause_of(play) * 1000000;
    while (play->key < keys) {
        struct str text = what_to_take(play);
        uint64_t read_ns = play->shown_ns + (uint64_t)READ_MS * 1000000, now = time_mono_ns();
        bool takes = text.len > 0 && read_ns < play->due_ns;
        if (takes && now >= read_ns)
            accept(play, text);
        else if (now >= play->due_ns)
            press(play);
        else
            listen(play, takes ? read_ns : play->due_ns);
    }
}

static void *run(void *user)
{
    struct play *play = user;
    char settings[160];
    recording_write_script(play->recording, play->folder, play->wrong_percent);
    served_start(&play->endpoint, play->binary, play->folder);
    play->delay = delay_new(play->endpoint.port, ROUND_TRIP_MS, DELAY_PASSES);
    snprintf(
        settings, sizeof(settings),
        "\"endpoint.url\":\"ws://127.0.0.1:%u/v1/responses\",\"inlineCompletion.enabled\":true",
        delay_port(play->delay));
    editor_start(&play->editor, &(struct editor_options){play->binary, play->folder, settings});
    buf_clear(&play->editor.text);
    play->id = FIRST_ID;
    open_document(play);
    type(play);
    editor_say(&play->editor,
               "{\"jsonrpc\":\"2.0\",\"id\":%d,\"method\":\"lanebridge/status/get\"}", FIRST_ID);
    uint64_t late = time_mono_ns() + (uint64_t)BENCH_WAIT_MS * 1000000;
    while (play->requests == 0 && time_mono_ns() < late)
        listen(play, late);
    editor_stop(&play->editor);
    delay_free(play->delay);
    served_stop(&play->endpoint);
    return NULL;
}

/* -- The table --------------------------------------------------------------------------------- */

static double part_of(struct times *times, double part)
{
    if (times->count == 0)
        return 0;
    bench_sort(times->ms, times->count);
    return bench_percentile(times->ms, times->count, part);
}

static void print_play(struct play *play)
{
    double accepted = play->accepted_bytes ? (double)play->accepted_bytes : 1;
    printf(
        "| %s, right %u of 100 times | %zu | %zu of %zu (%zu times) | %zu | %llu | %.2f | %.1f | "
        "%.2f | %.0f %% | %llu, %llu, %llu | %.0f, %.0f | %.1f |\n",
        play->name, 100 - play->wrong_percent, play->keys, play->accepted_bytes,
        play->accepted_bytes + play->typed_bytes, play->accepts, play->questions,
        (unsigned long long)play->requests, (double)play->requests / accepted,
        (double)play->input_tokens / accepted, (double)play->output_tokens / accepted,
        100.0 * (double)play->shown / (double)play->questions, (unsigned long long)play->from_cache,
        (unsigned long long)play->kept, (unsigned long long)play->dropped,
        part_of(&play->asked, 0.5), part_of(&play->asked, 0.95), part_of(&play->at_once, 0.5));
}

int main(int argc, char **argv)
{
    static const char *const names[] = {"c", "python"};
    static const unsigned wrong_percents[] = {0, 50};
    static struct play plays[array_count(names) * array_count(wrong_percents)];
    struct recording recordings[array_count(names)];
    pthread_t threads[array_count(plays)];
    size_t keys = argc > 3 ? (size_t)atoi(argv[3]) : SIZE_MAX, count = 0;
    if (argc < 3 || keys < 1)
        bench_die("usage: typing LANEBRIDGE RECORDINGS-FOLDER [KEYS]");
    for (size_t i = 0; i < array_count(names); i++) {
        char path[512];
        snprintf(path, sizeof(path), "%s/%s.keys", argv[2], names[i]);
        recording_read(&recordings[i], path);
    }
    bench_isolate();
    bench_print_machine();
    for (size_t i = 0; i < array_count(names); i++)
        for (size_t j = 0; j < array_count(wrong_percents); j++)
            plays[count++] = (struct play){.recording = &recordings[i],
                                           .binary = argv[1],
                                           .folder = bench_folder_new(),
                                           .name = names[i],
                                           .wrong_percent = wrong_percents[j],
                                           .keys_at_most = keys};
    for (size_t i = 0; i < count; i++)
        pthread_create(&threads[i], NULL, run, &plays[i]);
    for (size_t i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
    printf("\ntyping: recorded, in real time; a way of %d ms, a model with its first token after "
           "180 ms "
           "and 143 a second; tokens as the endpoint counts them\n\n"
           "| what is typed | keys | bytes taken | questions | requests | requests a byte taken | "
           "input tokens a byte | output tokens a byte | questions with a text | cached, kept, "
           "dropped "
           "| key to text asked for, median and 95th, ms | … that was there, median, ms |\n"
           "|---|---|---|---|---|---|---|---|---|---|---|---|\n",
           ROUND_TRIP_MS);
    for (size_t i = 0; i < count; i++)
        print_play(&plays[i]);
    bench_folders_remove();
    for (size_t i = 0; i < array_count(names); i++)
        recording_finish(&recordings[i]);
    return 0;
}
