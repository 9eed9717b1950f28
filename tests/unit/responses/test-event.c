#include "fake.h"

#include <string.h>

TestSuite(responses_event, .timeout = 10);

static struct json_value *parse(const char *text)
{
    struct json_value *value = NULL;
    char *quoted = mem_dup_c(text);
    for (char *c = quoted; *c; c++)
        *c = *c == '\'' ? '"' : *c;
    cr_assert_eq(json_parse(str_from(quoted), &value, NULL), STATUS_OK, "%s", quoted);
    mem_free(quoted);
    return value;
}

Test(responses_event, common_members)
{
    struct json_value *value =
        parse("{'type':'response.output_text.delta','stream_id':'l3','response_id':'r','item_id':"
              "'i','output_index':4,'sequence_number':9,'delta':'d','item':{'x':1}}");
    struct responses_event event;
    cr_assert_eq(responses_event_read(value, &event, NULL), STATUS_OK);
    cr_assert(str_eq_c(event.type, "response.output_text.delta"));
    cr_assert(str_eq_c(event.lane, "l3"));
    cr_assert(str_eq_c(event.response_id, "r"));
    cr_assert(str_eq_c(event.item_id, "i"));
    cr_assert(str_eq_c(event.delta, "d"));
    cr_assert_eq(event.output_index, 4);
    cr_assert_eq(event.sequence, 9);
    cr_assert_eq(json_get_int(event.item, "x", 0), 1);
    cr_assert_null(event.response);
    cr_assert(event.value == value && !event.is_terminal && !event.is_error);
    json_free(value);
}

Test(responses_event, what_is_absent_or_of_another_type)
{
    struct json_value *value = parse("{'type':'x','output_index':'1','sequence_number':1.5,"
                                     "'delta':{},'item':[],'response':'r','stream_id':null}");
    struct responses_event event;
    cr_assert_eq(responses_event_read(value, &event, NULL), STATUS_OK);
    cr_assert_eq(event.output_index, -1);
    cr_assert_eq(event.sequence, -1);
    cr_assert_eq(event.retry_after_ms, -1);
    cr_assert_eq(event.lane.len + event.delta.len + event.response_id.len, 0);
    cr_assert(!event.item && !event.response);
    json_free(value);
}

Test(responses_event, no_type_is_an_error)
{
    static const char *const cases[] = {"{}", "{'type':1}", "{'type':''}"};
    for (size_t i = 0; i < array_count(cases); i++) {
        struct json_value *value = parse(cases[i]);
        struct responses_event event = {.sequence = 77};
        struct err err;
        cr_assert_eq(responses_event_read(value, &event, &err), STATUS_INVALID);
        cr_assert(strstr(err.text, "type"));
        cr_assert_eq(event.sequence, 77, "untouched on failure");
        json_free(value);
    }
}

Test(responses_event, terminal_ones)
{
    static const struct {
        const char *type;
        bool is_terminal;
    } cases[] = {{"response.completed", true},   {"response.failed", true},
                 {"response.incomplete", true},  {"response.done", true},
                 {"response.created", false},    {"response.output_item.done", false},
                 {"response.cancelled?", false}, {"error", false}};
    for (size_t i = 0; i < array_count(cases); i++) {
        struct buf text = {0};
        buf_append_fmt(&text, "{'type':'%s','response':{'id':'r'}}", cases[i].type);
        struct json_value *value = parse(text.ptr);
        struct responses_event event;
        cr_assert_eq(responses_event_read(value, &event, NULL), STATUS_OK);
        cr_assert_eq(event.is_terminal, cases[i].is_terminal, "%s", cases[i].type);
        cr_assert(str_eq_c(event.response_id, "r"));
        json_free(value);
        buf_finish(&text);
    }
}

