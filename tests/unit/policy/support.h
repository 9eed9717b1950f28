/* A folder with a home, a state folder and a workspace; a policy on it; commands really run. */
#ifndef LANEBRIDGE_TEST_POLICY_SUPPORT_H
#define LANEBRIDGE_TEST_POLICY_SUPPORT_H

#include <lanebridge/policy.h>

extern char base[128]; /* holds home, state, ws, outside */
extern struct loop *loop;
extern struct workspace *workspace;
extern struct config *config;
extern struct config_env env;
extern struct policy *policy;
extern struct err err;

void begin(void);
void end(void);
void make_policy(void);     /* anew, with the config as it is now */
void need_sandbox(void);    /* skips the test where bubblewrap cannot work */
void forbid_landlock(void); /* in this process and its children, for good */
void set(const char *json); /* settings of the user */
/* base + "/" + what the format gives; from a ring of a few buffers. */
const char *at(const char *format, ...) __attribute__((format(printf, 1, 2)));
void put(const char *name, const char *content);    /* under base; folders are made */
const char *get(const char *name);                  /* "(none)" when it cannot be read */
struct policy_command command_of(const char *text); /* run in ws */
enum policy_answer ask(const char *text);           /* the verdict on it */

struct outcome {
    int code;
    char text[8192];
};
/* Runs what policy_launch_build gives, with both outputs together. */
struct outcome run_launch(const struct policy_command *command, const struct policy_bind *binds,
                          size_t count, bool sandboxed);
struct outcome run(const char *text); /* sandboxed, in ws */
struct outcome spawn_and_wait(char *const *argv, char *const *environment, const int (*fds)[2],
                              size_t fd_count);
int text_fd(const char *text); /* a memfd, as for unsaved text */

#endif
