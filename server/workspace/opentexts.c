/* Which open text stands in for which file. */
#include "search-internal.h"

#include <fcntl.h>
#include <unistd.h>

#include "beneath-internal.h"

struct identity {
    uint64_t device, inode;
};

static struct str identity_key(const struct identity *identity)
{
    return (struct str){(const char *)identity, sizeof(*identity)};
}

/* Looks at the disk as it is now: the number an editor gave at opening may be another file's today.
 */
static void prepare_one(struct open_texts *open, const struct workspace_root *root,
                        struct document_snapshot_entry *entry)
{
    struct str path = str_from(entry->path);
    if (!entry->text || !path_is_under(path, str_from(root->path)))
        return;
    struct buf relative = {0};
    path_append_clean(&relative, path_relative(path, str_from(root->path)));
    map_set(&open->by_path, buf_str(&relative), entry);
    struct stat found;
    int fd = beneath_open(root, relative.ptr, O_PATH | O_NOFOLLOW, BENEATH_NO_LINKS);
    if (fd < 0) {
        vec_push(&open->missing, buf_take(&relative));
        return;
    }
    if (fstat(fd, &found) == 0 && found.st_nlink > 1) {
        struct identity identity = {found.st_dev, found.st_ino};
        map_set(&open->by_inode, identity_key(&identity), entry);
    }
    close(fd);
    buf_finish(&relative);
}

void open_texts_prepare(struct open_texts *open, const struct workspace_root *root,
                        const struct document_snapshot *snapshot)
{
    for (size_t i = 0; i < snapshot->count; i++)
        prepare_one(open, root, &snapshot->entries[i]);
}

void open_texts_finish(struct open_texts *open)
{
    for (size_t i = 0; i < open->missing.len; i++)
        mem_free(open->missing.ptr[i]);
    vec_finish(&open->missing);
    map_finish(&open->by_path);
    map_finish(&open->by_inode);
}

const struct document_snapshot_entry *open_texts_find(const struct open_texts *open,
                                                      struct str relative)
{
    return map_count(&open->by_path) ? map_get(&open->by_path, relative) : NULL;
}

const struct document_snapshot_entry *open_texts_find_inode(const struct open_texts *open,
                                                            const struct stat *found)
{
    if (found->st_nlink < 2 || !map_count(&open->by_inode))
        return NULL;
    struct identity identity = {found->st_dev, found->st_ino};
    return map_get(&open->by_inode, identity_key(&identity));
}

bool open_text_differs(const struct document_snapshot_entry *document, int folder_fd,
                       const char *name)
{
    struct stat found;
    if (folder_fd < 0)
        return true;
    int fd = openat(folder_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0)
        return true;
    struct buf bytes = {0};
    bool same = fstat(fd, &found) == 0 && S_ISREG(found.st_mode) &&
                read_whole(fd, LIMIT_DOCUMENT_BYTES + 3, &bytes, name, NULL) == STATUS_OK &&
                text_is_same(buf_str(&bytes), text_bytes(document->text));
    close(fd);
    buf_finish(&bytes);
    return !same;
}