Test(responses_event, both_shapes_of_errors)
{
    static const struct {
        const char *text, *code, *message, *param;
        int64_t status, retry_after_ms;
    } cases[] = {
        {"{'type':'error','status':429,'error':{'type':'t','code':'c','message':'m','param':'p'}}",
         "c", "m", "p", 429, -1},
        {"{'type':'error','code':'c','message':'m','param':null,'sequence_number':3}", "c", "m", "",
         0, -1},
        {"{'type':'error','error':{'type':'overloaded_error','code':null,'message':'m'}}",
         "overloaded_error", "m", "", 0, -1},
        {"{'type':'error','error':'text'}", "", "text", "", 0, -1},
        {"{'type':'error','code':429,'message':'m'}", "", "m", "", 429, -1},
        {"{'type':'error','code':'503','message':'m'}", "503", "m", "", 503, -1},
        {"{'type':'error','status_code':500,'error':{'message':'m'},'retry_after':1.5}", "", "m",
         "", 500, 1500},
        {"{'type':'error','status':429,'headers':{'retry-after':'7'},'error':{}}", "", "", "", 429,
         7000},
        {"{'type':'error','error':{'retry_after_ms':250}}", "", "", "", 0, 250},
        {"{'type':'error','error':{'headers':{'retry-after-ms':'250'}}}", "", "", "", 0, 250},
        {"{'type':'error','error':{'retry_after':-5}}", "", "", "", 0, -1},
        {"{'type':'error','error':{'retry_after':1e300}}", "", "", "", 0, -1},
        {"{'type':'error','error':{'retry_after':'soon'}}", "", "", "", 0, -1},
        {"{'type':'error'}", "", "", "", 0, -1},
    };
    for (size_t i = 0; i < array_count(cases); i++) {
        struct json_value *value = parse(cases[i].text);
        struct responses_event event;
        cr_assert_eq(responses_event_read(value, &event, NULL), STATUS_OK);
        cr_assert(event.is_error && !event.is_terminal);
        cr_assert(str_eq_c(event.error_code, cases[i].code), "%s", cases[i].text);
        cr_assert(str_eq_c(event.error_message, cases[i].message), "%s", cases[i].text);
        cr_assert(str_eq_c(event.error_param, cases[i].param), "%s", cases[i].text);
        cr_assert_eq(event.error_status, cases[i].status, "%s", cases[i].text);
        cr_assert_eq(event.retry_after_ms, cases[i].retry_after_ms, "%s", cases[i].text);
        json_free(value);
    }
}

/* The short way for deltas and the tree must say the same. */
Test(responses_event, deltas_by_either_way)
{
    static const struct {
        const char *delta, *log;
    } cases[] = {
        {"plain", "text 1 plain"},
        {"", "text 1 "},
        {"a\\n\\\\\\u00e4", "text 1 a\n\\\xc3\xa4"},
        {"\\ud83d\\ude00", "text 1 \xf0\x9f\x98\x80"},
        {"a\\u0000b\\\\u0000", "text 1 a\xef\xbf\xbd"
                               "b\\u0000"},
        {"\xc3\xa4", "text 1 \xc3\xa4"},
    };
    static const char *const shapes[] = {
        "{'type':'response.output_text.delta','stream_id':'l0','output_index':1,'delta':'%s'}",
        " { 'delta' : '%s' , 'logprobs':[{'a':[]}],'output_index':1,'stream_id':'l0',"
        "'type':'response.output_text.delta' } ",
        "{'type':'response.output_text\\u002edelta','stream_id':'l0','output_index':1,'delta':'%s'"
        "}",
        "{'type':'response.output_text.delta','stream_id':'\\u006c0','output_index':1e0,"
        "'delta':'%s'}",
    };
    struct fake fake;
    struct caller caller;
    fake_start(&fake, "openai", RESPONSES_AUTO, false);
    caller_start(&caller, &fake, PRIORITY_TURN);
    cr_assert(caller_create(&caller));
    fake_accept(fake_wire(&fake, 0));
    fake_created(fake_wire(&fake, 0), "l0", "r");
    caller_assert_log(&caller, "started r");
    for (size_t i = 0; i < array_count(cases); i++) {
        for (size_t j = 0; j < array_count(shapes); j++) {
            struct buf text = {0};
            const char *hole = strstr(shapes[j], "%s");
            buf_append(&text, (struct str){shapes[j], (size_t)(hole - shapes[j])});
            buf_append_c(&text, cases[i].delta);
            buf_append_c(&text, hole + 2);
            fake_event(fake_wire(&fake, 0), "%s", text.ptr);
            caller_assert_log(&caller, cases[i].log);
            buf_finish(&text);
        }
    }
    caller_finish(&caller);
    fake_stop(&fake);
}

