/* What happens in a thread, as Markdown: the transcript, and what is exported. */
#include "lsp-internal.h"

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
        buf_append_c(&markdown->text, "\n\n");
        buf_clear(&markdown->item_id);
    }
}

static void add_tool(struct buf *text, const struct agent_event *event)
{
    buf_append_c(text, "- `");
    utf8_append_visible(text, event->title);
    buf_append_fmt(text, "` %s, %llu ms\n", event->ok ? "ok" : "**failed**",
                   (unsigned long long)event->ran_ms);
    if (event->diff.len > 0) {
        buf_append_c(text, "\n```diff\n");
        utf8_append_visible(text, event->diff);
        buf_append_c(text, "```\n");
    }
    buf_append_byte(text, '\n');
}

void markdown_add_item(struct markdown *markdown, const struct agent_event *event)
{
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

void markdown_finish(struct markdown *markdown)
{
    buf_finish(&markdown->text);
    buf_finish(&markdown->item_id);
}
