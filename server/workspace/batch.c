/* Several files changed as one. Every new file is written beside its place first; then names change
 * one after the other, the old files being kept under a name of ours; what fails, or is interrupted
 * by the end of the process, is taken back step by step (intent.c, repair.c). */
#include "intent-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

struct batch_step {
    struct intent_step intent;
    const struct workspace_path *path;
    const struct workspace_stat *expect; /* NULL: whatever is there */
    struct str bytes;
    size_t like; /* index of the step whose file gives the attributes, or STR_NONE */
    struct place place;
    struct stat found;             /* before; st_ino 0 for nothing */
    struct workspace_stat decided; /* the same */
};

struct batch {
    struct batch_step *steps;
    size_t count;
    struct intent intent;
};

/* -- Steps ------------------------------------------------------------------------------------ */

static struct intent_step *intent_steps(const struct batch *batch)
{
    struct intent_step *steps = mem_alloc_array(batch->count, sizeof(*steps));
    for (size_t i = 0; i < batch->count; i++)
        steps[i] = batch->steps[i].intent; /* borrowed */
    return steps;
}

/* How much of the path of its folder is there already. */
static size_t existing_folder(const struct workspace_path *path)
{
    struct buf folder = {0};
    buf_append(&folder, path_folder(str_from(path->relative)));
    while (folder.len) {
        int fd = beneath_open(path->root, folder.ptr, O_PATH | O_DIRECTORY, BENEATH_NO_LINKS);
        if (fd >= 0)
            close(fd);
        if (fd != -ENOENT)
            break;
        buf_truncate(&folder, path_folder(buf_str(&folder)).len);
    }
    size_t length = folder.len;
    buf_finish(&folder);
    return length;
}

static void add_step(struct batch *batch, const struct workspace_path *path, bool removes,
                     struct str bytes, const struct workspace_stat *expect, size_t like)
{
    struct batch_step *step = &batch->steps[batch->count++];
    *step = (struct batch_step){
        .path = path, .expect = expect, .bytes = bytes, .like = like, .place.folder_fd = -1};
    step->intent.removes = removes;
    step->intent.root = mem_dup_c(path->root->path);
    step->intent.relative = mem_dup_c(path->relative);
    step->intent.kept = existing_folder(path);
    if (!removes)
        place_make_name("tmp", step->intent.temporary);
    place_make_name("old", step->intent.backup);
}

/* A file that moves is a new one there, like the old one, which then goes. */
static void add_op(struct batch *batch, const struct workspace_op *op)
{
    static const struct workspace_stat nothing = {0};
    switch (op->kind) {
    case WORKSPACE_WRITE:
        add_step(batch, op->path, false, op->bytes, op->expect, STR_NONE);
        break;
    case WORKSPACE_REMOVE:
        add_step(batch, op->path, true, (struct str){0}, op->expect, STR_NONE);
        break;
    case WORKSPACE_MOVE:
        add_step(batch, op->path, true, (struct str){0}, op->expect, STR_NONE);
        add_step(batch, op->to, false, op->bytes, &nothing, batch->count - 1);
        break;
    }
}

static enum status check_size(const struct workspace_op *op, struct err *err)
{
    if (op->bytes.len <= LIMIT_EDIT_FILE_BYTES)
        return STATUS_OK;
    return err_set(err, STATUS_LIMIT, "%s would have %zu bytes; files up to %zu are written",
                   op->path->display, op->bytes.len, LIMIT_EDIT_FILE_BYTES);
}

/* -- Looking, and writing beside -------------------------------------------------------------- */

