/* Items: what is taken out of them, and how they are told apart. */
#include "responses-internal.h"

void responses_item_fill(struct responses_item *item, const struct json_value *value,
                         struct str raw, size_t output_index)
{
    *item = (struct responses_item){
        .output_index = output_index,
        .type = json_get_str(value, "type"),
        .id = json_get_str(value, "id"),
        .call_id = json_get_str(value, "call_id"),
        .name = json_get_str(value, "name"),
        .arguments = json_get_str(value, "arguments"),
        .value = value,
        .raw = raw,
    };
    if (str_eq_c(item->type, "custom_tool_call"))
        item->arguments = json_get_str(value, "input");
}

uint64_t responses_item_fold_key(uint64_t hash, struct str type, struct str call_id)
{
    /* Any mixing will do: an accident is what this must notice, not an attack. */
    hash = (hash ^ hash_bytes(type)) * 0x9e3779b97f4a7c15u;
    return ((hash << 17 | hash >> 47) ^ hash_bytes(call_id)) * 0xff51afd7ed558ccdu;
}

/* The text of a string member of raw JSON; empty if it is absent. */
static struct str raw_text(struct str raw, const char *key, struct buf *buf)
{
    struct str span;
    buf_clear(buf);
    if (json_raw_member(raw, key, &span) < 0 || !json_raw_decode(span, buf))
        return (struct str){0};
    return buf_str(buf);
}

uint64_t responses_item_fold_raw_key(uint64_t hash, struct str raw)
{
    struct buf type = {0}, call_id = {0};
    hash = responses_item_fold_key(hash, raw_text(raw, "type", &type),
                                   raw_text(raw, "call_id", &call_id));
    buf_finish(&type);
    buf_finish(&call_id);
    return hash;
}

static uint64_t hash_of_id(struct str id)
{
    return id.len ? hash_bytes(id) | 1 : 0;
}

bool response_has_item(const struct response *response, struct str id, int64_t index)
{
    uint64_t id_hash = hash_of_id(id);
    for (size_t i = 0; i < response->done.len; i++) {
        const struct done_item *done = &response->done.ptr[i];
        if ((id_hash != 0 && done->id_hash == id_hash) || (index >= 0 && done->index == index))
            return true;
    }
    return false;
}

bool response_take_item(struct response *response, struct str id, int64_t index)
{
    if (response_has_item(response, id, index))
        return false;
    vec_push(&response->done, ((struct done_item){hash_of_id(id), index}));
    return true;
}
