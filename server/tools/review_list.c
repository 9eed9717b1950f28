/* What is pending, told: to who asks, to who watches, to the model. */
#include "review-internal.h"
#include "screen-internal.h"

#include <stdarg.h>

/* -- News ------------------------------------------------------------------------------------- */

void review_mark_news(struct reviews *reviews, const struct review_file *file)
{
    for (size_t i = 0; i < file->lines.hunks.len; i++)
        reviews->owners.ptr[file->lines.hunks.ptr[i].owner].has_news = true;
    if (file->whole.kind != TOOLS_HUNK_LINES)
        reviews->owners.ptr[file->whole.owner].has_news = true;
    loop_timer_start(reviews->news_timer, 0, 0);
}

void review_tell(struct reviews *reviews, unsigned owner, const char *format, ...)
{
    struct review_owner *told = &reviews->owners.ptr[owner];
    va_list args;
    va_start(args, format);
    buf_append_vfmt(&told->told, format, args);
    va_end(args);
    buf_append_byte(&told->told, '\n');
    told->has_news = true;
    loop_timer_start(reviews->news_timer, 0, 0);
}

void review_notice(struct reviews *reviews, const char *format, ...)
{
    struct buf text = {0};
    va_list args;
    va_start(args, format);
    buf_append_vfmt(&text, format, args);
    va_end(args);
    vec_push(&reviews->notices, buf_take(&text));
    loop_timer_start(reviews->news_timer, 0, 0);
}

void review_append_lines(struct buf *out, const struct edit_hunk *hunks, size_t count)
{
    buf_append_c(out, count > 1 || (count == 1 && hunks[0].now_count > 1) ? "lines " : "line ");
    for (size_t i = 0; i < count; i++) {
        buf_append_c(out, i == 0 ? "" : i + 1 == count ? " and " : ", ");
        buf_append_fmt(out, "%zu", hunks[i].now_start + 1);
        if (hunks[i].now_count > 1)
            buf_append_fmt(out, "-%zu", hunks[i].now_start + hunks[i].now_count);
    }
}

static size_t pending_of(const struct reviews *reviews, unsigned owner)
{
    size_t count = 0;
    for (size_t i = 0; i < reviews->files.len; i++) {
        const struct review_file *file = reviews->files.ptr[i];
        bool has_lines =
            file->whole.kind == TOOLS_HUNK_LINES || file->whole.kind == TOOLS_HUNK_MOVE;
        for (size_t k = 0; has_lines && k < file->lines.hunks.len; k++)
            count += file->lines.hunks.ptr[k].owner == owner;
        count += file->whole.kind != TOOLS_HUNK_LINES && file->whole.owner == owner;
    }
    return count;
}

static void tell_notice(struct reviews *reviews)
{
    char *text = reviews->notices.ptr[0];
    struct tools_review_news news = {.thread_id = "", .turn_id = "", .notice = str_from(text)};
    vec_remove(&reviews->notices, 0);
    reviews->watch(reviews->watch_user, &news);
    mem_free(text);
}

void review_on_news_time(void *user)
{
    struct reviews *reviews = user;
    builds_settle(reviews->tools); /* of a proposal that is gone */
    if (!reviews->watch)
        return;
    for (size_t i = 0; i < reviews->owners.len; i++) {
        struct review_owner *owner = &reviews->owners.ptr[i];
        if (!owner->has_news)
            continue;
        owner->has_news = false;
        char thread_id[ID_BYTES], turn_id[ID_BYTES];
        memcpy(thread_id, owner->thread_id, sizeof(thread_id));
        memcpy(turn_id, owner->turn_id, sizeof(turn_id));
        struct tools_review_news news = {
            .thread_id = thread_id,
            .turn_id = turn_id,
            .pending = pending_of(reviews, (unsigned)i),
            .has_told = owner->told.len > 0,
        };
        reviews->watch(reviews->watch_user, &news);
    }
    while (reviews->notices.len > 0)
        tell_notice(reviews);
}

void tools_review_watch(struct tools *tools, tools_review_watch_fn *fn, void *user)
{
    tools->reviews->watch = fn;
    tools->reviews->watch_user = user;
    loop_timer_start(tools->reviews->news_timer, 0, 0);
}

void tools_review_take_told(struct tools *tools, const char *thread_id, struct buf *lines)
{
    struct reviews *reviews = tools->reviews;
    review_sync_all(reviews);
    for (size_t i = 0; i < reviews->owners.len; i++) {
        struct review_owner *owner = &reviews->owners.ptr[i];
        if (strcmp(owner->thread_id, thread_id) != 0)
            continue;
        buf_append(lines, buf_str(&owner->told));
        buf_clear(&owner->told);
    }
}

