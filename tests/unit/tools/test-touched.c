/* Commands and files: unsaved text that is in a command's way, what was built from text that is
 * gone, and what a command changed. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "fixture.h"

TestSuite(touched, .timeout = 60);

/* -- Unsaved text in the way ------------------------------------------------------------------ */

static const char *const refused_commands[] = {
    "{'cmd':'sed -i s/screen/x/ a.txt'}",    "{'cmd':'rm a.txt'}",       "{'cmd':'mv a.txt b.txt'}",
    "{'cmd':'touch c.txt; mv c.txt a.txt'}", "{'cmd':'echo x > a.txt'}",
};

Test(touched, a_refused_write_to_unsaved_text_asks_once_to_save_it)
{
    struct fixture f;
    struct record r = {0};
    fixture_init(&f);
    put(&f, "a.txt", "on disk\n");
    open_file(&f, "a.txt", "on screen\n");
    f.host.declines_saving = true;
    for (size_t i = 0; i < array_count(refused_commands); i++) {
        call(&f, &r, "exec_command", refused_commands[i]);
        cr_assert(!r.ok, "%s", r.text);
        assert_has(r.text, "a.txt held text in the editor that was not saved");
        assert_has(r.text, "It is still not on disk");
        cr_assert_lt(strstr(r.text, "It is still not") - r.text,
                     strstr(r.text, "Output:") - r.text);
        cr_assert_eq(f.host.asks, 1, "asked once");
    }
    cr_assert_eq(f.host.ask_kind, HOST_ASK_SAVE);
    cr_assert_str_eq(f.host.title.ptr, "1 edited file is not on disk: save it, then Continue");
    cr_assert_str_eq(f.host.shown.ptr, "a.txt");
    cr_assert_eq(f.host.saves, 0);
    cr_assert_str_eq(disk(&f, "a.txt"), "on disk\n");
    /* other text: asked again, and this time the editor is to save it */
    type_over(&f, "a.txt", "on screen, and more\n");
    f.host.declines_saving = false;
    call(&f, &r, "exec_command", "{'cmd':'rm a.txt'}");
    cr_assert(!r.ok, "it is not run twice");
    cr_assert_eq(f.host.asks, 2);
    cr_assert_eq(f.host.saves, 1);
    assert_has(r.text, "The user has saved it since: run the command again");
    cr_assert_str_eq(disk(&f, "a.txt"), "on screen, and more\n");
    call(&f, &r, "exec_command", "{'cmd':'rm a.txt'}");
    cr_assert(r.ok, "%s", r.text);
    cr_assert_eq(f.host.asks, 2);
    record_finish(&r);
    fixture_finish(&f);
}

Test(touched, other_errors_ask_nothing)
{
    static const char *const commands[] = {
        "{'cmd':'touch /etc/x'}",
        "{'cmd':'cat a.txt; false'}",
        "{'cmd':'echo a.txt; touch /usr/x; exit 1','escalate':null}",
    };
    struct fixture f;
    struct record r = {0};
    fixture_init(&f);
    put(&f, "a.txt", "on disk\n");
    open_file(&f, "a.txt", "on screen\n");
    for (size_t i = 0; i + 1 < array_count(commands); i++)
        call(&f, &r, "exec_command", commands[i]);
    cr_assert_eq(f.host.asks, 0);
    record_finish(&r);
    fixture_finish(&f);
}

static void save_both(void *user)
{
    struct fixture *f = user;
    save_file(f, "a.txt");
    cr_assert_eq(f->running, 1, "one of two is not all");
    save_file(f, "b.txt");
}

/* Nobody presses a button: saving is the answer. */
Test(touched, it_goes_on_by_itself_once_all_are_saved)
{
    struct fixture f;
    struct record r = {0};
    fixture_init(&f);
    f.host.ops.save = NULL;
    put(&f, "a.txt", "on disk\n");
    put(&f, "b.txt", "on disk\n");
    open_file(&f, "a.txt", "on screen\n");
    open_file(&f, "b.txt", "on screen\n");
    f.host.holds_answers = true;
    start(&f, &r, "exec_command", "{'cmd':'rm a.txt b.txt'}");
    for (int i = 0; i < 500 && f.host.asks == 0; i++) {
        struct loop_timer *timer = loop_timer_new(f.loop, (void (*)(void *))loop_stop, f.loop);
        loop_timer_start(timer, 10, 0);
        loop_run(f.loop);
        loop_timer_free(timer);
    }
    cr_assert_eq(f.host.asks, 1);
    cr_assert_str_eq(f.host.title.ptr, "2 edited files are not on disk: save all, then Continue");
    loop_defer(f.loop, save_both, &f);
    wait_all(&f);
    cr_assert_gt(f.host.drops, 0, "the question is withdrawn");
    assert_has(r.text, "The user has saved it since");
    record_finish(&r);
    fixture_finish(&f);
}

