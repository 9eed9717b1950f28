/* The escape corpus: what a command may try, in each tier and once without any sandbox, which shows
 * that the attempts are real. What came of it is judged from outside wherever that can be. The
 * matrix is printed. */
#include "support.h"

#include "probe-path.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

TestSuite(escape, .timeout = 200, .init = begin, .fini = end);

enum tier { IN_BUBBLEWRAP, IN_LANDLOCK, IN_NONE, TIERS_COUNT };
static const char *const tier_names[] = {"bubblewrap", "landlock", "no sandbox"};

/* S stopped, U undone by the guard, o open, - not tried: harmful, or what is asked is not here; F
 * as S, but the machine's root is held by no count of processes. */
struct attempt {
    const char *what;
    const char *script;
    bool (*happened)(void); /* NULL: the script's exit code 0 says so */
    const char *expected;   /* a letter for each tier; '?' for any */
};

/* -- The world outside ------------------------------------------------------------------------ */

static struct {
    int tcp, udp, path_socket, home_socket, abstract_socket;
    unsigned tcp_port, udp_port;
    pid_t neighbour;
} world;

static unsigned bind_port(int fd)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    cr_assert_eq(bind(fd, (struct sockaddr *)&address, size), 0);
    getsockname(fd, (struct sockaddr *)&address, &size);
    return ntohs(address.sin_port);
}

static int listen_at(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t length = strlen(path);
    cr_assert_lt(length, sizeof(address.sun_path));
    memcpy(address.sun_path, path, length);
    if (path[0] == '@')
        address.sun_path[0] = '\0';
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(bind(fd, (struct sockaddr *)&address,
                      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length)),
                 0);
    cr_assert_eq(listen(fd, 16), 0);
    return fd;
}

static void make_world(void)
{
    char name[64];
    world.tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    world.tcp_port = bind_port(world.tcp);
    cr_assert_eq(listen(world.tcp, 16), 0);
    world.udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    world.udp_port = bind_port(world.udp);
    world.path_socket = listen_at(at("outside/s"));
    world.home_socket = listen_at(at("ws/own.sock"));
    snprintf(name, sizeof(name), "@lanebridge-%d", (int)getpid());
    world.abstract_socket = listen_at(name);
    world.neighbour = fork();
    if (world.neighbour == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;)
            pause();
    }
}

static void end_world(void)
{
    int state;
    kill(world.neighbour, SIGKILL);
    waitpid(world.neighbour, &state, 0);
    int fds[] = {world.tcp, world.udp, world.path_socket, world.home_socket, world.abstract_socket};
    for (size_t i = 0; i < array_count(fds); i++)
        close(fds[i]);
}

/* What is as it was before every attempt. */
static void tidy(void)
{
    char command[600], drop[8];
    snprintf(command, sizeof(command),
             "cd %s && rm -rf outside/new outside/file ws/.git ws/.envrc ws/a ws/g ws/sub ws/link "
             "ws/hard "
             "ws/.husky ws/dev; rm -f /dev/shm/lanebridge-%d /tmp/lanebridge-escape-%d; rm -rf "
             "home/.bashrc",
             base, (int)getpid(), (int)getpid());
    cr_assert_eq(system(command), 0);
    put("outside/file", "before");
    chmod(at("outside/file"), 0644);
    put("ws/.git/HEAD", "ref: refs/heads/main\n");
    put("ws/.git/objects/x", "");
    put("ws/.git/config", "before");
    put("ws/.envrc", "before");
    put("ws/sub/.vscode/tasks.json", "before");
    put("home/.ssh/id_rsa", "canary-key");
    put("home/.local/state/lanebridge/rules.json", "before");
    while (recv(world.udp, drop, sizeof(drop), 0) > 0)
        continue;
}

static bool changed_outside(void)
{
    return strcmp(get("outside/file"), "before") != 0 || access(at("outside/new"), F_OK) == 0;
}

static bool changed_mode(void)
{
    struct stat st;
    return stat(at("outside/file"), &st) == 0 && (st.st_mode & 0777) == 0777;
}

