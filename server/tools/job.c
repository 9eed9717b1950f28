/* Blocking work of a call, so that a call can end before its work does. Forgotten work runs on and
 * is thrown away; freeing the tools waits for what is executing, because it may use folders and
 * policy that their owner frees next. */
#include <pthread.h>

#include "tools-internal.h"

struct job {
    struct tools *tools;
    struct loop_work *handle;
    struct job_ops ops;
    void *data;
    bool is_forgotten; /* loop thread's own */
    /* Shared with the pool. */
    pthread_mutex_t lock;
    pthread_cond_t ended_changed;
    bool begun, ended, is_off;
};

static void on_work(void *data)
{
    struct job *job = data;
    pthread_mutex_lock(&job->lock);
    bool go = !job->is_off;
    job->begun = go;
    pthread_mutex_unlock(&job->lock);
    if (!go)
        return;
    job->ops.work(job->data);
    pthread_mutex_lock(&job->lock);
    job->ended = true;
    pthread_cond_signal(&job->ended_changed);
    pthread_mutex_unlock(&job->lock);
}

static void unlink_job(struct job *job)
{
    if (!job->tools)
        return;
    for (size_t i = 0; i < job->tools->jobs.len; i++) {
        if (job->tools->jobs.ptr[i] == job) {
            vec_remove(&job->tools->jobs, i);
            break;
        }
    }
}

static void on_done(void *data, bool cancelled)
{
    struct job *job = data;
    unlink_job(job);
    if (!job->is_forgotten && !cancelled)
        job->ops.done(job->data);
    job->ops.release(job->data);
    pthread_cond_destroy(&job->ended_changed);
    pthread_mutex_destroy(&job->lock);
    mem_free(job);
}

struct job *job_start(struct tools *tools, const struct job_ops *ops, void *data)
{
    struct job *job = mem_new(struct job);
    job->tools = tools;
    job->ops = *ops;
    job->data = data;
    pthread_mutex_init(&job->lock, NULL);
    pthread_cond_init(&job->ended_changed, NULL);
    vec_push(&tools->jobs, job);
    job->handle = loop_work_start(tools->env.loop, on_work, on_done, job);
    return job;
}

void job_forget(struct job *job)
{
    if (!job || job->is_forgotten)
        return;
    job->is_forgotten = true;
    loop_work_cancel(job->handle);
}

void job_forget_all(struct tools *tools)
{
    for (size_t i = 0; i < tools->jobs.len; i++) {
        struct job *job = tools->jobs.ptr[i];
        job->tools = NULL;
        pthread_mutex_lock(&job->lock);
        job->is_off = true;
        while (job->begun && !job->ended)
            pthread_cond_wait(&job->ended_changed, &job->lock);
        pthread_mutex_unlock(&job->lock);
        job_forget(job);
    }
    vec_clear(&tools->jobs);
}
