/* Sending a change set as one workspace/applyEdit, and judging what came of it by the documents'
 * texts.
 *
 * Clients answer `applied` before or after the didChange, and some say true to an edit they skipped
 * or put at stale positions. So each file keeps the states its text went through since the edit was
 * sent (T0 is the text the plan was made from). The edit landed at the first Tn that is the plan
 * applied to some earlier Ti: on T0 as planned; on a later one it was misapplied, Ti being the
 * person's own text. Then one corrective edit goes out at once, to merge(T0; Ti, plan). */
#include "lsp-internal.h"

#include <unistd.h>

enum { REPAIRS_MAX = 5, STATES_MAX = 64 };

const struct apply_waits apply_waits_default = {
    .settle_ms = 1500, .typed_ms = 20, .refused_ms = 700};

struct apply_file {
    struct planned plan;
    VEC(struct text *) states;
    uint64_t revision; /* of the document, when the edit was sent; 0: not open */
    bool landed;
    bool is_own;       /* the client cannot: written by us, once the rest has landed */
    bool was_behind;   /* before is the document's text, which its file had left behind */
    bool is_corrected; /* before is what a stale edit made of it, after puts that right */
    size_t conflicts;
};

enum apply_state { APPLY_SENT, APPLY_ANSWERED, APPLY_OVER };

struct apply_job {
    struct lsp_server *server;
    enum apply_state state;
    struct apply_file *files;
    size_t count;
    unsigned repairs;
    char *label;
    int64_t request;
    bool client_said_no;
    struct document_observer *observer;
    struct loop_timer *timer;
    enum host_apply_result verdict; /* when the timer only tells */
    struct buf note, refusal;
    host_apply_fn *on_done;
    void *user;
};

/* -- Life
 * ------------------------------------------------------------------------------------------------
 */

static void file_clear_states(struct apply_file *file)
{
    for (size_t i = 0; i < file->states.len; i++)
        text_unref(file->states.ptr[i]);
    vec_clear(&file->states);
}

static void job_free(struct apply_job *job)
{
    struct lsp_server *server = job->server;
    for (size_t i = 0; i < server->applies.len; i++)
        if (server->applies.ptr[i] == job) {
            vec_remove(&server->applies, i);
            break;
        }
    if (job->request)
        jsonrpc_request_drop(server->peer, job->request);
    document_unobserve(job->observer);
    loop_timer_free(job->timer);
    for (size_t i = 0; i < job->count; i++) {
        struct apply_file *file = &job->files[i];
        file_clear_states(file);
        vec_finish(&file->states);
        text_unref(file->plan.before);
        text_unref(file->plan.after);
        mem_free(file->plan.path);
        mem_free(file->plan.new_path);
    }
    mem_free(job->files);
    mem_free(job->label);
    buf_finish(&job->note);
    buf_finish(&job->refusal);
    mem_free(job);
}

static void finish(struct apply_job *job, enum host_apply_result result)
{
    host_apply_fn *on_done = job->on_done;
    void *user = job->user;
    struct buf note = {0};
    buf_move(&note, &job->note);
    job_free(job);
    on_done(user, &(struct host_apply_outcome){.result = result, .note = buf_str(&note)});
    buf_finish(&note);
}

static void finish_later(struct apply_job *job, enum host_apply_result result)
{
    job->state = APPLY_OVER;
    job->verdict = result;
    loop_timer_start(job->timer, 0, 0);
}

void apply_drop(struct lsp_server *server, void *user)
{
    for (size_t i = server->applies.len; i > 0; i--)
        if (server->applies.ptr[i - 1]->user == user)
            job_free(server->applies.ptr[i - 1]);
}

void applies_free(struct lsp_server *server)
{
    while (server->applies.len > 0)
        job_free(vec_last(&server->applies));
    vec_finish(&server->applies);
}

/* -- Judging
 * ---------------------------------------------------------------------------------------------- */

static const char *target_path(const struct apply_file *file)
{
    return file->plan.kind == HOST_MOVE ? file->plan.new_path : file->plan.path;
}

/* Files that are not open, and what is not text: looked up where they are. */
static bool is_done_on_disk(const struct apply_job *job, const struct apply_file *file)
{
    const struct planned *plan = &file->plan;
    if (plan->kind == HOST_DELETE)
        return access(plan->path, F_OK) != 0;
    struct text *now = convert_text_now(job->server, target_path(file));
    bool done = now && text_eq(now, plan->after);
    if (plan->kind == HOST_MOVE)
        done = done && access(plan->path, F_OK) != 0;
    text_unref(now);
    return done;
}

