/* Questions of the model: by the rich layer's question/request all at once, else one after the
 * other by window/showMessageRequest with the options as buttons. No answer is an answer too. */
#include "lsp-internal.h"

#include <stdio.h>

struct inquiry {
    struct asking asking;
    VEC(char *) messages;    /* params of each question, for clients without the rich layer */
    VEC(struct str) answers; /* owned; ptr NULL where there is none */
    size_t at;               /* the question that is asked */
    size_t count;
    host_inquire_fn *on_answer;
};

static void release(struct asking *asking)
{
    struct inquiry *inquiry = (struct inquiry *)asking;
    for (size_t i = 0; i < inquiry->messages.len; i++)
        mem_free(inquiry->messages.ptr[i]);
    vec_finish(&inquiry->messages);
    for (size_t i = 0; i < inquiry->answers.len; i++)
        mem_free((char *)inquiry->answers.ptr[i].ptr);
    vec_finish(&inquiry->answers);
    mem_free(inquiry);
}

/* -- Answers ----------------------------------------------------------------------------------- */

static void finish(struct inquiry *inquiry)
{
    struct asking *asking = &inquiry->asking;
    asking_unlist(asking); /* nobody can drop it any more; the answers are ours, so freed after */
    inquiry->on_answer(asking->user, inquiry->answers.ptr, inquiry->count);
    asking_free(asking);
}

static void keep_answer(struct inquiry *inquiry, size_t question, struct str text)
{
    if (question >= inquiry->count || inquiry->answers.ptr[question].ptr || text.len == 0)
        return;
    text = str_slice(text, 0, utf8_floor(text, LIMIT_ANSWER_BYTES));
    inquiry->answers.ptr[question] = (struct str){str_dup_c(text), text.len};
}

static void on_rich_answer(struct asking *asking, const struct jsonrpc_answer *answer)
{
    struct inquiry *inquiry = (struct inquiry *)asking;
    const struct json_value *one = json_first(json_get(answer->result, "answers"));
    for (; one; one = json_next(one)) {
        uint64_t number = 0;
        if (str_to_uint64(json_get_str(one, "id"), &number) && number > 0)
            keep_answer(inquiry, number - 1, json_get_str(one, "text"));
    }
    finish(inquiry);
}

static void ask_next(struct inquiry *inquiry);

/* Who closes a question wants no more of them. */
static void on_button(struct asking *asking, const struct jsonrpc_answer *answer)
{
    struct inquiry *inquiry = (struct inquiry *)asking;
    struct str title = json_get_str(answer->result, "title");
    keep_answer(inquiry, inquiry->at++, title);
    if (title.len == 0 || inquiry->at == inquiry->count)
        finish(inquiry);
    else
        ask_next(inquiry);
}

/* -- Questions --------------------------------------------------------------------------------- */

static void append_rich(const struct host_inquiry *asked, struct buf *params)
{
    struct json_writer w;
    json_writer_init(&w, params);
    json_write_begin_object(&w);
    json_write_field_c(&w, "threadId", asked->thread_id);
    json_write_field_c(&w, "turnId", asked->turn_id);
    json_write_field_c(&w, "itemId", asked->item_id);
    json_write_key(&w, "questions");
    json_write_begin_array(&w);
    for (size_t i = 0; i < asked->count; i++) {
        const struct host_question *question = &asked->questions[i];
        char id[24];
        snprintf(id, sizeof(id), "%zu", i + 1);
        json_write_begin_object(&w);
        json_write_field_c(&w, "id", id);
        json_write_field_c(&w, "text", question->text);
        json_write_key(&w, "options");
        json_write_begin_array(&w);
        for (size_t j = 0; j < question->option_count; j++) {
            json_write_begin_object(&w);
            json_write_field_c(&w, "label", question->options[j].label);
            if (question->options[j].description[0])
                json_write_field_c(&w, "description", question->options[j].description);
            json_write_end_object(&w);
        }
        json_write_end_array(&w);
        json_write_field_bool(&w, "free", true);
        json_write_end_object(&w);
    }
    json_write_end_array(&w);
    json_write_end_object(&w);
}

static void append_message(const struct host_question *question, struct buf *params)
{
    struct buf text = {0};
    struct json_writer w;
    buf_append_c(&text, question->text);
    for (size_t i = 0; i < question->option_count; i++)
        if (question->options[i].description[0])
            buf_append_fmt(&text, "\n%s: %s", question->options[i].label,
                           question->options[i].description);
    json_writer_init(&w, params);
    json_write_begin_object(&w);
    json_write_field_int(&w, "type", 3);
    json_write_field_str(&w, "message", buf_str(&text));
    json_write_key(&w, "actions");
    json_write_begin_array(&w);
    for (size_t i = 0; i < question->option_count; i++) {
        json_write_begin_object(&w);
        json_write_field_c(&w, "title", question->options[i].label);
        json_write_end_object(&w);
    }
    json_write_end_array(&w);
    json_write_end_object(&w);
    buf_finish(&text);
}

static void ask_next(struct inquiry *inquiry)
{
    asking_send(&inquiry->asking, "window/showMessageRequest",
                str_from(inquiry->messages.ptr[inquiry->at]), on_button);
}

void inquiry_ask(void *host, const struct host_inquiry *asked, host_inquire_fn *on_answer,
                 void *user)
{
    struct lsp_server *server = host;
    struct inquiry *inquiry = mem_new(struct inquiry);
    struct buf params = {0};
    asking_begin(&inquiry->asking, server, release, user);
    inquiry->count = asked->count;
    inquiry->on_answer = on_answer;
    for (size_t i = 0; i < asked->count; i++)
        vec_push(&inquiry->answers, ((struct str){0}));
    if (server->client.rich_questions) {
        append_rich(asked, &params);
        asking_send(&inquiry->asking, "lanebridge/question/request", buf_str(&params),
                    on_rich_answer);
        buf_finish(&params);
        return;
    }
    for (size_t i = 0; i < asked->count; i++) {
        append_message(&asked->questions[i], &params);
        vec_push(&inquiry->messages, buf_take(&params));
    }
    ask_next(inquiry);
}
