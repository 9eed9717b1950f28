/* config: the settings, their defaults and who may set what. Reads no file but the user's own.
 *
 * Invariants: one table (config.c) names every key with type, default and class; a key of class U
 * (user-only: it executes or redirects) is never taken from workspace configuration; class T only
 * gets tighter there; unknown keys are reported once each, never ignored. The key itself (a secret)
 * is not a setting and is held by env.c alone. */
#ifndef LANEBRIDGE_CONFIG_H
#define LANEBRIDGE_CONFIG_H

#include <lanebridge/base.h>
#include <lanebridge/json.h>

enum config_mode { MODE_PLAN, MODE_ASK, MODE_AUTO };                 /* tighter first */
enum config_review { REVIEW_BEFORE, REVIEW_AFTER, REVIEW_OFF };
enum config_sandbox { SANDBOX_ON, SANDBOX_EXTERNAL, SANDBOX_OFF };
enum config_save { SAVE_CLEAN, SAVE_NEVER };
enum config_warm { WARM_NEVER, WARM_ON_THREAD, WARM_ON_OPEN };
enum config_transport { TRANSPORT_CHOICE_AUTO, TRANSPORT_CHOICE_WEBSOCKET, TRANSPORT_CHOICE_HTTP };
enum config_code_actions { CODE_ACTIONS_ON, CODE_ACTIONS_SELECTION, CODE_ACTIONS_OFF };
enum config_source { CONFIG_FILE, CONFIG_INIT_OPTIONS, CONFIG_WORKSPACE };

struct config_strings {
    char **ptr;
    size_t count;
};
/* Strings are owned by the config, never NULL unless said. */
struct config {
    char *endpoint_url, *endpoint_profile, *endpoint_api_key_env;
    struct config_strings endpoint_api_key_command;    /* argv, count 0: none */
    struct config_strings endpoint_headers;            /* "name: value" */
    char *endpoint_ca_file, *endpoint_client_cert, *endpoint_client_key, *endpoint_proxy;  /* "" none */
    int64_t endpoint_max_event_bytes;
    enum config_transport endpoint_transport;
    char *model, *reasoning_effort;                    /* effort "": the model's own */
    bool inline_enabled;
    char *inline_model;
    int64_t inline_max_tokens;
    enum config_mode mode;
    enum config_review review;
    bool store;
    enum config_sandbox sandbox_mode;
    struct config_strings sandbox_writable, sandbox_env, sandbox_network;
    struct config_strings approvals_rules;
    enum config_save save;
    enum config_warm warm;
    char *mcp_servers_json, *hooks_json, *prices_json; /* verbatim, "{}" or "[]" */
    bool tools_web_search;
    int64_t tokens_per_turn, tokens_per_day;           /* 0: no limit */
    int64_t compaction_context_tokens;                 /* 0: by the model's name */
    int64_t compaction_percent;
    enum config_code_actions code_actions;
    enum log_level log_level;
    int64_t history_keep_days;
};

struct config *config_new(void);      /* all defaults */
void config_free(struct config *config);

/* Takes settings from the object (nested {"endpoint":{"url":…}} or dotted {"endpoint.url":…}, with or
 * without an outer "lanebridge"). What is wrong is said in `warnings`, one sentence a line (unknown
 * key with the nearest known one; wrong type with what is expected; a class that this source may not
 * set), and left as it was; the rest counts. Each warning comes once per config. */
void config_apply(struct config *config, enum config_source source, const struct json_value *object,
                  struct buf *warnings);
/* Reads the user's file. Absent is fine. Errors: STATUS_INVALID with line and column; STATUS_DENIED
 * when it is not the user's own or writable by others. */
enum status config_load_file(struct config *config, struct str path, struct buf *warnings,
                             struct err *err);

/* All anew: the user's file as it is now, then what the other sources said last (NULL: nothing). The pointer stays,
 * what it led to is freed. On failure nothing changes. A warning that came before does not come again. */
enum status config_reload(struct config *config, struct str path, const struct json_value *init,
                          const struct json_value *workspace, struct buf *warnings, struct err *err);

/* -- Places: the environment, read once, injected in tests ------------------------------------------- */

struct config_env {
    char *home, *config_file, *state_folder, *cache_folder, *prompts_folder;
};
/* XDG rules; LANEBRIDGE_CONFIG and LANEBRIDGE_STATE override. `get` is getenv in the program. Creates
 * nothing. */
void config_env_init(struct config_env *env, const char *(*get)(const char *name));
void config_env_finish(struct config_env *env);
/* Makes the folder (and its parents) with mode 0700 and checks that it is ours. */
enum status config_make_folder(const char *path, struct err *err);

/* -- Prompts: $XDG_CONFIG_HOME/lanebridge/prompts/NAME.md ---------------------------------------------- */

/* 1 to 64 of [A-Za-z0-9_-]. */
bool config_prompt_name_is_valid(struct str name);
/* Errors: STATUS_NOT_FOUND; STATUS_DENIED when others could have written it; STATUS_LIMIT. */
enum status config_prompt_read(const struct config_env *env, struct str name, struct buf *text,
                               struct err *err);
/* All that can be read, by name. */
void config_prompt_each(const struct config_env *env,
                        void (*tell)(void *user, struct str name, struct str text), void *user);

/* The key, from the variable the settings name, taken once and removed from our environment so that
 * no child sees it. Errors: STATUS_AUTH "no API key: set OPENAI_API_KEY …", naming the variable and
 * endpoint.apiKeyEnv. */
enum status config_key_take(const struct config *config, struct buf *ret_key, struct err *err);
/* Visible ASCII: what can be a header. */
bool config_key_is_valid(struct str key);
/* The key, from endpoint.apiKeyCommand: blocks up to 30 s (a password store may ask), so call it in
 * work. Errors: STATUS_NOT_FOUND when no command is set; STATUS_AUTH when it fails or prints no key;
 * STATUS_TIMEOUT. */
enum status config_key_run_command(const struct config *config, struct buf *ret_key,
                                   struct err *err);
/* The same, and another thread can end it: soon after *stop is true the command is killed and this
 * returns STATUS_CANCELLED. */
enum status config_key_run_command_until(const struct config *config, const _Atomic bool *stop,
                                         struct buf *ret_key, struct err *err);

#endif
