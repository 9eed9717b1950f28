/* A commit message: git is asked for what has changed, in the sandbox like any command, and a turn
 * in a thread of its own, which nobody sees and which may only read, writes the message. */
#include "agent-internal.h"

#include <string.h>

enum { COMMITS_COUNT = 4, CODE_OK = 60, CODE_NO_GIT, CODE_NO_REPOSITORY, CODE_NO_CHANGE };

/* How the command ends is told apart by its exit code, which it gets as variables; 0 would also be
 * that of a command that has not ended. */
static const struct {
    const char *name;
    int code;
} ends[] = {{"ok", CODE_OK},
            {"no_git", CODE_NO_GIT},
            {"no_repository", CODE_NO_REPOSITORY},
            {"no_change", CODE_NO_CHANGE}};
static const char look[] =
    "export GIT_OPTIONAL_LOCKS=0 GIT_PAGER=cat\n"
    "git --version >/dev/null 2>&1 || exit $no_git\n"
    "git rev-parse --is-inside-work-tree >/dev/null || exit $no_repository\n"
    "[ -n \"$(git status --porcelain)\" ] || exit $no_change\n"
    "echo 'The last messages:'\n"
    "git log -6 --no-merges --format='%n%B' 2>/dev/null | head -c 4000\n"
    "options='--no-color --no-ext-diff --no-textconv'\n"
    "if git diff --cached --quiet; then\n"
    "  echo; echo 'Nothing is staged. What is not committed:'; git status --short\n"
    "  git diff $options\n"
    "else\n"
    "  echo; echo 'What is staged:'; git diff --cached --stat $options\n"
    "  git diff --cached $options\n"
    "fi\n"
    "exit $ok";

static const char prompt[] = "Write the message of a commit with these changes: a first line of at "
                             "most 72 characters that says what the "
                             "commit does; behind an empty line, where that is not plain from the "
                             "first, why. Keep to the style of the last "
                             "messages. Read the code around a change only if you must. Answer "
                             "with the message alone: no quotes, no "
                             "fence, no remark.";

struct agent_commit {
    struct agent *agent;
    struct agent_thread *thread;
    struct tools_thread *looks; /* asks git */
    struct tools_call *call;
    struct buf answer, why;
    enum status status;
    agent_commit_fn *fn; /* NULL: cancelled */
    void *user;
};

/* -- How it ends ------------------------------------------------------------------------------ */

static void commit_free(struct agent_commit *commit)
{
    struct agent *agent = commit->agent;
    for (size_t i = 0; i < agent->commits.len; i++)
        if (agent->commits.ptr[i] == commit)
            vec_remove(&agent->commits, i--);
    policy_end_turn(agent->env.policy, commit->thread->id);
    tools_thread_free(commit->looks);
    agent_thread_close(commit->thread);
    buf_finish(&commit->answer);
    buf_finish(&commit->why);
    mem_free(commit);
}

void commits_free(struct agent *agent)
{
    while (agent->commits.len > 0)
        commit_free(vec_last(&agent->commits));
    vec_finish(&agent->commits);
}

static void fail(struct agent_commit *commit, enum status status, struct str why)
{
    commit->status = status;
    buf_clear(&commit->why);
    buf_append(&commit->why, why);
}

/* Models fence what they are asked to give bare. */
static struct str bare(struct str message)
{
    struct str text = str_trim(message), line, rest = text;
    bool is_fenced = str_starts_with(text, STR("```")) && str_ends_with(text, STR("```")) &&
                     str_next(&rest, '\n', &line) && rest.len >= 3;
    return is_fenced ? str_trim(str_slice(rest, 0, rest.len - 3)) : text;
}

void commit_on_idle(struct agent_commit *commit)
{
    struct buf text = {0};
    if (commit->call)
        return;
    agent_commit_fn *fn = commit->fn;
    void *user = commit->user;
    struct str message = bare(buf_str(&commit->answer));
    enum status status = commit->status;
    if (status == STATUS_OK && message.len == 0) {
        status = STATUS_IO;
        message = STR("the model gave no message: try again");
    }
    buf_append(&text, commit->status < 0 ? buf_str(&commit->why) : message);
    commit_free(commit);
    if (fn)
        fn(user, status, buf_str(&text));
    buf_finish(&text);
}

/* -- The turn ---------------------------------------------------------------------------------- */

static void note_end(struct agent_commit *commit, const struct agent_event *event)
{
    if (event->status == TURN_FAILED)
        fail(commit, STATUS_IO, event->text);
    else if (event->status == TURN_INTERRUPTED && commit->why.len == 0)
        fail(commit, STATUS_CLOSED, STR("it was stopped"));
}

bool commit_takes_event(struct agent *agent, const struct agent_event *event)
{
    struct agent_commit *commit = NULL;
    for (size_t i = 0; i < agent->commits.len && !commit; i++)
        if (strcmp(agent->commits.ptr[i]->thread->id, event->thread_id) == 0)
            commit = agent->commits.ptr[i];
    if (!commit)
        return false;
    if (event->type == AGENT_ITEM_COMPLETED && event->item_type == AGENT_MESSAGE && event->ok) {
        buf_clear(&commit->answer);
        buf_append(&commit->answer, event->text);
    } else if (event->type == AGENT_NOTICE && event->is_lasting) { /* at a limit */
        fail(commit, STATUS_LIMIT, event->text);
    } else if (event->type == AGENT_TURN_COMPLETED) {
        note_end(commit, event);
    }
    return true;
}

