/* Two real peers, or one and a raw socket, over a socket pair. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include <lanebridge/jsonrpc.h>

#include "side.h"

static void prepare(void)
{
    loop_prepare_process();
    log_set_level(LOG_ERROR); /* what is refused here is refused on purpose */
}

TestSuite(peer, .timeout = 60, .init = prepare);

/* -- Against raw bytes ------------------------------------------------------------------------ */

/* The loop runs until the peer has seen the end of input, so all of it has been handled. */
static void run_raw(struct side *side, struct str input, size_t piece, struct buf *output)
{
    int fds[2];
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    struct loop *loop = loop_new(NULL);
    open_side(side, loop, fds[0]);
    while (input.len > 0) {
        struct str part = str_slice(input, 0, piece ? piece : input.len);
        cr_assert_eq(send(fds[1], part.ptr, part.len, 0), (ssize_t)part.len);
        input = str_skip(input, part.len);
    }
    shutdown(fds[1], SHUT_WR);
    loop_run(loop);
    if (!side->free_in_call)
        cr_assert_eq(side->closed, 1);
    jsonrpc_peer_free(side->peer);
    side->peer = NULL;
    char buffer[4096];
    for (ssize_t n; (n = recv(fds[1], buffer, sizeof buffer, MSG_DONTWAIT)) > 0;)
        buf_append(output, (struct str){buffer, (size_t)n});
    close(fds[1]);
    loop_free(loop);
}

