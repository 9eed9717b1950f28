/* Building a launch, the tiers, and what is said where there is none. */
#include "support.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static bool landlock_is_missing(void)
{
    return syscall(SYS_landlock_create_ruleset, NULL, 0, 1) < 0;
}

TestSuite(launch, .timeout = 60, .init = begin, .fini = end);

Test(launch, sec_16_without_bubblewrap_every_command_asks)
{
    setenv("PATH", "", 1);
    forbid_landlock();
    cr_assert_eq(policy_sandbox_tier(policy), TIER_UNKNOWN);
    cr_assert_eq(ask("ls"), POLICY_ASK, "not tested: asks");
    cr_assert_eq(policy_sandbox_test(policy, &err), TIER_NONE);
    cr_assert(strstr(err.text, "install the package \"bubblewrap\""), "%s", err.text);
    err.text[0] = '\0';
    cr_assert_eq(policy_sandbox_test(policy, &err), TIER_NONE);
    cr_assert(strstr(err.text, "bubblewrap is missing"), "the reason is remembered");
    cr_assert_eq(ask("ls"), POLICY_ASK);
    struct policy_command command = command_of("ls");
    struct policy_launch launch;
    cr_assert_eq(policy_launch_build(policy, &command, NULL, NULL, 0, true, &launch, &err),
                 STATUS_UNSUPPORTED);
    cr_assert(strstr(err.text, "bubblewrap is missing"), "%s", err.text);
}

/* a bwrap that fails in a known way, and what must be said */
static const struct {
    const char *script, *said;
} failing[] = {
    {"echo 'bwrap: setting up uid map: Permission denied' >&2; exit 1", "AppArmor profile"},
    {"echo 'bwrap: No permissions to create new namespace' >&2; exit 1", "sandbox.mode"},
    {"echo \"bwrap: Can't mount proc on /newroot/proc: Operation not permitted\" >&2; exit 1",
     "\"external\""},
    {"exit 7", "bubblewrap failed"},
    {"kill -9 $$", "bubblewrap failed"},
};

Test(launch, sec_16_a_sandbox_that_fails_is_no_sandbox)
{
    forbid_landlock();
    for (size_t i = 0; i < array_count(failing); i++) {
        char script[256];
        snprintf(script, sizeof(script), "#!/bin/sh\n%s\n", failing[i].script);
        put("bin/bwrap", script);
        chmod(at("bin/bwrap"), 0755);
        setenv("PATH", at("bin"), 1);
        make_policy();
        cr_assert_eq(policy_sandbox_test(policy, &err), TIER_NONE);
        cr_assert(strstr(err.text, failing[i].said), "%s", err.text);
        cr_assert_eq(ask("ls"), POLICY_ASK);
    }
}

Test(launch, sec_02_a_bwrap_of_the_workspace_is_not_run)
{
    forbid_landlock();
    put("ws/bin/bwrap", "#!/bin/sh\ntouch ../planted\n");
    chmod(at("ws/bin/bwrap"), 0755);
    char path[256];
    snprintf(path, sizeof(path), ".::bin:%s", at("ws/bin"));
    setenv("PATH", path, 1);
    cr_assert_eq(policy_sandbox_test(policy, &err), TIER_NONE);
    cr_assert(strstr(err.text, "missing"), "%s", err.text);
}

Test(launch, modes_of_the_sandbox)
{
    set("{\"sandbox.mode\":\"off\"}");
    cr_assert_eq(policy_sandbox_test(policy, &err), TIER_NONE);
    cr_assert(strstr(err.text, "\"off\""), "%s", err.text);
    cr_assert_eq(ask("ls"), POLICY_ASK);
    set("{\"sandbox.mode\":\"external\"}");
    cr_assert_eq(policy_sandbox_tier(policy), TIER_UNKNOWN, "another setting, another test");
    cr_assert_eq(policy_sandbox_test(policy, &err), TIER_EXTERNAL);
    cr_assert_eq(ask("ls"), POLICY_ALLOW);
    set("{\"sandbox.mode\":\"on\"}");
    cr_assert_eq(ask("ls"), POLICY_ASK, "tightened: what was allowed before is tested anew");
}

