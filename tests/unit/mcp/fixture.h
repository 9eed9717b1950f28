/* A client with servers that are stage.py, and a loop that runs until something has happened. */
#ifndef TEST_MCP_FIXTURE_H
#define TEST_MCP_FIXTURE_H

#include <criterion/criterion.h>

#include <lanebridge/config.h>
#include <lanebridge/mcp.h>
#include <lanebridge/net.h>

struct mcp_wire;
struct stage {
    struct loop *loop;
    struct mcp *mcp;
    struct mcp_deadlines deadlines;
    struct net *net;
    struct config *config;
    struct mcp_wire *wire;
    struct loop_process *servers[4]; /* over HTTP */
    size_t server_count;
    struct loop_timer *guard;
    char folder[64];
    struct buf settings; /* members of mcp.servers */
    struct buf secrets;
    const char *roots; /* JSON */
    bool is_ready, is_over;
    unsigned readies;
};
void stage_init(struct stage *stage);
void stage_finish(struct stage *stage);
/* Adds a server over standard streams; options as stage.py takes them, separated by blanks; extra:
 * more members of the setting, or "". %F in options is the folder. */
void stage_add(struct stage *stage, const char *name, const char *options, const char *extra);
/* Starts one over HTTP and adds it. */
void stage_add_http(struct stage *stage, const char *name, const char *options, const char *extra);
void stage_open(struct stage *stage);
/* Opens if need be, prepares, and waits until that is over. True: it had to be waited for. */
bool stage_prepare(struct stage *stage);

enum { PATIENCE_MS = 50000 }; /* the machine may be busy */
/* Runs the loop until *done; fails the test after PATIENCE_MS. */
void stage_wait(struct stage *stage, const bool *done);
void stage_sleep(struct stage *stage, uint64_t ms);
/* Until the server's state is this one. */
void stage_wait_state(struct stage *stage, size_t index, enum mcp_state state);
void stage_wait_file(struct stage *stage, const char *name, const char *text);
/* Until there is such a tool. */
void stage_wait_tool(struct stage *stage, const char *name);

struct outcome {
    struct stage *stage;
    struct mcp_call *call;
    bool done, ok;
    struct buf text, progress;
};
void outcome_start(struct outcome *outcome, struct stage *stage, const char *name,
                   const char *arguments);
void outcome_wait(struct outcome *outcome);
void outcome_finish(struct outcome *outcome);
/* All of it. */
void outcome_run(struct outcome *outcome, struct stage *stage, const char *name,
                 const char *arguments);

struct mcp_status stage_status(struct stage *stage, size_t index);
/* Names of all tools, separated by blanks. */
void stage_names(struct stage *stage, struct buf *names);
/* What a file of the folder holds; lines that contain `text`. */
size_t stage_count_lines(struct stage *stage, const char *file, const char *text);

#define assert_has(text, part)                                                                     \
    cr_assert(strstr((text), (part)) != NULL, "\"%s\" has no \"%s\"", (text), (part))
#define assert_has_not(text, part)                                                                 \
    cr_assert(strstr((text), (part)) == NULL, "\"%s\" has \"%s\"", (text), (part))

#endif
