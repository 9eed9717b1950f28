/* What was sent, part by part: the items of a request are looked at again, each told by what it is,
 * which file and lines it shows, how large it is and how often something was taken out of it. */
#include "report.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

enum { BYTES_PER_TOKEN = 4, LABEL_BYTES = 160, CALLS_COUNT = 1000000 };

struct part {
    struct buf label, path, lines;
    size_t bytes, redactions;
};
struct request {
    struct journal_sent sent; /* without its texts */
    char thread_id[ID_BYTES]; /* a helper's is one of its own */
    struct buf turn_id, kind, host;
    VEC(struct part *) parts;
};
struct call {
    char *name, *arguments;
};
struct report {
    struct journal *journal;
    char thread_id[ID_BYTES];
    struct buf turn_id;
    VEC(struct request *) requests;
    struct request *request; /* being filled */
    struct map calls;        /* call_id -> struct call */
};

/* -- Memory ----------------------------------------------------------------------------------- */

static void request_free(struct request *request)
{
    for (size_t i = 0; i < request->parts.len; i++) {
        struct part *part = request->parts.ptr[i];
        buf_finish(&part->label);
        buf_finish(&part->path);
        buf_finish(&part->lines);
        mem_free(part);
    }
    vec_finish(&request->parts);
    buf_finish(&request->turn_id);
    buf_finish(&request->kind);
    buf_finish(&request->host);
    mem_free(request);
}

static void report_finish(struct report *report)
{
    struct str id;
    void *value;
    for (size_t i = 0; i < report->requests.len; i++)
        request_free(report->requests.ptr[i]);
    vec_finish(&report->requests);
    for (size_t i = 0; map_next(&report->calls, &i, &id, &value);) {
        struct call *call = value;
        mem_free(call->name);
        mem_free(call->arguments);
        mem_free(call);
    }
    map_finish(&report->calls);
    buf_finish(&report->turn_id);
}

/* -- Parts ------------------------------------------------------------------------------------ */

static size_t count_redactions(struct str text)
{
    size_t count = 0;
    for (size_t at = 0; (at = str_find(text, STR("[redacted]"), at)) != STR_NONE; at++)
        count++;
    return count;
}

static struct part *add_part(struct report *report, const char *label, struct str text)
{
    struct part *part = mem_new(struct part);
    buf_append_c(&part->label, label);
    part->bytes = text.len;
    part->redactions = count_redactions(text);
    vec_push(&report->request->parts, part);
    return part;
}

/* "selection of src/a.c, lines 3-9" */
static void read_selection(struct part *part, struct str label)
{
    struct str prefix = STR("selection of ");
    size_t comma = str_find(label, STR(", lines "), 0);
    if (!str_starts_with(label, prefix) || comma == STR_NONE)
        return;
    utf8_append_line(&part->path, str_slice(label, prefix.len, comma), LABEL_BYTES);
    utf8_append_line(&part->lines, str_skip(label, comma + strlen(", lines ")), LABEL_BYTES);
}

/* What came with a prompt: <context label="…">…</context>, then the prompt itself. */
static void add_prompt(struct report *report, struct str text)
{
    struct str begin = STR("<context label=\""), end = STR("\n</context>\n");
    while (str_starts_with(text, begin)) {
        size_t quote = str_find(text, STR("\">\n"), 0), close = str_find(text, end, 0);
        if (quote == STR_NONE || close == STR_NONE || close < quote + 3)
            break;
        struct str label = str_slice(text, begin.len, quote);
        struct part *part = add_part(report, "", str_slice(text, quote + 3, close));
        utf8_append_line(&part->label, label, LABEL_BYTES);
        read_selection(part, label);
        text = str_skip(text, close + end.len);
    }
    if (text.len > 0)
        add_part(report, "prompt", text);
}

/* The environment, and the files that are told with it: <file path="AGENTS.md" …>…</file>. */
static void add_environment(struct report *report, struct str text)
{
    size_t at = str_find(text, STR("\n<file path=\""), 0);
    add_part(report, "environment", str_slice(text, 0, at == STR_NONE ? text.len : at));
    while (at != STR_NONE) {
        struct str file = str_skip(text, at + strlen("\n<file path=\""));
        size_t quote = str_find_byte(file, '"', 0), close = str_find(file, STR("\n</file>"), 0);
        if (quote == STR_NONE)
            return;
        struct part *part = add_part(report, "file of the folder",
                                     str_slice(file, 0, close == STR_NONE ? file.len : close));
        utf8_append_line(&part->path, str_slice(file, 0, quote), LABEL_BYTES);
        text = file;
        at = str_find(text, STR("\n<file path=\""), 0);
    }
}

