/* Workspace edits, as editors apply them: documentChanges with resource operations, or changes. */
#include "client-internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct range_edit {
    size_t start, end;
    struct str text;
};

static bool read_offset(const struct client *client, const struct text *text,
                        const struct json_value *position, size_t *ret_offset, struct buf *why)
{
    struct position at = {(uint32_t)json_get_int(position, "line", -1),
                          (uint32_t)json_get_int(position, "character", -1)};
    struct err err = {0};
    if (text_offset_of(text, client->encoding, at, ret_offset, &err) == STATUS_OK)
        return true;
    buf_append_c(why, err.text);
    return false;
}

static int by_start_descending(const void *a, const void *b)
{
    const struct range_edit *x = a, *y = b;
    return x->start < y->start ? 1 : x->start > y->start ? -1 : 0;
}

/* All edits refer to the text before any of them: applied from the end to the front. */
static struct text *edited(const struct client *client, const struct text *text,
                           const struct json_value *edits, struct buf *why)
{
    size_t count = json_count(edits), at = 0;
    struct range_edit *list = mem_alloc_array(count + 1, sizeof *list);
    bool good = true;
    for (const struct json_value *edit = json_first(edits); good && edit; edit = json_next(edit)) {
        const struct json_value *range = json_get(edit, "range");
        struct range_edit *one = &list[at++];
        good = read_offset(client, text, json_get(range, "start"), &one->start, why) &&
               read_offset(client, text, json_get(range, "end"), &one->end, why);
        one->text = json_get_str(edit, "newText");
    }
    struct text *result = NULL;
    if (good) {
        qsort(list, count, sizeof *list, by_start_descending);
        result = text_ref(text);
        for (size_t i = 0; i < count; i++) {
            if (i > 0 && list[i].end > list[i - 1].start) {
                buf_append_c(why, "the edits overlap");
                text_unref(result);
                result = NULL;
                break;
            }
            struct text *next = text_replace(result, list[i].start, list[i].end, list[i].text);
            text_unref(result);
            result = next;
        }
    }
    mem_free(list);
    return result;
}

static bool path_from(struct str uri, struct buf *path, struct buf *why)
{
    struct err err = {0};
    if (uri_to_path(uri, path, &err) == STATUS_OK)
        return true;
    buf_append_c(why, err.text);
    return false;
}

static bool apply_text_edits(struct client *client, struct str uri,
                             const struct json_value *version, const struct json_value *edits,
                             struct buf *why)
{
    struct buf path = {0};
    bool good = path_from(uri, &path, why);
    struct buffer *buffer = NULL;
    if (good) {
        buffer = buffer_find(client, buf_str(&path));
        if (!buffer) { /* a file that is not open becomes a hidden, dirty buffer */
            struct err err = {0};
            buffer = buffer_open(client, buf_str(&path), NULL, true, &err);
        }
        bool stale = json_is(version, JSON_NUMBER) && json_int(version, -1) != buffer->version;
        if (stale && !client->quirks.apply_stale) {
            buf_append_fmt(why, "stale version %lld, the buffer has %lld",
                           (long long)json_int(version, -1), (long long)buffer->version);
            good = false;
        }
    }
    struct text *text = good ? edited(client, buffer->text, edits, why) : NULL;
    if (text) {
        struct text *before = text_ref(buffer->text);
        buffer_set(client, buffer, text, STR(""));
        if (client->handlers.on_applied)
            client->handlers.on_applied(client->user, str_from(buffer->path), before, text);
        text_unref(before);
    }
    good = text != NULL;
    text_unref(text);
    buf_finish(&path);
    return good;
}

/* -- Resource operations ----------------------------------------------------------------------- */

