/* Kills the endpoint at random moments under load, again and again on the same file, and asks the
 * next one for everything that was acknowledged: no response whose terminal event arrived may be
 * missing, and the file must be whole. How long the next one takes to answer is printed.
 * usage: kill LANEBRIDGE [COUNT [SEED]] */
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <lanebridge/json.h>

#include "../bench/swarm.h"

enum { CONNECTIONS = 8, LANES = 4, LATEST_MS = 150, COUNT_MAX = 10000 };

static const char script[] =
    "{\"emit\":[{\"type\":\"message\",\"text\":\"Some words that are said in every step.\"},"
    "{\"type\":\"function_call\",\"call\":\"c\",\"name\":\"f\",\"arguments\":{\"a\":1}}],"
    "\"repeat\":100000}\n";

struct stored {
    char id[128];
    unsigned depth; /* how many steps its conversation has */
};
struct test {
    const char *program;
    char folder[64], file[96], engine[128];
    struct served served;
    struct swarm *swarm;
    VEC(struct stored) stored; /* that were acknowledged, ever */
    unsigned depths[CONNECTIONS][LANES];
    unsigned lost, broken;
    VEC(double) restarts_ms;
};

/* -- Load -----------------------------------------------------------------------------------------
 */

static void ask(struct swarm_conn *conn, unsigned lane, const char *id, const char *call)
{
    struct buf text = {0};
    buf_append_fmt(&text,
                   "{\"type\":\"response.create\",\"model\":\"m\",\"store\":true,"
                   "\"stream_id\":\"l%u\",",
                   lane);
    if (id)
        buf_append_fmt(&text,
                       "\"previous_response_id\":\"%s\",\"input\":[{\"type\":"
                       "\"function_call_output\",\"call_id\":\"%s\",\"output\":\"%0512d\"}]}",
                       id, call, 7);
    else
        buf_append_c(&text, "\"input\":\"go\"}");
    swarm_send(conn, buf_str(&text));
    buf_finish(&text);
}

static void on_open(void *user, struct swarm_conn *conn)
{
    for (unsigned lane = 0; lane < LANES; lane++)
        ask(conn, lane, NULL, NULL);
}

static void on_completed(struct test *test, struct swarm_conn *conn, struct str text)
{
    struct json_value *event = NULL;
    struct stored stored = {0};
    unsigned lane = 0;
    if (json_parse(text, &event, NULL) < 0) {
        test->broken++;
        return;
    }
    const struct json_value *response = json_get(event, "response"), *call;
    call = json_next(json_first(json_get(response, "output")));
    sscanf(json_get_str(event, "stream_id").ptr, "l%u", &lane);
    snprintf(stored.id, sizeof(stored.id), "%s", json_get_str(response, "id").ptr);
    stored.depth = ++test->depths[swarm_tag(conn)][lane % LANES];
    vec_push(&test->stored, stored);
    ask(conn, lane, stored.id, json_get_str(call, "call_id").ptr);
    json_free(event);
}

static void on_message(void *user, struct swarm_conn *conn, struct str text)
{
    struct test *test = user;
    if (str_find(str_slice(text, 0, 64), STR("\"response.completed\""), 0) != STR_NONE)
        on_completed(test, conn, text);
    else if (str_find(str_slice(text, 0, 64), STR("\"error\""), 0) != STR_NONE ||
             str_find(str_slice(text, 0, 64), STR("\"response.failed\""), 0) != STR_NONE) {
        fprintf(stderr, "refused: " STR_FMT "\n", STR_ARG(str_slice(text, 0, 300)));
        test->broken++;
    }
}

/* -- What must be there ---------------------------------------------------------------------------
 */

static void check_one(struct test *test, const struct stored *stored)
{
    char path[256], wanted[160];
    struct buf body = {0};
    snprintf(path, sizeof(path), "/v1/responses/%s", stored->id);
    snprintf(wanted, sizeof(wanted), "\"id\":\"%s\"", stored->id);
    int status = served_ask(test->served.port, "GET", path, &body);
    bool good = status == 200 && str_find(buf_str(&body), str_from(wanted), 0) != STR_NONE &&
                str_find(buf_str(&body), STR("\"status\":\"completed\""), 0) != STR_NONE;
    buf_clear(&body);
    snprintf(path, sizeof(path), "/v1/responses/%s/input_items?limit=1&order=asc", stored->id);
    good = good && served_ask(test->served.port, "GET", path, &body) == 200 &&
           str_find(buf_str(&body), STR("\"text\":\"go\""), 0) != STR_NONE;
    if (!good) {
        fprintf(stderr, "lost: %s at depth %u (%d)\n", stored->id, stored->depth, status);
        test->lost++;
    }
    buf_finish(&body);
}

