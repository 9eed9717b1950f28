/* What the person has before them when they ask: the active file, what is selected and visible,
 * what is open. Names alone, but for the selection; and only of what the model may know of. */
#include "given-internal.h"

enum { VISIBLE_COUNT = 8, NAME_BYTES = 400 };

/* -- What may be told */

static bool is_in_folders(const struct lsp_server *server, struct str path)
{
    const struct workspace *workspace = server->env.workspace;
    for (size_t i = 0; i < workspace_root_count(workspace); i++)
        if (path_is_under(path, str_from(workspace_root_at(workspace, i)->path)))
            return true;
    return workspace_root_count(workspace) == 0; /* then what is open is all there is */
}

/* The name by which people know it, or "" for what is none of the model's business. */
static void append_name(const struct lsp_server *server, const struct document *document,
                        struct buf *name)
{
    struct str path = str_from(document->path), shown = path;
    struct buf why = {0};
    bool may = true;
    if (path.len == 0) {
        shown = str_from(document->uri);
    } else {
        may = is_in_folders(server, path) && transcript_thread_of(server, path).len == 0 &&
              (!server->env.may_give || server->env.may_give(server->env.user, path, &why));
        shown = convert_display(server, path);
    }
    if (may)
        utf8_append_printable(name, str_slice(shown, 0, utf8_floor(shown, NAME_BYTES)));
    buf_finish(&why);
}

static void push_open(const struct lsp_server *server, const struct document *document,
                      struct surroundings *s)
{
    struct buf name = {0};
    append_name(server, document, &name);
    if (name.len > 0 && s->open.len < LIMIT_OPEN_FILES_COUNT)
        vec_push(&s->open, buf_take(&name));
    buf_finish(&name);
}

/* -- As the editor tells it */

static void read_selection(const struct lsp_server *server, const struct document *document,
                           const struct json_value *range, struct surroundings *s)
{
    size_t start, end;
    if (!json_is(range, JSON_OBJECT) || !document->text ||
        convert_range(server, document->text, range, &start, &end, NULL) < 0 || start == end)
        return;
    struct buf bytes = {0};
    buf_append(&bytes, str_slice(text_bytes(document->text), start, end));
    struct str whole = buf_str(&bytes);
    size_t len = utf8_floor(whole, LIMIT_SURROUNDINGS_BYTES);
    s->has_selection = true;
    s->first_line = text_line_of(document->text, start);
    s->last_line = text_line_of(document->text, end > start ? end - 1 : end);
    buf_append(&s->selected, str_slice(whole, 0, len));
    if (len < whole.len)
        buf_append_fmt(&s->selected, "\n[%zu bytes more]", whole.len - len);
    buf_finish(&bytes);
}

static void read_visible(const struct lsp_server *server, const struct json_value *told,
                         struct surroundings *s)
{
    const struct document *document =
        document_find_uri(server->env.documents, json_get_str(told, "uri"));
    const struct json_value *range = json_first(json_get(told, "ranges"));
    struct buf name = {0};
    if (document)
        append_name(server, document, &name);
    for (; name.len > 0 && range && s->visible.len < VISIBLE_COUNT; range = json_next(range)) {
        int64_t first = json_int(json_at(range, "start", "line", NULL), -1);
        int64_t last = json_int(json_at(range, "end", "line", NULL), -1);
        if (first < 0 || last < first)
            continue;
        struct visible visible = {mem_dup_c(name.ptr), (size_t)first, (size_t)last};
        vec_push(&s->visible, visible);
    }
    buf_finish(&name);
}

void surroundings_read(const struct lsp_server *server, const struct json_value *told,
                       struct surroundings *s)
{
    s->is_told = true;
    const struct document *active =
        document_find_uri(server->env.documents, json_get_str(told, "active"));
    if (active) {
        struct buf name = {0};
        append_name(server, active, &name);
        buf_append_c(&s->active, active->path[0] ? active->path : active->uri);
        if (name.len > 0)
            read_selection(server, active, json_get(told, "selection"), s);
        buf_finish(&name);
    }
    const struct json_value *one = json_first(json_get(told, "visible"));
    for (; one; one = json_next(one))
        read_visible(server, one, s);
    for (one = json_first(json_get(told, "open")); one; one = json_next(one)) {
        const struct document *document = document_find_uri(server->env.documents, json_str(one));
        if (document)
            push_open(server, document, s);
    }
}

/* -- As far as we know by ourselves */

void surroundings_guess(const struct lsp_server *server, const struct document *active,
                        struct surroundings *s)
{
    const struct document *document;
    if (active)
        buf_append_c(&s->active, active->path[0] ? active->path : active->uri);
    for (size_t i = 0; (document = document_at(server->env.documents, i)); i++)
        push_open(server, document, s);
}

/* -- For the model */

static const struct document *find_active(const struct lsp_server *server,
                                          const struct surroundings *s)
{
    const struct document *document =
        document_find_path(server->env.documents, buf_str(&s->active));
    return document || s->active.len == 0
               ? document
               : document_find_uri(server->env.documents, buf_str(&s->active));
}

static void append_visible(const struct surroundings *s, struct buf *text)
{
    for (size_t i = 0; i < s->visible.len; i++)
        buf_append_fmt(text, "%s%s lines %zu-%zu",
                       i > 0 ? ", " : "visible: ", s->visible.ptr[i].name,
                       s->visible.ptr[i].first_line + 1, s->visible.ptr[i].last_line + 1);
    if (s->visible.len > 0)
        buf_append_byte(text, '\n');
}

static void append_open(const struct surroundings *s, struct buf *text)
{
    if (s->open.len < 2) /* the active one */
        return;
    for (size_t i = 0; i < s->open.len; i++)
        buf_append_fmt(text, "%s%s", i > 0 ? ", " : "open files: ", s->open.ptr[i]);
    buf_append_byte(text, '\n');
}

void surroundings_tell(const struct lsp_server *server, const struct surroundings *s,
                       bool with_selection, struct input_part *part)
{
    const struct document *active = find_active(server, s);
    struct buf name = {0}, text = {0};
    if (active)
        append_name(server, active, &name);
    if (name.len > 0)
        buf_append_fmt(&text, "active file: %s\n", name.ptr);
    if (s->has_selection && with_selection)
        buf_append_fmt(&text, "selected, lines %zu-%zu:\n" STR_FMT "\n", s->first_line + 1,
                       s->last_line + 1, STR_ARG(str_trim_end(buf_str(&s->selected))));
    append_visible(s, &text);
    append_open(s, &text);
    if (text.len > 0) {
        buf_append_c(&part->label, "editor");
        buf_append(&part->text, str_trim_end(buf_str(&text)));
        buf_append_c(&part->why, s->is_told ? "what you have before you, by itself"
                                            : "what is open, by itself");
    }
    buf_finish(&name);
    buf_finish(&text);
}

void surroundings_finish(struct surroundings *s)
{
    buf_finish(&s->active);
    buf_finish(&s->selected);
    for (size_t i = 0; i < s->visible.len; i++)
        mem_free(s->visible.ptr[i].name);
    vec_finish(&s->visible);
    for (size_t i = 0; i < s->open.len; i++)
        mem_free(s->open.ptr[i]);
    vec_finish(&s->open);
}
