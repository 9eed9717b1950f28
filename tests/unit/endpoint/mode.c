/* WebSocket mode as it is documented, sentence by sentence, over a real socket.
 *
 * A case is a list of lines. "> JSON" is sent; $R and $C are the id of the last response that ended
 * and of its first call; "= A" keeps them as $A and $A.call. "< TYPE path=value ..." waits for the
 * end of a response (or an error, or a steering event) of that lane, which must have these members
 * ("-" is absent, "null" is null, "~x" contains x). "! open" and "! closed CODE" ask for the
 * socket. */
#include "helper.h"

#include <stdio.h>
#include <string.h>

TestSuite(mode, .timeout = 60);

enum { LINES = 14, NAMES = 4 };

#define CREATE "> {\"type\":\"response.create\",\"model\":\"m\","
#define SAY "\"input\":[" USER("hi") "]}"
#define GIVE(id)                                                                                   \
    "\"input\":[{\"type\":\"function_call_output\",\"call_id\":\"" id "\",\"output\":\"x\"}]}"
#define FROM(id) "\"previous_response_id\":\"" id "\","
#define LANE(name) "\"stream_id\":\"" name "\","
#define KEPT "\"store\":true,"
#define UNKEPT "\"store\":false,"
#define NOT_FOUND(id)                                                                              \
    "error.code=previous_response_not_found status=400 error.type=invalid_request_error "          \
    "error.param=previous_response_id error.message=~" id

#define CALLS                                                                                      \
    "{\"emit\":[{\"type\":\"function_call\",\"call\":\"c\",\"name\":\"f\",\"arguments\":{}}],"     \
    "\"repeat\":9}\n"

