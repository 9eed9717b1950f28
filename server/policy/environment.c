/* What a command sees of our environment: this list, and what the user adds to it by name. */
#include "policy-internal.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const passed[] = {
    "LANG",    "LANGUAGE",  "LC_ALL", "LC_CTYPE",  "LC_MESSAGES", "TZ",       "USER",
    "LOGNAME", "JAVA_HOME", "GOROOT", "GOPRIVATE", "GONOPROXY",   "GONOSUMDB"};

/* No colours, no pagers, no questions on a terminal that is not there. */
static const char *const fixed[] = {
    "SHELL=/bin/bash",
    "TERM=dumb",
    "NO_COLOR=1",
    "PAGER=cat",
    "GIT_PAGER=cat",
    "MANPAGER=cat",
    "GIT_TERMINAL_PROMPT=0",
    "GIT_OPTIONAL_LOCKS=0",
    /* A repository's own fsmonitor is a program that any look at the tree would start. */
    "GIT_CONFIG_COUNT=1",
    "GIT_CONFIG_KEY_0=core.fsmonitor",
    "GIT_CONFIG_VALUE_0=false",
    "GIT_EDITOR=true",
    "LANEBRIDGE=1",
    "PYTHONUNBUFFERED=1",
    "npm_config_fund=false",
    "npm_config_audit=false",
    "CARGO_TERM_COLOR=never",
    "DEBIAN_FRONTEND=noninteractive",
};

/* Tools write here even for a build without network; the home is read-only. */
static const char *const caches[][2] = {
    {"XDG_CACHE_HOME", "xdg"},     {"GOCACHE", "go"},
    {"GOMODCACHE", "gomod"},       {"npm_config_cache", "npm"},
    {"CARGO_HOME", "cargo"},       {"PIP_CACHE_DIR", "pip"},
    {"CCACHE_DIR", "ccache"},      {"GRADLE_USER_HOME", "gradle"},
    {"YARN_CACHE_FOLDER", "yarn"}, {"DENO_DIR", "deno"},
    {"UV_CACHE_DIR", "uv"},        {"PYTHONPYCACHEPREFIX", "pycache"},
};

/* Each of these runs a program of its value's choosing, whoever asks for it. */
static bool is_never_passed(const struct policy *policy, const char *name)
{
    static const char *const loaders[] = {"BASH_ENV",  "ENV", "PROMPT_COMMAND", "IFS", "BASHOPTS",
                                          "SHELLOPTS", "PS4"};
    if (strncmp(name, "LD_", 3) == 0 || strncmp(name, "BASH_FUNC_", 10) == 0 ||
        strcmp(name, policy->config->endpoint_api_key_env) == 0)
        return true;
    for (size_t i = 0; i < array_count(loaders); i++)
        if (strcmp(name, loaders[i]) == 0)
            return true;
    return false;
}

void environment_append_path(struct buf *out)
{
    size_t start = out->len;
    struct str rest = str_from(getenv("PATH"));
    for (struct str part; rest.len && str_next(&rest, ':', &part);) {
        if (!part.len || part.ptr[0] != '/')
            continue;
        if (out->len > start)
            buf_append_byte(out, ':');
        buf_append(out, part);
    }
    if (out->len == start)
        buf_append_c(out, "/usr/local/bin:/usr/bin:/bin");
}

static void push_pair(struct policy_strings *env, const char *name, const char *value)
{
    struct buf line = {0};
    buf_append_fmt(&line, "%s=%s", name, value);
    vec_push(env, buf_take(&line));
}

static void push_ours(struct policy_strings *env, const char *name)
{
    const char *value = getenv(name);
    if (value)
        push_pair(env, name, value);
}

/* Modules that the user has already are found there, in a cache that is read-only here; others come
 * by network, into a private one. */
static void push_go_proxy(struct policy_strings *env, const char *home)
{
    const char *configured = getenv("GOPROXY");
    struct buf folder = {0}, proxy = {0};
    path_append_join(&folder, str_from(home), STR("go/pkg/mod/cache/download"));
    if (access(folder.ptr, R_OK) == 0)
        uri_append_file(&proxy, buf_str(&folder));
    if (proxy.len)
        buf_append_byte(&proxy, ',');
    bool has_password = configured && strchr(configured, '@');
    buf_append_c(&proxy, configured && *configured && !has_password
                             ? configured
                             : "https://proxy.golang.org,direct");
    push_pair(env, "GOPROXY", proxy.ptr);
    buf_finish(&folder);
    buf_finish(&proxy);
}

char **environment_make(const struct policy *policy, const char *cache_folder,
                        const char *tmp_folder)
{
    struct policy_strings env = {0};
    struct buf path = {0};
    environment_append_path(&path);
    push_pair(&env, "PATH", path.ptr);
    buf_finish(&path);
    push_pair(&env, "HOME", policy->env->home);
    push_pair(&env, "TMPDIR", tmp_folder ? tmp_folder : "/tmp");
    for (size_t i = 0; i < array_count(passed); i++)
        push_ours(&env, passed[i]);
    for (size_t i = 0; i < array_count(fixed); i++)
        strings_push(&env, fixed[i]);
    for (size_t i = 0; cache_folder && i < array_count(caches); i++) {
        struct buf folder = {0};
        path_append_join(&folder, str_from(cache_folder), str_from(caches[i][1]));
        push_pair(&env, caches[i][0], folder.ptr);
        buf_finish(&folder);
    }
    if (cache_folder)
        push_go_proxy(&env, policy->env->home);
    const struct config_strings *extra = &policy->config->sandbox_env;
    for (size_t i = 0; i < extra->count; i++)
        if (!is_never_passed(policy, extra->ptr[i]))
            push_ours(&env, extra->ptr[i]);
    return strings_take(&env);
}
