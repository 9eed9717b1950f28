/* Responses that are asked for by id. */
#include "helper.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

TestSuite(stored, .timeout = 60);

#define SCRIPT                                                                                     \
    "{\"emit\":[{\"type\":\"function_call\",\"call\":\"a\",\"name\":\"f\",\"arguments\":{}}]}\n"   \
    "{\"emit\":[{\"type\":\"message\",\"text\":\"second\"}]}\n"

struct scene {
    struct party party;
    struct peer peer;
    char first[100], second[100], call[100];
};

static void scene_start(struct scene *s)
{
    party_start(&s->party, SCRIPT);
    peer_open(&s->peer, &s->party);
    peer_create(&s->peer, "\"instructions\":\"be \\\"x\\\"\",\"input\":\"say \\u00e9\","
                          "\"metadata\":{\"k\":\"v\"}");
    const struct json_value *event = peer_ending(&s->peer, NULL);
    snprintf(s->first, sizeof(s->first), "%s", event_id(event));
    snprintf(s->call, sizeof(s->call), "%s", event_call(event, 0));
    peer_create(&s->peer, "\"previous_response_id\":\"%s\",\"input\":[" OUTPUT "," USER("go") "]",
                s->first, s->call, "done");
    snprintf(s->second, sizeof(s->second), "%s", event_id(peer_ending(&s->peer, NULL)));
}

static void scene_end(struct scene *s)
{
    peer_end(&s->peer);
    party_end(&s->party);
}

static struct json_value *ask(struct party *party, const char *method, const char *body, int status,
                              const char *format, ...) __attribute__((format(printf, 5, 6)));
/* The parsed body. */
static struct json_value *ask(struct party *party, const char *method, const char *body, int status,
                              const char *format, ...)
{
    struct fetch fetch;
    struct json_value *value = NULL;
    struct buf path = {0};
    va_list args;
    va_start(args, format);
    buf_append_vfmt(&path, format, args);
    va_end(args);
    fetch_run(&fetch, party, method, path.ptr, body);
    cr_expect_eq(fetch.status, status, "%s %s: %d %s", method, path.ptr, fetch.status,
                 fetch.body.ptr);
    json_parse(buf_str(&fetch.body), &value, NULL);
    cr_assert(value, "%s: %s", path.ptr, fetch.body.ptr);
    fetch_end(&fetch);
    buf_finish(&path);
    return value;
}

Test(stored, a_response_is_what_its_terminal_event_had)
{
    struct scene s;
    scene_start(&s);
    const struct json_value *told = NULL;
    for (size_t i = 0; i < s.peer.events.len; i++)
        if (str_eq_c(json_get_str(s.peer.events.ptr[i], "type"), "response.completed") && !told)
            told = s.peer.events.ptr[i];
    struct buf want = {0}, got = {0};
    struct json_value *value = ask(&s.party, "GET", NULL, 200, "/v1/responses/%s", s.first);
    json_append(&want, json_get(told, "response"));
    json_append(&got, value);
    cr_expect_str_eq(got.ptr, want.ptr);
    json_free(value);
    value = ask(&s.party, "GET", NULL, 400, "/v1/responses/%s?stream=true", s.first);
    cr_expect_str_eq(json_str(json_at(value, "error", "param", NULL)).ptr, "stream");
    json_free(value);
    buf_finish(&want);
    buf_finish(&got);
    scene_end(&s);
}

Test(stored, a_deleted_response_is_gone_for_good)
{
    struct scene s;
    scene_start(&s);
    struct json_value *value = ask(&s.party, "DELETE", NULL, 200, "/v1/responses/%s", s.second);
    cr_expect_str_eq(json_get_str(value, "id").ptr, s.second);
    cr_expect(json_get_bool(value, "deleted", false));
    json_free(value);
    static const char *const methods[] = {"GET", "DELETE"};
    for (size_t i = 0; i < array_count(methods); i++) {
        value = ask(&s.party, methods[i], NULL, 404, "/v1/responses/%s", s.second);
        cr_expect(strstr(json_str(json_at(value, "error", "message", NULL)).ptr, "not found"));
        json_free(value);
    }
    peer_create(&s.peer, "\"stream_id\":\"other\",\"input\":\"x\"");
    peer_ending(&s.peer, "other");
    /* not from its own lane either: it was asked to be forgotten */
    peer_create(&s.peer, "\"previous_response_id\":\"%s\",\"input\":\"x\"", s.second);
    cr_expect_str_eq(error_code(peer_ending(&s.peer, NULL)), "previous_response_not_found");
    value = ask(&s.party, "GET", NULL, 200, "/v1/responses/%s", s.first);
    json_free(value);
    scene_end(&s);
}

