/* Base64 there and back, and images by their heads. */
#include <criterion/criterion.h>
#include <lanebridge/base.h>

TestSuite(base64, .timeout = 10);

static const struct {
    const char *bytes, *text;
} pairs[] = {
    {"", ""},
    {"f", "Zg=="},
    {"fo", "Zm8="},
    {"foo", "Zm9v"},
    {"foob", "Zm9vYg=="},
    {"fooba", "Zm9vYmE="},
    {"foobar", "Zm9vYmFy"},
    {"\xff\xfe\xfd", "//79"},
};

Test(base64, there_and_back)
{
    for (size_t i = 0; i < array_count(pairs); i++) {
        struct buf text = {0}, bytes = {0};
        base64_append(&text, str_from(pairs[i].bytes));
        cr_expect(str_eq_c(buf_str(&text), pairs[i].text), "%s", pairs[i].text);
        cr_expect(base64_decode(str_from(pairs[i].text), &bytes));
        cr_expect(str_eq_c(buf_str(&bytes), pairs[i].bytes), "%s", pairs[i].text);
        buf_finish(&text);
        buf_finish(&bytes);
    }
}

Test(base64, every_byte_at_every_place)
{
    char bytes[256 + 2];
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (char)i;
    for (size_t skip = 0; skip < 3; skip++) {
        struct buf text = {0}, back = {0};
        struct str given = {bytes + skip, 256};
        base64_append(&text, given);
        cr_expect(base64_decode(buf_str(&text), &back));
        cr_expect(str_eq(buf_str(&back), given));
        buf_finish(&text);
        buf_finish(&back);
    }
}

Test(base64, an_image_is_what_its_bytes_say)
{
    static const char png[] = "\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\3\0\0\0\2";
    struct picture picture = {0};
    cr_expect_null(picture_read((struct str){png, sizeof(png) - 1}, &picture));
    cr_expect_str_eq(picture.type, "image/png");
    cr_expect(picture.width == 3 && picture.height == 2);
    cr_expect_eq(picture_tokens(3, 2), 255);
    cr_expect_not_null(picture_read(STR("<svg/>"), &picture));
}
