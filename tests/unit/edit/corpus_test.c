/* tests/corpora/patch: a folder a case.
 *   input, input/…        the file the patch names first, or all files (none: there are none)
 *   patch.txt             the patch
 *   expected, expected/…  the same files afterwards
 *   error.txt             or what is said instead
 *   notes.txt             what is said about a success (missing: nothing)
 */
#include <criterion/criterion.h>
#include <dirent.h>
#include <stdio.h>
#include <sys/stat.h>

#include <lanebridge/edit.h>

TestSuite(corpus, .timeout = 30);

enum { CASES_MIN = 40 };

struct entry {
    char *path;
    struct text *text;
};
struct tree {
    VEC(struct entry) files;
};

struct example {
    const char *name;
    char *folder;
    struct buf patch, error, notes;
    struct tree input, expected;
    bool failed;
};

static bool read_file(const char *path, struct buf *buf)
{
    FILE *file = fopen(path, "rb");
    char bytes[4096];
    size_t n;

    if (!file)
        return false;
    while ((n = fread(bytes, 1, sizeof(bytes), file)) > 0)
        buf_append(buf, (struct str){bytes, n});
    fclose(file);
    return true;
}

static char *join(const char *folder, const char *name)
{
    struct buf buf = {0};

    buf_append_fmt(&buf, "%s%s%s", folder, *folder ? "/" : "", name);
    return buf_take(&buf);
}

