/* Real commands in the real sandbox. */
#include "support.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static void begin_sandboxed(void)
{
    begin();
    need_sandbox();
}

TestSuite(sandbox, .timeout = 60, .init = begin_sandboxed, .fini = end);

Test(sandbox, a_command_works_in_the_workspace)
{
    put("ws/in.txt", "hello");
    struct outcome got = run("pwd; cat in.txt; echo new > out.txt; mkdir -p a/b; exit 3");
    char expected[256];
    snprintf(expected, sizeof(expected), "%s\nhello", at("ws"));
    cr_assert_str_eq(got.text, expected);
    cr_assert_eq(got.code, 3);
    cr_assert_str_eq(get("ws/out.txt"), "new\n");
}

/* Decision 10: what is on the screen is what the command sees, and the disk stays as it is. */
Test(sandbox, commands_see_unsaved_text)
{
    put("ws/f.sh", "echo disk\n");
    put("ws/sub/g.txt", "disk\n");
    chmod(at("ws/f.sh"), 0755);
    struct policy_bind binds[] = {
        {at("ws/f.sh"), text_fd("#!/bin/sh\necho screen\n"), 3},
        {at("ws/sub/g.txt"), text_fd("screen too\n"), 4},
        {at("ws/not-there.txt"), text_fd("nobody sees this\n"), 5},
    };
    struct policy_command command =
        command_of("./f.sh; cat sub/g.txt; ls not-there.txt 2>&1; echo x 2>/dev/null >>f.sh; "
                   "rm sub/g.txt 2>/dev/null || echo busy");
    struct outcome got = run_launch(&command, binds, array_count(binds), true);
    cr_assert(strstr(got.text, "screen\nscreen too\n"), "%s", got.text);
    cr_assert(strstr(got.text, "No such file"), "%s", got.text);
    cr_assert(strstr(got.text, "busy"), "%s", got.text);
    cr_assert_str_eq(get("ws/f.sh"), "echo disk\n");
    cr_assert_str_eq(get("ws/sub/g.txt"), "disk\n");
    cr_assert_str_eq(get("ws/not-there.txt"), "(none)", "no ghost is left");
    for (size_t i = 0; i < array_count(binds); i++)
        close(binds[i].fd);
}

Test(sandbox, sec_16_nothing_outside_the_workspace_is_writable)
{
    static const char *const places[] = {"/etc",     "/usr",  "/usr/bin", "/root", "/home",
                                         "/var/lib", "/boot", "/opt",     "/"};
    put("outside/file", "before");
    for (size_t i = 0; i < array_count(places); i++) {
        char text[256];
        snprintf(text, sizeof(text), "touch %s/lanebridge-test 2>/dev/null && echo written",
                 places[i]);
        struct outcome got = run(text);
        cr_assert_str_eq(got.text, "", "%s", places[i]);
    }
    char text[600];
    snprintf(text, sizeof(text), "echo after > %s; echo x > %s/x; echo secret > %s/x",
             at("outside/file"), at("home"), env.state_folder);
    run(text);
    cr_assert_str_eq(get("outside/file"), "before");
    cr_assert_str_eq(get("home/x"), "(none)");
    struct outcome mounts = run("grep -c ' / / rw' /proc/self/mountinfo; mount -t tmpfs none /mnt "
                                "2>/dev/null && echo mounted; mount -o remount,rw / 2>/dev/null && "
                                "echo remounted");
    cr_assert_str_eq(mounts.text, "0\n");
}

Test(sandbox, sec_19_protected_names_of_the_root_are_read_only)
{
    static const char *const names[] = {
        ".git/config", ".git/hooks/pre-commit",   ".vscode/tasks.json",  ".envrc",     ".env.local",
        "AGENTS.md",   ".github/workflows/a.yml", "proj.code-workspace", ".GitModules"};
    put("ws/.git/HEAD", "ref: refs/heads/main\n");
    put("ws/.git/objects/x", "");
    for (size_t i = 0; i < array_count(names); i++) {
        char name[128];
        snprintf(name, sizeof(name), "ws/%s", names[i]);
        put(name, "before");
    }
    for (size_t i = 0; i < array_count(names); i++) {
        char text[512];
        snprintf(text, sizeof(text),
                 "(echo evil > '%s'; rm -f '%s'; mv '%s' gone; chmod 777 '%s'; ln -sf x '%s'; "
                 "mv .git away; mv .vscode away) 2>/dev/null; true",
                 names[i], names[i], names[i], names[i], names[i]);
        cr_assert_eq(run(text).code, 0);
        snprintf(text, sizeof(text), "ws/%s", names[i]);
        cr_assert_str_eq(get(text), "before", "%s", names[i]);
    }
    struct outcome got = run("echo x > .github/other && echo fine; touch .git/new 2>&1");
    cr_assert(strstr(got.text, "fine") && strstr(got.text, "Read-only"), "%s", got.text);
}

