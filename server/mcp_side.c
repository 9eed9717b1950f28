/* The client of MCP servers within the program: what it gets of the settings, of the workspace and
 * of the policy; and how it is shown. */
#include <stdlib.h>

#include "app.h"

struct mcp_side {
    struct mcp_env env;
    struct loop *loop;
    const struct workspace *workspace; /* NULL: there are no folders */
    struct policy *policy;             /* NULL: nothing is redacted */
    struct mcp_wire *wire;
    struct mcp *mcp;
    struct mcp *ending; /* of the settings before; NULL mostly */
    bool has_ended;     /* it, and it waits to be freed */
    struct loop_timer *ended_timer;
};

static const char *get_variable(const char *name)
{
    return getenv(name);
}

/* Those that are confirmed: the tools here reach no others either. */
static void append_roots(void *user, struct buf *json)
{
    struct mcp_side *side = user;
    struct json_writer w;
    json_writer_init(&w, json);
    json_write_begin_array(&w);
    size_t count = side->workspace ? workspace_root_count(side->workspace) : 0;
    for (size_t i = 0; i < count; i++) {
        const struct workspace_root *root = workspace_root_at(side->workspace, i);
        struct buf uri = {0};
        if (!root->confirmed)
            continue;
        uri_append_file(&uri, str_from(root->path));
        json_write_begin_object(&w);
        json_write_field_str(&w, "uri", buf_str(&uri));
        json_write_field_str(&w, "name", path_name(str_from(root->path)));
        json_write_end_object(&w);
        buf_finish(&uri);
    }
    json_write_end_array(&w);
}

static void on_secret(void *user, struct str secret)
{
    struct mcp_side *side = user;
    if (side->policy)
        policy_add_secret(side->policy, secret);
}

/* -- Life ------------------------------------------------------------------------------------ */

/* Of the settings before. */
static void end_ending(struct mcp_side *side)
{
    mcp_free(side->ending);
    side->ending = NULL;
    side->has_ended = false;
}

static void on_ended_timer(void *user)
{
    struct mcp_side *side = user;
    if (side->has_ended)
        end_ending(side);
}

struct mcp_side *mcp_side_new(struct loop *loop, struct net *net, const struct config *config,
                              const struct config_env *env, const struct workspace *workspace,
                              struct policy *policy)
{
    struct mcp_side *side = mem_new(struct mcp_side);
    *side = (struct mcp_side){.loop = loop, .workspace = workspace, .policy = policy};
    side->wire = mcp_wire_new(net, config);
    side->ended_timer = loop_timer_new(loop, on_ended_timer, side);
    side->env = (struct mcp_env){
        .loop = loop,
        .http = mcp_wire_http(side->wire),
        .get = get_variable,
        .home = env->home,
        .append_roots = append_roots,
        .on_secret = on_secret,
        .user = side,
    };
    side->mcp = mcp_new(&side->env, str_from(config->mcp_servers_json));
    return side;
}

/* It still stands in its own callback. */
static void on_ended(void *user)
{
    struct mcp_side *side = user;
    side->has_ended = true;
    loop_timer_start(side->ended_timer, 0, 0);
}

void mcp_side_set(struct mcp_side *side, struct str servers)
{
    struct mcp *before = side->mcp;
    end_ending(side); /* changed again before they have ended: killed */
    side->mcp = mcp_new(&side->env, servers);
    if (mcp_stop(before, on_ended, side))
        side->ending = before;
    else
        mcp_free(before);
}

struct mcp *mcp_side_client(const struct mcp_side *side)
{
    return side->mcp;
}

static void on_stopped(void *user)
{
    struct mcp_side *side = user;
    loop_stop(side->loop);
}

void mcp_side_free(struct mcp_side *side)
{
    if (!side)
        return;
    if (mcp_stop(side->mcp, on_stopped, side))
        loop_run(side->loop); /* at most LIMIT_MCP_STOP_MS */
    end_ending(side);
    mcp_free(side->mcp);
    loop_timer_free(side->ended_timer);
    mcp_wire_free(side->wire);
    mem_free(side);
}

void mcp_side_write(const struct mcp_side *side, struct json_writer *w)
{
    size_t count = side ? mcp_server_count(side->mcp) : 0;
    json_write_begin_array(w);
    for (size_t i = 0; i < count; i++) {
        struct mcp_status status;
        mcp_server_status(side->mcp, i, &status);
        json_write_begin_object(w);
        json_write_field_c(w, "name", status.name);
        json_write_field_c(w, "state", mcp_state_name(status.state));
        json_write_field_c(w, "transport", status.is_http ? "http" : "stdio");
        json_write_field_int(w, "tools", (int64_t)status.tools);
        json_write_field_int(w, "leftOut", (int64_t)status.left_out);
        json_write_field_int(w, "restarts", (int64_t)status.restarts);
        json_write_field_c(w, "detail", status.detail);
        json_write_field_c(w, "leftOutWhy", status.left_out_why);
        json_write_end_object(w);
    }
    json_write_end_array(w);
}
