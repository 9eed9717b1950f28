/* What happened when in a turn, put together from what the journal has of it and of its helpers. */
#include "trace-internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lanebridge/json.h>
#include <lanebridge/tools.h>

enum {
    CALLS_COUNT = 5000, /* of a turn that are looked at */
    TURN_TRACK = 1,
    CALL_TRACK = 10, /* and those behind it: calls run side by side */
    EDITOR_TRACK = 1000,
    NAME_BYTES = 100,
    DEPTH_MAX = 4, /* helpers have no helpers, but a journal may say anything */
    BAR_COLUMNS = 30,
};

static const struct {
    const char *member, *name;
} stages[] = {
    {"queue", "queue"},
    {"network", "network and acceptance"},
    {"server", "server until first output"},
    {"output", "generation"},
};

/* Of one turn, to be put in order. */
struct child {
    enum trace_kind kind;
    char *name, *note;
    char *call_id; /* of a call */
    uint64_t start_us, end_us, stages_us[array_count(stages)];
};
struct children {
    VEC(struct child) list;
    uint64_t start_us, end_us; /* of the turn: what is in it lies between */
};

struct collector {
    struct journal *journal;
    struct trace_spans *spans;
};

static uint64_t clamp(uint64_t value, uint64_t low, uint64_t high)
{
    return value < low ? low : value > high ? high : value;
}

static char *shown(struct str text)
{
    struct buf out = {0};
    utf8_append_printable(&out, str_slice(text, 0, utf8_floor(text, NAME_BYTES)));
    buf_append_c(&out, "");
    return buf_take(&out);
}

/* The first track that is free then. */
static unsigned take_track(struct trace_tracks *tracks, uint64_t start_us, uint64_t end_us)
{
    for (size_t i = 0; i < tracks->ends.len; i++)
        if (tracks->ends.ptr[i] <= start_us) {
            tracks->ends.ptr[i] = end_us;
            return (unsigned)i;
        }
    vec_push(&tracks->ends, end_us);
    return (unsigned)(tracks->ends.len - 1);
}

/* -- What is in a turn --------------------------------------------------------------------------
 */

static struct child *add(struct children *children, enum trace_kind kind, uint64_t start_us,
                         uint64_t end_us)
{
    struct child child = {.kind = kind};
    child.start_us = clamp(start_us, children->start_us, children->end_us);
    child.end_us = clamp(end_us, child.start_us, children->end_us);
    vec_push(&children->list, child);
    return &vec_last(&children->list);
}

static uint64_t us_of(const struct json_value *span, const char *member)
{
    int64_t ms = json_get_int(span, member, 0);
    return ms > 0 ? (uint64_t)ms * 1000 : 0;
}

static void add_step(struct children *children, const struct json_value *span)
{
    uint64_t start = children->start_us + us_of(span, "at"), took = 0;
    struct buf name = {0}, note = {0};
    for (size_t i = 0; i < array_count(stages); i++)
        took += us_of(span, stages[i].member);
    struct child *child = add(children, TRACE_STEP, start, start + took);
    for (size_t i = 0; i < array_count(stages); i++) {
        child->stages_us[i] = us_of(span, stages[i].member);
        if (child->stages_us[i] > 0)
            buf_append_fmt(&note, "%s%s %llu ms", note.len > 0 ? ", " : "", stages[i].name,
                           (unsigned long long)child->stages_us[i] / 1000);
    }
    buf_append_fmt(&name, "step %lld", (long long)json_get_int(span, "step", 0));
    buf_append_c(&note, "");
    child->name = buf_take(&name);
    child->note = buf_take(&note);
}

static void add_editor(struct children *children, const struct json_value *span)
{
    uint64_t start = children->start_us + us_of(span, "at");
    struct child *child = add(children, TRACE_EDITOR, start, start + us_of(span, "ms"));
    child->name = shown(json_get_str(span, "editor"));
}

static void add_kept(struct children *children, const struct json_value *usage)
{
    const struct json_value *span = json_first(json_get(usage, "spans"));
    for (; span; span = json_next(span)) {
        if (json_get_str(span, "editor").len > 0)
            add_editor(children, span);
        else
            add_step(children, span);
    }
}

