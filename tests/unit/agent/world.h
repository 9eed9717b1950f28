/* Everything an agent needs, real, in a temporary folder; the model is scripted. */
#ifndef TEST_AGENT_WORLD_H
#define TEST_AGENT_WORLD_H

#include <criterion/criterion.h>
#include <lanebridge/agent.h>
#include <lanebridge/config.h>

#include "model.h"

struct world {
    char dir[64], ws[80], state[80];
    struct loop *loop;
    struct loop_timer *guard, *poll;
    struct config *config;
    struct config_env env;
    struct documents *documents;
    struct workspace *workspace;
    struct policy *policy;
    struct journal *journal;
    struct responses *responses;
    struct tools *tools;
    struct agent *agent;
    struct model model;
    bool warm; /* before world_agent */
    unsigned steps_max;
    int64_t context_tokens;
    const char *profile; /* before world_agent; NULL: openai */
    bool (*until)(void *user);
    void *until_user;
    bool timed_out;
};
void world_init(struct world *world);
struct agent *world_agent(struct world *world, const struct host *host, agent_event_fn *on_event,
                          void *user);
/* Frees agent, tools, connection and journal, as at the end of a process. */
void world_end_agent(struct world *world);
void world_finish(struct world *world);
/* Runs the loop until that is true; more than eight seconds fail. */
void world_run(struct world *world, bool (*until)(void *user), void *user);
void world_turns(struct world *world, unsigned count); /* of the loop */
void world_put(struct world *world, const char *name, const char *text);
/* "(none)" if there is no such file; static memory. */
const char *world_disk(struct world *world, const char *name);
const char *world_path(struct world *world, const char *name); /* static, of four turns */

#define assert_has(text, part)                                                                     \
    cr_assert(strstr((text), (part)) != NULL, "\"%s\" is not in:\n%s", (part), (text))
#define assert_lacks(text, part)                                                                   \
    cr_assert(strstr((text), (part)) == NULL, "\"%s\" is in:\n%s", (part), (text))

#endif
