/* The queue before the store's file: groups of jobs, one after the other, on a pool thread. */
#include <stdio.h>
#include <string.h>

#include "database-internal.h"

/* One transaction; and how often the file is measured. */
enum { BATCH_COUNT = 256, BATCH_BYTES = 8 * 1024 * 1024, PRUNE_EVERY_BATCHES = 64 };

struct keeper {
    struct loop *loop;
    struct metrics *metrics;
    struct database *writer, *reader;
    uint64_t max_bytes;
    VEC(struct keeper_job *) queue, running;
    uint64_t batches, started_ns;
    bool busy, freed;
};

/* -- Life -----------------------------------------------------------------------------------------
 */

static void release(struct keeper *keeper)
{
    database_close(keeper->reader);
    database_close(keeper->writer);
    vec_finish(&keeper->queue);
    vec_finish(&keeper->running);
    mem_free(keeper);
}

struct keeper *keeper_new(struct loop *loop, const char *path, uint64_t max_bytes,
                          struct metrics *metrics, struct err *err)
{
    struct keeper *keeper = mem_new(struct keeper);
    keeper->loop = loop;
    keeper->metrics = metrics;
    keeper->max_bytes = max_bytes;
    keeper->writer = database_open(path, true, err);
    if (keeper->writer)
        keeper->reader = database_open(path, false, err);
    if (keeper->reader)
        return keeper;
    release(keeper);
    return NULL;
}

static void job_free(struct keeper_job *job)
{
    buf_finish(&job->text);
    mem_free(job);
}

/* -- Groups ---------------------------------------------------------------------------------------
 */

/* On a pool thread: it touches the writer and the jobs that run, and nobody else does meanwhile. */
static void write_batch(void *data)
{
    struct keeper *keeper = data;
    database_write(keeper->writer, keeper->running.ptr, keeper->running.len);
    if (keeper->batches % PRUNE_EVERY_BATCHES == 0)
        database_prune(keeper->writer, keeper->max_bytes);
}

static void take_batch(struct keeper *keeper)
{
    size_t bytes = 0, count = 0;
    while (count < keeper->queue.len && count < BATCH_COUNT && bytes < BATCH_BYTES)
        bytes += keeper->queue.ptr[count++]->bytes;
    for (size_t i = 0; i < count; i++)
        vec_push(&keeper->running, keeper->queue.ptr[i]);
    size_t rest = keeper->queue.len - count;
    if (rest > 0)
        memmove(keeper->queue.ptr, keeper->queue.ptr + count, rest * sizeof(*keeper->queue.ptr));
    keeper->queue.len = rest;
}

static void on_written(void *data, bool cancelled);

static void start_batch(struct keeper *keeper)
{
    if (keeper->busy || keeper->queue.len == 0)
        return;
    keeper->busy = true;
    keeper->batches++;
    keeper->started_ns = time_mono_ns();
    take_batch(keeper);
    loop_work_start(keeper->loop, write_batch, on_written, keeper);
}

static void write_rest(struct keeper *keeper)
{
    while (keeper->queue.len > 0) {
        take_batch(keeper);
        write_batch(keeper);
        while (keeper->running.len > 0)
            job_free(vec_pop(&keeper->running));
    }
}

static void count_batch(struct keeper *keeper)
{
    metrics_spend(keeper->metrics, METRIC_STAGE_STORE, time_mono_ns() - keeper->started_ns);
    metrics_add(keeper->metrics, METRIC_STORE_BATCHES, 1);
    for (size_t i = 0; i < keeper->running.len; i++)
        metrics_add(keeper->metrics,
                    keeper->running.ptr[i]->result == STATUS_IO ? METRIC_STORE_FAILED
                                                                : METRIC_STORE_WRITTEN,
                    1);
}

