/* The child's side of a command that bubblewrap does not hold, or not all of: three processes. The
 * first leads the group that is signalled, and dies with the server. The second adopts whatever the
 * command leaves behind, in a session of its own, and ends it all when the command or the first has
 * ended. The third becomes the command: Landlock and seccomp if asked for, then exec. With --scope
 * there is one, which becomes bubblewrap, out of reach of the host's abstract unix sockets. Only
 * system calls: this runs in a fresh process, and must not depend on what the server is made of. */
#include "policy-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    CANNOT = 126, /* as shells say it */
    CHILDREN_COUNT = 4096,
    DEPTH_COUNT = 64,
    FILTER_COUNT = 8192, /* instructions */
    KILL_ROUNDS_COUNT = 2000,
};

struct confinement {
    bool landlock, network, tty, scope;
    int seccomp_fd;
    int argc;
    char **argv, **command;
};

static void cannot(const char *what)
{
    dprintf(STDERR_FILENO, "lanebridge: the command was not run: %s: %s\n", what, strerror(errno));
    _exit(CANNOT);
}

/* -- Landlock, by its bare system calls: no library has them ---------------------------------- */

#define READ_RIGHTS                                                                                \
    (LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define FIRST_RIGHTS ((LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1) /* those of the first version */
#define REFER_RIGHT (1ULL << 13)
#define TRUNCATE_RIGHT (1ULL << 14)
#define IOCTL_RIGHT (1ULL << 15)
#define SCOPE_ABSTRACT 1ULL
#define SCOPE_SIGNALS 2ULL
#define FILE_RIGHTS                                                                                \
    (LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE |   \
     TRUNCATE_RIGHT | IOCTL_RIGHT)

/* As newer kernels have it; older ones take its beginning. */
struct ruleset {
    uint64_t files, ports, scopes;
};

int landlock_version(void)
{
    return (int)syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
}

static struct ruleset rights_of(int version, bool network, size_t *ret_size)
{
    struct ruleset set = {.files = FIRST_RIGHTS};
    set.files |= version >= 2 ? REFER_RIGHT : 0;
    set.files |= version >= 3 ? TRUNCATE_RIGHT : 0;
    set.files |= version >= 5 ? IOCTL_RIGHT : 0;
    set.ports = version >= 4 && !network ? 3 : 0; /* bind and connect */
    set.scopes = version >= LANDLOCK_SCOPES_VERSION ? SCOPE_ABSTRACT | SCOPE_SIGNALS : 0;
    *ret_size = version >= LANDLOCK_SCOPES_VERSION ? sizeof(set) : version >= 4 ? 16 : 8;
    return set;
}

/* No right over files is taken, because then bubblewrap could not mount. */
static void restrict_scope(void)
{
    struct ruleset set = {.scopes = SCOPE_ABSTRACT};
    int ruleset = (int)syscall(SYS_landlock_create_ruleset, &set, sizeof(set), 0);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || ruleset < 0 ||
        syscall(SYS_landlock_restrict_self, ruleset, 0) < 0)
        cannot("Landlock did not keep the machine's unix sockets away");
    close(ruleset);
}

/* What is not there needs no rule. */
static void allow(int ruleset, const struct ruleset *set, const char *path, uint64_t rights)
{
    struct stat st;
    int fd = open(path, O_PATH | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0)
        return;
    if (!S_ISDIR(st.st_mode))
        rights &= FILE_RIGHTS;
    struct landlock_path_beneath_attr rule = {.allowed_access = rights & set->files,
                                              .parent_fd = fd};
    if (rule.allowed_access &&
        syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0)
        cannot("Landlock took no rule");
    close(fd);
}

static void restrict_files(const struct confinement *c)
{
    size_t size;
    struct ruleset set = rights_of(landlock_version(), c->network, &size);
    int ruleset = (int)syscall(SYS_landlock_create_ruleset, &set, size, 0);
    if (ruleset < 0)
        cannot("Landlock made no ruleset");
    for (int i = 0; i + 1 < c->argc && strcmp(c->argv[i], "--") != 0; i++) {
        if (strcmp(c->argv[i], "--read") == 0)
            allow(ruleset, &set, c->argv[i + 1], READ_RIGHTS);
        else if (strcmp(c->argv[i], "--write") == 0)
            allow(ruleset, &set, c->argv[i + 1], ~0ULL);
    }
    if (syscall(SYS_landlock_restrict_self, ruleset, 0) < 0)
        cannot("Landlock did not restrict");
    close(ruleset);
}

static void filter_calls(int fd)
{
    static struct sock_filter instructions[FILTER_COUNT];
    ssize_t got = pread(fd, instructions, sizeof(instructions), 0);
    size_t count = got > 0 ? (size_t)got / sizeof(instructions[0]) : 0;
    struct sock_fprog program = {(unsigned short)count, instructions};
    if (!count || count == FILTER_COUNT ||
        syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0)
        cannot("seccomp took no filter");
    close(fd);
}

/* Root without them is a user like another; with them it reads what Landlock does not ask about. */
static void drop_capabilities(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[2] = {{0}};
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    for (unsigned long i = 0; prctl(PR_CAPBSET_READ, i, 0, 0, 0) >= 0; i++)
        prctl(PR_CAPBSET_DROP, i, 0, 0, 0);
    if (syscall(SYS_capset, &header, none) < 0)
        cannot("its capabilities could not be dropped");
    if (geteuid() == 0 && prctl(PR_CAPBSET_READ, 0, 0, 0, 0) != 0)
        cannot("root's capabilities could not be dropped");
}

/* -- The third: the command ------------------------------------------------------------------- */

__attribute__((noreturn)) static void become_command(const struct confinement *c,
                                                     const sigset_t *mask)
{
    setsid();
    if (c->tty)
        ioctl(STDIN_FILENO, TIOCSCTTY, 0);
    if (c->landlock || c->seccomp_fd >= 0)
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
            cannot("its privileges could not be fixed");
    if (c->landlock) {
        drop_capabilities();
        restrict_files(c);
    }
    if (c->seccomp_fd >= 0)
        filter_calls(c->seccomp_fd);
    sigprocmask(SIG_SETMASK, mask, NULL);
    execv(c->command[0], c->command);
    cannot(c->command[0]);
    _exit(CANNOT);
}

/* -- The second: what the command leaves behind ----------------------------------------------- */

static size_t children_of(pid_t pid, pid_t *ret_pids)
{
    char path[64];
    size_t count = 0;
    int child;
    snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)pid, (int)pid);
    FILE *file = fopen(path, "re");
    while (file && count < CHILDREN_COUNT && fscanf(file, "%d", &child) == 1)
        ret_pids[count++] = child;
    if (file)
        fclose(file);
    return count;
}

