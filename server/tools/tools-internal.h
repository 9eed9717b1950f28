/* tools, inside: the table's row, the life of a call, and what the tools share. */
#ifndef LANEBRIDGE_TOOLS_INTERNAL_H
#define LANEBRIDGE_TOOLS_INTERNAL_H

#include <lanebridge/edit.h>
#include <lanebridge/json.h>
#include <lanebridge/text.h>
#include <lanebridge/tools.h>

/* -- A row of the table ---------------------------------------------------------------------- */

enum tool_offer { OFFER_ALWAYS, OFFER_FOR_PATCH, OFFER_FOR_REPLACE };
/* What the editor must be able to do. */
enum tool_need {
    NEED_NOTHING,
    NEED_QUESTIONS,
    NEED_DIAGNOSTICS,
    NEED_NAVIGATION,
    NEED_REFACTOR,
    NEED_HELPERS, /* not of the editor: of tools_set_helpers */
};

struct tool {
    const char *name;
    enum tools_kind kind;
    enum tool_offer offer;
    enum tool_need need;
    bool is_exclusive;     /* runs alone; a tool may lower or raise it in `classify` */
    bool needs_sandbox;    /* the sandbox's self-test comes before classify */
    bool takes_anything;   /* any JSON object: somebody else knows its fields */
    const char *title_key; /* the argument that names the call for people */
    const char *description;
    const char *parameters; /* JSON schema, strict; NULL: a custom tool with the patch grammar */
    const struct json_field *fields;
    size_t field_count;
    size_t state_size; /* of call->state; the struct the fields fill */
    /* Checks and completes what the fields read. Errors become the call's output. */
    enum status (*prepare)(struct tools_call *call, struct err *err);
    bool (*classify)(struct tools_call *call); /* optional: must it run alone? */
    void (*run)(struct tools_call *call);      /* holds the lock; ends in call_end, once */
    /* Stops what is under way. False: too late, the real output will come. */
    bool (*cancel)(struct tools_call *call);
    void (*finish)(struct tools_call *call); /* releases what state owns */
};

extern const struct tool tool_apply_patch, tool_ask_user, tool_code_action, tool_definition,
    tool_diagnostics, tool_edit_file, tool_exec_command, tool_explore, tool_find_files, tool_format,
    tool_grep, tool_list_dir, tool_read_file, tool_references, tool_rename_symbol, tool_symbols,
    tool_update_plan, tool_write_file, tool_write_stdin;
const struct tool *table_find(struct str name);
const struct tool *table_at(size_t index); /* NULL behind the last */
/* Whether the editor can do what the tool is made of. */
bool table_is_possible(const struct tools *tools, const struct tool *tool);
void table_append_names(struct buf *buf);
/* A helper may call it. */
bool table_is_reader(const struct tool *tool);

/* mcp.c: the one row for all tools of MCP servers, which is not in the table. */
extern const struct tool tool_mcp;
bool mcp_is_name(struct str name);
void mcp_append_schemas(const struct tools *tools, struct json_writer *w);
void mcp_append_title(struct buf *buf, struct str name, struct str arguments);

/* -- Tools and their threads ----------------------------------------------------------------- */

struct job;
struct reviews;
struct seen;
struct touched_look;
enum sandbox_test { SANDBOX_UNTESTED, SANDBOX_TESTING, SANDBOX_TESTED };
struct tools {
    struct tools_env env;
    struct tools_deadlines deadlines;
    struct tools_helpers helpers;
    VEC(struct tools_thread *) threads;
    VEC(struct job *) jobs; /* in the pool, also those nobody waits for any more */
    enum sandbox_test sandbox;
    struct err sandbox_error; /* why there is none */
    struct reviews *reviews;  /* what waits for the person */
    unsigned session_count;
    int64_t last_session_id;
    VEC(struct seen) seen; /* files that commands saw with another text than the disk's */
    struct document_observer *observer;
};

/* First come, first served: readers share, a writer has it alone. */
struct schedule {
    VEC(struct tools_call *) queue;
    unsigned readers;
    bool writer;
};
void schedule_push(struct schedule *schedule, struct tools_call *call);
void schedule_remove(struct schedule *schedule, struct tools_call *call); /* not yet granted */
void schedule_release(struct schedule *schedule, struct tools_call *call);
void schedule_pump(struct schedule *schedule); /* grants what may run now, by call_granted */

/* The text of each file as this thread was last shown it; oldest forgotten beyond the limit. */
struct bases {
    struct base {
        char *path;
        struct text *text;
    } * ptr;
    size_t len, cap;
    size_t bytes;
};
void bases_set(struct bases *bases, struct str absolute, struct text *text); /* takes a reference */
const struct text *bases_get(const struct bases *bases, struct str absolute); /* borrowed or NULL */
void bases_remove(struct bases *bases, struct str absolute);
void bases_finish(struct bases *bases);

