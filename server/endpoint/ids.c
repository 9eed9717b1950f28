/* Ids that tell where in the script they were made: prefix_FINGERPRINT_rollout_step_item_random. */
#include <stdio.h>
#include <string.h>

#include "endpoint-internal.h"

enum { FINGERPRINT_CHARS = 6 };

void endpoint_id_make(char ret_id[ENDPOINT_ID_BYTES], const char *prefix, const char *fingerprint,
                      struct id_place place)
{
    char random[ID_BYTES];
    id_make("x", random);
    snprintf(ret_id, ENDPOINT_ID_BYTES, "%s_%.6s_%u_%u_%u_%s", prefix, fingerprint, place.rollout,
             place.step, place.item, random + 2);
}

static bool take_number(struct str *rest, unsigned *ret_number)
{
    struct str piece;
    uint64_t number;
    if (!str_next(rest, '_', &piece) || piece.len == 0 || piece.len > 9 ||
        !str_to_uint64(piece, &number))
        return false;
    *ret_number = (unsigned)number;
    return true;
}

bool endpoint_id_read(struct str id, const char *fingerprint, struct id_place *ret_place)
{
    struct str mark = {fingerprint, FINGERPRINT_CHARS};
    size_t start = str_find_byte(id, '_', 0);
    struct id_place place;
    if (start == STR_NONE || !str_starts_with(str_skip(id, start + 1), mark))
        return false;
    struct str rest = str_skip(id, start + 1 + mark.len);
    if (rest.len == 0 || rest.ptr[0] != '_')
        return false;
    rest = str_skip(rest, 1);
    if (!take_number(&rest, &place.rollout) || !take_number(&rest, &place.step) ||
        !take_number(&rest, &place.item))
        return false;
    *ret_place = place;
    return true;
}
