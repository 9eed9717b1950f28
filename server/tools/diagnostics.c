/* diagnostics: what the editor's language servers have to say about files. */
#include <stdlib.h>

#include "diags-internal.h"
#include "spot-internal.h"

struct diagnostics_state {
    const struct json_value *paths;
    struct str min_severity;
    /* made from them */
    unsigned severity; /* up to this one */
    VEC(struct now_file) files;
    struct lookout *lookout;
};

static const struct json_field fields[] = {
    {"paths", JSON_FIELD_ARRAY, JSON_OPTIONAL, offsetof(struct diagnostics_state, paths)},
    {"min_severity", JSON_FIELD_STR, JSON_OPTIONAL,
     offsetof(struct diagnostics_state, min_severity)},
};

/* -- Arguments ------------------------------------------------------------------------------- */

static enum status read_severity(struct diagnostics_state *state, struct err *err)
{
    state->severity = 4;
    if (state->min_severity.len == 0)
        return STATUS_OK;
    for (unsigned i = 1; i <= 4; i++)
        if (str_eq_c(state->min_severity, diag_severity_name(i))) {
            state->severity = i;
            return STATUS_OK;
        }
    return err_set(err, STATUS_INVALID,
                   "diagnostics: min_severity must be error, warning, information or hint");
}

/* What may not be read may not be told of either. */
static enum status add_path(struct tools_call *call, const struct json_value *value,
                            struct err *err)
{
    struct diagnostics_state *state = call->state;
    struct now_file file;
    struct policy_verdict verdict = {0};
    if (!json_is(value, JSON_STRING))
        return err_set(err, STATUS_INVALID, "diagnostics: paths must be a list of strings");
    enum status status = now_resolve(call, json_str(value), &file, err);
    if (status < 0)
        return status;
    vec_push(&state->files, file);
    policy_check_path(call->tools->env.policy, &file.real, POLICY_READ, &verdict);
    if (verdict.answer != POLICY_ALLOW)
        return err_set(err, STATUS_DENIED, "diagnostics: %s: %s", file.path.display,
                       verdict.reason);
    if (!now_look(call->tools, &vec_last(&state->files)) && !file.stat.exists)
        return err_set(err, STATUS_NOT_FOUND, "diagnostics: %s does not exist", file.path.display);
    return STATUS_OK;
}

static enum status prepare(struct tools_call *call, struct err *err)
{
    struct diagnostics_state *state = call->state;
    enum status status = read_severity(state, err);
    if (json_count(state->paths) > LIMIT_DIAGNOSTICS_COUNT)
        return err_set(err, STATUS_LIMIT, "diagnostics: at most %d paths at once",
                       LIMIT_DIAGNOSTICS_COUNT);
    for (const struct json_value *one = json_first(state->paths); one && status == STATUS_OK;
         one = json_next(one))
        status = add_path(call, one, err);
    return status;
}

/* -- The answer ------------------------------------------------------------------------------ */

struct row {
    char *display;
    const struct diag *diag;
};

static int by_weight(const void *a, const void *b)
{
    const struct row *x = a, *y = b;
    if (x->diag->severity != y->diag->severity)
        return x->diag->severity < y->diag->severity ? -1 : 1;
    int order = strcmp(x->display, y->display);
    if (order)
        return order;
    return x->diag->line < y->diag->line ? -1 : x->diag->line > y->diag->line;
}

/* The name to tell a file by; NULL for what is outside, or kept from the model. */
static char *display_of(struct tools_call *call, const char *path)
{
    struct workspace_path resolved;
    struct policy_verdict verdict = {0};
    if (workspace_resolve(call->tools->env.workspace, thread_root(call->thread), str_from(path),
                          &resolved, NULL) < 0)
        return NULL;
    policy_check_path(call->tools->env.policy, &resolved, POLICY_READ, &verdict);
    char *display = verdict.answer == POLICY_ALLOW ? mem_dup_c(resolved.display) : NULL;
    workspace_path_finish(&resolved);
    return display;
}

static void append_unchecked(struct tools_call *call, const struct diags *diags)
{
    const struct diagnostics_state *state = call->state;
    for (size_t i = 0; i < state->files.len; i++) {
        const struct now_file *file = &state->files.ptr[i];
        if (!diags_find(diags, now_key(file)))
            buf_append_fmt(&call->text, "%s is not checked by any language server of the editor.\n",
                           file->path.display);
    }
}

