/* Images by their first bytes: kind, size, what they cost, and decoded once. */
#include "helper.h"

#include <string.h>

#include "../../../server/endpoint/saves-internal.h"

TestSuite(images, .timeout = 60);

/* 3 x 2 pixels each, cut behind the head. */
#define PNG "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAMAAAACCAIAAAA="
#define GIF "data:image/gif;base64,R0lGODlhAwACAIAAAA=="
#define JPEG "data:image/jpeg;base64,/9j/4AAQSkZJRgABAQAAAQABAAD/wAARCAACAAMDASIA"
#define WEBP_VP8 "data:image/webp;base64,UklGRiQAAABXRUJQVlA4IBgAAAAwAQCdASoDAAIAAgA0JQ=="
#define WEBP_VP8L "data:image/webp;base64,UklGRhoAAABXRUJQVlA4TA4AAAAvAkAAAAcQEf0PRET/Aw=="
#define WEBP_VP8X "data:image/webp;base64,UklGRhoAAABXRUJQVlA4WAoAAAAQAAAAAgAAAQAAAAA="

static const struct {
    const char *url;
    enum image_kind kind;
    unsigned width, height;
} good[] = {
    {PNG, IMAGE_PNG, 3, 2},
    {GIF, IMAGE_GIF, 3, 2},
    {JPEG, IMAGE_JPEG, 3, 2},
    {WEBP_VP8, IMAGE_WEBP, 3, 2},
    {WEBP_VP8L, IMAGE_WEBP, 3, 2},
    {WEBP_VP8X, IMAGE_WEBP, 3, 2},
    {"https://example.com/a.png", IMAGE_REMOTE, 0, 0},
    {"data:image\\/gif;base64,R0lGODlhAwACAIAAAA==", IMAGE_GIF, 3, 2},
    {"data:image/png;base64,R0lGODlhAwACAIAAAA==", IMAGE_GIF, 3, 2},
};

Test(images, kind_and_size_are_read_from_the_bytes)
{
    for (size_t i = 0; i < array_count(good); i++) {
        struct images images = {0};
        const char *wrong = "";
        const struct image *image = images_find(&images, str_from(good[i].url), &wrong);
        cr_assert(image, "%s: %s", good[i].url, wrong);
        cr_expect_eq(image->kind, good[i].kind, "%s", good[i].url);
        cr_expect_eq(image->width, good[i].width, "%s", good[i].url);
        cr_expect_eq(image->height, good[i].height, "%s", good[i].url);
        images_finish(&images);
    }
}

static const struct {
    const char *url, *wrong;
} bad[] = {
    {"", "neither a URL"},
    {"file:///etc/passwd", "neither a URL"},
    {"data:image/png,iVBORw0KGgo", "neither a URL"},
    {"data:image/png;base64", "neither a URL"},
    {"data:image/png;base64,????", "no base64"},
    {"data:image/png;base64,", "no PNG"},
    {"data:image/png;base64,aGVsbG8=", "no PNG"},
    {"data:image/png;base64,iVBORw0KGgo=", "no PNG"},
    {"data:image/jpeg;base64,/9j/4AAQ", "no PNG"},
    {"data:image/gif;base64,R0lGODlhAAAAAA==", "without a size"},
};

Test(images, what_is_none_is_named)
{
    for (size_t i = 0; i < array_count(bad); i++) {
        struct images images = {0};
        const char *wrong = "";
        cr_expect_null(images_find(&images, str_from(bad[i].url), &wrong), "%s", bad[i].url);
        cr_expect(strstr(wrong, bad[i].wrong), "%s: %s", bad[i].url, wrong);
        images_finish(&images);
    }
}

/* Whatever is cut off, nothing is read beyond. */
Test(images, a_head_may_end_anywhere)
{
    for (size_t i = 0; i < array_count(good); i++) {
        struct str url = str_from(good[i].url);
        for (size_t len = 0; len < url.len; len++) {
            struct images images = {0};
            const char *wrong = NULL;
            struct buf copy = {0};
            buf_append(&copy, str_slice(url, 0, len));
            cr_expect(images_find(&images, buf_str(&copy), &wrong) || wrong);
            buf_finish(&copy);
            images_finish(&images);
        }
    }
}

Test(images, one_is_decoded_once_and_the_oldest_goes)
{
    struct images images = {0};
    const char *wrong;
    images_find(&images, STR(PNG), &wrong);
    images_find(&images, STR(PNG), &wrong);
    cr_expect_eq(images.decoded, 1);
    cr_expect_eq(images.reused, 1);
    for (unsigned i = 0; i < LIMIT_ENDPOINT_IMAGES_COUNT; i++) {
        struct buf url = {0};
        buf_append_fmt(&url, "https://example.com/%u", i);
        images_find(&images, buf_str(&url), &wrong);
        buf_finish(&url);
    }
    cr_expect_eq(images.ring.len, LIMIT_ENDPOINT_IMAGES_COUNT);
    images_find(&images, STR("https://example.com/7"), &wrong);
    cr_expect_eq(images.reused, 2);
    images_find(&images, STR(PNG), &wrong);
    cr_expect_eq(images.decoded, LIMIT_ENDPOINT_IMAGES_COUNT + 2);
    images_finish(&images);
}

Test(images, cost_tiles)
{
    static const struct {
        unsigned width, height;
        bool low;
        size_t tokens;
    } costs[] = {
        {512, 512, false, 255},    {513, 512, false, 425}, {1024, 1024, false, 765},
        {2048, 4096, false, 1105}, {4096, 4096, true, 85}, {1, 1, false, 255},
        {1, 100000, false, 765},
    };
    for (size_t i = 0; i < array_count(costs); i++) {
        struct image image = {.width = costs[i].width, .height = costs[i].height};
        cr_expect_eq(image_tokens(&image, costs[i].low), costs[i].tokens, "%zu", i);
    }
    const struct image remote = {.kind = IMAGE_REMOTE};
    cr_expect_eq(image_tokens(&remote, false), 765);
}