/* A work tree's .git is a file; what it points at is as protected as a folder would be. */
Test(sandbox, sec_19_the_git_directories_of_a_worktree_are_read_only)
{
    put("ws/main/.git/HEAD", "x");
    put("ws/main/.git/objects/x", "");
    put("ws/main/.git/worktrees/w/HEAD", "x");
    put("ws/main/.git/worktrees/w/commondir", "../..\n");
    put("ws/.git", "gitdir: main/.git/worktrees/w\n");
    struct outcome got =
        run("for f in .git main/.git/x main/.git/objects/y main/.git/worktrees/w/z; "
            "do (echo e > $f) 2>/dev/null && echo written $f; done; cat .git");
    cr_assert_str_eq(got.text, "gitdir: main/.git/worktrees/w\n");
}

/* Repository content that names a folder of keys as its git directory does not make it visible. */
/* An approval is for the repository that the command runs in. */
Test(sandbox, sec_19_who_may_commit_may_not_in_the_other_folders)
{
    put("ws/.git/HEAD", "x");
    put("ws/.git/objects/x", "");
    put("outside/.git/HEAD", "x");
    put("outside/.git/objects/x", "");
    cr_assert_eq(workspace_add_root(workspace, str_from(at("outside")), STR("b"), &err), STATUS_OK);
    char text[512];
    snprintf(text, sizeof(text), "echo new > .git/HEAD; echo new > %s/.git/HEAD; true",
             at("outside"));
    struct policy_command command = command_of(text);
    command.git = true;
    struct outcome got = run_launch(&command, NULL, 0, true);
    cr_assert_str_eq(get("ws/.git/HEAD"), "new\n", "%s", got.text);
    cr_assert_str_eq(get("outside/.git/HEAD"), "x", "%s", got.text);
}

Test(sandbox, sec_19_a_git_file_cannot_open_a_mask)
{
    put("home/.ssh/id_rsa", "canary-key");
    put("home/.ssh/HEAD", "x");
    put("home/.ssh/objects/x", "");
    char text[256];
    snprintf(text, sizeof(text), "gitdir: %s\n", at("home/.ssh"));
    put("ws/.git", text);
    cr_assert_eq(symlink(at("home/.ssh"), at("ws/.vscode")), 0);
    snprintf(text, sizeof(text), "cat %s/id_rsa .vscode/id_rsa", at("home/.ssh"));
    struct outcome got = run(text);
    cr_assert_not(strstr(got.text, "canary-key"), "%s", got.text);
}

Test(sandbox, sec_29_keys_of_the_home_and_our_state_are_masked)
{
    static const char *const names[] = {"home/.ssh/id_rsa",
                                        "home/.netrc",
                                        "home/.aws/credentials",
                                        "home/.config/gh/hosts.yml",
                                        "home/.local/state/lanebridge/journal.db",
                                        "home/.config/lanebridge/config.json"};
    for (size_t i = 0; i < array_count(names); i++)
        put(names[i], "canary-secret");
    put("home/.config/other", "visible");
    make_policy();
    need_sandbox();
    char text[512];
    snprintf(text, sizeof(text), "grep -rs canary %s; echo done", at("home"));
    cr_assert_str_eq(run(text).text, "done\n");
}

/* What read_file would ask about, a command does not read out unasked; what git tracks is no
 * secret. */
