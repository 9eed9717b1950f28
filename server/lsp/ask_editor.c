/* host.h for the tools: what the editor's own language servers know and propose, asked for by
 * lanebridge/editor/…, and what came back in bytes, paths and texts of ours. */
#include "lsp-internal.h"

struct editor_job {
    struct asking asking;
    uint64_t revision; /* of the documents, when it was asked */
    uint64_t asked_ms;
    enum host_query_kind kind;
    union {
        host_diagnostics_fn *on_diagnostics;
        host_locations_fn *on_locations;
        host_proposal_fn *on_proposal;
    };
};

/* -- Life
 * ------------------------------------------------------------------------------------------------
 */

static void release(struct asking *asking)
{
    mem_free((struct editor_job *)asking);
}

static struct editor_job *job_new(struct lsp_server *server, void *user)
{
    struct editor_job *job = mem_new(struct editor_job);
    asking_begin(&job->asking, server, release, user);
    job->asked_ms = time_wall_ms();
    const struct document *document;
    for (size_t i = 0; (document = document_at(server->env.documents, i)); i++)
        job->revision = document->revision > job->revision ? document->revision : job->revision;
    return job;
}

/* The sentence of a refusal; what a broken editor says is cut. */
static struct str refusal(const struct jsonrpc_answer *answer)
{
    struct str text = str_slice(answer->error_text, 0, utf8_floor(answer->error_text, 500));
    return text.len > 0 ? text : str_from(status_name(answer->status));
}

/* What the strings of an answer are kept in until it is told. */
struct kept {
    VEC(char *) strings;
};

static struct str keep(struct kept *kept, struct buf *text)
{
    size_t len = text->len;
    vec_push(&kept->strings, buf_take(text));
    return (struct str){vec_last(&kept->strings), len};
}

static void kept_finish(struct kept *kept)
{
    for (size_t i = 0; i < kept->strings.len; i++)
        mem_free(kept->strings.ptr[i]);
    vec_finish(&kept->strings);
}

/* False for what is no file. */
static bool keep_path(struct kept *kept, struct str uri, struct str *ret_path)
{
    struct buf path = {0};
    uint64_t device, inode;
    bool is_file = convert_uri(uri, &path, &device, &inode, NULL) == STATUS_OK && path.len > 0;
    if (is_file)
        *ret_path = keep(kept, &path);
    buf_finish(&path);
    return is_file;
}

/* -- Places in answers ------------------------------------------------------------------------- */

struct place {
    unsigned line, character; /* 1-based */
    struct str text;          /* of the line, where it is known */
};

static unsigned count_characters(const struct lsp_server *server, const struct text *text,
                                 struct position at)
{
    size_t offset;
    if (text_offset_of(text, server->encoding, at, &offset, NULL) < 0)
        return at.character + 1;
    return text_position_of(text, POSITION_UTF32, offset).character + 1;
}

/* The line comes from the screen, else from the editor; without it a character is taken as one unit
 * of the encoding, which is so for ASCII. */
static struct place read_place(const struct lsp_server *server, struct str path,
                               const struct json_value *range, struct str told_line)
{
    const struct json_value *start = json_get(range, "start");
    int64_t line = json_get_int(start, "line", 0), character = json_get_int(start, "character", 0);
    struct position at = {(uint32_t)(line > 0 && line < UINT32_MAX ? line : 0),
                          (uint32_t)(character > 0 && character < UINT32_MAX ? character : 0)};
    struct place place = {at.line + 1, at.character + 1, told_line};
    const struct document *document = document_find_path(server->env.documents, path);
    if (document && document->text && at.line < text_line_count(document->text)) {
        place.text = text_line_content(document->text, at.line);
        place.character = count_characters(server, document->text, at);
    } else if (told_line.len > 0) {
        struct text *line_alone = text_new(told_line);
        place.character = count_characters(server, line_alone, (struct position){0, at.character});
        text_unref(line_alone);
    }
    return place;
}

/* -- Diagnostics ------------------------------------------------------------------------------- */

struct diagnosed {
    struct host_diagnosed file;
    VEC(struct host_diagnostic) list;
};

static struct str keep_code(struct kept *kept, const struct json_value *code)
{
    struct buf text = {0};
    if (json_is(code, JSON_STRING))
        return json_str(code);
    if (!json_is(code, JSON_NUMBER))
        return STR("");
    json_append(&text, code);
    return keep(kept, &text);
}

