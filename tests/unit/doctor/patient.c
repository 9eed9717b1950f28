#include "patient.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static char *program(void)
{
    char *path = getenv("LANEBRIDGE_PROGRAM");
    cr_assert(path, "LANEBRIDGE_PROGRAM names the program under test");
    return path;
}

/* -- Life -- */

void patient_set(struct patient *patient, const char *format, ...)
{
    struct buf text = {0};
    va_list args;
    va_start(args, format);
    buf_append_vfmt(&text, format, args);
    va_end(args);
    size_t name = str_find_byte(buf_str(&text), '=', 0);
    size_t i = 0;
    while (i < patient->variable_count && strncmp(patient->variables[i], text.ptr, name + 1) != 0)
        i++;
    cr_assert(i + 1 < VARIABLES_COUNT);
    mem_free(patient->variables[i]);
    patient->variables[i] = buf_take(&text);
    if (i == patient->variable_count)
        patient->variable_count++;
}

void patient_start(struct patient *patient)
{
    *patient = (struct patient){.folder = "/tmp/doctor-test-XXXXXX"};
    cr_assert(mkdtemp(patient->folder));
    patient_set(patient, "PATH=/usr/bin:/bin");
    patient_set(patient, "HOME=%s", patient->folder);
    patient_set(patient, "LANEBRIDGE_CONFIG=%s/config.json", patient->folder);
    patient_set(patient, "LANEBRIDGE_STATE=%s/state", patient->folder);
    patient_set(patient, "LANEBRIDGE_TEST_DEADLINES=connect:3000,proof:3000");
    patient_set(patient, "ASAN_OPTIONS=detect_leaks=1");
    patient_set(patient, "SSL_CERT_FILE=/dev/null");
    patient_set(patient, "SSL_CERT_DIR=%s", patient->folder);
    patient_write(patient, "config.json", "{}");
}

static void drop_report(struct patient *patient)
{
    json_free(patient->report);
    patient->report = NULL;
    buf_finish(&patient->out);
    buf_finish(&patient->err);
}

void patient_end(struct patient *patient)
{
    char command[192];
    drop_report(patient);
    for (size_t i = 0; i < VARIABLES_COUNT; i++)
        mem_free(patient->variables[i]);
    snprintf(command, sizeof(command), "chmod -R u+rwx %s; rm -rf %s", patient->folder,
             patient->folder);
    cr_assert_eq(system(command), 0);
}

const char *patient_path(const struct patient *patient, const char *name)
{
    static char path[256];
    snprintf(path, sizeof(path), "%s/%s", patient->folder, name);
    return path;
}

