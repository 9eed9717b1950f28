/* What the files of this module share. */
#ifndef DOCUMENT_INTERNAL_H
#define DOCUMENT_INTERNAL_H

#include <lanebridge/document.h>

/* One spelling under which the client holds a document open. */
struct spelling {
    char *uri;
    char *path;
};

/* What the store keeps behind a document. The public part comes first in memory and in mind. */
struct record {
    struct document document;
    VEC(struct spelling) spellings; /* never empty while open; the last one gives uri */
};

struct document_observer {
    struct documents *documents;
    document_observer_fn *fn; /* both NULL once removed, until the list is swept */
    document_saved_fn *saved_fn;
    void *user;
};

struct documents {
    VEC(struct record *) records;         /* in order of opening */
    struct map by_uri, by_path, by_inode; /* to struct record */
    VEC(struct document_observer *) observers;
    unsigned notifying; /* depth of notify(): observers must not change documents */
    uint64_t last_revision, last_sequence;
};

/* The key of by_inode. */
struct identity {
    uint64_t device, inode;
};

struct record *record_find(const struct documents *documents, struct str uri);
/* Replaces the text (taken; NULL: unknown for `reason`) and tells the observers. */
void document_set_text(struct documents *documents, struct document *document, int64_t version,
                       struct text *text, struct str reason);
/* Calls every observer. The last thing its caller does with the document. */
void observers_notify(struct documents *documents, const struct document_change *change,
                      bool closed);

#endif
