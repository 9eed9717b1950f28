#include "config-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CONFIG_FILE_BYTES MIB /* a settings file is a few hundred bytes; more is a mistake */

void *config_field(struct config *config, const struct config_key *key)
{
    return (char *)config + key->offset;
}

int64_t config_get_number(struct config *config, const struct config_key *key)
{
    void *field = config_field(config, key);
    switch (key->kind) {
    case KIND_INT:
        return *(int64_t *)field;
    case KIND_BOOL:
        return *(bool *)field;
    default:
        return (int64_t) * (unsigned *)field;
    }
}

void config_set_number(struct config *config, const struct config_key *key, int64_t value)
{
    void *field = config_field(config, key);
    switch (key->kind) {
    case KIND_INT:
        *(int64_t *)field = value;
        break;
    case KIND_BOOL:
        *(bool *)field = value != 0;
        break;
    default:
        *(unsigned *)field = (unsigned)value;
        break;
    }
}

void config_strings_finish(struct config_strings *strings)
{
    for (size_t i = 0; i < strings->count; i++)
        mem_free(strings->ptr[i]);
    mem_free(strings->ptr);
    *strings = (struct config_strings){0};
}

static int64_t initial_number(const struct config_key *key)
{
    if (key->kind == KIND_BOOL)
        return strcmp(key->initial, "true") == 0;
    if (key->kind == KIND_CHOICE) {
        int64_t place = 0;
        while (strcmp(key->names[place], key->initial) != 0)
            place++;
        return place;
    }
    int64_t value = 0;
    str_to_int64(str_from(key->initial), &value);
    return value;
}

static bool is_text(const struct config_key *key)
{
    return key->kind == KIND_TEXT || key->kind == KIND_OBJECT || key->kind == KIND_ARRAY;
}

static bool is_number(const struct config_key *key)
{
    return key->kind == KIND_INT || key->kind == KIND_BOOL || key->kind == KIND_CHOICE;
}

struct config *config_new(void)
{
    struct config_full *full = mem_new(struct config_full);
    full->fence = mem_alloc_array(config_key_count, sizeof(*full->fence));
    for (size_t i = 0; i < config_key_count; i++) {
        const struct config_key *key = &config_keys[i];
        if (is_text(key))
            *(char **)config_field(&full->config, key) = mem_dup_c(key->initial);
        if (!is_number(key))
            continue;
        full->fence[i] = initial_number(key);
        config_set_number(&full->config, key, full->fence[i]);
    }
    return &full->config;
}

void config_free(struct config *config)
{
    if (!config)
        return;
    struct config_full *full = container_of(config, struct config_full, config);
    for (size_t i = 0; i < config_key_count; i++) {
        const struct config_key *key = &config_keys[i];
        if (is_text(key))
            mem_free(*(char **)config_field(config, key));
        else if (key->kind == KIND_STRINGS || key->kind == KIND_HEADERS)
            config_strings_finish(config_field(config, key));
    }
    map_finish(&full->warned);
    mem_free(full->fence);
    mem_free(full);
}

/* Root's files count as ours: package managers of the dotfile kind keep them in a store of root's.
 */
static enum status check_owner(int fd, const char *name, struct err *err)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return err_set_errno(err, errno, "cannot look at %s", name);
    if (!S_ISREG(st.st_mode))
        return err_set(err, STATUS_INVALID, "%s is not a regular file; put the settings into one",
                       name);
    if (st.st_uid != geteuid() && st.st_uid != 0)
        return err_set(err, STATUS_DENIED,
                       "%s belongs to another user, so its settings are not taken; make it yours",
                       name);
    if (st.st_mode & (S_IWGRP | S_IWOTH))
        return err_set(
            err, STATUS_DENIED,
            "%s can be written by others, so its settings are not taken; run: chmod go-w %s", name,
            name);
    if (st.st_size > (off_t)CONFIG_FILE_BYTES)
        return err_set(err, STATUS_LIMIT, "%s is larger than 1 MiB; settings are never that long",
                       name);
    return STATUS_OK;
}

static enum status read_fd(int fd, const char *name, struct buf *out, struct err *err)
{
    char chunk[16384];
    for (;;) {
        ssize_t got = read(fd, chunk, sizeof(chunk));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return err_set_errno(err, errno, "cannot read %s", name);
        if (got == 0)
            return STATUS_OK;
        buf_append(out, (struct str){chunk, (size_t)got});
        if (out->len > CONFIG_FILE_BYTES)
            return err_set(err, STATUS_LIMIT, "%s is larger than 1 MiB", name);
    }
}

static enum status read_file(const char *name, struct buf *out, struct err *err)
{
    /* NONBLOCK: a FIFO at this name must not hang the start; check_owner refuses it. */
    int fd = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return err_set_errno(err, errno, "cannot open %s", name);
    enum status status = check_owner(fd, name, err);
    if (status == STATUS_OK)
        status = read_fd(fd, name, out, err);
    close(fd);
    return status;
}

/* json says "JSON at byte N: …"; a person looks for line and column. */
static enum status syntax_error(const char *name, struct str text, const struct err *json,
                                struct err *err)
{
    size_t offset = 0;
    int prefix = 0;
    if (sscanf(json->text, "JSON at byte %zu: %n", &offset, &prefix) != 1)
        return err_set(err, STATUS_INVALID, "%s: %s", name, json->text);
    struct str before = str_slice(text, 0, offset);
    size_t line = 1;
    for (size_t at; (at = str_find_byte(before, '\n', 0)) != STR_NONE; line++)
        before = str_skip(before, at + 1);
    return err_set(err, STATUS_INVALID, "%s:%zu:%zu: %s", name, line, before.len + 1,
                   json->text + prefix);
}

enum status config_load_file(struct config *config, struct str path, struct buf *warnings,
                             struct err *err)
{
    char *name = str_dup_c(path);
    struct buf text = {0};
    struct json_value *value = NULL;
    struct err json = {0};
    enum status status = read_file(name, &text, err);
    if (status != STATUS_OK) {
        status = status == STATUS_NOT_FOUND ? STATUS_OK : status;
        goto out;
    }
    if (str_trim(buf_str(&text)).len == 0)
        goto out;
    if (json_parse(buf_str(&text), &value, &json) != STATUS_OK)
        status = syntax_error(name, buf_str(&text), &json, err);
    else if (!json_is(value, JSON_OBJECT))
        status = err_set(err, STATUS_INVALID, "%s:1:1: the settings must be one object, {…}", name);
    else
        config_apply(config, CONFIG_FILE, value, warnings);
out:
    json_free(value);
    buf_finish(&text);
    mem_free(name);
    return status;
}

enum status config_reload(struct config *config, struct str path, const struct json_value *init,
                          const struct json_value *workspace, struct buf *warnings, struct err *err)
{
    struct config_full *own = container_of(config, struct config_full, config);
    struct config_full *fresh = container_of(config_new(), struct config_full, config);
    struct map warned = own->warned, none = fresh->warned;
    fresh->warned = warned;
    enum status status = config_load_file(&fresh->config, path, warnings, err);
    if (status == STATUS_OK) {
        struct config_full old = *own;
        config_apply(&fresh->config, CONFIG_INIT_OPTIONS, init, warnings);
        config_apply(&fresh->config, CONFIG_WORKSPACE, workspace, warnings);
        warned = fresh->warned;
        *own = *fresh;
        *fresh = old;
    } else {
        warned = fresh->warned;
    }
    own->warned = warned;
    fresh->warned = none;
    config_free(&fresh->config);
    return status;
}
