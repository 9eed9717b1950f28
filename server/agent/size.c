/* How much of the model's context a thread takes: what the endpoint counted last, and a guess at
 * what has come since. */
#include "agent-internal.h"

enum {
    BYTES_PER_TOKEN = 4,
    COMPACT_PERCENT = 80,
    IMAGE_HEAD_CHARS = 8192, /* of base64: a size may stand behind a camera's remarks */
    IMAGE_SIDE = 4096,       /* of one whose head does not tell: counted as large as they get */
};

int64_t size_limit(const struct agent_thread *thread)
{
    int64_t told = thread->agent->env.context_tokens;
    return told > 0 ? told : responses_context_tokens(str_from(thread->model));
}

int64_t size_threshold(const struct agent_thread *thread)
{
    const struct agent *agent = thread->agent;
    int64_t percent =
        agent->env.compact_percent ? (int64_t)agent->env.compact_percent : (int64_t)COMPACT_PERCENT;
    return size_limit(thread) * percent / 100;
}

int64_t size_of_text(struct str text)
{
    return (int64_t)(text.len / BYTES_PER_TOKEN);
}

/* An image costs by its area, not by its bytes. */
int64_t size_of_image(struct str data_url)
{
    struct picture picture = {.width = IMAGE_SIDE, .height = IMAGE_SIDE};
    struct buf head = {0};
    size_t comma = str_find_byte(data_url, ',', 0);
    struct str base64 = comma == STR_NONE ? STR("") : str_skip(data_url, comma + 1);
    if (base64_decode(str_slice(base64, 0, IMAGE_HEAD_CHARS), &head))
        (void)picture_read(buf_str(&head), &picture);
    buf_finish(&head);
    return (int64_t)picture_tokens(picture.width, picture.height);
}

int64_t size_of_item(struct str json)
{
    size_t bytes = json.len, start, end = 0;
    int64_t images = 0;
    while (pictures_find(json, end, &start, &end)) {
        bytes -= end - start;
        images += size_of_image(str_slice(json, start, end));
    }
    return images + (int64_t)(bytes / BYTES_PER_TOKEN);
}

int64_t size_estimate(const struct agent_thread *thread)
{
    const struct history *history = &thread->history;
    bool is_told = thread->context.told_tokens > 0;
    int64_t tokens = is_told ? 0 : size_of_text(buf_str(&thread->tools_json));
    for (size_t i = is_told ? thread->context.told_items : 0; i < history->items.len; i++)
        tokens += size_of_item(history->items.ptr[i]);
    return thread->context.told_tokens + tokens;
}

void size_note(struct agent_thread *thread, const struct responses_result *result)
{
    if (result->context_tokens <= 0)
        return;
    thread->context.told_tokens = result->context_tokens;
    thread->context.told_items = thread->history.items.len;
}

void size_forget(struct agent_thread *thread)
{
    thread->context.told_tokens = 0;
    thread->context.told_items = 0;
}

/* Only some have a code for it. */
bool size_is_too_long(const struct responses_result *result)
{
    static const char *const words[] = {"context length", "context window", "context size",
                                        "maximum context"};
    if (result->end != RESPONSE_FAILED)
        return false;
    bool is_it = str_eq_c(str_from(result->code), "context_length_exceeded");
    for (size_t i = 0; !is_it && i < array_count(words); i++)
        is_it = str_find(str_from(result->text), str_from(words[i]), 0) != STR_NONE;
    return is_it;
}
