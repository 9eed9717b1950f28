/* What a turn waits for before it begins: what the editor shows, and diagnostics that are to go
 * along. Turns begin in the order they were asked for, and nothing is waited for longer than a
 * moment.
 */
#include "given-internal.h"

#include <stdlib.h>

struct wanted { /* the diagnostics of one part */
    struct gathering *gathering;
    size_t part;
    bool is_open;
};

struct gathering {
    struct lsp_server *server;
    struct input_parts *parts;
    struct surroundings *surroundings;
    int64_t context_request; /* 0: none is open */
    VEC(struct wanted *) wanted;
    struct loop_timer *context_timer, *diagnostics_timer;
    bool is_ready;
    void (*on_done)(void *user);
    void (*on_dropped)(void *user);
    void *user;
};

enum { SILENCES_MAX = 2 }; /* then it is not asked any more */

/* -- Life -------------------------------------------------------------------------------------- */

static void gathering_free(struct gathering *gathering)
{
    struct lsp_server *server = gathering->server;
    if (gathering->context_request)
        jsonrpc_request_drop(server->peer, gathering->context_request);
    for (size_t i = 0; i < gathering->wanted.len; i++) {
        askings_drop(server, gathering->wanted.ptr[i]);
        mem_free(gathering->wanted.ptr[i]);
    }
    vec_finish(&gathering->wanted);
    loop_timer_free(gathering->context_timer);
    loop_timer_free(gathering->diagnostics_timer);
    mem_free(gathering);
}

void gathers_free(struct lsp_server *server)
{
    while (server->gathers.len > 0) {
        struct gathering *gathering = vec_pop(&server->gathers);
        void (*on_dropped)(void *user) = gathering->on_dropped;
        void *user = gathering->user;
        gathering_free(gathering);
        on_dropped(user);
    }
    vec_finish(&server->gathers);
}

static bool is_waiting(const struct gathering *gathering)
{
    for (size_t i = 0; i < gathering->wanted.len; i++)
        if (gathering->wanted.ptr[i]->is_open)
            return true;
    return gathering->context_request != 0;
}

/* First come, first served: a turn that asks for nothing does not overtake one that does. */
static void pump(struct lsp_server *server)
{
    while (server->gathers.len > 0 && server->gathers.ptr[0]->is_ready) {
        struct gathering *gathering = server->gathers.ptr[0];
        void (*on_done)(void *user) = gathering->on_done;
        void *user = gathering->user;
        vec_remove(&server->gathers, 0);
        gathering_free(gathering);
        on_done(user);
    }
}

static void note_news(struct gathering *gathering)
{
    if (is_waiting(gathering))
        return;
    gathering->is_ready = true;
    pump(gathering->server);
}

/* -- What the editor shows --------------------------------------------------------------------- */

static void on_context(void *user, const struct jsonrpc_answer *answer)
{
    struct gathering *gathering = user;
    gathering->context_request = 0;
    loop_timer_stop(gathering->context_timer);
    gathering->server->client.context_silences = 0;
    if (answer->status == STATUS_OK && json_is(answer->result, JSON_OBJECT))
        surroundings_read(gathering->server, answer->result, gathering->surroundings);
    else if (answer->status != STATUS_OK)
        gathering->server->client.tells_no_context = true; /* it does not know the question */
    note_news(gathering);
}

static void on_context_time(void *user)
{
    struct gathering *gathering = user;
    jsonrpc_request_drop(gathering->server->peer, gathering->context_request);
    gathering->context_request = 0;
    if (++gathering->server->client.context_silences >= SILENCES_MAX)
        gathering->server->client.tells_no_context = true;
    note_news(gathering);
}

static void ask_context(struct gathering *gathering)
{
    struct lsp_server *server = gathering->server;
    if (!gathering->surroundings || !server->client.rich || server->client.tells_no_context)
        return;
    gathering->context_request = jsonrpc_request(server->peer, "lanebridge/editor/context",
                                                 STR("{}"), on_context, gathering);
    if (!gathering->context_request)
        return;
    gathering->context_timer = loop_timer_new(server->env.loop, on_context_time, gathering);
    loop_timer_start(gathering->context_timer, LIMIT_EDITOR_CONTEXT_MS, 0);
}

/* -- Diagnostics ------------------------------------------------------------------------------- */

struct row {
    struct str path;
    const struct host_diagnostic *diagnostic;
};

static int by_weight(const void *a, const void *b)
{
    const struct row *x = a, *y = b;
    if (x->diagnostic->severity != y->diagnostic->severity)
        return x->diagnostic->severity < y->diagnostic->severity ? -1 : 1;
    int order = str_compare(x->path, y->path);
    if (order)
        return order;
    return x->diagnostic->line < y->diagnostic->line ? -1
                                                     : x->diagnostic->line > y->diagnostic->line;
}

