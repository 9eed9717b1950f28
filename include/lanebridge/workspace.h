/* workspace: the folders the user opened, the one way to their files, and searching them.
 *
 * Invariants: every file access of the agent goes through here, beneath a root's directory
 * descriptor (openat2 RESOLVE_BENEATH|NO_MAGICLINKS, or a component walk with O_NOFOLLOW): no path
 * text can leave the roots, no race can either. Only regular files are opened. Roots come from the
 * editor alone. What is open in the editor is not looked at here except by searches, which take a
 * document snapshot. */
#ifndef LANEBRIDGE_WORKSPACE_H
#define LANEBRIDGE_WORKSPACE_H

#include <sys/stat.h>

#include <lanebridge/base.h>
#include <lanebridge/document.h>
#include <lanebridge/loop.h>
#include <lanebridge/text.h>

struct workspace;

/* -- Roots ------------------------------------------------------------------------------------------ */

struct workspace_root {
    char *path;      /* canonical, absolute */
    char *name;      /* shown as "name/…" when there are several roots; unique */
    int fd;          /* O_PATH directory */
    bool confirmed;  /* false for "/" and $HOME until the user said yes: nothing is read there */
};
/* state_folder: where trust and caches live (0700, ours). home: for the $HOME rule. Both copied. */
struct workspace *workspace_new(struct loop *loop, struct str state_folder, struct str home);
void workspace_free(struct workspace *workspace);
/* Errors: STATUS_NOT_FOUND, STATUS_INVALID (not a folder), STATUS_EXISTS (already a root). */
enum status workspace_add_root(struct workspace *workspace, struct str path, struct str name,
                               struct err *err);
void workspace_remove_root(struct workspace *workspace, struct str path);
size_t workspace_root_count(const struct workspace *workspace);
/* The root that is this folder, by any of its names; NULL if none is. */
const struct workspace_root *workspace_root_find(const struct workspace *workspace, struct str path);
/* The person said yes to a folder as large as that ("/", $HOME, what holds our own files). */
void workspace_confirm_root(struct workspace *workspace, struct str path);
/* Another place of ours (the settings' folder): a root that holds it waits to be confirmed. */
void workspace_add_own(struct workspace *workspace, struct str path);
struct workspace_root *workspace_root_at(const struct workspace *workspace, size_t index);

/* -- Paths ------------------------------------------------------------------------------------------- */

/* A path inside a root. `relative` is clean, never climbs, and has the links of its folders expanded
 * (so what is shown, checked and opened is one path), the last component as it stands; "." is the root
 * itself. `display` is what the model and the user see: relative, with "name/" in front when there are
 * several roots. The root stays valid until workspace_free, also when it was removed: every access is
 * then refused. */
struct workspace_path {
    const struct workspace_root *root;
    char *relative;
    char *absolute;
    char *display;
    bool exact;      /* made by workspace_pin: reading follows no link any more */
};
void workspace_path_finish(struct workspace_path *path);

/* From what the model wrote: relative to the (only, or named, or `base`) root, or absolute inside one.
 * base may be NULL: the first root. Errors, each naming the path: STATUS_INVALID (path text),
 * STATUS_DENIED (outside every root: "… is outside the folders open in the editor"),
 * STATUS_NOT_FOUND (no folder is open). The file need not exist. */
enum status workspace_resolve(const struct workspace *workspace, const struct workspace_root *base,
                              struct str text, struct workspace_path *ret_path, struct err *err);

/* Of a document that is open while no folder is, by the name it is known by: for what is decided by names.
 * Nothing on the disk is reached by it. */
void workspace_name_loose(struct str name, struct workspace_path *ret_path);

struct workspace_stat {
    bool exists;
    bool is_folder, is_file, is_link;   /* of the path itself, not followed at the last component */
    uint64_t size, device, inode, links;
    int64_t modified_ns, changed_ns;    /* of the text; of anything about it */
    unsigned mode;
};
enum status workspace_stat(const struct workspace_path *path, struct workspace_stat *ret_stat,
                           struct err *err);
/* Follows links beneath the root; appends the canonical absolute path, what does not exist yet as it
 * stands. For policy checks. Errors: DENIED when a link leads outside. */
enum status workspace_canonical(const struct workspace_path *path, struct buf *ret_absolute,
                                struct err *err);
/* The canonical path as one to be opened: a link put in its way afterwards is refused, so what policy
 * looked at is what is read. */
enum status workspace_pin(const struct workspace *workspace, const struct workspace_path *path,
                          struct workspace_path *ret_path, struct err *err);
/* workspace_stat and workspace_pin in one: of most paths one look tells both. */
enum status workspace_look(const struct workspace *workspace, const struct workspace_path *path,
                           struct workspace_stat *ret_stat, struct workspace_path *ret_path,
                           struct err *err);
/* Reads a regular file whole. Blocking: for files up to a few hundred KiB on the loop, else in work.
 * Errors: NOT_FOUND, DENIED (outside, permission), UNSUPPORTED (FIFO, device, folder), LIMIT. */
enum status workspace_read(const struct workspace_path *path, size_t limit_bytes,
                           struct buf *ret_bytes, struct workspace_stat *ret_stat, struct err *err);
/* Temp file in the same folder, fsync, rename; keeps the mode of what it replaces (else 0644), makes
 * missing parent folders. Refuses links, read-only and non-regular files and nlink > 1, and above
 * LIMIT_EDIT_FILE_BYTES. `expect`, if not NULL, is the stat the caller decided on (of what did not
 * exist, too): STATUS_CONFLICT when (size, mtime, inode) differ. */
