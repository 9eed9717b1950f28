/* Inside of the language server.
 *   server.c      the object, the method table, dispatch
 *   lifecycle.c   initialize … exit, settings, folders
 *   sync.c        open, change, save, close
 *   convert.c     positions and URIs, in and out
 *   quirks.c      what this client really does
 *   command.c     workspace/executeCommand
 *   start.c       starting a turn, for commands and the rich layer; preview.c: what it would send
 *   inputs.c      what was given along; image.c, mentions.c, surroundings.c, gather.c: see
 *                 given-internal.h
 *   undo.c        taking a turn back
 *   threads.c     which thread, and the agent's events on their way to the client
 *   progress.c    $/progress of turns
 *   catalog.c     the threads of the journal
 *   markdown.c    what happens in one, as Markdown
 *   transcript.c  the thread as a file
 *   status.c      lanebridge.status
 *   takeover.c    threads that another editor has
 *   trust.c       the question before the first turn in a folder
 *   host.c        host.h for the tools: save, show, drop
 *   plan.c        a change set as a WorkspaceEdit
 *   apply.c       sending it, and judging what came of it
 *   direct.c      writing what the client cannot
 *   approval.c    questions
 *   audit.c       what people may look up and take back
 *   inquiry.c     what the model asks the person
 *   secret.c      what the plugin keeps for the person
 *   ask_editor.c  what the editor's own language servers know and propose
 *   incoming.c    a WorkspaceEdit as a change set
 *   rich.c        lanebridge/… methods
 *   accept.c      a plan becomes a turn
 *   queue.c       prompts that wait, asking again
 *   modes.c       model, effort and mode of a thread; which models there are
 *   inline.c      inline completion
 *   commit.c      commit messages
 *   actions.c     code actions that start a turn
 *   completion.c  what a prompt in the transcript can name
 *   prompts.c     the person's own prompts, and turns that are asked for by name
 *   review.c      what waits for the person's decision, hunks.c: where it is */
#ifndef LANEBRIDGE_LSP_INTERNAL_H
#define LANEBRIDGE_LSP_INTERNAL_H

#include <lanebridge/edit.h>
#include <lanebridge/jsonrpc.h>
#include <lanebridge/lsp.h>

enum lsp_state { LSP_NEW, LSP_RUNNING, LSP_SHUT_DOWN, LSP_ENDED };

/* What the client said it can do, corrected by what is known of it. */
struct lsp_client {
    char name[64];
    bool apply_edit, document_changes, create_files, rename_files, delete_files;
    bool inline_completion, progress, show_document, configuration, register_configuration;
    /* the rich layer */
    bool rich, rich_approvals, rich_questions, rich_save, rich_review;
    bool rich_diagnostics, rich_navigation, rich_refactor, rich_secrets;
    bool refreshes_lenses, no_proposals;
    bool registers_completion; /* for some files alone, while it runs */
    bool tells_no_context; /* found out by asking */
    unsigned context_silences; /* in a row */
};

/* How long an edit may take to show in the texts once the client has answered; tests shrink them. */
struct apply_waits {
    uint64_t settle_ms;
    uint64_t typed_ms;   /* a no because the person typed: what they typed is here */
    uint64_t refused_ms; /* a no out of the blue: eglot tells changes half a second late */
};
extern const struct apply_waits apply_waits_default;

struct lsp_server {
    struct lsp_env env;
    struct jsonrpc_peer *peer;
    enum lsp_state state;
    bool client_gone;
    enum position_encoding encoding;
    struct lsp_client client;
    int64_t parent_pid;
    struct loop_timer *parent_timer, *leave_timer;
    int exit_code;
    bool has_left;
    bool trusted; /* the editor vouches for its folders */
    struct host host;
    struct host_ops host_ops; /* what this client can do */
    struct agent *agent; /* NULL before the first prompt */
    VEC(struct apply_job *) applies;
    const struct apply_waits *apply_waits;
    VEC(struct plan_offer *) plan_offers;
    VEC(struct model_wish *) model_wishes;
    VEC(struct commit_request *) commits;
    VEC(struct asking *) askings; /* open questions to the editor */
    VEC(struct trust_question *) trusts;
    VEC(struct turn_start *) starts; /* asked for, and not begun */
    VEC(struct gathering *) gathers; /* turns that wait for the editor, in order */
    VEC(struct turn_view *) turns; /* running ones, for progress */
    VEC(struct transcript *) transcripts;
    uint64_t transcript_ms;             /* when one of them was written to disk */
    VEC(struct pending_delta *) deltas; /* rich layer, coalesced */
    struct loop_timer *delta_timer;
    struct loop_timer *refresh_timer; /* of lenses */
    bool review_looked;               /* whether something waits from an earlier time */
    struct completion *completion;      /* the only one that is not answered yet */
    struct inline_request *inline_open; /* the only one that is not answered yet */
    struct responses_status connection, told_connection; /* rich layer: as it is, and as was said */
    char offered_thread[ID_BYTES]; /* to be continued */
    char last_thread[ID_BYTES];    /* in which a turn began last */
    char carried_thread[ID_BYTES]; /* that, when the agent was closed for another endpoint: to be gone on with */
    bool has_offered;
    bool connection_waits;                               /* to be told, if it stays so */
    struct loop_timer *connection_timer;
};

