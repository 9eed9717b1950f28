/* What another server may send, as events of either kind, one a line: the plan ends, its items stay
 * what clients may be told, and pieces are the same as the whole. */
#include "../../server/endpoint/upstream-internal.h"
#include "fuzz.h"

static const struct str tools_text =
    STR_INIT("[{\"type\":\"function\",\"name\":\"f\"},{\"type\":\"custom\",\"name\":\"p\"},{"
             "\"type\":\"namespace\",\"name\":\"n\",\"tools\":[{\"type\":\"function\",\"name\":"
             "\"g\"}]}]");

static void check_item(const struct plan_item *item)
{
    struct buf json = {0};
    struct json_writer w;
    struct json_value *value = NULL;
    json_writer_init(&w, &json);
    item_write(&w, item, !item->open);
    FUZZ_CHECK(utf8_is_valid(item->text, NULL));
    FUZZ_CHECK(json_parse(buf_str(&json), &value, NULL) == STATUS_OK);
    FUZZ_CHECK(json_get_str(value, "id").len > 0);
    json_free(value);
    buf_finish(&json);
}

static void check_plan(const struct plan *plan)
{
    FUZZ_CHECK(plan->state != PLAN_OPEN);
    FUZZ_CHECK(plan->state != PLAN_FAILED || plan->problem.message[0]);
    for (size_t i = 0; i < plan->items.len; i++) {
        const struct plan_item *item = &plan->items.ptr[i];
        FUZZ_CHECK(plan->state != PLAN_COMPLETED || !item->open);
        check_item(item);
    }
}

static void read_chunks(struct str input, const struct upstream_tools *tools)
{
    struct upstream_chunks chunks;
    struct plan plan;
    struct str line;
    plan_init(&plan);
    const struct upstream_reading reading = {.plan = &plan, .tools = tools};
    upstream_chunks_init(&chunks, &reading);
    while (str_next(&input, '\n', &line))
        upstream_chunks_take(&chunks, line);
    upstream_chunks_end(&chunks);
    check_plan(&plan);
    upstream_chunks_finish(&chunks);
    plan_finish(&plan);
}

static void read_events(struct str input, const struct upstream_tools *tools)
{
    struct upstream_events events;
    struct plan plan;
    struct str line;
    plan_init(&plan);
    const struct upstream_reading reading = {.plan = &plan, .tools = tools};
    upstream_events_init(&events, &reading);
    while (str_next(&input, '\n', &line))
        upstream_events_take(&events, line);
    upstream_events_end(&events);
    check_plan(&plan);
    upstream_events_finish(&events);
    plan_finish(&plan);
}

/* Thoughts between tags, at once and byte by byte. */
static void check_thoughts(struct str input)
{
    struct think whole = {0}, torn = {0};
    struct buf reasoning = {0}, text = {0}, torn_reasoning = {0}, torn_text = {0};
    think_push(&whole, input, true, &reasoning, &text);
    for (size_t i = 0; i < input.len; i++)
        think_push(&torn, str_slice(input, i, i + 1), false, &torn_reasoning, &torn_text);
    think_push(&torn, (struct str){0}, true, &torn_reasoning, &torn_text);
    FUZZ_CHECK(str_eq(buf_str(&reasoning), buf_str(&torn_reasoning)));
    FUZZ_CHECK(str_eq(buf_str(&text), buf_str(&torn_text)));
    think_finish(&whole);
    think_finish(&torn);
    buf_finish(&reasoning);
    buf_finish(&text);
    buf_finish(&torn_reasoning);
    buf_finish(&torn_text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str input = {(const char *)data, size};
    struct upstream_tools tools = {0};
    struct problem problem;
    FUZZ_CHECK(upstream_tools_read(&tools, tools_text, (struct str){0}, false, true, &problem) ==
               STATUS_OK);
    read_chunks(input, &tools);
    read_events(input, &tools);
    check_thoughts(input);
    upstream_problem(&problem, 500, input, -1);
    upstream_tools_finish(&tools);
    return 0;
}
