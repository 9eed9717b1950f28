/* An edit under way, as apply.c (sending, waiting, the verdict), apply_states.c (judging texts) and
 * direct.c (what we write ourselves) know it. */
#ifndef LANEBRIDGE_LSP_APPLY_INTERNAL_H
#define LANEBRIDGE_LSP_APPLY_INTERNAL_H

#include "lsp-internal.h"

struct apply_file {
    struct planned plan;
    VEC(struct text *) states;
    uint64_t revision; /* of the document, when the edit was sent; 0: not open */
    bool landed;
    bool is_own;       /* the client cannot: written by us, once the rest has landed */
    bool was_behind;   /* before is the document's text, which its file had left behind */
    bool is_corrected; /* before is what a stale edit made of it, after puts that right */
    size_t conflicts;
};

enum apply_state { APPLY_SENT, APPLY_ANSWERED, APPLY_OVER };

struct apply_job {
    struct lsp_server *server;
    enum apply_state state;
    struct apply_file *files;
    size_t count;
    unsigned repairs;
    char *label;
    int64_t request;
    bool client_said_no;
    struct document_observer *observer;
    struct loop_timer *timer;
    enum host_apply_result verdict; /* when the timer only tells */
    struct buf note, refusal;
    host_apply_fn *on_done;
    void *user;
};

void apply_clear_states(struct apply_file *file);
/* Where the text is to be afterwards. */
const char *apply_target(const struct apply_file *file);

/* -- apply_states.c -------------------------------------------------------------------------- */

/* merge(plan's before; mine, plan's after). */
struct text *apply_merge(const struct apply_file *file, const struct text *mine,
                         size_t *ret_conflicts);
/* The state that the edit was put on; 0: the text it was made for, or none. */
size_t apply_find_landed_on(const struct apply_file *file);
/* What the person had typed in that state is in the plan's text. */
bool apply_is_kept(const struct apply_file *file, size_t state);
size_t apply_count_spans(const struct text *before, const struct text *after);
/* New lines of the plan were in the text, at some time. */
bool apply_came_in_part(const struct apply_file *file);

/* -- direct.c -------------------------------------------------------------------------------- */

/* What goes to the client is put into `rest`; the other files are ours. */
enum status apply_share_out(struct apply_job *job, struct planned *rest, size_t *ret_count,
                            struct err *err);
/* The client has taken its part: ours is done too, whole or not at all. False: it could not be, the
 * job's note says why. */
bool apply_write_own(struct apply_job *job, enum host_apply_result *ret_result);

#endif
