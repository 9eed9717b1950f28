/* lanebridge/context/preview: what the next request would hold, part by part. The turn is prepared
 * like any other, and the agent makes its items; then all of it is thrown away. */
#include "start-internal.h"

struct preview {
    const struct turn_start *start;
    struct json_writer w;
    int64_t tokens;
    struct buf included, left_out; /* for people who see no answer */
    const char *no_images;         /* why the model takes none; or NULL */
};

static const struct input_part *find_part(const struct turn_start *start, const char *label)
{
    for (size_t i = 0; i < start->parts.list.len; i++)
        if (start->parts.list.ptr[i].label.ptr == label)
            return &start->parts.list.ptr[i];
    return NULL;
}

static void write_part(struct preview *preview, const char *label, int64_t tokens, bool included,
                       const char *why)
{
    struct json_writer *w = &preview->w;
    if (included)
        buf_append_fmt(&preview->included, "%s%s %lld", preview->included.len > 0 ? ", " : "",
                       label, (long long)tokens);
    else
        buf_append_fmt(&preview->left_out, "%s%s (%s)", preview->left_out.len > 0 ? ", " : "",
                       label, why);
    json_write_begin_object(w);
    json_write_field_c(w, "label", label);
    json_write_field_int(w, "tokens", tokens);
    json_write_field_bool(w, "included", included);
    json_write_field_c(w, "why", why);
    json_write_end_object(w);
}

/* The agent knows what costs how much; why a given part is there is known here. */
static void on_part(void *user, const struct agent_part *part)
{
    struct preview *preview = user;
    const struct input_part *given = find_part(preview->start, part->label);
    const char *why = part->why;
    if (given && given->image.len > 0 && preview->no_images) {
        write_part(preview, part->label, 0, false, preview->no_images);
        return;
    }
    if (given)
        why = given->why.len > 0 ? given->why.ptr : "given by you";
    preview->tokens += part->tokens;
    write_part(preview, part->label, part->tokens, true, why);
}

static void write_left_out(struct preview *preview)
{
    for (size_t i = 0; i < preview->start->parts.list.len; i++) {
        const struct input_part *part = &preview->start->parts.list.ptr[i];
        if (part->is_left_out)
            write_part(preview, part->label.ptr, 0, false, part->why.ptr);
    }
}

static void show(const struct preview *preview)
{
    struct buf text = {0};
    buf_append_fmt(&text, "Lanebridge would send about %lld tokens: %s.",
                   (long long)preview->tokens, preview->included.ptr);
    if (preview->left_out.len > 0)
        buf_append_fmt(&text, " Left out: %s.", preview->left_out.ptr);
    server_show_message(preview->start->server, 3, "%s", text.ptr);
    buf_finish(&text);
}

/* Where the turn would go; none is started for it. */
static enum status pick_thread(const struct turn_start *start, struct agent *agent,
                               struct agent_thread **ret_thread, struct err *err)
{
    struct str id = buf_str(&start->thread_id);
    *ret_thread = id.len > 0 ? agent_thread_resume(agent, id, err)
                             : agent_thread_last(agent, buf_str(&start->root));
    return id.len > 0 && !*ret_thread ? STATUS_NOT_FOUND : STATUS_OK;
}

enum status preview_answer(const struct turn_start *start, struct err *err)
{
    struct preview preview = {.start = start};
    struct start_input input;
    struct buf result = {0};
    struct agent_thread *thread = NULL;
    struct agent *agent = server_agent(start->server, err);
    if (!agent || pick_thread(start, agent, &thread, err) < 0)
        return STATUS_NOT_FOUND;
    json_writer_init(&preview.w, &result);
    json_write_begin_object(&preview.w);
    json_write_key(&preview.w, "parts");
    json_write_begin_array(&preview.w);
    start_take_input(start, &input);
    preview.no_images = thread ? agent_refuses_images(thread) : NULL;
    agent_preview(agent, thread, buf_str(&start->root), &input.input, on_part, &preview);
    write_left_out(&preview);
    json_write_end_array(&preview.w);
    json_write_field_int(&preview.w, "tokens", preview.tokens);
    json_write_field_c(&preview.w, "counted",
                       "a guess: 4 bytes of JSON or text are a token, an image counts by its size; "
                       "what an endpoint has counted already is as it said");
    json_write_end_object(&preview.w);
    jsonrpc_respond(start->server->peer, buf_str(&start->request_id), buf_str(&result));
    if (start->show_transcript && !start->server->client.rich)
        show(&preview);
    buf_finish(&preview.included);
    buf_finish(&preview.left_out);
    vec_finish(&input.contexts);
    buf_finish(&result);
    return STATUS_OK;
}
