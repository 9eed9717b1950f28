/* Threads taken up again from the journal, as after a crash. */
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "desk.h"

TestSuite(resume, .timeout = 60);

static void item(struct desk *d, const char *thread_id, const char *turn_id, const char *kind,
                 const char *json)
{
    char *text = mem_dup_c(json);
    for (char *at = text; *at; at++)
        *at = *at == '\'' ? '"' : *at;
    cr_assert_eq(journal_item_append(d->w.journal, thread_id, turn_id, kind, str_from(text), NULL),
                 STATUS_OK);
    mem_free(text);
}

/* A thread whose process died: three calls asked for, one done, one started, one not. */
static void leave_behind(struct desk *d, char thread_id[ID_BYTES], char turn_id[ID_BYTES])
{
    struct journal *journal = d->w.journal;
    struct err err = {0};
    cr_assert_eq(journal_thread_create(journal, str_from(d->w.ws), STR("m-1"), thread_id, &err),
                 STATUS_OK);
    journal_thread_set_title(journal, thread_id, STR("old work"), NULL);
    journal_turn_create(journal, thread_id, turn_id, NULL);
    item(d, thread_id, turn_id, "user",
         "{'type':'message','role':'user','content':[{'type':'input_text','text':'go'}]}");
    item(d, thread_id, turn_id, "output",
         "{'type':'function_call','call_id':'c1','name':'exec_command','arguments':'{}'}");
    item(d, thread_id, turn_id, "output",
         "{'type':'custom_tool_call','call_id':'c2','name':'apply_patch','input':'x'}");
    item(d, thread_id, turn_id, "output",
         "{'type':'function_call','call_id':'c3','name':'read_file','arguments':'{}'}");
    journal_call_start(journal, thread_id, turn_id, STR("c1"), STR("exec_command"), STR("{}"),
                       STR("allow"), NULL);
    journal_call_start(journal, thread_id, turn_id, STR("c2"), STR("apply_patch"), STR("x"),
                       STR("allow"), NULL);
    journal_call_finish(journal, thread_id, STR("c2"), STR("patched it"), true, NULL);
}

static bool note_turn(void *user, const struct journal_turn *turn)
{
    buf_append_fmt(user, STR_FMT ": " STR_FMT "\n", STR_ARG(turn->status), STR_ARG(turn->error));
    return true;
}

Test(resume, calls_that_were_open_are_answered)
{
    struct desk d;
    struct err err = {0};
    struct buf sent = {0}, turns = {0};
    char id[ID_BYTES], turn_id[ID_BYTES];
    desk_init(&d);
    leave_behind(&d, id, turn_id);
    d.thread = agent_thread_resume(d.w.agent, str_from(id), &err);
    cr_assert_not_null(d.thread, "%s", err.text);
    cr_assert_str_eq(agent_thread_id(d.thread), id);
    cr_assert(str_eq_c(agent_thread_title(d.thread), "old work"));
    cr_assert_not(agent_thread_is_busy(d.thread));
    cr_assert_eq(d.events, 0);
    journal_turn_each(d.w.journal, id, note_turn, &turns, NULL);
    cr_assert_str_eq(turns.ptr, "interrupted: Lanebridge ended while it ran\n");
    desk_ask(&d, "go on");
    model_context(&d.w.model, &sent);
    assert_has(sent.ptr, "{\"type\":\"function_call_output\",\"call_id\":\"c1\",\"output\":\"The "
                         "editor or Lanebridge ended while this ran");
    assert_has(sent.ptr, "{\"type\":\"custom_tool_call_output\",\"call_id\":\"c2\",\"output\":"
                         "\"patched it\"}");
    assert_has(sent.ptr, "{\"type\":\"function_call_output\",\"call_id\":\"c3\",\"output\":\"Not "
                         "run");
    buf_finish(&sent);
    buf_finish(&turns);
    desk_finish(&d);
}

Test(resume, twice_answers_once)
{
    struct desk d;
    char id[ID_BYTES], turn_id[ID_BYTES];
    desk_init(&d);
    leave_behind(&d, id, turn_id);
    for (int i = 0; i < 3; i++) {
        d.thread = agent_thread_resume(d.w.agent, str_from(id), NULL);
        cr_assert_not_null(d.thread);
        cr_assert_eq(agent_thread_resume(d.w.agent, str_from(id), NULL), d.thread);
        agent_thread_close(d.thread);
    }
    d.thread = agent_thread_resume(d.w.agent, str_from(id), NULL);
    desk_ask(&d, "go on"); /* the model refuses a second output */
    cr_assert_eq(d.last_end.status, TURN_COMPLETED);
    desk_finish(&d);
}

