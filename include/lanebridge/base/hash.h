/* Hashes and identifiers. */
#ifndef LANEBRIDGE_BASE_HASH_H
#define LANEBRIDGE_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

#include <lanebridge/base/str.h>

enum { SHA256_HEX_BYTES = 65, ID_BYTES = 40 };

/* Lower-case hex with NUL: names of blobs, identity of what an approval was given for. */
void hash_sha256_hex(struct str s, char ret_hex[SHA256_HEX_BYTES]);

/* Fast 64-bit hash, keyed per process: for tables, never for identity. */
uint64_t hash_bytes(struct str s);

/* "prefix_" + 24 random lower-case base32 characters (120 bits, getrandom), NUL-terminated.
 * The prefix has at most 12 characters. */
void id_make(const char *prefix, char ret_id[ID_BYTES]);

#endif