struct session;
struct hook_run;
struct thread_diags;
struct tools_thread {
    struct tools *tools;
    char *id;
    char *asks_as; /* whose proposals it sees and in whose name it asks: id, but for a helper */
    bool is_helper;
    char *root_path;
    VEC(struct tools_call *) calls;
    VEC(struct session *) sessions;
    VEC(struct hook_run *) hook_runs;
    struct schedule schedule;
    struct bases bases;
    struct buf plan;
    struct map offered; /* what was offered to be run again; no values */
    struct thread_diags *diags;
    VEC(struct touched_look *) looks; /* for what commands changed, in the pool */
    struct tools_undo *waiting_undo;  /* for them; or NULL */
    struct map advised;  /* AGENTS.md that were looked for; no values */
    size_t advice_bytes; /* of those it was given */
    uint64_t unsaved_revision;        /* the person did not save these texts when asked to */
};
/* The folder a thread's relative paths start from, or NULL for the first one. */
const struct workspace_root *thread_root(const struct tools_thread *thread);

/* -- The life of a call ---------------------------------------------------------------------- */

enum call_life { LIFE_NEW, LIFE_QUEUED, LIFE_RUNNING, LIFE_ASKING, LIFE_ENDED };

struct saving;
typedef void call_answer_fn(struct tools_call *call, const struct host_ask_answer *answer);

struct tools_call {
    unsigned refs;
    struct tools *tools;
    struct tools_thread *thread; /* NULL once the thread is gone: nobody is told any more */
    const struct tool *tool;     /* NULL for an unknown name */
    enum call_life life;
    char *id, *name, *turn_id;
    struct buf arguments;
    bool is_custom;
    struct tools_handlers handlers;
    void *user;

    struct json_value *json; /* what state's strings are borrowed from */
    void *state;
    struct job *job;           /* in the pool for us, or NULL */
    call_answer_fn *on_answer; /* an approval is being waited for */
    bool takes_refusal;        /* and a refusal does not end the call */
    int offered;               /* retry.c's own, and of this command */
    int64_t offered_session;
    bool is_ready; /* classified: may leave the queue */
    bool is_exclusive, is_granted, is_recorded, is_cancelled;
    const char *harmless_by; /* who let it run, of one that is recorded when it ends */
    bool was_approved;
    struct buf decision;    /* who let it run or did not, for the audit log */
    const char *sandbox;    /* a command's, for the audit log; NULL: none of its business */
    struct saving *saving;  /* the person is asked to save, or NULL */
    size_t explain_at;      /* in text: what came of that */
    struct hook_run *hooks; /* that run for it now */
    struct buf hook_text;   /* what they have for the model */
    bool is_ending;         /* all but its hooks is over */
    bool ends_untouched;    /* an output of an earlier process: given back as it was */

    uint64_t created_ms, granted_ms, asked_ms, asking_ms;
    size_t output_limit;
    struct buf text, summary, diff;
    VEC(struct str) images; /* owned data URLs, for the model */
    bool ok, unknown;
    int exit_code;
};

struct tools_call *call_ref(struct tools_call *call);
void call_unref(struct tools_call *call);
void call_granted(struct tools_call *call);
/* The sandbox is known now: goes on with a call that waited for it. */
void call_classify(struct tools_call *call);
void call_drop(struct tools_call *call); /* thread is being freed */

/* Records the start in the journal and tells the outside. False: it could not be recorded (or ran
 * before); the call has ended and must not be run. The second time it is a no-op. */
bool call_begin(struct tools_call *call, const char *decision);
/* The same of what has no effects and ends before the loop turns (or is asked about): start and end
 * are recorded as one. `decision` is static. */