/* What is called, and how the answer begins ("" is none). */
static const struct {
    const char *name, *body, *calls, *answer;
} cases[] = {
    {"request", "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"m\",\"params\":{\"a\":1}}",
     "request<1 m {\"a\":1}> ", "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"a\":1}}"},
    {"no params", "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"m\"}", "request<1 m > ",
     "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":null}"},
    {"null params", "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"m\",\"params\":null}",
     "request<1 m > ", "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":null}"},
    {"array params", "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"m\",\"params\":[ 1 ]}",
     "request<1 m [ 1 ]> ", "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":[ 1 ]}"},
    {"any order", "{ \"params\" : {} , \"method\":\"m\", \"id\" : 1 , \"jsonrpc\":\"2.0\" }",
     "request<1 m {}> ", "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}"},
    {"string id", "{\"jsonrpc\":\"2.0\",\"id\":\"a-\\u00e9\\\"\",\"method\":\"m\"}",
     "request<\"a-\\u00e9\\\"\" m > ", "{\"jsonrpc\":\"2.0\",\"id\":\"a-\\u00e9\\\"\",\"result\""},
    {"id beyond 2^53", "{\"jsonrpc\":\"2.0\",\"id\":9007199254740993,\"method\":\"m\"}",
     "request<9007199254740993 m > ", "{\"jsonrpc\":\"2.0\",\"id\":9007199254740993,\"result\""},
    {"id beyond 2^64",
     "{\"jsonrpc\":\"2.0\",\"id\":123456789012345678901234567890,\"method\":\"m\"}",
     "request<123456789012345678901234567890 m > ",
     "{\"jsonrpc\":\"2.0\",\"id\":123456789012345678901234567890,\"result\""},
    {"float id", "{\"jsonrpc\":\"2.0\",\"id\":1.50,\"method\":\"m\"}", "request<1.50 m > ",
     "{\"jsonrpc\":\"2.0\",\"id\":1.50,\"result\""},
    {"negative id", "{\"jsonrpc\":\"2.0\",\"id\":-0,\"method\":\"m\"}", "request<-0 m > ",
     "{\"jsonrpc\":\"2.0\",\"id\":-0,\"result\""},
    {"empty string id", "{\"jsonrpc\":\"2.0\",\"id\":\"\",\"method\":\"m\"}", "request<\"\" m > ",
     "{\"jsonrpc\":\"2.0\",\"id\":\"\",\"result\""},
    {"$/ request goes up", "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"$/x\"}", "request<1 $/x > ",
     "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":null}"},
    {"escaped names", "{\"jsonrpc\":\"2.0\",\"\\u0069d\":1,\"m\\u0065thod\":\"\\u006d\"}",
     "request<1 m > ", "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":null}"},
    {"first of duplicates",
     "{\"jsonrpc\":\"2.0\",\"id\":1,\"id\":2,\"method\":\"m\",\"method\":\"n\"}", "request<1 m > ",
     "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":null}"},
    {"notification", "{\"jsonrpc\":\"2.0\",\"method\":\"m\",\"params\":{}}", "notification<m {}> ",
     ""},
    {"$/ notification",
     "{\"jsonrpc\":\"2.0\",\"method\":\"$/cancelRequest\",\"params\":{\"id\":1}}",
     "notification<$/cancelRequest {\"id\":1}> ", ""},
    {"null id", "{\"jsonrpc\":\"2.0\",\"id\":null,\"method\":\"m\"}", "",
     "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32600,"},
    {"object id", "{\"jsonrpc\":\"2.0\",\"id\":{},\"method\":\"m\"}", "",
     "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32600,"},
    {"true id", "{\"jsonrpc\":\"2.0\",\"id\":true,\"method\":\"m\"}", "",
     "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32600,"},
    {"no method", "{\"jsonrpc\":\"2.0\",\"id\":7}", "",
     "{\"jsonrpc\":\"2.0\",\"id\":7,\"error\":{\"code\":-32600,"},
    {"method is no string", "{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":1}", "",
     "{\"jsonrpc\":\"2.0\",\"id\":7,\"error\":{\"code\":-32600,"},
    {"neither", "{}", "", "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32600,"},
    {"no version", "{\"id\":7,\"method\":\"m\"}", "",
     "{\"jsonrpc\":\"2.0\",\"id\":7,\"error\":{\"code\":-32600,"},
    {"wrong version", "{\"jsonrpc\":\"1.0\",\"id\":7,\"method\":\"m\"}", "",
     "{\"jsonrpc\":\"2.0\",\"id\":7,\"error\":{\"code\":-32600,"},
    {"version as number", "{\"jsonrpc\":2.0,\"id\":7,\"method\":\"m\"}", "",
     "{\"jsonrpc\":\"2.0\",\"id\":7,\"error\":{\"code\":-32600,"},
    {"params are text", "{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"m\",\"params\":\"x\"}", "",
     "{\"jsonrpc\":\"2.0\",\"id\":7,\"error\":{\"code\":-32602,"},
    {"batch", "[{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"m\"}]", "",
     "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32600,"},
    {"empty batch", "[]", "", "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32600,"},
    {"scalar", "5", "", "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32600,"},
    {"no JSON", "{\"jsonrpc\":\"2.0\",", "unreadable< > ",
     "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32700,"},
    {"empty body", "", "unreadable< > ",
     "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32700,"},
    {"two values", "{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"m\"}{}", "unreadable<m > ",
     "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32700,"},
    {"bad UTF-8 in a change",
     "{\"jsonrpc\":\"2.0\",\"method\":\"textDocument/didChange\",\"params\":{\"textDocument\":"
     "{\"uri\":\"file:///a\"},\"text\":\"\xff\"}}",
     "unreadable<textDocument/didChange file:///a> ",
     "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32700,"},
    {"NUL in a change",
     "{\"jsonrpc\":\"2.0\",\"method\":\"textDocument/"
     "didChange\",\"params\":{\"text\":\"a\\u0000\\\""
     "uri\\\":1\",\"textDocument\":{\"uri\" : \"file:///a%20\\u0062\"}}}",
     "unreadable<textDocument/didChange file:///a%20b> ", ""},
    {"NUL in a request",
     "{\"jsonrpc\":\"2.0\",\"id\":\"x\",\"method\":\"m\",\"params\":{\"text\":\"\\u0000\"}}",
     "unreadable<m > ", "{\"jsonrpc\":\"2.0\",\"id\":\"x\",\"error\":{\"code\":-32803,"},
    {"response to nothing", "{\"jsonrpc\":\"2.0\",\"id\":99,\"result\":1}", "", ""},
    {"error to nothing", "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32700}}", "", ""},
};

static struct str answer_body(const struct buf *output)
{
    size_t end = str_find(buf_str(output), STR("\r\n\r\n"), 0);
    return end == STR_NONE ? STR("") : str_skip(buf_str(output), end + 4);
}

static void check_case(size_t i, size_t piece)
{
    struct side side = {.answer_at_once = true};
    struct buf input = {0}, output = {0}, calls = {0};
    append_frame(&input, cases[i].body);
    run_raw(&side, buf_str(&input), piece, &output);
    buf_append_fmt(&calls, "%sclosed ", cases[i].calls);
    cr_assert(str_eq(buf_str(&side.calls), buf_str(&calls)), "%s: " STR_FMT, cases[i].name,
              STR_ARG(side.calls));
    struct str answer = answer_body(&output), wanted = str_from(cases[i].answer);
    cr_assert(str_starts_with(answer, wanted) && (wanted.len > 0 || output.len == 0),
              "%s: " STR_FMT, cases[i].name, STR_ARG(output));
    /* One answer, whole, whose length is what its header says. */
    if (answer.len > 0) {
        struct buf again = {0};
        buf_append_fmt(&again, "Content-Length: %zu\r\n\r\n" STR_FMT, answer.len, STR_ARG(answer));
        cr_assert(str_eq(buf_str(&again), buf_str(&output)), STR_FMT, STR_ARG(output));
        struct json_value *parsed = NULL;
        cr_assert_eq(json_parse(answer, &parsed, NULL), STATUS_OK, STR_FMT, STR_ARG(answer));
        json_free(parsed);
        buf_finish(&again);
    }
    buf_finish(&input);
    buf_finish(&output);
    buf_finish(&calls);
    finish_side(&side);
}