static bool add_call(void *user, const struct journal_call *call)
{
    struct children *children = user;
    struct buf title = {0}, name = {0};
    bool has_ended = call->state == CALL_DONE && call->ended_ms >= call->started_ms;
    struct child *child = add(children, TRACE_CALL, call->started_ms * 1000,
                              has_ended ? call->ended_ms * 1000 : children->end_us);
    tools_append_title(&title, call->name, call->arguments);
    child->name = shown(buf_str(&title));
    buf_append_c(&name, !has_ended ? "its end is not known" : call->ok ? "" : "failed");
    child->note = buf_take(&name);
    child->call_id = str_dup_c(call->call_id);
    buf_finish(&title);
    return true;
}

/* What begins first; of two at once the longer one. */
static int by_time(const void *a, const void *b)
{
    const struct child *x = a, *y = b;
    if (x->start_us != y->start_us)
        return x->start_us < y->start_us ? -1 : 1;
    return x->end_us == y->end_us ? 0 : x->end_us > y->end_us ? -1 : 1;
}

/* -- The tree -----------------------------------------------------------------------------------
 */

static void push(struct trace_spans *spans, enum trace_kind kind, const char *name,
                 const char *note, uint64_t start_us, uint64_t end_us, unsigned depth,
                 unsigned track)
{
    vec_push(&spans->list, ((struct trace_span){.kind = kind,
                                                .name = mem_dup_c(name),
                                                .note = mem_dup_c(note ? note : ""),
                                                .start_us = start_us,
                                                .end_us = end_us,
                                                .depth = depth,
                                                .track = track}));
}

static void push_stages(struct trace_spans *spans, const struct child *step, unsigned depth,
                        unsigned track)
{
    uint64_t at = step->start_us;
    for (size_t i = 0; i < array_count(stages); i++) {
        uint64_t end = clamp(at + step->stages_us[i], at, step->end_us);
        if (end > at)
            push(spans, TRACE_STAGE, stages[i].name, NULL, at, end, depth, track);
        at = end;
    }
}

struct helper_turns {
    VEC(char *) usages;
    VEC(uint64_t) starts, ends;
};

static bool keep_helper_turn(void *user, const struct journal_turn *turn)
{
    struct helper_turns *turns = user;
    vec_push(&turns->usages, str_dup_c(turn->usage_json));
    vec_push(&turns->starts, turn->started_ms);
    vec_push(&turns->ends, turn->ended_ms);
    return true;
}

static void collect(struct collector *collector, const char *thread_id, struct str turn_id,
                    const struct children *range, struct str usage_json, unsigned depth,
                    unsigned track);

static void push_turn(struct collector *collector, const char *thread_id, struct str turn_id,
                      const char *name, uint64_t started_ms, uint64_t ended_ms, uint64_t low_us,
                      uint64_t high_us, struct str usage_json, unsigned depth, unsigned track)
{
    struct json_value *usage = NULL;
    (void)json_parse(usage_json, &usage, NULL);
    int64_t total = json_int(json_at(usage, "timing", "totalMs", NULL), 0);
    uint64_t end_ms = total > 0 ? started_ms + (uint64_t)total : ended_ms;
    struct children range = {.start_us = clamp(started_ms * 1000, low_us, high_us)};
    range.end_us = clamp(end_ms * 1000, range.start_us, high_us);
    push(collector->spans, TRACE_TURN, name, NULL, range.start_us, range.end_us, depth, track);
    collect(collector, thread_id, turn_id, &range, usage_json, depth + 1, track);
    json_free(usage);
}

/* Within the call: what it did there. */
static void push_helper(struct collector *collector, const char *thread_id,
                        const struct child *call, unsigned depth, unsigned track)
{
    struct helper_turns turns = {0};
    char id[ID_BYTES];
    if (depth > DEPTH_MAX ||
        journal_helper_find(collector->journal, thread_id, str_from(call->call_id), id, NULL) < 0)
        return;
    (void)journal_turn_each(collector->journal, id, keep_helper_turn, &turns, NULL);
    for (size_t i = 0; i < turns.usages.len; i++) {
        push_turn(collector, id, STR(""), "helper", turns.starts.ptr[i], turns.ends.ptr[i],
                  call->start_us, call->end_us, str_from(turns.usages.ptr[i]), depth, track);
        mem_free(turns.usages.ptr[i]);
    }
    vec_finish(&turns.usages);
    vec_finish(&turns.starts);
    vec_finish(&turns.ends);
}

