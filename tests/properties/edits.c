/* Edits of a person and a model in one buffer, interleaved at random, in editors with every habit
 * that was seen. usage: property-edits FIRST-SEED COUNT
 *
 * A seed plays one file through two turns of a few edits each, the person typing before, between
 * and during them, then takes the turns back, and puts one of them there again. What holds at every
 * step:
 *   - the server's text is the editor's, byte for byte;
 *   - no keystroke of the person's is lost;
 *   - where the two keep to their own lines, the text is exactly what both wrote: an edit is there
 * whole or not at all, as the model was told, and undo leaves the person's page;
 *   - where they do not, what the model wrote is there once at most, and is gone after an undo that
 *     says so. */
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "page.h"
#include "stage.h"

enum { TURNS = 2, HUNKS_MAX = 3, BUDGET = 3 };

uint64_t check_seed;

struct play {
    struct stage *stage;
    uint64_t random; /* what the seed decides */
    uint64_t
        typing; /* the person's: begun anew with each edit, as these may take more tries or fewer */
    bool is_apart; /* each keeps to their own lines */
    unsigned tokens;
    struct page page;              /* apart: what is to be on the screen */
    struct page before[TURNS + 1]; /* how the model's slots were before each turn */
    unsigned budget;               /* how often the person still types during this edit */
    /* anywhere: numbers of words that must be there, and those of the model's */
    VEC(unsigned) mine;
    VEC(unsigned) models[TURNS], taken[TURNS]; /* taken: mine, out by an edit of the model's */
    bool is_over;                              /* there is no more to be foretold */
    bool has_conflicts; /* told: lines of both stand side by side, perhaps twice */
    unsigned turn;
};

static struct str screen(const struct play *p)
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

static size_t count_token(struct str text, unsigned token)
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
    bool is_there = count_of(screen(p), buf_str(&around)) == 1;
    if (is_there)
        *ret_start = str_find(screen(p), buf_str(&around), 0) + before;
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
    struct str text = screen(p);
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

static void maybe_type(struct play *p)
{
    while (random_once(&p->typing, 2))
        type(p);
}

static void on_moment(void *user, enum moment moment)
{
    struct play *p = user;
    (void)moment;
    while (p->budget > 0 && random_once(&p->typing, 3)) {
        p->budget--;
        type(p);
    }
}

/* -- What must hold ---------------------------------------------------------------------------- */

static void check_synchronous(struct play *p, const char *when)
{
    struct stage *s = p->stage;
    for (int i = 0; i < 200 && !str_eq(stage_text(s), screen(p)); i++)
        stage_settle(s);
    CHECK(str_eq(stage_text(s), screen(p)), "%s: the server has\n" STR_FMT "\nthe editor\n" STR_FMT,
          when, STR_ARG(stage_text(s)), STR_ARG(screen(p)));
}

static bool is_page(const struct play *p, const struct page *page)
{
    struct buf text = {0};
    page_append(page, &text);
    bool same = str_eq(buf_str(&text), screen(p));
    buf_finish(&text);
    return same;
}

static void check_page(struct play *p, const char *when)
{
    struct buf text = {0};
    page_append(&p->page, &text);
    CHECK(is_page(p, &p->page), "%s (%s): on the screen is\n" STR_FMT "\nand should be\n" STR_FMT,
          when, p->stage->text.ptr ? p->stage->text.ptr : "", STR_ARG(screen(p)),
          STR_ARG(buf_str(&text)));
    buf_finish(&text);
}

static void check_words(struct play *p, const char *when)
{
    for (size_t i = 0; i < p->mine.len; i++)
        CHECK(count_token(screen(p), p->mine.ptr[i]) == 1,
              "%s (%s): what the person typed, <%u>, is there %zu times\n" STR_FMT, when,
              p->stage->text.ptr, p->mine.ptr[i], count_token(screen(p), p->mine.ptr[i]),
              STR_ARG(screen(p)));
    for (size_t turn = 0; turn < TURNS && !p->has_conflicts; turn++)
        for (size_t i = 0; i < p->models[turn].len; i++)
            CHECK(count_token(screen(p), p->models[turn].ptr[i]) <= 1,
                  "%s (%s): what the model wrote, <%u>, is there twice\n" STR_FMT, when,
                  p->stage->text.ptr, p->models[turn].ptr[i], STR_ARG(screen(p)));
}

