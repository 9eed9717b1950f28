/* What the endpoint bears: many connections, all lanes, a steady pace, and requests a second.
 * The endpoint is the real program with the replay engine, so what is measured is ours alone; it
 * and this client share the machine, and the CPU of both is printed. usage: load LANEBRIDGE
 * [SECONDS [CONNECTIONS [LANES]]] */
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include <lanebridge/json.h>

#include "swarm.h"

enum {
    DELTAS_PER_SECOND = 20,
    OPENING_MS = 5000,
    CREATORS = 50,
    BUCKETS = 20000, /* of 10 us */
    BUCKET_US = 10,
};

struct lane {
    uint64_t last_ns; /* when its last delta came; 0: none yet */
};
struct load {
    const char *program;
    char folder[64], engine[128];
    struct served served;
    struct swarm *swarm;
    size_t connections, lanes, open;
    struct lane *lane; /* connection * lanes + lane */
    size_t deltas, completed, errors, closed;
    size_t late[BUCKETS + 1], late_count;
    double late_sum;
    bool measuring, stopping;
};

static double own_cpu(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)usage.ru_utime.tv_sec + (double)usage.ru_stime.tv_sec +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void write_script(struct load *load, const char *script)
{
    snprintf(load->folder, sizeof(load->folder), "/tmp/lanebridge-load-XXXXXX");
    if (!mkdtemp(load->folder))
        exit(1);
    snprintf(load->engine, sizeof(load->engine), "replay:%s/replay.jsonl", load->folder);
    FILE *file = fopen(load->engine + 7, "we");
    if (!file || fputs(script, file) < 0 || fclose(file) < 0)
        exit(1);
}

static void remove_script(struct load *load)
{
    unlink(load->engine + 7);
    rmdir(load->folder);
}

/* -- A steady pace --------------------------------------------------------------------------------
 */

static size_t lane_of(struct str text)
{
    size_t at = str_find(str_slice(text, 0, 160), STR("\"stream_id\":\"l"), 0);
    return at == STR_NONE ? 0 : (size_t)atoi(text.ptr + at + 14);
}

/* How much later than the pace asks a delta came after the one before it. */
static void note_delta(struct load *load, struct lane *lane)
{
    uint64_t now = time_mono_ns();
    if (lane->last_ns && load->measuring) {
        double us = (double)(now - lane->last_ns) / 1e3 - 1e6 / DELTAS_PER_SECOND;
        size_t bucket = us > 0 ? (size_t)(us / BUCKET_US) : 0;
        load->late[bucket < BUCKETS ? bucket : BUCKETS]++;
        load->late_count++;
        load->late_sum += us > 0 ? us : 0;
    }
    lane->last_ns = now;
    load->deltas++;
}

static void on_paced(void *user, struct swarm_conn *conn, struct str text)
{
    struct load *load = user;
    struct lane *lane = &load->lane[swarm_tag(conn) * load->lanes + lane_of(text) % load->lanes];
    struct str start = str_slice(text, 0, 40);
    if (str_starts_with(start, STR("{\"type\":\"response.output_text.delta\"")))
        note_delta(load, lane);
    else if (str_starts_with(start, STR("{\"type\":\"response.completed\"")))
        load->completed++;
    else if (str_starts_with(start, STR("{\"type\":\"error\"")) ||
             str_starts_with(start, STR("{\"type\":\"response.failed\"")))
        load->errors++;
}

static void on_paced_open(void *user, struct swarm_conn *conn)
{
    struct load *load = user;
    load->open++;
    for (size_t i = 0; i < load->lanes; i++) {
        struct buf text = {0};
        buf_append_fmt(&text,
                       "{\"type\":\"response.create\",\"model\":\"m\",\"stream_id\":\"l%zu\","
                       "\"store\":false,\"input\":\"go\"}",
                       i);
        swarm_send(conn, buf_str(&text));
        buf_finish(&text);
    }
}

