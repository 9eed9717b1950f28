/* Names that steer other programs, and names that hold secrets: two tables. */
#include "policy-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SNIFF_BYTES = 64 * 1024 }; /* a bundle holds its certificates before its key */

enum match { MATCH_NAME, MATCH_PREFIX, MATCH_SUFFIX };

struct name_row {
    const char *name;
    enum match match;
    const char *inside; /* the component before it, NULL for any */
};

/* All lower case. "git~1" is what old Windows file systems call ".git". */
static const struct name_row protected_names[] = {
    {".git", MATCH_NAME, NULL},
    {"git~1", MATCH_NAME, NULL},
    {".gitmodules", MATCH_NAME, NULL},
    {".gitattributes", MATCH_NAME, NULL},
    {".gitconfig", MATCH_NAME, NULL},
    {".githooks", MATCH_NAME, NULL},
    {".hg", MATCH_NAME, NULL},
    {".svn", MATCH_NAME, NULL},
    {".vscode", MATCH_NAME, NULL},
    {".code-workspace", MATCH_SUFFIX, NULL},
    {".idea", MATCH_NAME, NULL},
    {".zed", MATCH_NAME, NULL},
    {".helix", MATCH_NAME, NULL},
    {".fleet", MATCH_NAME, NULL},
    {".cursor", MATCH_NAME, NULL},
    {".codex", MATCH_NAME, NULL},
    {".claude", MATCH_NAME, NULL},
    {".agents", MATCH_NAME, NULL},
    {".gemini", MATCH_NAME, NULL},
    {".windsurf", MATCH_NAME, NULL},
    {".cursorrules", MATCH_NAME, NULL},
    {".windsurfrules", MATCH_NAME, NULL},
    {".clinerules", MATCH_NAME, NULL},
    {".lanebridge", MATCH_NAME, NULL},
    {".agentignore", MATCH_NAME, NULL},
    {".mcp.json", MATCH_NAME, NULL},
    {".clangd", MATCH_NAME, NULL},
    {".nvim.lua", MATCH_NAME, NULL},
    {".nvimrc", MATCH_NAME, NULL},
    {".exrc", MATCH_NAME, NULL},
    {".vimrc", MATCH_NAME, NULL},
    {".dir-locals.el", MATCH_NAME, NULL},
    {".dir-locals-2.el", MATCH_NAME, NULL},
    {".gdbinit", MATCH_NAME, NULL},
    {".lldbinit", MATCH_NAME, NULL},
    {".envrc", MATCH_NAME, NULL},
    {".env", MATCH_PREFIX, NULL},
    {".husky", MATCH_NAME, NULL},
    {".pre-commit-config.yaml", MATCH_NAME, NULL},
    {"lefthook.yml", MATCH_NAME, NULL},
    {".lefthook.yml", MATCH_NAME, NULL},
    {".overcommit.yml", MATCH_NAME, NULL},
    {"workflows", MATCH_NAME, ".github"},
    {".gitlab-ci.yml", MATCH_NAME, NULL},
    {".devcontainer", MATCH_NAME, NULL},
    {".devcontainer.json", MATCH_NAME, NULL},
    {".npmrc", MATCH_NAME, NULL},
    {".yarnrc", MATCH_PREFIX, NULL},
    {".ssh", MATCH_NAME, NULL},
    {".gnupg", MATCH_NAME, NULL},
    {"agents.md", MATCH_NAME, NULL},
    {"claude.md", MATCH_NAME, NULL},
    {"gemini.md", MATCH_NAME, NULL},
    {"copilot-instructions.md", MATCH_NAME, ".github"},
    {".bashrc", MATCH_NAME, NULL},
    {".bash_profile", MATCH_NAME, NULL},
    {".bash_login", MATCH_NAME, NULL},
    {".bash_logout", MATCH_NAME, NULL},
    {".bash_aliases", MATCH_NAME, NULL},
    {".profile", MATCH_NAME, NULL},
    {".zshrc", MATCH_NAME, NULL},
    {".zshenv", MATCH_NAME, NULL},
    {".zprofile", MATCH_NAME, NULL},
    {".zlogin", MATCH_NAME, NULL},
    {".zlogout", MATCH_NAME, NULL},
    {".kshrc", MATCH_NAME, NULL},
    {".cshrc", MATCH_NAME, NULL},
    {".tcshrc", MATCH_NAME, NULL},
    {".login", MATCH_NAME, NULL},
    {".inputrc", MATCH_NAME, NULL},
    {"config.fish", MATCH_NAME, NULL},
};

