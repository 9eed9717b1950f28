/* Sending a change set as one workspace/applyEdit, and judging what came of it by the documents'
 * texts.
 *
 * Clients answer `applied` before or after the didChange, and some say true to an edit they skipped
 * or put at stale positions. So each file keeps the states its text went through since the edit was
 * sent (T0 is the text the plan was made from). The edit landed at the first Tn that is the plan
 * applied to some earlier Ti: on T0 as planned; on a later one it was misapplied, Ti being the
 * person's own text. Then one corrective edit goes out at once, to apply_merge(T0; Ti, plan). */
#include "apply-internal.h"

#include <unistd.h>

enum { REPAIRS_MAX = 5, STATES_MAX = 64 };

const struct apply_waits apply_waits_default = {
    .settle_ms = 1500, .typed_ms = 20, .refused_ms = 700};

/* -- Life
 * ------------------------------------------------------------------------------------------------
 */

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
        apply_clear_states(file);
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

/* -- Judging ----------------------------------------------------------------------------------- */

/* Files that are not open, and what is not text: looked up where they are. */
static bool is_done_on_disk(const struct apply_job *job, const struct apply_file *file)
{
    const struct planned *plan = &file->plan;
    if (plan->kind == HOST_DELETE)
        return access(plan->path, F_OK) != 0;
    struct text *now = convert_text_now(job->server, apply_target(file));
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

/* The edit landed on `mine`, a text it was not made for: back to what was meant, with the person's
 * text. */
static void repair(struct apply_job *job, struct apply_file *file, size_t landed_on)
{
    size_t conflicts = 0;
    struct text *now = text_ref(vec_last(&file->states));
    struct text *merged = apply_merge(file, file->states.ptr[landed_on], &conflicts);
    file->conflicts += conflicts;
    file->is_corrected = true;
    apply_clear_states(file);
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
    struct text *now = convert_text_now(job->server, apply_target(file));
    bool again = now && file->is_corrected && job->repairs < REPAIRS_MAX;
    if (again) {
        size_t conflicts = 0;
        struct text *merged = apply_merge(file, now, &conflicts);
        file->conflicts += conflicts;
        job->repairs++;
        apply_clear_states(file);
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

/* A new state of the file's text came in. The plan's text is not enough: an edit that came late may
 * have replaced the very line in which the person had typed. */
static void judge(struct apply_job *job, struct apply_file *file)
{
    bool as_planned = text_eq(vec_last(&file->states), file->plan.after);
    size_t state = apply_find_landed_on(file);
    if (state > 0 && !(as_planned && apply_is_kept(file, state)) && job->repairs < REPAIRS_MAX)
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

static void finish_if_landed(struct apply_job *job)
{
    enum host_apply_result result;
    if (job->state == APPLY_OVER || !all_landed(job))
        return;
    if (!apply_write_own(job, &result)) {
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
                     strcmp(change->document->path, apply_target(file)) == 0;
        if (!is_it || file->landed || file->states.len >= STATES_MAX)
            continue;
        vec_push(&file->states, text_ref(change->document->text));
        judge(job, file);
    }
    finish_if_landed(job);
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
    bool skipped = apply_count_spans(now, merged) + conflicts >=
                       apply_count_spans(plan->before, plan->after) &&
                   !apply_came_in_part(file);
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
        (void)apply_write_own(job, &result);
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
            document_find_path(job->server->env.documents, str_from(apply_target(file))) != NULL;
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
    } else if (apply_share_out(job, rest, &rest_count, &err) < 0) {
        buf_append_c(&job->note, err.text);
        finish_later(job, HOST_FAILED);
    } else if (rest_count == 0) {
        finish_if_landed(job);
    } else {
        send(job, rest, rest_count);
    }
    mem_free(rest);
}
