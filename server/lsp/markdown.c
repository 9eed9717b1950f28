/* What happens in a thread, as Markdown: the transcript, and what is exported. */
#include "lsp-internal.h"

#include <stdio.h>

static void add_message(struct markdown *markdown, const struct agent_event *event)
{
    bool is_new = !str_eq_c(buf_str(&markdown->item_id), event->item_id);
    if (is_new) {
        buf_clear(&markdown->item_id);
        buf_append_c(&markdown->item_id, event->item_id);
        markdown->item_bytes = 0;
    }
    if (event->type == AGENT_ITEM_DELTA) {
        buf_append(&markdown->text, event->text);
        markdown->item_bytes += event->text.len;
    } else if (event->type == AGENT_ITEM_COMPLETED) { /* what the deltas did not bring */
        buf_append(&markdown->text, str_skip(event->text, markdown->item_bytes));
        if (event->is_void && event->text.len > 0)
            buf_append_c(
                &markdown->text,
                " …\n\n*(The connection broke here. This beginning is void: the answer follows.)*");
        buf_append_c(&markdown->text, "\n\n");
        buf_clear(&markdown->item_id);
    }
}

static void add_tool(struct buf *text, const struct agent_event *event)
{
    buf_append_c(text, "- `");
    utf8_append_visible(text, event->title);
    buf_append_fmt(text, "` %s, %llu ms", event->ok ? "ok" : "**failed**",
                   (unsigned long long)event->ran_ms);
    if (event->item_type == AGENT_SUBAGENT && event->text.len > 0) {
        buf_append_c(text, ": ");
        utf8_append_visible(text, event->text);
    }
    buf_append_byte(text, '\n');
    if (event->diff.len > 0) {
        buf_append_c(text, "\n```diff\n");
        utf8_append_visible(text, event->diff);
        buf_append_c(text, "```\n");
    }
    buf_append_byte(text, '\n');
}

/* One line a step: what a model writes must not be more than that. */
static void add_step(struct buf *text, const struct json_value *step)
{
    struct str status = json_get_str(step, "status"), words = json_get_str(step, "step");
    size_t end = str_find_byte(words, '\n', 0);
    bool is_next = str_eq_c(status, "in_progress");
    buf_append_fmt(text, "- [%c] %s", str_eq_c(status, "completed") ? 'x' : ' ',
                   is_next ? "**" : "");
    buf_append(text, end == STR_NONE ? words : str_slice(words, 0, end));
    buf_append_c(text, is_next ? "**\n" : "\n");
}

static void add_plan(struct buf *text, const struct agent_event *event)
{
    struct json_value *plan = NULL;
    if (!event->ok || json_parse(event->output, &plan, NULL) < 0) {
        add_tool(text, event);
        return;
    }
    struct str explanation = json_get_str(plan, "explanation");
    buf_append_fmt(text, "**Plan:** " STR_FMT "\n\n",
                   STR_ARG(explanation.len > 0 ? explanation : event->text));
    const struct json_value *step = json_first(json_get(plan, "plan"));
    for (; step; step = json_next(step))
        add_step(text, step);
    buf_append_byte(text, '\n');
    json_free(plan);
}

void markdown_add_item(struct markdown *markdown, const struct agent_event *event)
{
    if (event->parent_item_id) /* what a helper does: its call has a line */
        return;
    switch (event->item_type) {
    case AGENT_USER_MESSAGE:
        buf_append_fmt(&markdown->text, "## You\n\n" STR_FMT "\n\n## Lanebridge\n\n",
                       STR_ARG(event->text));
        break;
    case AGENT_MESSAGE:
        add_message(markdown, event);
        break;
    case AGENT_ERROR:
        buf_append_fmt(&markdown->text, "> **Error:** " STR_FMT "\n\n", STR_ARG(event->text));
        break;
    case AGENT_COMPACTION:
        if (event->type == AGENT_ITEM_COMPLETED && event->text.len > 0)
            buf_append_fmt(&markdown->text, "*" STR_FMT "*\n\n", STR_ARG(event->text));
        break;
    case AGENT_REASONING:
        break;
    case AGENT_PLAN:
        if (event->type == AGENT_ITEM_COMPLETED)
            add_plan(&markdown->text, event);
        break;
    default:
        if (event->type == AGENT_ITEM_COMPLETED)
            add_tool(&markdown->text, event);
        break;
    }
}

void markdown_add_title(struct markdown *markdown, struct str title)
{
    buf_append_fmt(&markdown->text, "# " STR_FMT "\n\n",
                   STR_ARG(title.len > 0 ? title : STR("New thread")));
}

/* "12345" as "12,345". */
static void append_grouped(struct buf *text, int64_t number)
{
    char digits[32];
    int len = snprintf(digits, sizeof(digits), "%lld", (long long)number);
    for (int i = 0; i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0)
            buf_append_byte(text, ',');
        buf_append_byte(text, digits[i]);
    }
}

void markdown_add_usage(struct markdown *markdown, const struct responses_usage *usage,
                        const struct agent_cost *cost)
{
    struct buf *text = &markdown->text;
    if (usage->input_tokens == 0 && usage->output_tokens == 0)
        return;
    buf_append_c(text, "*");
    append_grouped(text, usage->input_tokens);
    buf_append_c(text, " tokens read");
    if (usage->cached_tokens > 0) {
        buf_append_c(text, " (");
        append_grouped(text, usage->cached_tokens);
        buf_append_c(text, " from the cache)");
    }
    buf_append_c(text, ", ");
    append_grouped(text, usage->output_tokens);
    buf_append_c(text, " written");
    if (cost->currency[0])
        buf_append_fmt(text, ", %.4g %s", cost->amount, cost->currency);
    buf_append_c(text, "*\n\n");
}

void markdown_finish(struct markdown *markdown)
{
    buf_finish(&markdown->text);
    buf_finish(&markdown->item_id);
}
