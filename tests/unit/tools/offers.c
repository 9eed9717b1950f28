#include "offers.h"

#include <criterion/criterion.h>
#include <string.h>

static void nothing_diagnosed(struct fixture *f, host_diagnostics_fn *fn, void *who)
{
    (void)f;
    fn(who, STATUS_OK, NULL, 0);
}

static void nothing_located(struct fixture *f, const struct host_query *query,
                            host_locations_fn *fn, void *who)
{
    (void)f;
    (void)query;
    fn(who, STATUS_OK, (struct str){0}, NULL, 0);
}

static void nothing_proposed(struct fixture *f, const struct host_query *query,
                             host_proposal_fn *fn, void *who)
{
    struct host_proposal proposal = {.status = STATUS_OK};
    (void)f;
    (void)query;
    fn(who, &proposal);
}

static void nothing_answered(struct fixture *f, const struct host_inquiry *inquiry,
                             host_inquire_fn *fn, void *who)
{
    static const struct str none[LIMIT_QUESTIONS_COUNT];
    (void)f;
    fn(who, none, inquiry->count);
}

/* A helper that talks too much. */
static struct {
    tools_help_fn *on_done;
    void *user;
} helping;

static void helped(void *user)
{
    struct buf text = {0};
    (void)user;
    if (!helping.user)
        return;
    buf_append_repeat(&text, 'x', 2 * LIMIT_HELPER_ANSWER_BYTES);
    buf_append_c(&text, "\x1b[31m\xff");
    const struct tools_help help = {.ok = true, .answer = buf_str(&text), .summary = STR("s")};
    void *asked = helping.user;
    helping.user = NULL;
    helping.on_done(asked, &help);
    buf_finish(&text);
}

static void help(void *user, const struct tools_help_request *request, tools_help_fn *on_done,
                 void *on_done_user)
{
    struct fixture *f = user;
    cr_assert_gt(request->question.len, 0);
    cr_assert_str_eq(request->thread_id, f->thread_id);
    helping.on_done = on_done;
    helping.user = on_done_user;
    loop_defer(f->loop, helped, NULL);
}

static void stop_helping(void *user, void *on_done_user)
{
    (void)user;
    if (helping.user == on_done_user)
        helping.user = NULL;
}

void offer(struct fixture *f, unsigned features)
{
    const struct tools_helpers helpers = {f, help, stop_helping}, none = {0};
    tools_set_helpers(f->tools, features & 16 ? &helpers : &none);
    f->host.diagnose = features & 1 ? nothing_diagnosed : NULL;
    f->host.locate = features & 2 ? nothing_located : NULL;
    f->host.propose = features & 4 ? nothing_proposed : NULL;
    f->host.inquire = features & 8 ? nothing_answered : NULL;
    host_offer(&f->host);
}

const char *good_arguments(const char *name)
{
    static const struct {
        const char *name, *arguments;
    } each[] = {
        {"read_file", "{'path':'a'}"},
        {"list_dir", "{}"},
        {"find_files", "{'glob':'*'}"},
        {"grep", "{'pattern':'t'}"},
        {"apply_patch", "{'input':'*** Begin Patch\\n*** Update File: a\\n@@\\n-text\\n+TEXT\\n*** "
                        "End Patch\\n'}"},
        {"edit_file", "{'path':'a','old_string':'text','new_string':'TEXT'}"},
        {"exec_command", "{'cmd':'true'}"},
        {"write_file", "{'path':'new','content':'x'}"},
        {"write_stdin", "{'session_id':1}"},
        {"update_plan", "{'plan':[]}"},
        {"ask_user", "{'questions':[{'question':'q','options':[{'label':'a'},{'label':'b'}]}]}"},
        {"diagnostics", "{}"},
        {"symbols", "{'query':'t'}"},
        {"definition", "{'path':'a','symbol':'text'}"},
        {"references", "{'path':'a','symbol':'text'}"},
        {"rename_symbol", "{'path':'a','symbol':'text','new_name':'n'}"},
        {"code_action", "{'path':'a'}"},
        {"format", "{'path':'a'}"},
        {"explore", "{'question':'where is it'}"},
    };
    for (size_t i = 0; i < array_count(each); i++)
        if (strcmp(each[i].name, name) == 0)
            return each[i].arguments;
    cr_assert_fail("no arguments for %s", name);
    return "{}";
}
