/* Questions: by the rich layer's approval/request, else by window/showMessageRequest, Decline
 * first. */
#include "lsp-internal.h"

#include <string.h>

enum { RULES_MAX = 4 };

static const char *const kind_names[] = {
    [HOST_ASK_COMMAND] = "command", [HOST_ASK_EDIT] = "edit",    [HOST_ASK_READ] = "read",
    [HOST_ASK_NETWORK] = "network", [HOST_ASK_TOOL] = "tool",    [HOST_ASK_PROTECTED] = "protected",
    [HOST_ASK_TRUST] = "trust",     [HOST_ASK_SAVE] = "command",
};
static const char *const scope_names[] = {"once", "turn", "session", "workspace"};

static const char allow_once[] = "Allow once", trust_folder[] = "Trust this folder",
                  saved_all[] = "Continue";

struct question {
    struct asking asking;
    bool is_rich;
    char *rule_ids[RULES_MAX], *rule_texts[RULES_MAX];
    size_t rule_count;
    host_ask_fn *on_answer;
};

static void release(struct asking *asking)
{
    struct question *question = (struct question *)asking;
    for (size_t i = 0; i < question->rule_count; i++) {
        mem_free(question->rule_ids[i]);
        mem_free(question->rule_texts[i]);
    }
    mem_free(question);
}

/* -- The answer -------------------------------------------------------------------------------- */

static void read_rich(const struct question *question, const struct json_value *result,
                      struct host_ask_answer *answer)
{
    struct str decision = json_get_str(result, "decision");
    struct str rule = json_get_str(result, "ruleId");
    answer->note = json_get_str(result, "note");
    if (str_eq_c(decision, "accept"))
        answer->decision = HOST_ACCEPT;
    else if (str_eq_c(decision, "cancel"))
        answer->decision = HOST_CANCEL;
    for (size_t i = 0; i < question->rule_count; i++)
        if (str_eq_c(rule, question->rule_ids[i]))
            answer->rule_id = question->rule_ids[i];
}

static void read_button(const struct question *question, const struct json_value *result,
                        struct host_ask_answer *answer)
{
    struct str title = json_get_str(result, "title");
    if (str_eq_c(title, allow_once) || str_eq_c(title, trust_folder) || str_eq_c(title, saved_all))
        answer->decision = HOST_ACCEPT;
    for (size_t i = 0; i < question->rule_count; i++)
        if (str_eq_c(title, question->rule_texts[i])) {
            answer->decision = HOST_ACCEPT;
            answer->rule_id = question->rule_ids[i];
        }
}

/* Not asked is declined. */
static void on_answer(struct asking *asking, const struct jsonrpc_answer *received)
{
    struct question *question = (struct question *)asking;
    struct host_ask_answer answer = {.decision = HOST_DECLINE};
    if (received->status == STATUS_OK && question->is_rich)
        read_rich(question, received->result, &answer);
    else if (received->status == STATUS_OK)
        read_button(question, received->result, &answer);
    asking_unlist(asking); /* nobody can drop it any more; the rule's id is ours, so freed after */
    question->on_answer(asking->user, &answer);
    asking_free(asking);
}

/* -- The question ------------------------------------------------------------------------------ */

static void append_rich(const struct host_ask *ask, struct buf *params)
{
    struct json_writer w;
    json_writer_init(&w, params);
    json_write_begin_object(&w);
    json_write_field_c(&w, "threadId", ask->thread_id);
    json_write_field_c(&w, "turnId", ask->turn_id);
    json_write_field_c(&w, "itemId", ask->item_id);
    json_write_field_c(&w, "kind", kind_names[ask->kind]);
    json_write_field_c(&w, "title", ask->title);
    json_write_field_c(&w, "show", ask->show);
    json_write_field_c(&w, "reason", ask->reason ? ask->reason : "");
    json_write_key(&w, "rules");
    json_write_begin_array(&w);
    for (size_t i = 0; i < ask->rule_count; i++) {
        json_write_begin_object(&w);
        json_write_field_c(&w, "id", ask->rules[i].id);
        json_write_field_c(&w, "scope", scope_names[ask->rules[i].scope & 3]);
        json_write_field_c(&w, "text", ask->rules[i].text);
        json_write_end_object(&w);
    }
    json_write_end_array(&w);
    json_write_end_object(&w);
}

static void write_action(struct json_writer *w, const char *title)
{
    json_write_begin_object(w);
    json_write_field_c(w, "title", title);
    json_write_end_object(w);
}

static const char *accept_word(enum host_ask_kind kind)
{
    return kind == HOST_ASK_TRUST ? trust_folder : kind == HOST_ASK_SAVE ? saved_all : allow_once;
}

static void append_message(const struct host_ask *ask, struct buf *params)
{
    struct buf text = {0};
    struct json_writer w;
    buf_append_fmt(&text, "%s\n\n%s", ask->title, ask->show);
    if (ask->reason && ask->reason[0])
        buf_append_fmt(&text, "\n\n%s", ask->reason);
    json_writer_init(&w, params);
    json_write_begin_object(&w);
    json_write_field_int(&w, "type", 3);
    json_write_field_str(&w, "message", buf_str(&text));
    json_write_key(&w, "actions");
    json_write_begin_array(&w);
    write_action(&w, "Decline");
    write_action(&w, accept_word(ask->kind));
    for (size_t i = 0; i < ask->rule_count && i < RULES_MAX; i++)
        write_action(&w, ask->rules[i].text);
    json_write_end_array(&w);
    json_write_end_object(&w);
    buf_finish(&text);
}

/* What decides is what is seen: no character hides another, in names, commands, diffs and rules. */
static char *visible(const char *text)
{
    struct buf shown = {0};
    buf_append_c(&shown, "");
    utf8_append_visible(&shown, str_from(text));
    return buf_take(&shown);
}

static void append_question(const struct question *question, const struct host_ask *ask,
                            struct buf *params)
{
    char *title = visible(ask->title), *show = visible(ask->show), *reason = visible(ask->reason);
    struct host_ask_rule rules[RULES_MAX];
    struct host_ask shown = *ask;
    for (size_t i = 0; i < question->rule_count; i++) {
        rules[i] = ask->rules[i];
        rules[i].text = question->rule_texts[i];
    }
    shown.title = title;
    shown.show = show;
    shown.reason = reason;
    shown.rules = rules;
    shown.rule_count = question->rule_count;
    (question->is_rich ? append_rich : append_message)(&shown, params);
    mem_free(title);
    mem_free(show);
    mem_free(reason);
}

void approval_ask(void *host, const struct host_ask *ask, host_ask_fn *answer_fn, void *user)
{
    struct lsp_server *server = host;
    struct question *question = mem_new(struct question);
    struct buf params = {0};
    asking_begin(&question->asking, server, release, user);
    question->on_answer = answer_fn;
    question->is_rich = server->client.rich_approvals;
    for (size_t i = 0; i < ask->rule_count && i < RULES_MAX; i++) {
        question->rule_ids[i] = mem_dup_c(ask->rules[i].id);
        question->rule_texts[i] = visible(ask->rules[i].text);
        question->rule_count++;
    }
    append_question(question, ask, &params);
    const char *method =
        question->is_rich ? "lanebridge/approval/request" : "window/showMessageRequest";
    asking_send(&question->asking, method, buf_str(&params), on_answer);
    buf_finish(&params);
}
