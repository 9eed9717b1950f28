/* What the user keeps from agents: `.agentignore`, by git's rules, the deepest file first. */
#include "policy-internal.h"

#include <string.h>

#define IGNORE_BYTES (256 * KIB)

static enum ignore_verdict ask_file(const struct policy *policy, const struct workspace_root *root,
                                    struct str folder, struct str below, bool is_folder)
{
    struct buf name = {0}, content = {0};
    struct workspace_path file = {0};
    enum ignore_verdict verdict = IGNORE_UNDECIDED;
    path_append_join(&name, str_from(root->path), folder);
    buf_append_c(&name, "/.agentignore");
    if (workspace_resolve(policy->workspace, root, buf_str(&name), &file, NULL) == STATUS_OK) {
        if (workspace_read(&file, IGNORE_BYTES, &content, NULL, NULL) == STATUS_OK && content.len) {
            struct ignore *ignore = ignore_parse(buf_str(&content));
            verdict = ignore_match(ignore, below, is_folder);
            ignore_free(ignore);
        }
        workspace_path_finish(&file);
    }
    buf_finish(&name);
    buf_finish(&content);
    return verdict;
}

static bool is_ignored(const struct policy *policy, const struct workspace_root *root,
                       struct str relative, bool is_folder)
{
    struct str folder = path_folder(relative);
    for (;;) {
        struct str below = folder.len ? path_relative(relative, folder) : relative;
        enum ignore_verdict verdict = ask_file(policy, root, folder, below, is_folder);
        if (verdict != IGNORE_UNDECIDED)
            return verdict == IGNORE_YES;
        if (!folder.len)
            return false;
        folder = path_folder(folder);
    }
}

/* A folder that is ignored hides all below it, so every part of the path is asked about. */
bool agentignore_names(const struct policy *policy, const struct workspace_root *root,
                       struct str relative)
{
    for (size_t at = 0; at != STR_NONE && at < relative.len;) {
        at = str_find_byte(relative, '/', at + 1);
        bool whole = at == STR_NONE;
        if (is_ignored(policy, root, whole ? relative : str_slice(relative, 0, at), !whole))
            return true;
    }
    return false;
}
