/* Between the two sides of the server: a call where they are one, else two queues and a thread that
 * serves the library by its own poll. The loop is woken by uv_async, the thread by
 * lws_cancel_service, the one call of the library that any thread may make. */
#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>

#include "server-internal.h"

enum { EVENTS_COUNT = 4096, LAST_WORDS_TURNS_COUNT = 50, LAST_WORDS_MS = 2 };

struct queue {
    struct net_note *first, *last;
    size_t bytes, count;
};

struct net_bridge {
    struct net *net;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t far_wakes, near_wakes;
    uv_async_t async;
    bool async_closed;
    /* Under the lock */
    struct queue commands, events;
    struct net_note *question, *call; /* someone waits for these; run on the other side */
    bool near_waits;                  /* the far side must not wait for room */
    bool stop, ended;
};

/* -- Queues */

static void push(struct queue *queue, const struct net_note *note)
{
    struct net_note *copy = mem_dup(note, sizeof(*note));
    copy->next = NULL;
    if (queue->last)
        queue->last->next = copy;
    else
        queue->first = copy;
    queue->last = copy;
    queue->bytes += copy->bytes.len;
    queue->count++;
}

static void run_note(struct net_note *note)
{
    note->run(note);
    buf_finish(&note->bytes);
}

static void run_all(struct net_note *note)
{
    while (note) {
        struct net_note *next = note->next;
        run_note(note);
        mem_free(note);
        note = next;
    }
}

static struct net_note *take_all(struct net_bridge *bridge, struct queue *queue)
{
    pthread_mutex_lock(&bridge->lock);
    struct net_note *first = queue->first;
    *queue = (struct queue){0};
    pthread_cond_broadcast(&bridge->far_wakes);
    pthread_mutex_unlock(&bridge->lock);
    return first;
}

static bool is_full(const struct net_bridge *bridge)
{
    return bridge->events.bytes > NET_EVENTS_BYTES || bridge->events.count > EVENTS_COUNT;
}

/* -- To the far side */

void net_tell_far(struct net *net, struct net_note *note)
{
    struct net_bridge *bridge = net->library->bridge;
    note->net = net;
    if (!bridge) {
        run_note(note);
        return;
    }
    pthread_mutex_lock(&bridge->lock);
    bool idle = !bridge->commands.first;
    push(&bridge->commands, note);
    pthread_mutex_unlock(&bridge->lock);
    note->bytes = (struct buf){0};
    if (idle) /* else it has been woken, and has not looked yet */
        lws_cancel_service(net->library->context);
}

/* With the lock. */
static void answer_question(struct net_bridge *bridge)
{
    struct net_note *question = bridge->question;
    if (!question)
        return;
    pthread_mutex_unlock(&bridge->lock);
    question->run(question);
    pthread_mutex_lock(&bridge->lock);
    bridge->question = NULL;
    pthread_cond_broadcast(&bridge->far_wakes);
}

void net_call_far(struct net *net, struct net_note *note)
{
    struct net_bridge *bridge = net->library->bridge;
    note->net = net;
    if (!bridge) {
        note->run(note);
        return;
    }
    pthread_mutex_lock(&bridge->lock);
    bridge->call = note;
    bridge->near_waits = true;
    pthread_cond_broadcast(&bridge->far_wakes);
    lws_cancel_service(net->library->context);
    while (bridge->call) {
        answer_question(bridge);
        if (bridge->call && !bridge->question)
            pthread_cond_wait(&bridge->near_wakes, &bridge->lock);
    }
    bridge->near_waits = false;
    pthread_mutex_unlock(&bridge->lock);
}

/* -- To the near side */

void net_tell_near(struct net *net, struct net_note *note)
{
    struct net_bridge *bridge = net->library->bridge;
    note->net = net;
    if (!bridge) {
        run_note(note);
        return;
    }
    if (note->text.len > 0) {
        buf_append(&note->bytes, note->text); /* it is borrowed, and the note will travel */
        note->text = buf_str(&note->bytes);
    }
    pthread_mutex_lock(&bridge->lock);
    while (is_full(bridge) && !bridge->near_waits)
        pthread_cond_wait(&bridge->far_wakes, &bridge->lock);
    push(&bridge->events, note);
    pthread_mutex_unlock(&bridge->lock);
    note->bytes = (struct buf){0};
    uv_async_send(&bridge->async);
}

void net_ask_near(struct net *net, struct net_note *note)
{
    struct net_bridge *bridge = net->library->bridge;
    note->net = net;
    if (!bridge) {
        note->run(note);
        return;
    }
    pthread_mutex_lock(&bridge->lock);
    bridge->question = note;
    pthread_cond_broadcast(&bridge->near_wakes);
    uv_async_send(&bridge->async);
    while (bridge->question)
        pthread_cond_wait(&bridge->far_wakes, &bridge->lock);
    pthread_mutex_unlock(&bridge->lock);
}