static void append_rows(struct tools_call *call, const struct row *rows, size_t count)
{
    size_t counts[5] = {0};
    for (size_t i = 0; i < count; i++) {
        counts[rows[i].diag->severity]++;
        if (i < LIMIT_DIAGNOSTICS_COUNT)
            diag_append(rows[i].diag, rows[i].display, &call->text);
    }
    if (count == 0)
        buf_append_c(&call->text, "No diagnostics.\n");
    if (count > LIMIT_DIAGNOSTICS_COUNT)
        buf_append_fmt(&call->text, "[%zu more are not shown: name paths or a min_severity]\n",
                       count - LIMIT_DIAGNOSTICS_COUNT);
    buf_append_fmt(&call->summary, "%zu errors, %zu warnings, %zu others", counts[1], counts[2],
                   counts[3] + counts[4]);
}

static void tell(struct tools_call *call, const struct diags *diags)
{
    const struct diagnostics_state *state = call->state;
    struct buf late = {0};
    VEC(struct row) rows = {0};
    VEC(char *) names = {0};
    for (size_t i = 0; i < diags->files.len; i++) {
        const struct diag_file *file = &diags->files.ptr[i];
        char *display = display_of(call, file->path);
        if (!display)
            continue;
        vec_push(&names, display);
        if (file->age == DIAG_STALE)
            buf_append_fmt(&late, "%s%s", late.len > 0 ? ", " : "", display);
        for (size_t j = 0; j < file->list.len; j++)
            if (file->list.ptr[j].severity <= state->severity)
                vec_push(&rows, ((struct row){display, &file->list.ptr[j]}));
    }
    if (rows.len > 0)
        qsort(rows.ptr, rows.len, sizeof(*rows.ptr), by_weight);
    append_rows(call, rows.ptr, rows.len);
    append_unchecked(call, diags);
    for (size_t i = 0; i < state->files.len; i++)
        spot_note_awaited(call, &state->files.ptr[i]);
    if (late.len > 0)
        buf_append_fmt(&call->text,
                       "Stale: the language server has not looked at the newest version of " STR_FMT
                       " yet.\n",
                       STR_ARG(buf_str(&late)));
    buf_finish(&late);
    vec_finish(&rows);
    for (size_t i = 0; i < names.len; i++)
        mem_free(names.ptr[i]);
    vec_finish(&names);
}

static void on_diags(void *user, enum status status, const struct diags *diags)
{
    struct tools_call *call = user;
    if (status < 0) {
        call_fail(call, "The editor did not tell its diagnostics (%s).", status_name(status));
        return;
    }
    tell(call, diags);
    call_end(call, true);
}

static void run(struct tools_call *call)
{
    struct diagnostics_state *state = call->state;
    VEC(const char *) paths = {0};
    if (!call_begin(call, "allowed"))
        return;
    for (size_t i = 0; i < state->files.len; i++)
        vec_push(&paths, now_key(&state->files.ptr[i]).ptr);
    struct lookout_wish wish = {
        .paths = paths.ptr, .count = paths.len, .wait_ms = call->tools->deadlines.diagnostics_ms};
    state->lookout = lookout_start(call->tools, &wish, on_diags, call);
    vec_finish(&paths);
}

static bool cancel(struct tools_call *call)
{
    struct diagnostics_state *state = call->state;
    lookout_free(state->lookout);
    state->lookout = NULL;
    return true;
}

static void finish(struct tools_call *call)
{
    struct diagnostics_state *state = call->state;
    lookout_free(state->lookout);
    for (size_t i = 0; i < state->files.len; i++)
        now_finish(&state->files.ptr[i]);
    vec_finish(&state->files);
}

const struct tool tool_diagnostics = {
    .name = "diagnostics",
    .kind = TOOL_SEARCH,
    .need = NEED_DIAGNOSTICS,
    .description =
        "Errors and warnings that the editor's language servers report, for the text as it is on "
        "the user's screen: at most 50, the worst first. Waits up to 5 seconds for a language "
        "server that has not looked at the newest version, and says so when it is stale.",
    .parameters =
        "{\"type\":\"object\",\"properties\":{"
        "\"paths\":{\"type\":[\"array\",\"null\"],\"items\":{\"type\":\"string\"},"
        "\"description\":\"Files, at most 50; null: all that the editor checks\"},"
        "\"min_severity\":{\"type\":[\"string\",\"null\"],\"enum\":[\"error\",\"warning\","
        "\"information\",\"hint\",null],\"description\":\"This and worse; null: all\"}},"
        "\"required\":[\"paths\",\"min_severity\"],\"additionalProperties\":false}",
    .fields = fields,
    .field_count = array_count(fields),
    .state_size = sizeof(struct diagnostics_state),
    .prepare = prepare,
    .run = run,
    .cancel = cancel,
    .finish = finish,
};
