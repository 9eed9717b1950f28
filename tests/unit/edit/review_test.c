/* Review: random edits of person and model, random decisions. What is in the base was accepted or
 * is the person's; what is not pending is nobody's to take away. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "../text/random.h"
#include <lanebridge/edit.h>

TestSuite(review, .timeout = 30);

static bool all(void *user, const struct edit_hunk *hunk)
{
    (void)user;
    (void)hunk;
    return true;
}

static bool one(void *user, const struct edit_hunk *hunk)
{
    return hunk->id == *(const unsigned *)user;
}

/* Outside the hunks both texts have the same lines. */
static void check(const struct edit_review *review, const char *what)
{
    struct text *without = edit_review_without(review, all, NULL);
    struct text *with = edit_review_with(review, all, NULL);
    size_t base = 0, now = 0;

    for (size_t i = 0; i < review->hunks.len; i++) {
        const struct edit_hunk *hunk = &review->hunks.ptr[i];

        cr_assert(hunk->base_start >= base && hunk->now_start >= now, "%s: not in order", what);
        cr_assert_eq(hunk->base_start - base, hunk->now_start - now, "%s: the gaps differ", what);
        cr_assert(hunk->base_count + hunk->now_count > 0, "%s: an empty hunk", what);
        base = hunk->base_start + hunk->base_count;
        now = hunk->now_start + hunk->now_count;
    }
    cr_assert(text_eq(without, review->base), "%s: without\n" STR_FMT "\nbase\n" STR_FMT, what,
              STR_ARG(text_bytes(without)), STR_ARG(text_bytes(review->base)));
    cr_assert(text_eq(with, review->now), "%s: with", what);
    text_unref(without);
    text_unref(with);
}

/* -- Tables ------------------------------------------------------------------------------------ */

static const struct {
    const char *before, *model, *person;
    const char *base; /* afterwards */
    size_t pending, undone, taken;
} rows[] = {
    /* elsewhere: the person's goes into the base */
    {"a\nb\nc\nd\n", "a\nB\nc\nd\n", "a\nB\nc\nD\n", "a\nb\nc\nD\n", 1, 0, 0},
    {"a\nb\nc\nd\n", "a\nB\nc\nd\n", "x\na\nB\nc\nd\n", "x\na\nb\nc\nd\n", 1, 0, 0},
    /* beside it */
    {"a\nb\nc\n", "a\nB\nc\n", "a\nB\nC\n", "a\nb\nC\n", 1, 0, 0},
    {"a\nb\nc\n", "a\nB\nc\n", "a\nx\nB\nc\n", "a\nx\nb\nc\n", 1, 0, 0},
    /* in it */
    {"a\nb\nc\n", "a\nB\nc\n", "a\nBB\nc\n", "a\nBB\nc\n", 0, 0, 1},
    {"a\nb\n", "a\nx\ny\nz\nb\n", "a\nx\nz\nb\n", "a\nx\nz\nb\n", 0, 0, 1},
    /* its old lines are back */
    {"a\nb\nc\n", "a\nB\nc\n", "a\nb\nc\n", "a\nb\nc\n", 0, 1, 0},
    {"a\nb\nc\n", "a\nc\n", "a\nb\nc\n", "a\nb\nc\n", 0, 1, 0},
    {"a\nb\n", "a\nx\nb\n", "a\nb\n", "a\nb\n", 0, 1, 0},
    {"1\n2\n3\n4\n5\n", "1\nZ\n3\nF\n5\n", "1\n2\n3\nF\n5\n", "1\n2\n3\n4\n5\n", 1, 1, 0},
    {"1\n2\n3\n4\n5\n", "1\nZ\n3\nF\n5\n", "1\n2\n3\n4\n5\n", "1\n2\n3\n4\n5\n", 0, 2, 0},
    /* back, while something else is typed */
    {"1\n2\n3\n4\n5\n", "1\nZ\n3\n4\n5\n", "1\n2\n3\n4\nfive\n", "1\n2\n3\n4\nfive\n", 0, 1, 0},
    /* the same line stands beside it */
    {"f\n}\ng\n", "f\n}\n}\ng\n", "f\n}\ng\n", "f\n}\ng\n", 0, 1, 0},
    {"f\n}\ng\nh\n", "f\n}\n}\ng\nh\n", "f\n}\ng\nH\n", "f\n}\ng\nH\n", 0, 1, 0},
    /* another line that is the same is not the model's */
    {"a\na\nb\nc\n", "a\na\na\nb\nc\n", "a\na\na\nb\nC\n", "a\na\nb\nC\n", 1, 0, 0},
    /* the person deletes across it */
    {"a\nb\nc\nd\n", "a\nB\nc\nd\n", "a\nd\n", "a\nd\n", 0, 0, 1},
    {"a\nb\nc\nd\n", "a\nc\nd\n", "d\n", "d\n", 0, 0, 1},
    /* ends of lines */
    {"a\r\nb\r\n", "a\r\nB\r\n", "x\r\na\r\nB\r\n", "x\r\na\r\nb\r\n", 1, 0, 0},
    {"a\nb\n", "a\n", "a\nx", "a\nx", 0, 0, 1},
    {"a\nb", "a\nc\n", "a\nc\nd\n", "a\nc\nd\n", 0, 0, 1},
    {"", "a\nb\n", "", "", 0, 1, 0},
};