/* What was told before a question is heard before it: the thread asks and waits. */
static void on_async(uv_async_t *async)
{
    struct net_bridge *bridge = container_of(async, struct net_bridge, async);
    run_all(take_all(bridge, &bridge->events));
    pthread_mutex_lock(&bridge->lock);
    answer_question(bridge);
    pthread_mutex_unlock(&bridge->lock);
}

/* -- The thread */

static void run_call(struct net_bridge *bridge)
{
    pthread_mutex_lock(&bridge->lock);
    struct net_note *call = bridge->call;
    pthread_mutex_unlock(&bridge->lock);
    if (!call)
        return;
    call->run(call);
    pthread_mutex_lock(&bridge->lock);
    bridge->call = NULL;
    pthread_cond_broadcast(&bridge->near_wakes);
    pthread_mutex_unlock(&bridge->lock);
}

/* False: it is to end. */
static bool turn(struct net_bridge *bridge)
{
    run_all(take_all(bridge, &bridge->commands));
    run_call(bridge);
    net_library_sweep(bridge->net);
    pthread_mutex_lock(&bridge->lock);
    bool goes_on = !bridge->stop || bridge->commands.first;
    pthread_mutex_unlock(&bridge->lock);
    return goes_on;
}

static void *serve(void *user)
{
    struct net_bridge *bridge = user;
    struct net *net = bridge->net;
    while (turn(bridge))
        lws_service(net->library->context, 0);
    /* Close frames leave when their sockets are writable. */
    for (int i = 0; i < LAST_WORDS_TURNS_COUNT && net_library_has_socks(net); i++) {
        lws_cancel_service(net->library->context); /* so that it does not wait */
        lws_service(net->library->context, 0);
        if (i > 0)
            uv_sleep(LAST_WORDS_MS);
    }
    lws_context_destroy(net->library->context);
    net->library->context = NULL;
    pthread_mutex_lock(&bridge->lock);
    bridge->ended = true;
    pthread_cond_broadcast(&bridge->near_wakes);
    pthread_mutex_unlock(&bridge->lock);
    return NULL;
}

/* Signals are the loop's. */
static int start_thread(struct net_bridge *bridge)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&bridge->thread, NULL, serve, bridge);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return failed;
}

static void on_async_closed(uv_handle_t *handle)
{
    struct net_bridge *bridge = container_of((uv_async_t *)handle, struct net_bridge, async);
    bridge->async_closed = true;
}

static void free_bridge(struct net *net)
{
    struct net_bridge *bridge = net->library->bridge;
    uv_ref((uv_handle_t *)&bridge->async);
    uv_close((uv_handle_t *)&bridge->async, on_async_closed);
    while (!bridge->async_closed)
        uv_run(loop_uv(net->loop), UV_RUN_NOWAIT);
    pthread_cond_destroy(&bridge->far_wakes);
    pthread_cond_destroy(&bridge->near_wakes);
    pthread_mutex_destroy(&bridge->lock);
    mem_free(bridge);
    net->library->bridge = NULL;
}

bool net_bridge_start(struct net *net)
{
    struct net_bridge *bridge = mem_new(struct net_bridge);
    bridge->net = net;
    pthread_mutex_init(&bridge->lock, NULL);
    pthread_cond_init(&bridge->far_wakes, NULL);
    pthread_cond_init(&bridge->near_wakes, NULL);
    uv_async_init(loop_uv(net->loop), &bridge->async, on_async);
    uv_unref((uv_handle_t *)&bridge->async);
    net->library->bridge = bridge;
    if (start_thread(bridge) == 0)
        return true;
    free_bridge(net);
    return false;
}

void net_bridge_set_idle(struct net *net, bool idle)
{
    struct net_bridge *bridge = net->library->bridge;
    if (!bridge)
        return;
    if (idle)
        uv_unref((uv_handle_t *)&bridge->async);
    else
        uv_ref((uv_handle_t *)&bridge->async);
}

void net_bridge_finish(struct net *net)
{
    struct net_bridge *bridge = net->library->bridge;
    pthread_mutex_lock(&bridge->lock);
    bridge->stop = bridge->near_waits = true;
    pthread_cond_broadcast(&bridge->far_wakes);
    lws_cancel_service(net->library->context);
    while (!bridge->ended) {
        answer_question(bridge);
        if (!bridge->ended && !bridge->question)
            pthread_cond_wait(&bridge->near_wakes, &bridge->lock);
    }
    pthread_mutex_unlock(&bridge->lock);
    pthread_join(bridge->thread, NULL);
    run_all(take_all(bridge, &bridge->events));
    assert(!bridge->commands.first);
    free_bridge(net);
}
