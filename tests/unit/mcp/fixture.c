#include "fixture.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../../server/app.h"

static void on_guard(void *user)
{
    struct stage *stage = user;
    stage->is_over = true;
    loop_stop(stage->loop);
}

void stage_init(struct stage *stage)
{
    struct err err = {0};
    signal(SIGPIPE, SIG_IGN); /* as the program does: servers end when they like */
    *stage = (struct stage){.deadlines = mcp_deadlines_default, .roots = "[]"};
    stage->deadlines.backoff = 10;
    stage->deadlines.again = 0;
    stage->loop = loop_new(&err);
    stage->config = config_new();
    stage->guard = loop_timer_new(stage->loop, on_guard, stage);
    snprintf(stage->folder, sizeof(stage->folder), "/tmp/mcp-test-XXXXXX");
    cr_assert_not_null(mkdtemp(stage->folder));
}

static void remove_folder(const char *folder)
{
    DIR *dir = opendir(folder);
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        char path[512];
        snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
        unlink(path);
    }
    closedir(dir);
    rmdir(folder);
}

void stage_finish(struct stage *stage)
{
    mcp_free(stage->mcp);
    for (size_t i = 0; i < stage->server_count; i++)
        loop_process_free(stage->servers[i]);
    mcp_wire_free(stage->wire);
    if (stage->net)
        net_free(stage->net);
    loop_timer_free(stage->guard);
    loop_free(stage->loop);
    config_free(stage->config);
    buf_finish(&stage->settings);
    buf_finish(&stage->secrets);
    remove_folder(stage->folder);
}

/* -- Servers --------------------------------------------------------------------------------- */

static void expand(struct stage *stage, struct str option, struct buf *out)
{
    for (size_t i = 0; i < option.len; i++)
        if (option.ptr[i] == '%' && i + 1 < option.len && option.ptr[i + 1] == 'F') {
            buf_append_c(out, stage->folder);
            i++;
        } else {
            buf_append_byte(out, option.ptr[i]);
        }
}

static void append_member(struct stage *stage, const char *name, struct buf *member,
                          const char *extra)
{
    if (stage->settings.len > 0)
        buf_append_byte(&stage->settings, ',');
    buf_append_fmt(&stage->settings, "\"%s\":{%s%s%s}", name, member->ptr, extra[0] ? "," : "",
                   extra);
    buf_finish(member);
}

void stage_add(struct stage *stage, const char *name, const char *options, const char *extra)
{
    struct buf member = {0};
    struct str rest = str_from(options), option;
    buf_append_c(&member, "\"command\":\"python3\",\"args\":[\"" STAGE "\",\"stdio\"");
    while (options[0] && str_next(&rest, ' ', &option)) {
        buf_append_c(&member, ",\"");
        expand(stage, option, &member);
        buf_append_c(&member, "\"");
    }
    buf_append_byte(&member, ']');
    append_member(stage, name, &member, extra);
}

static void read_file(const char *folder, const char *name, struct buf *out)
{
    char path[512], chunk[4096];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *file = fopen(path, "re");
    size_t got;
    while (file && (got = fread(chunk, 1, sizeof(chunk), file)) > 0)
        buf_append(out, (struct str){chunk, got});
    if (file)
        fclose(file);
}

void stage_wait_file(struct stage *stage, const char *name, const char *text)
{
    for (int i = 0; stage_count_lines(stage, name, text) == 0; i++) {
        cr_assert(i < PATIENCE_MS / 10, "%s never has \"%s\"", name, text);
        stage_sleep(stage, 10);
    }
}

void stage_wait_tool(struct stage *stage, const char *name)
{
    for (int i = 0; !mcp_tool_find(stage->mcp, str_from(name)); i++) {
        cr_assert(i < PATIENCE_MS / 10, "there never is a %s", name);
        stage_sleep(stage, 10);
    }
}

static void on_output(void *user, struct str bytes)
{
    (void)user;
    fprintf(stderr, STR_FMT, STR_ARG(bytes));
}

void stage_add_http(struct stage *stage, const char *name, const char *options, const char *extra)
{
    static const struct loop_process_handlers handlers = {.on_stdout = on_output,
                                                          .on_stderr = on_output};
    struct buf expanded = {0}, member = {0}, number = {0};
    struct err err = {0};
    char python[] = "python3", script[] = STAGE, way[] = "http", port[96];
    char *argv[32] = {python, script, way, port};
    char path[] = "PATH=/usr/local/bin:/usr/bin:/bin", *env[] = {path, NULL};
    size_t count = 4;
    snprintf(port, sizeof(port), "port=%s/port-%s", stage->folder, name);
    expand(stage, str_from(options), &expanded);
    buf_append_c(&expanded, "");
    for (char *at = strtok(expanded.ptr, " "); at; at = strtok(NULL, " "))
        argv[count++] = at;
    struct loop_process_options process = {.argv = argv, .env = env};
    stage->servers[stage->server_count++] =
        loop_process_new(stage->loop, &process, &handlers, NULL, &err);
    cr_assert_eq(err.status, STATUS_OK, "%s", err.text);
    snprintf(port, sizeof(port), "port-%s", name);
    stage_wait_file(stage, port, "");
    read_file(stage->folder, port, &number);
    buf_append_fmt(&member, "\"url\":\"http://127.0.0.1:%s/mcp\"", number.ptr);
    append_member(stage, name, &member, extra);
    buf_finish(&expanded);
    buf_finish(&number);
}

