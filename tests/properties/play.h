/* One seed of property-edits as it is played: who writes where, and what must be on the screen.
 *   edits.c   the seed: turns, undo, redo
 *   person.c  the person, and what holds for what they typed
 *   model.c   the model: in its own slots, or anywhere */
#ifndef LANEBRIDGE_TESTS_PLAY_H
#define LANEBRIDGE_TESTS_PLAY_H

#include "check.h"
#include "page.h"
#include "stage.h"

enum { TURNS = 2, HUNKS_MAX = 3, BUDGET = 3 };

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

struct str play_screen(const struct play *p);
size_t play_count_token(struct str text, unsigned token);

/* -- person.c */

void play_maybe_type(struct play *p);
void play_on_moment(void *user, enum moment moment); /* types while an edit is under way */
void play_check_synchronous(struct play *p, const char *when);
void play_check(struct play *p, const char *when);
bool play_is_page(const struct play *p, const struct page *page);

/* -- model.c: one call of an edit tool, and what it says against what is on the screen */

void play_edit_slots(struct play *p, const char *name);
void play_edit_anywhere(struct play *p, const char *name);

#endif
