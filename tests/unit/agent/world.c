#include "world.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { GUARD_MS = 50000 };

static const struct responses_deadlines deadlines = {
    .connect = 5000,
    .first_event = 5000,
    .silence = 5000,
    .pong = 5000,
    .thinking = 60000,
    .drain = 5000,
    .backoff_first = 4,
    .backoff_max = 8,
    .attempts = 3,
};

static uint64_t fixed_now(void)
{
    return 1000000;
}

static void on_guard(void *user)
{
    struct world *world = user;
    world->timed_out = true;
    loop_stop(world->loop);
}

static void on_poll(void *user)
{
    struct world *world = user;
    if (world->until(world->until_user))
        loop_stop(world->loop);
}

void world_run(struct world *world, bool (*until)(void *user), void *user)
{
    world->until = until;
    world->until_user = user;
    loop_timer_start(world->guard, GUARD_MS, 0);
    loop_timer_start(world->poll, 0, 1);
    loop_run(world->loop);
    loop_timer_stop(world->poll);
    loop_timer_stop(world->guard);
    cr_assert_not(world->timed_out, "it did not happen within %d ms", GUARD_MS);
}

static bool count_down(void *user)
{
    unsigned *left = user;
    return *left == 0 || --*left == 0;
}

void world_turns(struct world *world, unsigned count)
{
    world_run(world, count_down, &count);
}

static char *below(const struct world *world, const char *name)
{
    struct buf path = {0};
    buf_append_fmt(&path, "%s/%s", world->dir, name);
    return buf_take(&path);
}

void world_init(struct world *world)
{
    struct err err = {0};
    *world = (struct world){.dir = "/tmp/lanebridge-agent-XXXXXX"};
    cr_assert_not_null(mkdtemp(world->dir));
    snprintf(world->ws, sizeof(world->ws), "%s/ws", world->dir);
    snprintf(world->state, sizeof(world->state), "%s/state", world->dir);
    world->env = (struct config_env){.home = below(world, "home"),
                                     .config_file = below(world, "home/config.json"),
                                     .state_folder = below(world, "state"),
                                     .cache_folder = below(world, "cache")};
    mkdir(world->ws, 0755);
    mkdir(world->env.home, 0700);
    mkdir(world->state, 0700);
    mkdir(world->env.cache_folder, 0700);
    world->loop = loop_new(&err);
    world->guard = loop_timer_new(world->loop, on_guard, world);
    world->poll = loop_timer_new(world->loop, on_poll, world);
    world->config = config_new();
    world->documents = documents_new();
    world->workspace =
        workspace_new(world->loop, str_from(world->state), str_from(world->env.home));
    world->policy = policy_new(world->config, world->workspace, &world->env);
    model_init(&world->model, world->loop);
}

static void on_status(void *user, const struct responses_status *status)
{
    struct world *world = user;
    if (world->agent)
        agent_on_connection(world->agent, status);
}

struct agent *world_agent(struct world *world, const struct host *host, agent_event_fn *on_event,
                          void *user)
{
    struct err err = {0};
    struct transport_env transport = model_env(&world->model);
    struct responses_options options = {
        .profile =
            responses_profile_find(str_from(world->profile ? world->profile : "openai"), STR("")),
        .deadlines = &deadlines,
        .on_status = on_status,
        .user = world};
    world->journal = journal_open(str_from(world->state), fixed_now, &err);
    cr_assert_not_null(world->journal, "%s", err.text);
    world->responses = responses_new(&transport, &options);
    struct tools_env tools = {.loop = world->loop,
                              .documents = world->documents,
                              .workspace = world->workspace,
                              .policy = world->policy,
                              .journal = world->journal,
                              .host = host,
                              .cache_folder = world->env.cache_folder};
    world->tools = tools_new(&tools);
    struct agent_env env = {.loop = world->loop,
                            .journal = world->journal,
                            .tools = world->tools,
                            .policy = world->policy,
                            .responses = world->responses,
                            .model = "m-1",
                            .edit_style = TOOLS_EDIT_REPLACE,
                            .warm = world->warm,
                            .steps_max = world->steps_max,
                            .context_tokens = world->context_tokens,
                            .on_event = on_event,
                            .user = user};
    world->agent = agent_new(&env);
    return world->agent;
}

void world_end_agent(struct world *world)
{
    agent_free(world->agent);
    world->agent = NULL;
    tools_free(world->tools);
    responses_free(world->responses);
    world->tools = NULL;
    world->responses = NULL;
    if (world->journal)
        journal_close(world->journal);
    world->journal = NULL;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)st;
    (void)kind;
    (void)ftw;
    return remove(path);
}

void world_finish(struct world *world)
{
    world_end_agent(world);
    model_finish(&world->model);
    policy_free(world->policy);
    workspace_free(world->workspace);
    documents_free(world->documents);
    config_free(world->config);
    loop_timer_free(world->guard);
    loop_timer_free(world->poll);
    loop_free(world->loop);
    config_env_finish(&world->env);
    nftw(world->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

const char *world_path(struct world *world, const char *name)
{
    static char paths[4][256];
    static unsigned turn;
    char *path = paths[turn++ % 4];
    snprintf(path, sizeof(paths[0]), "%s/%s", world->ws, name);
    return path;
}

void world_put(struct world *world, const char *name, const char *text)
{
    FILE *file = fopen(world_path(world, name), "w");
    cr_assert_not_null(file, "%s", name);
    fputs(text, file);
    fclose(file);
}

const char *world_disk(struct world *world, const char *name)
{
    static char bytes[8192];
    FILE *file = fopen(world_path(world, name), "r");
    if (!file)
        return "(none)";
    bytes[fread(bytes, 1, sizeof(bytes) - 1, file)] = '\0';
    fclose(file);
    return bytes;
}
