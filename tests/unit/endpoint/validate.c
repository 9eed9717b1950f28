/* What is refused, and where the refusal points; what is taken though it is not known. */
#include "helper.h"

#include <string.h>

#include "../../../server/endpoint/saves-internal.h"

TestSuite(validate, .timeout = 60);

static const char *const good[] = {
    USER("hi"),
    "{\"type\":\"message\",\"role\":\"developer\",\"content\":[]}",
    "{\"role\":\"assistant\",\"content\":[{\"type\":\"output_text\",\"text\":\"x\"},"
    "{\"type\":\"refusal\",\"refusal\":\"no\"}]}",
    "{\"role\":\"user\",\"content\":[{\"type\":\"input_image\",\"image_url\":\"https://a/b\"}]}",
    "{\"role\":\"user\",\"content\":[{\"type\":\"input_image\",\"file_id\":\"f\"}]}",
    "{\"role\":\"user\",\"content\":[{\"type\":\"input_hologram\"}]}",
    "{\"type\":\"function_call\",\"call_id\":\"c\",\"name\":\"f\",\"arguments\":\"{}\"}",
    "{\"type\":\"function_call_output\",\"call_id\":\"c\",\"output\":[{\"type\":\"input_text\","
    "\"text\":\"x\"}]}",
    "{\"type\":\"reasoning\",\"id\":\"r\",\"summary\":[],\"encrypted_content\":\"x\"}",
    "{\"type\":\"item_reference\",\"id\":\"msg_1\"}",
    "{\"type\":\"thing_of_next_year\",\"anything\":7}",
};

Test(validate, what_is_known_and_right_or_not_known_is_taken)
{
    struct images images = {0};
    for (size_t i = 0; i < array_count(good); i++) {
        struct problem problem = {0};
        cr_expect_eq(validate_item(str_from(good[i]), 0, &images, &problem), STATUS_OK, "%s: %s",
                     good[i], problem.message);
    }
    images_finish(&images);
}

static const struct {
    const char *item, *code, *param;
} bad[] = {
    {"7", "invalid_type", "input[3]"},
    {"[]", "invalid_type", "input[3]"},
    {"{\"type\":7}", "invalid_type", "input[3].type"},
    {"{}", "missing_required_parameter", "input[3].role"},
    {"{\"role\":\"user\"}", "missing_required_parameter", "input[3].content"},
    {"{\"role\":\"user\",\"content\":null}", "missing_required_parameter", "input[3].content"},
    {"{\"role\":\"tool\",\"content\":\"x\"}", "invalid_value", "input[3].role"},
    {"{\"role\":7,\"content\":\"x\"}", "invalid_type", "input[3].role"},
    {"{\"role\":\"user\",\"content\":{}}", "invalid_type", "input[3].content"},
    {"{\"role\":\"user\",\"content\":[7]}", "invalid_type", "input[3].content[0]"},
    {"{\"role\":\"user\",\"content\":[{}]}", "missing_required_parameter",
     "input[3].content[0].type"},
    {"{\"role\":\"user\",\"content\":[{\"type\":\"input_text\"}]}", "missing_required_parameter",
     "input[3].content[0].text"},
    {"{\"role\":\"user\",\"content\":[{\"type\":\"input_text\",\"text\":7}]}", "invalid_type",
     "input[3].content[0].text"},
    {"{\"role\":\"user\",\"content\":[{\"type\":\"input_image\"}]}", "missing_required_parameter",
     "input[3].content[0].image_url"},
    {"{\"role\":\"user\",\"content\":[{\"type\":\"input_image\",\"image_url\":{}}]}",
     "invalid_type", "input[3].content[0].image_url"},
    {"{\"role\":\"user\",\"content\":[{\"type\":\"input_image\",\"image_url\":\"data:x\"}]}",
     "image_parse_error", "input[3].content[0].image_url"},
    {"{\"type\":\"function_call\",\"call_id\":\"c\",\"name\":\"f\",\"arguments\":{}}",
     "invalid_type", "input[3].arguments"},
    {"{\"type\":\"function_call_output\",\"call_id\":\"c\"}", "missing_required_parameter",
     "input[3].output"},
    {"{\"type\":\"function_call_output\",\"call_id\":\"c\",\"output\":[{\"type\":\"input_image\","
     "\"image_url\":\"data:image/png;base64,aGVsbG8=\"}]}",
     "image_parse_error", "input[3].output[0].image_url"},
    {"{\"type\":\"reasoning\",\"summary\":\"x\"}", "invalid_type", "input[3].summary"},
    {"{\"type\":\"compaction\"}", "missing_required_parameter", "input[3].encrypted_content"},
};

Test(validate, a_refusal_names_the_member)
{
    struct images images = {0};
    for (size_t i = 0; i < array_count(bad); i++) {
        struct problem problem = {0};
        cr_expect_eq(validate_item(str_from(bad[i].item), 3, &images, &problem), STATUS_INVALID,
                     "%s", bad[i].item);
        cr_expect_str_eq(problem.code, bad[i].code, "%s", bad[i].item);
        cr_expect_str_eq(problem.param, bad[i].param, "%s", bad[i].item);
    }
    images_finish(&images);
}

static const struct {
    const char *tools, *param; /* param: empty if they are right */
} tools[] = {
    {"[]", ""},
    {"[{\"type\":\"web_search\"}]", ""},
    {"[{\"type\":\"function\",\"name\":\"f\",\"parameters\":null}]", ""},
    {"[{\"type\":\"namespace\",\"name\":\"n\",\"tools\":[{\"type\":\"function\",\"name\":\"f\"}]}]",
     ""},
    {"[7]", "tools[0]"},
    {"[{}]", "tools[0].type"},
    {"[{\"type\":\"function\"}]", "tools[0].name"},
    {"[{\"type\":\"function\",\"name\":\"\"}]", "tools[0].name"},
    {"[{\"type\":\"function\",\"name\":\"a b\"}]", "tools[0].name"},
    {"[{\"type\":\"function\",\"name\":\"f\",\"parameters\":[]}]", "tools[0].parameters"},
    {"[{\"type\":\"custom\",\"name\":\"f\",\"format\":\"x\"}]", "tools[0].format"},
    {"[{\"type\":\"mcp\"}]", "tools[0].server_label"},
    {"[{\"type\":\"web_search\"},{\"type\":\"namespace\",\"name\":\"n\",\"tools\":[{\"type\":"
     "\"function\"}]}]",
     "tools[1].tools[0].name"},
    {"[{\"type\":\"namespace\",\"name\":\"n\",\"tools\":[{\"type\":\"namespace\",\"name\":\"m\","
     "\"tools\":[]}]}]",
     "tools[0].tools[0]"},
};

Test(validate, tools_and_namespaces)
{
    for (size_t i = 0; i < array_count(tools); i++) {
        struct problem problem = {0};
        enum status status = validate_tools(str_from(tools[i].tools), "tools", &problem);
        cr_expect_eq(status == STATUS_OK, tools[i].param[0] == '\0', "%s", tools[i].tools);
        cr_expect_str_eq(problem.param, tools[i].param, "%s", tools[i].tools);
    }
}
