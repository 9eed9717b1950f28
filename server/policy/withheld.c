/* What .agentignore names: the files that hold for a folder, from its own up to the root's, and
 * what they say of a name in it. Paths are the guard's: "INDEX/path". */
#include "census-internal.h"

struct withheld {
    const struct withheld *up;
    char *folder;
    struct ignore *ignore;
    uint64_t id;
};

static uint64_t id_of(const struct withheld *up, struct str folder, struct str content)
{
    struct buf text = {0};
    char hex[SHA256_HEX_BYTES];
    uint64_t id = 1;
    buf_append_fmt(&text, "%llx\n" STR_FMT "\n", (unsigned long long)withheld_id(up),
                   STR_ARG(folder));
    buf_append(&text, content);
    hash_sha256_hex(buf_str(&text), hex);
    buf_finish(&text);
    for (const char *c = hex; c < hex + 15; c++)
        id = id << 4 | (unsigned)(*c <= '9' ? *c - '0' : *c - 'a' + 10);
    return id;
}

const struct withheld *withheld_push(struct withheld_list *list, const struct withheld *up,
                                     struct str folder, struct str content)
{
    struct withheld *level = mem_new(struct withheld);
    level->up = up;
    level->folder = str_dup_c(folder);
    level->ignore = ignore_parse(content);
    level->id = id_of(up, folder, content);
    vec_push(list, level);
    return level;
}

void withheld_finish(struct withheld_list *list)
{
    for (size_t i = 0; i < list->len; i++) {
        ignore_free(list->ptr[i]->ignore);
        mem_free(list->ptr[i]->folder);
        mem_free(list->ptr[i]);
    }
    vec_finish(list);
}

uint64_t withheld_id(const struct withheld *level)
{
    return level ? level->id : 0;
}

/* The deepest file that says something decides. */
bool withheld_names(const struct withheld *level, struct str path, bool is_folder)
{
    for (; level; level = level->up) {
        struct str below = path_relative(path, str_from(level->folder));
        enum ignore_verdict verdict = ignore_match(level->ignore, below, is_folder);
        if (verdict != IGNORE_UNDECIDED)
            return verdict == IGNORE_YES;
    }
    return false;
}
