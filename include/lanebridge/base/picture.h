/* Images by the bytes of their head: what they are, whatever they are called. Nothing is shown. */
#ifndef LANEBRIDGE_BASE_PICTURE_H
#define LANEBRIDGE_BASE_PICTURE_H

#include <stdbool.h>
#include <stddef.h>

#include <lanebridge/base/str.h>

enum picture_kind { PICTURE_PNG, PICTURE_JPEG, PICTURE_WEBP, PICTURE_GIF, PICTURE_KIND_COUNT };
struct picture {
    enum picture_kind kind;
    const char *type;          /* "image/png" … */
    unsigned width, height;    /* not 0 */
};
/* NULL, or what is wrong: words for "it is …". */
const char *picture_read(struct str bytes, struct picture *ret_picture);
/* What it costs a model, as far as that is published: 85 and 170 for each tile of 512 pixels of the
 * image, made to fit 2048 and then 768. */
size_t picture_tokens(unsigned width, unsigned height);

#endif
