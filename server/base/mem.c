#include <lanebridge/base/mem.h>

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* No stdio: it may allocate itself. */
static _Noreturn void out_of_memory(void)
{
    static const char line[] = "error out of memory; lanebridge stops\n";
    ssize_t ignored = write(STDERR_FILENO, line, sizeof(line) - 1);
    (void)ignored;
    abort();
}

void *mem_alloc(size_t size)
{
    void *ptr = calloc(1, size ? size : 1);
    if (!ptr)
        out_of_memory();
    return ptr;
}

void *mem_alloc_array(size_t count, size_t size)
{
    size_t total;
    if (__builtin_mul_overflow(count, size, &total))
        out_of_memory();
    return mem_alloc(total);
}

void *mem_realloc(void *ptr, size_t size)
{
    void *bigger = realloc(ptr, size ? size : 1);
    if (!bigger)
        out_of_memory();
    return bigger;
}

void *mem_dup(const void *ptr, size_t size)
{
    void *copy = mem_realloc(NULL, size);
    if (size)
        memcpy(copy, ptr, size);
    return copy;
}

char *mem_dup_c(const char *text)
{
    return text ? mem_dup(text, strlen(text) + 1) : NULL;
}

void mem_free(void *ptr)
{
    free(ptr);
}