static void append_row(const struct lsp_server *server, const struct row *row, struct buf *text)
{
    static const char *const severities[] = {"", "error", "warning", "information", "hint"};
    const struct host_diagnostic *diagnostic = row->diagnostic;
    struct buf message = {0};
    utf8_append_printable(&message,
                          str_slice(diagnostic->message, 0, utf8_floor(diagnostic->message, 400)));
    buf_append_fmt(text, STR_FMT ":%u:%u: %s: " STR_FMT,
                   STR_ARG(convert_display(server, row->path)), diagnostic->line,
                   diagnostic->character, severities[diagnostic->severity],
                   STR_ARG(buf_str(&message)));
    if (diagnostic->source.len > 0 || diagnostic->code.len > 0)
        buf_append_fmt(text, " (" STR_FMT "%s" STR_FMT ")", STR_ARG(diagnostic->source),
                       diagnostic->source.len > 0 && diagnostic->code.len > 0 ? " " : "",
                       STR_ARG(diagnostic->code));
    buf_append_byte(text, '\n');
    buf_finish(&message);
}

static bool is_wanted(const struct lsp_server *server, const struct input_part *part,
                      const struct host_diagnosed *file)
{
    struct buf why = {0};
    bool is_named = part->path.len > 0;
    bool may = is_named ? str_eq(file->path, buf_str(&part->path))
                        : workspace_root_count(server->env.workspace) == 0 ||
                              path_is_under(file->path,
                                            str_from(convert_root_of(server, file->path)->path));
    may =
        may && (!server->env.may_give || server->env.may_give(server->env.user, file->path, &why));
    buf_finish(&why);
    return may;
}

static void fill(const struct lsp_server *server, struct input_part *part,
                 const struct host_diagnosed *files, size_t count)
{
    VEC(struct row) rows = {0};
    for (size_t i = 0; i < count; i++) {
        if (!is_wanted(server, part, &files[i]))
            continue;
        for (size_t j = 0; j < files[i].count; j++) {
            const struct host_diagnostic *one = &files[i].list[j];
            if (one->line > part->first_line && one->line <= part->last_line + 1)
                vec_push(&rows, ((struct row){files[i].path, one}));
        }
    }
    if (rows.len > 0)
        qsort(rows.ptr, rows.len, sizeof(*rows.ptr), by_weight);
    size_t shown = rows.len < LIMIT_DIAGNOSTICS_COUNT ? rows.len : LIMIT_DIAGNOSTICS_COUNT;
    for (size_t i = 0; i < shown; i++)
        append_row(server, &rows.ptr[i], &part->text);
    if (shown < rows.len)
        buf_append_fmt(&part->text, "[%zu more]\n", rows.len - shown);
    if (rows.len == 0)
        buf_append_c(&part->text, "none");
    buf_append_fmt(&part->why, "%zu, as the editor's language servers have them now", rows.len);
    vec_finish(&rows);
}

static void on_diagnostics(void *user, enum status status, const struct host_diagnosed *files,
                           size_t count)
{
    struct wanted *wanted = user;
    struct gathering *gathering = wanted->gathering;
    struct input_part *part = &gathering->parts->list.ptr[wanted->part];
    wanted->is_open = false;
    if (status == STATUS_OK)
        fill(gathering->server, part, files, count);
    else
        buf_append_c(&part->text, "the editor did not tell them");
    note_news(gathering);
}

static void on_diagnostics_time(void *user)
{
    struct gathering *gathering = user;
    for (size_t i = 0; i < gathering->wanted.len; i++) {
        struct wanted *wanted = gathering->wanted.ptr[i];
        if (!wanted->is_open)
            continue;
        struct input_part *part = &gathering->parts->list.ptr[wanted->part];
        wanted->is_open = false;
        askings_drop(gathering->server, wanted);
        buf_append_c(&part->text, "the editor did not tell them in time");
        buf_append_c(&part->why, "the editor did not tell them in time");
    }
    note_news(gathering);
}

static void ask_diagnostics(struct gathering *gathering, size_t index)
{
    const struct input_part *part = &gathering->parts->list.ptr[index];
    struct wanted *wanted = mem_new(struct wanted);
    *wanted = (struct wanted){.gathering = gathering, .part = index, .is_open = true};
    vec_push(&gathering->wanted, wanted);
    const char *const paths[] = {part->path.ptr};
    bool is_named = part->path.len > 0;
    ask_editor_diagnostics(gathering->server, is_named ? paths : NULL, is_named ? 1 : 0,
                           on_diagnostics, wanted);
    if (gathering->diagnostics_timer)
        return;
    gathering->diagnostics_timer =
        loop_timer_new(gathering->server->env.loop, on_diagnostics_time, gathering);
    loop_timer_start(gathering->diagnostics_timer, LIMIT_GIVEN_DIAGNOSTICS_MS, 0);
}

bool gather_start(struct lsp_server *server, struct input_parts *parts,
                  struct surroundings *surroundings, void (*on_done)(void *user),
                  void (*on_dropped)(void *user), void *user)
{
    struct gathering *gathering = mem_new(struct gathering);
    *gathering = (struct gathering){.server = server,
                                    .parts = parts,
                                    .surroundings = surroundings,
                                    .on_done = on_done,
                                    .on_dropped = on_dropped,
                                    .user = user};
    ask_context(gathering);
    for (size_t i = 0; i < parts->list.len; i++)
        if (parts->list.ptr[i].wants_diagnostics)
            ask_diagnostics(gathering, i);
    gathering->is_ready = !is_waiting(gathering);
    if (gathering->is_ready && server->gathers.len == 0) {
        gathering_free(gathering);
        return false;
    }
    vec_push(&server->gathers, gathering);
    return true;
}
