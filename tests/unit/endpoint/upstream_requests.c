/* What another server is sent for a conversation, and that it stays the same as that grows. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "../../../server/endpoint/upstream-internal.h"

TestSuite(upstream_requests, .timeout = 60);

struct asking {
    struct held held;
    struct record *record;
    struct upstream_ask ask;
    struct upstream_body body;
    struct problem problem;
    enum status status;
    char *text;
};

/* The request's members as text, `input` among them. */
static void ask_for(struct asking *asking, const char *owner, bool as_chat, const char *members)
{
    struct request request;
    struct buf text = {0};
    *asking = (struct asking){0};
    buf_append_fmt(&text, "{%s}", members);
    asking->text = buf_take(&text);
    cr_assert_eq(request_read(&request, str_from(asking->text), &asking->problem), STATUS_OK, "%s",
                 asking->problem.message);
    asking->record = record_new(&asking->held, 0, NULL);
    record_add_input(asking->record, request.span[FIELD_INPUT]);
    upstream_ask_copy(&asking->ask, &request);
    request_finish(&request);
    asking->body.kind = upstream_kind_find(str_from(owner));
    asking->body.reasoning = asking->body.kind->reasoning;
    asking->body.model = STR("\"m\"");
    asking->body.slot = -1;
    asking->status =
        as_chat
            ? upstream_chat_write(&asking->body, &asking->ask, asking->record, &asking->problem)
            : upstream_native_write(&asking->body, &asking->ask, asking->record, &asking->problem);
}

static void asking_end(struct asking *asking)
{
    record_unref(asking->record);
    upstream_ask_finish(&asking->ask);
    upstream_body_finish(&asking->body);
    mem_free(asking->text);
}

