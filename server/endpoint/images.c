/* Images: a data URL into its kind and size, by the bytes of its head. Nothing is fetched. */
#include "saves-internal.h"

enum { TOKENS_LOW = 85 };
/* An image elsewhere has not been seen: counted as a square that is as large as they are made. */
enum { REMOTE_SIDE = 1024 };

static const enum image_kind kinds[PICTURE_KIND_COUNT] = {
    [PICTURE_PNG] = IMAGE_PNG,
    [PICTURE_JPEG] = IMAGE_JPEG,
    [PICTURE_WEBP] = IMAGE_WEBP,
    [PICTURE_GIF] = IMAGE_GIF,
};

/* What it is counts, not what it is called. */
static const char *read_bytes(struct str bytes, struct image *image)
{
    struct picture picture = {0};
    const char *wrong = picture_read(bytes, &picture);
    image->kind = kinds[picture.kind];
    image->width = picture.width;
    image->height = picture.height;
    return wrong;
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
        return TOKENS_LOW;
    if (image->kind == IMAGE_REMOTE)
        return picture_tokens(REMOTE_SIDE, REMOTE_SIDE);
    return picture_tokens(image->width, image->height);
}
