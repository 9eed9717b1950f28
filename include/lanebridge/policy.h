/* policy: the one gate. Only this module says yes: to a path, to an edit, to a command; and it builds
 * the sandbox a command runs in. Nothing the model or the workspace says changes it.
 *
 * Invariants: doubt asks; what asks is never allowed by text from the model; an approval binds to
 * content (policy_fingerprint), is used once unless the user chose a rule; a command that is allowed
 * unasked runs inside the sandbox, fail closed. Requirements: docs/SECURITY.md. */
#ifndef LANEBRIDGE_POLICY_H
#define LANEBRIDGE_POLICY_H

#include <lanebridge/base.h>
#include <lanebridge/config.h>
#include <lanebridge/workspace.h>

struct policy;
/* Borrows all three; they must outlive it. */
struct policy *policy_new(const struct config *config, const struct workspace *workspace,
                          const struct config_env *env);
void policy_free(struct policy *policy);

enum policy_answer { POLICY_ALLOW, POLICY_ASK, POLICY_REFUSE };
/* reason: one sentence for the user (ASK) or the model (REFUSE). */
struct policy_verdict {
    enum policy_answer answer;
    bool outside_rules;      /* a session rule can never allow it (protected, secret, outside) */
    char reason[512];
};

/* -- Paths ---------------------------------------------------------------------------------------------- */
enum policy_access { POLICY_READ, POLICY_LIST, POLICY_WRITE, POLICY_DELETE };
void policy_check_path(const struct policy *policy, const struct workspace_path *path,
                       enum policy_access access, struct policy_verdict *ret_verdict);
/* The same for a call of that turn, which may have a mode of its own. */
void policy_check_path_in(const struct policy *policy, const char *turn_id,
                          const struct workspace_path *path, enum policy_access access,
                          struct policy_verdict *ret_verdict);
/* True for names that searches must not show: thread-safe, pure; fits workspace_filter_fn. */
bool policy_hides(void *policy, struct str absolute_path, bool is_folder);
/* Why a component of the path is protected (".git", ".envrc" …), or NULL. Case-folded, at any depth. */
const char *policy_protected_name(struct str relative_path);
/* Does content or name make it a secret (requirement 29)? Name alone when head is empty. */
bool policy_is_secret(struct str absolute_path, struct str head);

/* -- Edits and commands ------------------------------------------------------------------------------------ */
void policy_check_edit(const struct policy *policy, const struct workspace_path *paths, size_t count,
                       struct policy_verdict *ret_verdict);
void policy_check_edit_in(const struct policy *policy, const char *turn_id,
                          const struct workspace_path *paths, size_t count,
                          struct policy_verdict *ret_verdict);
struct policy_command {
    struct str command;       /* as the shell gets it */
    struct str workdir;       /* absolute */
    bool escalate;            /* wants to run outside the sandbox */
    bool network;
    bool git;                 /* wants to write the git directories; never allowed by a rule */
    bool tty;                 /* its standard streams are a terminal of its own */
    const char *turn_id;      /* whose command it is, for its mode and rules; NULL: nobody's */
};
/* Every part of it is on a list of programs and options that only look: no network, nothing that writes,
 * no interpreter. Says nothing about whether it may run. */
bool policy_only_reads(struct str command);
void policy_check_command(struct policy *policy, const struct policy_command *command,
                          struct policy_verdict *ret_verdict);
/* For the question: a line for each git directory that the command may write with an approval and that
 * lies outside the open folders. A `.git` file is repository content, and may name any repository. */
void policy_append_git_elsewhere(const struct policy *policy, const struct policy_command *command,
                                 struct buf *out);
/* What is typed into a command that runs: as free as that command would be without any rule, because an
 * approval was for its words alone. Plan mode is not asked about. */
void policy_check_input(const struct policy *policy, const struct policy_command *command,
                        struct policy_verdict *ret_verdict);
