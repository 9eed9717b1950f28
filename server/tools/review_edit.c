/* The edit behind a decision: made from the texts as they are now, and made again when these moved
 * on meanwhile. For the turn it is one more change of its own. */
#include "review_job-internal.h"

/* -- Recording -------------------------------------------------------------------------------- */

struct of_owner {
    struct review_choice *choice;
    unsigned owner; /* this one and those before it */
};

static bool is_up_to(void *user, const struct edit_hunk *hunk)
{
    const struct of_owner *of = user;
    return hunk->owner <= of->owner && review_is_chosen(of->choice, hunk);
}

static void record_change(struct reviews *reviews, unsigned owner, const char *kind,
                          struct str path, struct str new_path, const struct text *before,
                          const struct text *after)
{
    const struct review_owner *whose = &reviews->owners.ptr[owner];
    struct str old = before ? text_bytes(before) : (struct str){0};
    struct str new = after ? text_bytes(after) : (struct str){0};
    (void)journal_change_add(reviews->tools->env.journal, whose->thread_id, whose->turn_id, kind,
                             path, new_path, before ? &old : NULL, after ? &new : NULL, NULL);
}

static bool has_of_owner(const struct review_file *file, struct review_choice *choice,
                         unsigned owner)
{
    for (size_t i = 0; i < file->lines.hunks.len; i++)
        if (file->lines.hunks.ptr[i].owner == owner &&
            review_is_chosen(choice, &file->lines.hunks.ptr[i]))
            return true;
    return false;
}

/* Each turn gets its part. */
static void record_lines(struct reviews *reviews, struct review_file *file,
                         struct review_choice *choice)
{
    bool is_proposal = review_is_proposal(file);
    struct text *before = text_ref(is_proposal ? file->lines.base : file->lines.now);
    for (unsigned owner = 0; owner < reviews->owners.len; owner++) {
        struct of_owner of = {choice, owner};
        if (!has_of_owner(file, choice, owner))
            continue;
        struct text *after = is_proposal ? edit_review_with(&file->lines, is_up_to, &of)
                                         : edit_review_without(&file->lines, is_up_to, &of);
        record_change(reviews, owner, is_proposal ? "update" : "reject-update",
                      buf_str(&choice->from), STR(""), before, after);
        text_unref(before);
        before = after;
    }
    text_unref(before);
}

/* -- What the edit decided -------------------------------------------------------------------- */

static const struct {
    const char *kind, *reject_kind, *rejected;
} wholes[] = {
    [TOOLS_HUNK_LINES] = {"", "", ""},
    [TOOLS_HUNK_CREATE] = {"create", "reject-create",
                           "is gone, the user rejected that you made it"},
    [TOOLS_HUNK_DELETE] = {"delete", "reject-delete",
                           "is there again, the user rejected that you deleted it"},
    [TOOLS_HUNK_MOVE] = {"move", "reject-move",
                         "has its old name again, the user rejected that you moved it"},
};

static void reject_whole(struct reviews *reviews, struct review_file *file,
                         const struct review_choice *choice)
{
    struct review_whole whole = file->whole;
    record_change(reviews, whole.owner, wholes[whole.kind].reject_kind, buf_str(&choice->from),
                  buf_str(&choice->to), choice->before, choice->after);
    if (whole.kind == TOOLS_HUNK_MOVE) {
        review_forget(reviews, file);
        review_set_path(file, str_from(file->old_path));
        review_set_display(reviews, file);
    }
    review_end_whole(file);
    review_tell(reviews, whole.owner, "%s %s.", file->display, wholes[whole.kind].rejected);
}

static void rejected(struct reviews *reviews, struct review_file *file,
                     struct review_choice *choice)
{
    if (choice->ids.len > 0) {
        review_tell_chosen(reviews, file, choice, "rejected your change",
                           ": the old lines are back.");
        record_lines(reviews, file, choice);
        edit_review_reject(&file->lines, review_is_chosen, choice);
    }
    if (choice->has_whole)
        reject_whole(reviews, file, choice);
}