static const struct {
    const char *name, *owner;
    bool as_chat;
    const char *members, *holds, *lacks;
} requests[] = {
    {"a string", "x", true, "\"input\":\"hi\"",
     "\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]", "\"tools\""},
    {"instructions and leading developers are one message", "llamacpp", true,
     "\"instructions\":\"A\\n\",\"input\":[{\"role\":\"developer\",\"content\":\"B\"},{\"type\":"
     "\"message\",\"role\":\"system\",\"content\":[{\"type\":\"input_text\",\"text\":\"C\"}]},"
     "{\"role\":\"user\",\"content\":[{\"type\":\"input_text\",\"text\":\"\\u00e9\"}]}]",
     "\"messages\":[{\"role\":\"system\",\"content\":\"A\\n\\n\\nB\\n\\nC\"},{\"role\":\"user\","
     "\"content\":\"\\u00e9\"}]",
     NULL},
    {"a developer in the middle", "llamacpp", true,
     "\"input\":[{\"role\":\"user\",\"content\":\"hi\"},{\"role\":\"developer\",\"content\":\"D\"}"
     "]",
     "{\"role\":\"user\",\"content\":\"D\"}", "system"},
    {"a developer in the middle, where that may be", "openai", true,
     "\"input\":[{\"role\":\"user\",\"content\":\"hi\"},{\"role\":\"developer\",\"content\":\"D\"}"
     "]",
     "{\"role\":\"developer\",\"content\":\"D\"}", NULL},
    {"images", "x", true,
     "\"input\":[{\"role\":\"user\",\"content\":[{\"type\":\"input_text\",\"text\":\"see\"},{"
     "\"type\":\"input_image\",\"image_url\":\"data:image/"
     "png;base64,AA==\",\"detail\":\"high\"}]}]",
     "\"content\":[{\"type\":\"text\",\"text\":\"see\"},{\"type\":\"image_url\",\"image_url\":{"
     "\"url\":\"data:image/png;base64,AA==\",\"detail\":\"high\"}}]",
     NULL},
    {"one message of a response", "llamacpp", true,
     "\"input\":[{\"role\":\"user\",\"content\":\"q\"},{\"type\":\"reasoning\",\"id\":\"r\","
     "\"summary\":[],\"content\":[{\"type\":\"reasoning_text\",\"text\":\"why\"}]},{\"type\":"
     "\"message\",\"role\":\"assistant\",\"content\":[{\"type\":\"output_text\",\"text\":\"I \"},{"
     "\"type\":\"output_text\",\"text\":\"look\"}]},{\"type\":\"function_call\",\"call_id\":\"c1\","
     "\"name\":\"read_file\",\"arguments\":\"{\\\"path\\\":\\\"a\\\"}\"},{\"type\":"
     "\"function_call_output\",\"call_id\":\"c1\",\"output\":\"text\"}]",
     "{\"role\":\"assistant\",\"content\":\"I look\",\"reasoning_content\":\"why\",\"tool_calls\":["
     "{\"id\":\"c1\",\"type\":\"function\",\"function\":{\"name\":\"read_file\",\"arguments\":\"{"
     "\\\"path\\\":\\\"a\\\"}\"}}]},{\"role\":\"tool\",\"tool_call_id\":\"c1\",\"content\":"
     "\"text\"}",
     NULL},
    {"reasoning is told as it is known there", "library", true,
     "\"input\":[{\"type\":\"reasoning\",\"summary\":[{\"type\":\"summary_text\",\"text\":\"s\"}]},"
     "{\"type\":\"message\",\"role\":\"assistant\",\"content\":\"a\"}]",
     "{\"role\":\"assistant\",\"content\":\"a\",\"reasoning\":\"s\"}", NULL},
    {"and left out where it is not", "x", true,
     "\"input\":[{\"type\":\"reasoning\",\"summary\":[{\"type\":\"summary_text\",\"text\":\"s\"}]},"
     "{\"type\":\"message\",\"role\":\"assistant\",\"content\":\"a\"},{\"type\":\"reasoning\","
     "\"summary\":[]},{\"role\":\"user\",\"content\":\"u\"}]",
     "\"messages\":[{\"role\":\"assistant\",\"content\":\"a\"},{\"role\":\"user\",\"content\":"
     "\"u\"}"
     "]",
     "reasoning"},
    {"free text and namespaces become functions", "vllm", true,
     "\"input\":[{\"type\":\"custom_tool_call\",\"call_id\":\"c\",\"name\":\"apply_patch\","
     "\"input\":"
     "\"*** \\\"x\\\"\"},{\"type\":\"custom_tool_call_output\",\"call_id\":\"c\",\"output\":[{"
     "\"type\":\"input_text\",\"text\":\"done\"},{\"type\":\"input_image\",\"image_url\":\"u\"}]},"
     "{\"type\":\"function_call\",\"call_id\":\"d\",\"namespace\":\"mcp\",\"name\":\"find\","
     "\"arguments\":\"\"}]",
     "\"name\":\"apply_patch\",\"arguments\":\"{\\\"input\\\":\\\"*** \\\\\\\"x\\\\\\\"\\\"}\"}}]},"
     "{\"role\":\"tool\",\"tool_call_id\":\"c\",\"content\":\"done\\n[An image or a file was here; "
     "it cannot be shown in a tool's output.]\"},{\"role\":\"assistant\",\"content\":\"\","
     "\"tool_calls\":[{\"id\":\"d\",\"type\":\"function\",\"function\":{\"name\":\"mcp__find\","
     "\"arguments\":\"{}\"}}]}",
     NULL},
    {"arguments that are no object do no harm", "x", true,
     "\"input\":[{\"type\":\"function_call\",\"call_id\":\"c\",\"name\":\"f\",\"arguments\":\"{"
     "oops\""
     "}]",
     "\"arguments\":\"{\\\"input\\\":\\\"{oops\\\"}\"", NULL},
    {"tools", "x", true,
     "\"input\":\"q\",\"tools\":[{\"type\":\"function\",\"name\":\"f\",\"description\":\"d\","
     "\"parameters\":{\"type\":\"object\"},\"strict\":true},{\"type\":\"custom\",\"name\":\"p\","
     "\"description\":\"P\",\"format\":{\"type\":\"grammar\",\"syntax\":\"lark\",\"definition\":"
     "\"start: X\"}},{\"type\":\"namespace\",\"name\":\"n s\",\"tools\":[{\"type\":\"function\","
     "\"name\":\"g\"}]},{\"type\":\"web_search\"}],\"tool_choice\":{\"type\":\"custom\",\"name\":"
     "\"p\"},\"parallel_tool_calls\":false",
     "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"description\":\"d\","
     "\"parameters\":{\"type\":\"object\"},\"strict\":true}},{\"type\":\"function\",\"function\":{"
     "\"name\":\"p\",\"description\":\"P\\n\\n`input` must match this lark grammar:\\nstart: X\","
     "\"parameters\":{\"type\":\"object\",\"properties\":{\"input\":{\"type\":\"string\","
     "\"description\":\"The whole text for the tool, as it is.\"}},\"required\":[\"input\"],"
     "\"additionalProperties\":false}}},{\"type\":\"function\",\"function\":{\"name\":\"n_s__g\","
     "\"parameters\":{\"type\":\"object\",\"properties\":{}}}}],\"parallel_tool_calls\":false,"
     "\"tool_choice\":{\"type\":\"function\",\"function\":{\"name\":\"p\"}}",
     "web_search"},
    {"settings", "llamacpp", true,
     "\"input\":\"q\",\"max_output_tokens\":99,\"temperature\":0.5,\"top_p\":1,\"reasoning\":{"
     "\"effort\":\"xhigh\"},\"text\":{\"format\":{\"type\":\"json_schema\",\"name\":\"n\","
     "\"schema\":"
     "{\"type\":\"object\"},\"strict\":true}}",
     "\"stream_options\":{\"include_usage\":true},\"max_tokens\":99,\"temperature\":0.5,\"top_p\":"
     "1,"
     "\"reasoning_effort\":\"high\",\"chat_template_kwargs\":{\"reasoning_effort\":\"high\"},"
     "\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"n\",\"schema\":{"
     "\"type\":\"object\"},\"strict\":true}},\"cache_prompt\":true",
     "id_slot"},
    {"settings where they are OpenAI's", "openai", true,
     "\"input\":\"q\",\"max_output_tokens\":9,\"reasoning\":{\"effort\":\"xhigh\"}",
     "\"max_completion_tokens\":9,\"reasoning_effort\":\"xhigh\"", "cache_prompt"},
    {"a warm-up", "llamacpp", true, "\"generate\":false,\"input\":\"q\"", "\"max_tokens\":0", NULL},
    {"Responses, as it is", "x", false,
     "\"instructions\":\"I\",\"store\":true,\"previous_response_id\":\"r\",\"input\":[{\"type\":"
     "\"custom_tool_call\",\"call_id\":\"c\",\"name\":\"p\",\"input\":\"x\"}],\"tools\":[{\"type\":"
     "\"custom\",\"name\":\"p\"}]",
     "\"store\":false,\"instructions\":\"I\",\"tools\":[{\"type\":\"custom\",\"name\":\"p\"}],"
     "\"input\":[{\"type\":\"custom_tool_call\",\"call_id\":\"c\",\"name\":\"p\",\"input\":\"x\"}]",
     "previous_response_id"},
    {"Responses with functions alone", "vllm", false,
     "\"input\":[{\"type\":\"custom_tool_call\",\"id\":\"i\",\"call_id\":\"c\",\"name\":\"p\","
     "\"input\":\"x\"},{\"type\":\"custom_tool_call_output\",\"call_id\":\"c\",\"output\":\"o\"}],"
     "\"tools\":[{\"type\":\"function\",\"name\":\"f\"}]",
     "\"tools\":[{\"type\":\"function\",\"name\":\"f\",\"parameters\":{\"type\":\"object\","
     "\"properties\":{}},\"strict\":false}],\"input\":[{\"type\":\"function_call\",\"id\":\"i\","
     "\"call_id\":\"c\",\"name\":\"p\",\"arguments\":\"{\\\"input\\\":\\\"x\\\"}\"},{\"type\":"
     "\"function_call_output\",\"call_id\":\"c\",\"output\":\"o\"}]",
     "custom"},
};

