/* One attempt to get out, by its name: exits 0 when it got what it wanted. Run inside a sandbox by
 * test-escape.c. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static struct sockaddr_in loopback(const char *port)
{
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons((unsigned short)atoi(port)),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static int try_tcp(char **args)
{
    struct sockaddr_in address = loopback(args[0]);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0;
}

static int try_udp(char **args)
{
    struct sockaddr_in address = loopback(args[0]);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    return fd >= 0 && sendto(fd, "x", 1, 0, (struct sockaddr *)&address, sizeof(address)) == 1 &&
           access("/proc/self", F_OK) == 0;
}

static socklen_t unix_address(const char *path, struct sockaddr_un *address)
{
    size_t length = strlen(path);
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(address->sun_path, path, length < 107 ? length : 107);
    if (address->sun_path[0] == '@')
        address->sun_path[0] = '\0';
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
}

static int try_unix(char **args)
{
    struct sockaddr_un address;
    socklen_t length = unix_address(args[0], &address);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return fd >= 0 && connect(fd, (struct sockaddr *)&address, length) == 0;
}

/* Of a process to another of the same command. */
static int try_listen(char **args)
{
    struct sockaddr_un address;
    socklen_t length = unix_address(args[0], &address);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), state = 0;
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, length) < 0 || listen(fd, 4) < 0)
        return 0;
    pid_t pid = fork();
    if (pid == 0)
        _exit(!try_unix(args));
    waitpid(pid, &state, 0);
    return WIFEXITED(state) && WEXITSTATUS(state) == 0;
}

static int try_vsock(char **args)
{
    return socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0) >= 0;
}

static int try_netlink(char **args)
{
    return socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_KOBJECT_UEVENT) >= 0;
}

static int try_uring(char **args)
{
    char parameters[256] = {0};
    return syscall(SYS_io_uring_setup, 4, parameters) >= 0;
}

static int try_ptrace(char **args)
{
    return ptrace(PTRACE_SEIZE, atoi(args[0]), 0, 0) == 0;
}

static int try_signal(char **args)
{
    return kill(atoi(args[0]), 0) == 0;
}

static int try_user_namespace(char **args)
{
    return unshare(CLONE_NEWUSER) == 0;
}

static int try_mount(char **args)
{
    return mount("none", args[0], "tmpfs", 0, NULL) == 0 || umount2("/tmp", MNT_DETACH) == 0;
}

static int try_inject(char **args)
{
    return ioctl(STDIN_FILENO, TIOCSTI, "x") == 0;
}

static int try_key(char **args)
{
    return syscall(SYS_add_key, "user", "lanebridge", "x", 1, -4 /* the user's keyring */) > 0;
}

static int try_device(char **args)
{
    unlink("dev");
    return mknod("dev", S_IFCHR | 0600, 1 << 8 | 1) == 0 && open("dev", O_RDONLY | O_CLOEXEC) >= 0;
}

static int try_large_file(char **args)
{
    signal(SIGXFSZ, SIG_IGN);
    int fd = open("large", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    ssize_t put = fd < 0 ? -1 : pwrite(fd, "x", 1, (off_t)17 << 30);
    unlink("large");
    return put == 1;
}

/* Does it get more than this many processes? */
static int try_processes(char **args)
{
    long wanted = atol(args[0]), got = 0;
    pid_t group = fork();
    if (group == 0) {
        setpgid(0, 0);
        for (pid_t pid = 1; pid > 0 && got<wanted; got += pid> 0)
            if ((pid = fork()) == 0)
                for (;;)
                    pause();
        _exit(got >= wanted ? 0 : 1);
    }
    int state = 0;
    waitpid(group, &state, 0);
    kill(-group, SIGKILL);
    return WIFEXITED(state) && WEXITSTATUS(state) == 0;
}

static const struct {
    const char *name;
    int (*attempt)(char **args);
} attempts[] = {
    {"tcp", try_tcp},          {"udp", try_udp},
    {"unix", try_unix},        {"listen", try_listen},
    {"vsock", try_vsock},      {"netlink", try_netlink},
    {"io_uring", try_uring},   {"ptrace", try_ptrace},
    {"signal", try_signal},    {"userns", try_user_namespace},
    {"mount", try_mount},      {"tiocsti", try_inject},
    {"key", try_key},          {"device", try_device},
    {"large", try_large_file}, {"processes", try_processes},
};

int main(int argc, char **argv)
{
    for (size_t i = 0; i < sizeof(attempts) / sizeof(attempts[0]); i++)
        if (argc >= 2 && strcmp(argv[1], attempts[i].name) == 0)
            return !attempts[i].attempt(argv + 2);
    fprintf(stderr, "usage: probe NAME [ARGUMENT]\n");
    return 2;
}
