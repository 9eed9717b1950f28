/* Ignore files beside git itself: `git check-ignore` on random rules and random trees. */
#include <criterion/criterion.h>
#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "random.h"

TestSuite(git, .timeout = 60);

enum { TREES = 25, RULES_MAX = 6, PATHS_MAX = 40 };

/* One folder of the repository, with an ignore file and another one a level deeper. */
struct tree {
    struct buf outer, inner; /* .gitignore and d/.gitignore */
    char *paths[PATHS_MAX];  /* relative to it; folders end in "/" */
    size_t count;
};

static void append_random(struct buf *buf, uint64_t *seed, const char *const *pieces, size_t count,
                          size_t max)
{
    for (size_t n = 1 + random_below(seed, max); n > 0; n--)
        buf_append_c(buf, pieces[random_below(seed, count)]);
}

/* ASCII alone: of other characters git counts the bytes, where gitignore(5) says characters. And
 * `**` as a whole component alone: where it is glued to something, git 2.39 compares pointers into
 * two different strings, and says now this and now that; gitignore(5) says that it is a `*`. */
static void append_component(struct buf *buf, uint64_t *seed)
{
    static const char *const pieces[] = {
        "a",     "b",           "d", "*",   "?",     "[ab]", "\\",  "\\*", " ",    "[!a]", "[a-c",
        "[^d/]", "[[:alpha:]]", "#", "a.b", "[\\]]", "[]a]", "\\ ", "-",   "[b-]", "!"};
    if (random_below(seed, 5) == 0) {
        buf_append_c(buf, "**");
        return;
    }
    for (size_t n = 1 + random_below(seed, 4); n > 0; n--) {
        const char *piece = pieces[random_below(seed, array_count(pieces))];
        if (piece[0] != '*' || buf->len == 0 || buf->ptr[buf->len - 1] != '*')
            buf_append_c(buf, piece);
    }
}

static void append_rule(struct buf *buf, uint64_t *seed)
{
    struct buf rule = {0};
    buf_append_c(buf, random_below(seed, 4) == 0 ? "!" : "");
    buf_append_c(buf, random_below(seed, 4) == 0 ? "/" : "");
    for (size_t n = 1 + random_below(seed, 3); n > 0; n--) {
        buf_clear(&rule);
        append_component(&rule, seed);
        buf_append(buf, buf_str(&rule));
        buf_append_c(buf, n > 1 ? "/" : "");
    }
    buf_append_c(buf, random_below(seed, 4) == 0 ? "/" : "");
    buf_append_c(buf, random_below(seed, 6) == 0 ? "\r\n" : "\n");
    buf_finish(&rule);
}

static void append_path(struct buf *buf, uint64_t *seed)
{
    static const char *const names[] = {"a", "b",  "d",  "ab", "a.b", "]",
                                        "-", "a*", "d ", "#a", "!b"};
    for (size_t n = 1 + random_below(seed, 4); n > 0; n--) {
        append_random(buf, seed, names, array_count(names), 2);
        buf_append_c(buf, n > 1 ? "/" : "");
    }
}

/* -- On the disk ------------------------------------------------------------------------------- */

static void write_file(const char *path, struct str bytes)
{
    FILE *file = fopen(path, "w");
    cr_assert_not_null(file, "%s", path);
    fwrite(bytes.ptr ? bytes.ptr : "", 1, bytes.len, file);
    fclose(file);
}