const char *policy_mode_name(enum config_mode mode);   /* "plan", "ask", "auto" */
bool policy_mode_find(struct str name, enum config_mode *ret_mode);
/* Of all turns that have none of their own; the config's otherwise. */
void policy_set_mode(struct policy *policy, enum config_mode mode);
/* Of one turn, until policy_end_turn: the person's choice, which may be looser than the settings. */
void policy_set_turn_mode(struct policy *policy, const char *turn_id, enum config_mode mode);
/* turn_id NULL, or one without a mode of its own: policy_get_mode. */
enum config_mode policy_get_turn_mode(const struct policy *policy, const char *turn_id);
enum config_mode policy_get_mode(const struct policy *policy);
enum config_review policy_get_review(const struct policy *policy);
enum config_save policy_get_save(const struct policy *policy);

/* -- Approvals ----------------------------------------------------------------------------------------------- */
enum policy_scope { SCOPE_ONCE, SCOPE_TURN, SCOPE_SESSION, SCOPE_WORKSPACE };
/* What the user may choose besides once; text is shown literally before it is stored. */
struct policy_rule {
    char id[ID_BYTES];
    enum policy_scope scope;
    char text[512];           /* "will allow: `make …` in /repo, this session" */
};
/* Rules offered for this command, at most 3; 0 when it is outside_rules or not understood. */
size_t policy_offer_rules(const struct policy *policy, const struct policy_command *command,
                          struct policy_rule *ret_rules, size_t max);
/* The user chose it: from now on such commands are allowed within its scope. Not OK: it counts, but could
 * not be remembered. */
enum status policy_accept_rule(struct policy *policy, const struct policy_command *command,
                        const struct policy_rule *rule);
void policy_end_turn(struct policy *policy, const char *turn_id);   /* drops its mode and rules */
/* -- Tools of MCP servers, which run outside the sandbox: ask, unless a rule of the user covers it ---------- */
struct policy_tool {
    struct str server, name;
    struct str root;          /* of the thread; empty: no folder, and no rules */
    const char *turn_id;
};
void policy_check_tool(struct policy *policy, const struct policy_tool *tool,
                       struct policy_verdict *ret_verdict);
size_t policy_offer_tool_rules(const struct policy *policy, const struct policy_tool *tool,
                               struct policy_rule *ret_rules, size_t max);
enum status policy_accept_tool_rule(struct policy *policy, const struct policy_tool *tool,
                                    const struct policy_rule *rule);

/* Rules in force: those accepted here and those remembered (STATE/rules.json, 0600, of all windows). The
 * index changes with every delete, the id does not; a remembered rule is forgotten for good. */
size_t policy_rule_count(struct policy *policy);
void policy_rule_get(const struct policy *policy, size_t index, struct policy_rule *ret_rule);
/* The folder it holds for; NULL: everywhere. Borrowed. */
const char *policy_rule_root(const struct policy *policy, size_t index);
void policy_rule_delete(struct policy *policy, size_t index);
enum status policy_rule_delete_id(struct policy *policy, struct str id, struct err *err);
/* Identity of what was approved: hex of everything that was shown. */
void policy_fingerprint(struct str shown, char ret_hex[SHA256_HEX_BYTES]);

/* -- Hooks: the user's own commands around calls and at the end of turns (setting hooks) ---------------------- */
enum policy_hook_event { HOOK_BEFORE_TOOL, HOOK_AFTER_TOOL, HOOK_TURN_END };
const char *policy_hook_event_name(enum policy_hook_event event);   /* "beforeTool" … */
struct policy_hook {
    enum policy_hook_event event;
    char *name, *command;      /* as bash gets it */
    char **tools;              /* names it is for */
    size_t tool_count;
    bool is_for_all, sandbox, to_model;
    uint64_t timeout_ms;
};
/* Says what is wrong with the setting, one sentence a line. */
void policy_hooks_check(struct policy *policy, struct buf *warnings);
/* The next one for this event and tool, from *place (0 at first) on; NULL: no more. Borrowed until the loop
 * goes on. */
const struct policy_hook *policy_hook_find(struct policy *policy, enum policy_hook_event event,
                                           struct str tool, size_t *place);

/* -- Sandbox --------------------------------------------------------------------------------------------------- */
/* LANDLOCK is the weaker one: protected names can be written and nothing is shown of the screen, so what
 * may write asks. */
