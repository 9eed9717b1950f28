/* Rules: what the user said yes to for longer than once. */
#include "policy-internal.h"

#include <stdio.h>
#include <string.h>

/* Their arguments are programs, or they reach anything: such a command is only ever allowed as the
 * very text that was shown. */
static const char *const only_exact[] = {
    "ash",    "awk",     "bash",    "busybox", "chroot",  "curl",     "dash",   "docker",  "doas",
    "env",    "expect",  "find",    "gawk",    "gdb",     "ionice",   "ksh",    "kubectl", "lua",
    "nc",     "ncat",    "nice",    "node",    "nohup",   "parallel", "perl",   "php",     "podman",
    "pwsh",   "python",  "python2", "python3", "rsync",   "ruby",     "scp",    "script",  "sed",
    "setsid", "sftp",    "sh",      "socat",   "ssh",     "strace",   "stdbuf", "su",      "sudo",
    "tar",    "tclsh",   "tee",     "telnet",  "timeout", "unshare",  "vi",     "vim",     "watch",
    "wget",   "xargs",   "zsh",     "rm",      "dd",      "mv",       "cp",     "ln",      "chmod",
    "chown",  "install", "npx",     "uvx",     "pipx",    "deno",     "bun",
};
/* Their first argument says what they do. */
static const char *const with_subcommand[] = {
    "apt",   "apt-get", "brew",  "bundle",    "cargo", "composer", "dnf",   "dotnet",
    "gh",    "git",     "go",    "gradle",    "helm",  "make",     "meson", "mix",
    "mvn",   "npm",     "pip",   "pip3",      "pnpm",  "poetry",   "rake",  "rustup",
    "stack", "svn",     "swift", "terraform", "uv",    "yarn",     "zig",
};

static bool is_one_of(struct str name, const char *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (str_eq_c(name, list[i]))
            return true;
    return false;
}

void rule_finish(struct rule *rule)
{
    mem_free(rule->root);
    mem_free(rule->text);
}

void rules_finish(struct policy *policy)
{
    for (size_t i = 0; i < policy->rules.len; i++)
        rule_finish(&policy->rules.ptr[i]);
    vec_finish(&policy->rules);
}

const struct workspace_root *root_of_folder(const struct policy *policy, struct str folder)
{
    const struct workspace_root *best = NULL;
    for (size_t i = 0; i < workspace_root_count(policy->workspace); i++) {
        const struct workspace_root *root = workspace_root_at(policy->workspace, i);
        if (path_is_under(folder, str_from(root->path)) &&
            (!best || strlen(root->path) > strlen(best->path)))
            best = root;
    }
    return best;
}

/* -- Matching -- */

/* "git diff" covers `git diff --stat`, not `git difftool` and not `git`. */
static bool words_begin_with(const struct policy_strings *words, struct str wanted)
{
    size_t i = 0;
    for (struct str word; str_next(&wanted, ' ', &word); i++)
        if (i >= words->len || !str_eq_c(word, words->ptr[i]))
            return false;
    return i > 0;
}

static bool rule_covers(const struct rule *rule, const struct policy_command *command,
                        const struct shell_words *parsed)
{
    if ((command->network && !rule->network) || (command->escalate && !rule->escalate))
        return false;
    if (rule->root && !path_is_under(command->workdir, str_from(rule->root)))
        return false;
    if (rule->exact)
        return str_eq_c(command->command, rule->text);
    return parsed && parsed->is_single && words_begin_with(&parsed->words, str_from(rule->text));
}

static struct str without_prefix(struct str text, const char *prefix, bool *ret_had)
{
    *ret_had = str_starts_with(text, str_from(prefix));
    return *ret_had ? str_trim(str_skip(text, strlen(prefix))) : text;
}

/* approvals.rules: "make", "network: npm install", "outside: docker build ."; sandbox.network: the
 * same as "network:". A command covered by one of them runs unasked in auto mode. */
static bool setting_covers(const char *setting, bool network, const struct policy_command *command,
                           const struct shell_words *parsed)
{
    bool outside, named;
    struct str text = without_prefix(str_trim(str_from(setting)), "outside:", &outside);
    text = without_prefix(text, "network:", &named);
    char *words = str_dup_c(text);
    struct rule rule = {
        .network = network || named || outside,
        .escalate = outside,
        .text = words,
    };
    bool covers = text.len > 0 && rule_covers(&rule, command, parsed);
    mem_free(words);
    return covers;
}

static bool settings_cover(const struct policy *policy, const struct policy_command *command,
                           const struct shell_words *parsed)
{
    const struct config *config = policy->config;
    for (size_t i = 0; i < config->approvals_rules.count; i++)
        if (setting_covers(config->approvals_rules.ptr[i], false, command, parsed))
            return true;
    bool sandboxed = policy_sandbox_tier(policy) == TIER_BUBBLEWRAP;
    for (size_t i = 0; sandboxed && i < config->sandbox_network.count; i++)
        if (setting_covers(config->sandbox_network.ptr[i], true, command, parsed))
            return true;
    return false;
}

bool rules_allow(const struct policy *policy, const struct policy_command *command)
{
    struct shell_words parsed;
    bool understood = shell_parse(command->command, &parsed);
    bool allowed = false;
    for (size_t i = 0; i < policy->rules.len && !allowed; i++)
        allowed = rule_covers(&policy->rules.ptr[i], command, understood ? &parsed : NULL);
    if (!allowed && understood && policy_get_mode(policy) == MODE_AUTO)
        allowed = settings_cover(policy, command, &parsed);
    shell_words_finish(&parsed);
    return allowed;
}

