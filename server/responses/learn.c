/* What an endpoint refuses and asks for, kept by the caller for the next process. */
#include "responses-internal.h"

#include <stdio.h>
#include <string.h>

static const struct {
    unsigned option;
    const char *name;
} names[] = {
    {OPTION_LANES, "stream_id"},
    {OPTION_GENERATE, "generate"},
    {OPTION_CONTEXT_MANAGEMENT, "context_management"},
    {OPTION_STREAM_OPTIONS, "stream_options"},
    {OPTION_PROMPT_CACHE_KEY, "prompt_cache_key"},
    {OPTION_INCLUDE, "include"},
    {OPTION_PARALLEL, "parallel_tool_calls"},
    {OPTION_REASONING_SUMMARY, "reasoning.summary"},
    {OPTION_ADDITIONAL_TOOLS, "additional_tools"},
    {OPTION_STEER, "response.steer"},
};

void responses_learn_begin(struct responses *client, const struct responses_learned *known)
{
    struct str rest = known ? str_from(known->refused) : (struct str){0}, name;
    while (str_next(&rest, ' ', &name)) {
        for (size_t i = 0; i < array_count(names); i++) {
            if (str_eq_c(name, names[i].name))
                responses_drop_option(client, names[i].option);
        }
    }
    if (known && known->life_ms && (client->life_ms == 0 || known->life_ms < client->life_ms))
        client->life_ms = known->life_ms;
    client->learned.refused = client->refused;
    client->learned.life_ms = client->life_ms;
}

static void list_refused(const struct responses *client, char *text, size_t size)
{
    size_t used = 0;
    text[0] = '\0';
    for (size_t i = 0; i < array_count(names); i++) {
        if (client->refused & names[i].option && used < size)
            used +=
                (size_t)snprintf(text + used, size - used, "%s%s", used ? " " : "", names[i].name);
    }
}

bool responses_learn_tell(struct responses *client)
{
    struct responses_learned learned = {.pause_ms = client->pause_ms};
    bool is_new = client->learned.refused != client->refused ||
                  client->learned.life_ms != client->life_ms || client->pause_ms > 0;
    uint64_t told_ms = (uint64_t)client->profile.life_minutes * 60 * 1000;
    client->learned.refused = client->refused;
    client->learned.life_ms = client->life_ms;
    client->pause_ms = 0;
    if (!is_new || !client->on_learned)
        return false;
    list_refused(client, learned.refused, sizeof(learned.refused));
    learned.life_ms = client->life_ms != told_ms ? client->life_ms : 0;
    client->on_learned(client->user, &learned);
    return true;
}

void responses_learn_pause(struct responses *client, const struct failure *failure, uint64_t ms)
{
    if ((failure->status == 403 || failure->status == 429) && ms > client->pause_ms)
        client->pause_ms = ms;
}
