#include "stream.h"

#define MESSAGE_ID "msg_0123456789abcdef0123456789abcdef0123456789abcdef"

void stream_append_delta(struct buf *event, struct str lane, unsigned number, const char *text)
{
    buf_append_fmt(event,
                   "{\"type\":\"response.output_text.delta\"," STR_FMT "\"sequence_number\":%u,"
                   "\"item_id\":\"" MESSAGE_ID "\",\"output_index\":0,\"content_index\":0,"
                   "\"delta\":\"%s\",\"logprobs\":[]}",
                   STR_ARG(lane), number, text);
}

void stream_queue_end(struct ws *ws, struct str lane, const char *response_id)
{
    static const char item[] =
        "{\"type\":\"message\",\"id\":\"" MESSAGE_ID "\",\"role\":\"assistant\",\"status\":"
        "\"completed\",\"content\":[{\"type\":\"output_text\",\"text\":\"Done.\","
        "\"annotations\":[]}]}";
    struct buf event = {0};
    buf_append_fmt(&event,
                   "{\"type\":\"response.output_item.done\"," STR_FMT "\"sequence_number\":900000,"
                   "\"output_index\":0,\"item\":%s}",
                   STR_ARG(lane), item);
    ws_queue(ws, buf_str(&event));
    buf_clear(&event);
    buf_append_fmt(&event,
                   "{\"type\":\"response.completed\"," STR_FMT "\"sequence_number\":900001,"
                   "\"response\":{\"id\":\"%s\",\"status\":\"completed\",\"output\":[%s]}}",
                   STR_ARG(lane), response_id, item);
    ws_queue(ws, buf_str(&event));
    buf_finish(&event);
}