Test(sandbox, sec_29_what_agentignore_names_is_masked_unless_git_tracks_it)
{
    static const char *const names[] = {"private/a",  "sub/private/b", "notes.secret",
                                        "ok.secret",  "sub/c.secret",  "tracked.secret",
                                        "sub/d.hide", "open.txt"};
    if (system("command -v git >/dev/null") != 0)
        cr_skip_test("no git to track with");
    for (size_t i = 0; i < array_count(names); i++)
        put(at("ws/%s", names[i]) + strlen(base) + 1, "canary");
    put("ws/.agentignore", "private/\n*.secret\n!ok.secret\n");
    put("ws/sub/.agentignore", "*.hide\n!c.secret\n");
    char text[512];
    snprintf(text, sizeof(text),
             "cd %s && rm -rf .git && git init -q . && git add -f tracked.secret", at("ws"));
    cr_assert_eq(system(text), 0);
    struct outcome outcome = run("grep -rl canary --exclude-dir=.git . | sort | tr '\\n' ' '");
    cr_assert_str_eq(outcome.text, "./ok.secret ./open.txt ./sub/c.secret ./tracked.secret ");
}

/* Wherever the file lies, however deep the name, and what came since the last command too. */
Test(sandbox, sec_29_agentignore_files_anywhere_mask_names_at_any_depth)
{
    static const char *const names[] = {
        "a/b/c/d/e/f/g/h/keep.secret", "a/b/other/x", "a/b/c/local", "a/b/open", "elsewhere/local",
    };
    static const char list[] = "grep -rl canary . | sort | tr '\\n' ' '";
    for (size_t i = 0; i < array_count(names); i++)
        put(at("ws/%s", names[i]) + strlen(base) + 1, "canary");
    cr_assert_str_eq(run(list).text, "./a/b/c/d/e/f/g/h/keep.secret ./a/b/c/local ./a/b/open "
                                     "./a/b/other/x ./elsewhere/local ");
    put("ws/a/b/.agentignore", "*.secret\n/other/\nlocal\n");
    cr_assert_str_eq(run(list).text, "./a/b/open ./elsewhere/local ");
    usleep(30000); /* what was read is old enough now to be believed */
    run(list);
    put("ws/a/b/c/d/new.secret", "canary");
    put("ws/a/b/c/d/e/f/g/h/new", "canary");
    cr_assert_str_eq(run(list).text, "./a/b/c/d/e/f/g/h/new ./a/b/open ./elsewhere/local ");
    usleep(30000);
    run(list);
    put("ws/a/b/.agentignore", "new\n");
    cr_assert_str_eq(run(list).text,
                     "./a/b/c/d/e/f/g/h/keep.secret ./a/b/c/d/new.secret ./a/b/c/local ./a/b/open "
                     "./a/b/other/x ./elsewhere/local ");
    usleep(30000);
    run(list);
    cr_assert_eq(unlink(at("ws/a/b/.agentignore")), 0);
    cr_assert(strstr(run(list).text, "g/h/new "));
}

/* Each mask is a mount, so there is a limit; what is over it is said. */
Test(sandbox, sec_29_what_is_too_much_to_mask_is_said)
{
    char name[64];
    put("ws/.agentignore", "*.secret\n");
    for (unsigned i = 0; i < 130; i++) {
        snprintf(name, sizeof(name), "ws/d%u/%u.secret", i % 7, i);
        put(name, "canary");
    }
    struct policy_command command = command_of("grep -rl canary . | wc -l");
    struct policy_launch launch;
    cr_assert_eq(policy_launch_build(policy, &command, NULL, NULL, 0, true, &launch, &err),
                 STATUS_OK);
    cr_assert(strstr(launch.masked, "30 more were too many and are NOT masked\n"), "%s",
              launch.masked);
    policy_launch_finish(&launch);
    cr_assert_eq(atoi(run("grep -rl canary . | wc -l").text), 30);
}

