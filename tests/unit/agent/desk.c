#include "desk.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* -- The host --------------------------------------------------------------------------------- */

struct desk_apply {
    struct desk *desk;
    host_apply_fn *on_done;
    void *user; /* NULL: dropped */
};

static void answer(void *user)
{
    struct desk_apply *apply = user;
    struct host_apply_outcome outcome = {.result = HOST_APPLIED};
    void *who = apply->user;
    apply->user = NULL;
    if (who)
        apply->on_done(who, &outcome);
}

static void write_file(const char *path, const struct text *text)
{
    FILE *file = fopen(path, "w");
    cr_assert_not_null(file, "%s", path);
    fwrite(text_bytes(text).ptr, 1, text_len(text), file);
    fclose(file);
}

static void host_apply(void *host, const struct host_change *changes, size_t count,
                       const char *label, host_apply_fn *on_done, void *user)
{
    struct desk *desk = host;
    struct desk_apply *apply = mem_new(struct desk_apply);
    (void)label;
    *apply = (struct desk_apply){desk, on_done, user};
    vec_push(&desk->pending, apply);
    desk->applies++;
    if (desk->holds)
        return;
    for (size_t i = 0; i < count; i++)
        write_file(changes[i].path, changes[i].after);
    loop_defer(desk->w.loop, answer, apply);
}

static void host_ask(void *host, const struct host_ask *ask, host_ask_fn *on_answer, void *user)
{
    struct desk *desk = host;
    (void)on_answer;
    (void)user;
    cr_assert_neq(ask->title[0], '\0');
    desk->asks++;
}

void desk_release(struct desk *desk)
{
    for (size_t i = 0; i < desk->pending.len; i++)
        if (desk->pending.ptr[i]->user)
            answer(desk->pending.ptr[i]);
}

static void host_drop(void *host, void *user)
{
    struct desk *desk = host;
    desk->drops++;
    for (size_t i = 0; i < desk->pending.len; i++)
        if (desk->pending.ptr[i]->user == user)
            desk->pending.ptr[i]->user = NULL;
}

static const struct host_ops ops = {.apply = host_apply, .ask = host_ask, .drop = host_drop};

/* -- Events ----------------------------------------------------------------------------------- */

static void write_down(struct desk *desk, const struct agent_event *event)
{
    struct buf *log = &desk->log;
    const char *type = agent_item_type_name(event->item_type);
    if (event->parent_item_id)
        buf_append_fmt(log, "(%s)", event->parent_item_id);
    switch (event->type) {
    case AGENT_REVIEW: /* comes between the others, whenever */
        return;
    case AGENT_THREAD_UPDATED:
        buf_append_fmt(log, "title=" STR_FMT, STR_ARG(event->text));
        break;
    case AGENT_TURN_QUEUED:
        buf_append_c(log, "queued");
        break;
    case AGENT_TURN_STARTED:
        buf_append_fmt(log, "turn=" STR_FMT, STR_ARG(event->text));
        break;
    case AGENT_TURN_COMPLETED:
        buf_append_fmt(log, "%s", agent_turn_status_name(event->status));
        break;
    case AGENT_ITEM_STARTED:
        buf_append_fmt(log, "+%s", type);
        break;
    case AGENT_ITEM_DELTA:
        buf_append_fmt(log, "~" STR_FMT, STR_ARG(event->text));
        break;
    case AGENT_ITEM_COMPLETED:
        if (event->name.len > 0)
            buf_append_fmt(log, "%s " STR_FMT " %s", type, STR_ARG(event->name),
                           event->ok ? "ok" : "bad");
        else
            buf_append_fmt(log, "%s%s=" STR_FMT,
                           event->is_void ? "!!"
                           : event->ok    ? ""
                                          : "!",
                           type, STR_ARG(event->text));
        break;
    case AGENT_NOTICE:
        buf_append_c(log, "notice");
        break;
    case AGENT_CONNECTION:
        return;
    }
    buf_append_c(log, "; ");
}

static void on_event(void *user, const struct agent_event *event)
{
    struct desk *desk = user;
    cr_assert_not_null(event->thread_id);
    cr_assert_not_null(event->turn_id);
    cr_assert_not_null(event->item_id);
    write_down(desk, event);
    if (event->type == AGENT_CONNECTION)
        return;
    desk->events++;
    if (event->type == AGENT_TURN_COMPLETED) {
        desk->ends++;
        desk->last_end = *event;
    }
    if (desk->on_event)
        desk->on_event(desk);
}

void desk_assert_log(struct desk *desk, const char *expected)
{
    cr_assert_str_eq(desk->log.ptr ? desk->log.ptr : "", expected);
    buf_clear(&desk->log);
}

/* -- Life ------------------------------------------------------------------------------------- */

void desk_agent(struct desk *desk)
{
    world_agent(&desk->w, &desk->host, on_event, desk);
}

void desk_init(struct desk *desk)
{
    struct err err = {0};
    *desk = (struct desk){0};
    world_init(&desk->w);
    cr_assert_eq(workspace_add_root(desk->w.workspace, str_from(desk->w.ws), STR("ws"), &err),
                 STATUS_OK);
    desk->host = (struct host){&ops, desk};
    desk_agent(desk);
    desk->thread = agent_thread_start(desk->w.agent, str_from(desk->w.ws), &err);
    cr_assert_not_null(desk->thread, "%s", err.text);
}

void desk_finish(struct desk *desk)
{
    world_finish(&desk->w);
    for (size_t i = 0; i < desk->pending.len; i++)
        mem_free(desk->pending.ptr[i]);
    vec_finish(&desk->pending);
    buf_finish(&desk->log);
}

bool desk_prompt(struct desk *desk, const char *prompt, char *ret_turn_id)
{
    char turn_id[ID_BYTES];
    bool queued = false;
    struct err err = {0};
    struct agent_input input = {.prompt = str_from(prompt)};
    cr_assert_eq(
        agent_turn_start(desk->thread, &input, ret_turn_id ? ret_turn_id : turn_id, &queued, &err),
        STATUS_OK, "%s", err.text);
    return queued;
}

static bool is_idle(void *user)
{
    struct desk *desk = user;
    return !agent_thread_is_busy(desk->thread);
}

void desk_idle(struct desk *desk)
{
    world_run(&desk->w, is_idle, desk);
}

void desk_ask(struct desk *desk, const char *prompt)
{
    desk_prompt(desk, prompt, NULL);
    desk_idle(desk);
}

static bool is_waiting(void *user)
{
    return model_is_waiting(&((struct desk *)user)->w.model);
}

void desk_waiting(struct desk *desk)
{
    world_run(&desk->w, is_waiting, desk);
}
