/* The store's file: what was acknowledged is there for the next process. */
#include "helper.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

TestSuite(file, .timeout = 60);

#define CALL                                                                                       \
    "{\"emit\":[{\"type\":\"message\",\"text\":\"first\"},{\"type\":\"function_call\","            \
    "\"call\":\"read\",\"name\":\"f\",\"arguments\":{}}]}\n"
#define ENDING                                                                                     \
    "{\"expect\":{\"outputs\":{\"read\":\"good\"}},\"emit\":[{\"type\":\"message\","               \
    "\"text\":\"got ${output:read}\"}]}\n{\"emit\":[{\"type\":\"message\",\"text\":\"and "         \
    "${output:read}\"}]}\n"

struct scene {
    char folder[64], path[96];
    struct party party;
    struct peer peer;
    char id[100], call[100];
};

static void start(struct scene *s)
{
    party_start_with(&s->party, (struct endpoint_options){.replay = str_from(CALL ENDING),
                                                          .store_path = s->path});
    peer_open(&s->peer, &s->party);
}

static void stop(struct scene *s)
{
    peer_end(&s->peer);
    party_end(&s->party);
}

static void again(struct scene *s)
{
    stop(s);
    start(s);
}

static void scene_start(struct scene *s)
{
    snprintf(s->folder, sizeof(s->folder), "/tmp/lanebridge-test-XXXXXX");
    cr_assert(mkdtemp(s->folder));
    snprintf(s->path, sizeof(s->path), "%s/store.db", s->folder);
    start(s);
}

static void scene_end(struct scene *s)
{
    static const char *const ends[] = {"", "-wal", "-shm"};
    stop(s);
    for (size_t i = 0; i < array_count(ends); i++) {
        char path[128];
        snprintf(path, sizeof(path), "%s%s", s->path, ends[i]);
        unlink(path);
    }
    rmdir(s->folder);
}

static void begin(struct scene *s, const char *members)
{
    peer_create(&s->peer, "%s,\"input\":[" USER("hi") "]", members);
    const struct json_value *event = peer_ending(&s->peer, NULL);
    expect_type(event, "response.completed");
    snprintf(s->id, sizeof(s->id), "%s", event_id(event));
    snprintf(s->call, sizeof(s->call), "%s", event_call(event, 1));
}

static const struct json_value *answer(struct scene *s, const char *members)
{
    peer_create(&s->peer, "%s,\"previous_response_id\":\"%s\",\"input\":[" OUTPUT "]", members,
                s->id, s->call, "good");
    return peer_ending(&s->peer, NULL);
}

static struct json_value *ask(struct scene *s, const char *method, const char *id, const char *rest,
                              int status)
{
    struct fetch fetch;
    struct json_value *value = NULL;
    char path[256];
    snprintf(path, sizeof(path), "/v1/responses/%s%s", id, rest);
    fetch_run(&fetch, &s->party, method, path, NULL);
    cr_expect_eq(fetch.status, status, "%s %s: %d %s", method, path, fetch.status, fetch.body.ptr);
    json_parse(buf_str(&fetch.body), &value, NULL);
    fetch_end(&fetch);
    return value;
}

Test(file, a_stored_response_can_be_asked_for_and_continued_after_a_restart)
{
    struct scene s;
    scene_start(&s);
    begin(&s, "\"store\":true");
    struct json_value *before = ask(&s, "GET", s.id, "", 200);
    again(&s);
    struct json_value *after = ask(&s, "GET", s.id, "", 200);
    struct buf want = {0}, got = {0};
    json_append(&want, before);
    json_append(&got, after);
    cr_expect_str_eq(got.ptr, want.ptr);
    const struct json_value *event = answer(&s, "\"store\":true");
    cr_expect_str_eq(event_text(event), "got good", "%s", error_message(event));
    snprintf(s.id, sizeof(s.id), "%s", event_id(event));
    again(&s);
    peer_create(&s.peer, "\"previous_response_id\":\"%s\",\"input\":\"more\"", s.id);
    cr_expect_str_eq(event_text(peer_ending(&s.peer, NULL)), "and good", "outputs are found again");
    buf_finish(&want);
    buf_finish(&got);
    json_free(before);
    json_free(after);
    scene_end(&s);
}

Test(file, open_calls_are_known_after_a_restart)
{
    struct scene s;
    scene_start(&s);
    begin(&s, "\"store\":true");
    again(&s);
    peer_create(&s.peer, "\"previous_response_id\":\"%s\",\"input\":\"no output\"", s.id);
    cr_expect(strstr(error_message(peer_ending(&s.peer, NULL)), "No tool output found"));
    scene_end(&s);
}

/* What came before a stored response is kept with it, but cannot be asked for. */
Test(file, a_parent_without_store_is_kept_for_its_child_alone)
{
    struct scene s;
    scene_start(&s);
    begin(&s, "\"store\":false");
    char parent[100];
    snprintf(parent, sizeof(parent), "%s", s.id);
    const struct json_value *event = answer(&s, "\"store\":true");
    snprintf(s.id, sizeof(s.id), "%s", event_id(event));
    again(&s);
    json_free(ask(&s, "GET", parent, "", 404));
    struct json_value *items = ask(&s, "GET", s.id, "/input_items?order=asc", 200);
    cr_expect_eq(json_count(json_get(items, "data")), 4, "a message, two outputs, an answer");
    json_free(items);
    peer_create(&s.peer, "\"previous_response_id\":\"%s\",\"input\":\"x\"", parent);
    cr_expect_str_eq(error_code(peer_ending(&s.peer, NULL)), "previous_response_not_found");
    scene_end(&s);
}

