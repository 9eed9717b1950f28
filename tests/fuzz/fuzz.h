/* What every fuzz target includes. */
#ifndef LANEBRIDGE_TESTS_FUZZ_H
#define LANEBRIDGE_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <lanebridge/base/str.h>

/* Aborts, also in a build without assert. */
#define FUZZ_CHECK(condition)                                                                      \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: check failed: %s\n", __FILE__, __LINE__, #condition);          \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

/* Two inputs in one: what is before the first NUL, and what is behind it. */
static inline struct str fuzz_split(struct str input, struct str *ret_second)
{
    size_t at = str_find_byte(input, '\0', 0);
    *ret_second = at == STR_NONE ? str_skip(input, input.len) : str_skip(input, at + 1);
    return str_slice(input, 0, at == STR_NONE ? input.len : at);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