static bool is_unchanged(const struct apply_job *job, const struct apply_file *file)
{
    const struct document *document =
        document_find_path(job->server->env.documents, str_from(file->plan.path));
    if (!file->plan.before) /* also what is open with a text that we do not know is in the way */
        return (!document || document->is_behind) && access(file->plan.path, F_OK) != 0;
    struct text *now = file->was_behind && document
                           ? text_ref(document->text)
                           : convert_text_now(job->server, file->plan.path);
    bool unchanged = now && text_eq(now, file->plan.before);
    text_unref(now);
    return unchanged;
}

static void send(struct apply_job *job, struct planned *files, size_t count);

/* What was meant, with the person's text. A correction brings back what the person had typed
 * before: of that and of what they typed since, nothing may be lost. */
static struct text *merge(const struct apply_file *file, const struct text *mine,
                          size_t *ret_conflicts)
{
    return (file->is_corrected ? edit_merge_both : edit_merge)(file->plan.before, mine,
                                                               file->plan.after, ret_conflicts);
}

/* The edit landed on `mine`, a text it was not made for: back to what was meant, with the person's
 * text. */
static void repair(struct apply_job *job, struct apply_file *file, size_t landed_on)
{
    size_t conflicts = 0;
    struct text *now = text_ref(vec_last(&file->states));
    struct text *merged = merge(file, file->states.ptr[landed_on], &conflicts);
    file->conflicts += conflicts;
    file->is_corrected = true;
    file_clear_states(file);
    text_unref(file->plan.before);
    text_unref(file->plan.after);
    file->plan.before = now;
    file->plan.after = merged;
    if (job->repairs++ == 0)
        buf_append_c(
            &job->note,
            "the editor applied an edit made for an older text; it was corrected at once and "
            "what the user typed meanwhile was kept");
    log_line(LOG_WARN, "edit misapplied, corrected client=%s conflicts=%zu",
             job->server->client.name, conflicts);
    if (text_eq(now, merged)) {
        file->landed = true;
        return;
    }
    vec_push(&file->states, text_ref(now));
    send(job, &file->plan, 1);
}

/* A correction that did not land either: again, from the text as it is now. */
static bool repair_again(struct apply_job *job, struct apply_file *file)
{
    struct text *now = convert_text_now(job->server, target_path(file));
    bool again = now && file->is_corrected && job->repairs < REPAIRS_MAX;
    if (again) {
        size_t conflicts = 0;
        struct text *merged = merge(file, now, &conflicts);
        file->conflicts += conflicts;
        job->repairs++;
        file_clear_states(file);
        vec_push(&file->states, text_ref(now));
        text_unref(file->plan.before);
        text_unref(file->plan.after);
        file->plan.before = text_ref(now);
        file->plan.after = merged;
        send(job, &file->plan, 1);
    }
    text_unref(now);
    return again;
}

/* The text now is the edit put on that state. */
static bool is_landed_on(const struct apply_file *file, size_t state)
{
    struct text *stale =
        plan_apply_stale(file->plan.before, file->plan.after, file->states.ptr[state]);
    bool landed = stale && text_eq(stale, vec_last(&file->states));
    text_unref(stale);
    return landed;
}

/* The state came from the one before it by a single edit of the plan, put where that was made for:
 * an edit told in pieces goes through such. */
static bool is_piece(const struct apply_file *file, size_t state)
{
    struct text *before = file->states.ptr[state - 1];
    return plan_is_piece(file->plan.before, file->plan.after, before, file->states.ptr[state]);
}

/* The last state before the edit came, if it was put on another text than the one it was made for;
 * else 0. Looked for from the end: where the edit replaced what the person had typed, it looks as
 * if it had been put on their text before that. */
static size_t find_landed_on(const struct apply_file *file)
{
    if (!file->plan.before)
        return 0; /* a new file: nobody had typed in it */
    for (size_t i = file->states.len - 1; i-- > 1;) {
        if (text_eq(file->states.ptr[i], file->plan.before))
            return 0;
        if (is_landed_on(file, i) && !is_piece(file, i))
            return i;
    }
    return 0;
}

/* What the person had typed is in the plan's text. */
static bool is_kept(const struct apply_file *file, size_t state)
{
    size_t conflicts;
    struct text *merged = merge(file, file->states.ptr[state], &conflicts);
    bool kept = text_eq(merged, file->plan.after);
    text_unref(merged);
    return kept;
}

