/* The scripted server behind the endpoint: a line of the section says what one request is answered
 * with, as chunks of /v1/chat/completions. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../unit/endpoint/stage.h"
#include "session.h"

struct upstream {
    struct staged stage;
    struct stage_reply replies[STAGE_REPLIES];
    size_t count;
    char *texts[2 * STAGE_REPLIES];
    size_t text_count;
};

static const struct stage_reply fixed[] = {
    {"GET /v1/models ", .type = "application/json",
     .body = "{\"object\":\"list\",\"data\":[{\"id\":\"tiny\",\"object\":\"model\",\"created\":1,"
             "\"owned_by\":\"llamacpp\"}]}"},
    {"GET /props ", .type = "application/json", .body = "{\"total_slots\":4}"},
};

static const char *keep(struct upstream *upstream, char *text)
{
    upstream->texts[upstream->text_count++] = text;
    return text;
}

static void append_chunk(struct buf *stream, const struct json_value *delta, const char *finish)
{
    buf_append_c(stream, "data: {\"object\":\"chat.completion.chunk\",\"choices\":[{\"index\":0,"
                         "\"delta\":");
    if (delta)
        json_append(stream, delta);
    else
        buf_append_c(stream, "{}");
    buf_append_fmt(stream, ",\"finish_reason\":%s}]}\n\n", finish);
}

static void add_reply(struct upstream *upstream, const struct json_value *line)
{
    struct buf stream = {0}, finish = {0};
    struct str holds = json_get_str(line, "holds");
    bool stays = json_get_bool(line, "stays", false);
    for (const struct json_value *d = json_first(json_get(line, "deltas")); d; d = json_next(d))
        append_chunk(&stream, d, "null");
    json_append_quoted(&finish, json_get_str(line, "finish"));
    if (!stays) {
        append_chunk(&stream, NULL, finish.ptr);
        buf_append_c(&stream, "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":100,"
                              "\"completion_tokens\":5,\"prompt_tokens_details\":{"
                              "\"cached_tokens\":90}}}\n\ndata: [DONE]\n\n");
    }
    buf_finish(&finish);
    upstream->replies[upstream->count++] = (struct stage_reply){
        "POST /v1/chat/completions ",
        .holds = holds.len > 0 ? keep(upstream, str_dup_c(holds)) : NULL,
        .times = 1,
        .body = keep(upstream, buf_take(&stream)),
        .chunked = true,
        .tear = 50,
        .stays = stays,
    };
}

bool player_start_upstream(struct player *player, struct err *err)
{
    struct upstream *upstream = mem_new(struct upstream);
    struct str lines = buf_str(&player->script->upstream), text;
    enum status status = STATUS_OK;
    player->upstream = upstream;
    for (size_t i = 0; i < array_count(fixed); i++)
        upstream->replies[upstream->count++] = fixed[i];
    while (status == STATUS_OK && upstream->count < STAGE_REPLIES &&
           str_next(&lines, '\n', &text)) {
        struct json_value *line = NULL;
        if (str_trim(text).len == 0)
            continue;
        status = json_parse(text, &line, err);
        if (status == STATUS_OK)
            add_reply(upstream, line);
        json_free(line);
    }
    stage_start(&upstream->stage, upstream->replies, upstream->count);
    return status == STATUS_OK;
}

unsigned player_upstream_port(const struct player *player)
{
    return player->upstream->stage.port;
}

void player_stop_upstream(struct player *player)
{
    struct upstream *upstream = player->upstream;
    if (!upstream)
        return;
    stage_end(&upstream->stage);
    for (size_t i = 0; i < upstream->text_count; i++)
        mem_free(upstream->texts[i]);
    mem_free(upstream);
    player->upstream = NULL;
}

/* `upstream-got "text"`: a request has come that holds it. `upstream-left`: one was dropped. */
enum outcome step_upstream_got(struct player *player, struct str rest)
{
    struct buf wanted = {0};
    bool found = false;
    if (!player->upstream || !words_take_text(&rest, &wanted))
        return step_bad(player, "upstream-got \"text\", with a section upstream");
    const char *request;
    for (size_t i = 0; !found && (request = stage_request(&player->upstream->stage, "", i)); i++)
        found = strstr(request, wanted.ptr) != NULL;
    buf_finish(&wanted);
    return found ? STEP_DONE : STEP_WAIT;
}

enum outcome step_upstream_left(struct player *player, struct str rest)
{
    (void)rest;
    return player->upstream && stage_left(&player->upstream->stage) > 0 ? STEP_DONE : STEP_WAIT;
}