/* -- Folding -- */

/* What file systems and git's own checks ignore in a name: joiners, directions, marks of order. */
static bool is_ignorable(uint32_t c)
{
    return c == 0x00AD || c == 0x034F || c == 0xFEFF || (c >= 0x180B && c <= 0x180E) ||
           (c >= 0x200B && c <= 0x200F) || (c >= 0x202A && c <= 0x202E) ||
           (c >= 0x2060 && c <= 0x206F) || (c >= 0xFE00 && c <= 0xFE0F);
}

/* The compatibility characters that become ASCII under NFKC and case folding. */
static uint32_t fold_character(uint32_t c)
{
    if (c >= 0xFF01 && c <= 0xFF5E)
        c -= 0xFF01 - '!';
    if (c == 0x2024 || c == 0xFE52)
        return '.';
    if (c == 0x017F)
        return 's';
    if (c == 0x212A)
        return 'k';
    if (c == 0x0130 || c == 0x0131)
        return 'i';
    return c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c;
}

void name_fold(struct str name, struct buf *out)
{
    size_t start = out->len;
    while (name.len) {
        uint32_t c;
        name = str_skip(name, utf8_decode(name, &c));
        if (!is_ignorable(c))
            utf8_append(out, fold_character(c));
    }
    /* Windows drops these from the end of a name. */
    while (out->len > start && (out->ptr[out->len - 1] == '.' || out->ptr[out->len - 1] == ' '))
        buf_truncate(out, out->len - 1);
}

/* -- Protected names -- */

static bool row_matches(const struct name_row *row, struct str name, struct str before)
{
    struct str wanted = str_from(row->name);
    if (row->inside && !str_eq_c(before, row->inside))
        return false;
    switch (row->match) {
    case MATCH_PREFIX:
        return str_starts_with(name, wanted);
    case MATCH_SUFFIX:
        return str_ends_with(name, wanted);
    default:
        return str_eq(name, wanted);
    }
}

static const char *find_row(struct str name, struct str before)
{
    for (size_t i = 0; i < array_count(protected_names); i++)
        if (row_matches(&protected_names[i], name, before))
            return protected_names[i].name;
    return NULL;
}

const char *policy_protected_name(struct str relative_path)
{
    struct buf before = {0}, name = {0};
    const char *found = NULL;
    for (struct str part; !found && str_next(&relative_path, '/', &part);) {
        buf_clear(&name);
        name_fold(part, &name);
        if (name.len == 0)
            continue; /* "a//b", "." */
        found = find_row(buf_str(&name), buf_str(&before));
        buf_move(&before, &name);
    }
    buf_finish(&before);
    buf_finish(&name);
    return found;
}

/* -- Secrets -- */

static const char *const secret_folders[] = {".ssh", ".gnupg", ".aws", ".password-store"};
static const char *const secret_files[] = {
    "id_rsa", "id_dsa", "id_ecdsa", "id_ed25519",       "id_ecdsa_sk",         "id_ed25519_sk",
    ".netrc", "_netrc", ".pgpass",  ".git-credentials", ".docker/config.json", ".pypirc",
};
static const char *const harmless_env[] = {".example", ".sample", ".template", ".dist"};
static const char *const content_tails[] = {".pem", ".key", ".p8", ".ppk"};

