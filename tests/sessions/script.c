#include "session.h"

#include <stdio.h>
#include <string.h>

bool read_whole(const char *path, struct buf *bytes)
{
    FILE *file = fopen(path, "re");
    char chunk[16384];
    size_t got;
    if (!file)
        return false;
    buf_append_c(bytes, "");
    while ((got = fread(chunk, 1, sizeof(chunk), file)) > 0)
        buf_append(bytes, (struct str){chunk, got});
    bool good = !ferror(file);
    fclose(file);
    return good;
}

/* -- Words ------------------------------------------------------------------------------------- */

static struct str skip_blanks(struct str rest)
{
    while (rest.len > 0 && (rest.ptr[0] == ' ' || rest.ptr[0] == '\t' || rest.ptr[0] == '\n'))
        rest = str_skip(rest, 1);
    return rest;
}

bool words_done(struct str rest)
{
    return skip_blanks(rest).len == 0;
}

bool words_take(struct str *rest, struct str *ret_word)
{
    struct str from = skip_blanks(*rest);
    size_t len = 0;
    while (len < from.len && from.ptr[len] != ' ' && from.ptr[len] != '\n')
        len++;
    if (len == 0)
        return false;
    *ret_word = str_slice(from, 0, len);
    *rest = str_skip(from, len);
    return true;
}

/* Length of the JSON value at the front: strings, and containers by counting brackets. */
static size_t value_length(struct str from)
{
    size_t depth = 0;
    bool in_string = false;
    for (size_t i = 0; i < from.len; i++) {
        char c = from.ptr[i];
        if (in_string) {
            i += c == '\\';
            in_string = c != '"';
        } else if (c == '"') {
            in_string = true;
        } else if (c == '{' || c == '[') {
            depth++;
        } else if (c == '}' || c == ']') {
            depth--;
        } else if (depth == 0 && (c == ' ' || c == '\n')) {
            return i;
        }
        if (depth == 0 && !in_string && (c == '"' || c == '}' || c == ']'))
            return i + 1;
    }
    return from.len;
}

bool words_take_json(struct str *rest, struct str *ret_json)
{
    struct str from = skip_blanks(*rest);
    if (from.len == 0 || str_starts_with(from, STR("->")))
        return false;
    size_t len = value_length(from);
    *ret_json = str_slice(from, 0, len);
    *rest = str_skip(from, len);
    return true;
}

bool words_take_text(struct str *rest, struct buf *ret_text)
{
    struct str from = skip_blanks(*rest), span;
    if (from.len == 0 || from.ptr[0] != '"') {
        if (!words_take(rest, &span))
            return false;
        buf_append(ret_text, span);
        return true;
    }
    return words_take_json(rest, &span) && json_raw_decode(span, ret_text);
}

bool words_take_arrow(struct str *rest)
{
    struct str from = skip_blanks(*rest);
    if (!str_starts_with(from, STR("->")))
        return false;
    *rest = str_skip(from, 2);
    return true;
}

/* -- Sections ---------------------------------------------------------------------------------- */

struct loading {
    struct script *script;
    unsigned line;
    bool failed;
    void (*take)(struct loading *loading, struct str line);
    struct named_text *text; /* an indented block goes on here */
    unsigned blanks;         /* empty lines not yet known to be content */
};

static void complain(struct loading *loading, const char *what, struct str line)
{
    fprintf(stderr, "%s:%u: %s: " STR_FMT "\n", loading->script->path, loading->line, what,
            STR_ARG(line));
    loading->failed = true;
}

/* Lines indented by four blanks; an empty line between two of them is content. */
static void take_indented(struct loading *loading, struct str line)
{
    if (!loading->text) {
        complain(loading, "content without a name", line);
        return;
    }
    buf_append_repeat(&loading->text->text, '\n', loading->blanks);
    loading->blanks = 0;
    buf_append(&loading->text->text, str_skip(line, 4));
    buf_append_byte(&loading->text->text, '\n');
}