enum policy_tier { TIER_UNKNOWN, TIER_BUBBLEWRAP, TIER_LANDLOCK, TIER_EXTERNAL, TIER_NONE };
/* Runs the self-test (blocking, about 10 ms; call it in work), remembered afterwards, and what passed is
 * remembered until the machine starts anew. On TIER_LANDLOCK and TIER_NONE `err` says why it is not
 * bubblewrap and what to do ("install bubblewrap", "user namespaces are forbidden here: …"). */
enum policy_tier policy_sandbox_test(struct policy *policy, struct err *err);
/* The bubblewrap that the test found, or NULL. */
const char *policy_sandbox_program(const struct policy *policy);
enum policy_tier policy_sandbox_tier(const struct policy *policy);     /* TIER_UNKNOWN before the test */
bool policy_tier_confines(enum policy_tier tier);    /* BUBBLEWRAP, LANDLOCK */
/* `lanebridge confine …`, the child's side of a command that bubblewrap does not hold: ends what it leaves
 * behind, also when the server is killed. Only policy_launch_build knows its arguments. */
int policy_confine_main(int argc, char **argv);

struct policy_guard;
/* A file whose text on the screen differs from the disk: bound read-only from `fd` (a memfd, at 0). */
struct policy_bind {
    const char *path;       /* absolute */
    int fd;                 /* borrowed; becomes child_fd in the child */
    int child_fd;           /* >= 3, unique */
};
struct policy_launch {
    char **argv;            /* NULL-terminated, owned */
    char **env;             /* complete, owned: allow-list of requirement 20 */
    int seccomp_fd;         /* owned, -1 for none; to hand down as seccomp_child_fd */
    int seccomp_child_fd;
    bool sandboxed;
    char *masked;             /* owned: secret files hidden from the command, one a line; NULL none */
};
/* sandboxed false builds the plain launch (only after an approval). Command runs under
 * /bin/bash --noprofile --norc -c; where bubblewrap does not hold it, as a child of `confine` in this very
 * program. `guard` has looked at the folders already; NULL: this looks itself,
 * which blocks. Errors: STATUS_UNSUPPORTED when the tier cannot. */
enum status policy_launch_build(struct policy *policy, const struct policy_command *command,
                                struct policy_guard *guard, const struct policy_bind *binds,
                                size_t bind_count, bool sandboxed,
                                struct policy_launch *ret_launch, struct err *err);
void policy_launch_finish(struct policy_launch *launch);

/* -- Guard: what a command did to protected names (requirement 19) ----------------------------------------- */

/* Existing names at root depth are read-only in the sandbox; a guard finds what was created or changed
 * elsewhere, at any depth. new and free on the loop thread; look (before the command) and compare
 * (after it) walk the roots, up to a second each: call them in work. */
struct policy_guard *policy_guard_new(const struct policy *policy,
                                      const struct policy_command *command);
void policy_guard_free(struct policy_guard *guard);
void policy_guard_look(struct policy_guard *guard);
/* This path was changed by the user or by an approved edit while the command ran. */
void policy_guard_excuse(struct policy_guard *guard, struct str absolute_path);
/* Moves what is new to quarantine and puts back what was changed or deleted; appends a line for each to
 * `report`, fit for the command's output. Gives their number. */
size_t policy_guard_compare(struct policy_guard *guard, struct buf *report);
/* How much of it policy_guard_restore can give back, which it does because the user said so. */
size_t policy_guard_moved(const struct policy_guard *guard);
size_t policy_guard_restore(struct policy_guard *guard, struct buf *report);

/* -- Redaction ---------------------------------------------------------------------------------------------------- */
/* Remembers a secret value; policy_redact then replaces it (and things shaped like keys) by "[redacted]". */
void policy_add_secret(struct policy *policy, struct str secret);
/* The same of "name: value", if a header of that name carries a secret. */
void policy_add_secret_header(struct policy *policy, struct str header);
void policy_redact(const struct policy *policy, struct str text, struct buf *out);

#endif
