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
};
struct tools *tools_new(const struct tools_env *env);
void tools_free(struct tools *tools);    /* threads first; waits for work that is executing */

/* How long commands may take, in milliseconds; tests shrink them. */
struct tools_deadlines {
    uint64_t foreground_ms;    /* without anybody looking at its output */
    uint64_t background_ms;    /* in all */
    uint64_t yield_min_ms;     /* least value of yield_time_ms */
};
extern const struct tools_deadlines tools_deadlines_default;
void tools_set_deadlines(struct tools *tools, const struct tools_deadlines *deadlines);

/* Appends the tools array of a request: byte-stable for the same choice. */
enum tools_edit_style { TOOLS_EDIT_PATCH, TOOLS_EDIT_REPLACE };
void tools_append_schema(const struct tools *tools, enum tools_edit_style style, struct buf *json);

/* -- A thread's side: bases shown to it, running commands, its plan ------------------------------------ */
struct tools_thread;
struct tools_thread *tools_thread_new(struct tools *tools, const char *thread_id,
                                      struct str root_path);
void tools_thread_free(struct tools_thread *thread);    /* cancels calls, kills commands, no callbacks */
struct str tools_thread_plan(const struct tools_thread *thread);   /* JSON of update_plan, or "" */

struct tools_request {
    struct str call_id, name;
    struct str arguments;       /* JSON text, or the free text of a custom tool */
    bool is_custom;
    const char *turn_id;
};
enum tools_kind { TOOL_READ, TOOL_SEARCH, TOOL_EDIT, TOOL_COMMAND, TOOL_PLAN, TOOL_OTHER };
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
};
struct tools_handlers {
    void (*on_started)(void *user, enum tools_kind kind, struct str title);   /* it really begins */
    void (*on_waiting)(void *user, struct str why);                           /* e.g. for an approval */
    void (*on_progress)(void *user, struct str text);                         /* command output */
    void (*on_done)(void *user, const struct tools_output *output);
};
struct tools_call;
/* Never NULL. on_done comes later, never before this returned. `request` is copied. The journal knows
 * the call as done before on_done comes. Saved outputs of an earlier process are given back as they
 * were; a call found only started answers `unknown` and does not run. */
struct tools_call *tools_call_start(struct tools_thread *thread, const struct tools_request *request,
                                    const struct tools_handlers *handlers, void *user);
/* on_done still comes, with "cancelled by the user" or the real output if it was too late. */
void tools_call_cancel(struct tools_call *call);
/* A one-line title for display before it starts: "exec_command: make test". */
void tools_append_title(struct buf *buf, struct str name, struct str arguments);

#endif