static void push_child(struct collector *collector, const char *thread_id,
                       const struct child *child, unsigned depth, unsigned turn_track)
{
    struct trace_spans *spans = collector->spans;
    unsigned track = turn_track;
    if (child->kind == TRACE_CALL)
        track = CALL_TRACK + take_track(&spans->calls, child->start_us, child->end_us);
    else if (child->kind == TRACE_EDITOR)
        track = EDITOR_TRACK + take_track(&spans->editor, child->start_us, child->end_us);
    push(spans, child->kind, child->name, child->note, child->start_us, child->end_us, depth,
         track);
    if (child->kind == TRACE_STEP)
        push_stages(spans, child, depth + 1, track);
    else if (child->kind == TRACE_CALL)
        push_helper(collector, thread_id, child, depth + 1, track);
}

/* Steps are on the track of their turn, one behind the other. */
static void part_steps(struct children *children)
{
    uint64_t end_us = 0;
    for (size_t i = 0; i < children->list.len; i++) {
        struct child *child = &children->list.ptr[i];
        if (child->kind != TRACE_STEP)
            continue;
        child->start_us = clamp(child->start_us, end_us, children->end_us);
        child->end_us = clamp(child->end_us, child->start_us, children->end_us);
        end_us = child->end_us;
    }
}

static void collect(struct collector *collector, const char *thread_id, struct str turn_id,
                    const struct children *range, struct str usage_json, unsigned depth,
                    unsigned track)
{
    struct children children = {.start_us = range->start_us, .end_us = range->end_us};
    struct json_value *usage = NULL;
    (void)json_parse(usage_json, &usage, NULL);
    add_kept(&children, usage);
    (void)journal_call_each(collector->journal, str_from(thread_id), turn_id, CALLS_COUNT, add_call,
                            &children, NULL);
    if (children.list.len > 0)
        qsort(children.list.ptr, children.list.len, sizeof(struct child), by_time);
    part_steps(&children);
    for (size_t i = 0; i < children.list.len; i++) {
        struct child *child = &children.list.ptr[i];
        push_child(collector, thread_id, child, depth, track);
        mem_free(child->name);
        mem_free(child->note);
        mem_free(child->call_id);
    }
    vec_finish(&children.list);
    json_free(usage);
}

void trace_collect(struct journal *journal, const char *thread_id, const struct journal_turn *turn,
                   struct trace_spans *spans)
{
    struct collector collector = {journal, spans};
    char *name = shown(turn->prompt.len > 0 ? turn->prompt : turn->id);
    push_turn(&collector, thread_id, turn->id, name, turn->started_ms, turn->ended_ms, 0,
              UINT64_MAX, turn->usage_json, 0, TURN_TRACK);
    mem_free(name);
}

void trace_finish(struct trace_spans *spans)
{
    for (size_t i = 0; i < spans->list.len; i++) {
        mem_free(spans->list.ptr[i].name);
        mem_free(spans->list.ptr[i].note);
    }
    vec_finish(&spans->list);
    vec_finish(&spans->calls.ends);
    vec_finish(&spans->editor.ends);
}

/* -- As lines -----------------------------------------------------------------------------------
 */

static void append_bar(struct buf *out, const struct trace_span *turn,
                       const struct trace_span *span)
{
    double all = (double)(turn->end_us - turn->start_us);
    double from = all > 0 ? (double)(span->start_us - turn->start_us) / all * BAR_COLUMNS : 0;
    double to = all > 0 ? (double)(span->end_us - turn->start_us) / all * BAR_COLUMNS : 0;
    for (int i = 0; i < BAR_COLUMNS; i++)
        buf_append_byte(out, i + 1 > from && (i < to || i == (int)from) ? '#' : ' ');
}

