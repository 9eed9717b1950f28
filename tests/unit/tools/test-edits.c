/* Edits: planned from what is on the screen, asked for, applied, planned again, recorded, saved. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <unistd.h>

#include "fixture.h"

TestSuite(edits, .timeout = 60);

static const char update_a[] =
    "*** Begin Patch\n*** Update File: a.c\n@@\n one\n-two\n+TWO\n three\n"
    "*** End Patch\n";

struct seen {
    char text[1024];
    size_t count;
};

static bool see_change(void *user, const struct journal_change *change)
{
    struct seen *seen = user;
    size_t len = strlen(seen->text);
    snprintf(seen->text + len, sizeof(seen->text) - len, STR_FMT " " STR_FMT "%s\n",
             STR_ARG(change->kind), STR_ARG(path_name(change->path)),
             change->before_hash.len > 0 ? " with before" : "");
    seen->count++;
    return true;
}

static struct seen changes(struct fixture *f)
{
    struct seen seen = {.count = 0};
    cr_assert_eq(journal_change_each(f->journal, f->turn_id, see_change, &seen, NULL), STATUS_OK);
    return seen;
}

/* -- Patches --------------------------------------------------------------------------------- */

Test(edits, patch_changes_the_screen_and_saves_what_was_clean)
{
    struct fixture f;
    struct record r = {0};
    fixture_init(&f);
    put(&f, "a.c", "one\ntwo\nthree\n");
    open_file(&f, "a.c", "one\ntwo\nthree\n");
    patch(&f, &r, update_a);
    cr_assert(r.ok, "%s", r.text);
    cr_assert_str_eq(screen(&f, "a.c"), "one\nTWO\nthree\n");
    cr_assert_str_eq(disk(&f, "a.c"), "one\nTWO\nthree\n");
    assert_has(r.text, "M a.c (+1 -1)");
    assert_has(r.diff, "-two\n+TWO\n");
    cr_assert_str_eq(r.summary, "edit a.c (+1 -1)");
    cr_assert_eq(f.host.asks, 0);
    cr_assert_str_eq(changes(&f).text, "update a.c with before\n");
    record_finish(&r);
    fixture_finish(&f);
}

Test(edits, text_with_the_users_own_typing_is_not_saved)
{
    struct fixture f;
    struct record r = {0};
    fixture_init(&f);
    put(&f, "a.c", "one\ntwo\nthree\n");
    open_file(&f, "a.c", "one\ntwo\nthree\ntyped\n");
    patch(&f, &r, update_a);
    cr_assert(r.ok, "%s", r.text);
    cr_assert_str_eq(screen(&f, "a.c"), "one\nTWO\nthree\ntyped\n");
    cr_assert_str_eq(disk(&f, "a.c"), "one\ntwo\nthree\n");
    cr_assert_eq(f.host.saves, 0);
    record_finish(&r);
    fixture_finish(&f);
}

Test(edits, patch_of_several_files_is_all_or_nothing)
{
    struct fixture f;
    struct record r = {0};
    fixture_init(&f);
    put(&f, "a.c", "one\ntwo\nthree\n");
    put(&f, "b.c", "b\n");
    put(&f, "d.c", "gone\n");
    patch(&f, &r,
          "*** Begin Patch\n*** Update File: a.c\n@@\n one\n-two\n+TWO\n three\n"
          "*** Update File: b.c\n@@\n-nothing like this\n+x\n*** End Patch\n");
    cr_assert(!r.ok);
    assert_has(r.text, "Nothing was changed");
    assert_has(r.text, "b.c");
    cr_assert_str_eq(disk(&f, "a.c"), "one\ntwo\nthree\n");
    cr_assert_eq(f.host.applies, 0);
    patch(&f, &r,
          "*** Begin Patch\n*** Update File: a.c\n@@\n one\n-two\n+TWO\n three\n"
          "*** Add File: new/n.c\n+n\n*** Delete File: d.c\n"
          "*** Update File: b.c\n*** Move to: c.c\n@@\n-b\n+c\n*** End Patch\n");
    cr_assert(r.ok, "%s", r.text);
    cr_assert_eq(f.host.applies, 1, "one edit");
    cr_assert_str_eq(disk(&f, "new/n.c"), "n\n");
    cr_assert_str_eq(disk(&f, "a.c"), "one\nTWO\nthree\n");
    record_finish(&r);
    fixture_finish(&f);
}

