/* One question per folder, before the first turn in it; remembered at user level. */
#include "lsp-internal.h"

static const char too_large[] =
    "It is your home folder, the whole disk, or holds Lanebridge's own settings: everything in it "
    "could "
    "be read, sent to the model and changed, keys and letters too. Better open the folder of your "
    "project instead. Remembered for this folder.";

struct trust_question {
    struct lsp_server *server;
    struct buf root, title;
    void (*go)(void *user, bool yes);
    void (*drop)(void *user);
    void *user;
};

bool trust_is_given(const struct lsp_server *server, struct str root_path)
{
    const struct workspace_root *root = workspace_root_find(server->env.workspace, root_path);
    if (root && !root->confirmed) /* the editor vouches for projects, not for a whole home */
        return false;
    return server->trusted || root_path.len == 0 ||
           workspace_trust_get(server->env.workspace, root_path) == TRUST_YES;
}

static void question_free(struct trust_question *question)
{
    struct lsp_server *server = question->server;
    for (size_t i = 0; i < server->trusts.len; i++)
        if (server->trusts.ptr[i] == question) {
            vec_remove(&server->trusts, i);
            break;
        }
    buf_finish(&question->root);
    buf_finish(&question->title);
    mem_free(question);
}

void trust_free(struct lsp_server *server)
{
    while (server->trusts.len > 0) {
        struct trust_question *question = vec_last(&server->trusts);
        void (*drop)(void *user) = question->drop;
        void *user = question->user;
        askings_drop(server, question);
        question_free(question);
        drop(user);
    }
    vec_finish(&server->trusts);
}

static struct trust_question *find_question(struct lsp_server *server, struct str root)
{
    for (size_t i = 0; i < server->trusts.len; i++) {
        struct trust_question *question = server->trusts.ptr[i];
        if (str_eq(buf_str(&question->root), root))
            return question;
    }
    return NULL;
}

/* Said without being asked, by workspace/trust: who waits for it goes on, and the question is taken
 * back. */
void trust_tell(struct lsp_server *server, struct str root, bool yes)
{
    for (size_t left = server->trusts.len; left > 0; left--) {
        struct trust_question *question = find_question(server, root);
        if (!question)
            return;
        void (*go)(void *user, bool yes) = question->go;
        void *user = question->user;
        askings_drop(server, question);
        question_free(question);
        go(user, yes);
    }
}

static void on_answer(void *user, const struct host_ask_answer *answer)
{
    struct trust_question *question = user;
    struct lsp_server *server = question->server;
    bool yes = answer->decision == HOST_ACCEPT;
    struct buf root = {0};
    struct err err = {0};
    buf_append(&root, buf_str(&question->root));
    if (yes && workspace_trust_set(server->env.workspace, buf_str(&root), TRUST_YES, &err) < 0)
        log_line(LOG_WARN, "trust not remembered why=\"%s\"", err.text);
    if (yes)
        workspace_confirm_root(server->env.workspace, buf_str(&root));
    trust_tell(server, buf_str(&root), yes);
    buf_finish(&root);
}

void trust_need(struct lsp_server *server, struct str root_path, void (*go)(void *user, bool yes),
                void (*drop)(void *user), void *user)
{
    bool is_asked = find_question(server, root_path) != NULL; /* its answer is for both */
    struct trust_question *question = mem_new(struct trust_question);
    question->server = server;
    question->go = go;
    question->drop = drop;
    vec_push(&server->trusts, question);
    question->user = user;
    buf_append(&question->root, root_path);
    if (is_asked)
        return;
    const struct workspace_root *root = workspace_root_find(server->env.workspace, root_path);
    bool is_large = root && !root->confirmed;
    buf_append_c(&question->title, is_large ? "Let Lanebridge work in all of this folder?"
                                            : "Do you trust the files in this folder?");
    struct host_ask ask = {
        .kind = HOST_ASK_TRUST,
        .thread_id = "",
        .turn_id = "",
        .item_id = "",
        .title = question->title.ptr,
        .show = question->root.ptr,
        .reason = is_large
                      ? too_large
                      : "Lanebridge will read files here, send parts of them to the model, and run "
                        "commands in a "
                        "sandbox. Remembered for this folder.",
    };
    approval_ask(server, &ask, on_answer, question);
}
