#include <net/if.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"

void bench_die(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("bench: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    exit(1);
}

void bench_isolate(void)
{
    /* Where we may, other work on the machine waits: its noise is not what is measured. */
    struct sched_param first = {.sched_priority = 1};
    sched_setscheduler(0, SCHED_RR, &first);
    struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
    if (geteuid() != 0 || unshare(CLONE_NEWNET) < 0)
        return;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &request) < 0)
        bench_die("loopback of the new network namespace cannot be brought up");
    close(fd);
}

uint64_t bench_cpu_ns(pid_t pid)
{
    clockid_t clock;
    struct timespec time;
    if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &time) < 0)
        bench_die("the process %d is gone", (int)pid);
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

uint64_t bench_peak_rss_kib(pid_t pid)
{
    char path[64], line[256];
    unsigned long long kib = 0;
    snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
    FILE *file = fopen(path, "re");
    if (!file)
        bench_die("the process %d is gone", (int)pid);
    while (fgets(line, sizeof(line), file))
        if (sscanf(line, "VmHWM: %llu", &kib) == 1)
            break;
    fclose(file);
    return kib;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

void bench_sort(double *values, size_t count)
{
    qsort(values, count, sizeof(*values), compare);
}

double bench_percentile(const double *sorted, size_t count, double part)
{
    size_t at = (size_t)(part * (double)(count - 1) + 0.5);
    return sorted[at];
}

void bench_print_goal(double goal, double value)
{
    if (goal > 0)
        printf("  <= %-5.4g %-6s", goal, value <= goal ? "met" : "MISSED");
}

void bench_print_row(const char *name, const char *unit, double goal, double *values, size_t runs)
{
    bench_sort(values, runs);
    double median = bench_percentile(values, runs, 0.5);
    printf("%-40s %9.3f %-4s (%.3f to %.3f)", name, median, unit, values[0], values[runs - 1]);
    bench_print_goal(goal, median);
    putchar('\n');
}

void bench_print_machine(void)
{
    double load[3] = {0};
    struct utsname name;
    uname(&name);
    if (getloadavg(load, 3) < 0)
        load[0] = -1;
    printf("machine: %ld cores, %s %s, load %.1f before\n", sysconf(_SC_NPROCESSORS_ONLN),
           name.sysname, name.machine, load[0]);
    fflush(stdout);
}
