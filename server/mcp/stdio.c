/* A link to a program of the user's: one message a line on its standard streams. It runs in the
 * home folder, not in the workspace, whose files must not steer it, with an environment that is a
 * list. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "mcp-internal.h"

struct stdio_link {
    struct link link; /* first */
    struct loop_process *process;
    struct lines *out, *err;
    struct buf said;       /* the end of its standard error */
    unsigned logged_lines; /* of it */
    bool is_silent;        /* it wrote nothing that is a message */
};

/* -- The environment ------------------------------------------------------------------------- */

static const char *const passed[] = {
    "PATH",        "USER",          "LOGNAME",        "SHELL",
    "LANG",        "LANGUAGE",      "LC_ALL",         "LC_CTYPE",
    "TZ",          "TMPDIR",        "XDG_CACHE_HOME", "XDG_CONFIG_HOME",
    "LC_MESSAGES", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR",
};

static void push_pair(struct texts *env, const char *name, const char *value)
{
    struct buf pair = {0};
    buf_append_fmt(&pair, "%s=%s", name, value);
    vec_push(env, buf_take(&pair));
}

static void push_variable(struct texts *env, const struct mcp_env *ours, const char *name)
{
    const char *value = ours->get(name);
    if (value)
        push_pair(env, name, value);
}

static void make_environment(const struct server *server, struct texts *env)
{
    const struct definition *definition = &server->definition;
    push_pair(env, "HOME", server->mcp->home);
    push_pair(env, "TERM", "dumb");
    for (size_t i = 0; i < array_count(passed); i++)
        push_variable(env, &server->mcp->env, passed[i]);
    for (size_t i = 0; i < definition->pass_env.len; i++)
        push_variable(env, &server->mcp->env, definition->pass_env.ptr[i]);
    for (size_t i = 0; i < definition->env.len; i++)
        vec_push(env, mem_dup_c(definition->env.ptr[i]));
}

/* The last of two pairs of one name counts: what the setting says, not what we have. */
static void drop_overridden(struct texts *env)
{
    for (size_t i = 0; i < env->len; i++) {
        size_t name_len = strcspn(env->ptr[i], "=") + 1;
        bool is_again = false;
        for (size_t k = i + 1; k < env->len; k++)
            is_again |= strncmp(env->ptr[i], env->ptr[k], name_len) == 0;
        if (!is_again)
            continue;
        mem_free(env->ptr[i]);
        vec_remove(env, i);
        i--;
    }
}

/* -- What comes ------------------------------------------------------------------------------ */

static void on_line(void *user, struct str line)
{
    struct stdio_link *link = user;
    session_on_message(link->link.server, line);
}

static void on_oversize(void *user)
{
    struct stdio_link *link = user;
    session_on_oversize(link->link.server);
}

static void on_stdout(void *user, struct str bytes)
{
    struct stdio_link *link = user;
    lines_push(link->out, bytes);
}

static void on_error_line(void *user, struct str line)
{
    struct stdio_link *link = user;
    struct buf *said = &link->said;
    if (link->logged_lines++ < LIMIT_MCP_STDERR_LINES_COUNT)
        log_line(LOG_INFO, "mcp_stderr server=%s text=\"" STR_FMT "\"",
                 link->link.server->definition.name, STR_ARG(str_slice(line, 0, 300)));
    if (said->len > 0)
        buf_append_c(said, " / ");
    buf_append(said, str_slice(line, 0, LIMIT_MCP_STDERR_BYTES / 2));
    if (said->len > LIMIT_MCP_STDERR_BYTES)
        buf_remove_front(said, said->len - LIMIT_MCP_STDERR_BYTES);
}

static void on_error_oversize(void *user)
{
    (void)user; /* a line of that length says nothing to a person */
}

static void on_stderr(void *user, struct str bytes)
{
    struct stdio_link *link = user;
    lines_push(link->err, bytes);
}

static void on_exit(void *user, int exit_code, int signal)
{
    struct stdio_link *link = user;
    struct buf text = {0};
    if (signal)
        buf_append_fmt(&text, "it was ended by signal %d", signal);
    else
        buf_append_fmt(&text, "it ended with exit code %d", exit_code);
    if (link->said.len > 0)
        buf_append_fmt(&text, "; it said: " STR_FMT, STR_ARG(buf_str(&link->said)));
    else
        buf_append_c(&text, "; it said nothing: run its command by hand to see why");
    session_on_closed(link->link.server, false, text.ptr);
    buf_finish(&text);
}

/* -- The link -------------------------------------------------------------------------------- */

/* A program that is gone, or reads nothing, is found out by its exit or by the deadline. */
static void stdio_send(struct link *base, struct buf *message, int64_t id)
{
    struct stdio_link *link = (struct stdio_link *)base;
    (void)id;
    buf_append_byte(message, '\n');
    (void)loop_process_write(link->process, message);
}

static void stdio_forget(struct link *link, int64_t id)
{
    (void)link;
    (void)id;
}

static void stdio_agreed(struct link *link, const char *version)
{
    (void)link;
    (void)version;
}

static bool stdio_stop(struct link *base)
{
    loop_process_close_stdin(((struct stdio_link *)base)->process);
    return true;
}

static void stdio_urge(struct link *base)
{
    loop_process_kill(((struct stdio_link *)base)->process);
}

static void stdio_free(struct link *base)
{
    struct stdio_link *link = (struct stdio_link *)base;
    loop_process_free(link->process);
    lines_free(link->out);
    lines_free(link->err);
    buf_finish(&link->said);
    mem_free(link);
}

static const struct link_ops stdio_ops = {.send = stdio_send,
                                          .forget = stdio_forget,
                                          .agreed = stdio_agreed,
                                          .stop = stdio_stop,
                                          .urge = stdio_urge,
                                          .free = stdio_free};

/* An account need not have a home. */
static const char *where(const struct server *server)
{
    if (server->definition.cwd)
        return server->definition.cwd;
    return access(server->mcp->home, X_OK) == 0 ? server->mcp->home : "/";
}

struct link *link_stdio_open(struct server *server, struct err *err)
{
    static const struct loop_process_handlers handlers = {on_stdout, on_stderr, on_exit};
    static const struct lines_handlers out_handlers = {on_line, on_oversize};
    static const struct lines_handlers err_handlers = {on_error_line, on_error_oversize};
    struct texts env = {0};
    struct stdio_link *link = mem_new(struct stdio_link);
    struct texts *argv = &server->definition.argv;
    make_environment(server, &env);
    drop_overridden(&env);
    vec_push(&env, (char *)NULL);
    vec_push(argv, (char *)NULL);
    struct loop_process_options options = {
        .argv = argv->ptr,
        .env = env.ptr,
        .cwd = where(server),
        .pipe_stdin = true,
    };
    link->link = (struct link){&stdio_ops, server};
    link->process = loop_process_new(server->mcp->env.loop, &options, &handlers, link, err);
    (void)vec_pop(argv);
    texts_finish(&env);
    if (!link->process) {
        mem_free(link);
        return NULL;
    }
    link->out = lines_new(LIMIT_MCP_MESSAGE_BYTES, &out_handlers, link);
    link->err = lines_new(LIMIT_MCP_STDERR_BYTES, &err_handlers, link);
    return &link->link;
}
