/* Commands that go on as sessions. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "session.h"

void use_deadlines(struct fixture *f, uint64_t foreground_ms, uint64_t background_ms)
{
    struct tools_deadlines deadlines = tools_deadlines_default;
    deadlines.foreground_ms = foreground_ms;
    deadlines.background_ms = background_ms;
    deadlines.yield_min_ms = 10;
    tools_set_deadlines(f->tools, &deadlines);
}

long session_of(const struct record *r)
{
    const char *at = strstr(r->text, "session ");
    cr_assert_not_null(at, "%s", r->text);
    return strtol(at + strlen("session "), NULL, 10);
}

void look(struct fixture *f, struct record *r, long session, const char *more)
{
    char arguments[256];
    snprintf(arguments, sizeof(arguments), "{'session_id':%ld%s}", session, more);
    call(f, r, "write_stdin", arguments);
}

long look_until(struct fixture *f, struct record *r, const char *said)
{
    long session = session_of(r);
    for (int i = 0; i < 100 && !strstr(r->text, said); i++)
        look(f, r, session, ",'yield_time_ms':100");
    assert_has(r->text, said);
    return session;
}
