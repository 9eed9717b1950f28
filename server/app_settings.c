/* The settings: read, changed while it runs, and what is asked of them. */
#include "app-internal.h"

/* A settings file that cannot be read is told to the person, and no turn starts: the defaults would
 * send their work to another endpoint than the one they chose. */
void app_load_settings(struct app *app)
{
    struct err err = {0};
    if (config_load_file(app->config, str_from(app->env.config_file), &app->file_warnings, &err) <
        0) {
        buf_append_fmt(&app->file_warnings, "%s\n", err.text);
        app->settings_error = err;
    }
    struct str rest = buf_str(&app->file_warnings), line;
    while (str_next(&rest, '\n', &line))
        if (line.len > 0)
            log_line(LOG_WARN, "settings " STR_FMT, STR_ARG(line));
}

static const enum config_source sources[] = {
    [LSP_SETTINGS_INIT] = CONFIG_INIT_OPTIONS,
    [LSP_SETTINGS_WORKSPACE] = CONFIG_WORKSPACE,
};

static void check_servers(struct app *app, struct buf *warnings)
{
    struct str servers = str_from(app->config->mcp_servers_json);
    if (str_eq(servers, buf_str(&app->mcp_checked)))
        return;
    buf_clear(&app->mcp_checked);
    buf_append(&app->mcp_checked, servers);
    mcp_check(servers, warnings);
}

void app_on_limits(void *user, struct agent_limits *ret_limits)
{
    const struct app *app = user;
    ret_limits->tokens_per_turn = app->config->tokens_per_turn;
    ret_limits->tokens_per_day = app->config->tokens_per_day;
}

bool app_on_cost(void *user, struct str model, const struct responses_usage *usage,
                 struct agent_cost *ret_cost)
{
    const struct app *app = user;
    return prices_find(app->config, model, usage, ret_cost);
}

enum tools_edit_style app_edit_style(const struct app *app)
{
    return responses_model_writes_patches(str_from(app->config->model)) ? TOOLS_EDIT_PATCH
                                                                        : TOOLS_EDIT_REPLACE;
}

void app_on_settings(void *user, enum lsp_settings_source source, const struct json_value *object,
                     struct buf *warnings)
{
    struct app *app = user;
    buf_append(warnings, buf_str(&app->file_warnings)); /* found before there was anybody to tell */
    buf_clear(&app->file_warnings);
    if (json_is(object, JSON_OBJECT))
        config_apply(app->config, sources[source], object, warnings);
    check_servers(app, warnings);
    policy_hooks_check(app->policy, warnings);
    if (app->agent)
        agent_set_defaults(app->agent, app->config->model, app->config->reasoning_effort,
                           app_edit_style(app));
    log_set_level(app->config->log_level);
}
