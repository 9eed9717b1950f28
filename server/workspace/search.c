/* Searches as jobs: taken apart on the loop thread, run in the pool, told on the loop thread. list
 * and find are here; grep has its own file. */
#include "search-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

/* -- What the kinds use in the pool ----------------------------------------------------------- */

bool job_must_stop(struct workspace_job *job)
{
    if (atomic_load_explicit(&job->cancelled, memory_order_relaxed) ||
        atomic_load_explicit(&job->stop, memory_order_relaxed))
        return true;
    if (time_mono_ns() < job->deadline_ns)
        return false;
    atomic_store_explicit(&job->timed_out, true, memory_order_relaxed);
    return true;
}

void job_fail(struct workspace_job *job, enum status status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    job->results.status = status;
    vsnprintf(job->results.error, sizeof(job->results.error), format, args);
    va_end(args);
    struct str text = str_from(job->results.error);
    job->results.error[utf8_floor(text, text.len)] = '\0';
}

bool job_hides(struct workspace_job *job, struct str relative, bool is_folder)
{
    if (!job->search.hidden)
        return false;
    struct buf absolute = {0};
    path_append_join(&absolute, str_from(job->root.path), relative);
    pthread_mutex_lock(&job->filter_lock);
    bool hides = atomic_load(&job->cancelled) ||
                 job->search.hidden(job->search.hidden_user, buf_str(&absolute), is_folder);
    pthread_mutex_unlock(&job->filter_lock);
    buf_finish(&absolute);
    return hides;
}

/* Models write globs from the folder they search and from the root alike. */
bool job_glob_matches(const struct workspace_job *job, struct str relative)
{
    struct str glob = str_from(job->glob), start = buf_str(&job->start);
    if (glob_match(glob, relative))
        return true;
    return path_is_under(relative, start) && glob_match(glob, path_relative(relative, start));
}

/* Names may hold what would break a line of a listing. */
static char *make_display(const struct workspace_job *job, struct str relative)
{
    struct buf display = {0};
    buf_append_c(&display, job->display_prefix);
    utf8_append_printable(&display, relative);
    for (size_t i = 0; i < display.len; i++) {
        if (display.ptr[i] == '\n' || display.ptr[i] == '\t')
            display.ptr[i] = '?';
    }
    return buf_take(&display);
}

struct workspace_match job_make_match(const struct workspace_job *job, struct str relative)
{
    return (struct workspace_match){.path = make_display(job, relative)};
}

void match_finish(struct workspace_match *match)
{
    mem_free(match->path);
    mem_free(match->text);
}

static void add_entry(struct workspace_job *job, const struct walk_entry *entry, bool ignored)
{
    struct workspace_match made = job_make_match(job, entry->relative), *match = &made;
    const struct document_snapshot_entry *document = entry->document;
    struct stat found;
    match->is_folder = entry->is_folder;
    match->ignored = ignored;
    if (entry->folder_fd >= 0 &&
        fstatat(entry->folder_fd, entry->name, &found, AT_SYMLINK_NOFOLLOW) == 0) {
        match->size = S_ISREG(found.st_mode) ? (uint64_t)found.st_size : 0;
        if (!document && entry->is_regular)
            document = open_texts_find_inode(&job->open, &found);
    }
    if (document && open_text_differs(document, entry->folder_fd, entry->name)) {
        match->unsaved = true;
        match->size = text_len(document->text);
    }
    vec_push(&job->matches, made);
}

/* -- list ------------------------------------------------------------------------------------- */

static enum walk_next list_visit(struct workspace_job *job, const struct walk_entry *entry)
{
    size_t index = job->results.total++;
    if (index >= job->search.offset && job->matches.len < job->search.limit)
        add_entry(job, entry, entry->ignored || job->start_is_ignored);
    else if (index >= job->search.offset)
        job->results.limited = true;
    return entry->is_folder && !entry->ignored && entry->depth < job->search.depth ? WALK_ENTER
                                                                                   : WALK_ON;
}

static const struct job_kind list_kind = {
    .verb = "listing", .folders_first = true, .visit = list_visit};

/* -- find ------------------------------------------------------------------------------------- */

static bool find_begin(struct workspace_job *job)
{
    struct err err;
    if (glob_check(str_from(job->glob), &err) == STATUS_OK)
        return true;
    job_fail(job, STATUS_INVALID, "%s", err.text);
    return false;
}

static enum walk_next find_visit(struct workspace_job *job, const struct walk_entry *entry)
{
    if (entry->ignored)
        return WALK_ON;
    if (entry->is_folder)
        return WALK_ENTER;
    if (!(entry->is_regular || entry->is_link) || !job_glob_matches(job, entry->relative))
        return WALK_ON;
    job->results.total++;
    if (job->matches.len < job->search.limit)
        add_entry(job, entry, false);
    else
        job->results.limited = true;
    return WALK_ON;
}

static const struct job_kind find_kind = {
    .verb = "finding", .begin = find_begin, .visit = find_visit};

/* -- changed ---------------------------------------------------------------------------------- */

static enum walk_next changed_visit(struct workspace_job *job, const struct walk_entry *entry)
{
    struct stat found;
    if (entry->ignored)
        return WALK_ON;
    if (entry->is_folder)
        return WALK_ENTER;
    if (!entry->is_regular || entry->folder_fd < 0 ||
        fstatat(entry->folder_fd, entry->name, &found, AT_SYMLINK_NOFOLLOW) < 0 ||
        (int64_t)found.st_ctim.tv_sec * 1000000000 + found.st_ctim.tv_nsec < job->search.since_ns)
        return WALK_ON;
    job->results.total++;
    if (job->matches.len < job->search.limit)
        add_entry(job, entry, false);
    else
        job->results.limited = true;
    return WALK_ON;
}

