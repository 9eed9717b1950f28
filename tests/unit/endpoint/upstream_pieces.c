/* What another server sends, torn at every byte: the plan is always the same. The streams have the
 * shapes of the servers' documentation and sources. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "../../../server/endpoint/upstream-internal.h"

TestSuite(upstream_pieces, .timeout = 60);

#define expect_text(got, wanted, ...)                                                              \
    do {                                                                                           \
        struct str got_ = (got);                                                                   \
        cr_assert(str_eq_c(got_, wanted), "got \"" STR_FMT "\", not \"%s\"", STR_ARG(got_),        \
                  wanted);                                                                         \
    } while (0)

/* -- Thoughts between tags ------------------------------------------------------------------------
 */

static const struct {
    const char *all, *reasoning, *text;
} thoughts[] = {
    {"plain", "", "plain"},
    {"<think>why</think>because", "why", "because"},
    {"\n<think>\nwhy\n</think>\n\nbecause", "\nwhy\n", "because"},
    {"<think></think>x", "", "x"},
    {"<think>a < b </thin k></think>x</think>", "a < b </thin k>", "x</think>"},
    {"<think>cut off", "cut off", ""},
    {"<think>cut off</thi", "cut off</thi", ""},
    {"<thinking>no</thinking>", "", "<thinking>no</thinking>"},
    {"<thi", "", "<thi"},
    {"not first <think>x</think>", "", "not first <think>x</think>"},
    {"", "", ""},
};

Test(upstream_pieces, thoughts_torn_anywhere)
{
    for (size_t i = 0; i < array_count(thoughts); i++) {
        struct str all = str_from(thoughts[i].all);
        for (size_t cut = 0; cut <= all.len; cut++) {
            struct think think = {0};
            struct buf reasoning = {0}, text = {0};
            for (size_t at = 0; at < cut; at++) /* bytes up to the cut, then the rest at once */
                think_push(&think, str_slice(all, at, at + 1), false, &reasoning, &text);
            think_push(&think, str_skip(all, cut), false, &reasoning, &text);
            think_push(&think, (struct str){0}, true, &reasoning, &text);
            expect_text(buf_str(&reasoning), thoughts[i].reasoning);
            expect_text(buf_str(&text), thoughts[i].text);
            think_finish(&think);
            buf_finish(&reasoning);
            buf_finish(&text);
        }
    }
}

/* -- The one string of a function
 * ------------------------------------------------------------------
 */

static const struct {
    const char *json, *text;
} wrapped[] = {
    {"{\"input\":\"*** Begin\\n+\\u00e9\\ud83d\\ude00\\\\\\\"\"}",
     "*** Begin\n+\xC3\xA9\xF0\x9F\x98\x80\\\""},
    {" { \"input\" : \"\" } ", ""},
    {"{\"input\":\"\xC3\xA9\"}", "\xC3\xA9"},
    {"{\"input\":\"half \\ud83d pair\"}", "half \xEF\xBF\xBD pair"},
    {"{\"patch\":\"other name\"}", "other name"},
    {"\"a bare string\"", "a bare string"},
    {"no json at all", "no json at all"},
    {"{\"a\":1,\"input\":\"second\"}", "second"},
    {"{\"a\":1,\"b\":2}", "{\"a\":1,\"b\":2}"},
};

Test(upstream_pieces, wrapped_text_torn_anywhere)
{
    for (size_t i = 0; i < array_count(wrapped); i++) {
        struct str all = str_from(wrapped[i].json);
        for (size_t cut = 0; cut <= all.len; cut++) {
            struct unwrap unwrap = {0};
            struct buf text = {0};
            if (cut > 0 && ((unsigned char)all.ptr[cut] & 0xC0) == 0x80)
                continue; /* pieces are strings of JSON: whole characters */
            unwrap_push(&unwrap, str_slice(all, 0, cut), &text);
            unwrap_push(&unwrap, str_skip(all, cut), &text);
            unwrap_end(&unwrap, &text);
            expect_text(buf_str(&text), wrapped[i].text);
            unwrap_finish(&unwrap);
            buf_finish(&text);
        }
    }
}

/* -- Streams --------------------------------------------------------------------------------------
 */

