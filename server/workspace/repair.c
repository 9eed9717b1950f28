/* What a killed process left of a change of files: taken back, or cleaned up if it was done. */
#include "intent-internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

struct left {
    VEC(struct intent_step) steps;
    bool is_ready; /* names may have changed */
    size_t back;
    struct buf names, troubles;
};

static void left_finish(struct left *left)
{
    for (size_t i = 0; i < left->steps.len; i++)
        intent_step_finish(&left->steps.ptr[i]);
    vec_finish(&left->steps);
    buf_finish(&left->names);
    buf_finish(&left->troubles);
}

/* -- Reading ---------------------------------------------------------------------------------- */

static bool copy_name(struct str name, char ret_name[PLACE_NAME_BYTES])
{
    bool is_ours = !name.len || str_starts_with(name, STR(".lanebridge"));
    if (name.len >= PLACE_NAME_BYTES || !is_ours || str_find_byte(name, '/', 0) != STR_NONE)
        return false;
    snprintf(ret_name, PLACE_NAME_BYTES, STR_FMT, STR_ARG(name));
    return true;
}

static bool read_step(struct left *left, struct str line)
{
    struct str fields[6];
    uint64_t kept;
    for (size_t i = 0; i < array_count(fields); i++)
        if (!str_next(&line, '\t', &fields[i]))
            return false;
    struct intent_step step = {.removes = str_eq_c(fields[0], "remove")};
    if (!str_to_uint64(fields[3], &kept) || kept > fields[2].len ||
        !copy_name(fields[4], step.temporary) || !copy_name(fields[5], step.backup) ||
        left->steps.len >= INTENT_STEPS_MAX)
        return false;
    step.kept = (size_t)kept;
    step.root = str_dup_c(fields[1]);
    step.relative = str_dup_c(fields[2]);
    vec_push(&left->steps, step);
    return true;
}

static bool read_made(struct intent_step *step, struct str line)
{
    struct str word, numbers[4];
    str_next(&line, '\t', &word);
    for (size_t i = 0; i < array_count(numbers); i++)
        if (!str_next(&line, '\t', &numbers[i]))
            return false;
    return str_to_uint64(numbers[0], &step->old_inode) &&
           str_to_uint64(numbers[1], &step->new_inode) &&
           str_to_uint64(numbers[2], &step->new_size) &&
           str_to_int64(numbers[3], &step->new_modified_ns);
}

/* False: it is not whole, or none of ours; as far as it goes, nothing has changed its name. */
static bool read_lines(struct left *left, struct str text)
{
    struct str line;
    size_t made = 0;
    if (!str_next(&text, '\n', &line) || !str_eq_c(line, "lanebridge write 1"))
        return false;
    while (str_next(&text, '\n', &line) && line.len) {
        if (str_eq_c(line, "ready"))
            left->is_ready = made == left->steps.len;
        else if (str_starts_with(line, STR("made\t"))) {
            if (made >= left->steps.len || !read_made(&left->steps.ptr[made++], line))
                return true;
        } else if (!read_step(left, line)) {
            return true;
        }
    }
    return true;
}

/* -- One change ------------------------------------------------------------------------------- */

static const struct workspace_root *find_root(const struct workspace *workspace, const char *path)
{
    for (size_t i = 0; i < workspace->roots.len; i++)
        if (strcmp(workspace->roots.ptr[i]->root.path, path) == 0 &&
            root_check_usable(&workspace->roots.ptr[i]->root, NULL) == STATUS_OK)
            return &workspace->roots.ptr[i]->root;
    return NULL;
}

static int open_folder_of(const struct workspace_root *root, const struct intent_step *step)
{
    struct str folder = path_folder(str_from(step->relative));
    char *name = folder.len ? str_dup_c(folder) : mem_dup_c(".");
    int fd = beneath_open_folder(root, name, false);
    mem_free(name);
    return fd;
}

