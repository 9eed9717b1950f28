/* The model of property-edits: what it asks for, and what has become of it. */
#include "play.h"

#include <string.h>

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
        if (play_is_page(p, &p->page))
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
            CHECK(token == 0 || play_count_token(play_screen(p), token) > 0,
                  "what the person typed, <%u>, is gone\n" STR_FMT, token, STR_ARG(play_screen(p)));
        }
    }
}

static void judge(struct play *p, const struct hunks *hunks)
{
    const char *said = p->stage->text.ptr;
    bool is_partial = strncmp(said, "Only a part", 11) == 0;
    CHECK(p->stage->ok == (strncmp(said, "Applied", 7) == 0), "%s", said);
    CHECK(!is_partial || p->stage->typist.habits.takes_part, "%s", said);
    play_check_synchronous(p, said);
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

void play_edit_slots(struct play *p, const char *name)
{
    struct hunks hunks;
    struct buf arguments = {0};
    bool is_patch = !random_once(&p->random, 3);
    choose_hunks(p, &hunks, is_patch ? 1 + random_below(&p->random, HUNKS_MAX) : 1);
    if (is_patch)
        append_patch(p, &hunks, name, &arguments);
    else
        append_strings(p, &hunks.at[0], name, &arguments);
    play_maybe_type(p);
    stage_call(p->stage, is_patch ? "apply_patch" : "edit_file", buf_str(&arguments), is_patch);
    play_maybe_type(p);
    stage_wait(p->stage);
    if (getenv("PROPERTY_TRACE"))
        fprintf(stderr, "--- turn %s %s\n%s\n---\n" STR_FMT "\n", p->stage->turn_id, arguments.ptr,
                p->stage->text.ptr, STR_ARG(play_screen(p)));
    judge(p, &hunks);
    hunks_finish(&hunks);
    buf_finish(&arguments);
}

/* -- The model, anywhere ----------------------------------------------------------------------- */

static void note_taken(struct play *p, struct str line, unsigned *list, size_t *count)
{
    for (size_t i = 0; i < p->mine.len && *count < 64; i++)
        if (play_count_token(line, p->mine.ptr[i]) > 0)
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

void play_edit_anywhere(struct play *p, const char *name)
{
    struct buf arguments = {0}, lines = {0};
    unsigned taken[64];
    size_t taken_count = 0, first_token = p->models[p->turn].len;
    append_plain_lines(play_screen(p), &lines);
    struct str rest = buf_str(&lines);
    buf_append_fmt(&arguments, "*** Begin Patch\n*** Update File: %s\n", name);
    for (size_t n = 1 + random_below(&p->random, HUNKS_MAX); n > 0; n--)
        append_random_hunk(p, &rest, &arguments, taken, &taken_count);
    buf_append_c(&arguments, "*** End Patch\n");
    play_maybe_type(p);
    stage_call(p->stage, "apply_patch", buf_str(&arguments), true);
    play_maybe_type(p);
    stage_wait(p->stage);
    if (getenv("PROPERTY_TRACE"))
        fprintf(stderr, "--- turn %s %s\n%s\n---\n" STR_FMT "\n", p->stage->turn_id, arguments.ptr,
                p->stage->text.ptr, STR_ARG(play_screen(p)));
    play_check_synchronous(p, p->stage->text.ptr);
    if (strstr(p->stage->text.ptr, "both changed the same lines"))
        p->has_conflicts = true;
    bool is_refused = strstr(p->stage->text.ptr, "Nothing was changed") != NULL ||
                      strstr(p->stage->text.ptr, "could not apply") != NULL;
    for (size_t i = first_token; is_refused && i < p->models[p->turn].len; i++)
        CHECK(play_count_token(play_screen(p), p->models[p->turn].ptr[i]) == 0,
              "<%u> is there\n" STR_FMT "\nbut %s", p->models[p->turn].ptr[i],
              STR_ARG(play_screen(p)), p->stage->text.ptr);
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