static bool is_env_file(struct str name)
{
    if (!str_eq(name, STR(".env")) && !str_starts_with(name, STR(".env.")))
        return false;
    for (size_t i = 0; i < array_count(harmless_env); i++)
        if (str_ends_with(name, str_from(harmless_env[i])))
            return false;
    return true;
}

static enum secret_kind kind_of_folded(struct str path)
{
    struct str name = path_name(path);
    for (struct str rest = path, part; str_next(&rest, '/', &part);)
        for (size_t i = 0; i < array_count(secret_folders); i++)
            if (str_eq_c(part, secret_folders[i]))
                return SECRET_BY_NAME;
    for (size_t i = 0; i < array_count(secret_files); i++) {
        struct str file = str_from(secret_files[i]);
        bool has_folder = str_find_byte(file, '/', 0) != STR_NONE;
        if (has_folder ? str_ends_with(path, file) : str_eq(name, file))
            return SECRET_BY_NAME;
    }
    if (is_env_file(name))
        return SECRET_BY_NAME;
    for (size_t i = 0; i < array_count(content_tails); i++)
        if (str_ends_with(name, str_from(content_tails[i])))
            return SECRET_BY_CONTENT;
    return str_eq_c(name, ".npmrc") ? SECRET_BY_CONTENT : SECRET_NOT;
}

enum secret_kind name_secret_kind(struct str absolute_path)
{
    struct buf folded = {0};
    for (struct str part; str_next(&absolute_path, '/', &part);) {
        buf_append_byte(&folded, '/');
        name_fold(part, &folded);
    }
    enum secret_kind kind = kind_of_folded(buf_str(&folded));
    buf_finish(&folded);
    return kind;
}

static bool holds_secret(struct str name, struct str head)
{
    static const char *const npm[] = {"_authToken", "_auth=", "_auth =", "_password"};
    if (str_find(head, STR("PRIVATE KEY"), 0) != STR_NONE ||
        str_find(head, STR("PuTTY-User-Key-File"), 0) != STR_NONE)
        return true;
    for (size_t i = 0; str_eq_nocase(name, STR(".npmrc")) && i < array_count(npm); i++)
        if (str_find(head, str_from(npm[i]), 0) != STR_NONE)
            return true;
    return false;
}

/* A file of any name that begins as a key does. */
static bool begins_as_key(struct str head)
{
    struct str line = str_trim(str_slice(head, 0, 200));
    size_t end = str_find_byte(line, '\n', 0);
    line = end == STR_NONE ? line : str_slice(line, 0, end);
    return str_starts_with(line, STR("-----BEGIN ")) &&
           str_find(line, STR("PRIVATE KEY-----"), 0) != STR_NONE;
}

bool policy_is_secret(struct str absolute_path, struct str head)
{
    switch (name_secret_kind(absolute_path)) {
    case SECRET_BY_NAME:
        return true;
    case SECRET_BY_CONTENT:
        return holds_secret(path_name(absolute_path), head);
    default:
        return begins_as_key(head);
    }
}

bool file_holds_secret(struct str absolute_path)
{
    char *name = str_dup_c(absolute_path);
    int fd = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW);
    mem_free(name);
    struct stat st;
    if (fd < 0)
        return errno == ELOOP; /* what cannot be looked at is not shown */
    bool secret = false;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
        char *head = mem_alloc(SNIFF_BYTES);
        ssize_t got = pread(fd, head, SNIFF_BYTES, 0);
        secret = policy_is_secret(absolute_path, (struct str){head, got > 0 ? (size_t)got : 0});
        explicit_bzero(head, SNIFF_BYTES);
        mem_free(head);
    }
    close(fd);
    return secret;
}

bool policy_hides(void *user, struct str absolute_path, bool is_folder)
{
    const struct policy *policy = user;
    if (policy && path_is_under(absolute_path, str_from(policy->env->state_folder)))
        return true;
    enum secret_kind kind = name_secret_kind(absolute_path);
    return kind == SECRET_BY_NAME ||
           (kind == SECRET_BY_CONTENT && !is_folder && file_holds_secret(absolute_path));
}
