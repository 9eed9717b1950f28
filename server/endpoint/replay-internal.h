/* A replay file, read. The format is docs/PROTOCOL.md's. */
#ifndef LANEBRIDGE_ENDPOINT_REPLAY_INTERNAL_H
#define LANEBRIDGE_ENDPOINT_REPLAY_INTERNAL_H

#include <regex.h>

#include <lanebridge/base.h>
#include <lanebridge/json.h>

enum matcher_kind { MATCHER_ANY, MATCHER_TEXT, MATCHER_EQUALS, MATCHER_REGEX };
struct matcher {
    enum matcher_kind kind;
    struct str text; /* also the source of the expression */
    regex_t regex;
};
bool matcher_accepts(const struct matcher *matcher, struct str text);

enum item_kind {
    ITEM_MESSAGE,
    ITEM_REASONING, /* as a summary */
    ITEM_THOUGHT,   /* as the model put it */
    ITEM_FUNCTION_CALL,
    ITEM_CUSTOM_CALL,
    ITEM_COMPACTION,
    ITEM_OTHER,
    ITEM_KIND_COUNT
};
enum { REPLAY_NO_LABEL = -1 };
struct replay_item {
    enum item_kind kind;
    struct str text;        /* of the deltas; of arguments given as an object: their JSON */
    struct str name, phase; /* name: JSON-free text; phase empty: none */
    struct str body;        /* of ITEM_OTHER: the object without `call` */
    struct buf json;        /* holds what had to be written: arguments or body */
    int label;
    bool substitutes;  /* text or body holds ${output:…} */
    bool text_is_json; /* what is put in must be escaped */
};

enum fault_kind {
    FAULT_CUT,
    FAULT_CLOSE,
    FAULT_STALL,
    FAULT_ERROR,
    FAULT_FAILED,
    FAULT_INCOMPLETE,
    FAULT_GARBAGE,
    FAULT_UNKNOWN,
    FAULT_DUPLICATE_TERMINAL,
    FAULT_SPARSE,
    FAULT_KIND_COUNT,
};
struct replay_fault {
    enum fault_kind kind;
    int64_t after_event, times_left;
    int64_t close_code, status, retry_after_ms;
    struct str code, message, param, reason;
    bool flat;
};

struct replay_output_expect {
    int label;
    struct matcher matcher;
};
struct replay_pace {
    int64_t first_ms, delta_ms, chunk;
};
struct replay_step {
    unsigned line;
    unsigned first, repeat; /* it is played as steps [first, first + repeat) */
    struct matcher user_text, user_regex;
    VEC(struct replay_output_expect) outputs;
    VEC(struct replay_item) items;
    struct replay_pace pace;
    int64_t pad_bytes;
    bool has_fault;
    struct replay_fault fault;
    const struct json_value *usage;
};
struct replay_rollout {
    unsigned line;
    struct str name;
    struct matcher match;
    VEC(struct replay_step) steps;
    unsigned length; /* steps with their repeats */
    bool used;
    bool takes_over; /* from the one that is played, when the user asks what it matches */
};
struct replay {
    char fingerprint[8];
    VEC(struct replay_rollout) rollouts;
    VEC(struct json_value *) lines; /* what the strings above are borrowed from */
    struct map label_numbers;       /* label → its number + 1 */
    VEC(struct str) labels;
    bool *kept; /* by label: its output is asked for later than in the next step */
};
/* Errors: STATUS_INVALID with name, line, what is wrong. */
struct replay *replay_parse(struct str text, const char *name, struct err *err);
void replay_free(struct replay *replay);
/* NULL when the rollout is over. */
struct replay_step *replay_step_at(const struct replay *replay, unsigned rollout, unsigned step);
int replay_label_find(const struct replay *replay, struct str label);

#endif
