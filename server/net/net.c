#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "net-internal.h"

enum {
    CONNECT_MS = 10000,
    PLAIN_SOCKETS_COUNT =
        256, /* bounds the library's tables, which follow RLIMIT_NOFILE otherwise */
    TLS_SOCKETS_COUNT = 64,
    DESTROY_CALLS_COUNT = 4,
    DESTROY_TURNS_COUNT = 4,
    LAST_WORDS_TURNS_COUNT = 16,
    LIBRARY_TIMEOUT_S = 60, /* above every deadline of ours, so that ours come first */
};

/* The library's last complaint; it says why a context could not be made nowhere else. */
static char last_complaint[256];

/* -- The library's log ----------------------------------------------------------------------------
 */

static void on_library_log(int level, const char *line)
{
    struct str text = str_trim(str_from(line));
    if (level & LLL_ERR)
        snprintf(last_complaint, sizeof(last_complaint), STR_FMT, STR_ARG(text));
    log_line(LOG_DEBUG, "lws " STR_FMT, STR_ARG(text));
}

/* -- Sockets by handle
 * ------------------------------------------------------------------------------ */

enum { HANDLE_INDEX_BITS = 16, HANDLE_INDEX_MASK = (1 << HANDLE_INDEX_BITS) - 1 };

static struct net_sock *find_sock(struct net *net, uintptr_t handle)
{
    size_t index = handle & HANDLE_INDEX_MASK;
    if (index == 0 || index > net->slots.len)
        return NULL;
    const struct net_slot *slot = &net->slots.ptr[index - 1];
    return slot->sock && slot->sock->handle == handle ? slot->sock : NULL;
}

void net_sock_register(struct net *net, struct net_sock *sock, const struct net_sock_ops *ops)
{
    size_t index = 0;
    while (index < net->slots.len && net->slots.ptr[index].sock)
        index++;
    assert(index < HANDLE_INDEX_MASK);
    if (index == net->slots.len)
        vec_push(&net->slots, (struct net_slot){0});
    struct net_slot *slot = &net->slots.ptr[index];
    slot->sock = sock;
    slot->generation++;
    *sock = (struct net_sock){.net = net, .ops = ops};
    sock->handle = (uintptr_t)slot->generation << HANDLE_INDEX_BITS | (index + 1);
}

void net_sock_unregister(struct net_sock *sock)
{
    if (sock->handle)
        sock->net->slots.ptr[(sock->handle & HANDLE_INDEX_MASK) - 1].sock = NULL;
    sock->handle = 0;
}

/* -- Closing, outside of the library's callbacks
 * ------------------------------------------------------ */

/* KILL_SYNC closes with a frame and at once, but must not be used inside the library; the other
 * ways lose the frame or leave the closing to a timer that nobody armed. */
static void kill_now(struct net_sock *sock)
{
    struct lws *wsi = sock->wsi;
    if (!wsi || sock->closing)
        return;
    struct lws_context *context = lws_get_context(wsi);
    if (sock->kill_code)
        lws_close_reason(wsi, (enum lws_close_status)sock->kill_code,
                         (unsigned char *)sock->kill_reason, strlen(sock->kill_reason));
    else /* what the library has kept would hold the closing up for 5 s */
        shutdown(lws_get_socket_fd(wsi), SHUT_RDWR);
    lws_set_timeout(wsi, PENDING_TIMEOUT_USER_REASON_BASE, LWS_TO_KILL_SYNC);
    net_poke(context);
}

static void sweep_now(struct net *net)
{
    assert(net->depth == 0);
    while (net->kills.len) {
        struct net_sock *sock = find_sock(net, vec_pop(&net->kills));
        if (sock)
            kill_now(sock);
    }
    while (net->dead_vhosts.len) {
        struct lws_vhost *vhost = vec_pop(&net->dead_vhosts);
        lws_vhost_destroy(vhost);
        net_poke(net->contexts[NET_PLAIN]);
    }
}

static void sweep(void *user)
{
    struct net *net = user;
    net->sweep_pending = false;
    sweep_now(net);
}

static void want_sweep(struct net *net)
{
    if (net->sweep_pending)
        return;
    net->sweep_pending = true;
    loop_defer(net->loop, sweep, net);
}

void net_sock_kill(struct net_sock *sock, unsigned code, const char *reason)
{
    if (!sock->handle || !sock->wsi)
        return;
    sock->kill_code = code;
    snprintf(sock->kill_reason, sizeof(sock->kill_reason), "%s", reason ? reason : "");
    size_t whole = utf8_floor(str_from(sock->kill_reason), sizeof(sock->kill_reason) - 1);
    sock->kill_reason[whole] = '\0';
    vec_push(&sock->net->kills, sock->handle);
    want_sweep(sock->net);
}

void net_vhost_kill(struct net *net, struct lws_vhost *vhost)
{
    vec_push(&net->dead_vhosts, vhost);
    want_sweep(net);
}

