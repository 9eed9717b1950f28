/* Items into tokens, as a model's template would: who speaks, and what is said. */
#include "saves-internal.h"

static void mark(struct render *render, enum token_mark mark)
{
    render->count++;
    if (render->tokenizer)
        vec_push(render->list, tokenizer_mark(render->tokenizer, mark));
}

static void say(struct render *render, struct str text)
{
    if (!render->tokenizer) {
        render->count += (text.len + 3) / 4;
        return;
    }
    size_t before = render->list->len;
    tokenizer_encode(render->tokenizer, text, render->list);
    render->count += render->list->len - before;
}

/* A string as it stands in JSON; what is none, as it stands. */
static void say_json(struct render *render, struct str json)
{
    buf_clear(&render->text);
    if (json_raw_decode(json, &render->text))
        say(render, buf_str(&render->text));
    else
        say(render, json);
}

/* -- Parts ----------------------------------------------------------------------------------------
 */

static struct str member(struct str object, const char *name)
{
    struct str span = {0};
    if (json_raw_member(object, name, &span) != STATUS_OK || str_eq_c(span, "null"))
        return (struct str){0};
    return span;
}

static void say_image(struct render *render, struct str part)
{
    const char *wrong;
    const struct image *image =
        images_find(render->images, json_raw_inside(member(part, "image_url")), &wrong);
    bool low = str_eq_c(member(part, "detail"), "\"low\"");
    mark(render, TOKEN_IMAGE);
    if (image)
        render->count += image_tokens(image, low) - 1;
}

/* The texts of a part: whichever of these it has. */
static void say_part(struct render *render, struct str part)
{
    static const char *const texts[] = {"text",   "refusal",  "stdout",
                                        "stderr", "filename", "file_data"};
    if (part.len == 0 || part.ptr[0] != '{') {
        say_json(render, part);
        return;
    }
    struct json_raw_iter iter = {.rest = part};
    struct str key, value;
    while (json_raw_next(&iter, &key, &value)) {
        for (size_t i = 0; i < array_count(texts); i++)
            if (str_eq_c(key, texts[i]) && value.ptr[0] == '"')
                say_json(render, value);
        if (str_eq_c(key, "image_url"))
            say_image(render, part);
    }
}

/* A string, or parts. */
static void say_content(struct render *render, struct str content)
{
    if (content.len == 0)
        return;
    if (content.ptr[0] != '[') {
        say_json(render, content);
        return;
    }
    struct json_raw_iter iter = {.rest = content};
    struct str key, part;
    while (json_raw_next(&iter, &key, &part))
        say_part(render, part);
}

/* -- Items ----------------------------------------------------------------------------------------
 */

/* Who speaks: `speaker`, else the item's role; `to` is a member that names a tool. */
static const struct shape {
    const char *type, *speaker, *to, *texts[2];
} shapes[] = {
    {"message", NULL, NULL, {"content"}},
    {"reasoning", "assistant", NULL, {"summary", "content"}},
    {"function_call", "assistant", "name", {"arguments"}},
    {"custom_tool_call", "assistant", "name", {"input"}},
    {"apply_patch_call", "assistant", NULL, {"operation"}},
    {"shell_call", "assistant", NULL, {"action"}},
    {"function_call_output", "tool", NULL, {"output"}},
    {"custom_tool_call_output", "tool", NULL, {"output"}},
    {"apply_patch_call_output", "tool", NULL, {"status", "output"}},
    {"shell_call_output", "tool", NULL, {"output"}},
    {"compaction", "assistant", NULL, {"encrypted_content"}},
    {"additional_tools", "developer", NULL, {"tools"}},
};

static const struct shape *shape_of(struct str item)
{
    struct str type = json_raw_inside(member(item, "type"));
    for (size_t i = 0; i < array_count(shapes); i++)
        if (str_eq_c(type, shapes[i].type))
            return &shapes[i];
    return type.len ? NULL : &shapes[0];
}

static void begin(struct render *render, struct str item, const struct shape *shape)
{
    mark(render, TOKEN_START);
    if (shape && shape->speaker)
        say(render, str_from(shape->speaker));
    else
        say(render, json_raw_inside(member(item, shape ? "role" : "type")));
    if (shape && shape->to) {
        say(render, STR(" to="));
        say_json(render, member(item, shape->to));
    }
    mark(render, TOKEN_MESSAGE);
}

void render_item(struct render *render, struct str item)
{
    const struct shape *shape = shape_of(item);
    begin(render, item, shape);
    if (!shape)
        say(render, item); /* of a kind we do not know: all of it */
    else if (str_eq_c(str_from(shape->type), "additional_tools"))
        render_tools(render, member(item, "tools"));
    else
        for (size_t i = 0; i < array_count(shape->texts) && shape->texts[i]; i++)
            say_content(render, member(item, shape->texts[i]));
    mark(render, TOKEN_END);
}

void render_string(struct render *render, const char *role, struct str json)
{
    mark(render, TOKEN_START);
    say(render, str_from(role));
    mark(render, TOKEN_MESSAGE);
    say_json(render, json);
    mark(render, TOKEN_END);
}

void render_tools(struct render *render, struct str tools)
{
    struct json_raw_iter iter = {.rest = tools};
    struct str key, tool;
    while (tools.len && json_raw_next(&iter, &key, &tool)) {
        static const char *const texts[] = {"name", "description", "parameters", "format"};
        say(render, json_raw_inside(member(tool, "type")));
        for (size_t i = 0; i < array_count(texts); i++)
            if (member(tool, texts[i]).len)
                say_json(render, member(tool, texts[i]));
        if (member(tool, "tools").len) /* of a namespace; namespaces do not nest */
            say(render, member(tool, "tools"));
    }
}

void render_finish(struct render *render)
{
    buf_finish(&render->text);
}
