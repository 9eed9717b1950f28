/* Which proxy and which address a connection takes. */
#include "../../../server/net/path-internal.h"
#include "identity.h"
#include "peer.h"
#include <arpa/inet.h>
#include <dirent.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* -- Which proxy: pure ------------------------------------------------------------------------- */

static const char *variables[8][2];

static const char *get_variable(const char *name)
{
    for (size_t i = 0; i < array_count(variables); i++) {
        if (variables[i][0] && strcmp(variables[i][0], name) == 0)
            return variables[i][1];
    }
    return NULL;
}

static const struct choice {
    const char *url, *setting, *names[4], *expected;
} choices[] = {
    {"wss://a.example/", NULL, {0}, "none"},
    {"wss://a.example/", NULL, {"https_proxy", "http://p:8080"}, "http p 8080"},
    {"https://a.example/", NULL, {"HTTPS_PROXY", "p:8080/"}, "http p 8080"},
    {"wss://a.example/", NULL, {"https_proxy", "http://p"}, "http p 80"},
    {"wss://a.example/", NULL, {"all_proxy", "socks5h://p"}, "socks p 1080"},
    {"wss://a.example/", NULL, {"ALL_PROXY", "socks5://[::1]:9"}, "socks ::1 9"},
    {"wss://a.example/", NULL, {"all_proxy", "http://[::1]"}, "http ::1 80"},
    {"wss://a.example/", NULL, {"https_proxy", "http://l", "HTTPS_PROXY", "http://u"}, "http l 80"},
    {"wss://a.example/", NULL, {"https_proxy", "", "all_proxy", "http://p"}, "http p 80"},
    {"wss://a.example/", NULL, {"http_proxy", "http://p"}, "none"},
    {"ws://localhost/", "http://p", {0}, "none"},
    {"wss://127.0.0.1/", NULL, {"https_proxy", "http://p"}, "none"},
    {"wss://localhost/", NULL, {"https_proxy", "http://p"}, "none"},
    {"wss://localhost/", "http://p", {0}, "http p 80"},
    {"wss://a.example/", "none", {"https_proxy", "http://p"}, "none"},
    {"wss://a.example/", "", {"https_proxy", "http://p"}, "http p 80"},
    {"wss://a.example/", "http://s:1", {"https_proxy", "http://p", "no_proxy", "*"}, "http s 1"},
    {"wss://a.example/", "http://u%40x:p%3Aw%2f%@s:1", {0}, "http s 1 u@x p:w/%"},
    {"wss://a.example/", "http://u:a@b@s:1", {0}, "http s 1 u a@b"},
    {"wss://a.example/", "socks5h://only@s:1", {0}, "socks s 1 only "},
    {"wss://a.example/", "http://u%00:x@s:1", {0}, "error"},
    {"wss://a.example/", "https://s:1", {0}, "error"},
    {"wss://a.example/", "ftp://s:1", {0}, "error"},
    {"wss://a.example/", "http://secret:secret@s:99999", {0}, "error"},
    {"wss://a.example/", "http://", {0}, "error"},
};

static void set_variables(const char *const names[4])
{
    memset(variables, 0, sizeof(variables));
    for (int i = 0; i < 4; i += 2) {
        variables[i / 2][0] = names[i];
        variables[i / 2][1] = names[i + 1];
    }
}

static void show(const struct net_proxy *proxy, struct buf *out)
{
    const char *kinds[] = {"none", "http", "socks"};
    buf_append_c(out, kinds[proxy->kind]);
    if (proxy->kind != PROXY_NONE)
        buf_append_fmt(out, " %s %u", proxy->host, proxy->port);
    if (proxy->has_user)
        buf_append_fmt(out, " %s %s", proxy->user, proxy->password);
}

Test(path, the_setting_and_the_environment_choose_the_proxy)
{
    for (size_t i = 0; i < array_count(choices); i++) {
        const struct choice *row = &choices[i];
        struct net_url url;
        struct net_proxy proxy;
        struct err err = {0};
        struct buf got = {0};
        cr_assert_eq(net_url_parse(str_from(row->url), &url, NULL), STATUS_OK, "%s", row->url);
        set_variables(row->names);
        if (net_proxy_choose(&url, row->setting, get_variable, &proxy, &err) < 0)
            buf_append_c(&got, "error");
        else
            show(&proxy, &got);
        cr_expect_str_eq(got.ptr, row->expected, "row %zu: %s", i, err.text);
        cr_expect(!strstr(err.text, "secret"), "%s", err.text);
        buf_finish(&got);
    }
}