void patient_write(struct patient *patient, const char *name, const char *text)
{
    int fd = open(patient_path(patient, name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    cr_assert(fd >= 0);
    cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

void patient_set_endpoint(struct patient *patient, const char *url, const char *more)
{
    struct buf text = {0};
    buf_append_fmt(&text, "{\"endpoint\":{\"url\":\"%s\"%s}}", url, more);
    patient_write(patient, "config.json", text.ptr);
    buf_finish(&text);
}

/* -- Running -- */

static pid_t spawn(char *const *argv, char *const *env, int out, int err)
{
    pid_t pid;
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
    if (err >= 0)
        posix_spawn_file_actions_adddup2(&actions, err, STDERR_FILENO);
    cr_assert_eq(posix_spawn(&pid, argv[0], &actions, NULL, argv, env), 0);
    posix_spawn_file_actions_destroy(&actions);
    return pid;
}

static void read_both(const int *fds, struct buf *const *to)
{
    struct pollfd wait[2] = {{fds[0], POLLIN, 0}, {fds[1], POLLIN, 0}};
    char chunk[4096];
    int open_count = 2;
    while (open_count > 0 && poll(wait, 2, -1) > 0) {
        for (int i = 0; i < 2; i++) {
            if (!wait[i].revents)
                continue;
            ssize_t got = read(fds[i], chunk, sizeof(chunk));
            if (got > 0) {
                buf_append(to[i], (struct str){chunk, (size_t)got});
                continue;
            }
            wait[i].fd = -1;
            open_count--;
        }
    }
}

static void run(struct patient *patient, char *const *argv)
{
    int out[2], err[2], state = 0;
    drop_report(patient);
    cr_assert_eq(pipe2(out, O_CLOEXEC), 0);
    cr_assert_eq(pipe2(err, O_CLOEXEC), 0);
    pid_t pid = spawn(argv, patient->variables, out[1], err[1]);
    close(out[1]);
    close(err[1]);
    read_both((int[]){out[0], err[0]}, (struct buf *[]){&patient->out, &patient->err});
    close(out[0]);
    close(err[0]);
    cr_assert_eq(waitpid(pid, &state, 0), pid);
    cr_assert(WIFEXITED(state), "a signal: %d; %s", WTERMSIG(state),
              patient->err.ptr ? patient->err.ptr : "");
    patient->exit_code = WEXITSTATUS(state);
}

void patient_run_with(struct patient *patient, const char *argument, const char *another)
{
    char command[] = "doctor", *first = mem_dup_c(argument), *second = mem_dup_c(another);
    char *argv[] = {program(), command, first, second, NULL};
    run(patient, argv);
    mem_free(first);
    mem_free(second);
}

void patient_run(struct patient *patient)
{
    struct err err;
    patient_run_with(patient, "--json", NULL);
    cr_assert_eq(json_parse(str_trim(buf_str(&patient->out)), &patient->report, &err), STATUS_OK,
                 "%s: %s %s", err.text, patient->out.ptr, patient->err.ptr);
    cr_expect_eq(patient->err.len, 0, "%s", patient->err.ptr);
    patient_expect_sense(patient);
}

/* -- Looking -- */

const struct json_value *patient_check(const struct patient *patient, const char *name)
{
    const struct json_value *checks = json_get(patient->report, "checks");
    for (const struct json_value *one = json_first(checks); one; one = json_next(one))
        if (str_eq_c(json_get_str(one, "name"), name))
            return one;
    cr_assert(false, "there is no check %s", name);
    return NULL;
}

static void expect_part(const struct json_value *check, const char *name, const char *member,
                        const char *part)
{
    struct str text = json_get_str(check, member);
    if (part)
        cr_expect(str_find(text, str_from(part), 0) != STR_NONE,
                  "%s: %s is \"" STR_FMT "\", not \"%s\"", name, member, STR_ARG(text), part);
}

void patient_expect(const struct patient *patient, const char *name, const char *status,
                    const char *found, const char *fix)
{
    const struct json_value *check = patient_check(patient, name);
    struct str is = json_get_str(check, "status"), said = json_get_str(check, "found");
    cr_expect(str_eq_c(is, status), "%s is " STR_FMT ", not %s: " STR_FMT, name, STR_ARG(is),
              status, STR_ARG(said));
    expect_part(check, name, "found", found);
    expect_part(check, name, "fix", fix);
}

void patient_expect_sense(const struct patient *patient)
{
    bool fails = false;
    const struct json_value *checks = json_get(patient->report, "checks");
    cr_expect(json_count(checks) > 15);
    for (const struct json_value *one = json_first(checks); one; one = json_next(one)) {
        struct str name = json_get_str(one, "name"), status = json_get_str(one, "status");
        bool asks = str_eq_c(status, "fail") || str_eq_c(status, "warn");
        fails |= str_eq_c(status, "fail");
        cr_expect(json_get_str(one, "found").len > 0, STR_FMT " says nothing", STR_ARG(name));
        cr_expect(!asks || json_get_str(one, "fix").len > 0, STR_FMT " does not say what to do",
                  STR_ARG(name));
        cr_expect(!str_eq_c(status, "skip") ||
                      str_starts_with(json_get_str(one, "found"), STR("skipped: because ")),
                  STR_FMT " does not say why", STR_ARG(name));
        cr_expect(json_is(json_get(one, "facts"), JSON_OBJECT));
    }
    cr_expect_eq(patient->exit_code, fails ? 1 : 0);
    cr_expect_eq(json_get_bool(patient->report, "ok", fails), !fails);
}

/* -- The endpoint -- */

void server_start(struct server *server, const struct patient *patient, const char *const *options)
{
    char *argv[12] = {program(), (char[]){"endpoint"}};
    size_t count = 2;
    int out[2];
    for (; options && *options; options++)
        argv[count++] = mem_dup_c(*options);
    cr_assert_eq(pipe2(out, O_CLOEXEC), 0);
    server->pid = spawn(argv, patient->variables, out[1], -1);
    close(out[1]);
    size_t len = 0;
    while (len < sizeof(server->url) - 1 && read(out[0], server->url + len, 1) == 1 &&
           server->url[len] != '\n')
        len++;
    server->url[len] = '\0';
    close(out[0]);
    cr_assert(strncmp(server->url, "ws://", 5) == 0, "%s", server->url);
    while (count > 2)
        mem_free(argv[--count]);
}

void server_end(struct server *server)
{
    int state;
    kill(server->pid, SIGTERM);
    cr_expect_eq(waitpid(server->pid, &state, 0), server->pid);
}
