/* host: the one seam between the agent and whatever shows it to a person. An editor side (lsp, or a
 * test) fills this table; tools and agent know nothing else of editors. No code of its own.
 *
 * Invariants: every function with a callback answers exactly once, later, never before it returned;
 * answers after the call was dropped (host_ops.drop) do not come. Optional functions may be NULL. */
#ifndef LANEBRIDGE_HOST_H
#define LANEBRIDGE_HOST_H

#include <lanebridge/base.h>
#include <lanebridge/text.h>

/* -- Edits ------------------------------------------------------------------------------------------------ */

enum host_change_kind { HOST_CREATE, HOST_UPDATE, HOST_DELETE, HOST_MOVE };
/* One file. Paths are absolute. before: the text the plan was made from (NULL for CREATE); if the
 * document or file is no longer that text when the change is about to be sent, the host answers
 * NOT_APPLIED without trying. */
struct host_change {
    enum host_change_kind kind;
    const char *path;
    const char *new_path;              /* MOVE */
    const struct text *before, *after; /* after NULL for DELETE */
};
enum host_apply_result {
    HOST_APPLIED,         /* every text is as planned (verified, not believed) */
    HOST_NOT_APPLIED,     /* nothing changed; plan again from the texts as they are now */
    HOST_REPAIRED,        /* a stale edit landed: put right with the user's typing kept; `note` says how */
    HOST_PARTIAL,         /* the person took some of it; `note` names what is missing */
    HOST_FAILED,          /* it will not work: `note` says why */
};
struct host_apply_outcome {
    enum host_apply_result result;
    struct str note;
};
typedef void host_apply_fn(void *user, const struct host_apply_outcome *outcome);

/* -- Questions ----------------------------------------------------------------------------------------------- */

enum host_ask_kind { HOST_ASK_COMMAND, HOST_ASK_EDIT, HOST_ASK_READ, HOST_ASK_NETWORK, HOST_ASK_TOOL,
                     HOST_ASK_PROTECTED, HOST_ASK_TRUST, HOST_ASK_SAVE };
struct host_ask_rule {
    const char *id, *text;
    int scope;                         /* enum policy_scope */
};
struct host_ask {
    enum host_ask_kind kind;
    const char *thread_id, *turn_id, *item_id;
    const char *title;                 /* "Run this command outside the sandbox?" */
    const char *show;                  /* exactly what will happen: the command, the diff */
    const char *reason;                /* why it is asked */
    const struct host_ask_rule *rules;
    size_t rule_count;
};
enum host_decision { HOST_ACCEPT, HOST_DECLINE, HOST_CANCEL };
struct host_ask_answer {
    enum host_decision decision;
    const char *rule_id;               /* NULL: once */
    struct str note;                   /* "no, use X": goes to the model */
};
typedef void host_ask_fn(void *user, const struct host_ask_answer *answer);

/* Questions of the model to the person: the words are the model's. */
struct host_option {
    const char *label, *description;   /* description may be "" */
};
struct host_question {
    const char *text;
    const struct host_option *options;
    size_t option_count;
};
struct host_inquiry {
    const char *thread_id, *turn_id, *item_id;
    const struct host_question *questions;
    size_t count;
};
/* One answer a question, in order, borrowed for the call: a label, or the person's own words; ptr NULL
 * where there was none. */
typedef void host_inquire_fn(void *user, const struct str *answers, size_t count);

/* -- What the editor's own language servers know ---------------------------------------------------------- */

struct host_diagnostic {
    struct str message, source, code;
    unsigned severity;                 /* 1 error … 4 hint */
    unsigned line, character;          /* 1-based, characters as the person counts them */
};
/* A file that the editor checks, also when it found nothing; others are not among the answers. */
struct host_diagnosed {
    struct str path;
    bool has_version;
    int64_t version;                   /* the document's, that they were made for */
    const struct host_diagnostic *list;
    size_t count;
};
/* Borrowed for the call. */
typedef void host_diagnostics_fn(void *user, enum status status, const struct host_diagnosed *files,
                                 size_t count);

enum host_query_kind { HOST_SYMBOLS, HOST_DEFINITION, HOST_REFERENCES,       /* locate */
                       HOST_RENAME, HOST_CODE_ACTION, HOST_FORMAT };         /* propose */
/* Paths are absolute, offsets are bytes of `text`, the file's text as it is now; when it is another by
 * the time the editor is asked, the answer is STATUS_CONFLICT. */
struct host_query {
    enum host_query_kind kind;
    const char *path;                  /* NULL: symbols of the whole workspace */
    const struct text *text;           /* NULL for symbols */
    size_t start, end;                 /* the same where a place is meant */
    bool whole;                        /* format: all of it */
    struct str words;                  /* symbols: part of a name; rename: the new name; code action: its
                                          title, or "" */
    struct str action_kind;            /* code action: "quickfix", "source.organizeImports" …, or "" */
};
struct host_location {
    struct str path;
    unsigned line, character;          /* 1-based; character 0: not known */
    struct str name, container;        /* symbols */
    unsigned kind;                     /* symbols: SymbolKind of LSP */
    struct str text;                   /* the line, or "" where the host does not have it at hand */
};
/* note: why it failed. Borrowed for the call. */
typedef void host_locations_fn(void *user, enum status status, struct str note,
                               const struct host_location *list, size_t count);
/* An edit that a language server made, not applied: whole texts, made from the texts as they are now.
 * count 0: nothing to change, or several code actions to choose from, by title. STATUS_CONFLICT: a file
 * changed meanwhile; ask again. Borrowed for the call. */
struct host_proposal {
    enum status status;
    struct str note;
    const struct host_change *changes;
    size_t count;
    const struct str *titles;
    size_t title_count;
};
typedef void host_proposal_fn(void *user, const struct host_proposal *proposal);
typedef void host_done_fn(void *user, enum status status, struct str note);

struct host_ops {
    bool no_proposals;                 /* nobody can look at edits that are not applied: they are asked for */
    void (*apply)(void *host, const struct host_change *changes, size_t count, const char *label,
                  host_apply_fn *on_done, void *user);
    void (*ask)(void *host, const struct host_ask *ask, host_ask_fn *on_answer, void *user);
    /* Optional. Saves documents through the editor (its formatters and hooks run). */
    void (*save)(void *host, const char *const *paths, size_t count, host_done_fn *on_done, void *user);
    /* Optional. */
    void (*inquire)(void *host, const struct host_inquiry *inquiry, host_inquire_fn *on_answer,
                    void *user);
    /* Optional. paths NULL: all. */
    void (*diagnostics)(void *host, const char *const *paths, size_t count,
                        host_diagnostics_fn *on_done, void *user);
    /* Optional. symbols, definition, references. */
    void (*locate)(void *host, const struct host_query *query, host_locations_fn *on_done, void *user);
    /* Optional. rename, code action, format. */
    void (*propose)(void *host, const struct host_query *query, host_proposal_fn *on_done, void *user);
    /* Optional. Brings a file to the person's attention, without taking the focus. */
    void (*show)(void *host, const char *path, unsigned line);
    /* Optional. One or two sentences to the person, who is not asked anything. */
    void (*notify)(void *host, const char *text);
    /* Optional. Asks the editor for a secret by name (never traced or logged): the note of the answer, "" if
     * there is none. was_refused: the one it gave last is no good. */
    void (*secret)(void *host, const char *name, bool was_refused, host_done_fn *on_done,
                   void *user);
    /* Withdraws every unanswered call made with this `user`: its callback will not come. */
    void (*drop)(void *host, void *user);
};
struct host {
    const struct host_ops *ops;
    void *host;
};

#endif
