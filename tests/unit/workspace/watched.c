#include "watched.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <poll.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <lanebridge/base.h>

/* What a write is made of, and what it might be made of some day. */
static const char *const names[] = {
    "openat",    "openat2",    "open",      "creat",     "close",      "read",     "write",
    "pwrite64",  "writev",     "fsync",     "fdatasync", "newfstatat", "fstat",    "statx",
    "faccessat", "faccessat2", "fchmod",    "fchmodat",  "fchown",     "renameat", "renameat2",
    "rename",    "linkat",     "unlinkat",  "unlink",    "mkdirat",    "mkdir",    "getdents64",
    "flock",     "ftruncate",  "fallocate", "syncfs",
};

/* No system call for so long: it hangs. */
enum { SILENCE_MS = 20000 };

/* -- The child -------------------------------------------------------------------------------- */

static void send_fd(int socket_fd, int fd)
{
    char byte = 0, control[CMSG_SPACE(sizeof(int))] = {0};
    struct iovec part = {&byte, 1};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control,
                             .msg_controllen = sizeof(control)};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(header), &fd, sizeof(fd));
    if (sendmsg(socket_fd, &message, 0) != 1)
        _exit(100);
}

static int watch_myself(void)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    for (size_t i = 0; filter && i < array_count(names); i++) {
        int number = seccomp_syscall_resolve_name(names[i]);
        if (number >= 0 && seccomp_rule_add(filter, SCMP_ACT_NOTIFY, number, 0) < 0)
            _exit(101);
    }
    if (!filter || seccomp_load(filter) < 0)
        _exit(102);
    return seccomp_notify_fd(filter);
}

/* -- The parent ------------------------------------------------------------------------------- */

static int receive_fd(int socket_fd)
{
    char byte, control[CMSG_SPACE(sizeof(int))];
    struct iovec part = {&byte, 1};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control,
                             .msg_controllen = sizeof(control)};
    int fd = -1;
    cr_assert_eq(recvmsg(socket_fd, &message, MSG_CMSG_CLOEXEC), 1,
                 "the child could not be watched: seccomp user notifications (Linux 5.5) are "
                 "needed");
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    cr_assert_not_null(header);
    memcpy(&fd, CMSG_DATA(header), sizeof(fd));
    return fd;
}

struct strike {
    unsigned at;
    int fault;
    int system_call; /* or -1 */
    void (*meanwhile)(void *user);
    void *user;
};

static void answer(int listener, pid_t pid, struct watched *watched, struct strike *strike)
{
    struct seccomp_notif *request = NULL;
    struct seccomp_notif_resp *response = NULL;
    cr_assert_eq(seccomp_notify_alloc(&request, &response), 0);
    if (seccomp_notify_receive(listener, request) == 0) {
        bool strikes = watched->calls++ == strike->at && strike->fault != WATCHED_NONE;
        if (request->data.nr == strike->system_call) {
            strike->system_call = -1;
            strike->meanwhile(strike->user);
        }
        response->id = request->id;
        if (strikes && strike->fault == WATCHED_KILL)
            kill(pid, SIGKILL);
        else if (strikes)
            response->error = -strike->fault;
        else
            response->flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
        if (!(strikes && strike->fault == WATCHED_KILL))
            seccomp_notify_respond(listener, response);
    }
    seccomp_notify_free(request, response);
}

/* Where the child stands: what a hang is to be told from slowness by. */
static void say_where(pid_t pid)
{
    static const char *const names_of[] = {"status", "syscall", "wchan", "stack"};
    for (size_t i = 0; i < array_count(names_of); i++) {
        char path[64], text[4096];
        snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, names_of[i]);
        FILE *file = fopen(path, "r");
        size_t len = file ? fread(text, 1, sizeof(text) - 1, file) : 0;
        text[len] = '\0';
        fprintf(stderr, "%s: %s\n", path, text);
        if (file)
            fclose(file);
    }
}

/* What the listener says besides POLLIN is no end of the child: POLLERR is a poll() that a signal
 * disturbed, and POLLHUP comes when the child is waited for (before Linux 6.11) or has begun to
 * exit. Its end is what the pidfd says. */
static void answer_until_it_ends(int listener, pid_t pid, struct watched *watched,
                                 struct strike *strike)
{
    struct pollfd fds[] = {{listener, POLLIN, 0},
                           {(int)syscall(SYS_pidfd_open, pid, 0), POLLIN, 0}};
    cr_assert_geq(fds[1].fd, 0, "Linux 5.3 is needed");
    do {
        int ready = poll(fds, array_count(fds), SILENCE_MS);
        if (ready < 0 && errno == EINTR)
            continue;
        if (ready == 0)
            say_where(pid);
        cr_assert_gt(ready, 0, "the child hangs");
        if (fds[0].revents & POLLIN)
            answer(listener, pid, watched, strike);
        else if (fds[0].revents & POLLHUP)
            fds[0].fd = -1;
    } while (!fds[1].revents);
    close(fds[1].fd);
}

static struct watched run(int (*work)(void *user), void *user, struct strike *strike)
{
    struct watched watched = {0};
    int sockets[2], status = 0;
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets), 0);
    pid_t pid = fork();
    cr_assert_geq(pid, 0);
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        send_fd(sockets[1], watch_myself());
        _exit(work(user));
    }
    close(sockets[1]);
    int listener = receive_fd(sockets[0]);
    close(sockets[0]);
    answer_until_it_ends(listener, pid, &watched, strike);
    close(listener);
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    watched.was_killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
    cr_assert(watched.was_killed || WIFEXITED(status), "the child ended with status %x", status);
    watched.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
    return watched;
}

struct watched watched_run(int (*work)(void *user), void *user, unsigned at, int fault)
{
    return run(work, user, &(struct strike){.at = at, .fault = fault, .system_call = -1});
}

struct watched watched_run_while(int (*work)(void *user), void *user, int system_call,
                                 void (*meanwhile)(void *user), void *meanwhile_user)
{
    return run(work, user,
               &(struct strike){0, WATCHED_NONE, system_call, meanwhile, meanwhile_user});
}
