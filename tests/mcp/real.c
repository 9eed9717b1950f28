/* Plays our client of the Model Context Protocol against real servers, and holds what comes against
 * a table. usage: real EVERYTHING.js FILESYSTEM.js FOLDER URL */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../server/app.h"

struct play {
    struct loop *loop;
    struct loop_timer *guard;
    struct mcp *mcp;
    const char *folder;
    bool done, ok;
    unsigned failures, checks;
    struct buf text, progress;
};

static void on_guard(void *user)
{
    (void)user;
    fprintf(stderr, "not ok: nothing happened for 60 s\n");
    exit(1);
}

static void on_ready(void *user)
{
    struct play *play = user;
    play->done = true;
    loop_stop(play->loop);
}

static void wait(struct play *play)
{
    loop_timer_start(play->guard, 60000, 0);
    while (!play->done)
        loop_run(play->loop);
    loop_timer_stop(play->guard);
    play->done = false;
}

static void check(struct play *play, bool good, const char *what, const char *got)
{
    play->checks++;
    play->failures += !good;
    printf("%sok %u - %s%s%s\n", good ? "" : "not ", play->checks, what, good ? "" : ": got ",
           good ? "" : got);
}

static void append_roots(void *user, struct buf *json)
{
    struct play *play = user;
    struct buf uri = {0};
    uri_append_file(&uri, str_from(play->folder));
    buf_append_fmt(json, "[{\"uri\":\"%s\",\"name\":\"here\"}]", uri.ptr);
    buf_finish(&uri);
}

static const char *get(const char *name)
{
    return getenv(name);
}

/* -- Calls ----------------------------------------------------------------------------------- */

static void on_progress(void *user, struct str text)
{
    struct play *play = user;
    buf_append(&play->progress, text);
}

static void on_done(void *user, const struct mcp_result *result)
{
    struct play *play = user;
    play->ok = result->ok;
    buf_clear(&play->text);
    buf_append_c(&play->text, "");
    buf_append(&play->text, result->text);
    on_ready(user);
}

static const struct {
    const char *tool, *arguments; /* %s: the folder */
    bool ok;
    const char *has, *progress;
} calls[] = {
    {"everything__echo", "{\"message\":\"h\\u00e9llo\"}", true, "Echo: h\xC3\xA9llo", NULL},
    {"everything__get-sum", "{\"a\":2,\"b\":40}", true, "42", NULL},
    {"everything__get-sum", "{\"a\":\"x\"}", false, "", NULL},
    {"everything__get-tiny-image", "{}", true, "[image, image/png, ", NULL},
    {"everything__get-structured-content", "{\"location\":\"Chicago\"}", true, "temperature", NULL},
    {"everything__get-resource-links", "{\"count\":2}", true, "[resource ", NULL},
    {"everything__get-resource-reference", "{\"resourceType\":\"Text\",\"resourceId\":1}", true,
     "[resource ", NULL},
    {"everything__get-annotated-message", "{\"messageType\":\"error\",\"includeImage\":true}", true,
     "[image, image/png", NULL},
    {"everything__trigger-long-running-operation", "{\"duration\":1,\"steps\":4}", true, "Steps: 4",
     "4 of 4"},
    {"everything__get-roots-list", "{}", true, "here", NULL},
};

static const struct {
    const char *tool, *arguments;
    bool ok;
    const char *has, *progress;
} file_calls[] = {
    {"files__list_allowed_directories", "{}", true, "%s", NULL},
    {"files__write_file", "{\"path\":\"%s/new.txt\",\"content\":\"one\\ntwo\\n\"}", true, "new.txt",
     NULL},
    {"files__read_text_file", "{\"path\":\"%s/new.txt\"}", true, "one\ntwo\n", NULL},
    {"files__edit_file",
     "{\"path\":\"%s/new.txt\",\"edits\":[{\"oldText\":\"two\",\"newText\":\"three\"}]}", true,
     "+three", NULL},
    {"files__list_directory", "{\"path\":\"%s\"}", true, "[FILE] new.txt", NULL},
    {"files__read_text_file", "{\"path\":\"/etc/passwd\"}", false, "denied", NULL},
    {"files__read_text_file", "{}", false, "", NULL},
};

static void expand(const struct play *play, const char *text, struct buf *out)
{
    for (; *text; text++)
        if (text[0] == '%' && text[1] == 's') {
            buf_append_c(out, play->folder);
            text++;
        } else {
            buf_append_byte(out, *text);
        }
    buf_append_c(out, "");
}

