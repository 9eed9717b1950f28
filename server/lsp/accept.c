/* Accepting a plan: its steps, edited or not, become the prompt of a turn that carries them out. */
#include "lsp-internal.h"

enum { SHOWN_COUNT = 5, SHOWN_BYTES = 80 };

static const char carry_out[] = "Carry it out";

struct plan_text {
    struct buf *out;
    size_t count;
};

static void add_step(void *user, struct str step)
{
    struct plan_text *text = user;
    buf_append_fmt(text->out, "\n%zu. " STR_FMT, ++text->count, STR_ARG(step));
}

static enum status read_given(const struct json_value *steps, struct plan_text *text,
                              struct err *err)
{
    const struct json_value *one = json_first(steps);
    for (; one; one = json_next(one)) {
        struct str step = str_trim(json_str(one));
        if (!json_is(one, JSON_STRING) || step.len == 0)
            return err_set(err, STATUS_INVALID, "\"steps\" is a list of texts, none of them empty");
        if (text->count >= LIMIT_PLAN_STEPS_COUNT)
            return err_set(err, STATUS_LIMIT, "a plan has at most %d steps",
                           LIMIT_PLAN_STEPS_COUNT);
        add_step(text, step);
    }
    return text->count > 0 ? STATUS_OK
                           : err_set(err, STATUS_INVALID,
                                     "\"steps\" is empty: leave it out to accept the whole plan");
}

struct accepted {
    struct str thread_id, turn_id, mode, text;
    const struct json_value *steps; /* NULL: all, as they are */
};

/* Plan mode is over for the thread as well: what is asked next is not refused. */
static enum status leave_plan_mode(struct agent *agent, struct str thread_id, struct str mode,
                                   struct err *err)
{
    const struct agent_choice choice = {.mode = &mode};
    return agent_thread_set(agent, thread_id, &choice, err);
}

static enum status accept(struct lsp_server *server, const struct accepted *accepted,
                          char ret_turn_id[ID_BYTES], bool *ret_queued, struct err *err)
{
    struct agent *agent = server_agent(server, err);
    struct agent_thread *thread =
        agent ? agent_thread_resume(agent, accepted->thread_id, err) : NULL;
    struct buf prompt = {0};
    struct plan_text text = {.out = &prompt};
    if (!thread)
        return err->status;
    buf_append_c(&prompt, "Carry out this plan:\n");
    enum status status = accepted->steps ? read_given(accepted->steps, &text, err)
                                         : agent_plan_each(agent, accepted->thread_id,
                                                           accepted->turn_id, add_step, &text, err);
    if (accepted->text.len > 0)
        buf_append_fmt(&prompt, "\n\n" STR_FMT, STR_ARG(accepted->text));
    struct agent_input input = {.prompt = buf_str(&prompt), .mode = accepted->mode};
    if (status == STATUS_OK)
        status = agent_turn_start(thread, &input, ret_turn_id, ret_queued, err);
    if (status == STATUS_OK && agent_thread_plans(thread))
        status = leave_plan_mode(agent, accepted->thread_id, accepted->mode, err);
    buf_finish(&prompt);
    return status;
}

static void handle_accept(struct lsp_server *server, const struct jsonrpc_message *message)
{
    struct err err = {0};
    char turn_id[ID_BYTES];
    bool queued = false;
    struct accepted accepted = {
        .thread_id = json_get_str(message->params, "threadId"),
        .turn_id = json_get_str(message->params, "turnId"),
        .mode = json_get_str(message->params, "mode"),
        .text = str_trim(json_get_str(message->params, "text")),
        .steps = json_get(message->params, "steps"),
    };
    if (!json_is(accepted.steps, JSON_ARRAY))
        accepted.steps = NULL;
    if (accepted.mode.len == 0)
        accepted.mode = STR("ask");
    struct buf id = {0};
    buf_append(&id, accepted.thread_id);
    buf_append_c(&id, "");
    if (str_eq_c(accepted.mode, "plan"))
        err_set(&err, STATUS_INVALID, "a plan is carried out in mode ask or auto");
    if (err.status == STATUS_OK && accept(server, &accepted, turn_id, &queued, &err) == STATUS_OK)
        turn_answer_started(server, message, id.ptr, turn_id, queued);
    else
        rich_fail(server, message, &err);
    buf_finish(&id);
}

