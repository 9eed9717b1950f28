/* The loop itself: deferred calls, timers, signals, work, and the account of what is open. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <lanebridge/loop.h>

TestSuite(loop, .timeout = 60);

struct trace {
    struct loop *loop;
    struct loop_timer *timer;
    struct loop_signal *signal;
    struct buf text;
    int count;
};

static struct trace trace_make(void)
{
    struct trace trace = {.loop = loop_new(NULL)};
    cr_assert_not_null(trace.loop);
    return trace;
}

static void trace_end(struct trace *trace)
{
    loop_free(trace->loop);
    buf_finish(&trace->text);
}

static void note_a(void *user)
{
    buf_append_c(&((struct trace *)user)->text, "a");
}

static void note_b(void *user)
{
    buf_append_c(&((struct trace *)user)->text, "b");
}

static void note_c_and_defer_a(void *user)
{
    struct trace *trace = user;
    buf_append_c(&trace->text, "c");
    loop_defer(trace->loop, note_a, trace);
    buf_append_c(&trace->text, "C");
}

Test(loop, opens_and_closes)
{
    struct loop *loop = loop_new(NULL);
    cr_assert_not_null(loop);
    loop_run(loop); /* nothing to wait for: returns */
    loop_free(loop);
    loop_free(NULL);
}

Test(loop, deferred_calls_run_in_call_order_after_the_caller)
{
    struct trace trace = trace_make();
    loop_defer(trace.loop, note_a, &trace);
    loop_defer(trace.loop, note_c_and_defer_a, &trace);
    loop_defer(trace.loop, note_b, &trace);
    cr_assert_eq(trace.text.len, 0);
    loop_run(trace.loop);
    cr_assert_str_eq(trace.text.ptr, "acCba");
    trace_end(&trace);
}

Test(loop, deferred_calls_survive_a_stop_and_run_at_the_latest_in_free)
{
    struct trace trace = trace_make();
    loop_defer(trace.loop, note_c_and_defer_a, &trace);
    loop_stop(trace.loop);
    loop_run(trace.loop);
    loop_free(trace.loop);
    cr_assert_str_eq(trace.text.ptr, "cCa");
    buf_finish(&trace.text);
}

static void defer_again(void *user)
{
    struct trace *trace = user;
    if (++trace->count < 20)
        loop_defer(trace->loop, defer_again, trace);
    else
        note_c_and_defer_a(trace);
}

Test(loop, what_waits_for_the_wait_comes_after_what_is_deferred)
{
    struct trace trace = trace_make();
    loop_before_wait(trace.loop, note_b, &trace);
    loop_defer(trace.loop, note_c_and_defer_a, &trace);
    cr_assert_eq(trace.text.len, 0);
    loop_run(trace.loop);
    cr_assert_str_eq(trace.text.ptr, "cCab");
    loop_before_wait(trace.loop, note_b, &trace);
    loop_defer(trace.loop, defer_again, &trace); /* but not for ever */
    loop_run(trace.loop);
    cr_assert_str_eq(trace.text.ptr, "cCabbcCa");
    loop_before_wait(trace.loop, note_b, &trace);
    loop_free(trace.loop); /* and at the latest in free */
    cr_assert_str_eq(trace.text.ptr, "cCabbcCab");
    buf_finish(&trace.text);
}

static void stop_at_three(void *user)
{
    struct trace *trace = user;
    if (++trace->count == 3)
        loop_stop(trace->loop);
}

Test(loop, a_repeating_timer_fires_until_the_loop_stops)
{
    struct trace trace = trace_make();
    trace.timer = loop_timer_new(trace.loop, stop_at_three, &trace);
    cr_assert_not(loop_timer_is_active(trace.timer));
    loop_timer_start(trace.timer, 1, 1);
    cr_assert(loop_timer_is_active(trace.timer));
    loop_run(trace.loop);
    cr_assert_eq(trace.count, 3);
    loop_timer_free(trace.timer);
    trace_end(&trace);
}

Test(loop, timers_fire_by_delay_and_a_stopped_one_does_not)
{
    struct trace trace = trace_make();
    struct loop_timer *a = loop_timer_new(trace.loop, note_a, &trace);
    struct loop_timer *b = loop_timer_new(trace.loop, note_b, &trace);
    struct loop_timer *never = loop_timer_new(trace.loop, note_b, &trace);
    loop_timer_start(never, 1, 0);
    loop_timer_start(a, 1000000, 0);
    loop_timer_start(b, 1, 0);
    loop_timer_start(a, 20, 0); /* restarts */
    loop_timer_stop(never);
    loop_run(trace.loop);
    cr_assert_str_eq(trace.text.ptr, "ba");
    cr_assert_not(loop_timer_is_active(a));
    loop_timer_free(a);
    loop_timer_free(b);
    loop_timer_free(never);
    trace_end(&trace);
}

static void free_own_timer(void *user)
{
    struct trace *trace = user;
    trace->count++;
    loop_timer_free(trace->timer);
}

Test(loop, a_timer_may_be_freed_in_its_own_callback)
{
    struct trace trace = trace_make();
    trace.timer = loop_timer_new(trace.loop, free_own_timer, &trace);
    loop_timer_start(trace.timer, 0, 1);
    loop_run(trace.loop);
    cr_assert_eq(trace.count, 1);
    loop_timer_free(NULL);
    trace_end(&trace);
}

Test(loop, time_goes_forward)
{
    struct trace trace = trace_make();
    uint64_t before = loop_now_ms(trace.loop);
    struct loop_timer *timer = loop_timer_new(trace.loop, note_a, &trace);
    loop_timer_start(timer, 5, 0);
    loop_run(trace.loop);
    cr_assert_geq(loop_now_ms(trace.loop), before + 5);
    loop_timer_free(timer);
    trace_end(&trace);
}

