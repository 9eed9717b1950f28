/* A journal with one thread and one turn in it. */
#ifndef LANEBRIDGE_TEST_JOURNAL_ONE_TURN_H
#define LANEBRIDGE_TEST_JOURNAL_ONE_TURN_H

#include "support.h"

extern struct journal *journal;
extern char thread[ID_BYTES], turn[ID_BYTES];
extern struct err err;

void begin(void);
void end(void);

#endif
