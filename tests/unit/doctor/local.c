/* What lies on this machine: settings, key, state, journal, sandbox; and the program's manners. */
#include "patient.h"

#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

TestSuite(local, .timeout = 60);

static struct patient patient;

static void start(void)
{
    patient_start(&patient);
    patient_set_endpoint(&patient,
                         "replay:"
                         "nothing",
                         "");
}

static void end(void)
{
    patient_end(&patient);
}

/* -- Settings -- */

static const struct settings {
    const char *text, *status, *found, *fix;
    bool stops;
} settings[] = {
    {"{}", "ok", "config.json", NULL, false},
    {"{\"foo\": 1}", "warn", "unknown setting \"foo\"", "correct", false},
    {"{\"mode\": 3, \"endpoint.transport\": \"pigeon\"}", "warn", "endpoint.transport", "correct",
     false},
    {"{\"model\": ", "fail", "config.json:1:", "correct the file", true},
    {"[]", "fail", "one object", NULL, true},
};

Test(local, settings_are_named, .init = start, .fini = end)
{
    for (size_t i = 0; i < array_count(settings); i++) {
        const struct settings *row = &settings[i];
        patient_write(&patient, "config.json", row->text);
        patient_set(&patient, "https_proxy=http://127.0.0.1:1");
        patient_run(&patient);
        patient_expect(&patient, "config", row->status, row->found, row->fix);
        if (row->stops)
            patient_expect(&patient, "dns", "skip", "because config failed", NULL);
    }
}

Test(local, a_missing_settings_file_is_fine_unless_it_was_named, .init = start, .fini = end)
{
    unlink(patient_path(&patient, "config.json"));
    patient_set(&patient, "https_proxy=http://127.0.0.1:1");
    patient_run(&patient);
    patient_expect(&patient, "config", "warn", "LANEBRIDGE_CONFIG", "make it");
    patient_set(&patient, "LANEBRIDGE_CONFIG=");
    patient_run(&patient);
    patient_expect(&patient, "config", "warn", NULL, NULL);
}

Test(local, a_file_that_others_can_write_is_refused, .init = start, .fini = end)
{
    chmod(patient_path(&patient, "config.json"), 0666);
    patient_run(&patient);
    patient_expect(&patient, "config", "fail", "can be written by others", "chmod go-w");
}

/* -- The key -- */

static const char key[] = "sk-0123456789-do-not-show";

static void expect_silence(void)
{
    static const char *const pieces[] = {"sk-0123", "do-not-show", "25 "};
    for (size_t i = 0; i < array_count(pieces); i++) {
        cr_expect(!strstr(patient.out.ptr, pieces[i]), "%s: %s", pieces[i], patient.out.ptr);
        cr_expect(!patient.err.ptr || !strstr(patient.err.ptr, pieces[i]));
    }
}

/* Nothing of a key is shown, wherever it comes from; not even how long it is. */
Test(local, sec_01_the_key_is_not_shown, .init = start, .fini = end)
{
    struct buf command = {0};
    patient_set_endpoint(&patient, "ws://127.0.0.1:1/v1/responses", "");
    patient_set(&patient, "OPENAI_API_KEY=%s", key);
    patient_run(&patient);
    patient_expect(&patient, "key", "ok", "from OPENAI_API_KEY", NULL);
    expect_silence();
    patient_run_with(&patient, NULL, NULL);
    expect_silence();
    buf_append_fmt(&command, ",\"apiKeyCommand\":[\"/bin/echo\",\"%s\"]", key);
    patient_set_endpoint(&patient, "ws://127.0.0.1:1/v1/responses", command.ptr);
    patient_run(&patient);
    patient_expect(&patient, "key", "ok", "/bin/echo", NULL);
    expect_silence();
    patient_set(&patient, "OPENAI_API_KEY=two %s words", key);
    patient_set_endpoint(&patient, "ws://127.0.0.1:1/v1/responses", "");
    patient_run(&patient);
    patient_expect(&patient, "key", "fail", "blanks", "set it again");
    expect_silence();
    buf_finish(&command);
}

static const struct key_row {
    const char *url, *more, *status, *found, *fix;
} key_rows[] = {
    {"ws://127.0.0.1:1/", "", "ok", "OPENAI_API_KEY is not set", NULL},
    {"wss://127.0.0.1:1/", "", "fail", "no key: OPENAI_API_KEY is not set", "endpoint.apiKeyEnv"},
    {"wss://127.0.0.1:1/", ",\"apiKeyEnv\":\"OTHER\"", "fail", "OTHER is not set", NULL},
    {"wss://127.0.0.1:1/", ",\"apiKeyCommand\":[\"/bin/false\"]", "fail", "exit code 1", "shell"},
    {"wss://127.0.0.1:1/", ",\"apiKeyCommand\":[\"/no/such\"]", "fail", "/no/such", "shell"},
};