#define D(text) "data: " text "\n\n"
#define CHUNK(delta, finish)                                                                       \
    D("{\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\","          \
      "\"choices\":[{\"index\":0,\"delta\":" delta ",\"finish_reason\":" finish "}]}")
#define DONE D("[DONE]")
#define CALL0(rest) CHUNK("{\"tool_calls\":[{\"index\":0," rest "}]}", "null")
#define CALL1(rest) CHUNK("{\"tool_calls\":[{\"index\":1," rest "}]}", "null")
#define E(type, rest) "event: " type "\ndata: {\"type\":\"" type "\"" rest "}\n\n"

static const struct {
    const char *name;
    bool is_chat;
    const char *stream, *plan;
} streams[] = {
    {"llama.cpp: thoughts, then calls in fragments", true,
     CHUNK("{\"role\":\"assistant\",\"content\":null}",
           "null") CHUNK("{\"reasoning_content\":\"Let me \"}", "null")
         CHUNK("{\"reasoning_content\":\"look.\"}", "null")
             CALL0("\"id\":\"aB3\",\"type\":\"function\",\"function\":{\"name\":\"read_file\","
                   "\"arguments\":\"\"}") CALL0("\"function\":{\"arguments\":\"{\\\"path\\\"\"}")
                 CALL0("\"function\":{\"arguments\":\":\\\"a.c\\\"}\"}")
                     CALL1("\"id\":\"aB4\",\"type\":\"function\",\"function\":{\"name\":"
                           "\"apply_patch\",\"arguments\":\"{\\\"input\\\":\\\"x\"}")
                         CALL1("\"function\":{\"arguments\":\"\\\\ny\\\"}\"}")
                             CHUNK("{}", "\"tool_calls\"")
                                 D("{\"choices\":[],\"object\":\"chat.completion.chunk\","
                                   "\"usage\":{\"completion_tokens\":9,\"prompt_tokens\":120,"
                                   "\"total_tokens\":129,\"prompt_tokens_details\":{"
                                   "\"cached_tokens\":100}},\"timings\":{\"cache_n\":100}}") DONE,
     "thought(Let me look.) call aB3 read_file({\"path\":\"a.c\"}) custom aB4 apply_patch(x\ny) "
     "completed 120/100/9"},
    {"llama.cpp: prompt progress and a limit", true,
     D("{\"choices\":[{\"finish_reason\":null,\"index\":0,\"delta\":{\"role\":\"assistant\","
       "\"content\":null}}],\"prompt_progress\":{\"total\":9,\"cache\":0,\"processed\":9}}")
         CHUNK("{\"content\":\"Half an\"}", "null") CHUNK("{}", "\"length\"") DONE,
     "message(Half an) incomplete max_output_tokens"},
    {"Ollama: whole calls, all with index 0", true,
     CHUNK("{\"role\":\"assistant\",\"content\":\"\",\"reasoning\":\"Two files.\"}", "null")
         CHUNK("{\"role\":\"assistant\",\"content\":\"\",\"tool_calls\":[{\"id\":\"call_a\","
               "\"index\":0,\"type\":\"function\",\"function\":{\"name\":\"read_file\","
               "\"arguments\":\"{\\\"path\\\":\\\"a\\\"}\"}}]}",
               "null")
             CHUNK("{\"role\":\"assistant\",\"content\":\"\",\"tool_calls\":[{\"id\":\"call_b\","
                   "\"index\":0,\"type\":\"function\",\"function\":{\"name\":\"read_file\","
                   "\"arguments\":\"{\\\"path\\\":\\\"b\\\"}\"}}]}",
                   "null") CHUNK("{\"role\":\"assistant\",\"content\":\"\"}", "\"tool_calls\"")
                 D("{\"choices\":[],\"usage\":{\"prompt_tokens\":20,\"completion_tokens\":5,"
                   "\"total_tokens\":25}}") DONE,
     "thought(Two files.) call call_a read_file({\"path\":\"a\"}) call call_b "
     "read_file({\"path\":\"b\"}) completed 20/0/5"},
    {"vLLM: the name first, both names for reasoning, CRLF and comments", true,
     ": ping\r\n\r\ndata: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":"
     "\"\"},\"logprobs\":null,\"finish_reason\":null}]}\r\n\r\n" CHUNK(
         "{\"reasoning\":\"R\",\"reasoning_content\":\"R\"}", "null")
         CHUNK("{\"content\":\"Text. \"}", "null")
             CALL0("\"id\":\"chatcmpl-tool-1\",\"type\":\"function\",\"function\":{\"name\":"
                   "\"mcp__find\"}") CALL0("\"function\":{\"arguments\":\"{}\"}")
                 D("{\"choices\":[{\"index\":0,\"delta\":{\"content\":\"\"},\"logprobs\":null,"
                   "\"finish_reason\":\"tool_calls\",\"stop_reason\":null}]}") DONE,
     "thought(R) message(Text. ) call chatcmpl-tool-1 mcp/find({}) completed"},
    {"LM Studio: tags in the text", true,
     CHUNK("{\"role\":\"assistant\",\"content\":\"<th\"}", "null")
         CHUNK("{\"content\":\"ink>Hm</think>\"}", "null")
             CHUNK("{\"content\":\"\\n\\nYes\"}", "null") CHUNK("{}", "\"stop\"") DONE,
     "thought(Hm) message(Yes) completed"},
    {"a zero, and what only looks like one", true,
     CHUNK("{\"content\":\"a\\u0000b\\\\u0000\"}", "\"stop\"") DONE,
     "message(a\xEF\xBF\xBD"
     "b\\u0000) completed"},
    {"a filter", true, CHUNK("{\"content\":\"I \"}", "null") CHUNK("{}", "\"content_filter\"") DONE,
     "message(I ) incomplete content_filter"},
    {"a limit within a call: it is not made", true,
     CHUNK("{\"content\":\"So\"}", "null")
         CALL0("\"id\":\"a\",\"function\":{\"name\":\"read_file\",\"arguments\":\"{\\\"pa\"}")
             CHUNK("{}", "\"length\"") DONE,
     "message(So) call a read_file({\"pa)... incomplete max_output_tokens"},
    {"an error in the stream (vLLM)", true,
     CHUNK("{\"content\":\"I\"}", "null")
         D("{\"error\":{\"message\":\"out of blocks\",\"type\":\"InternalServerError\",\"param\":"
           "null,\"code\":500}}") DONE,
     "message(I)... failed server_error 500"},
    {"an error in the stream (older vLLM)", true,
     D("{\"object\":\"error\",\"message\":\"too long\",\"type\":\"BadRequestError\",\"param\":null,"
       "\"code\":400}") DONE,
     "failed  400"},
    {"an error in the stream (Ollama: a string)", true,
     D("{\"error\":\"model runner has stopped\"}"), "failed server_error 500"},
    {"context (llama.cpp)", true,
     D("{\"error\":{\"code\":400,\"message\":\"the request exceeds the available context size\","
       "\"type\":\"exceed_context_size_error\",\"n_prompt_tokens\":9,\"n_ctx\":4}}"),
     "failed context_length_exceeded 400"},
    {"an end without an end", true, CHUNK("{\"content\":\"Hal\"}", "null"),
     "message(Hal)... failed server_error 500"},
    {"no JSON", true, CHUNK("{\"content\":\"a\"}", "null") D("{\"choices\":["),
     "message(a)... failed server_error 500"},
    {"an end mark alone behind an answer", true, CHUNK("{\"content\":\"ok\"}", "null") DONE,
     "message(ok) completed"},
    {"Responses: all of it", false,
     E("response.created", ",\"response\":{\"id\":\"r\",\"status\":\"in_progress\"}") E(
         "response.output_item.added",
         ",\"output_index\":0,\"item\":{\"id\":\"rs_1\",\"type\":\"reasoning\",\"summary\":[]}")
         E("response.reasoning_summary_text.delta",
           ",\"item_id\":\"rs_1\",\"output_index\":0,\"summary_index\":0,\"delta\":\"Think\"")
             E("response.output_item.done",
               ",\"output_index\":0,\"item\":{\"id\":\"rs_1\",\"type\":\"reasoning\",\"summary\":[{"
               "\"type\":\"summary_text\",\"text\":\"Think\"}],\"encrypted_content\":\"xyz\"}")
                 E("response.output_item.added",
                   ",\"output_index\":1,\"item\":{\"id\":\"msg_1\",\"type\":\"message\",\"status\":"
                   "\"in_progress\",\"role\":\"assistant\",\"content\":[]}")
                     E("response.output_text.delta", ",\"item_id\":\"msg_1\",\"output_index\":1,"
                                                     "\"content_index\":0,\"delta\":\"Hi\"")
                         E("response.output_item.done",
                           ",\"output_index\":1,\"item\":{\"id\":\"msg_1\",\"type\":\"message\","
                           "\"status\":\"completed\",\"role\":\"assistant\",\"content\":[{\"type\":"
                           "\"output_text\",\"text\":\"Hi\",\"annotations\":[]}]}")
                             E("response.output_item.added",
                               ",\"output_index\":2,\"item\":{\"id\":\"fc_1\",\"type\":"
                               "\"function_call\",\"call_id\":\"call_1\",\"name\":\"apply_patch\","
                               "\"arguments\":\"\"}") E("response.function_call_arguments.delta",
                                                        ",\"item_id\":\"fc_1\",\"output_index\":2,"
                                                        "\"delta\":\"{\\\"input\\\":"
                                                        "\\\"p\"")
                                 E("response.output_item.done",
                                   ",\"output_index\":2,\"item\":{\"id\":\"fc_1\",\"type\":"
                                   "\"function_call\",\"status\":\"completed\",\"call_id\":"
                                   "\"call_1\",\"name\":\"apply_patch\",\"arguments\":\"{\\\"input"
                                   "\\\":\\\"patch\\\"}\"}")
                                     E("response.completed",
                                       ",\"response\":{\"status\":\"completed\",\"usage\":{\"input_"
                                       "tokens\":7,\"input_tokens_details\":{\"cached_tokens\":3},"
                                       "\"output_tokens\":2}}"),
     "summary(Think) message(Hi) custom call_1 apply_patch(patch) completed 7/3/2"},
    {"Responses: sparse", false,
     E("response.created", ",\"response\":{}")
         E("response.output_text.delta", ",\"item_id\":\"m\",\"delta\":\"Hi\"")
             E("response.output_item.done", ",\"item\":{\"id\":\"m\",\"type\":\"message\",\"role\":"
                                            "\"assistant\",\"content\":[{\"type\":\"output_text\","
                                            "\"text\":\"Hi there\"}]}")
                 E("response.completed", ",\"response\":{\"status\":\"completed\"}"),
     "message(Hi there) completed"},
    {"Responses: only the end", false,
     E("response.completed",
       ",\"response\":{\"status\":\"completed\",\"output\":[{\"type\":\"reasoning\",\"id\":\"r\","
       "\"summary\":[],\"content\":[{\"type\":\"reasoning_text\",\"text\":\"T\"}]},{\"type\":"
       "\"function_call\",\"id\":\"f\",\"call_id\":\"c\",\"name\":\"read_file\",\"arguments\":"
       "\"{}\",\"status\":\"completed\"}]}"),
     "thought(T) call c read_file({}) completed"},
    {"Responses: a limit", false,
     E("response.output_text.delta", ",\"item_id\":\"m\",\"output_index\":0,\"delta\":\"Ha\"")
         E("response.incomplete", ",\"response\":{\"status\":\"incomplete\",\"incomplete_details\":"
                                  "{\"reason\":\"max_output_tokens\"}}"),
     "message(Ha) incomplete max_output_tokens"},
    {"Responses: failed", false,
     E("response.failed", ",\"response\":{\"status\":\"failed\",\"error\":{\"code\":"
                          "\"rate_limit_exceeded\",\"message\":\"slow down\"}}"),
     "failed rate_limit_exceeded 429"},
    {"Responses: an error", false,
     E("error", ",\"error\":{\"type\":\"server_error\",\"message\":\"boom\"}"),
     "failed server_error 500"},
    {"Responses: torn off", false,
     E("response.output_text.delta", ",\"item_id\":\"m\",\"delta\":\"Ha\""),
     "message(Ha)... failed server_error 500"},
};

