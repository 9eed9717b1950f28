#ifndef LANEBRIDGE_TEST_JOURNAL_SUPPORT_H
#define LANEBRIDGE_TEST_JOURNAL_SUPPORT_H

#include <lanebridge/journal.h>

extern char folder[64];  /* made by make_folder, removed by remove_folder */
extern uint64_t wall_ms; /* what the journal's clock says */

void make_folder(void);
void remove_folder(void);
uint64_t clock_ms(void);
struct journal *open_journal(void);
const char *in_folder(const char *name);
/* Runs SQL on the file with a connection of its own, as another process would. */
void run_sql(const char *sql);
/* Makes the file one of that version. */
void make_older(int version);
/* Items of a thread as "kind:json|…" */
void collect_items(struct journal *journal, const char *thread_id, uint64_t from, struct buf *out);

#endif