static void add_message(struct report *report, const struct journal_item *item,
                        const struct json_value *value)
{
    struct str role = json_get_str(value, "role");
    struct buf text = {0};
    for (const struct json_value *part = json_first(json_get(value, "content")); part;
         part = json_next(part))
        buf_append(&text, json_get_str(part, "text"));
    struct str all = buf_str(&text);
    if (str_eq_c(item->kind, "output"))
        add_part(report, "answer of the model", item->json);
    else if (str_eq_c(role, "developer"))
        add_part(report, "instructions", all);
    else if (str_starts_with(all, STR("<environment>")))
        add_environment(report, all);
    else if (str_eq_c(item->kind, "context"))
        add_part(report, "note", all);
    else
        add_prompt(report, all);
    buf_finish(&text);
}

/* Where read_file says which lines it shows. */
static void read_lines(struct part *part, struct str output)
{
    size_t end = str_find_byte(output, '\n', 0);
    struct str first = str_slice(output, 0, end == STR_NONE ? output.len : end);
    size_t at = str_find(first, STR(", lines "), 0);
    size_t close = at == STR_NONE ? STR_NONE : str_find(first, STR(" of "), at);
    if (close != STR_NONE)
        utf8_append_line(&part->lines, str_slice(first, at + strlen(", lines "), close),
                         LABEL_BYTES);
}

/* The arguments that say what it was about. Names and arguments are the model's text: one line,
 * nothing that hides. */
static void describe_call(struct part *part, const struct call *call)
{
    static const char *const telling[] = {"cmd", "pattern", "glob", "session_id", "question"};
    struct json_value *arguments = NULL;
    utf8_append_line(&part->label, str_from(call->name), LABEL_BYTES);
    if (json_parse(str_from(call->arguments), &arguments, NULL) == STATUS_OK) {
        utf8_append_line(&part->path, json_get_str(arguments, "path"), LABEL_BYTES);
        for (size_t i = 0; i < array_count(telling); i++) {
            struct str text = json_get_str(arguments, telling[i]);
            if (text.len > 0) {
                buf_append_c(&part->label, ": ");
                utf8_append_line(&part->label, text, LABEL_BYTES);
            }
        }
    }
    json_free(arguments);
}

static void add_output(struct report *report, const struct json_value *value)
{
    struct str output = json_get_str(value, "output");
    const struct call *call = map_get(&report->calls, json_get_str(value, "call_id"));
    struct part *part = add_part(report, call ? "output of " : "output of a call", output);
    if (!call)
        return;
    describe_call(part, call);
    if (strcmp(call->name, "read_file") == 0)
        read_lines(part, output);
}

static void add_model_call(struct report *report, const struct json_value *value, struct str json)
{
    struct part *part = add_part(report, "the model's call of ", json);
    utf8_append_line(&part->label, json_get_str(value, "name"), LABEL_BYTES);
}

static bool on_item(void *user, const struct journal_item *item)
{
    struct report *report = user;
    struct json_value *value = NULL;
    if (item->seq > report->request->sent.last_seq)
        return false;
    if (json_parse(item->json, &value, NULL) < 0)
        return true;
    struct str type = json_get_str(value, "type");
    if (str_eq_c(type, "message") || type.len == 0)
        add_message(report, item, value);
    else if (str_ends_with(type, STR("_output")))
        add_output(report, value);
    else if (str_eq_c(type, "function_call") || str_eq_c(type, "custom_tool_call"))
        add_model_call(report, value, item->json);
    else if (str_eq_c(type, "reasoning"))
        add_part(report, "the model's reasoning", item->json);
    else if (str_eq_c(type, "compaction"))
        add_part(report, "compacted conversation", item->json);
    else
        utf8_append_line(&add_part(report, "", item->json)->label, type, LABEL_BYTES);
    json_free(value);
    return true;
}

/* -- Collecting ------------------------------------------------------------------------------- */

static bool on_call(void *user, const struct journal_call *stored)
{
    struct report *report = user;
    if (map_has(&report->calls, stored->call_id))
        return true;
    struct call *call = mem_new(struct call);
    *call = (struct call){str_dup_c(stored->name), str_dup_c(stored->arguments)};
    map_set(&report->calls, stored->call_id, call);
    return true;
}

