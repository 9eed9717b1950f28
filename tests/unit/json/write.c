#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include <lanebridge/json.h>

TestSuite(json_write, .timeout = 10);

Test(json_write, places_the_commas)
{
    struct buf out = {0};
    struct json_writer w;
    json_writer_init(&w, &out);
    json_write_begin_object(&w);
    json_write_field_str(&w, "s", STR("x"));
    json_write_field_c(&w, "c", NULL);
    json_write_field_int(&w, "i", INT64_MIN);
    json_write_field_bool(&w, "b", true);
    json_write_field_raw(&w, "r", STR("[1, 2]"));
    json_write_key(&w, "list");
    json_write_begin_array(&w);
    json_write_begin_array(&w);
    json_write_end_array(&w);
    json_write_begin_object(&w);
    json_write_end_object(&w);
    json_write_int(&w, INT64_MAX);
    json_write_null(&w);
    json_write_bool(&w, false);
    json_write_double(&w, 0.1);
    json_write_c(&w, "t");
    json_write_str(&w, (struct str){0});
    json_write_end_array(&w);
    json_write_key_str(&w, STR("k\"e"));
    json_write_value(&w, NULL);
    json_write_end_object(&w);
    cr_assert_str_eq(
        out.ptr, "{\"s\":\"x\",\"c\":null,\"i\":-9223372036854775808,\"b\":true,\"r\":[1, 2],"
                 "\"list\":[[],{},9223372036854775807,null,false,0.1,\"t\",\"\"],\"k\\\"e\":null}");
    buf_finish(&out);
}

Test(json_write, writes_doubles)
{
    static const struct {
        double value;
        const char *text;
    } cases[] = {
        {0, "0"},
        {-0.0, "-0"},
        {1.5, "1.5"},
        {1e15, "1000000000000000"},
        {1e18, "1000000000000000000"},
        {1e21, "1e+21"},
        {1.0 / 3, "0.3333333333333333"},
        {NAN, "null"},
        {INFINITY, "null"},
        {-INFINITY, "null"},
        {-9007199254740993.0, "-9007199254740992"},
    };
    for (size_t i = 0; i < array_count(cases); i++) {
        struct buf out = {0};
        struct json_writer w;
        json_writer_init(&w, &out);
        json_write_double(&w, cases[i].value);
        cr_assert_str_eq(out.ptr, cases[i].text);
        buf_finish(&out);
    }
}

Test(json_write, quotes_every_byte_so_that_it_reads_back)
{
    for (int byte = 0; byte < 0x80; byte++) {
        /* At every place of an eight-byte word, which the fast loop takes at once. */
        for (size_t place = 0; place < 9; place++) {
            char text[20];
            memset(text, 'x', sizeof(text));
            text[place] = (char)byte;
            struct str whole = {text, sizeof(text)};
            struct buf quoted = {0}, back = {0};
            json_append_quoted(&quoted, whole);
            cr_assert(json_raw_decode(buf_str(&quoted), &back), "byte %d at %zu", byte, place);
            cr_assert(str_eq(buf_str(&back), whole), "byte %d at %zu", byte, place);
            buf_finish(&quoted);
            buf_finish(&back);
        }
    }
}

Test(json_write, repairs_bad_utf8)
{
    struct buf out = {0};
    json_append_quoted(&out, STR("é\xFF\n\xE2\x82|\0|"));
    cr_assert_str_eq(out.ptr, "\"é\uFFFD\\n\uFFFD\uFFFD|\\u0000|\"");
    buf_finish(&out);
}
