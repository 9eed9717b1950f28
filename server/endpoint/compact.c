/* A conversation made shorter: by POST /v1/responses/compact, or in a response that was told from
 * how many tokens on. Nothing is summarized, since no model is behind the engines that do it: the
 * user's messages stay, and one item, opaque to the client, says where in the script the rest had
 * come to. */
#include <stdio.h>
#include <string.h>

#include "endpoint-internal.h"

/* -- The item -------------------------------------------------------------------------------------
 */

/* The last thing sent before `next`: whoever reads the id goes on behind it. */
static bool place_before(const struct endpoint *endpoint, const struct position *next,
                         struct id_place *ret_place)
{
    if (!endpoint->replay || !next->known || (next->step == 0 && next->item == 0))
        return false;
    *ret_place = (struct id_place){next->rollout, next->step, next->item};
    if (next->item > 0) {
        ret_place->item--;
        return true;
    }
    ret_place->step--;
    const struct replay_step *step =
        replay_step_at(endpoint->replay, ret_place->rollout, ret_place->step);
    ret_place->item = step && step->items.len > 0 ? (unsigned)step->items.len - 1 : 0;
    return true;
}

static void make_id(const struct endpoint *endpoint, const struct position *next,
                    char ret_id[ENDPOINT_ID_BYTES])
{
    struct id_place place;
    char unplaced[ID_BYTES];
    if (place_before(endpoint, next, &place)) {
        endpoint_id_make(ret_id, "cmp", endpoint->fingerprint, place);
        return;
    }
    id_make("cmp", unplaced);
    snprintf(ret_id, ENDPOINT_ID_BYTES, "%s", unplaced);
}

static void append_body(struct buf *body, const char *id)
{
    buf_append_fmt(body, "{\"type\":\"compaction\",\"encrypted_content\":\"opaque.%s\"}", id);
}

/* -- In a response --------------------------------------------------------------------------------
 */

/* The threshold; 0 where none is set. */
static int64_t threshold_of(const struct request *request)
{
    struct json_value *list = NULL;
    struct str span = request->span[FIELD_CONTEXT_MANAGEMENT];
    int64_t threshold = 0;
    if (span.len > 0 && json_parse(span, &list, NULL) == STATUS_OK)
        for (const struct json_value *one = json_first(list); one; one = json_next(one))
            threshold = json_get_int(one, "compact_threshold", threshold);
    json_free(list);
    return threshold;
}

enum status compact_check(const struct endpoint *endpoint, const struct request *request,
                          struct problem *problem)
{
    static const char name[] = "context_management";
    struct str span = request->span[FIELD_CONTEXT_MANAGEMENT], key, entry, type;
    struct json_raw_iter iter = {.rest = span};
    if (span.len == 0)
        return STATUS_OK;
    if (endpoint->without_context_management || !endpoint->engine->compacts)
        return problem_set(problem, PROBLEM_UNKNOWN_PARAMETER, name, "Unknown parameter: '%s'.",
                           name);
    for (size_t i = 0; json_raw_next(&iter, &key, &entry); i++) {
        char param[64];
        snprintf(param, sizeof(param), "%s[%zu].type", name, i);
        bool is_known = entry.ptr[0] == '{' && json_raw_member(entry, "type", &type) == STATUS_OK &&
                        str_eq_c(type, "\"compaction\"");
        if (!is_known)
            return problem_set(problem, PROBLEM_INVALID, param,
                               "Invalid value for '%s': 'compaction' is supported.", param);
    }
    return STATUS_OK;
}

void compact_apply(struct answer *answer, const struct request *request)
{
    int64_t threshold = threshold_of(request);
    int64_t told = answer->plan.told.input;
    int64_t counted = (int64_t)(answer->record->token_count + answer->fixed_tokens);
    int64_t tokens = told >= 0 ? told : counted;
    answer->may_compact = threshold > 0;
    if (threshold <= 0 || tokens < threshold || !request->generate)
        return;
    struct plan_item item = {.kind = ITEM_COMPACTION};
    make_id(answer->endpoint, &answer->plan.at, item.id);
    append_body(&item.owned, item.id);
    item.body = buf_str(&item.owned);
    vec_push(&answer->plan.items, item);
    struct plan_item *items = answer->plan.items.ptr;
    memmove(items + 1, items, (answer->plan.items.len - 1) * sizeof(*items));
    items[0] = item;
    answer->compacted = true;
}

/* -- By request -----------------------------------------------------------------------------------
 */

