/* review.c: requests and news; hunks.c: pending hunks by place, for code actions, lenses and
 * commands. */
#ifndef LANEBRIDGE_LSP_REVIEW_INTERNAL_H
#define LANEBRIDGE_LSP_REVIEW_INTERNAL_H

#include "lsp-internal.h"

/* The agent if it is there, or if something waits from an earlier time; else NULL. */
struct agent *review_agent(struct lsp_server *server);
/* Decides and answers the request: with what is left (rich), or with {}. */
void review_decide(struct lsp_server *server, struct str id, const struct tools_decision *decision,
                   bool is_rich);

void hunks_handle_code_action(struct lsp_server *server, const struct jsonrpc_message *message);
void hunks_handle_code_lens(struct lsp_server *server, const struct jsonrpc_message *message);

#endif