Test(touched, cancelled_while_it_is_asked)
{
    struct fixture f;
    struct record r = {0};
    fixture_init(&f);
    put(&f, "a.txt", "on disk\n");
    open_file(&f, "a.txt", "on screen\n");
    f.host.holds_answers = true;
    start(&f, &r, "exec_command", "{'cmd':'rm a.txt'}");
    for (int i = 0; i < 500 && f.host.asks == 0; i++) {
        struct loop_timer *timer = loop_timer_new(f.loop, (void (*)(void *))loop_stop, f.loop);
        loop_timer_start(timer, 10, 0);
        loop_run(f.loop);
        loop_timer_free(timer);
    }
    tools_call_cancel(r.call);
    wait_all(&f);
    assert_has(r.text, "Cancelled by the user");
    assert_has(r.text, "resource busy");
    save_file(&f, "a.txt");
    record_finish(&r);
    fixture_finish(&f);
}

Test(touched, outside_the_sandbox_it_asks_before)
{
    struct fixture f;
    struct record r = {0};
    fixture_init(&f);
    put(&f, "a.txt", "on disk\n");
    open_file(&f, "a.txt", "on screen\n");
    call(&f, &r, "exec_command", "{'cmd':'cat a.txt','escalate':'unsandboxed'}");
    cr_assert_eq(f.host.asks, 2);
    assert_has(r.text, "on screen\n");
    type_over(&f, "a.txt", "typed\n");
    f.host.declines_saving = true;
    call(&f, &r, "exec_command", "{'cmd':'cat a.txt','escalate':'unsandboxed'}");
    cr_assert_eq(f.host.asks, 4);
    assert_has(r.text, "Output:\non screen\n");
    assert_has(r.text, "does not see the unsaved text of");
    call(&f, &r, "exec_command", "{'cmd':'cat a.txt','escalate':'unsandboxed'}");
    cr_assert_eq(f.host.asks, 5, "about the text it was asked once");
    record_finish(&r);
    fixture_finish(&f);
}

/* -- Build outputs ---------------------------------------------------------------------------- */

static const char makefile[] = "out: a.txt\n\tcp a.txt out\n";

static void make_is(struct fixture *f, struct record *r, const char *out)
{
    call(f, r, "exec_command", "{'cmd':'make && cat out'}");
    cr_assert(r->ok, "%s", r->text);
    assert_has(r->text, out);
}

/* Text that was built from and is gone: its file must be newer than what was built. */
Test(touched, what_was_built_from_text_that_is_gone_is_built_again)
{
    static const char *const ways[] = {"typed back", "closed", "saved"};
    for (size_t i = 0; i < array_count(ways); i++) {
        struct fixture f;
        struct record r = {0};
        fixture_init(&f);
        put(&f, "Makefile", makefile);
        put(&f, "a.txt", "on disk\n");
        open_file(&f, "a.txt", "on disk\n");
        make_is(&f, &r, "Output:\ncp a.txt out\non disk\n");
        make_is(&f, &r, "up to date");
        type_over(&f, "a.txt", "rejected\n");
        make_is(&f, &r, "cp a.txt out\nrejected\n");
        struct document *document = document_find_path(f.documents, str_from(in_ws(&f, "a.txt")));
        if (i == 0) {
            type_over(&f, "a.txt", "on disk\n");
        } else if (i == 1) {
            char *uri = mem_dup_c(document->uri);
            document_close(f.documents, str_from(uri), NULL);
            mem_free(uri);
        } else {
            save_file(&f, "a.txt");
        }
        /* also for who builds outside of our commands */
        struct stat file, out;
        stat(in_ws(&f, "a.txt"), &file);
        stat(in_ws(&f, "out"), &out);
        cr_assert(file.st_mtim.tv_sec > out.st_mtim.tv_sec ||
                      (file.st_mtim.tv_sec == out.st_mtim.tv_sec &&
                       file.st_mtim.tv_nsec > out.st_mtim.tv_nsec),
                  "%s: the file is not newer", ways[i]);
        make_is(&f, &r, i == 2 ? "rejected\n" : "cp a.txt out\non disk\n");
        make_is(&f, &r, "up to date");
        record_finish(&r);
        fixture_finish(&f);
    }
}