enum status workspace_write(const struct workspace_path *path, struct str bytes,
                            const struct workspace_stat *expect, struct err *err);
/* Files, links (not what they name) and empty folders. */
enum status workspace_remove(const struct workspace_path *path, struct err *err);
enum status workspace_rename(const struct workspace_path *from, const struct workspace_path *to,
                             struct err *err);   /* never replaces: STATUS_EXISTS */

/* Makes the file's time of change now, if it is still what `expect` says: its text is the newest, also
 * for a build tool that compares times. */
enum status workspace_touch(const struct workspace_path *path, const struct workspace_stat *expect,
                            struct err *err);

/* -- Several files as one ------------------------------------------------------------------------- */

enum workspace_op_kind { WORKSPACE_WRITE, WORKSPACE_REMOVE, WORKSPACE_MOVE };
struct workspace_op {
    enum workspace_op_kind kind;
    const struct workspace_path *path, *to; /* to: of a MOVE; must not exist */
    struct str bytes;                       /* WRITE and MOVE: the new text */
    const struct workspace_stat *expect;    /* of path, or NULL; as in workspace_write */
};
/* All or nothing: on any error, and after a crash once workspace_repair has run, every file is as it
 * was. Each is checked as by workspace_write and workspace_remove; folders are not removed. A file that
 * somebody else changed in the meantime keeps their text, also while the others are taken back: then
 * the error names the file beside it that holds the earlier text. */
enum status workspace_write_all(struct workspace *workspace, const struct workspace_op *ops,
                                size_t count, struct err *err);
/* Takes back what processes that were killed left of such changes in the folders that are open, and
 * says so in `report`, a line each. Gives their number. */
size_t workspace_repair(const struct workspace *workspace, struct buf *report);

/* -- Walking and searching: in the pool, results on the loop thread --------------------------------- */

/* Chooses what a search must not show; called on pool threads: pure, thread-safe. */
typedef bool workspace_filter_fn(void *user, struct str absolute_path, bool is_folder);

struct workspace_search {
    const struct workspace_path *folder;   /* where to start; may be a file for grep */
    struct document_snapshot *documents;   /* taken over; open texts stand in for their files */
    workspace_filter_fn *hidden;           /* optional: true hides (secrets, policy) */
    void *hidden_user;
    size_t limit;                          /* results */
    size_t offset;                         /* list only: results to skip */
    unsigned depth;                        /* list only: 1 to 3 */
    struct str glob;                       /* find: the pattern; grep: optional filter */
    struct str pattern;                    /* grep */
    bool fixed, ignore_case;
    unsigned context;                      /* grep: lines around, 0 to 5 */
    unsigned budget_ms;
    int64_t since_ns;                      /* changed */
};
struct workspace_match {
    char *path;           /* display path */
    bool is_folder;
    bool ignored;         /* by .gitignore/.agentignore (list marks it, find and grep leave it out) */
    bool unsaved;         /* the text came from the editor */
    uint64_t size;
    size_t line;          /* grep: 1-based */
    char *text;           /* grep: the line, repaired UTF-8, cut at LIMIT_READ_LINE_CHARS_COUNT */
    bool is_context;      /* grep: a line around a match */
};
struct workspace_results {
    enum status status;            /* OK also when limited or out of time */
    char error[256];               /* e.g. the regex's error with its offset */
    struct workspace_match *matches;
    size_t count;
    size_t total;                  /* known number before limit, where counted */
    size_t files_searched, files_skipped_binary, files_skipped_large;
    bool limited;                  /* there is more, or may be: results, depth, or lines that an
                                      expression took too many steps on were left out */
    bool timed_out;
};
typedef void workspace_results_fn(void *user, const struct workspace_results *results);
struct workspace_job;
/* `search` and all it points at are borrowed for the call, except the snapshot's content and hidden_user.
 * Results are borrowed for the callback, which always comes, errors included. Order: by path, folders
 * first for list. .git is never entered; links are named, not followed. A start that is ignored or
 * hidden was asked for and is searched. grep tries each line alone (UTF-8, bad bytes match nothing).
 * Cancelling: no callback comes any more, and `hidden` is not called once it has returned. */
struct workspace_job *workspace_list(struct workspace *workspace, const struct workspace_search *search,
                                     workspace_results_fn *on_done, void *user);
struct workspace_job *workspace_find(struct workspace *workspace, const struct workspace_search *search,
                                     workspace_results_fn *on_done, void *user);
struct workspace_job *workspace_grep(struct workspace *workspace, const struct workspace_search *search,
                                     workspace_results_fn *on_done, void *user);
/* Regular files that are not ignored and of which anything changed at since_ns of the wall clock, or
 * later: made, written, moved, given another mode. */
struct workspace_job *workspace_changed(struct workspace *workspace,
                                        const struct workspace_search *search,
                                        workspace_results_fn *on_done, void *user);
void workspace_job_cancel(struct workspace_job *job);

/* -- Open text against the disk ----------------------------------------------------------------------- */

/* True when the document's text differs from its file (or the file is missing or unreadable). */
bool workspace_is_unsaved(const struct workspace *workspace, const struct document *document);

/* -- Trust: remembered at user level, per canonical root ----------------------------------------------- */

enum workspace_trust { TRUST_UNKNOWN, TRUST_YES, TRUST_NO };
enum workspace_trust workspace_trust_get(const struct workspace *workspace, struct str root_path);
enum status workspace_trust_set(struct workspace *workspace, struct str root_path,
                                enum workspace_trust trust, struct err *err);

#endif