static void signal_below(pid_t pid, int number, unsigned depth)
{
    pid_t *pids = mem_alloc_array(CHILDREN_COUNT, sizeof(*pids));
    size_t count = children_of(pid, pids);
    for (size_t i = 0; i < count; i++) {
        if (depth < DEPTH_COUNT)
            signal_below(pids[i], number, depth + 1);
        kill(pids[i], number);
    }
    mem_free(pids);
}

/* Who is killed leaves its children to us, so this goes on until there are none. */
static void kill_all(void)
{
    for (unsigned i = 0; i < KILL_ROUNDS_COUNT; i++) {
        signal_below(getpid(), SIGKILL, 0);
        pid_t got;
        while ((got = waitpid(-1, NULL, WNOHANG)) > 0)
            continue;
        if (got < 0 && errno == ECHILD)
            return;
        usleep(500);
    }
}

static int code_of(int state)
{
    return WIFEXITED(state) ? WEXITSTATUS(state) : 128 + WTERMSIG(state);
}

static bool reap(pid_t command, int *ret_code)
{
    int state;
    bool ended = false;
    for (pid_t got; (got = waitpid(-1, &state, WNOHANG)) > 0;) {
        if (got == command) {
            *ret_code = code_of(state);
            ended = true;
        }
    }
    return ended;
}

__attribute__((noreturn)) static void keep_house(const struct confinement *c, const sigset_t *all,
                                                 const sigset_t *old, pid_t first)
{
    int code = CANNOT, number;
    setsid();
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    prctl(PR_SET_PDEATHSIG, SIGUSR1, 0, 0, 0);
    pid_t command = getppid() == first ? fork() : -1;
    if (command == 0)
        become_command(c, old);
    for (int fd = 0; command > 0 && fd <= STDERR_FILENO; fd++)
        close(fd); /* the output ends when the command's does */
    while (command > 0 && sigwait(all, &number) == 0) {
        if (number == SIGTERM || number == SIGINT || number == SIGHUP)
            signal_below(getpid(), number, 0);
        else if (number == SIGUSR1 || reap(command, &code))
            break;
    }
    kill_all();
    _exit(code);
}

/* -- The first: what the server knows --------------------------------------------------------- */

static int wait_for(pid_t second, const sigset_t *all)
{
    int state, number;
    while (sigwait(all, &number) == 0) {
        if (number != SIGCHLD)
            kill(second, number);
        else if (waitpid(second, &state, WNOHANG) == second)
            return code_of(state);
    }
    return CANNOT;
}

static bool read_arguments(int argc, char **argv, struct confinement *c)
{
    *c = (struct confinement){.seccomp_fd = -1, .argc = argc, .argv = argv};
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--landlock") == 0)
            c->landlock = true;
        else if (strcmp(argv[i], "--network") == 0)
            c->network = true;
        else if (strcmp(argv[i], "--tty") == 0)
            c->tty = true;
        else if (strcmp(argv[i], "--scope") == 0)
            c->scope = true;
        else if (strcmp(argv[i], "--seccomp") == 0 && i + 1 < argc)
            c->seccomp_fd = atoi(argv[++i]);
        else if ((strcmp(argv[i], "--read") == 0 || strcmp(argv[i], "--write") == 0) &&
                 i + 1 < argc)
            i++;
        else if (strcmp(argv[i], "--") == 0 && i + 1 < argc)
            return (c->command = &argv[i + 1]);
        else
            return false;
    }
    return false;
}

int policy_confine_main(int argc, char **argv)
{
    struct confinement c;
    sigset_t all, old;
    if (!read_arguments(argc, argv, &c)) {
        dprintf(STDERR_FILENO, "lanebridge confine: started by Lanebridge itself only\n");
        return CANNOT;
    }
    if (c.scope) {
        restrict_scope();
        execv(c.command[0], c.command);
        cannot(c.command[0]);
    }
    pid_t first = getpid();
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    sigemptyset(&all);
    for (size_t i = 0; i < 5; i++)
        sigaddset(&all, (int[]){SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGCHLD}[i]);
    signal(SIGCHLD, SIG_DFL);
    sigprocmask(SIG_BLOCK, &all, &old);
    pid_t second = fork();
    if (second == 0)
        keep_house(&c, &all, &old, first);
    if (second < 0)
        cannot("no process could be made");
    return wait_for(second, &all);
}
