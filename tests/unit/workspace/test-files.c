#include "fixture.h"

#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

TestSuite(files, .timeout = 60);

/* -- Reading ---------------------------------------------------------------------------------- */

Test(files, reads_bytes_as_they_are)
{
    struct fixture fixture;
    fixture_init(&fixture);
    struct str content = {"\xef\xbb\xbf"
                          "a\0b\r\n\xff",
                          9};
    put_bytes(&fixture, "ws/sub/bytes", content);
    put_file(&fixture, "ws/empty", "");
    FOR_BOTH_WAYS
    {
        struct workspace_path path = resolve(&fixture, "sub/bytes");
        struct buf bytes = {0};
        struct workspace_stat found;
        cr_assert_eq(workspace_read(&path, content.len, &bytes, &found, NULL), STATUS_OK);
        cr_assert(str_eq(buf_str(&bytes), content));
        cr_assert(found.exists && found.is_file && found.size == content.len && found.links == 1);
        struct err err = {0};
        cr_assert_eq(workspace_read(&path, content.len - 1, &bytes, NULL, &err), STATUS_LIMIT);
        cr_assert_str_eq(err.text, "sub/bytes has 9 bytes; the limit here is 8");
        cr_assert_eq(bytes.len, content.len, "what was there stays");
        workspace_path_finish(&path);
        buf_clear(&bytes);
        cr_assert_eq(read_text(&fixture, "empty", &bytes, NULL), STATUS_OK);
        cr_assert_eq(bytes.len, 0);
        cr_assert_eq(read_text(&fixture, "none", &bytes, &err), STATUS_NOT_FOUND);
        cr_assert_str_eq(err.text, "none does not exist");
        cr_assert_eq(read_text(&fixture, "empty/x", &bytes, &err), STATUS_NOT_FOUND);
        buf_finish(&bytes);
    }
    fixture_finish(&fixture);
}

static void make_socket(const struct fixture *fixture, const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", at(fixture, "%s", name));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    close(fd);
}

Test(files, sec_09_only_regular_files_are_read_or_replaced)
{
    static const char *const names[] = {"fifo", "socket", "folder", "to-fifo"};
    struct fixture fixture;
    fixture_init(&fixture);
    cr_assert_eq(mkfifo(at(&fixture, "ws/fifo"), 0644), 0);
    make_socket(&fixture, "ws/socket");
    put_folder(&fixture, "ws/folder");
    put_link(&fixture, "ws/to-fifo", "fifo");
    FOR_BOTH_WAYS
    {
        for (size_t i = 0; i < array_count(names); i++) {
            struct buf bytes = {0};
            struct err err = {0};
            cr_assert_eq(read_text(&fixture, names[i], &bytes, &err), STATUS_UNSUPPORTED, "%s: %s",
                         names[i], err.text);
            enum status status = write_text(&fixture, names[i], "x", &err);
            cr_assert(status == STATUS_UNSUPPORTED || status == STATUS_DENIED, "%s", names[i]);
        }
    }
    struct workspace_path path = resolve(&fixture, "fifo");
    cr_assert_eq(workspace_remove(&path, NULL), STATUS_UNSUPPORTED);
    workspace_path_finish(&path);
    struct stat found;
    cr_assert(stat(at(&fixture, "ws/fifo"), &found) == 0 && S_ISFIFO(found.st_mode));
    fixture_finish(&fixture);
}

Test(files, sec_08_pinned_paths_follow_no_link_any_more)
{
    struct fixture fixture;
    fixture_init(&fixture);
    put_file(&fixture, "ws/plain", "plain");
    put_file(&fixture, "ws/secret.pem", "secret");
    put_link(&fixture, "ws/link", "plain");
    FOR_BOTH_WAYS
    {
        struct workspace_path path = resolve(&fixture, "link"), pinned;
        struct buf bytes = {0};
        cr_assert_eq(workspace_pin(fixture.workspace, &path, &pinned, NULL), STATUS_OK);
        cr_assert_str_eq(pinned.display, "plain");
        cr_assert_eq(workspace_read(&pinned, 100, &bytes, NULL, NULL), STATUS_OK);
        cr_assert_eq(rename(at(&fixture, "ws/plain"), at(&fixture, "ws/moved")), 0);
        put_link(&fixture, "ws/plain", "secret.pem");
        cr_assert_eq(workspace_read(&pinned, 100, &bytes, NULL, NULL), STATUS_DENIED);
        cr_assert_str_eq(bytes.ptr, "plain");
        cr_assert_eq(rename(at(&fixture, "ws/moved"), at(&fixture, "ws/plain")), 0);
        workspace_path_finish(&path);
        workspace_path_finish(&pinned);
        buf_finish(&bytes);
    }
    fixture_finish(&fixture);
}

