/* The gate itself: what mode and review make of a path, an edit, a command. */
#include "census-internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct policy *policy_new(const struct config *config, const struct workspace *workspace,
                          const struct config_env *env)
{
    struct policy *policy = mem_new(struct policy);
    policy->config = config;
    policy->workspace = workspace;
    policy->env = env;
    policy->mode = -1;
    policy->census = census_new();
    rulefile_refresh(policy);
    return policy;
}

void policy_free(struct policy *policy)
{
    if (!policy)
        return;
    rules_finish(policy);
    hooks_finish(policy);
    for (size_t i = 0; i < policy->secrets.len; i++) {
        explicit_bzero(policy->secrets.ptr[i], strlen(policy->secrets.ptr[i]));
        mem_free(policy->secrets.ptr[i]);
    }
    vec_finish(&policy->secrets);
    vec_finish(&policy->turn_modes);
    for (size_t i = 0; i < SECCOMP_KINDS_COUNT; i++)
        buf_finish(&policy->filters[i]);
    mem_free(policy->bwrap);
    census_free(policy->census);
    mem_free(policy);
}

enum config_review policy_get_review(const struct policy *policy)
{
    return policy->config->review;
}

enum config_save policy_get_save(const struct policy *policy)
{
    return policy->config->save;
}

void policy_fingerprint(struct str shown, char ret_hex[SHA256_HEX_BYTES])
{
    hash_sha256_hex(shown, ret_hex);
}

/* -- Verdicts -- */

void verdict_set(struct policy_verdict *verdict, enum policy_answer answer, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(verdict->reason, sizeof(verdict->reason), format, args);
    va_end(args);
    verdict->answer = answer;
    verdict->outside_rules = false;
}

void verdict_set_outside_rules(struct policy_verdict *verdict, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(verdict->reason, sizeof(verdict->reason), format, args);
    va_end(args);
    verdict->answer = POLICY_ASK;
    verdict->outside_rules = true;
}

/* -- Paths -- */

static bool is_ours(const struct policy *policy, struct str absolute)
{
    /* The settings' folder is ours when it has our name; LANEBRIDGE_CONFIG may point anywhere. */
    struct str file = str_from(policy->env->config_file), folder = path_folder(file);
    bool whole_folder = str_eq_c(path_name(folder), "lanebridge");
    return path_is_under(absolute, str_from(policy->env->state_folder)) ||
           path_is_under(absolute, str_from(policy->env->cache_folder)) ||
           path_is_under(absolute, whole_folder ? folder : file);
}

static bool is_in_git_folder(const struct workspace_root *root, struct str absolute)
{
    struct policy_strings folders = {0};
    bool found = false;
    gitdirs_find(root->path, &folders);
    for (size_t i = 0; i < folders.len && !found; i++)
        found = path_is_under(absolute, str_from(folders.ptr[i]));
    strings_finish(&folders);
    return found;
}

/* One spelling of the path: as written, or with its links followed. */
static void check_spelling(const struct policy *policy, const struct workspace_path *path,
                           struct str absolute, enum policy_access access,
                           struct policy_verdict *verdict)
{
    struct str relative = path_is_under(absolute, str_from(path->root->path))
                              ? path_relative(absolute, str_from(path->root->path))
                              : absolute;
    bool writes = access == POLICY_WRITE || access == POLICY_DELETE;
    const char *name = writes ? policy_protected_name(relative) : NULL;
    enum secret_kind secret = name_secret_kind(absolute);
    if (is_ours(policy, absolute))
        verdict_set_outside_rules(verdict, "%s belongs to Lanebridge itself", path->display);
    else if (name)
        verdict_set_outside_rules(verdict,
                                  "%s is protected, because %s can run programs or steer "
                                  "tools",
                                  path->display, name);
    else if (writes && is_in_git_folder(path->root, absolute))
        verdict_set_outside_rules(verdict, "%s is protected, because it is in a git directory",
                                  path->display);
    else if (secret == SECRET_BY_NAME ||
             (secret == SECRET_BY_CONTENT && file_holds_secret(absolute)))
        verdict_set_outside_rules(verdict, "%s looks like a secret (a key, a token or a password)",
                                  path->display);
    else if (agentignore_names(policy, path->root, relative))
        verdict_set_outside_rules(verdict, "%s is kept from agents by .agentignore", path->display);
}