Test(sandbox, sec_29_untracked_secrets_of_the_workspace_are_masked)
{
    static const char *const names[] = {
        ".env",     "sub/deep/.env.local", "key.pem", ".aws/credentials", "tracked/.env",
        "cert.pem", ".env.example"};
    if (system("command -v git >/dev/null") != 0)
        cr_skip_test("no git to track with");
    for (size_t version = 2; version <= 4; version += 2) {
        char text[512], expected[512];
        for (size_t i = 0; i < array_count(names); i++)
            put(at("ws/%s", names[i]) + strlen(base) + 1,
                strcmp(names[i], "key.pem") ? "canary" : "-----BEGIN PRIVATE KEY-----canary");
        for (int i = 0; i < 30; i++)
            put(at("ws/tracked/file-%d", i) + strlen(base) + 1, "");
        snprintf(text, sizeof(text),
                 "cd %s && rm -rf .git && git init -q . && git config index.version %zu && "
                 "git add -f tracked cert.pem",
                 at("ws"), version);
        cr_assert_eq(system(text), 0);
        struct policy_command command = command_of("grep -rl canary --exclude-dir=.git . | sort");
        struct policy_launch launch;
        cr_assert_eq(policy_launch_build(policy, &command, NULL, NULL, 0, true, &launch, &err),
                     STATUS_OK);
        cr_assert(launch.masked && strstr(launch.masked, "sub/deep/.env.local\n"), "%s",
                  launch.masked);
        cr_assert_not(strstr(launch.masked, "tracked"), "%s", launch.masked);
        policy_launch_finish(&launch);
        snprintf(expected, sizeof(expected), "./.env.example\n./cert.pem\n./tracked/.env\n");
        cr_assert_str_eq(run("grep -rl canary --exclude-dir=.git . | sort").text, expected);
        /* Unsaved text of a masked file stays masked; so does a root that begins inside the tree.
         */
        struct policy_bind bind = {at("ws/.env"), text_fd("canary unsaved"), 3};
        command = command_of("cat .env");
        cr_assert_str_eq(run_launch(&command, &bind, 1, true).text, "");
        close(bind.fd);
    }
    workspace_remove_root(workspace, str_from(at("ws")));
    cr_assert_eq(workspace_add_root(workspace, str_from(at("ws/tracked")), STR(""), &err),
                 STATUS_OK);
    struct policy_command command = command_of("cat .env");
    command.workdir = str_from(at("ws/tracked"));
    cr_assert_str_eq(run_launch(&command, NULL, 0, true).text, "canary");
}

/* -- Network -- */

static int listen_on_loopback(unsigned *ret_port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(bind(fd, (struct sockaddr *)&address, size), 0);
    cr_assert_eq(listen(fd, 4), 0);
    getsockname(fd, (struct sockaddr *)&address, &size);
    *ret_port = ntohs(address.sin_port);
    return fd;
}

Test(sandbox, sec_17_the_hosts_network_is_out_of_reach)
{
    unsigned port;
    int fd = listen_on_loopback(&port);
    char text[256];
    snprintf(text, sizeof(text),
             "(exec 3<>/dev/tcp/127.0.0.1/%u) 2>/dev/null && echo connected; "
             "cat /proc/net/dev | grep -c :",
             port);
    struct policy_command command = command_of(text);
    cr_assert_str_eq(run(text).text, "1\n", "only lo");
    command.network = true; /* as after an approval */
    cr_assert(strstr(run_launch(&command, NULL, 0, true).text, "connected"));
    close(fd);
}

Test(sandbox, sec_17_its_own_loopback_works)
{
    if (access("/usr/bin/python3", X_OK) != 0)
        cr_skip_test("no python to listen with");
    struct outcome got =
        run("/usr/bin/python3 -c 'import socket as s; l=s.create_server((\"127.0.0.1\",0)); "
            "c=s.create_connection(l.getsockname()); a=l.accept()[0]; a.send(b\"hi\"); "
            "print(c.recv(9).decode())'");
    cr_assert_str_eq(got.text, "hi\n");
}

Test(sandbox, sec_17_sockets_of_the_host_are_masked)
{
    static const char *const places[] = {"/tmp/lanebridge-test-%d.sock", "/run/lanebridge-%d.sock",
                                         "/var/tmp/lanebridge-%d.sock"};
    for (size_t i = 0; i < array_count(places); i++) {
        struct sockaddr_un address = {.sun_family = AF_UNIX};
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        snprintf(address.sun_path, sizeof(address.sun_path), places[i], (int)getpid());
#pragma GCC diagnostic pop
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0) {
            char text[256];
            snprintf(text, sizeof(text), "ls %s 2>&1", address.sun_path);
            cr_assert(strstr(run(text).text, "No such file"), "%s", address.sun_path);
            unlink(address.sun_path);
        }
        close(fd);
    }
}