static bool is_folder(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static void tree_set(struct tree *tree, const char *path, const struct text *text)
{
    struct entry entry = {mem_dup_c(path), text_ref(text)};

    vec_push(&tree->files, entry);
}

static struct text *tree_get(const struct tree *tree, const char *path)
{
    for (size_t i = 0; i < tree->files.len; i++) {
        if (strcmp(tree->files.ptr[i].path, path) == 0)
            return tree->files.ptr[i].text;
    }
    return NULL;
}

static void tree_remove(struct tree *tree, const char *path)
{
    for (size_t i = 0; i < tree->files.len; i++) {
        if (strcmp(tree->files.ptr[i].path, path) != 0)
            continue;
        mem_free(tree->files.ptr[i].path);
        text_unref(tree->files.ptr[i].text);
        vec_remove(&tree->files, i);
        return;
    }
    cr_assert_fail("%s is not there", path);
}

static void tree_finish(struct tree *tree)
{
    while (tree->files.len > 0)
        tree_remove(tree, tree->files.ptr[0].path);
    vec_finish(&tree->files);
}

static void read_folder(struct tree *tree, const char *folder, const char *below)
{
    DIR *dir = opendir(folder);
    struct dirent *entry;

    while ((entry = readdir(dir)) != NULL) {
        char *disk = join(folder, entry->d_name), *path = join(below, entry->d_name);
        struct buf bytes = {0};

        if (entry->d_name[0] != '.' && is_folder(disk)) {
            read_folder(tree, disk, path);
        } else if (entry->d_name[0] != '.' && read_file(disk, &bytes)) {
            struct text *text = text_take(&bytes);

            tree_set(tree, path, text);
            text_unref(text);
        }
        mem_free(disk);
        mem_free(path);
    }
    closedir(dir);
}

/* A single file is the one the patch names first (afterwards: last). */
static void read_tree(struct tree *tree, const char *folder, const char *name, const char *only)
{
    char *path = join(folder, name);
    struct buf bytes = {0};

    if (is_folder(path)) {
        read_folder(tree, path, "");
    } else if (read_file(path, &bytes)) {
        struct text *text = text_take(&bytes);

        tree_set(tree, only, text);
        text_unref(text);
    }
    mem_free(path);
}

static void complain(struct example *x, const char *what, struct str have, struct str want)
{
    x->failed = true;
    fprintf(stderr, "%s: %s is\n" STR_FMT "\nbut should be\n" STR_FMT "\n", x->name, what,
            STR_ARG(have), STR_ARG(want));
}

static void check_bytes(struct example *x, const char *what, struct str have, struct str want)
{
    if (!str_eq(have, want))
        complain(x, what, have, want);
}

/* The plan done to the files, as an editor would: it must fit them. */
static void do_plan(struct tree *tree, const struct edit_plan *plan)
{
    for (size_t i = 0; i < plan->files.len; i++) {
        const struct edit_file *file = &plan->files.ptr[i];
        const char *target = file->kind == EDIT_MOVE ? file->new_path : file->path;

        cr_assert_eq(file->before == NULL, file->kind == EDIT_CREATE);
        cr_assert_eq(file->after == NULL, file->kind == EDIT_DELETE);
        cr_assert_eq(file->new_path == NULL, file->kind != EDIT_MOVE);
        if (file->before) {
            cr_assert(text_eq(tree_get(tree, file->path), file->before));
            tree_remove(tree, file->path);
        }
        if (file->after) {
            cr_assert_null(tree_get(tree, target));
            tree_set(tree, target, file->after);
        }
    }
}

static void check_tree(struct example *x)
{
    if (x->input.files.len != x->expected.files.len)
        complain(x, "the number of files", STR("different"), STR("the same"));
    for (size_t i = 0; i < x->expected.files.len; i++) {
        const struct entry *want = &x->expected.files.ptr[i];
        struct text *have = tree_get(&x->input, want->path);

        check_bytes(x, want->path, have ? text_bytes(have) : STR("(missing)"),
                    text_bytes(want->text));
    }
}

static void run_plan(struct example *x, const struct edit_patch *patch)
{
    VEC(struct edit_source) sources = {0};
    struct edit_plan plan = {0};
    struct buf errors = {0};
    enum status status;

    for (size_t i = 0; i < edit_patch_path_count(patch); i++) {
        struct str path = edit_patch_path(patch, i);
        struct edit_source source = {path, tree_get(&x->input, path.ptr), STR("")};

        vec_push(&sources, source);
    }
    status = edit_patch_plan(patch, sources.ptr, sources.len, &plan, &errors);
    check_bytes(x, "the error", buf_str(&errors), buf_str(&x->error));
    cr_assert_eq(status<0, errors.len> 0);
    if (status == STATUS_OK) {
        check_bytes(x, "the note", buf_str(&plan.notes), buf_str(&x->notes));
        do_plan(&x->input, &plan);
        check_tree(x);
        edit_plan_finish(&plan);
    }
    buf_finish(&errors);
    vec_finish(&sources);
}

static void run_patch(struct example *x)
{
    struct edit_patch *patch = NULL;
    struct err err;

    if (edit_patch_parse(buf_str(&x->patch), &patch, &err) < 0) {
        cr_assert_null(patch);
        check_bytes(x, "the error", str_from(err.text), str_trim_end(buf_str(&x->error)));
        return;
    }
    read_tree(&x->input, x->folder, "input", edit_patch_path(patch, 0).ptr);
    read_tree(&x->expected, x->folder, "expected",
              edit_patch_path(patch, edit_patch_path_count(patch) - 1).ptr);
    run_plan(x, patch);
    edit_patch_free(patch);
}

static bool run_example(const char *name)
{
    struct example x = {.name = name, .folder = join(PATCH_CORPUS, name)};
    char *patch = join(x.folder, "patch.txt"), *error = join(x.folder, "error.txt");
    char *notes = join(x.folder, "notes.txt");

    cr_assert(read_file(patch, &x.patch), "%s has no patch.txt", name);
    read_file(error, &x.error);
    read_file(notes, &x.notes);
    run_patch(&x);
    tree_finish(&x.input);
    tree_finish(&x.expected);
    buf_finish(&x.patch);
    buf_finish(&x.error);
    buf_finish(&x.notes);
    mem_free(x.folder);
    mem_free(patch);
    mem_free(error);
    mem_free(notes);
    return !x.failed;
}

Test(corpus, every_case)
{
    struct dirent **entries;
    int count = scandir(PATCH_CORPUS, &entries, NULL, alphasort), cases = 0, failed = 0;

    for (int i = 0; i < count; i++) {
        if (entries[i]->d_name[0] >= '0' && entries[i]->d_name[0] <= '9') {
            cases++;
            failed += !run_example(entries[i]->d_name);
        }
        free(entries[i]);
    }
    if (count >= 0)
        free(entries);
    cr_assert_geq(cases, CASES_MIN);
    cr_assert_eq(failed, 0, "%d of %d cases failed", failed, cases);
}
