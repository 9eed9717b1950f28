/* libwebsockets, which serves: its context, its sockets by handle, its one callback. Nothing of it
 * is on the client's way. All but the making and the end of it is the far side's. */
#include <assert.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "server-internal.h"

enum {
    /* Bounds the library's tables, 16 bytes each, which follow RLIMIT_NOFILE otherwise. Who is one
     * too many is not accepted, and hears nothing: so it is more than any owner lets in. */
    SOCKETS_COUNT = 10240,
    SOCKETS_LEAST_COUNT = 64,
    OTHER_FILES_COUNT = 64, /* of this process, beside them */
    DESTROY_CALLS_COUNT = 4,
    DESTROY_TURNS_COUNT = 4,
    LAST_WORDS_TURNS_COUNT = 16,
    LIBRARY_TIMEOUT_S = 60,
};

/* The library's last complaint; it says why a context could not be made nowhere else. */
static _Thread_local char last_complaint[256];

/* -- The library's log ----------------------------------------------------------------------------
 */

static void on_library_log(int level, const char *line)
{
    struct str text = str_trim(str_from(line));
    if (level & LLL_ERR)
        snprintf(last_complaint, sizeof(last_complaint), STR_FMT, STR_ARG(text));
    log_line(LOG_DEBUG, "lws " STR_FMT, STR_ARG(text));
}

/* -- Sockets by handle ------------------------------------------------------------------------- */

enum { HANDLE_INDEX_BITS = 16, HANDLE_INDEX_MASK = (1 << HANDLE_INDEX_BITS) - 1 };

static struct net_sock *find_sock(struct net *net, uintptr_t handle)
{
    size_t index = handle & HANDLE_INDEX_MASK;
    if (index == 0 || index > net->library->slots.len)
        return NULL;
    const struct net_slot *slot = &net->library->slots.ptr[index - 1];
    return slot->sock && slot->sock->handle == handle ? slot->sock : NULL;
}

struct net_sock *net_sock_find(struct net *net, uintptr_t handle, const struct net_sock_ops *ops)
{
    struct net_sock *sock = find_sock(net, handle);
    return sock && (!ops || sock->ops == ops) ? sock : NULL;
}

void net_sock_register(struct net *net, struct net_sock *sock, const struct net_sock_ops *ops)
{
    size_t index = 0;
    while (index < net->library->slots.len && net->library->slots.ptr[index].sock)
        index++;
    assert(index < HANDLE_INDEX_MASK);
    if (index == net->library->slots.len)
        vec_push(&net->library->slots, (struct net_slot){0});
    struct net_slot *slot = &net->library->slots.ptr[index];
    slot->sock = sock;
    slot->generation++;
    *sock = (struct net_sock){.net = net, .ops = ops};
    sock->handle = (uintptr_t)slot->generation << HANDLE_INDEX_BITS | (index + 1);
}

void net_sock_unregister(struct net_sock *sock)
{
    if (sock->handle)
        sock->net->library->slots.ptr[(sock->handle & HANDLE_INDEX_MASK) - 1].sock = NULL;
    sock->handle = 0;
}

/* -- Closing, outside of the library's callbacks ----------------------------------------------- */

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

void net_library_sweep(struct net *net)
{
    assert(net->library->depth == 0);
    while (net->library->kills.len) {
        struct net_sock *sock = find_sock(net, vec_pop(&net->library->kills));
        if (sock)
            kill_now(sock);
    }
    while (net->library->dead_vhosts.len) {
        struct lws_vhost *vhost = vec_pop(&net->library->dead_vhosts);
        lws_vhost_destroy(vhost);
        net_poke(net->library->context);
    }
}

static void sweep(void *user)
{
    struct net *net = user;
    net->library->sweep_pending = false;
    net_library_sweep(net);
}

/* A thread of its own sweeps in each of its turns. */
static void want_sweep(struct net *net)
{
    if (net->library->sweep_pending || net->library->bridge)
        return;
    net->library->sweep_pending = true;
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
    vec_push(&sock->net->library->kills, sock->handle);
    want_sweep(sock->net);
}

void net_vhost_kill(struct net *net, struct lws_vhost *vhost)
{
    vec_push(&net->library->dead_vhosts, vhost);
    want_sweep(net);
}

/* -- The library's one callback ---------------------------------------------------------------- */

/* Everything else is about contexts, vhosts and threads, and comes with a connection that is none.
 */
