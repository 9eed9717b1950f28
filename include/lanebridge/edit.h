/* edit: what the model writes (patches, replacements) turned into a plan of new texts, all or
 * nothing; the plan turned into minimal edits; and merging when the user typed meanwhile. Pure.
 *
 * Invariants: a plan exists only when every part of it fits; bytes outside the changed lines are
 * untouched (endings, BOM, final newline); new lines take their neighbours' ending; nothing here
 * reads a file: the caller brings the texts. */
#ifndef LANEBRIDGE_EDIT_H
#define LANEBRIDGE_EDIT_H

#include <lanebridge/base.h>
#include <lanebridge/text.h>

/* -- Patches in the free-form format ("*** Begin Patch" …) ---------------------------------------- */

struct edit_patch;
/* Errors: STATUS_INVALID with the line number and what was expected; STATUS_LIMIT above
 * LIMIT_PATCH_BYTES, LIMIT_PATCH_OPS_COUNT or LIMIT_PATCH_HUNKS_COUNT. */
enum status edit_patch_parse(struct str text, struct edit_patch **ret_patch, struct err *err);
void edit_patch_free(struct edit_patch *patch);
/* Every path the patch names (sources and move targets), each once, in order; borrowed. */
size_t edit_patch_path_count(const struct edit_patch *patch);
struct str edit_patch_path(const struct edit_patch *patch, size_t index);
/* The Lark grammar of the format, for the custom tool's `format.definition`. */
const char *edit_patch_grammar(void);

/* The text of one named path as it is NOW. text NULL: the file does not exist. `unreadable` non-empty:
 * why it cannot be edited (binary, too large, not UTF-8, outside …); applying reports it. */
struct edit_source {
    struct str path;
    struct text *text;       /* borrowed */
    struct str unreadable;   /* borrowed */
};

/* -- Plans ------------------------------------------------------------------------------------------ */

enum edit_kind { EDIT_CREATE, EDIT_UPDATE, EDIT_DELETE, EDIT_MOVE };
/* One file's change. CREATE: before NULL. DELETE: after NULL. MOVE: from `path` to `new_path`, the
 * text may change too. */
struct edit_file {
    enum edit_kind kind;
    char *path;
    char *new_path;
    struct text *before;
    struct text *after;
};
struct edit_plan {
    VEC(struct edit_file) files;
    struct buf notes;    /* e.g. "src/a.c: hunk 2 matched ignoring trailing blanks"; one a line */
};
void edit_plan_finish(struct edit_plan *plan);

/* On failure (STATUS_INVALID) *ret_plan is untouched and `errors` holds every problem, one a line,
 * each with the path and the hunk, followed by indented lines with the nearest real text and its line
 * numbers. A plan may have no files (the notes say that nothing changes). A file that is moved onto
 * a name freed by the same patch comes as an update and a deletion, so that the order of the files
 * never matters. What is tolerated and refused: tests/corpora/patch has a case for each row. */
enum status edit_patch_plan(const struct edit_patch *patch, const struct edit_source *sources,
                            size_t source_count, struct edit_plan *ret_plan, struct buf *errors);
/* `edit_file`: replaces old by new once (or everywhere); LF stands for the file's own endings.
 * Errors: not found (with the nearest real text), several places (with their line numbers), old
 * equals new, old empty. */
enum status edit_replace_plan(const struct edit_source *source, struct str old_string,
                              struct str new_string, bool replace_all, struct edit_plan *ret_plan,
                              struct buf *errors);
/* `write_file`: the whole content; a create or an update. A BOM the file has stays, and so does CRLF
 * where all lines have it and the content has none. */
enum status edit_write_plan(const struct edit_source *source, struct str content,
                            struct edit_plan *ret_plan, struct buf *errors);

/* -- Minimal edits ------------------------------------------------------------------------------------ */

/* Replace [start, end) (bytes of the before text) by `with` (borrowed from the after text). */
struct edit_span {
    size_t start, end;
    struct str with;
};
struct edit_spans {
    VEC(struct edit_span) spans;     /* ascending, not touching */
};
/* Line-based, the fewest lines; the caller keeps both texts alive. */
void edit_spans_between(const struct text *before, const struct text *after,
                        struct edit_spans *ret_spans);
void edit_spans_finish(struct edit_spans *spans);

/* -- Conflict: three texts ----------------------------------------------------------------------------- */

/* merge(base → mine, base → theirs) by lines. Where both changed the same or touching lines in
 * different ways, `mine` is kept and the place counted. Used to repair a misapplied edit and to undo
 * a turn: the user's text is always `mine`.
 * Returns the merged text (a new reference), *ret_conflicts >= 0. */
struct text *edit_merge(const struct text *base, const struct text *mine, const struct text *theirs,
                        size_t *ret_conflicts);