/* The same of what the path leads to, where that is another. */
static void check_links(const struct policy *policy, const struct workspace_path *path,
                        enum policy_access access, struct policy_verdict *verdict)
{
    struct buf real = {0};
    struct err err = {0};
    enum status status = workspace_canonical(path, &real, &err);
    bool is_other = status == STATUS_OK && !str_eq_c(buf_str(&real), path->absolute);
    if (status == STATUS_DENIED)
        verdict_set(verdict, POLICY_REFUSE, "%.400s", err.text);
    else if (is_other && verdict->answer == POLICY_ALLOW)
        check_spelling(policy, path, buf_str(&real), access, verdict);
    buf_finish(&real);
}

void policy_check_path(const struct policy *policy, const struct workspace_path *path,
                       enum policy_access access, struct policy_verdict *ret_verdict)
{
    policy_check_path_in(policy, NULL, path, access, ret_verdict);
}

void policy_check_path_in(const struct policy *policy, const char *turn_id,
                          const struct workspace_path *path, enum policy_access access,
                          struct policy_verdict *ret_verdict)
{
    bool writes = access == POLICY_WRITE || access == POLICY_DELETE;
    bool plan = policy_get_turn_mode(policy, turn_id) == MODE_PLAN;
    verdict_set(ret_verdict, POLICY_ALLOW, "%s", "");
    if (writes && plan) {
        verdict_set(ret_verdict, POLICY_REFUSE,
                    "plan mode changes nothing; describe the change "
                    "instead");
        return;
    }
    check_spelling(policy, path, str_from(path->absolute), access, ret_verdict);
    if (!path->exact) /* else nobody follows a link that is put there now */
        check_links(policy, path, access, ret_verdict);
    if (plan && ret_verdict->answer == POLICY_ASK)
        ret_verdict->answer = POLICY_REFUSE;
}

/* -- Edits -- */

void policy_check_edit(const struct policy *policy, const struct workspace_path *paths,
                       size_t count, struct policy_verdict *ret_verdict)
{
    policy_check_edit_in(policy, NULL, paths, count, ret_verdict);
}

void policy_check_edit_in(const struct policy *policy, const char *turn_id,
                          const struct workspace_path *paths, size_t count,
                          struct policy_verdict *ret_verdict)
{
    verdict_set(ret_verdict, POLICY_ALLOW, "%s", "");
    for (size_t i = 0; i < count; i++) {
        struct policy_verdict one;
        policy_check_path_in(policy, turn_id, &paths[i], POLICY_WRITE, &one);
        if (one.answer > ret_verdict->answer ||
            (one.answer == ret_verdict->answer && one.outside_rules))
            *ret_verdict = one;
    }
    if (ret_verdict->answer == POLICY_ALLOW && policy_get_turn_mode(policy, turn_id) == MODE_PLAN)
        verdict_set(ret_verdict, POLICY_REFUSE,
                    "plan mode changes nothing; describe the change "
                    "instead");
    if (ret_verdict->answer == POLICY_ALLOW && policy_get_review(policy) == REVIEW_BEFORE)
        verdict_set(ret_verdict, POLICY_ASK, "you review edits before they are applied");
}

/* -- Commands -- */

/* Why this command would ask if no rule covers it; NULL when it need not. */
static const char *reason_to_ask(const struct policy *policy, const struct policy_command *command)
{
    enum policy_tier tier = policy_sandbox_tier(policy);
    if (command->escalate)
        return "it wants to run outside the sandbox, with everything you may do yourself";
    if (command->network && tier == TIER_BUBBLEWRAP && !landlock_scopes_sockets(policy))
        return "it wants to use the network; here that includes what listens on abstract unix "
               "sockets of this machine (Linux 6.12 or newer keeps them away)";
    if (command->network)
        return "it wants to use the network";
    if (tier == TIER_BUBBLEWRAP || tier == TIER_EXTERNAL)
        return NULL;
    if (tier == TIER_LANDLOCK)
        return landlock_only_reads(command) ? NULL
                                            : "the sandbox here is the weaker one (Landlock: it "
                                              "does not protect .git and the "
                                              "like), so commands that may write ask";
    return tier == TIER_UNKNOWN ? "the sandbox has not been tested yet"
                                : "there is no sandbox here, so every command asks";
}