static void on_signal_free_it(void *user)
{
    struct trace *trace = user;
    trace->count++;
    loop_signal_free(trace->signal);
    loop_stop(trace->loop);
}

static void raise_usr1(void *user)
{
    raise(SIGUSR1);
}

Test(loop, a_signal_arrives_and_may_be_freed_in_its_callback)
{
    struct trace trace = trace_make();
    trace.signal = loop_signal_new(trace.loop, SIGUSR1, on_signal_free_it, &trace);
    struct loop_timer *keeps_running = loop_timer_new(trace.loop, note_a, &trace);
    loop_timer_start(keeps_running, 1000000, 0);
    loop_defer(trace.loop, raise_usr1, NULL);
    loop_run(trace.loop);
    cr_assert_eq(trace.count, 1);
    loop_timer_free(keeps_running);
    loop_signal_free(NULL);
    trace_end(&trace);
}

Test(loop, waiting_for_a_signal_alone_does_not_keep_the_loop_running)
{
    struct trace trace = trace_make();
    struct loop_signal *signal = loop_signal_new(trace.loop, SIGUSR2, note_a, &trace);
    loop_run(trace.loop);
    loop_signal_free(signal);
    trace_end(&trace);
}

struct job {
    pthread_t caller, worker;
    int worked, done, cancelled;
};

static void do_job(void *data)
{
    struct job *job = data;
    job->worker = pthread_self();
    job->worked++;
}

static void job_done(void *data, bool cancelled)
{
    struct job *job = data;
    job->done++;
    job->cancelled += cancelled;
}

Test(loop, work_runs_on_another_thread_and_comes_back)
{
    struct loop *loop = loop_new(NULL);
    struct job job = {.caller = pthread_self()};
    loop_work_start(loop, do_job, job_done, &job);
    cr_assert_eq(job.done, 0);
    loop_run(loop);
    cr_assert_eq(job.worked, 1);
    cr_assert_eq(job.done, 1);
    cr_assert_eq(job.cancelled, 0);
    cr_assert_not(pthread_equal(job.caller, job.worker));
    loop_free(loop);
}

static int gate[2];

static void wait_at_gate(void *data)
{
    char byte;
    cr_expect_eq(read(gate[0], &byte, 1), 1);
    do_job(data);
}

Test(loop, cancelled_work_is_never_begun_and_every_done_comes_once)
{
    enum { BLOCKERS = 4, JOBS = 20 };
    setenv("UV_THREADPOOL_SIZE", "4", 1);
    cr_assert_eq(pipe(gate), 0);
    struct loop *loop = loop_new(NULL);
    struct job blockers[BLOCKERS] = {0}, jobs[JOBS] = {0};
    for (int i = 0; i < BLOCKERS; i++)
        loop_work_start(loop, wait_at_gate, job_done, &blockers[i]);
    for (int i = 0; i < JOBS; i++)
        loop_work_cancel(loop_work_start(loop, do_job, job_done, &jobs[i]));
    /* All four threads are at the gate or will be before the first job: none was begun. */
    cr_assert_eq(write(gate[1], "wwww", BLOCKERS), BLOCKERS);
    loop_run(loop);
    for (int i = 0; i < BLOCKERS; i++)
        cr_assert_eq(blockers[i].done, 1);
    for (int i = 0; i < JOBS; i++) {
        cr_assert_eq(jobs[i].done, 1);
        cr_assert_eq(jobs[i].worked + jobs[i].cancelled, 1);
    }
    cr_assert_eq(jobs[JOBS - 1].cancelled, 1);
    loop_free(loop);
    close(gate[0]);
    close(gate[1]);
}

Test(loop, free_waits_for_work_that_runs)
{
    struct loop *loop = loop_new(NULL);
    struct job job = {0};
    loop_work_start(loop, do_job, job_done, &job);
    loop_free(loop);
    cr_assert_eq(job.done, 1);
}

/* What a child of the test may do: no Criterion in it, only _exit. */
static int run_forked(void (*fn)(void))
{
    pid_t pid = fork();
    if (pid == 0) {
        fn();
        _exit(0);
    }
    int status = 0;
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    return status;
}

static void leave_timer_open(void)
{
    int silent = open("/dev/null", O_WRONLY);
    dup2(silent, STDERR_FILENO);
    struct loop *loop = loop_new(NULL);
    loop_timer_new(loop, note_a, NULL);
    loop_free(loop);
}

Test(loop, free_aborts_when_something_was_left_open)
{
    int status = run_forked(leave_timer_open);
    cr_assert(WIFSIGNALED(status));
    cr_assert_eq(WTERMSIG(status), SIGABRT);
}

static void close_and_prepare(void)
{
    int leaked = dup(1);
    close(0);
    close(2);
    loop_prepare_process();
    bool ok = fcntl(0, F_GETFD) >= 0 && fcntl(2, F_GETFD) >= 0 &&
              fcntl(leaked, F_GETFD) == FD_CLOEXEC && signal(SIGPIPE, SIG_DFL) == SIG_IGN &&
              getenv("UV_THREADPOOL_SIZE") != NULL;
    _exit(ok ? 7 : 1);
}

Test(loop, prepare_opens_closed_standard_descriptors_and_hides_the_others)
{
    int status = run_forked(close_and_prepare);
    cr_assert(WIFEXITED(status));
    cr_assert_eq(WEXITSTATUS(status), 7);
}
