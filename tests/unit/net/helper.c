#include "helper.h"

#include <stdio.h>
#include <string.h>
#include <uv.h>

/* -- World ------------------------------------------------------------------------------------- */

static void on_guard(void *user)
{
    struct world *world = user;
    loop_stop(world->loop);
}

/* Threads do not wake the loop; their flags are looked at when it turns. */
static void on_tick(void *user)
{
}

void world_start(struct world *world, const struct net_options *options)
{
    *world = (struct world){0};
    world->loop = loop_new(NULL);
    world->net = net_new(world->loop, options, NULL);
    world->guard = loop_timer_new(world->loop, on_guard, world);
    world->tick = loop_timer_new(world->loop, on_tick, world);
    loop_timer_start(world->tick, 5, 5);
}

void world_run_until(struct world *world, const bool *done, const char *what)
{
    loop_timer_start(world->guard, PATIENCE_MS, 0);
    while (!__atomic_load_n(done, __ATOMIC_ACQUIRE) && loop_timer_is_active(world->guard))
        uv_run(loop_uv(world->loop), UV_RUN_ONCE);
    cr_assert(*done, "never came: %s", what);
    loop_timer_stop(world->guard);
}

void world_run_ms(struct world *world, uint64_t ms)
{
    loop_timer_start(world->guard, ms, 0);
    while (loop_timer_is_active(world->guard))
        uv_run(loop_uv(world->loop), UV_RUN_ONCE);
}

void world_end(struct world *world)
{
    loop_timer_free(world->guard);
    loop_timer_free(world->tick);
    net_free(world->net);
    loop_free(world->loop);
}

/* -- Client ------------------------------------------------------------------------------------ */

static bool free_if(struct client *client, enum free_at at)
{
    if (client->free_at != at)
        return false;
    net_ws_free(client->ws, client->free_code, "freed");
    client->ws = NULL;
    client->freed = true;
    return true;
}

static void on_open(void *user)
{
    struct client *client = user;
    cr_assert(!client->freed && !client->opened);
    client->opened = true;
    free_if(client, FREE_IN_OPEN);
}

static void on_message(void *user, struct str text)
{
    struct client *client = user;
    cr_assert(!client->freed && client->opened && !client->closed);
    client->messages++;
    client->got = true;
    buf_clear(&client->last);
    buf_append(&client->last, text);
    buf_append(&client->log, text);
    buf_append_byte(&client->log, '|');
    if (free_if(client, FREE_IN_MESSAGE))
        return;
    if (client->echo_left) {
        struct buf back = {0};
        client->echo_left--;
        buf_append(&back, text);
        net_ws_send(client->ws, &back);
    }
}

static void on_alive(void *user)
{
    struct client *client = user;
    cr_assert(!client->freed && client->opened && !client->closed);
    client->alives++;
    free_if(client, FREE_IN_ALIVE);
}

static void on_closed(void *user, const struct net_close *close)
{
    struct client *client = user;
    cr_assert(!client->freed && !client->closed);
    client->close = *close;
    client->closed = true;
    free_if(client, FREE_IN_CLOSED);
}

static const struct net_ws_handlers handlers = {on_open, on_message, on_alive, on_closed};

void client_open_target(struct client *client, struct world *world, const struct net_target *target)
{
    struct err err = {0};
    client->world = world;
    client->ws = net_ws_open(world->net, target, &handlers, client, &err);
    cr_assert(client->ws, "%s", err.text);
}

void client_open(struct client *client, struct world *world, const char *url,
                 const struct net_header *headers, size_t header_count)
{
    struct net_target target = {.headers = headers, .header_count = header_count};
    struct err err = {0};
    cr_assert_eq(net_url_parse(str_from(url), &target.url, &err), STATUS_OK, "%s", err.text);
    client_open_target(client, world, &target);
}

void client_send(struct client *client, const char *text)
{
    struct buf message = {0};
    buf_append_c(&message, text);
    cr_assert_eq(net_ws_send(client->ws, &message), STATUS_OK);
    cr_assert_eq(message.len, 0);
}

