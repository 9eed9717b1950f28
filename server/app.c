/* Puts the modules together. It is long because each of them has a few callbacks that only here meet
 * what they ask for. */
#include "app.h"
#include "report.h"
#include "sweep.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <unistd.h>

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
    struct mcp_side *mcp; /* NULL: no servers are set */
    struct tools *tools;
    struct agent *agent;
    struct complete *complete;
    struct models *models;
    struct lsp_server *server;
    struct host host;
    struct err settings_error; /* of the user's file */
    struct buf file_warnings;  /* not told yet */
    struct buf mcp_checked;    /* mcp.servers as it was when its faults were told */
    bool key_is_secret;
    wire_key_fn *on_key; /* of the wire, while the person is asked */
    void *on_key_user;
    int exit_code;
};

/* -- What the language server asks of the program
 * ------------------------------------------------------ */

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

static void on_limits(void *user, struct agent_limits *ret_limits)
{
    const struct app *app = user;
    ret_limits->tokens_per_turn = app->config->tokens_per_turn;
    ret_limits->tokens_per_day = app->config->tokens_per_day;
}

static bool on_cost(void *user, struct str model, const struct responses_usage *usage,
                    struct agent_cost *ret_cost)
{
    const struct app *app = user;
    return prices_find(app->config, model, usage, ret_cost);
}

static enum tools_edit_style edit_style(const struct app *app)
{
    return responses_model_writes_patches(str_from(app->config->model)) ? TOOLS_EDIT_PATCH
                                                                        : TOOLS_EDIT_REPLACE;
}

static void on_settings(void *user, enum lsp_settings_source source,
                        const struct json_value *object, struct buf *warnings)
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
                           edit_style(app));
    log_set_level(app->config->log_level);
}

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
    app->wire = wire_new(app->loop, app->net, app->config, &app->env);
    wire_set_asker(app->wire, &(struct wire_asker){can_ask_key, ask_key, drop_key, app});
    app->responses = new_responses(app);
    wire_set_responses(app->wire, app->responses);
    return STATUS_OK;
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
    if (strcmp(app->config->mcp_servers_json, "{}") != 0)
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
        .mcp = app->mcp ? mcp_side_client(app->mcp) : NULL,
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
        .edit_style = edit_style(app),
        .warm = app->config->warm != WARM_NEVER,
        .web_search = app->config->tools_web_search,
        .context_tokens = app->config->compaction_context_tokens,
        .compact_percent = (unsigned)app->config->compaction_percent,
        .environment = append_environment,
        .on_event = on_event,
        .user = event_user,
        .environment_user = app,
        .limits = on_limits,
        .cost = on_cost,
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

/* -- Inline completion
 * ---------------------------------------------------------------- */

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

