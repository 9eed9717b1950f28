/* An ignore file, a NUL and a path: the engine beside the plainest reading of gitignore(5), rule by
 * rule, every length tried for every star. (Beside git itself: tests/unit/text/git_test.c.) */
#include <string.h>

#include <lanebridge/text.h>

#include "fuzz.h"

/* A byte that is no UTF-8 matches itself alone. */
static size_t decode(struct str s, uint32_t *ret_c)
{
    size_t bytes = utf8_decode(s, ret_c);
    if (bytes == 1 && (unsigned char)s.ptr[0] >= 0x80)
        *ret_c = 0x200000u + (unsigned char)s.ptr[0];
    return bytes;
}

enum { FILE_BYTES_MAX = 64, PATH_BYTES_MAX = 24, STEPS_MAX = 100000 };

static unsigned steps;

static bool ends_in_backslash(struct str p)
{
    size_t count = 0;
    while (count < p.len && p.ptr[p.len - 1 - count] == '\\')
        count++;
    return count % 2 == 1;
}

static bool match(struct str p, struct str s, bool starts)
{
    uint32_t pc, sc;
    if (++steps > STEPS_MAX || p.len == 0)
        return s.len == 0;
    size_t taken = s.len > 0 ? decode(s, &sc) : 0;
    if (p.ptr[0] == '*') {
        size_t stars = 1;
        while (stars < p.len && p.ptr[stars] == '*')
            stars++;
        struct str rest = str_skip(p, stars);
        bool across = stars > 1 && starts && (rest.len == 0 || rest.ptr[0] == '/');
        if (across && rest.len > 0 && match(str_skip(rest, 1), s, true))
            return true;
        for (;; s = str_skip(s, decode(s, &sc))) { /* no character is torn */
            if (match(rest, s, false))
                return true;
            if (s.len == 0 || (!across && s.ptr[0] == '/'))
                return false;
        }
    }
    if (taken == 0)
        return false;
    if (p.ptr[0] == '?')
        return sc != '/' && match(str_skip(p, 1), str_skip(s, taken), false);
    size_t length = decode(p, &pc);
    if (pc == '\\') {
        p = str_skip(p, 1);
        length = decode(p, &pc);
    }
    return pc == sc && match(str_skip(p, length), str_skip(s, taken), pc == '/');
}

static struct str trim_end(struct str line)
{
    if (line.len > 0 && line.ptr[line.len - 1] == '\r')
        line.len--;
    while (line.len > 0 && line.ptr[line.len - 1] == ' ' &&
           (line.len == 1 || line.ptr[line.len - 2] != '\\'))
        line.len--;
    return line;
}

static enum ignore_verdict judge(struct str content, struct str path, bool is_folder)
{
    enum ignore_verdict verdict = IGNORE_UNDECIDED;
    if (str_starts_with(content, STR("\xEF\xBB\xBF")))
        content = str_skip(content, 3);
    for (struct str line; str_next(&content, '\n', &line);) {
        struct str p = trim_end(line);
        bool negated = p.len > 0 && p.ptr[0] == '!';
        if (p.len > 0 && p.ptr[0] == '#')
            continue;
        p = str_skip(p, negated);
        bool for_folders = p.len > 0 && p.ptr[p.len - 1] == '/';
        p.len -= for_folders;
        bool anchored = str_find_byte(p, '/', 0) != STR_NONE;
        p = str_skip(p, p.len > 0 && p.ptr[0] == '/');
        if (p.len == 0 || (for_folders && !is_folder) || ends_in_backslash(p))
            continue;
        if (match(p, anchored ? path : path_name(path), true))
            verdict = negated ? IGNORE_NO : IGNORE_YES;
    }
    return verdict;
}

static void compare(struct str content, struct str path, bool is_folder,
                    enum ignore_verdict verdict)
{
    if (content.len > FILE_BYTES_MAX || path.len > PATH_BYTES_MAX)
        return;
    if (memchr(content.ptr ? content.ptr : "", '[', content.len))
        return; /* classes: git_test.c */
    steps = 0;
    enum ignore_verdict wanted = judge(content, path, is_folder);
    FUZZ_CHECK(steps > STEPS_MAX || wanted == verdict);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str path, content = fuzz_split((struct str){(const char *)data, size}, &path);
    struct ignore *ignore = ignore_parse(content);
    enum ignore_verdict file = ignore_match(ignore, path, false);
    enum ignore_verdict folder = ignore_match(ignore, path, true);
    /* Rules for folders come on top of those for files. */
    FUZZ_CHECK(file == IGNORE_UNDECIDED || folder != IGNORE_UNDECIDED);
    compare(content, path, false, file);
    compare(content, path, true, folder);
    ignore_free(ignore);
    return 0;
}