/* Where bubblewrap cannot work there is still something; it says what it is. */
Test(launch, sec_16_landlock_is_shown_as_weaker_and_what_may_write_asks)
{
    if (landlock_is_missing())
        cr_skip_test("this kernel has no Landlock");
    setenv("PATH", "/nowhere", 1);
    cr_assert_eq(policy_sandbox_test(policy, &err), TIER_LANDLOCK, "%s", err.text);
    cr_assert(strstr(err.text, "install the package \"bubblewrap\""), "%s", err.text);
    cr_assert(strstr(err.text, "weaker"), "%s", err.text);
    cr_assert_eq(ask("cat in.txt"), POLICY_ALLOW);
    static const char *const asking[] = {"make", "touch x", "ls; touch x", "cat in.txt > out"};
    for (size_t i = 0; i < array_count(asking); i++)
        cr_assert_eq(ask(asking[i]), POLICY_ASK, "%s", asking[i]);
    struct policy_command command = command_of("cat in.txt");
    command.network = true;
    struct policy_verdict verdict;
    policy_check_command(policy, &command, &verdict);
    cr_assert_eq(verdict.answer, POLICY_ASK);
}

Test(launch, sec_16_what_passed_is_remembered_until_the_machine_starts_anew)
{
    need_sandbox();
    const char *file = at("home/.local/state/lanebridge/sandbox-tested");
    cr_assert_neq(access(file, F_OK), 0, "it makes no state folder");
    put("home/.local/state/lanebridge/other", "");
    make_policy();
    need_sandbox();
    cr_assert_eq(access(file, F_OK), 0);
    struct stat st;
    cr_assert_eq(stat(file, &st), 0);
    cr_assert_eq(st.st_mode & 077, 0);
    /* A bubblewrap that is another file is tested, whatever is remembered. */
    put("bin/bwrap", "#!/bin/sh\nexit 9\n");
    chmod(at("bin/bwrap"), 0755);
    setenv("PATH", at("bin"), 1);
    make_policy();
    cr_assert_neq(policy_sandbox_test(policy, &err), TIER_BUBBLEWRAP);
}

/* Without a pid namespace somebody else must end what a command leaves behind. */
Test(launch, sec_21_what_an_approved_command_leaves_behind_ends_with_it)
{
    char text[256];
    snprintf(text, sizeof(text),
             "(setsid sleep 8%d1 &) ; (nohup setsid setsid sleep 8%d2 >/dev/null 2>&1 &) ; "
             "sleep 0.2; pgrep -cxf 'sleep 8%d[12]'",
             (int)getpid(), (int)getpid(), (int)getpid());
    struct policy_command command = command_of(text);
    struct outcome got = run_launch(&command, NULL, 0, false);
    cr_assert_str_eq(got.text, "2\n");
    snprintf(text, sizeof(text), "pgrep -xf 'sleep 8%d[12]' >/dev/null", (int)getpid());
    cr_assert_neq(system(text), 0, "nothing is left");
}

/* kill -9 of the server, here of a process that starts commands as it does. */
Test(launch, sec_21_a_killed_server_leaves_nothing_behind)
{
    need_sandbox();
    char text[256];
    snprintf(text, sizeof(text),
             "setsid sleep 6%d1 & (nohup setsid sleep 6%d2 >/dev/null 2>&1 &); "
             "sleep 6%d3",
             (int)getpid(), (int)getpid(), (int)getpid());
    struct policy_command command = command_of(text);
    snprintf(text + 200, 56, "pgrep -xf 'sleep 6%d[123]' >/dev/null", (int)getpid());
    for (int sandboxed = 0; sandboxed < 2; sandboxed++) {
        pid_t server = fork();
        if (server == 0) {
            setpgid(0, 0);
            run_launch(&command, NULL, 0, sandboxed);
            _exit(0);
        }
        int tries = 0;
        while (system(text + 200) != 0 && tries++ < 1000)
            usleep(20000);
        cr_assert_lt(tries, 1000, "the command never began");
        usleep(50000);
        kill(server, SIGKILL);
        cr_assert_eq(waitpid(server, NULL, 0), server);
        for (tries = 0; system(text + 200) == 0 && tries < 1000; tries++)
            usleep(20000);
        cr_assert_lt(tries, 1000, "%s: something is left", sandboxed ? "sandboxed" : "plain");
    }
}