Test(edits, create_delete_and_move_are_recorded)
{
    struct fixture f;
    struct record r = {0};
    fixture_init(&f);
    put(&f, "b.c", "b\n");
    put(&f, "d.c", "gone\n");
    patch(&f, &r,
          "*** Begin Patch\n*** Add File: n.c\n+n\n*** Delete File: d.c\n"
          "*** Update File: b.c\n*** Move to: c.c\n@@\n-b\n+c\n*** End Patch\n");
    cr_assert(r.ok, "%s", r.text);
    cr_assert_str_eq(disk(&f, "n.c"), "n\n");
    cr_assert_str_eq(disk(&f, "d.c"), "(none)");
    cr_assert_str_eq(disk(&f, "b.c"), "(none)");
    cr_assert_str_eq(disk(&f, "c.c"), "c\n");
    assert_has(r.text, "A n.c (+1 -0)");
    assert_has(r.text, "D d.c (+0 -1)");
    assert_has(r.text, "R b.c -> c.c (+1 -1)");
    cr_assert_eq(changes(&f).count, 3);
    assert_has(changes(&f).text, "create n.c\n");
    assert_has(changes(&f).text, "delete d.c with before\n");
    record_finish(&r);
    fixture_finish(&f);
}

Test(edits, what_cannot_be_edited_is_refused)
{
    static const struct {
        const char *patch, *part;
    } cases[] = {
        {"*** Begin Patch\n*** Update File: bin\n@@\n-a\n+b\n*** End Patch\n", "binary"},
        {"*** Begin Patch\n*** Update File: lost\n@@\n-a\n+b\n*** End Patch\n", "10 MiB"},
        {"*** Begin Patch\n*** Update File: link\n@@\n-a\n+b\n*** End Patch\n", "link"},
        {"*** Begin Patch\n*** Update File: ../x\n@@\n-a\n+b\n*** End Patch\n", "outside"},
        {"*** Begin Patch\n*** Update File: a.c\n@@\n-a\n+b\n*** Update File: ./a.c\n@@\n-a\n+b\n"
         "*** End Patch\n",
         "a.c"},
        {"*** Begin Patch\n*** Add File: a.c\n+x\n*** End Patch\n", "exists"},
        {"*** Begin Patch\n*** Update File: none.c\n@@\n-a\n+b\n*** End Patch\n", "none.c"},
        {"no patch", "Begin Patch"},
    };
    struct fixture f;
    struct record r = {0};
    fixture_init(&f);
    put(&f, "a.c", "a\na\n");
    put_bytes(&f, "bin", STR("a\0b"));
    put(&f, "lost", "a\n");
    open_file(&f, "lost", NULL);
    cr_assert_eq(symlink("a.c", in_ws(&f, "link")), 0);
    for (size_t i = 0; i < array_count(cases); i++) {
        patch(&f, &r, cases[i].patch);
        cr_assert(!r.ok, "%s\n%s", cases[i].patch, r.text);
        assert_has(r.text, cases[i].part);
    }
    cr_assert_eq(f.host.applies, 0);
    cr_assert_eq(changes(&f).count, 0);
    record_finish(&r);
    fixture_finish(&f);
}

/* -- The texts move -------------------------------------------------------------------------- */

static void type_elsewhere(struct fixture *f)
{
    if (f->host.applies < 2)
        type_over(f, "a.c",
                  f->host.applies == 0 ? "zero\none\ntwo\nthree\n" : "00\nzero\none\ntwo\nthree\n");
}

