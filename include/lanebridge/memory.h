/* memory: what was learned of endpoints, in STATE/endpoints.json, shared by all processes of the
 * user. Lost without harm: everything in it is learned again.
 *
 * Invariants: what was refused is forgotten seven days after it was learned, for endpoints change;
 * processes that write at the same time do not lose each other's entries (a lock beside the file,
 * waited for at most 200 ms); the file is whole or not there, and readable by nobody else. */
#ifndef LANEBRIDGE_MEMORY_H
#define LANEBRIDGE_MEMORY_H

#include <lanebridge/responses.h>

struct memory;
/* Of one endpoint; its URL without the query is the name. */
struct memory *memory_new(const char *state_folder, const char *url);
void memory_free(struct memory *memory);
/* Nothing where nothing is known. */
void memory_get(const struct memory *memory, struct responses_learned *ret_learned);
/* Adds to what is there: names, the shorter life, the longer pause. */
void memory_put(const struct memory *memory, const struct responses_learned *learned);

#endif
