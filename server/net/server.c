#include <assert.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server-internal.h"

/* -- Accepted sockets
 * ------------------------------------------------------------------------------- */

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

/* -- Upgrades
 * ------------------------------------------------------------------------------------------ */

/* Returns what the library wants: 0 go on, above 0 answered already, below 0 hang up. */
static int confirm_upgrade(struct net_server *server, struct lws *wsi, const char *protocol)
{
    if (!str_eq_nocase(str_from(protocol), STR("websocket"))) {
        net_request_refuse(server, wsi, 400, "the only upgrade here is to WebSocket");
        return 1;
    }
    struct net_request_head head;
    net_request_head_read(&head, wsi);
    int refusal =
        server->handlers.on_upgrade ? server->handlers.on_upgrade(server->user, &head.info) : 0;
    net_request_head_finish(&head);
    if (refusal == 0)
        return 0;
    net_request_refuse(server, wsi, refusal, "the upgrade was refused");
    return 1;
}

int net_server_on_event(struct lws *wsi, enum lws_callback_reasons reason, void *in, size_t len)
{
    struct lws_vhost *vhost = lws_get_vhost(wsi);
    struct net_server *server = vhost ? lws_vhost_user(vhost) : NULL;
    if (!server)
        return 0;
    if (server->freed)
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

/* The library is about to free the vhost; no event can name the server after this. */
static void on_finalize(struct lws_vhost *vhost, void *arg)
{
    struct net_server *server = arg;
    mem_free(server->unix_path);
    mem_free(server);
}

static struct lws_vhost *make_vhost(struct net_server *server,
                                    const struct net_server_options *options,
                                    struct lws_context *context)
{
    static unsigned count;
    snprintf(server->name, sizeof(server->name), "server-%u", count++);
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
    return lws_create_vhost(context, &info);
}

struct net_server *net_server_new(struct net *net, const struct net_server_options *options,
                                  const struct net_server_handlers *handlers, void *user,
                                  struct err *err)
{
    struct lws_context *context = net_context(net, err);
    if (!context)
        return NULL;
    struct net_server *server = mem_new(struct net_server);
    server->net = net;
    server->handlers = *handlers;
    server->user = user;
    server->max_message_bytes =
        options->max_message_bytes ? options->max_message_bytes : LIMIT_HTTP_BODY_BYTES;
    server->max_incoming_bytes = options->max_incoming_bytes;
    server->unix_path = mem_dup_c(options->unix_path);
    struct lws_vhost *vhost = make_vhost(server, options, context);
    net_poke(context);
    if (!vhost) {
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
    server->vhost = vhost;
    net->object_count++;
    return server;
}

unsigned net_server_port(const struct net_server *server)
{
    return (unsigned)lws_get_vhost_listen_port(server->vhost);
}

void net_server_free(struct net_server *server)
{
    if (!server)
        return;
    struct net *net = server->net;
    server->freed = true;
    while (server->first) {
        struct net_accepted *accepted = server->first;
        server->first = accepted->next;
        accepted->server = NULL;
        net_sock_kill(&accepted->sock, 0, NULL);
    }
    if (server->unix_path)
        unlink(server->unix_path);
    net->object_count--;
    net_vhost_kill(net, server->vhost);
}