/* -- Listing ---------------------------------------------------------------------------------- */

static bool suits(const struct reviews *reviews, const struct tools_review_filter *filter,
                  unsigned owner)
{
    const struct review_owner *whose = &reviews->owners.ptr[owner];
    return (filter->thread_id.len == 0 || str_eq_c(filter->thread_id, whose->thread_id)) &&
           (filter->turn_id.len == 0 || str_eq_c(filter->turn_id, whose->turn_id));
}

static struct tools_hunk whole_hunk(const struct reviews *reviews, const struct review_file *file)
{
    const struct review_owner *owner = &reviews->owners.ptr[file->whole.owner];
    bool has_lines = file->whole.kind != TOOLS_HUNK_MOVE;
    return (struct tools_hunk){
        .id = file->whole.id,
        .kind = file->whole.kind,
        .thread_id = owner->thread_id,
        .turn_id = owner->turn_id,
        .old_lines = has_lines ? text_bytes(file->lines.base) : (struct str){0},
        .new_lines = has_lines ? text_bytes(file->lines.now) : (struct str){0},
        .old_count = has_lines ? text_line_count(file->lines.base) : 0,
        .new_count = has_lines ? text_line_count(file->lines.now) : 0,
        .count = SIZE_MAX, /* wherever one looks in it */
    };
}

static struct tools_hunk line_hunk(const struct reviews *reviews, const struct review_file *file,
                                   const struct edit_hunk *hunk)
{
    const struct review_owner *owner = &reviews->owners.ptr[hunk->owner];
    bool is_proposal = review_is_proposal(file);
    return (struct tools_hunk){
        .id = hunk->id,
        .kind = TOOLS_HUNK_LINES,
        .line = is_proposal ? hunk->base_start : hunk->now_start,
        .count = is_proposal ? hunk->base_count : hunk->now_count,
        .thread_id = owner->thread_id,
        .turn_id = owner->turn_id,
        .old_line = hunk->base_start,
        .old_count = hunk->base_count,
        .new_line = hunk->now_start,
        .new_count = hunk->now_count,
        .old_lines = edit_hunk_old(&file->lines, hunk),
        .new_lines = edit_hunk_new(&file->lines, hunk),
    };
}

static void tell_file(const struct reviews *reviews, const struct tools_review_filter *filter,
                      const struct review_file *file, tools_review_fn *fn, void *user)
{
    VEC(struct tools_hunk) hunks = {0};
    bool has_lines = file->whole.kind == TOOLS_HUNK_LINES || file->whole.kind == TOOLS_HUNK_MOVE;
    if (file->whole.kind != TOOLS_HUNK_LINES && suits(reviews, filter, file->whole.owner))
        vec_push(&hunks, whole_hunk(reviews, file));
    for (size_t i = 0; has_lines && i < file->lines.hunks.len; i++)
        if (suits(reviews, filter, file->lines.hunks.ptr[i].owner))
            vec_push(&hunks, line_hunk(reviews, file, &file->lines.hunks.ptr[i]));
    struct tools_review_file told = {
        .path = file->path,
        .display = file->display,
        .old_path = file->whole.kind == TOOLS_HUNK_MOVE ? file->old_path : NULL,
        .now = file->lines.now,
        .proposed_by = review_is_proposal(file) ? file->thread_id : NULL,
        .hunks = hunks.ptr,
        .count = hunks.len,
    };
    if (hunks.len > 0)
        fn(user, &told);
    vec_finish(&hunks);
}

static bool is_named(const struct tools_review_filter *filter, const struct review_file *file)
{
    return filter->path.len == 0 || str_eq_c(filter->path, file->path) ||
           str_eq_c(filter->path, file->display) || str_eq_c(filter->path, review_source(file));
}

void tools_review_each(struct tools *tools, const struct tools_review_filter *filter,
                       tools_review_fn *fn, void *user)
{
    struct reviews *reviews = tools->reviews;
    for (size_t i = reviews->files.len; i-- > 0;)
        if (is_named(filter, reviews->files.ptr[i]))
            review_sync(reviews, reviews->files.ptr[i]);
    for (size_t i = 0; i < reviews->files.len; i++)
        if (is_named(filter, reviews->files.ptr[i]))
            tell_file(reviews, filter, reviews->files.ptr[i], fn, user);
}
