/* One question per folder, before the first turn in it; remembered at user level. */
#include "lsp-internal.h"

struct trust_question {
    struct lsp_server *server;
    struct buf root, title;
    void (*go)(void *user, bool yes);
    void *user;
};

static void on_answer(void *user, const struct host_ask_answer *answer)
{
    struct trust_question *question = user;
    bool yes = answer->decision == HOST_ACCEPT;
    struct err err = {0};
    if (yes && workspace_trust_set(question->server->env.workspace, buf_str(&question->root),
                                   TRUST_YES, &err) < 0)
        log_line(LOG_WARN, "trust not remembered why=\"%s\"", err.text);
    void (*go)(void *user, bool yes) = question->go;
    void *go_user = question->user;
    buf_finish(&question->root);
    buf_finish(&question->title);
    mem_free(question);
    go(go_user, yes);
}

void trust_need(struct lsp_server *server, struct str root_path, void (*go)(void *user, bool yes),
                void *user)
{
    struct trust_question *question = mem_new(struct trust_question);
    question->server = server;
    question->go = go;
    question->user = user;
    buf_append(&question->root, root_path);
    buf_append_c(&question->title, "Do you trust the files in this folder?");
    struct host_ask ask = {
        .kind = HOST_ASK_TRUST,
        .thread_id = "",
        .turn_id = "",
        .item_id = "",
        .title = question->title.ptr,
        .show = question->root.ptr,
        .reason = "Lanebridge will read files here, send parts of them to the model, and run "
                  "commands in a "
                  "sandbox. Remembered for this folder.",
    };
    approval_ask(server, &ask, on_answer, question);
}
