/* Walking the tree, in order, with ignore files and what exists in the editor alone. */
#include "search-internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "beneath-internal.h"

/* -- Ignore files ----------------------------------------------------------------------------- */

/* One folder's ignore files, and those above. */
struct level {
    const struct level *up;
    size_t prefix;        /* bytes of a relative path that lead to this folder, with the slash */
    struct ignore *agent; /* .agentignore decides before .gitignore */
    struct ignore *git;
};

/* As it stands in the editor, if it is open there. */
static struct ignore *load_ignore(struct workspace_job *job, int folder_fd, struct str folder,
                                  const char *name)
{
    struct buf bytes = {0}, path = {0};
    struct ignore *ignore = NULL;
    path_append_join(&path, folder, str_from(name));
    const struct document_snapshot_entry *document = open_texts_find(&job->open, buf_str(&path));
    buf_finish(&path);
    if (document)
        return ignore_parse(text_bytes(document->text));
    int fd = folder_fd < 0 ? -1
                           : openat(folder_fd, name,
                                    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0)
        return NULL;
    struct stat found;
    if (fstat(fd, &found) == 0 && S_ISREG(found.st_mode) &&
        read_whole(fd, LIMIT_IGNORE_BYTES, &bytes, name, NULL) == STATUS_OK)
        ignore = ignore_parse(buf_str(&bytes));
    close(fd);
    buf_finish(&bytes);
    return ignore;
}

static void level_init(struct level *level, struct workspace_job *job, const struct level *up,
                       int folder_fd, struct str folder)
{
    *level = (struct level){
        .up = up,
        .prefix = folder.len ? folder.len + 1 : 0,
        .agent = load_ignore(job, folder_fd, folder, ".agentignore"),
        .git = load_ignore(job, folder_fd, folder, ".gitignore"),
    };
}

static void level_finish(struct level *level)
{
    ignore_free(level->agent);
    ignore_free(level->git);
}

static bool is_ignored(const struct level *deepest, struct str relative, bool is_folder)
{
    enum ignore_verdict agent = IGNORE_UNDECIDED, git = IGNORE_UNDECIDED;
    for (const struct level *level = deepest; level; level = level->up) {
        struct str path = str_skip(relative, level->prefix);
        if (level->agent && agent == IGNORE_UNDECIDED)
            agent = ignore_match(level->agent, path, is_folder);
        if (level->git && git == IGNORE_UNDECIDED)
            git = ignore_match(level->git, path, is_folder);
    }
    return (agent != IGNORE_UNDECIDED ? agent : git) == IGNORE_YES;
}

/* -- Names of one folder ---------------------------------------------------------------------- */

struct name {
    char *text;
    unsigned char type; /* DT_* */
    bool on_disk;
};
struct names {
    VEC(struct name) list;
    bool has_more; /* than LIMIT_WALK_ENTRIES_COUNT */
};

static void names_finish(struct names *names)
{
    for (size_t i = 0; i < names->list.len; i++)
        mem_free(names->list.ptr[i].text);
    vec_finish(&names->list);
}

static bool is_left_out(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0 ||
           str_eq_nocase(str_from(name), STR(".git"));
}

static unsigned char type_of(int folder_fd, const struct dirent *dirent)
{
    struct stat found;
    if (dirent->d_type != DT_UNKNOWN)
        return dirent->d_type;
    if (fstatat(folder_fd, dirent->d_name, &found, AT_SYMLINK_NOFOLLOW) < 0)
        return DT_UNKNOWN;
    return IFTODT(found.st_mode);
}

static void names_read(struct names *names, DIR *stream)
{
    struct dirent *dirent;
    while ((dirent = readdir(stream))) {
        if (is_left_out(dirent->d_name))
            continue;
        if (names->list.len >= LIMIT_WALK_ENTRIES_COUNT) {
            names->has_more = true;
            return;
        }
        struct name name = {mem_dup_c(dirent->d_name), type_of(dirfd(stream), dirent), true};
        vec_push(&names->list, name);
    }
}

static bool names_have(const struct names *names, struct str text)
{
    for (size_t i = 0; i < names->list.len; i++) {
        if (str_eq_c(text, names->list.ptr[i].text))
            return true;
    }
    return false;
}

/* Open texts without a file: the next step of their paths, if they lead through `folder`. */
static void names_add_missing(struct names *names, const struct open_texts *open, struct str folder)
{
    for (size_t i = 0; i < open->missing.len; i++) {
        struct str path = str_from(open->missing.ptr[i]), text;
        if (folder.len) {
            if (!path_is_under(path, folder))
                continue;
            path = path_relative(path, folder);
        }
        if (!path.len)
            continue;
        struct str rest = path;
        str_next(&rest, '/', &text);
        if (names_have(names, text))
            continue;
        struct name name = {str_dup_c(text), text.len < path.len ? DT_DIR : DT_REG, false};
        if (is_left_out(name.text))
            mem_free(name.text);
        else
            vec_push(&names->list, name);
    }
}

