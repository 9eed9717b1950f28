/* Inside of mcp.
 *   mcp.c       the object: its servers, who waits for them, what there is
 *   settings.c  the setting, into definitions
 *   server.c    one server's states, from its start to its end
 *   session.c   what is said with it: requests, answers, what it asks of us
 *   call.c      calls of its tools
 *   stdio.c     a link to a program
 *   http.c      a link by streamable HTTP
 *   token.c     the bearer token
 *   message.c   reading what comes in (pure)
 *   lines.c     bytes into lines (pure)
 *   tool.c      a tool's name and definition (pure)
 *   result.c    what a tool answered, as text (pure) */
#ifndef LANEBRIDGE_MCP_INTERNAL_H
#define LANEBRIDGE_MCP_INTERNAL_H

#include <lanebridge/mcp.h>

/* -- settings.c ------------------------------------------------------------------------------ */

struct texts {
    char **ptr;
    size_t len, cap;
};
void texts_finish(struct texts *strings);

struct definition {
    char *name;
    struct texts argv;                   /* a program … */
    struct texts env, pass_env;          /* "NAME=value", names */
    char *cwd;                           /* NULL: the home folder */
    char *url;                           /* … or a URL */
    struct texts headers, token_command; /* "name: value" */
    char *token_env;                     /* NULL: none */
    struct texts only;                   /* tools; none: all */
    uint64_t start_ms, call_ms;          /* 0: the usual */
    bool is_off;
};
void definition_finish(struct definition *definition);
/* Calls fn with every good one, which takes what it wants of it. */
typedef void definition_fn(void *user, struct definition *definition);
void settings_each(struct str servers, definition_fn *fn, void *user, struct buf *warnings);

/* -- lines.c --------------------------------------------------------------------------------- */

struct lines;
struct lines_handlers {
    void (*on_line)(void *user, struct str line); /* without its end; never empty */
    void (*on_oversize)(void *user);              /* a line over the limit was skipped */
};
struct lines *lines_new(size_t max_bytes, const struct lines_handlers *handlers, void *user);
void lines_free(struct lines *lines); /* also in a callback of push */
void lines_push(struct lines *lines, struct str bytes);

/* -- message.c ------------------------------------------------------------------------------- */

enum message_kind { MESSAGE_ANSWER, MESSAGE_ERROR, MESSAGE_REQUEST, MESSAGE_NOTIFICATION };
/* Borrowed for the call. */
struct message {
    enum message_kind kind;
    int64_t number;              /* ANSWER, ERROR: our id; -1: none of ours */
    const struct json_value *id; /* REQUEST: to be given back */
    struct str method;
    const struct json_value *params, *result;
    int64_t code; /* ERROR */
    struct str text;
};
/* False: it asked for no more, because what it needs is gone. */
typedef bool message_fn(void *user, const struct message *message);
/* One message, or a batch of them. Returns how many there were; 0: that was none. */
size_t message_each(struct str text, message_fn *fn, void *user);

/* -- tool.c ---------------------------------------------------------------------------------- */

/* Appends the name the model knows it by. */
void tool_append_name(struct buf *name, struct str server, struct str own_name);
enum status tool_read(const struct json_value *value, const struct definition *definition,
                      struct mcp_tool *ret_tool, struct err *err);
void tool_finish(struct mcp_tool *tool);

/* -- result.c -------------------------------------------------------------------------------- */

/* What a tool answered. */
struct answer {
    struct buf text;
    VEC(struct buf) images; /* data URLs */
    size_t image_bytes;
};
/* False: the tool says that it failed. */
bool answer_read(const struct json_value *result, struct answer *ret_answer);
void answer_finish(struct answer *answer);

/* -- Links ----------------------------------------------------------------------------------- */

struct server;
struct link;
struct link_ops {
    /* Takes the message. id: of the request, 0 for others. method: of a request. */
    void (*send)(struct link *link, struct buf *message, int64_t id);
    void (*forget)(struct link *link, int64_t id);          /* nobody waits for its answer */
    void (*agreed)(struct link *link, const char *version); /* on a revision; then it is ready */
    bool (*stop)(struct link *link); /* false: there is nothing to wait for */
    void (*urge)(struct link *link); /* it has not stopped yet */
    void (*free)(struct link *link); /* no callback any more */
};
struct link {
    const struct link_ops *ops;
    struct server *server;
};
/* A failure at once is err. Later ones, and all else, come by session_on_…. */
struct link *link_stdio_open(struct server *server, struct err *err);
struct link *link_http_open(struct server *server, struct err *err);