/* All that is to be compacted, as a record: the parent's, then the request's own. */
struct compacting {
    struct request request;
    struct intake intake;
    struct record *record;
};

static enum status read_all(struct compacting *compacting, struct endpoint *endpoint,
                            struct str body, struct problem *problem)
{
    struct request *request = &compacting->request;
    struct record *parent = NULL;
    if (request_read(request, body, problem) < 0)
        return STATUS_INVALID;
    struct str previous = request_inner(request, FIELD_PREVIOUS);
    if (previous.len > 0 && !(parent = store_find(&endpoint->store, previous)))
        return problem_set_parent(problem, previous);
    if (!parent && request->span[FIELD_INPUT].len == 0)
        return problem_set(problem, PROBLEM_INVALID, "input",
                           "Missing required parameter: 'input' or 'previous_response_id'.");
    if (intake_read(&compacting->intake, request, endpoint, problem) < 0 ||
        intake_check_calls(&compacting->intake, parent, problem) < 0)
        return STATUS_INVALID;
    compacting->record = record_new(&endpoint->held, 0, parent);
    record_add_input(compacting->record, request->span[FIELD_INPUT]);
    if (parent)
        compacting->record->next = parent->next;
    else if (endpoint->replay && compacting->intake.placed &&
             compacting->intake.rollout < endpoint->replay->rollouts.len)
        compacting->record->next = play_resume(endpoint->replay, compacting->intake.rollout,
                                               compacting->intake.step, compacting->intake.present);
    return STATUS_OK;
}

static bool is_user_message(struct str item)
{
    struct str role, type;
    bool typed = json_raw_member(item, "type", &type) == STATUS_OK;
    return json_raw_member(item, "role", &role) == STATUS_OK && str_eq_c(role, "\"user\"") &&
           (!typed || str_eq_c(type, "\"message\""));
}

/* The user's messages, verbatim, then the item. How many bytes it was made from. */
static size_t write_output(struct json_writer *w, const struct endpoint *endpoint,
                           const struct record *record)
{
    size_t bytes = 0;
    struct record_walk walk;
    struct str item;
    struct plan_item compaction = {.kind = ITEM_COMPACTION};
    json_write_key(w, "output");
    json_write_begin_array(w);
    record_walk_init(&walk, record, NULL);
    while (record_walk_next(&walk, &item)) {
        bytes += item.len;
        if (is_user_message(item))
            json_write_raw(w, item);
    }
    record_walk_finish(&walk);
    make_id(endpoint, &record->next, compaction.id);
    append_body(&compaction.owned, compaction.id);
    compaction.body = buf_str(&compaction.owned);
    item_write(w, &compaction, true);
    buf_finish(&compaction.owned);
    json_write_end_array(w);
    return bytes;
}

static void append_answer(struct buf *body, const struct endpoint *endpoint,
                          const struct compacting *compacting)
{
    const struct record *record = compacting->record;
    struct usage usage = {.output = 16};
    char id[ID_BYTES];
    struct json_writer w;
    id_make("resp", id);
    json_writer_init(&w, body);
    json_write_begin_object(&w);
    json_write_field_c(&w, "id", id);
    json_write_field_c(&w, "object", "response.compaction");
    json_write_field_int(&w, "created_at", (int64_t)(time_wall_ms() / 1000));
    usage.input = (int64_t)write_output(&w, endpoint, record) / 4;
    response_write_usage(&w, &usage);
    json_write_end_object(&w);
}

void compact_handle(struct endpoint *endpoint, struct net_server_request *http,
                    const struct net_request_info *info, struct str id)
{
    struct compacting compacting = {0};
    struct problem problem;
    struct buf body = {0};
    endpoint_note(endpoint, false, info->body);
    enum status status = STATUS_OK;
    if (endpoint->without_compact || !endpoint->engine->compacts)
        status = problem_set(
            &problem, PROBLEM_ROUTE, NULL,
            "This endpoint does not compact: ask the model for a summary, and begin anew "
            "with that as input.");
    if (status == STATUS_OK)
        status = read_all(&compacting, endpoint, info->body, &problem);
    if (status == STATUS_OK) {
        append_answer(&body, endpoint, &compacting);
        endpoint_note(endpoint, true, buf_str(&body));
        net_request_reply(http, 200, "application/json", NULL, 0, buf_str(&body));
    } else {
        problem_reply(http, &problem, NULL);
    }
    buf_finish(&body);
    intake_finish(&compacting.intake);
    request_finish(&compacting.request);
    record_unref(compacting.record);
}
