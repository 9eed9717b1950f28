/* The API key: taken into memory once, and out of where others could find it. */
#include <lanebridge/config.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define KEY_BYTES (16 * KIB) /* service tokens reach a few KiB; more is some other output */
#define COMMAND_MS 30000     /* long enough to unlock a password store by hand */
#define LOOK_MS 100          /* how often a wish to stop is looked for */

extern char **environ;

/* A key becomes a header: what is no visible ASCII would be refused, or split it. */
bool config_key_is_valid(struct str key)
{
    for (size_t i = 0; i < key.len; i++)
        if ((unsigned char)key.ptr[i] <= ' ' || (unsigned char)key.ptr[i] >= 0x7F)
            return false;
    return key.len > 0;
}

enum status config_key_take(const struct config *config, struct buf *ret_key, struct err *err)
{
    const char *name = config->endpoint_api_key_env;
    char *value = *name ? getenv(name) : NULL;
    struct str key = str_trim(str_from(value));
    if (key.len == 0)
        return err_set(
            err, STATUS_AUTH,
            "There is no API key. Set %s in the environment of the editor (another variable: "
            "endpoint.apiKeyEnv; a program that prints it: endpoint.apiKeyCommand), or "
            "set endpoint.url to a model on this machine, such as "
            "http://127.0.0.1:11434/v1/responses, or to replay:demo for a recorded demonstration",
            *name ? name : "OPENAI_API_KEY");
    bool good = config_key_is_valid(key);
    if (good) {
        buf_clear(ret_key);
        buf_append(ret_key, key);
    }
    /* In place first: /proc/PID/environ shows the bytes even after unsetenv. */
    explicit_bzero(value, strlen(value));
    unsetenv(name);
    if (!good)
        return err_set(err, STATUS_AUTH,
                       "the API key in %s holds blanks or control characters; set it again", name);
    return STATUS_OK;
}

/* -- endpoint.apiKeyCommand -- */

/* All but what steers the loader: that was meant for us, if for anybody. */
static char **environment_for_command(void)
{
    size_t count = 0, kept = 0;
    while (environ[count])
        count++;
    char **env = mem_alloc_array(count + 1, sizeof(*env));
    for (size_t i = 0; i < count; i++)
        if (strncmp(environ[i], "LD_", 3) != 0)
            env[kept++] = environ[i];
    env[kept] = NULL;
    return env;
}

static enum status start_command(char *const *argv, pid_t *ret_pid, int *ret_fd, struct err *err)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return err_set_errno(err, errno, "cannot make a pipe for endpoint.apiKeyCommand");
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
    posix_spawnattr_setpgroup(&attributes, 0);
    char **env = environment_for_command();
    int failed = posix_spawnp(ret_pid, argv[0], &actions, &attributes, argv, env);
    mem_free(env);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    *ret_fd = ends[0];
    if (failed == 0)
        return STATUS_OK;
    close(ends[0]);
    return err_set_errno(err, failed, "cannot start endpoint.apiKeyCommand (%s)", argv[0]);
}

static enum status read_output(int fd, uint64_t deadline_ns, const _Atomic bool *stop,
                               struct buf *out, struct err *err)
{
    char chunk[1024];
    for (;;) {
        uint64_t now = time_mono_ns();
        struct pollfd wait = {fd, POLLIN, 0};
        int wait_ms = now < deadline_ns ? (int)((deadline_ns - now) / 1000000) + 1 : 0;
        int ready = poll(&wait, 1, stop && wait_ms > LOOK_MS ? LOOK_MS : wait_ms);
        if (stop && *stop)
            return err_set(err, STATUS_CANCELLED, "endpoint.apiKeyCommand was stopped");
        if ((ready < 0 && errno == EINTR) || (ready == 0 && wait_ms > 0))
            continue;
        if (ready <= 0)
            return err_set(
                err, STATUS_TIMEOUT,
                "endpoint.apiKeyCommand gave no key within %d seconds; try it in a shell",
                COMMAND_MS / 1000);
        ssize_t got = read(fd, chunk, sizeof(chunk));
        if (got <= 0)
            break;
        buf_append(out, (struct str){chunk, (size_t)got});
        explicit_bzero(chunk, sizeof(chunk));
        if (out->len > KEY_BYTES)
            return err_set(
                err, STATUS_AUTH,
                "endpoint.apiKeyCommand wrote more than 16 KiB; it must print the key alone");
    }
    return STATUS_OK;
}

static int wait_for(pid_t pid, bool kill_first)
{
    int state = 0;
    if (kill_first)
        kill(-pid, SIGKILL);
    while (waitpid(pid, &state, 0) < 0)
        if (errno != EINTR)
            return -1;
    return WIFEXITED(state) ? WEXITSTATUS(state) : 128;
}

enum status config_key_run_command(const struct config *config, struct buf *ret_key,
                                   struct err *err)
{
    return config_key_run_command_until(config, NULL, ret_key, err);
}

enum status config_key_run_command_until(const struct config *config, const _Atomic bool *stop,
                                         struct buf *ret_key, struct err *err)
{
    const struct config_strings *command = &config->endpoint_api_key_command;
    if (command->count == 0)
        return err_set(err, STATUS_NOT_FOUND, "endpoint.apiKeyCommand is not set");
    char **argv = mem_alloc_array(command->count + 1, sizeof(*argv));
    memcpy(argv, command->ptr, command->count * sizeof(*argv));
    pid_t pid;
    int fd;
    struct buf output = {0};
    enum status status = start_command(argv, &pid, &fd, err);
    mem_free(argv);
    if (status != STATUS_OK)
        return status;
    status = read_output(fd, time_mono_ns() + COMMAND_MS * 1000000ULL, stop, &output, err);
    close(fd);
    int code = wait_for(pid, status != STATUS_OK);
    struct str key = str_trim(buf_str(&output));
    if (status == STATUS_OK && code != 0)
        status = err_set(err, STATUS_AUTH, "endpoint.apiKeyCommand failed with exit code %d", code);
    else if (status == STATUS_OK && !config_key_is_valid(key))
        status = err_set(err, STATUS_AUTH,
                         "endpoint.apiKeyCommand must print the key alone, on one line");
    if (status == STATUS_OK) {
        buf_clear(ret_key);
        buf_append(ret_key, key);
    }
    if (output.ptr)
        explicit_bzero(output.ptr, output.len);
    buf_finish(&output);
    return status;
}
