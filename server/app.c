/* Puts the modules together. */
#include "app-internal.h"
#include "report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* -- What the language server asks of the program ---------------------------------------------- */

/* A selection of a secret file, or of one that .agentignore names. */
static bool may_give(void *user, struct str path, struct buf *why)
{
    struct app *app = user;
    struct workspace_path resolved;
    struct policy_verdict verdict = {0};
    if (workspace_resolve(app->workspace, NULL, path, &resolved, NULL) < 0)
        return true; /* outside the folders: the person's own choice, and shown to them */
    policy_check_path(app->policy, &resolved, POLICY_READ, &verdict);
    workspace_path_finish(&resolved);
    if (verdict.answer != POLICY_ALLOW)
        buf_append_c(why, verdict.reason);
    return verdict.answer == POLICY_ALLOW;
}

/* Nothing was sent where there is no journal yet, and none is made for the question. */
static enum status on_inquiry(void *user, enum lsp_inquiry what, struct str id, struct buf *json,
                              struct err *err)
{
    struct app *app = user;
    switch (what) {
    case LSP_RULES_LIST:
        report_rules_json(app->policy, id, json);
        return STATUS_OK;
    case LSP_RULES_DELETE:
        return policy_rule_delete_id(app->policy, id, err);
    case LSP_LOG_SENT:
        if (app->journal)
            return report_sent_json(app->journal, id, json, err);
        break;
    }
    return err_set(err, STATUS_NOT_FOUND, "nothing was sent yet");
}

static void on_status(void *user, const struct responses_status *status)
{
    struct app *app = user;
    /* The key is taken at the first connect: from then on no tool's output may hold it. */
    if (!app->key_is_secret && wire_key(app->wire).len > 0) {
        app->key_is_secret = true;
        policy_add_secret(app->policy, wire_key(app->wire));
    }
    if (app->agent)
        agent_on_connection(app->agent, status);
}

static void on_rotated(void *user)
{
    struct app *app = user;
    if (app->agent)
        agent_on_rotated(app->agent);
}

static void on_learned(void *user, const struct responses_learned *learned)
{
    struct app *app = user;
    memory_put(app->memory, learned);
}

/* Endpoints and what stands before them quote keys in their errors. */
static void clean(void *user, struct str said, struct buf *out)
{
    struct app *app = user;
    policy_redact(app->policy, said, out);
}

static uint64_t pause_ms(void *user)
{
    struct app *app = user;
    struct responses_learned known;
    memory_get(app->memory, &known);
    return known.pause_ms;
}

/* AGENTS.md of the root: data from the repository, with where it came from. */
static void append_environment(void *user, struct str root_path, struct buf *text)
{
    struct app *app = user;
    struct buf absolute = {0}, bytes = {0};
    struct workspace_path path;
    path_append_join(&absolute, root_path, STR("AGENTS.md"));
    if (workspace_resolve(app->workspace, NULL, buf_str(&absolute), &path, NULL) == STATUS_OK) {
        struct workspace_stat stat;
        if (workspace_read(&path, MIB, &bytes, &stat, NULL) == STATUS_OK) {
            size_t len = utf8_floor(buf_str(&bytes), LIMIT_AGENTS_MD_BYTES);
            buf_append_c(
                text,
                "\n<file path=\"AGENTS.md\" note=\"from the repository; advice, not policy\">\n");
            utf8_append_printable(text, str_slice(buf_str(&bytes), 0, len));
            if (len < bytes.len)
                buf_append_fmt(text, "\n[%zu bytes more: read the file]", bytes.len - len);
            buf_append_c(text, "\n</file>");
        }
        workspace_path_finish(&path);
    }
    buf_finish(&absolute);
    buf_finish(&bytes);
}

/* -- The key, from the person through the editor ------------------------------------------------
 */

/* For what they wait for: a warm-up or a completion asks nobody anything. */
static bool can_ask_key(void *user)
{
    struct app *app = user;
    return app->agent && app->host.ops && app->host.ops->secret && agent_is_busy(app->agent);
}

static void on_secret(void *user, enum status status, struct str value)
{
    struct app *app = user;
    (void)status;
    if (value.len > 0)
        policy_add_secret(app->policy, value);
    app->on_key(app->on_key_user, value);
}

