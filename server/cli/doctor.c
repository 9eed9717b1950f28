/* lanebridge doctor: looks at everything a turn needs, from the settings to the model's endpoint,
 * and says of each what was found and what to do about it. Changes nothing. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "doctor-internal.h"

/* Later checks are skipped then. A key command and a connect that hangs fit into it. */
#define DOCTOR_MS ((uint64_t)90 * 1000)

const struct doctor_check doctor_checks[] = {
    {"versions", NULL, doctor_check_versions},
    {"system", NULL, doctor_check_system},
    {"config", NULL, doctor_check_config},
    {"state", NULL, doctor_check_state},
    {"journal", "state", doctor_check_journal},
    {"sandbox", "config", doctor_check_sandbox},
    {"mcp", "config", doctor_check_mcp},
    {"endpoint", "config", doctor_check_endpoint},
    {"key", "endpoint", doctor_check_key},
    {"proxy", "endpoint", doctor_check_proxy},
    {"dns", "proxy", doctor_check_dns},
    {"connect", "dns", doctor_check_connect},
    {"tls", "connect", doctor_check_tls},
    {"upgrade", "tls", doctor_check_upgrade},
    {"http", "tls", doctor_check_http},
    {"generate", "upgrade", doctor_check_generate},
    {"stream_id", "generate", doctor_check_lanes},
    {"additional_tools", "generate", doctor_check_additional_tools},
    {"context_management", "generate", doctor_check_context_management},
    {"response.steer", "generate", doctor_check_steer},
    {"response.cancel", "generate", doctor_check_cancel},
    {"latency", "generate", doctor_check_latency},
};
const size_t doctor_check_count = array_count(doctor_checks);

/* -- Telling -- */

static void append_sentence(struct buf *to, struct str text)
{
    if (to->len > 0 && text.len > 0)
        buf_append_c(to, "; ");
    utf8_append_printable(to, text);
}

__attribute__((format(printf, 4, 0))) static void tell(struct doctor_line *line,
                                                       enum doctor_outcome outcome, const char *fix,
                                                       const char *format, va_list args)
{
    struct buf text = {0};
    buf_append_vfmt(&text, format, args);
    append_sentence(&line->found, buf_str(&text));
    append_sentence(&line->fix, str_from(fix));
    if (outcome > line->outcome)
        line->outcome = outcome;
    buf_finish(&text);
}

void doctor_ok(struct doctor_line *line, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    tell(line, DOCTOR_OK, NULL, format, args);
    va_end(args);
}

void doctor_warn(struct doctor_line *line, const char *fix, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    tell(line, DOCTOR_WARN, fix, format, args);
    va_end(args);
}

void doctor_fail(struct doctor_line *line, const char *fix, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    tell(line, DOCTOR_FAIL, fix, format, args);
    va_end(args);
}

void doctor_tell_error(struct doctor_line *line, enum doctor_outcome outcome, const char *text,
                       const char *otherwise)
{
    struct str all = str_trim(str_from(text));
    size_t split = str_rfind_byte(all, ';');
    struct str found = str_trim(str_slice(all, 0, split == STR_NONE ? all.len : split));
    struct str fix = split == STR_NONE ? str_from(otherwise) : str_trim(str_skip(all, split + 1));
    append_sentence(&line->found, found);
    append_sentence(&line->fix, fix);
    if (outcome > line->outcome)
        line->outcome = outcome;
}

/* -- Waiting -- */

static void on_timer(void *user)
{
    struct doctor *doctor = user;
    doctor->timer_fired = true;
    loop_stop(doctor->loop);
}

uint64_t doctor_elapsed_ms(const struct doctor *doctor)
{
    return (time_mono_ns() - doctor->began_ns) / 1000000;
}

bool doctor_wait(struct doctor *doctor, const bool *done, uint64_t ms)
{
    uint64_t elapsed = doctor_elapsed_ms(doctor);
    uint64_t left = elapsed < DOCTOR_MS ? DOCTOR_MS - elapsed : 0;
    doctor->timer_fired = false;
    loop_timer_start(doctor->timer, ms < left ? ms : left, 0);
    while (!*done && !doctor->timer_fired)
        loop_run(doctor->loop);
    loop_timer_stop(doctor->timer);
    return *done;
}

/* -- Running the table -- */

static size_t find_check(const char *name)
{
    size_t i = 0;
    while (strcmp(doctor_checks[i].name, name) != 0)
        i++;
    return i;
}

