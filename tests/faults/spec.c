#include "faults.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    AT_BORDERS = 1u << PLACE_BEFORE | 1u << PLACE_AFTER,
    EVERYWHERE = (1u << PLACE_COUNT) - 1,
    AT_FRONT = 1u << PLACE_BEFORE,
    COMMENTS_EACH = 8, /* units: each case waits for more than a second */
    SOCKETS = 1u << MODE_LANES | 1u << MODE_SINGLE,
    ALL_MODES = (1u << MODE_COUNT) - 1,
};

static const char *const mode_names[] = {"lanes", "single", "http"};
static const char *const direction_names[] = {"to-server", "to-client"};
static const char *const place_names[] = {"before", "header", "payload", "after"};

static const struct {
    const char *name;
    unsigned modes, places;
    bool is_for_requests;   /* to the server alone */
    unsigned arguments[12]; /* used in turn, unit by unit; 0 ends them */
} kinds[FAULT_KIND_COUNT] = {
    [FAULT_NONE] = {"none", 0, 0, false, {0}},
    [FAULT_DELAY] = {"delay", ALL_MODES, EVERYWHERE, false, {40}},
    [FAULT_SPLIT] = {"split", ALL_MODES, AT_FRONT, false, {0}},
    [FAULT_COALESCE] = {"coalesce", ALL_MODES, AT_FRONT, false, {0}},
    [FAULT_STALL] = {"stall", ALL_MODES, EVERYWHERE, false, {0}},
    [FAULT_RESET] = {"reset", ALL_MODES, EVERYWHERE, false, {0}},
    [FAULT_ORPHAN] = {"orphan", ALL_MODES, EVERYWHERE, false, {0}},
    [FAULT_HALF_CLOSE] = {"half-close", ALL_MODES, EVERYWHERE, false, {0}},
    [FAULT_CUT] = {"cut", ALL_MODES, EVERYWHERE, false, {0}},
    [FAULT_GARBAGE] = {"garbage", ALL_MODES, EVERYWHERE, false, {0}},
    [FAULT_CLOSE] = {"close",
                     SOCKETS,
                     AT_BORDERS,
                     false,
                     {1000, 1001, 1002, 1003, 1005, 1008, 1009, 1011, 1012, 1013, 3000, 4999}},
    [FAULT_REFUSE] = {"refuse",
                      SOCKETS,
                      AT_BORDERS,
                      true,
                      {400, 401, 403, 404, 407, 426, 500, 501, 502, 503, 504}},
    [FAULT_BUSY] = {"busy", SOCKETS, AT_FRONT, true, {429}},
    [FAULT_MUTE] = {"mute", SOCKETS, AT_FRONT, true, {0}},
    [FAULT_DROP] = {"drop", SOCKETS, AT_FRONT, true, {0}},
    [FAULT_DEAF] = {"deaf", SOCKETS, AT_FRONT, true, {0}},
    [FAULT_ANSWER] = {"answer",
                      1u << MODE_HTTP,
                      AT_FRONT,
                      true,
                      {400, 401, 403, 404, 408, 429, 500, 502, 503, 529}},
    [FAULT_COMMENTS] = {"comments", 1u << MODE_HTTP, AT_FRONT, false, {1400}},
    [FAULT_DEAD] = {"dead", SOCKETS, AT_FRONT, false, {0}},
    [FAULT_INTERRUPT] = {"interrupt", ALL_MODES, AT_FRONT, false, {0}},
};

/* -- Names ---------------------------------------------------------------------------------------
 */

void spec_format(const struct spec *spec, struct buf *name)
{
    const struct fault *fault = &spec->fault;
    buf_append_fmt(name, "%s/%s", mode_names[spec->mode], kinds[fault->kind].name);
    if (fault->argument)
        buf_append_fmt(name, "=%u", fault->argument);
    if (fault->kind != FAULT_NONE)
        buf_append_fmt(name, "/%s/%u/%s", direction_names[fault->direction], fault->unit,
                       place_names[fault->place]);
}

static bool take(struct str *rest, const char *const *names, size_t count, unsigned *ret_at)
{
    struct str word;
    if (!str_next(rest, '/', &word))
        return false;
    for (*ret_at = 0; *ret_at < count; ++*ret_at)
        if (str_eq_c(word, names[*ret_at]))
            return true;
    return false;
}

static bool take_kind(struct str *rest, struct fault *fault)
{
    struct str word, name;
    uint64_t argument = 0;
    if (!str_next(rest, '/', &word) || !str_next(&word, '=', &name))
        return false;
    if (word.ptr && !str_to_uint64(word, &argument))
        return false;
    fault->argument = (unsigned)argument;
    for (fault->kind = 0; fault->kind < FAULT_KIND_COUNT; fault->kind++)
        if (str_eq_c(name, kinds[fault->kind].name))
            return true;
    return false;
}

