/* Every key, its default and its class: the one table. Names of models change; they are here alone.
 */
#include "config-internal.h"

static const char *const profiles[] = {"auto", "openai", "azure", "xai", "generic", NULL};
static const char *const transports[] = {"auto", "websocket", "http", NULL};
static const char *const modes[] = {"plan", "ask", "auto", NULL};
static const char *const reviews[] = {"before", "after", "off", NULL};
static const char *const sandboxes[] = {"on", "external", "off", NULL};
static const char *const saves[] = {"clean", "never", NULL};
static const char *const warms[] = {"never", "onThread", "onOpen", NULL};
static const char *const code_actions[] = {"on", "selection", "off", NULL};
static const char *const log_levels[] = {"error", "warn", "info", "debug", NULL};

#define AT(member) offsetof(struct config, member)
#define TEXT(key, class, member, initial)                                                          \
    {                                                                                              \
        key, KIND_TEXT, class, AT(member), initial, NULL, 0, 0, 0                                  \
    }
#define CHOICE(key, class, member, initial, names)                                                 \
    {                                                                                              \
        key, KIND_CHOICE, class, AT(member), initial, names, 0, 0, 0                               \
    }
#define BOOL(key, class, member)                                                                   \
    {                                                                                              \
        key, KIND_BOOL, class, AT(member), "false", NULL, 0, 1, 0                                  \
    }
#define INT(key, class, member, initial, low, high, unlimited)                                     \
    {                                                                                              \
        key, KIND_INT, class, AT(member), initial, NULL, low, high, unlimited                      \
    }
#define MANY(key, kind, member, initial)                                                           \
    {                                                                                              \
        key, kind, CLASS_USER, AT(member), initial, NULL, 0, 0, 0                                  \
    }
#define ELSEWHERE(key)                                                                             \
    {                                                                                              \
        key, KIND_ELSEWHERE, CLASS_USER, 0, NULL, NULL, 0, 0, 0                                    \
    }

enum { TOKENS_MAX_COUNT = 1000000000, EVENT_BYTES = 128 * 1024 * 1024, DAYS_MAX_COUNT = 36500 };

const struct config_key config_keys[] = {
    TEXT("endpoint.url", CLASS_USER, endpoint_url, "wss://api.openai.com/v1/responses"),
    {"endpoint.profile", KIND_TEXT, CLASS_USER, AT(endpoint_profile), "auto", profiles, 0, 0, 0},
    TEXT("endpoint.apiKeyEnv", CLASS_USER, endpoint_api_key_env, "OPENAI_API_KEY"),
    MANY("endpoint.apiKeyCommand", KIND_STRINGS, endpoint_api_key_command, NULL),
    MANY("endpoint.headers", KIND_HEADERS, endpoint_headers, NULL),
    TEXT("endpoint.caFile", CLASS_USER, endpoint_ca_file, ""),
    TEXT("endpoint.clientCert", CLASS_USER, endpoint_client_cert, ""),
    TEXT("endpoint.clientKey", CLASS_USER, endpoint_client_key, ""),
    TEXT("endpoint.proxy", CLASS_USER, endpoint_proxy, ""),
    /* The smallest still holds one item with encrypted reasoning; the largest is what fits an int.
     */
    INT("endpoint.maxEventBytes", CLASS_USER, endpoint_max_event_bytes, "134217728", 65536,
        8LL * EVENT_BYTES, false),
    CHOICE("endpoint.transport", CLASS_USER, endpoint_transport, "auto", transports),
    TEXT("model", CLASS_FREE, model, "gpt-6-astra"),
    TEXT("reasoningEffort", CLASS_FREE, reasoning_effort, ""),
    {"inlineCompletion.enabled", KIND_BOOL, CLASS_FREE, AT(inline_enabled), "false", NULL, 0, 1, 0},
    TEXT("inlineCompletion.model", CLASS_FREE, inline_model, "gpt-6-astra-mini"),
    INT("inlineCompletion.maxTokens", CLASS_FREE, inline_max_tokens, "128", 1, 128, false),
    CHOICE("mode", CLASS_TIGHTER, mode, "ask", modes),
    CHOICE("review", CLASS_TIGHTER, review, "after", reviews),
    BOOL("store", CLASS_TIGHTER, store),
    CHOICE("sandbox.mode", CLASS_TIGHTER, sandbox_mode, "on", sandboxes),
    MANY("sandbox.writable", KIND_STRINGS, sandbox_writable, NULL),
    MANY("sandbox.env", KIND_STRINGS, sandbox_env, NULL),
    MANY("sandbox.network", KIND_STRINGS, sandbox_network, NULL),
    MANY("approvals.rules", KIND_STRINGS, approvals_rules, NULL),
    CHOICE("save", CLASS_FREE, save, "clean", saves),
    CHOICE("warm", CLASS_TIGHTER, warm, "onThread", warms),
    MANY("mcp.servers", KIND_OBJECT, mcp_servers_json, "{}"),
    MANY("hooks", KIND_ARRAY, hooks_json, "[]"),
    BOOL("tools.webSearch", CLASS_TIGHTER, tools_web_search),
    INT("limits.tokensPerTurn", CLASS_TIGHTER, tokens_per_turn, "0", 0, TOKENS_MAX_COUNT, true),
    INT("limits.tokensPerDay", CLASS_TIGHTER, tokens_per_day, "0", 0, TOKENS_MAX_COUNT, true),
    INT("compaction.contextTokens", CLASS_FREE, compaction_context_tokens, "0", 0, TOKENS_MAX_COUNT,
        false),
    INT("compaction.percent", CLASS_FREE, compaction_percent, "80", 20, 100, false),
    MANY("prices", KIND_OBJECT, prices_json, "{}"),
    CHOICE("codeActions", CLASS_FREE, code_actions, "on", code_actions),
    CHOICE("log.level", CLASS_FREE, log_level, "warn", log_levels),
    INT("history.keepDays", CLASS_FREE, history_keep_days, "90", 0, DAYS_MAX_COUNT, false),
    ELSEWHERE("trusted"), /* initializationOptions, read by lsp */
    ELSEWHERE("$schema"), /* editors put it into JSON files */
};
const size_t config_key_count = array_count(config_keys);