static const struct row {
    const char *title, *script, *lines[LINES];
    struct endpoint_options options;
} rows[] = {
    {"the default lane's events name no lane, a named lane's do",
     CALLS,
     {CREATE SAY, "< response.completed stream_id=-", CREATE LANE("a") SAY,
      "< response.completed stream_id=a"},
     {0}},
    {"a lane's latest response is continued from memory",
     CALLS,
     {CREATE UNKEPT LANE("a") SAY, "< response.completed",
      CREATE UNKEPT LANE("a") FROM("$R") GIVE("$C"),
      "< response.completed response.previous_response_id=$P"},
     {0}},
    {"an id that nobody knows is not found",
     CALLS,
     {CREATE LANE("a") FROM("resp_no") SAY, "< error stream_id=a " NOT_FOUND("resp_no")},
     {0}},
    {"an older response of a lane is not in memory",
     CALLS,
     {CREATE UNKEPT LANE("a") SAY, "< response.completed", "= A",
      CREATE UNKEPT LANE("a") FROM("$A") GIVE("$A.call"), "< response.completed",
      CREATE UNKEPT LANE("a") FROM("$A") GIVE("$A.call"), "< error stream_id=a " NOT_FOUND("$A")},
     {0}},
    {"but it is loaded when it was stored",
     CALLS,
     {CREATE KEPT LANE("a") SAY, "< response.completed", "= A",
      CREATE UNKEPT LANE("a") FROM("$A") GIVE("$A.call"), "< response.completed",
      CREATE UNKEPT LANE("a") FROM("$A") GIVE("$A.call"), "< response.completed"},
     {0}},
    {"store is true unless it is said otherwise",
     CALLS,
     {CREATE LANE("a") SAY, "< response.completed response.store=true", "= A",
      CREATE UNKEPT LANE("a") SAY, "< response.completed response.store=false",
      CREATE LANE("a") FROM("$A") GIVE("$A.call"), "< response.completed"},
     {0}},
    {"a new conversation on a lane takes the place of the one before",
     CALLS,
     {CREATE UNKEPT LANE("a") SAY, "< response.completed", "= A", CREATE UNKEPT LANE("a") SAY,
      "< response.completed response.previous_response_id=null",
      CREATE UNKEPT LANE("a") FROM("$A") GIVE("$A.call"), "< error " NOT_FOUND("$A")},
     {0}},
    {"a fork leaves its source where it is",
     CALLS,
     {CREATE UNKEPT LANE("a") SAY, "< response.completed", "= A",
      CREATE UNKEPT LANE("b") FROM("$A") GIVE("$A.call"), "< response.completed stream_id=b",
      CREATE UNKEPT LANE("a") FROM("$A") GIVE("$A.call"), "< response.completed stream_id=a"},
     {0}},
    {"a fork that fails leaves the parent in place",
     CALLS,
     {CREATE UNKEPT LANE("a") SAY, "< response.completed", "= A",
      CREATE UNKEPT LANE("b") FROM("$A") GIVE("call_no"),
      "< error stream_id=b status=400 error.message=~call_no error.param=input",
      CREATE UNKEPT LANE("a") FROM("$A") GIVE("$A.call"), "< response.completed"},
     {0}},
    {"a continuation on its own lane that fails evicts the parent that it named",
     CALLS,
     {CREATE UNKEPT LANE("a") SAY, "< response.completed", "= A",
      CREATE UNKEPT LANE("a") FROM("$A") GIVE("call_no"), "< error status=400",
      CREATE UNKEPT LANE("a") FROM("$A") GIVE("$A.call"), "< error " NOT_FOUND("$A")},
     {0}},
    {"also when what is wrong has nothing to do with its input",
     CALLS,
     {CREATE UNKEPT LANE("a") SAY, "< response.completed", "= A",
      CREATE UNKEPT LANE("a") FROM("$A") "\"tools\":7," GIVE("$A.call"),
      "< error stream_id=a error.code=invalid_type error.param=tools",
      CREATE UNKEPT LANE("a") FROM("$A") GIVE("$A.call"), "< error " NOT_FOUND("$A")},
     {0}},
    {"and when the response fails later",
     "{\"emit\":[{\"type\":\"message\",\"text\":\"one\"}]}\n"
     "{\"emit\":[{\"type\":\"message\",\"text\":\"two\"}],\"fault\":{\"kind\":\"failed\","
     "\"code\":\"server_error\",\"after_event\":3}}\n",
     {CREATE UNKEPT SAY, "< response.completed", "= A", CREATE UNKEPT FROM("$A") SAY,
      "< response.failed response.error.code=server_error", CREATE UNKEPT FROM("$A") SAY,
      "< error " NOT_FOUND("$A")},
     {0}},
    {"what was stored survives the eviction",
     CALLS,
     {CREATE KEPT LANE("a") SAY, "< response.completed", "= A",
      CREATE KEPT LANE("a") FROM("$A") GIVE("call_no"), "< error status=400",
      CREATE KEPT LANE("a") FROM("$A") GIVE("$A.call"), "< response.completed"},
     {0}},
    {"a warm-up has no output and can be continued from",
     CALLS,
     {CREATE UNKEPT LANE("a") "\"generate\":false," SAY,
      "< response.completed response.output=[] response.usage.output_tokens=0",
      CREATE UNKEPT LANE("a") FROM("$R") "\"input\":[]}", "< response.completed"},
     {0}},
    {"a call is answered by the next request of its chain",
     CALLS,
     {CREATE SAY, "< response.completed", CREATE FROM("$R") SAY,
      "< error status=400 error.type=invalid_request_error error.param=input "
      "error.message=~No_tool_output_found_for_function_call_$C."},
     {0}},
    {"tools may come once, as an item",
     CALLS,
     {CREATE "\"input\":[{\"type\":\"additional_tools\",\"role\":\"developer\",\"tools\":["
             "{\"type\":\"function\",\"name\":\"f\"}]}," USER("hi") "]}",
      "< response.completed",
      CREATE "\"input\":[{\"type\":\"additional_tools\",\"role\":\"user\",\"tools\":[]}]}",
      "< error status=400 error.param=input[0].role"},
     {0}},
    {"conversation is refused by name",
     CALLS,
     {CREATE "\"conversation\":\"conv_1\"," SAY,
      "< error status=400 error.code=unsupported_parameter error.param=conversation"},
     {0}},
    {"background is refused by name",
     CALLS,
     {CREATE "\"background\":true," SAY,
      "< error status=400 error.code=unsupported_parameter error.param=background"},
     {0}},
    {"a lane's name is checked",
     CALLS,
     {CREATE LANE("") SAY, "< error stream_id=- status=400 error.code=invalid_stream_id",
      CREATE LANE("a b") SAY, "< error stream_id=- error.param=stream_id",
      CREATE "\"stream_id\":7," SAY, "< error error.code=invalid_stream_id",
      CREATE LANE("A.z_0-9") SAY, "< response.completed stream_id=A.z_0-9"},
     {0}},
    {"without lanes the field is unknown",
     CALLS,
     {CREATE LANE("a") SAY,
      "< error stream_id=- status=400 error.code=unknown_parameter error.param=stream_id",
      CREATE SAY, "< response.completed"},
     {.without_lanes = true}},
    {"without warm-ups the field is unknown",
     CALLS,
     {CREATE "\"generate\":false," SAY,
      "< error error.code=unknown_parameter error.param=generate"},
     {.without_warm_up = true}},
    {"without steering it fails",
     CALLS,
     {"> {\"type\":\"response.steer\",\"previous_response_id\":\"r\",\"input\":\"x\"}",
      "< response.steer.failed error.code=steering_not_supported steer.input=x"},
     {.without_steering = true}},
    {"a steer names nothing but a response and input",
     CALLS,
     {"> {\"type\":\"response.steer\",\"stream_id\":\"a\",\"previous_response_id\":\"r\","
      "\"input\":\"x\"}",
      "< error error.code=unknown_parameter error.param=stream_id",
      "> {\"type\":\"response.steer\",\"input\":\"x\"}",
      "< error error.code=missing_required_parameter error.param=previous_response_id"},
     {0}},
    {"a response that is over takes no steering",
     CALLS,
     {CREATE LANE("a") SAY, "< response.completed",
      "> {\"type\":\"response.steer\",\"previous_response_id\":\"$R\",\"input\":\"x\"}",
      "< response.steer.failed error.code=response_already_completed "
      "steer.previous_response_id=$R",
      "> {\"type\":\"response.steer\",\"previous_response_id\":\"resp_no\",\"input\":\"x\"}",
      "< response.steer.failed error.code=response_not_found"},
     {0}},
    {"other events are unknown",
     CALLS,
     {"> {\"type\":\"response.pause\"}",
      "< error status=400 error.type=invalid_request_error error.param=type", "> {\"model\":\"m\"}",
      "< error status=400 error.param=type", "> nonsense",
      "< error status=400 error.code=invalid_json", "> []", "< error error.code=invalid_json",
      CREATE SAY, "< response.completed", "! open"},
     {0}},
    {"a connection has an age",
     CALLS,
     {"< error stream_id=- status=400 error.type=invalid_request_error "
      "error.code=websocket_connection_limit_reached "
      "error.message=~Create_a_new_websocket_connection_to_continue. error.param=null",
      "! closed 1000"},
     {.age_limit_ms = 60}},
    {"and may not be idle for ever, if it is said so",
     CALLS,
     {CREATE SAY, "< response.completed", "! closed 1000"},
     {.limits.idle_ms = 60}},
    {"one lane at a time, if it is said so: the other waits",
     CALLS,
     {CREATE LANE("a") SAY, CREATE LANE("b") SAY, "< response.completed stream_id=a",
      "< response.completed stream_id=b"},
     {.limits.lanes = 1}},
    {"too many requests are refused with a time",
     "{\"emit\":[{\"type\":\"message\",\"text\":\"slow\"}],\"pace\":{\"first_ms\":60}}\n",
     {CREATE LANE("a") SAY, CREATE LANE("a") SAY, CREATE LANE("b") SAY,
      "< error stream_id=b status=429 error.type=rate_limit_error "
      "error.code=server_is_overloaded headers.retry-after=1",
      "< response.completed stream_id=a", "< response.completed stream_id=a", CREATE LANE("b") SAY,
      "< response.completed stream_id=b"},
     {.limits.requests = 2}},
    {"memory is made by forgetting what was used the longest ago",
     CALLS,
     {CREATE UNKEPT LANE("old") SAY, "< response.completed", "= A", CREATE UNKEPT LANE("new") SAY,
      "< response.completed", "= B", CREATE UNKEPT LANE("old") FROM("$A") GIVE("$A.call"),
      "< error " NOT_FOUND("$A")},
     {.limits.memory_bytes = 1500}},
    {"a request that cannot fit is refused",
     CALLS,
     {CREATE UNKEPT SAY, "< error status=429 error.code=server_is_overloaded"},
     {.limits.memory_bytes = 10}},
};

