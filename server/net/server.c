#include <assert.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server-internal.h"

/* -- Accepted sockets, and what their owners hold ---------------------------------------------- */

void net_accepted_init(struct net_accepted *accepted, struct net_server *server, struct lws *wsi,
                       const struct net_sock_ops *ops)
{
    net_sock_register(server->net, &accepted->sock, ops);
    accepted->sock.wsi = wsi;
    lws_set_opaque_user_data(wsi, (void *)accepted->sock.handle);
    accepted->server = server;
    accepted->incoming_bytes = 0;
    accepted->previous = NULL;
    accepted->next = server->first;
    if (server->first)
        server->first->previous = accepted;
    server->first = accepted;
}

bool net_accepted_count(struct net_accepted *accepted, size_t bytes)
{
    struct net_server *server = accepted->server;
    if (!server)
        return true;
    server->incoming_bytes += bytes - accepted->incoming_bytes;
    accepted->incoming_bytes = bytes;
    return server->max_incoming_bytes == 0 || server->incoming_bytes <= server->max_incoming_bytes;
}

void net_accepted_finish(struct net_accepted *accepted)
{
    net_sock_unregister(&accepted->sock);
    if (!accepted->server)
        return;
    net_accepted_count(accepted, 0);
    if (accepted->previous)
        accepted->previous->next = accepted->next;
    else
        accepted->server->first = accepted->next;
    if (accepted->next)
        accepted->next->previous = accepted->previous;
}

bool net_owned_init(struct net_owned *owned, struct net_server *server)
{
    if (server->freed)
        return false;
    owned->server = server;
    owned->next = server->owned;
    if (server->owned)
        server->owned->previous = owned;
    server->owned = owned;
    return true;
}

void net_owned_finish(struct net_owned *owned)
{
    if (!owned->server)
        return;
    if (owned->previous)
        owned->previous->next = owned->next;
    else
        owned->server->owned = owned->next;
    if (owned->next)
        owned->next->previous = owned->previous;
    owned->server = NULL;
}

/* Far; of any kind. */
static void kill_sock(struct net_note *note)
{
    struct net_sock *sock = net_sock_find(note->net, note->handle, NULL);
    if (sock)
        net_sock_kill(sock, note->code, note->bytes.len ? note->bytes.ptr : NULL);
}

void net_tell_kill(struct net *net, uintptr_t handle, unsigned code, const char *reason)
{
    struct net_note note = {.run = kill_sock, .handle = handle, .code = code};
    if (reason)
        buf_append_c(&note.bytes, reason);
    net_tell_far(net, &note);
}

/* -- Upgrades ---------------------------------------------------------------------------------- */

/* What the far side has to know at once. */
struct question {
    const struct net_request_info *info;
    int refusal;
    unsigned wait_s;
    struct buf body;
};

static void decide(struct net_note *note)
{
    struct net_server *server = note->target;
    struct question *question = note->data;
    if (!question->refusal && server->freed)
        question->refusal = 503;
    else if (!question->refusal && server->handlers.on_upgrade)
        question->refusal = server->handlers.on_upgrade(server->user, question->info);
    if (question->refusal && !server->freed)
        question->wait_s =
            net_refusal_append(server, question->refusal, note->text.ptr, &question->body);
}

bool net_server_refuses(struct net_server *server, struct lws *wsi,
                        const struct net_request_info *info, int refusal, const char *text)
{
    struct question question = {.info = info, .refusal = refusal};
    struct net_note note = {
        .run = decide, .target = server, .data = &question, .text = str_from(text)};
    net_ask_near(server->net, &note);
    if (question.refusal)
        net_request_refuse(wsi, question.refusal, question.wait_s, buf_str(&question.body));
    buf_finish(&question.body);
    return question.refusal != 0;
}

/* Returns what the library wants: 0 go on, above 0 answered already, below 0 hang up. */
static int confirm_upgrade(struct net_server *server, struct lws *wsi, const char *protocol)
{
    struct net_request_head head;
    bool other = !str_eq_nocase(str_from(protocol), STR("websocket"));
    net_request_head_read(&head, wsi);
    bool refused = net_server_refuses(server, wsi, &head.info, other ? 400 : 0,
                                      other ? "the only upgrade here is to WebSocket"
                                            : "the upgrade was refused");
    net_request_head_finish(&head);
    return refused ? 1 : 0;
}