Test(review, the_person_types)
{
    for (size_t i = 0; i < array_count(rows); i++) {
        struct text *before = text_new(str_from(rows[i].before));
        struct text *model = text_new(str_from(rows[i].model));
        struct text *person = text_new(str_from(rows[i].person));
        struct edit_settlement settled = {0};
        struct edit_review review;
        size_t undone = 0;
        char name[32];

        snprintf(name, sizeof(name), "row %zu", i);
        edit_review_init(&review, before, model, 0);
        edit_review_fold(&review, person, EDIT_BY_PERSON, 0, &settled);
        check(&review, name);
        for (size_t k = 0; k < settled.list.len; k++)
            undone += settled.list.ptr[k].is_undone;
        cr_expect(str_eq_c(text_bytes(review.base), rows[i].base), "%s: base " STR_FMT, name,
                  STR_ARG(text_bytes(review.base)));
        cr_expect_eq(review.hunks.len, rows[i].pending, "%s: %zu pending", name, review.hunks.len);
        cr_expect_eq(undone, rows[i].undone, "%s: %zu undone", name, undone);
        cr_expect_eq(settled.list.len - undone, rows[i].taken, "%s: taken", name);
        edit_settlement_finish(&settled);
        edit_review_finish(&review);
        text_unref(before);
        text_unref(model);
        text_unref(person);
    }
}

static struct text *lines(const char *text)
{
    return text_new(str_from(text));
}

static void fold(struct edit_review *review, const char *text, enum edit_author author,
                 unsigned owner, struct edit_settlement *settled)
{
    struct text *now = lines(text);
    edit_review_fold(review, now, author, owner, settled);
    text_unref(now);
    check(review, text);
}

Test(review, a_later_turn_takes_the_hunks_it_touches)
{
    struct text *text = lines("1\n2\n3\n4\n5\n6\n");
    struct edit_settlement settled = {0};
    struct edit_review review;

    edit_review_init(&review, text, text, 0);
    fold(&review, "1\nzwei\n3\n4\nfuenf\n6\n", EDIT_BY_MODEL, 7, &settled);
    cr_assert_eq(review.hunks.len, 2);
    unsigned kept = review.hunks.ptr[1].id, changed = review.hunks.ptr[0].id;
    fold(&review, "1\ndeux\n3\n4\nfuenf\n6\n", EDIT_BY_MODEL, 8, &settled);
    cr_assert_eq(review.hunks.len, 2);
    cr_expect_eq(review.hunks.ptr[0].owner, 8);
    cr_expect_eq(review.hunks.ptr[1].owner, 7);
    cr_expect_eq(review.hunks.ptr[1].id, kept);
    cr_expect_null(edit_review_find(&review, changed), "its lines are others now");
    cr_expect(str_eq(edit_hunk_old(&review, &review.hunks.ptr[0]), STR("2\n")));
    /* and back by its own hand: nothing is pending there */
    fold(&review, "1\n2\n3\n4\nfuenf\n6\n", EDIT_BY_MODEL, 8, &settled);
    cr_assert_eq(review.hunks.len, 1);
    cr_expect_eq(review.hunks.ptr[0].id, kept);
    cr_expect_eq(settled.list.len, 0);
    edit_settlement_finish(&settled);
    edit_review_finish(&review);
    text_unref(text);
}

