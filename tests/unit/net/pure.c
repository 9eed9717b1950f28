/* URLs and event streams: no sockets. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include <lanebridge/net.h>

TestSuite(url, .timeout = 60);
TestSuite(sse, .timeout = 60);

static const struct good_url {
    const char *text;
    bool tls, websocket;
    const char *host;
    unsigned port;
    const char *path;
} good_urls[] = {
    {"wss://api.example.com/v1/responses", true, true, "api.example.com", 443, "/v1/responses"},
    {"WSS://API.Example.COM", true, true, "api.example.com", 443, "/"},
    {"https://h:8443?x=1", true, false, "h", 8443, "/?x=1"},
    {"ws://localhost:1234/a?b=c&d=%20", false, true, "localhost", 1234, "/a?b=c&d=%20"},
    {"http://127.9.8.7", false, false, "127.9.8.7", 80, "/"},
    {"ws://[::1]:8080/x", false, true, "::1", 8080, "/x"},
    {"wss://[2001:db8::1]/", true, true, "2001:db8::1", 443, "/"},
    {"http://LOCALHOST/", false, false, "localhost", 80, "/"},
};

Test(url, takes_what_is_right)
{
    for (size_t i = 0; i < array_count(good_urls); i++) {
        const struct good_url *good = &good_urls[i];
        struct net_url url;
        struct err err = {0};
        cr_expect_eq(net_url_parse(str_from(good->text), &url, &err), STATUS_OK, "%s: %s",
                     good->text, err.text);
        cr_expect(url.tls == good->tls && url.websocket == good->websocket, "%s", good->text);
        cr_expect_str_eq(url.host, good->host);
        cr_expect_eq(url.port, good->port);
        cr_expect_str_eq(url.path, good->path);
    }
}

static const struct bad_url {
    const char *text;
    enum status status;
    const char *says;
} bad_urls[] = {
    {"", STATUS_INVALID, "begin with"},
    {"api.example.com", STATUS_INVALID, "begin with"},
    {"ftp://h/", STATUS_INVALID, "begin with"},
    {"wss://", STATUS_INVALID, "host"},
    {"wss:///path", STATUS_INVALID, "host"},
    {"wss://h:/", STATUS_INVALID, "port"},
    {"wss://h:0/", STATUS_INVALID, "port"},
    {"wss://h:65536/", STATUS_INVALID, "port"},
    {"wss://h:12x/", STATUS_INVALID, "port"},
    {"wss://user@h/", STATUS_INVALID, "user name"},
    {"wss://api.openai.com@evil.example/", STATUS_INVALID, "user name"},
    {"wss://localhost:80@evil.example/", STATUS_INVALID, "user name"},
    {"wss://h/#frag", STATUS_INVALID, "fragment"},
    {"wss://h#frag", STATUS_INVALID, "fragment"},
    {"wss://h/a b", STATUS_INVALID, "percent"},
    {"wss://h/a\r\nx: y", STATUS_INVALID, "percent"},
    {"wss://h/\xC3\xA9", STATUS_INVALID, "percent"},
    {"wss://h\\evil.example/", STATUS_INVALID, ""},
    {"wss://ex%61mple/", STATUS_INVALID, "host"},
    {"wss://[::1/", STATUS_INVALID, "]"},
    {"wss://[::1]x/", STATUS_INVALID, "after"},
    {"wss://[nonsense]/", STATUS_INVALID, "host"},
    {"wss://::1/", STATUS_INVALID, ""},
    {"ws://api.example.com/", STATUS_DENIED, "wss://api.example.com"},
    {"http://api.example.com/", STATUS_DENIED, "https://api.example.com"},
    {"ws://localhost.evil.example/", STATUS_DENIED, "wss"},
    {"ws://127.0.0.1.evil.example/", STATUS_DENIED, "wss"},
    {"ws://127.1/", STATUS_DENIED, "wss"},
    {"ws://0.0.0.0/", STATUS_DENIED, "wss"},
    {"ws://2130706433/", STATUS_DENIED, "wss"},
    {"ws://[::]/", STATUS_DENIED, "wss"},
    {"ws://[::ffff:10.0.0.1]/", STATUS_DENIED, "wss"},
};

Test(url, sec_03_refuses_what_misleads)
{
    for (size_t i = 0; i < array_count(bad_urls); i++) {
        struct net_url url = {.port = 7};
        struct err err = {0};
        enum status status = net_url_parse(str_from(bad_urls[i].text), &url, &err);
        cr_expect_eq(status, bad_urls[i].status, "%s: %s", bad_urls[i].text, status_name(status));
        cr_expect(strstr(err.text, bad_urls[i].says), "%s: %s", bad_urls[i].text, err.text);
        cr_expect_eq(url.port, 7, "%s: written to on failure", bad_urls[i].text);
    }
}

Test(url, refuses_what_is_too_long)
{
    struct buf text = {0};
    struct net_url url;
    buf_append_c(&text, "wss://");
    buf_append_repeat(&text, 'h', 256);
    cr_expect_eq(net_url_parse(buf_str(&text), &url, NULL), STATUS_INVALID);
    buf_clear(&text);
    buf_append_c(&text, "wss://h/");
    buf_append_repeat(&text, 'p', 1022);
    cr_expect_eq(net_url_parse(buf_str(&text), &url, NULL), STATUS_OK);
    buf_append_c(&text, "p");
    cr_expect_eq(net_url_parse(buf_str(&text), &url, NULL), STATUS_INVALID);
    buf_finish(&text);
}

/* -- Event streams ----------------------------------------------------------------------------- */