void call_begin_harmless(struct tools_call *call, const char *decision);
/* Ends the call with what is in call->text; anything after the first end is ignored. */
void call_end(struct tools_call *call, bool ok);
void call_fail(struct tools_call *call, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void call_fail_err(struct tools_call *call, const struct err *err);
/* The same, by policy's word: the audit log says so. */
void call_refuse(struct tools_call *call, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void call_progress(struct tools_call *call, struct str text); /* last thing its caller does */
/* The person is being asked something with this call as `user`; and has answered. */
void call_wait_for_person(struct tools_call *call, struct str why);
void call_go_on(struct tools_call *call);
/* A line that people find in the transcript. */
void call_note(struct tools_call *call, struct str text);
/* call_hook.c: runs the tool, when the user's hooks let it. */
void call_hooks_before(struct tools_call *call);
/* True: hooks run; call_end_now follows. */
bool call_hooks_after(struct tools_call *call);
bool call_has_hooks(struct tools_call *call);
void call_end_now(struct tools_call *call);
/* Asks the person; fn gets ACCEPT alone. Anything else ends the call with what was said. */
void call_ask(struct tools_call *call, const struct host_ask *ask, call_answer_fn *fn);
/* The same, but fn gets every answer. */
void call_ask_either(struct tools_call *call, const struct host_ask *ask, call_answer_fn *fn);
/* Withdraws the question; the call goes on. */
void call_stop_asking(struct tools_call *call);

/* -- Work in the pool ------------------------------------------------------------------------ */

struct job_ops {
    void (*work)(void *data);    /* pool thread, sees data alone */
    void (*done)(void *data);    /* loop thread; not called once forgotten */
    void (*release)(void *data); /* loop thread, always, last */
};
struct job *job_start(struct tools *tools, const struct job_ops *ops, void *data);
void job_forget(struct job *job);
/* Returns when no work of ours is executing any more; what has not begun never will. */
void job_forget_all(struct tools *tools);

/* False: it is being tested; call_classify comes to what waits for it. */
bool sandbox_is_known(struct tools *tools);

/* -- Output ---------------------------------------------------------------------------------- */

/* Half of the limit from the head, half from the tail, and between them how much was left out
 * (`dropped` bytes were lost between head and tail before). Never cuts a character. */
void output_append_halves(struct buf *out, struct str head, uint64_t dropped, struct str tail,
                          size_t limit);
void output_truncate(struct buf *text, size_t limit);
/* One line for people: printable, newlines to blanks, at most `limit` bytes with "…". */
void output_append_line(struct buf *out, struct str text, size_t limit);
void output_append_size(struct buf *out, uint64_t bytes); /* "812 bytes", "3.4 MiB" */

/* -- A file as it is now: on the screen if open, else on the disk ---------------------------- */

struct now_file {
    char *given; /* as the model wrote it */
    struct workspace_path path;
    struct workspace_path real; /* canonical and pinned: what is checked and read */
    struct buf target;          /* absolute, for the host: the document's own if it is open */
    struct workspace_stat stat;
    struct text *text; /* NULL: it does not exist, or unreadable says why */
    struct text *base; /* as last shown to the thread, or NULL */
    int64_t version;
    bool is_open, was_unsaved;
    bool is_loose;    /* no folder is open: there is the document, and nothing else */
    bool is_proposed; /* the text is a proposal of the thread, no file has it */
    struct buf unreadable;
};
/* advice.c: the AGENTS.md that are for this file, if the thread has them not yet. */
struct now_file;
void advice_append(struct tools_call *call, const struct now_file *file);
/* Resolves the path; errors are sentences for the model. */
enum status now_resolve(struct tools_call *call, struct str given, struct now_file *ret_file,
                        struct err *err);
enum status now_resolve_for(const struct tools_thread *thread, struct str given,
                            struct now_file *ret_file, struct err *err);
/* loose.c: the same while no folder is open; and why something cannot be had then. */
enum status loose_resolve(const struct tools *tools, struct str given, struct now_file *ret_file,
                          struct err *err);
enum status loose_refuse(const struct tools *tools, struct err *err);
/* Loop thread: what the editor knows of it. False: it is not open, now_read must look. */
bool now_look(const struct tools *tools, struct now_file *file);
/* Pool thread: reads the disk unless it is open. */
void now_read(struct now_file *file, size_t limit_bytes);
/* Loop thread: the thread's own proposal in its place. True: there is one, nothing is to be read.
 */
bool now_overlay(const struct tools_thread *thread, struct now_file *file);
void now_clear(struct now_file *file); /* forgets the text, keeps the path */
void now_finish(struct now_file *file);
struct str now_key(const struct now_file *file); /* for bases */

/* Policy's word on a path, asked for if need be, then fn. */
void path_permit(struct tools_call *call, const struct workspace_path *path,
                 enum policy_access access, call_answer_fn *fn);

/* -- Searches -------------------------------------------------------------------------------- */

struct search_state {
    struct workspace_path path;
    struct workspace_job *job;
};
typedef struct workspace_job *search_start_fn(struct workspace *workspace,
                                              const struct workspace_search *search,
                                              workspace_results_fn *on_done, void *user);
enum status search_resolve(struct tools_call *call, struct str path, struct search_state *search,
                           struct err *err);
/* Fills what all searches share, begins the call and starts. */
void search_run(struct tools_call *call, struct search_state *state, search_start_fn *start,
                struct workspace_search *search, workspace_results_fn *on_done);
bool search_cancel(struct search_state *state);
void search_finish(struct search_state *state);
/* A reader's integer argument within its bounds, named if not. */
enum status argument_range(const char *name, int64_t value, int64_t min, int64_t max,
                           struct err *err);

/* -- Edits ----------------------------------------------------------------------------------- */

struct change;
/* What the state of every editing tool begins with. */
struct change_state {
    struct str input; /* the free text of a custom tool */
    struct change *change;
};
enum change_kind { CHANGE_PATCH, CHANGE_REPLACE, CHANGE_WRITE, CHANGE_PROPOSED };
struct change *change_new_patch(struct str text, struct err *err);
struct change *change_new_replace(struct str path, struct str old_string, struct str new_string,
                                  bool replace_all);
struct change *change_new_write(struct str path, struct str content);
void change_unref(struct change *change);
/* Rows of the table, on a state that begins with change_state: plans, asks, applies, records, saves
 * and ends the call; false once the host has it; releases the change. */
void change_run(struct tools_call *call);
bool change_cancel(struct tools_call *call);
void change_finish(struct tools_call *call);

/* -- Review (review-internal.h): what an edit that was applied means for it ------------------- */

/* An edit goes to the host; what is typed from now on is looked at when it has ended. */
void review_hold(struct tools *tools);
void review_release(struct tools *tools);
/* One file as an edit left it. Paths are absolute; before and after NULL where there is none. */
struct review_change {
    enum edit_kind kind;
    struct str path, new_path, display;
    const struct text *before, *after;
};
void review_record(struct tools *tools, const char *thread_id, const char *turn_id,
                   const struct review_change *change);
/* The same of what a command did to a file, which the editor may not show yet. */
void review_record_command(struct tools *tools, const char *thread_id, const char *turn_id,
                           const struct review_change *change);
/* Review "before": the change is a proposal, which this thread sees as if it were made. */
void review_propose(struct tools *tools, const char *thread_id, const char *turn_id,
                    const struct review_change *change);
bool review_is_proposed(const struct tools *tools, const char *path); /* by any thread */
bool review_has_proposal(const struct tools_thread *thread, struct str path);
/* Is it the text that the thread sees now? NULL: no file. */
bool review_is_current(const struct tools_thread *thread, struct str path,
                       const struct text *before);
/* Every path that is other than on the screen and the disk for this thread; text NULL: not there.
 */
typedef void review_overlay_fn(void *user, const char *path, const struct text *text);
void review_overlay_each(const struct tools_thread *thread, review_overlay_fn *fn, void *user);
/* One file as an undo or a redo left it: the person's doing. */
void review_record_undo(struct tools *tools, const struct review_change *change);
/* Nothing of the turn waits any more. */
void review_end_turn(struct tools *tools, const char *turn_id);
/* What the editor makes of it while it saves is part of the hunks. */
void review_saving(struct tools *tools, const char *const *paths, size_t count, bool begins);

/* -- Commands -------------------------------------------------------------------------------- */

/* Output kept between two looks: its head and its tail, the middle is dropped. */
struct ring {
    struct buf head;
    char *tail;
    size_t tail_len, tail_start;
    uint64_t dropped;
};
void ring_append(struct ring *ring, struct str bytes);
void ring_take(struct ring *ring, size_t limit, struct buf *out); /* printable; leaves it empty */
/* The last bytes as they came; the ring keeps them. */
void ring_peek(const struct ring *ring, size_t limit, struct buf *out);
void ring_finish(struct ring *ring);

struct session_options {
    const char *turn_id;           /* copied */
    struct policy_command command; /* its texts are copied */
    bool sandboxed;
};
/* Errors: STATUS_LIMIT when too many run. What goes wrong later is what session_wait gives. */
struct session *session_start(struct tools_thread *thread, const struct session_options *options,
                              struct err *err);
struct session *session_find(const struct tools_thread *thread, int64_t id);
/* The call waits for the command's end or for yield_ms, then it is ended with what there is. */
void session_wait(struct session *session, struct tools_call *call, uint64_t yield_ms,
                  size_t limit_bytes);
enum status session_write(struct session *session, struct str chars, struct err *err);
void session_kill(struct session *session, const char *why);
/* The waiting call is told nothing more; the command is killed. */
void session_abandon(struct session *session, struct tools_call *call);
void session_free(struct session *session);
bool session_has_stdin(const struct session *session);
/* What it runs; and whether the user lets the model type what it likes into it. */
const struct policy_command *session_command(const struct session *session);
void session_allow_input(struct session *session);
bool session_input_is_allowed(const struct session *session);
/* The user approved a change of this file while commands run: it is not theirs. */
void sessions_excuse(struct tools *tools, struct str absolute_path);

#endif