/* Where no sandbox protects them, names that must always ask do so in a command's words too. */
static const char *protected_word(const struct policy_command *command)
{
    struct shell_words parsed;
    const char *name = NULL;
    if (shell_parse(command->command, &parsed)) {
        for (size_t i = 0; i < parsed.words.len && !name; i++) {
            struct str word = str_from(parsed.words.ptr[i]);
            name = policy_protected_name(word);
            if (!name && name_secret_kind(word) == SECRET_BY_NAME)
                name = "a secret file";
        }
    }
    shell_words_finish(&parsed);
    return name;
}

void policy_check_command(struct policy *policy, const struct policy_command *command,
                          struct policy_verdict *ret_verdict)
{
    const struct workspace_root *root = root_of_folder(policy, command->workdir);
    if (policy_get_turn_mode(policy, command->turn_id) == MODE_PLAN) {
        verdict_set(ret_verdict, POLICY_REFUSE,
                    "plan mode runs no commands; say what should be run");
        return;
    }
    if (!root) {
        verdict_set(ret_verdict, POLICY_REFUSE,
                    workspace_root_count(policy->workspace)
                        ? "commands run inside the folders open in the editor only"
                        : "no folder is open in the editor, so no command can be run");
        return;
    }
    if (!root->confirmed) {
        verdict_set(ret_verdict, POLICY_REFUSE,
                    "%.300s is not confirmed as a folder to work in; the user has to do that first",
                    root->path);
        return;
    }
    if (command->git && !command->escalate) {
        verdict_set_outside_rules(ret_verdict,
                                  "it wants to write to the git repository (its index, commits and "
                                  "branches; git's hooks and settings stay read-only)");
        return;
    }
    const char *reason = reason_to_ask(policy, command);
    if (!reason) {
        verdict_set(ret_verdict, POLICY_ALLOW, "%s", "");
        return;
    }
    bool unsandboxed = command->escalate || policy_sandbox_tier(policy) != TIER_BUBBLEWRAP;
    const char *name = unsandboxed ? protected_word(command) : NULL;
    if (name)
        verdict_set_outside_rules(ret_verdict, "%s, and it names %s", reason, name);
    else if (rules_allow(policy, command))
        verdict_set(ret_verdict, POLICY_ALLOW, "%s", "");
    else
        verdict_set(ret_verdict, POLICY_ASK, "%s", reason);
}

void policy_append_git_elsewhere(const struct policy *policy, const struct policy_command *command,
                                 struct buf *out)
{
    const struct workspace_root *root = root_of_folder(policy, command->workdir);
    struct policy_strings folders = {0};
    if (root && command->git)
        gitdirs_find(root->path, &folders);
    for (size_t i = 0; i < folders.len; i++)
        if (!root_of_folder(policy, str_from(folders.ptr[i])))
            buf_append_fmt(out, "\n(its git directory is elsewhere: %s)", folders.ptr[i]);
    strings_finish(&folders);
}

void policy_check_input(const struct policy *policy, const struct policy_command *command,
                        struct policy_verdict *ret_verdict)
{
    verdict_set(ret_verdict, POLICY_ALLOW, "%s", "");
    if (command->git)
        verdict_set(ret_verdict, POLICY_ASK,
                    "the command it is for may write to the git repository");
    else if (command->network && !command->escalate)
        verdict_set(ret_verdict, POLICY_ASK, "the command it is for may use the network");
    else if (reason_to_ask(policy, command))
        verdict_set(ret_verdict, POLICY_ASK, "the command it is for runs outside the sandbox");
}

/* -- Small lists -- */

void strings_finish(struct policy_strings *strings)
{
    for (size_t i = 0; i < strings->len; i++)
        mem_free(strings->ptr[i]);
    vec_finish(strings);
}

void strings_push(struct policy_strings *strings, const char *text)
{
    vec_push(strings, mem_dup_c(text));
}

void strings_push_str(struct policy_strings *strings, struct str text)
{
    vec_push(strings, str_dup_c(text));
}

char **strings_take(struct policy_strings *strings)
{
    vec_push(strings, (char *)NULL);
    char **taken = strings->ptr;
    *strings = (struct policy_strings){0};
    return taken;
}