/* -- Writing ---------------------------------------------------------------------------------- */

Test(files, writes_new_files_and_their_folders)
{
    struct fixture fixture;
    fixture_init(&fixture);
    FOR_BOTH_WAYS
    {
        static const char *const folders[] = {"kernel/deep", "walk/deep"};
        const char *folder = folders[way];
        char name[100], disk[100];
        snprintf(name, sizeof(name), "%s/file", folder);
        snprintf(disk, sizeof(disk), "ws/%s/file", folder);
        struct err err = {0};
        cr_assert_eq(write_text(&fixture, name, "one\n", &err), STATUS_OK, "%s", err.text);
        cr_assert_str_eq(get_file(&fixture, disk), "one\n");
        cr_assert_eq(write_text(&fixture, name, "two\n", &err), STATUS_OK, "%s", err.text);
        cr_assert_str_eq(get_file(&fixture, disk), "two\n");
        snprintf(disk, sizeof(disk), "ws/%s", folder);
        cr_assert_eq(count_names(&fixture, disk), 1, "no temporary file stays");
    }
    cr_assert_eq(write_text(&fixture, ".", "x", NULL), STATUS_DENIED);
    fixture_finish(&fixture);
}

Test(files, keeps_the_mode)
{
    static const mode_t modes[] = {0755, 0600, 0644, 0700};
    struct fixture fixture;
    fixture_init(&fixture);
    for (size_t i = 0; i < array_count(modes); i++) {
        struct stat found;
        put_file(&fixture, "ws/file", "old");
        cr_assert_eq(chmod(at(&fixture, "ws/file"), modes[i]), 0);
        cr_assert_eq(write_text(&fixture, "file", "new", NULL), STATUS_OK);
        cr_assert_eq(stat(at(&fixture, "ws/file"), &found), 0);
        cr_assert_eq(found.st_mode & 07777, modes[i]);
    }
    fixture_finish(&fixture);
}

Test(files, sec_09_files_with_several_names_are_not_written)
{
    struct fixture fixture;
    fixture_init(&fixture);
    put_file(&fixture, "outside/secret", "secret");
    cr_assert_eq(link(at(&fixture, "outside/secret"), at(&fixture, "ws/hard")), 0);
    FOR_BOTH_WAYS
    {
        struct err err = {0};
        cr_assert_eq(write_text(&fixture, "hard", "x", &err), STATUS_DENIED);
        cr_assert(strstr(err.text, "2 names"), "%s", err.text);
    }
    cr_assert_str_eq(get_file(&fixture, "outside/secret"), "secret");
    fixture_finish(&fixture);
}

Test(files, refuses_links_and_read_only_files)
{
    struct fixture fixture;
    fixture_init(&fixture);
    put_file(&fixture, "ws/real", "real");
    put_link(&fixture, "ws/link", "real");
    put_file(&fixture, "ws/locked", "locked");
    cr_assert_eq(chmod(at(&fixture, "ws/locked"), 0444), 0);
    become_nobody(&fixture);
    cr_assert_eq(write_text(&fixture, "link", "x", NULL), STATUS_DENIED);
    struct err err = {0};
    cr_assert_eq(write_text(&fixture, "locked", "x", &err), STATUS_DENIED);
    cr_assert_str_eq(err.text, "locked is read-only");
    cr_assert_str_eq(get_file(&fixture, "ws/real"), "real");
    cr_assert_str_eq(get_file(&fixture, "ws/locked"), "locked");
    fixture_finish(&fixture);
}