static enum status look(struct batch_step *step, struct err *err)
{
    enum status status = place_open(step->path, !step->intent.removes, &step->place, err);
    if (status < 0) {
        step->place.folder_fd = -1;
        return status;
    }
    status = step->intent.removes
                 ? place_check_movable(&step->place, &step->found, &step->decided, err)
                 : place_stat(&step->place, &step->found, &step->decided, err);
    if (status == STATUS_OK && !step->intent.removes)
        status = place_check_replaceable(&step->place, &step->decided, err);
    if (status == STATUS_OK && step->decided.is_folder)
        status = beneath_error(err, -EISDIR, step->place.display);
    if (status < 0)
        return status;
    if (step->expect && !place_is_same(step->expect, &step->decided))
        return !step->decided.exists || step->expect->exists
                   ? place_conflict(&step->place, err)
                   : beneath_error(err, -EEXIST, step->place.display);
    step->intent.old_inode = step->decided.inode;
    return STATUS_OK;
}

static enum status write_beside(const struct batch *batch, struct batch_step *step, struct err *err)
{
    const struct batch_step *like = step->like != STR_NONE ? &batch->steps[step->like]
                                    : step->decided.exists ? step
                                                           : NULL;
    struct stat made;
    int error = place_make_temporary(&step->place, step->intent.temporary, step->bytes,
                                     like ? &like->found : NULL);
    if (error == 0 &&
        fstatat(step->place.folder_fd, step->intent.temporary, &made, AT_SYMLINK_NOFOLLOW) < 0)
        error = -errno;
    if (error < 0)
        return beneath_error(err, error, step->place.display);
    struct workspace_stat converted;
    stat_convert(&made, &converted);
    step->intent.new_inode = converted.inode;
    step->intent.new_size = converted.size;
    step->intent.new_modified_ns = converted.modified_ns;
    return STATUS_OK;
}

/* -- Changing names --------------------------------------------------------------------------- */

/* What was pushed aside is what was decided about; else somebody changed it in that moment. */
static enum status check_aside(const struct batch_step *step, const char *aside, struct err *err)
{
    struct stat found;
    struct workspace_stat now;
    if (fstatat(step->place.folder_fd, aside, &found, AT_SYMLINK_NOFOLLOW) < 0)
        return beneath_error(err, -errno, step->place.display);
    stat_convert(&found, &now);
    return place_is_same(&step->decided, &now) ? STATUS_OK : place_conflict(&step->place, err);
}

/* For file systems that cannot exchange: the old file gets a second name, or where that cannot be
 * either, another name, for as long as one rename takes. */
static int replace_by_two(const struct batch_step *step)
{
    int fd = step->place.folder_fd;
    const char *name = step->place.name, *backup = step->intent.backup;
    if (linkat(fd, name, fd, backup, 0) < 0 && renameat(fd, name, fd, backup) < 0)
        return -errno;
    return renameat(fd, step->intent.temporary, fd, name) < 0 ? -errno : 0;
}

static enum status replace(struct batch_step *step, struct err *err)
{
    int fd = step->place.folder_fd;
    const char *name = step->place.name, *temporary = step->intent.temporary;
    if (renameat2(fd, temporary, fd, name, RENAME_EXCHANGE) == 0) {
        enum status status = check_aside(step, temporary, err);
        if (status < 0) /* theirs is the one that stays */
            renameat2(fd, temporary, fd, name, RENAME_EXCHANGE);
        return status;
    }
    int error = -errno;
    if (error == -ENOENT)
        return place_conflict(&step->place, err);
    if (error == -EINVAL || error == -ENOSYS)
        error = replace_by_two(step);
    return error < 0 ? beneath_error(err, error, step->place.display) : STATUS_OK;
}

static enum status remove_to_backup(struct batch_step *step, struct err *err)
{
    int fd = step->place.folder_fd;
    int error = place_rename_new(fd, step->place.name, fd, step->intent.backup);
    if (error < 0)
        return error == -ENOENT ? place_conflict(&step->place, err)
                                : beneath_error(err, error, step->place.display);
    enum status status = check_aside(step, step->intent.backup, err);
    if (status < 0)
        place_rename_new(fd, step->intent.backup, fd, step->place.name);
    return status;
}

