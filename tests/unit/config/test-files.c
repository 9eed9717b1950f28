#include <criterion/criterion.h>
#include <lanebridge/config.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

TestSuite(files, .timeout = 60);

static char folder[64];

static void make_folder(void)
{
    snprintf(folder, sizeof(folder), "/tmp/lanebridge-config-XXXXXX");
    cr_assert(mkdtemp(folder));
}

static void remove_folder(void)
{
    char command[128];
    snprintf(command, sizeof(command), "rm -rf '%s'", folder);
    cr_assert_eq(system(command), 0);
}

static const char *write_file(const char *text, mode_t mode)
{
    static char path[128];
    snprintf(path, sizeof(path), "%s/config.json", folder);
    unlink(path);
    FILE *file = fopen(path, "w");
    cr_assert(file);
    fputs(text, file);
    fclose(file);
    cr_assert_eq(chmod(path, mode), 0);
    return path;
}

/* text, mode, result, what is said */
static const struct {
    const char *text;
    mode_t mode;
    enum status status;
    const char *said;
} rows[] = {
    {"{\"model\":\"m\"}", 0600, STATUS_OK, ""},
    {"{\"model\":\"m\"}", 0644, STATUS_OK, ""},
    {"", 0600, STATUS_OK, ""},
    {"{\"model\":\"m\"}", 0664, STATUS_DENIED, "chmod go-w"},
    {"{\"model\":\"m\"}", 0602, STATUS_DENIED, "chmod go-w"},
    {"{\n  \"model\": x\n}", 0600, STATUS_INVALID, "config.json:2:12: expected"},
    {"[]", 0600, STATUS_INVALID, "must be one object"},
    {"{\"a\":\"\\u0000\"}", 0600, STATUS_INVALID, "config.json:1:"},
};

Test(files, sec_02_only_the_users_own_file_counts, .init = make_folder, .fini = remove_folder)
{
    for (size_t i = 0; i < array_count(rows); i++) {
        struct config *c = config_new();
        struct buf warnings = {0};
        struct err err = {0};
        const char *path = write_file(rows[i].text, rows[i].mode);
        cr_assert_eq(config_load_file(c, str_from(path), &warnings, &err), rows[i].status,
                     "%zu: %s", i, err.text);
        cr_assert(strstr(err.text, rows[i].said), "%zu: %s", i, err.text);
        bool taken = rows[i].status == STATUS_OK && rows[i].text[0];
        cr_assert_str_eq(c->model, taken ? "m" : "gpt-6-astra");
        config_free(c);
        buf_finish(&warnings);
    }
}

Test(files, absent_is_fine_and_a_fifo_does_not_hang, .init = make_folder, .fini = remove_folder)
{
    struct config *c = config_new();
    struct err err = {0};
    char path[128];
    snprintf(path, sizeof(path), "%s/none/config.json", folder);
    cr_assert_eq(config_load_file(c, str_from(path), NULL, &err), STATUS_OK);
    snprintf(path, sizeof(path), "%s/fifo", folder);
    cr_assert_eq(mkfifo(path, 0600), 0);
    cr_assert_eq(config_load_file(c, str_from(path), NULL, &err), STATUS_INVALID);
    cr_assert_eq(config_load_file(c, str_from(folder), NULL, &err), STATUS_INVALID);
    config_free(c);
}

Test(files, sec_02_a_file_of_another_user_is_refused, .init = make_folder, .fini = remove_folder)
{
    struct config *c = config_new();
    struct err err = {0};
    const char *path = write_file("{\"model\":\"m\"}", 0600);
    if (chown(path, 12345, 12345) < 0) {
        config_free(c);
        cr_skip_test("only the machine's root can give files away");
    }
    cr_assert_eq(config_load_file(c, str_from(path), NULL, &err), STATUS_DENIED);
    cr_assert(strstr(err.text, "belongs to another user"), "%s", err.text);
    cr_assert_str_eq(c->model, "gpt-6-astra");
    config_free(c);
}

/* The file as it is now, then what the editor said: who holds the config sees it, and a mistake
 * changes nothing. */
