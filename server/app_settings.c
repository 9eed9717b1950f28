/* The settings: read, changed while it runs, and what is asked of them. */
#include "app-internal.h"

#include <string.h>
#include <sys/stat.h>

static struct app_seen look_at_file(const struct app *app)
{
    struct stat st;
    if (stat(app->env.config_file, &st) < 0)
        return (struct app_seen){0};
    return (struct app_seen){
        .device = st.st_dev,
        .inode = st.st_ino,
        .size = (uint64_t)st.st_size,
        .changed_ns = (uint64_t)st.st_mtim.tv_sec * 1000000000 + (uint64_t)st.st_mtim.tv_nsec,
    };
}

/* A settings file that cannot be read is told to the person, and no turn starts: the defaults would
 * send their work to another endpoint than the one they chose. */
void app_load_settings(struct app *app)
{
    struct err err = {0};
    app->seen = look_at_file(app);
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

/* What has changed, to whoever has a copy. */
static void tell_all(struct app *app, struct buf *warnings)
{
    check_servers(app, warnings);
    policy_hooks_check(app->policy, warnings);
    if (app->agent)
        agent_set_defaults(app->agent, app->config->model, app->config->reasoning_effort,
                           app_edit_style(app));
    log_set_level(app->config->log_level);
}

static void keep_json(struct buf *kept, const struct json_value *object)
{
    buf_clear(kept);
    json_append(kept, object);
}

void app_on_settings(void *user, enum lsp_settings_source source, const struct json_value *object,
                     struct buf *warnings)
{
    struct app *app = user;
    buf_append(warnings, buf_str(&app->file_warnings)); /* found before there was anybody to tell */
    buf_clear(&app->file_warnings);
    if (json_is(object, JSON_OBJECT))
        config_apply(app->config, sources[source], object, warnings);
    if (json_is(object, JSON_OBJECT))
        keep_json(source == LSP_SETTINGS_INIT ? &app->init_json : &app->workspace_json, object);
    tell_all(app, warnings);
}

/* -- The file, while the program runs -----------------------------------------------------------
 */

static void append_strings(const struct config_strings *strings, struct buf *text)
{
    for (size_t i = 0; i < strings->count; i++)
        buf_append_fmt(text, "%s\n", strings->ptr[i]);
}

/* All that a connection was made with. */
static void append_endpoint(const struct config *config, struct buf *text)
{
    buf_append_fmt(text, "%s\n%s\n%s\n%s\n%d %d %lld\n", config->endpoint_url,
                   config->endpoint_profile, config->endpoint_api_key_env, config->endpoint_proxy,
                   (int)config->endpoint_transport, (int)config->store,
                   (long long)config->endpoint_max_event_bytes);
    append_strings(&config->endpoint_api_key_command, text);
    append_strings(&config->endpoint_headers, text);
}

static void append_certificates(const struct config *config, struct buf *text)
{
    buf_append_fmt(text, "%s\n%s\n%s\n", config->endpoint_ca_file, config->endpoint_client_cert,
                   config->endpoint_client_key);
}

/* What the program runs with, as one text that tells whether it is another. */
struct in_force {
    struct buf endpoint, certificates, servers;
};

static void in_force_fill(struct in_force *now, const struct config *config)
{
    *now = (struct in_force){0};
    append_endpoint(config, &now->endpoint);
    append_certificates(config, &now->certificates);
    buf_append_c(&now->servers, config->mcp_servers_json);
}

static void in_force_finish(struct in_force *now)
{
    buf_finish(&now->endpoint);
    buf_finish(&now->certificates);
    buf_finish(&now->servers);
}

static void take_changes(struct app *app, const struct in_force *before, const struct in_force *now,
                         struct buf *warnings)
{
    if (app->net && !str_eq(buf_str(&before->certificates), buf_str(&now->certificates)))
        buf_append_c(warnings, "endpoint.caFile, endpoint.clientCert and endpoint.clientKey are "
                               "read at the start: for other ones, restart the language server.\n");
    if (!app->mcp || str_eq(buf_str(&before->servers), buf_str(&now->servers)))
        return;
    mcp_side_set(app->mcp, buf_str(&now->servers));
    if (app->tools)
        tools_set_mcp(app->tools, mcp_side_client(app->mcp));
    log_line(LOG_INFO, "settings name other MCP servers");
}

static enum status take_file(struct app *app, struct buf *warnings, struct err *err)
{
    struct json_value *init = NULL, *workspace = NULL;
    (void)json_parse(buf_str(&app->init_json), &init, NULL);
    (void)json_parse(buf_str(&app->workspace_json), &workspace, NULL);
    enum status status =
        config_reload(app->config, str_from(app->env.config_file), init, workspace, warnings, err);
    json_free(init);
    json_free(workspace);
    return status;
}

bool app_reload_settings(struct app *app, struct buf *warnings)
{
    struct app_seen now = look_at_file(app);
    struct in_force before, after;
    struct err err = {0};
    if (memcmp(&now, &app->seen, sizeof(now)) == 0 || (app->agent && agent_is_busy(app->agent)))
        return false;
    app->seen = now;
    in_force_fill(&before, app->config);
    if (take_file(app, warnings, &err) < 0) {
        buf_append_fmt(warnings, "%s. What was set before stays until that is corrected.\n",
                       err.text);
    } else {
        app->settings_error = (struct err){0};
        tell_all(app, warnings);
    }
    in_force_fill(&after, app->config);
    take_changes(app, &before, &after, warnings);
    bool is_other = !str_eq(buf_str(&before.endpoint), buf_str(&after.endpoint));
    in_force_finish(&before);
    in_force_finish(&after);
    return is_other;
}