Test(peer, each_message_is_told_apart_and_answered_once)
{
    for (size_t i = 0; i < array_count(cases); i++)
        check_case(i, 0);
}

Test(peer, the_same_in_single_bytes)
{
    for (size_t i = 0; i < array_count(cases); i++)
        check_case(i, 1);
}

Test(peer, the_peer_may_be_freed_in_each_call)
{
    for (size_t i = 0; i < array_count(cases); i++) {
        struct side side = {.free_in_call = true};
        struct buf input = {0}, output = {0};
        append_frame(&input, cases[i].body);
        append_frame(&input, "{\"jsonrpc\":\"2.0\",\"method\":\"after\"}");
        run_raw(&side, buf_str(&input), 0, &output);
        size_t first = str_find(buf_str(&side.calls), STR("> "), 0);
        cr_assert_eq(first + 2, side.calls.len, "%s: " STR_FMT, cases[i].name, STR_ARG(side.calls));
        buf_finish(&input);
        buf_finish(&output);
        finish_side(&side);
    }
}

Test(peer, a_bad_header_is_answered_and_survived)
{
    struct side side = {.answer_at_once = true};
    struct buf input = {0}, output = {0};
    buf_append_c(&input, "Content-Length: -1\r\n\r\n{}");
    append_frame(&input, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"m\"}");
    run_raw(&side, buf_str(&input), 7, &output);
    cr_assert_str_eq(side.calls.ptr, "request<1 m > closed ");
    cr_assert_not_null(strstr(output.ptr, "\"id\":null,\"error\":{\"code\":-32700"));
    cr_assert_not_null(strstr(output.ptr, "\"id\":1,\"result\":null"));
    buf_finish(&input);
    buf_finish(&output);
    finish_side(&side);
}

Test(peer, an_overlong_id_is_refused)
{
    struct side side = {0};
    struct buf input = {0}, body = {0}, output = {0};
    buf_append_c(&body, "{\"jsonrpc\":\"2.0\",\"method\":\"m\",\"id\":\"");
    buf_append_repeat(&body, 'x', 2000);
    buf_append_c(&body, "\"}");
    append_frame(&input, body.ptr);
    run_raw(&side, buf_str(&input), 0, &output);
    cr_assert_str_eq(side.calls.ptr, "closed ");
    cr_assert_not_null(strstr(output.ptr, "\"id\":null,\"error\":{\"code\":-32600"));
    buf_finish(&input);
    buf_finish(&body);
    buf_finish(&output);
    finish_side(&side);
}

Test(peer, too_deep_a_request_is_answered)
{
    struct side side = {0};
    struct buf input = {0}, body = {0}, output = {0};
    buf_append_c(&body, "{\"jsonrpc\":\"2.0\",\"method\":\"m\",\"id\":4,\"params\":");
    buf_append_repeat(&body, '[', 1000);
    buf_append_repeat(&body, ']', 1000);
    buf_append_c(&body, "}");
    append_frame(&input, body.ptr);
    run_raw(&side, buf_str(&input), 0, &output);
    cr_assert_str_eq(side.calls.ptr, "unreadable<m > closed ");
    cr_assert_not_null(strstr(output.ptr, "\"id\":4,\"error\":{\"code\":-32803"));
    buf_finish(&input);
    buf_finish(&body);
    buf_finish(&output);
    finish_side(&side);
}

Test(peer, an_id_that_is_still_open_is_refused_and_free_again_after_its_answer)
{
    struct side side = {.answer_at_once = false};
    struct buf input = {0}, output = {0};
    for (int i = 0; i < 2; i++)
        append_frame(&input, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"m\"}");
    run_raw(&side, buf_str(&input), 0, &output);
    cr_assert_str_eq(side.calls.ptr, "request<1 m > closed ");
    cr_assert_not_null(strstr(output.ptr, "\"id\":1,\"error\":{\"code\":-32600"));
    finish_side(&side);
    buf_clear(&output);
    struct side again = {.answer_at_once = true};
    run_raw(&again, buf_str(&input), 0, &output);
    cr_assert_str_eq(again.calls.ptr, "request<1 m > request<1 m > closed ");
    finish_side(&again);
    buf_finish(&input);
    buf_finish(&output);
}
