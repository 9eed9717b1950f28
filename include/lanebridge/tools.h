/* tools: what the model may call, run on this machine. One file a tool, one table.
 *
 * Invariants: every call gets exactly one output, whatever happens (cancel, denial, timeout, bad
 * arguments, crash of a child); a call_id runs at most once per thread, ever (journal); only policy
 * says yes; readers run in parallel (LIMIT_TOOL_PARALLEL_COUNT), everything else alone; results are
 * valid UTF-8 without escape sequences, truncated once, saying how much was left out. */
#ifndef LANEBRIDGE_TOOLS_H
#define LANEBRIDGE_TOOLS_H

#include <lanebridge/base.h>
#include <lanebridge/document.h>
#include <lanebridge/host.h>
#include <lanebridge/journal.h>
#include <lanebridge/loop.h>
#include <lanebridge/mcp.h>
#include <lanebridge/policy.h>
#include <lanebridge/workspace.h>

struct tools;
/* All borrowed; they must outlive it. */
struct tools_env {
    struct loop *loop;
    struct documents *documents;
    struct workspace *workspace;
    struct policy *policy;
    struct journal *journal;
    const struct host *host;
    const char *cache_folder;    /* private caches of commands live below it */
    struct mcp *mcp;             /* servers of more tools; NULL: none */
};
struct tools *tools_new(const struct tools_env *env);
void tools_free(struct tools *tools);    /* threads first; waits for work that is executing */

/* How long commands and language servers may take, in milliseconds; tests shrink them. */
struct tools_deadlines {
    uint64_t foreground_ms;    /* without anybody looking at its output */
    uint64_t background_ms;    /* in all */
    uint64_t yield_min_ms;     /* least value of yield_time_ms */
    uint64_t room_bytes;       /* free on the disk; a command that leaves less is ended */
    uint64_t diagnostics_ms, edit_diagnostics_ms;   /* until they are of the texts as they are */
    uint64_t editor_ms;        /* symbols, references, a rename */
};
extern const struct tools_deadlines tools_deadlines_default;
void tools_set_deadlines(struct tools *tools, const struct tools_deadlines *deadlines);

/* Other servers from now on; a thread keeps the list it began with. Only while no turn runs and nothing is
 * waited for. */
void tools_set_mcp(struct tools *tools, struct mcp *mcp);
/* Tools from elsewhere (MCP servers): starts what does not run yet. True: some are waited for, `notice`
 * says so to people, and on_ready comes once, later. */
bool tools_prepare(struct tools *tools, void (*on_ready)(void *user), void *user, struct buf *notice);
void tools_prepare_drop(struct tools *tools, void *user);   /* on_ready does not come */
/* Appends, once, what people should know of those that are not there. */
void tools_append_missing(struct tools *tools, struct buf *notice);
/* The list would not be a longer one if it was waited for. */
bool tools_are_settled(const struct tools *tools);

/* Appends the tools array of a request: byte-stable for the same choice and the same servers. */
enum tools_edit_style { TOOLS_EDIT_PATCH, TOOLS_EDIT_REPLACE };
void tools_append_schema(const struct tools *tools, enum tools_edit_style style, struct buf *json);
/* The same of those that a helper may call; and, for a list of all, the tool_choice that names them. */
void tools_append_helper_schema(const struct tools *tools, struct buf *json);
void tools_append_helper_choice(const struct tools *tools, struct buf *json);

/* -- A thread's side: bases shown to it, running commands, its plan ------------------------------------ */
struct tools_thread;
struct tools_thread *tools_thread_new(struct tools *tools, const char *thread_id,
                                      struct str root_path);
/* Of a helper: its calls read and search, nothing else, and see what `parent` sees, proposals included; people are
 * asked in the name of parent. */
struct tools_thread *tools_thread_new_helper(const struct tools_thread *parent,
                                             const char *thread_id);
void tools_thread_free(struct tools_thread *thread);    /* cancels calls, kills commands, no callbacks */
struct str tools_thread_plan(const struct tools_thread *thread);   /* JSON of update_plan, or "" */

/* Appends the AGENTS.md of the folders between root and file, as data from the repository, and keeps in
 * mind that the thread has them: each once, together at most LIMIT_AGENTS_MD_BYTES. Thread NULL: as for one
 * that is new. What tools read brings them by itself. */
void tools_append_advice(struct tools *tools, struct tools_thread *thread, const char *absolute,
                         struct buf *text);
/* One that has seen what this one has (NULL: nothing), to try it on; to be freed. */
struct tools_thread *tools_thread_advised_copy(struct tools *tools,
                                               const struct tools_thread *thread);
void tools_thread_forget_advice(struct tools_thread *thread);   /* the model has it no more */