static void check(struct play *p, const char *when)
{
    check_synchronous(p, when);
    if (p->is_apart)
        check_page(p, when);
    else
        check_words(p, when);
}

/* -- The model, in its own slots --------------------------------------------------------------- */

struct hunk {
    size_t slot;
    struct buf old, new; /* with the page's endings */
};
struct hunks {
    struct hunk at[HUNKS_MAX];
    size_t count;
};

static void hunks_finish(struct hunks *hunks)
{
    for (size_t i = 0; i < hunks->count; i++) {
        buf_finish(&hunks->at[i].old);
        buf_finish(&hunks->at[i].new);
    }
}

static void choose_hunks(struct play *p, struct hunks *hunks, size_t max)
{
    size_t n = random_below(&p->random, 3);
    *hunks = (struct hunks){.count = 0};
    while (hunks->count < max && n < PAGE_OWNED) {
        struct hunk *hunk = &hunks->at[hunks->count++];
        *hunk = (struct hunk){.slot = page_model(n)};
        buf_append(&hunk->old, buf_str(&p->page.slots[hunk->slot]));
        do {
            buf_clear(&hunk->new);
            page_append_lines(&p->page, &p->random, "model", &hunk->new);
        } while (str_eq(buf_str(&hunk->new), buf_str(&hunk->old)));
        n += 1 + random_below(&p->random, 4);
    }
}

/* The lines of `text`, each after a mark. */
static void append_marked(const struct play *p, char mark, struct str text, struct buf *out)
{
    while (text.len > 0) {
        size_t end = str_find(text, str_from(p->page.ending), 0);
        buf_append_byte(out, mark);
        buf_append(out, str_slice(text, 0, end == STR_NONE ? text.len : end));
        buf_append_byte(out, '\n');
        text = str_skip(text, end == STR_NONE ? text.len : end + strlen(p->page.ending));
    }
}

static void append_patch(const struct play *p, const struct hunks *hunks, const char *name,
                         struct buf *out)
{
    buf_append_fmt(out, "*** Begin Patch\n*** Update File: %s\n", name);
    for (size_t i = 0; i < hunks->count; i++) {
        const struct hunk *hunk = &hunks->at[i];
        buf_append_c(out, "@@\n");
        append_marked(p, ' ', buf_str(&p->page.slots[hunk->slot - 1]), out);
        append_marked(p, '-', buf_str(&hunk->old), out);
        append_marked(p, '+', buf_str(&hunk->new), out);
        append_marked(p, ' ', buf_str(&p->page.slots[hunk->slot + 1]), out);
    }
    buf_append_c(out, "*** End Patch\n");
}

/* As models write: LF for every ending. */
static void write_strings(struct json_writer *w, const struct play *p, const char *key,
                          const struct hunk *hunk, const struct buf *slot)
{
    struct buf text = {0}, plain = {0};
    buf_append(&text, buf_str(&p->page.slots[hunk->slot - 1]));
    buf_append(&text, buf_str(slot));
    buf_append(&text, buf_str(&p->page.slots[hunk->slot + 1]));
    append_marked(p, '+', buf_str(&text), &plain);
    buf_clear(&text);
    for (struct str rest = buf_str(&plain), line; str_next(&rest, '\n', &line) && line.len > 0;)
        buf_append_fmt(&text, "%s" STR_FMT, text.len > 0 ? "\n" : "", STR_ARG(str_skip(line, 1)));
    json_write_field_str(w, key, buf_str(&text));
    buf_finish(&text);
    buf_finish(&plain);
}

static void append_strings(const struct play *p, const struct hunk *hunk, const char *name,
                           struct buf *out)
{
    struct json_writer w;
    json_writer_init(&w, out);
    json_write_begin_object(&w);
    json_write_field_c(&w, "path", name);
    write_strings(&w, p, "old_string", hunk, &hunk->old);
    write_strings(&w, p, "new_string", hunk, &hunk->new);
    json_write_end_object(&w);
}

