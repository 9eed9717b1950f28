/* A conversation as messages of /v1/chat/completions. Every message is made of the verbatim strings
 * of its items, and of nothing that comes after it: so the messages of one step are the beginning
 * of the next step's, byte for byte, and the other server's prompt cache finds them again. */
#include <string.h>

#include "upstream-internal.h"

struct item_view {
    struct str type, role; /* between their quotes */
    struct str content, call_id, name, space, arguments, input, output, summary; /* as JSON */
};
struct chat {
    struct upstream_body *body;
    struct buf *json; /* messages, with commas between */
    struct problem *problem;
    bool begun; /* something other than instructions was said */
    /* What stands between quotes in the message that is being collected: */
    struct buf system, text, reasoning;
    struct buf calls; /* with commas between */
};

static void view_item(struct str span, struct item_view *view)
{
    static const struct json_raw_place places[] = {
        {"type", offsetof(struct item_view, type)},
        {"role", offsetof(struct item_view, role)},
        {"content", offsetof(struct item_view, content)},
        {"call_id", offsetof(struct item_view, call_id)},
        {"name", offsetof(struct item_view, name)},
        {"namespace", offsetof(struct item_view, space)},
        {"arguments", offsetof(struct item_view, arguments)},
        {"input", offsetof(struct item_view, input)},
        {"output", offsetof(struct item_view, output)},
        {"summary", offsetof(struct item_view, summary)},
    };
    *view = (struct item_view){0};
    json_raw_view(span, places, array_count(places), view);
    view->type = json_raw_inside(view->type);
    view->role = json_raw_inside(view->role);
}

/* -- Messages that go out -------------------------------------------------------------------------
 */

static void begin_message(struct chat *chat, struct json_writer *w, const char *role)
{
    json_writer_init(w, chat->json);
    w->need_comma = chat->json->len > 0;
    json_write_begin_object(w);
    json_write_field_c(w, "role", role);
}

static void write_quoted(struct json_writer *w, const char *key, const struct buf *text)
{
    struct buf quoted = {0};
    buf_reserve(&quoted, text->len + 2);
    buf_append_byte(&quoted, '"');
    buf_append(&quoted, buf_str(text));
    buf_append_byte(&quoted, '"');
    json_write_field_raw(w, key, buf_str(&quoted));
    buf_finish(&quoted);
}

/* Many templates want one system message, and that first. */
static void flush_system(struct chat *chat)
{
    struct json_writer w;
    if (!chat->begun && chat->system.len > 0) {
        begin_message(chat, &w, "system");
        write_quoted(&w, "content", &chat->system);
        json_write_end_object(&w);
    }
    chat->begun = true;
}

/* Reasoning after which nothing was said is not sent: a message needs a content. */
static void flush_assistant(struct chat *chat)
{
    struct json_writer w;
    if (chat->text.len > 0 || chat->calls.len > 0) {
        begin_message(chat, &w, "assistant");
        write_quoted(&w, "content", &chat->text);
        if (chat->body->reasoning && chat->reasoning.len > 0)
            write_quoted(&w, chat->body->reasoning, &chat->reasoning);
        if (chat->calls.len > 0) {
            json_write_key(&w, "tool_calls");
            json_write_begin_array(&w);
            buf_append(chat->json, buf_str(&chat->calls));
            json_write_end_array(&w);
        }
        json_write_end_object(&w);
    }
    buf_clear(&chat->text);
    buf_clear(&chat->reasoning);
    buf_clear(&chat->calls);
}

/* -- Content --------------------------------------------------------------------------------------
 */

/* The JSON string of a part that has text. */
static struct str text_of_part(struct str part)
{
    struct str text;
    if (part.ptr[0] == '{' && (json_raw_member(part, "text", &text) == STATUS_OK ||
                               json_raw_member(part, "refusal", &text) == STATUS_OK))
        return text;
    return (struct str){0};
}

/* What stands between the quotes, of a string or of all parts. `instead` for a part without text.
 */
static void append_inner(struct buf *to, struct str content, const char *between,
                         const char *instead)
{
    struct json_raw_iter iter = {.rest = content};
    struct str key, part;
    bool first = true;
    if (content.len == 0 || content.ptr[0] != '[') {
        buf_append(to, json_raw_inside(content));
        return;
    }
    while (json_raw_next(&iter, &key, &part)) {
        struct str text = text_of_part(part);
        if (text.len == 0 && !instead)
            continue;
        if (!first)
            buf_append_c(to, between);
        first = false;
        if (text.len > 0)
            buf_append(to, json_raw_inside(text));
        else
            buf_append_c(to, instead);
    }
}

static enum status refuse_part(struct chat *chat, const char *what)
{
    return problem_set(chat->problem, PROBLEM_INVALID, "input",
                       "The server behind this endpoint cannot be sent %s.", what);
}