static void dump(const struct plan *plan, struct buf *text)
{
    static const char *const kinds[ITEM_KIND_COUNT] = {
        [ITEM_MESSAGE] = "message",    [ITEM_REASONING] = "summary",  [ITEM_THOUGHT] = "thought",
        [ITEM_FUNCTION_CALL] = "call", [ITEM_CUSTOM_CALL] = "custom", [ITEM_OTHER] = "other",
    };
    for (size_t i = 0; i < plan->items.len; i++) {
        const struct plan_item *item = &plan->items.ptr[i];
        buf_append_c(text, kinds[item->kind]);
        if (item->call_id[0])
            buf_append_fmt(text, " %s ", item->call_id);
        if (item->space.len > 0)
            buf_append_fmt(text, "%s/", item->space.ptr);
        buf_append_fmt(text, STR_FMT "(" STR_FMT ")%s ", STR_ARG(item->name), STR_ARG(item->text),
                       item->open ? "..." : "");
    }
    if (plan->state == PLAN_COMPLETED)
        buf_append_c(text, "completed");
    else if (plan->state == PLAN_INCOMPLETE)
        buf_append_fmt(text, "incomplete %s", plan->reason);
    else if (plan->state == PLAN_FAILED)
        buf_append_fmt(text, "failed %s %d", plan->problem.code, plan->problem.status);
    if (plan->told.input >= 0)
        buf_append_fmt(text, " %d/%d/%d", (int)plan->told.input, (int)plan->told.cached,
                       (int)plan->told.output);
}

