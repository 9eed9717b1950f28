/* What the commands that tell of the past read. */
#include "cli.h"

#include <lanebridge/journal.h>

struct journal *cli_open_journal(const char *command, const char *state_folder, const char *missing)
{
    struct journal_facts facts;
    struct journal *journal = NULL;
    struct err err = {0};
    /* A look first: opening would make a journal where there is none. */
    if (journal_look(str_from(state_folder), 1000, &facts, &err) == STATUS_OK && facts.exists &&
        !facts.damaged)
        journal = journal_open(str_from(state_folder), time_wall_ms, &err);
    else if (!err.text[0])
        err_set(&err, STATUS_NOT_FOUND, "there is no journal in %s yet: %s", state_folder, missing);
    if (!journal)
        cli_complain(command, "%s", err.text);
    return journal;
}