/* The editor took some of the hunks: which, the screen tells. */
static void adopt_part(struct play *p, const struct hunks *hunks)
{
    for (unsigned taken = 0; taken < 1u << hunks->count; taken++) {
        for (size_t i = 0; i < hunks->count; i++) {
            const struct hunk *hunk = &hunks->at[i];
            struct buf *slot = &p->page.slots[hunk->slot];
            buf_clear(slot);
            buf_append(slot, buf_str(taken >> i & 1 ? &hunk->new : &hunk->old));
        }
        if (is_page(p, &p->page))
            return;
    }
}

/* The person typed in the midst of what a stale edit had spoilt: their words must be there, but
 * what else comes of it nobody can say. */
static void check_own_words(const struct play *p)
{
    for (size_t n = 0; n < PAGE_OWNED; n++) {
        struct str rest = buf_str(&p->page.slots[page_person(n)]), word;
        while (rest.len > 0 && str_next(&rest, '<', &word)) {
            unsigned token = (unsigned)strtoul(rest.len > 0 ? rest.ptr : "", NULL, 10);
            CHECK(token == 0 || count_token(screen(p), token) > 0,
                  "what the person typed, <%u>, is gone\n" STR_FMT, token, STR_ARG(screen(p)));
        }
    }
}

static void judge(struct play *p, const struct hunks *hunks)
{
    const char *said = p->stage->text.ptr;
    bool is_partial = strncmp(said, "Only a part", 11) == 0;
    CHECK(p->stage->ok == (strncmp(said, "Applied", 7) == 0), "%s", said);
    CHECK(!is_partial || p->stage->typist.habits.takes_part, "%s", said);
    check_synchronous(p, said);
    if (strstr(said, "both changed the same lines")) {
        p->is_over = true;
        check_own_words(p);
        return;
    }
    for (size_t i = 0; p->stage->ok && i < hunks->count; i++) {
        struct buf *slot = &p->page.slots[hunks->at[i].slot];
        buf_clear(slot);
        buf_append(slot, buf_str(&hunks->at[i].new));
    }
    if (is_partial)
        adopt_part(p, hunks);
}

static void edit_slots(struct play *p, const char *name)
{
    struct hunks hunks;
    struct buf arguments = {0};
    bool is_patch = !random_once(&p->random, 3);
    choose_hunks(p, &hunks, is_patch ? 1 + random_below(&p->random, HUNKS_MAX) : 1);
    if (is_patch)
        append_patch(p, &hunks, name, &arguments);
    else
        append_strings(p, &hunks.at[0], name, &arguments);
    maybe_type(p);
    stage_call(p->stage, is_patch ? "apply_patch" : "edit_file", buf_str(&arguments), is_patch);
    maybe_type(p);
    stage_wait(p->stage);
    if (getenv("PROPERTY_TRACE"))
        fprintf(stderr, "--- turn %s %s\n%s\n---\n" STR_FMT "\n", p->stage->turn_id, arguments.ptr,
                p->stage->text.ptr, STR_ARG(screen(p)));
    judge(p, &hunks);
    hunks_finish(&hunks);
    buf_finish(&arguments);
}

/* -- The model, anywhere ----------------------------------------------------------------------- */

static void note_taken(struct play *p, struct str line, unsigned *list, size_t *count)
{
    for (size_t i = 0; i < p->mine.len && *count < 64; i++)
        if (count_token(line, p->mine.ptr[i]) > 0)
            list[(*count)++] = p->mine.ptr[i];
}

