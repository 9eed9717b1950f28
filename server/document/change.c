/* Their texts, and who is told. */
#include "document-internal.h"

#include <assert.h>

/* -- Observers -------------------------------------------------------------------------------- */

struct document_observer *document_observe(struct documents *documents, document_observer_fn *fn,
                                           void *user)
{
    struct document_observer *observer = mem_new(struct document_observer);
    *observer = (struct document_observer){.documents = documents, .fn = fn, .user = user};
    vec_push(&documents->observers, observer);
    return observer;
}

struct document_observer *document_observe_saves(struct documents *documents, document_saved_fn *fn,
                                                 void *user)
{
    struct document_observer *observer = mem_new(struct document_observer);
    *observer = (struct document_observer){.documents = documents, .saved_fn = fn, .user = user};
    vec_push(&documents->observers, observer);
    return observer;
}

/* Removed observers stay in the list while somebody walks it. */
static void sweep(struct documents *documents)
{
    for (size_t i = documents->observers.len; i-- > 0;) {
        struct document_observer *observer = documents->observers.ptr[i];
        if (!observer->fn && !observer->saved_fn) {
            vec_remove(&documents->observers, i);
            mem_free(observer);
        }
    }
}

void document_unobserve(struct document_observer *observer)
{
    if (!observer)
        return;
    struct documents *documents = observer->documents;
    observer->fn = NULL;
    observer->saved_fn = NULL;
    if (!documents->notifying)
        sweep(documents);
}

void observers_notify(struct documents *documents, const struct document_change *change,
                      bool closed)
{
    size_t count = documents->observers.len; /* those added meanwhile hear of the next one */
    documents->notifying++;
    for (size_t i = 0; i < count; i++) {
        struct document_observer *observer = documents->observers.ptr[i];
        if (observer->fn)
            observer->fn(observer->user, change, closed);
    }
    documents->notifying--;
    if (!documents->notifying)
        sweep(documents);
}

void document_saved(struct documents *documents, struct str uri)
{
    struct document *document = document_find_uri(documents, uri);
    if (!document)
        return;
    document->saves++;
    document->is_behind = false;
    size_t count = documents->observers.len;
    documents->notifying++;
    for (size_t i = 0; i < count; i++) {
        struct document_observer *observer = documents->observers.ptr[i];
        if (observer->saved_fn)
            observer->saved_fn(observer->user, document);
    }
    documents->notifying--;
    if (!documents->notifying)
        sweep(documents);
}

void document_set_behind(struct documents *documents, struct str path)
{
    struct document *document = document_find_path(documents, path);
    if (document && document->text)
        document->is_behind = true;
}

/* -- Texts ------------------------------------------------------------------------------------ */

static void set_reason(struct document *document, struct str reason)
{
    mem_free(document->unknown_reason);
    document->unknown_reason = document->text ? NULL : str_dup_c(reason);
}

/* Puts `text` (taken) in place and tells how it came from the one before. */
static void put(struct documents *documents, struct document *document, struct text *text,
                struct str reason, size_t start, size_t end, struct str with)
{
    struct text *before = document->text;
    document->text = text;
    document->is_behind = false;
    set_reason(document, reason);
    document->revision = ++documents->last_revision;
    document->sequence = ++documents->last_sequence;
    struct document_change change = {
        .document = document, .before = before, .start = start, .end = end, .with = with};
    observers_notify(documents, &change, false);
    text_unref(before);
}

static void put_whole(struct documents *documents, struct document *document, struct text *text,
                      struct str reason)
{
    size_t end = document->text ? text_len(document->text) : 0;
    put(documents, document, text, reason, 0, end, text ? text_bytes(text) : (struct str){0});
}

static void put_too_large(struct documents *documents, struct document *document, size_t size)
{
    struct buf reason = {0};
    buf_append_fmt(&reason, "its text of %zu MiB is above the limit of %zu MiB", size / MIB,
                   LIMIT_DOCUMENT_BYTES / MIB);
    put_whole(documents, document, NULL, buf_str(&reason));
    buf_finish(&reason);
}

void document_set_text(struct documents *documents, struct document *document, int64_t version,
                       struct text *text, struct str reason)
{
    document->version = version;
    if (text && text_len(text) > LIMIT_DOCUMENT_BYTES) {
        size_t size = text_len(text);
        text_unref(text);
        put_too_large(documents, document, size);
        return;
    }
    put_whole(documents, document, text, reason);
}

static enum status change_known(struct documents *documents, struct document *document,
                                size_t start, size_t end, struct str with, struct err *err)
{
    size_t len = text_len(document->text);
    if (start > end || end > len)
        return err_set(err, STATUS_INVALID,
                       "the change of bytes %zu to %zu does not fit into %s, which has %zu bytes",
                       start, end, document->uri, len);
    size_t new_len = len - (end - start) + with.len;
    if (new_len > LIMIT_DOCUMENT_BYTES) {
        put_too_large(documents, document, new_len);
        return err_set(err, STATUS_LIMIT, "%s has grown to %zu MiB; the limit is %zu MiB",
                       document->uri, new_len / MIB, LIMIT_DOCUMENT_BYTES / MIB);
    }
    struct text *text = text_replace(document->text, start, end, with);
    put(documents, document, text, (struct str){0}, start, end, with);
    return STATUS_OK;
}

enum status document_change(struct documents *documents, struct str uri, int64_t version,
                            size_t start, size_t end, struct str with, struct err *err)
{
    assert(!documents->notifying && "an observer changed a document");
    struct document *document = document_find_uri(documents, uri);
    if (!document)
        return err_set(err, STATUS_NOT_FOUND, STR_FMT " is not open", STR_ARG(uri));
    if (document->text) {
        int64_t old = document->version;
        document->version = version;
        enum status status = change_known(documents, document, start, end, with, err);
        if (status == STATUS_INVALID)
            document->version = old;
        return status;
    }
    document->version = version;
    document->revision = ++documents->last_revision;
    err_set(err, STATUS_UNSUPPORTED, "the text of %s is unknown: %s", document->uri,
            document->unknown_reason);
    struct document_change change = {.document = document};
    observers_notify(documents, &change, false);
    return STATUS_UNSUPPORTED;
}

void document_lose_text(struct documents *documents, struct str uri, struct str reason)
{
    assert(!documents->notifying && "an observer changed a document");
    struct document *document = document_find_uri(documents, uri);
    if (document)
        put_whole(documents, document, NULL, reason);
}
