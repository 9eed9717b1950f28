/* What was learned of endpoints: STATE/endpoints.json, shared by all processes of the user. Lost
 * without harm: everything in it is learned again. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <lanebridge/json.h>

#include "app.h"

enum { MEMORY_BYTES = 64 * 1024, MEMORY_COUNT = 64 };
#define MEMORY_MS ((uint64_t)7 * 24 * 3600 * 1000) /* endpoints change; then they are asked anew   \
                                                    */

struct memory {
    struct buf path, url;
};

struct memory *memory_new(const char *state_folder, const char *url)
{
    struct memory *memory = mem_new(struct memory);
    struct str name = str_from(url);
    path_append_join(&memory->path, str_from(state_folder), STR("endpoints.json"));
    buf_append(&memory->url, str_slice(name, 0, str_find_byte(name, '?', 0)));
    return memory;
}

void memory_free(struct memory *memory)
{
    if (!memory)
        return;
    buf_finish(&memory->path);
    buf_finish(&memory->url);
    mem_free(memory);
}

static struct json_value *read_all(const struct memory *memory)
{
    struct buf bytes = {0};
    struct json_value *all = NULL;
    int fd = open(memory->path.ptr, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    char chunk[4096];
    ssize_t got = 0;
    while (fd >= 0 && bytes.len <= MEMORY_BYTES && (got = read(fd, chunk, sizeof(chunk))) > 0)
        buf_append(&bytes, (struct str){chunk, (size_t)got});
    if (fd >= 0)
        close(fd);
    if (bytes.len > 0 && bytes.len <= MEMORY_BYTES)
        json_parse(buf_str(&bytes), &all, NULL);
    buf_finish(&bytes);
    return all;
}

static bool is_fresh(const struct json_value *one)
{
    uint64_t at = (uint64_t)json_get_int(one, "at", 0), now = time_wall_ms();
    return json_is(one, JSON_OBJECT) && at <= now && now - at < MEMORY_MS;
}

static const struct json_value *find(const struct memory *memory, const struct json_value *all)
{
    const struct json_value *one = json_get(all, memory->url.ptr);
    return is_fresh(one) ? one : NULL;
}

static uint64_t pause_left(const struct json_value *one)
{
    uint64_t until = (uint64_t)json_get_int(one, "pauseUntil", 0), now = time_wall_ms();
    return until > now ? until - now : 0;
}

void memory_get(const struct memory *memory, struct responses_learned *ret_learned)
{
    struct json_value *all = read_all(memory);
    const struct json_value *one = find(memory, all);
    struct str refused = json_get_str(one, "refused");
    *ret_learned = (struct responses_learned){.life_ms = (uint64_t)json_get_int(one, "lifeMs", 0),
                                              .pause_ms = pause_left(one)};
    if (refused.len < sizeof(ret_learned->refused) && refused.len > 0)
        memcpy(ret_learned->refused, refused.ptr, refused.len);
    json_free(all);
}

static void write_own(const struct memory *memory, struct json_writer *w,
                      const struct responses_learned *learned, uint64_t pause_ms)
{
    uint64_t now = time_wall_ms();
    json_write_key_str(w, buf_str(&memory->url));
    json_write_begin_object(w);
    json_write_field_int(w, "at", (int64_t)now);
    json_write_field_c(w, "refused", learned->refused);
    if (learned->life_ms > 0)
        json_write_field_int(w, "lifeMs", (int64_t)learned->life_ms);
    if (pause_ms > 0)
        json_write_field_int(w, "pauseUntil", (int64_t)(now + pause_ms));
    json_write_end_object(w);
}

/* Whole or not at all, readable by nobody else. */
static void replace_file(const struct memory *memory, struct str text)
{
    struct buf temporary = {0};
    buf_append_fmt(&temporary, STR_FMT ".%ld", STR_ARG(buf_str(&memory->path)), (long)getpid());
    int fd = open(temporary.ptr, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    bool good = fd >= 0 && write(fd, text.ptr, text.len) == (ssize_t)text.len;
    if (fd >= 0)
        close(fd);
    if (!good || rename(temporary.ptr, memory->path.ptr) < 0) {
        log_line(LOG_WARN, "memory not kept path=%s why=\"%s\"", memory->path.ptr, strerror(errno));
        unlink(temporary.ptr);
    }
    buf_finish(&temporary);
}

void memory_put(const struct memory *memory, const struct responses_learned *learned)
{
    struct json_value *all = read_all(memory);
    struct buf text = {0};
    struct json_writer w;
    uint64_t pause_ms = pause_left(find(memory, all));
    size_t count = 1;
    json_writer_init(&w, &text);
    json_write_begin_object(&w);
    write_own(memory, &w, learned, learned->pause_ms > pause_ms ? learned->pause_ms : pause_ms);
    for (const struct json_value *one = json_first(all); one; one = json_next(one)) {
        if (!is_fresh(one) || str_eq(json_key(one), buf_str(&memory->url)) ||
            ++count > MEMORY_COUNT)
            continue;
        json_write_key_str(&w, json_key(one));
        json_write_value(&w, one);
    }
    json_write_end_object(&w);
    replace_file(memory, buf_str(&text));
    buf_finish(&text);
    json_free(all);
}
