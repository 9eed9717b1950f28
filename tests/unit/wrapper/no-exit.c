/* Linked into every unit binary with --wrap: an exit in the middle of a test would count as passed.
 * The worker of a test must not leave by itself; children that a test forks may. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void __real_exit(int code) __attribute__((noreturn));
void __real__exit(int code) __attribute__((noreturn));
void __wrap_exit(int code) __attribute__((noreturn));
void __wrap__exit(int code) __attribute__((noreturn));

static pid_t worker;

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
