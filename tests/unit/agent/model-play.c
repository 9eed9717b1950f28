/* The lines of a step, played as events. */
#include "model-internal.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

void model_deliver(struct model_answer *answer, const char *type, const char *format, ...)
{
    struct buf text = {0};
    va_list args;
    if (answer->wire->is_closed)
        return;
    buf_append_fmt(&text, "{\"type\":\"%s\"", type);
    if (answer->lane[0])
        buf_append_fmt(&text, ",\"stream_id\":\"%s\"", answer->lane);
    va_start(args, format);
    buf_append_vfmt(&text, format, args);
    va_end(args);
    buf_append_c(&text, "}");
    answer->wire->transport.counters.frames_received++;
    answer->wire->handlers->on_message(answer->wire->user, buf_str(&text));
    buf_finish(&text);
}

static void item_done(struct model_answer *answer, const struct buf *item)
{
    vec_push(&answer->context, mem_dup_c(item->ptr));
    model_deliver(answer, "response.output_item.done", ",\"output_index\":%zu,\"item\":%s",
                  answer->output_index++, item->ptr);
}

static void play_partial(struct model_answer *answer, const char *text)
{
    struct buf quoted = {0};
    json_append_quoted(&quoted, str_from(text));
    model_deliver(answer, "response.output_item.added",
                  ",\"output_index\":%zu,\"item\":{\"type\":\"message\",\"id\":\"%s_%zu\","
                  "\"role\":\"assistant\",\"content\":[]}",
                  answer->output_index, answer->id, answer->output_index);
    model_deliver(answer, "response.output_text.delta",
                  ",\"output_index\":%zu,\"item_id\":\"%s_%zu\",\"delta\":%s", answer->output_index,
                  answer->id, answer->output_index, quoted.ptr);
    buf_finish(&quoted);
}

static void play_say(struct model_answer *answer, const char *text)
{
    struct buf item = {0};
    play_partial(answer, text);
    buf_append_fmt(&item,
                   "{\"type\":\"message\",\"id\":\"%s_%zu\",\"role\":\"assistant\",\"content\":[{"
                   "\"type\":\"output_text\",\"text\":",
                   answer->id, answer->output_index);
    json_append_quoted(&item, str_from(text));
    buf_append_c(&item, "}]}");
    item_done(answer, &item);
    buf_finish(&item);
}

static void play_think(struct model_answer *answer, const char *text)
{
    struct buf item = {0};
    buf_append_fmt(&item,
                   "{\"type\":\"reasoning\",\"id\":\"%s_%zu\",\"summary\":[{\"type\":"
                   "\"summary_text\",\"text\":\"%s\"}],\"encrypted_content\":\"x\"}",
                   answer->id, answer->output_index, text);
    item_done(answer, &item);
    buf_finish(&item);
}

static void play_call(struct model_answer *answer, const char *text)
{
    char id[64], name[64], arguments[1024];
    struct buf item = {0};
    answer->has_calls = true;
    cr_assert_eq(sscanf(text, "%63s %63s %1023[^\n]", id, name, arguments), 3, "%s", text);
    for (char *at = arguments; *at; at++)
        *at = *at == '\'' ? '"' : *at;
    buf_append_fmt(&item,
                   "{\"type\":\"function_call\",\"id\":\"%s_%zu\",\"call_id\":\"%s\",\"name\":"
                   "\"%s\",\"arguments\":",
                   answer->id, answer->output_index, id, name);
    json_append_quoted(&item, str_from(arguments));
    buf_append_c(&item, "}");
    item_done(answer, &item);
    buf_finish(&item);
}

static void play_done(struct model_answer *answer, const char *text)
{
    (void)text;
    answer->is_over = true;
    model_deliver(
        answer, "response.completed",
        ",\"response\":{\"id\":\"%s\",\"usage\":{\"input_tokens\":%lld,\"input_tokens_details\":"
        "{\"cached_tokens\":4},\"output_tokens\":7,\"output_tokens_details\":{"
        "\"reasoning_tokens\":2}}}",
        answer->id, answer->model->used_tokens ? (long long)answer->model->used_tokens : 10LL);
    model_pass_steers_on(answer);
}

