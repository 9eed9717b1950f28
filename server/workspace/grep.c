/* grep: the walk finds the files, in order; they are searched in batches by the walking thread and
 * a few helpers, and what was found is put in order again. */
#include <errno.h>
#include <pthread.h>
#include <unistd.h>

#include "scan-internal.h"

enum {
    BATCH_FILES_COUNT = 32,
    /* Each file that waits may hold its folder's descriptor open. */
    BATCHES_COUNT = 6,
    /* More threads than this wait for the disk and each other. */
    HELPERS_COUNT = 3,
};

enum batch_state { BATCH_WAITING, BATCH_RUNNING, BATCH_DONE };
struct batch {
    struct scan_task tasks[BATCH_FILES_COUNT];
    size_t len;
    enum batch_state state;
};

/* The walking thread fills `next`, and is the only one that touches results and `first`. Helpers
 * take waiting batches; when the ring is full, so does the walking thread. */
struct grep {
    struct workspace_job *job;
    struct regex *regex;
    struct scanner own;
    size_t match_count, text_bytes; /* of the results so far */
    bool full;                      /* the limit is reached: nothing more is taken */
    struct batch *next;             /* not in the ring yet */

    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct batch *ring[BATCHES_COUNT]; /* in order, from `first` on */
    size_t first, count;
    bool ending;
    pthread_t helpers[HELPERS_COUNT];
    size_t helper_count;
    bool helpers_tried;
};

/* -- Batches ---------------------------------------------------------------------------------- */

static void batch_free(struct batch *batch)
{
    if (!batch)
        return;
    for (size_t i = 0; i < batch->len; i++)
        scan_task_finish(&batch->tasks[i]);
    mem_free(batch);
}

static void batch_run(struct scanner *scanner, struct batch *batch)
{
    for (size_t i = 0; i < batch->len && !job_must_stop(scanner->job); i++)
        scan_file(scanner, &batch->tasks[i]);
}

/* Locked. */
static struct batch *take_waiting(struct grep *grep)
{
    for (size_t i = 0; i < grep->count; i++) {
        struct batch *batch = grep->ring[(grep->first + i) % BATCHES_COUNT];
        if (batch->state == BATCH_WAITING) {
            batch->state = BATCH_RUNNING;
            return batch;
        }
    }
    return NULL;
}

/* Locked, but not while it runs. */
static void run_unlocked(struct grep *grep, struct scanner *scanner, struct batch *batch)
{
    pthread_mutex_unlock(&grep->lock);
    batch_run(scanner, batch);
    pthread_mutex_lock(&grep->lock);
    batch->state = BATCH_DONE;
    pthread_cond_broadcast(&grep->changed);
}

/* -- Helpers ---------------------------------------------------------------------------------- */

static void *help(void *data)
{
    struct grep *grep = data;
    struct scanner scanner = {.job = grep->job, .regex = regex_share(grep->regex)};
    pthread_mutex_lock(&grep->lock);
    for (;;) {
        struct batch *batch = take_waiting(grep);
        if (batch)
            run_unlocked(grep, &scanner, batch);
        else if (grep->ending)
            break;
        else
            pthread_cond_wait(&grep->changed, &grep->lock);
    }
    pthread_mutex_unlock(&grep->lock);
    regex_free(scanner.regex);
    buf_finish(&scanner.bytes);
    return NULL;
}

/* Only when there is a batch to share, and no more than the processors take. A thread that cannot
 * be made is not missed. */
static void start_helpers(struct grep *grep)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    grep->helpers_tried = true;
    while (grep->helper_count < HELPERS_COUNT && (long)grep->helper_count + 1 < processors) {
        if (pthread_create(&grep->helpers[grep->helper_count], NULL, help, grep) != 0)
            return;
        grep->helper_count++;
    }
}

static void stop_helpers(struct grep *grep)
{
    pthread_mutex_lock(&grep->lock);
    grep->ending = true;
    pthread_cond_broadcast(&grep->changed);
    pthread_mutex_unlock(&grep->lock);
    while (grep->helper_count)
        pthread_join(grep->helpers[--grep->helper_count], NULL);
}

/* -- Results, in order ------------------------------------------------------------------------ */

/* Context lines that led up to a match which is not shown; last_line: of the file's last match that
 * is, 0 if there is none. */
static void drop_leading_context(struct workspace_job *job, size_t task_start, size_t last_line)
{
    while (job->matches.len > task_start && vec_last(&job->matches).is_context &&
           (!last_line || vec_last(&job->matches).line > last_line + job->search.context)) {
        match_finish(&vec_last(&job->matches));
        job->matches.len--;
    }
}

