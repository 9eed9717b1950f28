/* mcp: a client of the Model Context Protocol: the user's own servers, as programs on their standard
 * streams or over streamable HTTP, and the tools they offer. Knows no socket (mcp_http below is a seam),
 * no policy and no thread: who calls a tool has asked whether it may be called.
 *
 * Invariants: no program is started and nothing is contacted before mcp_prepare or a call; what is
 * started comes from the setting alone, never from the workspace; a call that was sent is never sent
 * again, and ends in one on_done; no callback before the function that caused it has returned; what a
 * server says is data, and bounded (LIMIT_MCP_…); names of tools do not depend on each other, and their
 * order is that of the names.
 * Not built: OAuth (a token comes by variable or command), resources, prompts, sampling, elicitation,
 * HTTP+SSE of 2024, resuming of event streams.
 * Source: modelcontextprotocol.io, revisions 2024-11-05 to 2025-11-25; docs/PROTOCOL.md. */
#ifndef LANEBRIDGE_MCP_H
#define LANEBRIDGE_MCP_H

#include <lanebridge/base.h>
#include <lanebridge/json.h>
#include <lanebridge/loop.h>

/* -- HTTP, as a seam: one exchange -------------------------------------------------------------------- */

struct mcp_http_exchange;
struct mcp_http_request {
    const char *method, *url;           /* POST, GET, DELETE */
    const char *const *headers;         /* "name: value", names in lower case */
    size_t header_count;
    struct buf *body;                   /* taken; NULL for none */
};
struct mcp_http_end {
    enum status status;                 /* OK: an answer, whatever its code, came to its end */
    char text[512];                     /* else what is wrong and what to do */
};
struct mcp_http_handlers {
    /* session: the header mcp-session-id, or empty. */
    void (*on_head)(void *user, int status, struct str session);
    /* One event's data, or the whole of another body (at most LIMIT_MCP_MESSAGE_BYTES). */
    void (*on_message)(void *user, struct str message);
    void (*on_end)(void *user, const struct mcp_http_end *end);     /* last */
};
struct mcp_http {
    void *user;
    /* NULL and err when it cannot even be tried (a bad URL). No callback before it has returned. */
    struct mcp_http_exchange *(*open)(void *user, const struct mcp_http_request *request,
                                      const struct mcp_http_handlers *handlers, void *handlers_user,
                                      struct err *err);
    void (*close)(struct mcp_http_exchange *exchange);    /* frees; no callback any more; in any callback */
};

/* -- The client ---------------------------------------------------------------------------------------- */

/* Milliseconds; tests shrink them. */
struct mcp_deadlines {
    uint64_t start;      /* of a server, to its list of tools, unless the setting says otherwise */
    uint64_t wait;       /* that mcp_prepare waits for servers to start */
    uint64_t call;       /* of a tool, unless the setting says otherwise */
    uint64_t backoff;    /* before the first restart; doubled up to five times */
    uint64_t again;      /* before what failed to start is tried again by mcp_prepare */
    uint64_t stop;       /* that mcp_stop waits for servers to end */
};
extern const struct mcp_deadlines mcp_deadlines_default;

struct mcp_env {
    struct loop *loop;
    const struct mcp_http *http;                           /* NULL: servers by URL fail */
    const char *(*get)(const char *name);                  /* the environment */
    const char *home;                                      /* where programs run; never the workspace */
    /* Appends a JSON array of {"uri", "name"}: the folders of the workspace. Optional. */
    void (*append_roots)(void *user, struct buf *json);
    /* Optional. A token was read: nothing that is shown may hold it. */
    void (*on_secret)(void *user, struct str secret);
    void *user;
    const struct mcp_deadlines *deadlines;                 /* copied; NULL: the default */
};
struct mcp;
/* servers: the setting mcp.servers, a JSON object. What is wrong in it is left out (mcp_check says it). */
struct mcp *mcp_new(const struct mcp_env *env, struct str servers);
/* Programs that still run are killed, calls dropped; no callbacks. Not from within a callback. */
void mcp_free(struct mcp *mcp);
/* Tells servers that it is over. False: there is none to tell, and on_stopped does not come. */
bool mcp_stop(struct mcp *mcp, void (*on_stopped)(void *user), void *user);
/* Appends one sentence a line for everything in the setting that is not as it should be. */
void mcp_check(struct str servers, struct buf *warnings);

/* Starts the servers that do not run. False: there is nothing to wait for. True: on_ready comes once,
 * when each has its tools or has failed, or after deadlines.wait. A server is waited for once: when it
 * failed, or took too long, what comes of it later is for others. */
bool mcp_prepare(struct mcp *mcp, void (*on_ready)(void *user), void *user);
void mcp_prepare_drop(struct mcp *mcp, void *user);    /* on_ready with this user does not come */
/* Appends the names of those that are waited for, separated by ", ". */
void mcp_append_awaited(const struct mcp *mcp, struct buf *names);
/* Appends a sentence a line about each server that failed to start, or takes too long, since this was
 * asked last. */
void mcp_append_news(struct mcp *mcp, struct buf *text);
/* Every server has been tried, and none is being started for the first time. */
bool mcp_is_settled(const struct mcp *mcp);

/* -- What there is ---------------------------------------------------------------------------------------- */

enum mcp_state { MCP_OFF, MCP_STARTING, MCP_LISTING, MCP_READY, MCP_WAITING, MCP_FAILED };
const char *mcp_state_name(enum mcp_state state);     /* "notStarted", "starting", … of the schema */
struct mcp_status {
    const char *name;
    enum mcp_state state;
    bool is_http;
    size_t tools, left_out;      /* left_out: listed, but not offered */
    unsigned restarts;
    const char *detail;          /* FAILED, WAITING: why and what to do; else who it says it is; or "" */
    const char *left_out_why;    /* of the first, or "" */
};
size_t mcp_server_count(const struct mcp *mcp);
void mcp_server_status(const struct mcp *mcp, size_t index, struct mcp_status *ret_status);

/* Borrowed until the loop turns. */
struct mcp_tool {
    char *name;                  /* "mcp__SERVER__TOOL", at most 64 of [A-Za-z0-9_-], for the model */
    char *server, *own_name;     /* as people and the server know it */
    char *description;
    char *schema;                /* JSON object, type "object" */
};
size_t mcp_tool_count(const struct mcp *mcp);
const struct mcp_tool *mcp_tool_at(const struct mcp *mcp, size_t index);    /* in order of names */
const struct mcp_tool *mcp_tool_find(const struct mcp *mcp, struct str name);

/* -- Calls ------------------------------------------------------------------------------------------------- */

struct mcp_result {
    bool ok;
    struct str text;             /* what the tool said, or what went wrong and what to do */
    const struct str *images;    /* that go along, as data URLs; the text tells of each */
    size_t image_count;
};
struct mcp_call_handlers {
    void (*on_progress)(void *user, struct str text);    /* optional */
    void (*on_done)(void *user, const struct mcp_result *result);
};
struct mcp_call;
/* arguments: a JSON object. Never NULL: a tool that is not there is an answer. */
struct mcp_call *mcp_call_start(struct mcp *mcp, struct str name, struct str arguments,
                                const struct mcp_call_handlers *handlers, void *user);
/* The server is told; no callback any more. */
void mcp_call_cancel(struct mcp_call *call);

#endif
