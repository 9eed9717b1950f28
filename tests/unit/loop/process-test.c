/* Child processes: output, environment, descriptors, groups and how they end. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <lanebridge/loop.h>

TestSuite(process, .timeout = 60, .init = loop_prepare_process);

struct run {
    struct loop *loop;
    struct loop_process *process;
    struct buf out, err;
    int exits, exit_code, signal;
    bool kill_on_output, free_on_output, free_on_exit;
};

static void free_process(struct run *run)
{
    loop_process_free(run->process);
    run->process = NULL;
}

static void on_stdout(void *user, struct str bytes)
{
    struct run *run = user;
    buf_append(&run->out, bytes);
    if (run->kill_on_output)
        loop_process_kill(run->process);
    if (run->free_on_output)
        free_process(run);
}

static void on_stderr(void *user, struct str bytes)
{
    buf_append(&((struct run *)user)->err, bytes);
}

static void on_exit_code(void *user, int exit_code, int signal)
{
    struct run *run = user;
    run->exits++;
    run->exit_code = exit_code;
    run->signal = signal;
    if (run->free_on_exit)
        free_process(run);
    /* Last: it ends the run even where something of the child's would keep the loop going. */
    loop_stop(run->loop);
}

static const struct loop_process_handlers handlers = {on_stdout, on_stderr, on_exit_code};
static char *const usual_env[] = {(char[]){"PATH=/usr/local/bin:/usr/bin:/bin"}, NULL};

static void start(struct run *run, const struct loop_process_options *options)
{
    struct err err = {0};
    run->loop = loop_new(NULL);
    run->process = loop_process_new(run->loop, options, &handlers, run, &err);
    cr_assert_not_null(run->process, "%s", err.text);
    cr_assert_gt(loop_process_pid(run->process), 1);
}

static void start_shell(struct run *run, const char *script, struct loop_process_options options)
{
    char *argv[] = {(char[]){"sh"}, (char[]){"-c"}, (char *)script, NULL};
    options.argv = argv;
    if (!options.env)
        options.env = usual_env;
    start(run, &options);
}

static void finish(struct run *run)
{
    loop_process_free(run->process);
    loop_free(run->loop);
    buf_finish(&run->out);
    buf_finish(&run->err);
}

static void run_shell(struct run *run, const char *script, struct loop_process_options options)
{
    start_shell(run, script, options);
    loop_run(run->loop);
    cr_assert_eq(run->exits, 1);
}

#define assert_text(buf, text) cr_assert(str_eq_c(buf_str(&(buf)), text), STR_FMT, STR_ARG(buf))

Test(process, output_and_exit_code_arrive)
{
    struct run run = {0};
    run_shell(&run, "echo out; echo err >&2; exit 3", (struct loop_process_options){0});
    assert_text(run.out, "out\n");
    assert_text(run.err, "err\n");
    cr_assert_eq(run.exit_code, 3);
    cr_assert_eq(run.signal, 0);
    finish(&run);
}

Test(process, all_of_a_big_output_comes_before_the_exit)
{
    struct run run = {0};
    run_shell(&run, "head -c 3000000 /dev/zero", (struct loop_process_options){0});
    cr_assert_eq(run.out.len, 3000000);
    finish(&run);
}

Test(process, merged_output_keeps_its_order_and_can_be_opened_anew)
{
    struct run run = {0};
    run_shell(&run, "echo a; echo b >&2; echo c; echo d >/dev/stderr",
              (struct loop_process_options){.merge_stderr = true});
    assert_text(run.out, "a\nb\nc\nd\n");
    cr_assert_eq(run.err.len, 0);
    finish(&run);
}

Test(process, stdin_is_null_unless_piped)
{
    struct run run = {0};
    run_shell(&run, "cat; echo end", (struct loop_process_options){0});
    assert_text(run.out, "end\n");
    cr_assert_eq(loop_process_write(run.process, &(struct buf){0}), STATUS_CLOSED);
    finish(&run);
}