/* -- The client ------------------------------------------------------------------------------ */

static const char *get_variable(const char *name)
{
    return getenv(name);
}

static void append_roots(void *user, struct buf *json)
{
    struct stage *stage = user;
    buf_append_c(json, stage->roots);
}

static void on_secret(void *user, struct str secret)
{
    struct stage *stage = user;
    buf_append(&stage->secrets, secret);
}

void stage_open(struct stage *stage)
{
    struct buf servers = {0};
    struct net_options options = {0};
    struct err err = {0};
    stage->net = net_new(stage->loop, &options, &err);
    stage->wire = mcp_wire_new(stage->net, stage->config);
    struct mcp_env env = {
        .loop = stage->loop,
        .http = mcp_wire_http(stage->wire),
        .get = get_variable,
        .home = stage->folder,
        .append_roots = append_roots,
        .on_secret = on_secret,
        .user = stage,
        .deadlines = &stage->deadlines,
    };
    buf_append_byte(&servers, '{');
    buf_append(&servers, buf_str(&stage->settings));
    buf_append_byte(&servers, '}');
    mcp_check(buf_str(&servers), NULL);
    stage->mcp = mcp_new(&env, buf_str(&servers));
    buf_finish(&servers);
}

static void on_ready(void *user)
{
    struct stage *stage = user;
    stage->is_ready = true;
    stage->readies++;
    loop_stop(stage->loop);
}

bool stage_prepare(struct stage *stage)
{
    if (!stage->mcp)
        stage_open(stage);
    stage->is_ready = false;
    if (!mcp_prepare(stage->mcp, on_ready, stage))
        return false;
    cr_assert(!stage->is_ready, "it was told before the function had returned");
    stage_wait(stage, &stage->is_ready);
    return true;
}

void stage_wait(struct stage *stage, const bool *done)
{
    stage->is_over = false;
    loop_timer_start(stage->guard, PATIENCE_MS, 0);
    while (!*done && !stage->is_over)
        loop_run(stage->loop);
    loop_timer_stop(stage->guard);
    cr_assert(*done, "it did not happen within %d ms", PATIENCE_MS);
}

void stage_sleep(struct stage *stage, uint64_t ms)
{
    stage->is_over = false;
    loop_timer_start(stage->guard, ms, 0);
    while (!stage->is_over)
        loop_run(stage->loop);
}

struct mcp_status stage_status(struct stage *stage, size_t index)
{
    struct mcp_status status;
    cr_assert(index < mcp_server_count(stage->mcp));
    mcp_server_status(stage->mcp, index, &status);
    return status;
}

void stage_wait_state(struct stage *stage, size_t index, enum mcp_state state)
{
    for (int i = 0; stage_status(stage, index).state != state; i++) {
        cr_assert(i < PATIENCE_MS / 10, "it stays %s: %s",
                  mcp_state_name(stage_status(stage, index).state),
                  stage_status(stage, index).detail);
        stage_sleep(stage, 10);
    }
}

void stage_names(struct stage *stage, struct buf *names)
{
    buf_append_c(names, "");
    for (size_t i = 0; i < mcp_tool_count(stage->mcp); i++)
        buf_append_fmt(names, "%s%s", i ? " " : "", mcp_tool_at(stage->mcp, i)->name);
}

size_t stage_count_lines(struct stage *stage, const char *file, const char *text)
{
    struct buf content = {0};
    size_t count = 0;
    read_file(stage->folder, file, &content);
    struct str rest = buf_str(&content), line;
    while (content.len > 0 && str_next(&rest, '\n', &line))
        count += line.len > 0 && str_find(line, str_from(text), 0) != STR_NONE;
    buf_finish(&content);
    return count;
}

/* -- Calls ----------------------------------------------------------------------------------- */

static void on_progress(void *user, struct str text)
{
    struct outcome *outcome = user;
    buf_append(&outcome->progress, text);
}

static void on_done(void *user, const struct mcp_result *result)
{
    struct outcome *outcome = user;
    cr_assert(!outcome->done, "told twice");
    outcome->done = true;
    outcome->call = NULL;
    outcome->ok = result->ok;
    buf_append_c(&outcome->text, "");
    buf_append(&outcome->text, result->text);
    loop_stop(outcome->stage->loop);
}

void outcome_start(struct outcome *outcome, struct stage *stage, const char *name,
                   const char *arguments)
{
    static const struct mcp_call_handlers handlers = {on_progress, on_done};
    *outcome = (struct outcome){.stage = stage};
    outcome->call =
        mcp_call_start(stage->mcp, str_from(name), str_from(arguments), &handlers, outcome);
    cr_assert(!outcome->done, "it was told before the function had returned");
}

void outcome_wait(struct outcome *outcome)
{
    stage_wait(outcome->stage, &outcome->done);
}

void outcome_finish(struct outcome *outcome)
{
    buf_finish(&outcome->text);
    buf_finish(&outcome->progress);
}

void outcome_run(struct outcome *outcome, struct stage *stage, const char *name,
                 const char *arguments)
{
    outcome_start(outcome, stage, name, arguments);
    outcome_wait(outcome);
}