typedef void lsp_method_fn(struct lsp_server *server, const struct jsonrpc_message *message);
struct lsp_method {
    const char *name;
    lsp_method_fn *handle;
};
/* Each file's methods; ended by a NULL name. server.c joins them. */
extern const struct lsp_method lifecycle_requests[], lifecycle_notifications[];
extern const struct lsp_method sync_notifications[];
extern const struct lsp_method command_requests[];
extern const struct lsp_method progress_notifications[];
extern const struct lsp_method audit_requests[];
extern const struct lsp_method rich_requests[];
extern const struct lsp_method review_requests[];
extern const struct lsp_method inline_requests[];
bool inline_cancel(struct lsp_server *server, struct str id);
extern const struct lsp_method commit_requests[];
bool commit_cancel(struct lsp_server *server, struct str id);
void commits_finish(struct lsp_server *server);
void inline_free(struct lsp_server *server);
extern const struct lsp_method completion_requests[];
void completion_finish(struct lsp_server *server);
extern const struct lsp_method prompts_requests[];
/* The first line of a prompt that says something. */
void prompts_append_summary(struct str text, struct buf *summary);
/* Appends the prompt; "/NAME more" as the person's prompt of that name and what is more. */
void prompts_expand(struct lsp_server *server, struct str prompt, struct buf *out);
/* False: there is no such target. */
bool prompts_append_review(struct str target, struct str base, struct buf *out);
extern const char prompts_commit_message[];
/* A member "command" that names a thread, and a code action with one. */
void actions_write_command(struct json_writer *w, const char *title, const char *command,
                           struct str thread_id);
void actions_write_for_thread(struct json_writer *w, const char *title, const char *command,
                              struct str thread_id);
/* Adds the code actions that start a turn, where the request's place calls for them. */
void actions_append(struct lsp_server *server, const struct json_value *params,
                    struct json_writer *w);
/* Answers the request once it is done; on an error nobody has answered yet. */
enum status undo_start(struct lsp_server *server, struct str request_id,
                       struct agent_thread *thread, struct str turn_id, enum tools_undo_way way,
                       struct err *err);