Test(launch, sec_13_an_approved_command_runs_plain_in_its_folder)
{
    setenv("LB_CANARY", "canary", 1);
    struct policy_command command = command_of("pwd; echo \"$0 $#\"; env | grep -c canary; exit 5");
    struct outcome got = run_launch(&command, NULL, 0, false);
    char expected[256];
    snprintf(expected, sizeof(expected), "%s\n/bin/bash 0\n0\n", at("ws"));
    cr_assert_str_eq(got.text, expected);
    cr_assert_eq(got.code, 5);
    command.workdir = str_from(at("ws/none; touch planted"));
    cr_assert_eq(run_launch(&command, NULL, 0, false).code, 126);
}

Test(launch, what_cannot_be_launched)
{
    need_sandbox();
    struct policy_launch launch;
    struct policy_command command = command_of("ls");
    command.workdir = str_from(at("outside"));
    cr_assert_eq(policy_launch_build(policy, &command, NULL, NULL, 0, true, &launch, &err),
                 STATUS_DENIED);
    command = command_of("ls");
    command.command = (struct str){"a\0b", 3};
    cr_assert_eq(policy_launch_build(policy, &command, NULL, NULL, 0, true, &launch, &err),
                 STATUS_INVALID);
    put("outside/x", "");
    cr_assert_eq(symlink(at("outside"), at("ws/link")), 0);
    struct policy_bind binds[] = {{at("ws/link/x"), 0, 3}, {at("ws"), 0, 3}};
    command = command_of("ls");
    cr_assert_eq(policy_launch_build(policy, &command, NULL, &binds[0], 1, true, &launch, &err),
                 STATUS_DENIED);
    cr_assert_eq(policy_launch_build(policy, &command, NULL, &binds[1], 1, true, &launch, &err),
                 STATUS_INVALID);
}

/* Users are no root: the same must work for them, also nested. */
Test(launch, sec_16_it_works_for_an_unprivileged_user_and_nested)
{
    need_sandbox();
    struct policy_launch launch = {.seccomp_fd = -1};
    struct policy_command command = command_of("echo in; touch /etc/x 2>/dev/null && echo bad");
    cr_assert_eq(chmod(base, 0755), 0);
    cr_assert_eq(chmod(at("ws"), 0777), 0);
    cr_assert_eq(policy_launch_build(policy, &command, NULL, NULL, 0, true, &launch, &err),
                 STATUS_OK);
    static const char *const wrappers[][8] = {
        {"/usr/bin/setpriv", "--reuid=12345", "--regid=12345", "--clear-groups", NULL},
        {"/usr/bin/unshare", "-Urn", NULL},
    };
    bool other_user =
        system("setpriv --reuid=12345 --regid=12345 --clear-groups true 2>/dev/null") == 0;
    for (size_t i = other_user ? 0 : 1; i < array_count(wrappers); i++) {
        char *argv[256];
        size_t count = 0;
        if (access(wrappers[i][0], X_OK) != 0)
            continue;
        for (size_t k = 0; wrappers[i][k]; k++)
            argv[count++] = (char *)wrappers[i][k];
        for (size_t k = 0; launch.argv[k] && count < 255; k++) {
            /* The private cache belongs to us, not to that user. */
            if (i == 0 && strcmp(launch.argv[k], "--bind") == 0 &&
                strstr(launch.argv[k + 1], "/sandbox/"))
                k += 2;
            else
                argv[count++] = launch.argv[k];
        }
        argv[count] = NULL;
        lseek(launch.seccomp_fd, 0, SEEK_SET); /* the one before has read it */
        int fds[1][2] = {{launch.seccomp_child_fd, launch.seccomp_fd}};
        struct outcome got = spawn_and_wait(argv, launch.env, (const int(*)[2])fds, 1);
        cr_assert_str_eq(got.text, "in\n", "%s", wrappers[i][0]);
    }
    policy_launch_finish(&launch);
}