Test(process, stdin_is_written_and_closed)
{
    struct run run = {0};
    start_shell(&run, "cat; echo end", (struct loop_process_options){.pipe_stdin = true});
    struct buf bytes = {0};
    buf_append_repeat(&bytes, 'x', 500000);
    cr_assert_eq(loop_process_write(run.process, &bytes), STATUS_OK);
    loop_process_close_stdin(run.process);
    loop_run(run.loop);
    cr_assert_eq(run.out.len, 500004);
    buf_finish(&bytes);
    finish(&run);
}

Test(process, writing_to_one_that_ended_is_closed)
{
    struct run run = {0};
    start_shell(&run, "sleep 0.2", (struct loop_process_options){.pipe_stdin = true});
    struct buf bytes = {0};
    buf_append_repeat(&bytes, 'x', 500000);
    cr_assert_eq(loop_process_write(run.process, &bytes), STATUS_OK);
    loop_run(run.loop);
    buf_append_c(&bytes, "x");
    cr_assert_eq(loop_process_write(run.process, &bytes), STATUS_CLOSED);
    loop_process_close_stdin(run.process);
    buf_finish(&bytes);
    finish(&run);
}

Test(process, the_environment_is_exactly_what_was_given)
{
    char *argv[] = {(char[]){"env"}, NULL};
    char *env[] = {(char[]){"PATH=/usr/bin:/bin"}, (char[]){"ONLY=this"}, NULL};
    struct run run = {0};
    setenv("LEAKED", "secret", 1);
    start(&run, &(struct loop_process_options){.argv = argv, .env = env});
    loop_run(run.loop);
    assert_text(run.out, "PATH=/usr/bin:/bin\nONLY=this\n");
    finish(&run);
}

/* A folder with an executable script `tool`, and the same name relative to it. */
static void make_tool(char folder[32])
{
    strcpy(folder, "/tmp/loop-test-XXXXXX");
    cr_assert_not_null(mkdtemp(folder));
    char path[64];
    snprintf(path, sizeof path, "%s/tool", folder);
    FILE *file = fopen(path, "w");
    fputs("#!/bin/sh\npwd\n", file);
    fclose(file);
    cr_assert_eq(chmod(path, 0755), 0);
}

static void remove_tool(const char *folder)
{
    char path[64];
    snprintf(path, sizeof path, "%s/tool", folder);
    unlink(path);
    rmdir(folder);
}

Test(process, programs_are_found_in_the_given_path_alone)
{
    char folder[32], path[64], line[64];
    make_tool(folder);
    snprintf(path, sizeof path, "PATH=:relative:/nowhere:%s", folder);
    char *env[] = {path, NULL};
    const char *names[] = {"tool", "./tool"};
    for (size_t i = 0; i < array_count(names); i++) {
        char *argv[] = {(char *)names[i], NULL};
        struct run run = {0};
        start(&run, &(struct loop_process_options){.argv = argv, .env = env, .cwd = folder});
        loop_run(run.loop);
        snprintf(line, sizeof line, "%s\n", folder);
        assert_text(run.out, line);
        finish(&run);
    }
    remove_tool(folder);
}

Test(process, what_cannot_start_is_said_plainly)
{
    static const struct {
        const char *program, *path, *cwd;
        enum status status;
        const char *says;
    } cases[] = {
        {"no-such-program", "PATH=/usr/bin:/bin", NULL, STATUS_NOT_FOUND, "no-such-program"},
        {"sh", "PATH=/nowhere", NULL, STATUS_NOT_FOUND, "/nowhere"},
        {"sh", "OTHER=1", NULL, STATUS_NOT_FOUND, "sh"},
        {"sh", "PATH=bin:.", "/usr", STATUS_NOT_FOUND, "sh"},
        {"/no/such/file", "PATH=/bin", NULL, STATUS_NOT_FOUND, "/no/such/file"},
        {"/etc/passwd", "PATH=/bin", NULL, STATUS_NOT_FOUND, "/etc/passwd"},
        {"/usr", "PATH=/bin", NULL, STATUS_NOT_FOUND, "/usr"},
        {"", "PATH=/bin", NULL, STATUS_INVALID, "No program"},
        {"sh", "PATH=/usr/bin:/bin", "/no/such/folder", STATUS_NOT_FOUND, "/no/such/folder"},
    };
    struct loop *loop = loop_new(NULL);
    for (size_t i = 0; i < array_count(cases); i++) {
        char *argv[] = {(char *)cases[i].program, NULL};
        char *env[] = {(char *)cases[i].path, NULL};
        struct loop_process_options options = {.argv = argv, .env = env, .cwd = cases[i].cwd};
        struct err err = {0};
        cr_assert_null(loop_process_new(loop, &options, &handlers, NULL, &err));
        cr_assert_eq(err.status, cases[i].status, "case %zu: %s", i, err.text);
        cr_assert_not_null(strstr(err.text, cases[i].says), "case %zu: %s", i, err.text);
    }
    loop_free(loop);
}