/* A new state of the file's text came in. The plan's text is not enough: an edit that came late may
 * have replaced the very line in which the person had typed. */
static void judge(struct apply_job *job, struct apply_file *file)
{
    bool as_planned = text_eq(vec_last(&file->states), file->plan.after);
    size_t state = find_landed_on(file);
    if (state > 0 && !(as_planned && is_kept(file, state)) && job->repairs < REPAIRS_MAX)
        repair(job, file, state);
    else
        file->landed = as_planned;
}

static bool all_landed(const struct apply_job *job)
{
    for (size_t i = 0; i < job->count; i++)
        if (!job->files[i].landed && !job->files[i].is_own)
            return false;
    return true;
}

static size_t own_plans(const struct apply_job *job, const struct planned **ret_plans)
{
    size_t count = 0;
    for (size_t i = 0; i < job->count; i++)
        if (job->files[i].is_own)
            ret_plans[count++] = &job->files[i].plan;
    return count;
}

/* The client has taken its part: ours is done too, whole or not at all. False: it could not be,
 * the note says why. */
static bool write_own(struct apply_job *job, enum host_apply_result *ret_result)
{
    struct err err = {0};
    const struct planned **plans = mem_alloc_array(job->count, sizeof *plans);
    size_t count = own_plans(job, plans);
    enum status status = count ? direct_write(job->server, plans, count, &err) : STATUS_OK;
    mem_free(plans);
    for (size_t i = 0; status == STATUS_OK && i < job->count; i++)
        job->files[i].landed = job->files[i].landed || job->files[i].is_own;
    if (status == STATUS_OK)
        return true;
    if (count < job->count)
        *ret_result = HOST_PARTIAL;
    else
        *ret_result = status == STATUS_CONFLICT ? HOST_NOT_APPLIED : HOST_FAILED;
    buf_append_fmt(&job->note, "%s%s", job->note.len > 0 ? "; " : "", err.text);
    return false;
}

static void finish_if_landed(struct apply_job *job)
{
    enum host_apply_result result;
    if (job->state == APPLY_OVER || !all_landed(job))
        return;
    if (!write_own(job, &result)) {
        finish_later(job, result);
        return;
    }
    size_t conflicts = 0;
    for (size_t i = 0; i < job->count; i++)
        conflicts += job->files[i].conflicts;
    if (conflicts > 0)
        buf_append_fmt(&job->note,
                       "; in %zu places both changed the same lines, and the user's were kept",
                       conflicts);
    finish_later(job, job->repairs > 0 ? HOST_REPAIRED : HOST_APPLIED);
}

static void on_document(void *user, const struct document_change *change, bool closed)
{
    struct apply_job *job = user;
    if (closed || job->state == APPLY_OVER || !change->document->text)
        return;
    for (size_t i = 0; i < job->count; i++) {
        struct apply_file *file = &job->files[i];
        bool is_it = file->plan.kind != HOST_DELETE &&
                     strcmp(change->document->path, target_path(file)) == 0;
        if (!is_it || file->landed || file->states.len >= STATES_MAX)
            continue;
        vec_push(&file->states, text_ref(change->document->text));
        judge(job, file);
    }
    finish_if_landed(job);
}

static size_t count_spans(const struct text *before, const struct text *after)
{
    struct edit_spans spans = {0};
    edit_spans_between(before, after, &spans);
    size_t count = spans.spans.len;
    edit_spans_finish(&spans);
    return count;
}

/* New lines of the plan are in the text. */
static bool has_some(const struct planned *plan, const struct text *now)
{
    struct edit_spans spans = {0};
    bool found = false;
    edit_spans_between(plan->before, plan->after, &spans);
    for (size_t i = 0; !found && i < spans.spans.len; i++) {
        struct str with = spans.spans.ptr[i].with;
        found = with.len > 0 && str_find(text_bytes(now), with, 0) != STR_NONE &&
                str_find(text_bytes(plan->before), with, 0) == STR_NONE;
    }
    edit_spans_finish(&spans);
    return found;
}

/* Nothing of the plan is in the text: what changed there is the person's own typing (Neovim skips a
 * stale edit and says it was applied). */
