#include "typist.h"

#include <string.h>

#include <lanebridge/json.h>

#include "check.h"
#include "plain.h"

enum { LATE_MS = 4, EDITS_MAX = 64 };

/* -- Telling ----------------------------------------------------------------------------------- */

static void write_position(struct json_writer *w, const char *key, struct position position)
{
    json_write_key(w, key);
    json_write_begin_object(w);
    json_write_field_int(w, "line", position.line);
    json_write_field_int(w, "character", position.character);
    json_write_end_object(w);
}

static void begin_change(const struct typist *t, struct json_writer *w, struct buf *json)
{
    json_writer_init(w, json);
    json_write_begin_object(w);
    json_write_key(w, "textDocument");
    json_write_begin_object(w);
    json_write_field_c(w, "uri", t->uri);
    json_write_field_int(w, "version", t->version);
    json_write_end_object(w);
    json_write_key(w, "contentChanges");
    json_write_begin_array(w);
}

static void end_change(struct typist *t, struct json_writer *w, struct buf *json)
{
    json_write_end_array(w);
    json_write_end_object(w);
    vec_push(&t->unsent, buf_take(json));
}

/* The buffer changes, and the change is written as the protocol has it: where it was before. */
static void change(struct typist *t, struct json_writer *w, size_t start, size_t end,
                   struct str with)
{
    struct buf next = {0};
    struct str now = buf_str(&t->text);
    CHECK(start <= end && end <= now.len, "the editor's own change does not fit");
    json_write_begin_object(w);
    json_write_key(w, "range");
    json_write_begin_object(w);
    write_position(w, "start", plain_position(now, t->encoding, start));
    write_position(w, "end", plain_position(now, t->encoding, end));
    json_write_end_object(w);
    json_write_field_str(w, "text", with);
    json_write_end_object(w);
    buf_append(&next, str_slice(now, 0, start));
    buf_append(&next, with);
    buf_append(&next, str_skip(now, end));
    buf_move(&t->text, &next);
}

static void tell_one(struct typist *t, size_t start, size_t end, struct str with)
{
    struct buf json = {0};
    struct json_writer w;
    t->version += t->habits.step;
    begin_change(t, &w, &json);
    change(t, &w, start, end, with);
    end_change(t, &w, &json);
}

static void tell_whole(struct typist *t, struct str text)
{
    struct buf json = {0}, copy = {0};
    struct json_writer w;
    t->version += t->habits.step;
    begin_change(t, &w, &json);
    json_write_begin_object(&w);
    json_write_field_str(&w, "text", text);
    json_write_end_object(&w);
    end_change(t, &w, &json);
    buf_append(&copy, text);
    buf_move(&t->text, &copy);
}

void typist_send_all(struct typist *t)
{
    loop_timer_stop(t->timer);
    for (size_t i = 0; i < t->unsent.len; i++) {
        jsonrpc_notify(t->peer, "textDocument/didChange", str_from(t->unsent.ptr[i]));
        mem_free(t->unsent.ptr[i]);
    }
    vec_clear(&t->unsent);
}

static void trace(const struct typist *t, const char *what, struct str more)
{
    if (getenv("PROPERTY_TRACE"))
        fprintf(stderr, "--- editor: %s " STR_FMT " at version %lld:\n" STR_FMT "\n", what,
                STR_ARG(more), (long long)t->version, STR_ARG(buf_str(&t->text)));
}

void typist_type(struct typist *t, size_t start, size_t end, struct str with)
{
    trace(t, "typing", with);
    tell_one(t, start, end, with);
    typist_send_all(t);
}

/* -- Edits of the server's --------------------------------------------------------------------- */

struct edit {
    size_t start, end;
    struct str with;
};
struct edits {
    struct edit at[EDITS_MAX];
    size_t count;
    bool has_version;
    int64_t version;
};

static size_t read_position(const struct typist *t, const struct json_value *position)
{
    struct position at = {(uint32_t)json_get_int(position, "line", -1),
                          (uint32_t)json_get_int(position, "character", -1)};
    size_t offset;
    plain_offset(buf_str(&t->text), t->encoding, at, &offset);
    return offset;
}