/* "src/a.c" and indented lines, or "src/a.c "its \r\n bytes"". */
static void take_files(struct loading *loading, struct str line)
{
    if (str_starts_with(line, STR("    "))) {
        take_indented(loading, line);
    } else if (line.len == 0) {
        loading->blanks++;
    } else {
        struct named_text file = {0};
        struct str rest = line, name = {0};
        words_take(&rest, &name);
        file.name = str_dup_c(name);
        buf_append_c(&file.text, "");
        if (!words_done(rest) && !words_take_text(&rest, &file.text))
            complain(loading, "no string", line);
        vec_push(&loading->script->files, file);
        loading->text = &vec_last(&loading->script->files);
        loading->blanks = 0;
    }
}

static void take_text(struct loading *loading, struct str line)
{
    if (line.len == 0)
        loading->blanks++;
    else
        take_indented(loading, line);
}

static void take_line(struct buf *to, struct str line)
{
    buf_append(to, line);
    buf_append_byte(to, '\n');
}

static void take_replay(struct loading *loading, struct str line)
{
    take_line(&loading->script->replay, line);
}

static void take_settings(struct loading *loading, struct str line)
{
    take_line(&loading->script->settings, line);
}

static void take_config(struct loading *loading, struct str line)
{
    take_line(&loading->script->config, line);
}

static void take_env(struct loading *loading, struct str line)
{
    if (line.len > 0)
        vec_push(&loading->script->env, str_dup_c(line));
}

static void take_quirks(struct loading *loading, struct str rest)
{
    struct client_quirks *quirks = &loading->script->quirks;
    const struct {
        const char *name;
        bool *flag;
    } table[] = {{"apply_stale", &quirks->apply_stale},
                 {"answer_applied_always", &quirks->answer_applied_always},
                 {"refuse_stale_with_error", &quirks->refuse_stale_with_error},
                 {"change_before_answer", &quirks->change_before_answer},
                 {"no_document_changes", &quirks->no_document_changes},
                 {"no_resource_operations", &quirks->no_resource_operations},
                 {"version_zero", &quirks->version_zero},
                 {"full_sync", &quirks->full_sync},
                 {"decline_edits", &quirks->decline_edits},
                 {"format_on_save", &quirks->format_on_save}};
    struct str word;
    while (words_take(&rest, &word)) {
        bool known = false;
        for (size_t i = 0; i < array_count(table); i++)
            if (str_eq_c(word, table[i].name))
                *table[i].flag = known = true;
        if (!known)
            complain(loading, "no such quirk", word);
    }
}

static void take_client(struct loading *loading, struct str line)
{
    struct script *script = loading->script;
    struct str rest = line, word = {0};
    if (!words_take(&rest, &word))
        return;
    if (str_eq_c(word, "bare"))
        script->client = CLIENT_BARE;
    else if (str_eq_c(word, "none"))
        script->client = CLIENT_NONE;
    else if (str_eq_c(word, "rich"))
        script->rich = true;
    else if (str_eq_c(word, "offers"))
        script->offers = str_dup_c(str_trim(rest));
    else if (str_eq_c(word, "untrusted"))
        script->untrusted = true;
    else if (str_eq_c(word, "name"))
        script->client_name = str_dup_c(str_trim(rest));
    else if (str_eq_c(word, "encodings"))
        script->encodings = str_dup_c(str_trim(rest));
    else if (str_eq_c(word, "folders"))
        while (words_take(&rest, &word))
            vec_push(&script->folders, str_dup_c(word));
    else if (str_eq_c(word, "quirks"))
        take_quirks(loading, rest);
    else if (!str_eq_c(word, "torn") || !str_to_int64(str_trim(rest), &script->torn))
        complain(loading,
                 "a client is bare, none, rich, offers, untrusted, name, encodings, folders, "
                 "quirks, torn",
                 line);
}

/* A line that begins with blanks goes on from the one before; # is a remark. */
static void take_editor(struct loading *loading, struct str line)
{
    struct script *script = loading->script;
    if (line.len == 0 || line.ptr[0] == '#')
        return;
    if (line.ptr[0] != ' ') {
        vec_push(&script->steps, ((struct step){loading->line, str_dup_c(line)}));
        return;
    }
    if (script->steps.len == 0) {
        complain(loading, "nothing to go on from", line);
        return;
    }
    struct step *step = &vec_last(&script->steps);
    struct buf longer = {0};
    buf_append_fmt(&longer, "%s\n" STR_FMT, step->text, STR_ARG(line));
    mem_free(step->text);
    step->text = buf_take(&longer);
}

