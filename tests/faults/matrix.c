/* matrix LANEBRIDGE [--interrupts] [--full] [--sample N] [--seed N] [--jobs N] [--shard I/N]
 *                   [--only PART]
 *    plays a sample of the matrix, or all of it, or of that one N-th; the last line is "tried N,
 * held N". With --interrupts nothing goes wrong on the wire, but the turn is stopped at every
 * event. matrix LANEBRIDGE --case NAME plays one; FAULTS_KEEP=1 leaves its folder. */
#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "faults.h"

enum { JOBS_MAX = 16, SAMPLE = 150, INTERRUPTS_SAMPLE = 60, SLOW_MS = 3000 };
enum { PROGRESS = 1000 };
enum { JOBS_PER_CPU = 3 }; /* most of a case is waiting */

struct options {
    char program[PATH_MAX];
    const char *one, *file;
    bool full, learn, interrupts;
    unsigned sample, jobs, shard, shards; /* the shard counts from 0 */
    uint64_t seed;
    const char *only; /* part of the name */
};
struct job {
    pid_t pid;
    size_t at;
    FILE *output;
    uint64_t began_ns;
};
struct matrix {
    const struct options *options;
    char learned[MODE_COUNT][64];
    spec_list cases;
    struct job jobs[JOBS_MAX];
    unsigned tried, held, missed, slow;
    uint64_t longest_ms;
    VEC(unsigned) ready_us; /* Stop to input ready */
};

/* -- Choosing ------------------------------------------------------------------------------------
 */

