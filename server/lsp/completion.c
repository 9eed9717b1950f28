/* textDocument/completion below the prompt heading of a transcript: "@" names files and folders,
 * "/" at the beginning the person's prompts. Everywhere else there is nothing to complete. */
#include "lsp-internal.h"

enum {
    ITEMS_COUNT = 50,
    FIND_COUNT = 200,
    BUDGET_MS = 2000,
    KIND_TEXT = 1, /* CompletionItemKind of LSP */
    KIND_FILE = 17,
    KIND_FOLDER = 19,
};

struct completion {
    struct lsp_server *server;
    struct buf id, uri;
    int64_t version;
    size_t start, end;       /* of the word, with its "@" or "/" */
    struct buf word, folder; /* behind the "@": all of it, and its part up to the last "/" */
    struct workspace_job *job;
    bool is_search;   /* the job looks everywhere; else it lists the folder */
    struct buf items; /* JSON, as far as they are known */
    struct json_writer w;
    size_t count;
    struct map seen; /* paths; no values */
};

/* -- The answer */

static void answer_nothing(struct lsp_server *server, struct str id)
{
    jsonrpc_respond(server->peer, id, STR("{\"isIncomplete\":false,\"items\":[]}"));
}

static void completion_free(struct completion *completion)
{
    if (completion->server->completion == completion)
        completion->server->completion = NULL;
    if (completion->job)
        workspace_job_cancel(completion->job);
    buf_finish(&completion->id);
    buf_finish(&completion->uri);
    buf_finish(&completion->word);
    buf_finish(&completion->folder);
    buf_finish(&completion->items);
    map_finish(&completion->seen);
    mem_free(completion);
}

void completion_finish(struct lsp_server *server)
{
    if (server->completion)
        completion_free(server->completion);
}

static void answer(struct completion *completion)
{
    struct lsp_server *server = completion->server;
    const struct document *document =
        document_find_uri(server->env.documents, buf_str(&completion->uri));
    struct buf result = {0};
    json_write_end_array(&completion->w);
    buf_append_fmt(&result, "{\"isIncomplete\":true,\"items\":" STR_FMT "}",
                   STR_ARG(buf_str(&completion->items)));
    if (document && document->version == completion->version)
        jsonrpc_respond(server->peer, buf_str(&completion->id), buf_str(&result));
    else
        answer_nothing(server, buf_str(&completion->id));
    buf_finish(&result);
    completion_free(completion);
}

static void add_item(struct completion *completion, char mark, struct str name, int kind,
                     struct str detail)
{
    struct json_writer *w = &completion->w;
    const struct document *document =
        document_find_uri(completion->server->env.documents, buf_str(&completion->uri));
    struct buf text = {0};
    if (!document || !document->text || text_len(document->text) < completion->end ||
        completion->count >= ITEMS_COUNT || map_has(&completion->seen, name))
        return;
    map_set(&completion->seen, name, completion);
    completion->count++;
    bool is_quoted = str_find_byte(name, ' ', 0) != STR_NONE;
    buf_append_fmt(&text, "%c%s" STR_FMT "%s", mark, is_quoted ? "\"" : "", STR_ARG(name),
                   is_quoted ? "\"" : "");
    json_write_begin_object(w);
    json_write_field_str(w, "label", buf_str(&text));
    json_write_field_int(w, "kind", kind);
    if (detail.len > 0)
        json_write_field_str(w, "detail", detail);
    json_write_field_str(w, "filterText", buf_str(&text));
    json_write_key(w, "textEdit");
    json_write_begin_object(w);
    json_write_key(w, "range");
    convert_write_range(completion->server, w, document->text, completion->start, completion->end);
    json_write_field_str(w, "newText", buf_str(&text));
    json_write_end_object(w);
    json_write_end_object(w);
    buf_finish(&text);
}

/* -- Prompts */

static void add_prompt(void *user, struct str name, struct str text)
{
    struct completion *completion = user;
    struct buf line = {0};
    prompts_append_summary(text, &line);
    add_item(completion, '/', name, KIND_TEXT, buf_str(&line));
    buf_finish(&line);
}

static void complete_prompts(struct completion *completion)
{
    struct lsp_server *server = completion->server;
    if (server->env.prompts)
        server->env.prompts(server->env.user, add_prompt, completion);
    answer(completion);
}

/* -- Files */

static bool may_name(const struct lsp_server *server, struct str display)
{
    struct workspace_path where;
    struct buf why = {0};
    if (workspace_resolve(server->env.workspace, NULL, display, &where, NULL) < 0)
        return false;
    bool may = !server->env.may_give ||
               server->env.may_give(server->env.user, str_from(where.absolute), &why);
    workspace_path_finish(&where);
    buf_finish(&why);
    return may;
}

/* A name anywhere below; what would be a pattern is none that anybody types. */
static bool wants_search(const struct completion *completion)
{
    struct str word = buf_str(&completion->word);
    for (size_t i = 0; i < word.len; i++)
        if (strchr("*?[]{}!\\/", word.ptr[i]))
            return false;
    return word.len > 0 && completion->count < ITEMS_COUNT;
}