Test(files, a_file_that_has_changed_is_taken_anew, .init = make_folder, .fini = remove_folder)
{
    struct config *c = config_new();
    struct json_value *init = NULL, *workspace = NULL;
    struct buf warnings = {0};
    struct err err = {0};
    const char *path =
        write_file("{\"model\":\"a\",\"endpoint.url\":\"ws://127.0.0.1:1/\",\"no\":1}", 0600);
    json_parse(STR("{\"model\":\"init\",\"mode\":\"ask\"}"), &init, NULL);
    json_parse(STR("{\"mode\":\"auto\",\"endpoint.url\":\"ws://elsewhere/\"}"), &workspace, NULL);
    cr_assert_eq(config_load_file(c, str_from(path), &warnings, &err), STATUS_OK);
    cr_assert(warnings.len > 0);
    buf_clear(&warnings);
    path = write_file("{\"model\":\"b\",\"reasoningEffort\":\"high\",\"mode\":\"auto\",\"no\":1}",
                      0600);
    cr_assert_eq(config_reload(c, str_from(path), init, NULL, &warnings, &err), STATUS_OK);
    cr_assert_eq(warnings.len, 0, "told before: %s", warnings.ptr);
    cr_assert_str_eq(c->model, "init");
    cr_assert_str_eq(c->reasoning_effort, "high");
    cr_assert_str_eq(c->endpoint_url, "wss://api.openai.com/v1/responses",
                     "it is not in the file any more");
    cr_assert_eq(config_reload(c, str_from(path), init, workspace, &warnings, &err), STATUS_OK);
    cr_assert_eq(c->mode, MODE_ASK, "the workspace loosens nothing");
    cr_assert_str_eq(c->endpoint_url, "wss://api.openai.com/v1/responses");
    path = write_file("{\"model\":", 0600);
    cr_assert_eq(config_reload(c, str_from(path), NULL, NULL, &warnings, &err), STATUS_INVALID);
    cr_assert_str_eq(c->model, "init");
    config_free(c);
    json_free(init);
    json_free(workspace);
    buf_finish(&warnings);
}

/* -- Places -- */

static const char *const (*variables)[2];

static const char *get_variable(const char *name)
{
    for (size_t i = 0; variables[i][0]; i++)
        if (strcmp(variables[i][0], name) == 0)
            return variables[i][1];
    return NULL;
}

Test(files, places_follow_xdg_and_our_overrides)
{
    static const char *const plain[][2] = {{"HOME", "/h/u/"}, {NULL, NULL}};
    static const char *const xdg[][2] = {{"HOME", "/h"},
                                         {"XDG_CONFIG_HOME", "/c/"},
                                         {"XDG_STATE_HOME", "/s"},
                                         {"XDG_CACHE_HOME", "relative"},
                                         {NULL, NULL}};
    static const char *const ours[][2] = {{"HOME", "/h"},
                                          {"XDG_STATE_HOME", "/s"},
                                          {"LANEBRIDGE_CONFIG", "/x/y.json"},
                                          {"LANEBRIDGE_STATE", "/z/"},
                                          {NULL, NULL}};
    static const struct {
        const char *const (*variables)[2];
        const char *home, *config, *state, *cache;
    } cases[] = {
        {plain, "/h/u", "/h/u/.config/lanebridge/config.json", "/h/u/.local/state/lanebridge",
         "/h/u/.cache/lanebridge"},
        {xdg, "/h", "/c/lanebridge/config.json", "/s/lanebridge", "/h/.cache/lanebridge"},
        {ours, "/h", "/x/y.json", "/z", "/h/.cache/lanebridge"},
    };
    for (size_t i = 0; i < array_count(cases); i++) {
        struct config_env env;
        variables = cases[i].variables;
        config_env_init(&env, get_variable);
        cr_assert_str_eq(env.home, cases[i].home);
        cr_assert_str_eq(env.config_file, cases[i].config);
        cr_assert_str_eq(env.state_folder, cases[i].state);
        cr_assert_str_eq(env.cache_folder, cases[i].cache);
        config_env_finish(&env);
    }
}

static mode_t mode_of(const char *path)
{
    struct stat st;
    cr_assert_eq(lstat(path, &st), 0, "%s", path);
    return st.st_mode & 07777;
}

Test(files, sec_30_state_folders_are_private_and_ours, .init = make_folder, .fini = remove_folder)
{
    struct err err = {0};
    char path[128], link[160];
    snprintf(path, sizeof(path), "%s/a/b/c", folder);
    cr_assert_eq(config_make_folder(path, &err), STATUS_OK, "%s", err.text);
    cr_assert_eq(mode_of(path), 0700);
    cr_assert_eq(chmod(path, 0755), 0);
    cr_assert_eq(config_make_folder(path, &err), STATUS_OK);
    cr_assert_eq(mode_of(path), 0700);
    snprintf(link, sizeof(link), "%s/link", folder);
    cr_assert_eq(symlink(path, link), 0);
    cr_assert_neq(config_make_folder(link, &err), STATUS_OK);
    snprintf(link, sizeof(link), "%s/file", folder);
    fclose(fopen(link, "w"));
    cr_assert_neq(config_make_folder(link, &err), STATUS_OK);
    snprintf(link, sizeof(link), "%s/file/below", folder);
    cr_assert_neq(config_make_folder(link, NULL), STATUS_OK);
    if (chown(path, 12345, 12345) == 0) /* only the machine's root can */
        cr_assert_eq(config_make_folder(path, &err), STATUS_DENIED);
}
