/* The bearer token of a server, from the user's own command. It runs with our whole environment: it
 * is for password stores, which find their agents by it. */
#include <string.h>

#include "mcp-internal.h"

enum { TOKEN_MS = 30000 };

extern char **environ;

struct token_run {
    struct server *server;
    struct loop_process *process;
    struct loop_timer *timer;
    struct buf out;
    bool is_too_long;
    token_fn *done;
    void *user;
};

static void on_stdout(void *user, struct str bytes)
{
    struct token_run *run = user;
    run->is_too_long |= run->out.len + bytes.len > LIMIT_MCP_TOKEN_BYTES;
    if (!run->is_too_long)
        buf_append(&run->out, bytes);
}

/* A token becomes a header: what is no visible ASCII would be refused, or split it. */
static bool is_token(struct str token)
{
    for (size_t i = 0; i < token.len; i++)
        if ((unsigned char)token.ptr[i] <= ' ' || (unsigned char)token.ptr[i] >= 0x7F)
            return false;
    return token.len > 0;
}

static void on_exit(void *user, int exit_code, int signal)
{
    struct token_run *run = user;
    struct str token = str_trim(buf_str(&run->out));
    struct buf text = {0}, copy = {0};
    if (exit_code != 0 || signal)
        buf_append_fmt(&text, "its tokenCommand failed with exit code %d: try it in a shell",
                       exit_code);
    else if (run->is_too_long || !is_token(token))
        buf_append_c(&text, "its tokenCommand must print the token alone, on one line");
    else
        buf_append(&copy, token);
    run->done(run->user, text.len > 0 ? NULL : &copy, text.ptr);
    if (copy.ptr)
        explicit_bzero(copy.ptr, copy.len);
    buf_finish(&copy);
    buf_finish(&text);
}

static void on_timer(void *user)
{
    struct token_run *run = user;
    run->done(run->user, NULL, "its tokenCommand gave no token within 30 s: try it in a shell");
}

struct token_run *token_run_start(struct server *server, token_fn *done, void *user,
                                  struct err *err)
{
    static const struct loop_process_handlers handlers = {.on_stdout = on_stdout,
                                                          .on_exit = on_exit};
    struct token_run *run = mem_new(struct token_run);
    struct texts *argv = &server->definition.token_command;
    *run = (struct token_run){.server = server, .done = done, .user = user};
    vec_push(argv, (char *)NULL);
    struct loop_process_options options = {
        .argv = argv->ptr, .env = environ, .cwd = server->mcp->home};
    run->process = loop_process_new(server->mcp->env.loop, &options, &handlers, run, err);
    (void)vec_pop(argv);
    if (!run->process) {
        err_prefix(err, "its tokenCommand");
        mem_free(run);
        return NULL;
    }
    run->timer = loop_timer_new(server->mcp->env.loop, on_timer, run);
    loop_timer_start(run->timer, TOKEN_MS, 0);
    return run;
}

void token_run_free(struct token_run *run)
{
    if (!run)
        return;
    loop_process_free(run->process);
    loop_timer_free(run->timer);
    if (run->out.ptr)
        explicit_bzero(run->out.ptr, run->out.len);
    buf_finish(&run->out);
    mem_free(run);
}
