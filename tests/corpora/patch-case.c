/* One case of tests/corpora/patch. usage: patch-case FOLDER, or --count FOLDER NUMBER
 *   input, input/…        the file the patch names first, or all files (none: there are none)
 *   patch.txt             the patch, or
 *   edit.json             {path, old_string, new_string, replace_all}, as edit_file takes it, or
 *   write.json            {path, content}, as write_file takes it
 *   expected, expected/…  the same files afterwards; for an error: as they were, whatever is here
 *   error.txt             or what is said instead
 *   notes.txt             what is said about a success (missing: nothing)
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <lanebridge/edit.h>
#include <lanebridge/json.h>

/* Aborts, also in a build without assert. */
#define CHECK(condition, ...)                                                                      \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: " #condition ": ", __FILE__, __LINE__);                        \
            fprintf(stderr, __VA_ARGS__);                                                          \
            fputc('\n', stderr);                                                                   \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

struct entry {
    char *path;
    struct text *text;
};
struct tree {
    VEC(struct entry) files;
};

struct example {
    const char *name, *folder;
    struct buf call, error, notes;
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
    CHECK(false, "%s is not there", path);
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

/* What is sent to an editor must lead to the planned text. */
static void check_spans(const struct text *before, const struct text *after)
{
    struct edit_spans spans;
    struct buf out = {0};
    size_t done = 0;

    edit_spans_between(before, after, &spans);
    for (size_t i = 0; i < spans.spans.len; i++) {
        const struct edit_span *span = &spans.spans.ptr[i];

        buf_append(&out, str_slice(text_bytes(before), done, span->start));
        buf_append(&out, span->with);
        done = span->end;
    }
    buf_append(&out, str_skip(text_bytes(before), done));
    CHECK(str_eq(buf_str(&out), text_bytes(after)), "span by span it is another text");
    buf_finish(&out);
    edit_spans_finish(&spans);
}

/* The plan done to the files, as an editor would: it must fit them. */
static void do_plan(struct tree *tree, const struct edit_plan *plan)
{
    for (size_t i = 0; i < plan->files.len; i++) {
        const struct edit_file *file = &plan->files.ptr[i];
        const char *target = file->kind == EDIT_MOVE ? file->new_path : file->path;

        CHECK((file->before == NULL) == (file->kind == EDIT_CREATE), "%s", file->path);
        CHECK((file->after == NULL) == (file->kind == EDIT_DELETE), "%s", file->path);
        CHECK((file->new_path == NULL) == (file->kind != EDIT_MOVE), "%s", file->path);
        if (file->before && file->after)
            check_spans(file->before, file->after);
        if (file->before) {
            CHECK(text_eq(tree_get(tree, file->path), file->before), "%s", file->path);
            tree_remove(tree, file->path);
        }
        if (file->after) {
            CHECK(!tree_get(tree, target), "%s is there already", target);
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

/* All or nothing: either the plan leads to what is expected, or there is none and errors. */
static void judge(struct example *x, enum status status, struct edit_plan *plan, struct buf *errors)
{
    check_bytes(x, "the error", buf_str(errors), buf_str(&x->error));
    CHECK((status < 0) == (errors->len > 0), "%s", x->name);
    if (status == STATUS_OK) {
        check_bytes(x, "the note", buf_str(&plan->notes), buf_str(&x->notes));
        do_plan(&x->input, plan);
        check_tree(x);
    } else {
        CHECK(plan->files.len == 0 && plan->notes.len == 0, "%s", x->name);
    }
    edit_plan_finish(plan);
    buf_finish(errors);
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
    judge(x, status, &plan, &errors);
    vec_finish(&sources);
}

static void read_trees(struct example *x, const char *first, const char *last)
{
    read_tree(&x->input, x->folder, "input", first);
    read_tree(&x->expected, x->folder, "expected", last);
}

static void run_patch(struct example *x)
{
    struct edit_patch *patch = NULL;
    struct err err;

    if (edit_patch_parse(buf_str(&x->call), &patch, &err) < 0) {
        CHECK(!patch, "%s", x->name);
        check_bytes(x, "the error", str_from(err.text), str_trim_end(buf_str(&x->error)));
        return;
    }
    read_trees(x, edit_patch_path(patch, 0).ptr,
               edit_patch_path(patch, edit_patch_path_count(patch) - 1).ptr);
    run_plan(x, patch);
    edit_patch_free(patch);
}

static void run_strings(struct example *x)
{
    struct json_value *call = NULL;
    struct edit_source source;
    struct edit_plan plan = {0};
    struct buf errors = {0};
    enum status status;

    CHECK(json_parse(buf_str(&x->call), &call, NULL) == STATUS_OK, "%s: no JSON", x->name);
    source = (struct edit_source){.path = json_get_str(call, "path")};
    read_trees(x, source.path.ptr, source.path.ptr);
    source.text = tree_get(&x->input, source.path.ptr);
    if (json_get(call, "content"))
        status = edit_write_plan(&source, json_get_str(call, "content"), &plan, &errors);
    else
        status = edit_replace_plan(&source, json_get_str(call, "old_string"),
                                   json_get_str(call, "new_string"),
                                   json_get_bool(call, "replace_all", false), &plan, &errors);
    judge(x, status, &plan, &errors);
    json_free(call);
}

static bool read_part(const struct example *x, const char *name, struct buf *bytes)
{
    char *path = join(x->folder, name);
    bool found = read_file(path, bytes);

    mem_free(path);
    return found;
}

static bool run_example(const char *folder)
{
    struct example x = {.name = path_name(str_from(folder)).ptr, .folder = folder};

    read_part(&x, "error.txt", &x.error);
    read_part(&x, "notes.txt", &x.notes);
    if (read_part(&x, "patch.txt", &x.call)) {
        run_patch(&x);
    } else {
        CHECK(read_part(&x, "edit.json", &x.call) || read_part(&x, "write.json", &x.call),
              "%s has no patch.txt, edit.json or write.json", folder);
        run_strings(&x);
    }
    tree_finish(&x.input);
    tree_finish(&x.expected);
    buf_finish(&x.call);
    buf_finish(&x.error);
    buf_finish(&x.notes);
    return !x.failed;
}

/* A folder that meson.build does not name would be a case that nobody runs. */
static bool has_cases(const char *folder, size_t named)
{
    DIR *dir = opendir(folder);
    struct dirent *entry;
    size_t count = 0;

    CHECK(dir, "%s cannot be opened", folder);
    while ((entry = readdir(dir)) != NULL)
        count += entry->d_name[0] >= '0' && entry->d_name[0] <= '9';
    closedir(dir);
    if (count != named)
        fprintf(stderr, "%zu cases are there, meson.build names %zu\n", count, named);
    return count == named;
}

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "--count") == 0)
        return has_cases(argv[2], (size_t)atol(argv[3])) ? 0 : 1;
    CHECK(argc == 2, "usage: patch-case FOLDER, or --count FOLDER NUMBER");
    return run_example(argv[1]) ? 0 : 1;
}
