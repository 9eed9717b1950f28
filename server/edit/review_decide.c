/* Deciding on hunks, and finding those that the editor's own undo has decided on. */
#include "review-internal.h"

enum { UNDONE_MAX = 64 }; /* hunks looked at one by one */

struct str review_lines(const struct text *text, size_t first, size_t count)
{
    return str_slice(text_bytes(text), text_line_start(text, first),
                     text_line_start(text, first + count));
}

size_t review_line_count(const struct text *text)
{
    size_t count = text_line_count(text);

    return text_line_start(text, count - 1) == text_len(text) ? count - 1 : count;
}

/* Whose were the lines? The hunk next to them tells. */
static unsigned owner_at(const struct edit_review *review, size_t line)
{
    unsigned owner = 0;

    for (size_t i = 0; i < review->hunks.len; i++) {
        if (i == 0 || review->hunks.ptr[i].now_start <= line)
            owner = review->hunks.ptr[i].owner;
    }
    return owner;
}

void review_begin_anew(struct edit_review *review)
{
    struct edit_review anew;

    edit_review_init(&anew, review->base, review->now, 0);
    for (size_t i = 0; i < anew.hunks.len; i++) {
        anew.hunks.ptr[i].owner = owner_at(review, anew.hunks.ptr[i].now_start);
        anew.hunks.ptr[i].id = ++review->last_id;
    }
    anew.last_id = review->last_id;
    edit_review_finish(review);
    *review = anew;
}

struct str edit_hunk_old(const struct edit_review *review, const struct edit_hunk *hunk)
{
    return review_lines(review->base, hunk->base_start, hunk->base_count);
}

struct str edit_hunk_new(const struct edit_review *review, const struct edit_hunk *hunk)
{
    return review_lines(review->now, hunk->now_start, hunk->now_count);
}

const struct edit_hunk *edit_review_find(const struct edit_review *review, unsigned id)
{
    for (size_t i = 0; i < review->hunks.len; i++) {
        if (review->hunks.ptr[i].id == id)
            return &review->hunks.ptr[i];
    }
    return NULL;
}

void edit_review_init(struct edit_review *review, const struct text *base, const struct text *now,
                      unsigned owner)
{
    struct diff diff;

    *review = (struct edit_review){.base = text_ref(base), .now = text_ref(now)};
    text_diff(base, now, &diff);
    for (size_t i = 0; i < diff.count; i++) {
        struct edit_hunk hunk = {
            .id = ++review->last_id,
            .owner = owner,
            .base_start = diff.hunks[i].old_start,
            .base_count = diff.hunks[i].old_count,
            .now_start = diff.hunks[i].new_start,
            .now_count = diff.hunks[i].new_count,
        };

        vec_push(&review->hunks, hunk);
    }
    diff_finish(&diff);
}

void edit_review_finish(struct edit_review *review)
{
    text_unref(review->base);
    text_unref(review->now);
    vec_finish(&review->hunks);
    *review = (struct edit_review){0};
}

/* As many lines behind the hunk before, and the same ones. */
static bool is_same_between(const struct edit_review *review, size_t base, size_t now,
                            const struct edit_hunk *next)
{
    size_t count = next->base_start - base;

    return next->base_start >= base && next->now_start >= now && next->now_start - now == count &&
           next->base_start + next->base_count <= review_line_count(review->base) &&
           next->now_start + next->now_count <= review_line_count(review->now) &&
           str_eq(review_lines(review->base, base, count), review_lines(review->now, now, count));
}

bool edit_review_set_hunks(struct edit_review *review, const struct edit_hunk *hunks, size_t count)
{
    const struct edit_hunk end = {.base_start = review_line_count(review->base),
                                  .now_start = review_line_count(review->now)};
    size_t base = 0, now = 0;

    for (size_t i = 0; i <= count; i++) {
        const struct edit_hunk *next = i < count ? &hunks[i] : &end;

        if (!is_same_between(review, base, now, next))
            return false;
        base = next->base_start + next->base_count;
        now = next->now_start + next->now_count;
    }
    vec_clear(&review->hunks);
    for (size_t i = 0; i < count; i++) {
        vec_push(&review->hunks, hunks[i]);
        vec_last(&review->hunks).id = ++review->last_id;
    }
    return true;
}