static uint64_t next_random(uint64_t *state) /* splitmix64 */
{
    uint64_t z = *state += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

static bool is_wanted(const struct options *options, const struct spec *spec)
{
    struct buf name = {0};
    spec_format(spec, &name);
    bool wanted = !options->only || strstr(name.ptr, options->only);
    buf_finish(&name);
    return wanted;
}

/* Cases of one kind, direction and place of a mode: from each in turn one is taken, so that the
 * sample has all of them. */
static unsigned class_of(const struct spec *spec)
{
    const struct fault *fault = &spec->fault;
    unsigned at = spec->mode;
    at = at * FAULT_KIND_COUNT + fault->kind;
    at = at * DIRECTION_COUNT + fault->direction;
    return at * PLACE_COUNT + fault->place;
}

enum { CLASSES = MODE_COUNT * FAULT_KIND_COUNT * DIRECTION_COUNT * PLACE_COUNT };

static void shuffle(spec_list *list, uint64_t *random)
{
    for (size_t i = list->len; i > 1; i--) {
        size_t j = next_random(random) % i;
        struct spec spec = list->ptr[i - 1];
        list->ptr[i - 1] = list->ptr[j];
        list->ptr[j] = spec;
    }
}

static void take_sample(spec_list *cases, unsigned count, uint64_t seed)
{
    bool is_taken[CLASSES];
    spec_list sample = {0};
    shuffle(cases, &seed);
    while (sample.len < count && cases->len > 0) {
        memset(is_taken, 0, sizeof(is_taken));
        for (size_t i = cases->len; i-- > 0 && sample.len < count;) {
            if (is_taken[class_of(&cases->ptr[i])])
                continue;
            is_taken[class_of(&cases->ptr[i])] = true;
            vec_push(&sample, cases->ptr[i]);
            vec_remove(cases, i);
        }
    }
    vec_finish(cases);
    *cases = sample;
}

/* -- Playing -------------------------------------------------------------------------------------
 */

static void start(struct matrix *matrix, struct job *job, size_t at)
{
    struct buf name = {0};
    const struct spec *spec = &matrix->cases.ptr[at];
    spec_format(spec, &name);
    *job = (struct job){.at = at, .output = tmpfile(), .began_ns = time_mono_ns()};
    fflush(NULL);
    job->pid = fork();
    if (job->pid == 0) {
        dup2(fileno(job->output), STDERR_FILENO);
        execl("/proc/self/exe", "matrix", matrix->options->program, "--case", name.ptr, "--file",
              matrix->learned[spec->mode], (char *)NULL);
        _exit(127);
    }
    buf_finish(&name);
}

static void take_ready(struct matrix *matrix, FILE *output)
{
    char line[256];
    unsigned us;
    rewind(output);
    while (fgets(line, sizeof(line), output))
        if (sscanf(line, "ready %u us", &us) == 1)
            vec_push(&matrix->ready_us, us);
}

static int compare_unsigned(const void *a, const void *b)
{
    unsigned left = *(const unsigned *)a, right = *(const unsigned *)b;
    return left < right ? -1 : left > right;
}

static void print_ready(struct matrix *matrix)
{
    size_t count = matrix->ready_us.len;
    if (count == 0)
        return;
    qsort(matrix->ready_us.ptr, count, sizeof(unsigned), compare_unsigned);
    printf("Stop to input ready: median %.1f ms, 95th percentile %.1f ms, longest %.1f ms\n",
           matrix->ready_us.ptr[count / 2] / 1e3, matrix->ready_us.ptr[count * 95 / 100] / 1e3,
           matrix->ready_us.ptr[count - 1] / 1e3);
}

static void print_output(FILE *output)
{
    char chunk[4096];
    size_t count;
    rewind(output);
    while ((count = fread(chunk, 1, sizeof(chunk), output)) > 0)
        fwrite(chunk, 1, count, stdout);
}

static void finish(struct matrix *matrix, struct job *job, int status)
{
    uint64_t ms = (time_mono_ns() - job->began_ns) / 1000000;
    struct buf name = {0};
    spec_format(&matrix->cases.ptr[job->at], &name);
    bool missed = WIFEXITED(status) && WEXITSTATUS(status) == PLAY_MISSED;
    bool held = missed || (WIFEXITED(status) && WEXITSTATUS(status) == 0);
    take_ready(matrix, job->output);
    matrix->missed += missed;
    matrix->tried += !missed;
    matrix->held += held && !missed;
    matrix->slow += ms > SLOW_MS;
    matrix->longest_ms = ms > matrix->longest_ms ? ms : matrix->longest_ms;
    if (!held) {
        printf("not held: --case %s (wait status %d)\n", name.ptr, status);
        print_output(job->output);
    } else if (getenv("FAULTS_TIMES")) {
        printf("%6llu ms %s\n", (unsigned long long)ms, name.ptr);
    }
    if (matrix->tried % PROGRESS == 0 && !missed)
        printf("… %u tried, %u held\n", matrix->tried, matrix->held);
    fflush(stdout);
    fclose(job->output);
    job->pid = 0;
    buf_finish(&name);
}

static void play_all(struct matrix *matrix)
{
    size_t next = 0, running = 0;
    while (next < matrix->cases.len || running > 0) {
        for (unsigned i = 0; i < matrix->options->jobs && next < matrix->cases.len; i++) {
            if (matrix->jobs[i].pid)
                continue;
            start(matrix, &matrix->jobs[i], next++);
            running++;
        }
        int status;
        pid_t pid = wait(&status);
        for (unsigned i = 0; i < JOBS_MAX; i++) {
            if (pid > 0 && matrix->jobs[i].pid == pid) {
                finish(matrix, &matrix->jobs[i], status);
                running--;
            }
        }
    }
}

/* The run without a fault: what must come of every other one, and how many units there are. */
static bool learn(struct matrix *matrix, enum mode mode)
{
    unsigned units[DIRECTION_COUNT];
    struct spec spec = {.mode = mode};
    spec_list all = {0};
    snprintf(matrix->learned[mode], sizeof(matrix->learned[mode]), "/tmp/lanebridge-faults-%d-%d",
             (int)getpid(), (int)mode);
    if (play_case(matrix->options->program, &spec, matrix->learned[mode], true) != 0 ||
        !play_read_units(matrix->learned[mode], matrix->options->interrupts, units))
        return false;
    spec_list_all(mode, units, matrix->options->interrupts, &all);
    for (size_t i = 0; i < all.len; i++)
        if (is_wanted(matrix->options, &all.ptr[i]) &&
            i % matrix->options->shards == matrix->options->shard)
            vec_push(&matrix->cases, all.ptr[i]);
    vec_finish(&all);
    return true;
}

static int run_matrix(const struct options *options)
{
    struct matrix matrix = {.options = options};
    bool good = true;
    for (int mode = 0; mode < MODE_COUNT; mode++)
        good = good && learn(&matrix, mode);
    if (!good) {
        puts("the rollout does not come through without a fault");
        return 1;
    }
    size_t all = matrix.cases.len;
    if (!options->full)
        take_sample(&matrix.cases, options->sample, options->seed);
    printf("%s: %zu of %zu cases, seed %llu, %u at once\n",
           options->interrupts ? "interrupts" : "faults", matrix.cases.len, all,
           (unsigned long long)options->seed, options->jobs);
    fflush(stdout);
    play_all(&matrix);
    for (int mode = 0; mode < MODE_COUNT; mode++)
        unlink(matrix.learned[mode]);
    vec_finish(&matrix.cases);
    print_ready(&matrix);
    vec_finish(&matrix.ready_us);
    printf("longest %llu ms, %u above %d ms\n", (unsigned long long)matrix.longest_ms, matrix.slow,
           SLOW_MS);
    if (matrix.missed > 0)
        printf("not tried: %u, whose unit did not come\n", matrix.missed);
    printf("tried %u, held %u\n", matrix.tried, matrix.held);
    bool missed_much = matrix.missed * 20 > matrix.tried;
    return matrix.tried > 0 && matrix.tried == matrix.held && !missed_much ? 0 : 1;
}

static int run_one(const struct options *options)
{
    struct spec spec;
    char file[64] = {0};
    if (!spec_parse(str_from(options->one), &spec)) {
        fprintf(stderr, "there is no case %s\n", options->one);
        return 2;
    }
    if (options->file)
        return play_case(options->program, &spec, options->file, options->learn);
    snprintf(file, sizeof(file), "/tmp/lanebridge-faults-%d", (int)getpid());
    struct spec none = {.mode = spec.mode};
    int code = play_case(options->program, &none, file, true);
    if (code == 0)
        code = play_case(options->program, &spec, file, false);
    unlink(file);
    return code;
}

/* -- Arguments -----------------------------------------------------------------------------------
 */

static bool take_number(const char *text, uint64_t *ret_number)
{
    return str_to_uint64(str_from(text), ret_number);
}

/* "2/4": the second of four parts. */
static bool take_shard(const char *text, struct options *options)
{
    unsigned shard, shards;
    char rest;
    if (sscanf(text, "%u/%u%c", &shard, &shards, &rest) != 2 || shard < 1 || shard > shards)
        return false;
    options->shard = shard - 1;
    options->shards = shards;
    return true;
}

static bool parse(int argc, char **argv, struct options *options)
{
    uint64_t sample = 0, jobs = (uint64_t)sysconf(_SC_NPROCESSORS_ONLN) * JOBS_PER_CPU;
    *options = (struct options){.seed = 1, .shards = 1};
    if (argc < 2 || !realpath(argv[1], options->program))
        return false;
    for (int i = 2; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        if (!strcmp(argv[i], "--full"))
            options->full = true;
        else if (!strcmp(argv[i], "--interrupts"))
            options->interrupts = true;
        else if (!strcmp(argv[i], "--shard") && take_shard(value, options))
            i++;
        else if (!strcmp(argv[i], "--case") && ++i)
            options->one = value;
        else if (!strcmp(argv[i], "--file") && ++i)
            options->file = value;
        else if (!strcmp(argv[i], "--only") && ++i)
            options->only = value;
        else if (!strcmp(argv[i], "--sample") && take_number(value, &sample))
            i++;
        else if (!strcmp(argv[i], "--seed") && take_number(value, &options->seed))
            i++;
        else if (!strcmp(argv[i], "--jobs") && take_number(value, &jobs))
            i++;
        else
            return false;
    }
    if (sample == 0)
        sample = options->interrupts ? INTERRUPTS_SAMPLE : SAMPLE;
    options->sample = (unsigned)sample;
    options->jobs = jobs < 1 ? 1 : jobs > JOBS_MAX ? JOBS_MAX : (unsigned)jobs;
    return true;
}

int main(int argc, char **argv)
{
    struct options options;
    loop_prepare_process();
    if (!parse(argc, argv, &options)) {
        fputs(
            "usage: matrix LANEBRIDGE [--interrupts] [--full] [--sample N] [--seed N] [--jobs N]\n"
            "                         [--shard I/N] [--only PART]\n"
            "       matrix LANEBRIDGE --case NAME\n",
            stderr);
        return 2;
    }
    return options.one ? run_one(&options) : run_matrix(&options);
}
