/* What the endpoint spent where, as it tells in its terminal event: "routing=12 engine=3400". */
#include "responses-internal.h"

static struct responses_stage *find(struct responses_stages *stages, struct str name)
{
    for (size_t i = 0; i < stages->count; i++) {
        if (str_eq_c(name, stages->list[i].name))
            return &stages->list[i];
    }
    return NULL;
}

static void add(struct responses_stages *stages, struct str name, uint64_t us)
{
    struct responses_stage *stage = find(stages, name);
    bool fits = name.len > 0 && name.len < sizeof(stage->name);
    if (!stage && fits && stages->count < array_count(stages->list)) {
        stage = &stages->list[stages->count++];
        *stage = (struct responses_stage){0};
        memcpy(stage->name, name.ptr, name.len);
    }
    if (stage)
        stage->us += us;
}

void responses_stages_add(struct responses_stages *sum, const struct responses_stages *more)
{
    for (size_t i = 0; i < more->count; i++)
        add(sum, str_from(more->list[i].name), more->list[i].us);
}

void responses_stages_read(const struct json_value *response, struct responses_stages *ret_stages)
{
    struct str rest = json_str(json_at(response, "metadata", "lanebridge_stages_us", NULL)), part;
    *ret_stages = (struct responses_stages){0};
    while (str_next(&rest, ' ', &part)) {
        size_t equals = str_find_byte(part, '=', 0);
        uint64_t us;
        if (equals != STR_NONE && str_to_uint64(str_skip(part, equals + 1), &us))
            add(ret_stages, str_slice(part, 0, equals), us);
    }
}