/* So that a walk in this order meets whole paths in byte order: a folder sorts as "name/". */
static int compare_paths(const void *left, const void *right)
{
    const struct name *a = left, *b = right;
    size_t same = 0;
    while (a->text[same] && a->text[same] == b->text[same])
        same++;
    unsigned char at_a = (unsigned char)a->text[same], at_b = (unsigned char)b->text[same];
    if (!at_a && a->type == DT_DIR)
        at_a = '/';
    if (!at_b && b->type == DT_DIR)
        at_b = '/';
    return (int)at_a - (int)at_b;
}

static int compare_folders_first(const void *left, const void *right)
{
    const struct name *a = left, *b = right;
    if ((a->type == DT_DIR) != (b->type == DT_DIR))
        return a->type == DT_DIR ? -1 : 1;
    return strcmp(a->text, b->text);
}

static void names_collect(struct names *names, struct workspace_job *job, DIR *stream,
                          struct str folder)
{
    if (stream)
        names_read(names, stream);
    names_add_missing(names, &job->open, folder);
    if (names->list.len)
        qsort(names->list.ptr, names->list.len, sizeof(struct name),
              job->kind->folders_first ? compare_folders_first : compare_paths);
    if (names->has_more)
        job->results.limited = true;
}

/* -- Folders ---------------------------------------------------------------------------------- */

struct walk_folder {
    atomic_uint references;
    int fd;
    DIR *stream; /* NULL, or owns fd */
};

/* Takes fd. NULL for -1, and when the folder cannot be read. */
static struct walk_folder *walk_folder_new(int fd, bool reads)
{
    DIR *stream = fd >= 0 && reads ? fdopendir(fd) : NULL;
    if (fd < 0)
        return NULL;
    if (reads && !stream) {
        close(fd);
        return NULL;
    }
    struct walk_folder *folder = mem_new(struct walk_folder);
    *folder = (struct walk_folder){.references = 1, .fd = fd, .stream = stream};
    return folder;
}

struct walk_folder *walk_folder_ref(struct walk_folder *folder)
{
    if (folder)
        atomic_fetch_add_explicit(&folder->references, 1, memory_order_relaxed);
    return folder;
}

void walk_folder_unref(struct walk_folder *folder)
{
    if (!folder || atomic_fetch_sub_explicit(&folder->references, 1, memory_order_acq_rel) > 1)
        return;
    if (folder->stream)
        closedir(folder->stream);
    else
        close(folder->fd);
    mem_free(folder);
}

int walk_folder_fd(const struct walk_folder *folder)
{
    return folder ? folder->fd : -1;
}

/* -- The walk --------------------------------------------------------------------------------- */

static bool walk_folder(struct workspace_job *job, int fd, struct buf *path, const struct level *up,
                        unsigned depth);