/* The TLS side has clients alone. */
void net_on_alert(struct net *net, const SSL *ssl, int alert)
{
    for (size_t i = 0; i < net->slots.len; i++) {
        struct net_sock *sock = net->slots.ptr[i].sock;
        if (sock && sock->wsi && lws_is_ssl(sock->wsi) && lws_get_ssl(sock->wsi) == ssl)
            net_link_on_alert(container_of(sock, struct net_link, sock), alert);
    }
}

/* -- The library's one callback
 * ------------------------------------------------------------------------ */

/* Everything else is about contexts, vhosts and threads, and comes with a connection that is none.
 */
static bool concerns_socket(enum lws_callback_reasons reason)
{
    switch ((int)reason) {
    case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
    case LWS_CALLBACK_CLIENT_APPEND_HANDSHAKE_HEADER:
    case LWS_CALLBACK_CLIENT_ESTABLISHED:
    case LWS_CALLBACK_CLIENT_RECEIVE:
    case LWS_CALLBACK_CLIENT_RECEIVE_PONG:
    case LWS_CALLBACK_CLIENT_WRITEABLE:
    case LWS_CALLBACK_CLIENT_CLOSED:
    case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE:
    case LWS_CALLBACK_ESTABLISHED_CLIENT_HTTP:
    case LWS_CALLBACK_RECEIVE_CLIENT_HTTP:
    case LWS_CALLBACK_RECEIVE_CLIENT_HTTP_READ:
    case LWS_CALLBACK_CLIENT_HTTP_WRITEABLE:
    case LWS_CALLBACK_COMPLETED_CLIENT_HTTP:
    case LWS_CALLBACK_CLOSED_CLIENT_HTTP:
    case LWS_CALLBACK_OPENSSL_PERFORM_SERVER_CERT_VERIFICATION:
    case LWS_CALLBACK_HTTP:
    case LWS_CALLBACK_HTTP_BODY:
    case LWS_CALLBACK_HTTP_BODY_COMPLETION:
    case LWS_CALLBACK_HTTP_WRITEABLE:
    case LWS_CALLBACK_CLOSED_HTTP:
    case LWS_CALLBACK_HTTP_CONFIRM_UPGRADE:
    case LWS_CALLBACK_ESTABLISHED:
    case LWS_CALLBACK_RECEIVE:
    case LWS_CALLBACK_SERVER_WRITEABLE:
    case LWS_CALLBACK_CLOSED:
    case LWS_CALLBACK_WSI_DESTROY:
        return true;
    default:
        return false;
    }
}

static bool is_closing(enum lws_callback_reasons reason)
{
    return reason == LWS_CALLBACK_CLIENT_CONNECTION_ERROR || reason == LWS_CALLBACK_CLIENT_CLOSED ||
           reason == LWS_CALLBACK_CLOSED_CLIENT_HTTP || reason == LWS_CALLBACK_CLOSED ||
           reason == LWS_CALLBACK_CLOSED_HTTP;
}

static int pass_on(struct net_sock *sock, struct lws *wsi, enum lws_callback_reasons reason,
                   void *in, size_t len)
{
    if (reason == LWS_CALLBACK_WSI_DESTROY) {
        const struct net_sock_ops *ops = sock->ops;
        sock->wsi = NULL;
        net_sock_unregister(sock);
        ops->on_gone(sock);
        return 0;
    }
    sock->wsi = wsi; /* the first events come before the library has returned it */
    if (is_closing(reason))
        sock->closing = true;
    return sock->ops->on_event(sock, reason, in, len);
}

static int on_library_event(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                            size_t len)
{
    if (!wsi || !concerns_socket(reason))
        return 0;
    struct net *net = lws_context_user(lws_get_context(wsi));
    struct net_sock *sock = find_sock(net, (uintptr_t)lws_get_opaque_user_data(wsi));
    /* The verifier's context comes in `user`, the connection's SSL in `in`. */
    if (reason == LWS_CALLBACK_OPENSSL_PERFORM_SERVER_CERT_VERIFICATION)
        in = user;
    net->depth++;
    int result =
        sock ? pass_on(sock, wsi, reason, in, len) : net_server_on_event(wsi, reason, in, len);
    net->depth--;
    return result;
}

const struct lws_protocols net_protocols[] = {
    {.name = "lanebridge",
     .callback = on_library_event,
     .rx_buffer_size = NET_READ_BYTES,
     .tx_packet_size = NET_FRAME_BYTES + LWS_PRE},
    {0},
};

/* -- Contexts
 * ------------------------------------------------------------------------------------------- */

void net_poke(struct lws_context *context)
{
    if (context)
        lws_cancel_service(context);
}

