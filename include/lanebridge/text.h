/* text: immutable text with a line index, positions in the three encodings of LSP, line diffs,
 * globs and ignore files. Pure: no I/O, no clock.
 *
 * Invariants: bytes are kept exactly as given (line endings, BOM, NUL, missing final newline);
 * offsets are bytes; a `struct text` never changes once made and may be read on any thread while a
 * reference is held. */
#ifndef LANEBRIDGE_TEXT_H
#define LANEBRIDGE_TEXT_H

#include <lanebridge/base.h>

/* -- Text ---------------------------------------------------------------------------------------- */

struct text;    /* reference counted, atomically */

struct text *text_new(struct str bytes);            /* copies */
struct text *text_take(struct buf *bytes);          /* takes, leaves bytes empty */
struct text *text_ref(const struct text *text);     /* NULL gives NULL */
void text_unref(struct text *text);                 /* NULL is fine */
struct str text_bytes(const struct text *text);     /* contiguous, borrowed from the text */
size_t text_len(const struct text *text);
bool text_eq(const struct text *a, const struct text *b);
/* A new text with [start, end) replaced. start <= end <= len. */
struct text *text_replace(const struct text *text, size_t start, size_t end, struct str with);

/* Lines end at LF, CRLF or CR and include their ending. The empty text has one empty line; a text
 * that ends in a line ending has a last, empty line, as LSP counts. */
size_t text_line_count(const struct text *text);
size_t text_line_start(const struct text *text, size_t line);       /* line <= count; count gives len */
struct str text_line(const struct text *text, size_t line);         /* with its ending */
struct str text_line_content(const struct text *text, size_t line); /* without its ending */
/* The first `count` lines at once, for who goes through all of them. */
void text_line_contents(const struct text *text, struct str *ret_lines, size_t count);
size_t text_line_of(const struct text *text, size_t offset);        /* 0-based */

/* -- Positions (LSP 3.18, "Position") ------------------------------------------------------------- */

enum position_encoding { POSITION_UTF8, POSITION_UTF16, POSITION_UTF32 };
struct position {
    uint32_t line;       /* 0-based */
    uint32_t character;  /* code units of the encoding */
};

const char *position_encoding_name(enum position_encoding encoding);
bool position_encoding_parse(struct str name, enum position_encoding *ret_encoding);
/* A character beyond the line's content counts as its end; one inside a code point, as its start.
 * The line after the last one with character 0 is the end of the text (clients say it so).
 * Errors: STATUS_INVALID "line 12 is outside the document, which has 4 lines". */
enum status text_offset_of(const struct text *text, enum position_encoding encoding,
                           struct position position, size_t *ret_offset, struct err *err);
struct position text_position_of(const struct text *text, enum position_encoding encoding,
                                 size_t offset);

/* -- Diff ------------------------------------------------------------------------------------------ */

/* Lines [old_start, old_start+old_count) became [new_start, new_start+new_count). 0-based. */
struct diff_hunk {
    size_t old_start, old_count, new_start, new_count;
};
struct diff {
    struct diff_hunk *hunks;   /* in order, not adjacent */
    size_t count;
};
/* Smallest line diff (Myers, linear space), with a bounded effort (about half a second): what is too
 * different for it is still a right diff, of fewer and larger hunks. The empty line after a final
 * line ending is not counted. */
void text_diff(const struct text *before, const struct text *after, struct diff *ret_diff);
void diff_finish(struct diff *diff);
/* Appends a unified diff ("--- a/path", "+++ b/path", "@@ … @@") with `context` lines around. Nothing
 * if equal. "\ No newline at end of file" where it applies. before or after NULL: /dev/null. */
void text_append_unified(struct buf *buf, struct str path, const struct text *before,
                         const struct text *after, size_t context);

/* -- Globs and ignore files ------------------------------------------------------------------------ */

/* LSP globs: `*` and `?` within a component, `**` across, `{a,b}` (nestable), `[a-z]`, `[!a]`. A
 * pattern without "/" matches the last component. Linear in pattern × path. A pattern that glob_check
 * refuses (unclosed, too deep, above LIMIT_GLOB_BYTES) matches nothing.
 * Source: LSP 3.18 "Glob Pattern". */
bool glob_match(struct str pattern, struct str path);
enum status glob_check(struct str pattern, struct err *err);

/* One .gitignore or .agentignore file (git's gitignore(5) rules, negation, anchoring, `**`). Patterns
 * that are no globs match nothing, and what is beyond LIMIT_IGNORE_BYTES is not read. */
struct ignore;
enum ignore_verdict { IGNORE_UNDECIDED, IGNORE_YES, IGNORE_NO };
struct ignore *ignore_parse(struct str content);
void ignore_free(struct ignore *ignore);
/* `path` is relative to the folder that holds the file. The last matching rule decides; ask the
 * deepest folder's file first and go up while undecided. Folders that are ignored hide all below. */
enum ignore_verdict ignore_match(const struct ignore *ignore, struct str path, bool is_folder);

#endif