static void make_parents(const char *path)
{
    char *copy = mem_dup_c(path);
    for (char *slash = strchr(copy + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(copy, 0755);
        *slash = '/';
    }
    mem_free(copy);
}

static bool create_file(struct client *client, const struct json_value *op, struct buf *why)
{
    struct buf path = {0};
    bool good = path_from(json_get_str(op, "uri"), &path, why);
    if (good) {
        bool overwrite = json_get_bool(json_get(op, "options"), "overwrite", false);
        bool ignore = json_get_bool(json_get(op, "options"), "ignoreIfExists", false);
        make_parents(path.ptr);
        FILE *file = fopen(path.ptr, overwrite ? "we" : "wxe");
        good = file || (errno == EEXIST && ignore);
        if (!good)
            buf_append_fmt(why, "cannot create %s: %s", path.ptr, strerror(errno));
        if (file)
            fclose(file);
    }
    buf_finish(&path);
    (void)client;
    return good;
}

static bool rename_file(struct client *client, const struct json_value *op, struct buf *why)
{
    struct buf from = {0}, to = {0};
    bool good = path_from(json_get_str(op, "oldUri"), &from, why) &&
                path_from(json_get_str(op, "newUri"), &to, why);
    struct buffer *buffer = good ? buffer_find(client, buf_str(&from)) : NULL;
    if (good) {
        make_parents(to.ptr);
        good = access(to.ptr, F_OK) != 0 && rename(from.ptr, to.ptr) == 0;
        if (!good)
            buf_append_fmt(why, "cannot rename %s to %s", from.ptr, to.ptr);
    }
    if (good && buffer) { /* the buffer goes along, its unsaved text too */
        struct text *text = text_ref(buffer->text);
        buffer_close(client, buffer);
        struct str bytes = text_bytes(text);
        buffer_open(client, buf_str(&to), &bytes, true, NULL);
        text_unref(text);
    }
    buf_finish(&from);
    buf_finish(&to);
    return good;
}

static bool delete_file(struct client *client, const struct json_value *op, struct buf *why)
{
    struct buf path = {0};
    bool good = path_from(json_get_str(op, "uri"), &path, why);
    if (good) {
        struct buffer *buffer = buffer_find(client, buf_str(&path));
        if (buffer)
            buffer_close(client, buffer);
        good =
            unlink(path.ptr) == 0 ||
            (errno == ENOENT && json_get_bool(json_get(op, "options"), "ignoreIfNotExists", false));
        if (!good)
            buf_append_fmt(why, "cannot delete %s: %s", path.ptr, strerror(errno));
    }
    buf_finish(&path);
    return good;
}

static const struct {
    const char *kind;
    bool (*apply)(struct client *client, const struct json_value *op, struct buf *why);
} operations[] = {{"create", create_file}, {"rename", rename_file}, {"delete", delete_file}};

static bool apply_change(struct client *client, const struct json_value *change, struct buf *why)
{
    struct str kind = json_get_str(change, "kind");
    if (kind.len == 0) {
        const struct json_value *document = json_get(change, "textDocument");
        return apply_text_edits(client, json_get_str(document, "uri"),
                                json_get(document, "version"), json_get(change, "edits"), why);
    }
    for (size_t i = 0; i < array_count(operations); i++)
        if (str_eq_c(kind, operations[i].kind))
            return operations[i].apply(client, change, why);
    buf_append_fmt(why, "unknown operation " STR_FMT, STR_ARG(kind));
    return false;
}

/* Versions are checked for all documents before anything is touched, as good editors do. */
static bool is_stale(const struct client *client, const struct json_value *changes, struct buf *why)
{
    if (client->quirks.apply_stale)
        return false;
    for (const struct json_value *change = json_first(changes); change;
         change = json_next(change)) {
        const struct json_value *document = json_get(change, "textDocument");
        const struct json_value *version = json_get(document, "version");
        struct buf path = {0};
        bool stale = false;
        if (json_is(version, JSON_NUMBER) &&
            uri_to_path(json_get_str(document, "uri"), &path, NULL) == STATUS_OK) {
            struct buffer *buffer = buffer_find(client, buf_str(&path));
            stale = buffer && buffer->version != json_int(version, -1);
        }
        buf_finish(&path);
        if (stale) {
            buf_append_c(why, "stale version");
            return true;
        }
    }
    return false;
}

bool apply_workspace_edit(struct client *client, const struct json_value *edit, struct buf *why)
{
    const struct json_value *changes = json_get(edit, "documentChanges");
    if (json_is(changes, JSON_ARRAY)) {
        if (is_stale(client, changes, why))
            return false;
        for (const struct json_value *change = json_first(changes); change;
             change = json_next(change))
            if (!apply_change(client, change, why))
                return false;
        return true;
    }
    changes = json_get(edit, "changes");
    for (const struct json_value *one = json_first(changes); one; one = json_next(one))
        if (!apply_text_edits(client, json_key(one), NULL, one, why))
            return false;
    return true;
}