/* All of the last round, and some of those before it. */
static void check_stored(struct test *test, size_t from)
{
    for (size_t i = from; i < test->stored.len; i++)
        check_one(test, &test->stored.ptr[i]);
    for (int i = 0; i < 8 && from > 0; i++)
        check_one(test, &test->stored.ptr[(size_t)rand() % from]);
}

static void check_file(struct test *test)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *statement = NULL;
    bool good =
        sqlite3_open_v2(test->file, &db, SQLITE_OPEN_READONLY, NULL) == SQLITE_OK &&
        sqlite3_prepare_v2(db, "PRAGMA integrity_check", -1, &statement, NULL) == SQLITE_OK &&
        sqlite3_step(statement) == SQLITE_ROW &&
        strcmp((const char *)sqlite3_column_text(statement, 0), "ok") == 0;
    if (!good) {
        fprintf(stderr, "the file is not whole: %s\n", db ? sqlite3_errmsg(db) : "no memory");
        test->broken++;
    }
    sqlite3_finalize(statement);
    sqlite3_close(db);
}

/* From the start of the process to its first answer. */
static void start(struct test *test)
{
    const char *const arguments[] = {"--engine", test->engine, "--store", test->file, NULL};
    struct buf body = {0};
    uint64_t begun = time_mono_ns();
    served_start(&test->served, test->program, arguments);
    if (served_ask(test->served.port, "GET", "/healthz", &body) != 200)
        test->broken++;
    double ms = (double)(time_mono_ns() - begun) / 1e6;
    vec_push(&test->restarts_ms, ms);
    buf_finish(&body);
}

static void play(struct test *test)
{
    static const struct swarm_handlers handlers = {.on_open = on_open, .on_message = on_message};
    size_t from = test->stored.len;
    uint64_t end = time_mono_ns() + (uint64_t)(5 + rand() % LATEST_MS) * 1000000 +
                   (uint64_t)(rand() % 1000) * 1000;
    memset(test->depths, 0, sizeof(test->depths));
    test->swarm = swarm_new(&handlers, test);
    for (size_t i = 0; i < CONNECTIONS; i++)
        swarm_connect(test->swarm, test->served.port, i);
    while (time_mono_ns() < end)
        swarm_run(test->swarm, 1);
    kill(test->served.pid, SIGKILL);
    while (swarm_count(test->swarm) > 0) /* what was sent before the end counts, too */
        swarm_run(test->swarm, 100);
    swarm_free(test->swarm);
    served_kill(&test->served, SIGKILL);
    check_file(test);
    start(test);
    check_stored(test, from);
}

static int compare(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

int main(int argc, char **argv)
{
    static const char *const ends[] = {"", "-wal", "-shm"};
    struct test test = {.program = argc > 1 ? argv[1] : "lanebridge"};
    int count = argc > 2 ? atoi(argv[2]) : 10;
    if (count < 1 || count > COUNT_MAX)
        return 2;
    srand(argc > 3 ? (unsigned)atoi(argv[3]) : (unsigned)time_mono_ns());
    snprintf(test.folder, sizeof(test.folder), "/tmp/lanebridge-kill-XXXXXX");
    if (!mkdtemp(test.folder))
        return 1;
    snprintf(test.file, sizeof(test.file), "%s/store.db", test.folder);
    snprintf(test.engine, sizeof(test.engine), "replay:%s/replay.jsonl", test.folder);
    FILE *replay = fopen(test.engine + 7, "we");
    if (!replay || fputs(script, replay) < 0 || fclose(replay) < 0)
        return 1;
    start(&test);
    for (int i = 0; i < count; i++)
        play(&test);
    served_kill(&test.served, SIGTERM);
    size_t restarts = test.restarts_ms.len;
    qsort(test.restarts_ms.ptr, restarts, sizeof(double), compare);
    printf("kill -9: %zu stored responses acknowledged, %u lost, %u broken; from start to first "
           "answer %.0f ms (median), %.0f ms (slowest)\n",
           test.stored.len, test.lost, test.broken, test.restarts_ms.ptr[restarts / 2],
           test.restarts_ms.ptr[restarts - 1]);
    for (size_t i = 0; i < array_count(ends); i++) {
        char path[128];
        snprintf(path, sizeof(path), "%s%s", test.file, ends[i]);
        unlink(path);
    }
    unlink(test.engine + 7);
    rmdir(test.folder);
    bool held = test.lost == 0 && test.broken == 0 && test.stored.len > (size_t)count;
    printf("tried %d, held %d\n", count, held ? count : 0);
    vec_finish(&test.stored);
    vec_finish(&test.restarts_ms);
    return held ? 0 : 1;
}
