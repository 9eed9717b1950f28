/* Spans of a turn as the Chrome trace format wants them: complete events that lie within or behind
 * each other on their track. */
#include <criterion/criterion.h>
#include <lanebridge/json.h>
#include <string.h>

#include "../../../server/cli/trace-internal.h"
#include "../journal/support.h"

TestSuite(trace, .timeout = 10);

enum { BEGIN_MS = 1000000 };

struct page {
    struct journal *journal;
    char thread[ID_BYTES], turn[ID_BYTES];
    struct trace_spans spans;
    struct json_value *chrome;
};

static void page_init(struct page *page)
{
    *page = (struct page){0};
    make_folder();
    wall_ms = BEGIN_MS;
    page->journal = open_journal();
    cr_assert_eq(journal_thread_create(page->journal, STR("/w"), STR("m"), page->thread, NULL),
                 STATUS_OK);
    cr_assert_eq(journal_turn_create(page->journal, page->thread, page->turn, NULL), STATUS_OK);
}

static void page_finish(struct page *page)
{
    trace_finish(&page->spans);
    json_free(page->chrome);
    journal_close(page->journal);
    remove_folder();
}

static void call(struct page *page, const char *thread, const char *id, const char *name,
                 uint64_t from, uint64_t to)
{
    wall_ms = BEGIN_MS + from;
    cr_assert_eq(journal_call_start(page->journal, thread, page->turn, str_from(id), str_from(name),
                                    STR("{\"question\":\"why?\",\"path\":\"a.c\"}"), STR("allowed"),
                                    NULL),
                 STATUS_OK);
    wall_ms = BEGIN_MS + to;
    if (to > from)
        journal_call_finish(page->journal, thread, str_from(id), STR("out"), true, NULL);
}

static void end_turn(struct page *page, const char *turn, uint64_t at, const char *usage)
{
    wall_ms = BEGIN_MS + at;
    journal_turn_end(page->journal, turn, "completed", str_from(usage), STR(""), NULL);
}

static bool take(void *user, const struct journal_turn *turn)
{
    struct page *page = user;
    struct journal_turn copy = *turn;
    char *usage = str_dup_c(turn->usage_json), *id = str_dup_c(turn->id);
    copy.usage_json = str_from(usage);
    copy.id = str_from(id);
    copy.prompt = STR("look \"around\"\n");
    copy.error = copy.status = copy.input_json = copy.mode = STR("");
    trace_collect(page->journal, page->thread, &copy, &page->spans);
    mem_free(usage);
    mem_free(id);
    return false;
}

static const struct json_value *load(struct page *page)
{
    struct buf out = {0};
    struct err err = {0};
    journal_turn_each(page->journal, page->thread, take, page, NULL);
    trace_append_chrome(&page->spans, STR("a thread"), &out);
    cr_assert_eq(json_parse(buf_str(&out), &page->chrome, &err), STATUS_OK, "%s\n%s", err.text,
                 out.ptr);
    buf_finish(&out);
    return json_get(page->chrome, "traceEvents");
}

static int64_t number(const struct json_value *event, const char *member)
{
    const struct json_value *value = json_get(event, member);
    cr_assert(json_is(value, JSON_NUMBER), "%s is no number", member);
    return json_int(value, -1);
}

static bool is_complete(const struct json_value *event)
{
    return str_eq_c(json_get_str(event, "ph"), "X");
}

/* What viewers demand: two events of a track are apart, or one is within the other. */
static void check_pair(const struct json_value *a, const struct json_value *b)
{
    int64_t a0 = number(a, "ts"), a1 = a0 + number(a, "dur");
    int64_t b0 = number(b, "ts"), b1 = b0 + number(b, "dur");
    bool apart = a1 <= b0 || b1 <= a0, within = (a0 <= b0 && b1 <= a1) || (b0 <= a0 && a1 <= b1);
    cr_assert(apart || within, STR_FMT " %lld-%lld and " STR_FMT " %lld-%lld are on one track",
              STR_ARG(json_get_str(a, "name")), (long long)a0, (long long)a1,
              STR_ARG(json_get_str(b, "name")), (long long)b0, (long long)b1);
}

static size_t check(const struct json_value *events)
{
    size_t count = 0;
    cr_assert(json_is(events, JSON_ARRAY));
    for (const struct json_value *a = json_first(events); a; a = json_next(a)) {
        cr_assert_gt(json_get_str(a, "name").len, 0);
        cr_assert_geq(number(a, "pid"), 0);
        cr_assert_geq(number(a, "tid"), 0);
        if (!is_complete(a)) {
            cr_assert(str_eq_c(json_get_str(a, "ph"), "M"));
            continue;
        }
        count++;
        cr_assert_geq(number(a, "ts"), 0);
        cr_assert_geq(number(a, "dur"), 0);
        for (const struct json_value *b = json_next(a); b; b = json_next(b))
            if (is_complete(b) && number(a, "tid") == number(b, "tid"))
                check_pair(a, b);
    }
    return count;
}

