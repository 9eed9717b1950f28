/* Against our own endpoint, with and without what others do not have. */
#include "patient.h"

#include <lanebridge/memory.h>

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

TestSuite(endpoints, .timeout = 60);

static struct patient patient;
static struct server server;

static void start(void)
{
    patient_start(&patient);
}

static void end(void)
{
    patient_end(&patient);
}

static void run_against(const char *const *options, const char *more)
{
    server_start(&server, &patient, options);
    patient_set_endpoint(&patient, server.url, more);
    patient_run(&patient);
    server_end(&server);
}

static bool supported(const char *name)
{
    return json_get_bool(json_get(patient_check(&patient, name), "facts"), "supported", false);
}

static const char *const capabilities[] = {"generate", "stream_id", "additional_tools",
                                           "context_management", "response.steer"};

Test(endpoints, all_is_well, .init = start, .fini = end)
{
    run_against(NULL, "");
    cr_expect_eq(patient.exit_code, 0);
    for (size_t i = 0; i < array_count(capabilities); i++)
        patient_expect(&patient, capabilities[i], "ok", "yes", NULL);
    patient_expect(&patient, "response.cancel", "ok", "yes: ", NULL);
    patient_expect(&patient, "upgrade", "ok", "101", NULL);
    patient_expect(&patient, "http", "ok", "400", NULL);
    patient_expect(&patient, "tls", "ok", "none", NULL);
    patient_expect(&patient, "proxy", "ok", "none", NULL);
    patient_expect(&patient, "dns", "ok", "not needed", NULL);
    patient_expect(&patient, "endpoint", "ok", "profile lanebridge", NULL);
}

Test(endpoints, latency_is_measured, .init = start, .fini = end)
{
    run_against(NULL, "");
    patient_expect(&patient, "latency", "ok", "10 warm-ups: median", NULL);
    const struct json_value *facts = json_get(patient_check(&patient, "latency"), "facts");
    double least = json_number(json_get(facts, "minMs"), -1);
    double median = json_number(json_get(facts, "medianMs"), -1);
    double most = json_number(json_get(facts, "maxMs"), -1);
    cr_expect_eq(json_get_int(facts, "count", 0), 10);
    cr_expect(least > 0 && least <= median && median <= most, "%f %f %f", least, median, most);
}

static const struct missing {
    const char *option, *name, *without;
} missing[] = {
    {"--without-lanes", "stream_id", "a connection of its own"},
    {"--without-additional-tools", "additional_tools", "with every request"},
    {"--without-steering", "response.steer", "waits for its next step"},
    {"--without-warm-up", "generate", "given up at once"},
};

/* One is missing: it is told, what happens without it too, and the others are found as they are. */
Test(endpoints, what_is_missing_is_told, .init = start, .fini = end)
{
    for (size_t i = 0; i < array_count(missing); i++) {
        const char *options[] = {missing[i].option, NULL};
        run_against(options, "");
        cr_expect_eq(patient.exit_code, 0);
        for (size_t c = 0; c < array_count(capabilities); c++)
            cr_expect_eq(supported(capabilities[c]), strcmp(capabilities[c], missing[i].name) != 0,
                         "%s: %s", missing[i].option, capabilities[c]);
        patient_expect(&patient, missing[i].name, "warn", missing[i].without, "nothing has to be");
    }
    patient_expect(&patient, "latency", "skip", "no warm-ups", NULL);
}

/* Where the profile does not promise it, there is nothing to look at. */
Test(endpoints, what_was_not_promised_is_not_missed, .init = start, .fini = end)
{
    const char *options[] = {"--without-lanes", "--without-steering", NULL};
    run_against(options, ",\"profile\":\"generic\"");
    patient_expect(&patient, "stream_id", "ok", "no: ", NULL);
    patient_expect(&patient, "response.steer", "ok", "no: ", NULL);
    patient_expect(&patient, "generate", "ok", "not used with the profile generic", NULL);
}

Test(endpoints, what_was_remembered_and_is_not_true_any_more, .init = start, .fini = end)
{
    const struct responses_learned learned = {.refused = "stream_id generate@other",
                                              .pause_ms = 60000};
    server_start(&server, &patient, NULL);
    patient_set_endpoint(&patient, server.url, "");
    cr_assert_eq(mkdir(patient_path(&patient, "state"), 0700), 0);
    struct memory *memory = memory_new(patient_path(&patient, "state"), server.url);
    memory_put(memory, &learned);
    memory_free(memory);
    patient_run(&patient);
    server_end(&server);
    patient_expect(&patient, "endpoint", "warn", "remembered as refused: ", "wait");
    patient_expect(&patient, "stream_id", "warn", "remembered as refused", "endpoints.json");
}

Test(endpoints, a_wrong_token_is_refused, .init = start, .fini = end)
{
    char file[256];
    patient_write(&patient, "token", "right\n");
    snprintf(file, sizeof(file), "%s", patient_path(&patient, "token"));
    const char *options[] = {"--token-file", file, NULL};
    patient_set(&patient, "OPENAI_API_KEY=wrong");
    run_against(options, "");
    patient_expect(&patient, "connect", "ok", NULL, NULL);
    patient_expect(&patient, "upgrade", "fail", "401", NULL);
    patient_expect(&patient, "http", "fail", "refuses the key", "key");
    patient_expect(&patient, "generate", "skip", "because upgrade failed", NULL);
    patient_set(&patient, "OPENAI_API_KEY=right");
    run_against(options, "");
    cr_expect_eq(patient.exit_code, 0, "%s", patient.out.ptr);
}

static const char recording[] = "{\"rollout\":\"a\",\"match\":{\"text\":\"go\"}}\n"
                                "{\"emit\":[{\"type\":\"message\",\"text\":\"Done.\"}]}\n";

Test(endpoints, a_recording_needs_neither_key_nor_network, .init = start, .fini = end)
{
    char url[256];
    patient_write(&patient, "recording.jsonl", recording);
    snprintf(url, sizeof(url), "replay:%s", patient_path(&patient, "recording.jsonl"));
    patient_set_endpoint(&patient, url, "");
    patient_run(&patient);
    patient_expect(&patient, "key", "ok", "needs none", NULL);
    patient_expect(&patient, "connect", "ok", NULL, NULL);
    patient_expect(&patient, "generate", "ok", "yes", NULL);
    cr_expect_eq(patient.exit_code, 0, "%s", patient.out.ptr);
    patient_write(&patient, "recording.jsonl", "not a recording\n");
    patient_run(&patient);
    patient_expect(&patient, "connect", "fail", "replay endpoint ended", "recording");
}