/* -- server.c ---------------------------------------------------------------------------------- */
void server_end(struct lsp_server *server, int code);
/* type: 1 error, 2 warning, 3 info */
void server_show_message(struct lsp_server *server, int type, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void server_log_message(struct lsp_server *server, int type, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void server_ignore_answer(void *user, const struct jsonrpc_answer *answer);
/* The agent, made at the first need; NULL with err set. */
struct agent *server_agent(struct lsp_server *server, struct err *err);
/* Takes back what an earlier process left half done in the folders that are open, and says so. */
void server_repair(struct lsp_server *server);

/* -- lifecycle.c ------------------------------------------------------------------------------- */
/* What has changed in the user's settings file since it was read. */
void lifecycle_take_news(struct lsp_server *server);
void lifecycle_append_capabilities(const struct lsp_server *server, struct buf *json);

/* -- quirks.c ---------------------------------------------------------------------------------- */
void quirks_read(struct lsp_client *client, const struct json_value *initialize_params);

/* -- convert.c --------------------------------------------------------------------------------- */
/* Canonical absolute path of a file URI (links resolved as far as the file exists), with its
 * identity. */
enum status convert_uri(struct str uri, struct buf *path, uint64_t *ret_device, uint64_t *ret_inode,
                        struct err *err);
enum status convert_position(const struct lsp_server *server, const struct text *text,
                             const struct json_value *position, size_t *ret_offset,
                             struct err *err);
enum status convert_range(const struct lsp_server *server, const struct text *text,
                          const struct json_value *range, size_t *ret_start, size_t *ret_end,
                          struct err *err);
void convert_write_position(const struct lsp_server *server, struct json_writer *w, const char *key,
                            const struct text *text, size_t offset);
void convert_write_range(const struct lsp_server *server, struct json_writer *w,
                         const struct text *text, size_t start, size_t end);
/* The client's own spelling where it has the file open. */
void convert_write_uri(const struct lsp_server *server, struct json_writer *w, const char *path);
/* The path as a person reads it: relative to its root. Borrowed from path. */
struct str convert_display(const struct lsp_server *server, struct str path);
/* The open folder of that URI, or the one that holds it; empty: of the document used last. NOT_FOUND. */
enum status convert_folder(struct lsp_server *server, struct str uri,
                           const struct workspace_root **ret_root, struct err *err);
/* The root that holds the path, or the first; NULL when there is none. */
const struct workspace_root *convert_root_of(const struct lsp_server *server, struct str path);
/* The text of a file now: the document if open and not behind its file, else the disk. NULL when there is none. */
struct text *convert_text_now(const struct lsp_server *server, const char *path);

/* -- threads.c --------------------------------------------------------------------------------- */
void threads_on_event(void *user, const struct agent_event *event);
struct agent_thread *threads_pick(struct lsp_server *server, struct agent *agent,
                                  struct str thread_id, struct str root_path, struct err *err);
/* Warmed up if the folder is trusted: a warm-up sends its AGENTS.md. */
struct agent_thread *threads_start(struct lsp_server *server, struct agent *agent,
                                   struct str root_path, struct err *err);

/* -- progress.c -------------------------------------------------------------------------------- */
void progress_begin(struct lsp_server *server, const struct agent_event *event);
void progress_report(struct lsp_server *server, const char *turn_id, struct str text);
void progress_end(struct lsp_server *server, const struct agent_event *event);
void progress_free(struct lsp_server *server);
/* A token that came with a command: begin and end at once, before its answer. */
void progress_answer_token(struct lsp_server *server, const struct json_value *params);

/* -- markdown.c -------------------------------------------------------------------------------- */
struct markdown {
    struct buf text;
    struct buf item_id; /* the message whose deltas are being written, and how much of it is */
    size_t item_bytes;
};
void markdown_add_title(struct markdown *markdown, struct str title);
void markdown_add_item(struct markdown *markdown, const struct agent_event *event);
/* What a turn has used; nothing where that is not known. */
void markdown_add_usage(struct markdown *markdown, const struct responses_usage *usage,
                        const struct agent_cost *cost);
void markdown_finish(struct markdown *markdown);

/* -- catalog.c --------------------------------------------------------------------------------- */
extern const struct lsp_method catalog_requests[];
/* The Thread of docs/schema/v1. */
void catalog_write_thread(const struct lsp_server *server, struct json_writer *w,
                          const struct journal_thread *thread);
enum status catalog_write_by_id(struct lsp_server *server, struct agent *agent,
                                struct json_writer *w, struct str id, struct err *err);

/* -- transcript.c ------------------------------------------------------------------------------ */
void transcript_on_event(struct lsp_server *server, const struct agent_event *event);
void transcript_show(struct lsp_server *server, const char *thread_id, bool take_focus);
/* Writes a line where the next prompt goes, and shows it. */
void transcript_write_prompt(struct lsp_server *server, const char *thread_id, struct str line);
/* What the person wrote below the prompt heading of an open transcript; "" if nothing. Copied. */
void transcript_take_prompt(struct lsp_server *server, const char *thread_id, struct buf *prompt);
/* The same, and it stays. */
void transcript_peek_prompt(struct lsp_server *server, const char *thread_id, struct buf *prompt);
/* The editor has closed this file: if it is a transcript, the disk has it from now on. */
void transcript_on_closed(struct lsp_server *server, struct str path);
/* The thread whose transcript this path is; "" if none. */
struct str transcript_thread_of(const struct lsp_server *server, struct str path);
/* The file of a thread, of this process or an earlier one. */
bool transcript_is(const struct lsp_server *server, struct str path);
/* Where the person's prompt begins in its text. */
size_t transcript_prompt_offset(struct str text);
/* The thread is gone, and with it what was written of it. */
void transcript_forget(struct lsp_server *server, struct str thread_id);
void transcripts_free(struct lsp_server *server);

/* What lenses show has changed. */
void review_refresh_lenses(struct lsp_server *server);

/* -- takeover.c -------------------------------------------------------------------------------- */
/* True: the path is the transcript of a thread that another editor has. */
bool takeover_append_action(struct lsp_server *server, struct str path, struct json_writer *w);
void takeover_append_lens(struct lsp_server *server, struct str path, struct json_writer *w);
/* What to add to an error that says that another editor has the thread; "" to any other. */
const char *takeover_hint(const struct lsp_server *server, const struct err *err);
/* Its transcript, to be read. False: it cannot be shown, or nobody else has it. */
bool takeover_show(struct lsp_server *server, struct str thread_id);
/* thread_id empty: that of the transcript that was used last. */
struct agent_thread *takeover_take(struct lsp_server *server, struct str thread_id,
                                   struct err *err);

/* -- trust.c ----------------------------------------------------------------------------------- */
bool trust_is_given(const struct lsp_server *server, struct str root_path);
/* Calls go(user, yes) after the person answered; or drop(user) when the server ends before. */
void trust_need(struct lsp_server *server, struct str root_path, void (*go)(void *user, bool yes),
                void (*drop)(void *user), void *user);
void trust_tell(struct lsp_server *server, struct str root, bool yes);
void trust_free(struct lsp_server *server);

/* gather.c: drops what waits for the editor */
void gathers_free(struct lsp_server *server);

/* -- host.c, approval.c, apply.c, plan.c ------------------------------------------------------- */
/* Fills host_ops by what the client can do. */
void host_init_ops(struct lsp_server *server);
void approval_ask(void *host, const struct host_ask *ask, host_ask_fn *on_answer, void *user);
void apply_start(void *host, const struct host_change *changes, size_t count, const char *label,
                 host_apply_fn *on_done, void *user);
void apply_drop(struct lsp_server *server, void *user);
void applies_free(struct lsp_server *server);

/* -- asking.c: a question to the editor, answered once or dropped by who asked; the first member of what goes with it --- */
struct asking;
typedef void asking_answer_fn(struct asking *asking, const struct jsonrpc_answer *answer);
struct asking {
    struct lsp_server *server;
    int64_t request;          /* 0: none is open */
    struct loop_timer *timer; /* when it could not be asked: tells so */
    enum status unasked;
    asking_answer_fn *on_answer;
    void (*release)(struct asking *asking); /* frees what it is the first member of */
    void *user;                             /* who asked */
};
void asking_begin(struct asking *asking, struct lsp_server *server,
                  void (*release)(struct asking *asking), void *user);
/* Where it cannot be sent, on_answer hears CLOSED from the loop. May be sent again from on_answer. */
void asking_send(struct asking *asking, const char *method, struct str params,
                 asking_answer_fn *on_answer);
/* Without asking: on_answer hears this status from the loop. */
void asking_skip(struct asking *asking, enum status status, asking_answer_fn *on_answer);
/* Nobody can drop it from then on. */
void asking_unlist(struct asking *asking);
void asking_free(struct asking *asking);
void askings_drop(struct lsp_server *server, const void *user);
void askings_free(struct lsp_server *server);

/* -- inquiry.c, ask_editor.c, incoming.c ------------------------------------------------------- */
void inquiry_ask(void *host, const struct host_inquiry *asked, host_inquire_fn *on_answer,
                 void *user);
void secret_ask(void *host, const char *name, bool was_refused, host_done_fn *on_done, void *user);
void ask_editor_diagnostics(void *host, const char *const *paths, size_t count,
                            host_diagnostics_fn *on_done, void *user);
void ask_editor_locate(void *host, const struct host_query *query, host_locations_fn *on_done,
                       void *user);
void ask_editor_propose(void *host, const struct host_query *query, host_proposal_fn *on_done,
                        void *user);

/* Texts that changed since then are not those the edit was made for. */
struct incoming_since {
    uint64_t revision; /* of documents */
    uint64_t wall_ms;  /* of files */
};
struct incoming {
    VEC(struct host_change) changes; /* owned */
};
/* `edit` may be absent: no changes. Errors: CONFLICT when a text is another one by now; sentences that
 * name the file. On an error there are no changes. */
enum status incoming_read(const struct lsp_server *server, const struct json_value *edit,
                          const struct incoming_since *since, struct incoming *ret_incoming,
                          struct err *err);
void incoming_finish(struct incoming *incoming);

/* One file of a change set, kept while it is applied. */
struct planned {
    enum host_change_kind kind;
    char *path, *new_path;
    struct text *before, *after;
};
/* Appends the params of workspace/applyEdit. Open documents carry their version. */
void plan_append_params(const struct lsp_server *server, const struct planned *files, size_t count,
                        const char *label, struct buf *params);
/* `text` with the edits before→after put at the same line and character numbers, as a client does
 * that applies a stale edit; NULL where they do not fit. */
struct text *plan_apply_stale(const struct text *before, const struct text *after,
                              const struct text *text);
/* Whether these edits, put like that on the first state, one by one or all at once, lead over all of the
 * states to the last. */
bool plan_leads(const struct text *before, const struct text *after, struct text *const *states,
                size_t count);

enum status direct_check(const struct lsp_server *server, const struct planned *plan,
                         struct err *err); /* it can be done so */
/* Creates, updates, deletes and moves files that are not open: all of them or none. CONFLICT where
 * a file no longer holds the text of its plan. */
enum status direct_write(struct lsp_server *server, const struct planned *const *plans,
                         size_t count, struct err *err);

/* -- review.c, hunks.c ------------------------------------------------------------------------- */
void review_on_event(struct lsp_server *server, const struct agent_event *event);
void review_free(struct lsp_server *server);
/* Commands: the hunks at a place of a file; all of a file, a turn, or all there are. */
void review_hunk_command(struct lsp_server *server, struct str id,
                         const struct json_value *argument, enum tools_verdict verdict);
void review_all_command(struct lsp_server *server, struct str id,
                        const struct json_value *argument, enum tools_verdict verdict);

/* -- status.c ---------------------------------------------------------------------------------- */
void status_command(struct lsp_server *server, struct str id);

/* -- rich.c
 * --------------------------------------------------------------------------------------------------
 */
void rich_on_event(struct lsp_server *server, const struct agent_event *event);
/* Answers with an error, by what went wrong; and with the thread, and the turn (or "") that was started
 * along with it. */
void rich_fail(struct lsp_server *server, const struct jsonrpc_message *message,
               const struct err *err);
void rich_respond_thread(struct lsp_server *server, const struct jsonrpc_message *message,
                         struct str thread_id, const char *turn_id);
/* The Item of docs/schema/v1. */
/* The Usage of docs/schema/v1. */
void rich_write_usage(struct json_writer *w, const char *key, const struct responses_usage *usage,
                      const struct agent_cost *cost);
void rich_write_item(struct json_writer *w, const struct agent_event *event);
void rich_free(struct lsp_server *server);
/* -- queue.c */
extern const struct lsp_method queue_requests[];
/* Member "turns": what waits; NULL: nothing. */
void queue_write(struct json_writer *w, const struct agent_thread *thread);

/* -- accept.c */
extern const struct lsp_method accept_requests[];
/* A turn that planned has ended: asks the person, once, whether it is carried out. */
void accept_offer(struct lsp_server *server, const struct agent_event *event);
void accept_free(struct lsp_server *server);

/* -- modes.c */
extern const struct lsp_method modes_requests[];
void modes_free(struct lsp_server *server);
/* Members model, effort and mode of the params, as far as they are there, for that thread. */
enum status modes_choose(struct lsp_server *server, const char *thread_id,
                         const struct json_value *params, struct err *err);

/* Starts a turn for a command or a rich request and answers the message. */
struct turn_wish {
    struct str prompt, thread_id, uri, mode;
    struct str root; /* of a new thread; empty: that of what was given, or of what the person is at */
    const struct json_value *range;
    const struct json_value *input; /* what was given along, as the rich layer has it; or NULL */
    const char *instruction; /* put before the prompt: "Explain this." … or NULL */
    bool show_transcript;
    bool is_rich; /* the answer's shape: {turn:{id}} */
};
void turn_request(struct lsp_server *server, const struct jsonrpc_message *message,
                  const struct turn_wish *wish);
/* True: it was not begun, and never will be; its request has still to be answered (cancel) or is (stop). */
bool turn_cancel_request(struct lsp_server *server, struct str id);
/* Those of the thread that wait for the editor or for the person's trust; empty: all. */
bool turn_stop_pending(struct lsp_server *server, struct str thread_id);
void starts_finish(struct lsp_server *server);
/* The answer of the rich layer to what has started a turn. */
void turn_answer_started(struct lsp_server *server, const struct jsonrpc_message *message,
                         const char *thread_id, const char *turn_id, bool queued);
/* Answers with what the request would hold that this leads to. */
void turn_preview_request(struct lsp_server *server, const struct jsonrpc_message *message,
                          const struct turn_wish *wish);
/* The document with this URI, or the one used last; NULL when there is none. */
const struct document *turn_wished_document(struct lsp_server *server, struct str uri);
/* The same for the turn that runs in the thread the wish names; empty id: whichever. */
void turn_steer_request(struct lsp_server *server, const struct jsonrpc_message *message,
                        const struct turn_wish *wish, struct str turn_id);
/* Has the thread compacted, in a turn, and answers the message as if it had been asked. */
void turn_compact_request(struct lsp_server *server, const struct jsonrpc_message *message,
                          struct agent_thread *thread, bool is_rich);

#endif
