/* What is older than history.keepDays is let go: threads nobody used since, with their calls and
 * texts, rows of the audit log, transcripts of threads that are gone. A while after the start, then
 * hourly, and a little at a time. */
#include "sweep.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    FIRST_MS = 30 * 1000,
    PERIOD_MS = 60 * 60 * 1000,
    MORE_MS = 1000, /* there is more of it */
    FILES_COUNT = 10000,
};

struct sweep {
    struct journal *journal;
    const struct config *config;
    const char *state_folder;
    struct loop_timer *timer;
};

static bool on_thread(void *user, const struct journal_thread *thread)
{
    (void)thread;
    *(bool *)user = true;
    return true;
}

/* "thread-ID.md", of a thread that is in the journal no more. */
static bool is_left_over(struct journal *journal, struct str name)
{
    bool exists = false;
    if (!str_starts_with(name, STR("thread-")) || !str_ends_with(name, STR(".md")))
        return false;
    struct str id = str_slice(name, strlen("thread-"), name.len - strlen(".md"));
    return journal_thread_get(journal, id, on_thread, &exists, NULL) == STATUS_NOT_FOUND && !exists;
}

static void sweep_transcripts(const struct sweep *sweep, uint64_t before_ms)
{
    struct buf path = {0};
    buf_append_fmt(&path, "%s/threads", sweep->state_folder);
    DIR *folder = opendir(path.ptr);
    struct dirent *entry;
    for (size_t i = 0; folder && i < FILES_COUNT && (entry = readdir(folder)); i++) {
        struct stat st;
        bool is_old = fstatat(dirfd(folder), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
                      S_ISREG(st.st_mode) && (uint64_t)st.st_mtim.tv_sec * 1000 < before_ms;
        if (is_old && is_left_over(sweep->journal, str_from(entry->d_name)))
            unlinkat(dirfd(folder), entry->d_name, 0);
    }
    if (folder)
        closedir(folder);
    buf_finish(&path);
}

void sweep_run(struct journal *journal, const struct config *config, const char *state_folder,
               bool *ret_has_more)
{
    const uint64_t day_ms = 24 * 60 * 60 * 1000;
    uint64_t now_ms = time_wall_ms(), keep_ms = (uint64_t)config->history_keep_days * day_ms;
    size_t count = 0;
    *ret_has_more = false;
    if (config->history_keep_days == 0 || keep_ms > now_ms)
        return;
    struct sweep sweep = {.journal = journal, .config = config, .state_folder = state_folder};
    (void)journal_sent_prune(journal, now_ms - keep_ms, NULL);
    (void)journal_prune(journal, now_ms - keep_ms, &count, NULL);
    *ret_has_more = count > 0;
    if (count == 0)
        sweep_transcripts(&sweep, now_ms - keep_ms);
}

static void on_time(void *user)
{
    struct sweep *sweep = user;
    bool has_more;
    sweep_run(sweep->journal, sweep->config, sweep->state_folder, &has_more);
    loop_timer_start(sweep->timer, has_more ? MORE_MS : PERIOD_MS, 0);
}

struct sweep *sweep_new(struct loop *loop, struct journal *journal, const struct config *config,
                        const char *state_folder)
{
    struct sweep *sweep = mem_new(struct sweep);
    *sweep = (struct sweep){journal, config, state_folder, NULL};
    sweep->timer = loop_timer_new(loop, on_time, sweep);
    loop_timer_start(sweep->timer, FIRST_MS, 0);
    return sweep;
}

void sweep_free(struct sweep *sweep)
{
    if (!sweep)
        return;
    loop_timer_free(sweep->timer);
    mem_free(sweep);
}
