/* Every call has one output, whatever it brings, and each tool ends where the reference says. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../../server/tools/tools-internal.h"
#include "offers.h"

/* -- One output per call, always ------------------------------------------------------------- */

static const char *const odd_arguments[] = {
    "",
    " ",
    "{",
    "null",
    "[]",
    "3",
    "'text'",
    "{}",
    "{'no_such_field':1}",
    "{'path':3,'glob':3,'pattern':3,'cmd':3,'plan':3,'questions':3,'session_id':'x'}",
    "{'path':'a','path':'b'}",
    "{'path':'\\u0000'}",
    "{'path':null,'pattern':null}",
};

/* on_done of the fixture's records checks that the journal has the same output, as done. */
Test(table, every_call_has_one_output_whatever_it_brings)
{
    struct fixture f;
    struct record r = {0};
    fixture_init(&f);
    put(&f, "a", "text\n");
    offer(&f, 31);
    for (size_t i = 0; table_at(i); i++) {
        for (size_t j = 0; j < array_count(odd_arguments); j++) {
            call(&f, &r, table_at(i)->name, odd_arguments[j]);
            cr_assert_eq(r.outputs, 1, "%s %s", table_at(i)->name, odd_arguments[j]);
            cr_assert_gt(strlen(r.text), 0);
        }
    }
    record_finish(&r);
    fixture_finish(&f);
}

static void cancel_it(struct record *record)
{
    tools_call_cancel(record->call);
}

/* Cancelled before it began, after some turns of the loop, and the moment it begins. */
Test(table, every_call_has_one_output_also_when_it_is_cancelled)
{
    for (int turns = -1; turns <= 4; turns++) {
        struct fixture f;
        struct record r = {0};
        fixture_init(&f);
        put(&f, "a", "text\n");
        offer(&f, 31);
        for (size_t i = 0; table_at(i); i++) {
            record_finish(&r);
            r.on_started = turns < 0 ? cancel_it : NULL;
            start(&f, &r, table_at(i)->name, good_arguments(table_at(i)->name));
            for (int turn = 0; turn < turns && r.outputs == 0; turn++) {
                loop_defer(f.loop, (void (*)(void *))loop_stop, f.loop);
                loop_run(f.loop);
            }
            if (turns >= 0 && r.call)
                tools_call_cancel(r.call);
            wait_all(&f);
            cr_assert_eq(r.outputs, 1, "%s, %d turns", table_at(i)->name, turns);
        }
        record_finish(&r);
        fixture_finish(&f);
    }
}

/* -- Where each one ends --------------------------------------------------------------------- */

static void append_many(struct buf *json, const char *before, const char *one, int count,
                        const char *after)
{
    buf_clear(json);
    buf_append_c(json, before);
    for (int i = 0; i < count; i++)
        buf_append_fmt(json, "%s%s", i ? "," : "", one);
    buf_append_c(json, after);
}