Test(stored, without_store_there_is_nothing_to_ask_for)
{
    struct scene s;
    scene_start(&s);
    peer_create(&s.peer, "\"stream_id\":\"u\",\"store\":false,\"input\":\"x\"");
    const char *id = event_id(peer_ending(&s.peer, "u"));
    static const struct {
        const char *method, *path;
    } rows[] = {{"GET", "/v1/responses/%s"},
                {"DELETE", "/v1/responses/%s"},
                {"GET", "/v1/responses/%s/input_items"}};
    for (size_t i = 0; i < array_count(rows); i++) {
        struct buf path = {0};
        struct str rest = str_from(rows[i].path);
        size_t at = str_find(rest, STR("%s"), 0);
        buf_append(&path, str_slice(rest, 0, at));
        buf_append_c(&path, id);
        buf_append(&path, str_skip(rest, at + 2));
        json_free(ask(&s.party, rows[i].method, NULL, 404, "%s", path.ptr));
        buf_finish(&path);
    }
    scene_end(&s);
}

/* -- Input items ----------------------------------------------------------------------------------
 */

static void expect_items(const struct json_value *page, const char *types, bool more)
{
    struct buf got = {0};
    buf_append_c(&got, "");
    const struct json_value *first = json_first(json_get(page, "data")), *last = NULL;
    for (const struct json_value *item = first; item; item = json_next(item)) {
        buf_append_fmt(&got, STR_FMT " ", STR_ARG(json_get_str(item, "type")));
        cr_expect_gt(json_get_str(item, "id").len, 0);
        last = item;
    }
    cr_expect_str_eq(got.ptr, types);
    cr_expect_str_eq(json_get_str(page, "object").ptr, "list");
    cr_expect_eq(json_get_bool(page, "has_more", !more), more, "%s", types);
    cr_expect(str_eq(json_get_str(page, "first_id"), json_get_str(first, "id")));
    cr_expect(str_eq(json_get_str(page, "last_id"), json_get_str(last, "id")));
    buf_finish(&got);
}

Test(stored, input_items_are_all_that_it_was_made_from)
{
    struct scene s;
    scene_start(&s);
    struct json_value *page =
        ask(&s.party, "GET", NULL, 200, "/v1/responses/%s/input_items?order=asc", s.second);
    expect_items(page, "message function_call function_call_output message ", false);
    const struct json_value *item = json_first(json_get(page, "data"));
    const struct json_value *part = json_first(json_get(item, "content"));
    cr_expect_str_eq(json_get_str(item, "role").ptr, "user");
    cr_expect_str_eq(json_get_str(part, "type").ptr, "input_text");
    cr_expect_str_eq(json_get_str(part, "text").ptr, "say é");
    cr_expect_str_eq(json_get_str(json_next(item), "call_id").ptr, s.call);
    json_free(page);
    page = ask(&s.party, "GET", NULL, 200, "/v1/responses/%s/input_items", s.second);
    expect_items(page, "message function_call_output function_call message ", false);
    json_free(page);
    page = ask(&s.party, "GET", NULL, 200, "/v1/responses/%s/input_items", s.first);
    expect_items(page, "message ", false);
    json_free(page);
    scene_end(&s);
}

Test(stored, input_items_come_in_pages)
{
    static const struct {
        const char *order, *types[3];
    } rows[] = {
        {"asc", {"message function_call ", "function_call_output message "}},
        {"desc", {"message function_call_output ", "function_call message "}},
    };
    struct scene s;
    scene_start(&s);
    for (size_t i = 0; i < array_count(rows); i++) {
        struct json_value *page =
            ask(&s.party, "GET", NULL, 200, "/v1/responses/%s/input_items?limit=2&order=%s",
                s.second, rows[i].order);
        expect_items(page, rows[i].types[0], true);
        struct json_value *next = ask(&s.party, "GET", NULL, 200,
                                      "/v1/responses/%s/input_items?limit=2&order=%s&after=%s",
                                      s.second, rows[i].order, json_get_str(page, "last_id").ptr);
        expect_items(next, rows[i].types[1], false);
        struct json_value *back = ask(&s.party, "GET", NULL, 200,
                                      "/v1/responses/%s/input_items?limit=2&order=%s&before=%s",
                                      s.second, rows[i].order, json_get_str(next, "first_id").ptr);
        expect_items(back, rows[i].types[0], false);
        json_free(back);
        back = ask(&s.party, "GET", NULL, 200,
                   "/v1/responses/%s/input_items?limit=1&order=%s&before=%s", s.second,
                   rows[i].order, json_get_str(next, "last_id").ptr);
        cr_expect(json_get_bool(back, "has_more", false), "backwards too");
        json_free(back);
        json_free(next);
        json_free(page);
    }
    scene_end(&s);
}

