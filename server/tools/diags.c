/* Lists of diagnostics: copied from the host, compared over an edit, written for the model. */
#include "diags-internal.h"

enum { DIAG_LINE_BYTES = 400 };

static struct diag copy(const struct host_diagnostic *from)
{
    struct buf label = {0};
    buf_append(&label, from->source);
    if (from->code.len > 0)
        buf_append_fmt(&label, "%s" STR_FMT, label.len > 0 ? " " : "", STR_ARG(from->code));
    return (struct diag){.severity = from->severity,
                         .line = from->line,
                         .character = from->character,
                         .message = str_dup_c(from->message),
                         .label = buf_take(&label)};
}

static enum diag_age age_of(const struct tools *tools, const struct host_diagnosed *file)
{
    const struct document *document = document_find_path(tools->env.documents, file->path);
    if (!document)
        return DIAG_FRESH; /* nobody knows better than the editor */
    if (!file->has_version)
        return DIAG_UNKNOWN;
    return file->version < document->version ? DIAG_STALE : DIAG_FRESH;
}

void diags_copy(const struct tools *tools, const struct host_diagnosed *files, size_t count,
                struct diags *ret_diags)
{
    for (size_t i = 0; i < count; i++) {
        struct diag_file file = {.path = str_dup_c(files[i].path), .age = age_of(tools, &files[i])};
        for (size_t j = 0; j < files[i].count; j++)
            vec_push(&file.list, copy(&files[i].list[j]));
        vec_push(&ret_diags->files, file);
    }
}

void diag_file_finish(struct diag_file *file)
{
    for (size_t i = 0; i < file->list.len; i++) {
        mem_free(file->list.ptr[i].message);
        mem_free(file->list.ptr[i].label);
    }
    vec_finish(&file->list);
    mem_free(file->path);
    file->path = NULL;
}

void diags_finish(struct diags *diags)
{
    for (size_t i = 0; i < diags->files.len; i++)
        diag_file_finish(&diags->files.ptr[i]);
    vec_finish(&diags->files);
}

const struct diag_file *diags_find(const struct diags *diags, struct str path)
{
    for (size_t i = 0; i < diags->files.len; i++)
        if (str_eq_c(path, diags->files.ptr[i].path))
            return &diags->files.ptr[i];
    return NULL;
}

struct diag_file diags_take(struct diags *diags, struct str path)
{
    const struct diag_file *found = diags_find(diags, path);
    if (!found)
        return (struct diag_file){0};
    struct diag_file file = *found;
    vec_remove(&diags->files, (size_t)(found - diags->files.ptr));
    return file;
}

/* -- Comparing ------------------------------------------------------------------------------- */

static bool is_same(const struct diag *a, const struct diag *b)
{
    return a->severity == b->severity && strcmp(a->message, b->message) == 0 &&
           strcmp(a->label, b->label) == 0;
}

static size_t match(const struct diag_file *file, const struct diag *wanted, unsigned line,
                    const bool *is_used)
{
    for (size_t i = 0; i < file->list.len; i++)
        if (!is_used[i] && (line == 0 || file->list.ptr[i].line == line) &&
            is_same(&file->list.ptr[i], wanted))
            return i;
    return STR_NONE;
}

bool diag_file_eq(const struct diag_file *a, const struct diag_file *b)
{
    if (a->list.len != b->list.len)
        return false;
    bool *is_used = mem_alloc(a->list.len);
    bool same = true;
    for (size_t i = 0; i < b->list.len && same; i++) {
        size_t at = match(a, &b->list.ptr[i], 0, is_used);
        same = at != STR_NONE;
        if (same)
            is_used[at] = true;
    }
    mem_free(is_used);
    return same;
}

/* The line of the old text that a line of the new one was; 0 for one that the edit wrote. */
static unsigned old_line(const struct diff *diff, unsigned line)
{
    size_t now = line - 1, shift_new = 0, shift_old = 0;
    for (size_t i = 0; i < diff->count; i++) {
        const struct diff_hunk *hunk = &diff->hunks[i];
        if (now < hunk->new_start)
            break;
        if (now < hunk->new_start + hunk->new_count)
            return 0;
        shift_new = hunk->new_start + hunk->new_count;
        shift_old = hunk->old_start + hunk->old_count;
    }
    return (unsigned)(now - shift_new + shift_old + 1);
}

/* First what stands at the line it stood at, then what is left of the same words: so of two equal
 * ones it is the one at another line that is new. */
void diag_mark_new(const struct diag_file *before, const struct diag_file *after,
                   const struct text *old_text, const struct text *new_text, bool *is_new)
{
    static const struct diag_file none;
    before = before ? before : &none;
    bool *is_used = mem_alloc(before->list.len + 1);
    struct diff diff = {0};
    if (old_text && new_text)
        text_diff(old_text, new_text, &diff);
    for (int exact = 1; exact >= 0; exact--) {
        for (size_t i = 0; i < after->list.len; i++) {
            unsigned line = exact ? old_line(&diff, after->list.ptr[i].line) : 0;
            if (exact)
                is_new[i] = true;
            if (!is_new[i] || (exact && line == 0))
                continue;
            size_t at = match(before, &after->list.ptr[i], line, is_used);
            if (at == STR_NONE)
                continue;
            is_used[at] = true;
            is_new[i] = false;
        }
    }
    diff_finish(&diff);
    mem_free(is_used);
}

/* -- Words ----------------------------------------------------------------------------------- */

const char *diag_severity_name(unsigned severity)
{
    static const char *const names[] = {"error", "error", "warning", "information", "hint"};
    return severity < array_count(names) ? names[severity] : names[1];
}

void diag_append(const struct diag *diag, const char *display, struct buf *out)
{
    buf_append_fmt(out, "%s:%u:%u: %s: ", display, diag->line, diag->character,
                   diag_severity_name(diag->severity));
    output_append_line(out, str_from(diag->message), DIAG_LINE_BYTES);
    if (diag->label[0]) {
        buf_append_c(out, " [");
        output_append_line(out, str_from(diag->label), DIAG_LINE_BYTES / 4);
        buf_append_byte(out, ']');
    }
    buf_append_byte(out, '\n');
}
