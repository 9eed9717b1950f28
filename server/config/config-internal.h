/* The table of keys and what a config remembers beside its values. */
#ifndef LANEBRIDGE_CONFIG_INTERNAL_H
#define LANEBRIDGE_CONFIG_INTERNAL_H

#include <lanebridge/config.h>

enum config_kind {
    KIND_TEXT,      /* char *; `names`, if any, are the only values */
    KIND_INT,       /* int64_t within low..high */
    KIND_BOOL,      /* bool */
    KIND_CHOICE,    /* an enum, by its place in `names` */
    KIND_STRINGS,   /* array of strings */
    KIND_HEADERS,   /* object of strings, kept as "name: value" */
    KIND_OBJECT,    /* verbatim JSON text */
    KIND_ARRAY,     /* verbatim JSON text */
    KIND_ELSEWHERE, /* known, but read by others: {"trusted": true} in initializationOptions */
};
enum config_class { CLASS_USER, CLASS_TIGHTER, CLASS_FREE };

struct config_key {
    const char *name;
    enum config_kind kind;
    enum config_class class;
    size_t offset;
    const char *initial;      /* the default as text; NULL: "", {}, [] or no strings */
    const char *const *names; /* NULL-terminated; tighter first for CLASS_TIGHTER */
    int64_t low, high;
    bool zero_is_unlimited; /* CLASS_TIGHTER integers: 0 is the loosest */
};
extern const struct config_key config_keys[];
extern const size_t config_key_count;

/* `config` is first, so that the door's pointer is this one. The fence is what the user's own
 * sources set: the workspace may be tighter than that, however often it changes its mind. */
struct config_full {
    struct config config;
    int64_t *fence; /* by index of the key; CLASS_TIGHTER only */
    struct map warned;
};

void *config_field(struct config *config, const struct config_key *key);
int64_t config_get_number(struct config *config, const struct config_key *key);
void config_set_number(struct config *config, const struct config_key *key, int64_t value);
void config_strings_finish(struct config_strings *strings);

#endif