static void note_event(void *user, struct str event, struct str data)
{
    buf_append_fmt(user, "[" STR_FMT "|" STR_FMT "]", STR_ARG(event), STR_ARG(data));
}

static const struct stream {
    const char *text, *events;
} streams[] = {
    {"data: a\n\n", "[message|a]"},
    {"event: x\ndata: a\n\n", "[x|a]"},
    {"data:a\rdata: b\r\ndata:  c\n\r\n", "[message|a\nb\n c]"},
    {"data: a\r\n\r\ndata: b\r\n\r\n", "[message|a][message|b]"},
    {"data: a\r\rdata: b\r\r", "[message|a][message|b]"},
    {": comment\n\ndata: a\n: more\nid: 7\nretry: 10\nwhat: ever\n\n", "[message|a]"},
    {"data\n\ndata:\n\n", "[message|][message|]"},
    {"event: lost\n\ndata: a\n\n", "[message|a]"},
    {"data: a\n\nevent: end\ndata: never finished", "[message|a]"},
    {"\xEF\xBB\xBF"
     "data: a\n\n",
     "[message|a]"},
    {"\xEF\xBB"
     "data: a\n\n",
     ""},
    {"data: {\"type\":\"response.created\"}\n\ndata: [DONE]\n\n",
     "[message|{\"type\":\"response.created\"}][message|[DONE]]"},
    {"\n\n\n\r\r\r", ""},
    {"data: \xC3\xA9:\n\n", "[message|\xC3\xA9:]"},
};

Test(sse, reads_streams_torn_anywhere)
{
    const size_t pieces[] = {1, 2, 3, 7, 143};
    for (size_t i = 0; i < array_count(streams); i++) {
        for (size_t p = 0; p < array_count(pieces); p++) {
            struct buf seen = {0};
            struct net_sse *sse = net_sse_new(1000, note_event, &seen);
            struct str rest = str_from(streams[i].text);
            buf_append_c(&seen, "");
            while (rest.len) {
                cr_assert_eq(net_sse_push(sse, str_slice(rest, 0, pieces[p])), STATUS_OK);
                rest = str_skip(rest, pieces[p]);
            }
            cr_expect_str_eq(seen.ptr, streams[i].events);
            net_sse_free(sse);
            buf_finish(&seen);
        }
    }
}

static const struct limit {
    const char *text;
    size_t repeat;
    enum status status;
} limits[] = {
    {"data: 0123456789\n\n", 5, STATUS_OK},               /* each event has the whole limit */
    {"data: 01234567890123456\n\n", 1, STATUS_LIMIT},     /* 17 in one line */
    {"data: 012345678\n", 2, STATUS_LIMIT},               /* 9 + 9 in two */
    {"012345678901234567890123456789", 10, STATUS_LIMIT}, /* a line without end */
    {": 01234567890123456789\n", 10, STATUS_OK},          /* comments are not kept */
};

Test(sse, has_a_limit)
{
    for (size_t i = 0; i < array_count(limits); i++) {
        struct buf seen = {0};
        struct net_sse *sse = net_sse_new(16, note_event, &seen);
        enum status status = STATUS_OK;
        for (size_t r = 0; r < limits[i].repeat && status == STATUS_OK; r++)
            status = net_sse_push(sse, str_from(limits[i].text));
        cr_expect_eq(status, limits[i].status, "case %zu: %s", i, status_name(status));
        if (status < 0)
            cr_expect_eq(net_sse_push(sse, STR("data: a\n\n")), status, "it went on after failing");
        net_sse_free(sse);
        buf_finish(&seen);
    }
}

static struct net_sse *to_free;
static int events;

static void free_itself(void *user, struct str event, struct str data)
{
    events++;
    net_sse_free(to_free);
}

Test(sse, may_be_freed_in_its_callback)
{
    to_free = net_sse_new(100, free_itself, NULL);
    cr_expect_eq(net_sse_push(to_free, STR("data: a\n\ndata: b\n\n")), STATUS_CLOSED);
    cr_expect_eq(events, 1);
}
