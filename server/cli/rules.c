/* lanebridge rules: the approvals that are remembered, and forgetting them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lanebridge/config.h>

#include "../report.h"
#include "cli.h"

static const char *get_environment(const char *name)
{
    return getenv(name);
}

static int list(struct policy *policy, bool json)
{
    struct policy_rule rule;
    size_t count = policy_rule_count(policy);
    if (json) {
        struct buf out = {0};
        report_rules_json(policy, STR(""), &out);
        puts(out.ptr);
        buf_finish(&out);
        return EXIT_OK;
    }
    for (size_t i = 0; i < count; i++) {
        policy_rule_get(policy, i, &rule);
        printf("%s  %s\n", rule.id, rule.text);
    }
    if (count == 0)
        puts("No rules are remembered: what asks, asks each time.");
    return EXIT_OK;
}

static int delete_one(struct policy *policy, const char *id)
{
    struct err err = {0};
    if (policy_rule_delete_id(policy, str_from(id), &err) == STATUS_OK) {
        printf("%s is forgotten, in all windows.\n", id);
        return EXIT_OK;
    }
    cli_complain("rules", "%s", err.text[0] ? err.text : "it could not be forgotten");
    return EXIT_FAILED;
}

int cli_rules(int argc, char **argv)
{
    bool json = false;
    const struct cli_option options[] = {{"--json", CLI_FLAG, &json}};
    if (!cli_options_take("rules", &argc, argv, options, array_count(options)))
        return EXIT_USAGE;
    bool deletes = argc == 3 && strcmp(argv[1], "delete") == 0;
    bool lists = argc == 1 || (argc == 2 && strcmp(argv[1], "list") == 0);
    if (!deletes && !lists) {
        cli_complain("rules", "it is \"rules [list] [--json]\" or \"rules delete ID\"");
        return EXIT_USAGE;
    }
    struct config *config = config_new();
    struct config_env env;
    config_env_init(&env, get_environment);
    struct policy *policy = policy_new(config, NULL, &env); /* rules need no folder */
    int code = deletes ? delete_one(policy, argv[2]) : list(policy, json);
    policy_free(policy);
    config_env_finish(&env);
    config_free(config);
    return code;
}