Test(edits, planned_again_when_the_user_typed_meanwhile)
{
    struct fixture f;
    struct record r = {0};
    fixture_init(&f);
    put(&f, "a.c", "one\ntwo\nthree\n");
    open_file(&f, "a.c", "one\ntwo\nthree\n");
    f.host.before_apply = type_elsewhere;
    patch(&f, &r, update_a);
    cr_assert(r.ok, "%s", r.text);
    cr_assert_eq(f.host.applies, 3);
    cr_assert_str_eq(screen(&f, "a.c"), "00\nzero\none\nTWO\nthree\n");
    cr_assert_eq(f.host.saves, 0, "it holds the user's typing now");
    record_finish(&r);
    fixture_finish(&f);
}

Test(edits, given_up_after_five_plans)
{
    struct fixture f;
    struct record r = {0};
    fixture_init(&f);
    put(&f, "a.c", "one\ntwo\nthree\n");
    for (int i = 0; i < 6; i++)
        f.host.forced[i] = HOST_NOT_APPLIED;
    f.host.forced_count = 6;
    patch(&f, &r, update_a);
    cr_assert(!r.ok);
    cr_assert_eq(f.host.applies, 5);
    assert_has(r.text, "5 attempts");
    cr_assert_eq(changes(&f).count, 0);
    record_finish(&r);
    fixture_finish(&f);
}

Test(edits, other_outcomes_are_told)
{
    static const struct {
        enum host_apply_result result;
        bool ok;
        const char *part;
    } cases[] = {
        {HOST_FAILED, false, "the reason"},
        {HOST_PARTIAL, false, "Only a part"},
        {HOST_REPAIRED, true, "merged"},
    };
    for (size_t i = 0; i < array_count(cases); i++) {
        struct fixture f;
        struct record r = {0};
        fixture_init(&f);
        put(&f, "a.c", "one\ntwo\nthree\n");
        open_file(&f, "a.c", "one\ntwo\nthree\n");
        f.host.forced[0] = cases[i].result;
        f.host.forced_count = 1;
        f.host.note = "the reason";
        patch(&f, &r, update_a);
        cr_assert_eq(r.ok, cases[i].ok, "%s", r.text);
        assert_has(r.text, cases[i].part);
        assert_has(r.text, "the reason");
        record_finish(&r);
        fixture_finish(&f);
    }
}

static void type_the_same_line(struct fixture *f)
{
    if (f->host.applies == 0)
        type_over(f, "a.c", "one\n2\nthree\n");
}

Test(edits, a_hunk_that_no_longer_fits_is_an_error)
{
    struct fixture f;
    struct record r = {0};
    fixture_init(&f);
    put(&f, "a.c", "one\ntwo\nthree\n");
    open_file(&f, "a.c", "one\ntwo\nthree\n");
    f.host.before_apply = type_the_same_line;
    patch(&f, &r, update_a);
    cr_assert(!r.ok);
    cr_assert_str_eq(screen(&f, "a.c"), "one\n2\nthree\n");
    record_finish(&r);
    fixture_finish(&f);
}

/* -- Asking ---------------------------------------------------------------------------------- */

static const char update_env[] =
    "*** Begin Patch\n*** Update File: .envrc\n@@\n-a=1\n+a=2\n*** End Patch\n";

Test(edits, protected_files_are_asked_for_with_the_diff)
{
    struct fixture f;
    struct record r = {0};
    fixture_init(&f);
    put(&f, ".envrc", "a=1\n");
    f.host.decision = HOST_DECLINE;
    f.host.note = "never";
    patch(&f, &r, update_env);
    cr_assert(!r.ok);
    assert_has(r.text, "never");
    cr_assert_eq(f.host.ask_kind, HOST_ASK_PROTECTED);
    assert_has(f.host.shown.ptr, "-a=1\n+a=2\n");
    cr_assert_str_eq(disk(&f, ".envrc"), "a=1\n");
    f.host.decision = HOST_ACCEPT;
    patch(&f, &r, update_env);
    cr_assert(r.ok, "%s", r.text);
    cr_assert_str_eq(disk(&f, ".envrc"), "a=2\n");
    record_finish(&r);
    fixture_finish(&f);
}

