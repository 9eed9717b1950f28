/* The thread as a file: in the editor's buffer while it is open, on the disk else. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "editor.h"

TestSuite(transcript, .timeout = 60);

struct page {
    struct editor e;
    char path[256], uri[280];
};

static struct agent_event event_of(enum agent_event_type type, const char *text)
{
    return (struct agent_event){.type = type,
                                .thread_id = "thread-x",
                                .turn_id = "turn-x",
                                .item_id = "item-1",
                                .item_type = AGENT_MESSAGE,
                                .text = str_from(text),
                                .ok = true};
}

static void emit(struct page *page, enum agent_event_type type, const char *text)
{
    struct agent_event event = event_of(type, text);
    threads_on_event(page->e.server, &event);
}

static void page_start(struct page *page, const char *capabilities)
{
    *page = (struct page){0};
    editor_start(&page->e, capabilities);
    editor_request(&page->e, "workspace/executeCommand", "{'command':'lanebridge.newThread'}");
    snprintf(page->path, sizeof(page->path), "%s/threads/thread-thread-x.md", page->e.w.state);
    snprintf(page->uri, sizeof(page->uri), "file://%s", page->path);
}

static void write_page(struct page *page, const char *text)
{
    char folder[256];
    snprintf(folder, sizeof(folder), "%s/threads", page->e.w.state);
    mkdir(folder, 0700);
    FILE *file = fopen(page->path, "w");
    cr_assert_not_null(file);
    fputs(text, file);
    fclose(file);
}

static const char *on_disk(struct page *page)
{
    static char bytes[8192];
    FILE *file = fopen(page->path, "r");
    if (!file)
        return "(none)";
    bytes[fread(bytes, 1, sizeof(bytes) - 1, file)] = '\0';
    fclose(file);
    return bytes;
}

static void tell(struct page *page, const char *method, int version, const char *text)
{
    bool is_open = strstr(method, "didOpen") != NULL;
    struct buf json = {0};
    buf_append_fmt(&json, "{\"textDocument\":{\"uri\":\"%s\",\"version\":%d", page->uri, version);
    buf_append_c(&json, is_open ? ",\"text\":" : "},\"contentChanges\":[{\"text\":");
    json_append_quoted(&json, str_from(text));
    buf_append_c(&json, is_open ? "}}" : "}]}");
    jsonrpc_notify(page->e.peer, method, buf_str(&json));
    editor_turns(&page->e, 3);
    buf_finish(&json);
}

static void open_page(struct page *page, const char *text)
{
    tell(page, "textDocument/didOpen", 1, text);
}

static void change_page(struct page *page, int version, const char *text)
{
    tell(page, "textDocument/didChange", version, text);
}

static void close_page(struct page *page)
{
    char json[512];
    snprintf(json, sizeof(json), "{'textDocument':{'uri':'%s'}}", page->uri);
    editor_notify(&page->e, "textDocument/didClose", json);
    editor_turns(&page->e, 3);
}

static bool is_written(void *user)
{
    return strstr(on_disk(user), "hello") != NULL;
}

static struct editor_message *next_edit(struct page *page)
{
    return editor_wait(&page->e, "workspace/applyEdit");
}

static const char yes[] = "{'applied':true}", no[] = "{'applied':false}";
static const char empty_page[] = "# New thread\n\n## Prompt\n\n";

Test(transcript, closed_it_is_on_the_disk)
{
    struct page p;
    page_start(&p, editor_full);
    emit(&p, AGENT_ITEM_DELTA, "hel");
    emit(&p, AGENT_ITEM_COMPLETED, "hello");
    world_run(&p.e.w, is_written, &p);
    cr_assert_str_eq(on_disk(&p), "# New thread\n\nhello\n\n## Prompt\n\n");
    cr_assert_eq(editor_count(&p.e, "workspace/applyEdit"), 0);
    editor_finish(&p.e);
}

/* It grows above the heading; what is typed below stays, and nothing is written behind the buffer.
 */
Test(transcript, open_it_grows_above_the_prompt)
{
    struct page p;
    page_start(&p, editor_full);
    write_page(&p, empty_page);
    open_page(&p, "# New thread\n\n## Prompt\n\nmy words");
    emit(&p, AGENT_ITEM_COMPLETED, "hello");
    struct editor_message *edit = next_edit(&p);
    assert_has(editor_params(edit), "\"version\":1},\"edits\":[{\"range\":{\"start\":{\"line\":2,"
                                    "\"character\":0},\"end\":{\"line\":2,\"character\":0}},"
                                    "\"newText\":\"hello\\n\\n\"}]");
    change_page(&p, 2, "# New thread\n\nhello\n\n## Prompt\n\nmy words");
    editor_answer(&p.e, edit, yes);
    emit(&p, AGENT_ITEM_COMPLETED, "more");
    edit = next_edit(&p);
    assert_has(editor_params(edit), "\"line\":4");
    assert_has(editor_params(edit), "\"newText\":\"more\\n\\n\"");
    cr_assert_str_eq(on_disk(&p), empty_page);
    editor_finish(&p.e);
}

