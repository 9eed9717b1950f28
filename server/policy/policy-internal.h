/* What the parts of the gate share. */
#ifndef LANEBRIDGE_POLICY_INTERNAL_H
#define LANEBRIDGE_POLICY_INTERNAL_H

#include <lanebridge/policy.h>

/* What Landlock leaves open is more: all sockets but those of an approved network, and for a
 * command that only reads every way to change a file's mode, owner or times. */
enum seccomp_kind {
    SECCOMP_BUBBLEWRAP,
    SECCOMP_LANDLOCK_READ,
    SECCOMP_LANDLOCK_WRITE,
    SECCOMP_LANDLOCK_NETWORK,
    SECCOMP_KINDS_COUNT,
};

/* A rule the user chose, or wrote into the settings. */
struct rule {
    enum policy_scope scope;
    bool exact; /* the whole text, else the first words */
    bool network, escalate;
    bool tool; /* no command: a tool of an MCP server, "server/name" */
    char turn_id[ID_BYTES]; /* SCOPE_TURN: whose */
    char *root; /* holds for commands run in it; NULL: everywhere (settings) */
    char *text; /* exact: the command; else its words, one blank between */
};

struct turn_mode {
    char turn_id[ID_BYTES];
    enum config_mode mode;
};

struct census;
struct policy {
    const struct config *config;
    const struct workspace *workspace;
    const struct config_env *env;
    int mode;                                /* -1: the config's */
    VEC(struct turn_mode) turn_modes;        /* of turns that run */
    enum policy_tier tier;                   /* written by the self-test's thread: atomic */
    enum config_sandbox tested_mode;         /* written before tier */
    struct err tier_reason;                  /* written before tier */
    char *bwrap;                             /* absolute path, set by the self-test */
    struct buf filters[SECCOMP_KINDS_COUNT]; /* the seccomp programs, set by the self-test */
    bool bwrap_has_size;                     /* it knows --size, set by the self-test */
    struct census *census;                   /* what walks of the folders remember */
    VEC(struct rule) rules;
    struct { /* the remembered rules as they were read last */
        uint64_t device, inode, size;
        int64_t changed_ns;
    } rulefile;
    VEC(char *) secrets;
    VEC(struct policy_hook) hooks;
    char *hooks_json; /* the setting they were read from; NULL: not yet */
};

struct policy_strings {
    char **ptr;
    size_t len, cap;
};
void strings_finish(struct policy_strings *strings);
void strings_push(struct policy_strings *strings, const char *text);
void strings_push_str(struct policy_strings *strings, struct str text);
/* Adds NULL and hands the array over. */
char **strings_take(struct policy_strings *strings);

/* -- mode.c -- */
void mode_end_turn(struct policy *policy, const char *turn_id);

