#include "fixture.h"

#include <stdio.h>

TestSuite(path, .timeout = 60);

Test(path, resolves_what_models_write)
{
    static const struct {
        const char *text, *relative;
    } cases[] = {
        {"a.c", "a.c"},
        {"./a.c", "a.c"},
        {"sub//b.c", "sub/b.c"},
        {"sub/../a.c", "a.c"},
        {".", "."},
        {"sub/", "sub"},
        {"new/x/y", "new/x/y"},
        {"../ws/a.c", "a.c"},
        {"..a", "..a"},
        {"é.c", "é.c"},
        {"sub/./b.c", "sub/b.c"},
        {"a b", "a b"},
        {"link/b.c", "sub/b.c"},
        {"link", "link"},
        {"link/new/c", "sub/new/c"},
    };
    struct fixture fixture;
    fixture_init(&fixture);
    put_file(&fixture, "ws/sub/b.c", "");
    put_link(&fixture, "ws/link", "sub");
    FOR_BOTH_WAYS
    {
        for (size_t i = 0; i < array_count(cases); i++) {
            struct workspace_path path = resolve(&fixture, cases[i].text);
            cr_assert_str_eq(path.relative, cases[i].relative);
            cr_assert_str_eq(path.display, cases[i].relative);
            bool is_root = strcmp(cases[i].relative, ".") == 0;
            cr_assert_str_eq(path.absolute, is_root ? at(&fixture, "ws%s", "")
                                                    : at(&fixture, "ws/%s", cases[i].relative));
            struct workspace_path again = resolve(&fixture, path.absolute);
            cr_assert_str_eq(again.relative, path.relative);
            workspace_path_finish(&path);
            workspace_path_finish(&again);
        }
    }
    fixture_finish(&fixture);
}

Test(path, sec_10_path_text_is_checked)
{
    static const struct {
        struct str text;
        enum status status;
    } cases[] = {
        {{"", 0}, STATUS_INVALID},
        {{"a\0b", 3}, STATUS_INVALID},
        {{"a\nb", 3}, STATUS_INVALID},
        {{"a\rb", 3}, STATUS_INVALID},
        {{"a\x1b[0m", 5}, STATUS_INVALID},
        {{"a\x7f", 2}, STATUS_INVALID},
        {{"\xff\xfe", 2}, STATUS_INVALID},
        {{"\xc0\xae\xc0\xae/x", 6}, STATUS_INVALID}, /* ".." in overlong UTF-8 */
        {{"%2e%2e/outside/secret", 21}, STATUS_OK},  /* a name with percent signs: never decoded */
    };
    struct fixture fixture;
    fixture_init(&fixture);
    put_file(&fixture, "outside/secret", "secret");
    for (size_t i = 0; i < array_count(cases); i++) {
        struct workspace_path path = {0};
        struct err err = {0};
        cr_assert_eq(workspace_resolve(fixture.workspace, NULL, cases[i].text, &path, &err),
                     cases[i].status, "case %zu", i);
        cr_assert_eq(err.text[0] != '\0', cases[i].status < 0, "case %zu has a sentence", i);
        if (cases[i].status == STATUS_OK)
            cr_assert_eq(workspace_read(&path, 100, &(struct buf){0}, NULL, &err),
                         STATUS_NOT_FOUND);
        workspace_path_finish(&path);
    }
    struct buf longest = {0};
    buf_append_repeat(&longest, 'x', 5000);
    struct err err = {0};
    struct buf bytes = {0};
    cr_assert_eq(read_text(&fixture, longest.ptr, &bytes, &err), STATUS_INVALID);
    buf_truncate(&longest, 300);
    FOR_BOTH_WAYS
    {
        cr_assert_eq(read_text(&fixture, longest.ptr, &bytes, &err), STATUS_INVALID);
        cr_assert_eq(write_text(&fixture, longest.ptr, "x", &err), STATUS_INVALID);
    }
    buf_finish(&longest);
    fixture_finish(&fixture);
}

