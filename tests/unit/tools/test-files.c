/* Reading, listing and searching see what is on the screen. */
#include <criterion/criterion.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fixture.h"

TestSuite(files, .timeout = 60);

Test(files, reads_from_disk)
{
    struct fixture f;
    struct record r = {0};
    fixture_init(&f);
    put(&f, "a.c", "one\ntwo\nthree\n");
    call(&f, &r, "read_file", "{'path':'a.c','start_line':null,'end_line':null}");
    cr_assert_str_eq(r.text, "a.c (on disk, lines 1-3 of 3)\none\ntwo\nthree\n");
    cr_assert_str_eq(r.summary, "a.c lines 1-3 of 3");
    cr_assert(r.ok);
    cr_assert_str_eq(r.title, "read_file: a.c");
    call(&f, &r, "read_file", "{'path':'a.c','start_line':2,'end_line':2}");
    cr_assert_str_eq(r.text, "a.c (on disk, lines 2-2 of 3)\ntwo\n");
    call(&f, &r, "read_file", "{'path':'a.c','start_line':4,'end_line':null}");
    cr_assert(!r.ok);
    assert_has(r.text, "3 lines");
    record_finish(&r);
    fixture_finish(&f);
}

Test(files, reads_what_is_on_the_screen)
{
    struct fixture f;
    struct record r = {0};
    fixture_init(&f);
    put(&f, "a.c", "old\n");
    open_file(&f, "a.c", "new, not saved\n");
    call(&f, &r, "read_file", "{'path':'a.c'}");
    cr_assert_str_eq(
        r.text, "a.c (open in the editor, version 1, unsaved, lines 1-1 of 1)\nnew, not saved\n");
    type_over(&f, "a.c", "old\n");
    call(&f, &r, "read_file", "{'path':'./a.c'}");
    assert_has(r.text, "version 2, saved");
    record_finish(&r);
    fixture_finish(&f);
}

Test(files, what_cannot_be_read_says_why)
{
    struct fixture f;
    struct record r = {0};
    fixture_init(&f);
    put_bytes(&f, "bin", STR("ab\0cd"));
    mkdir(in_ws(&f, "folder"), 0755);
    put(&f, "big", "x");
    open_file(&f, "big", NULL);
    static const struct {
        const char *arguments, *part;
    } cases[] = {
        {"{'path':'bin'}", "binary file of 5 bytes"}, {"{'path':'folder'}", "list_dir"},
        {"{'path':'none'}", "does not exist"},        {"{'path':'big'}", "larger than 10 MiB"},
        {"{'path':'/etc/passwd'}", "outside"},        {"{'path':'a\\u0007b'}", "path"},
    };
    for (size_t i = 0; i < array_count(cases); i++) {
        call(&f, &r, "read_file", cases[i].arguments);
        cr_assert(!r.ok);
        assert_has(r.text, cases[i].part);
    }
    record_finish(&r);
    fixture_finish(&f);
}

Test(files, long_files_and_lines_are_cut_and_said_so)
{
    struct fixture f;
    struct record r = {0};
    struct buf text = {0};
    fixture_init(&f);
    for (int i = 1; i <= 3000; i++)
        buf_append_fmt(&text, "%d\n", i);
    put(&f, "many", text.ptr);
    call(&f, &r, "read_file", "{'path':'many'}");
    assert_has(r.text, "lines 1-2000 of 3000");
    assert_has(r.text, "[1000 more lines: go on with start_line 2001]");
    buf_clear(&text);
    buf_append_repeat(&text, 'x', 5000);
    buf_append_c(&text, "\nnext\n");
    put(&f, "wide", text.ptr);
    call(&f, &r, "read_file", "{'path':'wide'}");
    assert_has(r.text, "x[… 3000 more bytes on this line]\nnext\n");
    buf_clear(&text);
    for (int i = 0; i < 100; i++) {
        buf_append_repeat(&text, 'y', 999);
        buf_append_byte(&text, '\n');
    }
    put(&f, "fat", text.ptr);
    call(&f, &r, "read_file", "{'path':'fat'}");
    assert_has(r.text, "lines 1-49 of 100");
    cr_assert_lt(strlen(r.text), 50 * 1024);
    buf_finish(&text);
    record_finish(&r);
    fixture_finish(&f);
}

