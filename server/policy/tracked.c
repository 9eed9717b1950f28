/* Which files git tracks, from its index: git itself is never run outside the sandbox.
 * Source: gitformat-index(5), versions 2 to 4. */
#include "policy-internal.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { HEADER_BYTES = 12, ENTRY_BYTES = 62, FLAG_EXTENDED = 0x4000, DEPTH_COUNT = 64 };
#define INDEX_BYTES (256 * MIB) /* a million files */

struct index {
    const unsigned char *at, *end;
    unsigned version;
    struct buf name;
};

static uint32_t be32(const unsigned char *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/* Version 4: how much of the last name to drop, in git's offset encoding. */
static bool read_offset(struct index *index, size_t *ret_value)
{
    size_t value = 0;
    for (unsigned i = 0; index->at < index->end && i < 5; i++) {
        unsigned char byte = *index->at++;
        value = (value << 7) | (byte & 0x7F);
        if (!(byte & 0x80)) {
            *ret_value = value;
            return true;
        }
        value++;
    }
    return false;
}

/* Leaves the entry's path in index->name. */
static bool next_entry(struct index *index)
{
    const unsigned char *start = index->at;
    if (index->end - start < ENTRY_BYTES + 2)
        return false;
    unsigned flags = (unsigned)start[60] << 8 | start[61];
    index->at += ENTRY_BYTES + (index->version >= 3 && (flags & FLAG_EXTENDED) ? 2 : 0);
    size_t drop = index->name.len;
    if (index->version == 4 && (!read_offset(index, &drop) || drop > index->name.len))
        return false;
    const unsigned char *nul = memchr(index->at, 0, (size_t)(index->end - index->at));
    if (!nul)
        return false;
    buf_truncate(&index->name, index->version == 4 ? index->name.len - drop : 0);
    buf_append(&index->name, (struct str){(const char *)index->at, (size_t)(nul - index->at)});
    size_t length = (size_t)(nul - start);
    index->at = index->version == 4 ? nul + 1 : start + (length / 8 + 1) * 8;
    return index->at <= index->end;
}

static void scan(struct index *index, uint32_t count, struct str prefix, tracked_fn *fn, void *user)
{
    while (count-- > 0 && next_entry(index)) {
        struct str name = buf_str(&index->name);
        if (prefix.len && !path_is_under(name, prefix))
            continue;
        fn(user, prefix.len ? path_relative(name, prefix) : name);
    }
}

static void scan_file(const char *path, struct str prefix, tracked_fn *fn, void *user)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    struct stat st;
    bool good = fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
                st.st_size > HEADER_BYTES && st.st_size < (off_t)INDEX_BYTES;
    /* Read, not mapped: who truncates it meanwhile must not end us. */
    size_t size = good ? (size_t)st.st_size : 0;
    unsigned char *bytes = good ? mem_alloc(size) : NULL;
    if (good && read(fd, bytes, size) == (ssize_t)size && memcmp(bytes, "DIRC", 4) == 0) {
        struct index index = {bytes + HEADER_BYTES, bytes + size, be32(bytes + 4), {0}};
        if (index.version >= 2 && index.version <= 4)
            scan(&index, be32(bytes + 8), prefix, fn, user);
        buf_finish(&index.name);
    }
    mem_free(bytes);
    if (fd >= 0)
        close(fd);
}

/* The work tree may begin above the root. */
void tracked_each(const char *root, tracked_fn *fn, void *user)
{
    struct str folder = str_from(root);
    for (unsigned depth = 0; folder.len && depth < DEPTH_COUNT; depth++) {
        struct policy_strings folders = {0};
        char *top = str_dup_c(folder);
        gitdirs_find(top, &folders);
        if (folders.len) {
            struct buf path = {0};
            path_append_join(&path, str_from(folders.ptr[0]), STR("index"));
            scan_file(path.ptr, path_relative(str_from(root), folder), fn, user);
            buf_finish(&path);
        }
        bool found = folders.len > 0;
        strings_finish(&folders);
        mem_free(top);
        if (found || folder.len == 1)
            return;
        folder = path_folder(folder);
    }
}
