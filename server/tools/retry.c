/* What is offered when a command has ended: to run it again with the one thing it lacked, or to
 * keep what it made under protected names. Each is asked once; no is a no. */
#include "session-internal.h"

enum {
    LOOKED_AT_BYTES = 32 * 1024, /* of the end of its output */
    LINE_BYTES = 200,
    RULES_MAX = 3,
};

enum offer { OFFER_NONE, OFFER_NETWORK, OFFER_GIT, OFFER_KEEP };

/* What programs say where there is no network: curl, wget, git, ssh, pip, npm, node, cargo, go,
 * apt, Java. A refused connection is none of them: local servers refuse, too. */
static const char *const network_signs[] = {
    "Could not resolve host",
    "Couldn't resolve host",
    "Could not resolve proxy",
    "Temporary failure in name resolution",
    "Temporary failure resolving",
    "Name or service not known",
    "No address associated with hostname",
    "nodename nor servname provided",
    "unable to resolve host address",
    "failed to lookup address information",
    "getaddrinfo EAI_AGAIN",
    "getaddrinfo ENOTFOUND",
    "error code EAI_AGAIN", /* npm */
    "ERR! code EAI_AGAIN",
    "dial tcp: lookup ",
    "no such host",
    "server misbehaving",
    "Network is unreachable",
    "ENETUNREACH",
    "UnknownHostException",
    "Resolving timed out",
};

/* -- Recognising ------------------------------------------------------------------------------ */

/* The line that holds it. */
static bool find_line(struct str output, const char *sign, struct str *ret_line)
{
    size_t at = str_find(output, str_from(sign), 0);
    if (at == STR_NONE)
        return false;
    size_t start = str_rfind_byte(str_slice(output, 0, at), '\n');
    size_t end = str_find_byte(output, '\n', at);
    *ret_line =
        str_slice(output, start == STR_NONE ? 0 : start + 1, end == STR_NONE ? output.len : end);
    return true;
}

static bool lacks_network(const struct session *session, struct str output, struct str *ret_line)
{
    for (size_t i = 0; i < array_count(network_signs); i++)
        if (find_line(output, network_signs[i], ret_line))
            return true;
    /* It says nothing at all. */
    *ret_line = STR("it found no such host");
    return session->exit_code == 2 && output.len == 0 &&
           (str_starts_with(str_trim(str_from(session->command)), STR("getent hosts ")) ||
            str_starts_with(str_trim(str_from(session->command)), STR("getent ahosts ")));
}

/* git's settings stay read-only with an approval, too: nothing is offered for them. */
static bool lacks_git(struct str output, struct str *ret_line)
{
    for (struct str line; str_next(&output, '\n', &line);) {
        bool read_only = str_find(line, STR("Read-only file system"), 0) != STR_NONE;
        if (read_only && str_find(line, STR(".git/"), 0) != STR_NONE &&
            str_find(line, STR("config"), 0) == STR_NONE &&
            str_find(line, STR("hooks/"), 0) == STR_NONE) {
            *ret_line = line;
            return true;
        }
    }
    return false;
}

static bool was_offered(struct session *session, enum offer offer)
{
    struct buf key = {0};
    buf_append_fmt(&key, "%d %s\n%s", (int)offer, session->workdir, session->command);
    bool before = map_set(&session->thread->offered, buf_str(&key), session->thread) != NULL;
    buf_finish(&key);
    return before;
}

static enum offer recognise(struct session *session, struct buf *output, struct str *ret_line)
{
    const struct policy_command *command = &session->options.command;
    if (!session->options.sandboxed || session->killed_why || session->failure.status < 0)
        return OFFER_NONE;
    ring_peek(&session->ring, LOOKED_AT_BYTES, output);
    bool failed = session->exit_code != 0 && !session->signal;
    if (failed && !command->network && lacks_network(session, buf_str(output), ret_line))
        return OFFER_NETWORK;
    if (failed && !command->git && lacks_git(buf_str(output), ret_line))
        return OFFER_GIT;
    return launch_restorable(session) ? OFFER_KEEP : OFFER_NONE;
}

/* -- Running it again ------------------------------------------------------------------------- */

static struct policy_command again(const struct session *session, enum offer offer)
{
    struct policy_command command = session->options.command;
    command.network |= offer == OFFER_NETWORK;
    command.git |= offer == OFFER_GIT;
    return command;
}

static void run_again(struct session *session, struct tools_call *call, enum offer offer)
{
    (void)journal_call_set_sandbox(call->tools->env.journal, call->thread->id, str_from(call->id),
                                   offer == OFFER_NETWORK
                                       ? STR("run twice: first without, then with network")
                                       : STR("run twice: first without, then with git writable"),
                                   NULL);
    session_restart(session, offer == OFFER_NETWORK, offer == OFFER_GIT);
    buf_append_c(
        &session->screen.notes,
        offer == OFFER_NETWORK
            ? "[Without network it failed; the user let it have the network, and it was run "
              "again.]\n"
            : "[It could not write to the git repository; the user let it, and it was run "
              "again.]\n");
    session_wait(session, call, session->yield_ms, session->limit_bytes);
}

