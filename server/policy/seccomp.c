/* What bubblewrap's namespaces leave open: kernel surface a command never needs. Made once with
 * libseccomp, handed to bubblewrap as a program on a descriptor.
 *
 * Kept on purpose: ptrace (only the sandbox's own processes can be named in its pid namespace, and
 * LeakSanitizer needs it) and NETLINK_ROUTE (asking for interfaces; the namespace has its own). */
#include "policy-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PROGRAM_BYTES = 64 * 1024 };

struct denial {
    const char *name;
    int errno_value;
};

/* ENOSYS where programs have an older way that they fall back to. */
static const struct denial denials[] = {
    {"io_uring_setup", ENOSYS},
    {"io_uring_enter", ENOSYS},
    {"io_uring_register", ENOSYS},
    {"clone3", ENOSYS}, /* its flags are behind a pointer, out of a filter's sight */
    {"keyctl", EPERM},
    {"add_key", EPERM},
    {"request_key", EPERM},
    {"mount", EPERM},
    {"umount", EPERM},
    {"umount2", EPERM},
    {"pivot_root", EPERM},
    {"move_mount", EPERM},
    {"open_tree", EPERM},
    {"fsopen", EPERM},
    {"fsconfig", EPERM},
    {"fsmount", EPERM},
    {"fspick", EPERM},
    {"mount_setattr", EPERM},
    {"setns", EPERM},
    {"bpf", EPERM},
    {"perf_event_open", EPERM},
    {"userfaultfd", EPERM},
    {"open_by_handle_at", EPERM},
    {"quotactl", EPERM},
    {"quotactl_fd", EPERM},
    {"acct", EPERM},
    {"swapon", EPERM},
    {"swapoff", EPERM},
    {"reboot", EPERM},
    {"syslog", EPERM},
    {"kexec_load", EPERM},
    {"kexec_file_load", EPERM},
    {"init_module", EPERM},
    {"finit_module", EPERM},
    {"delete_module", EPERM},
    {"vhangup", EPERM},
};

/* Beside Landlock, which knows neither modes nor owners nor the shared memory of other programs. */
static const struct denial landlock_denials[] = {
    {"openat2", ENOSYS}, /* its flags are behind a pointer */
    {"truncate", EPERM}, {"process_vm_readv", EPERM}, {"process_vm_writev", EPERM},
    {"ptrace", EPERM},   {"shmget", EPERM},           {"shmat", EPERM},
    {"semget", EPERM},   {"msgget", EPERM},           {"mq_open", EPERM},
};
static const struct denial read_denials[] = {
    {"chmod", EPERM},        {"fchmod", EPERM},       {"fchmodat", EPERM},  {"fchmodat2", EPERM},
    {"chown", EPERM},        {"fchown", EPERM},       {"lchown", EPERM},    {"fchownat", EPERM},
    {"setxattr", EPERM},     {"lsetxattr", EPERM},    {"fsetxattr", EPERM}, {"removexattr", EPERM},
    {"lremovexattr", EPERM}, {"fremovexattr", EPERM}, {"utime", EPERM},     {"utimes", EPERM},
    {"utimensat", EPERM},    {"futimesat", EPERM},
};

/* A name that this libseccomp does not know is of a newer kernel than it can filter. */
static int deny(scmp_filter_ctx filter, const char *name, int errno_value)
{
    int number = seccomp_syscall_resolve_name(name);
    if (number == __NR_SCMP_ERROR)
        return 0;
    int failed = seccomp_rule_add(filter, SCMP_ACT_ERRNO(errno_value), number, 0);
    return failed == -EDOM ? 0 : failed; /* not a call of this architecture */
}

/* The library's macros leave a field out. */
static struct scmp_arg_cmp compare(unsigned arg, enum scmp_compare op, scmp_datum_t a,
                                   scmp_datum_t b)
{
    return (struct scmp_arg_cmp){.arg = arg, .op = op, .datum_a = a, .datum_b = b};
}

static int deny_if(scmp_filter_ctx filter, int number, int errno_value, struct scmp_arg_cmp arg)
{
    int failed =
        seccomp_rule_add_array(filter, SCMP_ACT_ERRNO((unsigned)errno_value), number, 1, &arg);
    return failed == -EDOM ? 0 : failed;
}

/* Unix, IPv4, IPv6 and routing questions; a set upper half of the argument, which the kernel drops,
 * compares as above the last. */
static int deny_families(scmp_filter_ctx filter)
{
    int failed =
        deny_if(filter, SCMP_SYS(socket), EAFNOSUPPORT, compare(0, SCMP_CMP_GT, AF_NETLINK, 0));
    for (scmp_datum_t family = 0; family < AF_NETLINK && !failed; family++)
        if (family != AF_UNIX && family != AF_INET && family != AF_INET6)
            failed =
                deny_if(filter, SCMP_SYS(socket), EAFNOSUPPORT, compare(0, SCMP_CMP_EQ, family, 0));
    struct scmp_arg_cmp other[] = {
        compare(0, SCMP_CMP_EQ, AF_NETLINK, 0),
        compare(2, SCMP_CMP_NE, NETLINK_ROUTE, 0),
    };
    if (!failed)
        failed = seccomp_rule_add_array(filter, SCMP_ACT_ERRNO(EAFNOSUPPORT), SCMP_SYS(socket), 2,
                                        other);
    return failed;
}