Test(files, sec_32_what_changed_since_is_a_conflict)
{
    struct fixture fixture;
    fixture_init(&fixture);
    struct workspace_path path = resolve(&fixture, "file");
    struct workspace_stat missing, known;
    cr_assert_eq(workspace_stat(&path, &missing, NULL), STATUS_OK);
    cr_assert_not(missing.exists);
    cr_assert_eq(workspace_write(&path, STR("one"), &missing, NULL), STATUS_OK);
    struct err err = {0};
    cr_assert_eq(workspace_write(&path, STR("two"), &missing, &err), STATUS_CONFLICT);
    cr_assert_str_eq(err.text, "file has changed on disk since it was read; read it again");
    cr_assert_eq(workspace_stat(&path, &known, NULL), STATUS_OK);
    cr_assert_eq(workspace_write(&path, STR("three"), &known, NULL), STATUS_OK);
    cr_assert_eq(workspace_write(&path, STR("four"), &known, &err), STATUS_CONFLICT);
    cr_assert_str_eq(get_file(&fixture, "ws/file"), "three");
    cr_assert_eq(unlink(at(&fixture, "ws/file")), 0);
    cr_assert_eq(workspace_write(&path, STR("five"), &known, &err), STATUS_CONFLICT);
    cr_assert_str_eq(get_file(&fixture, "ws/file"), "(none)");
    cr_assert_eq(count_names(&fixture, "ws"), 0);
    workspace_path_finish(&path);
    fixture_finish(&fixture);
}

Test(files, too_much_is_refused_before_anything_happens)
{
    struct fixture fixture;
    fixture_init(&fixture);
    struct buf bytes = {0};
    buf_append_repeat(&bytes, 'x', LIMIT_EDIT_FILE_BYTES + 1);
    struct workspace_path path = resolve(&fixture, "new/file");
    cr_assert_eq(workspace_write(&path, buf_str(&bytes), NULL, NULL), STATUS_LIMIT);
    cr_assert_eq(count_names(&fixture, "ws"), 0);
    workspace_path_finish(&path);
    buf_finish(&bytes);
    fixture_finish(&fixture);
}

/* -- Removing and renaming -------------------------------------------------------------------- */

Test(files, removes_files_links_and_empty_folders)
{
    static const struct {
        const char *name;
        enum status status;
    } cases[] = {
        {"file", STATUS_OK},       {"link", STATUS_OK},        {"empty", STATUS_OK},
        {"full", STATUS_CONFLICT}, {"none", STATUS_NOT_FOUND}, {".", STATUS_DENIED},
        {"out", STATUS_OK},
    };
    struct fixture fixture;
    fixture_init(&fixture);
    put_file(&fixture, "ws/file", "");
    put_file(&fixture, "ws/kept", "kept");
    put_link(&fixture, "ws/link", "kept");
    put_folder(&fixture, "ws/empty");
    put_file(&fixture, "ws/full/x", "");
    put_link(&fixture, "ws/out", "../outside");
    for (size_t i = 0; i < array_count(cases); i++) {
        struct workspace_path path = resolve(&fixture, cases[i].name);
        struct err err = {0};
        cr_assert_eq(workspace_remove(&path, &err), cases[i].status, "%s: %s", cases[i].name,
                     err.text);
        workspace_path_finish(&path);
    }
    cr_assert_str_eq(get_file(&fixture, "ws/kept"), "kept");
    cr_assert_eq(access(at(&fixture, "outside"), F_OK), 0);
    cr_assert_eq(count_names(&fixture, "ws"), 2);
    fixture_finish(&fixture);
}

Test(files, renames_but_never_replaces)
{
    static const struct {
        const char *from, *to;
        enum status status;
    } cases[] = {
        {"a", "b", STATUS_EXISTS},       {"a", "new/deep/a", STATUS_OK},
        {"none", "x", STATUS_NOT_FOUND}, {"folder", "folder/inside", STATUS_INVALID},
        {"folder", "moved", STATUS_OK},  {"b", "link", STATUS_EXISTS},
        {"b", ".", STATUS_DENIED},       {"b", "b", STATUS_EXISTS},
    };
    struct fixture fixture;
    fixture_init(&fixture);
    put_file(&fixture, "ws/a", "a");
    put_file(&fixture, "ws/b", "b");
    put_file(&fixture, "ws/folder/f", "f");
    put_link(&fixture, "ws/link", "nowhere");
    for (size_t i = 0; i < array_count(cases); i++) {
        struct workspace_path from = resolve(&fixture, cases[i].from);
        struct workspace_path to = resolve(&fixture, cases[i].to);
        struct err err = {0};
        cr_assert_eq(workspace_rename(&from, &to, &err), cases[i].status, "%s to %s: %s",
                     cases[i].from, cases[i].to, err.text);
        workspace_path_finish(&from);
        workspace_path_finish(&to);
    }
    cr_assert_str_eq(get_file(&fixture, "ws/new/deep/a"), "a");
    cr_assert_str_eq(get_file(&fixture, "ws/b"), "b");
    cr_assert_str_eq(get_file(&fixture, "ws/moved/f"), "f");
    fixture_finish(&fixture);
}