bool spec_parse(struct str name, struct spec *ret_spec)
{
    unsigned mode, direction, place;
    uint64_t unit;
    struct str word;
    *ret_spec = (struct spec){0};
    if (!take(&name, mode_names, MODE_COUNT, &mode) || !take_kind(&name, &ret_spec->fault))
        return false;
    ret_spec->mode = mode;
    if (ret_spec->fault.kind == FAULT_NONE)
        return true;
    if (!take(&name, direction_names, DIRECTION_COUNT, &direction) ||
        !str_next(&name, '/', &word) || !str_to_uint64(word, &unit) ||
        !take(&name, place_names, PLACE_COUNT, &place))
        return false;
    ret_spec->fault.direction = direction;
    ret_spec->fault.unit = (unsigned)unit;
    ret_spec->fault.place = place;
    return true;
}

/* -- All of them ---------------------------------------------------------------------------------
 */

static unsigned argument_of(enum fault_kind kind, unsigned unit)
{
    const unsigned *arguments = kinds[kind].arguments;
    unsigned count = 0;
    while (count < array_count(kinds[kind].arguments) && arguments[count])
        count++;
    return count ? arguments[unit % count] : 0;
}

static bool is_possible(const struct spec *spec)
{
    const struct fault *fault = &spec->fault;
    if (!(kinds[fault->kind].modes & 1u << spec->mode))
        return false;
    if (!(kinds[fault->kind].places & 1u << fault->place))
        return false;
    /* Within a frame it is the same with lanes and without. */
    if (spec->mode == MODE_SINGLE && !(AT_BORDERS & 1u << fault->place))
        return false;
    if (kinds[fault->kind].is_for_requests && fault->direction != TO_SERVER)
        return false;
    /* Over HTTP a request is two units; what is answered instead is the first. */
    if (fault->kind == FAULT_ANSWER && fault->unit % 2 != 0)
        return false;
    if (fault->kind == FAULT_INTERRUPT && fault->direction != TO_CLIENT)
        return false;
    /* Between events, before the first one too: not before the head of an answer. */
    bool is_event = fault->direction == TO_CLIENT && fault->unit > 0;
    if (fault->kind == FAULT_COMMENTS && (!is_event || fault->unit % COMMENTS_EACH != 1))
        return false;
    /* Not at a unit, but between the turns. */
    if (fault->kind == FAULT_DEAD && (fault->direction != TO_CLIENT || fault->unit != 0))
        return false;
    /* There are no frames before the upgrade. */
    if (fault->kind == FAULT_CLOSE && fault->unit == 0)
        return false;
    return true;
}

void spec_list_all(enum mode mode, const unsigned units[DIRECTION_COUNT], bool interrupts,
                   spec_list *list)
{
    for (unsigned direction = 0; direction < DIRECTION_COUNT; direction++)
        for (unsigned unit = 0; unit < units[direction]; unit++)
            for (unsigned kind = FAULT_NONE + 1; kind < FAULT_KIND_COUNT; kind++)
                for (unsigned place = 0; place < PLACE_COUNT; place++) {
                    unsigned argument = argument_of(kind, unit + place);
                    struct spec spec = {mode, {kind, argument, direction, unit, place}};
                    if (is_possible(&spec) && interrupts == (kind == FAULT_INTERRUPT))
                        vec_push(list, spec);
                }
}

/* -- What may stop, and what must, with its fix
 * ----------------------------------------------------------------
 */

static const struct {
    enum fault_kind kind;
    unsigned argument;
    struct spec_failure failure;
} failures[] = {
    {FAULT_REFUSE, 401, {"401", true}},
    {FAULT_REFUSE, 407, {"proxy wants credentials", true}},
    {FAULT_ANSWER, 401, {"401", true}},
    {FAULT_ANSWER, 400, {"The proxy says 400", true}},
    {FAULT_ANSWER, 403, {"The proxy says 403", true}},
    {FAULT_ANSWER, 404, {"The proxy says 404", true}},
    /* Only the server knows that it got something else than what was sent. */
    {FAULT_GARBAGE, TO_SERVER, {"", false}},
};

const struct spec_failure *spec_failure(const struct spec *spec)
{
    const struct fault *fault = &spec->fault;
    unsigned argument = fault->kind == FAULT_GARBAGE ? fault->direction : fault->argument;
    for (size_t i = 0; i < array_count(failures); i++)
        if (failures[i].kind == fault->kind && failures[i].argument == argument)
            return &failures[i].failure;
    return NULL;
}
