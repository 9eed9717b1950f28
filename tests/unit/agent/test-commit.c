/* A commit message: of what git says, in a thread that nobody sees, by a turn that only reads. */
#include <stdio.h>
#include <string.h>

#include "desk.h"

TestSuite(commit, .timeout = 60);

struct written {
    bool came;
    enum status status;
    char text[400];
};

static void on_written(void *user, enum status status, struct str text)
{
    struct written *written = user;
    written->came = true;
    written->status = status;
    snprintf(written->text, sizeof(written->text), STR_FMT, STR_ARG(text));
}

static bool has_come(void *user)
{
    return ((struct written *)user)->came;
}

static void git(const struct desk *d, const char *arguments)
{
    char command[400];
    snprintf(
        command, sizeof(command),
        "cd %s && GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null git %s >/dev/null 2>&1",
        d->w.ws, arguments);
    cr_assert_eq(system(command), 0, "%s", command);
}

static void begin(struct desk *d)
{
    desk_init(d);
    git(d, "init");
    world_put(&d->w, "a.txt", "alpha\n");
    world_put(&d->w, "b.txt", "beta\n");
    git(d, "add a.txt b.txt");
    git(d, "-c user.name=T -c user.email=t@example.org commit -m 'Begin with alpha'");
}

static struct agent_commit *start(struct desk *d, struct written *written)
{
    struct err err = {0};
    struct agent_commit *commit =
        agent_commit_start(d->w.agent, str_from(d->w.ws), on_written, written, &err);
    cr_assert_not_null(commit, "%s", err.text);
    cr_assert(agent_is_busy(d->w.agent));
    return commit;
}

static void wait_for(struct desk *d, struct written *written)
{
    start(d, written);
    world_run(&d->w, has_come, written);
    cr_assert(written->came);
    cr_assert(!agent_is_busy(d->w.agent));
    desk_assert_log(d, "");
}

Test(commit, is_of_what_is_staged)
{
    struct desk d;
    struct written written = {0};
    static const char *const steps[] = {"say Let alpha be\ndone", NULL};
    begin(&d);
    world_put(&d.w, "a.txt", "alpha two\n");
    git(&d, "add a.txt");
    world_put(&d.w, "b.txt", "not staged\n");
    model_script(&d.w.model, steps);
    wait_for(&d, &written);
    cr_assert_eq(written.status, STATUS_OK, "%s", written.text);
    cr_assert_str_eq(written.text, "Let alpha be");
    const char *frame = vec_last(&d.w.model.frames);
    assert_has(frame, "Begin with alpha");
    assert_has(frame, "What is staged:");
    assert_has(frame, "+alpha two");
    assert_lacks(frame, "not staged");
    assert_lacks(frame, "\"name\":\"exec_command\"");
    desk_finish(&d);
}

Test(commit, is_of_what_is_not_committed_where_nothing_is_staged)
{
    struct desk d;
    struct written written = {0};
    static const char *const steps[] = {"say Change beta\ndone", NULL};
    begin(&d);
    world_put(&d.w, "b.txt", "beta two\n");
    model_script(&d.w.model, steps);
    wait_for(&d, &written);
    cr_assert_str_eq(written.text, "Change beta");
    assert_has(vec_last(&d.w.model.frames), "+beta two");
    desk_finish(&d);
}

Test(commit, is_none_where_nothing_has_changed)
{
    struct desk d;
    struct written written = {0};
    begin(&d);
    wait_for(&d, &written);
    cr_assert_eq(written.status, STATUS_NOT_FOUND);
    assert_has(written.text, "nothing has changed");
    cr_assert_eq(d.w.model.frames.len, 0);
    desk_finish(&d);
}

Test(commit, a_turn_that_fails_says_why)
{
    struct desk d;
    struct written written = {0};
    static const char *const steps[] = {"say \ndone", NULL};
    begin(&d);
    world_put(&d.w, "b.txt", "beta two\n");
    model_script(&d.w.model, steps);
    wait_for(&d, &written);
    cr_assert_lt(written.status, 0);
    assert_has(written.text, "no message");
    desk_finish(&d);
}

Test(commit, cancelled_at_git_or_at_the_model_it_never_comes)
{
    struct desk d;
    struct written written = {0};
    static const char *const steps[] = {"wait\nsay late\ndone", "say done\ndone", NULL};
    begin(&d);
    world_put(&d.w, "b.txt", "beta two\n");
    model_script(&d.w.model, steps);
    agent_commit_cancel(start(&d, &written));
    struct agent_commit *commit = start(&d, &written);
    desk_waiting(&d);
    agent_commit_cancel(commit);
    desk_ask(&d, "hello");
    cr_assert(!written.came);
    cr_assert(!agent_is_busy(d.w.agent));
    desk_finish(&d);
}

Test(commit, at_most_four_at_once_and_the_end_drops_them)
{
    struct desk d;
    struct written written = {0};
    struct err err = {0};
    begin(&d);
    for (int i = 0; i < 4; i++)
        start(&d, &written);
    cr_assert_null(agent_commit_start(d.w.agent, str_from(d.w.ws), on_written, &written, &err));
    assert_has(err.text, "are being written");
    desk_finish(&d);
    cr_assert(!written.came);
}
