/* Images: a data URL into its kind and size, by the bytes of its head. Nothing is fetched. */
#include <string.h>

#include "saves-internal.h"

enum { TILE = 512, TILES_FIT = 2048, TILES_SHORT = 768, TOKENS_BASE = 85, TOKENS_TILE = 170 };
/* An image elsewhere has not been seen: counted as a square that is as large as they are made. */
enum { REMOTE_SIDE = 1024 };

/* -- Heads ----------------------------------------------------------------------------------------
 */

static unsigned big(struct str s, size_t at, size_t count)
{
    unsigned value = 0;
    for (size_t i = 0; i < count; i++)
        value = value << 8 | (at + i < s.len ? (unsigned char)s.ptr[at + i] : 0);
    return value;
}

static unsigned little(struct str s, size_t at, size_t count)
{
    unsigned value = 0;
    for (size_t i = count; i > 0; i--)
        value = value << 8 | (at + i - 1 < s.len ? (unsigned char)s.ptr[at + i - 1] : 0);
    return value;
}

/* Each: false if it is not of that kind. Source: PNG (RFC 2083) 11.2.2. */
static bool read_png(struct str s, struct image *image)
{
    if (!str_starts_with(s, STR("\x89PNG\r\n\x1a\n")) || s.len < 24)
        return false;
    image->width = big(s, 16, 4);
    image->height = big(s, 20, 4);
    return true;
}

/* Source: GIF89a, 18 (logical screen descriptor). */
static bool read_gif(struct str s, struct image *image)
{
    if (!str_starts_with(s, STR("GIF87a")) && !str_starts_with(s, STR("GIF89a")))
        return false;
    image->width = little(s, 6, 2);
    image->height = little(s, 8, 2);
    return true;
}

/* The first frame header among the segments. Source: ITU T.81, B.1.1 and B.2.2. */
static bool read_jpeg(struct str s, struct image *image)
{
    if (!str_starts_with(s, STR("\xff\xd8\xff")))
        return false;
    for (size_t at = 2; at + 9 <= s.len && (unsigned char)s.ptr[at] == 0xff;) {
        unsigned marker = (unsigned char)s.ptr[at + 1];
        bool is_frame =
            marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc;
        if (is_frame) {
            image->height = big(s, at + 5, 2);
            image->width = big(s, at + 7, 2);
            return true;
        }
        at += marker == 0xff ? 1 : 2 + big(s, at + 2, 2); /* 0xff may fill */
    }
    return false;
}

/* Source: RFC 9649, 2.5 to 2.7. */
static bool read_webp(struct str s, struct image *image)
{
    if (!str_starts_with(s, STR("RIFF")) || s.len < 30 || !str_eq_c(str_slice(s, 8, 12), "WEBP"))
        return false;
    struct str chunk = str_slice(s, 12, 16);
    if (str_eq_c(chunk, "VP8X")) {
        image->width = little(s, 24, 3) + 1;
        image->height = little(s, 27, 3) + 1;
    } else if (str_eq_c(chunk, "VP8L")) {
        image->width = (little(s, 21, 4) & 0x3fff) + 1;
        image->height = (little(s, 21, 4) >> 14 & 0x3fff) + 1;
    } else {
        image->width = little(s, 26, 2) & 0x3fff;
        image->height = little(s, 28, 2) & 0x3fff;
    }
    return true;
}

static const struct {
    const char *type;
    bool (*read)(struct str bytes, struct image *image);
} kinds[IMAGE_KIND_COUNT] = {
    [IMAGE_PNG] = {"image/png", read_png},
    [IMAGE_JPEG] = {"image/jpeg", read_jpeg},
    [IMAGE_WEBP] = {"image/webp", read_webp},
    [IMAGE_GIF] = {"image/gif", read_gif},
};