Test(transcript, clients_without_document_changes)
{
    struct page p;
    page_start(&p, "{'workspace':{'applyEdit':true}}");
    open_page(&p, empty_page);
    emit(&p, AGENT_ITEM_COMPLETED, "hello");
    struct editor_message *edit = next_edit(&p);
    assert_has(editor_params(edit), "\"changes\":{\"file://");
    assert_lacks(editor_params(edit), "documentChanges");
    editor_finish(&p.e);
}

/* Answered before the change is told, by up to a second: not sent again meanwhile. */
Test(transcript, a_change_told_late_is_waited_for)
{
    struct page p;
    page_start(&p, editor_full);
    write_page(&p, empty_page);
    open_page(&p, empty_page);
    emit(&p, AGENT_ITEM_COMPLETED, "hello");
    editor_answer(&p.e, next_edit(&p), yes);
    editor_turns(&p.e, 400);
    cr_assert_eq(editor_count(&p.e, "workspace/applyEdit"), 1);
    change_page(&p, 2, "# New thread\n\nhello\n\n## Prompt\n\n");
    editor_turns(&p.e, 200);
    cr_assert_eq(editor_count(&p.e, "workspace/applyEdit"), 1);
    editor_finish(&p.e);
}

/* Said yes, but the person typed and it was skipped; or said no: it comes again. */
Test(transcript, a_skipped_edit_is_sent_again)
{
    struct page p;
    page_start(&p, editor_full);
    write_page(&p, empty_page);
    open_page(&p, empty_page);
    emit(&p, AGENT_ITEM_COMPLETED, "hello");
    struct editor_message *edit = next_edit(&p);
    change_page(&p, 2, "# New thread\n\n## Prompt\n\nx");
    editor_answer(&p.e, edit, yes);
    edit = next_edit(&p);
    assert_has(editor_params(edit), "\"newText\":\"hello\\n\\n\"");
    editor_answer(&p.e, edit, no);
    edit = next_edit(&p);
    assert_has(editor_params(edit), "\"newText\":\"hello\\n\\n\"");
    editor_finish(&p.e);
}

Test(transcript, an_editor_that_refuses_is_not_asked_for_ever)
{
    struct page p;
    page_start(&p, editor_full);
    open_page(&p, empty_page);
    emit(&p, AGENT_ITEM_COMPLETED, "hello");
    for (int i = 0; i < 5; i++)
        editor_answer_error(&p.e, next_edit(&p), "no such method");
    editor_turns(&p.e, 400);
    cr_assert_eq(editor_count(&p.e, "workspace/applyEdit"), 5);
    emit(&p, AGENT_ITEM_COMPLETED, "more");
    assert_has(editor_params(next_edit(&p)), "hello");
    editor_finish(&p.e);
}

Test(transcript, closing_writes_and_keeps_the_prompt)
{
    struct page p;
    page_start(&p, editor_full);
    write_page(&p, "# New thread\n\n## Prompt\n\nsaved words\n");
    open_page(&p, "# New thread\n\n## Prompt\n\nsaved words\n");
    emit(&p, AGENT_ITEM_COMPLETED, "hello");
    next_edit(&p); /* never answered */
    close_page(&p);
    cr_assert_str_eq(on_disk(&p), "# New thread\n\nhello\n\n## Prompt\n\nsaved words\n");
    editor_finish(&p.e);
}

/* Closed and opened in between: the buffer gets what it lacks, not what it has. */
Test(transcript, opened_again)
{
    struct page p;
    page_start(&p, editor_full);
    write_page(&p, empty_page);
    open_page(&p, empty_page);
    emit(&p, AGENT_ITEM_COMPLETED, "hello");
    struct editor_message *edit = next_edit(&p);
    change_page(&p, 2, "# New thread\n\nhello\n\n## Prompt\n\n");
    editor_answer(&p.e, edit, yes);
    editor_turns(&p.e, 150);
    close_page(&p);
    open_page(&p, empty_page); /* it had read the file before we wrote it */
    emit(&p, AGENT_ITEM_COMPLETED, "more");
    assert_has(editor_params(next_edit(&p)), "\"newText\":\"hello\\n\\nmore\\n\\n\"");
    editor_finish(&p.e);
}