/* family, type, protocol, whether it may be had */
static const struct {
    const char *name;
    int family, type, protocol;
    bool allowed;
} families[] = {
    {"unix", 1, 1, 0, true},        {"inet", 2, 1, 0, true},    {"inet6", 10, 1, 0, true},
    {"route", 16, 3, 0, true},      {"audit", 16, 3, 9, false}, {"uevent", 16, 3, 15, false},
    {"vsock", 40, 1, 0, false},     {"alg", 38, 5, 0, false},   {"packet", 17, 3, 0, false},
    {"bluetooth", 31, 3, 1, false}, {"key", 15, 3, 2, false},
};

Test(sandbox, sec_17_only_ordinary_families)
{
    if (access("/usr/bin/python3", X_OK) != 0)
        cr_skip_test("no python to ask with");
    for (size_t i = 0; i < array_count(families); i++) {
        char text[256];
        snprintf(text, sizeof(text),
                 "/usr/bin/python3 -c 'import socket; socket.socket(%d,%d,%d)' "
                 "2>/dev/null && echo had",
                 families[i].family, families[i].type, families[i].protocol);
        cr_assert_str_eq(run(text).text, families[i].allowed ? "had\n" : "", "%s",
                         families[i].name);
    }
}

/* number of the call and arguments; what errno it must give */
static const struct {
    const char *name, *call;
    int errno_value;
} calls[] = {
    {"TIOCSTI", "16, 0, 0x5412, b\"x\"", 1},
    {"TIOCSTI, upper bits set", "16, 0, 0x100005412, b\"x\"", 1},
    {"unshare user", "272, 0x10000000", 1},
    {"clone user", "56, 0x10000011, 0, 0, 0, 0", 1},
    {"clone3", "435, 0, 0", 38},
    {"io_uring_setup", "425, 1, 0", 38},
    {"keyctl", "250, 0, 0, 0", 1},
    {"mount", "165, 0, 0, 0, 0, 0", 1},
    {"fsopen", "430, b\"tmpfs\", 0", 1},
    {"setns", "308, 0, 0", 1},
    {"bpf", "321, 0, 0, 0", 1},
};

Test(sandbox, sec_16_kernel_surface_is_filtered)
{
#ifndef __x86_64__
    cr_skip_test("the numbers are those of x86-64");
#endif
    if (access("/usr/bin/python3", X_OK) != 0)
        cr_skip_test("no python to call with");
    for (size_t i = 0; i < array_count(calls); i++) {
        char text[512], expected[32];
        snprintf(text, sizeof(text),
                 "/usr/bin/python3 -c 'import ctypes as c; l=c.CDLL(None,use_errno=True); "
                 "a=[x if isinstance(x,bytes) else c.c_ulong(x) for x in (%s,)]; "
                 "print(l.syscall(*a)<0 and c.get_errno())'",
                 calls[i].call);
        snprintf(expected, sizeof(expected), "%d\n", calls[i].errno_value);
        cr_assert_str_eq(run(text).text, expected, "%s", calls[i].name);
    }
}

Test(sandbox, sec_20_the_environment_is_an_allow_list)
{
    setenv("LB_CANARY", "canary-env", 1);
    setenv("LB_WANTED", "wanted", 1);
    setenv("OPENAI_API_KEY", "sk-canary", 1);
    setenv("LD_LIBRARY_PATH", "/canary-lib", 1);
    setenv("SSH_AUTH_SOCK", "/canary-sock", 1);
    setenv("BASH_ENV", "/canary-bash", 1);
    set("{\"sandbox.env\":[\"LB_WANTED\",\"OPENAI_API_KEY\",\"LD_LIBRARY_PATH\",\"BASH_ENV\"]}");
    struct outcome got = run("env");
    cr_assert_not(strstr(got.text, "canary"), "%s", got.text);
    static const char *const lines[] = {"LB_WANTED=wanted\n", "TERM=dumb\n", "NO_COLOR=1\n",
                                        "PAGER=cat\n", "TMPDIR=/tmp\n"};
    for (size_t i = 0; i < array_count(lines); i++)
        cr_assert(strstr(got.text, lines[i]), "%s in %s", lines[i], got.text);
    got = run("tr '\\0' '\\n' < /proc/1/environ | grep -c canary; echo $HOME");
    char expected[256];
    snprintf(expected, sizeof(expected), "0\n%s\n", at("home"));
    cr_assert_str_eq(got.text, expected);
}

