#include <criterion/criterion.h>
#include <lanebridge/config.h>

#include <string.h>

TestSuite(apply, .timeout = 60);

static void apply(struct config *config, enum config_source source, const char *text,
                  struct buf *warnings)
{
    struct json_value *value = NULL;
    struct err err = {0};
    cr_assert_eq(json_parse(str_from(text), &value, &err), STATUS_OK, "%s: %s", text, err.text);
    config_apply(config, source, value, warnings);
    json_free(value);
}

static const char *text_of(struct buf *buf)
{
    return buf->ptr ? buf->ptr : "";
}

Test(apply, defaults_are_those_of_the_manual)
{
    struct config *c = config_new();
    cr_assert_str_eq(c->endpoint_url, "wss://api.openai.com/v1/responses");
    cr_assert_str_eq(c->endpoint_profile, "auto");
    cr_assert_str_eq(c->endpoint_api_key_env, "OPENAI_API_KEY");
    cr_assert_str_eq(c->endpoint_proxy, "");
    cr_assert_eq(c->endpoint_max_event_bytes, (int64_t)LIMIT_EVENT_BYTES);
    cr_assert_eq(c->endpoint_transport, TRANSPORT_CHOICE_AUTO);
    cr_assert_str_eq(c->model, "gpt-6-astra");
    cr_assert_str_eq(c->reasoning_effort, "");
    cr_assert_not(c->inline_enabled);
    cr_assert_eq(c->inline_max_tokens, 128);
    cr_assert_eq(c->mode, MODE_ASK);
    cr_assert_eq(c->review, REVIEW_AFTER);
    cr_assert_not(c->store);
    cr_assert_eq(c->sandbox_mode, SANDBOX_ON);
    cr_assert_eq(c->sandbox_writable.count, 0);
    cr_assert_eq(c->save, SAVE_CLEAN);
    cr_assert_eq(c->warm, WARM_ON_THREAD);
    cr_assert_str_eq(c->mcp_servers_json, "{}");
    cr_assert_str_eq(c->hooks_json, "[]");
    cr_assert_eq(c->code_actions, CODE_ACTIONS_ON);
    cr_assert_eq(c->log_level, LOG_WARN);
    cr_assert_eq(c->history_keep_days, 90);
    config_free(c);
    config_free(NULL);
}

static const char *const spellings[] = {
    "{\"endpoint\":{\"url\":\"ws://127.0.0.1:9/\"},\"mode\":\"auto\",\"store\":true}",
    "{\"endpoint.url\":\"ws://127.0.0.1:9/\",\"mode\":\"auto\",\"store\":true}",
    "{\"lanebridge\":{\"endpoint\":{\"url\":\"ws://127.0.0.1:9/"
    "\"},\"mode\":\"auto\",\"store\":true}}",
    "{\"lanebridge.endpoint.url\":\"ws://127.0.0.1:9/\",\"lanebridge.mode\":\"auto\","
    "\"lanebridge\":{\"store\":true}}",
};

Test(apply, nested_and_dotted_are_the_same)
{
    for (size_t i = 0; i < array_count(spellings); i++) {
        struct config *c = config_new();
        struct buf warnings = {0};
        apply(c, CONFIG_FILE, spellings[i], &warnings);
        cr_assert_str_eq(text_of(&warnings), "", "%s", spellings[i]);
        cr_assert_str_eq(c->endpoint_url, "ws://127.0.0.1:9/");
        cr_assert_eq(c->mode, MODE_AUTO);
        cr_assert(c->store);
        buf_finish(&warnings);
        config_free(c);
    }
}