static const struct job_kind changed_kind = {.verb = "looking for changes", .visit = changed_visit};

/* -- Jobs ------------------------------------------------------------------------------------- */

static void job_free(struct workspace_job *job)
{
    if (job->root.fd >= 0)
        close(job->root.fd);
    mem_free(job->root.path);
    mem_free(job->display_prefix);
    mem_free(job->glob);
    mem_free(job->pattern);
    buf_finish(&job->start);
    open_texts_finish(&job->open);
    document_snapshot_finish(&job->documents);
    for (size_t i = 0; i < job->matches.len; i++)
        match_finish(&job->matches.ptr[i]);
    vec_finish(&job->matches);
    pthread_mutex_destroy(&job->filter_lock);
    mem_free(job);
}

/* Pool. */
static void job_work(void *data)
{
    struct workspace_job *job = data;
    unsigned budget_ms = job->search.budget_ms;
    if (!budget_ms || budget_ms > LIMIT_GREP_MS)
        budget_ms = LIMIT_GREP_MS;
    job->deadline_ns = time_mono_ns() + (uint64_t)budget_ms * 1000000;
    if (job->results.status == STATUS_OK && (!job->kind->begin || job->kind->begin(job)))
        walk_run(job);
    if (job->kind->end)
        job->kind->end(job);
    job->results.timed_out = atomic_load(&job->timed_out);
    job->results.matches = job->matches.ptr;
    job->results.count = job->matches.len;
}

static void forget(struct workspace_job *job)
{
    struct workspace *workspace = job->workspace;
    job->workspace = NULL;
    for (size_t i = 0; workspace && i < workspace->jobs.len; i++) {
        if (workspace->jobs.ptr[i] == job) {
            vec_remove(&workspace->jobs, i);
            return;
        }
    }
}

static void job_done(void *data, bool never_begun)
{
    struct workspace_job *job = data;
    bool tell = job->workspace && !never_begun;
    forget(job);
    if (tell)
        job->on_done(job->user, &job->results);
    job_free(job);
}

/* When told already, or from inside the telling: nothing is left to cancel. */
void workspace_job_cancel(struct workspace_job *job)
{
    if (!job || !job->workspace)
        return;
    forget(job);
    pthread_mutex_lock(&job->filter_lock);
    atomic_store(&job->cancelled, true);
    pthread_mutex_unlock(&job->filter_lock);
    loop_work_cancel(job->work);
}

static void copy_root(struct workspace_job *job, const struct workspace *workspace,
                      const struct workspace_root *root)
{
    struct err err;
    job->root = (struct workspace_root){.path = mem_dup_c(root->path), .fd = -1, .confirmed = true};
    struct buf prefix = {0};
    if (workspace->roots.len > 1)
        buf_append_fmt(&prefix, "%s/", root->name);
    job->display_prefix = buf_take(&prefix);
    if (root_check_usable(root, &err) < 0) {
        job_fail(job, err.status, "%s", err.text);
        return;
    }
    job->root.fd = fcntl(root->fd, F_DUPFD_CLOEXEC, 3);
    if (job->root.fd < 0)
        job_fail(job, STATUS_IO, "%s cannot be searched: too many files are open", root->path);
}

static struct workspace_job *job_start(struct workspace *workspace,
                                       const struct workspace_search *search,
                                       const struct job_kind *kind, workspace_results_fn *on_done,
                                       void *user)
{
    struct workspace_job *job = mem_new(struct workspace_job);
    job->workspace = workspace;
    job->kind = kind;
    job->on_done = on_done;
    job->user = user;
    pthread_mutex_init(&job->filter_lock, NULL);
    buf_append_c(&job->start, search->folder->relative);
    job->glob = str_dup_c(search->glob);
    job->pattern = str_dup_c(search->pattern); /* may hold NUL: use it by length */
    job->search = *search;
    job->search.folder = NULL;
    job->search.documents = NULL;
    job->search.glob = str_from(job->glob);
    job->search.pattern.ptr = job->pattern;
    if (search->documents) {
        job->documents = *search->documents;
        *search->documents = (struct document_snapshot){0};
    }
    copy_root(job, workspace, search->folder->root);
    vec_push(&workspace->jobs, job);
    job->work = loop_work_start(workspace->loop, job_work, job_done, job);
    return job;
}

struct workspace_job *workspace_list(struct workspace *workspace,
                                     const struct workspace_search *search,
                                     workspace_results_fn *on_done, void *user)
{
    return job_start(workspace, search, &list_kind, on_done, user);
}

struct workspace_job *workspace_find(struct workspace *workspace,
                                     const struct workspace_search *search,
                                     workspace_results_fn *on_done, void *user)
{
    return job_start(workspace, search, &find_kind, on_done, user);
}

struct workspace_job *workspace_grep(struct workspace *workspace,
                                     const struct workspace_search *search,
                                     workspace_results_fn *on_done, void *user)
{
    return job_start(workspace, search, &grep_kind, on_done, user);
}

struct workspace_job *workspace_changed(struct workspace *workspace,
                                        const struct workspace_search *search,
                                        workspace_results_fn *on_done, void *user)
{
    return job_start(workspace, search, &changed_kind, on_done, user);
}
