/* Turning a turn back, as a property: whatever the model and the person did in turns, on lines that
 * do not touch, taking out the model's part leaves the person's, and nothing of the model's. */
#include <criterion/criterion.h>

#include <lanebridge/edit.h>

TestSuite(undo, .timeout = 60);

enum { SLOTS = 60, ACTIONS = 25 };

/* A text of slots, each some lines. Slot 4n is the person's, 4n+2 the model's, the rest nobody's.
 */
struct page {
    struct buf slots[SLOTS];
};

static uint64_t next(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

static void page_init(struct page *page)
{
    for (unsigned i = 0; i < SLOTS; i++)
        buf_append_fmt(&page->slots[i], "line %u of the beginning\n", i);
}

static void page_finish(struct page *page)
{
    for (unsigned i = 0; i < SLOTS; i++)
        buf_finish(&page->slots[i]);
}

/* Some other lines, or none. */
static void page_change(struct page *page, unsigned slot, uint64_t *seed, const char *who)
{
    buf_clear(&page->slots[slot]);
    for (uint64_t lines = next(seed) % 4; lines > 0; lines--)
        buf_append_fmt(&page->slots[slot], "%s wrote %u\n", who, (unsigned)(next(seed) % 1000));
}

static struct text *page_text(const struct page *page)
{
    struct buf bytes = {0};
    for (unsigned i = 0; i < SLOTS; i++)
        buf_append(&bytes, buf_str(&page->slots[i]));
    return text_take(&bytes);
}

struct step {
    struct text *before, *after;
};

static unsigned pick(uint64_t *seed, unsigned whose)
{
    return (unsigned)(next(seed) % (SLOTS / 4)) * 4 + whose;
}

/* The model's edits as they happened; the person's go on page and `person` alike. */
static size_t play(struct page *page, struct page *person, uint64_t *seed,
                   struct step steps[ACTIONS])
{
    size_t count = 0;
    for (unsigned i = 0; i < ACTIONS; i++) {
        if (next(seed) % 2) {
            unsigned slot = pick(seed, 0);
            page_change(page, slot, seed, "person");
            buf_clear(&person->slots[slot]);
            buf_append(&person->slots[slot], buf_str(&page->slots[slot]));
            continue;
        }
        steps[count].before = page_text(page);
        for (uint64_t n = 1 + next(seed) % 4; n > 0; n--)
            page_change(page, pick(seed, 2), seed, "model");
        steps[count++].after = page_text(page);
    }
    return count;
}

static struct text *turn_back(const struct page *page, const struct step *steps, size_t count,
                              size_t *ret_conflicts)
{
    struct text *now = page_text(page);
    *ret_conflicts = 0;
    while (count-- > 0) {
        size_t conflicts;
        struct text *merged = edit_merge(steps[count].after, now, steps[count].before, &conflicts);
        *ret_conflicts += conflicts;
        text_unref(now);
        now = merged;
    }
    return now;
}

Test(undo, takes_out_the_turn_and_nothing_else)
{
    for (uint64_t round = 1; round <= 400; round++) {
        uint64_t seed = round * 0x9E3779B97F4A7C15u;
        struct page page = {0}, person = {0};
        struct step steps[ACTIONS];
        size_t conflicts;
        page_init(&page);
        page_init(&person);
        size_t count = play(&page, &person, &seed, steps);
        struct text *back = turn_back(&page, steps, count, &conflicts);
        struct text *expected = page_text(&person);
        cr_assert_eq(conflicts, 0, "round %u", (unsigned)round);
        cr_assert(text_eq(back, expected), "round %u:\n%s\nnot\n%s", (unsigned)round,
                  text_bytes(back).ptr, text_bytes(expected).ptr);
        text_unref(back);
        text_unref(expected);
        for (size_t i = 0; i < count; i++) {
            text_unref(steps[i].before);
            text_unref(steps[i].after);
        }
        page_finish(&page);
        page_finish(&person);
    }
}