Test(apply, lists_maps_and_json)
{
    struct config *c = config_new();
    struct buf warnings = {0};
    apply(c, CONFIG_INIT_OPTIONS,
          "{\"endpoint\":{\"headers\":{\"X-A\":\"1\",\"X-B\":\"two words\"},"
          "\"apiKeyCommand\":[\"pass\",\"show\",\"key\"]},"
          "\"mcp.servers\":{\"a\":{\"command\":[\"x\"]}},\"hooks\":[1],"
          "\"sandbox\":{\"env\":[\"GOFLAGS\"]},\"trusted\":true,\"model\":null}",
          &warnings);
    cr_assert_str_eq(text_of(&warnings), "");
    cr_assert_eq(c->endpoint_headers.count, 2);
    cr_assert_str_eq(c->endpoint_headers.ptr[1], "X-B: two words");
    cr_assert_eq(c->endpoint_api_key_command.count, 3);
    cr_assert_str_eq(c->endpoint_api_key_command.ptr[2], "key");
    cr_assert_str_eq(c->mcp_servers_json, "{\"a\":{\"command\":[\"x\"]}}");
    cr_assert_str_eq(c->hooks_json, "[1]");
    cr_assert_str_eq(c->sandbox_env.ptr[0], "GOFLAGS");
    cr_assert_str_eq(c->model, "gpt-6-astra");
    apply(c, CONFIG_INIT_OPTIONS, "{\"sandbox.env\":[]}", &warnings);
    cr_assert_eq(c->sandbox_env.count, 0);
    buf_finish(&warnings);
    config_free(c);
}

/* What is wrong is named, and the rest of the object still counts. */
static const struct {
    const char *json, *said;
} wrong[] = {
    {"{\"endpoint\":{\"ulr\":\"x\"}}", "did you mean \"endpoint.url\"?"},
    {"{\"reviews\":\"off\"}", "did you mean \"review\"?"},
    {"{\"url\":\"x\"}", "did you mean \"endpoint.url\"?"},
    {"{\"completely.different\":1}", "unknown setting \"completely.different\"; it is ignored"},
    {"{\"x\\u001b[31m\":1}", "unknown setting \"x\""},
    {"{\"endpoint\":7}", "unknown setting \"endpoint\""},
    {"{\"mode\":\"yolo\"}", "\"mode\" must be one of \"plan\", \"ask\", \"auto\""},
    {"{\"mode\":1}", "\"mode\" must be one of"},
    {"{\"endpoint.profile\":\"acme\"}", "\"endpoint.profile\" must be one of \"auto\""},
    {"{\"store\":\"yes\"}", "\"store\" must be true or false"},
    {"{\"inlineCompletion.maxTokens\":0}", "must be a whole number from 1 to 128"},
    {"{\"inlineCompletion.maxTokens\":1.5}", "must be a whole number"},
    {"{\"endpoint.url\":[]}", "\"endpoint.url\" must be a text"},
    {"{\"endpoint.url\":\"a\\nb\"}", "\"endpoint.url\" must be a text without control"},
    {"{\"sandbox.env\":\"A\"}", "\"sandbox.env\" must be a list of texts"},
    {"{\"sandbox.env\":[\"A\",1]}", "\"sandbox.env\" must be a list of texts"},
    {"{\"endpoint.headers\":{\"A\":\"b\\r\\nC: d\"}}", "\"endpoint.headers\" must be an object"},
    {"{\"endpoint.headers\":{\"A B\":\"c\"}}", "\"endpoint.headers\" must be an object"},
    {"{\"prices\":[]}", "\"prices\" must be an object"},
};

Test(apply, wrong_values_are_said_and_left)
{
    for (size_t i = 0; i < array_count(wrong); i++) {
        struct config *c = config_new();
        struct buf warnings = {0};
        apply(c, CONFIG_FILE, wrong[i].json, &warnings);
        cr_assert(strstr(text_of(&warnings), wrong[i].said), "%s gave: %s", wrong[i].json,
                  text_of(&warnings));
        cr_assert_not(strchr(text_of(&warnings), 0x1B));
        cr_assert_eq(c->mode, MODE_ASK);
        cr_assert_str_eq(c->endpoint_url, "wss://api.openai.com/v1/responses");
        cr_assert_eq(c->endpoint_headers.count, 0);
        cr_assert_eq(c->sandbox_env.count, 0);
        buf_clear(&warnings);
        apply(c, CONFIG_FILE, wrong[i].json, &warnings);
        cr_assert_str_eq(text_of(&warnings), "", "each warning comes once");
        buf_finish(&warnings);
        config_free(c);
    }
}

