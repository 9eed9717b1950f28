/* Two ways of doing one thing must agree: opening by the kernel and by the walk, searching by jumps
 * and line by line. Random cases from a fixed seed. */
#include "fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

TestSuite(agree, .timeout = 200);

static uint32_t roll(uint32_t *state, uint32_t sides)
{
    *state = *state * 1664525 + 1013904223;
    return (*state >> 8) % sides;
}

/* -- Paths ------------------------------------------------------------------------------------ */

static void roll_path(uint32_t *state, struct buf *path)
{
    static const char *const parts[] = {"a", "b", "c", "..", ".", "d", "..", "f", "none"};
    buf_clear(path);
    for (uint32_t count = 1 + roll(state, 5); count; count--) {
        if (path->len)
            buf_append_byte(path, '/');
        buf_append_c(path, parts[roll(state, array_count(parts))]);
    }
}

/* Folders and files a, b, c, d, f at several depths, some of them links to anywhere. */
static void make_maze(struct fixture *fixture, uint32_t *state)
{
    static const char *const names[] = {"a",   "b",   "c",   "d",   "f",     "a/b",   "a/c",
                                        "a/f", "b/a", "b/d", "c/d", "a/b/c", "a/b/f", "c/d/a"};
    struct buf target = {0};
    for (size_t i = 0; i < array_count(names); i++) {
        const char *path = at(fixture, "ws/%s", names[i]);
        uint32_t kind = roll(state, 4);
        roll_path(state, &target);
        int result = 0;
        if (kind < 2)
            result = symlink(kind ? at(fixture, "ws/%s", target.ptr) : target.ptr, path);
        else if (kind == 2)
            result = mkdir(path, 0755);
        else
            close(open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644));
        (void)result; /* its folder may be a file or a link to nowhere by now */
    }
    buf_finish(&target);
}

struct opened {
    int error;
    dev_t device;
    ino_t inode;
};

static struct opened open_way(const struct workspace_root *root, const char *path, bool walk,
                              enum beneath_links links)
{
    struct opened opened = {0};
    struct stat found;
    beneath_use_walk(walk);
    int fd = beneath_open(root, path, O_PATH, links);
    if (fd < 0) {
        opened.error = -fd;
        return opened;
    }
    cr_assert_eq(fstat(fd, &found), 0);
    opened.device = found.st_dev;
    opened.inode = found.st_ino;
    close(fd);
    return opened;
}

Test(agree, sec_07_the_walk_opens_what_the_kernel_opens)
{
    uint32_t state = 1;
    unsigned successes = 0;
    struct buf path = {0};
    for (int maze = 0; maze < 40; maze++) {
        struct fixture fixture;
        fixture_init(&fixture);
        make_maze(&fixture, &state);
        struct workspace_root *root = workspace_root_at(fixture.workspace, 0);
        for (int i = 0; i < 200; i++) {
            roll_path(&state, &path);
            enum beneath_links links = roll(&state, 4) ? BENEATH_FOLLOW : BENEATH_NO_LINKS;
            struct opened kernel = open_way(root, path.ptr, false, links);
            struct opened walk = open_way(root, path.ptr, true, links);
            cr_assert_eq(kernel.error, walk.error, "maze %d, %s: %s and %s", maze, path.ptr,
                         strerror(kernel.error), strerror(walk.error));
            cr_assert(kernel.device == walk.device && kernel.inode == walk.inode, "maze %d, %s",
                      maze, path.ptr);
            successes += !walk.error;
        }
        fixture_finish(&fixture);
    }
    buf_finish(&path);
    cr_assert_gt(successes, 500);
}

