#include "fixture.h"

#include <criterion/criterion.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { GUARD_MS = 50000 };

/* -- Set up ---------------------------------------------------------------------------------- */

static uint64_t fixed_now(void)
{
    return 1000000;
}

static void on_guard(void *user)
{
    struct fixture *f = user;
    f->timed_out = true;
    loop_stop(f->loop);
}

static char *below(const struct fixture *f, const char *name)
{
    struct buf path = {0};
    buf_append_fmt(&path, "%s/%s", f->dir, name);
    return buf_take(&path);
}

static void make_tools(struct fixture *f)
{
    struct err err = {0};
    f->journal = journal_open(str_from(f->env.state_folder), fixed_now, &err);
    cr_assert_not_null(f->journal, "%s", err.text);
    struct tools_env env = {
        .loop = f->loop,
        .documents = f->documents,
        .workspace = f->workspace,
        .policy = f->policy,
        .journal = f->journal,
        .host = &f->host.host,
        .cache_folder = f->env.cache_folder,
    };
    f->tools = tools_new(&env);
}

void fixture_init(struct fixture *f)
{
    struct err err = {0};
    *f = (struct fixture){.dir = "/tmp/lanebridge-tools-XXXXXX"};
    cr_assert_not_null(mkdtemp(f->dir));
    snprintf(f->ws, sizeof(f->ws), "%s/ws", f->dir);
    f->env = (struct config_env){.home = below(f, "home"),
                                 .config_file = below(f, "home/config.json"),
                                 .state_folder = below(f, "state"),
                                 .cache_folder = below(f, "cache")};
    mkdir(f->ws, 0755);
    mkdir(f->env.home, 0700);
    mkdir(f->env.state_folder, 0700);
    mkdir(f->env.cache_folder, 0700);
    f->loop = loop_new(&err);
    f->guard = loop_timer_new(f->loop, on_guard, f);
    f->config = config_new();
    f->documents = documents_new();
    f->workspace = workspace_new(f->loop, str_from(f->env.state_folder), str_from(f->env.home));
    cr_assert_eq(workspace_add_root(f->workspace, str_from(f->ws), STR("ws"), &err), STATUS_OK,
                 "%s", err.text);
    f->policy = policy_new(f->config, f->workspace, &f->env);
    host_init(&f->host, f);
    make_tools(f);
    cr_assert_eq(journal_thread_create(f->journal, str_from(f->ws), STR("m"), f->thread_id, &err),
                 STATUS_OK, "%s", err.text);
    cr_assert_eq(journal_turn_create(f->journal, f->thread_id, f->turn_id, &err), STATUS_OK, "%s",
                 err.text);
    f->thread = tools_thread_new(f->tools, f->thread_id, str_from(f->ws));
}

void fixture_restart(struct fixture *f)
{
    struct err err = {0};
    tools_thread_free(f->thread);
    tools_free(f->tools);
    journal_close(f->journal);
    make_tools(f);
    cr_assert_eq(journal_lease_take(f->journal, f->thread_id, true, &err), STATUS_OK, "%s",
                 err.text);
    f->thread = tools_thread_new(f->tools, f->thread_id, str_from(f->ws));
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)st;
    (void)kind;
    (void)ftw;
    return remove(path);
}

