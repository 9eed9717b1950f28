/* Two peers over a socket pair. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include "side.h"

/* -- Two peers -------------------------------------------------------------------------------- */

struct pair {
    struct loop *loop;
    struct side left, right;
};

static void open_pair(struct pair *pair)
{
    int fds[2];
    *pair = (struct pair){.loop = loop_new(NULL)};
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    open_side(&pair->left, pair->loop, fds[0]);
    open_side(&pair->right, pair->loop, fds[1]);
}

static void close_pair(struct pair *pair)
{
    finish_side(&pair->left);
    finish_side(&pair->right);
    loop_free(pair->loop);
}

static void stop(void *user)
{
    loop_stop(user);
}

/* Runs until nothing is said any more: a message crosses in one turn of the loop or two. */
static void settle(struct pair *pair)
{
    for (int i = 0; i < 30; i++) {
        loop_defer(pair->loop, stop, pair->loop);
        loop_run(pair->loop);
    }
}

Test(peer, requests_are_answered_each_to_its_asker)
{
    struct pair pair;
    open_pair(&pair);
    pair.right.answer_at_once = true;
    int64_t first = jsonrpc_request(pair.left.peer, "a", STR("{\"n\":1}"), on_answer, &pair.left);
    int64_t second = jsonrpc_request(pair.left.peer, "b", STR(""), on_answer, &pair.left);
    cr_assert_gt(first, 0);
    cr_assert_gt(second, first);
    cr_assert_eq(pair.left.calls.len, 0);
    settle(&pair);
    cr_assert_str_eq(pair.left.calls.ptr, "answer<ok 0 {\"n\":1}> answer<ok 0 null> ");
    close_pair(&pair);
}

Test(peer, answers_may_come_later_and_once)
{
    struct pair pair;
    open_pair(&pair);
    jsonrpc_request(pair.left.peer, "a", STR(""), on_answer, &pair.left);
    settle(&pair);
    cr_assert_eq(pair.left.calls.len, 0);
    struct str id = buf_str(&pair.right.open_id);
    jsonrpc_respond_error(pair.right.peer, id, JSONRPC_METHOD_NOT_FOUND, "no \"%s\"", "a");
    jsonrpc_respond(pair.right.peer, id, STR("1"));
    settle(&pair);
    cr_assert_str_eq(pair.left.calls.ptr, "answer<invalid -32601 no \"a\"> ");
    cr_assert_null(strstr(pair.right.traffic.ptr, "result"));
    close_pair(&pair);
}

Test(peer, asks_nothing_any_more_but_answers)
{
    struct pair pair;
    open_pair(&pair);
    pair.left.answer_at_once = true;
    jsonrpc_peer_stop_asking(pair.left.peer);
    cr_assert_eq(jsonrpc_request(pair.left.peer, "after", STR(""), on_answer, &pair.left), 0);
    jsonrpc_request(pair.right.peer, "other", STR(""), on_answer, &pair.right);
    settle(&pair);
    cr_assert_str_eq(pair.right.calls.ptr, "answer<ok 0 null> ");
    close_pair(&pair);
}

Test(peer, open_requests_of_either_side_are_bounded)
{
    struct pair pair;
    open_pair(&pair);
    for (int i = 0; i < LIMIT_JSONRPC_PENDING_COUNT; i++)
        cr_assert_gt(jsonrpc_request(pair.left.peer, "m", STR(""), on_answer, &pair.left), 0);
    cr_assert_eq(jsonrpc_request(pair.left.peer, "m", STR(""), on_answer, &pair.left), 0);
    while (!pair.right.calls.ptr || !strstr(pair.right.calls.ptr, "request<4096 "))
        settle(&pair);
    buf_clear(&pair.right.calls);
    struct buf frame = {0};
    append_frame(&frame, "{\"jsonrpc\":\"2.0\",\"id\":\"x\",\"method\":\"m\"}");
    jsonrpc_write_raw(pair.left.peer, buf_str(&frame));
    buf_finish(&frame);
    settle(&pair);
    cr_assert_eq(pair.right.calls.len, 0, "one too many was let in: " STR_FMT,
                 STR_ARG(pair.right.calls));
    cr_assert_not_null(
        strstr(pair.left.traffic.ptr, "<{\"jsonrpc\":\"2.0\",\"id\":\"x\",\"error\""));
    close_pair(&pair);
}

