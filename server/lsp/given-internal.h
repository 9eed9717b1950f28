/* What goes along with a prompt: what the person gave (inputs.c, image.c), what they mention in it
 * (mentions.c), what they have before them (surroundings.c); and waiting for what the editor has to
 * be asked for (gather.c). */
#ifndef LANEBRIDGE_LSP_GIVEN_INTERNAL_H
#define LANEBRIDGE_LSP_GIVEN_INTERNAL_H

#include "lsp-internal.h"

/* One thing that was given along with a prompt. */
struct input_part {
    struct buf label, text; /* an empty label: nothing to tell of */
    struct buf path;        /* the file it is about, if it is about one */
    struct buf image;       /* data URL, or empty */
    struct buf why;         /* for people who look at what is sent: what there is to know of it */
    bool is_left_out;       /* of a preview alone; why says why */
    bool wants_diagnostics; /* the text is still to come, from the editor: of path, or of all files
                             */
    size_t first_line, last_line; /* of them; 0-based */
};
struct input_parts {
    VEC(struct input_part) list;
};
/* May text of this file go along with a prompt? DENIED: why not, and what to do. */
enum status inputs_check(const struct lsp_server *server, const char *path, struct err *err);
/* Appends what the inputs of the rich layer say. The first that is wrong ends it; but of a preview
 * each becomes a part that is left out. */
enum status inputs_read_all(const struct lsp_server *server, const struct json_value *input,
                            bool is_preview, struct input_parts *parts, struct err *err);
void inputs_push(struct input_parts *parts, struct input_part *part); /* takes it */
void inputs_finish(struct input_parts *parts);
void input_part_finish(struct input_part *part);
/* Bytes that fit into one part; what is cut is said in both. */
void inputs_append_cut(struct input_part *part, struct str bytes);

/* mentions.c: appends a JSON array of the inputs that a prompt mentions with "@"; paths from `base`. */
void mentions_append(const struct lsp_server *server, const struct workspace_root *base,
                     struct str prompt, struct buf *json);

/* image.c: the bytes decide what it is. */
enum status image_read(const struct lsp_server *server, const struct json_value *input,
                       struct input_part *part, struct err *err);

/* -- What the person has before them */
struct visible {
    char *name;
    size_t first_line, last_line; /* 0-based */
};
struct surroundings {
    bool is_told;      /* by the editor; else what the open documents let us know */
    struct buf active; /* path of the file, or the URI of what is none; or empty */
    bool has_selection;
    size_t first_line, last_line; /* 0-based */
    struct buf selected;
    VEC(struct visible) visible;
    VEC(char *) open;
};
/* The answer to lanebridge/editor/context. */
void surroundings_read(const struct lsp_server *server, const struct json_value *told,
                       struct surroundings *ret_surroundings);
/* active: the document the command was about, or NULL. */
void surroundings_guess(const struct lsp_server *server, const struct document *active,
                        struct surroundings *ret_surroundings);
/* As a part; with an empty label if there is nothing to say. */
void surroundings_tell(const struct lsp_server *server, const struct surroundings *surroundings,
                       bool with_selection, struct input_part *ret_part);
void surroundings_finish(struct surroundings *surroundings);

/* -- Waiting */
struct gathering;
/* Asks the editor for what the parts want, and for the surroundings (NULL: not). False: there is
 * nothing to wait for. True: on_done comes, later, in the order of the starts; both are filled in
 * until then. What an editor does not tell in time goes without. */
bool gather_start(struct lsp_server *server, struct input_parts *parts,
                  struct surroundings *surroundings, void (*on_done)(void *user),
                  void (*on_dropped)(void *user), void *user);

#endif
