/* What endpoints can do: the table we start from. Probed, not trusted: what an endpoint refuses is
 * dropped at run time (recover.c). */
#include "responses-internal.h"

#include <string.h>

static const struct responses_profile profiles[] = {
    {.name = "openai",
     .key_header = "authorization",
     .lanes = true,
     .warm_up = true,
     .steer = true,
     .stored_ids = true,
     .additional_tools = true,
     .context_management = true,
     .compact = true,
     .life_minutes = 60},
    {.name = "azure", .key_header = "api-key", .stored_ids = true, .life_minutes = 60},
    {.name = "xai", .key_header = "authorization", .stored_ids = true, .life_minutes = 25},
    {.name = "vercel", .key_header = "authorization"},
    {.name = "lanebridge",
     .key_header = "authorization",
     .lanes = true,
     .warm_up = true,
     .steer = true,
     .stored_ids = true,
     .additional_tools = true,
     .context_management = true,
     .compact = true},
    {.name = "generic", .key_header = "authorization", .life_minutes = 60},
};

/* Who takes tools as an input item: the models whose names begin so. */
static const struct {
    const char *profile, *model;
} tools_once[] = {
    {"openai", "gpt-6"},
    {"lanebridge", ""},
};

bool responses_profile_takes_tools_once(const struct responses_profile *profile, struct str model)
{
    struct str name = str_from(profile->name);
    for (size_t i = 0; profile->additional_tools && i < array_count(tools_once); i++) {
        if (str_eq_c(name, tools_once[i].profile) &&
            str_starts_with(model, str_from(tools_once[i].model)))
            return true;
    }
    return false;
}

/* Tokens of input, by how a model's name begins; the longest that fits counts. Of those that share
 * their window with the output, what is left for the input. The setting compaction.contextTokens
 * says it better. */
static const struct {
    const char *model;
    int64_t tokens;
} contexts[] = {
    {"gpt-6", 272000},    {"gpt-5", 272000},  {"gpt-5-chat", 128000},
    {"gpt-4.1", 1000000}, {"gpt-4o", 128000}, {"o3", 200000},
    {"o4-mini", 200000},  {"grok-4", 256000}, {"", 128000},
};

int64_t responses_context_tokens(struct str model)
{
    size_t best = array_count(contexts) - 1;
    for (size_t i = 0; i < array_count(contexts); i++) {
        if (str_starts_with(model, str_from(contexts[i].model)) &&
            strlen(contexts[i].model) > strlen(contexts[best].model))
            best = i;
    }
    return contexts[best].tokens;
}

/* By how a model's name begins, also behind "vendor/". Published failure rates of the patch format
 * reach 50 % with models that were not trained on it, and these do best with old and new strings.
 */
static const char *const patch_writers[] = {"gpt-4.1", "gpt-5", "gpt-6", "o3", "o4-mini", "codex"};

static struct str without_vendor(struct str model)
{
    size_t slash = str_rfind_byte(model, '/');
    return slash == STR_NONE ? model : str_skip(model, slash + 1);
}

bool responses_model_writes_patches(struct str model)
{
    model = without_vendor(model);
    for (size_t i = 0; i < array_count(patch_writers); i++)
        if (str_starts_with(model, str_from(patch_writers[i])))
            return true;
    return false;
}

/* No list of an endpoint tells them. The longest beginning of a name that fits counts. */
static const struct {
    const char *model, *efforts;
} efforts[] = {
    {"gpt-5", "minimal low medium high"},
    {"gpt-5-codex", "low medium high"},
    {"gpt-5.1", "none low medium high"},
    {"gpt-5.1-codex-max", "none low medium high xhigh"},
    {"gpt-5.2", "none low medium high xhigh"},
    {"gpt-6", "none low medium high xhigh"},
    {"gpt-oss", "low medium high"},
    {"grok-3-mini", "low high"},
    {"o1", "low medium high"},
    {"o3", "low medium high"},
    {"o4-mini", "low medium high"},
};

struct str responses_model_efforts(struct str model)
{
    const char *best = NULL;
    size_t best_len = 0;
    model = without_vendor(model);
    for (size_t i = 0; i < array_count(efforts); i++) {
        if (!str_starts_with(model, str_from(efforts[i].model)) ||
            strlen(efforts[i].model) < best_len)
            continue;
        best = efforts[i].efforts;
        best_len = strlen(efforts[i].model);
    }
    return str_from(best ? best : "");
}

/* A host matches when it is the suffix or ends in "." and the suffix. */
static const struct {
    struct str suffix;
    const char *name;
} hosts[] = {
    {STR_INIT("openai.com"), "openai"},
    {STR_INIT("openai.azure.com"), "azure"},
    {STR_INIT("services.ai.azure.com"), "azure"},
    {STR_INIT("cognitiveservices.azure.com"), "azure"},
    {STR_INIT("x.ai"), "xai"},
    {STR_INIT("ai-gateway.vercel.sh"), "vercel"},
    /* On this machine: most likely `lanebridge endpoint`; others lose what they refuse or ignore.
     */
    {STR_INIT("localhost"), "lanebridge"},
    {STR_INIT("127.0.0.1"), "lanebridge"},
    {STR_INIT("::1"), "lanebridge"},
};

const struct responses_deadlines responses_deadlines_default = {
    .prepare = 40000,
    .connect = 10000,
    .answer = 3000,
    .proof = 5000,
    .first_event = 30000,
    .silence = 20000,
    .pong = 10000,
    .thinking = 600000,
    .http_stream = 60000,
    .http_quiet = 300000,
    .drain = 10000,
    .pin_short = 30000,
    .pin_middle = 120000,
    .pin_long = 600000,
    .backoff_first = 250,
    .backoff_max = 30000,
    .attempts = 5,
};

static const struct responses_profile *find_name(struct str name)
{
    for (size_t i = 0; i < array_count(profiles); i++) {
        if (str_eq_c(name, profiles[i].name))
            return &profiles[i];
    }
    return NULL;
}

static bool host_matches(struct str host, struct str suffix)
{
    if (host.len < suffix.len || !str_eq_nocase(str_skip(host, host.len - suffix.len), suffix))
        return false;
    return host.len == suffix.len || host.ptr[host.len - suffix.len - 1] == '.';
}

const struct responses_profile *responses_profile_find(struct str name, struct str host)
{
    const struct responses_profile *found = find_name(name);
    for (size_t i = 0; !found && i < array_count(hosts); i++) {
        if (host_matches(host, hosts[i].suffix))
            found = find_name(str_from(hosts[i].name));
    }
    return found ? found : find_name(STR("generic"));
}