enum tools_kind {
    TOOL_READ, TOOL_SEARCH, TOOL_EDIT, TOOL_COMMAND, TOOL_PLAN, TOOL_HELPER, TOOL_OTHER,
};
/* What a call of that name is for people, also when it never runs; TOOL_OTHER for an unknown one. */
enum tools_kind tools_kind_of(struct str name);

struct tools_request {
    struct str call_id, name;
    struct str arguments;       /* JSON text, or the free text of a custom tool */
    bool is_custom;
    const char *turn_id;
};
/* Borrowed for the call. */
struct tools_output {
    struct str text;            /* for the model */
    bool ok;
    bool unknown;               /* found started after a crash: what it did is not known */
    uint64_t waited_ms;         /* queue and approval */
    uint64_t ran_ms;
    struct str summary;         /* one line for people: "src/a.c lines 1-80 of 212" */
    struct str diff;            /* edits: unified diff of what was applied, else empty */
    int exit_code;              /* commands, else 0 */
    const struct str *images;   /* for the model, beside the text, as data URLs */
    size_t image_count;
};
struct tools_handlers {
    void (*on_started)(void *user, enum tools_kind kind, struct str title);   /* it really begins */
    void (*on_waiting)(void *user, struct str why);                           /* e.g. for an approval */
    void (*on_progress)(void *user, struct str text);                         /* command output */
    void (*on_done)(void *user, const struct tools_output *output);
    void (*on_note)(void *user, struct str text);    /* optional: what a hook of the user did */
};
struct tools_call;
/* Never NULL. on_done comes later, never before this returned. `request` is copied. The journal knows
 * the call as done before on_done comes. Saved outputs of an earlier process are given back as they
 * were; a call found only started answers `unknown` and does not run. */
struct tools_call *tools_call_start(struct tools_thread *thread, const struct tools_request *request,
                                    const struct tools_handlers *handlers, void *user);
/* on_done still comes, with "cancelled by the user" or the real output if it was too late. */
void tools_call_cancel(struct tools_call *call);
/* The user's hooks for the end of a turn are run, if there are any; nothing waits for them. fn may come
 * several times: `note` for people, or at last `for_model`, what the model is to read with the next turn. No
 * callback once the thread is freed. status: "completed", "interrupted", "failed". */
typedef void tools_turn_hooks_fn(void *user, struct str note, struct str for_model);
void tools_turn_ended(struct tools_thread *thread, const char *turn_id, const char *status,
                      tools_turn_hooks_fn *fn, void *user);

/* -- Helpers: who runs what explore asks for -------------------------------------------------------------- */

struct tools_help_request {
    const char *thread_id, *turn_id;
    struct str call_id, question;
};
struct tools_help {
    bool ok;
    struct str answer;          /* for the model; or what went wrong */
    struct str summary;         /* for people, one line */
};
typedef void tools_help_fn(void *user, const struct tools_help *help);
struct tools_helpers {
    void *user;
    /* on_done comes once, later, unless it is cancelled; on_done_user tells which one that is. */
    void (*start)(void *user, const struct tools_help_request *request, tools_help_fn *on_done,
                  void *on_done_user);
    void (*cancel)(void *user, void *on_done_user);
};
/* Copied. Without it explore is not offered. */
void tools_set_helpers(struct tools *tools, const struct tools_helpers *helpers);

/* -- Undo and redo: what a turn did to files ----------------------------------------------------------- */

/* Each change of the turn is taken out of the texts as they are now, the last one first, by a merge in
 * which the person's own later typing is kept; where both touched the same lines, the person's stand
 * (CONFLICT). A file the person changed since it was made is not deleted. An undo is recorded as changes
 * of the same turn, so that it can be redone. What commands did to files that were open, read or edited
 * is among the changes; other files they changed are named, once, as NOT_UNDOABLE. */
enum tools_undo_way { TOOLS_UNDO, TOOLS_REDO };
enum tools_undo_outcome {
    TOOLS_UNDO_DONE,
    TOOLS_UNDO_KEPT,            /* done, and what the person changed elsewhere in the file is kept */
    TOOLS_UNDO_CONFLICT,        /* some or all of it stands; note says what */
    TOOLS_UNDO_NOT_UNDOABLE,    /* a text it needs is no longer kept, or the file cannot be read */
};
struct tools_undo_file {
    const char *path;           /* as people see it */
    enum tools_undo_outcome outcome;
    struct str note;
};
/* Borrowed for the call. */
struct tools_undo_result {
    enum status status;         /* OK, or nothing was changed: CONFLICT, IO */
    struct str why;             /* not OK: what is wrong */
    const char *turn_id;
    VEC(struct tools_undo_file) files;
    struct str diff;            /* unified, of what was changed */
};
typedef void tools_undo_fn(void *user, const struct tools_undo_result *result);
struct tools_undo;
/* turn_id empty: the latest that can be undone, or that was undone last. No call of the thread may be
 * running. on_done comes once, later. Errors: NOT_FOUND when there is nothing to take back. */
