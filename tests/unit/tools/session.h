/* Commands that go on as sessions. */
#ifndef TEST_TOOLS_SESSION_H
#define TEST_TOOLS_SESSION_H

#include "fixture.h"

void use_deadlines(struct fixture *f, uint64_t foreground_ms, uint64_t background_ms);
/* The session that the last output speaks of. */
long session_of(const struct record *r);
/* write_stdin with `more` arguments. */
void look(struct fixture *f, struct record *r, long session, const char *more);
/* The machine may be busy: looks on until the command has said this. Gives its session. */
long look_until(struct fixture *f, struct record *r, const char *said);

#endif