/* Those who wait may put more, forget others, or free the keeper. */
static void on_written(void *data, bool cancelled)
{
    struct keeper *keeper = data;
    if (!keeper->freed)
        count_batch(keeper);
    for (size_t i = 0; i < keeper->running.len; i++) {
        struct keeper_job *job = keeper->running.ptr[i];
        if (job->on_done && !keeper->freed)
            job->on_done(job->user, cancelled ? STATUS_IO : job->result);
    }
    while (keeper->running.len > 0)
        job_free(vec_pop(&keeper->running));
    keeper->busy = false;
    if (keeper->freed) {
        write_rest(keeper);
        release(keeper);
        return;
    }
    start_batch(keeper);
}

void keeper_free(struct keeper *keeper)
{
    if (!keeper)
        return;
    keeper->freed = true;
    if (keeper->busy)
        return; /* on_written goes on */
    write_rest(keeper);
    release(keeper);
}

/* -- Jobs -----------------------------------------------------------------------------------------
 */

static struct keeper_job *add(struct keeper *keeper, enum job_kind kind, keeper_done_fn *on_done,
                              void *user)
{
    struct keeper_job *job = mem_new(struct keeper_job);
    job->kind = kind;
    job->on_done = on_done;
    job->user = user;
    job->at = time_wall_ms() / 1000;
    vec_push(&keeper->queue, job);
    return job;
}

static void copy_id(char to[ENDPOINT_ID_BYTES], struct str id)
{
    snprintf(to, ENDPOINT_ID_BYTES, STR_FMT, STR_ARG(id));
}

static struct keeper_job *begin(struct keeper *keeper, struct keeper_job *job)
{
    job->bytes = sizeof(*job) + job->text.len;
    start_batch(keeper);
    return job;
}

static void append_array(struct buf *text, const struct items *items)
{
    buf_append_byte(text, '[');
    buf_append(text, buf_str(&items->text));
    buf_append_byte(text, ']');
}

struct keeper_job *keeper_put(struct keeper *keeper, const struct record *record,
                              enum kept_state state, keeper_done_fn *on_done, void *user)
{
    struct keeper_job *job = add(keeper, JOB_PUT, on_done, user);
    struct str response = record->response ? record->response->text : (struct str){0};
    size_t input = record->input.text.len + 2, output = record->output.text.len + 2;
    job->state = state;
    job->at = record->created_at;
    copy_id(job->id, str_from(record->id));
    copy_id(job->parent, str_from(record->parent ? record->parent->id : NULL));
    buf_reserve(&job->text, input + output + response.len);
    append_array(&job->text, &record->input);
    append_array(&job->text, &record->output);
    buf_append(&job->text, response);
    struct str text = buf_str(&job->text);
    job->input = str_slice(text, 0, input);
    job->output = str_slice(text, input, input + output);
    job->response = str_skip(text, input + output);
    return begin(keeper, job);
}

struct keeper_job *keeper_remove(struct keeper *keeper, struct str id, keeper_done_fn *on_done,
                                 void *user)
{
    struct keeper_job *job = add(keeper, JOB_REMOVE, on_done, user);
    copy_id(job->id, id);
    return begin(keeper, job);
}

struct keeper_job *keeper_note_usage(struct keeper *keeper, const struct kept_usage *usage,
                                     keeper_done_fn *on_done, void *user)
{
    struct keeper_job *job = add(keeper, JOB_USAGE, on_done, user);
    job->usage = *usage;
    return begin(keeper, job);
}

void keeper_forget(struct keeper_job *job)
{
    job->on_done = NULL;
}

size_t keeper_waiting(const struct keeper *keeper)
{
    return keeper->queue.len + (keeper->busy ? keeper->running.len : 0);
}

/* -- Reading --------------------------------------------------------------------------------------
 */

enum status keeper_load(struct keeper *keeper, struct str id, struct kept_row *ret_row)
{
    return database_read(keeper->reader, id, ret_row);
}

void kept_row_finish(struct kept_row *row)
{
    buf_finish(&row->input);
    buf_finish(&row->output);
    buf_finish(&row->response);
}