/* One table for every way out that path text and links can try. */
static const char *const ways_out[] = {
    "../outside/secret",
    "sub/../../outside/secret",
    "../ws-evil/secret",
    "..",
    "../",
    "/etc/passwd",
    "/proc/self/root/etc/passwd",
    "file-link",
    "file-link-absolute",
    "dir-link/secret",
    "dir-link-absolute/secret",
    "deep/up/outside/secret",
    "loop",
    "loop/x",
    "loop-a/x",
    "proc/root/etc/passwd",
    "proc/cwd/secret",
    "proc-fd",
    "chain/secret",
    "twice/secret",
    "sneaky",
};

static void make_ways_out(const struct fixture *fixture)
{
    put_file(fixture, "outside/secret", "secret");
    put_file(fixture, "ws-evil/secret", "secret");
    put_folder(fixture, "ws/sub");
    put_folder(fixture, "ws/deep");
    put_link(fixture, "ws/file-link", "../outside/secret");
    put_link(fixture, "ws/file-link-absolute", at(fixture, "outside/secret"));
    put_link(fixture, "ws/dir-link", "../outside");
    put_link(fixture, "ws/dir-link-absolute", at(fixture, "outside"));
    put_link(fixture, "ws/deep/up", "../..");
    put_link(fixture, "ws/loop", "loop");
    put_link(fixture, "ws/loop-a", "loop-b");
    put_link(fixture, "ws/loop-b", "loop-a");
    put_link(fixture, "ws/proc", "/proc/self");
    put_link(fixture, "ws/proc-fd", "/proc/self/fd/0");
    put_link(fixture, "ws/chain", "sub/onward");
    put_link(fixture, "ws/sub/onward", "../../outside");
    put_link(fixture, "ws/twice", "sub/../../ws-evil");
    put_link(fixture, "ws/sneaky", at(fixture, "ws/../outside/secret"));
}

Test(path, sec_07_no_path_reads_outside)
{
    struct fixture fixture;
    fixture_init(&fixture);
    make_ways_out(&fixture);
    FOR_BOTH_WAYS
    {
        for (size_t i = 0; i < array_count(ways_out); i++) {
            struct buf bytes = {0};
            struct err err = {0};
            enum status status = read_text(&fixture, ways_out[i], &bytes, &err);
            cr_assert_eq(status, STATUS_DENIED, "%s (way %d): %s, '%s'", ways_out[i], way,
                         status_name(status), err.text);
            cr_assert_eq(bytes.len, 0);
        }
    }
    fixture_finish(&fixture);
}

Test(path, sec_07_no_path_writes_outside)
{
    struct fixture fixture;
    fixture_init(&fixture);
    make_ways_out(&fixture);
    FOR_BOTH_WAYS
    {
        for (size_t i = 0; i < array_count(ways_out); i++) {
            struct err err = {0};
            enum status status = write_text(&fixture, ways_out[i], "overwritten", &err);
            cr_assert_eq(status, STATUS_DENIED, "%s (way %d): %s, '%s'", ways_out[i], way,
                         status_name(status), err.text);
        }
        cr_assert_eq(write_text(&fixture, "dir-link/new", "x", NULL), STATUS_DENIED);
        cr_assert_eq(write_text(&fixture, "dir-link/new/deeper", "x", NULL), STATUS_DENIED);
    }
    cr_assert_str_eq(get_file(&fixture, "outside/secret"), "secret");
    cr_assert_str_eq(get_file(&fixture, "ws-evil/secret"), "secret");
    cr_assert_str_eq(get_file(&fixture, "outside/new"), "(none)");
    fixture_finish(&fixture);
}