Test(upstream_requests, are_mapped)
{
    for (size_t i = 0; i < array_count(requests); i++) {
        struct asking asking;
        struct json_value *value = NULL;
        ask_for(&asking, requests[i].owner, requests[i].as_chat, requests[i].members);
        cr_assert_eq(asking.status, STATUS_OK, "%s: %s", requests[i].name, asking.problem.message);
        const char *json = asking.body.json.ptr;
        cr_expect_eq(json_parse(buf_str(&asking.body.json), &value, NULL), STATUS_OK, "%s", json);
        cr_expect(strstr(json, requests[i].holds), "%s: %s", requests[i].name, json);
        cr_expect(!requests[i].lacks || !strstr(json, requests[i].lacks), "%s: %s",
                  requests[i].name, json);
        json_free(value);
        asking_end(&asking);
    }
}

static const struct {
    const char *members, *says;
} refused[] = {
    {"\"input\":[{\"role\":\"user\",\"content\":[{\"type\":\"input_file\",\"file_id\":\"f\"}]}]",
     "files"},
    {"\"input\":[{\"role\":\"user\",\"content\":[{\"type\":\"input_image\",\"file_id\":\"f\"}]}]",
     "file id"},
    {"\"input\":[{\"type\":\"item_reference\",\"id\":\"x\"}]", "'item_reference'"},
    {"\"input\":[{\"role\":\"critic\",\"content\":\"x\"}]", "role"},
    {"\"input\":\"x\",\"tools\":[{\"type\":\"file_search\",\"vector_store_ids\":[]}]",
     "'file_search'"},
    {"\"input\":\"x\",\"tools\":[{\"type\":\"function\",\"name\":\"f\"}],\"tool_choice\":{\"type\":"
     "\"allowed_tools\",\"mode\":\"auto\",\"tools\":[]}",
     "'allowed_tools'"},
};

