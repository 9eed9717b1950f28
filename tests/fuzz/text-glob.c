/* A pattern, a NUL and a path; the pattern is also a whole ignore file. */
#include <lanebridge/text.h>

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str path, pattern = fuzz_split((struct str){(const char *)data, size}, &path);
    struct err err = {0};
    bool usable = glob_check(pattern, &err) == STATUS_OK;
    bool matches = glob_match(pattern, path);
    FUZZ_CHECK(usable || (!matches && err.text[0]));
    struct ignore *ignore = ignore_parse(pattern);
    enum ignore_verdict file = ignore_match(ignore, path, false);
    enum ignore_verdict folder = ignore_match(ignore, path, true);
    /* Rules for folders come on top of those for files. */
    FUZZ_CHECK(file == IGNORE_UNDECIDED || folder != IGNORE_UNDECIDED);
    ignore_free(ignore);
    return 0;
}
