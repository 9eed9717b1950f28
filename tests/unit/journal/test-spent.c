/* What a day costs, over all threads, and also when they are gone. */
#include "support.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <time.h>

static struct err err;
static uint64_t now;

static uint64_t clock_at(void)
{
    return now;
}

static struct journal *open_at(uint64_t ms)
{
    now = ms;
    return journal_open(str_from(folder), clock_at, &err);
}

static void begin(void)
{
    setenv("TZ", "XXX-2", 1); /* two hours ahead */
    tzset();
    make_folder();
}

TestSuite(spent, .timeout = 60, .init = begin, .fini = remove_folder);

static void on_spent(void *user, const struct journal_spent *spent)
{
    buf_append_fmt(user, STR_FMT " %lld/%lld/%lld|", STR_ARG(spent->model),
                   (long long)spent->input_tokens, (long long)spent->cached_tokens,
                   (long long)spent->output_tokens);
}

static const char *today(struct journal *journal)
{
    static struct buf out;
    buf_clear(&out);
    buf_append_c(&out, "");
    cr_assert_eq(journal_spent_today(journal, on_spent, &out, &err), STATUS_OK, "%s", err.text);
    return out.ptr;
}

static void spend(struct journal *journal, const char *model, int64_t tokens)
{
    const struct journal_spent spent = {str_from(model), tokens, tokens / 2, 1};
    cr_assert_eq(journal_spent_add(journal, &spent, &err), STATUS_OK, "%s", err.text);
}

Test(spent, adds_up_by_model_and_outlives_windows_and_threads)
{
    char thread[ID_BYTES];
    struct journal *journal = open_at(1000), *other = open_at(1000);
    cr_assert_eq(journal_thread_create(journal, STR("/r"), STR("m"), thread, NULL), STATUS_OK);
    spend(journal, "m", 100);
    spend(other, "m", 10);
    spend(other, "k", 2);
    journal_close(other);
    cr_assert_eq(journal_thread_delete(journal, thread, &err), STATUS_OK, "%s", err.text);
    cr_assert_str_eq(today(journal), "k 2/1/1|m 110/55/2|");
    journal_close(journal);
    journal = open_at(2000);
    cr_assert_str_eq(today(journal), "k 2/1/1|m 110/55/2|");
    journal_close(journal);
}

Test(spent, a_day_ends_at_midnight_where_the_person_is)
{
    enum { HOUR = 3600 * 1000 };
    struct journal *journal = open_at(21 * HOUR); /* 23:00 */
    spend(journal, "m", 8);
    now = 22 * HOUR - 1;
    cr_assert_str_eq(today(journal), "m 8/4/1|");
    now = 22 * HOUR;
    cr_assert_str_eq(today(journal), "");
    spend(journal, "m", 2);
    cr_assert_str_eq(today(journal), "m 2/1/1|");
    cr_assert_eq(journal_sent_prune(journal, now, &err), STATUS_OK);
    cr_assert_str_eq(today(journal), "m 2/1/1|");
    now = 21 * HOUR;
    cr_assert_str_eq(today(journal), "", "what is old went with the log");
    journal_close(journal);
}

Test(spent, a_journal_without_it_gets_it)
{
    struct journal *journal = open_at(1000);
    journal_close(journal);
    make_older(7);
    journal = open_at(1000);
    spend(journal, "m", 4);
    cr_assert_str_eq(today(journal), "m 4/2/1|");
    journal_close(journal);
}
