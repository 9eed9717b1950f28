/* Questions to the editor that are open: what approvals, questions of the model, secrets and the
 * editor's language servers have in common. Each is answered once, or dropped by who asked. */
#include "lsp-internal.h"

void asking_begin(struct asking *asking, struct lsp_server *server,
                  void (*release)(struct asking *asking), void *user)
{
    *asking = (struct asking){.server = server, .release = release, .user = user};
    vec_push(&server->askings, asking);
}

void asking_unlist(struct asking *asking)
{
    struct lsp_server *server = asking->server;
    for (size_t i = 0; i < server->askings.len; i++)
        if (server->askings.ptr[i] == asking) {
            vec_remove(&server->askings, i);
            return;
        }
}

void asking_free(struct asking *asking)
{
    asking_unlist(asking);
    loop_timer_free(asking->timer);
    asking->release(asking);
}

void askings_drop(struct lsp_server *server, const void *user)
{
    for (size_t i = server->askings.len; i > 0; i--) {
        struct asking *asking = server->askings.ptr[i - 1];
        if (asking->user != user)
            continue;
        if (asking->request)
            jsonrpc_request_drop(server->peer, asking->request);
        asking_free(asking);
    }
}

void askings_free(struct lsp_server *server)
{
    while (server->askings.len > 0)
        asking_free(vec_last(&server->askings));
    vec_finish(&server->askings);
}

static void on_answered(void *user, const struct jsonrpc_answer *answer)
{
    struct asking *asking = user;
    asking->request = 0;
    asking->on_answer(asking, answer);
}

static void on_unasked(void *user)
{
    struct asking *asking = user;
    struct jsonrpc_answer answer = {.status = asking->unasked, .error_text = STR("not asked")};
    if (asking->unasked == STATUS_CLOSED)
        answer.error_text = STR("the editor is gone");
    asking->on_answer(asking, &answer);
}

void asking_skip(struct asking *asking, enum status status, asking_answer_fn *on_answer)
{
    asking->on_answer = on_answer;
    asking->unasked = status;
    if (!asking->timer)
        asking->timer = loop_timer_new(asking->server->env.loop, on_unasked, asking);
    loop_timer_start(asking->timer, 0, 0);
}

void asking_send(struct asking *asking, const char *method, struct str params,
                 asking_answer_fn *on_answer)
{
    asking->on_answer = on_answer;
    asking->request = jsonrpc_request(asking->server->peer, method, params, on_answered, asking);
    if (!asking->request)
        asking_skip(asking, STATUS_CLOSED, on_answer);
}