void edit_settlement_finish(struct edit_settlement *settlement)
{
    vec_finish(&settlement->list);
}

/* -- Texts ------------------------------------------------------------------------------------- */

/* One text of the review, with the other one's lines in the place of the chosen hunks. */
static struct text *exchange(const struct edit_review *review, bool from_now, edit_hunk_fn *chosen,
                             void *user)
{
    const struct text *from = from_now ? review->now : review->base;
    struct buf out = {0};
    size_t done = 0;

    for (size_t i = 0; i < review->hunks.len; i++) {
        const struct edit_hunk *hunk = &review->hunks.ptr[i];
        size_t start = from_now ? hunk->now_start : hunk->base_start;

        if (!chosen(user, hunk))
            continue;
        buf_append(&out, review_lines(from, done, start - done));
        buf_append(&out, from_now ? edit_hunk_old(review, hunk) : edit_hunk_new(review, hunk));
        done = start + (from_now ? hunk->now_count : hunk->base_count);
    }
    if (done == 0 && out.len == 0)
        return text_ref(from);
    buf_append(&out, review_lines(from, done, text_line_count(from) - done));
    return text_take(&out);
}

struct text *edit_review_without(const struct edit_review *review, edit_hunk_fn *chosen, void *user)
{
    return exchange(review, true, chosen, user);
}

struct text *edit_review_with(const struct edit_review *review, edit_hunk_fn *chosen, void *user)
{
    return exchange(review, false, chosen, user);
}

static struct str ending_of(struct str lines)
{
    size_t at = str_find_byte(lines, '\n', 0);

    if (at != STR_NONE)
        return at > 0 && lines.ptr[at - 1] == '\r' ? STR("\r\n") : STR("\n");
    return str_find_byte(lines, '\r', 0) == STR_NONE ? (struct str){0} : STR("\r");
}

/* LF stands for the file's own ending, as in the model's edits. */
static void append_with_ending(struct buf *out, struct str text, struct str ending, bool is_last)
{
    struct str line;
    struct str rest = text;

    while (rest.len > 0 && str_next(&rest, '\n', &line)) {
        bool is_ended = line.ptr + line.len < text.ptr + text.len;

        if (is_ended && line.len > 0 && line.ptr[line.len - 1] == '\r')
            line.len--;
        buf_append(out, line);
        if (is_ended || !is_last)
            buf_append(out, ending);
    }
}

/* `text` in place of lines of `whole`; the hunk shows what endings stand there. */
static struct text *put_lines(const struct edit_review *review, const struct edit_hunk *hunk,
                              const struct text *whole, size_t start, size_t end, struct str text)
{
    struct buf out = {0};
    size_t count = text_line_count(whole);
    struct str ending = ending_of(edit_hunk_new(review, hunk));

    if (ending.len == 0)
        ending = ending_of(text_bytes(review->base));
    if (ending.len == 0)
        ending = STR("\n");
    buf_append(&out, review_lines(whole, 0, start));
    append_with_ending(&out, text, ending, text_line_start(whole, end) == text_len(whole));
    buf_append(&out, review_lines(whole, end, count - end));
    return text_take(&out);
}

struct text *edit_review_amended(const struct edit_review *review, unsigned id, struct str text)
{
    const struct edit_hunk *hunk = edit_review_find(review, id);

    return hunk ? put_lines(review, hunk, review->now, hunk->now_start,
                            hunk->now_start + hunk->now_count, text)
                : NULL;
}

struct text *edit_review_amended_base(const struct edit_review *review, unsigned id,
                                      struct str text)
{
    const struct edit_hunk *hunk = edit_review_find(review, id);

    return hunk ? put_lines(review, hunk, review->base, hunk->base_start,
                            hunk->base_start + hunk->base_count, text)
                : NULL;
}

/* -- Decisions --------------------------------------------------------------------------------- */