Test(upstream_requests, are_refused_in_a_sentence)
{
    for (size_t i = 0; i < array_count(refused); i++) {
        struct asking asking;
        ask_for(&asking, "llamacpp", true, refused[i].members);
        cr_expect_eq(asking.status, STATUS_INVALID, "%s", refused[i].members);
        cr_expect_eq(asking.problem.status, 400);
        cr_expect(strstr(asking.problem.message, refused[i].says), "%s", asking.problem.message);
        asking_end(&asking);
    }
}

Test(upstream_requests, what_is_left_out_is_named)
{
    struct asking asking;
    ask_for(&asking, "llamacpp", true,
            "\"input\":\"x\",\"tools\":[{\"type\":\"web_search\"}],\"truncation\":\"auto\","
            "\"text\":{\"verbosity\":\"low\"},\"max_tool_calls\":3,\"top_logprobs\":2");
    cr_expect_str_eq(asking.body.dropped.ptr,
                     "tool web_search, top_logprobs, max_tool_calls, truncation, text.verbosity");
    cr_expect(!strstr(asking.body.json.ptr, "\"tools\""));
    asking_end(&asking);
}

Test(upstream_requests, long_names_stay_apart)
{
    char one[UPSTREAM_NAME_BYTES], other[UPSTREAM_NAME_BYTES], again[UPSTREAM_NAME_BYTES];
    struct buf name = {0};
    buf_append_repeat(&name, 'n', 70);
    upstream_flat_name(one, STR("space"), buf_str(&name));
    buf_append_byte(&name, 'x');
    upstream_flat_name(other, STR("space"), buf_str(&name));
    upstream_flat_name(again, STR("space"), buf_str(&name));
    cr_expect_eq(strlen(one), 64);
    cr_expect_eq(strlen(other), 64);
    cr_expect_str_neq(one, other);
    cr_expect_str_eq(other, again);
    upstream_flat_name(one, (struct str){0}, STR("a.b c\xC3\xA9"));
    cr_expect_str_eq(one, "a_b_c__");
    buf_finish(&name);
}

