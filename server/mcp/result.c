/* What a tool answered, as text for the model. Nothing in it is fetched: links are named. */
#include "mcp-internal.h"

static void append_size(struct buf *text, size_t base64_length)
{
    size_t bytes = base64_length / 4 * 3;
    if (bytes < 10 * KIB)
        buf_append_fmt(text, "%zu bytes", bytes);
    else
        buf_append_fmt(text, "%zu KiB", bytes / KIB);
}

static void append_type(struct buf *text, const struct json_value *block)
{
    struct str type = json_get_str(block, "mimeType");
    if (type.len > 0)
        buf_append_fmt(text, ", " STR_FMT, STR_ARG(str_slice(type, 0, 100)));
}

static void append_text(const struct json_value *block, struct answer *answer)
{
    buf_append(&answer->text, json_get_str(block, "text"));
}

static void append_media(const struct json_value *block, struct answer *answer)
{
    struct buf *text = &answer->text;
    buf_append_fmt(text, "[" STR_FMT, STR_ARG(json_get_str(block, "type")));
    append_type(text, block);
    buf_append_c(text, ", ");
    append_size(text, json_get_str(block, "data").len);
    buf_append_c(text, ": not shown, text alone is passed on]");
}

/* NULL, or why it does not go along. */
static const char *take_image(struct answer *answer, struct str data, struct picture *ret_picture)
{
    struct buf bytes = {0}, url = {0};
    size_t size = data.len / 4 * 3;
    if (size > LIMIT_IMAGE_BYTES || answer->image_bytes + data.len > LIMIT_IMAGES_BYTES ||
        answer->images.len >= LIMIT_IMAGES_COUNT)
        return "too large, or too many";
    const char *wrong =
        base64_decode(data, &bytes) ? picture_read(buf_str(&bytes), ret_picture) : "no base64";
    if (!wrong) {
        buf_append_fmt(&url, "data:%s;base64,", ret_picture->type);
        base64_append(&url, buf_str(&bytes));
        answer->image_bytes += url.len;
        vec_push(&answer->images, url);
    }
    buf_finish(&bytes);
    return wrong;
}

static void append_image(const struct json_value *block, struct answer *answer)
{
    struct buf *text = &answer->text;
    struct str data = json_get_str(block, "data");
    struct picture picture = {0};
    const char *wrong = take_image(answer, data, &picture);
    buf_append_c(text, "[image");
    append_type(text, block);
    buf_append_c(text, ", ");
    append_size(text, data.len);
    if (wrong)
        buf_append_fmt(text, ": not shown, it is %s]", wrong);
    else
        buf_append_fmt(text, ", %u x %u: goes along]", picture.width, picture.height);
}

static void append_link(const struct json_value *block, struct answer *answer)
{
    struct buf *text = &answer->text;
    struct str name = json_get_str(block, "name"), note = json_get_str(block, "description");
    buf_append_fmt(text, "[resource " STR_FMT, STR_ARG(json_get_str(block, "uri")));
    append_type(text, block);
    if (name.len > 0)
        buf_append_fmt(text, ", " STR_FMT, STR_ARG(name));
    if (note.len > 0)
        buf_append_fmt(text, ": " STR_FMT, STR_ARG(note));
    buf_append_byte(text, ']');
}

static void append_resource(const struct json_value *block, struct answer *answer)
{
    struct buf *text = &answer->text;
    const struct json_value *resource = json_get(block, "resource");
    buf_append_fmt(text, "[resource " STR_FMT, STR_ARG(json_get_str(resource, "uri")));
    append_type(text, resource);
    if (json_is(json_get(resource, "text"), JSON_STRING)) {
        buf_append_c(text, "]\n");
        append_text(resource, answer);
        return;
    }
    buf_append_c(text, ", ");
    append_size(text, json_get_str(resource, "blob").len);
    buf_append_c(text, ": not shown, it is no text]");
}

static const struct {
    const char *type;
    void (*append)(const struct json_value *block, struct answer *answer);
} blocks[] = {
    {"text", append_text},          {"image", append_image},       {"audio", append_media},
    {"resource_link", append_link}, {"resource", append_resource},
};

static void append_block(const struct json_value *block, struct answer *answer)
{
    struct buf *text = &answer->text;
    struct str type = json_get_str(block, "type");
    if (text->len > 0)
        buf_append_byte(text, '\n');
    for (size_t i = 0; i < array_count(blocks); i++)
        if (str_eq_c(type, blocks[i].type)) {
            blocks[i].append(block, answer);
            return;
        }
    buf_append_fmt(text, "[content of type \"" STR_FMT "\": not shown, it is not known here]",
                   STR_ARG(str_slice(type, 0, 100)));
}

bool answer_read(const struct json_value *result, struct answer *answer)
{
    const struct json_value *structured = json_get(result, "structuredContent");
    const struct json_value *content = json_get(result, "content");
    const struct json_value *block = json_is(content, JSON_ARRAY) ? json_first(content) : NULL;
    for (; block; block = json_next(block))
        append_block(block, answer);
    /* Where both are given, the text is the same once more. */
    if (answer->text.len == 0 && structured)
        json_append(&answer->text, structured);
    return !json_get_bool(result, "isError", false);
}

void answer_finish(struct answer *answer)
{
    buf_finish(&answer->text);
    for (size_t i = 0; i < answer->images.len; i++)
        buf_finish(&answer->images.ptr[i]);
    vec_finish(&answer->images);
}
