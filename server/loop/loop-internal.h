/* What the files of loop share. */
#ifndef LANEBRIDGE_LOOP_INTERNAL_H
#define LANEBRIDGE_LOOP_INTERNAL_H

#include <uv.h>

#include <lanebridge/loop.h>

enum { LOOP_READ_BYTES = 64 * 1024 };

/* Head of everything that a caller must free: loop_free() names what is left. */
struct loop_object {
    struct loop *loop;
    const char *kind;
    struct loop_object *prev, *next;
};

struct loop_deferred {
    void (*fn)(void *user);
    void *user;
};

struct loop {
    uv_loop_t uv;
    uv_idle_t deferred_runner; /* active while something is deferred, so the poll does not block */
    VEC(struct loop_deferred) deferred;
    uv_prepare_t last_runner; /* active while something is to be done before the wait */
    VEC(struct loop_deferred) last;
    unsigned put_off; /* for how many turns it has been */
    struct loop_object objects;        /* ring */
    size_t unreaped;                   /* freed processes that were killed and are not yet reaped */
    char read_buffer[LOOP_READ_BYTES]; /* libuv fills it and calls back before the next fill */
};

void loop_object_add(struct loop *loop, struct loop_object *object, const char *kind);
void loop_object_remove(struct loop_object *object);

enum status loop_status_from_uv(int code);
enum status loop_err_from_uv(struct err *err, int code, const char *what);

/* loop_stream_new for descriptors that are ours already, CLOEXEC and >= 3: takes them over, also
 * when it fails. */
struct loop_stream *loop_stream_adopt(struct loop *loop, int read_fd, int write_fd,
                                      size_t queue_limit_bytes,
                                      const struct loop_stream_handlers *handlers, void *user,
                                      struct err *err);

/* A terminal for a child: ours twice, for a stream each way, and the child's. */
enum status loop_terminal_open(int *ret_read, int *ret_write, int *ret_child, struct err *err);

/* For uv_walk, at the end: lets go of a freed process that does not die. */
void loop_process_abandon(uv_handle_t *handle, void *user);

/* Appends the path of the file that `name` means in the PATH of `env`; a name with a slash is taken
 * as it is, relative to cwd. Relative entries of PATH are skipped: they would run what lies in the
 * folder somebody else filled. */
enum status loop_program_find(const char *name, char *const *env, const char *cwd, struct buf *path,
                              struct err *err);

#endif