static struct host_diagnostic read_diagnostic(const struct lsp_server *server, struct kept *kept,
                                              struct str path, const struct json_value *value)
{
    const struct json_value *message = json_get(value, "message");
    int64_t severity = json_get_int(value, "severity", 1);
    struct place place = read_place(server, path, json_get(value, "range"), STR(""));
    return (struct host_diagnostic){
        .message = json_is(message, JSON_OBJECT)
                       ? json_get_str(message, "value") /* MarkupContent */
                       : json_str(message),
        .source = json_get_str(value, "source"),
        .code = keep_code(kept, json_get(value, "code")),
        .severity = severity >= 1 && severity <= 4 ? (unsigned)severity : 1,
        .line = place.line,
        .character = place.character,
    };
}

static bool read_diagnosed(const struct lsp_server *server, struct kept *kept,
                           const struct json_value *value, struct diagnosed *ret_file)
{
    const struct json_value *version = json_get(value, "version");
    const struct json_value *one = json_first(json_get(value, "diagnostics"));
    struct diagnosed file = {
        .file = {.has_version = json_is(version, JSON_NUMBER), .version = json_int(version, 0)}};
    if (!keep_path(kept, json_get_str(value, "uri"), &file.file.path))
        return false;
    for (; one && file.list.len < LIMIT_DIAGNOSTICS_KEPT_COUNT; one = json_next(one))
        vec_push(&file.list, read_diagnostic(server, kept, file.file.path, one));
    file.file.list = file.list.ptr;
    file.file.count = file.list.len;
    *ret_file = file;
    return true;
}

static void on_diagnostics(struct asking *asking, const struct jsonrpc_answer *answer)
{
    struct editor_job *job = (struct editor_job *)asking;
    host_diagnostics_fn *on_done = job->on_diagnostics;
    void *user = asking->user;
    struct kept kept = {0};
    VEC(struct diagnosed) all = {0};
    VEC(struct host_diagnosed) files = {0};
    const struct json_value *one = json_first(json_get(answer->result, "files"));
    for (struct diagnosed file; one; one = json_next(one)) {
        if (!read_diagnosed(asking->server, &kept, one, &file))
            continue;
        vec_push(&all, file);
        vec_push(&files, file.file);
    }
    asking_free(asking);
    on_done(user, answer->status, files.ptr, files.len);
    for (size_t i = 0; i < all.len; i++)
        vec_finish(&all.ptr[i].list);
    vec_finish(&all);
    vec_finish(&files);
    kept_finish(&kept);
}

void ask_editor_diagnostics(void *host, const char *const *paths, size_t count,
                            host_diagnostics_fn *on_done, void *user)
{
    struct lsp_server *server = host;
    struct editor_job *job = job_new(server, user);
    struct buf params = {0};
    struct json_writer w;
    job->on_diagnostics = on_done;
    json_writer_init(&w, &params);
    json_write_begin_object(&w);
    if (paths) {
        json_write_key(&w, "uris");
        json_write_begin_array(&w);
        for (size_t i = 0; i < count; i++)
            convert_write_uri(server, &w, paths[i]);
        json_write_end_array(&w);
    }
    json_write_end_object(&w);
    asking_send(&job->asking, "lanebridge/editor/diagnostics", buf_str(&params), on_diagnostics);
    buf_finish(&params);
}

/* -- Questions about a place ------------------------------------------------------------------- */

static void write_uri(const struct lsp_server *server, struct json_writer *w,
                      const struct host_query *query)
{
    json_write_key(w, "uri");
    convert_write_uri(server, w, query->path);
}

static void write_position(const struct lsp_server *server, struct json_writer *w,
                           const struct host_query *query)
{
    write_uri(server, w, query);
    convert_write_position(server, w, "position", query->text, query->start);
}

static void write_range(const struct lsp_server *server, struct json_writer *w,
                        const struct host_query *query)
{
    json_write_key(w, "range");
    convert_write_range(server, w, query->text, query->start, query->end);
}

static void write_symbols(const struct lsp_server *server, struct json_writer *w,
                          const struct host_query *query)
{
    if (query->path)
        write_uri(server, w, query);
    if (query->words.len > 0)
        json_write_field_str(w, "query", query->words);
}

static void write_rename(const struct lsp_server *server, struct json_writer *w,
                         const struct host_query *query)
{
    write_position(server, w, query);
    json_write_field_str(w, "newName", query->words);
}

static void write_code_action(const struct lsp_server *server, struct json_writer *w,
                              const struct host_query *query)
{
    write_uri(server, w, query);
    write_range(server, w, query);
    if (query->action_kind.len > 0) {
        json_write_key(w, "kinds");
        json_write_begin_array(w);
        json_write_str(w, query->action_kind);
        json_write_end_array(w);
    }
    if (query->words.len > 0)
        json_write_field_str(w, "title", query->words);
}

static void write_format(const struct lsp_server *server, struct json_writer *w,
                         const struct host_query *query)
{
    write_uri(server, w, query);
    if (!query->whole)
        write_range(server, w, query);
}