Test(responses_event, items_as_the_caller_sees_them)
{
    static const struct {
        const char *item, *type, *call_id, *name, *arguments;
    } cases[] = {
        {"{'type':'function_call','id':'i','call_id':'c','name':'n','arguments':'{}'}",
         "function_call", "c", "n", "{}"},
        {"{'type':'custom_tool_call','call_id':'c','name':'n','input':'free'}", "custom_tool_call",
         "c", "n", "free"},
        {"{'type':'shell_call','call_id':'c','action':{'commands':[]}}", "shell_call", "c", "", ""},
        {"{'type':'tomorrow'}", "tomorrow", "", "", ""},
    };
    struct fake fake;
    struct caller caller;
    fake_start(&fake, "openai", RESPONSES_AUTO, false);
    caller_start(&caller, &fake, PRIORITY_TURN);
    cr_assert(caller_create(&caller));
    fake_accept(fake_wire(&fake, 0));
    for (size_t i = 0; i < array_count(cases); i++) {
        fake_event(fake_wire(&fake, 0),
                   "{'type':'response.output_item.done','stream_id':'l0','item':%s}",
                   cases[i].item);
        cr_assert(strcmp(caller.last_type, cases[i].type) == 0);
        cr_assert(strcmp(caller.last_call_id, cases[i].call_id) == 0);
        cr_assert(strcmp(caller.last_name, cases[i].name) == 0);
        cr_assert(strcmp(caller.last_arguments, cases[i].arguments) == 0);
    }
    caller_finish(&caller);
    fake_stop(&fake);
}

Test(responses_event, which_models_write_patches)
{
    static const struct {
        const char *model;
        bool writes;
    } rows[] = {
        {"gpt-6-astra", true},
        {"gpt-5", true},
        {"gpt-4.1-mini", true},
        {"o3", true},
        {"o4-mini", true},
        {"codex-mini-latest", true},
        {"openai/gpt-5.2", true},
        {"gpt-4o", false},
        {"o1", false},
        {"qwen3-coder", false},
        {"grok-4", false},
        {"claude-opus", false},
        {"my-gpt-6", false},
        {"gpt-5/qwen", false},
        {"", false},
    };
    for (size_t i = 0; i < array_count(rows); i++)
        cr_assert_eq(responses_model_writes_patches(str_from(rows[i].model)), rows[i].writes, "%s",
                     rows[i].model);
}

Test(responses_event, profiles)
{
    static const struct {
        const char *name, *host, *found;
    } cases[] = {
        {"auto", "api.openai.com", "openai"},
        {"", "API.OpenAI.com", "openai"},
        {"auto", "eu.api.openai.com", "openai"},
        {"auto", "notopenai.com", "generic"},
        {"auto", "openai.com.evil.example", "generic"},
        {"auto", "mine.openai.azure.com", "azure"},
        {"auto", "api.x.ai", "xai"},
        {"auto", "ai-gateway.vercel.sh", "vercel"},
        {"auto", "localhost", "lanebridge"},
        {"auto", "models.example", "generic"},
        {"azure", "api.openai.com", "azure"},
        {"lanebridge", "127.0.0.1", "lanebridge"},
        {"no such", "", "generic"},
    };
    for (size_t i = 0; i < array_count(cases); i++)
        cr_assert_str_eq(
            responses_profile_find(str_from(cases[i].name), str_from(cases[i].host))->name,
            cases[i].found);
}

Test(responses_event, states_have_names)
{
    for (int i = RESPONSES_IDLE; i <= RESPONSES_OFFLINE; i++)
        cr_assert_str_neq(responses_state_name((enum responses_state)i), "unknown");
    cr_assert_str_eq(responses_state_name((enum responses_state)(RESPONSES_OFFLINE + 1)),
                     "unknown");
}
