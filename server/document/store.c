/* Which documents are open, under which names. */
#include "document-internal.h"

#include <assert.h>

static struct str identity_key(const struct identity *identity)
{
    return (struct str){(const char *)identity, sizeof(*identity)};
}

static bool identity_is_known(const struct identity *identity)
{
    return identity->inode != 0;
}

struct documents *documents_new(void)
{
    return mem_new(struct documents);
}

static void spelling_finish(struct spelling *spelling)
{
    mem_free(spelling->uri);
    mem_free(spelling->path);
}

static void record_free(struct record *record)
{
    for (size_t i = 0; i < record->spellings.len; i++)
        spelling_finish(&record->spellings.ptr[i]);
    vec_finish(&record->spellings);
    text_unref(record->document.text);
    mem_free(record->document.uri);
    mem_free(record->document.path);
    mem_free(record->document.language_id);
    mem_free(record->document.unknown_reason);
    mem_free(record);
}

void documents_free(struct documents *documents)
{
    if (!documents)
        return;
    assert(documents->observers.len == 0 && "an observer outlives the documents");
    for (size_t i = 0; i < documents->records.len; i++)
        record_free(documents->records.ptr[i]);
    vec_finish(&documents->records);
    vec_finish(&documents->observers);
    map_finish(&documents->by_uri);
    map_finish(&documents->by_path);
    map_finish(&documents->by_inode);
    mem_free(documents);
}

/* -- Finding ---------------------------------------------------------------------------------- */

struct record *record_find(const struct documents *documents, struct str uri)
{
    return map_get(&documents->by_uri, uri);
}

static struct document *public_part(struct record *record)
{
    return record ? &record->document : NULL;
}

struct document *document_find_uri(const struct documents *documents, struct str uri)
{
    return public_part(record_find(documents, uri));
}

struct document *document_find_path(const struct documents *documents, struct str path)
{
    return path.len ? public_part(map_get(&documents->by_path, path)) : NULL;
}

struct document *document_find_inode(const struct documents *documents, uint64_t device,
                                     uint64_t inode)
{
    struct identity identity = {device, inode};
    if (!identity_is_known(&identity))
        return NULL;
    return public_part(map_get(&documents->by_inode, identity_key(&identity)));
}

struct document *document_at(const struct documents *documents, size_t index)
{
    return index < documents->records.len ? &documents->records.ptr[index]->document : NULL;
}

/* -- Naming ----------------------------------------------------------------------------------- */

static void set_string(char **string, struct str value)
{
    char *copy = str_dup_c(value);
    mem_free(*string);
    *string = copy;
}

static void set_identity(struct documents *documents, struct record *record,
                         struct identity identity)
{
    struct identity old = {record->document.device, record->document.inode};
    if (identity_is_known(&old) && map_get(&documents->by_inode, identity_key(&old)) == record)
        map_remove(&documents->by_inode, identity_key(&old));
    record->document.device = identity.device;
    record->document.inode = identity.inode;
    if (identity_is_known(&identity))
        map_set(&documents->by_inode, identity_key(&identity), record);
}

/* The latest spelling is the one to be used back. */
static void take_latest_spelling(struct record *record)
{
    const struct spelling *latest = &vec_last(&record->spellings);
    set_string(&record->document.uri, str_from(latest->uri));
    set_string(&record->document.path, str_from(latest->path));
}

static bool has_path(const struct record *record, const char *path)
{
    for (size_t i = 0; i < record->spellings.len; i++) {
        if (str_eq_c(str_from(record->spellings.ptr[i].path), path))
            return true;
    }
    return false;
}

static void remove_spelling(struct documents *documents, struct record *record, struct str uri)
{
    for (size_t i = 0; i < record->spellings.len; i++) {
        struct spelling spelling = record->spellings.ptr[i];
        if (!str_eq_c(uri, spelling.uri))
            continue;
        map_remove(&documents->by_uri, uri);
        vec_remove(&record->spellings, i);
        struct str path = str_from(spelling.path);
        if (!has_path(record, spelling.path) && map_get(&documents->by_path, path) == record)
            map_remove(&documents->by_path, path);
        spelling_finish(&spelling);
        return;
    }
}

static void add_spelling(struct documents *documents, struct record *record, struct str uri,
                         struct str path)
{
    remove_spelling(documents, record, uri);
    struct spelling spelling = {str_dup_c(uri), str_dup_c(path)};
    vec_push(&record->spellings, spelling);
    map_set(&documents->by_uri, uri, record);
    if (path.len)
        map_set(&documents->by_path, path, record);
    take_latest_spelling(record);
}

/* -- Opening and closing ---------------------------------------------------------------------- */

static struct record *record_new(struct documents *documents)
{
    struct record *record = mem_new(struct record);
    vec_push(&documents->records, record);
    return record;
}

static void forget(struct documents *documents, struct record *record)
{
    set_identity(documents, record, (struct identity){0, 0});
    for (size_t i = 0; i < documents->records.len; i++) {
        if (documents->records.ptr[i] == record) {
            vec_remove(&documents->records, i);
            return;
        }
    }
}

static struct record *find_same_file(const struct documents *documents, struct str path,
                                     uint64_t device, uint64_t inode)
{
    struct document *document = document_find_path(documents, path);
    if (!document)
        document = document_find_inode(documents, device, inode);
    return document ? container_of(document, struct record, document) : NULL;
}

/* The same URI may now name another file (a link was turned): then the old one is closed for it. */
static struct record *record_for_open(struct documents *documents, struct str uri, struct str path,
                                      uint64_t device, uint64_t inode)
{
    struct record *same = find_same_file(documents, path, device, inode);
    struct record *named = record_find(documents, uri);
    if (named && !same)
        same = named;
    if (named && named != same)
        document_close(documents, uri, NULL);
    return same ? same : record_new(documents);
}

struct document *document_open(struct documents *documents, struct str uri, struct str path,
                               uint64_t device, uint64_t inode, struct str language_id,
                               int64_t version, struct text *text, struct str unknown_reason)
{
    assert(!documents->notifying && "an observer opened a document");
    struct record *record = record_for_open(documents, uri, path, device, inode);
    struct document *document = &record->document;
    add_spelling(documents, record, uri, path);
    set_identity(documents, record, (struct identity){device, inode});
    set_string(&document->language_id, language_id);
    document_set_text(documents, document, version, text_ref(text), unknown_reason);
    return document;
}

enum status document_close(struct documents *documents, struct str uri, struct err *err)
{
    assert(!documents->notifying && "an observer closed a document");
    struct record *record = record_find(documents, uri);
    if (!record)
        return err_set(err, STATUS_NOT_FOUND, STR_FMT " is not open", STR_ARG(uri));
    if (record->spellings.len > 1) {
        remove_spelling(documents, record, uri);
        take_latest_spelling(record);
        return STATUS_OK;
    }
    forget(documents, record);
    /* `uri` may be the document's own, so it goes last. */
    remove_spelling(documents, record, uri);
    record->document.revision = ++documents->last_revision;
    struct document_change change = {.document = &record->document,
                                     .before = record->document.text};
    observers_notify(documents, &change, true);
    record_free(record);
    return STATUS_OK;
}

void document_set_identity(struct documents *documents, struct str uri, uint64_t device,
                           uint64_t inode)
{
    struct record *record = record_find(documents, uri);
    if (record)
        set_identity(documents, record, (struct identity){device, inode});
}

void document_touch(struct documents *documents, struct str uri)
{
    struct record *record = record_find(documents, uri);
    if (record)
        record->document.sequence = ++documents->last_sequence;
}
