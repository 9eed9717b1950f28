/* The truth for lanebridge.status and status/get. */
#include "app-internal.h"

#include <string.h>
#include <unistd.h>

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

void app_on_status(void *user, struct buf *json)
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
