/* Decisions on hunks. Accepting what is applied changes no file, and neither does rejecting a
 * proposal; the rest is an edit. */
#include "review_job-internal.h"

#include <stdio.h>

/* -- Life ------------------------------------------------------------------------------------- */

static void choice_finish(struct review_choice *choice)
{
    mem_free(choice->path);
    vec_finish(&choice->ids);
    text_unref(choice->before);
    text_unref(choice->after);
    buf_finish(&choice->from);
    buf_finish(&choice->to);
}

static void clear_choices(struct review_job *job)
{
    for (size_t i = 0; i < job->choices.len; i++)
        choice_finish(&job->choices.ptr[i]);
    vec_clear(&job->choices);
}

static void job_free(struct review_job *job)
{
    struct reviews *reviews = job->reviews;
    for (size_t i = 0; i < reviews->jobs.len; i++)
        if (reviews->jobs.ptr[i] == job) {
            vec_remove(&reviews->jobs, i);
            break;
        }
    clear_choices(job);
    for (size_t i = 0; i < job->saving.len; i++)
        mem_free(job->saving.ptr[i]);
    vec_finish(&job->saving);
    vec_finish(&job->choices);
    vec_finish(&job->wanted);
    buf_finish(&job->thread_id);
    buf_finish(&job->turn_id);
    buf_finish(&job->path);
    buf_finish(&job->text);
    buf_finish(&job->note);
    mem_free(job);
}

void review_job_end(struct review_job *job, enum status status)
{
    tools_decided_fn *on_done = job->on_done;
    void *user = job->user;
    struct buf note = {0};
    struct tools_decided decided = {.status = status, .count = job->count};
    buf_move(&note, &job->note);
    decided.why = buf_str(&note);
    job_free(job);
    on_done(user, &decided);
    buf_finish(&note);
}

void review_job_fail(struct review_job *job, enum status status, struct str why)
{
    buf_clear(&job->note);
    buf_append(&job->note, why);
    review_job_end(job, status);
}

void review_jobs_drop(struct reviews *reviews)
{
    const struct host *host = reviews->tools->env.host;
    while (reviews->jobs.len > 0) {
        host->ops->drop(host->host, reviews->jobs.ptr[0]);
        review_job_fail(reviews->jobs.ptr[0], STATUS_CLOSED, STR("Lanebridge is ending"));
    }
}

/* -- Which hunks ------------------------------------------------------------------------------ */

static bool is_wanted(const struct review_job *job, unsigned id)
{
    for (size_t i = 0; i < job->wanted.len; i++)
        if (job->wanted.ptr[i] == id)
            return true;
    return job->wanted.len == 0;
}

static void choose_in(void *user, const struct tools_review_file *file)
{
    struct review_job *job = user;
    struct review_choice choice = {.path = mem_dup_c(file->path)};
    if (file->proposed_by)
        snprintf(choice.thread_id, sizeof(choice.thread_id), "%s", file->proposed_by);
    for (size_t i = 0; i < file->count; i++) {
        const struct tools_hunk *hunk = &file->hunks[i];
        if (!is_wanted(job, hunk->id))
            continue;
        if (hunk->kind == TOOLS_HUNK_LINES)
            vec_push(&choice.ids, hunk->id);
        else
            choice.has_whole = true;
    }
    if (choice.ids.len > 0 || choice.has_whole)
        vec_push(&job->choices, choice);
    else
        choice_finish(&choice);
}

static size_t choose(struct review_job *job)
{
    struct tools_review_filter filter = {
        .thread_id = buf_str(&job->thread_id),
        .turn_id = buf_str(&job->turn_id),
        .path = buf_str(&job->path),
    };
    size_t count = 0;
    clear_choices(job);
    tools_review_each(job->reviews->tools, &filter, choose_in, job);
    for (size_t i = 0; i < job->choices.len; i++)
        count += job->choices.ptr[i].ids.len + job->choices.ptr[i].has_whole;
    return count;
}

bool review_is_chosen(void *user, const struct edit_hunk *hunk)
{
    const struct review_choice *choice = user;
    for (size_t i = 0; i < choice->ids.len; i++)
        if (choice->ids.ptr[i] == hunk->id)
            return true;
    return false;
}

struct review_file *review_choice_file(const struct review_job *job,
                                       const struct review_choice *choice)
{
    return review_find(job->reviews, choice->thread_id, str_from(choice->path));
}

/* -- What needs no edit ----------------------------------------------------------------------- */

void review_end_whole(struct review_file *file)
{
    bool is_move = file->whole.kind == TOOLS_HUNK_MOVE;
    file->whole.kind = TOOLS_HUNK_LINES;
    mem_free(file->old_path);
    file->old_path = NULL;
    if (!is_move)
        vec_clear(&file->lines.hunks);
}

static bool needs_edit(const struct review_job *job, const struct review_choice *choice)
{
    bool is_proposal = choice->thread_id[0] != '\0';
    return job->verdict == TOOLS_AMEND || is_proposal == (job->verdict == TOOLS_ACCEPT);
}