/* A hunk of the text as it is: a line before, up to two replaced, one behind. */
static void append_random_hunk(struct play *p, struct str *rest, struct buf *out, unsigned *taken,
                               size_t *taken_count)
{
    struct str line;
    for (size_t skip = 1 + random_below(&p->random, 8); skip > 0; skip--)
        if (!str_next(rest, '\n', &line))
            return;
    buf_append_fmt(out, "@@\n " STR_FMT "\n", STR_ARG(line));
    for (size_t n = random_below(&p->random, 3); n > 0 && str_next(rest, '\n', &line); n--) {
        buf_append_fmt(out, "-" STR_FMT "\n", STR_ARG(line));
        note_taken(p, line, taken, taken_count);
    }
    for (size_t n = 1 + random_below(&p->random, 2); n > 0; n--) {
        buf_append_c(out, "+model ");
        page_append_words(&p->tokens, &p->random, out);
        buf_append_byte(out, '\n');
        vec_push(&p->models[p->turn], p->tokens);
    }
    if (str_next(rest, '\n', &line))
        buf_append_fmt(out, " " STR_FMT "\n", STR_ARG(line));
}

/* The lines as the model sees them, LF behind each. */
static void append_plain_lines(struct str text, struct buf *out)
{
    if (str_starts_with(text, STR("\xEF\xBB\xBF")))
        text = str_skip(text, 3);
    for (; text.len > 0; text = str_skip(text, 1)) {
        if (str_starts_with(text, STR("\r\n")))
            text = str_skip(text, 1);
        buf_append_byte(out, text.ptr[0] == '\r' ? '\n' : text.ptr[0]);
    }
}

static void edit_anywhere(struct play *p, const char *name)
{
    struct buf arguments = {0}, lines = {0};
    unsigned taken[64];
    size_t taken_count = 0, first_token = p->models[p->turn].len;
    append_plain_lines(screen(p), &lines);
    struct str rest = buf_str(&lines);
    buf_append_fmt(&arguments, "*** Begin Patch\n*** Update File: %s\n", name);
    for (size_t n = 1 + random_below(&p->random, HUNKS_MAX); n > 0; n--)
        append_random_hunk(p, &rest, &arguments, taken, &taken_count);
    buf_append_c(&arguments, "*** End Patch\n");
    maybe_type(p);
    stage_call(p->stage, "apply_patch", buf_str(&arguments), true);
    maybe_type(p);
    stage_wait(p->stage);
    if (getenv("PROPERTY_TRACE"))
        fprintf(stderr, "--- turn %s %s\n%s\n---\n" STR_FMT "\n", p->stage->turn_id, arguments.ptr,
                p->stage->text.ptr, STR_ARG(screen(p)));
    check_synchronous(p, p->stage->text.ptr);
    if (strstr(p->stage->text.ptr, "both changed the same lines"))
        p->has_conflicts = true;
    bool is_refused = strstr(p->stage->text.ptr, "Nothing was changed") != NULL ||
                      strstr(p->stage->text.ptr, "could not apply") != NULL;
    for (size_t i = first_token; is_refused && i < p->models[p->turn].len; i++)
        CHECK(count_token(screen(p), p->models[p->turn].ptr[i]) == 0,
              "<%u> is there\n" STR_FMT "\nbut %s", p->models[p->turn].ptr[i], STR_ARG(screen(p)),
              p->stage->text.ptr);
    /* The words taken out may come back from the person's text where both changed a line. */
    for (size_t i = 0; !is_refused && i < taken_count; i++) {
        for (size_t k = 0; k < p->mine.len; k++) {
            if (p->mine.ptr[k] != taken[i])
                continue;
            vec_remove(&p->mine, k);
            vec_push(&p->taken[p->turn], taken[i]);
            break;
        }
    }
    buf_finish(&arguments);
    buf_finish(&lines);
}

/* -- Undo -------------------------------------------------------------------------------------- */

struct undone {
    struct play *play;
    enum status status;
    enum tools_undo_outcome outcome;
    char note[256];
};

static void on_undone(void *user, const struct tools_undo_result *result)
{
    struct undone *undone = user;
    undone->status = result->status;
    if (result->files.len > 0) {
        undone->outcome = result->files.ptr[0].outcome;
        snprintf(undone->note, sizeof(undone->note), STR_FMT, STR_ARG(result->files.ptr[0].note));
    }
    stage_done(undone->play->stage);
}