static void ask_model(struct agent_commit *commit, struct str changes)
{
    const struct agent_context context = {.label = "changes", .text = changes};
    const struct agent_input input = {
        .prompt = str_from(prompt), .contexts = &context, .context_count = 1, .mode = STR("ask")};
    char turn_id[ID_BYTES];
    bool queued;
    struct err err = {0};
    if (agent_turn_start(commit->thread, &input, turn_id, &queued, &err) < 0)
        fail(commit, err.status, str_from(err.text));
}

/* -- What has changed -------------------------------------------------------------------------- */

static void on_looked(void *user, const struct tools_output *output)
{
    static const struct {
        int code;
        const char *why;
    } reasons[] = {
        {CODE_NO_GIT, "git is not installed here, or not in the PATH: install it to have commit "
                      "messages written"},
        {CODE_NO_REPOSITORY, "git takes this folder for no repository: open the folder of one, or "
                             "make it one with git init"},
        {CODE_NO_CHANGE,
         "nothing has changed since the last commit: there is nothing to write a message for"},
    };
    struct agent_commit *commit = user;
    commit->call = NULL;
    thread_kick(commit->thread);
    if (!commit->fn)
        return;
    if (output->exit_code == CODE_OK) {
        ask_model(commit, output->text);
        return;
    }
    for (size_t i = 0; i < array_count(reasons); i++)
        if (output->exit_code == reasons[i].code) {
            fail(commit, STATUS_NOT_FOUND, str_from(reasons[i].why));
            return;
        }
    struct buf why = {0};
    buf_append_fmt(&why, "git could not be asked what has changed: " STR_FMT,
                   STR_ARG(str_slice(output->text, 0, utf8_floor(output->text, 400))));
    fail(commit, STATUS_IO, str_trim(buf_str(&why)));
    buf_finish(&why);
}

static void start_looking(struct agent_commit *commit)
{
    static const struct tools_handlers handlers = {.on_done = on_looked};
    struct buf arguments = {0}, command = {0};
    struct json_writer w;
    for (size_t i = 0; i < array_count(ends); i++)
        buf_append_fmt(&command, "%s=%d\n", ends[i].name, ends[i].code);
    buf_append_c(&command, look);
    json_writer_init(&w, &arguments);
    json_write_begin_object(&w);
    json_write_field_str(&w, "cmd", buf_str(&command));
    json_write_field_int(&w, "yield_time_ms", 30000);
    json_write_end_object(&w);
    const struct tools_request request = {.call_id = STR("git"),
                                          .name = STR("exec_command"),
                                          .arguments = buf_str(&arguments),
                                          .turn_id = commit->thread->id};
    /* in plan mode too: nothing of it is the model's */
    policy_set_turn_mode(commit->agent->env.policy, commit->thread->id, MODE_ASK);
    commit->call = tools_call_start(commit->looks, &request, &handlers, commit);
    buf_finish(&arguments);
    buf_finish(&command);
}

static enum status make_thread(struct agent *agent, struct str root, char ret_id[ID_BYTES],
                               struct err *err)
{
    struct journal *journal = agent->env.journal;
    journal_begin(journal);
    enum status status = journal_thread_create(journal, root, str_from(agent->model), ret_id, err);
    if (status == STATUS_OK)
        status = journal_thread_hide(journal, ret_id, err);
    journal_commit(journal);
    return status;
}

struct agent_commit *agent_commit_start(struct agent *agent, struct str root_path,
                                        agent_commit_fn *fn, void *user, struct err *err)
{
    char id[ID_BYTES];
    if (agent->commits.len >= COMMITS_COUNT) {
        err_set(err, STATUS_LIMIT, "%d commit messages are being written: let one of them come",
                COMMITS_COUNT);
        return NULL;
    }
    if (make_thread(agent, root_path, id, err) < 0)
        return NULL;
    struct agent_commit *commit = mem_new(struct agent_commit);
    commit->agent = agent;
    commit->fn = fn;
    commit->user = user;
    commit->looks = tools_thread_new(agent->env.tools, id, root_path);
    commit->thread = thread_new_hidden(commit, agent, id, root_path, commit->looks);
    vec_push(&agent->commits, commit);
    if (!commit->thread->chain) {
        err_set(err, STATUS_LIMIT, "too many conversations are open: close some");
        commit_free(commit);
        return NULL;
    }
    tools_append_helper_schema(agent->env.tools, &commit->thread->tools_json);
    start_looking(commit);
    return commit;
}

void agent_commit_cancel(struct agent_commit *commit)
{
    commit->fn = NULL;
    commit->user = NULL;
    if (commit->call)
        tools_call_cancel(commit->call);
    else
        (void)agent_turn_interrupt(commit->thread, STR(""), NULL);
    thread_kick(commit->thread);
}