void client_end(struct client *client)
{
    if (client->ws)
        net_ws_free(client->ws, 1000, "done");
    client->ws = NULL;
    buf_finish(&client->last);
    buf_finish(&client->log);
}

/* -- Server ------------------------------------------------------------------------------------ */

static void copy(char *out, size_t size, struct str text)
{
    snprintf(out, size, STR_FMT, STR_ARG(text));
}

static int on_upgrade(void *user, const struct net_request_info *info)
{
    struct echo *echo = user;
    copy(echo->host, sizeof(echo->host), info->host);
    copy(echo->origin, sizeof(echo->origin), info->origin);
    copy(echo->path, sizeof(echo->path), info->path);
    copy(echo->query, sizeof(echo->query), info->query);
    copy(echo->authorization, sizeof(echo->authorization), info->authorization);
    return echo->refuse_with;
}

static void *on_conn(void *user, struct net_server_conn *conn)
{
    struct echo *echo = user;
    cr_assert_lt(echo->conn_count, array_count(echo->conns));
    struct conn *one = &echo->conns[echo->conn_count++];
    *one = (struct conn){.echo = echo, .conn = conn};
    return one;
}

static void on_server_message(void *user, struct str text)
{
    struct conn *conn = user;
    struct echo *echo = conn->echo;
    cr_assert(!conn->dead);
    echo->messages++;
    echo->got = true;
    buf_clear(&echo->last);
    buf_append(&echo->last, text);
    buf_append(&echo->log, text);
    buf_append_byte(&echo->log, '|');
    if (echo->on_message) {
        echo->on_message(conn, text);
    } else if (!echo->mute) {
        struct buf back = {0};
        buf_append(&back, text);
        cr_assert_eq(net_server_send(conn->conn, &back), STATUS_OK);
    }
}

static void on_conn_closed(void *user)
{
    struct conn *conn = user;
    cr_assert(!conn->dead);
    conn->dead = true;
    conn->conn = NULL;
    conn->echo->closed_count++;
    conn->echo->any_closed = true;
}

static void on_request(void *user, struct net_server_request *request,
                       const struct net_request_info *info)
{
    struct echo *echo = user;
    echo->request_came = true;
    copy(echo->host, sizeof(echo->host), info->host);
    copy(echo->origin, sizeof(echo->origin), info->origin);
    if (echo->on_request)
        echo->on_request(echo, request, info);
    else
        net_request_reply(request, 404, "text/plain", NULL, 0, STR("no"));
}

static void on_request_closed(void *user)
{
    struct echo *echo = user;
    echo->held = NULL;
    echo->request_gone = true;
}

static const struct net_server_handlers server_handlers = {
    on_upgrade, on_conn, on_server_message, on_conn_closed, on_request, on_request_closed, NULL};

static void start(struct echo *echo, struct world *world, const struct net_server_options *options)
{
    struct err err = {0};
    echo->world = world;
    echo->server = net_server_new(world->net, options, &server_handlers, echo, &err);
    cr_assert(echo->server, "%s", err.text);
}

void echo_start(struct echo *echo, struct world *world)
{
    start(echo, world,
          &(struct net_server_options){.address = "127.0.0.1", .max_message_bytes = echo->max});
    cr_assert_gt(net_server_port(echo->server), 0);
}

void echo_start_unix(struct echo *echo, struct world *world, const char *path)
{
    start(echo, world, &(struct net_server_options){.unix_path = path});
}

void echo_end(struct echo *echo)
{
    net_server_free(echo->server);
    buf_finish(&echo->last);
    buf_finish(&echo->log);
}

const char *echo_url(const struct echo *echo, const char *scheme, const char *path)
{
    static char url[256];
    snprintf(url, sizeof(url), "%s://127.0.0.1:%u%s", scheme, net_server_port(echo->server), path);
    return url;
}
