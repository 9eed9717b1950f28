/* An editor at the other end of the language server's pipe: one buffer, edited by a person and by
 * workspace/applyEdit, told to the server by didChange. It has the habits that editors were seen to
 * have (docs/decisions/0005, 0008), and its own, plain reading of positions. */
#ifndef LANEBRIDGE_TESTS_TYPIST_H
#define LANEBRIDGE_TESTS_TYPIST_H

#include <lanebridge/jsonrpc.h>
#include <lanebridge/text.h>

/* An edit whose version is not the buffer's. */
enum stale {
    STALE_REFUSE, /* VS Code: applied: false */
    STALE_ERROR,  /* eglot: an error */
    STALE_SKIP,   /* Neovim: says applied, does nothing */
    STALE_NEOVIM, /* the same, but version 0 is no version, and lands */
    STALE_LAND,   /* lsp-mode: lands where it was meant to, in another text */
    STALE_COUNT,
};
enum tell { TELL_RANGES, TELL_PIECES, TELL_WHOLE, TELL_MINIMAL, TELL_COUNT };
struct habits {
    enum stale stale;
    enum tell tell;        /* how an applied edit is told */
    bool answers_first;    /* before the didChange */
    bool is_late;          /* didChange comes by a timer, as with eglot */
    bool takes_part;       /* of several edits some, and says yes */
    int64_t version, step; /* of didOpen, and how much each change adds */
};

enum moment { MOMENT_ARRIVED, MOMENT_LANDED, MOMENT_ANSWERED };
struct typist {
    struct loop *loop;
    struct jsonrpc_peer *peer;
    enum position_encoding encoding;
    struct loop_timer *timer;
    struct habits habits;
    uint64_t *random;
    char uri[256];
    int64_t version;
    struct buf text;
    VEC(char *) unsent; /* didChange */
    /* Lets the person type at the worst moments; the text is then as it is. */
    void (*on_moment)(void *user, enum moment moment);
    void *user;
    unsigned edits, landed_stale; /* applyEdit requests, so far */
};

void typist_init(struct typist *typist, struct loop *loop, int fd);
void typist_finish(struct typist *typist);
void typist_open(struct typist *typist, const char *uri, const struct habits *habits,
                 struct str text);
void typist_close(struct typist *typist);
/* A person's keystroke, told at once; before it what is still unsent. */
void typist_type(struct typist *typist, size_t start, size_t end, struct str with);
void typist_send_all(struct typist *typist);

#endif