Test(file, without_store_nothing_is_in_the_file)
{
    struct scene s;
    scene_start(&s);
    begin(&s, "\"store\":false");
    again(&s);
    json_free(ask(&s, "GET", s.id, "", 404));
    scene_end(&s);
}

Test(file, what_is_deleted_stays_deleted)
{
    struct scene s;
    scene_start(&s);
    begin(&s, "\"store\":true");
    char parent[100];
    snprintf(parent, sizeof(parent), "%s", s.id);
    snprintf(s.id, sizeof(s.id), "%s", event_id(answer(&s, "\"store\":true")));
    json_free(ask(&s, "DELETE", parent, "", 200));
    json_free(ask(&s, "GET", parent, "", 404));
    again(&s);
    json_free(ask(&s, "GET", parent, "", 404));
    struct json_value *items = ask(&s, "GET", s.id, "/input_items", 200);
    cr_expect_eq(json_count(json_get(items, "data")), 4, "its child lost nothing");
    json_free(items);
    json_free(ask(&s, "DELETE", s.id, "", 200));
    again(&s);
    json_free(ask(&s, "GET", s.id, "", 404));
    scene_end(&s);
}

/* A lane still holds what was deleted from under it: the file gets all of it again. */
Test(file, a_child_of_what_is_gone_from_the_file_brings_its_past_along)
{
    struct scene s;
    scene_start(&s);
    begin(&s, "\"store\":false");
    char parent[100], first_call[100];
    snprintf(parent, sizeof(parent), "%s", s.id);
    snprintf(first_call, sizeof(first_call), "%s", s.call);
    peer_create(&s.peer,
                "\"stream_id\":\"fork\",\"previous_response_id\":\"%s\",\"input\":[" OUTPUT "]",
                parent, s.call, "good");
    char fork[100];
    snprintf(fork, sizeof(fork), "%s", event_id(peer_ending(&s.peer, "fork")));
    json_free(ask(&s, "DELETE", fork, "", 200)); /* its parent goes with it: nobody needs it */
    snprintf(s.call, sizeof(s.call), "%s", first_call);
    const struct json_value *event = answer(&s, "\"store\":true");
    expect_type(event, "response.completed");
    snprintf(s.id, sizeof(s.id), "%s", event_id(event));
    again(&s);
    struct json_value *items = ask(&s, "GET", s.id, "/input_items", 200);
    cr_expect_eq(json_count(json_get(items, "data")), 4);
    json_free(items);
    scene_end(&s);
}

Test(file, two_endpoints_may_share_it)
{
    struct scene s, other;
    scene_start(&s);
    other = s;
    start(&other);
    begin(&s, "\"store\":true");
    json_free(ask(&other, "GET", s.id, "", 200));
    snprintf(other.id, sizeof(other.id), "%s", s.id);
    snprintf(other.call, sizeof(other.call), "%s", s.call);
    cr_expect_str_eq(event_text(answer(&other, "\"store\":true")), "got good");
    stop(&other);
    scene_end(&s);
}

/* -- What can be wrong with it --------------------------------------------------------------------
 */

static void expect_refused(const struct scene *s, const char *part)
{
    struct loop *loop = loop_new(NULL);
    struct net *net = net_new(loop, &(struct net_options){0}, NULL);
    struct err err = {0};
    cr_expect_null(
        endpoint_new(loop, net, &(struct endpoint_options){.store_path = s->path}, &err));
    cr_expect(strstr(err.text, part), "%s", err.text);
    net_free(net);
    loop_free(loop);
}

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "we");
    cr_assert(file);
    fputs(text, file);
    fclose(file);
}

Test(file, another_file_is_left_alone)
{
    struct scene s;
    scene_start(&s);
    stop(&s);
    write_file(s.path, "These are somebody's notes, which are longer than a database's header is; "
                       "nothing of this may be lost because of a wrong argument.");
    expect_refused(&s, "move it away");
    unlink(s.path);
    cr_assert_eq(mkdir(s.path, 0700), 0);
    expect_refused(&s, s.path);
    rmdir(s.path);
    start(&s);
    scene_end(&s);
}

Test(file, it_is_private)
{
    struct scene s;
    struct stat st;
    scene_start(&s);
    cr_assert_eq(stat(s.path, &st), 0);
    cr_expect_eq(st.st_mode & 0777, 0600);
    stop(&s);
    chmod(s.path, 0644);
    start(&s);
    cr_assert_eq(stat(s.path, &st), 0);
    cr_expect_eq(st.st_mode & 0777, 0600);
    scene_end(&s);
}

/* The disk is full: who asked for store:true is told that it was not done. */
Test(file, what_cannot_be_stored_is_not_acknowledged)
{
    struct scene s;
    struct rlimit limit;
    scene_start(&s);
    begin(&s, "\"store\":true");
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &limit);
    setrlimit(RLIMIT_FSIZE, &(struct rlimit){.rlim_cur = 4096, .rlim_max = limit.rlim_max});
    const struct json_value *event = answer(&s, "\"store\":true");
    expect_type(event, "response.failed");
    const struct json_value *error = json_at(event, "response", "error", NULL);
    cr_expect_str_eq(json_get_str(error, "code").ptr, "server_error");
    cr_expect(strstr(json_get_str(error, "message").ptr, "could not be stored"));
    char failed[100];
    snprintf(failed, sizeof(failed), "%s", event_id(event));
    json_free(ask(&s, "GET", failed, "", 404));
    setrlimit(RLIMIT_FSIZE, &limit);
    event = answer(&s, "\"store\":true");
    cr_expect_str_eq(event_text(event), "got good", "and it goes on when there is room again");
    scene_end(&s);
}
