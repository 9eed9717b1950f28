#include <lanebridge/base/vec.h>

#include <assert.h>
#include <stdint.h>
#include <string.h>

/* The array's pointer has another type than void *, so it is read and written as bytes. */
void vec_grow(void **ptr, size_t *cap, size_t needed, size_t item_size)
{
    if (needed <= *cap)
        return;
    size_t bigger = *cap ? *cap * 2 : 8;
    if (bigger < needed)
        bigger = needed;
    size_t bytes;
    if (__builtin_mul_overflow(bigger, item_size, &bytes))
        bytes = SIZE_MAX; /* mem_realloc reports it */

    void *old;
    memcpy(&old, (void *)ptr, sizeof(old));
    void *grown = mem_realloc(old, bytes);
    memcpy((void *)ptr, &grown, sizeof(grown));
    *cap = bigger;
}

void vec_remove_bytes(void *ptr, size_t *len, size_t index, size_t item_size)
{
    assert(index < *len);
    char *at = (char *)ptr + index * item_size;
    memmove(at, at + item_size, (*len - index - 1) * item_size);
    (*len)--;
}