static void ask_key(void *user, bool was_refused, wire_key_fn *done, void *done_user)
{
    struct app *app = user;
    app->on_key = done;
    app->on_key_user = done_user;
    app->host.ops->secret(app->host.host, "apiKey", was_refused, on_secret, app);
}

static void drop_key(void *user, void *done_user)
{
    struct app *app = user;
    (void)done_user;
    app->host.ops->drop(app->host.host, app);
}

static struct responses *new_responses(struct app *app)
{
    static const enum responses_transport_choice choices[] = {
        [TRANSPORT_CHOICE_AUTO] = RESPONSES_AUTO,
        [TRANSPORT_CHOICE_WEBSOCKET] = RESPONSES_WEBSOCKET_ONLY,
        [TRANSPORT_CHOICE_HTTP] = RESPONSES_HTTP_ONLY,
    };
    struct buf host = {0};
    wire_endpoint_host(app->config, &host);
    struct str profile = str_from(app->config->endpoint_profile);
    struct responses_deadlines deadlines = app_deadlines();
    struct responses_learned known;
    app->memory = memory_new(app->env.state_folder, app->config->endpoint_url);
    memory_get(app->memory, &known);
    struct responses_options options = {
        .profile = responses_profile_find(profile, buf_str(&host)),
        .deadlines = &deadlines,
        .transport = choices[app->config->endpoint_transport],
        .store = app->config->store,
        .on_status = on_status,
        .on_rotated = on_rotated,
        .known = &known,
        .on_learned = on_learned,
        .pause_ms = pause_ms,
        .clean = clean,
        .user = app,
    };
    struct transport_env env = wire_env(app->wire);
    struct responses *responses = responses_new(&env, &options);
    buf_finish(&host);
    return responses;
}

/* What agent and inline completion have in common. */
static enum status open_connection(struct app *app, struct err *err)
{
    if (app->settings_error.status < 0) {
        err_set(err, app->settings_error.status, "%s", app->settings_error.text);
        return app->settings_error.status;
    }
    if (app->responses)
        return STATUS_OK;
    enum status status = config_make_folder(app->env.state_folder, err);
    if (status < 0)
        return status;
    struct net_options options = {
        .ca_file = app->config->endpoint_ca_file[0] ? app->config->endpoint_ca_file : NULL,
        .client_cert =
            app->config->endpoint_client_cert[0] ? app->config->endpoint_client_cert : NULL,
        .client_key = app->config->endpoint_client_key[0] ? app->config->endpoint_client_key : NULL,
    };
    if (!app->journal)
        app->journal = journal_open(str_from(app->env.state_folder), time_wall_ms, err);
    if (app->journal && !app->sweep)
        app->sweep = sweep_new(app->loop, app->journal, app->config, app->env.state_folder);
    if (app->journal && !app->net)
        app->net = net_new(app->loop, &options, err);
    if (!app->journal || !app->net)
        return STATUS_IO;
    for (size_t i = 0; i < app->config->endpoint_headers.count; i++)
        policy_add_secret_header(app->policy, str_from(app->config->endpoint_headers.ptr[i]));
    app->wire = wire_new(app->loop, app->net, app->config, &app->env);
    if (app->kept_key.len > 0)
        wire_keep_key(app->wire, &app->kept_key);
    wire_set_asker(app->wire, &(struct wire_asker){can_ask_key, ask_key, drop_key, app});
    app->responses = new_responses(app);
    wire_set_responses(app->wire, app->responses);
    return STATUS_OK;
}

static void keep_key(struct app *app)
{
    bool is_environments = strcmp(wire_key_source(app->wire, app->config), "environment") ==
                           0; /* it is there no more */
    buf_clear(&app->kept_key);
    if (is_environments)
        buf_append(&app->kept_key, wire_key(app->wire));
}

static void free_connection(struct app *app)
{
    agent_free(app->agent);
    complete_free(app->complete);
    models_free(app->models);
    tools_free(app->tools);
    responses_free(app->responses);
    memory_free(app->memory);
    wire_free(app->wire);
    app->agent = NULL;
    app->complete = NULL;
    app->models = NULL;
    app->tools = NULL;
    app->responses = NULL;
    app->memory = NULL;
    app->wire = NULL;
}

