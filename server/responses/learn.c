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
    {OPTION_CANCEL, "response.cancel"},
    {OPTION_COMPACT, "responses/compact"},
    {OPTION_TOOL_CHOICE, "tool_choice"},
};

/* -- By model -------------------------------------------------------------------------------- */

unsigned responses_refused(const struct responses *client, struct str model)
{
    unsigned refused = client->refused;
    for (unsigned i = 0; i < client->by_model_count; i++)
        if (str_eq_c(model, client->by_model[i].model))
            refused |= client->by_model[i].option;
    return refused;
}

bool responses_refuse_for_model(struct responses *client, unsigned option, struct str model)
{
    if (responses_refused(client, model) & option)
        return true;
    if (model.len == 0 || model.len >= MODEL_BYTES ||
        client->by_model_count >= REFUSED_MODELS_COUNT || str_find_byte(model, ' ', 0) != STR_NONE)
        return false;
    struct refused_model *one = &client->by_model[client->by_model_count++];
    one->option = option;
    responses_copy_id(one->model, sizeof(one->model), model);
    client->is_unsettled = true;
    return true;
}

/* -- Across processes ------------------------------------------------------------------------ */

/* "generate", "response.steer@gpt-5" */
static void begin_with(struct responses *client, struct str word)
{
    struct str name = str_slice(word, 0, str_find_byte(word, '@', 0));
    for (size_t i = 0; i < array_count(names); i++) {
        if (!str_eq_c(name, names[i].name))
            continue;
        if (name.len == word.len)
            responses_drop_option(client, names[i].option);
        else
            responses_refuse_for_model(client, names[i].option, str_skip(word, name.len + 1));
    }
}

static void note_told(struct responses *client)
{
    client->learned.refused = client->refused;
    client->learned.by_model_count = client->by_model_count;
    client->learned.cancels = client->cancels;
    client->learned.life_ms = client->life_ms;
}

void responses_learn_begin(struct responses *client, const struct responses_learned *known)
{
    struct str rest = known ? str_from(known->refused) : (struct str){0}, name;
    while (str_next(&rest, ' ', &name))
        begin_with(client, name);
    client->cancels = known && known->cancels && !(client->refused & OPTION_CANCEL);
    if (known && known->life_ms && (client->life_ms == 0 || known->life_ms < client->life_ms))
        client->life_ms = known->life_ms;
    note_told(client);
}

/* What does not fit is learned again. */
static void add_refused(char *text, size_t size, const char *name, const char *model)
{
    size_t used = strlen(text), need = strlen(name) + strlen(model) + 3;
    if (used + need <= size)
        snprintf(text + used, size - used, "%s%s%s%s", used ? " " : "", name, model[0] ? "@" : "",
                 model);
}

static void list_refused(const struct responses *client, char *text, size_t size)
{
    text[0] = '\0';
    for (size_t i = 0; i < array_count(names); i++) {
        if (client->refused & names[i].option)
            add_refused(text, size, names[i].name, "");
        for (unsigned m = 0; m < client->by_model_count; m++)
            if (client->by_model[m].option == names[i].option)
                add_refused(text, size, names[i].name, client->by_model[m].model);
    }
}

bool responses_learn_tell(struct responses *client)
{
    struct responses_learned learned = {.pause_ms = client->pause_ms};
    bool is_new = client->learned.refused != client->refused ||
                  client->learned.by_model_count != client->by_model_count ||
                  client->learned.cancels != client->cancels ||
                  client->learned.life_ms != client->life_ms || client->pause_ms > 0;
    uint64_t told_ms = (uint64_t)client->profile.life_minutes * 60 * 1000;
    note_told(client);
    client->pause_ms = 0;
    if (!is_new || !client->on_learned)
        return false;
    list_refused(client, learned.refused, sizeof(learned.refused));
    learned.cancels = client->cancels;
    learned.life_ms = client->life_ms != told_ms ? client->life_ms : 0;
    client->on_learned(client->user, &learned);
    return true;
}

void responses_learn_pause(struct responses *client, const struct failure *failure, uint64_t ms)
{
    if ((failure->status == 403 || failure->status == 429) && ms > client->pause_ms)
        client->pause_ms = ms;
}
