/* Running one search and writing its results down. */
#ifndef TEST_WORKSPACE_SEARCHING_H
#define TEST_WORKSPACE_SEARCHING_H

#include "fixture.h"

typedef struct workspace_job *start_fn(struct workspace *workspace,
                                       const struct workspace_search *search,
                                       workspace_results_fn *on_done, void *user);

struct answer {
    struct buf text; /* one line a match */
    char error[256];
    enum status status;
    unsigned calls;
    size_t total, searched, binary, large;
    bool limited, timed_out;
};

/* Writes them into the struct answer that user is. */
void on_results(void *user, const struct workspace_results *results);
/* Starts it (workspace_list_start …) in the folder and waits; 100 results unless it says otherwise.
 */
struct answer ask(struct fixture *fixture, start_fn *start, const char *folder,
                  struct workspace_search search, const struct documents *documents);
void expect(struct answer answer, const char *lines);
void expect_error(struct answer answer, enum status status, const char *part);
void open_text(struct documents *documents, const struct fixture *fixture, const char *name,
               const char *content);
void make_tree(struct fixture *fixture); /* with ignored files in it */

#endif