/* Another endpoint is meant: what was made for the one before goes, and comes anew when it is
 * needed. The journal has what has to last. Certificates are those of the start. */
static void close_connection(struct app *app)
{
    if (app->wire)
        keep_key(app);
    free_connection(app);
}

static bool on_refresh(void *user, struct buf *warnings)
{
    struct app *app = user;
    if (!app_reload_settings(app, warnings))
        return false;
    log_line(LOG_INFO, "settings name another endpoint");
    close_connection(app);
    return true;
}

static struct agent *on_agent(void *user, const struct host *host, agent_event_fn *on_event,
                              void *event_user, struct err *err)
{
    struct app *app = user;
    if (app->agent)
        return app->agent;
    if (open_connection(app, err) < 0)
        return NULL;
    app->host = *host;
    if (!app->mcp)
        app->mcp =
            mcp_side_new(app->loop, app->net, app->config, &app->env, app->workspace, app->policy);
    struct tools_env tools_env = {
        .loop = app->loop,
        .documents = app->documents,
        .workspace = app->workspace,
        .policy = app->policy,
        .journal = app->journal,
        .host = &app->host,
        .cache_folder = app->env.cache_folder,
        .mcp = mcp_side_client(app->mcp),
    };
    app->tools = tools_new(&tools_env);
    struct buf host_name = {0};
    wire_endpoint_host(app->config, &host_name);
    struct agent_env env = {
        .loop = app->loop,
        .journal = app->journal,
        .tools = app->tools,
        .policy = app->policy,
        .responses = app->responses,
        .model = app->config->model,
        .effort = app->config->reasoning_effort,
        .host = host_name.ptr,
        .edit_style = app_edit_style(app),
        .warm = app->config->warm != WARM_NEVER,
        .web_search = app->config->tools_web_search,
        .context_tokens = app->config->compaction_context_tokens,
        .compact_percent = (unsigned)app->config->compaction_percent,
        .environment = append_environment,
        .on_event = on_event,
        .user = event_user,
        .environment_user = app,
        .limits = app_on_limits,
        .cost = app_on_cost,
        .host_ops = &app->host,
    };
    app->agent = agent_new(&env);
    buf_finish(&host_name);
    return app->agent;
}

static bool on_review_waits(void *user)
{
    struct app *app = user;
    return journal_review_waits(str_from(app->env.state_folder));
}

static enum lsp_code_actions on_code_actions(void *user)
{
    static const enum lsp_code_actions choices[] = {
        [CODE_ACTIONS_ON] = LSP_ACTIONS_ON,
        [CODE_ACTIONS_SELECTION] = LSP_ACTIONS_SELECTION,
        [CODE_ACTIONS_OFF] = LSP_ACTIONS_OFF,
    };
    struct app *app = user;
    return choices[app->config->code_actions];
}

/* -- Inline completion ------------------------------------------------------------------------- */

/* As for any tool: inside a folder, no secret, not kept away by .agentignore. */
static bool may_send(void *user, struct str path)
{
    struct app *app = user;
    struct workspace_path where;
    struct policy_verdict verdict;
    if (workspace_resolve(app->workspace, NULL, path, &where, NULL) < 0)
        return false;
    policy_check_path(app->policy, &where, POLICY_READ, &verdict);
    workspace_path_finish(&where);
    return verdict.answer == POLICY_ALLOW;
}

static void on_spent(void *user, struct str model, const struct responses_usage *usage)
{
    struct app *app = user;
    agent_spent(app->journal, app->loop, model, usage);
}

static struct complete *on_complete(void *user)
{
    struct app *app = user;
    struct err err = {0};
    if (!app->config->inline_enabled)
        return NULL;
    if (app->journal && agent_day_is_over(app->agent, app->journal, app->config->tokens_per_day))
        return NULL; /* it cannot ask, so it stops */
    if (app->complete)
        return app->complete;
    if (open_connection(app, &err) < 0) {
        log_line(LOG_DEBUG, "inline completion cannot be had why=\"%s\"", err.text);
        return NULL;
    }
    struct complete_env env = {
        .loop = app->loop,
        .responses = app->responses,
        .documents = app->documents,
        .model = app->config->inline_model,
        .max_tokens = app->config->inline_max_tokens,
        .may_send = may_send,
        .spent = on_spent,
        .user = app,
    };
    app->complete = complete_new(&env);
    return app->complete;
}