/* Takes the chosen out of the list; the rest moves by what they were longer or shorter. */
static void drop_hunks(struct edit_review *review, edit_hunk_fn *chosen, void *user, bool in_base)
{
    ptrdiff_t shift = 0;
    size_t kept = 0;

    for (size_t i = 0; i < review->hunks.len; i++) {
        struct edit_hunk hunk = review->hunks.ptr[i];
        ptrdiff_t grown = (ptrdiff_t)hunk.now_count - (ptrdiff_t)hunk.base_count;

        if (chosen(user, &hunk)) {
            shift += in_base ? grown : -grown;
            continue;
        }
        if (in_base)
            hunk.base_start = (size_t)((ptrdiff_t)hunk.base_start + shift);
        else
            hunk.now_start = (size_t)((ptrdiff_t)hunk.now_start + shift);
        review->hunks.ptr[kept++] = hunk;
    }
    review->hunks.len = kept;
}

/* False when lines were put together that are others now. */
static bool fits(const struct edit_review *review)
{
    size_t base = review_line_count(review->base), now = review_line_count(review->now);

    for (size_t i = 0; i < review->hunks.len; i++) {
        base -= review->hunks.ptr[i].base_count;
        now -= review->hunks.ptr[i].now_count;
    }
    return base == now;
}

void edit_review_accept(struct edit_review *review, edit_hunk_fn *chosen, void *user)
{
    struct text *base = edit_review_with(review, chosen, user);

    drop_hunks(review, chosen, user, true);
    text_unref(review->base);
    review->base = base;
    if (!fits(review))
        review_begin_anew(review);
}

void edit_review_reject(struct edit_review *review, edit_hunk_fn *chosen, void *user)
{
    struct text *now = edit_review_without(review, chosen, user);

    drop_hunks(review, chosen, user, false);
    text_unref(review->now);
    review->now = now;
    if (!fits(review))
        review_begin_anew(review);
}

/* -- The editor's own undo --------------------------------------------------------------------- */

/* A diff may show the lines that went away one place beside the hunk, where the same lines stand.
 * So it is asked the other way round: is the text nearer to the one without the hunk? */
static size_t distance(const struct text *from, const struct text *to)
{
    struct diff diff;
    size_t lines = 0;

    text_diff(from, to, &diff);
    for (size_t i = 0; i < diff.count; i++)
        lines += diff.hunks[i].old_count + diff.hunks[i].new_count;
    diff_finish(&diff);
    return lines;
}

static bool is_hunk(void *user, const struct edit_hunk *hunk)
{
    return hunk->id == *(const unsigned *)user;
}

static bool is_any(void *user, const struct edit_hunk *hunk)
{
    (void)user;
    (void)hunk;
    return true;
}

/* The base's lines stand there untouched, and nothing beside them. */
static bool is_back(const struct diff *diff, const struct edit_hunk *hunk)
{
    for (size_t i = 0; i < diff->count; i++) {
        const struct diff_hunk *part = &diff->hunks[i];

        if (part->old_start <= hunk->base_start + hunk->base_count &&
            hunk->base_start <= part->old_start + part->old_count)
            return false;
    }
    return true;
}

static void push_undone(struct edit_settlement *settled, const struct edit_hunk *hunk)
{
    struct edit_settled one = {*hunk, true};

    vec_push(&settled->list, one);
}

static void undo_one(struct edit_review *review, unsigned id, const struct text *to,
                     struct edit_settlement *settled)
{
    struct text *without = edit_review_without(review, is_hunk, &id);

    if (distance(without, to) < distance(review->now, to)) {
        push_undone(settled, edit_review_find(review, id));
        edit_review_reject(review, is_hunk, &id);
    }
    text_unref(without);
}

void review_find_undone(struct edit_review *review, const struct text *to,
                        struct edit_settlement *settled)
{
    struct diff diff;
    VEC(unsigned) back = {0};

    if (text_eq(review->base, to)) {
        for (size_t i = 0; i < review->hunks.len; i++)
            push_undone(settled, &review->hunks.ptr[i]);
        edit_review_reject(review, is_any, NULL);
        return;
    }
    text_diff(review->base, to, &diff);
    for (size_t i = 0; i < review->hunks.len && back.len < UNDONE_MAX; i++) {
        if (is_back(&diff, &review->hunks.ptr[i]))
            vec_push(&back, review->hunks.ptr[i].id);
    }
    for (size_t i = 0; i < back.len; i++)
        undo_one(review, back.ptr[i], to, settled);
    vec_finish(&back);
    diff_finish(&diff);
}