static void type_above_env(struct fixture *f)
{
    if (f->host.applies == 0)
        type_over(f, ".envrc", "b=1\na=1\n");
}

Test(edits, an_approval_stands_while_only_offsets_move)
{
    struct fixture f;
    struct record r = {0};
    fixture_init(&f);
    put(&f, ".envrc", "a=1\n");
    open_file(&f, ".envrc", "a=1\n");
    f.host.before_apply = type_above_env;
    patch(&f, &r, update_env);
    cr_assert(r.ok, "%s", r.text);
    cr_assert_eq(f.host.applies, 2);
    cr_assert_eq(f.host.asks, 1);
    cr_assert_str_eq(screen(&f, ".envrc"), "b=1\na=2\n");
    record_finish(&r);
    fixture_finish(&f);
}

Test(edits, nothing_is_edited_in_plan_mode)
{
    struct fixture f;
    struct record r = {0};
    fixture_init(&f);
    put(&f, "a.c", "one\ntwo\nthree\n");
    policy_set_mode(f.policy, MODE_PLAN);
    patch(&f, &r, update_a);
    cr_assert(!r.ok);
    cr_assert_eq(f.host.asks + f.host.applies, 0);
    cr_assert_str_eq(disk(&f, "a.c"), "one\ntwo\nthree\n");
    record_finish(&r);
    fixture_finish(&f);
}

/* -- Replacing and writing ------------------------------------------------------------------- */

Test(edits, edit_file_replaces)
{
    struct fixture f;
    struct record r = {0};
    fixture_init(&f);
    put(&f, "a.c", "x = 1;\ny = 1;\n");
    call(&f, &r, "edit_file",
         "{'path':'a.c','old_string':'= 1','new_string':'= 2','replace_all':null}");
    cr_assert(!r.ok);
    assert_has(r.text, "1");
    call(&f, &r, "edit_file",
         "{'path':'a.c','old_string':'= 1','new_string':'= 2','replace_all':true}");
    cr_assert(r.ok, "%s", r.text);
    cr_assert_str_eq(disk(&f, "a.c"), "x = 2;\ny = 2;\n");
    call(&f, &r, "edit_file", "{'path':'a.c','old_string':'x = 3','new_string':'z'}");
    cr_assert(!r.ok);
    record_finish(&r);
    fixture_finish(&f);
}

Test(edits, write_file_needs_a_fresh_read)
{
    struct fixture f;
    struct record r = {0};
    fixture_init(&f);
    put(&f, "a.c", "old\n");
    call(&f, &r, "write_file", "{'path':'a.c','content':'new\\n'}");
    cr_assert(!r.ok);
    assert_has(r.text, "not read it");
    call(&f, &r, "read_file", "{'path':'a.c'}");
    put(&f, "a.c", "changed\n");
    call(&f, &r, "write_file", "{'path':'a.c','content':'new\\n'}");
    cr_assert(!r.ok);
    assert_has(r.text, "changed since");
    call(&f, &r, "read_file", "{'path':'a.c'}");
    call(&f, &r, "write_file", "{'path':'a.c','content':'new\\n'}");
    cr_assert(r.ok, "%s", r.text);
    cr_assert_str_eq(disk(&f, "a.c"), "new\n");
    /* Its own writing is what it was shown last. */
    call(&f, &r, "write_file", "{'path':'a.c','content':'newer\\n'}");
    cr_assert(r.ok, "%s", r.text);
    call(&f, &r, "write_file", "{'path':'b.c','content':'b\\n'}");
    cr_assert(r.ok, "%s", r.text);
    cr_assert_str_eq(disk(&f, "b.c"), "b\n");
    record_finish(&r);
    fixture_finish(&f);
}