int net_server_on_event(struct lws *wsi, enum lws_callback_reasons reason, void *in, size_t len)
{
    struct lws_vhost *vhost = lws_get_vhost(wsi);
    struct net_server *server = vhost ? lws_vhost_user(vhost) : NULL;
    if (!server)
        return 0;
    if (server->ended)
        return -1;
    switch ((int)reason) {
    case LWS_CALLBACK_HTTP_CONFIRM_UPGRADE:
        return confirm_upgrade(server, wsi, in);
    case LWS_CALLBACK_ESTABLISHED:
        return net_conn_on_established(server, wsi);
    case LWS_CALLBACK_HTTP:
        return net_request_on_http(server, wsi);
    default:
        return 0;
    }
}

/* -- Life
 * ------------------------------------------------------------------------------------------------
 */

static void free_server(struct net_note *note)
{
    struct net_server *server = note->target;
    mem_free(server->unix_path);
    mem_free(server);
}

/* The library is about to free the vhost; no event can name the server after this. */
static void on_finalize(struct lws_vhost *vhost, void *arg)
{
    struct net_server *server = arg;
    struct net_note note = {.run = free_server, .target = server};
    net_tell_near(server->net, &note);
}

static void listen_far(struct net_note *note)
{
    struct net_server *server = note->target;
    const struct net_server_options *options = note->data;
    struct lws_context_creation_info info = {
        .port = options->unix_path ? 0 : (int)options->port,
        .iface = options->unix_path ? options->unix_path : options->address,
        .protocols = net_protocols,
        .options = LWS_SERVER_OPTION_FAIL_UPON_UNABLE_TO_BIND |
                   (options->unix_path ? LWS_SERVER_OPTION_UNIX_SOCK : 0),
        .user = server,
        .vhost_name = server->name,
        .keepalive_timeout = 60,
        .timeout_secs = 60,
        .finalize = on_finalize,
        .finalize_arg = server,
    };
    struct lws_context *context = note->net->library->context;
    struct lws_vhost *vhost = lws_create_vhost(context, &info);
    net_poke(context);
    note->flag = vhost != NULL;
    if (!vhost)
        return; /* it was finalized: the server may be freed by now */
    server->vhost = vhost;
    server->port = (unsigned)lws_get_vhost_listen_port(vhost);
}

static struct net_server *make_server(struct net *net, const struct net_server_options *options,
                                      const struct net_server_handlers *handlers, void *user)
{
    static unsigned count;
    struct net_server *server = mem_new(struct net_server);
    server->net = net;
    server->handlers = *handlers;
    server->user = user;
    server->max_message_bytes =
        options->max_message_bytes ? options->max_message_bytes : LIMIT_HTTP_BODY_BYTES;
    server->max_incoming_bytes = options->max_incoming_bytes;
    server->unix_path = mem_dup_c(options->unix_path);
    snprintf(server->name, sizeof(server->name), "server-%u", count++);
    return server;
}

struct net_server *net_server_new(struct net *net, const struct net_server_options *options,
                                  const struct net_server_handlers *handlers, void *user,
                                  struct err *err)
{
    if (!net_context(net, err))
        return NULL;
    struct net_server *server = make_server(net, options, handlers, user);
    struct net_note note = {
        .run = listen_far, .target = server, .data = (void *)(uintptr_t)options};
    net_call_far(net, &note);
    if (!note.flag) {
        if (options->unix_path)
            err_set(err, STATUS_IO, "cannot listen on %s; is another one running there?",
                    options->unix_path);
        else
            err_set(err, STATUS_IO, "cannot listen on %s port %u; is it in use already?",
                    options->address, options->port);
        return NULL;
    }
    if (options->unix_path)
        chmod(options->unix_path, 0600); /* the library makes it 0660 */
    if (net->library->server_count++ == 0)
        net_bridge_set_idle(net, false);
    net->object_count++;
    return server;
}

unsigned net_server_port(const struct net_server *server)
{
    return server->port;
}

static void end_far(struct net_note *note)
{
    struct net_server *server = note->target;
    server->ended = true;
    while (server->first) {
        struct net_accepted *accepted = server->first;
        server->first = accepted->next;
        accepted->server = NULL;
        net_sock_kill(&accepted->sock, 0, NULL);
    }
    net_vhost_kill(server->net, server->vhost);
}

void net_server_free(struct net_server *server)
{
    if (!server)
        return;
    struct net *net = server->net;
    struct net_note note = {.run = end_far, .target = server};
    server->freed = true;
    while (server->owned) {
        struct net_owned *owned = server->owned;
        server->owned = owned->next;
        owned->server = NULL;
    }
    if (server->unix_path)
        unlink(server->unix_path);
    if (--net->library->server_count == 0)
        net_bridge_set_idle(net, true);
    net->object_count--;
    net_tell_far(net, &note);
}
