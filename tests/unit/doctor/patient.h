/* One run of `lanebridge doctor --json` on settings, state and environment of its own. */
#ifndef TESTS_DOCTOR_PATIENT_H
#define TESTS_DOCTOR_PATIENT_H

#include <criterion/criterion.h>

#include <lanebridge/json.h>

enum { VARIABLES_COUNT = 16 };

struct patient {
    char folder[64]; /* fresh; settings, state and home are in it */
    char *variables[VARIABLES_COUNT];
    size_t variable_count;
    /* After a run. */
    int exit_code;
    struct buf out, err;
    struct json_value *report;
};
void patient_start(struct patient *patient);
void patient_end(struct patient *patient);
/* Relative to the folder. */
const char *patient_path(const struct patient *patient, const char *name); /* static */
void patient_write(struct patient *patient, const char *name, const char *text);
/* "NAME=value" */
void patient_set(struct patient *patient, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Writes the settings file: {"endpoint":{"url":URL MORE}}; more begins with a comma. */
void patient_set_endpoint(struct patient *patient, const char *url, const char *more);
void patient_run(struct patient *patient);
/* Any arguments, no report. */
void patient_run_with(struct patient *patient, const char *argument, const char *another);

const struct json_value *patient_check(const struct patient *patient, const char *name);
/* Holds the line against what it should be; NULL: not looked at. */
void patient_expect(const struct patient *patient, const char *name, const char *status,
                    const char *found, const char *fix);
/* Every failing line and every warning says what to do; skipped lines name a failing one. */
void patient_expect_sense(const struct patient *patient);

/* -- `lanebridge endpoint`, as a child */

struct server {
    int pid;
    char url[128];
};
void server_start(struct server *server, const struct patient *patient, const char *const *options);
void server_end(struct server *server);

#endif