Test(files, secrets_are_asked_for)
{
    struct fixture f;
    struct record r = {0};
    fixture_init(&f);
    put(&f, ".env", "TOKEN=abc\n");
    put(&f, "server.pem", "-----BEGIN PRIVATE KEY-----\nMIIB\n");
    f.host.decision = HOST_DECLINE;
    f.host.note = "use the example";
    call(&f, &r, "read_file", "{'path':'.env'}");
    cr_assert(!r.ok);
    cr_assert_eq(f.host.ask_kind, HOST_ASK_READ);
    assert_has(r.text, "declined");
    assert_has(r.text, "use the example");
    assert_lacks(r.text, "abc");
    call(&f, &r, "read_file", "{'path':'server.pem'}");
    cr_assert_eq(f.host.asks, 2);
    assert_lacks(r.text, "MIIB");
    cr_assert_eq(r.waiting, 1);
    f.host.decision = HOST_ACCEPT;
    call(&f, &r, "read_file", "{'path':'.env'}");
    cr_assert(r.ok);
    assert_has(r.text, "abc");
    record_finish(&r);
    fixture_finish(&f);
}

Test(files, links_lead_nowhere_outside)
{
    struct fixture f;
    struct record r = {0};
    fixture_init(&f);
    cr_assert_eq(symlink("/etc/passwd", in_ws(&f, "link")), 0);
    call(&f, &r, "read_file", "{'path':'link'}");
    cr_assert(!r.ok);
    assert_lacks(r.text, "root:");
    put(&f, "secret/.env", "TOKEN=abc\n");
    cr_assert_eq(symlink("secret/.env", in_ws(&f, "plain.txt")), 0);
    f.host.decision = HOST_DECLINE;
    call(&f, &r, "read_file", "{'path':'plain.txt'}");
    cr_assert_eq(f.host.asks, 1, "a link to a secret is a secret: %s", r.text);
    record_finish(&r);
    fixture_finish(&f);
}

Test(files, lists)
{
    struct fixture f;
    struct record r = {0};
    fixture_init(&f);
    put(&f, "src/a.c", "x");
    put(&f, "out.o", "yy");
    put(&f, ".gitignore", "*.o\n");
    call(&f, &r, "list_dir", "{'path':null,'depth':2,'offset':null,'limit':null}");
    cr_assert(r.ok, "%s", r.text);
    assert_has(r.text, "src/\n");
    assert_has(r.text, "src/a.c  1 bytes\n");
    assert_has(r.text, "out.o  2 bytes  (ignored)\n");
    call(&f, &r, "list_dir", "{'path':null,'depth':1,'offset':0,'limit':1}");
    assert_has(r.text, "[there is more: go on with offset 1]");
    record_finish(&r);
    fixture_finish(&f);
}

Test(files, finds)
{
    struct fixture f;
    struct record r = {0};
    fixture_init(&f);
    put(&f, "src/a.c", "x");
    put(&f, "src/deep/b.c", "x");
    put(&f, "c.h", "x");
    call(&f, &r, "find_files", "{'glob':'*.c','path':null,'limit':null}");
    cr_assert_str_eq(r.text, "src/a.c\nsrc/deep/b.c\n");
    call(&f, &r, "find_files", "{'glob':'*.py','path':'src','limit':null}");
    assert_has(r.text, "No file in src matches *.py");
    call(&f, &r, "find_files", "{'glob':'*','path':null,'limit':2}");
    assert_has(r.text, "[2 of at least 3 are shown");
    record_finish(&r);
    fixture_finish(&f);
}

Test(files, greps_unsaved_text_in_place_of_the_file)
{
    struct fixture f;
    struct record r = {0};
    fixture_init(&f);
    put(&f, "a.c", "needle on disk\n");
    put(&f, "b.c", "first\nneedle too\nlast\n");
    put(&f, ".env", "needle=secret\n");
    open_file(&f, "a.c", "changed\nneedle on screen\n");
    call(&f, &r, "grep", "{'pattern':'need.e','context':1}");
    cr_assert(r.ok, "%s", r.text);
    cr_assert_str_eq(r.text, "a.c (unsaved)\n1-changed\n2:needle on screen\n\n"
                             "b.c\n1-first\n2:needle too\n3-last\n");
    call(&f, &r, "grep", "{'pattern':'a(b'}");
    cr_assert(!r.ok);
    call(&f, &r, "grep", "{'pattern':'a(b','fixed':true}");
    cr_assert(r.ok);
    assert_has(r.text, "No match");
    record_finish(&r);
    fixture_finish(&f);
}

Test(files, output_is_clean_text)
{
    struct fixture f;
    struct record r = {0};
    fixture_init(&f);
    put(&f, "a", "red \033[31mtext\033[0m \xff!\r\n");
    call(&f, &r, "read_file", "{'path':'a'}");
    assert_has(r.text, "red text \xEF\xBF\xBD!\n");
    cr_assert(utf8_is_valid(str_from(r.text), NULL));
    record_finish(&r);
    fixture_finish(&f);
}
