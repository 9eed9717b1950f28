/* What the walks before and after a command share: which names of a folder matter, remembered as
 * long as the folder's own times say that nothing in it was made, renamed or removed. */
#ifndef LANEBRIDGE_CENSUS_INTERNAL_H
#define LANEBRIDGE_CENSUS_INTERNAL_H

#include <sys/stat.h>

#include "policy-internal.h"

/* One name of a folder that must be looked at: protected, perhaps secret, or a folder. */
struct census_entry {
    char *name;
    const char *why;   /* protected because of this; NULL: it is not, or what it lies in is */
    bool is_recorded;  /* protected, or in a folder that is */
    bool is_descended; /* if it is a folder */
    bool is_withheld;  /* .agentignore names it */
    enum secret_kind secret;
};

/* The .agentignore files of a folder and those above it; NULL: none. */
struct withheld;
struct withheld_list {
    struct withheld **ptr;
    size_t len, cap;
};
/* The folder's own file, in a list that owns it. */
const struct withheld *withheld_push(struct withheld_list *list, const struct withheld *up,
                                     struct str folder, struct str content);
void withheld_finish(struct withheld_list *list);
/* Of all that they say; 0 for none. */
uint64_t withheld_id(const struct withheld *level);
bool withheld_names(const struct withheld *level, struct str path, bool is_folder);

/* Where a folder lies; all below inherits it. */
struct census_place {
    const char *protected_by; /* the name that makes all below it protected, or NULL */
    size_t protected_length;  /* of the path up to that name */
    bool in_secret;           /* in a folder that is masked as a whole */
    const struct withheld *withheld;
    unsigned depth;
};

struct census_folder {
    struct stat st;  /* as it was when the names were read */
    bool is_settled; /* its times were old enough then to tell later changes */
    bool is_cut;     /* not all of its names were read */
    bool has_withheld;    /* a file .agentignore of its own */
    uint64_t withheld_id; /* by which its names were judged */
    struct census_place place;
    VEC(struct census_entry) entries;
};

struct census *census_new(void);
void census_free(struct census *census);
/* One walk at a time: they share what is remembered. */
void census_lock(struct census *census);
void census_unlock(struct census *census);

/* A walk's allowance, and the .agentignore files it has met. */
struct census_budget {
    size_t entries;
    uint64_t until_ns;
    struct withheld_list withheld;
};
/* The folder's names: remembered, or read now; `place` learns of the .agentignore in it. `path` is "INDEX/relative" (INDEX of the root among
 * the guard's), relative to root_fd from its first slash on. Borrowed until the census is unlocked;
 * NULL when it cannot be opened without following a link. */
const struct census_folder *census_list(struct census *census, const char *root, int root_fd,
                                        struct str path, const struct stat *st,
                                        struct census_place *place, struct census_budget *budget);
bool census_is_spent(const struct census_budget *budget);

/* The first bytes of a file, remembered by its times. Borrowed; NULL when it cannot be read, is no
 * regular file, or is longer than that. */
const struct buf *census_content(struct census *census, const char *root, int root_fd,
                                 struct str relative, const struct stat *st);
/* Whether its content makes it a secret, remembered likewise. */
bool census_holds_secret(struct census *census, const char *root, struct str relative,
                         const struct stat *st);

/* Whether these are one file that was not touched in between. */
bool census_is_same(const struct stat *a, const struct stat *b);
/* The folder of a path, reached without any link; -1. */
int census_open_folder(int root_fd, struct str relative, int flags);

#define CENSUS_CONTENT_BYTES MIB /* to put back: such files are a few hundred bytes */

#endif
