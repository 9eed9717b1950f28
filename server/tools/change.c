/* One edit from the model's words to the editor's buffers: plan from the texts as they are now, ask
 * if policy says so, hand it to the host, and plan again when the texts moved meanwhile. */
#include "change-internal.h"

/* -- Made and released ----------------------------------------------------------------------- */

static struct change *change_new(enum change_kind kind)
{
    struct change *change = mem_new(struct change);
    change->refs = 1;
    change->kind = kind;
    return change;
}

struct change *change_new_patch(struct str text, struct err *err)
{
    struct edit_patch *patch = NULL;
    if (edit_patch_parse(text, &patch, err) < 0)
        return NULL;
    struct change *change = change_new(CHANGE_PATCH);
    change->patch = patch;
    return change;
}

struct change *change_new_replace(struct str path, struct str old_string, struct str new_string,
                                  bool replace_all)
{
    struct change *change = change_new(CHANGE_REPLACE);
    buf_append(&change->path, path);
    buf_append(&change->old_string, old_string);
    buf_append(&change->new_string, new_string);
    change->replace_all = replace_all;
    return change;
}

struct change *change_new_write(struct str path, struct str content)
{
    struct change *change = change_new(CHANGE_WRITE);
    buf_append(&change->path, path);
    buf_append(&change->new_string, content);
    return change;
}

struct change *change_new_proposed(void (*again)(struct tools_call *call))
{
    struct change *change = change_new(CHANGE_PROPOSED);
    change->propose_again = again;
    return change;
}

static void clear_files(struct change *change)
{
    for (size_t i = 0; i < change->files.len; i++)
        now_finish(&change->files.ptr[i]);
    vec_clear(&change->files);
}

static void clear_saving(struct change *change)
{
    for (size_t i = 0; i < change->saving.len; i++)
        mem_free(change->saving.ptr[i]);
    vec_finish(&change->saving);
}

void change_unref(struct change *change)
{
    if (!change || --change->refs > 0)
        return;
    change_clear_plan(change);
    edit_plan_finish(&change->proposed);
    clear_files(change);
    vec_finish(&change->files);
    clear_saving(change);
    edit_patch_free(change->patch);
    buf_finish(&change->path);
    buf_finish(&change->old_string);
    buf_finish(&change->new_string);
    buf_finish(&change->errors);
    mem_free(change);
}

/* -- Paths ----------------------------------------------------------------------------------- */

static bool is_named_before(const struct change *change, const struct now_file *file)
{
    for (size_t i = 0; i < change->files.len; i++) {
        if (strcmp(change->files.ptr[i].path.absolute, file->path.absolute) == 0)
            return true;
    }
    return false;
}

static void add_file(struct tools_call *call, struct change *change, struct str given)
{
    struct now_file file;
    struct err err = {0};
    if (now_resolve(call, given, &file, &err) < 0) {
        buf_append_fmt(&change->errors, "%s\n", err.text);
        return;
    }
    if (is_named_before(change, &file))
        buf_append_fmt(&change->errors,
                       STR_FMT ": the same file is named twice, spelled differently\n",
                       STR_ARG(given));
    vec_push(&change->files, file);
}

static bool resolve_files(struct tools_call *call, struct change *change)
{
    clear_files(change);
    buf_clear(&change->errors);
    switch (change->kind) {
    case CHANGE_PATCH:
        for (size_t i = 0; i < edit_patch_path_count(change->patch); i++)
            add_file(call, change, edit_patch_path(change->patch, i));
        break;
    case CHANGE_PROPOSED:
        for (size_t i = 0; i < change->proposed.files.len; i++) {
            add_file(call, change, str_from(change->proposed.files.ptr[i].path));
            if (change->proposed.files.ptr[i].new_path)
                add_file(call, change, str_from(change->proposed.files.ptr[i].new_path));
        }
        break;
    case CHANGE_REPLACE:
    case CHANGE_WRITE:
        add_file(call, change, buf_str(&change->path));
        break;
    }
    return change->errors.len == 0;
}

static void check_policy(struct tools_call *call, const struct change *change,
                         struct policy_verdict *ret_verdict)
{
    struct workspace_path *paths = mem_alloc_array(change->files.len, sizeof(*paths));
    for (size_t i = 0; i < change->files.len; i++)
        paths[i] = change->files.ptr[i].path;
    policy_check_edit_in(call->tools->env.policy, call->turn_id, paths, change->files.len,
                         ret_verdict);
    mem_free(paths);
}

/* -- Planning -------------------------------------------------------------------------------- */

static void start_planning(struct tools_call *call, struct change *change);
static void apply(struct tools_call *call, struct change *change);

struct plan_job {
    struct tools_call *call;
    struct change *change;
};

