/* The editor's language servers, played. */
#ifndef TEST_TOOLS_SERVERS_H
#define TEST_TOOLS_SERVERS_H

#include "fixture.h"

void start_with(struct fixture *f); /* an editor that is waited for a quarter of a second */

/* Diagnostics of path: "line:severity:message|…" for each question, the second one stays; NULL: the
 * editor refuses; version 0: not told. */
void play(struct fixture *f, const char *path, const char *first, int64_t first_version,
          const char *second, int64_t second_version);
void diagnose(struct fixture *f, host_diagnostics_fn *fn, void *who); /* what play sets */
void play_second(const char *answer);                                 /* another one, from now on */

/* What locate answers, and where it was asked. */
extern const struct host_location *places;
extern size_t place_count;
extern enum status place_status;
extern size_t asked_at;
void locate(struct fixture *f, const struct host_query *query, host_locations_fn *fn, void *who);

/* Edits: what is proposed, and what was asked. */
struct played_server {
    struct host_change changes[4];
    size_t count;
    enum status status;
    unsigned conflicts; /* that come first */
    const char *types;  /* over a.c, while it works */
    struct host_query query;
    char words[32], action[32];
    struct str titles[2];
    size_t title_count;
    char path[4][256];
};
extern struct played_server server;
#define RENAME_IT "{'path':'a.c','symbol':'old','new_name':'new'}"
void start_server(struct fixture *f);
void change(struct fixture *f, enum host_change_kind kind, const char *name, const char *new_name,
            const char *before, const char *after);
void end_server(struct fixture *f, struct record *r);

#endif