static enum status write_image(struct chat *chat, struct json_writer *w, struct str part)
{
    struct str url, detail;
    if (json_raw_member(part, "image_url", &url) < 0 || url.ptr[0] != '"')
        return refuse_part(chat, "an image by its file id: send image_url, a data: URL for "
                                 "instance");
    json_write_begin_object(w);
    json_write_field_c(w, "type", "image_url");
    json_write_key(w, "image_url");
    json_write_begin_object(w);
    json_write_field_raw(w, "url", url);
    if (json_raw_member(part, "detail", &detail) == STATUS_OK &&
        (str_eq_c(detail, "\"low\"") || str_eq_c(detail, "\"high\"")))
        json_write_field_raw(w, "detail", detail);
    json_write_end_object(w);
    json_write_end_object(w);
    return STATUS_OK;
}

static enum status write_part(struct chat *chat, struct json_writer *w, struct str part)
{
    struct str type = {0}, text = text_of_part(part);
    if (text.len > 0) {
        json_write_begin_object(w);
        json_write_field_c(w, "type", "text");
        json_write_field_raw(w, "text", text);
        json_write_end_object(w);
        return STATUS_OK;
    }
    if (part.ptr[0] == '{' && json_raw_member(part, "type", &type) == STATUS_OK &&
        str_eq_c(json_raw_inside(type), "input_image"))
        return write_image(chat, w, part);
    if (str_eq_c(json_raw_inside(type), "input_audio")) {
        json_write_raw(w, part); /* the same in both */
        return STATUS_OK;
    }
    return refuse_part(chat, str_eq_c(json_raw_inside(type), "input_file")
                                 ? "files: send their text as input_text"
                                 : "a content part of a type it does not know");
}

static enum status write_parts(struct chat *chat, struct json_writer *w, struct str content)
{
    struct json_raw_iter iter = {.rest = content}, ahead = iter;
    struct str key, part, only;
    enum status status = STATUS_OK;
    json_write_key(w, "content");
    bool is_single = json_raw_next(&ahead, &key, &only) && text_of_part(only).len > 0 &&
                     !json_raw_next(&ahead, &key, &part);
    if (is_single) { /* templates without parts exist */
        json_write_raw(w, text_of_part(only));
        return STATUS_OK;
    }
    json_write_begin_array(w);
    while (status == STATUS_OK && json_raw_next(&iter, &key, &part))
        status = write_part(chat, w, part);
    json_write_end_array(w);
    return status;
}

/* -- Items ----------------------------------------------------------------------------------------
 */

static enum status take_user(struct chat *chat, const struct item_view *view)
{
    struct json_writer w;
    enum status status = STATUS_OK;
    flush_system(chat);
    flush_assistant(chat);
    begin_message(chat, &w, "user");
    if (view->content.len > 0 && view->content.ptr[0] == '[')
        status = write_parts(chat, &w, view->content);
    else
        json_write_field_raw(&w, "content", view->content.len > 0 ? view->content : STR("\"\""));
    json_write_end_object(&w);
    return status;
}

/* In the middle of a conversation many templates refuse a system message. */
static enum status take_developer(struct chat *chat, const struct item_view *view)
{
    struct json_writer w;
    struct buf text = {0};
    if (!chat->begun) {
        if (chat->system.len > 0)
            buf_append_c(&chat->system, "\\n\\n");
        append_inner(&chat->system, view->content, "\\n\\n", NULL);
        return STATUS_OK;
    }
    flush_assistant(chat);
    append_inner(&text, view->content, "\\n\\n", NULL);
    begin_message(chat, &w, chat->body->kind->is_openai ? "developer" : "user");
    write_quoted(&w, "content", &text);
    json_write_end_object(&w);
    buf_finish(&text);
    return STATUS_OK;
}

static enum status take_assistant(struct chat *chat, const struct item_view *view)
{
    flush_system(chat);
    append_inner(&chat->text, view->content, "", NULL);
    return STATUS_OK;
}

static enum status take_message(struct chat *chat, const struct item_view *view)
{
    static const struct {
        const char *role;
        enum status (*take)(struct chat *chat, const struct item_view *view);
    } roles[] = {{"user", take_user},
                 {"assistant", take_assistant},
                 {"developer", take_developer},
                 {"system", take_developer}};
    for (size_t i = 0; i < array_count(roles); i++)
        if (str_eq_c(view->role, roles[i].role))
            return roles[i].take(chat, view);
    return problem_set(chat->problem, PROBLEM_INVALID, "input",
                       "A message has no role that is known: user, assistant, developer or "
                       "system.");
}

static enum status take_reasoning(struct chat *chat, const struct item_view *view)
{
    flush_system(chat);
    struct str parts = view->content.len > 2 ? view->content : view->summary;
    if (chat->reasoning.len > 0)
        buf_append_c(&chat->reasoning, "\\n\\n");
    append_inner(&chat->reasoning, parts, "\\n\\n", NULL);
    return STATUS_OK;
}

