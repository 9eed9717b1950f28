/* The memory of endpoints, on real files, with real processes beside each other. */
#include <criterion/criterion.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <lanebridge/json.h>
#include <lanebridge/memory.h>

TestSuite(memory, .timeout = 20);

#define URL "wss://api.example/v1/responses"

struct place {
    char folder[64], file[96], lock[112];
};

static void place_init(struct place *place)
{
    strcpy(place->folder, "/tmp/lanebridge-memory-XXXXXX");
    cr_assert_not_null(mkdtemp(place->folder));
    snprintf(place->file, sizeof(place->file), "%s/endpoints.json", place->folder);
    snprintf(place->lock, sizeof(place->lock), "%s.lock", place->file);
}

static void place_finish(struct place *place)
{
    unlink(place->file);
    unlink(place->lock);
    cr_assert_eq(rmdir(place->folder), 0, "something else was left behind");
}

static void put(const struct place *place, const char *url, const struct responses_learned *learned)
{
    struct memory *memory = memory_new(place->folder, url);
    memory_put(memory, learned);
    memory_free(memory);
}

static struct responses_learned get(const struct place *place, const char *url)
{
    struct responses_learned learned;
    struct memory *memory = memory_new(place->folder, url);
    memory_get(memory, &learned);
    memory_free(memory);
    return learned;
}

static void write_file(const struct place *place, const char *text)
{
    FILE *file = fopen(place->file, "we");
    cr_assert(file && fputs(text, file) >= 0 && fclose(file) == 0);
}

static bool has(const char *names, const char *name)
{
    struct str rest = str_from(names), word;
    while (str_next(&rest, ' ', &word))
        if (str_eq_c(word, name))
            return true;
    return false;
}

Test(memory, nothing_is_known_at_first)
{
    struct place place;
    place_init(&place);
    struct responses_learned learned = get(&place, URL);
    cr_assert_str_empty(learned.refused);
    cr_assert(learned.life_ms == 0 && learned.pause_ms == 0 && !learned.cancels);
    place_finish(&place);
}

Test(memory, what_was_put_is_found_by_url)
{
    struct place place;
    struct stat stat_of;
    place_init(&place);
    put(&place, URL "?version=1",
        &(struct responses_learned){.refused = "stream_id generate response.steer@small",
                                    .life_ms = 1500000,
                                    .pause_ms = 60000,
                                    .cancels = true});
    struct responses_learned learned = get(&place, URL);
    cr_assert_str_eq(learned.refused, "stream_id generate response.steer@small");
    cr_assert_eq(learned.life_ms, 1500000);
    cr_assert(learned.pause_ms > 50000 && learned.pause_ms <= 60000);
    cr_assert(learned.cancels);
    cr_assert_str_empty(get(&place, "wss://other.example/").refused);
    cr_assert_eq(stat(place.file, &stat_of), 0);
    cr_assert_eq(stat_of.st_mode & 0777, 0600);
    place_finish(&place);
}

Test(memory, one_adds_to_what_others_have_learned)
{
    struct place place;
    place_init(&place);
    put(&place, URL,
        &(struct responses_learned){.refused = "include", .life_ms = 900, .cancels = true});
    put(&place, URL,
        &(struct responses_learned){.refused = "generate", .life_ms = 1200, .pause_ms = 90000});
    put(&place, "wss://other.example/", &(struct responses_learned){.refused = "stream_id"});
    put(&place, URL, &(struct responses_learned){.pause_ms = 1000});
    struct responses_learned learned = get(&place, URL);
    cr_assert_str_eq(learned.refused, "include generate");
    cr_assert_eq(learned.life_ms, 900, "the shorter one");
    cr_assert_gt(learned.pause_ms, 80000, "the longer one");
    cr_assert(learned.cancels);
    cr_assert_str_eq(get(&place, "wss://other.example/").refused, "stream_id");
    put(&place, URL, &(struct responses_learned){.refused = "response.cancel"});
    cr_assert_not(get(&place, URL).cancels, "it does not any more");
    place_finish(&place);
}

