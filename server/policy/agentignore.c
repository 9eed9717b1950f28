/* What the user keeps from agents: `.agentignore`, by git's rules, the deepest file first. */
#include "policy-internal.h"

#include <string.h>

#define IGNORE_BYTES (256 * KIB)

/* The folders on the way to the path, the root first, each with its patterns or NULL. */
struct level {
    struct str folder;
    struct ignore *ignore;
};
struct levels {
    VEC(struct level) list;
};

static struct ignore *load(const struct policy *policy, const struct workspace_root *root,
                           struct str folder)
{
    struct buf name = {0}, content = {0};
    struct workspace_path file = {0};
    struct ignore *ignore = NULL;
    path_append_join(&name, str_from(root->path), folder);
    buf_append_c(&name, "/.agentignore");
    if (workspace_resolve(policy->workspace, root, buf_str(&name), &file, NULL) == STATUS_OK) {
        if (workspace_read(&file, IGNORE_BYTES, &content, NULL, NULL) == STATUS_OK && content.len)
            ignore = ignore_parse(buf_str(&content));
        workspace_path_finish(&file);
    }
    buf_finish(&name);
    buf_finish(&content);
    return ignore;
}

static bool is_ignored(const struct levels *levels, struct str path, bool is_folder)
{
    for (size_t i = levels->list.len; i-- > 0;) {
        const struct level *level = &levels->list.ptr[i];
        if (!level->ignore)
            continue;
        struct str below = level->folder.len ? path_relative(path, level->folder) : path;
        enum ignore_verdict verdict = ignore_match(level->ignore, below, is_folder);
        if (verdict != IGNORE_UNDECIDED)
            return verdict == IGNORE_YES;
    }
    return false;
}

/* A folder that is ignored hides all below it, so every part of the path is asked about. */
bool agentignore_names(const struct policy *policy, const struct workspace_root *root,
                       struct str relative)
{
    struct levels levels = {0};
    bool found = false;
    for (size_t at = 0; !found && at != STR_NONE && at < relative.len;) {
        struct str folder = str_slice(relative, 0, at);
        vec_push(&levels.list, ((struct level){folder, load(policy, root, folder)}));
        at = str_find_byte(relative, '/', at + 1);
        bool whole = at == STR_NONE;
        found = is_ignored(&levels, whole ? relative : str_slice(relative, 0, at), !whole);
    }
    for (size_t i = 0; i < levels.list.len; i++)
        ignore_free(levels.list.ptr[i].ignore);
    vec_finish(&levels.list);
    return found;
}