Test(review, a_formatter_leaves_hunks_pending)
{
    struct text *text = lines("a\nb\nc  \n");
    struct edit_settlement settled = {0};
    struct edit_review review;

    edit_review_init(&review, text, text, 0);
    fold(&review, "a\nif(x)\nc  \n", EDIT_BY_MODEL, 3, &settled);
    unsigned id = review.hunks.ptr[0].id;
    fold(&review, "a\nif (x)\nc\n", EDIT_BY_EDITOR, 9, &settled);
    cr_assert_eq(review.hunks.len, 1);
    cr_expect_eq(review.hunks.ptr[0].owner, 3);
    cr_expect(str_eq(edit_hunk_new(&review, &review.hunks.ptr[0]), STR("if (x)\n")) ||
              str_eq(edit_hunk_new(&review, &review.hunks.ptr[0]), STR("if (x)\nc\n")));
    cr_expect_eq(settled.list.len, 0);
    (void)id;
    edit_settlement_finish(&settled);
    edit_review_finish(&review);
    text_unref(text);
}

static const struct {
    const char *before, *after, *text, *amended;
} amendments[] = {
    {"a\nb\nc\n", "a\nB\nc\n", "x\ny", "a\nx\ny\nc\n"},
    {"a\nb\nc\n", "a\nB\nc\n", "x\n", "a\nx\nc\n"},
    {"a\nb\nc\n", "a\nB\nc\n", "", "a\nc\n"},
    {"a\r\nb\r\nc\r\n", "a\r\nB\r\nc\r\n", "x\ny\n", "a\r\nx\r\ny\r\nc\r\n"},
    {"a\r\nb\r\nc\r\n", "a\r\nc\r\n", "x", "a\r\nx\r\nc\r\n"},
    {"a\nb", "a\nB", "x", "a\nx"},
};

Test(review, an_amendment_keeps_the_line_endings)
{
    for (size_t i = 0; i < array_count(amendments); i++) {
        struct text *before = lines(amendments[i].before), *after = lines(amendments[i].after);
        struct edit_review review;

        edit_review_init(&review, before, after, 0);
        struct text *amended =
            edit_review_amended(&review, review.hunks.ptr[0].id, str_from(amendments[i].text));
        cr_expect(str_eq_c(text_bytes(amended), amendments[i].amended), "row %zu: " STR_FMT, i,
                  STR_ARG(text_bytes(amended)));
        text_unref(amended);
        cr_expect_null(edit_review_amended(&review, 99, STR("x")));
        edit_review_finish(&review);
        text_unref(before);
        text_unref(after);
    }
}

Test(review, what_is_typed_into_a_proposal_stays)
{
    struct text *text = lines("1\n2\n3\n4\n5\n");
    struct text *proposal = lines("1\nzwei\n3\n4\nfuenf\n");
    struct text *typed = lines("one\n2\n3\n4\nfive\n");
    struct edit_settlement settled = {0};
    struct edit_review review;

    edit_review_init(&review, text, proposal, 4);
    edit_review_fold_base(&review, typed, &settled);
    check(&review, "proposal");
    cr_expect(str_eq(text_bytes(review.now), STR("one\nzwei\n3\n4\nfive\n")));
    cr_assert_eq(settled.list.len, 1);
    cr_expect_not(settled.list.ptr[0].is_undone);
    cr_expect_eq(settled.list.ptr[0].hunk.base_start, 4);
    edit_settlement_finish(&settled);
    edit_review_finish(&review);
    text_unref(text);
    text_unref(proposal);
    text_unref(typed);
}