static bool is_folder(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static void add_path(struct tree *tree, const char *path, bool folder)
{
    struct buf text = {0};
    buf_append_fmt(&text, "%s%s", path, folder ? "/" : "");
    for (size_t i = 0; i < tree->count; i++) {
        if (!str_eq_c(buf_str(&text), tree->paths[i]))
            continue;
        buf_finish(&text);
        return;
    }
    if (tree->count < PATHS_MAX)
        tree->paths[tree->count++] = buf_take(&text);
    buf_finish(&text);
}

/* With its folders; a name that is in the way ends it. */
static void make_path(struct tree *tree, const char *top, char *path)
{
    struct buf disk = {0};
    for (char *slash = strchr(path, '/');; slash = strchr(slash + 1, '/')) {
        if (slash)
            *slash = '\0';
        buf_clear(&disk);
        buf_append_fmt(&disk, "%s/%s", top, path);
        if (slash && mkdir(disk.ptr, 0755) < 0 && !is_folder(disk.ptr))
            break;
        if (!slash && is_folder(disk.ptr))
            break;
        if (!slash)
            write_file(disk.ptr, STR(""));
        add_path(tree, path, slash != NULL);
        if (!slash)
            break;
        *slash = '/';
    }
    buf_finish(&disk);
}

static void make_tree(struct tree *tree, const char *top, uint64_t *seed)
{
    struct buf path = {0};
    *tree = (struct tree){.count = 0};
    mkdir(top, 0755);
    for (size_t n = 1 + random_below(seed, RULES_MAX); n > 0; n--)
        append_rule(&tree->outer, seed);
    for (size_t n = random_below(seed, 3); n > 0; n--)
        append_rule(&tree->inner, seed);
    buf_append_fmt(&path, "%s/d", top);
    mkdir(path.ptr, 0755);
    buf_append_c(&path, "/.gitignore");
    write_file(path.ptr, buf_str(&tree->inner));
    buf_clear(&path);
    buf_append_fmt(&path, "%s/.gitignore", top);
    write_file(path.ptr, buf_str(&tree->outer));
    add_path(tree, "d", true);
    while (tree->count < PATHS_MAX - 6) {
        buf_clear(&path);
        append_path(&path, seed);
        make_path(tree, top, path.ptr);
    }
    buf_finish(&path);
}

/* -- The two verdicts -------------------------------------------------------------------------- */

static bool is_hidden(const struct ignore *outer, const struct ignore *inner, struct str path,
                      bool folder)
{
    enum ignore_verdict verdict = IGNORE_UNDECIDED;
    if (str_starts_with(path, STR("d/")))
        verdict = ignore_match(inner, str_skip(path, 2), folder);
    if (verdict == IGNORE_UNDECIDED)
        verdict = ignore_match(outer, path, folder);
    return verdict == IGNORE_YES;
}

/* A folder that is ignored hides all below. */
static bool is_ignored(const struct ignore *outer, const struct ignore *inner, const char *name)
{
    struct str path = str_from(name);
    bool folder = str_ends_with(path, STR("/"));
    path.len -= folder;
    for (size_t i = 0; i < path.len; i++) {
        if (path.ptr[i] == '/' && is_hidden(outer, inner, str_slice(path, 0, i), true))
            return true;
    }
    return is_hidden(outer, inner, path, folder);
}

/* As git is asked: what is a folder it sees for itself. */
static void append_name(struct buf *buf, size_t number, const char *path)
{
    buf_append_fmt(buf, "t%zu/%s", number, path);
    if (buf->ptr[buf->len - 1] == '/')
        buf_truncate(buf, buf->len - 1);
}

/* All paths in one run of git; what it names is ignored. */
static void ask_git(const char *repository, const char *input, struct buf *answer)
{
    struct buf command = {0};
    char bytes[4096];
    size_t n;
    buf_append_fmt(&command,
                   "cd %s && HOME=%s XDG_CONFIG_HOME=%s GIT_CONFIG_NOSYSTEM=1 GIT_DIR=%s/.git "
                   "git check-ignore --no-index --stdin -z <%s",
                   repository, repository, repository, repository, input);
    FILE *git = popen(command.ptr, "r");
    cr_assert_not_null(git);
    while ((n = fread(bytes, 1, sizeof(bytes), git)) > 0)
        buf_append(answer, (struct str){bytes, n});
    int status = pclose(git);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) <= 1, "git check-ignore: %d", status);
    buf_finish(&command);
}

static bool names(const struct buf *answer, const struct buf *path)
{
    struct str rest = buf_str(answer), one;
    while (rest.len > 0 && str_next(&rest, '\0', &one)) {
        if (str_eq(one, buf_str(path)))
            return true;
    }
    return false;
}

static void compare(const struct tree *tree, size_t number, const struct buf *answer)
{
    struct ignore *outer = ignore_parse(buf_str(&tree->outer));
    struct ignore *inner = ignore_parse(buf_str(&tree->inner));
    for (size_t i = 0; i < tree->count; i++) {
        struct buf path = {0};
        append_name(&path, number, tree->paths[i]);
        bool theirs = names(answer, &path);
        cr_expect_eq(is_ignored(outer, inner, tree->paths[i]), theirs,
                     "tree %zu: git says %s of %s with\n" STR_FMT "and in d/\n" STR_FMT, number,
                     theirs ? "yes" : "no", tree->paths[i], STR_ARG(buf_str(&tree->outer)),
                     STR_ARG(buf_str(&tree->inner)));
        buf_finish(&path);
    }
    ignore_free(outer);
    ignore_free(inner);
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)st, (void)kind, (void)ftw;
    return remove(path);
}

Test(git, says_the_same)
{
    static struct tree trees[TREES];
    char folder[] = "/tmp/lanebridge-git-XXXXXX", path[128];
    const char *first = getenv("LANEBRIDGE_SEED");
    uint64_t seed = (first ? strtoull(first, NULL, 10) : 1) * 0x9E3779B97F4A7C15u;
    struct buf list = {0}, answer = {0};
    if (system("git --version >/dev/null 2>&1") != 0)
        cr_skip_test("there is no git here");
    cr_assert_not_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "git init -q %s", folder);
    cr_assert_eq(system(path), 0);
    for (size_t t = 0; t < TREES; t++) {
        snprintf(path, sizeof(path), "%s/t%zu", folder, t);
        make_tree(&trees[t], path, &seed);
        for (size_t i = 0; i < trees[t].count; i++) {
            append_name(&list, t, trees[t].paths[i]);
            buf_append_byte(&list, '\0');
        }
    }
    snprintf(path, sizeof(path), "%s/.git/list", folder);
    write_file(path, buf_str(&list));
    ask_git(folder, path, &answer);
    cr_assert_gt(answer.len, 0);
    for (size_t t = 0; t < TREES; t++) {
        compare(&trees[t], t, &answer);
        buf_finish(&trees[t].outer);
        buf_finish(&trees[t].inner);
        for (size_t i = 0; i < trees[t].count; i++)
            mem_free(trees[t].paths[i]);
    }
    nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    buf_finish(&list);
    buf_finish(&answer);
}