static void plan_work(void *data)
{
    struct plan_job *job = data;
    change_make_plan(job->change);
}

static struct change *change_of(const struct tools_call *call)
{
    return ((struct change_state *)call->state)->change;
}

static void apply_or_propose(struct tools_call *call, struct change *change)
{
    if (!change_is_proposal(call, change))
        apply(call, change);
    else if (change_propose(call, change))
        return;
    else if (change->propose_again)
        change->propose_again(call);
    else
        start_planning(call, change);
}

static void apply_approved(struct tools_call *call, const struct host_ask_answer *answer)
{
    (void)answer;
    apply_or_propose(call, change_of(call));
}

static void ask(struct tools_call *call, struct change *change,
                const struct policy_verdict *verdict)
{
    struct buf diff = {0};
    char shown[SHA256_HEX_BYTES];
    change_fingerprint(change, shown);
    if (strcmp(shown, change->approved) == 0) {
        apply_or_propose(call, change); /* only offsets moved since the person said yes */
        return;
    }
    memcpy(change->approved, shown, sizeof(shown));
    change_append_diff(change, 3, &diff);
    struct host_ask question = {
        .kind = verdict->outside_rules ? HOST_ASK_PROTECTED : HOST_ASK_EDIT,
        .title = "Apply this edit?",
        .show = diff.len > 0 ? diff.ptr : "",
        .reason = verdict->reason,
    };
    call_ask(call, &question, apply_approved);
    buf_finish(&diff);
}

static bool can_try_again(const struct change *change)
{
    return change->attempts < LIMIT_EDIT_ATTEMPTS_COUNT;
}

/* Nothing to apply. What it holds, and whether a guess was right, is told of what may be read. */
static void fail_planning(struct tools_call *call, const struct change *change)
{
    struct policy_verdict verdict = {0};
    if (change_withholds(call, change, &verdict))
        call_fail(call,
                  "Nothing was changed: %s. Why an edit of it fails is told after it was read.",
                  verdict.reason);
    else if (change->status < 0)
        call_fail(call, "Nothing was changed.\n" STR_FMT, STR_ARG(buf_str(&change->errors)));
    else
        call_fail(call, "Nothing was changed: the edit leaves every file as it is.");
}

static void decide(struct tools_call *call, struct change *change)
{
    struct policy_verdict verdict = {0};
    check_policy(call, change, &verdict);
    if (verdict.answer == POLICY_ALLOW)
        change_withholds(call, change, &verdict); /* its content was not looked at before */
    if (verdict.answer == POLICY_REFUSE)
        call_refuse(call, "Nothing was changed: %s", verdict.reason);
    else if (verdict.answer == POLICY_ASK &&
             (verdict.outside_rules || !change_is_proposal(call, change)))
        ask(call, change, &verdict);
    else
        apply_or_propose(call, change); /* accepting a proposal is the approval */
}

static void plan_done(void *data)
{
    struct plan_job *job = data;
    struct change *change = job->change;
    job->call->job = NULL;
    if (change->status == STATUS_CONFLICT && can_try_again(change) && change->propose_again)
        change->propose_again(job->call);
    else if (change->status < 0 || change->plan.files.len == 0)
        fail_planning(job->call, change);
    else
        decide(job->call, change);
}

static void plan_release(void *data)
{
    struct plan_job *job = data;
    change_unref(job->change);
    mem_free(job);
}

static const struct job_ops plan_ops = {plan_work, plan_done, plan_release};

static void start_planning(struct tools_call *call, struct change *change)
{
    change_clear_plan(change);
    change->attempts += change->kind != CHANGE_PROPOSED; /* those count how often it was asked */
    for (size_t i = 0; i < change->files.len; i++) {
        struct now_file *file = &change->files.ptr[i];
        (void)now_look(call->tools, file);
        if (change->kind != CHANGE_PROPOSED) /* made by the editor, from what is there */
            (void)now_overlay(call->thread, file);
        file->base = text_ref(bases_get(&call->thread->bases, now_key(file)));
    }
    struct plan_job *job = mem_new(struct plan_job);
    job->call = call;
    job->change = change;
    change->refs++;
    call->job = job_start(call->tools, &plan_ops, job);
}

void change_run(struct tools_call *call)
{
    struct change *change = change_of(call);
    struct policy_verdict verdict = {0};
    if (!resolve_files(call, change)) {
        call_fail(call, "Nothing was changed.\n" STR_FMT, STR_ARG(buf_str(&change->errors)));
        return;
    }
    check_policy(call, change, &verdict); /* before anything is read */
    if (verdict.answer == POLICY_REFUSE)
        call_refuse(call, "Nothing was changed: %s", verdict.reason);
    else
        start_planning(call, change);
}

bool change_cancel(struct tools_call *call)
{
    return !change_of(call)->is_sent;
}

