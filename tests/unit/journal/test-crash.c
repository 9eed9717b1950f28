/* kill -9 at any moment: what was finished is found, what was started is known as started. */
#include "support.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

TestSuite(crash, .timeout = 60, .init = make_folder, .fini = remove_folder);

enum { ROUNDS = 20, LONGEST_US = 15000 };

struct progress {
    unsigned items, started, finished; /* so many calls returned */
};

/* Runs in the child: no assertions here, only writes, each reported after it returned. */
static void write_for_ever(const char *id, int report)
{
    struct journal *journal = journal_open(str_from(folder), clock_ms, NULL);
    char turn[ID_BYTES], text[64];
    struct progress done = {0};
    if (!journal || journal_lease_take(journal, id, false, NULL) != STATUS_OK ||
        journal_turn_create(journal, id, turn, NULL) != STATUS_OK)
        _exit(1);
    for (;;) {
        struct str call = {text,
                           (size_t)snprintf(text, sizeof(text), "%d.%u", getpid(), done.items)};
        bool good = journal_item_append(journal, id, turn, "output", call, NULL) == STATUS_OK;
        done.items++;
        good &= write(report, &done, sizeof(done)) == sizeof(done);
        good &= journal_call_start(journal, id, turn, call, STR("n"), STR(""), STR(""), NULL) ==
                STATUS_OK;
        done.started++;
        good &= write(report, &done, sizeof(done)) == sizeof(done);
        good &= journal_call_finish(journal, id, call, call, true, NULL) == STATUS_OK;
        done.finished++;
        good &= write(report, &done, sizeof(done)) == sizeof(done);
        if (!good)
            _exit(1);
    }
}

static struct progress run_and_kill(const char *id, pid_t *ret_pid)
{
    int ends[2];
    struct progress last = {0}, next;
    cr_assert_eq(pipe(ends), 0);
    *ret_pid = fork();
    if (*ret_pid == 0) {
        close(ends[0]);
        write_for_ever(id, ends[1]);
    }
    close(ends[1]);
    cr_assert_eq(read(ends[0], &last, sizeof(last)), (ssize_t)sizeof(last),
                 "the child never wrote");
    /* The pipe must not fill, or the child would only ever die between writes. */
    uint64_t until = time_mono_ns() + (uint64_t)(rand() % LONGEST_US) * 1000;
    while (time_mono_ns() < until && read(ends[0], &next, sizeof(next)) == sizeof(next))
        last = next;
    kill(*ret_pid, SIGKILL);
    int state;
    waitpid(*ret_pid, &state, 0);
    cr_assert(WIFSIGNALED(state), "the child gave up");
    while (read(ends[0], &next, sizeof(next)) == sizeof(next))
        last = next;
    close(ends[0]);
    return last;
}

struct seen {
    pid_t pid;
    unsigned items;
};

static bool count_items(void *user, const struct journal_item *item)
{
    struct seen *seen = user;
    char expected[64];
    snprintf(expected, sizeof(expected), "%d.%u", (int)seen->pid, seen->items);
    seen->items += str_eq_c(item->json, expected);
    return true;
}

static void check(const char *id, pid_t pid, struct progress done)
{
    struct journal *journal = open_journal();
    struct seen seen = {pid, 0};
    struct err err = {0};
    struct buf output = {0};
    cr_assert_eq(journal_item_each(journal, id, 1, count_items, &seen, &err), STATUS_OK);
    cr_assert(seen.items >= done.items && seen.items <= done.items + 1, "%u of %u items",
              seen.items, done.items);
    for (unsigned i = 0; i < done.items; i++) {
        char text[64];
        struct str call = {text, (size_t)snprintf(text, sizeof(text), "%d.%u", (int)pid, i)};
        enum journal_call_state state = journal_call_find(journal, id, call, &output);
        if (i < done.finished)
            cr_assert(state == CALL_DONE && str_eq(buf_str(&output), call), "call %u", i);
        else if (i < done.started)
            cr_assert_neq(state, CALL_ABSENT, "call %u was started and is forgotten", i);
    }
    cr_assert_eq(journal_lease_take(journal, id, false, &err), STATUS_OK, "%s", err.text);
    buf_finish(&output);
    journal_close(journal);
}

Test(crash, what_was_finished_is_found)
{
    char id[ID_BYTES];
    struct journal *journal = open_journal();
    cr_assert_eq(journal_thread_create(journal, STR("/r"), STR("m"), id, NULL), STATUS_OK);
    journal_close(journal);
    srand((unsigned)time_mono_ns());
    unsigned total = 0;
    for (int round = 0; round < ROUNDS; round++) {
        pid_t pid;
        struct progress done = run_and_kill(id, &pid);
        check(id, pid, done);
        total += done.items;
    }
    cr_assert_gt(total, ROUNDS, "the children hardly wrote");
    run_sql("CREATE TEMP TABLE fine (t CHECK (t = 'ok')); "
            "INSERT INTO fine SELECT integrity_check FROM pragma_integrity_check");
}
