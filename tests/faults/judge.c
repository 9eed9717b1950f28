#include <dirent.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "faults.h"

static void append_file(struct buf *text, const char *path, struct str name)
{
    char chunk[4096];
    size_t count;
    FILE *file = fopen(path, "re");
    buf_append_fmt(text, "file " STR_FMT "\n", STR_ARG(name));
    while (file && (count = fread(chunk, 1, sizeof(chunk), file)) > 0)
        buf_append(text, (struct str){chunk, count});
    if (file)
        fclose(file);
}

static void append_tree(struct buf *text, const char *path, size_t root_len)
{
    struct dirent **entries;
    int count = scandir(path, &entries, NULL, alphasort);
    for (int i = 0; i < count; i++) {
        struct buf inner = {0};
        struct stat stat;
        buf_append_fmt(&inner, "%s/%s", path, entries[i]->d_name);
        bool is_dots = !strcmp(entries[i]->d_name, ".") || !strcmp(entries[i]->d_name, "..");
        if (!is_dots && lstat(inner.ptr, &stat) == 0 && S_ISDIR(stat.st_mode))
            append_tree(text, inner.ptr, root_len);
        else if (!is_dots)
            append_file(text, inner.ptr, str_skip(buf_str(&inner), root_len));
        buf_finish(&inner);
        free(entries[i]);
    }
    if (count >= 0)
        free(entries);
}

static int compare_paths(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

void judge_append_workspace(struct buf *text, const char *root, const struct client *client)
{
    VEC(const char *) paths = {0};
    const char *path;
    append_tree(text, root, strlen(root));
    for (size_t i = 0; (path = client_path_at(client, i)); i++)
        vec_push(&paths, path);
    if (paths.len > 0)
        qsort(paths.ptr, paths.len, sizeof(*paths.ptr), compare_paths);
    for (size_t i = 0; i < paths.len; i++) {
        buf_append_fmt(text, "buffer %s%s\n", paths.ptr[i] + strlen(root),
                       client_is_dirty(client, paths.ptr[i]) ? ", not saved" : "");
        if (client_text(client, paths.ptr[i]))
            buf_append(text, text_bytes(client_text(client, paths.ptr[i])));
    }
    vec_finish(&paths);
}

/* The commands of the rollout write a line each to a file of their own. */
void judge_traces(const char *root, struct buf *why)
{
    for (int i = 0; i < 100; i++) {
        char path[512], text[64] = {0};
        snprintf(path, sizeof(path), "%s/ran/%d", root, i);
        FILE *file = fopen(path, "re");
        if (!file)
            continue;
        if (fread(text, 1, sizeof(text) - 1, file) != 4 || strcmp(text, "ran\n") != 0)
            buf_append_fmt(why, "the command of round %d left \"%s\"\n", i, text);
        fclose(file);
    }
}

/* -- The journal ---------------------------------------------------------------------------------
 */

static const char calls_sql[] = "SELECT 'call', name, arguments FROM call ORDER BY name, arguments";
static const char items_sql[] =
    "SELECT kind, json->>'type' AS type, coalesce(json->>'name', json->>'role', '') AS name,"
    " coalesce(json->>'arguments', json->>'input', json->>'$.content[0].text',"
    " json->>'$.summary[0].text', '') AS text"
    " FROM item WHERE kind = 'output' ORDER BY type, name, text";
/* Last, for they are more after a failure: somebody has said "go on". */
static const char users_sql[] =
    "SELECT 'user', json->>'$.content[0].text' FROM item WHERE kind = 'user' ORDER BY seq";
/* Rows are what is wrong. */
static const char *const wrong_sql[] = {
    "SELECT 'no end of the call', call_id, name, arguments FROM call WHERE output IS NULL",
    "SELECT 'calls and outputs of ' || (json->>'call_id'),"
    " sum(json->>'type' NOT LIKE '%_output') AS calls, sum(json->>'type' LIKE '%_output') AS "
    "outputs"
    " FROM item WHERE json->>'call_id' IS NOT NULL GROUP BY json->>'call_id'"
    " HAVING calls <> 1 OR outputs <> 1",
    "SELECT 'call and no item', call_id FROM call WHERE call_id NOT IN"
    " (SELECT json->>'call_id' FROM item WHERE json->>'call_id' IS NOT NULL)",
    "SELECT 'item and no call', json FROM item WHERE json->>'type' IN ('function_call',"
    " 'custom_tool_call') AND json->>'call_id' NOT IN (SELECT call_id FROM call)",
    "SELECT 'unknown end', json FROM item WHERE json->>'output' LIKE '%ended while this ran%'",
    "SELECT 'turn still running', id FROM turn WHERE status = 'running'",
};

static int append_row(void *user, int count, char **values, char **names)
{
    struct buf *text = user;
    (void)names;
    for (int i = 0; i < count; i++)
        buf_append_fmt(text, "%s%s", i ? "|" : "", values[i] ? values[i] : "NULL");
    buf_append_byte(text, '\n');
    return 0;
}

static bool query(sqlite3 *db, const char *sql, struct buf *rows, struct buf *why)
{
    if (sqlite3_exec(db, sql, append_row, rows, NULL) == SQLITE_OK)
        return true;
    buf_append_fmt(why, "the journal cannot be read: %s (%s)\n", sqlite3_errmsg(db), sql);
    return false;
}

bool judge_append_journal(struct buf *text, const char *state, struct buf *why)
{
    struct buf path = {0};
    sqlite3 *db = NULL;
    size_t before = why->len;
    buf_append_fmt(&path, "%s/journal.db", state);
    if (sqlite3_open_v2(path.ptr, &db, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK)
        buf_append_fmt(why, "there is no journal: %s\n", sqlite3_errmsg(db));
    if (why->len == before)
        query(db, calls_sql, text, why);
    if (why->len == before)
        query(db, items_sql, text, why);
    if (why->len == before)
        query(db, users_sql, text, why);
    for (size_t i = 0; why->len == before && i < array_count(wrong_sql); i++)
        query(db, wrong_sql[i], why, why);
    sqlite3_close(db);
    buf_finish(&path);
    return why->len == before;
}