Test(path, sec_07_canonical_and_stat_stay_inside)
{
    struct fixture fixture;
    fixture_init(&fixture);
    make_ways_out(&fixture);
    FOR_BOTH_WAYS
    {
        struct workspace_path path = resolve(&fixture, "file-link");
        struct buf absolute = {0};
        struct workspace_stat found;
        cr_assert_eq(workspace_canonical(&path, &absolute, NULL), STATUS_DENIED);
        cr_assert_eq(absolute.len, 0);
        cr_assert_eq(workspace_stat(&path, &found, NULL), STATUS_OK);
        cr_assert(found.is_link && !found.is_file, "the link itself is looked at");
        struct workspace_path pinned;
        cr_assert_eq(workspace_pin(fixture.workspace, &path, &pinned, NULL), STATUS_DENIED);
        workspace_path_finish(&path);
    }
    fixture_finish(&fixture);
}

Test(path, sec_07_links_that_stay_inside_are_followed)
{
    static const struct {
        const char *link, *target, *text, *canonical;
    } cases[] = {
        {"ws/to-sub", "sub", "to-sub/f", "sub/f"},
        {"ws/to-file", "sub/f", "to-file", "sub/f"},
        {"ws/sub/back", "../sub", "sub/back/f", "sub/f"},
        {"ws/dotted", "sub/../sub/./f", "dotted", "sub/f"},
        {"ws/through", "to-sub/../sub/f", "through", "sub/f"},
        {"ws/real-dots", "jump/../f", "real-dots", "far/f"}, /* ".." of where jump leads */
    };
    struct fixture fixture;
    fixture_init(&fixture);
    put_file(&fixture, "ws/sub/f", "inside sub/f");
    put_file(&fixture, "ws/far/f", "inside far/f");
    put_folder(&fixture, "ws/far/away");
    put_link(&fixture, "ws/jump", "far/away");
    put_link(&fixture, "ws/absolute", at(&fixture, "ws/sub"));
    for (size_t i = 0; i < array_count(cases); i++)
        put_link(&fixture, cases[i].link, cases[i].target);
    FOR_BOTH_WAYS
    {
        for (size_t i = 0; i <= array_count(cases); i++) {
            bool last = i == array_count(cases);
            const char *text = last ? "absolute/f" : cases[i].text;
            const char *canonical = last ? "sub/f" : cases[i].canonical;
            struct workspace_path path = resolve(&fixture, text);
            struct buf bytes = {0}, absolute = {0}, expected = {0};
            struct err err = {0};
            cr_assert_eq(workspace_read(&path, 100, &bytes, NULL, &err), STATUS_OK, "%s: %s", text,
                         err.text);
            buf_append_fmt(&expected, "inside %s", canonical);
            cr_assert_str_eq(bytes.ptr, expected.ptr, "%s (way %d)", text, way);
            cr_assert_eq(workspace_canonical(&path, &absolute, &err), STATUS_OK);
            cr_assert_str_eq(absolute.ptr, at(&fixture, "ws/%s", canonical), "%s", text);
            workspace_path_finish(&path);
            buf_finish(&bytes);
            buf_finish(&absolute);
            buf_finish(&expected);
        }
    }
    fixture_finish(&fixture);
}

Test(path, sec_11_canonical_expands_what_exists)
{
    static const struct {
        const char *text, *canonical;
    } cases[] = {
        {"hooks/pre-commit", "ws/.git/hooks/pre-commit"},
        {"dangling", "ws/.git/new"},
        {"new/deep/file", "ws/new/deep/file"},
        {".", "ws"},
        {"hooks/a/b", "ws/.git/hooks/a/b"},
    };
    struct fixture fixture;
    fixture_init(&fixture);
    put_folder(&fixture, "ws/.git/hooks");
    put_link(&fixture, "ws/hooks", ".git/hooks");
    put_link(&fixture, "ws/dangling", ".git/new");
    FOR_BOTH_WAYS
    {
        for (size_t i = 0; i < array_count(cases); i++) {
            struct workspace_path path = resolve(&fixture, cases[i].text);
            struct buf absolute = {0};
            cr_assert_eq(workspace_canonical(&path, &absolute, NULL), STATUS_OK);
            cr_assert_str_eq(absolute.ptr, at(&fixture, "%s", cases[i].canonical));
            workspace_path_finish(&path);
            buf_finish(&absolute);
        }
    }
    fixture_finish(&fixture);
}

