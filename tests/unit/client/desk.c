#include "desk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* -- The script ------------------------------------------------------------------------------ */

void says(struct desk *desk, const char *text)
{
    struct buf body = {0};
    buf_append_c(&body, "{\"jsonrpc\":\"2.0\",");
    for (const char *c = text + 1; *c; c++) {
        if (*c == '@')
            uri_append_file(&body, str_from(desk->file));
        else
            buf_append_byte(&body, *c == '\'' ? '"' : *c);
    }
    buf_append_fmt(&desk->script, "Content-Length: %zu\r\n\r\n", body.len);
    buf_append(&desk->script, buf_str(&body));
    buf_finish(&body);
}

static void write_whole(const char *path, struct str bytes)
{
    FILE *file = fopen(path, "we");
    cr_assert(file && fwrite(bytes.ptr, 1, bytes.len, file) == bytes.len);
    cr_assert_eq(fclose(file), 0);
}

void desk_init(struct desk *desk, const char *encoding)
{
    *desk = (struct desk){.button = -1, .wants_edits = true, .exit_code = -100};
    strcpy(desk->folder, "/tmp/lanebridge-client-XXXXXX");
    cr_assert(mkdtemp(desk->folder));
    snprintf(desk->server_says, sizeof(desk->server_says), "%s/says", desk->folder);
    snprintf(desk->file, sizeof(desk->file), "%s/a.txt", desk->folder);
    write_whole(desk->file, STR("one\n😀 two\nthree\n"));
    struct buf hello = {0};
    buf_append_fmt(&hello, "{'id':1,'result':{'capabilities':{'positionEncoding':'%s'}}}",
                   encoding);
    says(desk, hello.ptr);
    buf_finish(&hello);
}

/* -- Handlers -------------------------------------------------------------------------------- */

static void on_ready(void *user)
{
    struct desk *desk = user;
    struct str unsaved = str_from(desk->unsaved);
    cr_assert_eq(client_open(desk->client, desk->file, desk->unsaved ? &unsaved : NULL, &desk->err),
                 STATUS_OK);
}

static void on_notification(void *user, struct str method, const struct json_value *params)
{
    struct desk *desk = user;
    (void)params;
    if (str_eq_c(method, "done"))
        loop_stop(desk->loop);
}

static int on_question(void *user, const struct client_question *question)
{
    struct desk *desk = user;
    vec_push(&desk->asked, str_dup_c(question->message));
    return desk->button;
}

static bool on_apply(void *user, const struct json_value *params)
{
    struct desk *desk = user;
    (void)params;
    if (desk->types_meanwhile)
        cr_assert_eq(client_edit(desk->client, desk->file, 0, 0, str_from(desk->types_meanwhile),
                                 &desk->err),
                     STATUS_OK);
    return desk->wants_edits;
}

static void on_applied(void *user, struct str path, const struct text *before,
                       const struct text *after)
{
    struct desk *desk = user;
    (void)path;
    desk->applied_count++;
    cr_assert(before && after && !text_eq(before, after));
}

static void on_traffic(void *user, bool outgoing, struct str body)
{
    struct desk *desk = user;
    if (outgoing)
        vec_push(&desk->sent, str_dup_c(body));
}

static void on_exit_server(void *user, int exit_code, int signal)
{
    struct desk *desk = user;
    desk->exit_code = exit_code;
    desk->exit_signal = signal;
    loop_stop(desk->loop);
}

const struct client_handlers desk_handlers = {.on_ready = on_ready,
                                              .on_notification = on_notification,
                                              .on_question = on_question,
                                              .on_apply = on_apply,
                                              .on_applied = on_applied,
                                              .on_traffic = on_traffic,
                                              .on_exit = on_exit_server};

/* -- A run ----------------------------------------------------------------------------------- */

void desk_run(struct desk *desk)
{
    char shell[] = "/bin/sh", flag[] = "-c", code[] = "cat \"$1\"; exec cat >/dev/null",
         zero[] = "sh";
    char *argv[] = {shell, flag, code, zero, desk->server_says, NULL};
    const char *roots[] = {desk->folder};
    says(desk, "{'method':'done'}");
    write_whole(desk->server_says, buf_str(&desk->script));
    desk->options.argv = argv;
    desk->options.roots = roots;
    desk->options.root_count = 1;
    desk->loop = loop_new(&desk->err);
    desk->client = client_new(desk->loop, &desk->options, &desk_handlers, desk, &desk->err);
    cr_assert(desk->client, "%s", desk->err.text);
    loop_run(desk->loop);
}

void desk_finish(struct desk *desk)
{
    client_free(desk->client);
    loop_free(desk->loop);
    for (size_t i = 0; i < desk->sent.len; i++)
        mem_free(desk->sent.ptr[i]);
    vec_finish(&desk->sent);
    for (size_t i = 0; i < desk->asked.len; i++)
        mem_free(desk->asked.ptr[i]);
    vec_finish(&desk->asked);
    buf_finish(&desk->script);
    char command[128];
    snprintf(command, sizeof(command), "rm -rf %s", desk->folder);
    cr_assert_eq(system(command), 0);
}

size_t place_of(const struct desk *desk, const char *part)
{
    char wanted[512];
    snprintf(wanted, sizeof(wanted), "%s", part);
    for (char *c = wanted; *c; c++)
        *c = *c == '\'' ? '"' : *c;
    for (size_t i = 0; i < desk->sent.len; i++)
        if (strstr(desk->sent.ptr[i], wanted))
            return i;
    return SIZE_MAX;
}

void assert_text(const struct desk *desk, const char *path, const char *expected)
{
    const struct text *text = client_text(desk->client, path);
    cr_assert(text, "%s is not open", path);
    cr_assert(str_eq_c(text_bytes(text), expected), "got " STR_FMT, STR_ARG(text_bytes(text)));
}