const struct lsp_method accept_requests[] = {
    {"lanebridge/plan/accept", handle_accept},
    {NULL, NULL},
};

/* -- For clients that know nothing of plans -----------------------------------------------------
 */

struct plan_offer {
    struct lsp_server *server;
    char thread_id[ID_BYTES], turn_id[ID_BYTES];
};

void accept_free(struct lsp_server *server)
{
    for (size_t i = 0; i < server->plan_offers.len; i++)
        mem_free(server->plan_offers.ptr[i]);
    vec_finish(&server->plan_offers);
}

static void on_answer(void *user, const struct jsonrpc_answer *answer)
{
    struct plan_offer *offer = user;
    struct lsp_server *server = offer->server;
    struct err err = {0};
    char turn_id[ID_BYTES];
    bool queued;
    struct accepted accepted = {.thread_id = str_from(offer->thread_id),
                                .turn_id = str_from(offer->turn_id),
                                .mode = STR("ask")};
    bool yes =
        answer->status == STATUS_OK && str_eq_c(json_get_str(answer->result, "title"), carry_out);
    if (yes && accept(server, &accepted, turn_id, &queued, &err) < 0)
        server_show_message(server, 1, "Lanebridge: %s", err.text);
    for (size_t i = 0; i < server->plan_offers.len; i++)
        if (server->plan_offers.ptr[i] == offer)
            vec_remove(&server->plan_offers, i--);
    mem_free(offer);
}

static void show_step(void *user, struct str step)
{
    struct plan_text *text = user;
    bool is_cut = step.len > SHOWN_BYTES;
    if (text->count++ >= SHOWN_COUNT)
        return;
    buf_append_fmt(text->out, "\n%zu. ", text->count);
    utf8_append_visible(text->out, str_slice(step, 0, utf8_floor(step, SHOWN_BYTES)));
    buf_append_c(text->out, is_cut ? "…" : "");
}

static void append_question(const struct plan_text *text, struct buf *params)
{
    struct buf shown = {0};
    struct json_writer w;
    buf_append_fmt(&shown, "Lanebridge: carry out this plan?" STR_FMT, STR_ARG(buf_str(text->out)));
    if (text->count > SHOWN_COUNT)
        buf_append_fmt(&shown, "\nand %zu more, in the transcript", text->count - SHOWN_COUNT);
    json_writer_init(&w, params);
    json_write_begin_object(&w);
    json_write_field_int(&w, "type", 3);
    json_write_field_str(&w, "message", buf_str(&shown));
    json_write_field_raw(&w, "actions",
                         STR("[{\"title\":\"Not now\"},{\"title\":\"Carry it out\"}]"));
    json_write_end_object(&w);
    buf_finish(&shown);
}

void accept_offer(struct lsp_server *server, const struct agent_event *event)
{
    struct buf steps = {0}, params = {0};
    struct plan_text text = {.out = &steps};
    bool has_plan = agent_plan_each(server->agent, str_from(event->thread_id),
                                    str_from(event->turn_id), show_step, &text, NULL) == STATUS_OK;
    if (has_plan) {
        struct plan_offer *offer = mem_new(struct plan_offer);
        offer->server = server;
        memcpy(offer->thread_id, event->thread_id, strnlen(event->thread_id, ID_BYTES - 1));
        memcpy(offer->turn_id, event->turn_id, strnlen(event->turn_id, ID_BYTES - 1));
        vec_push(&server->plan_offers, offer);
        append_question(&text, &params);
        if (!jsonrpc_request(server->peer, "window/showMessageRequest", buf_str(&params), on_answer,
                             offer)) {
            (void)vec_pop(&server->plan_offers);
            mem_free(offer);
        }
    }
    buf_finish(&steps);
    buf_finish(&params);
}
