/* What is known of the servers that people run, from their documentation and sources; the table of
 * docs/PROTOCOL.md, "Local models", says the same in words. */
#include "upstream-internal.h"

const struct upstream_kind upstream_generic = {
    .name = "an OpenAI-compatible server", .has_custom = true, .has_efforts = true};

/* llama.cpp's and Ollama's /v1/responses are conversions of their chat route that lose what is
 * needed here: the first says nothing of a limit that was reached and ends every item at the end,
 * the second has no tool_choice and sets a temperature. */
static const struct upstream_kind kinds[] = {
    {.name = "llama.cpp",
     .owner = "llamacpp",
     .api = UPSTREAM_CHAT,
     .has_slots = true,
     .reasoning = "reasoning_content"},
    {.name = "Ollama", .owner = "library", .api = UPSTREAM_CHAT, .reasoning = "reasoning"},
    {.name = "vLLM", .owner = "vllm", .reasoning = "reasoning"},
    {.name = "LM Studio", .owner = "organization_owner", .reasoning = "reasoning_content"},
    {.name = "OpenAI",
     .owner = "openai",
     .has_custom = true,
     .has_efforts = true,
     .is_openai = true},
    {.name = "OpenAI",
     .owner = "system",
     .has_custom = true,
     .has_efforts = true,
     .is_openai = true},
};

const struct upstream_kind *upstream_kind_find(struct str owner)
{
    for (size_t i = 0; i < array_count(kinds); i++)
        if (str_eq_c(owner, kinds[i].owner))
            return &kinds[i];
    return &upstream_generic;
}
