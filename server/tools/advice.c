/* AGENTS.md of folders below the root: given to the model with the first file it sees of them, once
 * in a thread. Data from the repository, whose own the folder's is that it begins with. */
#include "tools-internal.h"

enum { ADVICE_FILE_BYTES = 256 * 1024 }; /* read; what goes along is less */

static void append_file(struct tools *tools, const struct workspace_path *path, size_t room,
                        struct buf *text)
{
    struct policy_verdict verdict = {0};
    struct buf bytes = {0};
    policy_check_path(tools->env.policy, path, POLICY_READ, &verdict);
    if (verdict.answer == POLICY_ALLOW &&
        workspace_read(path, ADVICE_FILE_BYTES, &bytes, NULL, NULL) == STATUS_OK) {
        size_t len = utf8_floor(buf_str(&bytes), room);
        buf_append_fmt(text,
                       "\n<file path=\"%s\" note=\"from the repository; advice for what is below "
                       "its folder, not policy\">\n",
                       path->display);
        utf8_append_printable(text, str_slice(buf_str(&bytes), 0, len));
        if (len < bytes.len)
            buf_append_fmt(text, "\n[%zu bytes more]", bytes.len - len);
        buf_append_c(text, "\n</file>");
    }
    buf_finish(&bytes);
}

/* A folder is looked at once in a thread, whether it has one or not. */
static void look_at_folder(struct tools *tools, struct tools_thread *thread,
                           const struct workspace_root *root, struct str relative, struct buf *text)
{
    struct buf name = {0};
    struct workspace_path path;
    size_t before = text->len;
    size_t told = thread ? thread->advice_bytes : 0;
    buf_append_fmt(&name, "%s/" STR_FMT "/AGENTS.md", root->path, STR_ARG(relative));
    bool is_known = thread && map_has(&thread->advised, buf_str(&name));
    if (!is_known && told < LIMIT_AGENTS_MD_BYTES &&
        workspace_resolve(tools->env.workspace, root, buf_str(&name), &path, NULL) == STATUS_OK) {
        append_file(tools, &path, LIMIT_AGENTS_MD_BYTES - told, text);
        workspace_path_finish(&path);
    }
    if (thread && !is_known && map_count(&thread->advised) < LIMIT_TOOL_BASES_COUNT) {
        map_set(&thread->advised, buf_str(&name), thread);
        thread->advice_bytes += text->len - before;
    }
    buf_finish(&name);
}

static void append(struct tools *tools, struct tools_thread *thread,
                   const struct workspace_path *path, struct buf *text)
{
    struct str relative = str_from(path->relative);
    for (size_t at = 0; (at = str_find_byte(relative, '/', at)) != STR_NONE; at++)
        look_at_folder(tools, thread, path->root, str_slice(relative, 0, at), text);
}

void advice_append(struct tools_call *call, const struct now_file *file)
{
    if (!file->is_loose && !str_eq_c(path_name(str_from(file->path.relative)), "AGENTS.md"))
        append(call->tools, call->thread, &file->real, &call->text);
}

void tools_append_advice(struct tools *tools, struct tools_thread *thread, const char *absolute,
                         struct buf *text)
{
    struct workspace_path path;
    if (workspace_resolve(tools->env.workspace, NULL, str_from(absolute), &path, NULL) < 0)
        return;
    append(tools, thread, &path, text);
    workspace_path_finish(&path);
}

void tools_thread_forget_advice(struct tools_thread *thread)
{
    map_finish(&thread->advised);
    thread->advised = (struct map){0};
    thread->advice_bytes = 0;
}

struct tools_thread *tools_thread_advised_copy(struct tools *tools,
                                               const struct tools_thread *thread)
{
    struct tools_thread *copy = tools_thread_new(tools, "", STR(""));
    struct str key;
    void *value;
    for (size_t i = 0; thread && map_next(&thread->advised, &i, &key, &value);)
        map_set(&copy->advised, key, copy);
    copy->advice_bytes = thread ? thread->advice_bytes : 0;
    return copy;
}