void change_finish(struct tools_call *call)
{
    struct change *change = change_of(call);
    if (!change)
        return;
    change_check_free(change->check);
    change->check = NULL;
    if (change->is_held)
        review_release(call->tools);
    change_unref(change);
}

/* -- After it was applied -------------------------------------------------------------------- */

static const struct text *open_text(const struct tools *tools, const struct now_file *file)
{
    struct document *document = document_find_path(tools->env.documents, now_key(file));
    return document ? document->text : NULL;
}

static const struct now_file *result_file(const struct change *change, const struct edit_file *edit)
{
    return change_file(change, edit->new_path ? edit->new_path : edit->path);
}

/* The person took some of it: that counts, and not what they typed meanwhile. */
static void adopt_what_landed(const struct tools *tools, struct change *change)
{
    struct text *none = text_new(STR(""));
    for (size_t i = 0; i < change->plan.files.len; i++) {
        struct edit_file *edit = &change->plan.files.ptr[i];
        const struct text *now = open_text(tools, result_file(change, edit));
        if (!now || !edit->after)
            continue;
        bool is_whole;
        struct text *part =
            edit_landed_part(edit->before ? edit->before : none, now, edit->after, &is_whole);
        text_unref(edit->after);
        edit->after = part;
    }
    text_unref(none);
}

/* Of a text that the model has never seen it has not seen the whole by a language server's edit. */
static bool is_known_after(const struct tools_call *call, const struct change *change,
                           const struct edit_file *edit)
{
    if (change->kind != CHANGE_PROPOSED || edit->kind == EDIT_CREATE)
        return true;
    const struct text *base =
        bases_get(&call->thread->bases, now_key(change_file(change, edit->path)));
    return base && text_eq(base, edit->before);
}

void change_set_bases(struct tools_call *call, const struct change *change)
{
    struct bases *bases = &call->thread->bases;
    for (size_t i = 0; i < change->plan.files.len; i++) {
        const struct edit_file *edit = &change->plan.files.ptr[i];
        sessions_excuse(call->tools, now_key(change_file(change, edit->path)));
        sessions_excuse(call->tools, now_key(result_file(change, edit)));
        if (edit->after && is_known_after(call, change, edit))
            bases_set(bases, now_key(result_file(change, edit)), edit->after);
        if (edit->kind == EDIT_DELETE || edit->kind == EDIT_MOVE)
            bases_remove(bases, now_key(change_file(change, edit->path)));
    }
}

/* Part of the turn, so that undo finds its way back, but not the model's. */
static void record_formatted(struct tools_call *call, const struct now_file *file,
                             const struct text *after, const struct text *now)
{
    struct str before = text_bytes(after), formatted = text_bytes(now);
    (void)journal_change_add(call->tools->env.journal, call->thread->id, call->turn_id,
                             "editor-update", now_key(file), (struct str){0}, &before, &formatted,
                             NULL);
}

/* What the editor's formatters made of it when it was saved: theirs, but the model must know. */
static void append_formatted(struct tools_call *call, const struct change *change)
{
    for (size_t i = 0; i < change->plan.files.len; i++) {
        const struct edit_file *edit = &change->plan.files.ptr[i];
        const struct now_file *file = result_file(change, edit);
        const struct text *now = open_text(call->tools, file);
        if (!now || !edit->after || text_eq(now, edit->after))
            continue;
        buf_append_fmt(&call->text, "%s changed when the editor saved it:\n", file->path.display);
        text_append_unified(&call->text, str_from(file->path.display), edit->after, now, 3);
        record_formatted(call, file, edit->after, now);
        struct text *shown = text_ref(now);
        bases_set(&call->thread->bases, now_key(file), shown);
        text_unref(shown);
    }
}

static void finish_applied(struct tools_call *call)
{
    struct change *change = change_of(call);
    change_append_summary(change, &call->summary);
    change_check_after(call, change);
}

static void on_saved(void *user, enum status status, struct str note)
{
    struct tools_call *call = user;
    struct change *change = change_of(call);
    review_saving(call->tools, (const char *const *)change->saving.ptr, change->saving.len, false);
    if (status < 0)
        buf_append_fmt(&call->text,
                       "The edit stands, but it could not be saved to disk: " STR_FMT "\n",
                       STR_ARG(note.len > 0 ? note : str_from(status_name(status))));
    append_formatted(call, change);
    finish_applied(call);
}

/* Files that were clean before the edit; never one that holds the user's own unsaved typing. */
static void collect_saving(struct change *change)
{
    clear_saving(change);
    for (size_t i = 0; i < change->plan.files.len; i++) {
        const struct edit_file *edit = &change->plan.files.ptr[i];
        const struct now_file *from = change_file(change, edit->path);
        const struct now_file *to = result_file(change, edit);
        if (edit->after && !from->was_unsaved && !to->was_unsaved)
            vec_push(&change->saving, str_dup_c(now_key(to)));
    }
}