static void note_refusal(struct session *session, enum offer offer, struct str note)
{
    static const char *const said[] = {
        [OFFER_NETWORK] = "[It failed for lack of network, and the user did not let it have any.",
        [OFFER_GIT] = "[It may not write to the git repository: the user did not let it.",
        [OFFER_KEEP] = "[The user did not want to keep these.",
    };
    struct buf *notes = offer == OFFER_KEEP ? &session->findings : &session->screen.notes;
    buf_append_c(notes, said[offer]);
    if (note.len) {
        buf_append_c(notes, " They say: ");
        output_append_line(notes, note, LINE_BYTES);
    }
    buf_append_c(notes, "]\n");
}

static void accept_rule(struct tools_call *call, const struct session *session, enum offer offer,
                        const char *rule_id)
{
    struct policy *policy = call->tools->env.policy;
    struct policy_command command = again(session, offer);
    struct policy_rule rules[RULES_MAX];
    size_t count = rule_id ? policy_offer_rules(policy, &command, rules, RULES_MAX) : 0;
    for (size_t i = 0; i < count; i++)
        if (strcmp(rules[i].id, rule_id) == 0)
            policy_accept_rule(policy, &command, &rules[i]);
}

static void on_answer(struct tools_call *call, const struct host_ask_answer *answer)
{
    struct session *session = session_find(call->thread, call->offered_session);
    enum offer offer = (enum offer)call->offered;
    if (!session) {
        call_fail(call, "The command ended, but its output is gone: too many others were started "
                        "since.");
        return;
    }
    if (answer->decision != HOST_ACCEPT) {
        note_refusal(session, offer, answer->note);
        session_wait(session, call, session->yield_ms, session->limit_bytes);
    } else if (offer == OFFER_KEEP) {
        launch_restore(session, &session->findings);
        session->finding_count = 0;
        session_wait(session, call, session->yield_ms, session->limit_bytes);
    } else {
        accept_rule(call, session, offer, answer->rule_id);
        run_again(session, call, offer);
    }
}

/* -- Asking ----------------------------------------------------------------------------------- */

static const struct {
    enum host_ask_kind kind;
    const char *title, *why;
} questions[] = {
    [OFFER_NETWORK] = {HOST_ASK_NETWORK, "Run this command again, with network?",
                       "It failed because commands have no network: "},
    [OFFER_GIT] =
        {HOST_ASK_PROTECTED, "Run this command again, and let it write to the git repository?",
         "It failed because git's directory is read-only for commands; if you allow it, it "
         "may change the index, commits and branches, but neither hooks nor settings: "},
    [OFFER_KEEP] =
        {HOST_ASK_PROTECTED, "Keep what this command made or changed here?",
         "These names can run programs or steer tools, so they were put aside. Accept puts "
         "them back as the command left them."},
};

static void ask(struct session *session, struct tools_call *call, enum offer offer, struct str line)
{
    struct policy_command command = again(session, offer);
    struct policy_rule rules[RULES_MAX];
    struct host_ask_rule shown[RULES_MAX];
    size_t count = offer == OFFER_NETWORK
                       ? policy_offer_rules(call->tools->env.policy, &command, rules, RULES_MAX)
                       : 0;
    struct buf show = {0}, reason = {0};
    for (size_t i = 0; i < count; i++)
        shown[i] = (struct host_ask_rule){rules[i].id, rules[i].text, (int)rules[i].scope};
    buf_append_fmt(&show, "%s\n(in %s)", session->command, session->workdir);
    policy_append_git_elsewhere(call->tools->env.policy, &command, &show);
    if (offer == OFFER_KEEP)
        buf_append_fmt(&show, "\n" STR_FMT, STR_ARG(buf_str(&session->findings)));
    buf_append_c(&reason, questions[offer].why);
    output_append_line(&reason, line, LINE_BYTES);
    struct host_ask question = {
        .kind = questions[offer].kind,
        .title = questions[offer].title,
        .show = show.ptr,
        .reason = reason.ptr,
        .rules = shown,
        .rule_count = count,
    };
    call->offered_session = session->id;
    call->offered = (int)offer;
    call_ask_either(call, &question, on_answer);
    buf_finish(&show);
    buf_finish(&reason);
}

bool retry_offer(struct session *session)
{
    struct buf output = {0};
    struct str line = {0};
    enum offer offer = recognise(session, &output, &line);
    struct policy_verdict verdict = {.answer = POLICY_ASK};
    if (offer == OFFER_NETWORK || offer == OFFER_GIT) {
        struct policy_command command = again(session, offer);
        policy_check_command(session->thread->tools->env.policy, &command, &verdict);
    }
    bool offered =
        offer != OFFER_NONE && verdict.answer != POLICY_REFUSE && !was_offered(session, offer);
    if (offered) {
        struct tools_call *call = session_detach(session);
        if (verdict.answer == POLICY_ALLOW)
            run_again(session, call, offer);
        else
            ask(session, call, offer, line);
    }
    buf_finish(&output);
    return offered;
}
