/* The file of a transcript. A thread goes on for days: of a long log only the end is in memory, the
 * rest is copied from the file that was to the file that will be. */
#include "transcript-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

enum { KEPT_BYTES = 64 * 1024 /* of a log that nobody has open; most are shorter as a whole */ };

static const char prompt_heading[] = "## Prompt";

size_t transcript_end(const struct transcript *transcript)
{
    return transcript->base + transcript->log.text.len;
}

struct str transcript_log_from(const struct transcript *transcript, size_t offset)
{
    size_t skipped = offset > transcript->base ? offset - transcript->base : 0;
    return str_skip(buf_str(&transcript->log.text), skipped);
}

size_t transcript_heading(struct str text)
{
    struct str heading = str_from(prompt_heading);
    for (size_t end = text.len; end > 0;) {
        size_t newline = str_rfind_byte(str_slice(text, 0, end - 1), '\n');
        size_t start = newline == STR_NONE ? 0 : newline + 1;
        if (str_eq(str_trim_end(str_slice(text, start, end)), heading))
            return start;
        end = start;
    }
    return text.len;
}

/* -- Bytes --------------------------------------------------------------------------------------
 */

static bool write_whole(int fd, struct str bytes)
{
    while (bytes.len > 0) {
        ssize_t put = write(fd, bytes.ptr, bytes.len);
        if (put < 0)
            return false;
        bytes = str_skip(bytes, (size_t)put);
    }
    return true;
}

void transcript_read(const char *path, size_t offset, struct buf *bytes)
{
    char chunk[4096];
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    ssize_t got;
    while (fd >= 0 && bytes->len < LIMIT_DOCUMENT_BYTES &&
           (got = pread(fd, chunk, sizeof(chunk), (off_t)(offset + bytes->len))) > 0)
        buf_append(bytes, (struct str){chunk, (size_t)got});
    if (fd >= 0)
        close(fd);
}

static bool copy_front(const char *path, size_t len, int to)
{
    char chunk[16 * 1024];
    int from = len > 0 ? open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC) : -1;
    bool good = true;
    while (good && from >= 0 && len > 0) {
        ssize_t got = read(from, chunk, len < sizeof(chunk) ? len : sizeof(chunk));
        good = got > 0 && write_whole(to, (struct str){chunk, (size_t)got});
        len -= got > 0 ? (size_t)got : 0;
    }
    if (from >= 0)
        close(from);
    return good && len == 0;
}

/* -- The file -----------------------------------------------------------------------------------
 */

/* What the file has above its heading is not what we wrote: it stays, and what it lacks comes
 * behind it. */
static void keep_what_is_there(struct transcript *transcript, size_t above)
{
    struct buf rest = {0};
    size_t had = transcript->written > transcript->shown ? transcript->written : transcript->shown;
    buf_append(&rest, transcript_log_from(transcript, had));
    buf_move(&transcript->log.text, &rest);
    transcript->base = above;
}

/* What is in the file below the log, heading and all. */
static void read_below(struct transcript *transcript, struct buf *below)
{
    struct buf rest = {0};
    size_t base = transcript->base;
    transcript_read(transcript->path, base, &rest);
    size_t heading = transcript_heading(buf_str(&rest));
    struct str above = str_slice(buf_str(&rest), 0, heading);
    if (base > 0 && heading == rest.len) { /* it has become shorter */
        buf_clear(&rest);
        transcript_read(transcript->path, 0, &rest);
        heading = transcript_heading(buf_str(&rest));
        keep_what_is_there(transcript, heading);
    } else if (base > 0 && !str_starts_with(buf_str(&transcript->log.text), above)) {
        keep_what_is_there(transcript, base + heading);
    }
    buf_append(below, str_skip(buf_str(&rest), heading));
    buf_finish(&rest);
    if (below->len == 0)
        buf_append_fmt(below, "%s\n\n", prompt_heading);
}

static void drop_front(struct transcript *transcript)
{
    if (transcript->is_open || transcript->log.text.len <= KEPT_BYTES)
        return;
    transcript->base = transcript_end(transcript);
    buf_finish(&transcript->log.text);
}

void transcript_write(struct transcript *transcript, struct str prompt)
{
    struct buf below = {0}, temporary = {0};
    transcript->disk_ms = transcript->server->transcript_ms =
        loop_now_ms(transcript->server->env.loop);
    read_below(transcript, &below);
    buf_append(&below, prompt);
    buf_append_fmt(&temporary, "%s.new", transcript->path);
    int fd = open(temporary.ptr, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    bool good = fd >= 0 && copy_front(transcript->path, transcript->base, fd) &&
                write_whole(fd, buf_str(&transcript->log.text)) && write_whole(fd, buf_str(&below));
    if (fd >= 0)
        close(fd);
    if (good && rename(temporary.ptr, transcript->path) == 0) {
        transcript->written = transcript_end(transcript);
        drop_front(transcript);
    } else {
        log_line(LOG_WARN, "transcript not written path=%s errno=%d", transcript->path, errno);
    }
    buf_finish(&below);
    buf_finish(&temporary);
}

void transcript_load(struct transcript *transcript)
{
    struct buf whole = {0};
    transcript_read(transcript->path, 0, &whole);
    if (whole.len >= transcript->base) {
        buf_truncate(&whole, transcript->base);
        buf_append(&whole, buf_str(&transcript->log.text));
        buf_move(&transcript->log.text, &whole);
        transcript->base = 0;
    }
    buf_finish(&whole);
}

bool transcript_find_begun(struct transcript *transcript)
{
    struct buf old = {0};
    transcript_read(transcript->path, 0, &old);
    size_t heading = transcript_heading(buf_str(&old));
    bool is_begun = heading < old.len;
    if (is_begun) {
        buf_append(&transcript->log.text, str_slice(buf_str(&old), 0, heading));
        transcript->written = heading;
        drop_front(transcript);
    }
    buf_finish(&old);
    return is_begun;
}
