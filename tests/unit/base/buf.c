#include <criterion/criterion.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>

#include <lanebridge/base.h>

TestSuite(buf, .timeout = 10);
TestSuite(mem, .timeout = 10);
TestSuite(vec, .timeout = 10);

Test(buf, appends_and_ends_with_nul)
{
    struct buf buf = {0};
    buf_append(&buf, STR("ab"));
    buf_append_c(&buf, "cd");
    buf_append_byte(&buf, 'e');
    buf_append_repeat(&buf, '-', 3);
    buf_append_fmt(&buf, "%d%s", 7, "x");
    cr_assert_str_eq(buf.ptr, "abcde---7x");
    cr_assert_eq(buf.len, 10);
    buf_append(&buf, (struct str){NULL, 0});
    buf_append_c(&buf, NULL);
    cr_assert_eq(buf.len, 10);
    buf_finish(&buf);
    cr_assert_null(buf.ptr);
    buf_append_c(&buf, "again");
    cr_assert_str_eq(buf.ptr, "again");
    buf_finish(&buf);
}

Test(buf, appending_nothing_still_gives_a_c_string)
{
    struct buf buf = {0};
    buf_append(&buf, STR(""));
    cr_assert_str_eq(buf.ptr, "");
    buf_finish(&buf);
    buf_append_fmt(&buf, "%s", "");
    cr_assert_str_eq(buf.ptr, "");
    buf_finish(&buf);
}

Test(buf, format_grows_to_any_length)
{
    struct buf buf = {0};
    for (int width = 0; width < 300; width++) {
        buf_clear(&buf);
        buf_append_fmt(&buf, "%*d", width, 5);
        size_t expected = width ? (size_t)width : 1;
        cr_assert_eq(buf.len, expected);
        cr_assert_eq(strlen(buf.ptr), expected);
    }
    buf_finish(&buf);
}

Test(buf, grows_byte_by_byte)
{
    struct buf buf = {0};
    for (size_t i = 0; i < 10000; i++) {
        buf_append_byte(&buf, (char)('a' + i % 26));
        cr_assert_lt(buf.len, buf.cap);
        cr_assert_eq(buf.ptr[buf.len], '\0');
    }
    for (size_t i = 0; i < 10000; i++)
        cr_assert_eq(buf.ptr[i], (char)('a' + i % 26));
    buf_finish(&buf);
}

Test(buf, truncates_and_removes)
{
    struct buf buf = {0};
    buf_truncate(&buf, 0);
    buf_remove_front(&buf, 0);
    buf_append_c(&buf, "0123456789");
    buf_remove_front(&buf, 3);
    cr_assert_str_eq(buf.ptr, "3456789");
    buf_truncate(&buf, 2);
    cr_assert_str_eq(buf.ptr, "34");
    buf_remove_front(&buf, 2);
    cr_assert_str_eq(buf.ptr, "");
    buf_finish(&buf);
}

Test(buf, take_and_move_hand_over)
{
    struct buf a = {0}, b = {0};
    char *nothing = buf_take(&a);
    cr_assert_str_eq(nothing, "");
    mem_free(nothing);
    buf_append_c(&a, "text");
    buf_append_c(&b, "old");
    buf_move(&b, &a);
    cr_assert_null(a.ptr);
    cr_assert_eq(a.cap, 0);
    char *taken = buf_take(&b);
    cr_assert_str_eq(taken, "text");
    cr_assert_null(b.ptr);
    mem_free(taken);
}

Test(buf, truncating_upwards_is_our_mistake, .signal = SIGABRT)
{
    struct buf buf = {0};
    buf_truncate(&buf, 1);
}

Test(mem, is_zeroed_and_never_null)
{
    char *zero = mem_alloc(0);
    cr_assert_not_null(zero);
    mem_free(zero);
    int *items = mem_alloc_array(100, sizeof(*items));
    for (size_t i = 0; i < 100; i++)
        cr_assert_eq(items[i], 0);
    mem_free(items);
    cr_assert_null(mem_dup_c(NULL));
    char *copy = mem_dup_c("abc");
    cr_assert_str_eq(copy, "abc");
    mem_free(copy);
    mem_free(NULL);
}

Test(mem, an_overflowing_array_aborts, .signal = SIGABRT)
{
    mem_alloc_array(SIZE_MAX / 2, 3);
}

Test(vec, keeps_order)
{
    VEC(int) v = {0};
    for (int i = 0; i < 100; i++)
        vec_push(&v, i);
    vec_remove(&v, 0);
    vec_remove(&v, 49);
    vec_remove(&v, 97);
    cr_assert_eq(v.len, 97);
    cr_assert_eq(v.ptr[0], 1);
    cr_assert_eq(v.ptr[48], 49);
    cr_assert_eq(v.ptr[49], 51);
    cr_assert_eq(vec_last(&v), 98);
    cr_assert_eq(vec_pop(&v), 98);
    cr_assert_eq(v.len, 96);
    vec_clear(&v);
    cr_assert_eq(v.len, 0);
    vec_finish(&v);
    cr_assert_null(v.ptr);
}

Test(vec, holds_structs_and_pointers)
{
    struct pair {
        const char *name;
        int value;
    };
    VEC(struct pair) pairs = {0};
    VEC(const char *) names = {0};
    for (int i = 0; i < 20; i++) {
        struct pair pair = {"n", i};
        vec_push(&pairs, pair);
        vec_push(&names, pairs.ptr[i].name);
    }
    cr_assert_eq(pairs.ptr[19].value, 19);
    cr_assert_str_eq(names.ptr[19], "n");
    vec_finish(&pairs);
    vec_finish(&names);
}