static void save(struct tools_call *call, struct change *change)
{
    const struct host *host = call->tools->env.host;
    if (host->ops->save && policy_get_save(call->tools->env.policy) == SAVE_CLEAN)
        collect_saving(change);
    if (change->saving.len == 0) {
        finish_applied(call);
        return;
    }
    review_saving(call->tools, (const char *const *)change->saving.ptr, change->saving.len, true);
    host->ops->save(host->host, (const char *const *)change->saving.ptr, change->saving.len,
                    on_saved, call);
}

/* What is typed from now on is the person's again. */
static void release(struct tools_call *call, struct change *change)
{
    if (change->is_held)
        review_release(call->tools);
    change->is_held = false;
}

static void after_applied(struct tools_call *call, struct change *change,
                          const struct host_apply_outcome *outcome)
{
    struct err err = {0};
    call->ok = outcome->result != HOST_PARTIAL;
    if (outcome->result == HOST_PARTIAL) {
        adopt_what_landed(call->tools, change);
        buf_append_c(&call->text, "Only a part was applied; what the user left out stands. ");
    } else if (outcome->result == HOST_REPAIRED) {
        buf_append_c(&call->text, "Applied, and merged with what the user typed meanwhile. ");
    } else {
        buf_append_c(&call->text, "Applied.");
    }
    buf_append_fmt(&call->text, STR_FMT "\n", STR_ARG(outcome->note));
    change_append_report(change, &call->text);
    change_append_diff(change, 3, &call->diff);
    if (change->kind == CHANGE_PROPOSED) /* the model has not written it: it must see it */
        buf_append(&call->text, buf_str(&call->diff));
    if (change_record(change, call, &err) < 0)
        buf_append_fmt(&call->text, "It cannot be undone later: %s\n", err.text);
    change_record_review(change, call);
    release(call, change);
    change_set_bases(call, change);
    save(call, change);
}

/* -- Applying -------------------------------------------------------------------------------- */

static void on_not_applied(struct tools_call *call, struct change *change,
                           const struct host_apply_outcome *outcome)
{
    if (call->is_cancelled)
        call_fail(call, "Cancelled by the user; nothing was changed.");
    else if (can_try_again(change) && change->propose_again)
        change->propose_again(call);
    else if (can_try_again(change))
        start_planning(call, change);
    else
        call_fail(call,
                  "Nothing was changed: the text moved on each of %u attempts. Read the file again "
                  "and repeat the edit. " STR_FMT,
                  change->attempts, STR_ARG(outcome->note));
}

static void on_applied(void *user, const struct host_apply_outcome *outcome)
{
    struct tools_call *call = user;
    struct change *change = change_of(call);
    switch (outcome->result) {
    case HOST_NOT_APPLIED:
        change->is_sent = false;
        change_check_free(change->check); /* it looks at the plan, which is made anew */
        change->check = NULL;
        release(call, change);
        on_not_applied(call, change, outcome);
        break;
    case HOST_FAILED:
        call_fail(call, "The editor could not apply the edit: " STR_FMT, STR_ARG(outcome->note));
        break;
    case HOST_APPLIED:
    case HOST_REPAIRED:
    case HOST_PARTIAL:
        after_applied(call, change, outcome);
        break;
    }
}

static const enum host_change_kind host_kinds[] = {
    [EDIT_CREATE] = HOST_CREATE,
    [EDIT_UPDATE] = HOST_UPDATE,
    [EDIT_DELETE] = HOST_DELETE,
    [EDIT_MOVE] = HOST_MOVE,
};

static void apply(struct tools_call *call, struct change *change)
{
    const struct host *host = call->tools->env.host;
    size_t count = change->plan.files.len;
    if (!call_begin(call, call->was_approved ? "approved by the user" : "allowed"))
        return;
    struct host_change *changes = mem_alloc_array(count, sizeof(*changes));
    for (size_t i = 0; i < count; i++) {
        const struct edit_file *edit = &change->plan.files.ptr[i];
        changes[i] = (struct host_change){
            .kind = host_kinds[edit->kind],
            .path = change_file(change, edit->path)->target.ptr,
            .new_path = edit->new_path ? change_file(change, edit->new_path)->target.ptr : NULL,
            .before = edit->before,
            .after = edit->after,
        };
    }
    struct buf label = {0};
    change_append_summary(change, &label);
    change->is_sent = change->is_held = true;
    change_check_before(call, change);
    review_hold(call->tools);
    host->ops->apply(host->host, changes, count, label.ptr ? label.ptr : "", on_applied, call);
    buf_finish(&label);
    mem_free(changes);
}
