/* A child whose system calls on files are stopped one by one (seccomp user notifications): at the
 * one that is wanted it is killed, or gets an error instead. */
#ifndef TEST_WORKSPACE_WATCHED_H
#define TEST_WORKSPACE_WATCHED_H

#include <stdbool.h>

struct watched {
    bool was_killed;
    int exit_code;  /* else */
    unsigned calls; /* that were stopped */
};
enum { WATCHED_KILL = -1, WATCHED_NONE = 0 }; /* or an errno */

/* Runs work(user) in a child; its result is the exit code. `fault` strikes at call number `at`,
 * from 0. */
struct watched watched_run(int (*work)(void *user), void *user, unsigned at, int fault);
/* Nothing strikes: before its first call of this number is made, meanwhile(meanwhile_user) runs in
 * the parent. */
struct watched watched_run_while(int (*work)(void *user), void *user, int system_call,
                                 void (*meanwhile)(void *user), void *meanwhile_user);

#endif