/* The process ends in the middle of a turn with a call running; a new one goes on. */
Test(resume, a_new_process_goes_on)
{
    static const char *const steps[] = {
        "think a\ncall c1 write_file {'path':'n.txt','content':'x'}\nthink b\nwait\ndone",
        "say ok\ndone", NULL};
    struct desk d;
    struct buf sent = {0};
    char id[ID_BYTES];
    desk_init(&d);
    model_script(&d.w.model, steps);
    d.holds = true;
    desk_prompt(&d, "go", NULL);
    desk_waiting(&d);
    world_turns(&d.w, 20);
    snprintf(id, sizeof(id), "%s", agent_thread_id(d.thread));
    world_end_agent(&d.w);
    d.holds = false;
    desk_agent(&d);
    d.thread = agent_thread_resume(d.w.agent, str_from(id), NULL);
    cr_assert_not_null(d.thread);
    desk_ask(&d, "go on");
    model_context(&d.w.model, &sent);
    assert_has(sent.ptr, "\"call_id\":\"c1\",\"output\":");
    cr_assert_eq(d.applies, 1, "no call runs twice");
    buf_finish(&sent);
    desk_finish(&d);
}

Test(resume, unknown_threads_are_not_found)
{
    static const char too_long[] = "a-name-that-is-much-too-long-for-any-thread-of-ours-to-have-it-"
                                   "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";
    static const char *const ids[] = {"", "thread-0", "../../etc/passwd", too_long};
    struct desk d;
    desk_init(&d);
    for (size_t i = 0; i < array_count(ids); i++) {
        struct err err = {0};
        cr_assert_null(agent_thread_resume(d.w.agent, str_from(ids[i]), &err));
        cr_assert_eq(err.status, STATUS_NOT_FOUND);
        assert_has(err.text, "there is no thread");
    }
    desk_finish(&d);
}

/* Another process holds the lease. */
Test(resume, leased_elsewhere)
{
    struct desk d;
    struct err err = {0};
    char id[ID_BYTES] = "";
    int ids[2], hold[2];
    desk_init(&d);
    cr_assert_eq(pipe(ids), 0);
    cr_assert_eq(pipe(hold), 0);
    pid_t child = fork();
    if (child == 0) {
        char byte;
        struct journal *journal = journal_open(str_from(d.w.state), time_wall_ms, NULL);
        close(hold[1]);
        if (journal)
            journal_thread_create(journal, str_from(d.w.ws), STR("m"), id, NULL);
        if (write(ids[1], id, sizeof(id)) != sizeof(id) || read(hold[0], &byte, 1) < 0)
            _exit(1);
        _exit(0);
    }
    close(hold[0]);
    cr_assert_eq(read(ids[0], id, sizeof(id)), (ssize_t)sizeof(id));
    cr_assert_neq(id[0], '\0');
    cr_assert_null(agent_thread_resume(d.w.agent, str_from(id), &err));
    cr_assert_eq(err.status, STATUS_LEASED, "%s", err.text);
    close(hold[1]);
    cr_assert_eq(waitpid(child, NULL, 0), child);
    d.thread = agent_thread_resume(d.w.agent, str_from(id), &err);
    cr_assert_not_null(d.thread, "its owner is gone: %s", err.text);
    close(ids[0]);
    close(ids[1]);
    desk_finish(&d);
}

/* A child that takes the thread over at its first byte, and ends at its second. */
static pid_t start_other(struct desk *d, const char *id, int *ret_to, int *ret_from)
{
    int to[2], from[2];
    cr_assert_eq(pipe(to), 0);
    cr_assert_eq(pipe(from), 0);
    pid_t child = fork();
    if (child == 0) {
        char byte = 0;
        close(to[1]);
        if (read(to[0], &byte, 1) != 1)
            _exit(1);
        struct journal *journal = journal_open(str_from(d->w.state), time_wall_ms, NULL);
        bool good = journal && journal_lease_take(journal, id, true, NULL) == STATUS_OK;
        if (write(from[1], good ? "y" : "n", 1) != 1 || read(to[0], &byte, 1) < 0)
            _exit(1);
        _exit(0);
    }
    close(to[0]);
    close(from[1]);
    *ret_to = to[1];
    *ret_from = from[0];
    return child;
}

/* Another process takes it over in the middle of a turn, and this one takes it back. */
Test(resume, taken_over_and_back)
{
    static const char *const steps[] = {"call c1 read_file {'path':'n.txt'}\nwait\ndone",
                                        "say never\ndone", "say back\ndone", NULL};
    struct desk d;
    struct err err = {0};
    char id[ID_BYTES], answer = 0;
    int to, from;
    bool queued;
    char turn_id[ID_BYTES];
    desk_init(&d);
    snprintf(id, sizeof(id), "%s", agent_thread_id(d.thread));
    model_script(&d.w.model, steps);
    pid_t child = start_other(&d, id, &to, &from);
    desk_prompt(&d, "go", NULL);
    desk_waiting(&d);
    journal_settle(d.w.journal); /* as the loop does before it waits: nobody else could write */
    cr_assert_eq(write(to, "t", 1), 1);
    cr_assert_eq(read(from, &answer, 1), 1);
    cr_assert_eq(answer, 'y');
    model_go(&d.w.model);
    desk_idle(&d);
    cr_assert_eq(d.last_end.status, TURN_FAILED);
    assert_has(d.log.ptr, "another editor has taken this thread over");
    cr_assert_null(agent_thread_resume(d.w.agent, str_from(id), &err));
    assert_has(err.text, "open in another editor");
    d.thread = agent_thread_take_over(d.w.agent, str_from(id), &err);
    cr_assert_not_null(d.thread, "%s", err.text);
    cr_assert(agent_thread_can_continue(d.thread), "nobody could say that its turn had ended");
    cr_assert_eq(agent_thread_continue(d.thread, turn_id, &queued, &err), STATUS_OK);
    desk_idle(&d);
    cr_assert_eq(d.last_end.status, TURN_COMPLETED);
    close(to);
    close(from);
    cr_assert_eq(waitpid(child, NULL, 0), child);
    desk_finish(&d);
}