/* -- The prefix -----------------------------------------------------------------------------------
 */

/* A turn: input, and what was answered. */
static const struct {
    const char *input, *output;
} steps[] = {
    {"[{\"role\":\"developer\",\"content\":\"You are.\"},{\"role\":\"user\",\"content\":\"fix\"}]",
     "{\"type\":\"reasoning\",\"summary\":[],\"content\":[{\"type\":\"reasoning_text\",\"text\":"
     "\"a\"}]}|{\"type\":\"function_call\",\"call_id\":\"1\",\"name\":\"f\",\"arguments\":\"{}\"}|{"
     "\"type\":\"custom_tool_call\",\"call_id\":\"2\",\"name\":\"p\",\"input\":\"x\"}"},
    {"[{\"type\":\"custom_tool_call_output\",\"call_id\":\"2\",\"output\":\"o2\"},{\"type\":"
     "\"function_call_output\",\"call_id\":\"1\",\"output\":\"o1\"}]",
     "{\"type\":\"message\",\"role\":\"assistant\",\"content\":[{\"type\":\"output_text\",\"text\":"
     "\"done\"}]}"},
    {"\"and now?\"", "{\"type\":\"reasoning\",\"summary\":[]}"},
    {"[{\"role\":\"user\",\"content\":\"again\"},{\"role\":\"developer\",\"content\":\"be "
     "brief\"}]",
     "{\"type\":\"message\",\"role\":\"assistant\",\"content\":[{\"type\":\"output_text\",\"text\":"
     "\"no\"}]}|{\"type\":\"function_call\",\"call_id\":\"3\",\"name\":\"f\",\"arguments\":\"{"
     "bad\"}"},
    {"[{\"type\":\"function_call_output\",\"call_id\":\"3\",\"output\":[{\"type\":\"input_text\","
     "\"text\":\"t\"}]},{\"role\":\"user\",\"content\":[{\"type\":\"input_text\",\"text\":\"x\"},{"
     "\"type\":\"input_image\",\"image_url\":\"data:,\"}]}]",
     ""},
};

Test(upstream_requests, a_step_is_the_beginning_of_the_next)
{
    struct held held = {0};
    struct record *record = NULL;
    struct buf before = {0}, input = {0};
    for (size_t i = 0; i < array_count(steps); i++) {
        struct upstream_body body = {.kind = upstream_kind_find(STR("llamacpp")),
                                     .reasoning = "reasoning_content"};
        struct buf now = {0}, whole = {0};
        struct problem problem;
        struct record *next = record_new(&held, 0, record);
        record_add_input(next, str_from(steps[i].input));
        cr_assert_eq(upstream_messages_append(&now, &body, STR("\"I\""), next, &problem),
                     STATUS_OK);
        cr_expect(str_starts_with(buf_str(&now), buf_str(&before)), "step %zu:\n%s\n%s", i,
                  before.ptr, now.ptr);
        cr_expect_gt(now.len, before.len);
        /* The same conversation with full input, after a lost connection. */
        record_walk_append(&input, next);
        struct record *anew = record_new(&held, 0, NULL);
        record_add_input(anew, buf_str(&input));
        upstream_messages_append(&whole, &body, STR("\"I\""), anew, &problem);
        cr_expect_str_eq(whole.ptr, now.ptr);
        struct str outputs = str_from(steps[i].output), output;
        while (outputs.len > 0 && str_next(&outputs, '|', &output))
            record_add_output(next, output);
        record_unref(record);
        record_unref(anew);
        record = next;
        buf_move(&before, &now);
        buf_clear(&input);
        buf_finish(&whole);
        upstream_body_finish(&body);
    }
    record_unref(record);
    buf_finish(&before);
    buf_finish(&input);
}