Test(peer, a_dropped_request_is_cancelled_and_its_answer_ignored)
{
    struct pair pair;
    open_pair(&pair);
    int64_t id = jsonrpc_request(pair.left.peer, "a", STR(""), on_answer, &pair.left);
    jsonrpc_request_drop(pair.left.peer, id);
    jsonrpc_request_drop(pair.left.peer, id);
    jsonrpc_request_drop(pair.left.peer, 77);
    settle(&pair);
    cr_assert_str_eq(pair.right.calls.ptr,
                     "request<1 a > notification<$/cancelRequest {\"id\":1}> ");
    jsonrpc_respond(pair.right.peer, buf_str(&pair.right.open_id), STR("1"));
    settle(&pair);
    cr_assert_eq(pair.left.calls.len, 0);
    close_pair(&pair);
}

static const struct {
    const char *response, *answer;
} responses[] = {
    {"{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":null}", "answer<ok 0 null> "},
    {"{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":null,\"result\":2}", "answer<ok 0 2> "},
    {"{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":null,\"error\":{\"code\":5,\"message\":\"no\"}}",
     "answer<invalid 5 no> "},
    {"{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":\"text\"}", "answer<invalid -32603 > "},
    {"{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":\"\\u0000\"}", "answer<invalid -32603 "},
    {"{\"jsonrpc\":\"2.0\",\"id\":\"1\",\"result\":2}", NULL},
    {"{\"jsonrpc\":\"2.0\",\"id\":1.0,\"result\":2}", NULL},
    {"{\"jsonrpc\":\"2.0\",\"result\":2}", NULL},
    {"{\"id\":1,\"result\":2}", "answer<ok 0 2> "},
};

Test(peer, responses_of_all_shapes_are_taken_or_ignored)
{
    for (size_t i = 0; i < array_count(responses); i++) {
        struct pair pair;
        open_pair(&pair);
        jsonrpc_request(pair.left.peer, "a", STR(""), on_answer, &pair.left);
        struct buf frame = {0};
        append_frame(&frame, responses[i].response);
        jsonrpc_write_raw(pair.right.peer, buf_str(&frame));
        settle(&pair);
        struct str calls = buf_str(&pair.left.calls);
        if (responses[i].answer)
            cr_assert(str_starts_with(calls, str_from(responses[i].answer)), "%zu: " STR_FMT, i,
                      STR_ARG(calls));
        else
            cr_assert_eq(calls.len, 0, "%zu: " STR_FMT, i, STR_ARG(calls));
        buf_finish(&frame);
        close_pair(&pair);
    }
}

Test(peer, what_is_pending_is_answered_when_the_other_side_goes)
{
    struct pair pair;
    open_pair(&pair);
    for (int i = 0; i < 3; i++)
        jsonrpc_request(pair.left.peer, "a", STR(""), on_answer, &pair.left);
    settle(&pair);
    jsonrpc_peer_free(pair.right.peer);
    pair.right.peer = NULL;
    settle(&pair);
    cr_assert_eq(pair.left.closed, 1);
    cr_assert_eq(pair.left.closed_status, STATUS_CLOSED);
    const char *calls = pair.left.calls.ptr;
    for (int i = 0; i < 3; i++) {
        cr_assert(str_starts_with(str_from(calls), STR("answer<closed 0 ")), "%s", calls);
        calls = strstr(calls, "> ") + 2;
    }
    cr_assert_str_eq(calls, "closed ");
    cr_assert_eq(jsonrpc_request(pair.left.peer, "a", STR(""), on_answer, &pair.left), 0);
    jsonrpc_notify(pair.left.peer, "into the void", STR(""));
    settle(&pair);
    cr_assert_eq(pair.left.closed, 1);
    close_pair(&pair);
}

Test(peer, the_peer_may_be_freed_while_its_pending_answers_are_given)
{
    struct pair pair;
    open_pair(&pair);
    for (int i = 0; i < 3; i++)
        jsonrpc_request(pair.left.peer, "a", STR(""), on_answer, &pair.left);
    pair.left.free_in_call = true;
    jsonrpc_peer_free(pair.right.peer);
    pair.right.peer = NULL;
    settle(&pair);
    cr_assert_null(pair.left.peer);
    cr_assert_eq(str_find(buf_str(&pair.left.calls), STR("> "), 0) + 2, pair.left.calls.len);
    close_pair(&pair);
}

