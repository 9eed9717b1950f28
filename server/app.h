/* app: the program behind `lanebridge lsp`: creates the modules in order, says whose callback goes
 * to whose verb, and frees them in reverse. wire.c is how the Responses client gets at real
 * sockets. */
#ifndef LANEBRIDGE_APP_H
#define LANEBRIDGE_APP_H

#include <lanebridge/agent.h>
#include <lanebridge/config.h>
#include <lanebridge/lsp.h>
#include <lanebridge/mcp.h>
#include <lanebridge/memory.h>
#include <lanebridge/net.h>
#include <lanebridge/transport.h>

/* -- Wire: transport_env over net -------------------------------------------------------------- */

struct wire;
/* Borrows all; reads the settings at every open, so that changed ones count from the next
 * connection. */
struct wire *wire_new(struct loop *loop, struct net *net, const struct config *config,
                      const struct config_env *env);
void wire_free(struct wire *wire); /* all its transports must be closed */
struct transport_env wire_env(struct wire *wire);
/* Who knows what travels, for what may be compressed; borrowed. NULL: nothing is. */
void wire_set_responses(struct wire *wire, const struct responses *responses);
/* A key that somebody else has taken or printed: kept if there is none. Its bytes are gone afterwards. */
void wire_keep_key(struct wire *wire, struct buf *key);
/* Whoever can ask the person for the key; the last source of it. */
typedef void wire_key_fn(void *user, struct str key); /* "": there is none */
struct wire_asker {
    bool (*can)(void *user);
    /* done comes later, once. was_refused: the one that was given last is not good. */
    void (*ask)(void *user, bool was_refused, wire_key_fn *done, void *done_user);
    void (*drop)(void *user, void *done_user); /* it does not come */
    void *user;
};
void wire_set_asker(struct wire *wire, const struct wire_asker *asker);
/* Where the key is from, or would be: "environment", "command", "editor", "none needed", or
 * "missing". */
const char *wire_key_source(const struct wire *wire, const struct config *config);
/* Host of endpoint.url, for the profile; "" when it is no URL. */
void wire_endpoint_host(const struct config *config, struct buf *host);
/* The key, once it was taken, for redaction; "" before. */
struct str wire_key(const struct wire *wire);

/* -- The key, from endpoint.apiKeyCommand ------------------------------------------------------ */

struct signals;

/* signals.c: SIGTERM and its like, while the server runs. */
struct signals *signals_new(struct loop *loop, void (*on_signal)(void *user), void *user);
void signals_free(struct signals *signals); /* NULL is fine */

struct key_run;
/* key: may be taken; problem: NULL when there is one. */
typedef void key_run_fn(void *user, struct buf *key, const struct err *problem);
/* done comes later, on the loop; not after key_run_cancel, which must come before done and has the
 * command killed. */
struct key_run *key_run_start(struct loop *loop, const struct config *config, key_run_fn *done,
                              void *user);
void key_run_cancel(struct key_run *run);

/* -- A replay endpoint as a child, for endpoint.url = "replay:FILE" ---------------------------- */

struct replay_child;
/* Starts `lanebridge endpoint` on a unix socket in a private folder under the state folder.
 * on_ready comes later, with STATUS_OK or what went wrong. */
struct replay_child *
replay_child_new(struct loop *loop, struct str file, const struct config_env *env,
                 void (*on_ready)(void *user, enum status status, const char *text), void *user,
                 struct err *err);
const char *replay_child_socket(const struct replay_child *child);
bool replay_child_is_alive(const struct replay_child *child);
void replay_child_free(struct replay_child *child);

/* -- MCP: mcp_http over net -------------------------------------------------------------------- */

struct mcp_wire;
/* Borrows both; all exchanges must be closed before it is freed. */
struct mcp_wire *mcp_wire_new(struct net *net, const struct config *config);
const struct mcp_http *mcp_wire_http(const struct mcp_wire *wire);
void mcp_wire_free(struct mcp_wire *wire);

/* The client with the servers of the settings. Borrows all; workspace and policy may be NULL. */
struct mcp_side;
struct mcp_side *mcp_side_new(struct loop *loop, struct net *net, const struct config *config,
                              const struct config_env *env, const struct workspace *workspace,
                              struct policy *policy);
struct mcp *mcp_side_client(const struct mcp_side *side);
/* Other servers: those before are told to end, and the client is another. Not from its callbacks. */
void mcp_side_set(struct mcp_side *side, struct str servers);
/* Runs the loop for a moment, so that servers learn that it is over. NULL is fine. */
void mcp_side_free(struct mcp_side *side);
/* What there is, as in docs/schema/v1/status.json; side NULL: nothing yet. */
void mcp_side_write(const struct mcp_side *side, struct json_writer *w);

/* -- The endpoint's list of models ------------------------------------------------------------- */

struct models;
/* Borrows all. */
struct models *models_new(struct loop *loop, struct net *net, struct wire *wire,
                          const struct config *config);
/* done comes once, later; not after models_free. */
void models_ask(struct models *models, lsp_models_fn *done, void *user);
void models_free(struct models *models); /* NULL is fine */

/* -- Prices ------------------------------------------------------------------------------------ */

/* False: the settings have none for this model. */
bool prices_find(const struct config *config, struct str model,
                 const struct responses_usage *usage, struct agent_cost *ret_cost);

/* -- Deadlines --------------------------------------------------------------------------------- */

/* The usual ones, shortened by LANEBRIDGE_TEST_DEADLINES. */
struct responses_deadlines app_deadlines(void);

/* -- The program ------------------------------------------------------------------------------- */

/* Serves LSP on the descriptors until exit; returns the exit code. */
int app_serve_lsp(int read_fd, int write_fd);

#endif
