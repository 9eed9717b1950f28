/* The real parts behind one editor: language server, document store, tools, journal; everything but
 * the model. One stage plays many seeds, one file each. */
#ifndef LANEBRIDGE_TESTS_STAGE_H
#define LANEBRIDGE_TESTS_STAGE_H

#include <lanebridge/config.h>
#include <lanebridge/tools.h>

#include "../../server/lsp/lsp-internal.h"
#include "typist.h"

struct stage {
    char dir[64], ws[80];
    struct loop *loop;
    struct loop_timer *guard, *poll;
    struct config *config;
    struct config_env env;
    struct documents *documents;
    struct workspace *workspace;
    struct policy *policy;
    struct journal *journal;
    struct tools *tools;
    struct lsp_server *server;
    struct typist typist;
    struct tools_thread *thread; /* of the seed that runs */
    char thread_id[ID_BYTES], turn_id[ID_BYTES];
    unsigned calls;
    bool is_done, is_timed_out;
    unsigned turns_left;
    /* of the last call */
    bool ok;
    struct buf text;
};
void stage_init(struct stage *stage, enum position_encoding encoding, bool document_changes);
void stage_finish(struct stage *stage);
/* A thread, a file on the disk and open in the editor. */
void stage_open(struct stage *stage, const char *name, const struct habits *habits,
                struct str text);
void stage_close(struct stage *stage, const char *name);
void stage_begin_turn(struct stage *stage);
/* Starts a call; stage_wait waits for its output. */
void stage_call(struct stage *stage, const char *tool, struct str arguments, bool is_custom);
void stage_wait(struct stage *stage);
void stage_done(struct stage *stage); /* what else is waited for has come */
/* Lets everything under way arrive. */
void stage_settle(struct stage *stage);
/* The document as the server has it. */
struct str stage_text(const struct stage *stage);

#endif
