/* The person of property-edits, and what must hold for what they typed. */
#include "play.h"

#include <string.h>

struct str play_screen(const struct play *p)
{
    return buf_str(&p->stage->typist.text);
}

static size_t count_of(struct str text, struct str part)
{
    size_t count = 0;
    for (size_t at = 0; (at = str_find(text, part, at)) != STR_NONE; at++)
        count++;
    return count;
}

size_t play_count_token(struct str text, unsigned token)
{
    char word[16];
    snprintf(word, sizeof(word), "<%u>", token);
    return count_of(text, str_from(word));
}

/* -- The person -------------------------------------------------------------------------------- */

static size_t random_cut(struct play *p, struct str s)
{
    size_t at = random_below(&p->typing, s.len + 1);
    while ((at < s.len && ((unsigned char)s.ptr[at] & 0xC0) == 0x80) ||
           (at > 0 && at < s.len && s.ptr[at - 1] == '\r' && s.ptr[at] == '\n'))
        at--;
    return at;
}

/* The slot with what is around it, if that is on the screen as it should be. */
static bool find_slot(const struct play *p, size_t slot, size_t *ret_start)
{
    struct buf around = {0};
    size_t before = 0;
    if (slot > 0) {
        buf_append(&around, buf_str(&p->page.slots[slot - 1]));
        before = around.len;
    }
    buf_append(&around, buf_str(&p->page.slots[slot]));
    buf_append(&around, buf_str(&p->page.slots[slot + 1]));
    bool is_there = count_of(play_screen(p), buf_str(&around)) == 1;
    if (is_there)
        *ret_start = str_find(play_screen(p), buf_str(&around), 0) + before;
    buf_finish(&around);
    return is_there;
}

/* Some characters into a line, a line away, or all of the slot anew. */
static void change_slot(struct play *p, struct str old, size_t *ret_start, size_t *ret_end,
                        struct buf *with)
{
    size_t what = random_below(&p->typing, 3), end = str_find(old, str_from(p->page.ending), 0);
    *ret_start = 0;
    *ret_end = old.len;
    if (what == 0 && end != STR_NONE) {
        *ret_start = *ret_end = random_cut(p, str_slice(old, 0, end));
        page_append_words(&p->tokens, &p->typing, with);
    } else if (what == 1 && end != STR_NONE) {
        *ret_end = end + strlen(p->page.ending);
    } else {
        page_append_lines(&p->page, &p->typing, "mine", with);
    }
}

static void type_in_slot(struct play *p)
{
    size_t slot = page_person(random_below(&p->typing, PAGE_OWNED)), at, start, end;
    struct buf with = {0}, now = {0};
    if (slot == 0 && p->page.has_bom) /* the line behind a BOM is another line without it */
        return;
    if (!find_slot(p, slot, &at))
        return;
    struct str old = buf_str(&p->page.slots[slot]);
    change_slot(p, old, &start, &end, &with);
    buf_append(&now, str_slice(old, 0, start));
    buf_append(&now, buf_str(&with));
    buf_append(&now, str_skip(old, end));
    buf_move(&p->page.slots[slot], &now);
    typist_type(&p->stage->typist, at + start, at + end, buf_str(&with));
    buf_finish(&with);
}

/* A word anywhere, perhaps on lines of its own; and not into another word. */
static void type_anywhere(struct play *p)
{
    struct str text = play_screen(p);
    size_t at = random_cut(p, text), open = at;
    struct buf with = {0};
    while (open > 0 && !strchr("<>", text.ptr[open - 1]))
        open--;
    if (open > 0 && text.ptr[open - 1] == '<')
        at = open - 1;
    bool has_lines = random_once(&p->typing, 2);
    buf_append_c(&with, has_lines ? p->page.ending : "");
    page_append_words(&p->tokens, &p->typing, &with);
    buf_append_c(&with, has_lines ? p->page.ending : "");
    vec_push(&p->mine, p->tokens);
    typist_type(&p->stage->typist, at, at, buf_str(&with));
    buf_finish(&with);
}

static void type(struct play *p)
{
    if (p->is_apart)
        type_in_slot(p);
    else
        type_anywhere(p);
}

void play_maybe_type(struct play *p)
{
    while (random_once(&p->typing, 2))
        type(p);
}

void play_on_moment(void *user, enum moment moment)
{
    struct play *p = user;
    (void)moment;
    while (p->budget > 0 && random_once(&p->typing, 3)) {
        p->budget--;
        type(p);
    }
}

/* -- What must hold ---------------------------------------------------------------------------- */

void play_check_synchronous(struct play *p, const char *when)
{
    struct stage *s = p->stage;
    for (int i = 0; i < 200 && !str_eq(stage_text(s), play_screen(p)); i++)
        stage_settle(s);
    CHECK(str_eq(stage_text(s), play_screen(p)),
          "%s: the server has\n" STR_FMT "\nthe editor\n" STR_FMT, when, STR_ARG(stage_text(s)),
          STR_ARG(play_screen(p)));
}

bool play_is_page(const struct play *p, const struct page *page)
{
    struct buf text = {0};
    page_append(page, &text);
    bool same = str_eq(buf_str(&text), play_screen(p));
    buf_finish(&text);
    return same;
}

static void check_page(struct play *p, const char *when)
{
    struct buf text = {0};
    page_append(&p->page, &text);
    CHECK(play_is_page(p, &p->page),
          "%s (%s): on the screen is\n" STR_FMT "\nand should be\n" STR_FMT, when,
          p->stage->text.ptr ? p->stage->text.ptr : "", STR_ARG(play_screen(p)),
          STR_ARG(buf_str(&text)));
    buf_finish(&text);
}

static void check_words(struct play *p, const char *when)
{
    for (size_t i = 0; i < p->mine.len; i++)
        CHECK(play_count_token(play_screen(p), p->mine.ptr[i]) == 1,
              "%s (%s): what the person typed, <%u>, is there %zu times\n" STR_FMT, when,
              p->stage->text.ptr, p->mine.ptr[i], play_count_token(play_screen(p), p->mine.ptr[i]),
              STR_ARG(play_screen(p)));
    for (size_t turn = 0; turn < TURNS && !p->has_conflicts; turn++)
        for (size_t i = 0; i < p->models[turn].len; i++)
            CHECK(play_count_token(play_screen(p), p->models[turn].ptr[i]) <= 1,
                  "%s (%s): what the model wrote, <%u>, is there twice\n" STR_FMT, when,
                  p->stage->text.ptr, p->models[turn].ptr[i], STR_ARG(play_screen(p)));
}

void play_check(struct play *p, const char *when)
{
    play_check_synchronous(p, when);
    if (p->is_apart)
        check_page(p, when);
    else
        check_words(p, when);
}