static const struct exception {
    const char *url, *list;
    bool direct;
} exceptions[] = {
    {"wss://api.corp/", "corp", true},
    {"wss://api.corp/", ".corp", true},
    {"wss://api.corp/", "*.corp", true},
    {"wss://api.corp/", "x.y, API.corp ,z", true},
    {"wss://api.corp/", "x.y api.corp", true},
    {"wss://api.corp/", "*", true},
    {"wss://apicorp/", "corp", false},
    {"wss://corp.evil/", "corp", false},
    {"wss://api.corp/", "", false},
    {"wss://api.corp/", ",,", false},
    {"wss://api.corp/", "www.api.corp", false},
    {"wss://api.corp:8443/", "corp:8443", true},
    {"wss://api.corp/", "corp:8443", false},
    {"wss://api.corp/", "corp:443", true},
    {"wss://10.1.2.3/", "10.0.0.0/8", true},
    {"wss://11.1.2.3/", "10.0.0.0/8", false},
    {"wss://10.1.2.3/", "10.1.2.0/23", true},
    {"wss://10.1.4.3/", "10.1.2.0/23", false},
    {"wss://10.1.2.3/", "0.0.0.0/0", true},
    {"wss://10.1.2.3/", "10.0.0.0/33", false},
    {"wss://10.1.2.3/", "10.1.2.3", true},
    {"wss://10.1.2.3/", "2.3", false},
    {"wss://10.1.2.3/", "10.1.2.3:9", false},
    {"wss://[fd00::7]/", "fd00::/8", true},
    {"wss://[fd00::7]/", "[fd00::]/8", true},
    {"wss://[fd00::7]/", "fd00::7", true},
    {"wss://[fd00::7]/", "[fd00::7]:443", true},
    {"wss://[fd00::7]/", "[fd00::7]:8443", false},
    {"wss://[fd00::7]/", "10.0.0.0/8", false},
    {"wss://api.corp/", "10.0.0.0/8", false},
};

Test(path, no_proxy_names_suffixes_ports_and_networks)
{
    for (size_t i = 0; i < array_count(exceptions); i++) {
        const struct exception *row = &exceptions[i];
        struct net_url url;
        struct net_proxy proxy;
        struct err err = {0};
        cr_assert_eq(net_url_parse(str_from(row->url), &url, NULL), STATUS_OK, "%s", row->url);
        set_variables((const char *[4]){"https_proxy", "http://p", "no_proxy", row->list});
        cr_assert_eq(net_proxy_choose(&url, NULL, get_variable, &proxy, &err), STATUS_OK);
        cr_expect_eq(proxy.kind == PROXY_NONE, row->direct, "%s, no_proxy=%s", row->url, row->list);
    }
}

/* -- Which address ----------------------------------------------------------------------------- */

struct racing {
    bool done;
    int fd;
    char problem[128];
};

static void on_raced(void *user, int fd, const char *problem)
{
    struct racing *racing = user;
    racing->done = true;
    racing->fd = fd;
    snprintf(racing->problem, sizeof(racing->problem), "%s", problem ? problem : "");
}

static const struct race_case {
    const char *addresses[4]; /* .1 refuses, .2 and .4 hang, .3 answers */
    const char *winner;
} races[] = {
    {{"127.0.0.3"}, "127.0.0.3"},
    {{"127.0.0.1", "127.0.0.3"}, "127.0.0.3"},
    {{"127.0.0.2", "127.0.0.3"}, "127.0.0.3"},
    {{"127.0.0.2", "127.0.0.4", "127.0.0.3"}, "127.0.0.3"},
    {{"127.0.0.2", "127.0.0.1", "127.0.0.4", "127.0.0.3"}, "127.0.0.3"},
    {{"::1", "127.0.0.3"}, "127.0.0.3"},
    {{"rubbish", "127.0.0.3"}, "127.0.0.3"},
    {{"127.0.0.1", "rubbish"}, "Connection refused"},
    {{"127.0.0.1"}, "Connection refused"},
};

Test(path, the_first_address_that_answers_wins)
{
    unsigned port = 0;
    listen_at("127.0.0.3", &port, false);
    listen_at("127.0.0.2", &port, true);
    listen_at("127.0.0.4", &port, true);
    for (size_t i = 0; i < array_count(races); i++) {
        struct world world;
        struct racing racing = {0};
        struct net_addresses addresses = {0};
        char winner[64] = "";
        for (; addresses.count < 4 && races[i].addresses[addresses.count]; addresses.count++)
            strcpy(addresses.list[addresses.count], races[i].addresses[addresses.count]);
        world_start(&world, NULL);
        net_race_start(world.net, &addresses, port, on_raced, &racing);
        cr_expect(!racing.done, "called back from within the start");
        world_run_until(&world, &racing.done, "the end of the race");
        struct sockaddr_in peer;
        socklen_t len = sizeof(peer);
        if (racing.fd >= 0 && getpeername(racing.fd, (struct sockaddr *)&peer, &len) == 0)
            inet_ntop(AF_INET, &peer.sin_addr, winner, sizeof(winner));
        cr_expect_str_eq(racing.fd >= 0 ? winner : racing.problem, races[i].winner, "race %zu", i);
        if (racing.fd >= 0)
            close(racing.fd);
        world_end(&world);
    }
}
