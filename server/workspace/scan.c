/* The lines of one file that match, or of the open text that stands in for it. */
#include "scan-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

enum {
    BINARY_PROBE_BYTES = 8 * 1024, /* a NUL in these makes a file binary */
    LONG_LINE_LEAD_CHARS = 100,    /* kept in front of a match far into a long line */
};

/* What was found in one file so far. */
struct hits {
    struct workspace_job *job;
    struct regex *regex;
    struct scan_task *task;
    struct str bytes;
    size_t cursor;       /* behind the last line that was added */
    size_t cursor_line;  /* its number, 0-based */
    unsigned after_left; /* context lines still due behind the last match */
};

/* -- Lines: LF, CRLF and CR end them ---------------------------------------------------------- */

static size_t line_end(struct str bytes, size_t offset)
{
    const char *start = bytes.ptr + offset;
    const char *end = memchr(start, '\n', bytes.len - offset);
    size_t length = end ? (size_t)(end - start) : bytes.len - offset;
    const char *cr = memchr(start, '\r', length);
    return offset + (cr ? (size_t)(cr - start) : length);
}

static size_t line_after(struct str bytes, size_t offset)
{
    size_t end = line_end(bytes, offset);
    if (end < bytes.len && bytes.ptr[end] == '\r')
        return end + (end + 1 < bytes.len && bytes.ptr[end + 1] == '\n' ? 2 : 1);
    return end < bytes.len ? end + 1 : end;
}

static bool ends_line(char byte)
{
    return byte == '\n' || byte == '\r';
}

static size_t line_begin(struct str bytes, size_t offset)
{
    /* Between CR and LF is still the line they end. */
    if (offset < bytes.len && bytes.ptr[offset] == '\n' && offset && bytes.ptr[offset - 1] == '\r')
        offset--;
    while (offset && !ends_line(bytes.ptr[offset - 1]))
        offset--;
    return offset;
}

static size_t line_before(struct str bytes, size_t begin)
{
    return line_begin(bytes, begin - 1);
}

/* -- Adding lines ----------------------------------------------------------------------------- */

static size_t skip_chars(struct str text, size_t count)
{
    size_t offset = 0;
    uint32_t ignored;
    while (count-- && offset < text.len)
        offset += utf8_decode(str_skip(text, offset), &ignored);
    return offset;
}

/* At most LIMIT_READ_LINE_CHARS_COUNT characters, with the match among them. */
static char *make_line_text(struct str line, size_t match_start)
{
    struct buf text = {0};
    size_t cut = skip_chars(line, LIMIT_READ_LINE_CHARS_COUNT);
    if (cut < line.len && match_start >= cut) {
        /* Bytes, not characters, is near enough: a cut character shows as U+FFFD. */
        size_t from = match_start - LONG_LINE_LEAD_CHARS;
        while (from < match_start && ((unsigned char)line.ptr[from] & 0xc0) == 0x80)
            from++;
        line = str_skip(line, from);
        buf_append_c(&text, "… ");
        cut = skip_chars(line, LIMIT_READ_LINE_CHARS_COUNT);
    }
    utf8_append_printable(&text, str_slice(line, 0, cut));
    if (cut < line.len)
        buf_append_c(&text, " …");
    return buf_take(&text);
}

static void add_line(struct hits *hits, size_t begin, size_t number, size_t match_start,
                     bool is_context)
{
    struct str line = str_slice(hits->bytes, begin, line_end(hits->bytes, begin));
    struct workspace_match match = job_make_match(hits->job, str_from(hits->task->relative));
    match.line = number + 1;
    match.is_context = is_context;
    match.size = hits->bytes.len;
    match.text = make_line_text(line, match_start);
    hits->task->text_bytes += strlen(match.text) + strlen(match.path);
    vec_push(&hits->task->matches, match);
    hits->cursor = line_after(hits->bytes, begin);
    hits->cursor_line = number + 1;
}

/* The lines due behind the last match, as far as `limit`. */
static void add_after(struct hits *hits, size_t limit)
{
    for (; hits->after_left && hits->cursor < limit; hits->after_left--)
        add_line(hits, hits->cursor, hits->cursor_line, 0, true);
}

static size_t count_lines(struct str bytes, size_t from, size_t to)
{
    size_t count = 0;
    for (; from < to; from = line_after(bytes, from))
        count++;
    return count;
}

/* False when the limit is reached: that one match more exists is all that is said of it. */
static bool add_hit(struct hits *hits, size_t begin, size_t match_start)
{
    struct workspace_job *job = hits->job;
    add_after(hits, begin);
    struct scan_task *task = hits->task;
    if (task->match_count == job->search.limit || task->text_bytes > LIMIT_GREP_TEXT_BYTES) {
        task->limited = true;
        return false;
    }
    size_t number = hits->cursor_line + count_lines(hits->bytes, hits->cursor, begin);
    size_t from = begin;
    for (unsigned i = 0; i < job->search.context && from > hits->cursor; i++) {
        from = line_before(hits->bytes, from);
        number--;
    }
    while (from < begin) {
        add_line(hits, from, number++, 0, true);
        from = hits->cursor;
    }
    add_line(hits, begin, number, match_start - begin, false);
    hits->after_left = job->search.context;
    task->match_count++;
    return true;
}

