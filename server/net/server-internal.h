/* The server's half: accepted sockets, which are WebSockets or HTTP requests. */
#ifndef LANEBRIDGE_NET_SERVER_INTERNAL_H
#define LANEBRIDGE_NET_SERVER_INTERNAL_H

#include "net-internal.h"

struct net_accepted;
struct net_server {
    struct net *net;
    struct lws_vhost *vhost;
    struct net_server_handlers handlers;
    void *user;
    size_t max_message_bytes;
    char *unix_path;
    char name[32]; /* of the vhost, which keeps the pointer */
    struct net_accepted *first;
    bool freed; /* by its owner; the memory lives until the library lets go of the vhost */
};

struct net_accepted {
    struct net_sock sock;
    struct net_server *server; /* NULL once the server is freed: nobody to call any more */
    struct net_accepted *previous, *next;
};

void net_accepted_init(struct net_accepted *accepted, struct net_server *server, struct lws *wsi,
                       const struct net_sock_ops *ops);
void net_accepted_finish(struct net_accepted *accepted);

/* What a request says, copied out of the library's buffers; the strings live in `text`. */
struct net_request_head {
    struct net_request_info info;
    struct buf text;
    int64_t body_bytes; /* -1: not told */
    bool chunked, old, close, is_head;
};
void net_request_head_read(struct net_request_head *head, struct lws *wsi);
void net_request_head_finish(struct net_request_head *head);

/* Writes a small final answer at once, from inside a callback; the connection must then end. */
void net_request_refuse(struct net_server *server, struct lws *wsi, int status, const char *text);

int net_request_on_http(struct net_server *server, struct lws *wsi);
int net_conn_on_established(struct net_server *server, struct lws *wsi);

#endif
