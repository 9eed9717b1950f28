/* What needs no agent: what clients announce, URIs and positions, edits on the wire. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "editor.h"

TestSuite(pure, .timeout = 60);

static struct json_value *parse(const char *text)
{
    struct json_value *value = NULL;
    struct err err = {0};
    char *json = mem_dup_c(text);
    for (char *at = json; *at; at++)
        *at = *at == '\'' ? '"' : *at;
    cr_assert_eq(json_parse(str_from(json), &value, &err), STATUS_OK, "%s", err.text);
    mem_free(json);
    return value;
}

Test(pure, quirks)
{
    static const struct {
        const char *params;
        bool apply, changes, create, rename, del, progress, show, rich, save;
    } rows[] = {
        {.params = "{}"},
        {.params = "{'capabilities':null,'clientInfo':7}"},
        {.params = "{'capabilities':{'workspace':[],'window':'x','experimental':3}}"},
        {.params = "{'capabilities':{'workspace':{'applyEdit':1,'workspaceEdit':{'documentChanges':"
                   "'yes','resourceOperations':'create'}}}}"},
        {.params = "{'capabilities':{'workspace':{'applyEdit':true,'workspaceEdit':{"
                   "'documentChanges':true,'resourceOperations':['create','rename','delete']}},"
                   "'window':{'workDoneProgress':true,'showDocument':{'support':true}}}}",
         .apply = true,
         .changes = true,
         .create = true,
         .rename = true,
         .del = true,
         .progress = true,
         .show = true},
        {.params = "{'clientInfo':{'name':'neovim'},'capabilities':{'workspace':{'applyEdit':true,"
                   "'workspaceEdit':{'resourceOperations':['rename',5,'create']}}}}",
         .apply = true,
         .changes = true,
         .create = true,
         .rename = true},
        {.params = "{'clientInfo':{'name':'Eglot'},'capabilities':{'workspace':{'applyEdit':true,"
                   "'workspaceEdit':{'documentChanges':true,'resourceOperations':['create',"
                   "'rename','delete']}}}}",
         .apply = true,
         .changes = true},
        {.params = "{'capabilities':{'experimental':{'lanebridge':{'version':1,'save':true}}}}",
         .rich = true,
         .save = true},
        {.params = "{'capabilities':{'experimental':{'lanebridge':{'version':0,'save':true}}}}"},
    };
    for (size_t i = 0; i < array_count(rows); i++) {
        struct json_value *params = parse(rows[i].params);
        struct lsp_client c = {0};
        quirks_read(&c, params);
        cr_expect(c.apply_edit == rows[i].apply && c.document_changes == rows[i].changes &&
                      c.create_files == rows[i].create && c.rename_files == rows[i].rename &&
                      c.delete_files == rows[i].del && c.progress == rows[i].progress &&
                      c.show_document == rows[i].show && c.rich == rows[i].rich &&
                      c.rich_save == rows[i].save,
                  "%s", rows[i].params);
        json_free(params);
    }
}

Test(pure, a_long_client_name_is_cut_at_a_character)
{
    struct buf text = {0};
    struct lsp_client c = {0};
    buf_append_c(&text, "{'clientInfo':{'name':'");
    for (int i = 0; i < 40; i++)
        buf_append_c(&text, "\xc3\xa9");
    buf_append_c(&text, "'}}");
    struct json_value *params = parse(text.ptr);
    quirks_read(&c, params);
    cr_assert_eq(strlen(c.name), 62);
    json_free(params);
    buf_finish(&text);
}

/* -- URIs ------------------------------------------------------------------------------------- */

static void check_uri(const char *uri, const char *expected)
{
    struct buf path = {0};
    uint64_t device = 9, inode = 9;
    enum status status = convert_uri(str_from(uri), &path, &device, &inode, NULL);
    if (expected)
        cr_expect(status == STATUS_OK && str_eq_c(buf_str(&path), expected), "%s: %s", uri,
                  path.ptr);
    else
        cr_expect(status < 0 && path.len == 0, "%s", uri);
    cr_expect(device != 9 && inode != 9, "%s", uri);
    buf_finish(&path);
}