static const struct {
    const char *method;
    void (*write)(const struct lsp_server *server, struct json_writer *w,
                  const struct host_query *query);
} queries[] = {
    [HOST_SYMBOLS] = {"lanebridge/editor/symbols", write_symbols},
    [HOST_DEFINITION] = {"lanebridge/editor/definition", write_position},
    [HOST_REFERENCES] = {"lanebridge/editor/references", write_position},
    [HOST_RENAME] = {"lanebridge/editor/rename", write_rename},
    [HOST_CODE_ACTION] = {"lanebridge/editor/codeAction", write_code_action},
    [HOST_FORMAT] = {"lanebridge/editor/format", write_format},
};

/* The offsets must be of the text that the editor has by now. */
static bool is_outdated(const struct lsp_server *server, const struct host_query *query)
{
    const struct document *document =
        query->text ? document_find_path(server->env.documents, str_from(query->path)) : NULL;
    return document && (!document->text || !text_eq(document->text, query->text));
}

static void job_query(struct editor_job *job, const struct host_query *query,
                      asking_answer_fn *on_answer)
{
    struct asking *asking = &job->asking;
    struct buf params = {0};
    struct json_writer w;
    job->kind = query->kind;
    if (is_outdated(asking->server, query)) {
        asking_skip(asking, STATUS_CONFLICT, on_answer);
        return;
    }
    json_writer_init(&w, &params);
    json_write_begin_object(&w);
    queries[query->kind].write(asking->server, &w, query);
    json_write_end_object(&w);
    asking_send(asking, queries[query->kind].method, buf_str(&params), on_answer);
    buf_finish(&params);
}

/* -- Where something is ------------------------------------------------------------------------ */

static void on_located(struct asking *asking, const struct jsonrpc_answer *answer)
{
    struct editor_job *job = (struct editor_job *)asking;
    host_locations_fn *on_done = job->on_locations;
    void *user = asking->user;
    struct kept kept = {0};
    VEC(struct host_location) list = {0};
    const char *member = job->kind == HOST_SYMBOLS ? "symbols" : "locations";
    const struct json_value *one = json_first(json_get(answer->result, member));
    for (; one; one = json_next(one)) {
        struct host_location location = {.name = json_get_str(one, "name"),
                                         .container = json_get_str(one, "container")};
        if (!keep_path(&kept, json_get_str(one, "uri"), &location.path))
            continue;
        struct place place = read_place(asking->server, location.path, json_get(one, "range"),
                                        json_get_str(one, "text"));
        location.line = place.line;
        location.character = place.character;
        location.text = place.text;
        location.kind = (unsigned)json_get_int(one, "kind", 0);
        vec_push(&list, location);
    }
    asking_free(asking);
    on_done(user, answer->status, answer->status < 0 ? refusal(answer) : STR(""), list.ptr,
            list.len);
    vec_finish(&list);
    kept_finish(&kept);
}

void ask_editor_locate(void *host, const struct host_query *query, host_locations_fn *on_done,
                       void *user)
{
    struct editor_job *job = job_new(host, user);
    job->on_locations = on_done;
    job_query(job, query, on_located);
}

/* -- Edits that are not applied there ---------------------------------------------------------- */

static void on_proposed(struct asking *asking, const struct jsonrpc_answer *answer)
{
    struct editor_job *job = (struct editor_job *)asking;
    host_proposal_fn *on_done = job->on_proposal;
    void *user = asking->user;
    struct incoming incoming = {0};
    struct err err = {0};
    VEC(struct str) titles = {0};
    struct host_proposal proposal = {.status = answer->status};
    if (answer->status < 0) {
        proposal.note = refusal(answer);
    } else {
        const struct json_value *edit = json_get(answer->result, "edit");
        const struct incoming_since since = {job->revision, job->asked_ms};
        proposal.status = incoming_read(asking->server, edit, &since, &incoming, &err);
        proposal.note = str_from(err.text);
        const struct json_value *one = json_first(json_get(answer->result, "titles"));
        for (; one; one = json_next(one))
            vec_push(&titles, json_str(one));
    }
    proposal.changes = incoming.changes.ptr;
    proposal.count = incoming.changes.len;
    proposal.titles = titles.ptr;
    proposal.title_count = titles.len;
    asking_free(asking);
    on_done(user, &proposal);
    vec_finish(&titles);
    incoming_finish(&incoming);
}

void ask_editor_propose(void *host, const struct host_query *query, host_proposal_fn *on_done,
                        void *user)
{
    struct editor_job *job = job_new(host, user);
    job->on_proposal = on_done;
    job_query(job, query, on_proposed);
}