/* -- Random edits --------------------------------------------------------------------------------
 */

/* Any texts at all: repeated lines, mixed endings, no final newline. */
Test(review, both_texts_stay_apart_by_the_hunks_alone)
{
    for (uint64_t round = 1; round <= 400; round++) {
        uint64_t seed = round * 7919;
        struct text *start = random_text(&seed, 30);
        struct edit_settlement settled = {0};
        struct edit_review review;
        char name[48];

        edit_review_init(&review, start, start, 0);
        for (unsigned step = 0; step < 25; step++) {
            size_t choice = random_below(&seed, 8);
            snprintf(name, sizeof(name), "round %d step %u choice %zu", (int)round, step, choice);
            if (choice < 5) {
                struct text *next =
                    random_edit(choice == 4 ? review.base : review.now, &seed, 1 + choice % 2);
                if (choice == 4)
                    edit_review_fold_base(&review, next, &settled);
                else
                    edit_review_fold(&review, next,
                                     choice < 2    ? EDIT_BY_MODEL
                                     : choice == 2 ? EDIT_BY_PERSON
                                                   : EDIT_BY_EDITOR,
                                     step, &settled);
                cr_assert(text_eq(choice == 4 ? review.base : review.now, next), "%s", name);
                text_unref(next);
            } else if (review.hunks.len > 0) {
                unsigned id = review.hunks.ptr[random_below(&seed, review.hunks.len)].id;
                if (choice == 5)
                    edit_review_accept(&review, one, &id);
                else
                    edit_review_reject(&review, one, &id);
                cr_assert_null(edit_review_find(&review, id));
            }
            check(&review, name);
        }
        edit_settlement_finish(&settled);
        edit_review_finish(&review);
        text_unref(start);
    }
}

/* Every line is unlike all others, so that each is known by whose hand it came and went. */
enum { ORIGINAL = 'o', MODEL = 'm', PERSON = 'p', LINES_MAX = 4000 };

struct history {
    unsigned next;
    bool agreed[LINES_MAX]; /* the person's, or accepted: may be in the base */
    bool gone[LINES_MAX];   /* the person's hand, or an accepted one, took it out of the base */
};

static unsigned number_of(struct str line)
{
    unsigned number = 0;
    for (size_t i = 1; i < line.len && line.ptr[i] >= '0' && line.ptr[i] <= '9'; i++)
        number = number * 10 + (unsigned)(line.ptr[i] - '0');
    return number;
}

static void each_line(struct str text, bool *set)
{
    struct str line;
    while (text.len > 0 && str_next(&text, '\n', &line))
        if (line.len > 0)
            set[number_of(line)] = true;
}

/* Some stretches are replaced by new lines of that hand; `taken` gets the lines that went. */
static struct text *rewrite(struct history *history, const struct text *text, char hand,
                            uint64_t *seed, bool *taken)
{
    struct buf out = {0};
    size_t count = text_line_count(text) - 1, spot = random_below(seed, count + 1);
    size_t removed = random_below(seed, 4), added = random_below(seed, 4);

    if (added == 0 && removed == 0)
        added = 1;
    for (size_t i = 0; i <= count; i++) {
        for (size_t k = 0; i == spot && k < added; k++)
            buf_append_fmt(&out, "%c%u\n", hand, history->next++);
        if (i < count && (i < spot || i >= spot + removed))
            buf_append(&out, text_line(text, i));
        else if (i < count)
            taken[number_of(text_line(text, i))] = true;
    }
    return text_take(&out);
}

static void agree(struct history *history, struct str old, struct str new)
{
    each_line(new, history->agreed);
    each_line(old, history->gone);
}