Test(process, a_program_that_cannot_be_executed_fails_cleanly)
{
    char folder[32], path[64];
    make_tool(folder);
    snprintf(path, sizeof path, "%s/tool", folder);
    FILE *file = fopen(path, "w");
    fputs("#!/no/such/interpreter\n", file);
    fclose(file);
    char *argv[] = {path, NULL};
    struct loop *loop = loop_new(NULL);
    struct err err = {0};
    struct loop_process_options options = {.argv = argv, .env = usual_env};
    cr_assert_null(loop_process_new(loop, &options, &handlers, NULL, &err));
    cr_assert_not_null(strstr(err.text, "cannot be started"), "%s", err.text);
    loop_free(loop);
    remove_tool(folder);
}

Test(process, descriptors_are_handed_down_by_number_and_no_others)
{
    int fds[2];
    cr_assert_eq(pipe2(fds, O_CLOEXEC), 0);
    cr_assert_eq(write(fds[1], "data", 4), 4);
    close(fds[1]);
    int same = fcntl(fds[0], F_DUPFD_CLOEXEC, 40); /* the number it has is the number it gets */
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    /* Numbers that clash with ours: 3 to 6 are taken in any process that has a loop. */
    struct loop_process_fd list[] = {{9, fds[0]}, {3, null}, {40, same}};
    struct run run = {0};
    run_shell(&run, "cat <&9; ls /proc/$$/fd",
              (struct loop_process_options){.fds = list, .fd_count = array_count(list)});
    assert_text(run.out, "data0\n1\n2\n3\n40\n9\n");
    cr_assert_geq(fcntl(fds[0], F_GETFD), 0, "the descriptor is borrowed");
    finish(&run);
    close(fds[0]);
    close(same);
    close(null);
}

Test(process, a_descriptor_number_out_of_range_is_refused)
{
    static const int numbers[] = {-1, 1024, 100000};
    struct loop *loop = loop_new(NULL);
    char *argv[] = {(char[]){"true"}, NULL};
    for (size_t i = 0; i < array_count(numbers); i++) {
        struct loop_process_fd fd = {numbers[i], 1};
        struct loop_process_options options = {
            .argv = argv, .env = usual_env, .fds = &fd, .fd_count = 1};
        struct err err = {0};
        cr_assert_null(loop_process_new(loop, &options, &handlers, NULL, &err));
        cr_assert_eq(err.status, STATUS_INVALID);
    }
    loop_free(loop);
}

Test(process, a_socket_can_replace_stdin_and_stdout)
{
    int fds[2];
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    struct loop_process_fd list[] = {{0, fds[0]}, {1, fds[0]}};
    struct run run = {0};
    cr_assert_eq(write(fds[1], "hello\n", 6), 6);
    run_shell(&run, "read line; echo got $line; echo err >&2",
              (struct loop_process_options){
                  .fds = list, .fd_count = array_count(list), .pipe_stdin = true});
    char text[16] = {0};
    cr_assert_eq(read(fds[1], text, sizeof text), 10);
    cr_assert_str_eq(text, "got hello\n");
    assert_text(run.err, "err\n");
    cr_assert_eq(run.out.len, 0);
    finish(&run);
    close(fds[0]);
    close(fds[1]);
}