Test(pure, uris)
{
    char dir[] = "/tmp/lanebridge-uri-XXXXXX", path[128], link_to[128], uri[256];
    cr_assert_not_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/a b\xc3\xa9", dir);
    mkdir(path, 0755);
    snprintf(link_to, sizeof(link_to), "%s/link", dir);
    cr_assert_eq(symlink(path, link_to), 0);
    static const struct {
        const char *tail, *expected; /* behind the folder */
    } rows[] = {
        {"/a%20b%C3%A9", "/a b\xc3\xa9"},
        {"/a%20b%c3%a9/new%25.c", "/a b\xc3\xa9/new%.c"},
        {"/link", "/a b\xc3\xa9"},
        {"/link/deep/er/x.c", "/a b\xc3\xa9/deep/er/x.c"},
        {"/link/../x", "/x"},
        {"/none/x", "/none/x"},
    };
    for (size_t i = 0; i < array_count(rows); i++) {
        snprintf(uri, sizeof(uri), "file://%s%s", dir, rows[i].tail);
        snprintf(path, sizeof(path), "%s%s", dir, rows[i].expected);
        check_uri(uri, path);
    }
    check_uri("file:///no-such-folder", "/no-such-folder");
    check_uri("file:///", "/");
    static const char *const bad[] = {
        "", "untitled:Untitled-1", "output:x", "file:", "x", "http://a/b"};
    for (size_t i = 0; i < array_count(bad); i++)
        check_uri(bad[i], NULL);
    unlink(link_to);
    snprintf(path, sizeof(path), "%s/a b\xc3\xa9", dir);
    rmdir(path);
    rmdir(dir);
}

/* -- Positions -------------------------------------------------------------------------------- */

Test(pure, ranges_in_each_encoding)
{
    static const struct {
        enum position_encoding encoding;
        const char *range;
        int start, end; /* of "a\xc3\xa9\xf0\x9f\x98\x80z\nb"; -1: refused */
    } rows[] = {
        {POSITION_UTF8, "{'start':{'line':0,'character':1},'end':{'line':0,'character':3}}", 1, 3},
        {POSITION_UTF16, "{'start':{'line':0,'character':2},'end':{'line':0,'character':4}}", 3, 7},
        {POSITION_UTF32, "{'start':{'line':0,'character':2},'end':{'line':0,'character':3}}", 3, 7},
        {POSITION_UTF8, "{'start':{'line':1,'character':0},'end':{'line':1,'character':1}}", 9, 10},
        {POSITION_UTF8, "{'start':{'line':1,'character':1},'end':{'line':0,'character':0}}", -1,
         -1},
        {POSITION_UTF8, "{'start':{'line':-1,'character':0},'end':{'line':0,'character':0}}", -1,
         -1},
        {POSITION_UTF8, "{'start':{'line':0},'end':{'line':0,'character':0}}", -1, -1},
        {POSITION_UTF8, "{'start':{'line':99999999999,'character':0},'end':{}}", -1, -1},
        {POSITION_UTF8, "{'start':{'line':0.5,'character':0},'end':{'line':0,'character':0}}", -1,
         -1},
        {POSITION_UTF8, "{'start':[0,0],'end':[0,1]}", -1, -1},
        {POSITION_UTF8, "[]", -1, -1},
        {POSITION_UTF8, "null", -1, -1},
    };
    struct text *text = text_new(STR("a\xc3\xa9\xf0\x9f\x98\x80z\nb"));
    for (size_t i = 0; i < array_count(rows); i++) {
        struct lsp_server server = {.encoding = rows[i].encoding};
        struct json_value *range = parse(rows[i].range);
        size_t start = 77, end = 77;
        struct err err = {0};
        enum status status = convert_range(&server, text, range, &start, &end, &err);
        if (rows[i].start < 0) {
            cr_expect(status < 0 && start == 77 && end == 77 && err.text[0], "%s", rows[i].range);
        } else {
            struct buf json = {0};
            struct json_writer w;
            json_writer_init(&w, &json);
            cr_expect(status == STATUS_OK && start == (size_t)rows[i].start &&
                          end == (size_t)rows[i].end,
                      "%s: %zu %zu", rows[i].range, start, end);
            convert_write_range(&server, &w, text, start, end);
            struct buf same = {0};
            json_append(&same, range);
            cr_expect_str_eq(json.ptr, same.ptr, "there and back");
            buf_finish(&same);
            buf_finish(&json);
        }
        json_free(range);
    }
    text_unref(text);
}

/* -- Plans ------------------------------------------------------------------------------------ */

