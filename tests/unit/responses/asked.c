/* A caller whose first request is on the wire. */
#include "fake.h"

void asked_create(struct asked *asked, const char *profile, enum responses_transport_choice choice)
{
    fake_start(&asked->fake, profile, choice, false);
    caller_start(&asked->caller, &asked->fake, PRIORITY_TURN);
    caller_say(&asked->caller, "one");
    cr_assert(caller_create(&asked->caller));
    asked->wire = fake_wire(&asked->fake, 0);
}

void asked_start(struct asked *asked)
{
    asked_create(asked, "openai", RESPONSES_AUTO);
    fake_accept(asked->wire);
}

void asked_stop(struct asked *asked)
{
    caller_finish(&asked->caller);
    fake_stop(&asked->fake);
}