/* -- Playing a case -------------------------------------------------------------------------------
 */

struct stage {
    const struct row *row;
    struct party party;
    struct peer peer;
    struct {
        char name, id[100], call[100];
    } kept[NAMES];
    size_t kept_count;
    char id[100], call[100], parent[100];
};

static const char *value_of(const struct stage *s, char name, bool call)
{
    for (size_t i = 0; i < s->kept_count; i++)
        if (s->kept[i].name == name)
            return call ? s->kept[i].call : s->kept[i].id;
    return name == 'R' ? s->id : name == 'C' ? s->call : name == 'P' ? s->parent : "?";
}

static void fill(const struct stage *s, const char *text, struct buf *out)
{
    buf_append_c(out, "");
    for (const char *c = text; *c; c++) {
        if (*c != '$') {
            buf_append_byte(out, *c);
            continue;
        }
        bool call = strncmp(c + 2, ".call", 5) == 0;
        buf_append_c(out, value_of(s, c[1], call));
        c += call ? 6 : 1;
    }
}

static const struct json_value *walk(const struct json_value *event, struct str path)
{
    struct str piece;
    while (event && str_next(&path, '.', &piece)) {
        char key[64];
        snprintf(key, sizeof(key), STR_FMT, STR_ARG(piece));
        event = json_get(event, key);
    }
    return event;
}

