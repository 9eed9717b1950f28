/* What a connection to the configured endpoint is opened with: address, headers, the key. */
#ifndef LANEBRIDGE_TARGET_H
#define LANEBRIDGE_TARGET_H

#include "app.h"

enum { TARGET_HEADERS_COUNT = 32 };

struct target {
    struct net_target net;
    struct net_header headers[TARGET_HEADERS_COUNT];
    struct buf key_header;
    struct buf texts[TARGET_HEADERS_COUNT];
};

/* endpoint.url = "replay:FILE" */
bool target_is_replay(const struct config *config);
/* Its file; "replay:demo" is the recording that is installed with this program. */
void target_append_replay_file(const struct config *config, struct buf *file);
/* A model on this machine, which may do without one. */
bool target_needs_no_key(const struct config *config);
/* The key does not come from the environment but from endpoint.apiKeyCommand. */
bool target_has_key_command(const struct config *config);
/* key: used if there is one, else taken from the environment into it; NULL: goes without (doctor
 * looks at the way to a server also where no key is). replay_socket: where our own
 * endpoint listens, borrowed; for target_is_replay alone. */
enum status target_init(struct target *target, const struct config *config, struct buf *key,
                        const char *replay_socket, enum transport_kind kind, struct err *err);
void target_add(struct target *target, const char *name, const char *value); /* borrows */
void target_finish(struct target *target);

#endif