/* -- Roots ------------------------------------------------------------------------------------ */

Test(path, several_roots_are_told_apart_by_name)
{
    static const struct {
        const char *text, *display;
    } cases[] = {
        {"a.c", "ws/a.c"},
        {"ws/a.c", "ws/a.c"},
        {"ws-2/a.c", "ws-2/a.c"},
        {"ws-2", "ws-2"},
        {".", "ws"},
        {"other/a.c", "ws/other/a.c"},
        {"../other/ws/x", "ws-2/x"},
    };
    struct fixture fixture;
    fixture_init(&fixture);
    put_folder(&fixture, "other/ws");
    struct err err = {0};
    cr_assert_eq(workspace_add_root(fixture.workspace, str_from(at(&fixture, "other/ws")),
                                    (struct str){0}, &err),
                 STATUS_OK, "%s", err.text);
    for (size_t i = 0; i < array_count(cases); i++) {
        struct workspace_path path = resolve(&fixture, cases[i].text);
        cr_assert_str_eq(path.display, cases[i].display);
        struct workspace_path again = resolve(&fixture, path.display);
        cr_assert_str_eq(again.absolute, path.absolute, "what is shown can be used");
        workspace_path_finish(&path);
        workspace_path_finish(&again);
    }
    struct workspace_path path;
    cr_assert_eq(workspace_resolve(fixture.workspace, workspace_root_at(fixture.workspace, 1),
                                   STR("b.c"), &path, NULL),
                 STATUS_OK);
    cr_assert_str_eq(path.display, "ws-2/b.c");
    workspace_path_finish(&path);
    fixture_finish(&fixture);
}

Test(path, the_deepest_root_holds)
{
    struct fixture fixture;
    fixture_init(&fixture);
    put_folder(&fixture, "ws/inner");
    workspace_add_root(fixture.workspace, str_from(at(&fixture, "ws/inner")), STR("in/side"), NULL);
    struct workspace_path path = resolve(&fixture, at(&fixture, "ws/inner/x"));
    cr_assert_str_eq(path.display, "in-side/x");
    workspace_path_finish(&path);
    fixture_finish(&fixture);
}

Test(path, roots_are_checked)
{
    struct fixture fixture;
    fixture_init(&fixture);
    put_file(&fixture, "file", "");
    put_link(&fixture, "ws-link", "ws");
    const struct {
        const char *path;
        enum status status;
    } cases[] = {
        {at(&fixture, "none"), STATUS_NOT_FOUND},
        {at(&fixture, "file"), STATUS_INVALID},
        {at(&fixture, "ws"), STATUS_EXISTS},
        {at(&fixture, "ws-link"), STATUS_EXISTS},
        {"relative", STATUS_INVALID},
        {"", STATUS_INVALID},
    };
    for (size_t i = 0; i < array_count(cases); i++) {
        struct err err = {0};
        cr_assert_eq(
            workspace_add_root(fixture.workspace, str_from(cases[i].path), (struct str){0}, &err),
            cases[i].status, "%s: %s", cases[i].path, err.text);
        cr_assert(err.text[0]);
    }
    cr_assert_eq(workspace_root_count(fixture.workspace), 1);
    cr_assert_null(workspace_root_at(fixture.workspace, 1));
    fixture_finish(&fixture);
}

Test(path, so_many_roots_and_no_more)
{
    struct fixture fixture;
    fixture_init(&fixture);
    struct err err = {0};
    for (int i = 1; i <= LIMIT_ROOTS_COUNT; i++) {
        char name[32];
        snprintf(name, sizeof(name), "more/%d", i);
        put_folder(&fixture, name);
        enum status status = workspace_add_root(
            fixture.workspace, str_from(at(&fixture, "%s", name)), (struct str){0}, &err);
        cr_assert_eq(status, i < LIMIT_ROOTS_COUNT ? STATUS_OK : STATUS_LIMIT, "%d", i);
    }
    cr_assert(strstr(err.text, "at most 64 folders"), "%s", err.text);
    fixture_finish(&fixture);
}

