#include <criterion/criterion.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fixture.h"

static struct pending *push(struct fake_host *host, void *user)
{
    cr_assert_lt(host->pending_count, HOST_CALLS_MAX);
    struct pending *pending = &host->pending[host->pending_count++];
    *pending = (struct pending){.f = host->f, .user = user};
    return pending;
}

/* -- Applying -------------------------------------------------------------------------------- */

static struct document *open_document(struct fixture *f, const char *path)
{
    return document_find_path(f->documents, str_from(path));
}

static void read_disk(const char *path, struct buf *bytes)
{
    char chunk[4096];
    FILE *file = fopen(path, "r");
    for (size_t n; file && (n = fread(chunk, 1, sizeof(chunk), file)) > 0;)
        buf_append(bytes, (struct str){chunk, n});
    if (file)
        fclose(file);
}

static bool is_as_planned(struct fixture *f, const struct host_change *change)
{
    struct document *document = open_document(f, change->path);
    struct buf bytes = {0};
    if (!change->before)
        return !document && access(change->path, F_OK) != 0;
    if (document)
        return document->text && text_eq(document->text, change->before);
    read_disk(change->path, &bytes);
    bool same = str_eq(buf_str(&bytes), text_bytes(change->before));
    buf_finish(&bytes);
    return same;
}

static void write_disk(const char *path, const struct text *text)
{
    char folder[512];
    snprintf(folder, sizeof(folder), "%.*s", (int)(strrchr(path, '/') - path), path);
    mkdir(folder, 0755);
    FILE *file = fopen(path, "w");
    cr_assert_not_null(file, "%s", path);
    fwrite(text_bytes(text).ptr, 1, text_len(text), file);
    fclose(file);
}

static void apply_one(struct fixture *f, const struct host_change *change)
{
    struct document *document = open_document(f, change->path);
    const char *path = change->new_path ? change->new_path : change->path;
    if (change->kind == HOST_UPDATE && document) {
        cr_assert_eq(document_change(f->documents, str_from(document->uri), document->version + 1,
                                     0, text_len(document->text), text_bytes(change->after), NULL),
                     STATUS_OK);
        return;
    }
    if (change->kind == HOST_DELETE || change->kind == HOST_MOVE)
        cr_assert_eq(unlink(change->path), 0);
    if (change->after)
        write_disk(path, change->after);
}

static void answer_apply(void *user)
{
    struct pending *pending = user;
    struct fake_host *host = &pending->f->host;
    if (!pending->user)
        return;
    struct host_apply_outcome outcome = {pending->result, str_from(host->note)};
    void *who = pending->user;
    pending->user = NULL;
    pending->on_apply(who, &outcome);
}

static void apply(void *user, const struct host_change *changes, size_t count, const char *label,
                  host_apply_fn *on_done, void *who)
{
    struct fake_host *host = user;
    struct pending *pending = push(host, who);
    cr_assert_gt(strlen(label), 0);
    cr_assert_gt(count, 0);
    pending->on_apply = on_done;
    if (host->before_apply)
        host->before_apply(host->f);
    unsigned turn = host->applies++;
    bool fits = true;
    for (size_t i = 0; i < count; i++) {
        cr_assert_eq(changes[i].path[0], '/');
        fits = fits && is_as_planned(host->f, &changes[i]);
    }
    pending->result = turn < host->forced_count ? host->forced[turn]
                      : fits                    ? HOST_APPLIED
                                                : HOST_NOT_APPLIED;
    for (size_t i = 0; pending->result == HOST_APPLIED && i < count; i++)
        apply_one(host->f, &changes[i]);
    if (!host->holds_applies)
        loop_defer(host->f->loop, answer_apply, pending);
}

/* -- Asking ---------------------------------------------------------------------------------- */

static void answer_ask(void *user)
{
    struct pending *pending = user;
    struct fake_host *host = &pending->f->host;
    if (!pending->user)
        return;
    enum host_decision decision =
        pending->is_saving && host->declines_saving ? HOST_DECLINE : host->decision;
    struct host_ask_answer answer = {decision, pending->has_rule ? pending->rule_id : NULL,
                                     str_from(host->note)};
    void *who = pending->user;
    pending->user = NULL;
    pending->on_ask(who, &answer);
}

static void ask(void *user, const struct host_ask *question, host_ask_fn *on_answer, void *who)
{
    struct fake_host *host = user;
    struct pending *pending = push(host, who);
    pending->on_ask = on_answer;
    host->asks++;
    host->ask_kind = question->kind;
    pending->is_saving = question->kind == HOST_ASK_SAVE;
    buf_clear(&host->title);
    buf_append_c(&host->title, question->title);
    buf_clear(&host->shown);
    buf_append_c(&host->shown, question->show);
    buf_clear(&host->reason);
    buf_append_c(&host->reason, question->reason);
    buf_clear(&host->rules);
    cr_assert_gt(strlen(question->title), 0);
    for (size_t i = 0; i < question->rule_count; i++) {
        buf_append_fmt(&host->rules, "%s\n", question->rules[i].text);
        if (host->rule_text && !pending->has_rule &&
            strstr(question->rules[i].text, host->rule_text)) {
            snprintf(pending->rule_id, sizeof(pending->rule_id), "%s", question->rules[i].id);
            pending->has_rule = true;
        }
    }
    if (!host->holds_answers)
        loop_defer(host->f->loop, answer_ask, pending);
}

