/* A workspace in a temporary folder, every part real, and a host without an editor. */
#ifndef TOOLS_FIXTURE_H
#define TOOLS_FIXTURE_H

#include <lanebridge/config.h>
#include <lanebridge/document.h>
#include <lanebridge/json.h>
#include <lanebridge/tools.h>

struct fixture;

/* -- The host: applies to documents and disk, answers by script ------------------------------ */

enum { HOST_CALLS_MAX = 64 };
struct fake_host {
    struct fixture *f;
    /* script */
    enum host_apply_result forced[8]; /* results given instead of applying, in order */
    unsigned forced_count;
    void (*before_apply)(struct fixture *f); /* e.g. the user types */
    void (*before_save)(struct fixture *f);
    const char *note;
    enum host_decision decision;
    bool declines_saving; /* whatever decision says */
    const char *rule_text;             /* chosen if a rule holds it */
    bool holds_answers, holds_applies; /* never answer */
    enum status save_status;
    /* language servers: each gives the answer by calling fn(who, …); NULL: there are none */
    void (*diagnose)(struct fixture *f, host_diagnostics_fn *fn, void *who);
    void (*locate)(struct fixture *f, const struct host_query *query, host_locations_fn *fn,
                   void *who);
    void (*propose)(struct fixture *f, const struct host_query *query, host_proposal_fn *fn,
                    void *who);
    void (*inquire)(struct fixture *f, const struct host_inquiry *inquiry, host_inquire_fn *fn,
                    void *who);
    bool holds_editor; /* never answers these */
    /* what happened */
    unsigned diagnoses, locates, proposes, inquiries;
    unsigned applies, asks, saves, drops, notices;
    enum host_ask_kind ask_kind;
    struct buf shown, saved, reason, rules, title, noticed;
    /* under way */
    struct pending {
        struct fixture *f;
        void *user; /* NULL: dropped */
        host_apply_fn *on_apply;
        host_ask_fn *on_ask;
        host_done_fn *on_save;
        host_diagnostics_fn *on_diagnostics;
        host_locations_fn *on_locations;
        host_proposal_fn *on_proposal;
        host_inquire_fn *on_inquire;
        struct host_query query;
        struct host_inquiry inquiry;
        enum host_apply_result result;
        char rule_id[64];
        bool has_rule, is_saving;
    } pending[HOST_CALLS_MAX];
    size_t pending_count;
    struct host_ops ops;
    struct host host;
};
void host_init(struct fake_host *host, struct fixture *f);
/* Offers what has a function above. */
void host_offer(struct fake_host *host);
void host_finish(struct fake_host *host);

/* -- The fixture ----------------------------------------------------------------------------- */

struct fixture {
    char dir[64];
    char ws[80];
    struct loop *loop;
    struct loop_timer *guard;
    struct config *config;
    struct config_env env;
    struct documents *documents;
    struct workspace *workspace;
    struct policy *policy;
    struct journal *journal;
    struct tools *tools;
    struct tools_thread *thread;
    char thread_id[ID_BYTES], turn_id[ID_BYTES];
    struct fake_host host;
    unsigned next_call;
    unsigned running; /* calls without an output */
    bool timed_out;
};
void fixture_init(struct fixture *f);
void fixture_finish(struct fixture *f);
/* Frees tools and journal and makes them again, as after a crash or a restart. */
void fixture_restart(struct fixture *f);
/* A second path, in static memory of four turns. */
const char *in_ws(const struct fixture *f, const char *name);

void put(struct fixture *f, const char *name, const char *text);
void put_bytes(struct fixture *f, const char *name, struct str bytes);
/* The disk's text, or "(none)"; in static memory. */
const char *disk(struct fixture *f, const char *name);
/* Opens the file in the "editor" with this text. */
void open_file(struct fixture *f, const char *name, const char *text);
void type_over(struct fixture *f, const char *name, const char *text);
/* The document's text, or "(closed)". */
const char *screen(struct fixture *f, const char *name);
/* The person saves it: the disk has it, and the server is told. */
void save_file(struct fixture *f, const char *name);

/* -- Calls ----------------------------------------------------------------------------------- */

struct record {
    struct fixture *f;
    struct tools_call *call;
    char call_id[48];
    bool is_duplicate; /* of a running call: the journal has the first one's */
    unsigned outputs, started, waiting;
    bool ok, unknown;
    int exit_code;
    char *text, *summary, *diff;
    struct buf progress;
    char *title;
    unsigned order; /* of its end among all calls of the fixture */
    void (*on_started)(struct record *record);
    void (*on_progress)(struct record *record);
};
/* Starts; arguments may use ' for ". */
void start(struct fixture *f, struct record *record, const char *name, const char *arguments);
void start_id(struct fixture *f, struct record *record, const char *call_id, const char *name,
              struct str arguments, bool is_custom);
/* Until every started call has its output. */
void wait_all(struct fixture *f);
/* start and wait. */
void call(struct fixture *f, struct record *record, const char *name, const char *arguments);
void patch(struct fixture *f, struct record *record, const char *text);
void record_finish(struct record *record);

#define assert_has(text, part)                                                                     \
    cr_assert(strstr((text), (part)) != NULL, "\"%s\" is not in:\n%s", (part), (text))
#define assert_lacks(text, part)                                                                   \
    cr_assert(strstr((text), (part)) == NULL, "\"%s\" is in:\n%s", (part), (text))

#endif