Test(stored, what_is_wrong_with_a_page_is_named)
{
    static const struct {
        const char *query, *param;
    } rows[] = {{"limit=0", "limit"},  {"limit=101", "limit"}, {"limit=x", "limit"},
                {"order=up", "order"}, {"after=no", "after"},  {"before=%6eo", "before"},
                {"limit=", "limit"}};
    struct scene s;
    scene_start(&s);
    for (size_t i = 0; i < array_count(rows); i++) {
        struct json_value *value = ask(&s.party, "GET", NULL, 400,
                                       "/v1/responses/%s/input_items?%s", s.second, rows[i].query);
        cr_expect_str_eq(json_str(json_at(value, "error", "param", NULL)).ptr, rows[i].param, "%s",
                         rows[i].query);
        json_free(value);
    }
    scene_end(&s);
}

/* -- Tokens ---------------------------------------------------------------------------------------
 */

Test(stored, input_tokens_are_counted_without_an_answer)
{
    struct scene s;
    scene_start(&s);
    struct buf body = {0};
    struct json_value *alone = ask(&s.party, "POST", "{\"model\":\"m\",\"input\":\"hello hello\"}",
                                   200, "/v1/responses/input_tokens");
    cr_expect_str_eq(json_get_str(alone, "object").ptr, "response.input_tokens");
    cr_expect_gt(json_get_int(alone, "input_tokens", 0), 0);
    buf_append_fmt(&body, "{\"input\":\"hello hello\",\"previous_response_id\":\"%s\"}", s.second);
    struct json_value *behind = ask(&s.party, "POST", body.ptr, 200, "/v1/responses/input_tokens");
    cr_expect_gt(json_get_int(behind, "input_tokens", 0), json_get_int(alone, "input_tokens", 0));
    json_free(alone);
    json_free(behind);
    json_free(ask(&s.party, "POST", "{\"input\":\"x\",\"previous_response_id\":\"resp_no\"}", 400,
                  "/v1/responses/input_tokens"));
    json_free(ask(&s.party, "POST", "{", 400, "/v1/responses/input_tokens"));
    buf_finish(&body);
    scene_end(&s);
}

/* -- Refusals by the server itself ----------------------------------------------------------------
 */

static const struct {
    const char *text, *status, *part;
} raw[] = {
    {"POST /v1/responses HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
     "2\r\n{}\r\n0\r\n\r\n",
     "411", "\"code\":\"length_required\""},
    {"POST /v1/responses HTTP/1.1\r\nHost: localhost\r\n\r\n", "411", "Content-Length"},
    {"POST /v1/responses HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n", "413",
     "\"code\":\"request_too_large\""},
    {"GET /v1/nothing HTTP/1.1\r\nHost: localhost\r\n\r\n", "404", "\"code\":\"not_found\""},
    {"GET /v1/responses/ HTTP/1.1\r\nHost: localhost\r\n\r\n", "404", "\"code\":\"not_found\""},
    {"GET /v1/responses/a/b HTTP/1.1\r\nHost: localhost\r\n\r\n", "404", "\"param\":null"},
    {"GET /v1/responses/input_tokens HTTP/1.1\r\nHost: localhost\r\n\r\n", "405", "allow: POST"},
    {"PUT /v1/responses/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n", "405",
     "allow: GET, DELETE"},
    {"GET /v1/responses HTTP/1.1\r\nHost: localhost\r\n\r\n", "405", "allow: POST"},
    {"GET /v1/other HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
     "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
     "404", "\"code\":\"not_found\""},
    {"GET /v1/responses HTTP/1.1\r\nHost: evil.example\r\nUpgrade: websocket\r\n"
     "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
     "Sec-WebSocket-Version: 13\r\n\r\n",
     "403", "\"type\":\"permission_error\""},
};

static void send_raw(struct party *party, const char *text, struct buf *answer)
{
    int fd = party_connect(party);
    cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    char chunk[4096];
    buf_append_c(answer, "");
    for (ssize_t got = 1; got > 0 && !strstr(answer->ptr, "}}");) {
        got = party_receive(party, fd, chunk, sizeof(chunk));
        buf_append(answer, (struct str){chunk, (size_t)got});
    }
    close(fd);
    party_run_ms(party, 5);
}

Test(stored, whoever_is_refused_gets_the_documented_body)
{
    struct party party;
    party_start(&party, NULL);
    for (size_t i = 0; i < array_count(raw); i++) {
        struct buf answer = {0};
        char start[32];
        snprintf(start, sizeof(start), "HTTP/1.1 %s ", raw[i].status);
        send_raw(&party, raw[i].text, &answer);
        cr_expect_eq(strncmp(answer.ptr, start, strlen(start)), 0, "%s: %s", raw[i].text,
                     answer.ptr);
        cr_expect(strstr(answer.ptr, raw[i].part), "%s: %s", raw[i].text, answer.ptr);
        static const char *const members[] = {
            "\"type\":", "\"code\":", "\"message\":", "\"param\":"};
        for (size_t j = 0; j < array_count(members); j++)
            cr_expect(strstr(answer.ptr, members[j]), "%s: %s", members[j], answer.ptr);
        buf_finish(&answer);
    }
    party_end(&party);
}