static void shown(const struct json_value *value, struct buf *out)
{
    buf_append_c(out, "");
    if (!value)
        buf_append_c(out, "-");
    else if (json_is(value, JSON_STRING))
        buf_append(out, json_str(value));
    else
        json_append(out, value);
    for (size_t i = 0; i < out->len; i++)
        if (out->ptr[i] == ' ')
            out->ptr[i] = '_';
}

static bool ends_something(struct str type)
{
    static const char *const others[] = {"error", "response.completed", "response.failed",
                                         "response.incomplete"};
    for (size_t i = 0; i < array_count(others); i++)
        if (str_eq_c(type, others[i]))
            return true;
    return str_starts_with(type, STR("response.steer."));
}

static void note(struct stage *s, const struct json_value *event)
{
    if (!walk(event, STR("response.id")))
        return;
    snprintf(s->parent, sizeof(s->parent), "%s", s->id);
    snprintf(s->id, sizeof(s->id), "%s", event_id(event));
    snprintf(s->call, sizeof(s->call), "%s", event_call(event, 0));
}

static void expect_member(const struct stage *s, const struct json_value *event, struct str pair,
                          const char *line)
{
    size_t equals = str_find_byte(pair, '=', 0);
    struct buf got = {0};
    struct str want = str_skip(pair, equals + 1);
    shown(walk(event, str_slice(pair, 0, equals)), &got);
    bool part = str_starts_with(want, STR("~"));
    bool good = part ? str_find(buf_str(&got), str_skip(want, 1), 0) != STR_NONE
                     : str_eq(buf_str(&got), want);
    cr_expect(good, "%s: \"%s\": " STR_FMT " is %s", s->row->title, line, STR_ARG(pair), got.ptr);
    buf_finish(&got);
}

static void expect_event(struct stage *s, const char *line)
{
    const struct json_value *event;
    do
        event = peer_next(&s->peer, NULL);
    while (!ends_something(json_get_str(event, "type")));
    note(s, event);
    struct buf text = {0};
    fill(s, line, &text);
    struct str rest = buf_str(&text), word;
    str_next(&rest, ' ', &word);
    cr_expect(str_eq(json_get_str(event, "type"), word), "%s: \"%s\": came %s (%s)", s->row->title,
              line, json_get_str(event, "type").ptr, error_message(event));
    while (str_next(&rest, ' ', &word))
        if (word.len > 0)
            expect_member(s, event, word, line);
    buf_finish(&text);
}

static void keep(struct stage *s, const char *line)
{
    s->kept[s->kept_count].name = line[0];
    snprintf(s->kept[s->kept_count].id, sizeof(s->kept[0].id), "%s", s->id);
    snprintf(s->kept[s->kept_count++].call, sizeof(s->kept[0].call), "%s", s->call);
}

static void expect_socket(struct stage *s, const char *line)
{
    if (strcmp(line, "open") == 0) {
        party_run_ms(&s->party, 10);
        cr_expect_not(s->peer.closed, "%s", s->row->title);
        return;
    }
    peer_wait_closed(&s->peer);
    char code[16];
    snprintf(code, sizeof(code), "closed %u", s->peer.close.close_code);
    cr_expect_str_eq(code, line, "%s", s->row->title);
}

static void play(struct stage *s, const char *line)
{
    struct buf text = {0};
    switch (line[0]) {
    case '>':
        fill(s, line + 2, &text);
        peer_send(&s->peer, "%s", text.ptr);
        buf_finish(&text);
        break;
    case '<':
        expect_event(s, line + 2);
        break;
    case '=':
        keep(s, line + 2);
        break;
    default:
        expect_socket(s, line + 2);
    }
}

