/* The only includer of sqlite3.h here: one connection to the store's file. */
#ifndef LANEBRIDGE_ENDPOINT_DATABASE_INTERNAL_H
#define LANEBRIDGE_ENDPOINT_DATABASE_INTERNAL_H

#include "keeper-internal.h"

enum job_kind { JOB_PUT, JOB_REMOVE, JOB_USAGE };
struct keeper_job {
    enum job_kind kind;
    enum status result;
    keeper_done_fn *on_done;
    void *user;
    enum kept_state state;
    char id[ENDPOINT_ID_BYTES], parent[ENDPOINT_ID_BYTES];
    uint64_t at; /* seconds */
    struct buf text;
    struct str input, output, response; /* in `text` */
    struct kept_usage usage;
    size_t bytes;
};

struct database;
/* A writer makes the file if it is not there. */
struct database *database_open(const char *path, bool writes, struct err *err);
void database_close(struct database *database);
/* One transaction; each job's result is set. All of them fail if it cannot be committed. */
void database_write(struct database *database, struct keeper_job **jobs, size_t count);
/* Lets the oldest go until the file holds no more than that, some at a time. */
void database_prune(struct database *database, uint64_t max_bytes);
enum status database_read(struct database *database, struct str id, struct kept_row *ret_row);

#endif
