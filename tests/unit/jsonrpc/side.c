#include "side.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void note(struct side *side, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    buf_append_vfmt(&side->calls, format, args);
    va_end(args);
    if (side->free_in_call) {
        jsonrpc_peer_free(side->peer);
        side->peer = NULL;
    }
}

static void on_request(void *user, const struct jsonrpc_message *message)
{
    struct side *side = user;
    cr_expect_eq(message->params == NULL, message->raw_params.len == 0);
    buf_clear(&side->open_id);
    buf_append(&side->open_id, message->id);
    struct str params = message->raw_params;
    note(side, "request<" STR_FMT " " STR_FMT " " STR_FMT "> ", STR_ARG(message->id),
         STR_ARG(message->method), STR_ARG(params));
    if (side->answer_at_once && side->peer)
        jsonrpc_respond(side->peer, message->id, params);
}

static void on_notification(void *user, const struct jsonrpc_message *message)
{
    cr_expect_eq(message->id.len, 0);
    note(user, "notification<" STR_FMT " " STR_FMT "> ", STR_ARG(message->method),
         STR_ARG(message->raw_params));
}

static void on_unreadable(void *user, struct str method, struct str uri, const struct err *err)
{
    cr_expect_lt(err->status, 0);
    note(user, "unreadable<" STR_FMT " " STR_FMT "> ", STR_ARG(method), STR_ARG(uri));
}

static void on_closed(void *user, enum status status)
{
    struct side *side = user;
    side->closed++;
    side->closed_status = status;
    note(side, "closed ");
}

static void on_traffic(void *user, bool outgoing, struct str body)
{
    struct side *side = user;
    buf_append_fmt(&side->traffic, "%s" STR_FMT "\n", outgoing ? ">" : "<", STR_ARG(body));
}

void on_answer(void *user, const struct jsonrpc_answer *answer)
{
    cr_expect_eq(answer->result != NULL, answer->status == STATUS_OK);
    note(user, "answer<%s %d " STR_FMT STR_FMT "> ", status_name(answer->status),
         answer->error_code, STR_ARG(answer->raw_result), STR_ARG(answer->error_text));
}

const struct jsonrpc_handlers handlers = {on_request, on_notification, on_unreadable,
                                          on_closed,  on_traffic,      NULL};

void open_side(struct side *side, struct loop *loop, int fd)
{
    struct err err = {0};
    side->loop = loop;
    side->peer = jsonrpc_peer_new(loop, fd, fd, &handlers, side, &err);
    cr_assert_not_null(side->peer, "%s", err.text);
    jsonrpc_peer_start(side->peer);
    close(fd);
}

void finish_side(struct side *side)
{
    jsonrpc_peer_free(side->peer);
    buf_finish(&side->calls);
    buf_finish(&side->traffic);
    buf_finish(&side->open_id);
}

void append_frame(struct buf *buf, const char *body)
{
    buf_append_fmt(buf, "Content-Length: %zu\r\n\r\n%s", strlen(body), body);
}