/* What an earlier process wrote is not begun anew. */
Test(transcript, an_old_transcript_goes_on)
{
    struct page p;
    page_start(&p, editor_full);
    write_page(&p, "# Old title\n\nold words\n\n## Prompt\n\n");
    emit(&p, AGENT_ITEM_COMPLETED, "hello");
    world_run(&p.e.w, is_written, &p);
    cr_assert_str_eq(on_disk(&p), "# Old title\n\nold words\n\nhello\n\n## Prompt\n\n");
    editor_finish(&p.e);
}

Test(transcript, the_prompt_is_taken_from_the_buffer)
{
    struct page p;
    char id[ID_BYTES];
    page_start(&p, editor_full);
    struct agent_thread *thread = agent_thread_last(p.e.w.agent, str_from(p.e.w.ws));
    snprintf(id, sizeof(id), "%s", agent_thread_id(thread));
    snprintf(p.path, sizeof(p.path), "%s/threads/thread-%s.md", p.e.w.state, id);
    snprintf(p.uri, sizeof(p.uri), "file://%s", p.path);
    editor_request(&p.e, "workspace/executeCommand", "{'command':'lanebridge.ask'}");
    cr_assert_eq(p.e.answer_status, STATUS_OK, "%s", p.e.answer.ptr);
    assert_has(editor_params(editor_wait(&p.e, "window/showDocument")), "\"takeFocus\":true");
    open_page(&p, "# New thread\n\n## Prompt\n\n  do it\nnow \n");
    editor_request(&p.e, "workspace/executeCommand", "{'command':'lanebridge.ask'}");
    assert_has(p.e.answer.ptr, "turnId");
    struct editor_message *edit = next_edit(&p);
    assert_has(editor_params(edit), "\"start\":{\"line\":4,\"character\":2},\"end\":{\"line\":5,"
                                    "\"character\":3}},\"newText\":\"\"");
    editor_turns(&p.e, 30);
    assert_has(p.e.w.model.frames.ptr[0], "\"text\":\"do it\\nnow\"");
    editor_finish(&p.e);
}

Test(transcript, what_happens_as_markdown)
{
    struct page p;
    page_start(&p, editor_full);
    struct agent_event event = event_of(AGENT_ITEM_COMPLETED, "why?");
    event.item_type = AGENT_USER_MESSAGE;
    threads_on_event(p.e.server, &event);
    event = event_of(AGENT_ITEM_COMPLETED, "edited");
    event.item_type = AGENT_FILE_CHANGE;
    event.name = STR("write_file");
    event.title = STR("write_file: a.c");
    event.diff = STR("+x\n");
    event.ran_ms = 7;
    threads_on_event(p.e.server, &event);
    event = event_of(AGENT_ITEM_COMPLETED, "went wrong");
    event.item_type = AGENT_ERROR;
    threads_on_event(p.e.server, &event);
    emit(&p, AGENT_ITEM_DELTA, "cut");
    struct agent_event cut = event_of(AGENT_ITEM_COMPLETED, "cut");
    cut.ok = false;
    threads_on_event(p.e.server, &cut);
    struct agent_event again = event_of(AGENT_ITEM_COMPLETED, "hello");
    again.item_id = "item-2";
    threads_on_event(p.e.server, &again);
    struct agent_event end = event_of(AGENT_TURN_COMPLETED, "");
    end.status = TURN_INTERRUPTED;
    threads_on_event(p.e.server, &end);
    world_run(&p.e.w, is_written, &p);
    cr_assert_str_eq(
        on_disk(&p),
        "# New thread\n\n## You\n\nwhy?\n\n## Lanebridge\n\n- `write_file: a.c` ok, 7 ms\n"
        "\n```diff\n+x\n```\n\n> **Error:** went wrong\n\ncut\n\nhello\n\n"
        "*Interrupted.*\n\n## Prompt\n\n");
    editor_finish(&p.e);
}

/* -- Long ones, of which only the end is in memory ------------------------------------------------
 */

enum { ROUNDS = 12, ROUND_BYTES = 16000 };

static void read_disk(struct page *page, struct buf *text)
{
    char chunk[4096];
    size_t got;
    buf_clear(text);
    FILE *file = fopen(page->path, "r");
    cr_assert_not_null(file);
    while ((got = fread(chunk, 1, sizeof(chunk), file)) > 0)
        buf_append(text, (struct str){chunk, got});
    fclose(file);
}