Test(pure, plans_on_the_wire)
{
    struct editor e;
    editor_start(&e, editor_full);
    editor_open(&e, "open.c", 7, "one\ntwo\n");
    struct text *before = text_new(STR("one\ntwo\n")), *after = text_new(STR("one\nTWO\n"));
    const struct {
        enum host_change_kind kind;
        const char *name, *to;
        bool has_before, has_after, plain;
        const char *expected; /* @ for the folder's URI */
    } rows[] = {
        {HOST_UPDATE, "open.c", NULL, true, true, false,
         "{'documentChanges':[{'textDocument':{'uri':'@/open.c','version':7},'edits':[{'range':{"
         "'start':{'line':1,'character':0},'end':{'line':2,'character':0}},'newText':'TWO\\n'}]}]"
         "}"},
        {HOST_UPDATE, "shut.c", NULL, true, true, false,
         "{'documentChanges':[{'textDocument':{'uri':'@/shut.c','version':null},'edits':[{'range':{"
         "'start':{'line':1,'character':0},'end':{'line':2,'character':0}},'newText':'TWO\\n'}]}]"
         "}"},
        {HOST_UPDATE, "open.c", NULL, true, true, true,
         "{'changes':{'@/open.c':[{'range':{'start':{'line':1,'character':0},'end':{'line':2,"
         "'character':0}},'newText':'TWO\\n'}]}}"},
        {HOST_CREATE, "a b.c", NULL, false, true, false,
         "{'documentChanges':[{'kind':'create','uri':'@/a%20b.c'},{'textDocument':{'uri':"
         "'@/a%20b.c','version':null},'edits':[{'range':{'start':{'line':0,'character':0},'end':{"
         "'line':0,'character':0}},'newText':'one\\nTWO\\n'}]}]}"},
        {HOST_DELETE, "shut.c", NULL, true, false, false,
         "{'documentChanges':[{'kind':'delete','uri':'@/shut.c'}]}"},
        {HOST_MOVE, "open.c", "new.c", true, true, false,
         "{'documentChanges':[{'kind':'rename','oldUri':'@/open.c','newUri':'@/new.c'},{"
         "'textDocument':{'uri':'@/new.c','version':null},'edits':[{'range':{'start':{'line':1,"
         "'character':0},'end':{'line':2,'character':0}},'newText':'TWO\\n'}]}]}"},
    };
    for (size_t i = 0; i < array_count(rows); i++) {
        struct buf params = {0}, expected = {0};
        char path[256], to[256];
        snprintf(path, sizeof(path), "%s/%s", e.w.ws, rows[i].name);
        snprintf(to, sizeof(to), "%s/%s", e.w.ws, rows[i].to ? rows[i].to : "");
        struct planned file = {rows[i].kind, path, rows[i].to ? to : NULL,
                               rows[i].has_before ? before : NULL,
                               rows[i].has_after ? after : NULL};
        e.server->client.document_changes = !rows[i].plain;
        plan_append_params(e.server, &file, 1, "L", &params);
        buf_append_c(&expected, "{\"label\":\"L\",\"edit\":");
        for (const char *at = rows[i].expected; *at; at++) {
            if (*at == '@')
                buf_append_fmt(&expected, "file://%s", e.w.ws);
            else
                buf_append_byte(&expected, *at == '\'' ? '"' : *at);
        }
        buf_append_c(&expected, "}");
        cr_expect_str_eq(params.ptr, expected.ptr);
        buf_finish(&params);
        buf_finish(&expected);
    }
    text_unref(before);
    text_unref(after);
    editor_finish(&e);
}

Test(pure, stale_edits)
{
    static const struct {
        const char *before, *after, *text, *expected;
    } rows[] = {
        {"a\nb\n", "a\nB\n", "a\nb\n", "a\nB\n"},
        {"a\nb\n", "a\nB\n", "new\na\nb\n", "new\nB\nb\n"},
        {"a\nb\nc\nd\n", "A\nb\nc\nD\n", "x\na\nb\nc\nd\n", "A\na\nb\nD\nd\n"},
        {"a\nb\nc\nd\n", "a\nb\nc\nD\n", "a\n", "a\nD\n"}, /* beyond: at the end */
        {"a\nb\nc\nd\n", "A\nb\nc\nD\n", "", "A\nD\n"},
        {"", "x\n", "typed", "x\ntyped"},
        {"a\n", "a\n", "b\n", "b\n"},
    };
    for (size_t i = 0; i < array_count(rows); i++) {
        struct text *before = text_new(str_from(rows[i].before)),
                    *after = text_new(str_from(rows[i].after)),
                    *text = text_new(str_from(rows[i].text));
        struct text *stale = plan_apply_stale(before, after, text);
        cr_expect(stale && str_eq_c(text_bytes(stale), rows[i].expected), "row %zu: " STR_FMT, i,
                  STR_ARG(stale ? text_bytes(stale) : STR("(none)")));
        text_unref(before);
        text_unref(after);
        text_unref(text);
        text_unref(stale);
    }
}
