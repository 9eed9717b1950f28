/* The person's own prompts: one Markdown file each, asked for as /NAME. */
#include "config-internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PROMPT_BYTES = 64 * 1024, PROMPT_NAME_BYTES = 64, PROMPTS_COUNT = 200 };

bool config_prompt_name_is_valid(struct str name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '-' || c == '_'))
            return false;
    }
    return name.len > 0 && name.len <= PROMPT_NAME_BYTES;
}

static enum status check(int fd, const char *path, struct err *err)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return err_set_errno(err, errno, "cannot look at %s", path);
    if (!S_ISREG(st.st_mode))
        return err_set(err, STATUS_INVALID, "%s is not a regular file", path);
    if ((st.st_uid != geteuid() && st.st_uid != 0) || (st.st_mode & (S_IWGRP | S_IWOTH)))
        return err_set(err, STATUS_DENIED,
                       "%s can be written by others, so it is not taken as your words; make it "
                       "yours and run: chmod go-w %s",
                       path, path);
    if (st.st_size > PROMPT_BYTES)
        return err_set(err, STATUS_LIMIT, "%s is larger than 64 KiB, the limit of a prompt", path);
    return STATUS_OK;
}

static enum status read_fd(int fd, const char *path, struct buf *text, struct err *err)
{
    char chunk[4096];
    ssize_t got;
    while ((got = read(fd, chunk, sizeof(chunk))) > 0 && text->len <= PROMPT_BYTES)
        buf_append(text, (struct str){chunk, (size_t)got});
    return got < 0 ? err_set_errno(err, errno, "cannot read %s", path) : STATUS_OK;
}

enum status config_prompt_read(const struct config_env *env, struct str name, struct buf *text,
                               struct err *err)
{
    struct buf path = {0};
    if (!config_prompt_name_is_valid(name))
        return err_set(err, STATUS_NOT_FOUND, "there is no such prompt");
    buf_append_fmt(&path, "%s/" STR_FMT ".md", env->prompts_folder, STR_ARG(name));
    int fd = open(path.ptr, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    enum status status = fd < 0 ? err_set(err, STATUS_NOT_FOUND, "there is no prompt %s", path.ptr)
                                : check(fd, path.ptr, err);
    if (status == STATUS_OK)
        status = read_fd(fd, path.ptr, text, err);
    if (fd >= 0)
        close(fd);
    buf_finish(&path);
    return status;
}

static int is_prompt(const struct dirent *entry)
{
    struct str name = str_from(entry->d_name);
    return str_ends_with(name, STR(".md")) &&
           config_prompt_name_is_valid(str_slice(name, 0, name.len - 3));
}

void config_prompt_each(const struct config_env *env,
                        void (*tell)(void *user, struct str name, struct str text), void *user)
{
    struct dirent **entries = NULL;
    int count = scandir(env->prompts_folder, &entries, is_prompt, alphasort);
    for (int i = 0; i < count; i++) {
        struct str name = str_from(entries[i]->d_name);
        struct buf text = {0};
        name.len -= 3;
        if (i < PROMPTS_COUNT && config_prompt_read(env, name, &text, NULL) == STATUS_OK)
            tell(user, name, buf_str(&text));
        buf_finish(&text);
        free(entries[i]);
    }
    free(entries);
}