/* -- token.c --------------------------------------------------------------------------------- */

struct token_run;
/* token: to be taken, or NULL and why. */
typedef void token_fn(void *user, struct buf *token, const char *why);
struct token_run *token_run_start(struct server *server, token_fn *done, void *user,
                                  struct err *err);
void token_run_free(struct token_run *run); /* no callback any more */

/* -- Servers --------------------------------------------------------------------------------- */

struct tool_list {
    struct mcp_tool *ptr;
    size_t len, cap;
    size_t left_out;
    char why[256];
};
void tool_list_finish(struct tool_list *list);

struct server {
    struct mcp *mcp;
    struct definition definition;
    enum mcp_state state;
    struct link *link;
    struct token_run *token_run;
    struct buf token;
    struct loop_timer *timer; /* STARTING, LISTING: too long; WAITING: again; READY: a list takes
                                 too long */
    int64_t asked_id;         /* initialize or tools/list under way, or 0 */
    struct buf version;       /* agreed on */
    bool has_tools, was_ready;
    bool list_again;  /* it changed while it was read */
    bool was_awaited; /* in vain: not again */
    bool is_news;     /* that it failed, or takes too long */
    struct tool_list tools, listing;
    unsigned pages;
    VEC(struct mcp_call *) calls;
    unsigned failures, restarts; /* in a row; in all */
    unsigned rubbish;            /* what came that was no message */
    uint64_t failed_ms;
    struct buf detail, roots; /* roots: as last told */
};

struct mcp_waiter {
    void (*on_ready)(void *user);
    void *user;
};
struct mcp {
    struct mcp_env env;
    struct mcp_deadlines deadlines;
    char *home;
    VEC(struct server *) servers;
    VEC(const struct mcp_tool *) index;
    VEC(struct mcp_waiter) waiters;
    struct loop_timer *wait_timer, *stop_timer;
    bool is_stopping, has_urged;
    void (*on_stopped)(void *user);
    void *stop_user;
    int64_t last_id;
};

/* mcp.c */
void mcp_on_changed(struct mcp *mcp); /* a state or a list; last thing its caller does */
void mcp_make_index(struct mcp *mcp);
void mcp_on_server_stopped(struct mcp *mcp);

/* server.c */
struct server *server_new(struct mcp *mcp, struct definition *definition);
void server_free(struct server *server);
void server_start(struct server *server);
/* What it was started for did not come about, or it ended. hopeless: not tried again by itself. */
void server_fail(struct server *server, bool hopeless, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void server_set_state(struct server *server, enum mcp_state state);
bool server_is_off(const struct server *server); /* by the setting */
/* It has its tools. */
void server_on_ready(struct server *server);
void server_drop_link(struct server *server);

/* session.c: what links tell */
void session_begin(struct server *server);
/* False: the link is gone. */
bool session_on_message(struct server *server, struct str text);
void session_on_failed(struct server *server, int64_t id,
                       const char *text);                   /* this request alone */
void session_on_expired(struct server *server, int64_t id); /* refused: the session is over */
void session_on_oversize(struct server *server);
void session_on_closed(struct server *server, bool hopeless, const char *text);
void session_tell_roots(struct server *server);
void session_list_again(struct server *server);
void session_on_list_timer(struct server *server);
int64_t session_next_id(struct server *server);
/* Appends {"jsonrpc":"2.0",…,"params": without what follows. */
void session_append_head(struct buf *json, int64_t id, const char *method);

/* call.c */
enum call_life { CALL_WAITING, CALL_SENT };
struct mcp_call {
    struct mcp *mcp;
    struct server *server; /* NULL: there is no such tool */
    char *own_name;
    struct buf arguments;
    struct mcp_call_handlers handlers;
    void *user;
    struct loop_timer *timer;
    struct buf failure; /* told when the timer fires */
    int64_t id;         /* 0: not sent */
    bool was_resent;
};
struct mcp_call *invocation_find(struct server *server, int64_t id);
void invocation_send(struct mcp_call *call);
void invocation_end(struct mcp_call *call, bool ok, struct str text); /* frees it; last */
void invocation_answer(struct mcp_call *call, bool ok, const struct answer *answer); /* the same */
void invocations_send(struct server *server);
/* Those that were sent, or all. */
void invocations_fail(struct server *server, bool all, const char *why);

#endif
