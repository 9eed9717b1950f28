/* Two bare clients, run as processes of their own: what the machine, the wire and the library cost
 * without JSON, journal or tools. A blocking loop over a socket, and a callback of libwebsockets on
 * its own poll loop. */
#include <libwebsockets.h>
#include <stdio.h>
#include <string.h>

#include "floors.h"

static const char request[] = "{\"type\":\"response.create\",\"previous_response_id\":\"resp\","
                              "\"input\":[{\"type\":\"function_call_output\",\"call_id\":\"call\","
                              "\"output\":\"hello from the benchmark\"}]}";

static bool ends_response(struct str event)
{
    return str_starts_with(event, STR("{\"type\":\"response.completed\""));
}

void floor_run_bare(unsigned port, size_t steps, const char *ca_path)
{
    struct ws ws;
    ws_connect(&ws, port, ca_path ? tls_client_new(ca_path) : NULL);
    for (size_t step = 0; step <= steps; step++) {
        struct str event;
        ws_send(&ws, str_from(request));
        do {
            event = ws_receive(&ws);
        } while (event.len > 0 && !ends_response(event));
    }
    getchar(); /* until we have been looked at */
    ws_finish(&ws);
}

/* -- libwebsockets -------------------------------------------------------------------------------
 */

struct library_client {
    size_t steps_left;
    struct buf message;
    bool is_over;
};

static void send_request(struct lws *wsi)
{
    static unsigned char frame[LWS_PRE + sizeof(request)];
    size_t len = sizeof(request) - 1;
    memcpy(frame + LWS_PRE, request, len);
    if (lws_write(wsi, frame + LWS_PRE, len, LWS_WRITE_TEXT) != (int)len)
        bench_die("libwebsockets does not write");
}

static void receive(struct library_client *client, struct lws *wsi, struct str piece)
{
    buf_append(&client->message, piece);
    if (!lws_is_final_fragment(wsi) || lws_remaining_packet_payload(wsi) > 0)
        return;
    if (ends_response(buf_str(&client->message))) {
        if (client->steps_left-- == 0)
            client->is_over = true;
        else
            lws_callback_on_writable(wsi);
    }
    buf_clear(&client->message);
}

static int on_event(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                    size_t len)
{
    struct library_client *client = lws_context_user(lws_get_context(wsi));
    switch (reason) {
    case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
        bench_die("libwebsockets does not connect: %s", in ? (char *)in : "no reason");
    case LWS_CALLBACK_CLIENT_ESTABLISHED:
        lws_callback_on_writable(wsi);
        break;
    case LWS_CALLBACK_CLIENT_WRITEABLE:
        send_request(wsi);
        break;
    case LWS_CALLBACK_CLIENT_RECEIVE:
        receive(client, wsi, (struct str){in, len});
        break;
    default:
        break;
    }
    return 0;
}

void floor_run_library(unsigned port, size_t steps, const char *ca_path)
{
    static const struct lws_protocols protocols[] = {
        {.name = "bench", .callback = on_event, .rx_buffer_size = 64 * 1024}, {0}};
    struct library_client client = {.steps_left = steps};
    lws_set_log_level(LLL_ERR, NULL);
    struct lws_context_creation_info info = {.port = CONTEXT_PORT_NO_LISTEN,
                                             .protocols = protocols,
                                             .user = &client,
                                             .client_ssl_ca_filepath = ca_path,
                                             .fd_limit_per_thread = 16};
    if (ca_path)
        info.options = LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT | LWS_SERVER_OPTION_DISABLE_OS_CA_CERTS;
    struct lws_context *context = lws_create_context(&info);
    struct lws_client_connect_info connect = {.context = context,
                                              .address = "127.0.0.1",
                                              .host = "localhost",
                                              .origin = "localhost",
                                              .path = "/v1/responses",
                                              .port = (int)port,
                                              .ssl_connection = ca_path ? LCCSCF_USE_SSL : 0};
    if (!context || !lws_client_connect_via_info(&connect))
        bench_die("libwebsockets does not start");
    while (!client.is_over && lws_service(context, 0) >= 0)
        ;
    getchar();
    lws_context_destroy(context);
    buf_finish(&client.message);
}