static void fill_context_info(struct net *net, enum net_side side, void **foreign_loops,
                              struct lws_context_creation_info *info)
{
    foreign_loops[0] = loop_uv(net->loop);
    *info = (struct lws_context_creation_info){
        .port = CONTEXT_PORT_NO_LISTEN,
        .protocols = net_protocols,
        .options = LWS_SERVER_OPTION_LIBUV | LWS_SERVER_OPTION_EXPLICIT_VHOSTS,
        .foreign_loops = foreign_loops,
        .user = net,
        .gid = (gid_t)-1,
        .uid = (uid_t)-1,
        .pcontext = &net->contexts[side],
        .pt_serv_buf_size = NET_READ_BYTES,
        .max_http_header_data = NET_HEADER_BYTES,
        .fd_limit_per_thread = side == NET_TLS ? TLS_SOCKETS_COUNT : PLAIN_SOCKETS_COUNT,
        .timeout_secs = LIBRARY_TIMEOUT_S,
        .connect_timeout_secs = LIBRARY_TIMEOUT_S,
        .ka_time = 60, /* a peer that vanished is noticed also where nobody pings */
        .ka_probes = 5,
        .ka_interval = 10,
        .vhost_name = "client",
    };
    if (side == NET_TLS) {
        info->options |= LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT;
        info->provided_client_ssl_ctx = net->store.ctx;
    }
}

static void explain_failure(enum net_side side, struct err *err)
{
    if (strstr(last_complaint, "evlib")) {
        err_set(err, STATUS_UNSUPPORTED,
                "the libuv part of libwebsockets is missing: install the package "
                "libwebsockets-evlib-uv (of the same version as libwebsockets itself)");
        return;
    }
    err_set(err, STATUS_IO, "libwebsockets could not be set up%s: %s",
            side == NET_TLS ? " for TLS" : "",
            last_complaint[0] ? last_complaint : "it gave no reason");
}

static bool make_context(struct net *net, enum net_side side)
{
    void *foreign_loops[1];
    struct lws_context_creation_info info;
    fill_context_info(net, side, foreign_loops, &info);
    last_complaint[0] = '\0';
    lws_set_log_level(LLL_ERR | LLL_WARN, on_library_log);
    unsetenv("http_proxy"); /* the library would read it, for every address, loopback included */
    struct lws_context *context = lws_create_context(&info);
    if (!context)
        return false;
    net->contexts[side] = context;
    net->clients[side] = lws_create_vhost(context, &info);
    return net->clients[side] != NULL;
}

struct lws_context *net_context(struct net *net, enum net_side side, struct err *err)
{
    if (net->contexts[side] && net->clients[side])
        return net->contexts[side];
    if (net->contexts[side]) { /* its client half failed before, and will again */
        explain_failure(side, err);
        return NULL;
    }
    if (!make_context(net, side)) {
        explain_failure(side, err);
        return NULL;
    }
    return net->contexts[side];
}

/* -- Life
 * -------------------------------------------------------------------------------------------------
 */

struct net *net_new(struct loop *loop, const struct net_options *options, struct err *err)
{
    struct net *net = mem_new(struct net);
    net->loop = loop;
    net->connect_ms = CONNECT_MS;
    if (options) {
        net->ca_file = mem_dup_c(options->ca_file);
        net->client_cert = mem_dup_c(options->client_cert);
        net->client_key = mem_dup_c(options->client_key);
        if (options->connect_ms)
            net->connect_ms = options->connect_ms;
    }
    return net;
}

/* On a loop that is not its own the library closes its handles at the first call and frees itself
 * at the second, which must come when libuv has let go of the handles. */
static void destroy_context(struct net *net, enum net_side side)
{
    for (int calls = 0; net->contexts[side] && calls < DESTROY_CALLS_COUNT; calls++) {
        lws_context_destroy(net->contexts[side]);
        for (int turns = 0; net->contexts[side] && turns < DESTROY_TURNS_COUNT; turns++)
            uv_run(loop_uv(net->loop), UV_RUN_NOWAIT);
    }
}

static bool has_socks(const struct net *net)
{
    for (size_t i = 0; i < net->slots.len; i++) {
        if (net->slots.ptr[i].sock)
            return true;
    }
    return false;
}

void net_free(struct net *net)
{
    if (!net)
        return;
    assert(net->depth == 0);
    assert(net->object_count == 0);
    sweep_now(net);
    for (int turns = 0; turns < LAST_WORDS_TURNS_COUNT && has_socks(net); turns++)
        uv_run(loop_uv(net->loop),
               UV_RUN_NOWAIT); /* close frames leave when the socket is writable */
    for (int side = 0; side < NET_SIDE_COUNT; side++)
        destroy_context(net, (enum net_side)side);
    while (net->resolve_count || net->store.loading || net->sweep_pending)
        uv_run(loop_uv(net->loop), UV_RUN_ONCE);
    net_store_finish(net);
    vec_finish(&net->slots);
    vec_finish(&net->kills);
    vec_finish(&net->dead_vhosts);
    mem_free(net->ca_file);
    mem_free(net->client_cert);
    mem_free(net->client_key);
    mem_free(net);
}
