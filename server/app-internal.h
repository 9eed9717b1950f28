/* The program's inside: app.c puts it together, app_settings.c and app_status.c are what the
 * language server asks of it. */
#ifndef LANEBRIDGE_APP_INTERNAL_H
#define LANEBRIDGE_APP_INTERNAL_H

#include "app.h"
#include "sweep.h"

struct app {
    struct loop *loop;
    struct config *config;
    struct config_env env;
    struct documents *documents;
    struct workspace *workspace;
    struct policy *policy;
    struct net *net;
    struct wire *wire;
    struct journal *journal;
    struct sweep *sweep;
    struct memory *memory;
    struct responses *responses;
    struct mcp_side *mcp; /* NULL: nothing was asked for yet */
    struct tools *tools;
    struct agent *agent;
    struct complete *complete;
    struct models *models;
    struct lsp_server *server;
    struct host host;
    struct err settings_error; /* of the user's file */
    struct app_seen {
        uint64_t device, inode, size, changed_ns;
    } seen;                              /* of that file */
    struct buf init_json, workspace_json; /* what the editor said last */
    struct buf kept_key;                 /* from the environment, for the next connection */
    struct buf file_warnings;  /* not told yet */
    struct buf mcp_checked;    /* mcp.servers as it was when its faults were told */
    bool key_is_secret;
    wire_key_fn *on_key; /* of the wire, while the person is asked */
    void *on_key_user;
    int exit_code;
};

/* -- app_settings.c: callbacks take the app as `user` */
/* The user's file; what is wrong with it waits until there is somebody to tell. */
void app_load_settings(struct app *app);
void app_on_settings(void *user, enum lsp_settings_source source, const struct json_value *object,
                     struct buf *warnings);
void app_on_limits(void *user, struct agent_limits *ret_limits);
bool app_on_cost(void *user, struct str model, const struct responses_usage *usage,
                 struct agent_cost *ret_cost);
/* Takes the user's file again where it has changed and nobody is at work. True: another endpoint is meant, and the
 * agent is to be closed. */
bool app_reload_settings(struct app *app, struct buf *warnings);
enum tools_edit_style app_edit_style(const struct app *app);

/* -- app_status.c */
void app_on_status(void *user, struct buf *json);

#endif