/* -- Matching --------------------------------------------------------------------------------- */

/* One line on its own. */
static bool try_line(struct hits *hits, size_t begin, size_t *ret_match_start)
{
    struct str line = str_slice(hits->bytes, begin, line_end(hits->bytes, begin));
    size_t start;
    enum regex_result result = regex_match(hits->regex, line, 0, &start);
    if (result == REGEX_GAVE_UP)
        hits->task->limited = true; /* there may be more than is shown */
    if (result != REGEX_FOUND)
        return false;
    *ret_match_start = begin + start;
    return true;
}

static bool grep_by_line(struct hits *hits, size_t from)
{
    size_t match_start;
    for (; from < hits->bytes.len; from = line_after(hits->bytes, from)) {
        if (job_must_stop(hits->job))
            return false;
        if (try_line(hits, from, &match_start) && !add_hit(hits, from, match_start))
            return false;
    }
    return true;
}

/* Jumps from one candidate to the next, which is much faster where few lines match. */
static bool grep_by_jumps(struct hits *hits)
{
    struct str bytes = hits->bytes;
    size_t from = 0, start, match_start;
    while (from < bytes.len) {
        if (job_must_stop(hits->job))
            return false;
        enum regex_result result = regex_match(hits->regex, bytes, from, &start);
        if (result == REGEX_NONE)
            return true;
        if (result == REGEX_GAVE_UP)
            return grep_by_line(hits, from);
        size_t begin = line_begin(bytes, start);
        if (begin >= bytes.len)
            return true; /* an empty match behind the last line ending */
        if (begin < from)
            begin = from;
        if (try_line(hits, begin, &match_start) && !add_hit(hits, begin, match_start))
            return false;
        from = line_after(bytes, begin);
    }
    return true;
}

/* -- Files ------------------------------------------------------------------------------------ */

static bool is_binary(struct str bytes)
{
    size_t probe = bytes.len < BINARY_PROBE_BYTES ? bytes.len : BINARY_PROBE_BYTES;
    return probe && memchr(bytes.ptr, '\0', probe);
}

static enum scan_outcome read_file(struct buf *bytes, int fd, const struct stat *found)
{
    char probe[BINARY_PROBE_BYTES];
    if ((uint64_t)found->st_size > LIMIT_GREP_FILE_BYTES)
        return SCAN_LARGE;
    ssize_t got = pread(fd, probe, sizeof(probe), 0);
    if (got < 0)
        return SCAN_NOTHING;
    if (is_binary((struct str){probe, (size_t)got}))
        return SCAN_BINARY;
    buf_clear(bytes);
    if (got == found->st_size && got < (ssize_t)sizeof(probe)) {
        buf_append(bytes, (struct str){probe, (size_t)got});
        return SCAN_SEARCHED;
    }
    buf_reserve(bytes, (size_t)found->st_size + 2);
    return read_whole(fd, LIMIT_GREP_FILE_BYTES, bytes, "", NULL) == STATUS_OK ? SCAN_SEARCHED
                                                                               : SCAN_NOTHING;
}

/* Finds the open text of a file that was opened by another of its names. */
static enum scan_outcome load(struct scanner *scanner, struct scan_task *task)
{
    struct stat found;
    enum scan_outcome outcome = SCAN_NOTHING;
    if (task->document)
        return SCAN_SEARCHED;
    int fd = openat(walk_folder_fd(task->folder), task->name,
                    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0)
        return SCAN_NOTHING;
    if (fstat(fd, &found) == 0 && S_ISREG(found.st_mode)) {
        task->document = open_texts_find_inode(&scanner->job->open, &found);
        outcome = task->document ? SCAN_SEARCHED : read_file(&scanner->bytes, fd, &found);
    }
    close(fd);
    return outcome;
}

void scan_file(struct scanner *scanner, struct scan_task *task)
{
    task->outcome = load(scanner, task);
    if (task->outcome != SCAN_SEARCHED)
        return;
    struct hits hits = {.job = scanner->job, .regex = scanner->regex, .task = task};
    hits.bytes = task->document ? text_bytes(task->document->text) : buf_str(&scanner->bytes);
    if (str_starts_with(hits.bytes, STR("\xef\xbb\xbf")))
        hits.bytes = str_skip(hits.bytes, 3);
    bool going =
        regex_may_cross_lines(scanner->regex) ? grep_by_jumps(&hits) : grep_by_line(&hits, 0);
    if (going)
        add_after(&hits, hits.bytes.len);
    /* Only now is it worth a look at the disk. */
    bool unsaved = task->document && task->matches.len &&
                   open_text_differs(task->document, walk_folder_fd(task->folder), task->name);
    for (size_t i = 0; i < task->matches.len; i++)
        task->matches.ptr[i].unsaved = unsaved;
}

void scan_task_finish(struct scan_task *task)
{
    for (size_t i = 0; i < task->matches.len; i++)
        match_finish(&task->matches.ptr[i]);
    vec_finish(&task->matches);
    walk_folder_unref(task->folder);
    mem_free(task->relative);
}