struct reader {
    bool is_chat;
    struct upstream_chunks chunks;
    struct upstream_events events;
};

static void on_event(void *user, struct str event, struct str data)
{
    struct reader *reader = user;
    (void)event;
    if (reader->is_chat)
        upstream_chunks_take(&reader->chunks, data);
    else
        upstream_events_take(&reader->events, data);
}

static void offer(struct upstream_tools *tools, bool as_chat)
{
    struct problem problem;
    struct str list = STR("[{\"type\":\"function\",\"name\":\"read_file\",\"parameters\":{}},"
                          "{\"type\":\"custom\",\"name\":\"apply_patch\"},"
                          "{\"type\":\"namespace\",\"name\":\"mcp\",\"tools\":[{\"type\":"
                          "\"function\",\"name\":\"find\"}]}]");
    cr_assert_eq(upstream_tools_read(tools, list, (struct str){0}, false, as_chat, &problem),
                 STATUS_OK);
}

static void play(struct str stream, bool is_chat, size_t cut, size_t step, struct buf *ret_dump)
{
    struct reader reader = {.is_chat = is_chat};
    struct upstream_tools tools = {0};
    struct plan plan;
    struct net_sse *sse = net_sse_new(MIB, on_event, &reader);
    plan_init(&plan);
    offer(&tools, is_chat);
    const struct upstream_reading reading = {.plan = &plan, .tools = &tools};
    upstream_chunks_init(&reader.chunks, &reading);
    upstream_events_init(&reader.events, &reading);
    net_sse_push(sse, str_slice(stream, 0, cut));
    for (size_t at = cut; at < stream.len; at += step)
        net_sse_push(sse, str_slice(stream, at, at + step));
    if (is_chat)
        upstream_chunks_end(&reader.chunks);
    else
        upstream_events_end(&reader.events);
    dump(&plan, ret_dump);
    upstream_chunks_finish(&reader.chunks);
    upstream_events_finish(&reader.events);
    upstream_tools_finish(&tools);
    plan_finish(&plan);
    net_sse_free(sse);
}