/* In order; what is beyond the text counts as its end, as editors do. */
static void read_edits(const struct typist *t, const struct json_value *params, struct edits *edits)
{
    const struct json_value *edit = json_get(params, "edit");
    const struct json_value *changes = json_get(edit, "documentChanges"), *list;
    *edits = (struct edits){.count = 0};
    if (changes) {
        const struct json_value *one = json_first(changes);
        CHECK(one && !json_next(one), "one file is open, and one was changed");
        CHECK(str_eq_c(json_get_str(json_get(one, "textDocument"), "uri"), t->uri), "its URI");
        edits->has_version = true;
        edits->version = json_get_int(json_get(one, "textDocument"), "version", -1);
        list = json_get(one, "edits");
    } else {
        list = json_get(json_get(edit, "changes"), t->uri);
        CHECK(list, "the changes of another file");
    }
    for (const struct json_value *one = json_first(list); one; one = json_next(one)) {
        const struct json_value *range = json_get(one, "range");
        CHECK(edits->count < EDITS_MAX, "too many edits");
        struct edit *e = &edits->at[edits->count++];
        *e = (struct edit){read_position(t, json_get(range, "start")),
                           read_position(t, json_get(range, "end")), json_get_str(one, "newText")};
        if (edits->count > 1 && e->start < e[-1].end)
            e->start = e[-1].end; /* both beyond the end */
        if (e->end < e->start)
            e->end = e->start;
    }
}

static void drop_some(struct typist *t, struct edits *edits)
{
    size_t kept = 0;
    for (size_t i = 0; i < edits->count; i++)
        if (random_once(t->random, 2))
            edits->at[kept++] = edits->at[i];
    edits->count = kept;
}

static void append_result(const struct typist *t, const struct edits *edits, struct buf *out)
{
    size_t done = 0;
    for (size_t i = 0; i < edits->count; i++) {
        buf_append(out, str_slice(buf_str(&t->text), done, edits->at[i].start));
        buf_append(out, edits->at[i].with);
        done = edits->at[i].end;
    }
    buf_append(out, str_skip(buf_str(&t->text), done));
}

/* May bytes be cut here? Positions know no middle of a character or of CRLF. */
static bool may_cut(struct str s, size_t at)
{
    if (at < s.len && ((unsigned char)s.ptr[at] & 0xC0) == 0x80)
        return false;
    return at == 0 || at >= s.len || s.ptr[at - 1] != '\r' || s.ptr[at] != '\n';
}

/* As one range around all that differs. */
static void tell_minimal(struct typist *t, struct str after)
{
    struct str before = buf_str(&t->text);
    size_t max = before.len < after.len ? before.len : after.len, front = 0, back = 0;
    while (front < max && before.ptr[front] == after.ptr[front])
        front++;
    while (!may_cut(before, front) || !may_cut(after, front))
        front--;
    while (back < max - front &&
           before.ptr[before.len - 1 - back] == after.ptr[after.len - 1 - back])
        back++;
    while (!may_cut(before, before.len - back) || !may_cut(after, after.len - back))
        back--;
    tell_one(t, front, before.len - back, str_slice(after, front, after.len - back));
}

static void land(struct typist *t, const struct edits *edits)
{
    struct buf json = {0}, after = {0};
    struct json_writer w;
    append_result(t, edits, &after);
    switch (t->habits.tell) {
    case TELL_RANGES:
        t->version += t->habits.step;
        begin_change(t, &w, &json);
        for (size_t i = edits->count; i-- > 0;)
            change(t, &w, edits->at[i].start, edits->at[i].end, edits->at[i].with);
        end_change(t, &w, &json);
        break;
    case TELL_PIECES:
        for (size_t i = edits->count; i-- > 0;)
            tell_one(t, edits->at[i].start, edits->at[i].end, edits->at[i].with);
        break;
    case TELL_WHOLE:
        tell_whole(t, buf_str(&after));
        break;
    case TELL_MINIMAL:
    case TELL_COUNT:
        tell_minimal(t, buf_str(&after));
        break;
    }
    CHECK(str_eq(buf_str(&t->text), buf_str(&after)), "the editor's own edit came out differently");
    buf_finish(&after);
}

static bool lands(struct typist *t, const struct edits *edits)
{
    if (!edits->has_version || edits->version == t->version)
        return true;
    bool does =
        t->habits.stale == STALE_LAND || (t->habits.stale == STALE_NEOVIM && edits->version == 0);
    t->landed_stale += does;
    return does;
}