/* -- Saving ---------------------------------------------------------------------------------- */

static void answer_save(void *user)
{
    struct pending *pending = user;
    struct fake_host *host = &pending->f->host;
    void *who = pending->user;
    pending->user = NULL;
    if (who)
        pending->on_save(who, host->save_status, str_from(host->note));
}

static void save(void *user, const char *const *paths, size_t count, host_done_fn *on_done,
                 void *who)
{
    struct fake_host *host = user;
    struct pending *pending = push(host, who);
    pending->on_save = on_done;
    host->saves++;
    if (host->before_save)
        host->before_save(host->f);
    for (size_t i = 0; i < count; i++) {
        struct document *document = open_document(host->f, paths[i]);
        buf_append_fmt(&host->saved, "%s\n", paths[i]);
        if (document && host->save_status == STATUS_OK)
            write_disk(paths[i], document->text);
        if (document && host->save_status == STATUS_OK)
            document_saved(host->f->documents, str_from(document->uri));
    }
    loop_defer(host->f->loop, answer_save, pending);
}

static void notify(void *user, const char *text)
{
    struct fake_host *host = user;
    host->notices++;
    buf_append_fmt(&host->noticed, "%s\n", text);
}

/* -- Language servers ------------------------------------------------------------------------ */

/* A dropped call's answer does not come. */
static void *take_user(struct pending *pending)
{
    void *who = pending->user;
    pending->user = NULL;
    return who;
}

static void answer_editor(void *user)
{
    struct pending *pending = user;
    struct fake_host *host = &pending->f->host;
    void *who = take_user(pending);
    if (!who)
        return;
    if (pending->on_diagnostics)
        host->diagnose(host->f, pending->on_diagnostics, who);
    else if (pending->on_locations)
        host->locate(host->f, &pending->query, pending->on_locations, who);
    else if (pending->on_proposal)
        host->propose(host->f, &pending->query, pending->on_proposal, who);
    else
        host->inquire(host->f, &pending->inquiry, pending->on_inquire, who);
}

static struct pending *push_editor(struct fake_host *host, void *who)
{
    struct pending *pending = push(host, who);
    if (!host->holds_editor)
        loop_defer(host->f->loop, answer_editor, pending);
    return pending;
}

static void diagnose(void *user, const char *const *paths, size_t count, host_diagnostics_fn *fn,
                     void *who)
{
    struct fake_host *host = user;
    host->diagnoses++;
    for (size_t i = 0; i < count; i++)
        cr_assert_eq(paths[i][0], '/');
    push_editor(host, who)->on_diagnostics = fn;
}

static void check_query(const struct host_query *query)
{
    bool is_whole = query->kind == HOST_SYMBOLS;
    cr_assert(is_whole || query->text);
    cr_assert(is_whole || query->end <= text_len(query->text));
    cr_assert(query->start <= query->end);
    cr_assert(!query->path || query->path[0] == '/');
}

static void locate(void *user, const struct host_query *query, host_locations_fn *fn, void *who)
{
    struct fake_host *host = user;
    host->locates++;
    check_query(query);
    struct pending *pending = push_editor(host, who);
    pending->on_locations = fn;
    pending->query = *query;
}

static void propose(void *user, const struct host_query *query, host_proposal_fn *fn, void *who)
{
    struct fake_host *host = user;
    host->proposes++;
    check_query(query);
    struct pending *pending = push_editor(host, who);
    pending->on_proposal = fn;
    pending->query = *query;
}

static void inquire(void *user, const struct host_inquiry *inquiry, host_inquire_fn *fn, void *who)
{
    struct fake_host *host = user;
    host->inquiries++;
    struct pending *pending = push_editor(host, who);
    pending->on_inquire = fn;
    pending->inquiry = *inquiry;
    cr_assert(inquiry->thread_id[0] && inquiry->turn_id[0] && inquiry->item_id[0]);
}

void host_offer(struct fake_host *host)
{
    host->ops.diagnostics = host->diagnose ? diagnose : NULL;
    host->ops.locate = host->locate ? locate : NULL;
    host->ops.propose = host->propose ? propose : NULL;
    host->ops.inquire = host->inquire ? inquire : NULL;
}

static void drop(void *user, void *who)
{
    struct fake_host *host = user;
    host->drops++;
    for (size_t i = 0; i < host->pending_count; i++) {
        if (host->pending[i].user == who)
            host->pending[i].user = NULL;
    }
}

void host_init(struct fake_host *host, struct fixture *f)
{
    host->f = f;
    host->ops =
        (struct host_ops){.apply = apply, .ask = ask, .save = save, .notify = notify, .drop = drop};
    host->host.ops = &host->ops;
    host->host.host = host;
}

void host_finish(struct fake_host *host)
{
    buf_finish(&host->shown);
    buf_finish(&host->saved);
    buf_finish(&host->reason);
    buf_finish(&host->rules);
    buf_finish(&host->title);
    buf_finish(&host->noticed);
}
