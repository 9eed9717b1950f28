/* Allocation that cannot fail quietly: out of memory prints one line and aborts. What peers can
 * ask for is bounded by limits.h, so running out means the machine is out, not that input was bad. */
#ifndef LANEBRIDGE_BASE_MEM_H
#define LANEBRIDGE_BASE_MEM_H

#include <stddef.h>

/* Zeroed; never NULL, also for size 0. */
void *mem_alloc(size_t size);
/* Zeroed array; aborts when count * size overflows. */
void *mem_alloc_array(size_t count, size_t size);
/* New bytes are not zeroed. */
void *mem_realloc(void *ptr, size_t size);
void *mem_dup(const void *ptr, size_t size);
char *mem_dup_c(const char *text);   /* NULL gives NULL */
void mem_free(void *ptr);            /* NULL is fine */

#define mem_new(type) ((type *)mem_alloc(sizeof(type)))
#define container_of(ptr, type, member) ((type *)((char *)(ptr) - offsetof(type, member)))
#define array_count(a) (sizeof(a) / sizeof((a)[0]))

#endif
