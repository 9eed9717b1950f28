#include "scene.h"

#include <stdio.h>

void scene_start(struct scene *scene, const struct stage_reply *replies, size_t count,
                 struct endpoint_options options)
{
    char url[64];
    stage_start(&scene->stage, replies, count);
    snprintf(url, sizeof(url), "http://127.0.0.1:%u", scene->stage.port);
    options.upstream_url = url;
    party_start_with(&scene->party, options);
    peer_open(&scene->peer, &scene->party);
}

void scene_end(struct scene *scene)
{
    peer_end(&scene->peer);
    party_end(&scene->party);
    stage_end(&scene->stage);
}

struct json_value *scene_asked(struct scene *scene, const char *route, size_t nth)
{
    char line[128];
    struct json_value *value = NULL;
    struct err err = {0};
    snprintf(line, sizeof(line), "POST %s ", route);
    const char *request = stage_request(&scene->stage, line, nth);
    cr_assert(request, "no request %zu to %s", nth, route);
    cr_assert_eq(json_parse(str_from(stage_body(request)), &value, &err), STATUS_OK, "%s: %s",
                 err.text, stage_body(request));
    return value;
}

const struct json_value *output_at(const struct json_value *event, size_t index)
{
    const struct json_value *item = json_first(json_at(event, "response", "output", NULL));
    while (item && index-- > 0)
        item = json_next(item);
    return item;
}

void scene_wait_left(struct scene *scene, size_t times)
{
    for (unsigned i = 0; i < PATIENCE_TURNS && stage_left(&scene->stage) < times; i++)
        party_run_ms(&scene->party, TURN_MS);
    cr_expect_eq(stage_left(&scene->stage), times, "the server was not told");
}