/* NULL if it can run. */
static const char *why_not(const struct doctor *doctor, const struct doctor_check *check)
{
    if (!check->needs)
        return NULL;
    const struct doctor_line *need = &doctor->lines[find_check(check->needs)];
    if (need->outcome == DOCTOR_SKIP)
        return need->because;
    return need->outcome == DOCTOR_FAIL ? check->needs : NULL;
}

static void skip(struct doctor_line *line, const char *because)
{
    line->outcome = DOCTOR_SKIP;
    line->because = because;
    buf_append_fmt(&line->found, "skipped: because %s failed", because);
}

static void run_check(struct doctor *doctor, const struct doctor_check *check,
                      struct doctor_line *line)
{
    uint64_t began = time_mono_ns();
    const char *because = why_not(doctor, check);
    json_writer_init(&line->w, &line->facts);
    json_write_begin_object(&line->w);
    if (because) {
        skip(line, because);
    } else if (doctor_elapsed_ms(doctor) >= DOCTOR_MS) {
        line->outcome = DOCTOR_SKIP;
        line->because = check->name;
        buf_append_c(&line->found, "skipped: because the time for all of it is over");
    } else {
        check->run(doctor, line);
    }
    json_write_end_object(&line->w);
    line->elapsed_ms = (time_mono_ns() - began) / 1000000;
}

static int run_all(struct doctor *doctor, bool json)
{
    int code = EXIT_OK;
    for (size_t i = 0; i < doctor_check_count; i++) {
        struct doctor_line *line = &doctor->lines[i];
        run_check(doctor, &doctor_checks[i], line);
        if (!json)
            doctor_print_line(&doctor_checks[i], line);
        if (line->outcome == DOCTOR_FAIL)
            code = EXIT_FAILED;
    }
    doctor_print_sum(doctor, json);
    return code;
}

/* -- Life -- */

static const char *get_environment(const char *name)
{
    return getenv(name);
}

static enum status init(struct doctor *doctor, struct err *err)
{
    prctl(PR_SET_DUMPABLE, 0); /* as where the server holds the key */
    log_set_level(LOG_ERROR);
    doctor->began_ns = time_mono_ns();
    doctor->deadlines = app_deadlines();
    doctor->lines = mem_alloc_array(doctor_check_count, sizeof(*doctor->lines));
    config_env_init(&doctor->env, get_environment);
    doctor->config = config_new();
    doctor->loop = loop_new(err);
    if (!doctor->loop)
        return STATUS_IO;
    doctor->timer = loop_timer_new(doctor->loop, on_timer, doctor);
    return STATUS_OK;
}

static void finish(struct doctor *doctor)
{
    doctor_socket_close(doctor);
    if (doctor->net)
        net_free(doctor->net);
    replay_child_free(doctor->replay);
    memory_free(doctor->memory);
    policy_free(doctor->policy);
    workspace_free(doctor->workspace);
    if (doctor->timer)
        loop_timer_free(doctor->timer);
    if (doctor->loop)
        loop_free(doctor->loop);
    config_free(doctor->config);
    config_env_finish(&doctor->env);
    for (size_t i = 0; i < doctor_check_count; i++) {
        buf_finish(&doctor->lines[i].found);
        buf_finish(&doctor->lines[i].fix);
        buf_finish(&doctor->lines[i].facts);
    }
    mem_free(doctor->lines);
    if (doctor->key.len > 0)
        explicit_bzero(doctor->key.ptr, doctor->key.len);
    buf_finish(&doctor->key);
}

int cli_doctor(int argc, char **argv)
{
    bool json = false;
    const struct cli_option options[] = {{"--json", CLI_FLAG, &json}};
    if (!cli_options_take("doctor", &argc, argv, options, array_count(options)))
        return EXIT_USAGE;
    if (argc > 1) {
        cli_complain("doctor", "\"%s\" is one word too many; see lanebridge --help", argv[1]);
        return EXIT_USAGE;
    }
    struct doctor doctor = {0};
    struct err err = {0};
    int code = EXIT_FAILED;
    if (init(&doctor, &err) == STATUS_OK)
        code = run_all(&doctor, json);
    else
        cli_complain("doctor", "%s", err.text);
    fflush(stdout);
    if (doctor.lookup_hangs)
        _exit(code); /* nothing ends a getaddrinfo, and nobody wants to wait for it */
    finish(&doctor);
    return code;
}