Test(table, limits_of_arguments)
{
    static const struct {
        const char *name, *good, *beyond, *part;
    } rows[] = {
        {"list_dir", "{'depth':3}", "{'depth':4}", "depth must be from 1 to 3"},
        {"list_dir", "{'limit':500}", "{'limit':501}", "limit must be from 1 to 500"},
        {"list_dir", "{'offset':9}", "{'offset':-1}", "offset must be from 0"},
        {"find_files", "{'glob':'*','limit':200}", "{'glob':'*','limit':201}",
         "limit must be from 1 to 200"},
        {"grep", "{'pattern':'x','limit':500}", "{'pattern':'x','limit':501}",
         "limit must be from 1 to 500"},
        {"grep", "{'pattern':'x','context':5}", "{'pattern':'x','context':6}",
         "context must be from 0 to 5"},
        {"read_file", "{'path':'a','start_line':1,'end_line':1}", "{'path':'a','start_line':-1}",
         "count from 1"},
    };
    static const struct {
        const char *name, *before, *one, *after;
        int limit;
        const char *part;
    } lists_of[] = {
        {"update_plan", "{'plan':[", "{'step':'s','status':'pending'}", "]}",
         LIMIT_PLAN_STEPS_COUNT, "at most 50 steps, not 51"},
        {"diagnostics", "{'paths':[", "'a'", "]}", LIMIT_DIAGNOSTICS_COUNT, "at most 50 paths"},
        {"ask_user", "{'questions':[", "{'question':'q','options':[{'label':'a'},{'label':'b'}]}",
         "]}", LIMIT_QUESTIONS_COUNT, "questions must be 1 to 3, they are 4"},
    };
    struct fixture f;
    struct record r = {0};
    struct buf json = {0};
    fixture_init(&f);
    put(&f, "a", "text\n");
    offer(&f, 31);
    for (size_t i = 0; i < array_count(rows); i++) {
        call(&f, &r, rows[i].name, rows[i].good);
        cr_assert(r.ok, "%s %s: %s", rows[i].name, rows[i].good, r.text);
        call(&f, &r, rows[i].name, rows[i].beyond);
        cr_assert(!r.ok && strstr(r.text, rows[i].part), "%s: %s", rows[i].name, r.text);
    }
    for (size_t i = 0; i < array_count(lists_of); i++) {
        append_many(&json, lists_of[i].before, lists_of[i].one, lists_of[i].limit,
                    lists_of[i].after);
        call(&f, &r, lists_of[i].name, json.ptr);
        cr_assert(!strstr(r.text, lists_of[i].part), "%s: %s", lists_of[i].name, r.text);
        append_many(&json, lists_of[i].before, lists_of[i].one, lists_of[i].limit + 1,
                    lists_of[i].after);
        call(&f, &r, lists_of[i].name, json.ptr);
        cr_assert(!r.ok && strstr(r.text, lists_of[i].part), "%s: %s", lists_of[i].name, r.text);
    }
    buf_finish(&json);
    record_finish(&r);
    fixture_finish(&f);
}

Test(table, limits_of_patches)
{
    struct fixture f;
    struct record r = {0};
    struct buf text = {0};
    fixture_init(&f);
    for (int files = LIMIT_PATCH_OPS_COUNT; files <= LIMIT_PATCH_OPS_COUNT + 1; files++) {
        buf_clear(&text);
        buf_append_c(&text, "*** Begin Patch\n");
        for (int i = 0; i < files; i++)
            buf_append_fmt(&text, "*** Add File: n%d\n+x\n", i);
        buf_append_c(&text, "*** End Patch\n");
        patch(&f, &r, text.ptr);
        cr_assert_eq(r.ok, files == LIMIT_PATCH_OPS_COUNT, "%s", r.text);
    }
    assert_has(r.text, "100");
    buf_clear(&text);
    buf_append_c(&text, "*** Begin Patch\n*** Add File: big\n+");
    buf_append_repeat(&text, 'x', LIMIT_PATCH_BYTES);
    buf_append_c(&text, "\n*** End Patch\n");
    patch(&f, &r, text.ptr);
    cr_assert(!r.ok);
    cr_assert_str_eq(disk(&f, "big"), "(none)");
    buf_finish(&text);
    record_finish(&r);
    fixture_finish(&f);
}

