/* Every tool that touches files, while somebody swaps the folder it works in for a link to outside.
 * The host writes by the workspace's own hands, as the language server does for a client that
 * cannot: what an editor does with a path is the editor's. */
#include <criterion/criterion.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../racer.h"
#include "fixture.h"

TestSuite(races, .timeout = 900);

enum { SAMPLE = 60, TURN_ROUNDS = 10 };
static const char secret[] = "secret-of-outside";

/* -- A host that writes directly -------------------------------------------------------------- */

static enum status write_directly(struct fixture *f, const struct host_change *changes,
                                  size_t count, struct err *err)
{
    static const enum workspace_op_kind kinds[] = {[HOST_CREATE] = WORKSPACE_WRITE,
                                                   [HOST_UPDATE] = WORKSPACE_WRITE,
                                                   [HOST_DELETE] = WORKSPACE_REMOVE,
                                                   [HOST_MOVE] = WORKSPACE_MOVE};
    struct workspace_path paths[16] = {0}, tos[16] = {0};
    struct workspace_op ops[16];
    enum status status = STATUS_OK;
    cr_assert_leq(count, array_count(ops));
    for (size_t i = 0; status == STATUS_OK && i < count; i++) {
        const struct host_change *change = &changes[i];
        status = workspace_resolve(f->workspace, NULL, str_from(change->path), &paths[i], err);
        if (status == STATUS_OK && change->kind == HOST_MOVE)
            status =
                workspace_resolve(f->workspace, NULL, str_from(change->new_path), &tos[i], err);
        ops[i] = (struct workspace_op){kinds[change->kind], &paths[i], &tos[i],
                                       change->after ? text_bytes(change->after) : STR(""), NULL};
    }
    if (status == STATUS_OK)
        status = workspace_write_all(f->workspace, ops, count, err);
    for (size_t i = 0; i < count; i++) {
        workspace_path_finish(&paths[i]);
        workspace_path_finish(&tos[i]);
    }
    return status;
}

struct direct_answer {
    host_apply_fn *fn;
    void *user;
    struct host_apply_outcome outcome;
    struct err err;
};
static unsigned applied;

static void tell(void *user)
{
    struct direct_answer *answer = user;
    answer->outcome.note = str_from(answer->err.text);
    answer->fn(answer->user, &answer->outcome);
    mem_free(answer);
}

static void apply_directly(void *host, const struct host_change *changes, size_t count,
                           const char *label, host_apply_fn *fn, void *user)
{
    struct fixture *f = ((struct fake_host *)host)->f;
    struct direct_answer *answer = mem_new(struct direct_answer);
    (void)label;
    answer->fn = fn;
    answer->user = user;
    bool done = write_directly(f, changes, count, &answer->err) == STATUS_OK;
    answer->outcome.result = done ? HOST_APPLIED : HOST_FAILED;
    applied += done;
    loop_defer(f->loop, tell, answer);
}

/* -- The place -------------------------------------------------------------------------------- */

struct place {
    struct fixture f;
    int real;            /* the folder inside, whatever its name is now */
    struct stat outside; /* the file that must stay as it is */
    struct racer racer;
};

static const char *outside(const struct place *place, const char *name)
{
    static char path[200];
    snprintf(path, sizeof(path), "%s/outside/%s", place->f.dir, name);
    return path;
}

