#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proxy-internal.h"

enum { READ_BYTES = 64 * 1024 };

/* -- Ends ----------------------------------------------------------------------------------------
 */

static void close_fd(int *fd, bool with_reset)
{
    struct linger linger = {.l_onoff = 1};
    if (*fd < 0)
        return;
    if (with_reset)
        setsockopt(*fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
    close(*fd);
    *fd = -1;
}

void link_end(struct link *link, bool with_reset)
{
    close_fd(&link->fd[TO_SERVER], with_reset);
    close_fd(&link->fd[TO_CLIENT], with_reset);
    link->is_over = true;
}

void link_reset_client(struct link *link)
{
    close_fd(&link->fd[TO_CLIENT], true);
}

struct link *link_new(int client, int server)
{
    int on = 1;
    struct link *link = mem_new(struct link);
    link->fd[TO_CLIENT] = client;
    link->fd[TO_SERVER] = server;
    setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    setsockopt(server, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    return link;
}

void link_free(struct link *link)
{
    link_end(link, false);
    for (int d = 0; d < DIRECTION_COUNT; d++) {
        buf_finish(&link->pump[d].in);
        buf_finish(&link->pump[d].out);
    }
    mem_free(link);
}

/* -- What goes through ---------------------------------------------------------------------------
 */

static void take_head(struct proxy *proxy, struct link *link, const struct unit *unit)
{
    proxy->counts.upgrades += unit->is_upgrade;
    proxy->counts.posts += unit->is_post;
    if (unit->is_upgrade && wrong_block_upgrade(proxy, link))
        link->pump[TO_SERVER].muted = true;
}

static void take_unit(struct proxy *proxy, struct link *link, enum direction direction,
                      const struct unit *unit)
{
    struct pump *pump = &link->pump[direction];
    unsigned index = proxy->counts.units[direction];
    proxy->counts.units[direction] += unit->is_counted;
    if (direction == TO_SERVER && (unit->is_upgrade || unit->is_post))
        take_head(proxy, link, unit);
    if (link->is_over)
        return;
    if (unit->is_counted && !pump->muted && wrong_is_due(proxy, direction, index)) {
        if (proxy->fault.kind == FAULT_ANSWER) {
            proxy->counts.fired = true;
            wrong_answer(link, proxy->fault.argument);
        } else {
            wrong_fire(proxy, pump, unit);
            return;
        }
    }
    if (!pump->muted)
        buf_append(&pump->out, str_slice(buf_str(&pump->in), 0, unit->total));
    buf_remove_front(&pump->in, unit->total);
    if (link->is_deaf && direction == TO_CLIENT)
        pump->muted = pump->stalled = true;
    if (pump->held_units > 0 && --pump->held_units == 0)
        pump->held_until = 0;
}

/* The rest of a unit, or of what is no unit before the end of data. */
static void take_raw(struct pump *pump, size_t count)
{
    if (!pump->muted)
        buf_append(&pump->out, str_slice(buf_str(&pump->in), 0, count));
    buf_remove_front(&pump->in, count);
}

static void write_out(struct link *link, enum direction direction)
{
    struct pump *pump = &link->pump[direction];
    while (pump->out.len > 0) {
        size_t count = pump->drip ? 1 : pump->out.len;
        ssize_t done = send(link->fd[direction], pump->out.ptr, count, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (done < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (done < 0) { /* nobody is there any more */
            pump->muted = true;
            buf_clear(&pump->out);
            return;
        }
        buf_remove_front(&pump->out, (size_t)done);
        if (pump->drip && --pump->drip % 64 == 0)
            usleep(50); /* so that the reader gets to see pieces */
    }
}

static void pass_on(struct proxy *proxy, struct link *link, enum direction direction)
{
    struct pump *pump = &link->pump[direction];
    struct unit unit;
    if (pump->is_kept) {
        write_out(link, direction);
        return;
    }
    if (pump->held_until && !pump->held_units) {
        if (now_ms() < pump->held_until) { /* what is before the wait goes out */
            wrong_comment(pump);
            write_out(link, direction);
            return;
        }
        pump->held_until = pump->comment_at = 0;
    }
    while (!link->is_over && !pump->then && !pump->is_kept &&
           !(pump->held_until && !pump->held_units)) {
        if (pump->raw_left > 0) {
            take_raw(pump, pump->raw_left);
            pump->raw_left = 0;
        } else if (units_next(&pump->units, buf_str(&pump->in), &unit)) {
            take_unit(proxy, link, direction, &unit);
        } else {
            break;
        }
    }
    if (pump->held_until && now_ms() < pump->held_until && !pump->ended)
        return; /* until the others have come */
    pump->held_until = pump->held_units = 0;
    if (link->is_over)
        return;
    if (pump->ended && !pump->then && !pump->is_kept)
        take_raw(pump, pump->in.len);
    write_out(link, direction);
}

static void settle(struct proxy *proxy, struct link *link, enum direction direction)
{
    struct pump *pump = &link->pump[direction];
    if (link->is_over || pump->out.len > 0 || pump->held_until || pump->is_kept)
        return;
    if (pump->then) {
        wrong_go_through_with(proxy, link, direction);
    } else if (pump->ended && !pump->shut && !pump->stalled) {
        shutdown(link->fd[direction], SHUT_WR);
        pump->shut = true;
    }
    if (!link->is_over && link->pump[TO_SERVER].ended && link->pump[TO_CLIENT].ended &&
        link->pump[TO_SERVER].out.len + link->pump[TO_CLIENT].out.len == 0)
        link_end(link, false);
}

void link_read(struct link *link, enum direction direction)
{
    struct pump *pump = &link->pump[direction];
    buf_reserve(&pump->in, READ_BYTES + 1);
    ssize_t count =
        recv(link->fd[!direction], pump->in.ptr + pump->in.len, READ_BYTES, MSG_DONTWAIT);
    if (count > 0) {
        pump->in.len += (size_t)count;
        pump->in.ptr[pump->in.len] = '\0';
    } else if (count == 0) {
        pump->ended = true;
    } else if (errno != EAGAIN && errno != EINTR) {
        link_end(link, true);
    }
}

void link_advance(struct proxy *proxy, struct link *link, enum direction direction)
{
    pass_on(proxy, link, direction);
    settle(proxy, link, direction);
}
