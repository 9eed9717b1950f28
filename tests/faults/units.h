/* Borders in what one side says: pure. */
#ifndef LANEBRIDGE_FAULTS_UNITS_H
#define LANEBRIDGE_FAULTS_UNITS_H

#include <lanebridge/base.h>

enum unit_mode { UNIT_HEAD, UNIT_BODY, UNIT_CHUNKS, UNIT_FRAMES };
struct units {
    enum unit_mode mode;
    size_t body; /* bytes of the body that comes */
};
struct unit {
    size_t header, total; /* bytes; header is what stands before the payload */
    bool is_counted, is_upgrade, is_post;
};
/* The unit at the front of `bytes`; false when it is not whole yet. */
bool units_next(struct units *units, struct str bytes, struct unit *ret_unit);

#endif