Test(peer, a_reader_that_reads_nothing_ends_the_peer)
{
    int fds[2];
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    struct loop *loop = loop_new(NULL);
    struct side side = {0};
    open_side(&side, loop, fds[0]);
    struct buf params = {0};
    buf_append_c(&params, "\"");
    buf_append_repeat(&params, 'x', MIB);
    buf_append_c(&params, "\"");
    for (size_t i = 0; i < LIMIT_LSP_QUEUE_BYTES / MIB + 1; i++)
        jsonrpc_notify(side.peer, "m", buf_str(&params));
    cr_assert_eq(side.closed, 0, "called back before the call returned");
    loop_defer(loop, stop, loop);
    loop_run(loop);
    cr_assert_eq(side.closed, 1);
    cr_assert_eq(side.closed_status, STATUS_LIMIT);
    buf_finish(&params);
    finish_side(&side);
    close(fds[1]);
    loop_free(loop);
}

static void count_flush(void *user)
{
    ++*(int *)user;
}

Test(peer, flush_waits_for_what_was_written)
{
    struct pair pair;
    open_pair(&pair);
    int flushed = 0;
    jsonrpc_flush(pair.left.peer, count_flush, &flushed);
    cr_assert_eq(flushed, 0);
    settle(&pair);
    cr_assert_eq(flushed, 1);

    struct buf params = {0};
    buf_append_c(&params, "[\"");
    buf_append_repeat(&params, 'x', 3 * MIB);
    buf_append_c(&params, "\"]");
    jsonrpc_notify(pair.left.peer, "m", buf_str(&params));
    jsonrpc_flush(pair.left.peer, count_flush, &flushed);
    jsonrpc_flush(pair.left.peer, count_flush, &flushed);
    cr_assert_eq(flushed, 1);
    for (int i = 0; i < 100 && flushed < 3; i++)
        settle(&pair);
    cr_assert_eq(flushed, 3);
    settle(&pair);
    cr_assert_gt(pair.right.calls.len, 3 * MIB);
    buf_finish(&params);
    close_pair(&pair);
}

Test(peer, flush_ends_when_the_stream_dies_and_is_silent_after_free)
{
    struct pair pair;
    open_pair(&pair);
    int flushed = 0;
    struct buf params = {0};
    buf_append_repeat(&params, '1', 3 * MIB);
    jsonrpc_notify(pair.left.peer, "m", buf_str(&params));
    jsonrpc_flush(pair.left.peer, count_flush, &flushed);
    jsonrpc_peer_free(pair.right.peer);
    pair.right.peer = NULL;
    settle(&pair);
    cr_assert_eq(flushed, 1);
    jsonrpc_flush(pair.left.peer, count_flush, &flushed);
    jsonrpc_peer_free(pair.left.peer);
    pair.left.peer = NULL;
    settle(&pair);
    cr_assert_eq(flushed, 1);
    buf_finish(&params);
    close_pair(&pair);
}

Test(peer, answers_written_after_the_end_of_input_still_go_out)
{
    struct side side = {0};
    int fds[2];
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    struct loop *loop = loop_new(NULL);
    open_side(&side, loop, fds[0]);
    struct buf input = {0};
    append_frame(&input, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"m\"}");
    cr_assert_eq(send(fds[1], input.ptr, input.len, 0), (ssize_t)input.len);
    shutdown(fds[1], SHUT_WR);
    loop_run(loop);
    cr_assert_eq(side.closed, 1);
    jsonrpc_respond(side.peer, buf_str(&side.open_id), STR("42"));
    loop_run(loop);
    char buffer[200] = {0};
    cr_assert_gt(recv(fds[1], buffer, sizeof buffer - 1, MSG_DONTWAIT), 0);
    cr_assert_not_null(strstr(buffer, "\"result\":42}"));
    buf_finish(&input);
    finish_side(&side);
    close(fds[1]);
    loop_free(loop);
}