/* The same where neither side may lose anything: lines that only touch are not in conflict, and where
 * both changed the same lines, those of `mine` come first and then what is new in `theirs`. Used when
 * the user typed in a text that an edit had spoilt and that is being put right. */
struct text *edit_merge_both(const struct text *base, const struct text *mine,
                             const struct text *theirs, size_t *ret_conflicts);

/* What `before` would be with that part of before → planned alone that is in `now`, where the user may
 * have typed as well: an editor took some of an edit, and only that is the edit's. A new reference.
 * *ret_is_whole: nothing is missing, and no line of the user's stands in its place. */
struct text *edit_landed_part(const struct text *before, const struct text *now,
                              const struct text *planned, bool *ret_is_whole);

/* The first line (0-based, of `now`) that the change base → now and the change now → after both touch,
 * or STR_NONE: the model may change a text that the user changed since, but not the same lines. */
size_t edit_first_overlap(const struct text *base, const struct text *now,
                          const struct text *after);
/* True if both changes replace the same lines by the same lines in the same order, wherever these
 * stand: what was approved for the one is approved for the other. */
bool edit_is_same_change(const struct text *a_before, const struct text *a_after,
                         const struct text *b_before, const struct text *b_after);

/* -- Review: what of a text the person has not decided on yet ------------------------------------------ */

/* Lines of `base` in whose place the model put lines of `now`. */
struct edit_hunk {
    unsigned id;       /* of this review, never used again; what changes the lines gives a new one */
    unsigned owner;    /* the caller's */
    size_t base_start, base_count, now_start, now_count;
};
/* base: the text with what was accepted and what the person wrote, without what is pending; now: the
 * text as it is. Outside the hunks both have the same lines. All-zero is not valid: edit_review_init. */
struct edit_review {
    struct text *base, *now;
    VEC(struct edit_hunk) hunks;    /* in order, not overlapping */
    unsigned last_id;
};
void edit_review_init(struct edit_review *review, const struct text *base, const struct text *now,
                      unsigned owner);   /* every difference is pending */
void edit_review_finish(struct edit_review *review);
/* These hunks in place of its own, if they say where the texts differ; their ids are made anew. */
bool edit_review_set_hunks(struct edit_review *review, const struct edit_hunk *hunks, size_t count);

enum edit_author {
    EDIT_BY_MODEL,     /* it is pending, together with the hunks it touches */
    EDIT_BY_PERSON,    /* it goes into base, and so does a hunk it touches: that is the person's now */
    EDIT_BY_EDITOR,    /* a formatter: in a hunk it is part of the hunk, elsewhere it goes into base */
};
struct edit_settled {
    struct edit_hunk hunk;
    bool is_undone;    /* its old lines are back; else the person made it theirs */
};
struct edit_settlement {
    VEC(struct edit_settled) list;
};
void edit_settlement_finish(struct edit_settlement *settlement);
/* The text became `now` by that author's hand. Hunks that are pending no more are appended to
 * ret_settled, as they were. */
void edit_review_fold(struct edit_review *review, const struct text *now, enum edit_author author,
                      unsigned owner, struct edit_settlement *ret_settled);
/* The base changed instead, by the person's hand: the edits of a proposal that is not applied. What
 * the person touched is gone from it (never is_undone). */
void edit_review_fold_base(struct edit_review *review, const struct text *base,
                           struct edit_settlement *ret_settled);

const struct edit_hunk *edit_review_find(const struct edit_review *review, unsigned id);
typedef bool edit_hunk_fn(void *user, const struct edit_hunk *hunk);
/* `now` with the base's lines in place of the hunks that `chosen` says yes to: what rejecting makes. */
struct text *edit_review_without(const struct edit_review *review, edit_hunk_fn *chosen, void *user);
/* `base` with the lines of those hunks: what accepting makes. */
struct text *edit_review_with(const struct edit_review *review, edit_hunk_fn *chosen, void *user);
/* `now` with `text` in place of the hunk's lines; its line ending is made the neighbours'. */
struct text *edit_review_amended(const struct edit_review *review, unsigned id, struct str text);
/* `base` with it in place of the hunk's old lines: amending a proposal. */
struct text *edit_review_amended_base(const struct edit_review *review, unsigned id,
                                      struct str text);
/* They are pending no more: base has their lines, or now has lost them. */
void edit_review_accept(struct edit_review *review, edit_hunk_fn *chosen, void *user);
void edit_review_reject(struct edit_review *review, edit_hunk_fn *chosen, void *user);
struct str edit_hunk_old(const struct edit_review *review, const struct edit_hunk *hunk);
struct str edit_hunk_new(const struct edit_review *review, const struct edit_hunk *hunk);

#endif