static bool is_skipped(const struct apply_job *job, const struct apply_file *file)
{
    const struct planned *plan = &file->plan;
    if (is_unchanged(job, file))
        return true;
    struct text *now = plan->kind == HOST_UPDATE ? convert_text_now(job->server, plan->path) : NULL;
    if (!now)
        return false;
    size_t conflicts = 0;
    struct text *merged = edit_merge(plan->before, now, plan->after, &conflicts);
    bool skipped = count_spans(now, merged) + conflicts >= count_spans(plan->before, plan->after) &&
                   !has_some(plan, now);
    text_unref(merged);
    text_unref(now);
    return skipped;
}

static uint64_t revision_now(const struct apply_job *job, const struct apply_file *file)
{
    const struct document *document =
        document_find_path(job->server->env.documents, str_from(file->plan.path));
    return document ? document->revision : 0;
}

/* Also when the person typed and took it back: the version is another one. */
static bool has_moved(const struct apply_job *job)
{
    for (size_t i = 0; i < job->count; i++) {
        const struct apply_file *file = &job->files[i];
        if (!is_unchanged(job, file) || revision_now(job, file) != file->revision)
            return true;
    }
    return false;
}

/* Time is up: what has not landed will not. */
static void settle(struct apply_job *job)
{
    size_t theirs = 0, landed = 0, unchanged = 0;
    struct buf missing = {0};
    if (job->client_said_no && !has_moved(job)) {
        buf_append(&job->note, buf_str(&job->refusal));
        finish(job, HOST_FAILED);
        return;
    }
    for (size_t i = 0; i < job->count; i++) {
        struct apply_file *file = &job->files[i];
        struct str shown = convert_display(job->server, str_from(file->plan.path));
        if (file->is_own)
            continue;
        theirs++;
        file->landed = file->landed || is_done_on_disk(job, file);
        if (!file->landed && repair_again(job, file)) {
            buf_finish(&missing);
            return;
        }
        if (file->landed) {
            landed++;
        } else if (!file->is_corrected && (job->client_said_no || is_skipped(job, file))) {
            unchanged++;
            buf_append_fmt(&missing, STR_FMT " was not changed. ", STR_ARG(shown));
        } else {
            buf_append_fmt(&missing, STR_FMT " is not as planned: read it again. ", STR_ARG(shown));
        }
    }
    if (landed < theirs && unchanged < theirs)
        buf_append_fmt(&job->note, "%s" STR_FMT, job->note.len > 0 ? "; " : "",
                       STR_ARG(buf_str(&missing)));
    buf_finish(&missing);
    enum host_apply_result result = job->repairs > 0 ? HOST_REPAIRED : HOST_APPLIED;
    if (landed == theirs)
        (void)write_own(job, &result);
    else
        result = unchanged == theirs ? HOST_NOT_APPLIED : HOST_PARTIAL;
    finish(job, result);
}

static void on_timer(void *user)
{
    struct apply_job *job = user;
    if (job->state == APPLY_OVER)
        finish(job, job->verdict);
    else
        settle(job);
}

static void on_answer(void *user, const struct jsonrpc_answer *answer)
{
    struct apply_job *job = user;
    job->request = 0;
    if (job->state == APPLY_OVER)
        return;
    job->state = APPLY_ANSWERED;
    bool applied = answer->status == STATUS_OK && json_get_bool(answer->result, "applied", false);
    job->client_said_no = !applied && job->repairs == 0;
    if (job->client_said_no) {
        struct str reason = answer->status == STATUS_OK
                                ? json_get_str(answer->result, "failureReason")
                                : answer->error_text;
        buf_clear(&job->refusal);
        buf_append_fmt(&job->refusal, "it was refused or declined there (" STR_FMT ")",
                       STR_ARG(reason.len > 0 ? reason : STR("no reason given")));
    }
    for (size_t i = 0; i < job->count; i++) {
        struct apply_file *file = &job->files[i];
        bool is_open =
            document_find_path(job->server->env.documents, str_from(target_path(file))) != NULL;
        if (!file->landed && !is_open && !file->is_own)
            file->landed = is_done_on_disk(job, file);
    }
    finish_if_landed(job);
    if (job->state == APPLY_OVER)
        return;
    const struct apply_waits *waits = job->server->apply_waits;
    uint64_t no_ms = has_moved(job) ? waits->typed_ms : waits->refused_ms;
    loop_timer_start(job->timer, job->client_said_no ? no_ms : waits->settle_ms, 0);
}

/* -- Starting
 * ------------------------------------------------------------------------------------------------
 */

