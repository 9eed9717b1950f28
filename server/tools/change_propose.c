/* What an edit means for the person's review: it waits after it was applied, or before. */
#include "change-internal.h"

#include <stdio.h>

static struct review_change change_of_file(const struct change *change,
                                           const struct edit_file *edit)
{
    const struct now_file *from = change_file(change, edit->path);
    const struct now_file *to = edit->new_path ? change_file(change, edit->new_path) : from;
    return (struct review_change){
        .kind = edit->kind,
        .path = now_key(from),
        .new_path = edit->new_path ? now_key(to) : (struct str){0},
        .display = str_from(to->path.display),
        .before = edit->before,
        .after = edit->after,
    };
}

static bool changes_nothing(const struct edit_file *edit)
{
    return edit->kind == EDIT_UPDATE && text_eq(edit->before, edit->after);
}

void change_record_review(const struct change *change, struct tools_call *call)
{
    for (size_t i = 0; i < change->plan.files.len; i++) {
        const struct edit_file *edit = &change->plan.files.ptr[i];
        struct review_change changed = change_of_file(change, edit);
        if (!changes_nothing(edit))
            review_record(call->tools, call->thread->id, call->turn_id, &changed);
    }
}

/* -- Before it is applied --------------------------------------------------------------------- */

bool change_is_proposal(const struct tools_call *call, const struct change *change)
{
    const struct tools *tools = call->tools;
    if (tools->env.host->ops->no_proposals)
        return false;
    if (policy_get_review(tools->env.policy) == REVIEW_BEFORE)
        return true;
    for (size_t i = 0; i < change->files.len; i++)
        if (review_has_proposal(call->thread, now_key(&change->files.ptr[i])))
            return true; /* on top of one that waits */
    return false;
}

static bool is_current(const struct tools_call *call, const struct change *change)
{
    for (size_t i = 0; i < change->plan.files.len; i++) {
        const struct edit_file *edit = &change->plan.files.ptr[i];
        struct review_change changed = change_of_file(change, edit);
        if (!review_is_current(call->thread, changed.path, edit->before) ||
            (edit->new_path && !review_is_current(call->thread, changed.new_path, NULL)))
            return false;
    }
    return true;
}

bool change_propose(struct tools_call *call, struct change *change)
{
    if (!is_current(call, change)) {
        if (change->attempts < LIMIT_EDIT_ATTEMPTS_COUNT)
            return false;
        call_fail(call, "Nothing was proposed: the text moved on at each attempt. Read the file "
                        "again and repeat the edit.");
        return true;
    }
    if (!call_begin(call, "proposed"))
        return true;
    for (size_t i = 0; i < change->plan.files.len; i++) {
        const struct edit_file *edit = &change->plan.files.ptr[i];
        struct review_change changed = change_of_file(change, edit);
        if (!changes_nothing(edit))
            review_propose(call->tools, call->thread->id, call->turn_id, &changed);
    }
    buf_append_c(&call->text,
                 "Proposed, not applied yet: the user decides on it hunk by hunk, and you are told "
                 "what they reject. Go on as if it were applied: what you read, search and run "
                 "sees it so.\n");
    change_append_report(change, &call->text);
    if (change->kind == CHANGE_PROPOSED) /* the model has not written it: it must see it */
        change_append_diff(change, 3, &call->text);
    change_append_diff(change, 3, &call->diff);
    change_set_bases(call, change);
    change_append_summary(change, &call->summary);
    call_end(call, true);
    return true;
}