Test(agree, sec_07_canonical_names_what_is_opened)
{
    uint32_t state = 7;
    unsigned successes = 0;
    struct buf path = {0}, real = {0};
    for (int maze = 0; maze < 40; maze++) {
        struct fixture fixture;
        fixture_init(&fixture);
        make_maze(&fixture, &state);
        struct workspace_root *root = workspace_root_at(fixture.workspace, 0);
        for (int i = 0; i < 100; i++) {
            roll_path(&state, &path);
            struct opened opened = open_way(root, path.ptr, false, BENEATH_FOLLOW);
            if (opened.error)
                continue;
            buf_clear(&real);
            cr_assert_eq(beneath_real(root, path.ptr, true, &real), 0, "%s", path.ptr);
            struct opened again = open_way(root, real.ptr, false, BENEATH_NO_LINKS);
            cr_assert_eq(again.error, 0, "%s is %s", path.ptr, real.ptr);
            cr_assert_eq(again.inode, opened.inode, "%s is %s", path.ptr, real.ptr);
            successes++;
        }
        fixture_finish(&fixture);
    }
    buf_finish(&path);
    buf_finish(&real);
    cr_assert_gt(successes, 250);
}

/* -- Patterns --------------------------------------------------------------------------------- */

static void roll_text(uint32_t *state, struct buf *text)
{
    static const char *const parts[] = {"a",  "b", "ab", " ",    "\n",      "\n", "\r\n",
                                        "\r", "B", "é",  "\n\n", "aab\tba", "1",  "\xff"};
    buf_clear(text);
    for (uint32_t count = roll(state, 40); count; count--)
        buf_append_c(text, parts[roll(state, array_count(parts))]);
}

static void roll_pattern(uint32_t *state, struct buf *pattern)
{
    static const char *const parts[] = {"a",   "b",   "[^a]", "\\s",     ".",   "(?:a|b)",
                                        "^",   "$",   "a*",   "\\w+",    "b?",  "|",
                                        "(a)", "\\b", "é",    "[^\\n]*", "\\d", "\\s*",
                                        "\\W", "\\n", "(?i)", "a{1,2}",  "\\B", "\\r?"};
    buf_clear(pattern);
    for (uint32_t count = 1 + roll(state, 5); count; count--)
        buf_append_c(pattern, parts[roll(state, array_count(parts))]);
}

static void on_results(void *user, const struct workspace_results *results)
{
    struct buf *lines = user;
    buf_append_fmt(lines, "%d %s\n", results->status, results->error);
    for (size_t i = 0; i < results->count; i++)
        buf_append_fmt(lines, "%zu%s", results->matches[i].line,
                       results->matches[i].is_context ? "-" : ":");
}

static void grep(struct fixture *fixture, struct str pattern, struct buf *lines)
{
    struct workspace_path path = resolve(fixture, "f");
    struct workspace_search search = {
        .folder = &path, .pattern = pattern, .limit = 500, .context = 1};
    buf_clear(lines);
    workspace_grep(fixture->workspace, &search, on_results, lines);
    loop_run(fixture->loop);
    workspace_path_finish(&path);
}

/* A leading "(?-s)" changes nothing but that lines are then tried one by one. */
Test(agree, jumping_finds_what_going_line_by_line_finds)
{
    uint32_t state = 3;
    unsigned with_matches = 0;
    struct fixture fixture;
    struct buf text = {0}, pattern = {0}, slow = {0}, jumps = {0}, lines = {0};
    fixture_init(&fixture);
    for (int i = 0; i < 1500; i++) {
        roll_text(&state, &text);
        roll_pattern(&state, &pattern);
        put_bytes(&fixture, "ws/f", buf_str(&text));
        buf_clear(&slow);
        buf_append_fmt(&slow, "(?-s)%s", pattern.ptr);
        grep(&fixture, buf_str(&pattern), &jumps);
        grep(&fixture, buf_str(&slow), &lines);
        if (jumps.ptr[0] == '-')
            continue; /* no expression; its offsets differ */
        cr_assert_str_eq(jumps.ptr, lines.ptr, "case %d: %s", i, pattern.ptr);
        with_matches += jumps.len > 4;
    }
    buf_finish(&text);
    buf_finish(&pattern);
    buf_finish(&slow);
    buf_finish(&jumps);
    buf_finish(&lines);
    cr_assert_gt(with_matches, 300);
    fixture_finish(&fixture);
}
