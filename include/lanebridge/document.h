/* document: the texts that are open in the editor, as the editor says they are. No I/O.
 *
 * Invariants: a document is keyed by its canonical path and, when the file exists, by (device,
 * inode): two spellings are one document; the client's own URI is kept to be used back verbatim.
 * Versions are what the client sent, 0 and jumps included. Texts above LIMIT_DOCUMENT_BYTES are not
 * kept: the document is then "open, text unknown". Observers look; they change no document. */
#ifndef LANEBRIDGE_DOCUMENT_H
#define LANEBRIDGE_DOCUMENT_H

#include <lanebridge/base.h>
#include <lanebridge/text.h>

struct documents;

struct document {
    char *uri;             /* as the client wrote it, the latest if it used several */
    char *path;            /* canonical, absolute; empty for a URI that is no file (untitled:) */
    char *language_id;
    uint64_t device, inode;/* 0, 0 when the file does not exist */
    int64_t version;
    struct text *text;     /* NULL: "open, text unknown" (see unknown_reason) */
    char *unknown_reason;  /* why tools must refuse it, until didClose */
    uint64_t revision;     /* ours: grows by one with every change, never reused in a process */
    uint64_t sequence;     /* order of last use, for "active file" */
    uint64_t saves;        /* how often the editor said that it saved it */
    bool is_behind;        /* its file has changed on disk, by a command, and the editor has not loaded
                            * that yet: the disk is the newer text of a document that was clean */
};

/* One change as it arrived, after conversion to bytes. */
struct document_change {
    const struct document *document;   /* with the new text and version */
    const struct text *before;
    size_t start, end;                 /* range of `before` that was replaced; whole text: 0, len */
    struct str with;                   /* borrowed */
};

struct documents *documents_new(void);
void documents_free(struct documents *documents);

/* Opening what is open already (same file) replaces the text and keeps both URIs known. A file with
 * one link needs no (device, inode): its canonical path says enough, and a number that the disk has
 * since given to another file would make one document of two. Give 0, 0 then.
 * `text` is borrowed (a reference is taken); NULL with a reason when it could not be read. */
struct document *document_open(struct documents *documents, struct str uri, struct str path,
                               uint64_t device, uint64_t inode, struct str language_id,
                               int64_t version, struct text *text, struct str unknown_reason);
/* Errors: STATUS_NOT_FOUND when not open; STATUS_INVALID when start/end do not fit; STATUS_LIMIT when
 * the text grew too large and was dropped; STATUS_UNSUPPORTED when the text was unknown already (the
 * version is taken all the same). */
enum status document_change(struct documents *documents, struct str uri, int64_t version,
                            size_t start, size_t end, struct str with, struct err *err);
/* Marks the text unknown, e.g. after a change that could not be read. */
void document_lose_text(struct documents *documents, struct str uri, struct str reason);
/* A document that the client opened under two URIs stays open until both are closed. */
enum status document_close(struct documents *documents, struct str uri, struct err *err);
/* After a save the path may be another file: (device, inode) as they are now. Not open: nothing. */
void document_set_identity(struct documents *documents, struct str uri, uint64_t device,
                           uint64_t inode);
/* The user is here: makes it the latest in order of use. Opening and changing do so by themselves. */
void document_touch(struct documents *documents, struct str uri);

/* The editor has written it to disk. Not open: nothing. */
void document_saved(struct documents *documents, struct str uri);
/* Makes is_behind true; any change of the text and any save makes it false again. */
void document_set_behind(struct documents *documents, struct str path);

/* Borrowed; NULL when not open. */
struct document *document_find_uri(const struct documents *documents, struct str uri);
struct document *document_find_path(const struct documents *documents, struct str path);
struct document *document_find_inode(const struct documents *documents, uint64_t device,
                                     uint64_t inode);
/* All open documents, in order of opening: for (i = 0; (d = document_at(docs, i)); i++). */
struct document *document_at(const struct documents *documents, size_t index);

/* Called after every open, change, lost text and close (then document->text is still the last one,
 * and change->with is empty, closed is true). Several observers, removed by handle. */
struct document_observer;
typedef void document_observer_fn(void *user, const struct document_change *change, bool closed);
struct document_observer *document_observe(struct documents *documents, document_observer_fn *fn,
                                           void *user);
/* Called after every save. */
typedef void document_saved_fn(void *user, const struct document *document);
struct document_observer *document_observe_saves(struct documents *documents, document_saved_fn *fn,
                                                 void *user);
void document_unobserve(struct document_observer *observer);

/* A frozen view for worker threads: refcounted texts by path, in order of opening. Documents without
 * a path are left out, and those that are behind the disk; one that was opened under two paths (hard links) has an entry for each. */
struct document_snapshot {
    struct document_snapshot_entry {
        char *path;
        uint64_t device, inode;
        struct text *text;      /* NULL: unknown */
        int64_t version;
    } *entries;
    size_t count;
};
void document_snapshot_take(const struct documents *documents, struct document_snapshot *ret_snapshot);
void document_snapshot_finish(struct document_snapshot *snapshot);
const struct document_snapshot_entry *document_snapshot_find(const struct document_snapshot *snapshot,
                                                             struct str path);

#endif