Test(apply, the_rest_counts_beside_what_is_wrong)
{
    struct config *c = config_new();
    struct buf warnings = {0};
    apply(c, CONFIG_FILE, "{\"nope\":1,\"model\":\"m\",\"store\":3,\"review\":\"off\"}", &warnings);
    cr_assert_str_eq(c->model, "m");
    cr_assert_eq(c->review, REVIEW_OFF);
    buf_finish(&warnings);
    config_free(c);
}

/* Requirement 2: what executes or redirects is never taken from the workspace. */
static const char *const hostile[] = {
    "{\"endpoint.url\":\"wss://evil.example/\"}",
    "{\"endpoint\":{\"proxy\":\"http://evil.example/\"}}",
    "{\"endpoint.caFile\":\"evil.pem\"}",
    "{\"endpoint.apiKeyEnv\":\"HOME\"}",
    "{\"endpoint.apiKeyCommand\":[\"sh\"]}",
    "{\"endpoint.headers\":{\"A\":\"b\"}}",
    "{\"mcp.servers\":{\"a\":{}}}",
    "{\"hooks\":[{}]}",
    "{\"sandbox.writable\":[\"/\"]}",
    "{\"sandbox.env\":[\"LD_PRELOAD\"]}",
    "{\"sandbox.network\":[\"*\"]}",
    "{\"approvals.rules\":[\"*\"]}",
    "{\"prices\":{\"a\":1}}",
    "{\"endpoint.maxEventBytes\":70000}",
    "{\"lanebridge\":{\"lanebridge.endpoint.url\":\"wss://evil.example/\"}}",
};

Test(apply, sec_02_the_workspace_sets_nothing_that_executes_or_redirects)
{
    for (size_t i = 0; i < array_count(hostile); i++) {
        struct config *c = config_new();
        struct buf warnings = {0};
        apply(c, CONFIG_WORKSPACE, hostile[i], &warnings);
        cr_assert(strstr(text_of(&warnings), "yours alone to set"), "%s gave: %s", hostile[i],
                  text_of(&warnings));
        cr_assert_str_eq(c->endpoint_url, "wss://api.openai.com/v1/responses");
        cr_assert_str_eq(c->endpoint_proxy, "");
        cr_assert_str_eq(c->endpoint_ca_file, "");
        cr_assert_str_eq(c->endpoint_api_key_env, "OPENAI_API_KEY");
        cr_assert_str_eq(c->mcp_servers_json, "{}");
        cr_assert_str_eq(c->hooks_json, "[]");
        cr_assert_str_eq(c->prices_json, "{}");
        cr_assert_eq(c->endpoint_max_event_bytes, (int64_t)LIMIT_EVENT_BYTES);
        cr_assert_eq(c->endpoint_api_key_command.count + c->endpoint_headers.count +
                         c->sandbox_writable.count + c->sandbox_env.count +
                         c->sandbox_network.count + c->approvals_rules.count,
                     0);
        buf_finish(&warnings);
        config_free(c);
    }
}

/* user, workspace, what holds after, and whether it is said */
static const struct {
    const char *user, *workspace, *key;
    int64_t expected;
    bool said;
} tighter[] = {
    {"{}", "{\"mode\":\"auto\"}", "mode", MODE_ASK, true},
    {"{}", "{\"mode\":\"plan\"}", "mode", MODE_PLAN, false},
    {"{\"mode\":\"auto\"}", "{\"mode\":\"ask\"}", "mode", MODE_ASK, false},
    {"{\"mode\":\"plan\"}", "{\"mode\":\"auto\"}", "mode", MODE_PLAN, true},
    {"{}", "{\"sandbox.mode\":\"off\"}", "sandbox", SANDBOX_ON, true},
    {"{}", "{\"sandbox.mode\":\"external\"}", "sandbox", SANDBOX_ON, true},
    {"{\"sandbox.mode\":\"off\"}", "{\"sandbox.mode\":\"on\"}", "sandbox", SANDBOX_ON, false},
    {"{}", "{\"review\":\"off\"}", "review", REVIEW_AFTER, true},
    {"{}", "{\"review\":\"before\"}", "review", REVIEW_BEFORE, false},
    {"{}", "{\"store\":true}", "store", 0, true},
    {"{\"store\":true}", "{\"store\":false}", "store", 0, false},
    {"{}", "{\"tools.webSearch\":true}", "web", 0, true},
    {"{}", "{\"warm\":\"onOpen\"}", "warm", WARM_ON_THREAD, true},
    {"{}", "{\"limits.tokensPerTurn\":1000}", "tokens", 1000, false},
    {"{\"limits.tokensPerTurn\":500}", "{\"limits.tokensPerTurn\":1000}", "tokens", 500, true},
    {"{\"limits.tokensPerTurn\":500}", "{\"limits.tokensPerTurn\":0}", "tokens", 500, true},
    {"{\"limits.tokensPerTurn\":500}", "{\"limits.tokensPerTurn\":100}", "tokens", 100, false},
};