Test(process, the_child_leads_its_own_session)
{
    struct run run = {0};
    run_shell(&run, "cut -d' ' -f1,5,6 /proc/$$/stat", (struct loop_process_options){0});
    int pid = 0, group = 0, session = 0;
    cr_assert_eq(sscanf(run.out.ptr, "%d %d %d", &pid, &group, &session), 3);
    cr_assert_eq(group, pid);
    cr_assert_eq(session, pid);
    finish(&run);
}

Test(process, kill_reaches_the_whole_group)
{
    struct run run = {.kill_on_output = true};
    run_shell(&run, "sleep 1000 & echo started; wait", (struct loop_process_options){0});
    cr_assert_eq(run.exit_code, -1);
    cr_assert_eq(run.signal, SIGTERM);
    /* The pipe ended, so no sleep holds it. */
    finish(&run);
}

Test(process, one_that_ignores_sigterm_is_killed)
{
    struct run run = {.kill_on_output = true};
    run_shell(&run, "trap '' TERM; echo started; while :; do sleep 1000; done",
              (struct loop_process_options){0});
    cr_assert_eq(run.exit_code, -1);
    cr_assert_eq(run.signal, SIGKILL);
    finish(&run);
}

Test(process, members_of_the_group_get_their_grace_to_clean_up)
{
    struct run run = {.kill_on_output = true};
    run_shell(&run,
              "(trap 'sleep 0.4; echo cleaned; exit' TERM; echo started; while :; do sleep 0.05; "
              "done) & trap 'exit 5' TERM; wait; wait",
              (struct loop_process_options){0});
    assert_text(run.out, "started\ncleaned\n");
    finish(&run);
}

Test(process, a_grandchild_that_holds_the_pipe_does_not_hold_the_exit)
{
    struct run run = {0};
    run_shell(&run, "setsid sleep 3 & echo done; exit 4", (struct loop_process_options){0});
    assert_text(run.out, "done\n");
    cr_assert_eq(run.exit_code, 4);
    finish(&run);
}

Test(process, a_grandchild_that_keeps_talking_is_cut_off)
{
    struct run run = {0};
    run_shell(&run, "(while :; do echo x; sleep 0.02; done) & exit 0",
              (struct loop_process_options){0});
    cr_assert_eq(run.exit_code, 0);
    finish(&run);
}

Test(process, may_be_freed_in_its_own_callbacks)
{
    for (int i = 0; i < 2; i++) {
        struct run run = {.free_on_output = i == 0, .free_on_exit = i == 1};
        start_shell(&run, "echo hello; sleep 0.1", (struct loop_process_options){0});
        loop_run(run.loop);
        cr_assert_null(run.process);
        cr_assert_eq(run.exits, i);
        finish(&run);
    }
}

Test(process, freeing_one_that_runs_kills_and_reaps_it)
{
    struct run run = {0};
    start_shell(&run, "sleep 1000", (struct loop_process_options){.pipe_stdin = true});
    pid_t pid = loop_process_pid(run.process);
    free_process(&run);
    finish(&run);
    cr_assert_eq(run.exits, 0);
    cr_assert_eq(waitpid(pid, NULL, WNOHANG), -1, "left as a zombie");
    cr_assert_eq(kill(pid, 0), -1);
}

Test(process, kill_after_the_end_is_harmless)
{
    struct run run = {0};
    run_shell(&run, "exit 0", (struct loop_process_options){0});
    loop_process_kill(run.process);
    loop_process_kill(run.process);
    finish(&run);
    loop_process_free(NULL);
}

Test(process, reads_a_file_in_memory)
{
    struct buf big = {0};
    char head[8] = {0};
    struct stat st;
    buf_append_repeat(&big, 'x', 3 * MIB);
    memcpy(big.ptr, "begin", 5);
    int fd = loop_memory_file(buf_str(&big), NULL);
    cr_assert_geq(fd, 0);
    cr_assert_eq(fstat(fd, &st), 0);
    cr_assert_eq((size_t)st.st_size, big.len);
    cr_assert_eq(read(fd, head, 5), 5);
    cr_assert_str_eq(head, "begin");
    cr_assert(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    close(fd);
    fd = loop_memory_file((struct str){0}, NULL);
    cr_assert_eq(read(fd, head, 5), 0);
    close(fd);
    buf_finish(&big);
}