void trace_append_lines(const struct trace_spans *spans, struct buf *out)
{
    static const char *const kinds[] = {[TRACE_TURN] = "",
                                        [TRACE_STEP] = "",
                                        [TRACE_STAGE] = "",
                                        [TRACE_CALL] = "",
                                        [TRACE_EDITOR] = "editor: "};
    const struct trace_span *turn = NULL;
    for (size_t i = 0; i < spans->list.len; i++) {
        const struct trace_span *span = &spans->list.ptr[i];
        if (span->depth == 0)
            turn = span;
        if (span->depth == 0 || span->kind == TRACE_STAGE)
            continue;
        buf_append_fmt(out, "  %9.3f s %9.3f s |", (double)(span->start_us - turn->start_us) / 1e6,
                       (double)(span->end_us - span->start_us) / 1e6);
        append_bar(out, turn, span);
        buf_append_fmt(out, "| %*s%s%s%s%s\n", 2 * (int)(span->depth - 1), "", kinds[span->kind],
                       span->name, span->note[0] ? ": " : "", span->note);
    }
}

/* -- As the Chrome trace format ------------------------------------------------------------------
 */

static void write_name(struct json_writer *w, const char *what, unsigned track, struct str name)
{
    json_write_begin_object(w);
    json_write_field_c(w, "ph", "M");
    json_write_field_int(w, "pid", 1);
    json_write_field_int(w, "tid", track);
    json_write_field_c(w, "name", what);
    json_write_key(w, "args");
    json_write_begin_object(w);
    json_write_field_str(w, "name", name);
    json_write_end_object(w);
    json_write_end_object(w);
}

static void write_tracks(struct json_writer *w, const char *what, unsigned first, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char name[40];
        snprintf(name, sizeof(name), "%s %zu", what, i + 1);
        write_name(w, "thread_name", first + (unsigned)i, str_from(name));
    }
}

static void write_span(struct json_writer *w, const struct trace_span *span, uint64_t zero_us)
{
    static const char *const categories[] = {[TRACE_TURN] = "turn",
                                             [TRACE_STEP] = "step",
                                             [TRACE_STAGE] = "stage",
                                             [TRACE_CALL] = "call",
                                             [TRACE_EDITOR] = "editor"};
    json_write_begin_object(w);
    json_write_field_c(w, "name", span->name);
    json_write_field_c(w, "cat", categories[span->kind]);
    json_write_field_c(w, "ph", "X");
    json_write_field_int(w, "ts", (int64_t)(span->start_us - zero_us));
    json_write_field_int(w, "dur", (int64_t)(span->end_us - span->start_us));
    json_write_field_int(w, "pid", 1);
    json_write_field_int(w, "tid", span->track);
    if (span->note[0]) {
        json_write_key(w, "args");
        json_write_begin_object(w);
        json_write_field_c(w, "note", span->note);
        json_write_end_object(w);
    }
    json_write_end_object(w);
}

void trace_append_chrome(const struct trace_spans *spans, struct str title, struct buf *out)
{
    struct json_writer w;
    uint64_t zero_us = UINT64_MAX;
    for (size_t i = 0; i < spans->list.len; i++)
        if (spans->list.ptr[i].start_us < zero_us)
            zero_us = spans->list.ptr[i].start_us;
    json_writer_init(&w, out);
    json_write_begin_object(&w);
    json_write_field_c(&w, "displayTimeUnit", "ms");
    json_write_key(&w, "traceEvents");
    json_write_begin_array(&w);
    write_name(&w, "process_name", 0, title.len > 0 ? title : STR("lanebridge"));
    write_name(&w, "thread_name", TURN_TRACK, STR("turns"));
    write_tracks(&w, "calls", CALL_TRACK, spans->calls.ends.len);
    write_tracks(&w, "editor", EDITOR_TRACK, spans->editor.ends.len);
    for (size_t i = 0; i < spans->list.len; i++)
        write_span(&w, &spans->list.ptr[i], zero_us);
    json_write_end_array(&w);
    json_write_end_object(&w);
    buf_append_byte(out, '\n');
}
