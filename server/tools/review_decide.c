/* Decisions on hunks. Accepting changes no file. Rejecting and amending are one edit for the host,
 * made from the texts as they are now, and made again when these moved on meanwhile. */
#include "review-internal.h"

/* The hunks chosen in one file. */
struct choice {
    char *path;
    bool has_whole;
    VEC(unsigned) ids;           /* of lines */
    struct text *before, *after; /* of the edit; NULL where there is no file */
    struct buf old_path;         /* a move that goes back */
    bool was_unsaved;
};

struct review_job {
    struct reviews *reviews;
    enum tools_verdict verdict;
    struct buf thread_id, turn_id, path, text;
    VEC(unsigned) wanted;
    VEC(struct choice) choices;
    VEC(char *) saving;
    struct buf note;
    size_t count;
    unsigned attempts;
    bool is_waiting; /* for its turn, and for edits that are under way */
    tools_decided_fn *on_done;
    void *user;
};

/* -- Life ------------------------------------------------------------------------------------- */

static void clear_choices(struct review_job *job)
{
    for (size_t i = 0; i < job->choices.len; i++) {
        struct choice *choice = &job->choices.ptr[i];
        mem_free(choice->path);
        vec_finish(&choice->ids);
        text_unref(choice->before);
        text_unref(choice->after);
        buf_finish(&choice->old_path);
    }
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

static void end(struct review_job *job, enum status status)
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

static void fail(struct review_job *job, enum status status, struct str why)
{
    buf_clear(&job->note);
    buf_append(&job->note, why);
    job->count = 0;
    end(job, status);
}

void review_jobs_drop(struct reviews *reviews)
{
    const struct host *host = reviews->tools->env.host;
    while (reviews->jobs.len > 0) {
        host->ops->drop(host->host, reviews->jobs.ptr[0]);
        fail(reviews->jobs.ptr[0], STATUS_CLOSED, STR("Lanebridge is ending"));
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
    struct choice choice = {.path = mem_dup_c(file->path)};
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
        mem_free(choice.path);
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

static bool is_chosen(void *user, const struct edit_hunk *hunk)
{
    const struct choice *choice = user;
    for (size_t i = 0; i < choice->ids.len; i++)
        if (choice->ids.ptr[i] == hunk->id)
            return true;
    return false;
}

/* -- Accepting -------------------------------------------------------------------------------- */

void review_end_whole(struct review_file *file)
{
    bool is_move = file->whole.kind == TOOLS_HUNK_MOVE;
    file->whole.kind = TOOLS_HUNK_LINES;
    mem_free(file->old_path);
    file->old_path = NULL;
    if (!is_move)
        vec_clear(&file->lines.hunks);
}

static void accept(struct review_job *job)
{
    for (size_t i = 0; i < job->choices.len; i++) {
        struct choice *choice = &job->choices.ptr[i];
        struct review_file *file = review_find(job->reviews, str_from(choice->path));
        if (!file)
            continue;
        review_mark_news(job->reviews, file);
        edit_review_accept(&file->lines, is_chosen, choice);
        if (choice->has_whole)
            review_end_whole(file);
        review_settle(job->reviews, file);
    }
    end(job, STATUS_OK);
}

/* -- After the edit --------------------------------------------------------------------------- */

struct of_owner {
    struct choice *choice;
    unsigned owner; /* this one and those before it */
};

static bool is_up_to(void *user, const struct edit_hunk *hunk)
{
    const struct of_owner *of = user;
    return hunk->owner <= of->owner && is_chosen(of->choice, hunk);
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

static const struct {
    const char *change, *told;
} whole_words[] = {
    [TOOLS_HUNK_LINES] = {"", ""},
    [TOOLS_HUNK_CREATE] = {"reject-create", "The user rejected the new file %s: it is gone."},
    [TOOLS_HUNK_DELETE] = {"reject-delete",
                           "The user rejected that %s is deleted: it is there again."},
    [TOOLS_HUNK_MOVE] = {"reject-move", "The user rejected the move: the file is %s again."},
};

static void tell_whole(struct reviews *reviews, enum tools_hunk_kind kind, unsigned owner,
                       const char *display)
{
    struct str format = str_from(whole_words[kind].told);
    size_t at = str_find(format, STR("%s"), 0);
    struct buf line = {0};
    buf_append(&line, str_slice(format, 0, at));
    buf_append_c(&line, display);
    buf_append(&line, str_skip(format, at + 2));
    review_tell(reviews, owner, "%s", line.ptr);
    buf_finish(&line);
}

/* Each turn gets its part, and its line for the model. */
static void record_lines(struct reviews *reviews, struct review_file *file, struct choice *choice)
{
    struct text *before = text_ref(file->lines.now);
    for (unsigned owner = 0; owner < reviews->owners.len; owner++) {
        struct of_owner of = {choice, owner};
        VEC(struct edit_hunk) hunks = {0};
        struct buf where = {0};
        for (size_t i = 0; i < file->lines.hunks.len; i++)
            if (file->lines.hunks.ptr[i].owner == owner &&
                is_chosen(choice, &file->lines.hunks.ptr[i]))
                vec_push(&hunks, file->lines.hunks.ptr[i]);
        if (hunks.len > 0) {
            struct text *after = edit_review_without(&file->lines, is_up_to, &of);
            record_change(reviews, owner, "reject-update", str_from(file->path), STR(""), before,
                          after);
            text_unref(before);
            before = after;
            review_append_lines(&where, hunks.ptr, hunks.len);
            review_tell(reviews, owner,
                        "The user rejected your change of %s at %s: the old lines are back.",
                        file->display, where.ptr);
        }
        buf_finish(&where);
        vec_finish(&hunks);
    }
    text_unref(before);
}

static void whole_rejected(struct reviews *reviews, struct review_file *file,
                           const struct choice *choice)
{
    record_change(reviews, file->whole.owner, whole_words[file->whole.kind].change,
                  str_from(file->path), buf_str(&choice->old_path), choice->before, choice->after);
    struct review_whole whole = file->whole;
    if (whole.kind == TOOLS_HUNK_MOVE) {
        review_forget(reviews, str_from(file->path));
        review_set_path(file, str_from(file->old_path));
        review_set_display(reviews, file);
    }
    review_end_whole(file);
    tell_whole(reviews, whole.kind, whole.owner, file->display);
}

static void rejected(struct review_job *job, struct choice *choice)
{
    struct reviews *reviews = job->reviews;
    struct review_file *file = review_find(reviews, str_from(choice->path));
    if (!file)
        return;
    review_mark_news(reviews, file);
    if (choice->ids.len > 0) {
        record_lines(reviews, file, choice);
        edit_review_reject(&file->lines, is_chosen, choice);
    }
    if (choice->has_whole)
        whole_rejected(reviews, file, choice);
    file->seen = (struct workspace_stat){0};
    file->is_dirty = true; /* what was typed meanwhile */
    review_settle(reviews, file);
}

static void amended(struct review_job *job, struct choice *choice)
{
    struct reviews *reviews = job->reviews;
    struct review_file *file = review_find(reviews, str_from(choice->path));
    struct edit_settlement settled = {0};
    const struct edit_hunk *hunk = file ? edit_review_find(&file->lines, choice->ids.ptr[0]) : NULL;
    if (!hunk)
        return;
    struct buf where = {0};
    unsigned owner = hunk->owner;
    review_append_lines(&where, hunk, 1);
    review_tell(reviews, owner,
                "The user rewrote your change of %s at %s, and accepted it so: read it again.",
                file->display, where.ptr);
    record_change(reviews, owner, "amend-update", str_from(file->path), STR(""), choice->before,
                  choice->after);
    review_mark_news(reviews, file);
    edit_review_accept(&file->lines, is_chosen, choice);
    edit_review_fold(&file->lines, choice->after, EDIT_BY_PERSON, 0, &settled);
    edit_settlement_finish(&settled);
    file->seen = (struct workspace_stat){0};
    file->is_dirty = true;
    review_settle(reviews, file);
    buf_finish(&where);
}

static void on_saved(void *user, enum status status, struct str note)
{
    struct review_job *job = user;
    struct reviews *reviews = job->reviews;
    review_saving(reviews->tools, (const char *const *)job->saving.ptr, job->saving.len, false);
    if (status < 0)
        buf_append_fmt(&job->note, "%snot saved: " STR_FMT, job->note.len ? "; " : "",
                       STR_ARG(note.len ? note : str_from(status_name(status))));
    end(job, STATUS_OK);
}

/* What was clean before is clean afterwards. */
static void save(struct review_job *job)
{
    struct tools *tools = job->reviews->tools;
    const struct host *host = tools->env.host;
    bool saves = host->ops->save && policy_get_save(tools->env.policy) == SAVE_CLEAN;
    for (size_t i = 0; saves && i < job->choices.len; i++) {
        struct choice *choice = &job->choices.ptr[i];
        if (choice->after && !choice->was_unsaved)
            vec_push(&job->saving, choice->old_path.len ? mem_dup_c(choice->old_path.ptr)
                                                        : mem_dup_c(choice->path));
    }
    if (job->saving.len == 0) {
        end(job, STATUS_OK);
        return;
    }
    review_saving(tools, (const char *const *)job->saving.ptr, job->saving.len, true);
    host->ops->save(host->host, (const char *const *)job->saving.ptr, job->saving.len, on_saved,
                    job);
}

/* Of an edit that the editor took in part: is this file as it was to be? */
static bool has_landed(struct review_job *job, const struct choice *choice)
{
    struct tools *tools = job->reviews->tools;
    const char *path = choice->old_path.len ? choice->old_path.ptr : choice->path;
    const struct document *document = document_find_path(tools->env.documents, str_from(path));
    return document && document->text && choice->after && text_eq(document->text, choice->after);
}

static void start(struct review_job *job);

static void on_applied(void *user, const struct host_apply_outcome *outcome)
{
    struct review_job *job = user;
    struct tools *tools = job->reviews->tools;
    bool is_partial = outcome->result == HOST_PARTIAL;
    switch (outcome->result) {
    case HOST_NOT_APPLIED:
        review_release(tools);
        if (job->attempts < LIMIT_EDIT_ATTEMPTS_COUNT)
            start(job);
        else
            fail(job, STATUS_CONFLICT, STR("the text moved on at each attempt; try again"));
        return;
    case HOST_FAILED:
        review_release(tools);
        fail(job, STATUS_IO, outcome->note);
        return;
    case HOST_PARTIAL:
    case HOST_REPAIRED:
        buf_append(&job->note, outcome->note);
        break;
    case HOST_APPLIED:
        break;
    }
    for (size_t i = 0; i < job->choices.len; i++) {
        struct choice *choice = &job->choices.ptr[i];
        if (is_partial && !has_landed(job, choice))
            continue;
        if (job->verdict == TOOLS_AMEND)
            amended(job, choice);
        else
            rejected(job, choice);
    }
    review_release(tools);
    save(job);
}

/* -- The edit --------------------------------------------------------------------------------- */

static enum host_change_kind plan_whole(const struct review_file *file, struct choice *choice)
{
    switch (file->whole.kind) {
    case TOOLS_HUNK_CREATE:
        choice->before = text_ref(file->lines.now);
        return HOST_DELETE;
    case TOOLS_HUNK_DELETE:
        choice->after = text_ref(file->lines.base);
        return HOST_CREATE;
    case TOOLS_HUNK_MOVE:
        choice->before = text_ref(file->lines.now);
        choice->after = edit_review_without(&file->lines, is_chosen, choice);
        buf_append_c(&choice->old_path, file->old_path);
        return HOST_MOVE;
    case TOOLS_HUNK_LINES:
        break;
    }
    return HOST_UPDATE;
}

static bool is_unsaved(const struct reviews *reviews, const char *path)
{
    const struct tools *tools = reviews->tools;
    const struct document *document = document_find_path(tools->env.documents, str_from(path));
    return document && workspace_is_unsaved(tools->env.workspace, document);
}

static struct host_change plan(const struct review_job *job, struct choice *choice)
{
    const struct review_file *file = review_find(job->reviews, str_from(choice->path));
    struct host_change change = {.kind = HOST_UPDATE, .path = choice->path};
    choice->was_unsaved = is_unsaved(job->reviews, choice->path);
    if (choice->has_whole) {
        change.kind = plan_whole(file, choice);
    } else {
        choice->before = text_ref(file->lines.now);
        choice->after =
            job->verdict == TOOLS_AMEND
                ? edit_review_amended(&file->lines, choice->ids.ptr[0], buf_str(&job->text))
                : edit_review_without(&file->lines, is_chosen, choice);
    }
    change.before = choice->before;
    change.after = choice->after;
    change.new_path = choice->old_path.len ? choice->old_path.ptr : NULL;
    return change;
}

static void send(struct review_job *job)
{
    struct tools *tools = job->reviews->tools;
    const struct host *host = tools->env.host;
    VEC(struct host_change) changes = {0};
    struct buf label = {0};
    for (size_t i = 0; i < job->choices.len; i++) {
        struct host_change change = plan(job, &job->choices.ptr[i]);
        vec_push(&changes, change);
    }
    buf_append_fmt(&label, "%s %zu %s", job->verdict == TOOLS_AMEND ? "Amend" : "Reject",
                   job->count, job->count == 1 ? "change" : "changes");
    review_hold(tools);
    host->ops->apply(host->host, changes.ptr, changes.len, label.ptr, on_applied, job);
    buf_finish(&label);
    vec_finish(&changes);
}

static void start(struct review_job *job)
{
    job->is_waiting = job->reviews->holds > 0 && job->verdict != TOOLS_ACCEPT;
    if (job->is_waiting)
        return; /* an edit is under way: review_jobs_pump comes */
    job->attempts++;
    job->count = choose(job);
    if (job->count == 0)
        fail(job, STATUS_NOT_FOUND, STR("that change is not pending any more"));
    else if (job->verdict == TOOLS_ACCEPT)
        accept(job);
    else
        send(job);
}

static struct review_job *next_job(const struct reviews *reviews)
{
    for (size_t i = 0; i < reviews->jobs.len; i++) {
        struct review_job *job = reviews->jobs.ptr[i];
        if (job->is_waiting && (reviews->holds == 0 || job->verdict == TOOLS_ACCEPT))
            return job;
    }
    return NULL;
}

void review_jobs_pump(struct reviews *reviews)
{
    struct review_job *job;
    while ((job = next_job(reviews)))
        start(job);
}

static enum status check(struct review_job *job, struct err *err)
{
    job->count = choose(job);
    if (job->count == 0)
        return err_set(err, STATUS_NOT_FOUND,
                       job->wanted.len > 0 ? "that change is not pending any more"
                                           : "no change waits for a decision there");
    if (job->verdict != TOOLS_AMEND)
        return STATUS_OK;
    if (job->count != 1 || job->choices.ptr[0].has_whole)
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
