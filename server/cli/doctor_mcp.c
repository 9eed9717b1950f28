/* The user's MCP servers: each is started as a turn would, and asked for its tools. */
#include <string.h>

#include "doctor-internal.h"

static void on_ready(void *user)
{
    struct doctor *doctor = user;
    doctor->mcp_is_ready = true;
    loop_stop(doctor->loop);
}

static void tell_server(struct doctor_line *line, const struct mcp_status *status)
{
    static const char fix[] = "run its command by hand, or correct it in mcp.servers; README.md "
                              "has the table";
    if (status->state == MCP_OFF)
        doctor_ok(line, "%s is turned off", status->name);
    else if (status->state == MCP_READY)
        doctor_ok(line, "%s (%s): %zu tools", status->name, status->detail, status->tools);
    else if (status->state == MCP_FAILED)
        doctor_warn(line, fix, "%s: %s", status->name, status->detail);
    else
        doctor_warn(line, fix, "%s was not ready within %d s", status->name,
                    LIMIT_MCP_WAIT_MS / 1000);
    if (status->left_out > 0)
        doctor_warn(line, NULL, "%zu tools of %s are left out: %s", status->left_out, status->name,
                    status->left_out_why);
}

static void tell_all(const struct mcp_side *side, struct doctor_line *line)
{
    const struct mcp *mcp = mcp_side_client(side);
    for (size_t i = 0; i < mcp_server_count(mcp); i++) {
        struct mcp_status status;
        mcp_server_status(mcp, i, &status);
        tell_server(line, &status);
    }
    json_write_key(&line->w, "servers");
    mcp_side_write(side, &line->w);
}

/* What is wrong with the setting itself. */
static void tell_setting(struct doctor *doctor, struct doctor_line *line)
{
    struct buf warnings = {0};
    mcp_check(str_from(doctor->config->mcp_servers_json), &warnings);
    struct str rest = buf_str(&warnings), one;
    while (warnings.len > 0 && str_next(&rest, '\n', &one))
        if (one.len > 0)
            doctor_warn(line, "correct it in the settings; README.md has the table", STR_FMT,
                        STR_ARG(one));
    buf_finish(&warnings);
}

void doctor_check_mcp(struct doctor *doctor, struct doctor_line *line)
{
    if (strcmp(doctor->config->mcp_servers_json, "{}") == 0) {
        doctor_ok(line, "no servers are set");
        return;
    }
    tell_setting(doctor, line);
    struct net_options options = {
        .ca_file = doctor->config->endpoint_ca_file[0] ? doctor->config->endpoint_ca_file : NULL};
    struct err err = {0};
    struct net *net = net_new(doctor->loop, &options, &err);
    if (!net) {
        doctor_tell_error(line, DOCTOR_FAIL, err.text, "see the line \"endpoint\"");
        return;
    }
    struct mcp_side *side =
        mcp_side_new(doctor->loop, net, doctor->config, &doctor->env, NULL, NULL);
    if (mcp_prepare(mcp_side_client(side), on_ready, doctor))
        doctor_wait(doctor, &doctor->mcp_is_ready, LIMIT_MCP_WAIT_MS + 1000);
    tell_all(side, line);
    mcp_side_free(side); /* they need not run while the rest is looked at */
    net_free(net);
}
