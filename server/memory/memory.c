/* One object by URL: {"refused": {NAME: since}, "cancels": since, "lifeMs": …, "lifeAt": since,
 * "pauseUntil": …}; times in milliseconds of the day's clock. */
#include <lanebridge/memory.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <lanebridge/json.h>

enum { MEMORY_BYTES = 64 * 1024, MEMORY_COUNT = 64, LOCK_MS = 200 };
#define MEMORY_MS ((uint64_t)7 * 24 * 3600 * 1000)

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

/* -- Reading --------------------------------------------------------------------------------- */

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

/* 0 for what is absent, too old, or from a day that has not come. */
static uint64_t since(const struct json_value *value)
{
    int64_t at = json_int(value, 0);
    uint64_t now = time_wall_ms();
    return at > 0 && (uint64_t)at <= now && now - (uint64_t)at < MEMORY_MS ? (uint64_t)at : 0;
}

static uint64_t pause_left(const struct json_value *one)
{
    uint64_t until = (uint64_t)json_get_int(one, "pauseUntil", 0), now = time_wall_ms();
    return until > now ? until - now : 0;
}

static bool is_fresh(const struct json_value *one)
{
    bool knows =
        since(json_get(one, "cancels")) || since(json_get(one, "lifeAt")) || pause_left(one) > 0;
    for (const struct json_value *name = json_first(json_get(one, "refused")); name;
         name = json_next(name))
        knows |= since(name) > 0;
    return json_is(one, JSON_OBJECT) && knows;
}

static void add_name(struct responses_learned *learned, struct str name)
{
    size_t used = strlen(learned->refused);
    if (used + name.len + 2 > sizeof(learned->refused))
        return;
    snprintf(learned->refused + used, sizeof(learned->refused) - used, "%s" STR_FMT,
             used ? " " : "", STR_ARG(name));
}

void memory_get(const struct memory *memory, struct responses_learned *ret_learned)
{
    struct json_value *all = read_all(memory);
    const struct json_value *one = json_get(all, memory->url.ptr);
    *ret_learned = (struct responses_learned){.pause_ms = pause_left(one)};
    if (since(json_get(one, "lifeAt")))
        ret_learned->life_ms = (uint64_t)json_get_int(one, "lifeMs", 0);
    ret_learned->cancels = since(json_get(one, "cancels")) > 0;
    for (const struct json_value *name = json_first(json_get(one, "refused")); name;
         name = json_next(name))
        if (since(name))
            add_name(ret_learned, json_key(name));
    json_free(all);
}

/* -- Writing --------------------------------------------------------------------------------- */

static bool has_name(const struct responses_learned *learned, struct str name)
{
    struct str rest = str_from(learned->refused), word;
    while (str_next(&rest, ' ', &word))
        if (str_eq(word, name))
            return true;
    return false;
}

/* Names keep the day they were learned on, or nothing would ever be asked again. */
static void write_refused(struct json_writer *w, const struct json_value *old,
                          const struct responses_learned *learned)
{
    struct str rest = str_from(learned->refused), word;
    int64_t now = (int64_t)time_wall_ms();
    json_write_key(w, "refused");
    json_write_begin_object(w);
    for (const struct json_value *name = json_first(old); name; name = json_next(name)) {
        if (!since(name))
            continue;
        json_write_key_str(w, json_key(name));
        json_write_int(w, (int64_t)since(name));
    }
    while (str_next(&rest, ' ', &word)) {
        struct buf name = {0};
        buf_append(&name, word);
        if (word.len > 0 && !since(json_get(old, name.ptr))) {
            json_write_key_str(w, word);
            json_write_int(w, now);
        }
        buf_finish(&name);
    }
    json_write_end_object(w);
}

static void write_own(const struct memory *memory, struct json_writer *w,
                      const struct json_value *old, const struct responses_learned *learned)
{
    uint64_t now = time_wall_ms(), pause_ms = pause_left(old);
    uint64_t life_at = since(json_get(old, "lifeAt"));
    uint64_t life_ms = life_at ? (uint64_t)json_get_int(old, "lifeMs", 0) : 0;
    uint64_t cancels = since(json_get(old, "cancels"));
    if (learned->life_ms > 0 && (life_ms == 0 || learned->life_ms < life_ms)) {
        life_ms = learned->life_ms;
        life_at = now;
    }
    if (learned->pause_ms > pause_ms)
        pause_ms = learned->pause_ms;
    json_write_key_str(w, buf_str(&memory->url));
    json_write_begin_object(w);
    write_refused(w, json_get(old, "refused"), learned);
    if (has_name(learned, STR("response.cancel")))
        cancels = 0;
    else if (learned->cancels && !cancels)
        cancels = now;
    if (cancels)
        json_write_field_int(w, "cancels", (int64_t)cancels);
    if (life_ms > 0) {
        json_write_field_int(w, "lifeMs", (int64_t)life_ms);
        json_write_field_int(w, "lifeAt", (int64_t)life_at);
    }
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

/* -1 if somebody keeps it for too long (a stopped process): what is lost then is learned again. */
static int lock(const struct memory *memory)
{
    struct buf path = {0};
    buf_append_fmt(&path, STR_FMT ".lock", STR_ARG(buf_str(&memory->path)));
    int fd = open(path.ptr, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    buf_finish(&path);
    for (int i = 0; fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0; i++) {
        if (i >= LOCK_MS || (errno != EWOULDBLOCK && errno != EINTR)) {
            close(fd);
            return -1;
        }
        usleep(1000);
    }
    return fd;
}

void memory_put(const struct memory *memory, const struct responses_learned *learned)
{
    int fd = lock(memory);
    struct json_value *all = read_all(memory);
    struct buf text = {0};
    struct json_writer w;
    size_t count = 1;
    json_writer_init(&w, &text);
    json_write_begin_object(&w);
    write_own(memory, &w, json_get(all, memory->url.ptr), learned);
    for (const struct json_value *one = json_first(all); one; one = json_next(one)) {
        if (!is_fresh(one) || str_eq(json_key(one), buf_str(&memory->url)) ||
            ++count > MEMORY_COUNT)
            continue;
        json_write_key_str(&w, json_key(one));
        json_write_value(&w, one);
    }
    json_write_end_object(&w);
    replace_file(memory, buf_str(&text));
    if (fd >= 0)
        close(fd);
    buf_finish(&text);
    json_free(all);
}
