/* Plan, ask, auto: of the settings, or of one turn because the person chose it. */
#include <string.h>

#include "policy-internal.h"

void policy_set_mode(struct policy *policy, enum config_mode mode)
{
    policy->mode = (int)mode;
}

enum config_mode policy_get_mode(const struct policy *policy)
{
    return policy->mode < 0 ? policy->config->mode : (enum config_mode)policy->mode;
}

static struct turn_mode *find(const struct policy *policy, const char *turn_id)
{
    for (size_t i = 0; turn_id && i < policy->turn_modes.len; i++)
        if (strcmp(policy->turn_modes.ptr[i].turn_id, turn_id) == 0)
            return &policy->turn_modes.ptr[i];
    return NULL;
}

void policy_set_turn_mode(struct policy *policy, const char *turn_id, enum config_mode mode)
{
    struct turn_mode made = {.mode = mode}, *kept = find(policy, turn_id);
    memcpy(made.turn_id, turn_id, strnlen(turn_id, ID_BYTES - 1));
    if (kept)
        kept->mode = mode;
    else
        vec_push(&policy->turn_modes, made);
}

enum config_mode policy_get_turn_mode(const struct policy *policy, const char *turn_id)
{
    const struct turn_mode *own = find(policy, turn_id);
    return own ? own->mode : policy_get_mode(policy);
}

void mode_end_turn(struct policy *policy, const char *turn_id)
{
    struct turn_mode *own = find(policy, turn_id);
    if (own)
        vec_remove(&policy->turn_modes, (size_t)(own - policy->turn_modes.ptr));
}

static const char *const names[] = {
    [MODE_PLAN] = "plan",
    [MODE_ASK] = "ask",
    [MODE_AUTO] = "auto",
};

const char *policy_mode_name(enum config_mode mode)
{
    return names[mode];
}

bool policy_mode_find(struct str name, enum config_mode *ret_mode)
{
    for (size_t i = 0; i < array_count(names); i++)
        if (str_eq_c(name, names[i])) {
            *ret_mode = (enum config_mode)i;
            return true;
        }
    return false;
}