Test(mode, as_documented)
{
    for (size_t i = 0; i < array_count(rows); i++) {
        struct stage s = {.row = &rows[i]};
        struct endpoint_options options = rows[i].options;
        options.replay = str_from(rows[i].script);
        party_start_with(&s.party, options);
        peer_open(&s.peer, &s.party);
        for (size_t j = 0; j < LINES && rows[i].lines[j]; j++)
            play(&s, rows[i].lines[j]);
        peer_end(&s.peer);
        party_end(&s.party);
    }
}

/* -- What a table cannot say ----------------------------------------------------------------------
 */

Test(mode, after_a_reconnect_the_full_input_goes_on)
{
    struct party party;
    struct peer peer, again;
    struct buf input = {0};
    party_start(&party, CALLS);
    peer_open(&peer, &party);
    peer_create(&peer, UNKEPT "\"input\":[" USER("hi") "]");
    const struct json_value *event = peer_ending(&peer, NULL);
    char id[100];
    snprintf(id, sizeof(id), "%s", event_id(event));
    buf_append_c(&input, "[" USER("hi") ",");
    json_append(&input, json_first(json_at(event, "response", "output", NULL)));
    buf_append_fmt(&input, "," OUTPUT "]", event_call(event, 0), "x");
    peer_open(&again, &party);
    peer_create(&again, UNKEPT "\"previous_response_id\":\"%s\",\"input\":[]", id);
    cr_expect_str_eq(error_code(peer_ending(&again, NULL)), "previous_response_not_found");
    peer_create(&again, UNKEPT "\"input\":%s", input.ptr);
    expect_type(peer_ending(&again, NULL), "response.completed");
    buf_finish(&input);
    peer_end(&peer);
    peer_end(&again);
    party_end(&party);
}

Test(mode, connections_are_counted)
{
    struct party party;
    struct peer first, second, third;
    struct fetch fetch;
    party_start_with(&party, (struct endpoint_options){.limits.connections = 1});
    peer_open(&first, &party);
    peer_try(&second, &party, "/v1/responses", NULL, 0);
    cr_expect_eq(second.close.http_status, 429);
    cr_expect_eq(second.close.retry_after_ms, 1000);
    peer_end(&second);
    fetch_run(&fetch, &party, "GET", "/healthz", NULL);
    cr_expect_eq(fetch.status, 200, "it can still be asked how it is");
    fetch_end(&fetch);
    peer_end(&first);
    for (peer_try(&third, &party, "/v1/responses", NULL, 0); !third.opened;) {
        peer_end(&third); /* it has not heard yet that the first has left */
        peer_try(&third, &party, "/v1/responses", NULL, 0);
    }
    peer_end(&third);
    party_end(&party);
}

Test(mode, requests_over_http_are_counted_too)
{
    struct party party;
    struct fetch slow, refused;
    party_start_with(&party, (struct endpoint_options){
                                 .limits.requests = 1,
                                 .replay = STR("{\"emit\":[{\"type\":\"message\",\"text\":\"x\"}],"
                                               "\"pace\":{\"first_ms\":60000}}")});
    fetch_start(&slow, &party, "POST", "/v1/responses", "{\"input\":\"x\"}", NULL, 0);
    for (unsigned i = 0; i < PATIENCE_TURNS && party.in_count == 0; i++)
        party_run_ms(&party, TURN_MS);
    fetch_run(&refused, &party, "POST", "/v1/responses", "{\"input\":\"x\"}");
    cr_expect_eq(refused.status, 429);
    cr_expect_eq(refused.close.retry_after_ms, 1000);
    cr_expect(!slow.closed, "it is none of the other's business");
    fetch_end(&slow);
    fetch_end(&refused);
    party_end(&party);
}

/* Ten times what may wait unread. */
Test(mode, what_is_large_arrives_whole)
{
    struct party party;
    struct peer peer;
    struct buf script = {0};
    buf_append_c(&script, "{\"emit\":[{\"type\":\"message\",\"text\":\"");
    buf_append_repeat(&script, 'x', 10 * MIB);
    buf_append_c(&script, "\"}],\"pace\":{\"chunk\":4096}}");
    party_start(&party, script.ptr);
    peer_open(&peer, &party);
    peer_create(&peer, "\"input\":\"x\"");
    const struct json_value *event = peer_ending(&peer, NULL);
    cr_expect_eq(strlen(event_text(event)), 10 * MIB);
    buf_finish(&script);
    peer_end(&peer);
    party_end(&party);
}