static struct complete *on_complete(void *user)
{
    struct app *app = user;
    struct err err = {0};
    if (!app->config->inline_enabled)
        return NULL;
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

static const char *tier_name(enum policy_tier tier)
{
    static const char *const names[] = {
        [TIER_UNKNOWN] = "not tested yet",
        [TIER_BUBBLEWRAP] = "bubblewrap",
        [TIER_LANDLOCK] = "landlock, the weaker one: commands that may write ask",
        [TIER_EXTERNAL] = "external",
        [TIER_NONE] = "none: every command asks",
    };
    return names[tier];
}

static void write_connection(struct app *app, struct json_writer *w)
{
    struct responses_status status = {.state = RESPONSES_IDLE};
    if (app->responses)
        responses_get_status(app->responses, &status);
    json_write_key(w, "connection");
    json_write_begin_object(w);
    json_write_field_c(w, "state", responses_state_name(status.state));
    json_write_field_c(w, "transport", status.transport == TRANSPORT_HTTP ? "http" : "websocket");
    json_write_field_int(w, "sockets", status.sockets);
    json_write_field_int(w, "lanes", status.lanes_active);
    json_write_field_c(w, "detail", status.detail);
    json_write_field_int(w, "abandonedTokens", (int64_t)status.abandoned_tokens);
    json_write_field_int(w, "framesSent", (int64_t)status.counters.frames_sent);
    json_write_field_int(w, "framesReceived", (int64_t)status.counters.frames_received);
    json_write_field_int(w, "bytesSent", (int64_t)status.counters.bytes_sent);
    json_write_field_int(w, "bytesReceived", (int64_t)status.counters.bytes_received);
    json_write_field_int(w, "connects", (int64_t)status.connects);
    json_write_field_int(w, "requests", (int64_t)status.requests);
    json_write_field_int(w, "fullInputs", (int64_t)status.full_inputs);
    json_write_field_int(w, "retries", (int64_t)status.retries);
    json_write_end_object(w);
}

/* What people should know of the folders: nothing can be done where there is none. */
static void write_notice(const struct app *app, struct json_writer *w)
{
    size_t count = workspace_root_count(app->workspace);
    if (count == 0)
        json_write_field_c(
            w, "notice",
            "No folder is open: only the documents open in the editor can be read and "
            "edited, and no command runs. Open the folder of a project to work in it.");
    else if (strcmp(wire_key_source(app->wire, app->config), "missing") == 0)
        json_write_field_c(w, "notice",
                           "There is no API key: the first prompt says what can be done.");
    for (size_t i = 0; i < count; i++) {
        const struct workspace_root *root = workspace_root_at(app->workspace, i);
        if (root->confirmed)
            continue;
        struct buf text = {0};
        buf_append_fmt(
            &text,
            "%s is not used yet, because it is your home folder, the whole disk, or holds "
            "Lanebridge's own files. The first prompt asks about it.",
            root->path);
        json_write_field_str(w, "notice", buf_str(&text));
        buf_finish(&text);
        return;
    }
}

struct today {
    const struct config *config;
    int64_t input, cached, output;
    struct agent_cost cost;
};

static void add_today(void *user, const struct journal_spent *spent)
{
    struct today *today = user;
    struct agent_cost cost = {0};
    const struct responses_usage usage = {.input_tokens = spent->input_tokens,
                                          .cached_tokens = spent->cached_tokens,
                                          .output_tokens = spent->output_tokens};
    today->input += spent->input_tokens;
    today->cached += spent->cached_tokens;
    today->output += spent->output_tokens;
    if (prices_find(today->config, spent->model, &usage, &cost)) {
        cost.amount += today->cost.amount;
        today->cost = cost;
    }
}

/* Of today, by all windows, as far as the journal is open. */
static void write_tokens(const struct app *app, struct json_writer *w)
{
    struct today today = {.config = app->config};
    if (app->journal)
        (void)journal_spent_today(app->journal, add_today, &today, NULL);
    json_write_key(w, "tokens");
    json_write_begin_object(w);
    json_write_field_int(w, "todayInput", today.input);
    json_write_field_int(w, "todayCached", today.cached);
    json_write_field_int(w, "todayOutput", today.output);
    if (today.cost.currency[0]) {
        json_write_key(w, "todayCost");
        json_write_begin_object(w);
        json_write_key(w, "amount");
        json_write_double(w, today.cost.amount);
        json_write_field_c(w, "currency", today.cost.currency);
        json_write_end_object(w);
    }
    json_write_field_int(w, "perTurn", app->config->tokens_per_turn);
    json_write_field_int(w, "perDay", app->config->tokens_per_day);
    json_write_end_object(w);
}

static void on_status_wanted(void *user, struct buf *json)
{
    struct app *app = user;
    struct json_writer w;
    json_writer_init(&w, json);
    json_write_begin_object(&w);
    json_write_field_c(&w, "version", LANEBRIDGE_VERSION);
    json_write_field_c(&w, "model", app->config->model);
    json_write_field_c(&w, "mode", policy_mode_name(policy_get_mode(app->policy)));
    write_tokens(app, &w);
    json_write_field_c(&w, "endpoint", app->config->endpoint_url);
    write_connection(app, &w);
    if (app->complete) {
        json_write_key(&w, "inlineCompletion");
        complete_write_counts(app->complete, &w);
    }
    json_write_field_c(&w, "key", wire_key_source(app->wire, app->config));
    json_write_field_c(&w, "sandbox", tier_name(policy_sandbox_tier(app->policy)));
    json_write_field_bool(&w, "root", geteuid() == 0);
    json_write_key(&w, "mcp");
    mcp_side_write(app->mcp, &w);
    json_write_key(&w, "folders");
    json_write_begin_array(&w);
    for (size_t i = 0; i < workspace_root_count(app->workspace); i++)
        json_write_c(&w, workspace_root_at(app->workspace, i)->path);
    json_write_end_array(&w);
    write_notice(app, &w);
    json_write_end_object(&w);
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

/* -- Create in order, destroy in reverse
 * ---------------------------------------------------------------- */

static const char *get_environment(const char *name)
{
    return getenv(name);
}

/* A settings file that cannot be read is told to the person, and no turn starts: the defaults would
 * send their work to another endpoint than the one they chose. */
static void load_settings(struct app *app)
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

static enum status app_init(struct app *app, int read_fd, int write_fd, struct err *err)
{
    app->exit_code = 1;
    config_env_init(&app->env, get_environment);
    app->config = config_new();
    load_settings(app);
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
        .settings = on_settings,
        .agent = on_agent,
        .review_waits = on_review_waits,
        .code_actions = on_code_actions,
        .complete = on_complete,
        .prompt = on_prompt,
        .prompts = on_prompts,
        .models = on_models,
        .status = on_status_wanted,
        .inquire = on_inquiry,
        .may_give = may_give,
        .on_exit = on_exit_code,
    };
    app->server = lsp_server_new(&env, read_fd, write_fd, err);
    return app->server ? STATUS_OK : STATUS_IO;
}

static void app_finish(struct app *app)
{
    agent_free(app->agent);
    complete_free(app->complete);
    models_free(app->models);
    tools_free(app->tools);
    responses_free(app->responses);
    memory_free(app->memory);
    wire_free(app->wire);
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
