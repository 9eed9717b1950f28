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
    enum secret_kind secret;
};

/* Where a folder lies; all below inherits it. */
struct census_place {
    const char *protected_by; /* the name that makes all below it protected, or NULL */
    size_t protected_length;  /* of the path up to that name */
    bool in_secret;           /* in a folder that is masked as a whole */
    unsigned depth;
};

struct census_folder {
    struct stat st;  /* as it was when the names were read */
    bool is_settled; /* its times were old enough then to tell later changes */
    bool is_cut;     /* not all of its names were read */
    struct census_place place;
    VEC(struct census_entry) entries;
};

struct census *census_new(void);
void census_free(struct census *census);
/* One walk at a time: they share what is remembered. */
void census_lock(struct census *census);
void census_unlock(struct census *census);

/* A walk's allowance. */
struct census_budget {
    size_t entries;
    uint64_t until_ns;
};
/* The folder's names: remembered, or read now. `path` is "INDEX/relative" (INDEX of the root among
 * the guard's), relative to root_fd from its first slash on. Borrowed until the census is unlocked;
 * NULL when it cannot be opened without following a link. */
const struct census_folder *census_list(struct census *census, const char *root, int root_fd,
                                        struct str path, const struct stat *st,
                                        const struct census_place *place,
                                        struct census_budget *budget);
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
