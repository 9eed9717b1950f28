/* Running one search and writing its results down. */
#include "searching.h"

#include <stdio.h>

/* "path", "path/", "path:3:line" or "path-3-line"; then what is marked. */
void on_results(void *user, const struct workspace_results *results)
{
    struct answer *answer = user;
    answer->calls++;
    answer->status = results->status;
    snprintf(answer->error, sizeof(answer->error), "%s", results->error);
    for (size_t i = 0; i < results->count; i++) {
        const struct workspace_match *match = &results->matches[i];
        char mark = match->is_context ? '-' : ':';
        buf_append_fmt(&answer->text, "%s%s", match->path, match->is_folder ? "/" : "");
        if (match->text)
            buf_append_fmt(&answer->text, "%c%zu%c%s", mark, match->line, mark, match->text);
        buf_append_fmt(&answer->text, "%s%s\n", match->ignored ? " ignored" : "",
                       match->unsaved ? " unsaved" : "");
    }
    answer->total = results->total;
    answer->searched = results->files_searched;
    answer->binary = results->files_skipped_binary;
    answer->large = results->files_skipped_large;
    answer->limited = results->limited;
    answer->timed_out = results->timed_out;
}

struct answer ask(struct fixture *fixture, start_fn *start, const char *folder,
                  struct workspace_search search, const struct documents *documents)
{
    struct answer answer = {0};
    struct document_snapshot snapshot = {0};
    struct workspace_path path = resolve(fixture, folder);
    if (documents)
        document_snapshot_take(documents, &snapshot);
    search.folder = &path;
    search.documents = &snapshot;
    search.limit = search.limit ? search.limit : 100;
    struct workspace_job *job = start(fixture->workspace, &search, on_results, &answer);
    cr_assert_not_null(job);
    cr_assert_eq(answer.calls, 0, "nothing is told before the call has returned");
    cr_assert_eq(snapshot.count, 0, "the snapshot was taken over");
    workspace_path_finish(&path); /* borrowed only during the call */
    loop_run(fixture->loop);
    cr_assert_eq(answer.calls, 1);
    buf_append_c(&answer.text, "");
    return answer;
}

void expect(struct answer answer, const char *lines)
{
    cr_assert_eq(answer.status, STATUS_OK, "%s", answer.error);
    cr_assert_str_eq(answer.text.ptr ? answer.text.ptr : "", lines);
    buf_finish(&answer.text);
}

void expect_error(struct answer answer, enum status status, const char *part)
{
    cr_assert_eq(answer.status, status, "%s: %s", status_name(answer.status), answer.error);
    cr_assert(strstr(answer.error, part), "%s", answer.error);
    cr_assert_eq(answer.text.len, 0);
    buf_finish(&answer.text);
}

void open_text(struct documents *documents, const struct fixture *fixture, const char *name,
               const char *content)
{
    struct text *text = text_new(str_from(content));
    struct buf uri = {0};
    uri_append_file(&uri, str_from(at(fixture, "%s", name)));
    document_open(documents, buf_str(&uri), str_from(at(fixture, "%s", name)), 0, 0, STR("c"), 1,
                  text, (struct str){0});
    text_unref(text);
    buf_finish(&uri);
}

void make_tree(struct fixture *fixture)
{
    fixture_init(fixture);
    put_file(fixture, "ws/.gitignore", "*.log\nbuild/\n!keep.log\n");
    put_file(fixture, "ws/a.c", "int a;\nint main(void)\n{\n    return a;\n}\n");
    put_file(fixture, "ws/a/b.c", "int b;\n");
    put_file(fixture, "ws/a/.gitignore", "local.c\n");
    put_file(fixture, "ws/a/local.c", "int local;\n");
    put_file(fixture, "ws/a-b.c", "int dash;\n");
    put_file(fixture, "ws/build/out.c", "int out;\n");
    put_file(fixture, "ws/x.log", "int log;\n");
    put_file(fixture, "ws/keep.log", "int kept;\n");
    put_file(fixture, "ws/.git/config", "int git;\n");
    put_file(fixture, "ws/sub/deep/er/d.c", "int d;\n");
}