/* Servers parse the arguments for their templates: what a model got wrong once must not make every
 * later request fail. */
static bool is_object(struct str json)
{
    struct json_raw_iter iter = {.rest = json};
    struct str key, value, start = str_trim(json);
    if (start.len == 0 || start.ptr[0] != '{')
        return false;
    while (json_raw_next(&iter, &key, &value))
        continue;
    return !iter.failed;
}

static void write_arguments(struct json_writer *w, const struct item_view *view)
{
    struct buf text = {0}, object = {0};
    bool is_custom = str_eq_c(view->type, "custom_tool_call");
    struct str given = is_custom ? view->input : view->arguments;
    bool is_string = json_raw_decode(given, &text);
    if (!is_custom && is_string && is_object(buf_str(&text))) {
        json_write_field_raw(w, "arguments", given);
    } else if (!is_custom && str_trim(buf_str(&text)).len == 0) {
        json_write_field_c(w, "arguments", "{}");
    } else {
        buf_append_fmt(&object, "{\"input\":" STR_FMT "}",
                       STR_ARG(is_string ? given : STR("\"\"")));
        json_write_field_str(w, "arguments", buf_str(&object));
    }
    buf_finish(&text);
    buf_finish(&object);
}

static enum status take_call(struct chat *chat, const struct item_view *view)
{
    char flat[UPSTREAM_NAME_BYTES];
    struct json_writer w;
    flush_system(chat);
    upstream_flat_name(flat, json_raw_inside(view->space), json_raw_inside(view->name));
    json_writer_init(&w, &chat->calls);
    w.need_comma = chat->calls.len > 0;
    json_write_begin_object(&w);
    json_write_field_raw(&w, "id", view->call_id);
    json_write_field_c(&w, "type", "function");
    json_write_key(&w, "function");
    json_write_begin_object(&w);
    json_write_field_c(&w, "name", flat);
    write_arguments(&w, view);
    json_write_end_object(&w);
    json_write_end_object(&w);
    map_set(&chat->body->call_ids, json_raw_inside(view->call_id), chat->body);
    return STATUS_OK;
}

static enum status take_output(struct chat *chat, const struct item_view *view)
{
    struct json_writer w;
    struct buf text = {0};
    flush_system(chat);
    flush_assistant(chat);
    append_inner(&text, view->output, "\\n",
                 "[An image or a file was here; it cannot be shown in a tool's output.]");
    begin_message(chat, &w, "tool");
    json_write_field_raw(&w, "tool_call_id", view->call_id);
    write_quoted(&w, "content", &text);
    json_write_end_object(&w);
    buf_finish(&text);
    return STATUS_OK;
}

static enum status take_nothing(struct chat *chat, const struct item_view *view)
{
    return STATUS_OK;
}

static const struct {
    const char *type;
    enum status (*take)(struct chat *chat, const struct item_view *view);
} items[] = {
    {"message", take_message},
    {"reasoning", take_reasoning},
    {"function_call", take_call},
    {"custom_tool_call", take_call},
    {"function_call_output", take_output},
    {"custom_tool_call_output", take_output},
    {"additional_tools", take_nothing}, /* upstream_tools.c has them */
    {"web_search_call", take_nothing},  /* what a hosted tool did elsewhere */
    {"image_generation_call", take_nothing},
};

static enum status take_item(struct chat *chat, struct str item)
{
    struct item_view view;
    view_item(item, &view);
    if (view.type.len == 0)
        return take_message(chat, &view);
    for (size_t i = 0; i < array_count(items); i++)
        if (str_eq_c(view.type, items[i].type))
            return items[i].take(chat, &view);
    return problem_set(chat->problem, PROBLEM_INVALID, "input",
                       "The server behind this endpoint cannot be told an item of type '" STR_FMT
                       "': leave it out.",
                       STR_ARG(str_slice(view.type, 0, utf8_floor(view.type, 80))));
}

enum status upstream_messages_append(struct buf *json, struct upstream_body *body,
                                     struct str instructions, const struct record *record,
                                     struct problem *problem)
{
    struct chat chat = {.body = body, .json = json, .problem = problem};
    struct record_walk walk;
    struct str item;
    enum status status = STATUS_OK;
    buf_append(&chat.system, json_raw_inside(instructions));
    record_walk_init(&walk, record, NULL);
    while (status == STATUS_OK && record_walk_next(&walk, &item))
        status = take_item(&chat, item);
    record_walk_finish(&walk);
    flush_system(&chat);
    flush_assistant(&chat);
    buf_finish(&chat.system);
    buf_finish(&chat.text);
    buf_finish(&chat.reasoning);
    buf_finish(&chat.calls);
    return status;
}
