/* Images in the history, and models that take none. Whether one does is not known before it is
 * asked: when it refuses, the images leave what is sent, so that the conversation can go on. */
#include "agent-internal.h"

#include <string.h>

static const char left_out[] = "[an image was here; the model does not take images]";

bool pictures_find(struct str json, size_t from, size_t *ret_start, size_t *ret_end)
{
    static const char mark[] = "\"image_url\":\"data:";
    enum { MARK_BYTES = sizeof(mark) - 1, DATA_BYTES = 5 };
    size_t at = str_find(json, str_from(mark), from);
    if (at == STR_NONE)
        return false;
    size_t start = at + MARK_BYTES - DATA_BYTES, end = str_find_byte(json, '"', start);
    if (end == STR_NONE)
        return false;
    *ret_start = start;
    *ret_end = end;
    return true;
}

static bool has_image(struct str json)
{
    size_t start, end;
    return pictures_find(json, 0, &start, &end);
}

/* Each image as a text that says so. The order of everything else stays. */
static void append_without(struct buf *out, struct str json)
{
    static const char part[] = "{\"type\":\"input_image\",";
    struct str rest = json;
    for (size_t at; (at = str_find(rest, str_from(part), 0)) != STR_NONE;) {
        size_t end = str_find_byte(rest, '}', at);
        if (end == STR_NONE)
            break;
        buf_append(out, str_slice(rest, 0, at));
        buf_append_fmt(out, "{\"type\":\"input_text\",\"text\":\"%s\"}", left_out);
        rest = str_skip(rest, end + 1);
    }
    buf_append(out, rest);
}

/* False: there was none. ret_asked: one of them was given with the turn's own prompt. */
static bool strip(struct agent_turn *turn, bool *ret_asked)
{
    struct agent_thread *thread = turn->thread;
    struct history *history = &thread->history;
    VEC(struct buf) fresh = {0};
    VEC(struct str) items = {0};
    VEC(uint64_t) seqs = {0};
    for (size_t i = 0; i < history->items.len; i++) {
        struct str item = history->items.ptr[i];
        vec_push(&seqs, history->seqs.ptr[i]);
        if (has_image(item)) {
            struct buf text = {0};
            *ret_asked |= str_eq(item, buf_str(&turn->user_json));
            append_without(&text, item);
            vec_push(&fresh, text);
            item = buf_str(&text);
        }
        vec_push(&items, item);
    }
    bool found = fresh.len > 0;
    if (found) {
        history_replace(history, items.ptr, seqs.ptr, items.len);
        size_forget(thread);
    }
    for (size_t i = 0; i < fresh.len; i++)
        buf_finish(&fresh.ptr[i]);
    vec_finish(&fresh);
    vec_finish(&items);
    vec_finish(&seqs);
    return found;
}

/* Endpoints have no code in common for it. */
static bool is_about_images(const struct responses_result *result)
{
    static const char *const words[] = {"image", "Image", "vision", "multimodal", "multi-modal"};
    struct str code = str_from(result->code), text = str_from(result->text);
    for (size_t i = 0; i < array_count(words); i++)
        if (str_find(code, str_from(words[i]), 0) != STR_NONE ||
            str_find(text, str_from(words[i]), 0) != STR_NONE)
            return true;
    return false;
}

static void remember(struct agent_thread *thread, const struct responses_result *result)
{
    struct agent *agent = thread->agent;
    mem_free(agent->blind_model);
    agent->blind_model = mem_dup_c(thread->model);
    buf_clear(&agent->no_images);
    buf_append_fmt(
        &agent->no_images,
        "%s did not take an image (%s). Ask without it, or with a model that sees images.",
        thread->model, result->text);
}

bool pictures_on_refusal(struct agent_turn *turn, const struct responses_result *result,
                         struct buf *ret_error)
{
    bool asked = false;
    if (result->end != RESPONSE_FAILED || !is_about_images(result) || !strip(turn, &asked))
        return false;
    remember(turn->thread, result);
    if (asked) {
        buf_append(ret_error, buf_str(&turn->thread->agent->no_images));
        return false;
    }
    struct agent_event event = agent_event_for(turn, AGENT_NOTICE);
    event.text = STR("The model did not take the images of this conversation: it goes on without "
                     "them.");
    event.is_lasting = true;
    agent_emit(turn->thread->agent, &event);
    return true;
}

const char *agent_refuses_images(const struct agent_thread *thread)
{
    const struct agent *agent = thread->agent;
    bool is_known = agent->blind_model && str_eq_c(thread_model(thread), agent->blind_model);
    return is_known ? agent->no_images.ptr : NULL;
}
