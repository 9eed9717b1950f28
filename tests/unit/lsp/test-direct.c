/* What we write ourselves, for a client without resource operations. */
#include "editor.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../racer.h"

TestSuite(direct, .timeout = 120);

static const char no_operations[] =
    "{'workspace':{'applyEdit':true,'workspaceEdit':{'documentChanges':true}}}";

/* -- Races ------------------------------------------------------------------------------------ */

enum { SAMPLE = 60 };

static bool is_judged(void *user)
{
    return ((struct editor *)user)->verdicts > 0;
}

static unsigned apply_one(struct editor *e, enum host_change_kind kind, const char *name,
                          const char *new_name, struct text *before, struct text *after)
{
    struct host_change change = {.kind = kind,
                                 .path = world_path(&e->w, name),
                                 .new_path = new_name ? world_path(&e->w, new_name) : NULL,
                                 .before = before,
                                 .after = after};
    editor_apply(e, &change, 1);
    world_run(&e->w, is_judged, e);
    return e->verdict == HOST_APPLIED;
}

static const char *outside(const struct editor *e, const char *name)
{
    static char path[200];
    snprintf(path, sizeof(path), "%s/outside%s", e->w.dir, name);
    return path;
}

static void put_outside(const struct editor *e)
{
    mkdir(outside(e, ""), 0755);
    FILE *file = fopen(outside(e, "/file"), "w");
    cr_assert_not_null(file);
    fputs("inside\n", file); /* the same text, so that nothing but the place tells them apart */
    fclose(file);
}

Test(direct, sec_08_writing_for_the_client_never_reaches_outside)
{
    struct editor e;
    struct racer racer;
    struct stat before, now;
    unsigned done[4] = {0};
    struct text *old = text_new(STR("inside\n")), *new = text_new(STR("agent\n"));
    editor_start(&e, no_operations);
    put_outside(&e);
    mkdir(world_path(&e.w, "dir"), 0755);
    world_put(&e.w, "dir/file", "inside\n");
    cr_assert_eq(symlink("../outside", world_path(&e.w, "swap")), 0);
    cr_assert_eq(stat(outside(&e, "/file"), &before), 0);
    racer_start(&racer, world_path(&e.w, "dir"), world_path(&e.w, "swap"));
    for (unsigned i = 0; racer_goes_on(i, racer_rounds(SAMPLE), done, array_count(done)); i++) {
        done[0] += apply_one(&e, HOST_CREATE, "dir/made", NULL, NULL, new);
        done[1] += apply_one(&e, HOST_MOVE, "dir/file", "dir/moved", old, new);
        done[2] += apply_one(&e, HOST_MOVE, "dir/moved", "dir/file", new, old);
        done[3] += apply_one(&e, HOST_DELETE, "dir/made", NULL, new, NULL);
        cr_assert_eq(stat(outside(&e, "/file"), &now), 0);
        cr_assert(now.st_ino == before.st_ino && now.st_ctim.tv_nsec == before.st_ctim.tv_nsec);
        cr_assert_neq(access(outside(&e, "/made"), F_OK), 0);
        cr_assert_neq(access(outside(&e, "/moved"), F_OK), 0);
    }
    cr_assert_gt(racer_stop(&racer), 10);
    for (size_t i = 0; i < array_count(done); i++)
        cr_assert_gt(done[i], 0, "way %zu never wrote", i);
    text_unref(old);
    text_unref(new);
    editor_finish(&e);
}

/* -- After a crash ---------------------------------------------------------------------------- */

/* As a process leaves it that is killed after it put new.c in place of nothing, and before old.c.
 */
static void leave_half_done(struct editor *e)
{
    struct stat new, old, other;
    char folder[128], note[160];
    world_put(&e->w, "new.c", "half\n");
    world_put(&e->w, "old.c", "old\n");
    world_put(&e->w, ".lanebridge_b.tmp", "not yet\n");
    stat(world_path(&e->w, "new.c"), &new);
    stat(world_path(&e->w, "old.c"), &old);
    stat(world_path(&e->w, ".lanebridge_b.tmp"), &other);
    snprintf(folder, sizeof(folder), "%s/writes", e->w.state);
    mkdir(e->w.state, 0700);
    mkdir(folder, 0700);
    snprintf(note, sizeof(note), "%s/write_x", folder);
    FILE *file = fopen(note, "w");
    cr_assert_not_null(file, "%s", note);
    fprintf(file,
            "lanebridge write 1\nwrite\t%s\tnew.c\t0\t.lanebridge_a.tmp\t.lanebridge_a.old\n"
            "write\t%s\told.c\t0\t.lanebridge_b.tmp\t.lanebridge_b.old\n"
            "made\t0\t%lu\t%ld\t%lld\nmade\t%lu\t%lu\t%ld\t%lld\nready\n",
            e->w.ws, e->w.ws, (unsigned long)new.st_ino, (long)new.st_size,
            (long long)new.st_mtim.tv_sec * 1000000000 + new.st_mtim.tv_nsec,
            (unsigned long)old.st_ino, (unsigned long)other.st_ino, (long)other.st_size,
            (long long)other.st_mtim.tv_sec * 1000000000 + other.st_mtim.tv_nsec);
    fclose(file);
    chmod(note, 0600);
}

Test(direct, sec_32_what_a_crash_left_is_taken_back_before_the_first_turn_and_told)
{
    struct editor e;
    struct err err = {0};
    editor_start(&e, no_operations);
    leave_half_done(&e);
    editor_turns(&e, 3);
    cr_assert_str_eq(world_disk(&e.w, "new.c"), "half\n", "nothing is written before it is needed");
    cr_assert_not_null(server_agent(e.server, &err), "%s", err.text);
    struct editor_message *message = editor_wait(&e, "window/showMessage");
    assert_has(editor_params(message), "Lanebridge was stopped while it changed files");
    assert_has(editor_params(message), "As before: old.c, new.c.");
    cr_assert_str_eq(world_disk(&e.w, "new.c"), "(none)");
    cr_assert_str_eq(world_disk(&e.w, "old.c"), "old\n");
    cr_assert_str_eq(world_disk(&e.w, ".lanebridge_b.tmp"), "(none)");
    editor_finish(&e);
}