/* False: there was nothing, or the text moved on each time. */
static bool undo(struct play *p, const char *turn_id, enum tools_undo_way way,
                 struct undone *ret_undone)
{
    struct err err = {0};
    *ret_undone = (struct undone){.play = p};
    p->typing = random_next(&p->random);
    p->budget = BUDGET;
    p->stage->is_done = false;
    p->stage->typist.edits = 0;
    p->stage->typist.habits.takes_part = false;
    if (!tools_undo_start(p->stage->thread, str_from(turn_id), way, on_undone, ret_undone, &err)) {
        CHECK(strstr(err.text, "there is nothing to"), "%s", err.text);
        return false;
    }
    maybe_type(p);
    stage_wait(p->stage);
    if (getenv("PROPERTY_TRACE"))
        fprintf(stderr, "--- undo %s %d %s\n---\n" STR_FMT "\n", turn_id, ret_undone->outcome,
                ret_undone->note, STR_ARG(screen(p)));
    check_synchronous(p, "after an undo");
    return ret_undone->status == STATUS_OK;
}

static void set_models_slots(struct page *to, const struct page *from)
{
    for (size_t n = 0; n < PAGE_OWNED; n++) {
        struct buf *slot = &to->slots[page_model(n)];
        buf_clear(slot);
        buf_append(slot, buf_str(&from->slots[page_model(n)]));
    }
}

static void move_back(struct play *p, size_t turn)
{
    while (p->taken[turn].len > 0) {
        unsigned token = vec_pop(&p->taken[turn]);
        vec_push(&p->mine, token);
    }
}

static void check_gone(struct play *p, size_t turn)
{
    for (size_t i = 0; i < p->models[turn].len; i++)
        CHECK(count_token(screen(p), p->models[turn].ptr[i]) == 0,
              "<%u> of the model's is still there\n" STR_FMT, p->models[turn].ptr[i],
              STR_ARG(screen(p)));
}

/* False: nothing was done, so what was before this turn cannot be taken out either. */
static bool take_back(struct play *p, size_t turn, const char *turn_id)
{
    struct undone undone;
    if (!undo(p, turn_id, TOOLS_UNDO, &undone)) {
        check(p, "an undo that did nothing");
        return undone.status == STATUS_OK;
    }
    if (p->is_apart) {
        CHECK(undone.outcome <= TOOLS_UNDO_KEPT, "%s", undone.note);
        set_models_slots(&p->page, &p->before[turn]);
    } else if (undone.outcome > TOOLS_UNDO_KEPT || p->stage->typist.edits > 1) {
        p->has_conflicts = true; /* or what they typed in a text under repair took words along */
    } else if (!p->has_conflicts) {
        check_gone(p, turn);
        move_back(p, turn);
    }
    check(p, "after an undo");
    return true;
}

static void put_again(struct play *p, size_t turn, const char *turn_id)
{
    struct undone undone;
    if (!undo(p, turn_id, TOOLS_REDO, &undone))
        return;
    CHECK(undone.outcome <= TOOLS_UNDO_KEPT, "%s", undone.note);
    set_models_slots(&p->page, &p->before[turn + 1]);
    check(p, "after a redo");
}

/* -- A seed ------------------------------------------------------------------------------------ */

static void choose_habits(struct play *p, struct habits *habits)
{
    static const int64_t versions[] = {0, 0, 1, 1, 7}, steps[] = {1, 1, 1, 5};
    *habits = (struct habits){
        .stale = (enum stale)random_below(&p->random, STALE_COUNT),
        .tell = (enum tell)random_below(&p->random, TELL_COUNT),
        .answers_first = random_once(&p->random, 2),
        .is_late = random_once(&p->random, 4),
        .version = versions[random_below(&p->random, array_count(versions))],
        .step = steps[random_below(&p->random, array_count(steps))],
    };
    habits->takes_part = habits->stale == STALE_REFUSE &&
                         p->stage->server->client.document_changes && random_once(&p->random, 4);
    /* What never comes would be waited for. */
    if (habits->stale == STALE_SKIP || habits->stale == STALE_NEOVIM || habits->takes_part)
        habits->is_late = false;
}

