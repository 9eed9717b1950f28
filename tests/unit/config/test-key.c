#include <criterion/criterion.h>
#include <lanebridge/config.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite(key, .timeout = 60);

static void set(struct config *config, const char *json)
{
    struct json_value *value = NULL;
    cr_assert_eq(json_parse(str_from(json), &value, NULL), STATUS_OK);
    config_apply(config, CONFIG_FILE, value, NULL);
    json_free(value);
}

Test(key, sec_04_taken_once_and_gone_from_the_environment)
{
    struct config *c = config_new();
    struct buf key = {0};
    struct err err = {0};
    set(c, "{\"endpoint.apiKeyEnv\":\"LB_TEST_KEY\"}");
    char variable[] = "LB_TEST_KEY=sk-canary-1 \n";
    cr_assert_eq(putenv(variable), 0);
    cr_assert_eq(config_key_take(c, &key, &err), STATUS_OK, "%s", err.text);
    cr_assert_str_eq(key.ptr, "sk-canary-1");
    cr_assert_null(getenv("LB_TEST_KEY"));
    cr_assert_str_eq(variable, "LB_TEST_KEY=", "the bytes themselves are wiped");
    cr_assert_eq(config_key_take(c, &key, &err), STATUS_AUTH);
    cr_assert(strstr(err.text, "LB_TEST_KEY") && strstr(err.text, "endpoint.apiKeyEnv"));
    buf_finish(&key);
    config_free(c);
}

Test(key, a_key_with_a_line_break_is_no_key)
{
    struct config *c = config_new();
    struct buf key = {0};
    struct err err = {0};
    set(c, "{\"endpoint.apiKeyEnv\":\"LB_TEST_KEY\"}");
    setenv("LB_TEST_KEY", "sk-a\r\nX-Evil: 1", 1);
    cr_assert_eq(config_key_take(c, &key, &err), STATUS_AUTH);
    cr_assert_not(strstr(err.text, "sk-a"), "never quotes it");
    cr_assert_eq(key.len, 0);
    buf_finish(&key);
    config_free(c);
}

static const struct {
    const char *json;
    enum status status;
    const char *text;
} commands[] = {
    {"{}", STATUS_NOT_FOUND, "not set"},
    {"{\"endpoint.apiKeyCommand\":[\"printf\",\"sk-canary-2\\\\n\"]}", STATUS_OK, "sk-canary-2"},
    {"{\"endpoint.apiKeyCommand\":[\"false\"]}", STATUS_AUTH, "exit code 1"},
    {"{\"endpoint.apiKeyCommand\":[\"printf\",\"two words\"]}", STATUS_AUTH, "key alone"},
    {"{\"endpoint.apiKeyCommand\":[\"true\"]}", STATUS_AUTH, "key alone"},
    {"{\"endpoint.apiKeyCommand\":[\"yes\"]}", STATUS_AUTH, "more than 16 KiB"},
    {"{\"endpoint.apiKeyCommand\":[\"/no/such/program\"]}", STATUS_NOT_FOUND, "/no/such/program"},
};

Test(key, the_command_prints_it)
{
    for (size_t i = 0; i < array_count(commands); i++) {
        struct config *c = config_new();
        struct buf key = {0};
        struct err err = {0};
        set(c, commands[i].json);
        cr_assert_eq(config_key_run_command(c, &key, &err), commands[i].status, "%s: %s",
                     commands[i].json, err.text);
        const char *got = commands[i].status == STATUS_OK ? key.ptr : err.text;
        cr_assert(strstr(got, commands[i].text), "%s: %s", commands[i].json, got);
        buf_finish(&key);
        config_free(c);
    }
}

Test(key, the_command_can_be_stopped)
{
    struct config *c = config_new();
    struct buf key = {0};
    struct err err = {0};
    _Atomic bool stop = true;
    set(c, "{\"endpoint.apiKeyCommand\":[\"sleep\",\"100\"]}");
    cr_assert_eq(config_key_run_command_until(c, &stop, &key, &err), STATUS_CANCELLED);
    cr_assert_eq(key.len, 0);
    buf_finish(&key);
    config_free(c);
}