static void take_matches(struct grep *grep, struct scan_task *task)
{
    struct workspace_job *job = grep->job;
    size_t task_start = job->matches.len, last_line = 0, taken = 0;
    for (; taken < task->matches.len && !grep->full; taken++) {
        struct workspace_match match = task->matches.ptr[taken];
        if (!match.is_context) {
            grep->full =
                grep->match_count == job->search.limit || grep->text_bytes > LIMIT_GREP_TEXT_BYTES;
            if (grep->full) {
                drop_leading_context(job, task_start, last_line);
                break;
            }
            grep->match_count++;
            last_line = match.line;
        }
        grep->text_bytes += strlen(match.text) + strlen(match.path);
        vec_push(&job->matches, match);
    }
    for (size_t i = taken; i < task->matches.len; i++)
        match_finish(&task->matches.ptr[i]);
    task->matches.len = 0;
}

static void take_task(struct grep *grep, struct scan_task *task)
{
    struct workspace_results *results = &grep->job->results;
    results->files_searched += task->outcome == SCAN_SEARCHED;
    results->files_skipped_binary += task->outcome == SCAN_BINARY;
    results->files_skipped_large += task->outcome == SCAN_LARGE;
    take_matches(grep, task);
    results->limited = results->limited || task->limited || grep->full;
    results->total = grep->match_count;
}

static void take_batch(struct grep *grep, struct batch *batch)
{
    for (size_t i = 0; i < batch->len && !grep->full; i++)
        take_task(grep, &batch->tasks[i]);
    if (grep->full)
        atomic_store(&grep->job->stop, true);
    batch_free(batch);
}

/* Locked. */
static void take_done(struct grep *grep)
{
    while (grep->count && grep->ring[grep->first]->state == BATCH_DONE) {
        struct batch *batch = grep->ring[grep->first];
        grep->first = (grep->first + 1) % BATCHES_COUNT;
        grep->count--;
        pthread_mutex_unlock(&grep->lock);
        take_batch(grep, batch);
        pthread_mutex_lock(&grep->lock);
    }
}

/* Runs and takes until no more than `count` batches are in the ring. Locked. */
static void drain(struct grep *grep, size_t count)
{
    for (take_done(grep); grep->count > count; take_done(grep)) {
        struct batch *batch = take_waiting(grep);
        if (batch)
            run_unlocked(grep, &grep->own, batch);
        else
            pthread_cond_wait(&grep->changed, &grep->lock);
    }
}

/* -- The walking thread ----------------------------------------------------------------------- */

static void push_next(struct grep *grep)
{
    struct batch *batch = grep->next;
    grep->next = NULL;
    if (!batch)
        return;
    if (!grep->helpers_tried)
        start_helpers(grep);
    pthread_mutex_lock(&grep->lock);
    drain(grep, BATCHES_COUNT - 1);
    grep->ring[(grep->first + grep->count++) % BATCHES_COUNT] = batch;
    pthread_cond_broadcast(&grep->changed);
    pthread_mutex_unlock(&grep->lock);
}

static enum walk_next grep_visit(struct workspace_job *job, const struct walk_entry *entry)
{
    struct grep *grep = job->grep;
    if (entry->ignored)
        return WALK_ON;
    if (entry->is_folder)
        return WALK_ENTER;
    if (!entry->is_regular || (job->search.glob.len && !job_glob_matches(job, entry->relative)))
        return WALK_ON;
    if (!grep->next)
        grep->next = mem_new(struct batch);
    struct scan_task *task = &grep->next->tasks[grep->next->len++];
    task->relative = str_dup_c(entry->relative);
    task->name = task->relative + (entry->relative.len - path_name(entry->relative).len);
    task->folder = walk_folder_ref(entry->folder);
    task->document = entry->document;
    if (grep->next->len == BATCH_FILES_COUNT)
        push_next(grep);
    return grep->full ? WALK_STOP : WALK_ON;
}

static bool grep_begin(struct workspace_job *job)
{
    struct err err;
    struct grep *grep = job->grep = mem_new(struct grep);
    grep->job = job;
    pthread_mutex_init(&grep->lock, NULL);
    pthread_cond_init(&grep->changed, NULL);
    if (job->search.glob.len && glob_check(job->search.glob, &err) < 0) {
        job_fail(job, STATUS_INVALID, "%s", err.text);
        return false;
    }
    grep->regex = regex_new(job->search.pattern, job->search.fixed, job->search.ignore_case, &err);
    grep->own = (struct scanner){.job = job, .regex = grep->regex};
    if (!grep->regex)
        job_fail(job, STATUS_INVALID, "%s", err.text);
    return grep->regex != NULL;
}

static void grep_end(struct workspace_job *job)
{
    struct grep *grep = job->grep;
    if (!grep)
        return;
    /* What is left is not worth starting threads for. */
    grep->helpers_tried = true;
    push_next(grep);
    pthread_mutex_lock(&grep->lock);
    drain(grep, 0);
    pthread_mutex_unlock(&grep->lock);
    stop_helpers(grep);
    regex_free(grep->regex);
    buf_finish(&grep->own.bytes);
    pthread_cond_destroy(&grep->changed);
    pthread_mutex_destroy(&grep->lock);
    mem_free(grep);
    job->grep = NULL;
}

const struct job_kind grep_kind = {
    .verb = "searching",
    .takes_file = true,
    .begin = grep_begin,
    .visit = grep_visit,
    .end = grep_end,
};
