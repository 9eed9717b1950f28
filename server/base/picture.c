#include <lanebridge/base/picture.h>

enum { TILE = 512, TILES_FIT = 2048, TILES_SHORT = 768, TOKENS_BASE = 85, TOKENS_TILE = 170 };

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
static bool read_png(struct str s, struct picture *picture)
{
    if (!str_starts_with(s, STR("\x89PNG\r\n\x1a\n")) || s.len < 24)
        return false;
    picture->width = big(s, 16, 4);
    picture->height = big(s, 20, 4);
    return true;
}

/* Source: GIF89a, 18 (logical screen descriptor). */
static bool read_gif(struct str s, struct picture *picture)
{
    if (!str_starts_with(s, STR("GIF87a")) && !str_starts_with(s, STR("GIF89a")))
        return false;
    picture->width = little(s, 6, 2);
    picture->height = little(s, 8, 2);
    return true;
}

/* The first frame header among the segments. Source: ITU T.81, B.1.1 and B.2.2. */
static bool read_jpeg(struct str s, struct picture *picture)
{
    if (!str_starts_with(s, STR("\xff\xd8\xff")))
        return false;
    for (size_t at = 2; at + 9 <= s.len && (unsigned char)s.ptr[at] == 0xff;) {
        unsigned marker = (unsigned char)s.ptr[at + 1];
        bool is_frame =
            marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc;
        if (is_frame) {
            picture->height = big(s, at + 5, 2);
            picture->width = big(s, at + 7, 2);
            return true;
        }
        at += marker == 0xff ? 1 : 2 + big(s, at + 2, 2); /* 0xff may fill */
    }
    return false;
}

/* Source: RFC 9649, 2.5 to 2.7. */
static bool read_webp(struct str s, struct picture *picture)
{
    if (!str_starts_with(s, STR("RIFF")) || s.len < 30 || !str_eq_c(str_slice(s, 8, 12), "WEBP"))
        return false;
    struct str chunk = str_slice(s, 12, 16);
    if (str_eq_c(chunk, "VP8X")) {
        picture->width = little(s, 24, 3) + 1;
        picture->height = little(s, 27, 3) + 1;
    } else if (str_eq_c(chunk, "VP8L")) {
        picture->width = (little(s, 21, 4) & 0x3fff) + 1;
        picture->height = (little(s, 21, 4) >> 14 & 0x3fff) + 1;
    } else {
        picture->width = little(s, 26, 2) & 0x3fff;
        picture->height = little(s, 28, 2) & 0x3fff;
    }
    return true;
}

static const struct {
    const char *type;
    bool (*read)(struct str bytes, struct picture *picture);
} kinds[PICTURE_KIND_COUNT] = {
    [PICTURE_PNG] = {"image/png", read_png},
    [PICTURE_JPEG] = {"image/jpeg", read_jpeg},
    [PICTURE_WEBP] = {"image/webp", read_webp},
    [PICTURE_GIF] = {"image/gif", read_gif},
};

const char *picture_read(struct str bytes, struct picture *ret_picture)
{
    for (size_t i = 0; i < PICTURE_KIND_COUNT; i++) {
        struct picture picture = {.kind = (enum picture_kind)i, .type = kinds[i].type};
        if (!kinds[i].read(bytes, &picture))
            continue;
        if (picture.width == 0 || picture.height == 0)
            return "an image without a size";
        *ret_picture = picture;
        return NULL;
    }
    return "no PNG, JPEG, WebP or GIF";
}

size_t picture_tokens(unsigned picture_width, unsigned picture_height)
{
    double width = picture_width, height = picture_height;
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