static void on_closed(void *user, struct swarm_conn *conn)
{
    struct load *load = user;
    load->closed += !load->stopping;
}

static double late_ms(const struct load *load, double share)
{
    size_t wanted = (size_t)ceil(share * (double)load->late_count), seen = 0;
    for (size_t i = 0; i <= BUCKETS; i++) {
        seen += load->late[i];
        if (seen >= wanted)
            return (double)(i + 1) * BUCKET_US / 1e3;
    }
    return 0;
}

static void run_until(struct load *load, uint64_t end_ns)
{
    while (time_mono_ns() < end_ns)
        swarm_run(load->swarm, 2);
}

static void open_all(struct load *load)
{
    uint64_t begun = time_mono_ns();
    for (size_t i = 0; i < load->connections; i++) {
        swarm_connect(load->swarm, load->served.port, i);
        run_until(load, begun + (i + 1) * (uint64_t)OPENING_MS * 1000000 / load->connections);
    }
}

/* Words for the whole time, four characters a delta. */
static void make_paced_script(struct load *load, unsigned seconds)
{
    struct buf script = {0};
    size_t deltas = (size_t)(seconds + 30) * DELTAS_PER_SECOND;
    buf_append_c(&script, "{\"emit\":[{\"type\":\"message\",\"text\":\"");
    for (size_t i = 0; i < deltas; i++)
        buf_append_c(&script, "word");
    buf_append_fmt(&script, "\"}],\"pace\":{\"chunk\":4,\"delta_ms\":%d},\"repeat\":1000000}\n",
                   1000 / DELTAS_PER_SECOND);
    write_script(load, script.ptr);
    buf_finish(&script);
}

static bool pace(struct load *load, unsigned seconds)
{
    static const struct swarm_handlers handlers = {on_paced_open, on_paced, on_closed};
    make_paced_script(load, seconds);
    const char *const arguments[] = {"--engine", load->engine, NULL};
    load->lane = mem_alloc_array(load->connections * load->lanes, sizeof(*load->lane));
    served_start(&load->served, load->program, arguments);
    load->swarm = swarm_new(&handlers, load);
    open_all(load);
    run_until(load, time_mono_ns() + 1000000000);
    double cpu = served_cpu(&load->served), mine = own_cpu();
    long before = served_rss(&load->served);
    uint64_t begun = time_mono_ns();
    size_t deltas = load->deltas;
    load->measuring = true;
    run_until(load, begun + (uint64_t)seconds * 1000000000);
    double wall = (double)(time_mono_ns() - begun) / 1e9;
    load->measuring = false;
    cpu = served_cpu(&load->served) - cpu;
    mine = own_cpu() - mine;
    long after = served_rss(&load->served);
    deltas = load->deltas - deltas;
    printf("%zu connections x %zu lanes, %d deltas a second each, %.0f s: %.0f deltas a second "
           "(%.1f %% of what was asked for)\n",
           load->open, load->lanes, DELTAS_PER_SECOND, wall, (double)deltas / wall,
           100.0 * (double)deltas / wall /
               (double)(load->connections * load->lanes * DELTAS_PER_SECOND));
    printf("  later than the pace: mean %.2f ms, median %.2f, p95 %.2f, p99 %.2f, p99.9 %.2f\n",
           load->late_sum / (double)(load->late_count ? load->late_count : 1) / 1e3,
           late_ms(load, 0.5), late_ms(load, 0.95), late_ms(load, 0.99), late_ms(load, 0.999));
    printf(
        "  CPU: endpoint %.2f cores (%.1f us a delta), this client %.2f; memory %ld MiB, then %ld; "
        "errors %zu, connections lost %zu\n",
        cpu / wall, cpu * 1e6 / (double)(deltas ? deltas : 1), mine / wall, before / 1024,
        after / 1024, load->errors, load->closed);
    bool good = load->open == load->connections && load->errors == 0 && load->closed == 0 &&
                load->completed == 0 && deltas > 0;
    load->stopping = true;
    swarm_free(load->swarm);
    served_kill(&load->served, SIGTERM);
    remove_script(load);
    mem_free(load->lane);
    return good;
}

