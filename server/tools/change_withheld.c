/* An edit that fails tells what the file holds near to what was expected: a guess would be a way to
 * read what reading asks for. */
#include "change-internal.h"

#include <stdio.h>

enum { HEAD_BYTES = 4096 };

static bool is_withheld(const struct policy *policy, const struct now_file *file,
                        struct policy_verdict *verdict)
{
    if (file->base) /* it was shown to the model before */
        return false;
    policy_check_path(policy, &file->real, POLICY_READ, verdict);
    if (verdict->answer != POLICY_ALLOW || !file->text ||
        !policy_is_secret(now_key(file), str_slice(text_bytes(file->text), 0, HEAD_BYTES)))
        return verdict->answer != POLICY_ALLOW;
    verdict->answer = POLICY_ASK;
    verdict->outside_rules = true;
    snprintf(verdict->reason, sizeof(verdict->reason), "%s holds what looks like a secret",
             file->path.display);
    return true;
}

bool change_withholds(const struct tools_call *call, const struct change *change,
                      struct policy_verdict *ret_verdict)
{
    struct policy_verdict verdict = {0};
    for (size_t i = 0; i < change->files.len; i++) {
        if (!is_withheld(call->tools->env.policy, &change->files.ptr[i], &verdict))
            continue;
        *ret_verdict = verdict;
        return true;
    }
    return false;
}