struct tools_undo *tools_undo_start(struct tools_thread *thread, struct str turn_id,
                                    enum tools_undo_way way, tools_undo_fn *on_done, void *user,
                                    struct err *err);
void tools_undo_cancel(struct tools_undo *undo);   /* no callback any more */

/* -- Review: what the person has not decided on yet ------------------------------------------------------- */

/* With review "after" what the model changes waits, hunk by hunk, for the person. With "before" it is a
 * proposal: no file changes, but the thread reads, searches and runs its commands on the proposed texts;
 * accepting is what applies it. What the person types meanwhile merges into the proposal. A hunk belongs to the
 * turn that changed its lines last. What the person types is theirs: elsewhere in the file it is no
 * part of a hunk, and a hunk they type in is no longer pending. A hunk whose old lines they bring back
 * (the editor's undo) counts as rejected. Files that were made, deleted or moved are hunks as a whole.
 * What waits outlives the process. */
enum tools_hunk_kind { TOOLS_HUNK_LINES, TOOLS_HUNK_CREATE, TOOLS_HUNK_DELETE, TOOLS_HUNK_MOVE };
struct tools_hunk {
    unsigned id;                     /* within its file; never another's */
    enum tools_hunk_kind kind;
    const char *thread_id, *turn_id;
    size_t old_line, old_count, new_line, new_count;   /* 0-based */
    size_t line, count;              /* of the text on the screen: the new ones, or the old if proposed */
    struct str old_lines, new_lines;
};
/* Borrowed for the call. */
struct tools_review_file {
    const char *path, *display;      /* absolute; as people read it */
    const char *old_path;            /* of a move that waits, else NULL */
    const struct text *now;          /* what the new lines are in; empty for one that was deleted */
    const char *proposed_by;         /* the thread whose proposal it is; NULL: it is applied */
    const struct tools_hunk *hunks;  /* a whole one first, then by line */
    size_t count;
};
/* Empty: any. */
struct tools_review_filter {
    struct str thread_id, turn_id;
    struct str path;                 /* absolute, or as people read it */
};
typedef void tools_review_fn(void *user, const struct tools_review_file *file);
/* Every file with hunks that the filter lets through, with these hunks. */
void tools_review_each(struct tools *tools, const struct tools_review_filter *filter,
                       tools_review_fn *fn, void *user);

enum tools_verdict {
    TOOLS_ACCEPT,
    TOOLS_REJECT,     /* an edit that brings the old lines back; the model is told. Of a proposal,
                         accepting is the edit and rejecting is none */
    TOOLS_AMEND,      /* the person's text in place of the new lines of one hunk, which is accepted so;
                         the model is told */
};
struct tools_decision {
    enum tools_verdict verdict;
    struct tools_review_filter filter;
    const unsigned *hunks;           /* ids, with filter.path; none: all */
    size_t hunk_count;
    struct str text;                 /* AMEND */
};
struct tools_decided {
    enum status status;              /* not OK: nothing was changed, and why */
    struct str why;                  /* OK: what did not go as wanted, or empty */
    size_t count;                    /* hunks */
};
typedef void tools_decided_fn(void *user, const struct tools_decided *decided);
/* on_done comes once, later; with CLOSED when tools_free comes first. STATUS_NOT_FOUND when no such
 * hunk is pending (any more). */
enum status tools_review_decide(struct tools *tools, const struct tools_decision *decision,
                                tools_decided_fn *on_done, void *user, struct err *err);

/* Borrowed for the call. */
struct tools_review_news {
    const char *thread_id, *turn_id; /* "" with a notice that is of no turn */
    size_t pending;                  /* hunks of the turn */
    bool has_told;                   /* the model is to be told something, see below */
    struct str notice;               /* for people, or empty */
};
/* fn is called, later, when what is pending of a turn has changed. */
typedef void tools_review_watch_fn(void *user, const struct tools_review_news *news);
void tools_review_watch(struct tools *tools, tools_review_watch_fn *fn, void *user);
/* The thread is deleted: what is applied stands, what it proposed is gone, nothing of it waits. */
void tools_review_end_thread(struct tools *tools, const char *thread_id);
/* What the model of that thread has to be told of decisions, a line each; each line once. */
void tools_review_take_told(struct tools *tools, const char *thread_id, struct buf *lines);

/* A one-line title for display before it starts: "exec_command: make test". */
void tools_append_title(struct buf *buf, struct str name, struct str arguments);

#endif
