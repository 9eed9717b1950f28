/* Hash map from bytes to pointers: open addressing, seeded per process so that peers cannot choose
 * colliding keys. Keys are copied; values belong to the caller. Iteration is in insertion order as
 * long as nothing was removed. */
#ifndef LANEBRIDGE_BASE_MAP_H
#define LANEBRIDGE_BASE_MAP_H

#include <stdbool.h>
#include <stddef.h>

#include <lanebridge/base/str.h>

struct map_entry;
struct map {
    struct map_entry *entries; /* dense, in insertion order */
    unsigned *slots;           /* index + 1 into entries, 0 is free */
    size_t len, cap, slot_count;
};

void map_finish(struct map *map);             /* values are not touched */
size_t map_count(const struct map *map);
void *map_get(const struct map *map, struct str key);      /* NULL if absent */
bool map_has(const struct map *map, struct str key);
/* Returns the value that was there before, or NULL. */
void *map_set(struct map *map, struct str key, void *value);
void *map_remove(struct map *map, struct str key);

/* for (size_t i = 0; map_next(map, &i, &key, &value);) — do not change the map meanwhile. */
bool map_next(const struct map *map, size_t *position, struct str *ret_key, void **ret_value);

#endif
