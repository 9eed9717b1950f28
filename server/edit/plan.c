/* Plans: the sections of a patch are played on a small table of files in memory, and the plan is
 * the difference between how the table began and how it ended. So sections that touch one file
 * several times, move it, or delete and add it again, need no rules of their own. */
#include "apply-internal.h"
#include "plan-internal.h"

#define NO_FILE ((size_t)-1)

struct file {
    struct str path;
    struct text *before; /* borrowed; NULL: does not exist */
    struct text *now;    /* a reference; NULL: does not exist (any more) */
    struct str unreadable;
    size_t origin;  /* the file whose `before` became `now`, perhaps this one */
    size_t went_to; /* where it was moved to last */
};

struct planner {
    struct file *files;
    size_t count;
    struct buf notes, *errors;
    bool failed;
};

/* -- Shared by all kinds of edits -------------------------------------------------------------- */

bool edit_source_check(const struct edit_source *source, struct buf *errors)
{
    size_t bad;

    if (source->unreadable.len > 0) {
        buf_append_fmt(errors, STR_FMT ": " STR_FMT "\n", STR_ARG(source->path),
                       STR_ARG(source->unreadable));
        return false;
    }
    if (source->text && !utf8_is_valid(text_bytes(source->text), &bad)) {
        buf_append_fmt(errors,
                       STR_FMT ": is not UTF-8 (byte %zu), so it cannot be edited as text\n",
                       STR_ARG(source->path), bad);
        return false;
    }
    return true;
}

bool edit_size_check(struct str path, size_t bytes, struct buf *errors)
{
    if (bytes <= LIMIT_EDIT_FILE_BYTES)
        return true;
    buf_append_fmt(errors, STR_FMT ": would have %zu bytes; at most %zu can be written\n",
                   STR_ARG(path), bytes, LIMIT_EDIT_FILE_BYTES);
    return false;
}

bool edit_result_check(struct str path, const struct text *after, struct buf *errors)
{
    return edit_size_check(path, text_len(after), errors);
}

void edit_plan_push(struct edit_plan *plan, enum edit_kind kind, struct str path,
                    struct str new_path, struct text *before, struct text *after)
{
    struct edit_file file = {
        .kind = kind,
        .path = str_dup_c(path),
        .new_path = new_path.len > 0 ? str_dup_c(new_path) : NULL,
        .before = text_ref(before),
        .after = text_ref(after),
    };

    vec_push(&plan->files, file);
}

void edit_plan_push_update(struct edit_plan *plan, struct str path, struct text *before,
                           struct text *after)
{
    if (text_eq(before, after))
        buf_append_fmt(&plan->notes, STR_FMT ": nothing changes\n", STR_ARG(path));
    else
        edit_plan_push(plan, EDIT_UPDATE, path, STR(""), before, after);
}

void edit_plan_finish(struct edit_plan *plan)
{
    for (size_t i = 0; i < plan->files.len; i++) {
        struct edit_file *file = &plan->files.ptr[i];

        mem_free(file->path);
        mem_free(file->new_path);
        text_unref(file->before);
        text_unref(file->after);
    }
    vec_finish(&plan->files);
    buf_finish(&plan->notes);
}

/* -- Playing the sections ---------------------------------------------------------------------- */

static struct file *find_file(struct planner *p, const char *path)
{
    for (size_t i = 0; i < p->count; i++) {
        if (str_eq_c(p->files[i].path, path))
            return &p->files[i];
    }
    return NULL;
}

__attribute__((format(printf, 3, 4))) static void problem(struct planner *p, const char *path,
                                                          const char *format, ...)
{
    va_list args;

    buf_append_fmt(p->errors, "%s: ", path);
    va_start(args, format);
    buf_append_vfmt(p->errors, format, args);
    va_end(args);
    buf_append_byte(p->errors, '\n');
    p->failed = true;
}

static bool is_readable(struct planner *p, const struct file *file)
{
    struct edit_source source = {file->path, file->before, file->unreadable};

    if (edit_source_check(&source, p->errors))
        return true;
    p->failed = true;
    return false;
}

static bool exists(struct planner *p, const struct file *file, const char *hint)
{
    if (file->now)
        return true;
    if (file->went_to != NO_FILE)
        problem(p, file->path.ptr, "was moved to " STR_FMT " earlier in this patch",
                STR_ARG(p->files[file->went_to].path));
    else if (file->before)
        problem(p, file->path.ptr, "was deleted earlier in this patch");
    else
        problem(p, file->path.ptr, "does not exist%s", hint);
    return false;
}

/* Takes the reference. */
static void set_now(struct file *file, struct text *now)
{
    text_unref(file->now);
    file->now = now;
}