static bool concerns_socket(enum lws_callback_reasons reason)
{
    switch ((int)reason) {
    case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE:
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
    return reason == LWS_CALLBACK_CLOSED || reason == LWS_CALLBACK_CLOSED_HTTP;
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
    net->library->depth++;
    int result =
        sock ? pass_on(sock, wsi, reason, in, len) : net_server_on_event(wsi, reason, in, len);
    net->library->depth--;
    return result;
}

const struct lws_protocols net_protocols[] = {
    {.name = "lanebridge",
     .callback = on_library_event,
     .rx_buffer_size = NET_READ_BYTES,
     .tx_packet_size = NET_FRAME_BYTES + LWS_PRE},
    {0},
};

/* -- Contexts ---------------------------------------------------------------------------------- */

void net_poke(struct lws_context *context)
{
    if (context)
        lws_cancel_service(context);
}

/* As many as files may be open: a socket that cannot be accepted for want of them would be tried
 * again without end. */
static unsigned count_sockets(void)
{
    struct rlimit files = {0};
    rlim_t wanted = SOCKETS_COUNT + OTHER_FILES_COUNT;
    getrlimit(RLIMIT_NOFILE, &files);
    if (files.rlim_cur < wanted) {
        files.rlim_cur = files.rlim_max < wanted ? files.rlim_max : wanted;
        setrlimit(RLIMIT_NOFILE, &files);
        getrlimit(RLIMIT_NOFILE, &files);
    }
    if (files.rlim_cur >= wanted)
        return SOCKETS_COUNT;
    bool is_scarce = files.rlim_cur < SOCKETS_LEAST_COUNT + OTHER_FILES_COUNT;
    return is_scarce ? SOCKETS_LEAST_COUNT : (unsigned)files.rlim_cur - OTHER_FILES_COUNT;
}

static void fill_context_info(struct net *net, void **foreign_loops,
                              struct lws_context_creation_info *info)
{
    *info = (struct lws_context_creation_info){
        .port = CONTEXT_PORT_NO_LISTEN,
        .protocols = net_protocols,
        .options =
            (foreign_loops ? LWS_SERVER_OPTION_LIBUV : 0) | LWS_SERVER_OPTION_EXPLICIT_VHOSTS,
        .foreign_loops = foreign_loops,
        .user = net,
        .gid = (gid_t)-1,
        .uid = (uid_t)-1,
        .pcontext = foreign_loops ? &net->library->context : NULL,
        .pt_serv_buf_size = NET_READ_BYTES,
        .max_http_header_data = NET_HEADER_BYTES,
        .fd_limit_per_thread = count_sockets(),
        .timeout_secs = LIBRARY_TIMEOUT_S,
        .ka_time = 60, /* a peer that vanished is noticed also where nobody pings */
        .ka_probes = 5,
        .ka_interval = 10,
    };
}

static bool plugin_is_missing(void)
{
    return strstr(last_complaint, "evlib");
}

static void explain_failure(struct err *err)
{
    if (plugin_is_missing())
        err_set(err, STATUS_UNSUPPORTED,
                "the libuv part of libwebsockets is missing: install the package "
                "libwebsockets-evlib-uv (of the same version as libwebsockets itself), or take "
                "LANEBRIDGE_LWS=uv away");
    else
        err_set(err, STATUS_IO, "libwebsockets could not be set up: %s",
                last_complaint[0] ? last_complaint : "it gave no reason");
}

/* A package that brings its own library has it beside the program (server/package). The system's
 * plugin, which that library would load, is then of another version. */
static bool library_is_brought(void)
{
    struct buf ours = {0}, its = {0};
    Dl_info info = {0};
    if (dladdr((const void *)(uintptr_t)lws_create_context, &info) && info.dli_fname)
        path_append_clean(&its, str_from(info.dli_fname));
    bool is_brought = path_append_beside_program(&ours, STR("../lib/lanebridge")) &&
                      path_is_under(buf_str(&its), buf_str(&ours));
    buf_finish(&ours);
    buf_finish(&its);
    return is_brought;
}

/* On the loop by the library's plugin; or, where that file is not, by the library's own poll. For
 * tests LANEBRIDGE_LWS says which: "uv" or "poll". */
static bool make_context(struct net *net)
{
    const char *wish = getenv("LANEBRIDGE_LWS");
    void *foreign_loops[1] = {loop_uv(net->loop)};
    bool wants_uv = wish && strcmp(wish, "uv") == 0;
    bool wants_poll = wish ? strcmp(wish, "poll") == 0 : library_is_brought();
    struct lws_context_creation_info info;
    last_complaint[0] = '\0';
    fill_context_info(net, foreign_loops, &info);
    if (!wants_poll)
        net->library->context = lws_create_context(&info);
    if (net->library->context || wants_uv || !(wants_poll || plugin_is_missing()))
        return net->library->context != NULL;
    fill_context_info(net, NULL, &info);
    net->library->context = lws_create_context(&info);
    if (!net->library->context || net_bridge_start(net))
        return net->library->context != NULL;
    lws_context_destroy(net->library->context);
    net->library->context = NULL;
    snprintf(last_complaint, sizeof(last_complaint), "no thread can be started for it");
    return false;
}

struct lws_context *net_context(struct net *net, struct err *err)
{
    if (!net->library)
        net->library = mem_new(struct net_library);
    if (net->library->context)
        return net->library->context;
    lws_set_log_level(LLL_ERR | LLL_WARN, on_library_log);
    if (!make_context(net))
        explain_failure(err);
    return net->library->context;
}

/* On a loop that is not its own the library closes its handles at the first call and frees itself
 * at the second, which must come when libuv has let go of the handles. */
static void destroy_context(struct net *net)
{
    struct net_library *library = net->library;
    for (int calls = 0; library->context && calls < DESTROY_CALLS_COUNT; calls++) {
        lws_context_destroy(library->context);
        for (int turns = 0; library->context && turns < DESTROY_TURNS_COUNT; turns++)
            uv_run(loop_uv(net->loop), UV_RUN_NOWAIT);
    }
}

bool net_library_has_socks(const struct net *net)
{
    for (size_t i = 0; i < net->library->slots.len; i++) {
        if (net->library->slots.ptr[i].sock)
            return true;
    }
    return false;
}

/* Both sides are one. */
static void end_on_loop(struct net *net)
{
    net_library_sweep(net);
    for (int turns = 0; turns < LAST_WORDS_TURNS_COUNT && net_library_has_socks(net); turns++)
        uv_run(loop_uv(net->loop),
               UV_RUN_NOWAIT); /* close frames leave when the socket is writable */
    destroy_context(net);
    while (net->library->sweep_pending)
        uv_run(loop_uv(net->loop), UV_RUN_ONCE);
}

void net_library_free(struct net *net)
{
    if (!net->library)
        return;
    if (net->library->bridge)
        net_bridge_finish(net);
    else
        end_on_loop(net);
    vec_finish(&net->library->slots);
    vec_finish(&net->library->kills);
    vec_finish(&net->library->dead_vhosts);
    mem_free(net->library);
    net->library = NULL;
}
