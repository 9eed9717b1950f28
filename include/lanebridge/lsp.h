/* lsp: the language server: methods, lifecycle, text sync, edits, progress, approvals, transcript;
 * and the implementation of host.h for editors. The one module that knows LSP; knows the model only
 * through the agent's events. Contract with editors: docs/schema/v1 and docs/PROTOCOL.md.
 *
 * Invariants: positions leave and enter here, converted by text/; every request is answered once;
 * nothing executes, connects or is written before the first prompt; an edit is judged by the
 * documents' texts afterwards, never by `applied`. */
#ifndef LANEBRIDGE_LSP_H
#define LANEBRIDGE_LSP_H

#include <lanebridge/agent.h>
#include <lanebridge/base.h>
#include <lanebridge/complete.h>
#include <lanebridge/document.h>
#include <lanebridge/host.h>
#include <lanebridge/json.h>
#include <lanebridge/loop.h>
#include <lanebridge/workspace.h>

enum lsp_settings_source { LSP_SETTINGS_INIT, LSP_SETTINGS_WORKSPACE };
enum lsp_code_actions { LSP_ACTIONS_ON, LSP_ACTIONS_SELECTION, LSP_ACTIONS_OFF };
enum lsp_inquiry { LSP_RULES_LIST, LSP_RULES_DELETE, LSP_LOG_SENT };
/* problem: NULL, or why there is none. */
typedef void lsp_models_fn(void *user, const struct err *problem, struct str json);
/* What the program gives the server; functions, because lsp may not know config, net or tools. */
struct lsp_env {
    struct loop *loop;
    struct documents *documents;
    struct workspace *workspace;
    const char *state_folder;        /* transcripts: STATE/threads/thread-ID.md */
    void *user;
    /* Settings as they came; sentences for the user go to `warnings`. */
    void (*settings)(void *user, enum lsp_settings_source source, const struct json_value *object,
                     struct buf *warnings);
    /* Optional. Before what the person asks for, while no answer of the program is waited for: settings that have changed
     * meanwhile are taken. True: agent and completion are gone, and are to be asked for anew. */
    bool (*refresh)(void *user, struct buf *warnings);
    /* Makes the agent at the first prompt (journal, tools, connection). The same one afterwards. */
    struct agent *(*agent)(void *user, const struct host *host, agent_event_fn *on_event,
                           void *event_user, struct err *err);
    /* Optional. Does anything wait for a decision that an earlier process left? Opens nothing. */
    bool (*review_waits)(void *user);
    /* Optional: all of them. */
    enum lsp_code_actions (*code_actions)(void *user);
    /* Inline completion, made at the first need; NULL while it is switched off or cannot be had. */
    struct complete *(*complete)(void *user);
    /* Optional. The person's own prompts: one by name (false: there is none), and all of them. */
    bool (*prompt)(void *user, struct str name, struct buf *text);
    void (*prompts)(void *user, void (*tell)(void *to, struct str name, struct str text), void *to);
    /* Optional. May this file's text go to the model with a prompt, unasked? If not, why. */
    bool (*may_give)(void *user, struct str path, struct buf *why);
    /* Optional. What people may look up or forget, with the result as JSON; id: of a rule, of a turn. */
    enum status (*inquire)(void *user, enum lsp_inquiry what, struct str id, struct buf *json,
                           struct err *err);
    /* Optional. The models to choose from, as the result of model/list; done comes once, later. */
    void (*models)(void *user, lsp_models_fn *done, void *done_user);
    /* The truth for `lanebridge.status` and status/get, as a JSON object. */
    void (*status)(void *user, struct buf *json);
    /* The server has ended: exit code by the spec (0 after shutdown, else 1). */
    void (*on_exit)(void *user, int code);
};
struct lsp_server;
struct lsp_server *lsp_server_new(const struct lsp_env *env, int read_fd, int write_fd,
                                  struct err *err);
void lsp_server_start(struct lsp_server *server);
void lsp_server_free(struct lsp_server *server);

#endif