Test(touched, a_file_whose_text_no_command_saw_keeps_its_time)
{
    struct fixture f;
    struct record r = {0};
    struct stat before, after;
    fixture_init(&f);
    put(&f, "a.txt", "on disk\n");
    open_file(&f, "a.txt", "on disk\n");
    stat(in_ws(&f, "a.txt"), &before);
    type_over(&f, "a.txt", "typed\n");
    type_over(&f, "a.txt", "on disk\n");
    call(&f, &r, "exec_command", "{'cmd':'cat a.txt'}");
    stat(in_ws(&f, "a.txt"), &after);
    cr_assert_eq(before.st_mtim.tv_sec, after.st_mtim.tv_sec);
    cr_assert_eq(before.st_mtim.tv_nsec, after.st_mtim.tv_nsec);
    record_finish(&r);
    fixture_finish(&f);
}

/* -- What a command changed ------------------------------------------------------------------- */

struct undone {
    struct fixture *f;
    enum status status;
    struct buf files, why;
};

static void on_undone(void *user, const struct tools_undo_result *result)
{
    struct undone *undone = user;
    undone->status = result->status;
    buf_append(&undone->why, result->why);
    for (size_t i = 0; i < result->files.len; i++)
        buf_append_fmt(&undone->files, "%s %d " STR_FMT "\n", result->files.ptr[i].path,
                       (int)result->files.ptr[i].outcome, STR_ARG(result->files.ptr[i].note));
    loop_stop(undone->f->loop);
}

static const char *undo(struct fixture *f, enum tools_undo_way way)
{
    static char told[2048];
    struct undone undone = {.f = f};
    struct err err = {0};
    if (tools_undo_start(f->thread, STR(""), way, on_undone, &undone, &err))
        loop_run(f->loop);
    else
        buf_append_c(&undone.why, err.text);
    snprintf(told, sizeof(told), "%s%s", undone.files.ptr ? undone.files.ptr : "",
             undone.why.ptr ? undone.why.ptr : "");
    buf_finish(&undone.files);
    buf_finish(&undone.why);
    return told;
}

static bool count_change(void *user, const struct journal_change *change)
{
    buf_append_fmt(user, STR_FMT " " STR_FMT "\n", STR_ARG(change->kind),
                   STR_ARG(path_name(change->path)));
    return true;
}

static const char *changes(struct fixture *f)
{
    static char told[2048];
    struct buf list = {0};
    journal_change_each(f->journal, f->turn_id, count_change, &list, NULL);
    snprintf(told, sizeof(told), "%s", list.ptr ? list.ptr : "");
    buf_finish(&list);
    return told;
}

Test(touched, files_that_were_read_are_put_back_others_are_named)
{
    struct fixture f;
    struct record r = {0};
    fixture_init(&f);
    put(&f, "read.txt", "one\ntwo\nthree\n");
    put(&f, "gone.txt", "gone\n");
    put(&f, "unread.txt", "unread\n");
    put(&f, ".gitignore", "*.o\n");
    call(&f, &r, "read_file", "{'path':'read.txt'}");
    call(&f, &r, "read_file", "{'path':'gone.txt'}");
    usleep(20000); /* files are older than the command by their own clock */
    call(
        &f, &r, "exec_command",
        "{'cmd':'sed -i s/two/zwei/ read.txt; rm gone.txt; echo x >> unread.txt; echo x > new.txt; "
        "echo x > x.o'}");
    cr_assert(r.ok, "%s", r.text);
    assert_has(r.text, "[Changed since you read or edited them: gone.txt, read.txt]");
    const char *told = undo(&f, TOOLS_UNDO);
    assert_has(told, "read.txt 0 \n");
    assert_has(told, "gone.txt 0 \n");
    assert_has(told, "unread.txt 3 a command changed it, and its earlier text is not known");
    assert_has(told, "new.txt 3 ");
    assert_lacks(told, "x.o");
    cr_assert_str_eq(disk(&f, "read.txt"), "one\ntwo\nthree\n");
    cr_assert_str_eq(disk(&f, "gone.txt"), "gone\n");
    cr_assert_str_eq(disk(&f, "unread.txt"), "unread\nx\n");
    cr_assert_str_eq(disk(&f, "new.txt"), "x\n");
    undo(&f, TOOLS_REDO);
    cr_assert_str_eq(disk(&f, "read.txt"), "one\nzwei\nthree\n");
    cr_assert_str_eq(disk(&f, "gone.txt"), "(none)");
    record_finish(&r);
    fixture_finish(&f);
}

Test(touched, what_the_person_changed_since_stays)
{
    struct fixture f;
    struct record r = {0};
    fixture_init(&f);
    put(&f, "a.txt", "one\ntwo\nthree\nfour\n");
    call(&f, &r, "read_file", "{'path':'a.txt'}");
    call(&f, &r, "exec_command", "{'cmd':'sed -i s/two/zwei/ a.txt'}");
    put(&f, "a.txt", "one\nzwei\nthree\nfour, mine\n");
    assert_has(undo(&f, TOOLS_UNDO), "a.txt 1 what you typed since is kept");
    cr_assert_str_eq(disk(&f, "a.txt"), "one\ntwo\nthree\nfour, mine\n");
    record_finish(&r);
    fixture_finish(&f);
}