/* -- Requests a second ----------------------------------------------------------------------------
 */

static void create(struct swarm_conn *conn, bool store)
{
    swarm_send(conn, store ? STR("{\"type\":\"response.create\",\"model\":\"m\",\"input\":\"go\"}")
                           : STR("{\"type\":\"response.create\",\"model\":\"m\",\"store\":false,"
                                 "\"input\":\"go\"}"));
}

static void on_create_open(void *user, struct swarm_conn *conn)
{
    create(conn, swarm_tag(conn) % 2 == 0);
}

static void on_created(void *user, struct swarm_conn *conn, struct str text)
{
    struct load *load = user;
    struct str start = str_slice(text, 0, 40);
    load->errors += str_starts_with(start, STR("{\"type\":\"error\""));
    if (!str_starts_with(start, STR("{\"type\":\"response.completed\"")))
        return;
    load->completed++;
    create(conn, swarm_tag(conn) % 2 == 0);
}

static bool creates(struct load *load, unsigned seconds)
{
    static const struct swarm_handlers handlers = {on_create_open, on_created, on_closed};
    char store[96];
    write_script(load,
                 "{\"emit\":[{\"type\":\"message\",\"text\":\"Done.\"}],\"repeat\":1000000}\n");
    snprintf(store, sizeof(store), "%s/store.db", load->folder);
    const char *const arguments[] = {"--engine", load->engine, "--store", store, NULL};
    served_start(&load->served, load->program, arguments);
    load->swarm = swarm_new(&handlers, load);
    for (size_t i = 0; i < CREATORS; i++)
        swarm_connect(load->swarm, load->served.port, i);
    run_until(load, time_mono_ns() + 300000000);
    double cpu = served_cpu(&load->served), mine = own_cpu();
    uint64_t begun = time_mono_ns();
    size_t before = load->completed;
    run_until(load, begun + (uint64_t)seconds * 1000000000);
    double wall = (double)(time_mono_ns() - begun) / 1e9;
    size_t done = load->completed - before;
    cpu = served_cpu(&load->served) - cpu;
    mine = own_cpu() - mine;
    printf("%d connections, one response after the other, every second one stored in a file: %.0f "
           "responses a second for %.0f s\n",
           CREATORS, (double)done / wall, wall);
    printf("  CPU: endpoint %.2f cores (%.0f us a response), this client %.2f; errors %zu\n",
           cpu / wall, cpu * 1e6 / (double)(done ? done : 1), mine / wall, load->errors);
    load->stopping = true;
    swarm_free(load->swarm);
    served_kill(&load->served, SIGTERM);
    static const char *const ends[] = {"", "-wal", "-shm"};
    for (size_t i = 0; i < array_count(ends); i++) {
        char path[128];
        snprintf(path, sizeof(path), "%s%s", store, ends[i]);
        unlink(path);
    }
    remove_script(load);
    return done > 0 && load->errors == 0 && load->closed == 0;
}

int main(int argc, char **argv)
{
    const char *program = argc > 1 ? argv[1] : "lanebridge";
    unsigned seconds = argc > 2 ? (unsigned)atoi(argv[2]) : 10;
    struct load *paced = mem_new(struct load), *created = mem_new(struct load);
    paced->program = created->program = program;
    paced->connections = argc > 3 ? (size_t)atoi(argv[3]) : 200;
    paced->lanes = argc > 4 ? (size_t)atoi(argv[4]) : 16;
    setvbuf(stdout, NULL, _IOLBF, 0);
    bool good = paced->connections > 0 && paced->lanes > 0 && pace(paced, seconds);
    good = creates(created, seconds) && good;
    mem_free(paced);
    mem_free(created);
    return good ? 0 : 1;
}