/* Each name by its own day: who learns another one does not keep the old. */
Test(memory, names_are_forgotten_after_a_week)
{
    static const struct {
        int64_t age_ms;
        bool known;
    } cases[] = {{0, true}, {604700000, true}, {604900000, false}, {-3600000, false}};
    for (size_t i = 0; i < array_count(cases); i++) {
        struct place place;
        char text[512];
        long long at = (long long)time_wall_ms() - cases[i].age_ms;
        place_init(&place);
        snprintf(text, sizeof(text),
                 "{\"%s\":{\"refused\":{\"include\":%lld},\"cancels\":%lld,\"lifeMs\":5,"
                 "\"lifeAt\":%lld}}",
                 URL, at, at, at);
        write_file(&place, text);
        struct responses_learned learned = get(&place, URL);
        cr_assert_eq(has(learned.refused, "include"), cases[i].known, "case %zu", i);
        cr_assert_eq(learned.cancels, cases[i].known);
        cr_assert_eq(learned.life_ms, cases[i].known ? 5 : 0);
        put(&place, URL, &(struct responses_learned){.refused = "generate"});
        learned = get(&place, URL);
        cr_assert_eq(has(learned.refused, "include"), cases[i].known, "case %zu", i);
        cr_assert(has(learned.refused, "generate"));
        place_finish(&place);
    }
}

Test(memory, what_is_broken_counts_as_nothing)
{
    static const char *const texts[] = {
        "",
        "{",
        "[]",
        "{\"" URL "\":3}",
        "{\"" URL "\":{\"refused\":\"include\",\"at\":1,\"cancels\":\"x\",\"lifeAt\":[]}}",
        "{\"" URL "\":{\"refused\":{\"include\":true}},\"x\":{\"refused\":[[[]]]}}",
    };
    for (size_t i = 0; i < array_count(texts); i++) {
        struct place place;
        place_init(&place);
        write_file(&place, texts[i]);
        cr_assert_str_empty(get(&place, URL).refused, "%s", texts[i]);
        put(&place, URL, &(struct responses_learned){.refused = "generate"});
        cr_assert_str_eq(get(&place, URL).refused, "generate", "%s", texts[i]);
        place_finish(&place);
    }
}

Test(memory, its_size_is_bounded)
{
    struct place place;
    place_init(&place);
    for (int i = 0; i < 100; i++) {
        char url[64];
        snprintf(url, sizeof(url), "wss://host-%d.example/", i);
        put(&place, url, &(struct responses_learned){.refused = "include"});
        cr_assert_str_eq(get(&place, url).refused, "include");
    }
    struct stat stat_of;
    cr_assert_eq(stat(place.file, &stat_of), 0);
    cr_assert_lt(stat_of.st_size, 64 * 1024);
    place_finish(&place);
}

enum { PROCESSES = 2, ROUNDS = 100 };

/* Round by round another name, for the same endpoint and for one of its own. */
static void learn_much(const struct place *place, int who)
{
    for (int i = 0; i < ROUNDS; i++) {
        struct responses_learned learned = {.life_ms = 100000 - (uint64_t)(i * 2 + who)};
        char url[64];
        snprintf(learned.refused, sizeof(learned.refused), "n%d-%d", who, i % 10);
        put(place, URL, &learned);
        snprintf(url, sizeof(url), "wss://own-%d.example/%d", who, i % 10);
        put(place, url, &learned);
    }
}

Test(memory, two_processes_do_not_lose_each_others_entries)
{
    struct place place;
    place_init(&place);
    pid_t pids[PROCESSES];
    for (int who = 0; who < PROCESSES; who++) {
        pids[who] = fork();
        if (pids[who] == 0) {
            learn_much(&place, who);
            execl("/bin/true", "true", (char *)NULL); /* an exit here would be the test's */
        }
    }
    for (int who = 0; who < PROCESSES; who++) {
        int status;
        cr_assert_eq(waitpid(pids[who], &status, 0), pids[who]);
        cr_assert_eq(status, 0);
    }
    struct responses_learned learned = get(&place, URL);
    for (int who = 0; who < PROCESSES; who++) {
        for (int i = 0; i < 10; i++) {
            char name[64];
            snprintf(name, sizeof(name), "n%d-%d", who, i);
            cr_assert(has(learned.refused, name), "%s is lost: %s", name, learned.refused);
            snprintf(name, sizeof(name), "wss://own-%d.example/%d", who, i);
            cr_assert(get(&place, name).refused[0], "%s is lost", name);
        }
    }
    cr_assert_eq(learned.life_ms, 100000 - (ROUNDS - 1) * 2 - 1);
    place_finish(&place);
}

/* Somebody was stopped with the lock in hand: nobody hangs. */
Test(memory, a_lock_that_is_kept_holds_nobody_up)
{
    struct place place;
    place_init(&place);
    int fd = open(place.lock, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    cr_assert_eq(flock(fd, LOCK_EX), 0);
    put(&place, URL, &(struct responses_learned){.refused = "generate"});
    cr_assert_str_eq(get(&place, URL).refused, "generate");
    close(fd);
    place_finish(&place);
}