/* A proposal has become a change of the turn like any other, which it can be undone with. */
static void accepted(struct reviews *reviews, struct review_file *file,
                     struct review_choice *choice)
{
    if (choice->has_whole) {
        record_change(reviews, file->whole.owner, wholes[file->whole.kind].kind,
                      buf_str(&choice->from), buf_str(&choice->to), choice->before, choice->after);
        edit_review_accept(&file->lines, review_is_chosen, choice);
        review_end_whole(file);
    } else {
        record_lines(reviews, file, choice);
        edit_review_accept(&file->lines, review_is_chosen, choice);
    }
}

static void amended(struct reviews *reviews, struct review_file *file, struct review_choice *choice)
{
    struct edit_settlement settled = {0};
    const struct edit_hunk *hunk = edit_review_find(&file->lines, choice->ids.ptr[0]);
    bool is_proposal = review_is_proposal(file);
    if (!hunk)
        return;
    record_change(reviews, hunk->owner, is_proposal ? "update" : "amend-update",
                  buf_str(&choice->from), STR(""), choice->before, choice->after);
    review_tell_chosen(reviews, file, choice, "rewrote your change",
                       ", and accepted it so: read it again.");
    if (is_proposal) {
        edit_review_reject(&file->lines, review_is_chosen, choice);
        edit_review_fold_base(&file->lines, choice->after, &settled);
    } else {
        edit_review_accept(&file->lines, review_is_chosen, choice);
        edit_review_fold(&file->lines, choice->after, EDIT_BY_PERSON, 0, &settled);
    }
    edit_settlement_finish(&settled);
}

static void landed(struct review_job *job, struct review_choice *choice)
{
    static void (*const verdicts[])(struct reviews *, struct review_file *,
                                    struct review_choice *) = {
        [TOOLS_ACCEPT] = accepted,
        [TOOLS_REJECT] = rejected,
        [TOOLS_AMEND] = amended,
    };
    struct review_file *file = review_choice_file(job, choice);
    if (!file)
        return;
    job->count += choice->ids.len + choice->has_whole;
    review_mark_news(job->reviews, file);
    verdicts[job->verdict](job->reviews, file, choice);
    file->seen = (struct workspace_stat){0};
    file->is_dirty = true; /* what was typed meanwhile */
    review_settle(job->reviews, file);
}

/* -- After the edit --------------------------------------------------------------------------- */

static const char *result_path(const struct review_choice *choice)
{
    return choice->to.len ? choice->to.ptr : choice->from.ptr;
}

static void on_saved(void *user, enum status status, struct str note)
{
    struct review_job *job = user;
    review_saving(job->reviews->tools, (const char *const *)job->saving.ptr, job->saving.len,
                  false);
    if (status < 0)
        buf_append_fmt(&job->note, "%snot saved: " STR_FMT, job->note.len ? "; " : "",
                       STR_ARG(note.len ? note : str_from(status_name(status))));
    review_job_end(job, STATUS_OK);
}

/* What was clean before is clean afterwards. */
static void save(struct review_job *job)
{
    struct tools *tools = job->reviews->tools;
    const struct host *host = tools->env.host;
    bool saves = host->ops->save && policy_get_save(tools->env.policy) == SAVE_CLEAN;
    for (size_t i = 0; saves && i < job->choices.len; i++) {
        const struct review_choice *choice = &job->choices.ptr[i];
        if (choice->after && !choice->was_unsaved)
            vec_push(&job->saving, mem_dup_c(result_path(choice)));
    }
    if (job->saving.len == 0) {
        review_job_end(job, STATUS_OK);
        return;
    }
    review_saving(tools, (const char *const *)job->saving.ptr, job->saving.len, true);
    host->ops->save(host->host, (const char *const *)job->saving.ptr, job->saving.len, on_saved,
                    job);
}

/* Of an edit that the editor took in part: is this file as it was to be? */
static bool has_landed(const struct review_job *job, const struct review_choice *choice)
{
    const struct document *document =
        document_find_path(job->reviews->tools->env.documents, str_from(result_path(choice)));
    return document && document->text && choice->after && text_eq(document->text, choice->after);
}