static void read_again(struct play *p, const char *name)
{
    struct buf arguments = {0};
    buf_append_fmt(&arguments, "{\"path\":\"%s\"}", name);
    stage_call(p->stage, "read_file", buf_str(&arguments), false);
    stage_wait(p->stage);
    CHECK(p->stage->ok, "%s", p->stage->text.ptr);
    buf_finish(&arguments);
}

static void play_turn(struct play *p, const char *name)
{
    for (size_t n = 1 + random_below(&p->random, 3); n > 0 && !p->is_over; n--) {
        p->typing = random_next(&p->random);
        maybe_type(p);
        check_synchronous(p, "before an edit");
        if (random_once(&p->random, 3))
            read_again(p, name);
        p->budget = BUDGET;
        if (p->is_apart)
            edit_slots(p, name);
        else
            edit_anywhere(p, name);
        if (!p->is_over)
            check(p, "after an edit");
    }
}

static void play(struct play *p)
{
    char name[32], turn_ids[TURNS][ID_BYTES];
    struct habits habits;
    struct buf text = {0};
    snprintf(name, sizeof(name), "seed-%llu.txt", (unsigned long long)check_seed);
    page_init(&p->page, &p->tokens, &p->random);
    choose_habits(p, &habits);
    page_append(&p->page, &text);
    p->stage->typist.random = &p->typing;
    p->stage->typist.on_moment = on_moment;
    p->stage->typist.user = p;
    stage_open(p->stage, name, &habits, buf_str(&text));
    for (p->turn = 0; p->turn < TURNS; p->turn++) {
        page_copy(&p->before[p->turn], &p->page);
        stage_begin_turn(p->stage);
        memcpy(turn_ids[p->turn], p->stage->turn_id, ID_BYTES);
        play_turn(p, name);
    }
    page_copy(&p->before[TURNS], &p->page);
    maybe_type(p);
    bool is_back = !p->is_over; /* the last turn first, so that each is taken out of what it made */
    for (size_t turn = TURNS; is_back && turn-- > 0;) {
        is_back = take_back(p, turn, turn_ids[turn]);
        maybe_type(p);
    }
    if (!p->is_over)
        check(p, "at the end");
    if (is_back && p->is_apart && random_once(&p->random, 2))
        put_again(p, 0, turn_ids[0]);
    stage_close(p->stage, name);
    buf_finish(&text);
}

static unsigned stale_edits;

static void play_seed(struct stage *stage, uint64_t seed)
{
    struct play p = {.stage = stage,
                     .random = seed * 0x9E3779B97F4A7C15u,
                     .typing = seed,
                     .is_apart = seed % 4 != 3};
    check_seed = seed;
    stage->typist.landed_stale = 0;
    play(&p);
    stale_edits += stage->typist.landed_stale;
    page_finish(&p.page);
    for (size_t turn = 0; turn <= TURNS; turn++)
        page_finish(&p.before[turn]);
    for (size_t turn = 0; turn < TURNS; turn++) {
        vec_finish(&p.models[turn]);
        vec_finish(&p.taken[turn]);
    }
    vec_finish(&p.mine);
}

int main(int argc, char **argv)
{
    uint64_t first = argc > 1 ? strtoull(argv[1], NULL, 10) : 0;
    uint64_t count = argc > 2 ? strtoull(argv[2], NULL, 10) : 0;
    if (count == 0) {
        fprintf(stderr, "usage: property-edits FIRST-SEED COUNT\n");
        return 2;
    }
    /* A stage for each encoding, and one for clients without documentChanges. */
    for (uint64_t kind = 0; kind < 4; kind++) {
        struct stage stage;
        bool is_made = false;
        for (uint64_t seed = first; seed < first + count; seed++) {
            if (seed / 4 % 4 != kind)
                continue;
            if (!is_made)
                stage_init(&stage, kind < 3 ? (enum position_encoding)kind : POSITION_UTF16,
                           kind < 3);
            is_made = true;
            play_seed(&stage, seed);
        }
        if (is_made)
            stage_finish(&stage);
    }
    printf("%llu seeds, %u stale edits landed and were put right\n", (unsigned long long)count,
           stale_edits);
    return 0;
}