static bool ends_written(void *user)
{
    struct page *page = user;
    struct buf text = {0};
    struct stat st;
    bool is = stat(page->path, &st) == 0;
    if (is)
        read_disk(page, &text);
    is = is && strstr(text.ptr, "the end of it") != NULL;
    buf_finish(&text);
    return is;
}

/* Says it in rounds, each on the disk before the next one; `expected` is what the log is then. */
static void say_much(struct page *page, struct buf *expected)
{
    buf_append_c(expected, "# New thread\n\n");
    for (int i = 0; i < ROUNDS; i++) {
        struct buf text = {0};
        struct agent_event over = event_of(AGENT_TURN_COMPLETED, "");
        buf_append_fmt(&text, "round %d ", i);
        buf_append_repeat(&text, (char)('a' + i), ROUND_BYTES);
        if (i == ROUNDS - 1)
            buf_append_c(&text, " the end of it");
        emit(page, AGENT_ITEM_COMPLETED, text.ptr);
        threads_on_event(page->e.server, &over);
        buf_append_fmt(expected, "%s\n\n", text.ptr);
        buf_finish(&text);
        editor_turns(&page->e, 150);
    }
    world_run(&page->e.w, ends_written, page);
}

Test(transcript, a_long_one_is_whole_on_the_disk)
{
    struct page p;
    struct buf expected = {0}, disk = {0};
    page_start(&p, editor_full);
    say_much(&p, &expected);
    read_disk(&p, &disk);
    buf_append_c(&expected, "## Prompt\n\n");
    cr_assert_str_eq(disk.ptr, expected.ptr);
    buf_finish(&expected);
    buf_finish(&disk);
    editor_finish(&p.e);
}

Test(transcript, a_long_one_is_opened_and_goes_on)
{
    struct page p;
    struct buf log = {0}, page = {0};
    page_start(&p, editor_full);
    say_much(&p, &log);
    buf_append(&page, buf_str(&log));
    buf_append_c(&page, "## Prompt\n\n");
    open_page(&p, page.ptr);
    emit(&p, AGENT_ITEM_COMPLETED, "more");
    struct editor_message *edit = next_edit(&p);
    assert_has(editor_params(edit), "\"newText\":\"more\\n\\n\"");
    buf_clear(&page);
    buf_append_fmt(&page, "%smore\n\n## Prompt\n\nmine", log.ptr);
    change_page(&p, 2, page.ptr);
    editor_answer(&p.e, edit, yes);
    write_page(&p, page.ptr); /* and saved */
    close_page(&p);
    struct buf disk = {0};
    read_disk(&p, &disk);
    cr_assert_str_eq(disk.ptr, page.ptr);
    buf_finish(&log);
    buf_finish(&page);
    buf_finish(&disk);
    editor_finish(&p.e);
}

/* An older state of the buffer: what it lacks comes, from the disk. */
Test(transcript, a_long_one_is_opened_as_it_was)
{
    struct page p;
    struct buf log = {0}, page = {0};
    page_start(&p, editor_full);
    say_much(&p, &log);
    size_t last = str_find(buf_str(&log), STR("round 11 "), 0);
    buf_append(&page, str_slice(buf_str(&log), 0, last));
    buf_append_c(&page, "## Prompt\n\n");
    open_page(&p, page.ptr);
    emit(&p, AGENT_ITEM_COMPLETED, "more");
    assert_has(editor_params(next_edit(&p)), "the end of it");
    buf_finish(&log);
    buf_finish(&page);
    editor_finish(&p.e);
}

Test(transcript, what_somebody_has_made_of_a_long_one_stays)
{
    static const char *const texts[] = {"short now\n\n## Prompt\n\nmine", "", "no heading at all"};
    for (size_t i = 0; i < array_count(texts); i++) {
        struct page p;
        struct buf log = {0};
        page_start(&p, editor_full);
        say_much(&p, &log);
        write_page(&p, texts[i]);
        struct agent_event over = event_of(AGENT_TURN_COMPLETED, "");
        emit(&p, AGENT_ITEM_COMPLETED, "hello");
        threads_on_event(p.e.server, &over);
        world_run(&p.e.w, is_written, &p);
        assert_has(on_disk(&p), "hello\n\n## Prompt");
        assert_has(on_disk(&p), i == 0 ? "short now" : i == 2 ? "no heading at all" : "");
        assert_has(on_disk(&p), i == 0 ? "mine" : "");
        buf_finish(&log);
        editor_finish(&p.e);
    }
}
