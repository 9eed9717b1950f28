/* The steps of a turn's plan: what update_plan was told last, else a list in the answer. */
#include "agent-internal.h"

#include <string.h>

struct steps {
    struct str turn_id;
    VEC(char *) found;
    bool has_plan;
};

static void drop(struct steps *steps)
{
    for (size_t i = 0; i < steps->found.len; i++)
        mem_free(steps->found.ptr[i]);
    vec_clear(&steps->found);
}

static void add(struct steps *steps, struct str words)
{
    size_t end = str_find_byte(words, '\n', 0);
    struct str line = str_trim(end == STR_NONE ? words : str_slice(words, 0, end));
    if (line.len > 0 && steps->found.len < LIMIT_PLAN_STEPS_COUNT)
        vec_push(&steps->found, str_dup_c(line));
}

/* The newest come first. */
static bool on_call(void *user, const struct journal_call *call)
{
    struct steps *steps = user;
    struct json_value *arguments = NULL;
    if (tools_kind_of(call->name) != TOOL_PLAN || !call->ok ||
        json_parse(call->arguments, &arguments, NULL) < 0)
        return true;
    const struct json_value *step = json_first(json_get(arguments, "plan"));
    for (; step; step = json_next(step))
        add(steps, json_get_str(step, "step"));
    json_free(arguments);
    steps->has_plan = steps->found.len > 0;
    return !steps->has_plan;
}

/* "1. …", "2) …", "- …", "* …" at the left edge; empty: no such line. */
static struct str list_item(struct str line)
{
    size_t digits = 0;
    while (digits < line.len && line.ptr[digits] >= '0' && line.ptr[digits] <= '9')
        digits++;
    size_t mark = digits;
    if (mark + 1 >= line.len || line.ptr[mark + 1] != ' ')
        return STR("");
    char c = line.ptr[mark];
    bool is_item = digits > 0 ? c == '.' || c == ')' : c == '-' || c == '*';
    return is_item ? str_skip(line, mark + 2) : STR("");
}

static bool on_item(void *user, const struct journal_item *item)
{
    struct steps *steps = user;
    struct json_value *value = NULL;
    struct buf text = {0};
    struct str rest, line;
    if (!str_eq(item->turn_id, steps->turn_id) || !str_eq_c(item->kind, "output") ||
        json_parse(item->json, &value, NULL) < 0)
        return true;
    if (str_eq_c(json_get_str(value, "type"), "message")) {
        drop(steps); /* the last answer counts */
        stream_append_text(&text, json_get(value, "content"));
        rest = buf_str(&text);
        while (str_next(&rest, '\n', &line))
            add(steps, list_item(line));
    }
    json_free(value);
    buf_finish(&text);
    return true;
}

enum status agent_plan_each(struct agent *agent, struct str thread_id, struct str turn_id,
                            agent_step_fn *fn, void *user, struct err *err)
{
    struct journal *journal = agent->env.journal;
    struct steps steps = {.turn_id = turn_id};
    char own[ID_BYTES] = "";
    if (thread_id.len == 0 || thread_id.len >= ID_BYTES || turn_id.len == 0)
        return err_set(err, STATUS_NOT_FOUND, "there is no such turn");
    memcpy(own, thread_id.ptr, thread_id.len);
    enum status status = journal_call_each(journal, thread_id, turn_id, LIMIT_TURN_STEPS_COUNT,
                                           on_call, &steps, err);
    if (status == STATUS_OK && !steps.has_plan)
        status = journal_item_each(journal, own, 1, on_item, &steps, err);
    if (status == STATUS_OK && steps.found.len == 0)
        status = err_set(err, STATUS_NOT_FOUND,
                         "that turn has no plan: neither update_plan nor a list in its answer");
    for (size_t i = 0; status == STATUS_OK && i < steps.found.len; i++)
        fn(user, str_from(steps.found.ptr[i]));
    drop(&steps);
    vec_finish(&steps.found);
    return status;
}