/* -- Open text against the disk --------------------------------------------------------------- */

Test(files, unsaved_is_what_differs_from_the_disk)
{
    static const struct {
        const char *disk, *text;
        bool unsaved;
    } cases[] = {
        {"same\n", "same\n", false},
        {"\xef\xbb\xbfsame\n", "same\n", false},
        {"same\n", "same", true},
        {"a\r\n", "a\n", true},
        {"", "", false},
        {NULL, "", true},
        {"x", NULL, true},
    };
    struct fixture fixture;
    fixture_init(&fixture);
    struct documents *documents = documents_new();
    for (size_t i = 0; i < array_count(cases); i++) {
        unlink(at(&fixture, "ws/file"));
        if (cases[i].disk)
            put_file(&fixture, "ws/file", cases[i].disk);
        struct text *text = cases[i].text ? text_new(str_from(cases[i].text)) : NULL;
        struct document *document =
            document_open(documents, STR("file:///x"), str_from(at(&fixture, "ws/file")), 0, 0,
                          STR("c"), 1, text, STR("unknown"));
        cr_assert_eq(workspace_is_unsaved(fixture.workspace, document), cases[i].unsaved,
                     "case %zu", i);
        text_unref(text);
    }
    documents_free(documents);
    fixture_finish(&fixture);
}

/* -- Trust ------------------------------------------------------------------------------------ */

Test(files, trust_is_remembered_per_folder)
{
    struct fixture fixture;
    fixture_init(&fixture);
    rmdir(at(&fixture, "state"));
    struct err err = {0};
    cr_assert_eq(workspace_trust_get(fixture.workspace, STR("/a")), TRUST_UNKNOWN);
    cr_assert_eq(workspace_trust_set(fixture.workspace, STR("/a"), TRUST_YES, &err), STATUS_OK,
                 "%s", err.text);
    cr_assert_eq(workspace_trust_set(fixture.workspace, STR("/a b/"), TRUST_NO, &err), STATUS_OK);
    cr_assert_eq(workspace_trust_get(fixture.workspace, STR("/a/")), TRUST_YES);
    cr_assert_eq(workspace_trust_get(fixture.workspace, STR("/a b")), TRUST_NO);
    cr_assert_eq(workspace_trust_get(fixture.workspace, STR("/a/b")), TRUST_UNKNOWN);
    cr_assert_str_eq(get_file(&fixture, "state/trust"), "yes /a\nno /a b\n");
    workspace_trust_set(fixture.workspace, STR("/a"), TRUST_NO, NULL);
    cr_assert_eq(workspace_trust_get(fixture.workspace, STR("/a")), TRUST_NO);
    workspace_trust_set(fixture.workspace, STR("/a"), TRUST_UNKNOWN, NULL);
    cr_assert_eq(workspace_trust_get(fixture.workspace, STR("/a")), TRUST_UNKNOWN);
    cr_assert_eq(workspace_trust_set(fixture.workspace, STR("/a\nyes /b"), TRUST_YES, &err),
                 STATUS_INVALID);
    cr_assert_eq(workspace_trust_get(fixture.workspace, STR("/b")), TRUST_UNKNOWN);
    fixture_finish(&fixture);
}

Test(files, sec_30_trust_is_kept_private_and_believed_only_then)
{
    struct fixture fixture;
    fixture_init(&fixture);
    rmdir(at(&fixture, "state"));
    workspace_trust_set(fixture.workspace, STR("/a"), TRUST_YES, NULL);
    struct stat found;
    cr_assert(stat(at(&fixture, "state"), &found) == 0 && (found.st_mode & 07777) == 0700);
    cr_assert(stat(at(&fixture, "state/trust"), &found) == 0 && (found.st_mode & 07777) == 0600);
    chmod(at(&fixture, "state/trust"), 0666);
    cr_assert_eq(workspace_trust_get(fixture.workspace, STR("/a")), TRUST_UNKNOWN);
    cr_assert_eq(unlink(at(&fixture, "state/trust")), 0);
    put_file(&fixture, "ws/planted", "yes /a\n");
    put_link(&fixture, "state/trust", "../ws/planted");
    cr_assert_eq(workspace_trust_get(fixture.workspace, STR("/a")), TRUST_UNKNOWN);
    fixture_finish(&fixture);
}
