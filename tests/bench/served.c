#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

void served_start(struct served *endpoint, const char *binary, const char *folder)
{
    char engine[128], command[] = "endpoint", engine_flag[] = "--engine",
                      stdin_flag[] = "--exit-with-stdin", path[] = "PATH=/usr/bin:/bin";
    char *argv[] = {(char *)(uintptr_t)binary, command, engine_flag, engine, stdin_flag, NULL};
    char *env[] = {path, NULL}, line[128] = "";
    int in[2], out[2];
    posix_spawn_file_actions_t actions;
    snprintf(engine, sizeof(engine), "replay:%s/script.jsonl", folder);
    if (pipe2(in, O_CLOEXEC) < 0 || pipe2(out, O_CLOEXEC) < 0)
        bench_die("cannot make pipes: %s", strerror(errno));
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, in[0], STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
    if (posix_spawn(&endpoint->pid, binary, &actions, NULL, argv, env) != 0)
        bench_die("cannot start the endpoint");
    posix_spawn_file_actions_destroy(&actions);
    close(in[0]);
    close(out[1]);
    endpoint->in = in[1];
    FILE *said = fdopen(out[0], "r");
    if (!said || !fgets(line, sizeof(line), said) ||
        sscanf(line, "ws://127.0.0.1:%u/", &endpoint->port) != 1)
        bench_die("the endpoint does not say where it listens: %s", line);
    fclose(said);
}

void served_stop(struct served *endpoint)
{
    int status;
    close(endpoint->in);
    waitpid(endpoint->pid, &status, 0);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        bench_die("the endpoint did not end well (wait status %d)", status);
}