static void answer(struct typist *t, const struct jsonrpc_message *message, bool landed)
{
    if (landed || t->habits.stale == STALE_SKIP || t->habits.stale == STALE_NEOVIM)
        jsonrpc_respond(t->peer, message->id, STR("{\"applied\":true}"));
    else if (t->habits.stale == STALE_ERROR)
        jsonrpc_respond_error(t->peer, message->id, JSONRPC_INTERNAL_ERROR, "edits are stale");
    else
        jsonrpc_respond(t->peer, message->id,
                        STR("{\"applied\":false,\"failureReason\":\"stale\"}"));
}

static void on_apply(struct typist *t, const struct jsonrpc_message *message)
{
    struct edits edits;
    t->edits++;
    t->on_moment(t->user, MOMENT_ARRIVED);
    read_edits(t, message->params, &edits);
    bool landed = lands(t, &edits);
    if (landed && t->habits.takes_part)
        drop_some(t, &edits);
    trace(t, landed ? "takes" : "does not take", message->raw_params);
    if (landed && edits.count > 0)
        land(t, &edits);
    if (t->habits.answers_first)
        answer(t, message, landed);
    if (t->habits.is_late && landed)
        loop_timer_start(t->timer, LATE_MS, 0);
    else
        typist_send_all(t);
    if (landed)
        t->on_moment(t->user, MOMENT_LANDED);
    if (!t->habits.answers_first)
        answer(t, message, landed);
    t->on_moment(t->user, MOMENT_ANSWERED);
}

/* -- The pipe ---------------------------------------------------------------------------------- */

static void on_request(void *user, const struct jsonrpc_message *message)
{
    struct typist *t = user;
    if (str_eq_c(message->method, "workspace/applyEdit"))
        on_apply(t, message);
    else
        jsonrpc_respond(t->peer, message->id, STR("null"));
}

static void on_notification(void *user, const struct jsonrpc_message *message)
{
    (void)user;
    CHECK(!str_eq_c(message->method, "window/showMessage"), STR_FMT, STR_ARG(message->raw_params));
}

static void on_unreadable(void *user, struct str method, struct str uri, const struct err *err)
{
    (void)user;
    (void)uri;
    CHECK(false, STR_FMT " cannot be read: %s", STR_ARG(method), err->text);
}

static void on_closed(void *user, enum status status)
{
    (void)user;
    (void)status;
}

static void on_timer(void *user)
{
    typist_send_all(user);
}

void typist_init(struct typist *t, struct loop *loop, int fd)
{
    static const struct jsonrpc_handlers handlers = {.on_request = on_request,
                                                     .on_notification = on_notification,
                                                     .on_unreadable = on_unreadable,
                                                     .on_closed = on_closed};
    *t = (struct typist){.loop = loop};
    t->timer = loop_timer_new(loop, on_timer, t);
    t->peer = jsonrpc_peer_new(loop, fd, fd, &handlers, t, NULL);
    CHECK(t->peer, "no pipe");
    jsonrpc_peer_start(t->peer);
}

void typist_finish(struct typist *t)
{
    jsonrpc_peer_free(t->peer);
    loop_timer_free(t->timer);
    buf_finish(&t->text);
    vec_finish(&t->unsent);
}

void typist_open(struct typist *t, const char *uri, const struct habits *habits, struct str text)
{
    struct buf json = {0};
    struct json_writer w;
    snprintf(t->uri, sizeof(t->uri), "%s", uri);
    t->habits = *habits;
    t->version = habits->version;
    buf_clear(&t->text);
    buf_append(&t->text, text);
    json_writer_init(&w, &json);
    json_write_begin_object(&w);
    json_write_key(&w, "textDocument");
    json_write_begin_object(&w);
    json_write_field_c(&w, "uri", t->uri);
    json_write_field_c(&w, "languageId", "text");
    json_write_field_int(&w, "version", t->version);
    json_write_field_str(&w, "text", text);
    json_write_end_object(&w);
    json_write_end_object(&w);
    jsonrpc_notify(t->peer, "textDocument/didOpen", buf_str(&json));
    buf_finish(&json);
}

void typist_close(struct typist *t)
{
    struct buf json = {0};
    typist_send_all(t);
    buf_append_fmt(&json, "{\"textDocument\":{\"uri\":\"%s\"}}", t->uri);
    jsonrpc_notify(t->peer, "textDocument/didClose", buf_str(&json));
    buf_finish(&json);
}