static bool changed_home(void)
{
    return access(at("home/.bashrc"), F_OK) == 0;
}

static bool changed_state(void)
{
    return strcmp(get("home/.local/state/lanebridge/rules.json"), "before") != 0;
}

static bool changed_git(void)
{
    return strcmp(get("ws/.git/config"), "before") != 0;
}

static bool planted_hook(void)
{
    return access(at("ws/.git/hooks/pre-commit"), F_OK) == 0;
}

static bool changed_envrc(void)
{
    return strcmp(get("ws/.envrc"), "before") != 0;
}

static bool changed_below(void)
{
    return strcmp(get("ws/sub/.vscode/tasks.json"), "before") != 0;
}

static bool planted_below(void)
{
    return access(at("ws/a/.idea/x"), F_OK) == 0 || access(at("ws/.husky"), F_OK) == 0;
}

static bool got_datagram(void)
{
    char drop[8];
    usleep(2000);
    return recv(world.udp, drop, sizeof(drop), 0) > 0;
}

static bool left_in_shared_memory(void)
{
    char path[64];
    snprintf(path, sizeof(path), "/dev/shm/lanebridge-%d", (int)getpid());
    return access(path, F_OK) == 0;
}

static bool left_in_tmp(void)
{
    char path[64];
    snprintf(path, sizeof(path), "/tmp/lanebridge-escape-%d", (int)getpid());
    return access(path, F_OK) == 0;
}

static bool survived(void)
{
    char text[128];
    snprintf(text, sizeof(text), "pgrep -xf 'sleep 7%d[12]' >/dev/null", (int)getpid());
    return system(text) == 0;
}

/* -- The attempts ----------------------------------------------------------------------------- */

static const struct attempt attempts[] = {
    {"write a file outside", "echo x > $O/new; echo x >> $O/file", changed_outside, "SSo"},
    {"write through a planted link", "ln -s $O link; echo x > link/new", changed_outside, "SSo"},
    {"write through a hard link", "ln $O/file hard && echo x >> hard", changed_outside, "SSo"},
    {"chmod outside", "chmod 777 $O/file", changed_mode, "Soo"},
    {"write to the home", "echo x > $H/.bashrc", changed_home, "SSo"},
    {"write our own rules", "echo x > $H/.local/state/lanebridge/rules.json", changed_state, "SSo"},
    {"write to the shared /tmp", "echo x > /tmp/lanebridge-escape-$N", left_in_tmp, "SSo"},
    {"write to shared memory", "echo x > /dev/shm/lanebridge-$N", left_in_shared_memory, "SSo"},
    {"read a key", "grep -q canary $H/.ssh/id_rsa", NULL, "SSo"},
    {"read another's environment", "grep -qa = /proc/$PID/environ", NULL, "SSo"},
    {"change .git/config", "echo x >> .git/config", changed_git, "SUo"},
    {"plant a git hook", "mkdir -p .git/hooks; echo x > .git/hooks/pre-commit", planted_hook,
     "SUo"},
    {"rename .git away", "mv .git g", changed_git, "Soo"},
    {"change .envrc", "echo x > .envrc || cp /etc/passwd .envrc", changed_envrc, "SUo"},
    {"rename over .envrc", "echo x > t; mv t .envrc", changed_envrc, "SUo"},
    {"chmod .envrc and write", "chmod 777 .envrc; echo x > .envrc", changed_envrc, "SUo"},
    {"change a protected name below", "echo x > sub/.vscode/tasks.json", changed_below, "UUo"},
    {"plant a protected name", "mkdir -p a/.idea; echo x > a/.idea/x; ln -s /etc .husky",
     planted_below, "UUo"},
    {"TCP to the host", "$P tcp $TCP", NULL, "SSo"},
    {"UDP to the host", "$P udp $UDP; echo x > /dev/udp/127.0.0.1/$UDP", got_datagram, "SSo"},
    {"ask a name server of the host", "printf '\\1\\2\\1\\0' > /dev/udp/127.0.0.1/$UDP",
     got_datagram, "SSo"},
    {"a unix socket outside", "$P unix $O/s", NULL, "SSo"},
    {"a unix socket in the workspace", "$P unix $PWD/own.sock", NULL, "SSo"},
    {"an abstract unix socket", "$P unix @lanebridge-$N", NULL, "SSo"},
    {"vsock", "$P vsock", NULL, "SS?"},
    {"netlink beyond routes", "$P netlink", NULL, "SSo"},
    {"io_uring", "$P io_uring", NULL, "SS?"},
    {"ptrace of a process outside", "$P ptrace $PID", NULL, "SS?"},
    {"signal to a process outside", "$P signal $PID", NULL, "S?o"},
    {"a user namespace", "$P userns", NULL, "SS?"},
    {"mount and unmount", "$P mount $PWD/sub", NULL, "SS-"},
    {"a keyring of the user", "$P key", NULL, "SS-"},
    {"make a device", "$P device", NULL, "SS-"},
    {"TIOCSTI", "script -qec \"$P tiocsti\" /dev/null </dev/null", NULL, "SS?"},
    {"write to /proc/sys", "echo 1 > /proc/sys/vm/drop_caches", NULL, "SS-"},
    {"survive with setsid", "(setsid sleep 7${N}1 &) ; setsid nohup sleep 7${N}2 >/dev/null 2>&1 &",
     survived, "SSS"},
    {"a file of 17 GiB", "$P large", NULL, "SSo"},
    {"fork without end", "$P processes 5000", NULL, "F?-"},
    {"fill memory through /tmp",
     "test $(df -k /tmp | awk 'NR==2{print $2}') -ge $(awk '/MemTotal/{print int($2/2)}' "
     "/proc/meminfo)",
     NULL, "S?-"},
};