Test(local, where_the_key_comes_from, .init = start, .fini = end)
{
    for (size_t i = 0; i < array_count(key_rows); i++) {
        const struct key_row *row = &key_rows[i];
        patient_set_endpoint(&patient, row->url, row->more);
        patient_run(&patient);
        patient_expect(&patient, "key", row->status, row->found, row->fix);
        patient_expect(&patient, "connect", "fail", "refused", NULL); /* looked at all the same */
    }
}

/* -- State -- */

Test(local, a_state_folder_that_cannot_be, .init = start, .fini = end)
{
    patient_write(&patient, "state", "a file");
    patient_run(&patient);
    patient_expect(&patient, "state", "fail", "is no folder", "LANEBRIDGE_STATE");
    patient_expect(&patient, "journal", "skip", "because state failed", NULL);
}

Test(local, looking_makes_nothing, .init = start, .fini = end)
{
    patient_run(&patient);
    patient_expect(&patient, "state", "ok", "will be made", NULL);
    patient_expect(&patient, "journal", "ok", "will be made", NULL);
    cr_expect_neq(access(patient_path(&patient, "state"), F_OK), 0);
}

static void run_sql(const char *path, const char *sql)
{
    sqlite3 *db = NULL;
    cr_assert_eq(sqlite3_open(path, &db), SQLITE_OK);
    cr_assert_eq(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK, "%s", sqlite3_errmsg(db));
    sqlite3_close(db);
}

Test(local, the_journal_is_looked_at_and_left_alone, .init = start, .fini = end)
{
    char path[256];
    cr_assert_eq(mkdir(patient_path(&patient, "state"), 0700), 0);
    snprintf(path, sizeof(path), "%s", patient_path(&patient, "state/journal.db"));
    run_sql(path, "CREATE TABLE thread (num INTEGER PRIMARY KEY); INSERT INTO thread VALUES (7);"
                  "PRAGMA user_version = 99");
    patient_run(&patient);
    patient_expect(&patient, "journal", "warn", "schema 99, 1 threads", "install that version");
    patient_write(&patient, "state/journal.db",
                  "this is no database at all, whatever it is called");
    patient_run(&patient);
    patient_expect(&patient, "journal", "fail", "damaged", "sets it aside");
    cr_expect_eq(access(path, F_OK), 0, "it was set aside by a look");
    unlink(path);
    cr_assert_eq(mkdir(path, 0700), 0);
    patient_run(&patient);
    patient_expect(&patient, "journal", "fail", "not a regular file", "move it away");
}

/* -- Sandbox -- */

Test(local, a_missing_bubblewrap_is_said, .init = start, .fini = end)
{
    patient_set(&patient, "PATH=%s", patient.folder);
    patient_run(&patient);
    bool has_landlock = syscall(SYS_landlock_create_ruleset, NULL, 0, 1U) >= 1;
    patient_expect(&patient, "sandbox", has_landlock ? "warn" : "fail", "bubblewrap is missing",
                   "install the package");
    patient_write(&patient, "config.json", "{\"sandbox.mode\":\"external\"}");
    patient_set(&patient, "https_proxy=http://127.0.0.1:1");
    patient_run(&patient);
    patient_expect(&patient, "sandbox", "ok", "external", NULL);
    patient_write(&patient, "config.json", "{\"sandbox.mode\":\"off\"}");
    patient_run(&patient);
    patient_expect(&patient, "sandbox", "warn", "every command asks", "\"on\"");
}

Test(local, the_sandbox_is_tried, .init = start, .fini = end)
{
    patient_run(&patient);
    patient_expect(&patient, "sandbox", "ok", "bubblewrap 0", NULL);
    patient_expect(&patient, "versions", "ok", "glibc 2.", NULL);
}

/* -- Manners -- */

Test(local, usage, .init = start, .fini = end)
{
    patient_run_with(&patient, "more", NULL);
    cr_expect_eq(patient.exit_code, 2);
    cr_expect(strstr(patient.err.ptr, "one word too many"));
    patient_run_with(&patient, "--yaml", NULL);
    cr_expect_eq(patient.exit_code, 2);
}

/* One line a check, and one with what to do where something is to be done. */
Test(local, lines_for_people, .init = start, .fini = end)
{
    patient_run_with(&patient, NULL, NULL);
    cr_expect_eq(patient.exit_code, 1);
    cr_expect(strstr(patient.out.ptr, "\nfail  endpoint            the recording nothing cannot"),
              "%s", patient.out.ptr);
    cr_expect(strstr(patient.out.ptr, "→ name a recording"), "%s", patient.out.ptr);
    cr_expect(strstr(patient.out.ptr, "\nskip  dns                 skipped: because endpoint"),
              "%s", patient.out.ptr);
    cr_expect(strstr(patient.out.ptr, " failed, 14 skipped\n"), "%s", patient.out.ptr);
}
