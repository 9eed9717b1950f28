#include <lanebridge/base/map.h>

#include <assert.h>
#include <limits.h>
#include <stdint.h>
#include <string.h>

#include <lanebridge/base/hash.h>
#include <lanebridge/base/mem.h>
#include <lanebridge/base/vec.h>

/* Entries lie dense in an array; slots are a power of two, at most three quarters full, probed
 * linearly. A removed slot is closed by moving its followers up, so there are no tombstones. */
struct map_entry {
    uint64_t hash;
    char *key;
    size_t key_len;
    void *value;
};

enum { FIRST_SLOTS = 8 };

void map_finish(struct map *map)
{
    for (size_t i = 0; i < map->len; i++)
        mem_free(map->entries[i].key);
    mem_free(map->entries);
    mem_free(map->slots);
    *map = (struct map){0};
}

size_t map_count(const struct map *map)
{
    return map->len;
}

/* The slot that holds the key, or the free slot where it belongs. Needs slot_count > 0. */
static size_t find_slot(const struct map *map, struct str key, uint64_t hash)
{
    size_t mask = map->slot_count - 1;
    size_t slot = (size_t)hash & mask;
    for (; map->slots[slot] != 0; slot = (slot + 1) & mask) {
        const struct map_entry *entry = &map->entries[map->slots[slot] - 1];
        if (entry->hash == hash && str_eq((struct str){entry->key, entry->key_len}, key))
            break;
    }
    return slot;
}

static struct map_entry *find_entry(const struct map *map, struct str key)
{
    if (map->len == 0)
        return NULL;
    unsigned index = map->slots[find_slot(map, key, hash_bytes(key))];
    return index ? &map->entries[index - 1] : NULL;
}

void *map_get(const struct map *map, struct str key)
{
    const struct map_entry *entry = find_entry(map, key);
    return entry ? entry->value : NULL;
}

bool map_has(const struct map *map, struct str key)
{
    return find_entry(map, key) != NULL;
}

static void grow_slots(struct map *map)
{
    if (map->len + 1 <= map->slot_count / 4 * 3)
        return;
    size_t slot_count = map->slot_count ? map->slot_count * 2 : FIRST_SLOTS;
    assert(slot_count <= UINT_MAX);
    mem_free(map->slots);
    map->slots = mem_alloc_array(slot_count, sizeof(*map->slots));
    map->slot_count = slot_count;
    for (size_t i = 0; i < map->len; i++) {
        size_t slot = (size_t)map->entries[i].hash & (slot_count - 1);
        while (map->slots[slot] != 0)
            slot = (slot + 1) & (slot_count - 1);
        map->slots[slot] = (unsigned)i + 1;
    }
}

void *map_set(struct map *map, struct str key, void *value)
{
    grow_slots(map);
    uint64_t hash = hash_bytes(key);
    size_t slot = find_slot(map, key, hash);
    if (map->slots[slot] != 0) {
        struct map_entry *entry = &map->entries[map->slots[slot] - 1];
        void *before = entry->value;
        entry->value = value;
        return before;
    }
    vec_grow((void **)&map->entries, &map->cap, map->len + 1, sizeof(*map->entries));
    map->entries[map->len++] = (struct map_entry){hash, str_dup_c(key), key.len, value};
    map->slots[slot] = (unsigned)map->len;
    return NULL;
}

/* Moves up every follower whose probe would otherwise stop at the hole. */
static void close_slot(struct map *map, size_t hole)
{
    size_t mask = map->slot_count - 1;
    map->slots[hole] = 0;
    for (size_t slot = (hole + 1) & mask; map->slots[slot] != 0; slot = (slot + 1) & mask) {
        size_t home = (size_t)map->entries[map->slots[slot] - 1].hash & mask;
        if (((slot - home) & mask) < ((slot - hole) & mask))
            continue;
        map->slots[hole] = map->slots[slot];
        map->slots[slot] = 0;
        hole = slot;
    }
}

void *map_remove(struct map *map, struct str key)
{
    if (map->len == 0)
        return NULL;
    size_t slot = find_slot(map, key, hash_bytes(key));
    if (map->slots[slot] == 0)
        return NULL;
    size_t index = map->slots[slot] - 1;
    struct map_entry removed = map->entries[index];
    close_slot(map, slot);

    /* The last entry takes the place of the removed one. */
    size_t last = map->len - 1;
    if (index != last) {
        struct map_entry moved = map->entries[last];
        size_t at = find_slot(map, (struct str){moved.key, moved.key_len}, moved.hash);
        map->slots[at] = (unsigned)index + 1;
        map->entries[index] = moved;
    }
    map->len = last;
    mem_free(removed.key);
    return removed.value;
}

bool map_next(const struct map *map, size_t *position, struct str *ret_key, void **ret_value)
{
    if (*position >= map->len)
        return false;
    const struct map_entry *entry = &map->entries[(*position)++];
    *ret_key = (struct str){entry->key, entry->key_len};
    *ret_value = entry->value;
    return true;
}
