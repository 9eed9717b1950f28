/* The player of session files: see README.md for their format.
 *   session.c   arguments, exit code
 *   script.c    the file as sections and steps
 *   match.c     what a message must contain; variables
 *   player.c    the loop, stages, deadlines, what is printed on failure
 *   children.c  the programs under test as processes, the endpoint among them
 *   editor.c    the language server, and the editor at its other side
 *   bare.c      the language server on bare bytes, for what no client would send
 *   steps.c     what is said to the server, one function a step, and the table of all steps
 *   buffers.c   the steps of buffers and files
 *   world.c     the steps of what is around the server
 *   checks.c    the steps that only look */
#ifndef SESSION_H
#define SESSION_H

#include <lanebridge/client.h>

/* -- Script --------------------------------------------------------------------------------------
 */

struct named_text {
    char *name;
    struct buf text;
};
struct step {
    unsigned line;
    char *text;
};
enum client_kind { CLIENT_EDITOR, CLIENT_BARE, CLIENT_NONE };
enum endpoint_kind { ENDPOINT_NONE, ENDPOINT_REPLAY, ENDPOINT_REFUSES, ENDPOINT_SILENT };
struct script {
    const char *path;
    struct buf title;
    VEC(struct named_text) files, texts;
    enum endpoint_kind endpoint;
    struct buf endpoint_args, replay, upstream, settings, config;
    VEC(char *) env;
    enum client_kind client;
    char *client_name, *encodings, *offers;
    VEC(char *) folders; /* of the workspace, to be opened each; none: the workspace itself */
    bool rich, untrusted;
    int64_t torn; /* bare: bytes a write, 0 whole */
    struct client_quirks quirks;
    VEC(struct step) steps;
};
bool script_load(struct script *script, const char *path);
void script_finish(struct script *script);
const struct named_text *script_text(const struct script *script, struct str name);

/* -- Words of a step -----------------------------------------------------------------------------
 */

/* Each takes the next word, string or value off the front; false when it is not there. */
bool words_take(struct str *rest, struct str *ret_word);
bool words_take_text(struct str *rest, struct buf *ret_text); /* "quoted as in JSON", or one word */
bool words_take_json(struct str *rest, struct str *ret_json);
bool words_take_arrow(struct str *rest);
bool words_done(struct str rest);

/* -- Matching ------------------------------------------------------------------------------------
 */

struct variables {
    VEC(struct named_text) list;
};
void variables_set(struct variables *variables, const char *name, struct str value);
void variables_finish(struct variables *variables);
/* Appends text with ${name} replaced; ${uri:PATH} is the URI of a file of the workspace. */
void variables_expand(const struct variables *variables, struct str text, struct buf *ret_text);
/* `expected` is part of `got`; what differs goes to `why`. "?name" binds, "~part" contains, "*" is
 * anything, null is null or absent. */
bool match_value(const struct json_value *expected, const struct json_value *got,
                 struct variables *variables, struct buf *why);
bool match_text(struct str expected, const struct json_value *got, struct variables *variables,
                struct buf *why);

/* -- Player --------------------------------------------------------------------------------------
 */

struct wire_message {
    bool outgoing;
    struct buf text;
    struct json_value *json; /* NULL when it is none */
};
struct child {
    struct loop_process *process;
    struct buf out, errors;
    bool ended;
    int exit_code, signal;
};
struct answer {
    bool asked, arrived, failed;
    int error_code;
    struct buf text; /* result, or the error's text */
    struct json_value *result;
};
struct bare;
struct upstream;
enum stage { STAGE_ENDPOINT, STAGE_SERVER, STAGE_STEPS, STAGE_STOP_SERVER, STAGE_STOP_ENDPOINT };
struct player {
    const struct script *script;
    const char *program;
    struct loop *loop;
    struct loop_timer *pump, *poll, *deadline;
    struct buf folder, root, state;
    struct variables variables;
    struct child endpoint, run;
    unsigned endpoint_port;
    struct upstream *upstream; /* a scripted server behind the endpoint */
    int held_socket;           /* a port that refuses or never answers */
    struct client *client;
    struct bare *bare;
    bool ready, server_ended, server_killed;
    bool by_hand; /* what goes out now is a session's own message, wrong perhaps on purpose */
    int server_exit, server_signal;
    VEC(struct wire_message) wire;
    size_t cursor, turn_cursor; /* how far expect and until have read */
    VEC(char *) answers, on_apply;
    char *offers;                          /* after a restart */
    VEC(struct named_text) editor_answers; /* name: the method's last word; a step or an answer */
    struct answer answer;
    enum stage stage;
    size_t at;         /* step */
    uint64_t asked_ms; /* when status was asked last */
    bool step_begun, exit_checked, over, failed;
    struct buf why;
};

enum outcome { STEP_DONE, STEP_WAIT, STEP_FAILED };
/* Called until it is done; player->step_begun is false the first time. WAIT and FAILED say in
 * player->why what is missing. */
typedef enum outcome step_fn(struct player *player, struct str rest);
step_fn *step_find(struct str name);
enum outcome step_play(struct player *player, struct str text);
enum outcome step_bad(struct player *player, const char *usage);
enum outcome step_wait(struct player *player, const char *what);
enum outcome step_result(struct player *player, enum status status, const struct err *err);
bool step_take_path(struct player *player, struct str *rest, struct buf *path);

int player_run(const struct script *script, const char *program);
void player_pump(struct player *player); /* something happened */
void player_fail(struct player *player); /* says player->why, and what went over the wires */
bool player_write_file(const char *path, struct str bytes);
void player_make_parents(char *path); /* of a file; as it was afterwards */
void player_path(const struct player *player, struct str name, struct buf *path);
bool read_whole(const char *path, struct buf *bytes);

/* children.c */
bool player_spawn(struct player *player, struct child *child, char *const *argv, bool with_stdin,
                  struct err *err);
void player_stop_child(struct child *child);
void player_build_env(const struct player *player, struct buf *text, char **env, size_t max);
bool player_start_endpoint(struct player *player, struct err *err);
bool player_endpoint_is_up(struct player *player);
/* The frames the endpoint got, and sent, as JSON lines. */
void player_trace(const struct player *player, struct buf *lines);

/* editor.c */
bool player_start_server(struct player *player, struct err *err);
void player_on_traffic(void *user, bool outgoing, struct str body);
void player_on_exit(void *user, int exit_code, int signal);
void player_forget_editor(struct player *player); /* its answers that are left over */

/* buffers.c */
step_fn step_open, step_type, step_replace, step_save, step_close, step_write;

/* world.c */
step_fn step_answer, step_answer_now, step_on_apply, step_editor, step_offers, step_kill,
    step_restart, step_lanebridge, step_interrupt_run;

/* checks.c */
step_fn step_expect, step_receive, step_never, step_prompts, step_until, step_buffer, step_disk,
    step_status;
step_fn step_run_exit, step_endpoint_got, step_endpoint_at_once, step_journal, step_output,
    step_errors, step_exit;

/* upstream.c: a line of the section answers one request */
bool player_start_upstream(struct player *player, struct err *err);
unsigned player_upstream_port(const struct player *player);
void player_stop_upstream(struct player *player);
step_fn step_upstream_got, step_upstream_left;

/* bare.c */
struct bare *bare_new(struct player *player, char *const *argv, char *const *env, struct err *err);
void bare_send(struct bare *bare, struct str bytes); /* torn as the script says */
void bare_end(struct bare *bare);                    /* end of input */
bool bare_is_sent(const struct bare *bare);
pid_t bare_pid(const struct bare *bare);
void bare_free(struct bare *bare);

#endif