static void assert_context(struct desk *d, const char *has, const char *lacks)
{
    struct buf sent = {0};
    model_context(&d->w.model, &sent);
    assert_has(sent.ptr, has);
    if (lacks)
        assert_lacks(sent.ptr, lacks);
    buf_finish(&sent);
}

static void reopen(struct desk *d)
{
    char id[ID_BYTES];
    snprintf(id, sizeof(id), "%s", agent_thread_id(d->thread));
    agent_thread_close(d->thread);
    d->thread = agent_thread_resume(d->w.agent, str_from(id), NULL);
    cr_assert_not_null(d->thread);
}

/* A thread that was used with another model loses what that one reasoned, for good. */
Test(resume, another_models_reasoning_is_not_sent)
{
    static const char *const steps[] = {"think a\nsay one\ndone", "think b\nsay two\ndone",
                                        "think c\nsay three\ndone", "say four\ndone", NULL};
    struct desk d;
    desk_init(&d);
    model_script(&d.w.model, steps);
    desk_ask(&d, "1");
    reopen(&d);
    desk_ask(&d, "2");
    assert_context(&d, "\"reasoning\"", NULL);
    journal_thread_set_model(d.w.journal, agent_thread_id(d.thread), STR("another"), NULL);
    reopen(&d);
    desk_ask(&d, "3");
    assert_context(&d, "\"two\"", "\"reasoning\"");
    reopen(&d);
    desk_ask(&d, "4");
    assert_context(&d, "\"reasoning\"", "\"a\"");
    desk_finish(&d);
}

Test(resume, the_last_used_thread_of_a_root)
{
    struct desk d;
    desk_init(&d);
    struct agent_thread *first = d.thread;
    struct agent_thread *second = agent_thread_start(d.w.agent, str_from(d.w.ws), NULL);
    struct agent_thread *other = agent_thread_start(d.w.agent, STR(""), NULL);
    cr_assert_eq(agent_thread_last(d.w.agent, str_from(d.w.ws)), second);
    cr_assert_eq(agent_thread_last(d.w.agent, STR("")), other);
    cr_assert_null(agent_thread_last(d.w.agent, STR("/elsewhere")));
    desk_ask(&d, "go");
    cr_assert_eq(agent_thread_last(d.w.agent, str_from(d.w.ws)), first);
    desk_finish(&d);
}

/* -- Tools -- */

static void locate_nothing(void *host, const struct host_query *query, host_locations_fn *on_done,
                           void *user)
{
    (void)host;
    (void)query;
    (void)on_done;
    (void)user;
}

static struct str tools_sent(const struct desk *d)
{
    struct str tools = {0};
    cr_assert_gt(d->w.model.frames.len, 0);
    struct str frame = str_from(vec_last(&d->w.model.frames));
    cr_assert_eq(json_raw_member(frame, "tools", &tools), STATUS_OK);
    return tools;
}

/* What the editor offers changes from one process to the next; what the model was offered does not.
 */
Test(resume, a_thread_keeps_the_tools_it_began_with)
{
    static const char *const steps[] = {"say hello\ndone", NULL};
    struct desk d;
    struct buf before = {0};
    char id[ID_BYTES];
    desk_init(&d);
    model_script(&d.w.model, steps);
    const struct host_ops *plain = d.host.ops;
    struct host_ops able = *plain;
    able.locate = locate_nothing;
    for (int way = 0; way < 2; way++) { /* begun without, resumed with; and the other way round */
        world_end_agent(&d.w);
        d.host.ops = way == 0 ? plain : &able;
        desk_agent(&d);
        d.thread = agent_thread_start(d.w.agent, str_from(d.w.ws), NULL);
        snprintf(id, sizeof(id), "%s", agent_thread_id(d.thread));
        desk_ask(&d, "go");
        buf_clear(&before);
        buf_append(&before, tools_sent(&d));
        cr_assert_eq(str_find(buf_str(&before), STR("\"references\""), 0) != STR_NONE, way == 1);
        world_end_agent(&d.w);
        d.host.ops = way == 0 ? &able : plain;
        desk_agent(&d);
        d.thread = agent_thread_resume(d.w.agent, str_from(id), NULL);
        desk_ask(&d, "go on");
        cr_assert(str_eq(tools_sent(&d), buf_str(&before)));
        d.thread = agent_thread_start(d.w.agent, str_from(d.w.ws), NULL);
        desk_ask(&d, "another");
        cr_assert(!str_eq(tools_sent(&d), buf_str(&before)));
    }
    d.host.ops = plain;
    buf_finish(&before);
    desk_finish(&d);
}
