/* Growing arrays of any type: `VEC(struct item) items;`, all-zero is empty. Elements move when the
 * array grows: keep indexes, not pointers, across pushes. */
#ifndef LANEBRIDGE_BASE_VEC_H
#define LANEBRIDGE_BASE_VEC_H

#include <stddef.h>
#include <string.h>

#include <lanebridge/base/mem.h>

#define VEC(type)                                                                                  \
    struct {                                                                                       \
        type *ptr;                                                                                 \
        size_t len;                                                                                \
        size_t cap;                                                                                \
    }

#define vec_push(v, item)                                                                          \
    (vec_grow((void **)&(v)->ptr, &(v)->cap, (v)->len + 1, sizeof(*(v)->ptr)),                     \
     (void)((v)->ptr[(v)->len++] = (item)))
#define vec_pop(v) ((v)->ptr[--(v)->len])
#define vec_last(v) ((v)->ptr[(v)->len - 1])
#define vec_clear(v) ((void)((v)->len = 0))
/* Order kept. */
#define vec_remove(v, index)                                                                       \
    vec_remove_bytes((v)->ptr, &(v)->len, (index), sizeof(*(v)->ptr))
#define vec_finish(v)                                                                              \
    do {                                                                                           \
        mem_free((v)->ptr);                                                                        \
        (v)->ptr = NULL;                                                                           \
        (v)->len = (v)->cap = 0;                                                                   \
    } while (0)

void vec_grow(void **ptr, size_t *cap, size_t needed, size_t item_size);
void vec_remove_bytes(void *ptr, size_t *len, size_t index, size_t item_size);

#endif