Test(upstream_pieces, streams_torn_anywhere)
{
    for (size_t i = 0; i < array_count(streams); i++) {
        struct str stream = str_from(streams[i].stream);
        for (size_t cut = 0; cut <= stream.len; cut++) {
            struct buf got = {0};
            play(stream, streams[i].is_chat, cut, stream.len, &got);
            cr_assert_str_eq(got.ptr, streams[i].plan, "%s, torn at %zu: %s", streams[i].name, cut,
                             got.ptr);
            buf_finish(&got);
        }
        static const size_t steps[] = {1, 7, 143};
        for (size_t k = 0; k < array_count(steps); k++) {
            struct buf got = {0};
            play(stream, streams[i].is_chat, 0, steps[k], &got);
            cr_assert_str_eq(got.ptr, streams[i].plan, "%s, by %zu", streams[i].name, steps[k]);
            buf_finish(&got);
        }
    }
}

/* -- Errors ---------------------------------------------------------------------------------------
 */

static const struct {
    int status;
    const char *body;
    int told;
    const char *code, *says;
} errors[] = {
    {400, "{\"error\":{\"message\":\"bad\",\"type\":\"invalid_request_error\"}}", 400, "", "bad"},
    {400,
     "{\"error\":{\"code\":400,\"message\":\"request (9) exceeds\",\"type\":"
     "\"exceed_context_size_error\"}}",
     400, "context_length_exceeded", "exceeds"},
    {400,
     "{\"object\":\"error\",\"message\":\"old vLLM\",\"type\":\"BadRequestError\",\"code\":400}",
     400, "", "old vLLM"},
    {401,
     "{\"error\":{\"code\":401,\"message\":\"Invalid API Key\",\"type\":"
     "\"authentication_error\"}}",
     403, "upstream_auth", "--upstream-key-env"},
    {404, "{\"error\":{\"message\":\"model 'x' not found\",\"type\":\"not_found_error\"}}", 404,
     "not_found", "model 'x'"},
    {404, "{\"error\":{\"message\":\"no\",\"code\":\"model_not_found\"}}", 404, "model_not_found",
     "no"},
    {422, "{\"detail\":[{\"msg\":\"x\"}]}", 400, "", "an error without a message"},
    {429, "{\"error\":{\"message\":\"slow\"}}", 429, "rate_limit_exceeded", "slow"},
    {429, "{\"error\":{\"message\":\"pay\",\"code\":\"insufficient_quota\"}}", 429,
     "insufficient_quota", "pay"},
    {500, "{\"error\":{\"code\":500,\"message\":\"Jinja Exception\",\"type\":\"server_error\"}}",
     500, "server_error", "Jinja Exception"},
    {503, "{\"error\":{\"code\":503,\"message\":\"Loading model\",\"type\":\"unavailable_error\"}}",
     503, "server_is_overloaded", "Loading model"},
    {502, "<html>Bad Gateway</html>", 500, "server_error", "status 502"},
    {302, "", 500, "server_error", "status 302"},
};