/* -- Running them ----------------------------------------------------------------------------- */

static char judge(const struct attempt *attempt, const struct outcome *got, bool before_guard)
{
    bool happened = attempt->happened ? attempt->happened() : got->code == 0;
    if (happened)
        return 'o';
    return before_guard ? 'U' : 'S';
}

static char try(const struct attempt *attempt, enum tier tier)
{
    static char text[1600], folder[256];
    snprintf(text, sizeof(text), "O=%s H=%s P=%s N=%d PID=%d TCP=%u UDP=%u; { %s; } 2>/dev/null",
             at("outside"), at("home"), at("ws/probe"), (int)getpid(), (int)world.neighbour,
             world.tcp_port, world.udp_port, attempt->script);
    snprintf(folder, sizeof(folder), "%s", at("ws"));
    struct policy_command command = {.command = str_from(text), .workdir = str_from(folder)};
    struct buf report = {0};
    tidy();
    if (tier == IN_NONE) {
        struct outcome got = run_launch(&command, NULL, 0, false);
        return judge(attempt, &got, false);
    }
    usleep(25000); /* so that what the guard remembers is old enough to be believed */
    struct policy_guard *guard = policy_guard_new(policy, &command);
    policy_guard_look(guard);
    struct outcome got = run_launch(&command, NULL, 0, true);
    bool happened = attempt->happened && attempt->happened();
    policy_guard_compare(guard, &report);
    policy_guard_free(guard);
    buf_finish(&report);
    return judge(attempt, &got, happened);
}

static bool is_root_of_the_machine(void)
{
    unsigned inside = 0, outside = 0;
    FILE *file = fopen("/proc/self/uid_map", "r");
    bool read = file && fscanf(file, "%u %u", &inside, &outside) == 2;
    if (file)
        fclose(file);
    return geteuid() == 0 && (!read || outside == 0);
}

static char expected_of(const struct attempt *attempt, int tier)
{
    char letter = attempt->expected[tier];
    return letter != 'F' ? letter : is_root_of_the_machine() ? 'o' : 'S';
}