static bool fits(const struct completion *completion, const struct workspace_match *match)
{
    struct str path = str_from(match->path), word = buf_str(&completion->word);
    return !match->ignored && (completion->is_search || str_starts_with(path, word)) &&
           may_name(completion->server, path);
}

static void start_job(struct completion *completion, bool is_search);

/* The folder is listed; then a name is looked for everywhere. */
static void on_results(void *user, const struct workspace_results *results)
{
    struct completion *completion = user;
    completion->job = NULL;
    for (size_t i = 0; i < results->count; i++) {
        const struct workspace_match *match = &results->matches[i];
        struct buf name = {0};
        buf_append_fmt(&name, "%s%s", match->path, match->is_folder ? "/" : "");
        if (fits(completion, match))
            add_item(completion, '@', buf_str(&name), match->is_folder ? KIND_FOLDER : KIND_FILE,
                     STR(""));
        buf_finish(&name);
    }
    if (!completion->is_search && wants_search(completion))
        start_job(completion, true);
    else
        answer(completion);
}

static void start_job(struct completion *completion, bool is_search)
{
    struct lsp_server *server = completion->server;
    struct workspace_path folder;
    struct buf glob = {0};
    struct str name =
        is_search || completion->folder.len == 0 ? STR(".") : buf_str(&completion->folder);
    completion->is_search = is_search;
    if (workspace_resolve(server->env.workspace, NULL, name, &folder, NULL) < 0) {
        answer(completion);
        return;
    }
    buf_append_fmt(&glob, "*" STR_FMT "*", STR_ARG(buf_str(&completion->word)));
    struct workspace_search search = {.folder = &folder,
                                      .limit = is_search ? FIND_COUNT : LIMIT_LIST_COUNT,
                                      .depth = 1,
                                      .glob = buf_str(&glob),
                                      .budget_ms = BUDGET_MS};
    completion->job = is_search
                          ? workspace_find(server->env.workspace, &search, on_results, completion)
                          : workspace_list(server->env.workspace, &search, on_results, completion);
    workspace_path_finish(&folder);
    buf_finish(&glob);
}

static void complete_files(struct completion *completion)
{
    struct str word = buf_str(&completion->word);
    size_t slash = str_rfind_byte(word, '/');
    if (str_starts_with(STR("diff"), word))
        add_item(completion, '@', STR("diff"), KIND_TEXT, STR("the uncommitted changes"));
    if (slash != STR_NONE)
        buf_append(&completion->folder, str_slice(word, 0, slash));
    start_job(completion, false);
}

/* -- The question */

/* The word before the cursor; false: nothing there can be completed. */
static bool find_word(const struct document *document, size_t cursor, size_t *ret_start)
{
    struct str text = text_bytes(document->text);
    size_t prompt = transcript_prompt_offset(text), at = cursor;
    if (cursor < prompt)
        return false;
    while (at > prompt && !strchr(" \t\r\n", text.ptr[at - 1]))
        at--;
    struct str word = str_slice(text, at, cursor);
    bool is_first = str_trim(str_slice(text, prompt, at)).len == 0;
    *ret_start = at;
    return word.len > 0 && (word.ptr[0] == '@' || (word.ptr[0] == '/' && is_first));
}

static void begin(struct lsp_server *server, const struct jsonrpc_message *message,
                  const struct document *document, size_t start, size_t cursor)
{
    struct completion *completion = mem_new(struct completion);
    struct str word = str_slice(text_bytes(document->text), start, cursor);
    completion->server = server;
    completion->version = document->version;
    completion->start = start;
    completion->end = cursor;
    buf_append(&completion->id, message->id);
    buf_append_c(&completion->uri, document->uri);
    json_writer_init(&completion->w, &completion->items);
    json_write_begin_array(&completion->w);
    bool is_prompt = word.ptr[0] == '/';
    struct str rest = str_skip(word, 1);
    buf_append(&completion->word, str_starts_with(rest, STR("\"")) ? str_skip(rest, 1) : rest);
    server->completion = completion;
    if (is_prompt)
        complete_prompts(completion);
    else
        complete_files(completion);
}

static void handle_completion(struct lsp_server *server, const struct jsonrpc_message *message)
{
    const struct document *document = document_find_uri(
        server->env.documents, json_get_str(json_get(message->params, "textDocument"), "uri"));
    const struct json_value *position = json_get(message->params, "position");
    size_t cursor, start;
    if (server->completion) { /* the person has typed on */
        answer_nothing(server, buf_str(&server->completion->id));
        completion_free(server->completion);
    }
    if (document && document->text && transcript_is(server, str_from(document->path)) &&
        convert_position(server, document->text, position, &cursor, NULL) == STATUS_OK &&
        find_word(document, cursor, &start))
        begin(server, message, document, start, cursor);
    else
        answer_nothing(server, message->id);
}

const struct lsp_method completion_requests[] = {
    {"textDocument/completion", handle_completion},
    {NULL, NULL},
};