Test(touched, our_own_edits_are_not_the_commands)
{
    struct fixture f;
    struct record r = {0}, later = {0};
    fixture_init(&f);
    struct tools_deadlines deadlines = tools_deadlines_default;
    deadlines.yield_min_ms = 10;
    tools_set_deadlines(f.tools, &deadlines);
    put(&f, "a.txt", "one\n");
    call(&f, &r, "read_file", "{'path':'a.txt'}");
    call(&f, &r, "exec_command", "{'cmd':'sleep 0.4','yield_time_ms':10}");
    call(&f, &later, "edit_file", "{'path':'a.txt','old_string':'one','new_string':'two'}");
    cr_assert(later.ok, "%s", later.text);
    call(&f, &r, "write_stdin", "{'session_id':1,'yield_time_ms':5000}");
    assert_has(r.text, "Exit code: 0");
    undo(&f, TOOLS_UNDO);
    cr_assert_str_eq(changes(&f), "update a.txt\nundo-update a.txt\n");
    record_finish(&r);
    record_finish(&later);
    fixture_finish(&f);
}

/* The editor saved it while the command ran: nobody but the person is to be undone. */
static void save_a(struct record *record)
{
    type_over(record->f, "a.txt", "typed and saved\n");
    save_file(record->f, "a.txt");
}

Test(touched, what_the_editor_saved_is_not_the_commands)
{
    struct fixture f;
    struct record r = {.on_progress = save_a};
    fixture_init(&f);
    put(&f, "a.txt", "one\n");
    open_file(&f, "a.txt", "one\n");
    call(&f, &r, "exec_command", "{'cmd':'echo go; sleep 0.2'}");
    cr_assert_str_eq(changes(&f), "");
    cr_assert_str_eq(disk(&f, "a.txt"), "typed and saved\n");
    record_finish(&r);
    fixture_finish(&f);
}

/* The editor has not loaded it yet: the disk is the truth, for reading and for commands. */
Test(touched, a_clean_document_that_is_behind_is_read_from_disk)
{
    struct fixture f;
    struct record r = {0};
    fixture_init(&f);
    put(&f, "a.txt", "one\n");
    open_file(&f, "a.txt", "one\n");
    call(&f, &r, "exec_command", "{'cmd':'echo two > a.txt'}");
    cr_assert(r.ok, "%s", r.text);
    call(&f, &r, "read_file", "{'path':'a.txt'}");
    assert_has(r.text, "two");
    assert_lacks(r.text, "unsaved");
    call(&f, &r, "exec_command", "{'cmd':'cat a.txt; echo three > a.txt'}");
    assert_has(r.text, "Output:\ntwo\n");
    call(&f, &r, "grep", "{'pattern':'t.*e'}");
    assert_has(r.text, "three");
    cr_assert_str_eq(screen(&f, "a.txt"), "one\n", "nobody types for the person");
    cr_assert_eq(f.host.notices, 0);
    /* the editor loads it */
    type_over(&f, "a.txt", "three\n");
    call(&f, &r, "read_file", "{'path':'a.txt'}");
    assert_has(r.text, "three");
    record_finish(&r);
    fixture_finish(&f);
}

Test(touched, a_dirty_document_whose_file_changed_is_told_and_left)
{
    struct fixture f;
    struct record r = {0};
    fixture_init(&f);
    put(&f, "a.txt", "one\n");
    open_file(&f, "a.txt", "typed\n");
    f.host.declines_saving = true;
    call(&f, &r, "exec_command", "{'cmd':'echo two > a.txt','escalate':'unsandboxed'}");
    cr_assert(r.ok, "%s", r.text);
    assert_has(r.text, "a.txt has changed on disk, but the editor holds unsaved text of it");
    cr_assert_eq(f.host.notices, 1);
    assert_has(f.host.noticed.ptr, "A command changed a.txt on disk");
    assert_has(f.host.noticed.ptr, "compare the two before you save");
    cr_assert_str_eq(screen(&f, "a.txt"), "typed\n");
    cr_assert_str_eq(disk(&f, "a.txt"), "two\n");
    assert_has(undo(&f, TOOLS_UNDO), "a.txt 3 ");
    assert_has(undo(&f, TOOLS_UNDO), "nothing to undo");
    cr_assert_str_eq(screen(&f, "a.txt"), "typed\n");
    cr_assert_str_eq(disk(&f, "a.txt"), "two\n");
    record_finish(&r);
    fixture_finish(&f);
}