static bool on_sent(void *user, const struct journal_sent *sent)
{
    struct report *report = user;
    struct request *request = mem_new(struct request);
    request->sent = *sent;
    memcpy(request->thread_id, sent->thread_id.ptr,
           sent->thread_id.len < ID_BYTES ? sent->thread_id.len : 0);
    buf_append(&request->turn_id, sent->turn_id);
    buf_append(&request->kind, sent->kind);
    buf_append(&request->host, sent->host);
    vec_push(&report->requests, request);
    return true;
}

/* A helper whose conversation was not held sends that of the thread before its own. */
static void add_before(struct report *report)
{
    const struct request *request = report->request;
    size_t own = request->parts.len, bytes = request->sent.tools_bytes;
    if (!str_eq_c(buf_str(&request->kind), "helper") || own >= request->sent.items)
        return;
    for (size_t i = 0; i < own; i++)
        bytes += request->parts.ptr[i]->bytes;
    struct part *part = add_part(report, "the conversation that it helps in", (struct str){0});
    part->bytes = request->sent.bytes > bytes ? request->sent.bytes - bytes : 0;
}

static void fill_requests(struct report *report)
{
    for (size_t i = 0; i < report->requests.len; i++) {
        report->request = report->requests.ptr[i];
        if (report->request->sent.first_seq > 0)
            journal_item_each(report->journal, report->request->thread_id,
                              report->request->sent.first_seq, on_item, report, NULL);
        add_before(report);
        if (report->request->sent.tools_bytes > 0)
            add_part(report, "tools", (struct str){0})->bytes = report->request->sent.tools_bytes;
    }
}

static enum status report_collect(struct report *report, struct str turn_id, struct err *err)
{
    char latest[ID_BYTES] = "";
    enum status status = STATUS_OK;
    if (turn_id.len == 0)
        status = journal_sent_latest(report->journal, latest, err);
    buf_append(&report->turn_id, turn_id.len > 0 ? turn_id : str_from(latest));
    if (status == STATUS_OK)
        status =
            journal_turn_thread(report->journal, buf_str(&report->turn_id), report->thread_id, err);
    if (status < 0)
        return status;
    journal_call_each(report->journal, str_from(report->thread_id), STR(""), CALLS_COUNT, on_call,
                      report, NULL);
    journal_call_each(report->journal, STR(""), buf_str(&report->turn_id), CALLS_COUNT, on_call,
                      report, NULL); /* of its helpers */
    journal_sent_each(report->journal, buf_str(&report->turn_id), on_sent, report, NULL);
    fill_requests(report);
    return STATUS_OK;
}

/* -- As JSON ---------------------------------------------------------------------------------- */

static void write_part(struct json_writer *w, const struct part *part)
{
    json_write_begin_object(w);
    json_write_field_str(w, "label", buf_str(&part->label));
    if (part->path.len > 0)
        json_write_field_str(w, "path", buf_str(&part->path));
    if (part->lines.len > 0)
        json_write_field_str(w, "lines", buf_str(&part->lines));
    json_write_field_int(w, "bytes", (int64_t)part->bytes);
    json_write_field_int(w, "tokens",
                         (int64_t)(part->bytes + BYTES_PER_TOKEN - 1) / BYTES_PER_TOKEN);
    json_write_field_int(w, "redactions", (int64_t)part->redactions);
    json_write_end_object(w);
}

static void write_request(struct json_writer *w, const struct request *request)
{
    const struct journal_sent *sent = &request->sent;
    json_write_begin_object(w);
    json_write_field_int(w, "sent", (int64_t)sent->sent_ms);
    json_write_field_str(w, "kind", buf_str(&request->kind));
    json_write_field_str(w, "host", buf_str(&request->host));
    json_write_field_int(w, "bytes", (int64_t)sent->bytes);
    json_write_field_bool(w, "continued", sent->continued);
    if (sent->input_tokens > 0) {
        json_write_field_int(w, "inputTokens", sent->input_tokens);
        json_write_field_int(w, "cachedTokens", sent->cached_tokens);
        json_write_field_int(w, "outputTokens", sent->output_tokens);
    }
    json_write_key(w, "parts");
    json_write_begin_array(w);
    for (size_t i = 0; i < request->parts.len; i++)
        write_part(w, request->parts.ptr[i]);
    json_write_end_array(w);
    json_write_end_object(w);
}

