/* Linked into every unit binary with --wrap: an exit in the middle of a test would count as passed.
 * The worker of a test must not leave by itself; children that a test forks may. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

void __real_exit(int code) __attribute__((noreturn));
void __real__exit(int code) __attribute__((noreturn));
void __wrap_exit(int code) __attribute__((noreturn));
void __wrap__exit(int code) __attribute__((noreturn));

static pid_t worker;

/* Of the policy module, where that is linked: commands outside bubblewrap are started as
 * `/proc/self/exe confine …`, and in a test that is the test. */
int policy_confine_main(int argc, char **argv) __attribute__((weak));

__attribute__((constructor)) static void confine(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "confine") == 0 && policy_confine_main)
        syscall(SYS_exit_group, policy_confine_main(argc - 1, argv + 1));
}

__attribute__((constructor)) static void note_worker(void)
{
    worker = getpid();
}

static void refuse_in_worker(int code)
{
    if (getpid() != worker)
        return;
    fprintf(stderr, "a test called exit(%d): that would count as passed\n", code);
    abort();
}

void __wrap_exit(int code)
{
    refuse_in_worker(code);
    __real_exit(code);
}

void __wrap__exit(int code)
{
    refuse_in_worker(code);
    __real__exit(code);
}
