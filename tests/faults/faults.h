/* What the matrix is made of: a rollout, cases (one fault each), and what must hold after each. */
#ifndef LANEBRIDGE_FAULTS_FAULTS_H
#define LANEBRIDGE_FAULTS_FAULTS_H

#include <lanebridge/base.h>
#include <lanebridge/client.h>

#include "proxy.h"

/* -- spec.c: cases, and their names --------------------------------------------------------------
 */

enum mode { MODE_LANES, MODE_SINGLE, MODE_HTTP, MODE_COUNT };
struct spec {
    enum mode mode;
    struct fault fault;
};
/* "lanes/reset/to-client/17/payload", "http/answer=503/to-server/4/before", "single/none". */
void spec_format(const struct spec *spec, struct buf *name);
bool spec_parse(struct str name, struct spec *ret_spec);
typedef VEC(struct spec) spec_list;
/* Every case of a mode whose fault-free run had so many units: all faults, or all interrupts. */
void spec_list_all(enum mode mode, const unsigned units[DIRECTION_COUNT], bool interrupts,
                   spec_list *list);
struct spec_failure {
    const char *words; /* what the failed turn must say */
    bool must;         /* else it may as well complete */
};
/* NULL: the turn must complete. */
const struct spec_failure *spec_failure(const struct spec *spec);

/* -- rollout.c -----------------------------------------------------------------------------------
 */

/* The endpoint's replay file. */
void rollout_append_replay(struct buf *replay);
/* The workspace before it. */
bool rollout_make_files(const char *root);
/* What the person has done in the editor before asking. */
bool rollout_open(struct client *client, const char *root, struct err *err);
extern const char rollout_prompt[], rollout_next_prompt[], rollout_next_answer[];

/* -- judge.c -------------------------------------------------------------------------------------
 */

/* All that must be the same after every case: files, buffers; and of the journal the items and
 * calls, without their ids and without order. */
void judge_append_workspace(struct buf *text, const char *root, const struct client *client);
/* False, and why, when a call ran twice, is without end or without exactly one output. */
bool judge_append_journal(struct buf *text, const char *state, struct buf *why);
/* After an interrupt: no command has left its trace twice. */
void judge_traces(const char *root, struct buf *why);

/* -- play.c --------------------------------------------------------------------------------------
 */

/* Plays one case. `learn`: writes what is judged to the file; else holds it against the file. Exit
 * code: 0 it holds; PLAY_MISSED: it would, but the unit never came (of events over HTTP several may
 * come in one chunk). */
enum { PLAY_MISSED = 3 };
int play_case(const char *program, const struct spec *spec, const char *file, bool learn);
/* The units of a learned file: all, or of the first turn alone. */
bool play_read_units(const char *file, bool first_turn, unsigned ret_units[DIRECTION_COUNT]);

#endif