static void take_upstream(struct loading *loading, struct str line)
{
    buf_append(&loading->script->upstream, line);
    buf_append_byte(&loading->script->upstream, '\n');
}

static const struct {
    const char *name;
    void (*take)(struct loading *loading, struct str line);
} sections[] = {{"files", take_files},   {"text", take_text},         {"endpoint", take_replay},
                {"config", take_config}, {"settings", take_settings}, {"env", take_env},
                {"client", take_client}, {"editor", take_editor},     {"upstream", take_upstream}};

static void begin_endpoint(struct script *script, struct str rest)
{
    struct str word = str_trim(rest);
    script->endpoint = str_eq_c(word, "refuses")  ? ENDPOINT_REFUSES
                       : str_eq_c(word, "silent") ? ENDPOINT_SILENT
                                                  : ENDPOINT_REPLAY;
    buf_append(&script->endpoint_args, script->endpoint == ENDPOINT_REPLAY ? word : STR(""));
}

static void begin_section(struct loading *loading, struct str line)
{
    struct str rest = str_skip(line, 3), name = {0};
    words_take(&rest, &name);
    loading->take = NULL;
    loading->text = NULL;
    loading->blanks = 0;
    for (size_t i = 0; i < array_count(sections); i++)
        if (str_eq_c(name, sections[i].name))
            loading->take = sections[i].take;
    if (loading->take == take_replay) {
        begin_endpoint(loading->script, rest);
    } else if (loading->take == take_text) {
        vec_push(&loading->script->texts, ((struct named_text){.name = str_dup_c(str_trim(rest))}));
        loading->text = &vec_last(&loading->script->texts);
        buf_append_c(&loading->text->text, "");
    } else if (!loading->take) {
        complain(loading, "no such section", line);
    }
}

bool script_load(struct script *script, const char *path)
{
    struct buf bytes = {0};
    struct loading loading = {.script = script};
    script->path = path;
    if (!read_whole(path, &bytes)) {
        fprintf(stderr, "cannot read %s\n", path);
        return false;
    }
    struct str rest = buf_str(&bytes), line;
    while (str_next(&rest, '\n', &line)) {
        loading.line++;
        if (str_starts_with(line, STR("---")))
            begin_section(&loading, line);
        else if (loading.take)
            loading.take(&loading, line);
        else if (str_starts_with(line, STR("# ")))
            take_line(&script->title, str_skip(line, 2));
        else if (line.len > 0)
            complain(&loading, "a line outside of the sections", line);
    }
    buf_finish(&bytes);
    if (script->steps.len == 0)
        complain(&loading, "a session without steps", STR(""));
    return !loading.failed;
}

const struct named_text *script_text(const struct script *script, struct str name)
{
    for (size_t i = 0; i < script->texts.len; i++)
        if (str_eq_c(name, script->texts.ptr[i].name))
            return &script->texts.ptr[i];
    return NULL;
}

#define finish_named(list)                                                                         \
    for (size_t i = 0; i < (list)->len; i++) {                                                     \
        mem_free((list)->ptr[i].name);                                                             \
        buf_finish(&(list)->ptr[i].text);                                                          \
    }                                                                                              \
    vec_finish(list)

void script_finish(struct script *script)
{
    finish_named(&script->files);
    finish_named(&script->texts);
    for (size_t i = 0; i < script->env.len; i++)
        mem_free(script->env.ptr[i]);
    vec_finish(&script->env);
    for (size_t i = 0; i < script->folders.len; i++)
        mem_free(script->folders.ptr[i]);
    vec_finish(&script->folders);
    for (size_t i = 0; i < script->steps.len; i++)
        mem_free(script->steps.ptr[i].text);
    vec_finish(&script->steps);
    buf_finish(&script->title);
    buf_finish(&script->endpoint_args);
    buf_finish(&script->upstream);
    buf_finish(&script->replay);
    buf_finish(&script->settings);
    buf_finish(&script->config);
    mem_free(script->client_name);
    mem_free(script->encodings);
    mem_free(script->offers);
}