static void play_incomplete(struct model_answer *answer, const char *text);
static void play_cut(struct model_answer *answer, const char *text)
{
    (void)text;
    if (answer->steers.len == 0 || answer->has_calls) /* then it ends by itself, and says pending */
        return;
    answer->rest = "";
    answer->is_over = true;
    play_incomplete(answer, "steered");
    model_pass_steers_on(answer);
}

static void play_long(struct model_answer *answer, const char *text)
{
    (void)text;
    model_deliver(answer, "response.failed",
                  ",\"response\":{\"id\":\"%s\",\"error\":{\"code\":\"context_length_exceeded\","
                  "\"message\":\"much too long\"}}",
                  answer->id);
}

static void play_compaction(struct model_answer *answer, const char *text)
{
    (void)text;
    struct buf item = {0};
    buf_append_fmt(&item, "{\"type\":\"compaction\",\"id\":\"%s_c\",\"encrypted_content\":\"E\"}",
                   answer->id);
    item_done(answer, &item);
    buf_finish(&item);
}

static void play_incomplete(struct model_answer *answer, const char *text)
{
    model_deliver(answer, "response.incomplete",
                  ",\"response\":{\"id\":\"%s\",\"incomplete_details\":{\"reason\":\"%s\"}}",
                  answer->id, text);
}

static void play_failed(struct model_answer *answer, const char *text)
{
    model_deliver(answer, "response.failed",
                  ",\"response\":{\"id\":\"%s\",\"error\":{\"code\":\"invalid_prompt\",\"message\":"
                  "\"%s\"}}",
                  answer->id, text);
}

static void play_break(struct model_answer *answer, const char *text)
{
    (void)text;
    struct transport_close close = {
        .status = STATUS_CLOSED, .was_open = true, .retry_after_ms = -1, .text = "reset by peer"};
    if (!answer->wire->is_closed)
        answer->wire->handlers->on_closed(answer->wire->user, &close);
}

static void play_wait(struct model_answer *answer, const char *text)
{
    (void)text;
    answer->is_waiting = true;
}

static const struct {
    const char *verb;
    void (*play)(struct model_answer *answer, const char *text);
    bool ends;
} verbs[] = {
    {"say", play_say, false},      {"partial", play_partial, false},
    {"think", play_think, false},  {"call", play_call, false},
    {"wait", play_wait, false},    {"done", play_done, true},
    {"failed", play_failed, true}, {"incomplete", play_incomplete, true},
    {"break", play_break, true},   {"cut", play_cut, false},
    {"long", play_long, true},     {"compaction", play_compaction, false},
};

static void play_line(struct model_answer *answer, char *line)
{
    char *text = strchr(line, ' ');
    if (text)
        *text++ = '\0';
    for (size_t i = 0; i < array_count(verbs); i++) {
        if (strcmp(line, verbs[i].verb) != 0)
            continue;
        if (verbs[i].ends)
            answer->rest = "";
        verbs[i].play(answer, text ? text : "");
        return;
    }
    cr_assert_fail("no such line: %s", line);
}

void model_play(void *user)
{
    struct model_answer *answer = user;
    static const char created[] = "response.created";
    if (answer->wire->is_closed || !answer->rest[0])
        return;
    if (answer->output_index == 0 && answer->context.len == answer->asked && !answer->is_waiting)
        model_deliver(answer, created, ",\"response\":{\"id\":\"%s\"}", answer->id);
    size_t len = strcspn(answer->rest, "\n");
    char *line = str_dup_c((struct str){answer->rest, len});
    answer->rest += len + (answer->rest[len] == '\n');
    answer->model->lines += !answer->is_warm_up;
    if (answer->model->on_line && !answer->is_warm_up)
        answer->model->on_line(answer->model->user, line);
    bool breaks = !answer->is_warm_up && answer->model->lines == answer->model->break_at;
    char broken[] = "break";
    play_line(answer, breaks ? broken : line);
    mem_free(line);
    if (!answer->is_waiting && answer->rest[0])
        loop_timer_start(answer->timer, 0, 0);
}
