/* `endpoint.url = "replay:FILE"`: the real endpoint in a child of ours, over a unix socket. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app.h"

struct replay_child {
    struct loop_process *process;
    char *folder, *socket;
    struct buf out, errors;
    bool ready, told, ended;
    void (*on_ready)(void *user, enum status status, const char *text);
    void *user;
};

static void tell(struct replay_child *child, enum status status, const char *text)
{
    if (child->told)
        return;
    child->told = true;
    child->on_ready(child->user, status, text);
}

static void on_stdout(void *user, struct str bytes)
{
    struct replay_child *child = user;
    if (child->ready || child->out.len + bytes.len > KIB)
        return;
    buf_append(&child->out, bytes);
    if (str_find_byte(buf_str(&child->out), '\n', 0) == STR_NONE)
        return;
    child->ready = true;
    tell(child, STATUS_OK, "");
}

static void on_stderr(void *user, struct str bytes)
{
    struct replay_child *child = user;
    if (child->errors.len + bytes.len <= KIB)
        buf_append(&child->errors, bytes);
}

static void on_exit_child(void *user, int exit_code, int signal)
{
    struct replay_child *child = user;
    (void)exit_code;
    (void)signal;
    child->ended = true;
    struct str said = str_trim(buf_str(&child->errors));
    char text[512];
    snprintf(text, sizeof(text), "the replay endpoint ended: " STR_FMT, STR_ARG(said));
    tell(child, STATUS_IO, text);
}

static enum status make_socket_path(struct replay_child *child, const struct config_env *env,
                                    struct err *err)
{
    /* Under the state folder when the path fits sun_path (108 bytes), else in a fresh private
     * folder. */
    struct buf folder = {0};
    buf_append_fmt(&folder, "%s/run", env->state_folder);
    enum status status = STATUS_OK;
    if (folder.len < 60) {
        status = config_make_folder(env->state_folder, err);
        if (status == STATUS_OK)
            status = config_make_folder(folder.ptr, err);
        buf_append_c(&folder, "/XXXXXX");
    } else {
        buf_clear(&folder);
        buf_append_c(&folder, "/tmp/lanebridge-XXXXXX");
    }
    if (status == STATUS_OK && !mkdtemp(folder.ptr))
        status = err_set_errno(err, errno, "cannot make a folder for the replay endpoint's socket");
    if (status == STATUS_OK) {
        child->folder = mem_dup_c(folder.ptr);
        buf_append_c(&folder, "/s");
        child->socket = mem_dup_c(folder.ptr);
    }
    buf_finish(&folder);
    return status;
}

static enum status start(struct replay_child *child, struct loop *loop, struct str file,
                         struct err *err)
{
    static const struct loop_process_handlers handlers = {
        .on_stdout = on_stdout, .on_stderr = on_stderr, .on_exit = on_exit_child};
    struct buf listen = {0}, engine = {0};
    buf_append_fmt(&listen, "unix:%s", child->socket);
    buf_append_fmt(&engine, "replay:" STR_FMT, STR_ARG(file));
    char name[] = "/proc/self/exe", command[] = "endpoint", listen_flag[] = "--listen",
         engine_flag[] = "--engine", with_stdin[] = "--exit-with-stdin",
         path[] = "PATH=/usr/bin:/bin";
    char *argv[] = {name,        command,    listen_flag, listen.ptr,
                    engine_flag, engine.ptr, with_stdin,  NULL};
    char *env[] = {path, NULL};
    struct loop_process_options options = {.argv = argv, .env = env, .pipe_stdin = true};
    child->process = loop_process_new(loop, &options, &handlers, child, err);
    buf_finish(&listen);
    buf_finish(&engine);
    return child->process ? STATUS_OK : STATUS_IO;
}

struct replay_child *
replay_child_new(struct loop *loop, struct str file, const struct config_env *env,
                 void (*on_ready)(void *user, enum status status, const char *text), void *user,
                 struct err *err)
{
    struct replay_child *child = mem_new(struct replay_child);
    child->on_ready = on_ready;
    child->user = user;
    if (make_socket_path(child, env, err) < 0 || start(child, loop, file, err) < 0) {
        replay_child_free(child);
        return NULL;
    }
    return child;
}

const char *replay_child_socket(const struct replay_child *child)
{
    return child->socket;
}

bool replay_child_is_alive(const struct replay_child *child)
{
    return !child->ended;
}

void replay_child_free(struct replay_child *child)
{
    if (!child)
        return;
    loop_process_free(child->process);
    if (child->socket) {
        unlink(child->socket);
        rmdir(child->folder);
    }
    mem_free(child->socket);
    mem_free(child->folder);
    buf_finish(&child->out);
    buf_finish(&child->errors);
    mem_free(child);
}
