/* "@src/a.c", "@src/", "@src/a.c:3-9", "@diff", "@symbol:NAME" in a prompt that somebody typed
 * where there is nothing but text: each becomes the input that the rich layer has for it. A word
 * that means nothing of the kind stays a word. */
#include "given-internal.h"

enum { MENTIONS_COUNT = 32, MENTION_BYTES = 1000, LINE_END = 1000000000 };

struct mention {
    struct str path;
    int64_t first, last; /* 1-based; 0: the whole of it */
};

/* -- Finding them */

static bool is_blank(char byte)
{
    return byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r';
}

static bool begins_word(struct str text, size_t at)
{
    return at == 0 || is_blank(text.ptr[at - 1]) || strchr("([{\"'", text.ptr[at - 1]) != NULL;
}

/* Behind an "@": up to a blank, or between quotes. */
static struct str take_word(struct str rest)
{
    size_t end = 0;
    if (rest.len > 0 && rest.ptr[0] == '"') {
        end = str_find_byte(rest, '"', 1);
        return end == STR_NONE ? STR("") : str_slice(rest, 1, end);
    }
    while (end < rest.len && !is_blank(rest.ptr[end]))
        end++;
    return str_slice(rest, 0, end);
}

/* What a sentence puts behind a name. */
static struct str trim_sentence(struct str word)
{
    while (word.len > 0 && strchr(".,;:!?)]}'\"", word.ptr[word.len - 1]))
        word.len--;
    return word;
}

/* -- What they mean */

static bool read_number(struct str text, int64_t *ret_number)
{
    return str_to_int64(text, ret_number) && *ret_number > 0 && *ret_number < LINE_END;
}

/* "a.c:3-9" and "a.c:3"; else all of it is the path. */
static struct mention split_lines(struct str word)
{
    struct mention mention = {.path = word};
    size_t colon = str_rfind_byte(word, ':');
    if (colon == STR_NONE)
        return mention;
    struct str lines = str_skip(word, colon + 1);
    size_t dash = str_find_byte(lines, '-', 0);
    int64_t first, last;
    if (!read_number(str_slice(lines, 0, dash == STR_NONE ? lines.len : dash), &first))
        return mention;
    last = first;
    if (dash != STR_NONE && (!read_number(str_skip(lines, dash + 1), &last) || last < first))
        return mention;
    return (struct mention){str_slice(word, 0, colon), first, last};
}

static void write_place(struct json_writer *w, const char *type, struct str absolute,
                        const struct mention *mention)
{
    struct buf uri = {0};
    uri_append_file(&uri, absolute);
    json_write_begin_object(w);
    json_write_field_c(w, "type", type);
    json_write_field_str(w, "uri", buf_str(&uri));
    if (mention->first > 0) {
        json_write_key(w, "range");
        json_write_begin_object(w);
        json_write_key(w, "start");
        json_write_begin_object(w);
        json_write_field_int(w, "line", mention->first - 1);
        json_write_field_int(w, "character", 0);
        json_write_end_object(w);
        json_write_key(w, "end");
        json_write_begin_object(w);
        json_write_field_int(w, "line", mention->last - 1);
        json_write_field_int(w, "character", LINE_END);
        json_write_end_object(w);
        json_write_end_object(w);
    }
    json_write_end_object(w);
    buf_finish(&uri);
}

static bool write_path(const struct lsp_server *server, const struct workspace_root *base,
                       const struct mention *mention, struct json_writer *w)
{
    struct workspace_path where;
    struct workspace_stat stat = {0};
    if (mention->path.len == 0 ||
        workspace_resolve(server->env.workspace, base, mention->path, &where, NULL) < 0)
        return false;
    bool is_open = document_find_path(server->env.documents, str_from(where.absolute)) != NULL;
    bool is_there = workspace_stat(&where, &stat, NULL) == STATUS_OK && stat.exists;
    bool fits = is_open || (is_there && !(stat.is_folder && mention->first > 0));
    if (fits)
        write_place(w, stat.is_folder ? "folder" : "file", str_from(where.absolute), mention);
    workspace_path_finish(&where);
    return fits;
}

static bool write_word(const struct lsp_server *server, const struct workspace_root *base,
                       struct str word, struct json_writer *w)
{
    static const char *const prefixes[] = {"file:", "folder:"};
    struct str symbol = STR("symbol:");
    if (str_eq_c(word, "diff")) {
        json_write_raw(w, STR("{\"type\":\"diff\"}"));
        return true;
    }
    if (str_starts_with(word, symbol) && word.len > symbol.len) {
        json_write_begin_object(w);
        json_write_field_c(w, "type", "symbol");
        json_write_field_str(w, "name", trim_sentence(str_skip(word, symbol.len)));
        json_write_end_object(w);
        return true;
    }
    for (size_t i = 0; i < array_count(prefixes); i++)
        if (str_starts_with(word, str_from(prefixes[i])))
            word = str_skip(word, strlen(prefixes[i]));
    struct mention whole = {.path = word}, lines = split_lines(word);
    return write_path(server, base, &whole, w) ||
           (lines.first > 0 && write_path(server, base, &lines, w));
}

void mentions_append(const struct lsp_server *server, const struct workspace_root *base,
                     struct str prompt, struct buf *json)
{
    struct json_writer w;
    size_t count = 0;
    json_writer_init(&w, json);
    json_write_begin_array(&w);
    for (size_t at = 0; (at = str_find_byte(prompt, '@', at)) != STR_NONE; at++) {
        struct str word = take_word(str_skip(prompt, at + 1)), short_word = trim_sentence(word);
        if (!begins_word(prompt, at) || word.len == 0 || word.len > MENTION_BYTES ||
            count >= MENTIONS_COUNT)
            continue;
        bool found = write_word(server, base, word, &w) ||
                     (short_word.len < word.len && write_word(server, base, short_word, &w));
        count += found;
    }
    json_write_end_array(&w);
}
