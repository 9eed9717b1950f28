/* Announced capabilities, corrected by what the known clients really do. */
#include "lsp-internal.h"

/* Found by running the editors; see docs/decisions. A client not listed is believed. */
static const struct {
    const char *name;
    bool document_changes; /* handles them although it does not say so */
    bool no_resource_operations;
    bool no_proposals; /* has nobody to show hunks to */
} known[] = {
    {.name = "Neovim", .document_changes = true},
    {.name = "lanebridge-run", .no_proposals = true},
    {.name = "Eglot", .no_resource_operations = true}, /* CreateFile: internal error */
};

static bool array_has(const struct json_value *array, const char *text)
{
    for (const struct json_value *one = json_first(array); one; one = json_next(one))
        if (str_eq_c(json_str(one), text))
            return true;
    return false;
}

static void read_announced(struct lsp_client *client, const struct json_value *capabilities)
{
    const struct json_value *workspace = json_get(capabilities, "workspace");
    const struct json_value *edit = json_get(workspace, "workspaceEdit");
    const struct json_value *operations = json_get(edit, "resourceOperations");
    const struct json_value *window = json_get(capabilities, "window");
    client->apply_edit = json_get_bool(workspace, "applyEdit", false);
    client->configuration = json_get_bool(workspace, "configuration", false);
    client->register_configuration =
        json_get_bool(json_get(workspace, "didChangeConfiguration"), "dynamicRegistration", false);
    client->document_changes = json_get_bool(edit, "documentChanges", false);
    client->create_files = array_has(operations, "create");
    client->rename_files = array_has(operations, "rename");
    client->delete_files = array_has(operations, "delete");
    client->refreshes_lenses =
        json_get_bool(json_get(workspace, "codeLens"), "refreshSupport", false);
    client->inline_completion =
        json_is(json_at(capabilities, "textDocument", "inlineCompletion", NULL), JSON_OBJECT);
    client->registers_completion = json_get_bool(
        json_at(capabilities, "textDocument", "completion", NULL), "dynamicRegistration", false);
    client->progress = json_get_bool(window, "workDoneProgress", false);
    client->show_document = json_get_bool(json_get(window, "showDocument"), "support", false);
}

static void read_rich(struct lsp_client *client, const struct json_value *capabilities)
{
    const struct json_value *rich = json_at(capabilities, "experimental", "lanebridge", NULL);
    client->rich = json_get_int(rich, "version", 0) >= 1;
    const struct {
        const char *name;
        bool *flag;
    } features[] = {
        {"approvals", &client->rich_approvals},     {"questions", &client->rich_questions},
        {"review", &client->rich_review},           {"save", &client->rich_save},
        {"diagnostics", &client->rich_diagnostics}, {"navigation", &client->rich_navigation},
        {"refactor", &client->rich_refactor},       {"secrets", &client->rich_secrets},
    };
    for (size_t i = 0; client->rich && i < array_count(features); i++)
        *features[i].flag = json_get_bool(rich, features[i].name, false);
}

void quirks_read(struct lsp_client *client, const struct json_value *initialize_params)
{
    const struct json_value *capabilities = json_get(initialize_params, "capabilities");
    struct str name = json_get_str(json_get(initialize_params, "clientInfo"), "name");
    name = str_slice(name, 0, utf8_floor(name, sizeof(client->name) - 1));
    memcpy(client->name, name.ptr ? name.ptr : "", name.len);
    read_announced(client, capabilities);
    read_rich(client, capabilities);
    for (size_t i = 0; i < array_count(known); i++) {
        if (!str_eq_nocase(name, str_from(known[i].name)))
            continue;
        client->document_changes |= known[i].document_changes;
        client->no_proposals |= known[i].no_proposals;
        if (known[i].no_resource_operations)
            client->create_files = client->rename_files = client->delete_files = false;
    }
}