/* What it is counts, not what it is called. */
static const char *read_bytes(struct str bytes, struct image *image)
{
    for (size_t i = 0; i < IMAGE_REMOTE; i++) {
        if (!kinds[i].read(bytes, image))
            continue;
        image->kind = (enum image_kind)i;
        return image->width && image->height ? NULL : "an image without a size";
    }
    return "no PNG, JPEG, WebP or GIF";
}

/* NULL: the image is filled. */
static const char *decode(struct str url, struct image *image)
{
    struct str data = STR("data:"), base64 = STR(";base64");
    if (str_starts_with(url, STR("https://")) || str_starts_with(url, STR("http://"))) {
        image->kind = IMAGE_REMOTE;
        return NULL;
    }
    size_t comma = str_find_byte(url, ',', 0);
    if (!str_starts_with(url, data) || comma == STR_NONE ||
        !str_ends_with(str_slice(url, 0, comma), base64))
        return "neither a URL nor a base64-encoded data URL";
    struct buf bytes = {0}, plain = {0};
    struct str encoded = str_skip(url, comma + 1);
    for (size_t slash; (slash = str_find_byte(encoded, '\\', 0)) != STR_NONE;) {
        buf_append(&plain, str_slice(encoded, 0, slash)); /* JSON may write "/" as "\/" */
        encoded = str_skip(encoded, slash + 1);
    }
    if (plain.len > 0) {
        buf_append(&plain, encoded);
        encoded = buf_str(&plain);
    }
    const char *wrong =
        base64_decode(encoded, &bytes) ? read_bytes(buf_str(&bytes), image) : "no base64";
    buf_finish(&bytes);
    buf_finish(&plain);
    return wrong;
}

/* -- Those that were seen -------------------------------------------------------------------------
 */

static void keep(struct images *images, struct image *image)
{
    if (images->ring.len < LIMIT_ENDPOINT_IMAGES_COUNT) {
        vec_push(&images->ring, image);
    } else {
        struct image *old = images->ring.ptr[images->oldest];
        map_remove(&images->by_hash, str_from(old->hash));
        mem_free(old);
        images->ring.ptr[images->oldest] = image;
        images->oldest = (images->oldest + 1) % LIMIT_ENDPOINT_IMAGES_COUNT;
    }
    map_set(&images->by_hash, str_from(image->hash), image);
}

const struct image *images_find(struct images *images, struct str url, const char **ret_wrong)
{
    struct image image = {0};
    hash_sha256_hex(url, image.hash);
    const struct image *known = map_get(&images->by_hash, str_from(image.hash));
    if (known) {
        images->reused++;
        return known;
    }
    const char *wrong = decode(url, &image);
    if (wrong) {
        *ret_wrong = wrong;
        return NULL;
    }
    images->decoded++;
    struct image *kept = mem_dup(&image, sizeof(image));
    keep(images, kept);
    return kept;
}

void images_finish(struct images *images)
{
    for (size_t i = 0; i < images->ring.len; i++)
        mem_free(images->ring.ptr[i]);
    vec_finish(&images->ring);
    map_finish(&images->by_hash);
}

size_t image_tokens(const struct image *image, bool low)
{
    if (low)
        return TOKENS_BASE;
    double width = image->kind == IMAGE_REMOTE ? REMOTE_SIDE : image->width;
    double height = image->kind == IMAGE_REMOTE ? REMOTE_SIDE : image->height;
    double longer = width > height ? width : height, shrink = 1;
    if (longer > TILES_FIT)
        shrink = TILES_FIT / longer;
    double shorter = (width < height ? width : height) * shrink;
    if (shorter > TILES_SHORT)
        shrink *= TILES_SHORT / shorter;
    size_t across = ((size_t)(width * shrink) + TILE - 1) / TILE;
    size_t down = ((size_t)(height * shrink) + TILE - 1) / TILE;
    return TOKENS_BASE + TOKENS_TILE * (across ? across : 1) * (down ? down : 1);
}