Test(peer, small_frames_of_a_turn_go_out_together_before_the_wait)
{
    struct side side = {0};
    int fds[2];
    char buffer[4096];
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    struct loop *loop = loop_new(NULL);
    open_side(&side, loop, fds[0]);
    for (int i = 0; i < 3; i++)
        jsonrpc_notify(side.peer, "m", STR("{}"));
    cr_assert_lt(recv(fds[1], buffer, sizeof buffer, MSG_DONTWAIT), 0, "each is a write");
    uv_run(loop_uv(loop), UV_RUN_NOWAIT);
    ssize_t got = recv(fds[1], buffer, sizeof buffer, MSG_DONTWAIT);
    size_t frames = 0;
    for (size_t at = 0; got > 0; frames++, at++)
        if ((at = str_find((struct str){buffer, (size_t)got}, STR("Content-Length"), at)) ==
            STR_NONE)
            break;
    cr_assert_eq(frames, 3, "%zu in %zd bytes", frames, got);
    jsonrpc_notify(side.peer, "last", STR("{}"));
    finish_side(&side); /* what was said is written */
    cr_assert_gt(recv(fds[1], buffer, sizeof buffer, MSG_DONTWAIT), 0);
    close(fds[1]);
    loop_free(loop);
}

Test(peer, a_closed_descriptor_is_refused)
{
    struct loop *loop = loop_new(NULL);
    struct err err = {0};
    cr_assert_null(jsonrpc_peer_new(loop, 900, 1, &handlers, NULL, &err));
    cr_assert_eq(err.status, STATUS_INVALID);
    jsonrpc_peer_free(NULL);
    loop_free(loop);
}

/* -- A body over the cap ---------------------------------------------------------------------- */

/* Feeds head, filler and tail as one body over the cap, through a thread-free writer: the other
 * peer, whose queue is as long as the cap. */
static void send_oversize(struct pair *pair, const char *head, const char *tail)
{
    size_t filler = LIMIT_LSP_BODY_BYTES + 10, sent = 0;
    struct buf piece = {0};
    buf_append_fmt(&piece, "Content-Length: %zu\r\n\r\n%s", strlen(head) + filler + strlen(tail),
                   head);
    while (sent < filler) {
        size_t count = filler - sent < 8 * MIB ? filler - sent : 8 * MIB;
        buf_append_repeat(&piece, 'x', count);
        sent += count;
        jsonrpc_write_raw(pair->left.peer, buf_str(&piece));
        buf_clear(&piece);
        int flushed = 0;
        jsonrpc_flush(pair->left.peer, count_flush, &flushed);
        while (!flushed)
            settle(pair);
    }
    jsonrpc_write_raw(pair->left.peer, str_from(tail));
    buf_finish(&piece);
    settle(pair);
}

Test(peer, a_body_over_the_cap_is_skipped_scanned_and_answered)
{
    static const struct {
        const char *head, *tail, *calls, *answer;
    } heads[] = {
        {"{\"jsonrpc\":\"2.0\",\"method\":\"textDocument/didOpen\",\"params\":{\"textDocument\":"
         "{\"uri\":\"file:///big\",\"text\":\"",
         "\"}}}", "unreadable<textDocument/didOpen file:///big> ", NULL},
        {"{\"jsonrpc\":\"2.0\",\"id\":\"r\",\"method\":\"m\",\"params\":{\"text\":\"", "\"}}",
         "unreadable<m > ", "<{\"jsonrpc\":\"2.0\",\"id\":\"r\",\"error\":{\"code\":-32803,"},
        {"{\"params\":{\"textDocument\":{\"text\":\"",
         "a,\\\"id\\\":1,\",\"version\":1,\"uri\":\"file:///big\"},\"id\":7},\"id\":5,"
         "\"jsonrpc\":\"2.0\",\"method\":\"m\"}",
         "unreadable<m file:///big> ",
         "<{\"jsonrpc\":\"2.0\",\"id\":5,\"error\":{\"code\":-32803,"},
    };
    for (size_t i = 0; i < array_count(heads); i++) {
        struct pair pair;
        open_pair(&pair);
        send_oversize(&pair, heads[i].head, heads[i].tail);
        cr_assert_str_eq(pair.right.calls.ptr, heads[i].calls);
        const char *traffic = pair.left.traffic.ptr;
        if (heads[i].answer)
            cr_assert_not_null(strstr(traffic, heads[i].answer), "%s", traffic);
        else
            cr_assert_null(traffic);
        jsonrpc_notify(pair.left.peer, "after", STR(""));
        settle(&pair);
        cr_assert_not_null(strstr(pair.right.calls.ptr, "notification<after > "));
        close_pair(&pair);
    }
}
