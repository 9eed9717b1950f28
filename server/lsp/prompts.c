/* The person's own prompts, as /NAME in every editor. */
#include "lsp-internal.h"

void prompts_expand(struct lsp_server *server, struct str prompt, struct buf *out)
{
    struct buf text = {0};
    struct str rest = str_skip(prompt, 1);
    size_t len = 0;
    while (len < rest.len && rest.ptr[len] != ' ' && rest.ptr[len] != '\n')
        len++;
    bool found = str_starts_with(prompt, STR("/")) && server->env.prompt &&
                 server->env.prompt(server->env.user, str_slice(rest, 0, len), &text);
    if (!found) {
        buf_append(out, prompt);
    } else {
        buf_append(out, str_trim(buf_str(&text)));
        struct str more = str_trim(str_skip(rest, len));
        buf_append_fmt(out, "%s" STR_FMT, more.len > 0 ? "\n\n" : "", STR_ARG(more));
    }
    buf_finish(&text);
}

void prompts_append_summary(struct str text, struct buf *summary)
{
    struct str line = STR(""), rest = text;
    while (str_next(&rest, '\n', &line) && str_trim(line).len == 0)
        ;
    line = str_trim(line);
    while (str_starts_with(line, STR("#")))
        line = str_trim(str_skip(line, 1));
    utf8_append_printable(summary, str_slice(line, 0, utf8_floor(line, 120)));
}

/* The first line that says something is what it is about. */
static void write_prompt(void *user, struct str name, struct str text)
{
    struct json_writer *w = user;
    struct buf shown = {0};
    prompts_append_summary(text, &shown);
    json_write_begin_object(w);
    json_write_field_str(w, "name", name);
    if (shown.len > 0)
        json_write_field_str(w, "description", buf_str(&shown));
    json_write_end_object(w);
    buf_finish(&shown);
}

static void handle_list(struct lsp_server *server, const struct jsonrpc_message *message)
{
    struct buf json = {0};
    struct json_writer w;
    json_writer_init(&w, &json);
    json_write_begin_object(&w);
    json_write_key(&w, "prompts");
    json_write_begin_array(&w);
    if (server->env.prompts)
        server->env.prompts(server->env.user, write_prompt, &w);
    json_write_end_array(&w);
    json_write_end_object(&w);
    jsonrpc_respond(server->peer, message->id, buf_str(&json));
    buf_finish(&json);
}

/* -- Work that is asked for by name ------------------------------------------------------------ */

static const struct {
    const char *target, *what;
} targets[] = {
    {"changes",
     "the uncommitted changes of this repository (git status, git diff HEAD, new files)"},
    {"staged", "what is staged in this repository (git diff --cached)"},
    {"branch", "what this branch adds to its base (git diff BASE...HEAD)"},
    {"commit", "one commit of this repository (git show)"},
};

bool prompts_append_review(struct str target, struct str base, struct buf *out)
{
    for (size_t i = 0; i < array_count(targets); i++) {
        if (!str_eq_c(target, targets[i].target) && (i > 0 || target.len > 0))
            continue; /* none named: the first */
        buf_append_fmt(out, "Review %s", targets[i].what);
        if (base.len > 0)
            buf_append_fmt(out, "; it is: " STR_FMT, STR_ARG(base));
        buf_append_c(out, ". Read the code around it where that is needed. Say what is wrong, the "
                          "worst first, each with file and line and what to do; if nothing is, say "
                          "so. Change nothing.");
        return true;
    }
    return false;
}

const char prompts_commit_message[] =
    "Write a commit message for what is staged in this repository (git diff --cached), or, where "
    "nothing is, for its uncommitted changes. Keep to the style of its last messages (git log). "
    "Answer with the message alone. Commit nothing.";

static void handle_review(struct lsp_server *server, const struct jsonrpc_message *message)
{
    const struct json_value *params = message->params;
    struct buf prompt = {0};
    struct turn_wish wish = {.thread_id = json_get_str(params, "threadId"), .is_rich = true};
    struct str folder = json_get_str(params, "folder");
    const struct workspace_root *root = NULL;
    struct err err = {0};
    if (folder.len > 0 && convert_folder(server, folder, &root, &err) < 0) {
        rich_fail(server, message, &err);
        return;
    }
    if (!prompts_append_review(json_get_str(params, "target"), json_get_str(params, "base"),
                               &prompt)) {
        jsonrpc_respond_error(server->peer, message->id, JSONRPC_INVALID_PARAMS,
                              "\"target\" must be one of changes, staged, branch, commit");
        return;
    }
    buf_append_fmt(&prompt, "\n" STR_FMT, STR_ARG(json_get_str(params, "text")));
    wish.root = root ? str_from(root->path) : STR("");
    wish.prompt = str_trim(buf_str(&prompt));
    turn_request(server, message, &wish);
    buf_finish(&prompt);
}

const struct lsp_method prompts_requests[] = {
    {"lanebridge/prompts/list", handle_list},
    {"lanebridge/review/start", handle_review},
    {NULL, NULL},
};