static void on_applied(void *user, const struct host_apply_outcome *outcome)
{
    struct review_job *job = user;
    struct tools *tools = job->reviews->tools;
    switch (outcome->result) {
    case HOST_NOT_APPLIED:
        review_release(tools);
        if (job->attempts++ < LIMIT_EDIT_ATTEMPTS_COUNT)
            review_job_start(job);
        else
            review_job_fail(job, STATUS_CONFLICT,
                            STR("the text moved on at each attempt; try again"));
        return;
    case HOST_FAILED:
        review_release(tools);
        review_job_fail(job, STATUS_IO, outcome->note);
        return;
    case HOST_PARTIAL:
    case HOST_REPAIRED:
        buf_append(&job->note, outcome->note);
        break;
    case HOST_APPLIED:
        break;
    }
    for (size_t i = 0; i < job->choices.len; i++)
        if (outcome->result != HOST_PARTIAL || has_landed(job, &job->choices.ptr[i]))
            landed(job, &job->choices.ptr[i]);
    review_release(tools);
    save(job);
}

/* -- The edit --------------------------------------------------------------------------------- */

/* Of what is applied, back; of a proposal, forth. */
static enum host_change_kind plan_whole(const struct review_file *file,
                                        struct review_choice *choice)
{
    bool forth = review_is_proposal(file);
    struct text *now = text_ref(forth ? file->lines.base : file->lines.now);
    switch (file->whole.kind) {
    case TOOLS_HUNK_CREATE:
    case TOOLS_HUNK_DELETE:
        text_unref(now);
        if ((file->whole.kind == TOOLS_HUNK_CREATE) == forth) {
            choice->after = text_ref(forth ? file->lines.now : file->lines.base);
            return HOST_CREATE;
        }
        choice->before = text_ref(forth ? file->lines.base : file->lines.now);
        return HOST_DELETE;
    case TOOLS_HUNK_LINES:
    case TOOLS_HUNK_MOVE:
        break;
    }
    choice->before = now;
    choice->after = forth ? edit_review_with(&file->lines, review_is_chosen, choice)
                          : edit_review_without(&file->lines, review_is_chosen, choice);
    buf_append_c(&choice->to, forth ? file->path : file->old_path);
    return HOST_MOVE;
}

static void plan_lines(const struct review_job *job, const struct review_file *file,
                       struct review_choice *choice)
{
    const struct edit_review *lines = &file->lines;
    bool forth = review_is_proposal(file);
    unsigned first = choice->ids.ptr[0];
    choice->before = text_ref(forth ? lines->base : lines->now);
    if (job->verdict == TOOLS_AMEND)
        choice->after = forth ? edit_review_amended_base(lines, first, buf_str(&job->text))
                              : edit_review_amended(lines, first, buf_str(&job->text));
    else
        choice->after = forth ? edit_review_with(lines, review_is_chosen, choice)
                              : edit_review_without(lines, review_is_chosen, choice);
}

static bool is_unsaved(const struct tools *tools, const char *path)
{
    const struct document *document = document_find_path(tools->env.documents, str_from(path));
    return document && workspace_is_unsaved(tools->env.workspace, document);
}

static struct host_change plan(const struct review_job *job, struct review_choice *choice)
{
    const struct review_file *file = review_choice_file(job, choice);
    struct host_change change = {.kind = HOST_UPDATE};
    buf_append_c(&choice->from, review_source(file));
    choice->was_unsaved = is_unsaved(job->reviews->tools, choice->from.ptr);
    if (choice->has_whole)
        change.kind = plan_whole(file, choice);
    else
        plan_lines(job, file, choice);
    change.path = choice->from.ptr;
    change.new_path = choice->to.len ? choice->to.ptr : NULL;
    change.before = choice->before;
    change.after = choice->after;
    return change;
}

void review_job_send(struct review_job *job)
{
    static const char *const words[] = {
        [TOOLS_ACCEPT] = "Apply", [TOOLS_REJECT] = "Reject", [TOOLS_AMEND] = "Amend"};
    struct tools *tools = job->reviews->tools;
    const struct host *host = tools->env.host;
    VEC(struct host_change) changes = {0};
    struct buf label = {0};
    size_t count = 0;
    for (size_t i = 0; i < job->choices.len; i++) {
        struct host_change change = plan(job, &job->choices.ptr[i]);
        count += job->choices.ptr[i].ids.len + job->choices.ptr[i].has_whole;
        vec_push(&changes, change);
    }
    buf_append_fmt(&label, "%s %zu %s", words[job->verdict], count,
                   count == 1 ? "change" : "changes");
    review_hold(tools);
    host->ops->apply(host->host, changes.ptr, changes.len, label.ptr, on_applied, job);
    buf_finish(&label);
    vec_finish(&changes);
}
