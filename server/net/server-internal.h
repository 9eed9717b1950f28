/* The server's half: accepted sockets, which are WebSockets or HTTP requests. */
#ifndef LANEBRIDGE_NET_SERVER_INTERNAL_H
#define LANEBRIDGE_NET_SERVER_INTERNAL_H

#include "net-internal.h"

struct accepted;
struct net_server {
    struct net *net;
    struct lws_vhost *vhost;
    struct net_server_handlers handlers;
    void *user;
    size_t max_message_bytes;
    char *unix_path;
    struct accepted *first;
    bool freed; /* by its owner; the memory lives until the library lets go of the vhost */
};

struct accepted {
    struct net_sock sock;
    struct net_server *server; /* NULL once the server is freed: nobody to call any more */
    struct accepted *previous, *next;
};

void accepted_init(struct accepted *accepted, struct net_server *server, struct lws *wsi,
                   const struct net_sock_ops *ops);
void accepted_finish(struct accepted *accepted);

/* What a request says, copied out of the library's buffers; the strings live in `text`. */
struct request_head {
    struct net_request_info info;
    struct buf text;
    int64_t body_bytes; /* -1: not told */
    bool chunked, old, close, is_head;
};
void request_head_read(struct request_head *head, struct lws *wsi);
void request_head_finish(struct request_head *head);

/* Writes a small final answer at once, from inside a callback; the connection must then end. */
void request_refuse(struct lws *wsi, int status, const char *text);

int request_on_http(struct net_server *server, struct lws *wsi);
int conn_on_established(struct net_server *server, struct lws *wsi);

#endif