Test(upstream_pieces, statuses_are_the_documented_ones)
{
    for (size_t i = 0; i < array_count(errors); i++) {
        struct problem problem;
        upstream_problem(&problem, errors[i].status, str_from(errors[i].body), 1500);
        cr_expect_eq(problem.status, errors[i].told, "%s: %d", errors[i].body, problem.status);
        cr_expect_str_eq(problem.code, errors[i].code, "%s", errors[i].body);
        cr_expect(strstr(problem.message, errors[i].says), "%s", problem.message);
        cr_expect_eq(problem.retry_after_ms, 1500);
    }
}

/* -- Slots ----------------------------------------------------------------------------------------
 */

Test(upstream_pieces, a_conversation_keeps_its_slot)
{
    struct upstream_slots slots = {0};
    upstream_slots_set_count(&slots, 2);
    int a = upstream_slots_take(&slots, NULL), b = upstream_slots_take(&slots, NULL);
    cr_expect_neq(a, b);
    cr_expect_eq(upstream_slots_take(&slots, NULL), -1, "both are busy");
    upstream_slots_give(&slots, a, "resp_a");
    upstream_slots_give(&slots, b, "resp_b");
    cr_expect_eq(upstream_slots_take(&slots, "resp_b"), b);
    cr_expect_eq(upstream_slots_take(&slots, "resp_b"), a, "its own is busy: the other");
    upstream_slots_give(&slots, b, NULL);
    upstream_slots_give(&slots, a, "resp_c");
    cr_expect_eq(upstream_slots_take(&slots, "resp_b"), b, "what failed has changed nothing");
    upstream_slots_give(&slots, b, "resp_d");
    cr_expect_eq(upstream_slots_take(&slots, "unknown"), a, "the one not used for longest");
    vec_finish(&slots.list);
}
