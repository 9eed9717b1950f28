/* Starting, ending, and what is in the client's buffers. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "desk.h"

/* As main does: a server that is gone is an error, not a signal. */
static void set_up(void)
{
    signal(SIGPIPE, SIG_IGN);
}

TestSuite(client, .init = set_up, .timeout = 60);

/* -- Starting and ending --------------------------------------------------------------------- */

Test(client, says_what_it_can)
{
    struct desk desk;
    desk_init(&desk, "utf-16");
    desk.options.encodings = "utf-16,utf-8";
    desk.options.name = "tester";
    desk.options.rich = true;
    desk.options.initialization_options = STR("{\"a\":1}");
    desk_run(&desk);
    assert_sent(&desk, "'positionEncodings':['utf-16','utf-8']");
    assert_sent(&desk, "'clientInfo':{'name':'tester'}");
    assert_sent(&desk, "'initializationOptions':{'a':1}");
    assert_sent(&desk, "'lanebridge':{'version':1");
    assert_sent(&desk, "'documentChanges':true,'resourceOperations':['create','rename','delete']");
    cr_assert_eq(place_of(&desk, "'method':'initialized'"), 1);
    cr_assert_eq(place_of(&desk, "'method':'textDocument/didOpen'"), 2);
    cr_assert(str_eq_c(json_get_str(client_server_capabilities(desk.client), "positionEncoding"),
                       "utf-16"));
    desk_finish(&desk);
}

Test(client, quirks_are_announced)
{
    struct desk desk;
    desk_init(&desk, "utf-8");
    desk.options.quirks = (struct client_quirks){
        .no_document_changes = true, .no_resource_operations = true, .version_zero = true};
    desk_run(&desk);
    assert_sent(&desk, "'documentChanges':false}");
    assert_not_sent(&desk, "resourceOperations");
    assert_not_sent(&desk, "experimental");
    assert_sent(&desk, "'languageId':'plaintext','version':0,");
    desk_finish(&desk);
}

Test(client, a_missing_server_is_named)
{
    char name[] = "/nowhere/lanebridge";
    char *argv[] = {name, NULL};
    struct client_options options = {.argv = argv};
    struct err err = {0};
    struct loop *loop = loop_new(&err);
    cr_assert_null(client_new(loop, &options, &desk_handlers, NULL, &err));
    cr_assert(strstr(err.text, "/nowhere/lanebridge"), "%s", err.text);
    client_free(NULL);
    loop_free(loop);
}

Test(client, the_servers_end_is_told)
{
    struct desk desk;
    desk_init(&desk, "utf-8");
    char shell[] = "/bin/sh", flag[] = "-c", code[] = "exit 7";
    char *argv[] = {shell, flag, code, NULL};
    desk.options.argv = argv;
    desk.loop = loop_new(&desk.err);
    desk.client = client_new(desk.loop, &desk.options, &desk_handlers, &desk, &desk.err);
    cr_assert(desk.client);
    loop_run(desk.loop);
    cr_assert_eq(desk.exit_code, 7);
    client_stop(desk.client); /* too late: does nothing */
    desk_finish(&desk);
}

Test(client, stop_is_shutdown_then_exit)
{
    struct desk desk;
    desk_init(&desk, "utf-8");
    desk_run(&desk);
    client_stop(desk.client);
    client_stop(desk.client);
    assert_sent(&desk, "'method':'shutdown'");
    cr_assert_eq(desk.sent.len, 4, "shutdown once: initialize, initialized, didOpen, shutdown");
    assert_not_sent(&desk, "'method':'exit'");
    desk_finish(&desk);
}

/* -- Buffers --------------------------------------------------------------------------------- */

Test(client, positions_are_in_the_servers_encoding)
{
    static const struct {
        const char *encoding, *expected;
    } cases[] = {
        {"utf-8", "'start':{'line':1,'character':5},'end':{'line':1,'character':8}},'text':'2'"},
        {"utf-16", "'start':{'line':1,'character':3},'end':{'line':1,'character':6}},'text':'2'"},
        {"utf-32", "'start':{'line':1,'character':2},'end':{'line':1,'character':5}},'text':'2'"},
        {"rubbish", "'start':{'line':1,'character':3},'end':{'line':1,'character':6}},'text':'2'"},
    };
    for (size_t i = 0; i < array_count(cases); i++) {
        struct desk desk;
        desk_init(&desk, cases[i].encoding);
        desk_run(&desk);
        cr_assert_eq(client_edit(desk.client, desk.file, 9, 12, STR("2"), &desk.err), STATUS_OK);
        assert_text(&desk, desk.file, "one\n😀 2\nthree\n");
        assert_sent(&desk, cases[i].expected);
        assert_sent(&desk, "'version':2}");
        desk_finish(&desk);
    }
}

Test(client, full_sync_sends_whole_texts)
{
    struct desk desk;
    desk_init(&desk, "utf-8");
    desk.options.quirks.full_sync = true;
    desk_run(&desk);
    cr_assert_eq(client_edit(desk.client, desk.file, 0, 3, STR("1"), &desk.err), STATUS_OK);
    assert_sent(&desk, "'contentChanges':[{'text':'1\\n😀 two\\nthree\\n'}]");
    desk_finish(&desk);
}

Test(client, saves_and_closes)
{
    struct desk desk;
    char saved[64] = "";
    desk_init(&desk, "utf-8");
    desk.unsaved = "typed";
    desk_run(&desk);
    cr_assert(client_is_dirty(desk.client, desk.file));
    cr_assert_eq(client_open(desk.client, desk.file, NULL, &desk.err), STATUS_EXISTS);
    cr_assert_str_eq(client_path_at(desk.client, 0), desk.file);
    cr_assert_null(client_path_at(desk.client, 1));
    cr_assert_eq(client_save(desk.client, desk.file, &desk.err), STATUS_OK);
    cr_assert(!client_is_dirty(desk.client, desk.file));
    FILE *file = fopen(desk.file, "re");
    cr_assert(file && fgets(saved, sizeof(saved), file));
    fclose(file);
    cr_assert_str_eq(saved, "typed");
    cr_assert_eq(client_close(desk.client, desk.file, &desk.err), STATUS_OK);
    cr_assert_lt(place_of(&desk, "didSave"), place_of(&desk, "didClose"));
    cr_assert_null(client_text(desk.client, desk.file));
    desk_finish(&desk);
}

Test(client, what_is_not_open_is_refused)
{
    struct desk desk;
    desk_init(&desk, "utf-8");
    desk_run(&desk);
    cr_assert_eq(client_edit(desk.client, "/no", 0, 0, STR("x"), &desk.err), STATUS_NOT_FOUND);
    cr_assert_eq(client_save(desk.client, "/no", &desk.err), STATUS_NOT_FOUND);
    cr_assert_eq(client_close(desk.client, "/no", &desk.err), STATUS_NOT_FOUND);
    cr_assert_eq(client_open(desk.client, "/no/such", NULL, &desk.err), STATUS_NOT_FOUND);
    cr_assert_eq(client_edit(desk.client, desk.file, 4, 99, STR("x"), &desk.err), STATUS_INVALID);
    cr_assert_eq(client_edit(desk.client, desk.file, 2, 1, STR("x"), &desk.err), STATUS_INVALID);
    desk_finish(&desk);
}