static void play_add(struct planner *p, const struct patch_op *op, struct file *file)
{
    struct text *text;

    if (!is_readable(p, file))
        return;
    if (file->now) {
        problem(p, op->path, "exists; use '*** Update File: '");
        return;
    }
    text = text_new(buf_str(&op->content));
    set_now(file, text);
    file->origin = NO_FILE;
}

static void play_delete(struct planner *p, const struct patch_op *op, struct file *file)
{
    if (is_readable(p, file) && exists(p, file, ", so it cannot be deleted"))
        set_now(file, NULL);
    file->origin = NO_FILE;
}

static void play_move(struct planner *p, const struct patch_op *op, struct file *from)
{
    struct file *to = find_file(p, op->new_path);

    if (to == from || !is_readable(p, to))
        return;
    if (to->now) {
        problem(p, op->path,
                "cannot move to %s, which exists; delete that file first or choose another name",
                op->new_path);
        return;
    }
    to->now = from->now;
    from->now = NULL;
    to->origin = from->origin;
    from->origin = NO_FILE;
    from->went_to = (size_t)(to - p->files);
}

static void play_update(struct planner *p, const struct patch_op *op, struct file *file)
{
    struct text *after;

    if (!is_readable(p, file) || !exists(p, file, "; use '*** Add File: '"))
        return;
    if (edit_apply_chunks(op, file->now, &after, &p->notes, p->errors) < 0) {
        p->failed = true;
        return;
    }
    if (edit_result_check(file->path, after, p->errors))
        set_now(file, after);
    else
        p->failed = true, text_unref(after);
    if (op->new_path)
        play_move(p, op, file);
}

static void play(struct planner *p, const struct patch_op *op)
{
    static void (*const plays[])(struct planner *, const struct patch_op *, struct file *) = {
        [PATCH_ADD] = play_add,
        [PATCH_DELETE] = play_delete,
        [PATCH_UPDATE] = play_update,
    };

    plays[op->kind](p, op, find_file(p, op->path));
}

/* -- The difference ---------------------------------------------------------------------------- */

/* A move is one only if the old name is free now and the new one was before; else the files are
 * changed, made and deleted one by one, in any order. */
static bool is_move(const struct planner *p, const struct file *to)
{
    return to->now && to->origin != NO_FILE && !to->before && !p->files[to->origin].now;
}

/* True for the source of a move: the target says it all. */
static bool has_moved(const struct planner *p, size_t from)
{
    for (size_t i = 0; i < p->count; i++) {
        if (p->files[i].origin == from && is_move(p, &p->files[i]))
            return true;
    }
    return false;
}

static void push_file(struct planner *p, size_t index, struct edit_plan *plan)
{
    struct file *file = &p->files[index];
    struct file *origin;

    if (file->now && file->before) {
        edit_plan_push_update(plan, file->path, file->before, file->now);
    } else if (file->now && is_move(p, file)) {
        origin = &p->files[file->origin];
        edit_plan_push(plan, EDIT_MOVE, origin->path, file->path, origin->before, file->now);
    } else if (file->now) {
        edit_plan_push(plan, EDIT_CREATE, file->path, STR(""), NULL, file->now);
    } else if (file->before && !has_moved(p, index)) {
        edit_plan_push(plan, EDIT_DELETE, file->path, STR(""), file->before, NULL);
    }
}

/* -- The door ---------------------------------------------------------------------------------- */

static void add_files(struct planner *p, const struct edit_patch *patch,
                      const struct edit_source *sources, size_t source_count)
{
    p->count = edit_patch_path_count(patch);
    p->files = mem_alloc_array(p->count, sizeof(*p->files));
    for (size_t i = 0; i < p->count; i++) {
        struct file *file = &p->files[i];

        *file =
            (struct file){.path = edit_patch_path(patch, i), .origin = NO_FILE, .went_to = NO_FILE};
        for (size_t k = 0; k < source_count; k++) {
            if (!str_eq(sources[k].path, file->path))
                continue;
            file->before = sources[k].text;
            file->now = text_ref(sources[k].text);
            file->origin = file->before ? i : NO_FILE;
            file->unreadable = sources[k].unreadable;
        }
    }
}

enum status edit_patch_plan(const struct edit_patch *patch, const struct edit_source *sources,
                            size_t source_count, struct edit_plan *ret_plan, struct buf *errors)
{
    struct planner p = {.errors = errors};
    struct edit_plan plan = {0};

    add_files(&p, patch, sources, source_count);
    for (size_t i = 0; i < patch->ops.len; i++)
        play(&p, &patch->ops.ptr[i]);
    if (!p.failed) {
        buf_move(&plan.notes, &p.notes);
        for (size_t i = 0; i < p.count; i++)
            push_file(&p, i, &plan);
        *ret_plan = plan;
    }
    for (size_t i = 0; i < p.count; i++)
        text_unref(p.files[i].now);
    mem_free(p.files);
    buf_finish(&p.notes);
    return p.failed ? STATUS_INVALID : STATUS_OK;
}
