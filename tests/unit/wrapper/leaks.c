/* Must be seen as failing by tests/run-criterion under a leak sanitizer. */
#include <criterion/criterion.h>
#include <stdlib.h>

static __attribute__((noinline)) void lose(int count)
{
    for (int i = 0; i < count; i++) {
        volatile char *lost = malloc((size_t)(64 + i));
        lost[0] = 1;
    }
}

Test(wrapper, loses_memory)
{
    lose(32);
}
