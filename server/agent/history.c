#include "agent-internal.h"

void history_finish(struct history *history)
{
    for (size_t i = 0; i < history->items.len; i++)
        mem_free((char *)history->items.ptr[i].ptr);
    vec_finish(&history->items);
    vec_finish(&history->seqs);
}

void history_push(struct history *history, struct str json, uint64_t seq)
{
    struct str copy = {mem_dup(json.ptr, json.len), json.len};
    vec_push(&history->items, copy);
    vec_push(&history->seqs, seq);
}

void history_replace(struct history *history, const struct str *items, const uint64_t *seqs,
                     size_t count)
{
    struct history fresh = {.generation = history->generation + 1};
    for (size_t i = 0; i < count; i++)
        history_push(&fresh, items[i], seqs[i]);
    history_finish(history);
    *history = fresh;
}

static struct str history_item(void *user, size_t index)
{
    struct history *history = user;
    return history->items.ptr[index];
}

struct responses_history history_view(struct history *history)
{
    return (struct responses_history){.item = history_item,
                                      .user = history,
                                      .count = history->items.len,
                                      .generation = history->generation};
}

void history_begin_message(struct json_writer *w, const char *role, struct str text)
{
    json_write_begin_object(w);
    json_write_field_c(w, "type", "message");
    json_write_field_c(w, "role", role);
    json_write_key(w, "content");
    json_write_begin_array(w);
    json_write_begin_object(w);
    json_write_field_c(w, "type", "input_text");
    json_write_field_str(w, "text", text);
    json_write_end_object(w);
}

void history_end_message(struct json_writer *w)
{
    json_write_end_array(w);
    json_write_end_object(w);
}

void history_format_message(struct buf *json, const char *role, struct str text)
{
    struct json_writer w;
    json_writer_init(&w, json);
    history_begin_message(&w, role, text);
    history_end_message(&w);
}

void history_format_output(struct buf *json, struct str call_id, bool is_custom, struct str text)
{
    struct json_writer w;
    json_writer_init(&w, json);
    json_write_begin_object(&w);
    json_write_field_c(&w, "type", is_custom ? "custom_tool_call_output" : "function_call_output");
    json_write_field_str(&w, "call_id", call_id);
    json_write_field_str(&w, "output", text);
    json_write_end_object(&w);
}

void history_write_image(struct json_writer *w, struct str data_url)
{
    json_write_begin_object(w);
    json_write_field_c(w, "type", "input_image");
    json_write_field_str(w, "image_url", data_url);
    json_write_end_object(w);
}

void history_format_seen(struct buf *json, struct str call_id, bool is_custom, struct str text,
                         const struct str *images, size_t count)
{
    struct json_writer w;
    json_writer_init(&w, json);
    json_write_begin_object(&w);
    json_write_field_c(&w, "type", is_custom ? "custom_tool_call_output" : "function_call_output");
    json_write_field_str(&w, "call_id", call_id);
    json_write_key(&w, "output");
    json_write_begin_array(&w);
    json_write_begin_object(&w);
    json_write_field_c(&w, "type", "input_text");
    json_write_field_str(&w, "text", text);
    json_write_end_object(&w);
    for (size_t i = 0; i < count; i++)
        history_write_image(&w, images[i]);
    json_write_end_array(&w);
    json_write_end_object(&w);
}