static bool step_back(struct left *left, const struct intent_step *step, int fd)
{
    char kept[PLACE_NAME_BYTES] = "";
    enum step_end end = intent_step_back(step, fd, kept);
    if (end == STEP_IS_BACK) {
        left->back++;
        buf_append_fmt(&left->names, "%s%s", left->names.len ? ", " : "", step->relative);
        return true;
    }
    buf_append_fmt(&left->troubles, " %s %s", step->relative,
                   end == STEP_STUCK ? "could not be put back." : "was changed since and stays.");
    if (kept[0])
        buf_append_fmt(&left->troubles, " Its earlier text is beside it in %s.", kept);
    return end != STEP_STUCK;
}

/* False: a folder of it is not open now, or the system refused: it is left for the next time. */
static bool settle(const struct workspace *workspace, struct left *left, bool is_done)
{
    if (!left->is_ready) /* what is known of files holds only for a whole note */
        for (size_t i = 0; i < left->steps.len; i++)
            left->steps.ptr[i].old_inode = left->steps.ptr[i].new_inode = 0;
    for (size_t i = 0; i < left->steps.len; i++)
        if (!find_root(workspace, left->steps.ptr[i].root))
            return false;
    bool all = true;
    for (size_t i = left->steps.len; i-- > 0;) {
        const struct intent_step *step = &left->steps.ptr[i];
        int fd = open_folder_of(find_root(workspace, step->root), step);
        if (fd < 0)
            continue; /* gone, with all that was in it */
        all &= is_done ? intent_step_clean(step, fd) : step_back(left, step, fd);
        close(fd);
    }
    for (size_t i = left->steps.len; !is_done && i-- > 0;)
        intent_remove_folders(find_root(workspace, left->steps.ptr[i].root), &left->steps.ptr[i]);
    return all;
}

static void tell(const struct left *left, struct buf *report)
{
    buf_append_c(report, "Lanebridge was stopped while it changed files, so the change was taken "
                         "back.");
    if (left->names.len)
        buf_append_fmt(report, " As before: " STR_FMT ".", STR_ARG(buf_str(&left->names)));
    buf_append(report, buf_str(&left->troubles));
    buf_append_byte(report, '\n');
}

/* -- All of them ------------------------------------------------------------------------------ */

/* Between opening and locking its process may have ended the change: then the name is gone, and
 * what the file says is not to be taken back. */
static bool has_name_still(int folder_fd, const char *name, int fd)
{
    struct stat file, named;
    return fstat(fd, &file) == 0 && fstatat(folder_fd, name, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
           file.st_ino == named.st_ino && file.st_dev == named.st_dev;
}

/* -1: none of ours, or its process lives. */
static int open_note(int folder_fd, const char *name)
{
    int fd = openat(folder_fd, name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return -1;
    if (state_is_ours(fd) && flock(fd, LOCK_EX | LOCK_NB) == 0 &&
        has_name_still(folder_fd, name, fd))
        return fd;
    close(fd);
    return -1;
}

static size_t repair_one(const struct workspace *workspace, int folder_fd, const char *name,
                         struct buf *report)
{
    int fd = open_note(folder_fd, name);
    struct buf text = {0};
    struct left left = {0};
    bool told = false;
    if (fd < 0)
        return 0;
    if (read_whole(fd, INTENT_FILE_BYTES, &text, name, NULL) == STATUS_OK &&
        (!read_lines(&left, buf_str(&text)) || settle(workspace, &left, intent_is_done(name)))) {
        told = left.is_ready && !intent_is_done(name);
        if (told)
            tell(&left, report);
        unlinkat(folder_fd, name, 0);
    }
    left_finish(&left);
    buf_finish(&text);
    close(fd);
    return told;
}

size_t workspace_repair(const struct workspace *workspace, struct buf *report)
{
    int folder_fd = intent_open_folder(workspace, false);
    DIR *folder = folder_fd < 0 ? NULL : fdopendir(folder_fd);
    size_t count = 0;
    struct dirent *entry;
    if (!folder && folder_fd >= 0)
        close(folder_fd);
    while (folder && (entry = readdir(folder)))
        if (str_starts_with(str_from(entry->d_name), STR("write")))
            count += repair_one(workspace, dirfd(folder), entry->d_name, report);
    if (folder)
        closedir(folder);
    return count;
}
