/* Shortest edit script in linear space. Source: E. Myers, "An O(ND) Difference Algorithm and Its
 * Variations", Algorithmica 1 (1986), section 4b: search from both ends until the paths meet, then
 * solve the two halves.
 *
 * A diagonal is a position in `a` minus the position in `b`; a path's point on it is kept as the
 * position in `a`. */
#include <limits.h>

#include "diff-internal.h"

/* Beyond this many edits between two matching stretches the split is taken where the search stands:
 * nobody reads such a hunk line by line. */
enum { COST_MIN = 256 };

struct search {
    struct myers_side *a, *b;
    ptrdiff_t *forward, *backward; /* farthest point by diagonal; may be indexed below zero */
    size_t budget;
    ptrdiff_t cost_max;
};

struct box {
    ptrdiff_t a0, a1, b0, b1;
};

struct point {
    ptrdiff_t a, b;
};

/* The diagonals a search has reached: every second one of [min, max]. */
struct reach {
    ptrdiff_t min, max;
};

/* One step outwards; at the edge of the box inwards, so that the parity still alternates. */
static void widen(struct reach *reach, const struct box *box, ptrdiff_t *points,
                  ptrdiff_t unreached)
{
    if (reach->min > box->a0 - box->b1)
        points[--reach->min - 1] = unreached;
    else
        ++reach->min;
    if (reach->max < box->a1 - box->b0)
        points[++reach->max + 1] = unreached;
    else
        --reach->max;
}

static void spend(struct search *s, ptrdiff_t steps)
{
    s->budget -= s->budget < (size_t)steps ? s->budget : (size_t)steps;
}

static bool forward_step(struct search *s, const struct box *box, struct reach *ours,
                         const struct reach *other, bool may_meet, struct point *ret_meet)
{
    const uint64_t *a = s->a->values, *b = s->b->values;

    widen(ours, box, s->forward, -1);
    for (ptrdiff_t d = ours->max; d >= ours->min; d -= 2) {
        ptrdiff_t low = s->forward[d - 1], high = s->forward[d + 1];
        ptrdiff_t x = low >= high ? low + 1 : high;
        ptrdiff_t from = x;

        while (x < box->a1 && x - d < box->b1 && a[x] == b[x - d])
            x++;
        s->forward[d] = x;
        spend(s, x - from + 1);
        if (may_meet && other->min <= d && d <= other->max && s->backward[d] <= x) {
            *ret_meet = (struct point){x, x - d};
            return true;
        }
    }
    return false;
}

static bool backward_step(struct search *s, const struct box *box, struct reach *ours,
                          const struct reach *other, bool may_meet, struct point *ret_meet)
{
    const uint64_t *a = s->a->values, *b = s->b->values;

    widen(ours, box, s->backward, PTRDIFF_MAX);
    for (ptrdiff_t d = ours->max; d >= ours->min; d -= 2) {
        ptrdiff_t low = s->backward[d - 1], high = s->backward[d + 1];
        ptrdiff_t x = low < high ? low : high - 1;
        ptrdiff_t from = x;

        while (x > box->a0 && x - d > box->b0 && a[x - 1] == b[x - d - 1])
            x--;
        s->backward[d] = x;
        spend(s, from - x + 1);
        if (may_meet && other->min <= d && d <= other->max && x <= s->forward[d]) {
            *ret_meet = (struct point){x, x - d};
            return true;
        }
    }
    return false;
}

/* The forward point that got farthest; points outside the box are pulled back into it. */
static struct point farthest(const struct search *s, const struct box *box,
                             const struct reach *reach)
{
    struct point best = {box->a0, box->b0};

    for (ptrdiff_t d = reach->max; d >= reach->min; d -= 2) {
        ptrdiff_t x = s->forward[d] < box->a1 ? s->forward[d] : box->a1;

        if (x - d > box->b1)
            x = box->b1 + d;
        if (x + (x - d) > best.a + best.b)
            best = (struct point){x, x - d};
    }
    return best;
}

/* A point on a shortest path (or, past the cost limit, on a good one) that divides the box. */
static struct point split(struct search *s, const struct box *box)
{
    ptrdiff_t start = box->a0 - box->b0, end = box->a1 - box->b1;
    struct reach forward = {start, start}, backward = {end, end};
    bool odd = (start - end) & 1;
    struct point meet;

    s->forward[start] = box->a0;
    s->backward[end] = box->a1;
    for (ptrdiff_t cost = 1;; cost++) {
        if (forward_step(s, box, &forward, &backward, odd, &meet))
            return meet;
        if (backward_step(s, box, &backward, &forward, !odd, &meet))
            return meet;
        if (cost >= s->cost_max || s->budget == 0)
            return farthest(s, box, &forward);
    }
}

static void shrink(const struct search *s, struct box *box)
{
    const uint64_t *a = s->a->values, *b = s->b->values;

    while (box->a0 < box->a1 && box->b0 < box->b1 && a[box->a0] == b[box->b0])
        box->a0++, box->b0++;
    while (box->a0 < box->a1 && box->b0 < box->b1 && a[box->a1 - 1] == b[box->b1 - 1])
        box->a1--, box->b1--;
}

/* The smaller half is solved by recursion and the larger one by going round, so the depth is
 * logarithmic however badly the splits fall. */
static void compare(struct search *s, struct box box)
{
    for (;;) {
        struct box low, high;
        struct point at;

        shrink(s, &box);
        if (box.a0 == box.a1 || box.b0 == box.b1 || s->budget == 0)
            break;
        at = split(s, &box);
        low = (struct box){box.a0, at.a, box.b0, at.b};
        high = (struct box){at.a, box.a1, at.b, box.b1};
        if (at.a - box.a0 + at.b - box.b0 < box.a1 - at.a + box.b1 - at.b) {
            compare(s, low);
            box = high;
        } else {
            compare(s, high);
            box = low;
        }
    }
    memset(s->a->changed + box.a0, true, (size_t)(box.a1 - box.a0));
    memset(s->b->changed + box.b0, true, (size_t)(box.b1 - box.b0));
}

void myers_diff(struct myers_side *a, struct myers_side *b, size_t budget)
{
    size_t diagonals = a->count + b->count + 3;
    /* Not zeroed on purpose: of a long text with few changes only few diagonals are ever touched.
     */
    ptrdiff_t *points = mem_realloc(NULL, 2 * diagonals * sizeof(*points));
    struct search s = {.a = a, .b = b, .budget = budget, .cost_max = COST_MIN};

    s.forward = points + b->count + 1;
    s.backward = s.forward + diagonals;
    while ((size_t)(s.cost_max * s.cost_max) < diagonals)
        s.cost_max *= 2;
    compare(&s, (struct box){0, (ptrdiff_t)a->count, 0, (ptrdiff_t)b->count});
    mem_free(points);
}
