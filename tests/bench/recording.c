#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lanebridge/json.h>

#include "recording.h"

enum {
    LINE_BYTES = 256,
    TAIL_BYTES = 60,    /* before the cursor, by which a place is known */
    ANSWER_BYTES = 300, /* more than the client takes */
    FIRST_MS = 180,     /* a small fast model: its first token … */
    DELTA_MS = 7,       /* … and the others, of four bytes */
    TOKEN_BYTES = 4,
};

/* -- Reading -------------------------------------------------------------------------------------
 */

static const struct {
    const char *name, *text;
} named_keys[] = {{"<enter>", "\n"}, {"<space>", " "}, {"<back>", ""}};

static void read_key(struct recording *recording, const char *line)
{
    struct recorded_key key = {0};
    char name[LINE_BYTES];
    unsigned indent = 0;
    if (sscanf(line, "%u %255[^\n]", &key.ms, name) != 2)
        bench_die("not a key: %s", line);
    if (sscanf(name, "<indent %u>", &indent) == 1 && indent < sizeof(key.text)) {
        memset(key.text, ' ', indent);
    } else {
        const char *text = name;
        for (size_t i = 0; i < array_count(named_keys); i++)
            if (strcmp(name, named_keys[i].name) == 0)
                text = named_keys[i].text;
        key.is_back = text[0] == '\0';
        snprintf(key.text, sizeof(key.text), "%.20s", text);
    }
    vec_push(&recording->keys, key);
}

/* What stands there after each key. */
static void replay(struct recording *recording)
{
    struct buf now = {0};
    for (size_t i = 0; i < recording->keys.len; i++) {
        const struct recorded_key *key = &recording->keys.ptr[i];
        if (key->is_back)
            buf_truncate(&now, now.len - 1);
        else
            buf_append_c(&now, key->text);
    }
    buf_move(&recording->typed, &now);
    for (size_t i = 0; i <= recording->typed.len; i++)
        vec_push(&recording->states, 0);
    for (size_t i = 0; i < recording->keys.len; i++) {
        const struct recorded_key *key = &recording->keys.ptr[i];
        if (key->is_back)
            buf_truncate(&now, now.len - 1);
        else
            buf_append_c(&now, key->text);
        if (str_starts_with(buf_str(&recording->typed), buf_str(&now)))
            recording->states.ptr[now.len] = i + 1;
    }
    buf_finish(&now);
}

void recording_read(struct recording *recording, const char *path)
{
    char line[LINE_BYTES];
    struct buf *part = NULL;
    bool has_keys = false;
    FILE *file = fopen(path, "re");
    *recording = (struct recording){0};
    if (!file)
        bench_die("cannot read %s: %s", path, strerror(errno));
    while (fgets(line, sizeof(line), file)) {
        if (has_keys)
            read_key(recording, line);
        else if (part && (line[0] == ' ' || line[0] == '\n'))
            buf_append_c(part, line[0] == ' ' ? line + 4 : line);
        else if (strcmp(line, "before\n") == 0)
            part = &recording->before;
        else if (strcmp(line, "after\n") == 0)
            part = &recording->after;
        else if (strcmp(line, "keys\n") == 0)
            has_keys = true;
        else if (line[0] != '#' && sscanf(line, "language %15s", recording->language) != 1)
            bench_die("%s: what is this? %s", path, line);
    }
    fclose(file);
    replay(recording);
}

void recording_finish(struct recording *recording)
{
    buf_finish(&recording->before);
    buf_finish(&recording->after);
    buf_finish(&recording->typed);
    vec_finish(&recording->keys);
    vec_finish(&recording->states);
}

/* -- The model -----------------------------------------------------------------------------------
 */

static size_t end_of_word(struct str text)
{
    size_t at = 0;
    while (at < text.len && strchr(" \n", text.ptr[at]))
        at++;
    while (at < text.len && !strchr(" \n()[].,;:", text.ptr[at]))
        at++;
    return at;
}

static void add_place(struct buf *script, struct str before, struct str rest, bool is_wrong)
{
    struct buf match = {0}, answer = {0};
    buf_append(&match, str_skip(before, before.len > TAIL_BYTES ? before.len - TAIL_BYTES : 0));
    buf_append_c(&match, "<|cursor|>");
    buf_append(&answer, str_slice(rest, 0, is_wrong ? end_of_word(rest) : ANSWER_BYTES));
    if (is_wrong)
        buf_append_c(&answer, " = something_else(0);\n");
    buf_append_c(script, "{\"rollout\":\"place\",\"match\":{\"text\":");
    json_append_quoted(script, buf_str(&match));
    buf_append_fmt(script,
                   "}}\n{\"pace\":{\"first_ms\":%d,\"delta_ms\":%d,\"chunk\":%d},"
                   "\"emit\":[{\"type\":\"message\",\"text\":",
                   FIRST_MS, DELTA_MS, TOKEN_BYTES);
    json_append_quoted(script, buf_str(&answer));
    buf_append_c(script, "}]}\n");
    buf_finish(&match);
    buf_finish(&answer);
}

void recording_write_script(const struct recording *recording, const char *folder,
                            unsigned wrong_percent)
{
    struct buf script = {0}, before = {0};
    struct str typed = buf_str(&recording->typed);
    uint64_t random = 88172645463325252u;
    for (size_t i = 0; i < typed.len; i++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        buf_clear(&before);
        buf_append(&before, buf_str(&recording->before));
        buf_append(&before, str_slice(typed, 0, i));
        add_place(&script, buf_str(&before), str_skip(typed, i), random % 100 < wrong_percent);
    }
    buf_append_fmt(&script,
                   "{\"rollout\":\"elsewhere\"}\n{\"pace\":{\"first_ms\":%d,\"delta_ms\":%d,"
                   "\"chunk\":%d},\"emit\":[{\"type\":\"message\",\"text\":\"never_mind();\"}]}\n",
                   FIRST_MS, DELTA_MS, TOKEN_BYTES);
    bench_write_file(folder, "script.jsonl", buf_str(&script));
    buf_finish(&script);
    buf_finish(&before);
}