static void send(struct apply_job *job, struct planned *files, size_t count)
{
    struct buf params = {0};
    plan_append_params(job->server, files, count, job->label, &params);
    for (size_t i = 0; i < job->count; i++)
        job->files[i].revision = revision_now(job, &job->files[i]);
    if (job->request)
        jsonrpc_request_drop(job->server->peer, job->request);
    loop_timer_stop(job->timer);
    job->state = APPLY_SENT;
    job->request =
        jsonrpc_request(job->server->peer, "workspace/applyEdit", buf_str(&params), on_answer, job);
    buf_finish(&params);
    if (job->request == 0) {
        buf_append_c(&job->note, "the editor is gone");
        finish_later(job, HOST_FAILED);
    }
}

static bool needs_own_hands(const struct lsp_client *client, const struct planned *plan)
{
    if (!client->apply_edit)
        return true;
    switch (plan->kind) {
    case HOST_CREATE:
        return !client->create_files || !client->document_changes;
    case HOST_DELETE:
        return !client->delete_files || !client->document_changes;
    case HOST_MOVE:
        return !client->rename_files || !client->document_changes;
    case HOST_UPDATE:
        return false;
    }
    return false;
}

static void file_init(struct apply_file *file, const struct host_change *change)
{
    file->plan.kind = change->kind;
    file->plan.path = mem_dup_c(change->path);
    file->plan.new_path = mem_dup_c(change->new_path);
    file->plan.before = text_ref(change->before);
    file->plan.after = text_ref(change->after);
    if (file->plan.before)
        vec_push(&file->states, text_ref(file->plan.before));
    else
        vec_push(&file->states, text_new(STR("")));
}

/* A command has changed the file, and the editor shows the text of before. If that is the text that
 * is wanted, or there is no file for the editor to change, the disk gets it; else the editor goes
 * from what it shows to what is wanted in one step. */
static bool catch_up(const struct apply_job *job, struct apply_file *file)
{
    const struct document *document =
        document_find_path(job->server->env.documents, str_from(file->plan.path));
    if (!document || !document->is_behind || !document->text)
        return false;
    if (file->plan.kind == HOST_CREATE ||
        (file->plan.kind == HOST_UPDATE && text_eq(file->plan.after, document->text)))
        return true;
    if (file->plan.kind == HOST_UPDATE) {
        file_clear_states(file);
        vec_push(&file->states, text_ref(document->text));
        text_unref(file->plan.before);
        file->plan.before = text_ref(document->text);
        file->was_behind = true;
    }
    return false;
}

/* What goes to the client is put into `rest`; the other files are ours. */
static enum status share_out(struct apply_job *job, struct planned *rest, size_t *ret_count,
                             struct err *err)
{
    enum status status = STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && i < job->count; i++) {
        struct apply_file *file = &job->files[i];
        file->is_own = catch_up(job, file) || needs_own_hands(&job->server->client, &file->plan);
        if (file->is_own)
            status = direct_check(job->server, &file->plan, err);
        else
            rest[(*ret_count)++] = file->plan;
    }
    return status;
}

static bool is_as_planned_for(struct apply_job *job)
{
    for (size_t i = 0; i < job->count; i++)
        if (!is_unchanged(job, &job->files[i]))
            return false;
    return true;
}

void apply_start(void *host, const struct host_change *changes, size_t count, const char *label,
                 host_apply_fn *on_done, void *user)
{
    struct lsp_server *server = host;
    struct apply_job *job = mem_new(struct apply_job);
    job->server = server;
    job->on_done = on_done;
    job->user = user;
    job->label = mem_dup_c(label);
    job->count = count;
    job->files = mem_alloc_array(count, sizeof *job->files);
    for (size_t i = 0; i < count; i++)
        file_init(&job->files[i], &changes[i]);
    job->timer = loop_timer_new(server->env.loop, on_timer, job);
    job->observer = document_observe(server->env.documents, on_document, job);
    vec_push(&server->applies, job);

    struct planned *rest = mem_alloc_array(count, sizeof *rest);
    size_t rest_count = 0;
    struct err err = {0};
    if (!is_as_planned_for(job)) {
        finish_later(job, HOST_NOT_APPLIED);
    } else if (share_out(job, rest, &rest_count, &err) < 0) {
        buf_append_c(&job->note, err.text);
        finish_later(job, HOST_FAILED);
    } else if (rest_count == 0) {
        finish_if_landed(job);
    } else {
        send(job, rest, rest_count);
    }
    mem_free(rest);
}
