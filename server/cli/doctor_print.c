/* What doctor found, for people and for programs (docs/schema/v1/doctor.json). */
#include <stdio.h>
#include <string.h>

#include "doctor-internal.h"

static const char *const outcome_names[DOCTOR_OUTCOME_COUNT] = {
    [DOCTOR_OK] = "ok", [DOCTOR_WARN] = "warn", [DOCTOR_FAIL] = "fail", [DOCTOR_SKIP] = "skip"};

void doctor_print_line(const struct doctor_check *check, const struct doctor_line *line)
{
    printf("%-5s %-19s " STR_FMT "\n", outcome_names[line->outcome], check->name,
           STR_ARG(buf_str(&line->found)));
    if (line->fix.len > 0)
        printf("%26s " STR_FMT "\n", "→", STR_ARG(buf_str(&line->fix)));
    fflush(stdout);
}

static void write_line(struct json_writer *w, const struct doctor_check *check,
                       const struct doctor_line *line)
{
    json_write_begin_object(w);
    json_write_field_c(w, "name", check->name);
    json_write_field_c(w, "status", outcome_names[line->outcome]);
    json_write_field_str(w, "found", buf_str(&line->found));
    if (line->fix.len > 0)
        json_write_field_str(w, "fix", buf_str(&line->fix));
    if (line->because)
        json_write_field_c(w, "because", line->because);
    json_write_field_int(w, "elapsedMs", (int64_t)line->elapsed_ms);
    json_write_field_raw(w, "facts", buf_str(&line->facts));
    json_write_end_object(w);
}

static void print_json(const struct doctor *doctor, const unsigned *counts)
{
    struct buf out = {0};
    struct json_writer w;
    json_writer_init(&w, &out);
    json_write_begin_object(&w);
    json_write_field_c(&w, "version", LANEBRIDGE_VERSION);
    json_write_field_bool(&w, "ok", counts[DOCTOR_FAIL] == 0);
    json_write_field_int(&w, "elapsedMs", (int64_t)doctor_elapsed_ms(doctor));
    json_write_key(&w, "checks");
    json_write_begin_array(&w);
    for (size_t i = 0; i < doctor_check_count; i++)
        write_line(&w, &doctor_checks[i], &doctor->lines[i]);
    json_write_end_array(&w);
    json_write_end_object(&w);
    puts(out.ptr);
    buf_finish(&out);
}

void doctor_print_sum(const struct doctor *doctor, bool json)
{
    unsigned counts[DOCTOR_OUTCOME_COUNT] = {0};
    for (size_t i = 0; i < doctor_check_count; i++)
        counts[doctor->lines[i].outcome]++;
    if (json)
        print_json(doctor, counts);
    else
        printf("%u ok, %u to be looked at, %u failed, %u skipped\n", counts[DOCTOR_OK],
               counts[DOCTOR_WARN], counts[DOCTOR_FAIL], counts[DOCTOR_SKIP]);
}
