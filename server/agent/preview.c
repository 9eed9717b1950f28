/* What the next request would hold, part by part: made by what makes the request, and thrown away.
 */
#include "agent-internal.h"

struct preview {
    agent_part_fn *fn;
    void *user;
};

static void tell(const struct preview *preview, const char *label, int64_t tokens, const char *why)
{
    const struct agent_part part = {.label = label, .tokens = tokens, .why = why};
    preview->fn(preview->user, &part);
}

/* -- What a thread begins with */

static const char file_mark[] = "\n<file path=\"", file_end[] = "\n</file>";

/* Each file that goes along by itself. */
static void tell_files(const struct preview *preview, struct str text)
{
    size_t at = str_find(text, str_from(file_mark), 0);
    while (at != STR_NONE) {
        size_t name = at + sizeof(file_mark) - 1, quote = str_find_byte(text, '"', name);
        size_t end = str_find(text, str_from(file_end), at);
        end = end == STR_NONE ? text.len : end + sizeof(file_end) - 1;
        char *label = str_dup_c(str_slice(text, name, quote == STR_NONE ? name : quote));
        tell(preview, label, size_of_text(str_slice(text, at, end)),
             "from the repository, as advice, once in a thread");
        mem_free(label);
        at = str_find(text, str_from(file_mark), end);
    }
}

static void tell_environment(const struct preview *preview, struct str text)
{
    size_t at = str_find(text, str_from(file_mark), 0);
    tell(preview, "environment", size_of_text(str_slice(text, 0, at == STR_NONE ? text.len : at)),
         "the folder and the shell, once in a thread");
    tell_files(preview, text);
}

static void tell_stored_environment(const struct preview *preview, struct str item)
{
    struct json_value *json = NULL;
    if (json_parse(item, &json, NULL) == STATUS_OK)
        tell_environment(preview, json_get_str(json_first(json_get(json, "content")), "text"));
    json_free(json);
}

static void tell_beginning(const struct preview *preview, struct agent *agent,
                           struct agent_thread *thread, struct str root_path)
{
    struct buf text = {0};
    tell(preview, "instructions", size_of_text(context_instructions()),
         "what the model is and how it works here, once in a thread");
    if (thread && thread->history.items.len > 1) {
        tell_stored_environment(preview, thread->history.items.ptr[1]);
    } else {
        context_append_environment(agent, root_path, &text);
        tell_environment(preview, buf_str(&text));
    }
    buf_finish(&text);
}

static int64_t tell_tools(const struct preview *preview, struct agent *agent,
                          const struct agent_thread *thread)
{
    struct buf list = {0};
    bool is_known = thread && thread->tools_json.len > 0;
    if (!is_known)
        tools_append_schema(agent->env.tools,
                            thread ? thread_edit_style(thread) : agent->env.edit_style, &list);
    struct str json = buf_str(is_known ? &thread->tools_json : &list);
    int64_t tokens = size_of_text(json);
    tell(preview, "tools", tokens,
         is_known || tools_are_settled(agent->env.tools)
             ? "what the model may call, the same through a thread"
             : "what the model may call; MCP servers start with the prompt, theirs come to it");
    buf_finish(&list);
    return tokens;
}

/* -- What was said since */

static void tell_conversation(const struct preview *preview, const struct agent_thread *thread,
                              int64_t tools_tokens)
{
    const struct history *history = &thread->history;
    int64_t begins = tools_tokens, all = size_estimate(thread);
    for (size_t i = 0; i < history->items.len && i < PREAMBLE_COUNT; i++)
        begins += size_of_item(history->items.ptr[i]);
    if (history->items.len > PREAMBLE_COUNT)
        tell(preview, "conversation", all > begins ? all - begins : 0,
             thread->context.told_tokens > 0 ? "what was said and done; counted by the endpoint"
                                             : "what was said and done");
    if (thread->hook_text.len > 0)
        tell(preview, "hooks", size_of_text(buf_str(&thread->hook_text)),
             "what your hooks have for the model");
}

/* -- What is about to be said */

/* Of those that the thread has not seen; looking leaves no trace. */
static void tell_advice(const struct preview *preview, struct agent *agent,
                        const struct agent_thread *thread, const struct agent_input *input)
{
    struct tools_thread *copy =
        tools_thread_advised_copy(agent->env.tools, thread ? thread->tools : NULL);
    struct buf text = {0};
    context_append_advice(agent, copy, input, &text);
    tell_files(preview, buf_str(&text));
    buf_finish(&text);
    tools_thread_free(copy);
}

static void tell_input(const struct preview *preview, const struct agent_input *input)
{
    for (size_t i = 0; i < input->context_count; i++) {
        const struct agent_context *context = &input->contexts[i];
        struct buf text = {0};
        context_append_part(&text, context);
        int64_t tokens = size_of_text(buf_str(&text));
        if (context->image.len > 0)
            tokens += size_of_image(context->image);
        tell(preview, context->label, tokens, "");
        buf_finish(&text);
    }
    if (input->prompt.len > 0)
        tell(preview, "prompt", size_of_text(input->prompt), "what you write");
}

void agent_preview(struct agent *agent, struct agent_thread *thread, struct str root_path,
                   const struct agent_input *input, agent_part_fn *fn, void *user)
{
    const struct preview preview = {.fn = fn, .user = user};
    if (thread) {
        thread_load_tools(thread);
        root_path = str_from(thread->root);
    }
    tell_beginning(&preview, agent, thread, root_path);
    int64_t tools_tokens = tell_tools(&preview, agent, thread);
    if (thread)
        tell_conversation(&preview, thread, tools_tokens);
    tell_advice(&preview, agent, thread, input);
    tell_input(&preview, input);
}