static const struct json_value *find(const struct json_value *events, const char *name)
{
    for (const struct json_value *one = json_first(events); one; one = json_next(one))
        if (is_complete(one) && str_starts_with(json_get_str(one, "name"), str_from(name)))
            return one;
    cr_assert_fail("there is no %s", name);
    return NULL;
}

static const char spans[] =
    "{\"timing\":{\"totalMs\":100},\"spans\":["
    "{\"step\":1,\"at\":0,\"queue\":1,\"network\":2,\"server\":3,\"output\":14},"
    "{\"editor\":\"lanebridge/editor/save\",\"at\":50,\"ms\":30},"
    "{\"editor\":\"workspace/applyEdit\",\"at\":40,\"ms\":20},"
    "{\"step\":2,\"at\":80,\"queue\":0,\"network\":5,\"server\":0,\"output\":10}]}";

Test(trace, steps_calls_and_the_editor)
{
    struct page page;
    page_init(&page);
    call(&page, page.thread, "c1", "read_file", 10, 60);
    call(&page, page.thread, "c2", "grep", 12, 30);
    call(&page, page.thread, "c3", "list_dir", 65, 70);
    end_turn(&page, page.turn, 100, spans);
    const struct json_value *events = load(&page);
    cr_assert_eq(check(events),
                 1 + 2 + 4 + 2 + 3 + 2); /* turn, steps and their stages, calls, editor */
    cr_assert_eq(number(find(events, "step 1"), "ts"), 0);
    cr_assert_eq(number(find(events, "step 1"), "dur"), 20000);
    cr_assert_eq(number(find(events, "server until first output"), "ts"), 3000);
    cr_assert_eq(number(find(events, "step 1"), "tid"),
                 number(find(events, "look \"around\""), "tid"));
    cr_assert_neq(number(find(events, "read_file"), "tid"), number(find(events, "grep"), "tid"));
    cr_assert_eq(number(find(events, "workspace/applyEdit"), "ts"), 40000);
    page_finish(&page);
}

Test(trace, a_helper_lies_within_its_call)
{
    struct page page;
    char helper[ID_BYTES], turn[ID_BYTES];
    page_init(&page);
    call(&page, page.thread, "e1", "explore", 10, 60);
    cr_assert_eq(journal_helper_create(page.journal, page.thread, STR("e1"), helper, NULL),
                 STATUS_OK);
    wall_ms = BEGIN_MS + 9; /* by another clock a little before its call, and longer */
    cr_assert_eq(journal_turn_create(page.journal, helper, turn, NULL), STATUS_OK);
    call(&page, helper, "g1", "grep", 20, 25);
    end_turn(&page, turn, 64, spans);
    end_turn(&page, page.turn, 100, spans);
    const struct json_value *events = load(&page);
    check(events);
    const struct json_value *outer = find(events, "explore"), *inner = find(events, "helper");
    cr_assert_eq(number(outer, "tid"), number(inner, "tid"));
    cr_assert_geq(number(inner, "ts"), number(outer, "ts"));
    cr_assert_leq(number(inner, "ts") + number(inner, "dur"),
                  number(outer, "ts") + number(outer, "dur"));
    cr_assert_neq(number(find(events, "grep"), "tid"), number(inner, "tid"));
    page_finish(&page);
}

Test(trace, what_the_journal_does_not_know_breaks_nothing)
{
    static const char *const usages[] = {
        "",
        "{}",
        "[]",
        "{\"spans\":[1,{},{\"at\":-5},{\"step\":1,\"at\":900000,\"queue\":5}]}",
        "{\"timing\":{\"totalMs\":-1},\"spans\":{\"a\":1}}",
        "no json"};
    for (size_t i = 0; i < array_count(usages); i++) {
        struct page page;
        page_init(&page);
        call(&page, page.thread, "c1", "exec_command", 10, 10); /* its end is not known */
        call(&page, page.thread, "c2", "no_such_tool", 500, 600);
        end_turn(&page, page.turn, 100, usages[i]);
        cr_assert_geq(check(load(&page)), 3, "%s", usages[i]);
        page_finish(&page);
    }
}

Test(trace, lines_are_a_tree_over_time)
{
    struct page page;
    struct buf out = {0};
    page_init(&page);
    call(&page, page.thread, "c1", "read_file", 25, 50);
    end_turn(&page, page.turn, 100, spans);
    load(&page);
    trace_append_lines(&page.spans, &out);
    buf_append_c(&out, "");
    cr_assert(
        strstr(out.ptr,
               "      0.000 s     0.020 s |######                        | step 1: queue 1 ms, "),
        "%s", out.ptr);
    cr_assert(strstr(out.ptr, "      0.040 s     0.020 s |            ######            | editor: "
                              "workspace/applyEdit\n"),
              "%s", out.ptr);
    cr_assert(strstr(out.ptr, "| read_file: a.c"), "%s", out.ptr);
    buf_finish(&out);
    page_finish(&page);
}
