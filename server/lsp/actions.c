/* Code actions that start a turn: on a diagnostic, on a selection, in a transcript. Hunks have
 * their own (hunks.c). */
#include "lsp-internal.h"

#include <string.h>

struct action {
    const char *title, *kind, *command, *prompt;
    bool is_fix; /* of diagnostics; else of a selection */
};
static const struct action actions[] = {
    {"Fix with Lanebridge", "quickfix", "lanebridge.fix", NULL, true},
    {"Lanebridge: Edit selection…", "refactor", "lanebridge.edit", NULL, false},
    {"Lanebridge: Explain", "refactor", "lanebridge.explain", NULL, false},
    {"Lanebridge: Write tests", "refactor", "lanebridge.ask",
     "Write tests for the selected code, where this project keeps its tests, and run them.", false},
};

/* None named: all. A kind covers those below it: "refactor" also "refactor.extract". */
static bool wants_kind(const struct json_value *params, const char *kind)
{
    const struct json_value *only = json_first(json_at(params, "context", "only", NULL));
    if (!only)
        return true;
    for (; only; only = json_next(only))
        if (json_str(only).len == 0 || str_eq_c(json_str(only), kind))
            return true;
    return false;
}

static void write_range(struct json_writer *w, const struct json_value *range)
{
    static const char *const ends[] = {"start", "end"};
    json_write_begin_object(w);
    for (size_t i = 0; i < array_count(ends); i++) {
        json_write_key(w, ends[i]);
        json_write_begin_object(w);
        json_write_field_int(w, "line", json_int(json_at(range, ends[i], "line", NULL), 0));
        json_write_field_int(w, "character",
                             json_int(json_at(range, ends[i], "character", NULL), 0));
        json_write_end_object(w);
    }
    json_write_end_object(w);
}

/* What the command needs of them. */
static void write_diagnostics(struct json_writer *w, const struct json_value *list)
{
    json_write_begin_array(w);
    for (const struct json_value *one = json_first(list); one; one = json_next(one)) {
        json_write_begin_object(w);
        json_write_key(w, "range");
        write_range(w, json_get(one, "range"));
        json_write_field_str(w, "message", json_get_str(one, "message"));
        json_write_end_object(w);
    }
    json_write_end_array(w);
}

static void write_action(struct json_writer *w, const struct action *action,
                         const struct json_value *params, struct str uri)
{
    json_write_begin_object(w);
    json_write_field_c(w, "title", action->title);
    json_write_field_c(w, "kind", action->kind);
    json_write_key(w, "command");
    json_write_begin_object(w);
    json_write_field_c(w, "title", action->title);
    json_write_field_c(w, "command", action->command);
    json_write_key(w, "arguments");
    json_write_begin_array(w);
    json_write_begin_object(w);
    json_write_field_str(w, "uri", uri);
    json_write_key(w, "range");
    write_range(w, json_get(params, "range"));
    if (action->prompt)
        json_write_field_c(w, "prompt", action->prompt);
    if (action->is_fix) {
        json_write_key(w, "diagnostics");
        write_diagnostics(w, json_at(params, "context", "diagnostics", NULL));
    }
    json_write_end_object(w);
    json_write_end_array(w);
    json_write_end_object(w);
    json_write_end_object(w);
}

static bool is_empty(const struct json_value *range)
{
    const struct json_value *start = json_get(range, "start"), *end = json_get(range, "end");
    return json_get_int(start, "line", 0) == json_get_int(end, "line", 0) &&
           json_get_int(start, "character", 0) == json_get_int(end, "character", 0);
}

void actions_write_command(struct json_writer *w, const char *title, const char *command,
                           struct str thread_id)
{
    json_write_key(w, "command");
    json_write_begin_object(w);
    json_write_field_c(w, "title", title);
    json_write_field_c(w, "command", command);
    json_write_key(w, "arguments");
    json_write_begin_array(w);
    json_write_begin_object(w);
    json_write_field_str(w, "threadId", thread_id);
    json_write_end_object(w);
    json_write_end_array(w);
    json_write_end_object(w);
}

void actions_write_for_thread(struct json_writer *w, const char *title, const char *command,
                              struct str thread_id)
{
    json_write_begin_object(w);
    json_write_field_c(w, "title", title);
    json_write_field_c(w, "kind", "refactor");
    actions_write_command(w, title, command, thread_id);
    json_write_end_object(w);
}

/* For clients that show no list of a server's commands: a transcript offers to ask what was written
 * in it. */
static void write_ask(struct json_writer *w, struct str thread_id)
{
    actions_write_for_thread(w, "Lanebridge: Ask what is below the prompt heading",
                             "lanebridge.ask", thread_id);
}

void actions_append(struct lsp_server *server, const struct json_value *params,
                    struct json_writer *w)
{
    struct str uri = json_get_str(json_get(params, "textDocument"), "uri");
    const struct document *document = document_find_uri(server->env.documents, uri);
    enum lsp_code_actions setting =
        server->env.code_actions ? server->env.code_actions(server->env.user) : LSP_ACTIONS_ON;
    bool has_problem = json_first(json_at(params, "context", "diagnostics", NULL)) != NULL;
    bool has_selection = !is_empty(json_get(params, "range"));
    if (!document || !document->text || !document->path[0] || setting == LSP_ACTIONS_OFF)
        return;
    if (transcript_is(server, str_from(document->path)) && wants_kind(params, "refactor") &&
        takeover_append_action(server, str_from(document->path), w))
        return;
    struct str thread_id = transcript_thread_of(server, str_from(document->path));
    if (thread_id.len > 0) {
        if (wants_kind(params, "refactor"))
            write_ask(w, thread_id);
        return;
    }
    for (size_t i = 0; i < array_count(actions); i++) {
        const struct action *action = &actions[i];
        bool fits = action->is_fix ? has_problem && setting == LSP_ACTIONS_ON : has_selection;
        if (fits && wants_kind(params, action->kind))
            write_action(w, action, params, uri);
    }
}
