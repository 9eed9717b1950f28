/* The editor's language servers, played. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "servers.h"

void start_with(struct fixture *f)
{
    struct tools_deadlines deadlines = tools_deadlines_default;
    fixture_init(f);
    deadlines.diagnostics_ms = 250;
    deadlines.edit_diagnostics_ms = 250;
    deadlines.editor_ms = 250;
    tools_set_deadlines(f->tools, &deadlines);
}

/* -- Diagnostics --- */

static struct {
    const char *answers[8]; /* NULL: the editor refuses */
    int64_t versions[8];    /* 0: not told */
    size_t at, count;
    const char *path;
} script;

static size_t read_list(const char *text, struct host_diagnostic *list, size_t max)
{
    size_t count = 0;
    struct str rest = str_from(text), one;
    while (text[0] && count < max && str_next(&rest, '|', &one)) {
        struct host_diagnostic *diag = &list[count++];
        *diag = (struct host_diagnostic){.line = (unsigned)atoi(one.ptr),
                                         .character = 1,
                                         .severity = (unsigned)(one.ptr[2] - '0'),
                                         .message = str_skip(one, 4)};
    }
    return count;
}

void diagnose(struct fixture *f, host_diagnostics_fn *fn, void *who)
{
    struct host_diagnostic list[128];
    size_t at = script.at;
    (void)f;
    script.at += script.at + 1 < script.count;
    if (!script.answers[at]) {
        fn(who, STATUS_INVALID, NULL, 0);
        return;
    }
    struct host_diagnosed file = {.path = str_from(script.path),
                                  .has_version = script.versions[at] > 0,
                                  .version = script.versions[at],
                                  .list = list,
                                  .count = read_list(script.answers[at], list, array_count(list))};
    fn(who, STATUS_OK, &file, file.path.len > 0);
}

void play(struct fixture *f, const char *path, const char *first, int64_t first_version,
          const char *second, int64_t second_version)
{
    script.answers[0] = first;
    script.answers[1] = second;
    script.versions[0] = first_version;
    script.versions[1] = second_version;
    script.at = 0;
    script.count = 2;
    script.path = path;
    f->host.diagnose = diagnose;
    host_offer(&f->host);
}

void play_second(const char *answer)
{
    script.answers[1] = answer;
}

/* -- Places --- */

const struct host_location *places;
size_t place_count;
enum status place_status;
size_t asked_at;

void locate(struct fixture *f, const struct host_query *query, host_locations_fn *fn, void *who)
{
    (void)f;
    asked_at = query->start;
    fn(who, place_status, STR("the server crashed"), places, place_count);
}

/* -- Edits --- */

struct played_server server;

static void propose(struct fixture *f, const struct host_query *query, host_proposal_fn *fn,
                    void *who)
{
    struct host_proposal proposal = {.status = server.status,
                                     .note = STR("cannot be renamed"),
                                     .changes = server.changes,
                                     .count = server.count,
                                     .titles = server.titles,
                                     .title_count = server.title_count};
    server.query = *query;
    snprintf(server.words, sizeof(server.words), STR_FMT, STR_ARG(query->words));
    snprintf(server.action, sizeof(server.action), STR_FMT, STR_ARG(query->action_kind));
    if (server.types) {
        type_over(f, "a.c", server.types);
        server.types = NULL;
    }
    if (server.conflicts > 0) {
        server.conflicts--;
        proposal = (struct host_proposal){.status = STATUS_CONFLICT};
    }
    fn(who, &proposal);
}

void change(struct fixture *f, enum host_change_kind kind, const char *name, const char *new_name,
            const char *before, const char *after)
{
    struct host_change *one = &server.changes[server.count];
    snprintf(server.path[server.count], sizeof(server.path[0]), "%s", in_ws(f, name));
    *one = (struct host_change){.kind = kind,
                                .path = server.path[server.count],
                                .before = before ? text_new(str_from(before)) : NULL,
                                .after = after ? text_new(str_from(after)) : NULL};
    server.count++;
    if (new_name) {
        snprintf(server.path[3], sizeof(server.path[0]), "%s", in_ws(f, new_name));
        one->new_path = server.path[3];
    }
}

void start_server(struct fixture *f)
{
    start_with(f);
    memset(&server, 0, sizeof(server));
    f->host.propose = propose;
    host_offer(&f->host);
    put(f, "a.c", "int old;\n");
}

void end_server(struct fixture *f, struct record *r)
{
    for (size_t i = 0; i < server.count; i++) {
        text_unref((struct text *)server.changes[i].before);
        text_unref((struct text *)server.changes[i].after);
    }
    record_finish(r);
    fixture_finish(f);
}