static void check_base(const struct history *history, const struct edit_review *review,
                       const char *what)
{
    bool there[LINES_MAX] = {false};
    struct str rest = text_bytes(review->base), line;

    each_line(rest, there);
    while (rest.len > 0 && str_next(&rest, '\n', &line))
        cr_assert(line.len == 0 || line.ptr[0] != MODEL || history->agreed[number_of(line)],
                  "%s: the base has " STR_FMT ", which nobody agreed to", what, STR_ARG(line));
    for (unsigned i = 0; i < history->next; i++)
        cr_assert(there[i] || !history->agreed[i] || history->gone[i],
                  "%s: line %u is lost, and nobody took it away", what, i);
    /* what the person wrote is never pending */
    for (size_t i = 0; i < review->hunks.len; i++) {
        rest = edit_hunk_new(review, &review->hunks.ptr[i]);
        while (rest.len > 0 && str_next(&rest, '\n', &line))
            cr_assert(line.len == 0 || line.ptr[0] == MODEL, "%s: " STR_FMT " is pending", what,
                      STR_ARG(line));
    }
}

static void edit_at_random(struct history *history, struct edit_review *review, uint64_t *seed,
                           unsigned step)
{
    bool by_person = random_below(seed, 2) == 0;
    bool taken[LINES_MAX] = {false};
    struct edit_settlement settled = {0};
    struct edit_review was = {.base = text_ref(review->base), .now = text_ref(review->now)};
    unsigned first = history->next;
    struct text *next = rewrite(history, review->now, by_person ? PERSON : MODEL, seed, taken);

    edit_review_fold(review, next, by_person ? EDIT_BY_PERSON : EDIT_BY_MODEL, step, &settled);
    for (unsigned i = first; by_person && i < history->next; i++)
        history->agreed[i] = true;
    for (unsigned i = 0; by_person && i < first; i++)
        history->gone[i] |= taken[i];
    for (size_t i = 0; i < settled.list.len; i++) {
        const struct edit_settled *one_settled = &settled.list.ptr[i];
        if (!one_settled->is_undone)
            agree(history, edit_hunk_old(&was, &one_settled->hunk),
                  edit_hunk_new(&was, &one_settled->hunk));
    }
    edit_settlement_finish(&settled);
    text_unref(was.base);
    text_unref(was.now);
    text_unref(next);
}

static void decide_at_random(struct history *history, struct edit_review *review, uint64_t *seed)
{
    const struct edit_hunk *hunk = &review->hunks.ptr[random_below(seed, review->hunks.len)];
    unsigned id = hunk->id;

    if (random_below(seed, 2)) {
        agree(history, edit_hunk_old(review, hunk), edit_hunk_new(review, hunk));
        edit_review_accept(review, one, &id);
    } else {
        edit_review_reject(review, one, &id);
    }
}

Test(review, the_end_is_what_was_accepted_and_what_the_person_wrote)
{
    for (uint64_t round = 1; round <= 300; round++) {
        uint64_t seed = round * 104729;
        struct history history = {0};
        struct buf start = {0};
        struct edit_review review;
        char name[48];

        for (unsigned i = 0; i < 40; i++) {
            history.agreed[history.next] = true;
            buf_append_fmt(&start, "%c%u\n", ORIGINAL, history.next++);
        }
        struct text *text = text_take(&start);
        edit_review_init(&review, text, text, 0);
        for (unsigned step = 0; step < 60; step++) {
            snprintf(name, sizeof(name), "round %d step %u", (int)round, step);
            if (review.hunks.len > 0 && random_below(&seed, 3) == 0)
                decide_at_random(&history, &review, &seed);
            else
                edit_at_random(&history, &review, &seed, step);
            check(&review, name);
            check_base(&history, &review, name);
        }
        while (review.hunks.len > 0)
            decide_at_random(&history, &review, &seed);
        check_base(&history, &review, "end");
        cr_assert(text_eq(review.base, review.now));
        edit_review_finish(&review);
        text_unref(text);
    }
}