Test(sandbox, caches_are_private_and_kept)
{
    cr_assert_eq(run("mkdir -p $XDG_CACHE_HOME && echo kept > $XDG_CACHE_HOME/x").code, 0);
    cr_assert_str_eq(run("cat $XDG_CACHE_HOME/x; touch /tmp/here && ls /tmp/here").text,
                     "kept\n/tmp/here\n");
    cr_assert_neq(access("/tmp/here", F_OK), 0, "/tmp is its own");
}

/* Crates and modules that were fetched before are found; what comes by network goes elsewhere. */
Test(sandbox, what_the_user_has_fetched_is_found)
{
    if (strncmp(base, "/tmp/", 5) == 0)
        cr_skip_test("a home below /tmp is masked; tests/unprivileged has another");
    put("home/.cargo/registry/x", "crate");
    put("home/go/pkg/mod/cache/download/x", "module");
    char expected[300];
    snprintf(expected, sizeof(expected), "cratefile://%s,https://proxy.golang.org,direct\n",
             at("home/go/pkg/mod/cache/download"));
    unsetenv("GOPROXY");
    struct outcome got = run("cat $CARGO_HOME/registry/x; echo $GOPROXY; "
                             "echo evil 2>/dev/null > $CARGO_HOME/registry/x");
    cr_assert_str_eq(got.text, expected);
    cr_assert_str_eq(get("home/.cargo/registry/x"), "crate");
    struct policy_command command = command_of("mkdir -p $CARGO_HOME/registry && "
                                               "echo new > $CARGO_HOME/registry/x");
    command.network = true;
    cr_assert_eq(run_launch(&command, NULL, 0, true).code, 0);
    cr_assert_str_eq(get("home/.cargo/registry/x"), "crate");
    cr_assert_str_eq(run("cat $CARGO_HOME/registry/x").text, "new\n");
    /* A command may have put anything there. */
    cr_assert_eq(run("rm -r $CARGO_HOME; ln -s $HOME $CARGO_HOME").code, 0);
    cr_assert_eq(run("true").code, 0);
    cr_assert_neq(access(at("home/registry"), F_OK), 0, "nothing planted was followed");
}

Test(sandbox, sec_21_nothing_outlives_the_command)
{
    char text[128]; /* another run of these tests has its own */
    snprintf(text, sizeof(text), "(setsid nohup sleep 4711.%d >/dev/null 2>&1 &) ; echo started",
             (int)getpid());
    struct outcome got = run(text);
    cr_assert_str_eq(got.text, "started\n");
    snprintf(text, sizeof(text), "pgrep -f '^sleep 4711.%d$' >/dev/null", (int)getpid());
    cr_assert_neq(system(text), 0);
}

Test(sandbox, sec_24_a_command_is_an_argument_never_text)
{
    struct outcome got = run("echo \"a'b\" '$(id)' `echo c` \"$#\" $0");
    cr_assert_str_eq(got.text, "a'b $(id) c 0 /bin/bash\n");
}

Test(sandbox, a_folder_inside_and_writable_extras)
{
    put("ws/sub/x", "");
    mkdir(at("extra"), 0755);
    char json[256], text[256];
    snprintf(json, sizeof(json), "{\"sandbox.writable\":[\"%s\",\"relative\"]}", at("extra"));
    set(json);
    snprintf(text, sizeof(text), "pwd; echo y > %s", at("extra/y"));
    struct policy_command command = command_of(text);
    command.workdir = str_from(at("ws/sub"));
    struct outcome got = run_launch(&command, NULL, 0, true);
    cr_assert(strstr(got.text, "/ws/sub\n"), "%s", got.text);
    cr_assert_str_eq(get("extra/y"), "y\n");
}

/* A home as root is bound before the masks: they lie over it. */
Test(sandbox, sec_29_a_root_that_holds_masks_does_not_undo_them)
{
    put("home/.ssh/id_rsa", "canary-key");
    put("home/project/x", "fine");
    cr_assert_eq(workspace_add_root(workspace, str_from(at("home")), STR("home"), &err), STATUS_OK);
    workspace_root_at(workspace, 1)->confirmed = true;
    char text[256];
    snprintf(text, sizeof(text),
             "cd %s && cat .ssh/id_rsa 2>/dev/null; cat project/x; echo n > new", at("home"));
    cr_assert_str_eq(run(text).text, "fine");
    cr_assert_str_eq(get("home/new"), "n\n");
}
