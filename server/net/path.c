/* Name, addresses, proxy: in that order, each step with its own file. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "path-internal.h"

enum phase { PHASE_RESOLVING, PHASE_CONNECTING, PHASE_TALKING };

struct net_path {
    struct net *net;
    struct net_url url;
    struct net_proxy proxy;
    net_path_fn *done;
    void *user;
    enum phase phase;
    struct net_resolve *resolve;
    struct net_race *race;
    struct net_talk *talk;
    int fd; /* while talking to the proxy, else -1 */
};

static const char *first_host(const struct net_path *path)
{
    return path->proxy.kind == PROXY_NONE ? path->url.host : path->proxy.host;
}

static unsigned first_port(const struct net_path *path)
{
    return path->proxy.kind == PROXY_NONE ? path->url.port : path->proxy.port;
}

static void end_path(struct net_path *path, int fd, const struct err *problem, int http_status)
{
    net_path_fn *done = path->done;
    void *user = path->user;
    net_path_cancel(path);
    done(user, fd, problem, http_status);
}

static void on_talked(void *user, const struct err *problem, int http_status)
{
    struct net_path *path = user;
    path->talk = NULL;
    int fd = path->fd;
    if (problem) {
        end_path(path, -1, problem, http_status);
        return;
    }
    path->fd = -1;
    end_path(path, fd, NULL, 0);
}

static void on_raced(void *user, int fd, const char *problem)
{
    struct net_path *path = user;
    path->race = NULL;
    if (fd < 0) {
        struct err err;
        if (path->proxy.kind == PROXY_NONE)
            err_set(&err, STATUS_IO,
                    "cannot connect to %s port %u: %s; is it running, and the URL right?",
                    path->url.host, path->url.port, problem);
        else
            err_set(&err, STATUS_IO, "cannot connect to the proxy %s port %u: %s; check %s",
                    path->proxy.host, path->proxy.port, problem, path->proxy.source);
        end_path(path, -1, &err, 0);
    } else if (path->proxy.kind == PROXY_NONE) {
        end_path(path, fd, NULL, 0);
    } else {
        path->fd = fd;
        path->phase = PHASE_TALKING;
        path->talk = net_talk_start(path->net, fd, &path->proxy, path->url.host, path->url.port,
                                    on_talked, path);
    }
}

static void start_race(struct net_path *path, const struct net_addresses *addresses)
{
    path->phase = PHASE_CONNECTING;
    path->race = net_race_start(path->net, addresses, first_port(path), on_raced, path);
}

static void on_resolved(void *user, const struct net_addresses *addresses, const char *problem)
{
    struct net_path *path = user;
    path->resolve = NULL;
    if (addresses) {
        start_race(path, addresses);
        return;
    }
    struct err err;
    err_set(&err, STATUS_IO, "the name %s%s cannot be resolved: %s; check %s and the network",
            path->proxy.kind == PROXY_NONE ? "" : "of the proxy, ", first_host(path), problem,
            path->proxy.kind == PROXY_NONE ? "the URL" : path->proxy.source);
    end_path(path, -1, &err, 0);
}

static const char *get_variable(const char *name)
{
    return getenv(name);
}

struct net_path *net_path_start(struct net *net, const struct net_url *url, const char *proxy,
                                net_path_fn *done, void *user, struct err *err)
{
    struct net_addresses addresses;
    struct net_path *path = mem_new(struct net_path);
    *path = (struct net_path){.net = net, .url = *url, .done = done, .user = user, .fd = -1};
    if (net_proxy_choose(url, proxy, get_variable, &path->proxy, err) < 0) {
        mem_free(path);
        return NULL;
    }
    if (net_resolve_fast(first_host(path), &addresses)) {
        start_race(path, &addresses);
        return path;
    }
    path->resolve = net_resolve_start(net, first_host(path), on_resolved, path);
    if (!path->resolve) {
        err_set(err, STATUS_IO, "the name %s cannot be resolved", first_host(path));
        mem_free(path);
        return NULL;
    }
    return path;
}

void net_path_cancel(struct net_path *path)
{
    if (!path)
        return;
    net_resolve_cancel(path->resolve);
    net_race_cancel(path->race);
    net_talk_cancel(path->talk);
    if (path->fd >= 0)
        close(path->fd);
    explicit_bzero(&path->proxy, sizeof(path->proxy));
    mem_free(path);
}

const char *net_path_phase(const struct net_path *path)
{
    static const char *const phases[][2] = {
        [PHASE_RESOLVING] = {"its name was not resolved", "the proxy's name was not resolved"},
        [PHASE_CONNECTING] = {"no connection", "no connection to the proxy"},
        [PHASE_TALKING] = {"", "the proxy did not answer"},
    };
    return phases[path->phase][path->proxy.kind != PROXY_NONE];
}
