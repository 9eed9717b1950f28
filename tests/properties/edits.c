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

#include "play.h"

uint64_t check_seed;

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
    play_maybe_type(p);
    stage_wait(p->stage);
    if (getenv("PROPERTY_TRACE"))
        fprintf(stderr, "--- undo %s %d %s\n---\n" STR_FMT "\n", turn_id, ret_undone->outcome,
                ret_undone->note, STR_ARG(play_screen(p)));
    play_check_synchronous(p, "after an undo");
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
        CHECK(play_count_token(play_screen(p), p->models[turn].ptr[i]) == 0,
              "<%u> of the model's is still there\n" STR_FMT, p->models[turn].ptr[i],
              STR_ARG(play_screen(p)));
}

/* False: nothing was done, so what was before this turn cannot be taken out either. */
static bool take_back(struct play *p, size_t turn, const char *turn_id)
{
    struct undone undone;
    if (!undo(p, turn_id, TOOLS_UNDO, &undone)) {
        play_check(p, "an undo that did nothing");
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
    play_check(p, "after an undo");
    return true;
}

static void put_again(struct play *p, size_t turn, const char *turn_id)
{
    struct undone undone;
    if (!undo(p, turn_id, TOOLS_REDO, &undone))
        return;
    CHECK(undone.outcome <= TOOLS_UNDO_KEPT, "%s", undone.note);
    set_models_slots(&p->page, &p->before[turn + 1]);
    play_check(p, "after a redo");
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
        play_maybe_type(p);
        play_check_synchronous(p, "before an edit");
        if (random_once(&p->random, 3))
            read_again(p, name);
        p->budget = BUDGET;
        if (p->is_apart)
            play_edit_slots(p, name);
        else
            play_edit_anywhere(p, name);
        if (!p->is_over)
            play_check(p, "after an edit");
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
    p->stage->typist.on_moment = play_on_moment;
    p->stage->typist.user = p;
    stage_open(p->stage, name, &habits, buf_str(&text));
    for (p->turn = 0; p->turn < TURNS; p->turn++) {
        page_copy(&p->before[p->turn], &p->page);
        stage_begin_turn(p->stage);
        memcpy(turn_ids[p->turn], p->stage->turn_id, ID_BYTES);
        play_turn(p, name);
    }
    page_copy(&p->before[TURNS], &p->page);
    play_maybe_type(p);
    bool is_back = !p->is_over; /* the last turn first, so that each is taken out of what it made */
    for (size_t turn = TURNS; is_back && turn-- > 0;) {
        is_back = take_back(p, turn, turn_ids[turn]);
        play_maybe_type(p);
    }
    if (!p->is_over)
        play_check(p, "at the end");
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