static void put_in(int folder, const char *name, const char *text)
{
    int fd = openat(folder, name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
    cr_assert_geq(fd, 0);
    cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

static void place_init(struct place *place)
{
    *place = (struct place){0};
    fixture_init(&place->f);
    place->f.host.ops.apply = apply_directly;
    mkdir(outside(place, ""), 0755);
    put(&place->f, "dir/file", "inside\n");
    put(&place->f, "dir/gone", "inside\n");
    put(&place->f, "dir/moving", "inside\n");
    FILE *file = fopen(outside(place, "file"), "w");
    fprintf(file, "%s\n", secret);
    fclose(file);
    file = fopen(outside(place, "secret-name"), "w");
    fclose(file);
    cr_assert_eq(symlink("../outside", in_ws(&place->f, "swap")), 0);
    place->real = open(in_ws(&place->f, "dir"), O_PATH | O_DIRECTORY | O_CLOEXEC);
    cr_assert_eq(stat(outside(place, "file"), &place->outside), 0);
    racer_start(&place->racer, in_ws(&place->f, "dir"), in_ws(&place->f, "swap"));
}

static size_t count_names(const char *path)
{
    DIR *folder = opendir(path);
    size_t count = 0;
    while (readdir(folder))
        count++;
    closedir(folder);
    return count - 2;
}

static void check_outside(const struct place *place, const char *what)
{
    struct stat now;
    cr_assert_eq(stat(outside(place, "file"), &now), 0, "%s removed it", what);
    cr_assert(now.st_ino == place->outside.st_ino && now.st_size == place->outside.st_size &&
                  now.st_mtim.tv_nsec == place->outside.st_mtim.tv_nsec &&
                  now.st_ctim.tv_nsec == place->outside.st_ctim.tv_nsec,
              "%s changed it", what);
    cr_assert_eq(count_names(outside(place, "")), 2, "%s made something", what);
}

static void place_finish(struct place *place)
{
    cr_assert_gt(racer_stop(&place->racer), 10);
    close(place->real);
    fixture_finish(&place->f);
}

/* -- Reading ---------------------------------------------------------------------------------- */

Test(races, sec_08_reading_tools_never_show_what_is_outside)
{
    static const struct {
        const char *tool, *arguments;
    } readers[] = {
        {"read_file", "{'path':'dir/file'}"},    {"list_dir", "{'path':'dir','depth':3}"},
        {"list_dir", "{'path':'.','depth':3}"},  {"find_files", "{'glob':'**','path':'dir'}"},
        {"find_files", "{'glob':'**'}"},         {"grep", "{'pattern':'.','path':'dir'}"},
        {"grep", "{'pattern':'inside|secret'}"},
    };
    struct place place;
    unsigned seen[array_count(readers)] = {0};
    place_init(&place);
    for (unsigned round = 0; racer_goes_on(round, racer_rounds(SAMPLE), seen, array_count(readers));
         round++) {
        for (size_t i = 0; i < array_count(readers); i++) {
            struct record r = {0};
            call(&place.f, &r, readers[i].tool, readers[i].arguments);
            assert_lacks(r.text, secret);
            assert_lacks(r.text, "secret-name");
            seen[i] += strstr(r.text, "inside") || strstr(r.text, "moving");
            record_finish(&r);
        }
    }
    for (size_t i = 0; i < array_count(readers); i++)
        cr_assert_gt(seen[i], 0, "%s never saw the file", readers[i].tool);
    check_outside(&place, "a reader");
    place_finish(&place);
}

/* -- Writing ---------------------------------------------------------------------------------- */

static void add(struct place *place, struct record *r, unsigned round)
{
    char text[200];
    snprintf(text, sizeof(text),
             "*** Begin Patch\n*** Add File: dir/new/added-%u\n+agent\n*** End Patch\n", round);
    patch(&place->f, r, text);
}

static void update(struct place *place, struct record *r, unsigned round)
{
    (void)round;
    put_in(place->real, "file", "inside\n");
    patch(&place->f, r,
          "*** Begin Patch\n*** Update File: dir/file\n@@\n-inside\n+agent\n*** End Patch\n");
}

static void delete (struct place *place, struct record *r, unsigned round)
{
    (void)round;
    put_in(place->real, "gone", "inside\n");
    patch(&place->f, r, "*** Begin Patch\n*** Delete File: dir/gone\n*** End Patch\n");
}

static void move(struct place *place, struct record *r, unsigned round)
{
    char text[200];
    put_in(place->real, "moving", "inside\n");
    snprintf(
        text, sizeof(text),
        "*** Begin Patch\n*** Update File: dir/moving\n*** Move to: dir/moved-%u\n@@\n-inside\n"
        "+agent\n*** End Patch\n",
        round);
    patch(&place->f, r, text);
}

static void edit(struct place *place, struct record *r, unsigned round)
{
    (void)round;
    put_in(place->real, "file", "inside\n");
    call(&place->f, r, "edit_file",
         "{'path':'dir/file','old_string':'inside','new_string':'agent'}");
}

static void write_new(struct place *place, struct record *r, unsigned round)
{
    char arguments[100];
    snprintf(arguments, sizeof(arguments), "{'path':'dir/written-%u','content':'agent'}", round);
    call(&place->f, r, "write_file", arguments);
}

static void write_over(struct place *place, struct record *r, unsigned round)
{
    (void)round;
    put_in(place->real, "file", "inside\n");
    call(&place->f, r, "read_file", "{'path':'dir/file'}");
    call(&place->f, r, "write_file", "{'path':'dir/file','content':'agent'}");
}

static void on_undone(void *user, const struct tools_undo_result *result)
{
    struct fixture *f = user;
    (void)result;
    loop_stop(f->loop);
}

static void undo(struct place *place, struct record *r, unsigned round)
{
    struct err err = {0};
    (void)r;
    if (round % TURN_ROUNDS == 0)
        return;
    if (tools_undo_start(place->f.thread, str_from(place->f.turn_id),
                         round % 2 ? TOOLS_UNDO : TOOLS_REDO, on_undone, &place->f, &err))
        loop_run(place->f.loop);
}

static void next_turn(struct place *place)
{
    cr_assert_eq(journal_turn_create(place->f.journal, place->f.thread_id, place->f.turn_id, NULL),
                 STATUS_OK);
    place->f.host.pending_count = 0;
}

/* So that folders stay small. */
static void tidy(const struct place *place, unsigned round)
{
    static const char *const formats[] = {"new/added-%u", "moved-%u", "written-%u"};
    char name[64];
    for (size_t i = 0; i < array_count(formats); i++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        snprintf(name, sizeof(name), formats[i], round);
#pragma GCC diagnostic pop
        unlinkat(place->real, name, 0);
    }
}

Test(races, sec_08_writing_tools_never_reach_outside)
{
    static const struct {
        const char *name;
        void (*write)(struct place *place, struct record *r, unsigned round);
    } writers[] = {
        {"apply_patch add", add},
        {"apply_patch update", update},
        {"apply_patch delete", delete},
        {"apply_patch move", move},
        {"edit_file", edit},
        {"write_file new", write_new},
        {"write_file over", write_over},
        {"undo", undo},
    };
    struct place place;
    unsigned done[array_count(writers)] = {0}, count = array_count(writers);
    unsigned rounds = racer_rounds(SAMPLE * count) / count;
    place_init(&place);
    for (unsigned round = 0; racer_goes_on(round, rounds, done, count); round++) {
        if (round % TURN_ROUNDS == 0)
            next_turn(&place);
        for (size_t i = 0; i < array_count(writers); i++) {
            struct record r = {0};
            unsigned before = applied;
            writers[i].write(&place, &r, round);
            done[i] += applied > before;
            record_finish(&r);
            check_outside(&place, writers[i].name);
        }
        if (round >= 2 * TURN_ROUNDS)
            tidy(&place, round - 2 * TURN_ROUNDS);
    }
    for (size_t i = 0; i < array_count(writers); i++)
        cr_assert_gt(done[i], 0, "%s never wrote anything", writers[i].name);
    place_finish(&place);
}

/* The file itself is swapped for a link. */
Test(races, sec_08_a_file_that_becomes_a_link_is_never_followed)
{
    struct place place;
    unsigned done = 0;
    place_init(&place);
    racer_stop(&place.racer);
    put(&place.f, "one", "inside\n");
    cr_assert_eq(symlink("../outside/file", in_ws(&place.f, "two")), 0);
    racer_start(&place.racer, in_ws(&place.f, "one"), in_ws(&place.f, "two"));
    for (unsigned round = 0; racer_goes_on(round, racer_rounds(SAMPLE), &done, 1); round++) {
        struct record r = {0};
        if (round % TURN_ROUNDS == 0)
            next_turn(&place);
        call(&place.f, &r, "read_file", "{'path':'one'}");
        assert_lacks(r.text, secret);
        unsigned before = applied;
        call(&place.f, &r, "edit_file",
             round % 2 ? "{'path':'one','old_string':'agent','new_string':'inside'}"
                       : "{'path':'one','old_string':'inside','new_string':'agent'}");
        done += applied > before;
        call(&place.f, &r, "grep", "{'pattern':'.'}");
        assert_lacks(r.text, secret);
        check_outside(&place, "an edit");
        record_finish(&r);
        /* an edit may have replaced the link's place by a file: then it is put back */
        struct stat found;
        for (int k = 0; k < 2; k++)
            if (lstat(in_ws(&place.f, k ? "one" : "two"), &found) < 0)
                put(&place.f, k ? "one" : "two", "inside\n");
    }
    cr_assert_gt(done, 0);
    place_finish(&place);
}