/* -- Offering -- */

static bool has_blank(const char *word)
{
    return strpbrk(word, " \t\n") != NULL || word[0] == '\0';
}

/* How many words make the rule; 0: only the exact text will do. */
static size_t count_rule_words(const struct shell_words *parsed)
{
    const struct policy_strings *words = &parsed->words;
    if (!parsed->is_single || has_blank(words->ptr[0]))
        return 0;
    struct str program = path_name(str_from(words->ptr[0]));
    if (is_one_of(program, only_exact, array_count(only_exact)))
        return 0;
    if (!is_one_of(program, with_subcommand, array_count(with_subcommand)))
        return 1;
    if (words->len < 2)
        return 0; /* `make` alone must not allow `make install` */
    size_t count = words->len > 2 && strcmp(words->ptr[1], "run") == 0 ? 3 : 2;
    for (size_t i = 1; i < count; i++)
        if (words->ptr[i][0] == '-' || has_blank(words->ptr[i]))
            return 0; /* git -c, make -f: options choose what is run */
    return count;
}

static bool make_rule(const struct policy *policy, const struct policy_command *command,
                      struct rule *ret_rule)
{
    const struct workspace_root *root = root_of_folder(policy, command->workdir);
    struct shell_words parsed;
    bool understood = root && shell_parse(command->command, &parsed);
    if (!root)
        return false;
    if (understood) {
        size_t count = count_rule_words(&parsed);
        struct buf text = {0};
        for (size_t i = 0; i < count; i++)
            buf_append_fmt(&text, "%s%s", i ? " " : "", parsed.words.ptr[i]);
        if (count == 0)
            buf_append(&text, command->command);
        *ret_rule = (struct rule){
            .exact = count == 0,
            .network = command->network,
            .escalate = command->escalate,
            .root = mem_dup_c(root->path),
            .text = buf_take(&text),
        };
    }
    shell_words_finish(&parsed);
    return understood;
}

static void describe(const struct rule *rule, const char *span, struct policy_rule *ret_rule)
{
    const char *how = rule->escalate  ? " outside the sandbox"
                      : rule->network ? " with network"
                                      : "";
    snprintf(ret_rule->text, sizeof(ret_rule->text), "will allow%s: `%s%s`%s in %s, %s",
             rule->exact ? " exactly" : "", rule->text, rule->exact ? "" : " …", how, rule->root,
             span);
}

size_t policy_offer_rules(const struct policy *policy, const struct policy_command *command,
                          struct policy_rule *ret_rules, size_t max)
{
    static const struct {
        enum policy_scope scope;
        const char *id, *span;
    } spans[] = {
        {SCOPE_TURN, "turn", "this turn"},
        {SCOPE_SESSION, "session", "this session"},
        {SCOPE_WORKSPACE, "workspace", "always"},
    };
    struct rule rule;
    size_t count = 0;
    enum { SHOWN_BYTES = 300 }; /* what would be cut when shown is not offered */
    struct policy_verdict verdict;
    policy_check_command((struct policy *)policy, command, &verdict);
    if (verdict.answer != POLICY_ASK || verdict.outside_rules || !make_rule(policy, command, &rule))
        return 0;
    bool fits = strlen(rule.text) + strlen(rule.root) < SHOWN_BYTES;
    for (size_t i = 0; i < array_count(spans) && count < max && fits; i++) {
        snprintf(ret_rules[count].id, ID_BYTES, "%s", spans[i].id);
        ret_rules[count].scope = spans[i].scope;
        describe(&rule, spans[i].span, &ret_rules[count]);
        count++;
    }
    rule_finish(&rule);
    return count;
}

void policy_accept_rule(struct policy *policy, const struct policy_command *command,
                        const struct policy_rule *rule)
{
    struct rule made;
    if (rule->scope == SCOPE_ONCE || !make_rule(policy, command, &made))
        return;
    made.scope = rule->scope;
    vec_push(&policy->rules, made);
    if (rule->scope == SCOPE_WORKSPACE)
        rulefile_save(policy);
}

size_t policy_rule_count(const struct policy *policy)
{
    return policy->rules.len;
}

void policy_rule_get(const struct policy *policy, size_t index, struct policy_rule *ret_rule)
{
    static const char *const spans[] = {
        [SCOPE_ONCE] = "once",
        [SCOPE_TURN] = "this turn",
        [SCOPE_SESSION] = "this session",
        [SCOPE_WORKSPACE] = "always",
    };
    const struct rule *rule = &policy->rules.ptr[index];
    snprintf(ret_rule->id, sizeof(ret_rule->id), "%zu", index);
    ret_rule->scope = rule->scope;
    describe(rule, spans[rule->scope], ret_rule);
}

void policy_rule_delete(struct policy *policy, size_t index)
{
    bool remembered = policy->rules.ptr[index].scope == SCOPE_WORKSPACE;
    rule_finish(&policy->rules.ptr[index]);
    vec_remove(&policy->rules, index);
    if (remembered)
        rulefile_save(policy);
}

void policy_end_turn(struct policy *policy)
{
    for (size_t i = policy->rules.len; i-- > 0;) {
        if (policy->rules.ptr[i].scope != SCOPE_TURN)
            continue;
        rule_finish(&policy->rules.ptr[i]);
        vec_remove(&policy->rules, i);
    }
}
