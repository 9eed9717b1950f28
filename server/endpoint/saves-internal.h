/* What is done to a request before an engine sees it, and what a connection need not do again:
 * routing (saves.c), validation (validate.c), images (images.c), rendering (render.c). A connection
 * has one `struct saves`, an HTTP request its own, empty one, as a server without connections
 * would. What was done to items is in their record: a continuation does it for its new items alone.
 * Each of these can be switched off (`--without`): it is then done for the whole conversation at
 * every step. */
#ifndef LANEBRIDGE_ENDPOINT_SAVES_INTERNAL_H
#define LANEBRIDGE_ENDPOINT_SAVES_INTERNAL_H

#include "endpoint-internal.h"
#include "tokens-internal.h"

/* -- images.c: what an image is, without showing it ----------------------------------------------
 */

enum image_kind { IMAGE_PNG, IMAGE_JPEG, IMAGE_WEBP, IMAGE_GIF, IMAGE_REMOTE, IMAGE_KIND_COUNT };
struct image {
    char hash[SHA256_HEX_BYTES]; /* of its URL */
    enum image_kind kind;
    unsigned width, height; /* of REMOTE: 0 */
};
/* Those that were decoded; the oldest goes first. */
struct images {
    struct map by_hash;
    VEC(struct image *) ring;
    size_t oldest, decoded, reused;
};
void images_finish(struct images *images);
/* `url` as it stands in JSON, between its quotes. NULL: what is wrong with it, for the sentence
 * "… is …". The image lives until the next call. */
const struct image *images_find(struct images *images, struct str url, const char **ret_wrong);
/* 85 and 170 for each tile of 512 pixels of the image, made to fit 2048 and then 768; `low`: 85. */
size_t image_tokens(const struct image *image, bool low);

/* -- validate.c: is it what the API takes? -------------------------------------------------------
 */

/* Errors: the problem, its param the member's path from `input[index]` on. */
enum status validate_item(struct str item, size_t index, struct images *images,
                          struct problem *problem);
/* `param`: "tools", or where else they stand. */
enum status validate_tools(struct str tools, const char *param, struct problem *problem);
/* Every output of the conversation answers a call before it. */
enum status validate_calls(const struct record *last, struct problem *problem);

/* -- check.c: the user's own check ---------------------------------------------------------------
 */

struct checker;
struct check;
/* NULL: let it through. */
typedef void check_done_fn(void *user, const struct problem *refusal);
struct checker *checker_new(struct loop *loop, struct metrics *metrics, const char *command);
void checker_free(struct checker *checker); /* asks nobody back */
/* `items`: a JSON array. on_done comes later, once, unless cancelled. */
struct check *checker_ask(struct checker *checker, struct str items, check_done_fn *on_done,
                          void *user);
void check_cancel(struct check *check); /* NULL is fine */

/* -- render.c: items to tokens -------------------------------------------------------------------
 */

/* An item is START, who speaks, MESSAGE, each of its texts, END: what an item is does not depend on
 * those before it. */
struct render {
    struct tokenizer *tokenizer; /* NULL: a token is four bytes */
    struct images *images;
    struct token_list *list; /* of the tokenizer */
    size_t count;            /* of tokens, those of images included */
    struct buf text;         /* for one text at a time */
};
void render_item(struct render *render, struct str item);
void render_string(struct render *render, const char *role, struct str json);
void render_tools(struct render *render, struct str tools);
void render_finish(struct render *render);

/* -- saves.c: of one connection ------------------------------------------------------------------
 */

struct toolset {
    char hash[SHA256_HEX_BYTES];
    size_t tokens;
};
struct saves {
    struct endpoint *endpoint;
    struct images images;
    VEC(struct toolset) toolsets; /* instructions and tools that were checked and rendered */
    struct buf route_from, route; /* the model that was asked for, and the one that answers */
    bool is_connection;
    uint64_t bookkeeping_ns; /* of the last response */
};
void saves_init(struct saves *saves, struct endpoint *endpoint, bool is_connection);
void saves_finish(struct saves *saves);
/* The steps, in this order; each adds to answer->spent. Errors: the problem. */
void saves_route(struct saves *saves, struct answer *answer, const struct request *request);
enum status saves_validate(struct saves *saves, struct answer *answer,
                           const struct request *request, struct problem *problem);
void saves_render(struct saves *saves, struct answer *answer, const struct request *request);
/* The output's items, when all are there. */
void saves_render_output(struct saves *saves, struct answer *answer);
/* What a check has to see: the new input, as a JSON array; or all, where that is switched off. */
void saves_append_unchecked(const struct saves *saves, const struct record *record,
                            struct buf *buf);
/* What the input of this request would be. parent may be NULL. */
enum status saves_count(struct endpoint *endpoint, const struct request *request,
                        struct record *parent, size_t *ret_tokens, struct problem *problem);

/* -- stages.c: where the time went ---------------------------------------------------------------
 */

/* "routing=1 validation=12 …": microseconds. What is done after the terminal event can only be told
 * of the response before, of the same connection. */
void stages_append(struct buf *text, const struct answer *answer);
void stages_note_engine(struct answer *answer);       /* it has come to its end */
void stages_note_ending(const struct answer *answer); /* adds to the sums */
void stages_note_bookkeeping(struct saves *saves, uint64_t begun_ns);
void stages_note_refusal(struct endpoint *endpoint, uint64_t begun_ns);

#endif