static void call(struct play *play, const char *tool, const char *arguments, bool ok,
                 const char *has, const char *progress)
{
    static const struct mcp_call_handlers handlers = {on_progress, on_done};
    struct buf name = {0}, filled = {0}, wanted = {0}, what = {0};
    buf_append_fmt(&name, "mcp__%s", tool);
    expand(play, arguments, &filled);
    expand(play, has, &wanted);
    buf_append_fmt(&what, "%s %s", tool, filled.ptr);
    buf_clear(&play->progress);
    buf_append_c(&play->progress, "");
    mcp_call_start(play->mcp, buf_str(&name), buf_str(&filled), &handlers, play);
    wait(play);
    check(play, play->ok == ok && strstr(play->text.ptr, wanted.ptr), what.ptr, play->text.ptr);
    if (progress)
        check(play, strstr(play->progress.ptr, progress), "its progress", play->progress.ptr);
    buf_finish(&name);
    buf_finish(&filled);
    buf_finish(&wanted);
    buf_finish(&what);
}

/* -- Servers --------------------------------------------------------------------------------- */

static void open_client(struct play *play, const struct mcp_http *http, const char *servers)
{
    struct buf warnings = {0};
    struct mcp_env env = {
        .loop = play->loop,
        .http = http,
        .get = get,
        .home = play->folder,
        .append_roots = append_roots,
        .user = play,
    };
    mcp_check(str_from(servers), &warnings);
    check(play, warnings.len == 0, "the setting is good", warnings.ptr ? warnings.ptr : "");
    play->mcp = mcp_new(&env, str_from(servers));
    if (mcp_prepare(play->mcp, on_ready, play))
        wait(play);
    for (size_t i = 0; i < mcp_server_count(play->mcp); i++) {
        struct mcp_status status;
        mcp_server_status(play->mcp, i, &status);
        char what[600];
        snprintf(what, sizeof(what), "%s is %s with %zu tools (%s)", status.name,
                 mcp_state_name(status.state), status.tools, status.detail);
        check(play, status.state == MCP_READY && status.tools > 5 && status.left_out == 0, what,
              status.left_out_why);
    }
    buf_finish(&warnings);
}

static void close_client(struct play *play)
{
    if (mcp_stop(play->mcp, on_ready, play))
        wait(play);
    mcp_free(play->mcp);
}

int main(int argc, char **argv)
{
    if (argc != 5)
        return 2;
    struct play play = {.folder = argv[3]};
    struct err err = {0};
    struct net_options options = {0};
    struct buf servers = {0};
    loop_prepare_process();
    play.loop = loop_new(&err);
    play.guard = loop_timer_new(play.loop, on_guard, &play);
    struct net *net = net_new(play.loop, &options, &err);
    struct config *config = config_new();
    struct mcp_wire *wire = mcp_wire_new(net, config);

    buf_append_fmt(&servers,
                   "{\"everything\":{\"command\":\"node\",\"args\":[\"%s\",\"stdio\"]},"
                   "\"files\":{\"command\":[\"node\",\"%s\",\"%s\"]}}",
                   argv[1], argv[2], play.folder);
    open_client(&play, NULL, servers.ptr);
    for (size_t i = 0; i < array_count(calls); i++)
        call(&play, calls[i].tool, calls[i].arguments, calls[i].ok, calls[i].has,
             calls[i].progress);
    for (size_t i = 0; i < array_count(file_calls); i++)
        call(&play, file_calls[i].tool, file_calls[i].arguments, file_calls[i].ok,
             file_calls[i].has, file_calls[i].progress);
    close_client(&play);

    buf_clear(&servers);
    buf_append_fmt(&servers, "{\"everything\":{\"url\":\"%s\"}}", argv[4]);
    open_client(&play, mcp_wire_http(wire), servers.ptr);
    for (size_t i = 0; i < array_count(calls); i++)
        call(&play, calls[i].tool, calls[i].arguments, calls[i].ok, calls[i].has,
             calls[i].progress);
    close_client(&play);

    mcp_wire_free(wire);
    net_free(net);
    config_free(config);
    loop_timer_free(play.guard);
    loop_free(play.loop);
    buf_finish(&servers);
    buf_finish(&play.text);
    buf_finish(&play.progress);
    printf("%u checks, %u failures\n", play.checks, play.failures);
    return play.failures || play.checks < 30;
}