static int64_t value_of(const struct config *c, const char *key)
{
    switch (key[0]) {
    case 'm':
        return c->mode;
    case 'r':
        return c->review;
    case 't':
        return c->tokens_per_turn;
    case 'w':
        return key[1] == 'a' ? (int64_t)c->warm : c->tools_web_search;
    default:
        return key[1] == 'a' ? (int64_t)c->sandbox_mode : c->store;
    }
}

Test(apply, sec_02_the_workspace_only_tightens)
{
    for (size_t i = 0; i < array_count(tighter); i++) {
        struct config *c = config_new();
        struct buf warnings = {0};
        apply(c, CONFIG_FILE, tighter[i].user, &warnings);
        apply(c, CONFIG_WORKSPACE, tighter[i].workspace, &warnings);
        cr_assert_eq(value_of(c, tighter[i].key), tighter[i].expected, "%s then %s",
                     tighter[i].user, tighter[i].workspace);
        cr_assert_eq(warnings.len > 0, tighter[i].said, "%s: %s", tighter[i].workspace,
                     text_of(&warnings));
        buf_finish(&warnings);
        config_free(c);
    }
}

Test(apply, the_workspace_may_take_back_what_it_tightened)
{
    struct config *c = config_new();
    struct buf warnings = {0};
    apply(c, CONFIG_FILE, "{\"mode\":\"auto\"}", &warnings);
    apply(c, CONFIG_WORKSPACE, "{\"mode\":\"plan\"}", &warnings);
    cr_assert_eq(c->mode, MODE_PLAN);
    apply(c, CONFIG_WORKSPACE, "{\"mode\":\"auto\"}", &warnings);
    cr_assert_eq(c->mode, MODE_AUTO);
    cr_assert_str_eq(text_of(&warnings), "");
    config_free(c);
    buf_finish(&warnings);
}

Test(apply, an_editor_that_sends_all_defaults_is_not_scolded)
{
    struct config *c = config_new();
    struct buf warnings = {0};
    apply(c, CONFIG_FILE, "{\"mode\":\"plan\",\"endpoint.url\":\"ws://localhost:1/\"}", &warnings);
    apply(c, CONFIG_WORKSPACE,
          "{\"endpoint\":{\"url\":\"wss://api.openai.com/v1/"
          "responses\",\"proxy\":\"\",\"headers\":{},"
          "\"maxEventBytes\":134217728,\"transport\":\"auto\"},\"mcp\":{\"servers\":{}},\"hooks\":["
          "]}",
          &warnings);
    cr_assert_str_eq(text_of(&warnings), "");
    cr_assert_str_eq(c->endpoint_url, "ws://localhost:1/");
    config_free(c);
    buf_finish(&warnings);
}

Test(apply, what_is_no_object_is_said)
{
    struct config *c = config_new();
    struct buf warnings = {0};
    config_apply(c, CONFIG_WORKSPACE, NULL, &warnings);
    apply(c, CONFIG_WORKSPACE, "null", &warnings);
    cr_assert_str_eq(text_of(&warnings), "");
    apply(c, CONFIG_WORKSPACE, "[]", &warnings);
    cr_assert(strstr(text_of(&warnings), "must be one object"));
    config_apply(c, CONFIG_WORKSPACE, NULL, NULL);
    config_free(c);
    buf_finish(&warnings);
}