static enum status change_name(struct batch_step *step, struct err *err)
{
    if (step->intent.removes)
        return remove_to_backup(step, err);
    struct stat found;
    struct workspace_stat now;
    enum status status = place_stat(&step->place, &found, &now, err);
    if (status == STATUS_OK && !place_is_same(&step->decided, &now))
        status = place_conflict(&step->place, err);
    if (status < 0)
        return status;
    if (step->decided.exists)
        return replace(step, err);
    int error = place_rename_new(step->place.folder_fd, step->intent.temporary,
                                 step->place.folder_fd, step->place.name);
    if (error == -EEXIST)
        return place_conflict(&step->place, err);
    return error < 0 ? beneath_error(err, error, step->place.display) : STATUS_OK;
}

/* -- The whole -------------------------------------------------------------------------------- */

/* The last one first. What cannot be taken back now is left to the next process, and told. */
static bool take_back(struct batch *batch, struct err *err)
{
    bool all = true;
    for (size_t i = batch->count; i-- > 0;) {
        struct batch_step *step = &batch->steps[i];
        char kept[PLACE_NAME_BYTES] = "";
        if (step->place.folder_fd < 0)
            continue;
        enum step_end end = intent_step_back(&step->intent, step->place.folder_fd, kept);
        if (end == STEP_STUCK || kept[0]) {
            all = false;
            if (err)
                err_prefix(err, "%s could not be put back%s%s", step->path->display,
                           kept[0] ? "; its earlier text is beside it in " : "", kept);
        }
    }
    for (size_t i = batch->count; i-- > 0;)
        intent_remove_folders(batch->steps[i].path->root, &batch->steps[i].intent);
    return all;
}

static enum status prepare(struct batch *batch, struct err *err)
{
    enum status status = STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && i < batch->count; i++)
        status = look(&batch->steps[i], err);
    for (size_t i = 0; status == STATUS_OK && i < batch->count; i++)
        if (!batch->steps[i].intent.removes)
            status = write_beside(batch, &batch->steps[i], err);
    if (status < 0)
        return status;
    struct intent_step *steps = intent_steps(batch);
    int error = intent_ready(&batch->intent, steps, batch->count);
    mem_free(steps);
    return error < 0 ? beneath_error(err, error, batch->steps[0].path->display) : STATUS_OK;
}

static enum status commit(struct batch *batch, struct err *err)
{
    enum status status = prepare(batch, err);
    for (size_t i = 0; status == STATUS_OK && i < batch->count; i++)
        status = change_name(&batch->steps[i], err);
    for (size_t i = 0; status == STATUS_OK && i < batch->count; i++)
        fsync(batch->steps[i].place.folder_fd);
    int error = status == STATUS_OK ? intent_done(&batch->intent) : 0;
    return error < 0 ? beneath_error(err, error, batch->steps[0].path->display) : status;
}

static void batch_finish(struct batch *batch)
{
    for (size_t i = 0; i < batch->count; i++) {
        struct batch_step *step = &batch->steps[i];
        if (step->place.folder_fd >= 0)
            close(step->place.folder_fd);
        intent_step_finish(&step->intent);
    }
    mem_free(batch->steps);
}

enum status workspace_write_all(struct workspace *workspace, const struct workspace_op *ops,
                                size_t count, struct err *err)
{
    struct batch batch = {.steps = mem_alloc_array(2 * count + 1, sizeof(*batch.steps))};
    enum status status = STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && i < count; i++) {
        status = check_size(&ops[i], err);
        add_op(&batch, &ops[i]);
    }
    if (status == STATUS_OK && batch.count > 0) {
        struct intent_step *steps = intent_steps(&batch);
        status = intent_begin(&batch.intent, workspace, steps, batch.count, err);
        mem_free(steps);
        if (status == STATUS_OK) {
            bool keep = false;
            status = commit(&batch, err);
            for (size_t i = 0; status == STATUS_OK && i < batch.count; i++)
                keep |= !intent_step_clean(&batch.steps[i].intent, batch.steps[i].place.folder_fd);
            if (status < 0)
                keep = !take_back(&batch, err);
            intent_end(&batch.intent, keep);
        }
    }
    batch_finish(&batch);
    return status;
}