void review_tell_chosen(struct reviews *reviews, struct review_file *file,
                        struct review_choice *choice, const char *did, const char *so)
{
    for (unsigned owner = 0; owner < reviews->owners.len; owner++) {
        VEC(struct edit_hunk) hunks = {0};
        struct buf where = {0};
        for (size_t i = 0; i < file->lines.hunks.len; i++)
            if (file->lines.hunks.ptr[i].owner == owner &&
                review_is_chosen(choice, &file->lines.hunks.ptr[i]))
                vec_push(&hunks, file->lines.hunks.ptr[i]);
        if (hunks.len > 0) {
            review_append_lines(&where, hunks.ptr, hunks.len);
            review_tell(reviews, owner, "The user %s of %s at %s%s", did, file->display, where.ptr,
                        so);
        }
        buf_finish(&where);
        vec_finish(&hunks);
    }
}

static const char *const wholes[] = {
    [TOOLS_HUNK_LINES] = "",
    [TOOLS_HUNK_CREATE] = "is not made",
    [TOOLS_HUNK_DELETE] = "is not deleted",
    [TOOLS_HUNK_MOVE] = "keeps its old name",
};

static void reject_proposal(struct review_job *job, struct review_choice *choice,
                            struct review_file *file)
{
    if (choice->ids.len > 0) {
        review_tell_chosen(job->reviews, file, choice, "rejected the change you proposed",
                           ": it is not made.");
        edit_review_reject(&file->lines, review_is_chosen, choice);
    }
    if (choice->has_whole) {
        review_tell(job->reviews, file->whole.owner, "The user rejected your proposal: %s %s.",
                    file->display, wholes[file->whole.kind]);
        review_withdraw(job->reviews, file);
    }
}

static void settle_choice(struct review_job *job, struct review_choice *choice)
{
    struct review_file *file = review_choice_file(job, choice);
    if (!file)
        return;
    review_mark_news(job->reviews, file);
    if (review_is_proposal(file)) {
        reject_proposal(job, choice, file);
    } else {
        edit_review_accept(&file->lines, review_is_chosen, choice);
        if (choice->has_whole)
            review_end_whole(file);
    }
    review_settle(job->reviews, file);
}

/* -- The life of a decision ------------------------------------------------------------------- */

static void settle_what_can_be(struct review_job *job)
{
    size_t kept = 0;
    for (size_t i = 0; i < job->choices.len; i++) {
        struct review_choice choice = job->choices.ptr[i];
        if (needs_edit(job, &choice)) {
            job->choices.ptr[kept++] = choice;
            continue;
        }
        job->count += choice.ids.len + choice.has_whole;
        settle_choice(job, &choice);
        choice_finish(&choice);
    }
    job->choices.len = kept;
}

void review_job_start(struct review_job *job)
{
    size_t left = choose(job);
    if (left == 0 && job->count == 0) {
        review_job_fail(job, STATUS_NOT_FOUND, STR("that change is not pending any more"));
        return;
    }
    settle_what_can_be(job);
    job->is_waiting = job->choices.len > 0 && job->reviews->holds > 0;
    if (job->is_waiting)
        return; /* an edit is under way: review_jobs_pump comes */
    if (job->choices.len > 0)
        review_job_send(job);
    else
        review_job_end(job, STATUS_OK);
}

static struct review_job *next_job(const struct reviews *reviews)
{
    for (size_t i = 0; i < reviews->jobs.len; i++)
        if (reviews->jobs.ptr[i]->is_waiting &&
            (reviews->holds == 0 || reviews->jobs.ptr[i]->attempts == 0))
            return reviews->jobs.ptr[i];
    return NULL;
}

void review_jobs_pump(struct reviews *reviews)
{
    struct review_job *job;
    while ((job = next_job(reviews))) {
        job->attempts += job->attempts == 0;
        review_job_start(job);
    }
}

static enum status check(struct review_job *job, struct err *err)
{
    size_t count = choose(job);
    if (count == 0)
        return err_set(err, STATUS_NOT_FOUND,
                       job->wanted.len > 0 ? "that change is not pending any more"
                                           : "no change waits for a decision there");
    if (job->verdict != TOOLS_AMEND)
        return STATUS_OK;
    if (count != 1 || job->choices.ptr[0].has_whole)
        return err_set(err, STATUS_INVALID,
                       "name one hunk of changed lines: a file that was made, deleted or moved can "
                       "only be accepted or rejected");
    return STATUS_OK;
}

enum status tools_review_decide(struct tools *tools, const struct tools_decision *decision,
                                tools_decided_fn *on_done, void *user, struct err *err)
{
    struct review_job *job = mem_new(struct review_job);
    job->reviews = tools->reviews;
    job->verdict = decision->verdict;
    buf_append(&job->thread_id, decision->filter.thread_id);
    buf_append(&job->turn_id, decision->filter.turn_id);
    buf_append(&job->path, decision->filter.path);
    buf_append(&job->text, decision->text);
    for (size_t i = 0; i < decision->hunk_count; i++)
        vec_push(&job->wanted, decision->hunks[i]);
    job->on_done = on_done;
    job->user = user;
    enum status status = check(job, err);
    if (status < 0) {
        job_free(job);
        return status;
    }
    job->is_waiting = true;
    vec_push(&tools->reviews->jobs, job);
    loop_timer_start(tools->reviews->jobs_timer, 0, 0);
    return STATUS_OK;
}