enum status report_sent_json(struct journal *journal, struct str turn_id, struct buf *json,
                             struct err *err)
{
    struct report report = {.journal = journal};
    enum status status = report_collect(&report, turn_id, err);
    if (status == STATUS_OK) {
        struct json_writer w;
        json_writer_init(&w, json);
        json_write_begin_object(&w);
        json_write_field_str(&w, "turnId", buf_str(&report.turn_id));
        json_write_key(&w, "requests");
        json_write_begin_array(&w);
        for (size_t i = 0; i < report.requests.len; i++)
            write_request(&w, report.requests.ptr[i]);
        json_write_end_array(&w);
        json_write_end_object(&w);
    }
    report_finish(&report);
    return status;
}

/* -- As text ---------------------------------------------------------------------------------- */

void report_append_time(struct buf *text, uint64_t ms)
{
    time_t seconds = (time_t)(ms / 1000);
    struct tm local;
    char at[32] = "";
    if (localtime_r(&seconds, &local))
        strftime(at, sizeof(at), "%Y-%m-%d %H:%M:%S", &local);
    buf_append_c(text, at);
}

static void append_part(struct buf *text, const struct part *part)
{
    size_t tokens = (part->bytes + BYTES_PER_TOKEN - 1) / BYTES_PER_TOKEN;
    buf_append_fmt(text, "  %10zu bytes  ~%7zu tokens  " STR_FMT, part->bytes, tokens,
                   STR_ARG(buf_str(&part->label)));
    if (part->path.len > 0)
        buf_append_fmt(text, "  %s", part->path.ptr);
    if (part->lines.len > 0)
        buf_append_fmt(text, " lines %s", part->lines.ptr);
    if (part->redactions > 0)
        buf_append_fmt(text, "  (%zu taken out)", part->redactions);
    buf_append_byte(text, '\n');
}

static void append_request(struct buf *text, const struct request *request)
{
    const struct journal_sent *sent = &request->sent;
    report_append_time(text, sent->sent_ms);
    buf_append_fmt(text, "  " STR_FMT " to " STR_FMT ": %llu bytes, %s",
                   STR_ARG(buf_str(&request->kind)),
                   STR_ARG(request->host.len ? buf_str(&request->host) : STR("the endpoint")),
                   (unsigned long long)sent->bytes,
                   sent->continued ? "only what was new" : "the whole conversation");
    if (sent->input_tokens > 0)
        buf_append_fmt(text, "; it counted %lld tokens in (%lld cached), %lld out",
                       (long long)sent->input_tokens, (long long)sent->cached_tokens,
                       (long long)sent->output_tokens);
    buf_append_byte(text, '\n');
    for (size_t i = 0; i < request->parts.len; i++)
        append_part(text, request->parts.ptr[i]);
}

enum status report_sent_text(struct journal *journal, struct str turn_id, struct buf *text,
                             struct err *err)
{
    struct report report = {.journal = journal};
    enum status status = report_collect(&report, turn_id, err);
    if (status == STATUS_OK) {
        buf_append_fmt(text, STR_FMT " (%s): %zu requests\n", STR_ARG(buf_str(&report.turn_id)),
                       report.thread_id, report.requests.len);
        for (size_t i = 0; i < report.requests.len; i++)
            append_request(text, report.requests.ptr[i]);
    }
    report_finish(&report);
    return status;
}

/* -- Rules ------------------------------------------------------------------------------------ */

void report_rules_json(struct policy *policy, struct str folder, struct buf *json)
{
    static const char *const scopes[] = {"once", "turn", "session", "workspace"};
    struct json_writer w;
    struct policy_rule rule;
    json_writer_init(&w, json);
    json_write_begin_object(&w);
    json_write_key(&w, "rules");
    json_write_begin_array(&w);
    size_t count = policy_rule_count(policy);
    for (size_t i = 0; i < count; i++) {
        const char *root = policy_rule_root(policy, i);
        if (folder.len && root && !str_eq_c(folder, root))
            continue;
        policy_rule_get(policy, i, &rule);
        json_write_begin_object(&w);
        json_write_field_c(&w, "id", rule.id);
        json_write_field_c(&w, "scope", scopes[rule.scope]);
        json_write_field_c(&w, "text", rule.text);
        if (root)
            json_write_field_c(&w, "folder", root);
        json_write_end_object(&w);
    }
    json_write_end_array(&w);
    json_write_end_object(&w);
}
