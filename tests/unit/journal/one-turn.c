#include "one-turn.h"

#include <criterion/criterion.h>

struct journal *journal;
char thread[ID_BYTES], turn[ID_BYTES];
struct err err;

void begin(void)
{
    make_folder();
    journal = open_journal();
    cr_assert_eq(journal_thread_create(journal, STR("/r"), STR("m"), thread, &err), STATUS_OK);
    cr_assert_eq(journal_turn_create(journal, thread, turn, &err), STATUS_OK, "%s", err.text);
}

void end(void)
{
    journal_close(journal);
    remove_folder();
}
