/* Inside of inline completion.
 *   complete.c  questions, the pause before asking, responses that run
 *   place.c     where a suggestion belongs, and what was typed since
 *   prompt.c    what the model is shown
 *   shape.c     what of its answer is inserted */
#ifndef LANEBRIDGE_COMPLETE_INTERNAL_H
#define LANEBRIDGE_COMPLETE_INTERNAL_H

#include <lanebridge/complete.h>

enum {
    PLACE_BEFORE_BYTES = 256, /* compared to know that nothing else has changed */
    PLACE_TYPED_BYTES = 1024, /* more is another place */
    PROMPT_BEFORE_BYTES = 6000,
    PROMPT_AFTER_BYTES = 2000,
    PROMPT_RECENT_COUNT = 3, /* places edited last, outside the excerpt */
    PROMPT_RECENT_LINES = 8, /* on each side of such a place */
    CACHE_COUNT = 16,
};

/* -- place.c */

/* Appends bytes [start, end) without making the text contiguous. */
void span_append(struct buf *buf, const struct text *text, size_t start, size_t end);

struct place {
    struct buf uri;
    size_t offset;
    struct buf before; /* what ends at the offset */
    struct buf after;  /* the rest of the line */
};
void place_init(struct place *place, const struct document *document, size_t offset);
void place_finish(struct place *place);
/* The cursor is where somebody gets who types at the place and changes nothing else: appends what
 * was typed. */
bool place_typed(const struct place *place, const struct document *document, size_t offset,
                 struct buf *typed);

/* -- prompt.c */

/* A place edited lately. */
struct recent {
    struct buf uri;
    size_t line;
};
struct recents {
    struct recent
        list[PROMPT_RECENT_COUNT + 1]; /* the youngest first; one is where the cursor is */
    size_t count;
};
void recents_note(struct recents *recents, const struct document *document, size_t line);
void recents_finish(struct recents *recents);

extern const char prompt_instructions[];
struct prompt {
    const struct document *document;
    size_t offset;
    struct str shown_path, ahead;
    bool is_multi_line;
};
/* The one input item, as JSON. */
void prompt_write(const struct complete_env *env, const struct recents *recents,
                  const struct prompt *prompt, struct buf *item);

/* -- shape.c: pure */

struct shape {
    struct str line_before; /* of the cursor's line, up to it */
    struct str line_after;  /* and behind it, without its ending */
    struct str next_line;   /* the next one that is not blank, without its ending */
    struct str ending;      /* of the document's lines */
    bool is_multi_line;
};
/* Whether several lines fit at a place. */
bool shape_fits_lines(struct str line_before, struct str line_after, bool is_invoked);
/* All that will be inserted has come: the rest of the answer is not needed. */
bool shape_is_enough(const struct shape *shape, struct str answer);
/* Appends what to insert: without fences, what stands around the cursor already, other blocks. */
void shape_answer(const struct shape *shape, struct str answer, struct buf *text);
/* An answer that has come so far, without what shape_answer would take from its front. */
struct str shape_front(const struct shape *shape, struct str answer);

#endif
