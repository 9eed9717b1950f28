/* A client and a server that says what the test wrote down: a shell that prints a file. What the
 * client sends is taken from its traffic. */
#ifndef TEST_CLIENT_DESK_H
#define TEST_CLIENT_DESK_H

#include <criterion/criterion.h>

#include <lanebridge/client.h>

extern const struct client_handlers desk_handlers;

struct desk {
    struct loop *loop;
    struct client *client;
    struct err err;
    char folder[64], server_says[96], file[96];
    struct client_options options;
    struct buf script; /* what the server will say */
    VEC(char *) sent;  /* what the client said */
    VEC(char *) asked;
    int button;
    bool wants_edits;
    const char *types_meanwhile; /* when an edit comes */
    const char *unsaved;         /* opened with this text */
    size_t applied_count;
    int exit_code, exit_signal;
};
/* Opens a.txt of its folder as soon as the server is ready. */
void desk_init(struct desk *desk, const char *encoding);
/* One message, with ' for " and @ for the file's URI. */
void says(struct desk *desk, const char *text);
/* Plays the script; "done" ends it. The buffers live until desk_finish. */
void desk_run(struct desk *desk);
void desk_finish(struct desk *desk);
/* Place of the first message that contains `part` (' for "), or SIZE_MAX. */
size_t place_of(const struct desk *desk, const char *part);
void assert_text(const struct desk *desk, const char *path, const char *expected);

#define assert_sent(desk, part) cr_assert_neq(place_of(desk, part), SIZE_MAX, "not sent: %s", part)
#define assert_not_sent(desk, part) cr_assert_eq(place_of(desk, part), SIZE_MAX, "sent: %s", part)

#endif
