/* A turn on its way, and the same when it is only looked at (preview.c). */
#ifndef LANEBRIDGE_LSP_START_INTERNAL_H
#define LANEBRIDGE_LSP_START_INTERNAL_H

#include "given-internal.h"

enum start_kind { START_TURN, START_STEER, START_PREVIEW };
struct turn_start {
    struct lsp_server *server;
    enum start_kind kind;
    struct buf request_id, prompt, thread_id, root, mode, source;
    struct buf uri; /* of the document a command was about, or empty */
    struct input_parts parts;
    struct surroundings surroundings;
    bool show_transcript, is_rich, has_selection;
    bool is_answered, is_stopped; /* the request is; by the person, before the turn is there */
    char turn_id[ID_BYTES];
    bool queued;
};

/* For the agent; borrows from the start. */
struct start_input {
    struct agent_input input;
    VEC(struct agent_context) contexts; /* to be finished */
};
void start_take_input(const struct turn_start *start, struct start_input *ret_input);

/* Answers with the parts. On an error nobody has answered yet. */
enum status preview_answer(const struct turn_start *start, struct err *err);

#endif
