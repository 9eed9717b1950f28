/* Runs a fuzz target without libFuzzer: over every file of the folders named, over their torn
 * fronts, and over copies with single bytes spoilt in a fixed order, the same at every run. */
#include <dirent.h>
#include <string.h>

#include "fuzz.h"

#ifndef CUTS_COUNT /* a slow target takes fewer (meson.build) */
#define CUTS_COUNT 64
#define SPOILT_COUNT 64
#endif
enum { PATH_BYTES = 4096 };

/* In memory of exactly this size, so that a sanitizer sees every read behind it. */
static void run(const char *bytes, size_t size)
{
    char *copy = malloc(size ? size : 1);
    FUZZ_CHECK(copy);
    if (size)
        memcpy(copy, bytes, size);
    LLVMFuzzerTestOneInput((const uint8_t *)copy, size);
    free(copy);
}

static void run_variants(char *bytes, size_t size)
{
    static const char spoilers[] = {'"', '\\', '{', ']', '\0', '\n', '\x80', '\xFF'};
    run(bytes, size);
    size_t step = size / CUTS_COUNT + 1;
    for (size_t cut = 0; cut < size; cut += step)
        run(bytes, cut);
    uint32_t random = 1;
    for (unsigned i = 0; size && i < SPOILT_COUNT; i++) {
        random = random * 1664525u + 1013904223u;
        size_t at = (random >> 4) % size;
        char before = bytes[at];
        bytes[at] = spoilers[i % sizeof(spoilers)];
        run(bytes, size);
        bytes[at] = before;
    }
}

static void run_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    FUZZ_CHECK(file);
    FUZZ_CHECK(fseek(file, 0, SEEK_END) == 0);
    long size = ftell(file);
    FUZZ_CHECK(size >= 0);
    rewind(file);
    char *bytes = malloc((size_t)size + 1);
    FUZZ_CHECK(bytes);
    FUZZ_CHECK(fread(bytes, 1, (size_t)size, file) == (size_t)size);
    fclose(file);
    run_variants(bytes, (size_t)size);
    free(bytes);
}

static int run_folder(const char *folder)
{
    DIR *dir = opendir(folder);
    if (!dir) {
        fprintf(stderr, "%s: cannot be opened; name a folder of inputs\n", folder);
        return 0;
    }
    int count = 0;
    for (const struct dirent *entry; (entry = readdir(dir));) {
        if (entry->d_name[0] == '.')
            continue;
        char path[PATH_BYTES];
        snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
        run_file(path);
        count++;
    }
    closedir(dir);
    return count;
}

int main(int argc, char **argv)
{
    int count = 0;
    for (int i = 1; i < argc; i++)
        count += run_folder(argv[i]);
    printf("%d inputs\n", count);
    return count > 0 ? 0 : 1;
}