Test(edits, lines_changed_since_the_read_are_not_overwritten)
{
    struct fixture f;
    struct record r = {0};
    fixture_init(&f);
    put(&f, "a.c", "one\ntwo\nthree\nfour\nfive\n");
    open_file(&f, "a.c", "one\ntwo\nthree\nfour\nfive\n");
    call(&f, &r, "read_file", "{'path':'a.c'}");
    type_over(&f, "a.c", "one\nTWO\nthree\nfour\nfive\n");
    call(&f, &r, "edit_file", "{'path':'a.c','old_string':'five','new_string':'5'}");
    cr_assert(r.ok, "elsewhere is fine: %s", r.text);
    type_over(&f, "a.c", "one\nTwo\nthree\nfour\n5\n");
    call(&f, &r, "edit_file", "{'path':'a.c','old_string':'Two','new_string':'2'}");
    cr_assert(!r.ok);
    assert_has(r.text, "line 2 changed since you last read");
    record_finish(&r);
    fixture_finish(&f);
}

/* -- Saving ---------------------------------------------------------------------------------- */

static void format(struct fixture *f)
{
    type_over(f, "a.c", "one\nTWO\nthree;\n");
}

Test(edits, what_the_formatter_did_is_told)
{
    struct fixture f;
    struct record r = {0};
    fixture_init(&f);
    put(&f, "a.c", "one\ntwo\nthree\n");
    open_file(&f, "a.c", "one\ntwo\nthree\n");
    f.host.before_save = format;
    patch(&f, &r, update_a);
    cr_assert(r.ok, "%s", r.text);
    assert_has(r.text, "-three\n+three;\n");
    assert_lacks(r.diff, "three;");
    call(&f, &r, "write_file", "{'path':'a.c','content':'x'}");
    cr_assert(r.ok, "the formatted text was shown: %s", r.text);
    record_finish(&r);
    fixture_finish(&f);
}

Test(edits, a_failed_save_is_told_and_the_edit_stands)
{
    struct fixture f;
    struct record r = {0};
    fixture_init(&f);
    put(&f, "a.c", "one\ntwo\nthree\n");
    open_file(&f, "a.c", "one\ntwo\nthree\n");
    f.host.save_status = STATUS_IO;
    f.host.note = "disk full";
    patch(&f, &r, update_a);
    cr_assert(r.ok);
    assert_has(r.text, "disk full");
    cr_assert_str_eq(screen(&f, "a.c"), "one\nTWO\nthree\n");
    record_finish(&r);
    fixture_finish(&f);
}

Test(edits, a_host_that_cannot_save_and_a_user_who_does_not_want_it)
{
    for (int never = 0; never < 2; never++) {
        struct fixture f;
        struct record r = {0};
        fixture_init(&f);
        put(&f, "a.c", "one\ntwo\nthree\n");
        open_file(&f, "a.c", "one\ntwo\nthree\n");
        if (never)
            f.config->save = SAVE_NEVER;
        else
            f.host.ops.save = NULL;
        patch(&f, &r, update_a);
        cr_assert(r.ok, "%s", r.text);
        cr_assert_str_eq(screen(&f, "a.c"), "one\nTWO\nthree\n");
        cr_assert_str_eq(disk(&f, "a.c"), "one\ntwo\nthree\n");
        record_finish(&r);
        fixture_finish(&f);
    }
}

Test(edits, review_before_asks_with_the_diff_where_nobody_sees_proposals)
{
    struct fixture f;
    struct record r = {0};
    fixture_init(&f);
    f.host.ops.no_proposals = true;
    put(&f, "a.c", "one\ntwo\nthree\n");
    f.config->review = REVIEW_BEFORE;
    patch(&f, &r, update_a);
    cr_assert(r.ok, "%s", r.text);
    cr_assert_eq(f.host.asks, 1);
    cr_assert_eq(f.host.ask_kind, HOST_ASK_EDIT);
    assert_has(f.host.shown.ptr, "-two\n+TWO\n");
    record_finish(&r);
    fixture_finish(&f);
}