/* The kernel looks at 32 bits of these arguments, so the filter does too. */
static int deny_flags(scmp_filter_ctx filter)
{
    const scmp_datum_t low = 0xFFFFFFFF;
    int failed =
        deny_if(filter, SCMP_SYS(ioctl), EPERM, compare(1, SCMP_CMP_MASKED_EQ, low, TIOCSTI));
    if (!failed)
        failed = deny_if(filter, SCMP_SYS(ioctl), EPERM,
                         compare(1, SCMP_CMP_MASKED_EQ, low, 0x541C /* TIOCLINUX */));
    if (!failed)
        failed = deny_if(filter, SCMP_SYS(unshare), EPERM,
                         compare(0, SCMP_CMP_MASKED_EQ, CLONE_NEWUSER, CLONE_NEWUSER));
    if (!failed)
        failed = deny_if(filter, SCMP_SYS(clone), EPERM,
                         compare(0, SCMP_CMP_MASKED_EQ, CLONE_NEWUSER, CLONE_NEWUSER));
    return failed;
}

/* Landlock's own ports came late and leave UDP; a socket of a program of the host is a file to it.
 * A pair of sockets is still to be had. */
static int deny_sockets(scmp_filter_ctx filter, enum seccomp_kind kind)
{
    if (kind != SECCOMP_LANDLOCK_NETWORK)
        return deny(filter, "socket", EACCES);
    int failed = deny_families(filter);
    return failed ? failed
                  : deny_if(filter, SCMP_SYS(socket), EACCES, compare(0, SCMP_CMP_EQ, AF_UNIX, 0));
}

/* Landlock before its third version does not see that reading may empty a file. */
static int deny_emptying(scmp_filter_ctx filter)
{
    const scmp_datum_t mask = O_TRUNC | O_ACCMODE;
    int failed = deny_if(filter, SCMP_SYS(openat), EPERM,
                         compare(2, SCMP_CMP_MASKED_EQ, mask, O_TRUNC | O_RDONLY));
    if (!failed)
        failed = deny_if(filter, SCMP_SYS(open), EPERM,
                         compare(1, SCMP_CMP_MASKED_EQ, mask, O_TRUNC | O_RDONLY));
    return failed;
}

static int deny_all(scmp_filter_ctx filter, const struct denial *list, size_t count)
{
    int failed = 0;
    for (size_t i = 0; i < count && !failed; i++)
        failed = deny(filter, list[i].name, list[i].errno_value);
    return failed;
}

static int fill_for_landlock(scmp_filter_ctx filter, enum seccomp_kind kind)
{
    int failed = deny_all(filter, landlock_denials, array_count(landlock_denials));
    if (!failed && kind == SECCOMP_LANDLOCK_READ)
        failed = deny_all(filter, read_denials, array_count(read_denials));
    if (!failed)
        failed = deny_sockets(filter, kind);
    return failed ? failed : deny_emptying(filter);
}

static int fill(scmp_filter_ctx filter, enum seccomp_kind kind)
{
    int failed = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ERRNO(ENOSYS));
    if (!failed)
        failed = deny_all(filter, denials, array_count(denials));
    if (!failed)
        failed = deny_flags(filter);
    if (!failed)
        failed =
            kind == SECCOMP_BUBBLEWRAP ? deny_families(filter) : fill_for_landlock(filter, kind);
    return failed;
}

static int export_program(scmp_filter_ctx filter, struct buf *ret_program)
{
    char *bytes = mem_alloc(PROGRAM_BYTES);
    int fd = memfd_create("seccomp", MFD_CLOEXEC);
    int failed = fd < 0 ? -errno : seccomp_export_bpf(filter, fd);
    ssize_t got = failed ? 0 : pread(fd, bytes, PROGRAM_BYTES, 0);
    if (fd >= 0)
        close(fd);
    if (!failed && (got <= 0 || got == PROGRAM_BYTES))
        failed = -EFBIG;
    if (!failed) {
        buf_clear(ret_program);
        buf_append(ret_program, (struct str){bytes, (size_t)got});
    }
    mem_free(bytes);
    return failed;
}

enum status seccomp_make_filter(enum seccomp_kind kind, struct buf *ret_program, struct err *err)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    if (!filter)
        return err_set(err, STATUS_UNSUPPORTED, "libseccomp cannot make a filter here");
    int failed = fill(filter, kind);
    if (!failed)
        failed = export_program(filter, ret_program);
    seccomp_release(filter);
    if (failed)
        return err_set_errno(err, -failed, "libseccomp cannot make the filter");
    return STATUS_OK;
}

int seccomp_make_fd(const struct buf *program, struct err *err)
{
    int fd = memfd_create("seccomp", MFD_CLOEXEC);
    if (fd >= 0 && pwrite(fd, program->ptr, program->len, 0) == (ssize_t)program->len)
        return fd;
    err_set_errno(err, errno, "cannot hand the seccomp filter down");
    if (fd >= 0)
        close(fd);
    return -1;
}
