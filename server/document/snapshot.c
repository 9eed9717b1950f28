/* The frozen view for worker threads. */
#include "document-internal.h"

static size_t count_spellings(const struct documents *documents)
{
    size_t count = 0;
    for (size_t i = 0; i < documents->records.len; i++)
        count += documents->records.ptr[i]->spellings.len;
    return count;
}

static bool has_entry(const struct document_snapshot *snapshot, size_t from, const char *path)
{
    for (size_t i = from; i < snapshot->count; i++) {
        if (str_eq_c(str_from(snapshot->entries[i].path), path))
            return true;
    }
    return false;
}

static void add_record(struct document_snapshot *snapshot, const struct record *record)
{
    const struct document *document = &record->document;
    size_t first = snapshot->count;
    for (size_t i = 0; i < record->spellings.len; i++) {
        const char *path = record->spellings.ptr[i].path;
        if (!path[0] || has_entry(snapshot, first, path))
            continue;
        snapshot->entries[snapshot->count++] = (struct document_snapshot_entry){
            .path = mem_dup_c(path),
            .device = document->device,
            .inode = document->inode,
            .text = text_ref(document->text),
            .version = document->version,
        };
    }
}

void document_snapshot_take(const struct documents *documents,
                            struct document_snapshot *ret_snapshot)
{
    struct document_snapshot snapshot = {0};
    snapshot.entries =
        mem_alloc_array(count_spellings(documents), sizeof(struct document_snapshot_entry));
    for (size_t i = 0; i < documents->records.len; i++)
        if (!documents->records.ptr[i]->document.is_behind)
            add_record(&snapshot, documents->records.ptr[i]);
    *ret_snapshot = snapshot;
}

void document_snapshot_finish(struct document_snapshot *snapshot)
{
    for (size_t i = 0; i < snapshot->count; i++) {
        mem_free(snapshot->entries[i].path);
        text_unref(snapshot->entries[i].text);
    }
    mem_free(snapshot->entries);
    *snapshot = (struct document_snapshot){0};
}

const struct document_snapshot_entry *
document_snapshot_find(const struct document_snapshot *snapshot, struct str path)
{
    for (size_t i = 0; i < snapshot->count; i++) {
        if (str_eq_c(path, snapshot->entries[i].path))
            return &snapshot->entries[i];
    }
    return NULL;
}