static bool use_tier(enum tier tier)
{
    static char path[4096];
    snprintf(path, sizeof(path), "%s", getenv("PATH"));
    make_policy();
    if (tier == IN_LANDLOCK)
        setenv("PATH", "/nowhere", 1);
    enum policy_tier got = policy_sandbox_test(policy, &err);
    setenv("PATH", path, 1);
    return tier == IN_NONE || got == (tier == IN_BUBBLEWRAP ? TIER_BUBBLEWRAP : TIER_LANDLOCK);
}

static void copy_probe(void)
{
    char command[700];
    snprintf(command, sizeof(command), "cp '%s' %s && chmod 755 %s", PROBE, at("ws/probe"),
             at("ws/probe"));
    cr_assert_eq(system(command), 0);
}

Test(escape, sec_16_the_matrix_of_what_was_tried_and_what_was_stopped)
{
    char got[array_count(attempts)][TIERS_COUNT];
    bool is_here[TIERS_COUNT];
    struct buf wrong = {0};
    memset(got, '-', sizeof(got));
    copy_probe();
    make_world();
    for (int tier = 0; tier < TIERS_COUNT; tier++) {
        is_here[tier] = use_tier((enum tier)tier);
        for (size_t i = 0; is_here[tier] && i < array_count(attempts); i++)
            if (attempts[i].expected[tier] != '-')
                got[i][tier] = try(&attempts[i], (enum tier)tier);
    }
    tidy();
    end_world();
    fprintf(stderr, "%-34s %-12s %-12s %s\n", "tried", tier_names[0], tier_names[1], tier_names[2]);
    for (size_t i = 0; i < array_count(attempts); i++) {
        fprintf(stderr, "%-34s", attempts[i].what);
        for (int tier = 0; tier < TIERS_COUNT; tier++) {
            char is = got[i][tier], expected = expected_of(&attempts[i], tier);
            fprintf(stderr, " %-12s",
                    is == 'S'   ? "stopped"
                    : is == 'U' ? "undone"
                    : is == 'o' ? "OPEN"
                                : "not tried");
            if (is != expected && expected != '?' && is_here[tier])
                buf_append_fmt(&wrong, "%s, %s: %c, not %c\n", attempts[i].what, tier_names[tier],
                               is, expected);
        }
        fputc('\n', stderr);
    }
    cr_assert_eq(wrong.len, 0, "%s", wrong.ptr);
    cr_assert(is_here[IN_BUBBLEWRAP] || is_here[IN_LANDLOCK], "neither tier works here: %s",
              err.text);
    buf_finish(&wrong);
}

/* With an approval the network is the machine's, and its unix sockets still are not. */
Test(escape, sec_17_with_network_unix_sockets_of_the_host_stay_out_of_reach)
{
    static const struct {
        const char *script, *said;
    } rows[] = {
        {"$P tcp $TCP && echo in", "in\n"},
        {"$P unix $O/s && echo in", ""},
        {"$P unix $PWD/own.sock && echo in", ""},
        {"$P unix @lanebridge-$N && echo in", ""},
        /* its own */
        {"$P listen @of-the-command-$N && echo in", "in\n"},
        {"$P listen $PWD/of-the-command.sock && echo in", "in\n"},
    };
    copy_probe();
    make_world();
    cr_assert(use_tier(IN_BUBBLEWRAP), "%s", err.text);
    for (size_t i = 0; i < array_count(rows); i++) {
        if (strstr(rows[i].script, "@lanebridge") &&
            syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION) < 6) {
            fprintf(stderr, "skipped: Landlock of this kernel keeps no sockets away\n");
            continue;
        }
        struct policy_command command;
        char text[1024];
        snprintf(text, sizeof(text), "O=%s P=%s N=%d TCP=%u; %s", at("outside"), at("ws/probe"),
                 (int)getpid(), world.tcp_port, rows[i].script);
        command = command_of(text);
        command.network = true;
        cr_assert_str_eq(run_launch(&command, NULL, 0, true).text, rows[i].said, "%s",
                         rows[i].script);
    }
    end_world();
}