void verdict_set(struct policy_verdict *verdict, enum policy_answer answer, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void verdict_set_outside_rules(struct policy_verdict *verdict, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* -- names.c -- */
/* Case-folded and normalised as the file systems that fold do, for comparing with our tables. */
void name_fold(struct str name, struct buf *out);
/* Secret by its name alone, and secret if its content says so. */
enum secret_kind { SECRET_NOT, SECRET_BY_NAME, SECRET_BY_CONTENT };
enum secret_kind name_secret_kind(struct str absolute_path);
/* Reads the head of a regular file and looks; false when it cannot be read. */
bool file_holds_secret(struct str absolute_path);

/* -- agentignore.c -- */
bool agentignore_names(const struct policy *policy, const struct workspace_root *root,
                       struct str relative);

/* -- shell.c -- */
enum shell_operator { SHELL_FIRST, SHELL_AND, SHELL_OR, SHELL_THEN, SHELL_PIPE };
struct shell_part { /* one simple command */
    enum shell_operator operator; /* before it */
    char **words;
    size_t count;
};
struct shell_words {
    struct policy_strings words;  /* of all parts, in order */
    VEC(struct shell_part) parts; /* borrow from words */
};
/* False when anything in the text is more than plain words, quotes, && || ; | between commands and
 * 2>&1, >/dev/null, 2>/dev/null. */
bool shell_parse(struct str command, struct shell_words *ret_words);
void shell_words_finish(struct shell_words *words);

/* -- harmless.c -- */
/* Adds nothing to what the other parts of a command may do: cd to a folder of the root in front of
 * them, a filter of their output behind them, a word said between them. */
bool part_is_neutral(const struct shell_words *parsed, size_t index, struct str root,
                     struct str workdir);

/* -- rules.c -- */
bool rules_allow(const struct policy *policy, const struct policy_command *command);
void rules_finish(struct policy *policy);
void rule_finish(struct rule *rule);
const struct workspace_root *root_of_folder(const struct policy *policy, struct str folder);

/* Who it is, by all that it allows: "rule_" and a hash. */
void rule_id(const struct rule *rule, char ret_id[ID_BYTES]);
/* What the user may choose besides once, at most max; what would be cut when shown is not offered. */
size_t rule_offer_scopes(const struct rule *rule, struct policy_rule *ret_rules, size_t max);
/* From now on it counts; takes its texts. Not OK: it could not be remembered. */
enum status rule_accept(struct policy *policy, struct rule *made, enum policy_scope scope,
                        const char *turn_id);

/* -- hooks.c -- */
void hooks_finish(struct policy *policy);

/* -- rulefile.c -- */
/* Other windows and `lanebridge rules` change the file too: reads it again if it is another one. */
void rulefile_refresh(struct policy *policy);
/* Takes the rule over (add), or forgets the one of that id, in the file as it is now. */
enum status rulefile_add(struct policy *policy, struct rule *rule, struct err *err);
enum status rulefile_remove(struct policy *policy, const char *id, struct err *err);

/* -- gitdirs.c -- */
/* The git directories of a work tree, wherever they are; only what really is one. */
void gitdirs_find(const char *root, struct policy_strings *ret_paths);

/* -- tracked.c -- */
/* Called with each tracked path below the root, relative to it. */
typedef void tracked_fn(void *user, struct str path);
void tracked_each(const char *root, tracked_fn *fn, void *user);

/* -- guard.c: what the sandbox takes from a look -- */
/* Each gives the root's path, or NULL at the end; positions begin at 0. First the protected names
 * that are to be read-only, then what git does not track of the secret files and of what
 * .agentignore names; guard_secrets_left counts those that were too many. */
const char *guard_next_top(const struct policy_guard *guard, size_t *position,
                           struct buf *ret_absolute);
const char *guard_next_secret(const struct policy_guard *guard, size_t *position,
                              struct buf *ret_absolute, struct str *ret_relative);
size_t guard_secrets_left(const struct policy_guard *guard);

/* -- sockets.c -- */
/* Paths of the unix sockets of the host, bounded. */
void sockets_find(struct policy_strings *ret_paths);

/* -- seccomp.c -- */
enum status seccomp_make_filter(enum seccomp_kind kind, struct buf *ret_program, struct err *err);
/* A descriptor at 0 that holds the bytes; -1 with err set. */
int seccomp_make_fd(const struct buf *program, struct err *err);

/* -- environment.c -- */
/* tmp_folder NULL: /tmp */
char **environment_make(const struct policy *policy, const char *cache_folder,
                        const char *tmp_folder);
/* PATH without relative and empty parts. */
void environment_append_path(struct buf *out);

/* -- sandbox.c -- */
/* Everything up to the command itself; `masked` gets the names of the secret files that were
 * hidden, one a line. `guard` has looked; NULL: nothing is protected or masked in the folders. */
struct sandbox_request {
    const struct policy_command *command;
    const struct policy_guard *guard;
    const struct policy_bind *binds;
    size_t bind_count;
    const char *cache_folder; /* NULL: none */
    int seccomp_child_fd;
};
enum status sandbox_build(const struct policy *policy, const struct sandbox_request *request,
                          struct policy_strings *argv, struct buf *masked, struct err *err);
/* Everything that is masked wherever it lies, if it exists; as written, links and all. */
void sandbox_masks(const struct policy *policy, struct policy_strings *ret_paths);
enum { SANDBOX_SECCOMP_FD = 3 };

/* -- confine.c, landlock.c -- */
int landlock_version(void); /* negative: there is none */
enum { LANDLOCK_SCOPES_VERSION = 6 }; /* Linux 6.12 */
/* With the network of the machine come its abstract unix sockets, unless Landlock keeps them away; it cannot
 * where bubblewrap is set-uid. */
bool landlock_scopes_sockets(const struct policy *policy);
void landlock_build(const struct policy *policy, const struct sandbox_request *request,
                    struct policy_strings *argv);
bool landlock_only_reads(const struct policy_command *command);
enum seccomp_kind landlock_seccomp_kind(const struct policy_command *command);
#define CONFINE_PROGRAM "/proc/self/exe"

#endif