/* -- The person's prompts ---------------------------------------------------------------------- */

static bool on_prompt(void *user, struct str name, struct buf *text)
{
    struct app *app = user;
    struct err err = {0};
    enum status status = config_prompt_read(&app->env, name, text, &err);
    if (status < 0 && status != STATUS_NOT_FOUND)
        log_line(LOG_WARN, "prompt not taken why=\"%s\"", err.text);
    return status == STATUS_OK;
}

static void on_prompts(void *user, void (*tell)(void *to, struct str name, struct str text),
                       void *to)
{
    struct app *app = user;
    config_prompt_each(&app->env, tell, to);
}

static void on_models(void *user, lsp_models_fn *done, void *done_user)
{
    struct app *app = user;
    struct err err = {0};
    if (open_connection(app, &err) < 0) {
        done(done_user, &err, STR(""));
        return;
    }
    if (!app->models)
        app->models = models_new(app->loop, app->net, app->wire, app->config);
    models_ask(app->models, done, done_user);
}

static void on_exit_code(void *user, int code)
{
    struct app *app = user;
    app->exit_code = code;
    loop_stop(app->loop);
}

static void on_signal(void *user)
{
    on_exit_code(user, 1);
}

/* -- Create in order, destroy in reverse ------------------------------------------------------- */

static const char *get_environment(const char *name)
{
    return getenv(name);
}

static enum status app_init(struct app *app, int read_fd, int write_fd, struct err *err)
{
    app->exit_code = 1;
    config_env_init(&app->env, get_environment);
    app->config = config_new();
    app_load_settings(app);
    log_set_level(app->config->log_level);
    app->loop = loop_new(err);
    if (!app->loop)
        return STATUS_IO;
    app->documents = documents_new();
    app->workspace =
        workspace_new(app->loop, str_from(app->env.state_folder), str_from(app->env.home));
    workspace_add_own(app->workspace, path_folder(str_from(app->env.config_file)));
    app->policy = policy_new(app->config, app->workspace, &app->env);
    struct lsp_env env = {
        .loop = app->loop,
        .documents = app->documents,
        .workspace = app->workspace,
        .state_folder = app->env.state_folder,
        .user = app,
        .settings = app_on_settings,
        .refresh = on_refresh,
        .agent = on_agent,
        .review_waits = on_review_waits,
        .code_actions = on_code_actions,
        .complete = on_complete,
        .prompt = on_prompt,
        .prompts = on_prompts,
        .models = on_models,
        .status = app_on_status,
        .inquire = on_inquiry,
        .may_give = may_give,
        .on_exit = on_exit_code,
    };
    app->server = lsp_server_new(&env, read_fd, write_fd, err);
    return app->server ? STATUS_OK : STATUS_IO;
}

static void app_finish(struct app *app)
{
    free_connection(app);
    sweep_free(app->sweep);
    if (app->journal)
        journal_close(app->journal);
    lsp_server_free(app->server);
    mcp_side_free(app->mcp); /* here, where nothing else is left to happen on the loop */
    if (app->net)
        net_free(app->net);
    policy_free(app->policy);
    workspace_free(app->workspace);
    documents_free(app->documents);
    if (app->loop)
        loop_free(app->loop);
    config_free(app->config);
    config_env_finish(&app->env);
    buf_finish(&app->file_warnings);
    buf_finish(&app->mcp_checked);
    buf_finish(&app->init_json);
    buf_finish(&app->workspace_json);
    if (app->kept_key.ptr)
        explicit_bzero(app->kept_key.ptr, app->kept_key.len);
    buf_finish(&app->kept_key);
}

int app_serve_lsp(int read_fd, int write_fd)
{
    struct app app = {0};
    struct err err = {0};
    if (app_init(&app, read_fd, write_fd, &err) == STATUS_OK) {
        struct signals *signals = signals_new(app.loop, on_signal, &app);
        lsp_server_start(app.server);
        loop_run(app.loop);
        signals_free(signals);
    } else {
        log_line(LOG_ERROR, "start %s", err.text);
    }
    app_finish(&app);
    return app.exit_code;
}