void fixture_finish(struct fixture *f)
{
    tools_thread_free(f->thread);
    tools_free(f->tools);
    journal_close(f->journal);
    policy_free(f->policy);
    workspace_free(f->workspace);
    documents_free(f->documents);
    config_free(f->config);
    loop_timer_free(f->guard);
    loop_free(f->loop);
    host_finish(&f->host);
    config_env_finish(&f->env);
    nftw(f->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* -- Files and documents --------------------------------------------------------------------- */

const char *in_ws(const struct fixture *f, const char *name)
{
    static char paths[4][512];
    static unsigned turn;
    char *path = paths[turn++ % 4];
    snprintf(path, sizeof(paths[0]), "%s/%s", f->ws, name);
    return path;
}

void put_bytes(struct fixture *f, const char *name, struct str bytes)
{
    char path[512];
    snprintf(path, sizeof(path), "%s/%s", f->ws, name);
    for (char *slash = strchr(path + strlen(f->ws) + 1, '/'); slash;
         slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(path, 0755);
        *slash = '/';
    }
    FILE *file = fopen(path, "w");
    cr_assert_not_null(file, "%s", path);
    cr_assert_eq(fwrite(bytes.ptr, 1, bytes.len, file), bytes.len);
    fclose(file);
}

void put(struct fixture *f, const char *name, const char *text)
{
    put_bytes(f, name, str_from(text));
}

const char *disk(struct fixture *f, const char *name)
{
    static char bytes[8192];
    FILE *file = fopen(in_ws(f, name), "r");
    if (!file)
        return "(none)";
    bytes[fread(bytes, 1, sizeof(bytes) - 1, file)] = '\0';
    fclose(file);
    return bytes;
}

static void append_uri(const struct fixture *f, const char *name, struct buf *uri)
{
    uri_append_file(uri, str_from(in_ws(f, name)));
}

void open_file(struct fixture *f, const char *name, const char *text)
{
    struct buf uri = {0};
    struct text *content = text ? text_new(str_from(text)) : NULL;
    append_uri(f, name, &uri);
    document_open(f->documents, buf_str(&uri), str_from(in_ws(f, name)), 0, 0, STR("c"), 1, content,
                  text ? STR("") : STR("it is larger than 10 MiB"));
    text_unref(content);
    buf_finish(&uri);
}

void type_over(struct fixture *f, const char *name, const char *text)
{
    struct buf uri = {0};
    append_uri(f, name, &uri);
    struct document *document = document_find_uri(f->documents, buf_str(&uri));
    cr_assert_not_null(document);
    cr_assert_eq(document_change(f->documents, buf_str(&uri), document->version + 1, 0,
                                 text_len(document->text), str_from(text), NULL),
                 STATUS_OK);
    buf_finish(&uri);
}

const char *screen(struct fixture *f, const char *name)
{
    static char bytes[8192];
    struct document *document = document_find_path(f->documents, str_from(in_ws(f, name)));
    if (!document || !document->text)
        return "(closed)";
    struct str text = text_bytes(document->text);
    snprintf(bytes, sizeof(bytes), STR_FMT, STR_ARG(text));
    return bytes;
}

void save_file(struct fixture *f, const char *name)
{
    struct buf uri = {0};
    append_uri(f, name, &uri);
    put(f, name, screen(f, name));
    document_saved(f->documents, buf_str(&uri));
    buf_finish(&uri);
}

/* -- Calls ----------------------------------------------------------------------------------- */

static void on_started(void *user, enum tools_kind kind, struct str title)
{
    struct record *record = user;
    (void)kind;
    record->started++;
    mem_free(record->title);
    record->title = str_dup_c(title);
    if (record->on_started)
        record->on_started(record);
}

static void on_waiting(void *user, struct str why)
{
    (void)why;
    ((struct record *)user)->waiting++;
}

static void on_progress(void *user, struct str text)
{
    struct record *record = user;
    buf_append(&record->progress, text);
    if (record->on_progress)
        record->on_progress(record);
}

static void on_done(void *user, const struct tools_output *output)
{
    struct record *record = user;
    struct fixture *f = record->f;
    static unsigned order;
    record->outputs++;
    record->call = NULL;
    record->ok = output->ok;
    record->unknown = output->unknown;
    record->exit_code = output->exit_code;
    record->text = str_dup_c(output->text);
    record->summary = str_dup_c(output->summary);
    record->diff = str_dup_c(output->diff);
    record->order = ++order;
    if (!record->is_duplicate) {
        struct buf saved = {0};
        cr_expect_eq(journal_call_find(f->journal, f->thread_id, str_from(record->call_id), &saved),
                     CALL_DONE);
        cr_expect(str_eq(buf_str(&saved), output->text), "the journal has another output");
        buf_finish(&saved);
    }
    if (--f->running == 0)
        loop_stop(f->loop);
}

static const struct tools_handlers handlers = {.on_started = on_started,
                                               .on_waiting = on_waiting,
                                               .on_progress = on_progress,
                                               .on_done = on_done};

void start_id(struct fixture *f, struct record *record, const char *call_id, const char *name,
              struct str arguments, bool is_custom)
{
    struct tools_request request = {.call_id = str_from(call_id),
                                    .name = str_from(name),
                                    .arguments = arguments,
                                    .is_custom = is_custom,
                                    .turn_id = f->turn_id};
    record->f = f;
    snprintf(record->call_id, sizeof(record->call_id), "%s", call_id);
    f->running++;
    record->call = tools_call_start(f->thread, &request, &handlers, record);
    cr_assert_not_null(record->call);
    cr_assert_eq(record->outputs, 0);
}

void start(struct fixture *f, struct record *record, const char *name, const char *arguments)
{
    char id[32];
    struct buf json = {0};
    buf_append_c(&json, arguments);
    for (size_t i = 0; i < json.len; i++) {
        if (json.ptr[i] == '\'')
            json.ptr[i] = '"';
    }
    snprintf(id, sizeof(id), "call_%u", ++f->next_call);
    start_id(f, record, id, name, buf_str(&json), false);
    buf_finish(&json);
}

void wait_all(struct fixture *f)
{
    if (f->running == 0)
        return;
    loop_timer_start(f->guard, GUARD_MS, 0);
    loop_run(f->loop);
    loop_timer_stop(f->guard);
    cr_assert(!f->timed_out, "%u calls have no output", f->running);
}

void call(struct fixture *f, struct record *record, const char *name, const char *arguments)
{
    record_finish(record);
    start(f, record, name, arguments);
    wait_all(f);
    cr_assert_eq(record->outputs, 1);
}

void patch(struct fixture *f, struct record *record, const char *text)
{
    char id[32];
    snprintf(id, sizeof(id), "call_%u", ++f->next_call);
    record_finish(record);
    start_id(f, record, id, "apply_patch", str_from(text), true);
    wait_all(f);
    cr_assert_eq(record->outputs, 1);
}

void record_finish(struct record *record)
{
    mem_free(record->text);
    mem_free(record->summary);
    mem_free(record->diff);
    mem_free(record->title);
    buf_finish(&record->progress);
    *record = (struct record){.on_started = record->on_started, .on_progress = record->on_progress};
}
