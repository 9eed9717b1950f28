/* Records: what is new in a response, and the walk over the whole. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "../../../server/endpoint/record-internal.h"

TestSuite(record, .timeout = 60);

static struct record *make(struct held *held, struct record *parent, const char *input,
                           const char *output)
{
    struct record *record = record_new(held, 2, parent);
    record_add_input(record, str_from(input));
    if (output)
        record_add_output(record, str_from(output));
    return record;
}

static void expect_history(const struct record *last, const struct record *after, const char *want)
{
    struct record_walk walk;
    struct str item;
    struct buf got = {0};
    buf_append_c(&got, "");
    record_walk_init(&walk, last, after);
    while (record_walk_next(&walk, &item))
        buf_append_fmt(&got, "%s" STR_FMT " ", walk.is_output ? ">" : "<", STR_ARG(item));
    record_walk_finish(&walk);
    cr_expect_str_eq(got.ptr, want);
    buf_finish(&got);
}

Test(record, history_is_input_and_output_of_all_in_order)
{
    struct held held = {0};
    struct record *a = make(&held, NULL, "[ {\"n\" :1} , {\"n\":2}\n]", "{\"n\":3}");
    struct record *b = make(&held, a, "[]", "{\"n\":4}");
    struct record *c = make(&held, b, "[{\"n\":5}]", NULL);
    expect_history(c, NULL, "<{\"n\" :1} <{\"n\":2} >{\"n\":3} >{\"n\":4} <{\"n\":5} ");
    expect_history(c, a, ">{\"n\":4} <{\"n\":5} ");
    expect_history(c, c, "");
    cr_expect_eq(c->item_count, 5);
    cr_expect_eq(c->depth, 2);
    struct buf all = {0};
    record_walk_append(&all, c);
    cr_expect_str_eq(all.ptr, "[{\"n\" :1},{\"n\":2},{\"n\":3},{\"n\":4},{\"n\":5}]");
    buf_finish(&all);
    record_unref(a);
    record_unref(b);
    record_unref(c);
    cr_expect_eq(held.records, 0);
    cr_expect_eq(held.bytes, 0);
}

Test(record, forks_share_what_came_before_them)
{
    struct held held = {0};
    struct record *root = make(&held, NULL, "\"hi\"", "{\"n\":1}");
    struct record *left = make(&held, root, "[{\"l\":1}]", NULL);
    struct record *right = make(&held, root, "[{\"r\":1}]", NULL);
    record_unref(root);
    expect_history(left, NULL,
                   "<{\"type\":\"message\",\"role\":\"user\",\"content\":\"hi\"} >{\"n\":1} "
                   "<{\"l\":1} ");
    record_unref(left);
    cr_expect_eq(held.records, 2);
    expect_history(right, root, "<{\"r\":1} ");
    record_unref(right);
    cr_expect_eq(held.records, 0);
}

Test(record, a_step_costs_what_is_new_in_it)
{
    struct held held = {0};
    struct buf big = {0};
    buf_append_c(&big, "[\"");
    buf_append_repeat(&big, 'x', MIB);
    buf_append_c(&big, "\"]");
    struct record *last = make(&held, NULL, big.ptr, NULL);
    size_t before = held.bytes;
    enum { STEPS = 100000 };
    for (int i = 0; i < STEPS; i++) {
        struct record *next = make(&held, last, "[{\"n\":1}]", "{\"n\":2}");
        record_unref(last);
        last = next;
    }
    cr_expect_eq(last->item_count, 1 + 2 * STEPS);
    cr_expect_lt((held.bytes - before) / STEPS, 1024, "%zu", (held.bytes - before) / STEPS);
    record_unref(last); /* a chain this long is freed without recursion */
    cr_expect_eq(held.records, 0);
    buf_finish(&big);
}

Test(record, what_nobody_can_ask_for_is_let_go)
{
    struct held held = {0};
    struct record *record = make(&held, NULL, "[]", NULL);
    size_t before = held.bytes;
    record_set_settings(record, STR("\"model\":\"m\","));
    record_set_response(record, STR("{\"id\":\"r\"}"));
    record_set_response(record, STR("{\"id\":\"r\",\"status\":\"completed\"}"));
    cr_expect(held.bytes > before);
    record_strip(record);
    cr_expect_eq(held.bytes, before);
    cr_expect_null(record->response);
    record_unref(record);
}
