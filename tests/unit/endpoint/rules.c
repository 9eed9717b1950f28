/* The built-in rules. */
#include "helper.h"

#include <string.h>

TestSuite(rules, .timeout = 60);

static const struct {
    const char *schema, *arguments;
} schemas[] = {
    {"{\"type\":\"object\",\"properties\":{\"path\":{\"type\":\"string\"},\"n\":{\"type\":"
     "\"integer\",\"minimum\":3},\"no\":{\"type\":\"string\"}},\"required\":[\"path\",\"n\"]}",
     "{\"path\":\"example\",\"n\":3}"},
    {"{\"type\":\"object\",\"properties\":{\"e\":{\"enum\":[\"b\",\"c\"]},\"f\":{\"type\":"
     "\"boolean\"},\"x\":{\"type\":\"number\"}},\"required\":[\"e\",\"f\",\"x\"]}",
     "{\"e\":\"b\",\"f\":false,\"x\":1}"},
    {"{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"array\",\"minItems\":2,\"items\":"
     "{\"type\":\"string\",\"maxLength\":2}},\"b\":{\"type\":\"array\",\"items\":{}}},"
     "\"required\":[\"a\",\"b\"]}",
     "{\"a\":[\"ex\",\"ex\"],\"b\":[]}"},
    {"{\"type\":\"object\",\"properties\":{\"m\":{\"type\":[\"string\",\"null\"]},\"u\":{\"anyOf\":"
     "[{\"type\":\"integer\"},{\"type\":\"string\"}]},\"r\":{\"$ref\":\"#/$defs/t\"}},"
     "\"required\":[\"m\",\"u\",\"r\"],\"$defs\":{\"t\":{\"const\":\"k\"}}}",
     "{\"m\":null,\"u\":1,\"r\":\"k\"}"},
    {"null", "{}"},
};

Test(rules, the_first_function_is_called_with_fitting_arguments)
{
    struct party party;
    struct peer peer;
    party_start(&party, NULL);
    peer_open(&peer, &party);
    for (size_t i = 0; i < array_count(schemas); i++) {
        peer_create(
            &peer,
            "\"input\":[" USER("x") "],\"tools\":[{\"type\":\"web_search\"},"
                                    "{\"type\":\"function\",\"name\":\"f\",\"parameters\":%s},"
                                    "{\"type\":\"function\",\"name\":\"g\"}]",
            schemas[i].schema);
        const struct json_value *event = peer_ending(&peer, NULL);
        const struct json_value *item = json_first(json_at(event, "response", "output", NULL));
        cr_assert(item);
        cr_expect_str_eq(json_get_str(item, "name").ptr, "f");
        cr_expect_str_eq(json_get_str(item, "arguments").ptr, schemas[i].arguments);
    }
    peer_end(&peer);
    party_end(&party);
}

/* A schema that refers to itself has an end all the same. */
Test(rules, recursion_ends)
{
    struct party party;
    struct peer peer;
    party_start(&party, NULL);
    peer_open(&peer, &party);
    peer_create(&peer,
                "\"input\":\"x\",\"tools\":[{\"type\":\"function\",\"name\":\"f\","
                "\"parameters\":{\"type\":\"object\",\"properties\":{\"c\":{\"$ref\":\"#/\"},"
                "\"d\":{\"$ref\":\"#/properties/d\"}},\"required\":[\"c\",\"d\"]}}]");
    expect_type(peer_ending(&peer, NULL), "response.completed");
    peer_end(&peer);
    party_end(&party);
}

Test(rules, an_output_is_quoted_and_a_greeting_needs_no_functions)
{
    struct party party;
    struct peer peer;
    party_start(&party, NULL);
    peer_open(&peer, &party);
    peer_create(&peer, "\"input\":\"x\",\"tools\":[{\"type\":\"function\",\"name\":\"f\"}]");
    const struct json_value *event = peer_ending(&peer, NULL);
    cr_expect_str_eq(json_str(json_at(event, "response", "model", NULL)).ptr, "lanebridge-rules");
    peer_create(&peer, "\"previous_response_id\":\"%s\",\"input\":[" OUTPUT "]", event_id(event),
                event_call(event, 0), "the output");
    event = peer_ending(&peer, NULL);
    cr_expect(strstr(event_text(event), "the output"));
    cr_expect(strstr(event_text(event), "no model"));
    peer_create(&peer, "\"input\":[" USER("hello") "]");
    cr_expect(strstr(event_text(peer_ending(&peer, NULL)), "no model"));
    peer_end(&peer);
    party_end(&party);
}

/* Tools that came as an item hold for what is chained on it. */
Test(rules, tools_may_come_as_an_item)
{
    struct party party;
    struct peer peer;
    party_start(&party, NULL);
    peer_open(&peer, &party);
    peer_create(&peer, "\"generate\":false,\"input\":[{\"type\":\"additional_tools\",\"role\":"
                       "\"developer\",\"tools\":[{\"type\":\"function\",\"name\":\"late\"}]}]");
    const struct json_value *event = peer_ending(&peer, NULL);
    peer_create(&peer, "\"previous_response_id\":\"%s\",\"input\":[" USER("x") "]",
                event_id(event));
    event = peer_ending(&peer, NULL);
    const struct json_value *item = json_first(json_at(event, "response", "output", NULL));
    cr_assert(item);
    cr_expect_str_eq(json_get_str(item, "name").ptr, "late");
    peer_end(&peer);
    party_end(&party);
}

Test(rules, tools_as_an_item_are_checked)
{
    static const struct {
        const char *item, *param;
    } rows[] = {
        {"{\"type\":\"additional_tools\",\"role\":\"developer\"}", "input[0].tools"},
        {"{\"type\":\"additional_tools\",\"role\":\"developer\",\"tools\":{}}", "input[0].tools"},
        {"{\"type\":\"additional_tools\",\"role\":\"user\",\"tools\":[]}", "input[0].role"},
        {"{\"type\":\"additional_tools\",\"tools\":[]}", "input[0].role"},
    };
    struct party party;
    struct peer peer;
    party_start(&party, NULL);
    peer_open(&peer, &party);
    for (size_t i = 0; i < array_count(rows); i++) {
        peer_create(&peer, "\"input\":[%s]", rows[i].item);
        const struct json_value *event = peer_ending(&peer, NULL);
        expect_type(event, "error");
        cr_expect_str_eq(json_str(json_at(event, "error", "param", NULL)).ptr, rows[i].param);
    }
    peer_end(&peer);
    party_end(&party);
    party_start_with(&party, (struct endpoint_options){.without_additional_tools = true});
    peer_open(&peer, &party);
    peer_create(&peer, "\"input\":[{\"type\":\"additional_tools\",\"role\":\"developer\",\"tools\":"
                       "[]}]");
    const struct json_value *event = peer_ending(&peer, NULL);
    expect_type(event, "error");
    cr_expect_str_eq(json_str(json_at(event, "error", "param", NULL)).ptr, "input[0]");
    peer_end(&peer);
    party_end(&party);
}