Test(path, a_root_may_be_named_through_a_link)
{
    struct fixture fixture;
    fixture_init(&fixture);
    put_folder(&fixture, "real");
    put_link(&fixture, "spelled", "real");
    workspace_add_root(fixture.workspace, str_from(at(&fixture, "spelled")), (struct str){0}, NULL);
    struct workspace_path path = resolve(&fixture, at(&fixture, "spelled/x"));
    cr_assert_str_eq(path.absolute, at(&fixture, "real/x"));
    workspace_path_finish(&path);
    workspace_remove_root(fixture.workspace, str_from(at(&fixture, "spelled")));
    cr_assert_eq(workspace_root_count(fixture.workspace), 1);
    fixture_finish(&fixture);
}

Test(path, sec_15_large_roots_wait_to_be_confirmed)
{
    static const char *const names[] = {"home", "", "state"};
    struct fixture fixture;
    fixture_init(&fixture);
    put_file(&fixture, "home/x", "private");
    for (size_t i = 0; i < array_count(names); i++) {
        cr_assert_eq(workspace_add_root(fixture.workspace, str_from(at(&fixture, "%s", names[i])),
                                        (struct str){0}, NULL),
                     STATUS_OK);
        cr_assert_not(workspace_root_at(fixture.workspace, i + 1)->confirmed, "%s", names[i]);
    }
    cr_assert_eq(workspace_add_root(fixture.workspace, STR("/"), (struct str){0}, NULL), STATUS_OK);
    cr_assert_not(workspace_root_at(fixture.workspace, 4)->confirmed);
    cr_assert(workspace_root_at(fixture.workspace, 0)->confirmed);

    struct workspace_path path = resolve(&fixture, at(&fixture, "home/x"));
    struct buf bytes = {0};
    struct workspace_stat found;
    struct err err = {0};
    cr_assert_eq(workspace_read(&path, 100, &bytes, NULL, &err), STATUS_DENIED);
    cr_assert_eq(workspace_stat(&path, &found, &err), STATUS_DENIED);
    cr_assert_eq(workspace_write(&path, STR("x"), NULL, &err), STATUS_DENIED);
    cr_assert_eq(workspace_remove(&path, &err), STATUS_DENIED);
    cr_assert_eq(workspace_canonical(&path, &bytes, &err), STATUS_DENIED);
    workspace_root_at(fixture.workspace, 1)->confirmed = true;
    cr_assert_eq(workspace_read(&path, 100, &bytes, NULL, &err), STATUS_OK);
    cr_assert_str_eq(bytes.ptr, "private");
    workspace_path_finish(&path);
    buf_finish(&bytes);
    fixture_finish(&fixture);
}

Test(path, sec_15_a_removed_root_is_refused_by_paths_that_remember_it)
{
    struct fixture fixture;
    fixture_init(&fixture);
    put_file(&fixture, "ws/a", "a");
    struct workspace_path path = resolve(&fixture, "a");
    workspace_remove_root(fixture.workspace, str_from(at(&fixture, "ws")));
    struct buf bytes = {0};
    struct err err = {0};
    cr_assert_eq(workspace_read(&path, 100, &bytes, NULL, &err), STATUS_DENIED);
    cr_assert_eq(workspace_write(&path, STR("x"), NULL, &err), STATUS_DENIED);
    struct workspace_path other;
    cr_assert_eq(workspace_resolve(fixture.workspace, NULL, STR("a"), &other, &err),
                 STATUS_NOT_FOUND);
    workspace_path_finish(&path);
    fixture_finish(&fixture);
}