Test(table, limits_of_reading)
{
    static const struct {
        const char *what, *line;
        int count;
        const char *header, *goes_on;
    } rows[] = {
        {"lines", "x\n", 2000, "lines 1-2000 of 2000)", NULL},
        {"one line more", "x\n", 2001, "lines 1-2000 of 2001)",
         "[1 more lines: go on with start_line 2001]"},
        {"48 KB", "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde\n", 1000,
         "lines 1-768 of 1000)", "[232 more lines: go on with start_line 769]"},
    };
    struct fixture f;
    struct record r = {0};
    struct buf text = {0};
    fixture_init(&f);
    for (size_t i = 0; i < array_count(rows); i++) {
        buf_clear(&text);
        for (int j = 0; j < rows[i].count; j++)
            buf_append_c(&text, rows[i].line);
        put(&f, "a", text.ptr);
        call(&f, &r, "read_file", "{'path':'a'}");
        cr_assert(r.ok);
        cr_assert(strstr(r.text, rows[i].header), "%s: %.80s", rows[i].what, r.text);
        cr_assert(!rows[i].goes_on || strstr(r.text, rows[i].goes_on), "%s: …%s", rows[i].what,
                  r.text + strlen(r.text) - 80);
    }
    /* 2000 characters of a line, whatever they take. */
    buf_clear(&text);
    for (int i = 0; i < 2001; i++)
        buf_append_c(&text, "é");
    put(&f, "a", text.ptr);
    call(&f, &r, "read_file", "{'path':'a'}");
    assert_has(r.text, "é[… 2 more bytes on this line]");
    put_bytes(&f, "bin", (struct str){"a\0b", 3});
    call(&f, &r, "read_file", "{'path':'bin'}");
    assert_has(r.text, "binary file of 3 bytes");
    buf_finish(&text);
    record_finish(&r);
    fixture_finish(&f);
}

/* -- Truncation ------------------------------------------------------------------------------ */

/* Half head, half tail, whole characters, and what is left out is what is said. */
Test(table, truncated_once_on_characters_and_said_how_much)
{
    static const char *const letters[] = {"a", "é", "€", "𝄞", "\n"};
    unsigned seed = 7;
    for (int round = 0; round < 2000; round++) {
        struct buf text = {0}, cut = {0};
        size_t limit = 16 + (size_t)rand_r(&seed) % 200;
        for (int count = rand_r(&seed) % 300; count > 0; count--)
            buf_append_c(&text, letters[(size_t)rand_r(&seed) % array_count(letters)]);
        buf_append(&cut, buf_str(&text));
        output_truncate(&cut, limit);
        struct str whole = buf_str(&text), got = buf_str(&cut);
        cr_assert(utf8_is_valid(got, NULL));
        size_t note = str_find(got, STR("\n[… "), 0);
        if (text.len <= limit) {
            cr_assert(str_eq(whole, got));
        } else {
            unsigned long long said = 0;
            cr_assert_neq(note, STR_NONE);
            cr_assert_eq(sscanf(got.ptr + note, "\n[… %llu bytes left out here …]\n", &said), 1);
            struct str end = STR(" left out here …]\n");
            struct str tail = str_skip(got, str_find(got, end, note) + end.len);
            cr_assert(str_starts_with(whole, str_slice(got, 0, note)));
            cr_assert(str_ends_with(whole, tail));
            cr_assert_eq(note + tail.len + said, whole.len);
            cr_assert(note <= limit / 2 && note + 4 > limit / 2);
            cr_assert(tail.len <= limit / 2 && tail.len + 4 > limit / 2);
            cr_assert_eq(str_find(tail, STR("left out"), 0), STR_NONE);
        }
        buf_finish(&text);
        buf_finish(&cut);
    }
}

/* No tool's output is larger, not even one that is all escape sequences and bad bytes. */
Test(table, no_output_is_larger_than_it_may_be)
{
    struct fixture f;
    struct record r = {0};
    struct buf text = {0};
    fixture_init(&f);
    for (int i = 0; i < 3000; i++)
        buf_append_fmt(&text, "match %d \x1b[31m\xff%.60s\n", i,
                       "________________________________________________________________");
    put(&f, "a", text.ptr);
    offer(&f, 31);
    for (size_t i = 0; table_at(i); i++) {
        const char *name = table_at(i)->name;
        bool is_grep = strcmp(name, "grep") == 0;
        call(&f, &r, name,
             is_grep ? "{'pattern':'match','limit':500,'context':5}" : good_arguments(name));
        cr_assert_leq(strlen(r.text), LIMIT_TOOL_OUTPUT_BYTES + 64, "%s: %zu", name,
                      strlen(r.text));
        cr_assert(utf8_is_valid(str_from(r.text), NULL), "%s", name);
        assert_lacks(r.text, "\x1b");
    }
    buf_finish(&text);
    record_finish(&r);
    fixture_finish(&f);
}
