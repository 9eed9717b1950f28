/* The user's own check of what comes in (`--check COMMAND`): a command that runs as long as the
 * endpoint and answers a line for a line. Only new input goes to it. While it does not answer,
 * nothing of the request is begun; what it cannot answer is refused, not let through. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "saves-internal.h"

struct check {
    struct checker *checker;
    int64_t number;
    struct loop_timer *deadline;
    check_done_fn *on_done;
    void *user;
};

struct checker {
    struct loop *loop;
    struct metrics *metrics;
    char *command;
    struct loop_process *process; /* NULL: not begun, or ended */
    struct buf line;              /* of its output, not whole yet */
    VEC(struct check *) pending;
    int64_t number;
};

/* -- Verdicts -------------------------------------------------------------------------------------
 */

static void release(struct check *check)
{
    struct checker *checker = check->checker;
    for (size_t i = 0; i < checker->pending.len; i++)
        if (checker->pending.ptr[i] == check)
            vec_remove(&checker->pending, i--);
    loop_timer_free(check->deadline);
    mem_free(check);
}

static void finish(struct check *check, const struct problem *refusal)
{
    check_done_fn *on_done = check->on_done;
    void *user = check->user;
    metrics_add(check->checker->metrics, METRIC_CHECKS_REFUSED, refusal != NULL);
    release(check);
    on_done(user, refusal);
}

static void fail(struct check *check, const char *why)
{
    struct problem problem;
    problem_set(&problem, PROBLEM_CHECK_FAILED, NULL,
                "The request could not be checked: the check command %s.", why);
    finish(check, &problem);
}

/* Not those that are asked meanwhile: they have a new process. */
static void fail_all(struct checker *checker, const char *why)
{
    int64_t end = checker->number;
    for (size_t i = 0; i < checker->pending.len;) {
        if (checker->pending.ptr[i]->number >= end) {
            i++;
            continue;
        }
        fail(checker->pending.ptr[i], why);
        i = 0; /* whoever was called may have changed the list */
    }
}

static void on_deadline(void *user)
{
    fail(user, "did not answer in time");
}

static void refuse(struct check *check, const struct json_value *verdict)
{
    struct problem problem;
    struct str message = json_get_str(verdict, "message"), code = json_get_str(verdict, "code");
    problem_set(&problem, PROBLEM_CHECK, "input", STR_FMT,
                STR_ARG(message.len ? message : STR("The input was refused by a check.")));
    if (code.len > 0)
        snprintf(problem.code, sizeof(problem.code), STR_FMT, STR_ARG(code));
    finish(check, &problem);
}

/* {"id": 7, "allow": true}, or false with "code" and "message". */
static bool take_line(struct checker *checker, struct str line)
{
    struct json_value *verdict = NULL;
    struct check *check = NULL;
    if (json_parse(line, &verdict, NULL) < 0)
        return false;
    int64_t number = json_get_int(verdict, "id", -1);
    for (size_t i = 0; i < checker->pending.len; i++)
        if (checker->pending.ptr[i]->number == number)
            check = checker->pending.ptr[i];
    if (check && json_get_bool(verdict, "allow", false))
        finish(check, NULL);
    else if (check)
        refuse(check, verdict);
    json_free(verdict);
    return true; /* an answer that comes too late is nobody's */
}

/* -- The command ----------------------------------------------------------------------------------
 */

static void drop_process(struct checker *checker, const char *why)
{
    loop_process_free(checker->process);
    checker->process = NULL;
    buf_clear(&checker->line);
    fail_all(checker, why);
}

static void on_stdout(void *user, struct str bytes)
{
    struct checker *checker = user;
    buf_append(&checker->line, bytes);
    for (size_t end; (end = str_find_byte(buf_str(&checker->line), '\n', 0)) != STR_NONE;) {
        struct buf line = {0};
        buf_append(&line, str_slice(buf_str(&checker->line), 0, end));
        buf_remove_front(&checker->line, end + 1);
        bool good = take_line(checker, buf_str(&line));
        buf_finish(&line);
        if (!good) {
            drop_process(checker, "wrote a line that is no JSON");
            return;
        }
    }
    if (checker->line.len > LIMIT_CHECK_LINE_BYTES)
        drop_process(checker, "wrote a line without an end");
}

static void on_exit(void *user, int exit_code, int signal)
{
    drop_process(user, "has ended");
}

static bool start(struct checker *checker)
{
    static const struct loop_process_handlers handlers = {.on_stdout = on_stdout,
                                                          .on_exit = on_exit};
    char shell[] = "/bin/sh", flag[] = "-c";
    char *argv[] = {shell, flag, checker->command, NULL};
    const struct loop_process_options options = {
        .argv = argv, .env = environ, .pipe_stdin = true, .inherit_stderr = true};
    if (!checker->process)
        checker->process = loop_process_new(checker->loop, &options, &handlers, checker, NULL);
    return checker->process != NULL;
}

/* -- Asking ---------------------------------------------------------------------------------------
 */

static bool send(struct checker *checker, const struct check *check, struct str items)
{
    struct buf line = {0};
    buf_append_fmt(&line, "{\"id\":%lld,\"input\":", (long long)check->number);
    buf_append(&line, items);
    buf_append_c(&line, "}\n");
    for (size_t i = 0; i + 1 < line.len; i++)
        if (line.ptr[i] == '\n' || line.ptr[i] == '\r')
            line.ptr[i] = ' '; /* between members: in a string it is escaped */
    bool sent = start(checker) && loop_process_write(checker->process, &line) == STATUS_OK;
    buf_finish(&line);
    return sent;
}

static void on_unsent(void *user)
{
    fail(user, "cannot be reached");
}

struct check *checker_ask(struct checker *checker, struct str items, check_done_fn *on_done,
                          void *user)
{
    struct check *check = mem_new(struct check);
    check->checker = checker;
    check->number = checker->number++;
    check->on_done = on_done;
    check->user = user;
    metrics_add(checker->metrics, METRIC_CHECKS_ASKED, 1);
    bool fits = checker->pending.len < LIMIT_CHECK_PENDING_COUNT;
    vec_push(&checker->pending, check);
    bool sent = fits && send(checker, check, items);
    check->deadline = loop_timer_new(checker->loop, sent ? on_deadline : on_unsent, check);
    loop_timer_start(check->deadline, sent ? LIMIT_CHECK_MS : 0, 0);
    return check;
}

void check_cancel(struct check *check)
{
    if (check)
        release(check);
}

struct checker *checker_new(struct loop *loop, struct metrics *metrics, const char *command)
{
    struct checker *checker = mem_new(struct checker);
    checker->loop = loop;
    checker->metrics = metrics;
    checker->command = mem_dup_c(command);
    return checker;
}

void checker_free(struct checker *checker)
{
    if (!checker)
        return;
    while (checker->pending.len > 0)
        release(checker->pending.ptr[0]);
    vec_finish(&checker->pending);
    loop_process_free(checker->process);
    buf_finish(&checker->line);
    mem_free(checker->command);
    mem_free(checker);
}