static int open_below(int folder_fd, const struct name *name)
{
    if (!name->on_disk)
        return -1;
    return openat(folder_fd, name->text,
                  O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
}

/* False: stop everything. `path` names the entry. */
static bool walk_name(struct workspace_job *job, struct walk_folder *folder,
                      const struct name *name, struct buf *path, const struct level *level,
                      unsigned depth)
{
    bool is_folder = name->type == DT_DIR;
    if (job_must_stop(job))
        return false;
    if (job_hides(job, buf_str(path), is_folder))
        return true;
    struct walk_entry entry = {
        .name = name->text,
        .relative = buf_str(path),
        .folder = name->on_disk ? folder : NULL,
        .folder_fd = name->on_disk ? walk_folder_fd(folder) : -1,
        .depth = depth,
        .is_folder = is_folder,
        .is_regular = name->type == DT_REG,
        .is_link = name->type == DT_LNK,
        .ignored = is_ignored(level, buf_str(path), is_folder),
        .document = is_folder ? NULL : open_texts_find(&job->open, buf_str(path)),
    };
    enum walk_next next = job->kind->visit(job, &entry);
    if (next != WALK_ENTER || !is_folder)
        return next != WALK_STOP;
    if (depth >= LIMIT_WALK_DEPTH_COUNT) {
        job->results.limited = true;
        return true;
    }
    int fd = open_below(walk_folder_fd(folder), name);
    if (fd < 0 && name->on_disk)
        return true; /* gone, swapped for a link, or not ours to read */
    return walk_folder(job, fd, path, level, depth + 1);
}

/* Takes fd; -1 for a folder that exists in the editor alone. `path` is used and restored. */
static bool walk_folder(struct workspace_job *job, int fd, struct buf *path, const struct level *up,
                        unsigned depth)
{
    struct walk_folder *folder = walk_folder_new(fd, true);
    if (fd >= 0 && !folder)
        return true;
    struct names names = {0};
    struct level level;
    size_t length = path->len;
    bool going = true;
    names_collect(&names, job, folder ? folder->stream : NULL, buf_str(path));
    level_init(&level, job, up, walk_folder_fd(folder), buf_str(path));
    for (size_t i = 0; going && i < names.list.len; i++) {
        if (length)
            buf_append_byte(path, '/');
        buf_append_c(path, names.list.ptr[i].text);
        going = walk_name(job, folder, &names.list.ptr[i], path, &level, depth);
        buf_truncate(path, length);
    }
    level_finish(&level);
    names_finish(&names);
    walk_folder_unref(folder);
    return going;
}

/* -- Where it starts -------------------------------------------------------------------------- */

/* The ignore files above the start count too: goes down one folder, then on. A search that starts
 * in what they ignore was asked for it, and minds only the files below. */
static void walk_from(struct workspace_job *job, struct str above, struct str rest, int start_fd,
                      const struct level *up)
{
    struct buf path = {0};
    if (!rest.len) {
        buf_append(&path, above);
        walk_folder(job, start_fd, &path, job->start_is_ignored ? NULL : up, 1);
        buf_finish(&path);
        return;
    }
    struct level level;
    struct str next;
    buf_append(&path, above);
    int fd = beneath_open(&job->root, above.len ? path.ptr : ".", O_RDONLY | O_DIRECTORY,
                          BENEATH_NO_LINKS);
    level_init(&level, job, up, fd, above);
    if (fd >= 0)
        close(fd);
    str_next(&rest, '/', &next);
    if (above.len)
        buf_append_byte(&path, '/');
    buf_append(&path, next);
    job->start_is_ignored = job->start_is_ignored || is_ignored(&level, buf_str(&path), true);
    walk_from(job, buf_str(&path), rest, start_fd, &level);
    level_finish(&level);
    buf_finish(&path);
}

/* A search that names one file searches it, ignored or not. */
static bool walk_file(struct workspace_job *job, bool on_disk)
{
    struct str relative = buf_str(&job->start), folder = path_folder(relative);
    struct buf folder_path = {0};
    buf_append(&folder_path, folder.len ? folder : STR("."));
    int fd = on_disk ? beneath_open(&job->root, folder_path.ptr, O_RDONLY | O_DIRECTORY,
                                    BENEATH_NO_LINKS)
                     : -1;
    buf_finish(&folder_path);
    if (on_disk && fd < 0) {
        job_fail(job, STATUS_NOT_FOUND, STR_FMT " cannot be opened", STR_ARG(relative));
        return false;
    }
    char *name = str_dup_c(path_name(relative));
    struct walk_folder *holder = walk_folder_new(fd, false);
    struct walk_entry entry = {
        .name = name,
        .relative = relative,
        .folder = holder,
        .folder_fd = fd,
        .depth = 1,
        .is_regular = true,
        .document = open_texts_find(&job->open, relative),
    };
    job->kind->visit(job, &entry);
    mem_free(name);
    walk_folder_unref(holder);
    return true;
}

static bool is_inside_git(struct str relative)
{
    struct str piece;
    while (str_next(&relative, '/', &piece)) {
        if (str_eq_nocase(piece, STR(".git")))
            return true;
    }
    return false;
}

static bool leads_to_missing(const struct workspace_job *job)
{
    for (size_t i = 0; i < job->open.missing.len; i++) {
        if (path_is_under(str_from(job->open.missing.ptr[i]), buf_str(&job->start)))
            return true;
    }
    return false;
}

static bool walk_start(struct workspace_job *job)
{
    struct str start = buf_str(&job->start);
    bool is_root = str_eq_c(start, ".");
    int fd = beneath_open(&job->root, job->start.ptr, O_RDONLY | O_DIRECTORY, BENEATH_NO_LINKS);
    bool is_open_file = open_texts_find(&job->open, start) != NULL;
    if (fd == -ENOTDIR || (fd == -ENOENT && is_open_file)) {
        if (job->kind->takes_file)
            return walk_file(job, fd == -ENOTDIR);
        job_fail(job, STATUS_INVALID, STR_FMT " is a file; %s needs a folder", STR_ARG(start),
                 job->kind->verb);
        return false;
    }
    if (fd < 0 && !(fd == -ENOENT && leads_to_missing(job))) {
        struct err err;
        beneath_error(&err, fd, job->start.ptr);
        job_fail(job, err.status, "%s", err.text);
        return false;
    }
    walk_from(job, STR(""), is_root ? STR("") : start, fd < 0 ? -1 : fd, NULL);
    return true;
}

bool walk_run(struct workspace_job *job)
{
    struct buf real = {0};
    int error = beneath_real(&job->root, job->start.ptr, true, &real);
    if (error < 0) {
        struct err err;
        beneath_error(&err, error, job->start.ptr);
        job_fail(job, err.status, "%s", err.text);
        return false;
    }
    buf_move(&job->start, &real);
    if (is_inside_git(buf_str(&job->start))) {
        job_fail(job, STATUS_DENIED, STR_FMT " is inside .git, which is not searched",
                 STR_ARG(buf_str(&job->start)));
        return false;
    }
    open_texts_prepare(&job->open, &job->root, &job->documents);
    return walk_start(job);
}
