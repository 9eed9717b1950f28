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

void rule_id(const struct rule *rule, char ret_id[ID_BYTES])
{
    struct buf all = {0};
    char hex[SHA256_HEX_BYTES];
    buf_append_fmt(&all, "%d|%d%d%d%s|%s|%s|%s", rule->scope, rule->exact, rule->network,
                   rule->escalate, rule->tool ? "t" : "", rule->turn_id,
                   rule->root ? rule->root : "", rule->text);
    hash_sha256_hex(buf_str(&all), hex);
    snprintf(ret_id, ID_BYTES, "rule_%.12s", hex);
    buf_finish(&all);
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
static bool part_begins_with(const struct shell_part *part, struct str wanted)
{
    size_t i = 0;
    for (struct str word; str_next(&wanted, ' ', &word); i++)
        if (i >= part->count || !str_eq_c(word, part->words[i]))
            return false;
    return i > 0;
}

/* As far as it is not about the words. */
static bool rule_reaches(const struct rule *rule, const struct policy_command *command)
{
    if (rule->tool || (command->network && !rule->network) ||
        (command->escalate && !rule->escalate))
        return false;
    if (rule->scope == SCOPE_TURN &&
        (!command->turn_id || strcmp(command->turn_id, rule->turn_id) != 0))
        return false;
    return !rule->root || path_is_under(command->workdir, str_from(rule->root));
}

static bool rule_covers_all(const struct rule *rule, const struct policy_command *command)
{
    return rule->exact && rule_reaches(rule, command) && str_eq_c(command->command, rule->text);
}

static bool rule_covers_part(const struct rule *rule, const struct policy_command *command,
                             const struct shell_part *part)
{
    return !rule->exact && rule_reaches(rule, command) &&
           part_begins_with(part, str_from(rule->text));
}

static struct str without_prefix(struct str text, const char *prefix, bool *ret_had)
{
    *ret_had = str_starts_with(text, str_from(prefix));
    return *ret_had ? str_trim(str_skip(text, strlen(prefix))) : text;
}

/* approvals.rules: "make", "network: npm install", "outside: docker build ."; sandbox.network: the
 * same as "network:". A command covered by one of them runs unasked in auto mode. */
static bool setting_covers(const char *setting, bool network, const struct policy_command *command,
                           const struct shell_part *part)
{
    bool outside, named;
    struct str text = without_prefix(str_trim(str_from(setting)), "outside:", &outside);
    text = without_prefix(text, "network:", &named);
    if (str_starts_with(text, STR("mcp:")))
        return false; /* of a tool: toolrules.c */
    struct rule rule = {
        .scope = SCOPE_SESSION,
        .network = network || named || outside,
        .escalate = outside,
        .text = str_dup_c(text),
    };
    bool covers = text.len > 0 && rule_covers_part(&rule, command, part);
    mem_free(rule.text);
    return covers;
}

static bool settings_cover(const struct policy *policy, const struct policy_command *command,
                           const struct shell_part *part)
{
    const struct config *config = policy->config;
    if (policy_get_turn_mode(policy, command->turn_id) != MODE_AUTO)
        return false;
    for (size_t i = 0; i < config->approvals_rules.count; i++)
        if (setting_covers(config->approvals_rules.ptr[i], false, command, part))
            return true;
    bool sandboxed = policy_sandbox_tier(policy) == TIER_BUBBLEWRAP;
    for (size_t i = 0; sandboxed && i < config->sandbox_network.count; i++)
        if (setting_covers(config->sandbox_network.ptr[i], true, command, part))
            return true;
    return false;
}

static bool some_rule_covers(const struct policy *policy, const struct policy_command *command,
                             const struct shell_part *part)
{
    for (size_t i = 0; i < policy->rules.len; i++)
        if (rule_covers_part(&policy->rules.ptr[i], command, part))
            return true;
    return settings_cover(policy, command, part);
}

static bool is_neutral(const struct policy *policy, const struct policy_command *command,
                       const struct shell_words *parsed, size_t index)
{
    const struct workspace_root *root = root_of_folder(policy, command->workdir);
    return root && part_is_neutral(parsed, index, str_from(root->path), command->workdir);
}

/* Every part has a rule or adds nothing, and at least one has a rule. */
static bool parts_are_covered(const struct policy *policy, const struct policy_command *command,
                              const struct shell_words *parsed)
{
    size_t covered = 0;
    for (size_t i = 0; i < parsed->parts.len; i++) {
        bool has_rule = some_rule_covers(policy, command, &parsed->parts.ptr[i]);
        if (!has_rule && !is_neutral(policy, command, parsed, i))
            return false;
        covered += has_rule;
    }
    return covered > 0;
}

bool rules_allow(const struct policy *policy, const struct policy_command *command)
{
    struct shell_words parsed;
    bool understood = shell_parse(command->command, &parsed);
    bool allowed = false;
    rulefile_refresh((struct policy *)policy);
    for (size_t i = 0; i < policy->rules.len && !allowed; i++)
        allowed = rule_covers_all(&policy->rules.ptr[i], command);
    if (!allowed && understood)
        allowed = parts_are_covered(policy, command, &parsed);
    shell_words_finish(&parsed);
    return allowed;
}

/* -- Offering -- */

static bool has_blank(const char *word)
{
    return strpbrk(word, " \t\n") != NULL || word[0] == '\0';
}

/* How many words make the rule; 0: only the exact text will do. */
static size_t count_rule_words(const struct shell_part *part)
{
    if (has_blank(part->words[0]))
        return 0;
    struct str program = path_name(str_from(part->words[0]));
    if (is_one_of(program, only_exact, array_count(only_exact)))
        return 0;
    if (!is_one_of(program, with_subcommand, array_count(with_subcommand)))
        return 1;
    if (part->count < 2)
        return 0; /* `make` alone must not allow `make install` */
    size_t count = part->count > 2 && strcmp(part->words[1], "run") == 0 ? 3 : 2;
    for (size_t i = 1; i < count; i++)
        if (part->words[i][0] == '-' || has_blank(part->words[i]))
            return 0; /* git -c, make -f: options choose what is run */
    return count;
}

/* The one part that the rest adds nothing to, or NULL: then only the exact text will do. */
static const struct shell_part *find_core(const struct policy *policy,
                                          const struct policy_command *command,
                                          const struct shell_words *parsed)
{
    const struct shell_part *core = NULL;
    for (size_t i = 0; i < parsed->parts.len; i++) {
        if (is_neutral(policy, command, parsed, i))
            continue;
        if (core)
            return NULL;
        core = &parsed->parts.ptr[i];
    }
    return core;
}

static void append_rule_text(struct buf *text, const struct shell_part *core, size_t count,
                             struct str command)
{
    for (size_t i = 0; i < count; i++)
        buf_append_fmt(text, "%s%s", i ? " " : "", core->words[i]);
    if (count == 0)
        buf_append(text, command);
}

static bool make_rule(const struct policy *policy, const struct policy_command *command,
                      struct rule *ret_rule)
{
    const struct workspace_root *root = root_of_folder(policy, command->workdir);
    struct shell_words parsed;
    if (!root)
        return false;
    bool understood = shell_parse(command->command, &parsed);
    if (understood) {
        const struct shell_part *core = find_core(policy, command, &parsed);
        size_t count = core ? count_rule_words(core) : 0;
        struct buf text = {0};
        append_rule_text(&text, core, count, command->command);
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
    const char *what = rule->tool ? " the MCP tool" : rule->exact ? " exactly" : "";
    const char *how = rule->escalate  ? " outside the sandbox"
                      : rule->network ? " with network"
                                      : "";
    struct buf shown = {0}; /* what is seen is what is stored: no character that hides another */
    utf8_append_visible(&shown, str_from(rule->text));
    snprintf(ret_rule->text, sizeof(ret_rule->text), "will allow%s: `%s%s`%s in %s, %s", what,
             shown.ptr, rule->exact ? "" : " …", how, rule->root, span);
    buf_finish(&shown);
}

size_t rule_offer_scopes(const struct rule *rule, struct policy_rule *ret_rules, size_t max)
{
    static const struct {
        enum policy_scope scope;
        const char *id, *span;
    } spans[] = {
        {SCOPE_TURN, "turn", "this turn"},
        {SCOPE_SESSION, "session", "this session"},
        {SCOPE_WORKSPACE, "workspace", "always"},
    };
    enum { SHOWN_BYTES = 300 }; /* what would be cut when shown is not offered */
    bool fits = strlen(rule->text) + strlen(rule->root) < SHOWN_BYTES;
    size_t count = 0;
    for (size_t i = 0; i < array_count(spans) && count < max && fits; i++) {
        snprintf(ret_rules[count].id, ID_BYTES, "%s", spans[i].id);
        ret_rules[count].scope = spans[i].scope;
        describe(rule, spans[i].span, &ret_rules[count]);
        count++;
    }
    return count;
}

size_t policy_offer_rules(const struct policy *policy, const struct policy_command *command,
                          struct policy_rule *ret_rules, size_t max)
{
    struct rule rule;
    struct policy_verdict verdict;
    policy_check_command((struct policy *)policy, command, &verdict);
    if (verdict.answer != POLICY_ASK || verdict.outside_rules || !make_rule(policy, command, &rule))
        return 0;
    size_t count = rule_offer_scopes(&rule, ret_rules, max);
    rule_finish(&rule);
    return count;
}

static size_t find_id(const struct policy *policy, const char *id)
{
    char other[ID_BYTES];
    for (size_t i = 0; i < policy->rules.len; i++) {
        rule_id(&policy->rules.ptr[i], other);
        if (strcmp(other, id) == 0)
            return i;
    }
    return STR_NONE;
}

enum status rule_accept(struct policy *policy, struct rule *made, enum policy_scope scope,
                        const char *turn_id)
{
    char id[ID_BYTES];
    made->scope = scope;
    if (scope == SCOPE_TURN && turn_id)
        snprintf(made->turn_id, sizeof(made->turn_id), "%s", turn_id);
    rule_id(made, id);
    if (find_id(policy, id) != STR_NONE)
        rule_finish(made);
    else if (scope == SCOPE_WORKSPACE)
        return rulefile_add(policy, made, NULL);
    else
        vec_push(&policy->rules, *made);
    return STATUS_OK;
}

enum status policy_accept_rule(struct policy *policy, const struct policy_command *command,
                               const struct policy_rule *rule)
{
    struct rule made;
    if (rule->scope == SCOPE_ONCE || !make_rule(policy, command, &made))
        return STATUS_OK;
    return rule_accept(policy, &made, rule->scope, command->turn_id);
}

size_t policy_rule_count(struct policy *policy)
{
    rulefile_refresh(policy);
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
    rule_id(rule, ret_rule->id);
    ret_rule->scope = rule->scope;
    describe(rule, spans[rule->scope], ret_rule);
}

const char *policy_rule_root(const struct policy *policy, size_t index)
{
    return policy->rules.ptr[index].root;
}

static enum status delete_at(struct policy *policy, size_t index, struct err *err)
{
    char id[ID_BYTES];
    if (policy->rules.ptr[index].scope == SCOPE_WORKSPACE) {
        rule_id(&policy->rules.ptr[index], id);
        return rulefile_remove(policy, id, err);
    }
    rule_finish(&policy->rules.ptr[index]);
    vec_remove(&policy->rules, index);
    return STATUS_OK;
}

void policy_rule_delete(struct policy *policy, size_t index)
{
    (void)delete_at(policy, index, NULL);
}

enum status policy_rule_delete_id(struct policy *policy, struct str id, struct err *err)
{
    char *text = str_dup_c(id);
    rulefile_refresh(policy);
    size_t index = find_id(policy, text);
    mem_free(text);
    if (index == STR_NONE)
        return err_set(err, STATUS_NOT_FOUND, "there is no rule " STR_FMT "; list them first",
                       STR_ARG(id));
    return delete_at(policy, index, err);
}

void policy_end_turn(struct policy *policy, const char *turn_id)
{
    mode_end_turn(policy, turn_id);
    for (size_t i = policy->rules.len; i-- > 0;) {
        struct rule *rule = &policy->rules.ptr[i];
        if (rule->scope != SCOPE_TURN || strcmp(rule->turn_id, turn_id) != 0)
            continue;
        rule_finish(rule);
        vec_remove(&policy->rules, i);
    }
}
