/* A folder of real files, a workspace on it, and both ways of opening beneath a root. */
#ifndef TEST_WORKSPACE_FIXTURE_H
#define TEST_WORKSPACE_FIXTURE_H

#include <criterion/criterion.h>

#include <lanebridge/workspace.h>

#include "../../../server/workspace/beneath-internal.h"

struct fixture {
    char base[256]; /* holds ws (the root), ws-evil, outside, home, state */
    struct loop *loop;
    struct workspace *workspace;
};

void fixture_init(struct fixture *fixture);
void fixture_init_in(struct fixture *fixture, const char *folder); /* else in /tmp */
void fixture_finish(struct fixture *fixture);                      /* the loop must end clean */

/* base + "/" + what the format gives; from a ring of a few buffers. */
const char *at(const struct fixture *fixture, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Under base; folders are made. */
void put_file(const struct fixture *fixture, const char *name, const char *content);
void put_bytes(const struct fixture *fixture, const char *name, struct str content);
void put_folder(const struct fixture *fixture, const char *name);
void put_link(const struct fixture *fixture, const char *name, const char *target);
/* The content, or "(none)" when it cannot be read. From a ring of a few buffers. */
const char *get_file(const struct fixture *fixture, const char *name);
size_t count_names(const struct fixture *fixture, const char *folder); /* in it */

/* Asserts success. */
struct workspace_path resolve(const struct fixture *fixture, const char *text);
enum status read_text(const struct fixture *fixture, const char *text, struct buf *bytes,
                      struct err *err);
enum status write_text(const struct fixture *fixture, const char *text, const char *content,
                       struct err *err);

/* Permissions mean nothing to root: such tests run as somebody else. */
void become_nobody(const struct fixture *fixture);

#define FOR_BOTH_WAYS for (int way = 0; way < 2 && (beneath_use_walk(way), true); way++)

#endif
