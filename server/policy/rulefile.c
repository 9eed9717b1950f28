/* Rules that outlive the session: STATE/rules.json, ours alone. What cannot be read is no rule.
 * Every window and `lanebridge rules` change the file, each under a lock and from what it holds
 * then. */
#include "policy-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { RULES_COUNT = 1000 };
#define RULES_BYTES MIB

static char *rules_path(const struct policy *policy)
{
    struct buf path = {0};
    path_append_join(&path, str_from(policy->env->state_folder), STR("rules.json"));
    return buf_take(&path);
}

static bool read_whole(const char *path, struct buf *out)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    struct stat st;
    if (fd < 0)
        return false;
    bool good = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == geteuid() &&
                (st.st_mode & 022) == 0 && st.st_size < (off_t)RULES_BYTES;
    char chunk[8192];
    ssize_t got = 0;
    while (good && (got = read(fd, chunk, sizeof(chunk))) > 0 && out->len < RULES_BYTES)
        buf_append(out, (struct str){chunk, (size_t)got});
    close(fd);
    return good && got == 0;
}

static void add_rule(struct policy *policy, const struct json_value *value)
{
    struct str root = json_get_str(value, "root"), text = json_get_str(value, "text");
    if (!root.len || !text.len || policy->rules.len >= RULES_COUNT)
        return;
    struct rule rule = {
        .scope = SCOPE_WORKSPACE,
        .exact = json_get_bool(value, "exact", true),
        .network = json_get_bool(value, "network", false),
        .escalate = json_get_bool(value, "outside", false),
        .tool = json_get_bool(value, "mcp", false),
        .root = str_dup_c(root),
        .text = str_dup_c(text),
    };
    vec_push(&policy->rules, rule);
}

static void forget_remembered(struct policy *policy)
{
    for (size_t i = policy->rules.len; i-- > 0;) {
        if (policy->rules.ptr[i].scope != SCOPE_WORKSPACE)
            continue;
        rule_finish(&policy->rules.ptr[i]);
        vec_remove(&policy->rules, i);
    }
}

static void note_file(struct policy *policy, const char *path, bool *ret_changed)
{
    struct stat st = {0};
    if (lstat(path, &st) < 0)
        st = (struct stat){0};
    int64_t changed_ns = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
    *ret_changed = policy->rulefile.device != st.st_dev || policy->rulefile.inode != st.st_ino ||
                   policy->rulefile.size != (uint64_t)st.st_size ||
                   policy->rulefile.changed_ns != changed_ns;
    policy->rulefile.device = st.st_dev;
    policy->rulefile.inode = st.st_ino;
    policy->rulefile.size = (uint64_t)st.st_size;
    policy->rulefile.changed_ns = changed_ns;
}

void rulefile_refresh(struct policy *policy)
{
    char *path = rules_path(policy);
    struct buf text = {0};
    struct json_value *value = NULL;
    bool changed;
    note_file(policy, path, &changed);
    if (changed)
        forget_remembered(policy);
    if (changed && read_whole(path, &text) &&
        json_parse(buf_str(&text), &value, NULL) == STATUS_OK) {
        const struct json_value *rule = json_first(json_get(value, "rules"));
        for (; rule; rule = json_next(rule))
            add_rule(policy, rule);
    }
    json_free(value);
    buf_finish(&text);
    mem_free(path);
}

static void write_rules(const struct policy *policy, struct buf *out)
{
    struct json_writer w;
    json_writer_init(&w, out);
    json_write_begin_object(&w);
    json_write_key(&w, "rules");
    json_write_begin_array(&w);
    for (size_t i = 0; i < policy->rules.len; i++) {
        const struct rule *rule = &policy->rules.ptr[i];
        if (rule->scope != SCOPE_WORKSPACE)
            continue;
        json_write_begin_object(&w);
        json_write_field_c(&w, "root", rule->root);
        json_write_field_c(&w, "text", rule->text);
        json_write_field_bool(&w, "exact", rule->exact);
        json_write_field_bool(&w, "network", rule->network);
        json_write_field_bool(&w, "outside", rule->escalate);
        json_write_field_bool(&w, "mcp", rule->tool);
        json_write_end_object(&w);
    }
    json_write_end_array(&w);
    json_write_end_object(&w);
}

static bool write_all(int fd, struct str bytes)
{
    while (bytes.len) {
        ssize_t put = write(fd, bytes.ptr, bytes.len);
        if (put < 0 && errno != EINTR)
            return false;
        bytes = str_skip(bytes, put > 0 ? (size_t)put : 0);
    }
    return true;
}

/* Old or new, never half: a temporary file beside it, then rename. */
static enum status save(const struct policy *policy, struct err *err)
{
    char *path = rules_path(policy), id[ID_BYTES];
    struct buf temporary = {0}, text = {0};
    enum status status = STATUS_OK;
    id_make("rules", id);
    path_append_join(&temporary, str_from(policy->env->state_folder), str_from(id));
    write_rules(policy, &text);
    int fd = open(temporary.ptr, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    bool good = fd >= 0 && write_all(fd, buf_str(&text)) && fsync(fd) == 0;
    if (!good || rename(temporary.ptr, path) < 0) {
        status = err_set_errno(err, errno, "the rules cannot be written to %s", path);
        unlink(temporary.ptr);
    }
    if (fd >= 0)
        close(fd);
    buf_finish(&text);
    buf_finish(&temporary);
    mem_free(path);
    return status;
}

/* The lock's descriptor, and the rules as the file has them now; -1 with err set. */
static int begin_change(struct policy *policy, struct err *err)
{
    struct buf path = {0};
    if (config_make_folder(policy->env->state_folder, err) != STATUS_OK)
        return -1;
    path_append_join(&path, str_from(policy->env->state_folder), STR("rules.lock"));
    int fd = open(path.ptr, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0 || flock(fd, LOCK_EX) < 0)
        err_set_errno(err, errno, "the rules cannot be locked with %s", path.ptr);
    else
        rulefile_refresh(policy);
    buf_finish(&path);
    return fd;
}

static enum status end_change(struct policy *policy, int fd, struct err *err)
{
    char *path = rules_path(policy);
    bool changed;
    enum status status = save(policy, err);
    note_file(policy, path, &changed); /* ours: need not be read */
    close(fd);
    mem_free(path);
    return status;
}

enum status rulefile_add(struct policy *policy, struct rule *rule, struct err *err)
{
    int fd = begin_change(policy, err);
    vec_push(&policy->rules, *rule);
    return fd < 0 ? STATUS_IO : end_change(policy, fd, err);
}

enum status rulefile_remove(struct policy *policy, const char *id, struct err *err)
{
    char other[ID_BYTES];
    int fd = begin_change(policy, err);
    for (size_t i = policy->rules.len; fd >= 0 && i-- > 0;) {
        rule_id(&policy->rules.ptr[i], other);
        if (strcmp(other, id) != 0)
            continue;
        rule_finish(&policy->rules.ptr[i]);
        vec_remove(&policy->rules, i);
    }
    return fd < 0 ? STATUS_IO : end_change(policy, fd, err);
}
