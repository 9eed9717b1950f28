/* Commands that only look, and parts of commands that add nothing. Two tables of what is known to
 * be harmless: a program or an option that is in none of them is doubt. No network tool, no writer,
 * no interpreter, no `env`, `find`, `sed`, `awk`, and no `git -c`. */
#include "policy-internal.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

enum { ANY_COUNT = 1000 };

struct harmless {
    const char *program;
    const char *subcommand; /* NULL: none */
    const char *flags;      /* letters of short options; digits: "-20" */
    const char *values;     /* letters whose option has a value: "-n 3", "-n3" */
    const char *words;      /* long options, with "=" where they have a value */
    size_t operands;
};

#define GIT_LOOKS                                                                                  \
    "--stat --shortstat --numstat --name-only --name-status --cached --staged --oneline --graph "  \
    "--decorate --all --patch --no-color --color=never --abbrev-commit --follow --summary "        \
    "--no-ext-diff --no-textconv --word-diff --reverse --merges --no-merges --first-parent "       \
    "--format= --pretty= --since= --until= --author= --grep= --max-count= --unified= --date= "     \
    "--diff-filter= --ignore-all-space"

/* Only look. */
static const struct harmless lookers[] = {
    {"ls", NULL, "1AFRSaBcdfghiklmnopqrstux", "", "--all --almost-all --human-readable --recursive",
     ANY_COUNT},
    {"pwd", NULL, "LP", "", "", 0},
    {"cat", NULL, "AETbensv", "", "--number", ANY_COUNT},
    {"head", NULL, "0123456789qv", "cn", "--lines= --bytes=", ANY_COUNT},
    {"tail", NULL, "0123456789qv", "cn", "--lines= --bytes=", ANY_COUNT},
    {"wc", NULL, "Lclmw", "", "--lines --words --bytes", ANY_COUNT},
    {"nl", NULL, "", "b", "", ANY_COUNT},
    {"grep", NULL, "EFGHILRTabchilnoqrsvwxyz", "ABCem",
     "--include= --exclude= --exclude-dir= --color=never", ANY_COUNT},
    {"egrep", NULL, "HILRabchilnoqrsvwx", "ABCem", "--include= --exclude=", ANY_COUNT},
    {"fgrep", NULL, "HILRabchilnoqrsvwx", "ABCem", "--include= --exclude=", ANY_COUNT},
    {"sort", NULL, "bdfghinruV", "kt", "--reverse --unique --numeric-sort", ANY_COUNT},
    {"uniq", NULL, "cdiu", "fsw", "--count", 1}, /* the second is written */
    {"cut", NULL, "sz", "bcdf", "", ANY_COUNT},
    {"tr", NULL, "Ccds", "", "", 2},
    {"diff", NULL, "Nabiqrsuwy", "U", "--brief --unified --recursive", 2},
    {"cmp", NULL, "bls", "", "", 2},
    {"stat", NULL, "L", "c", "--format=", ANY_COUNT},
    {"du", NULL, "abchkms", "d", "--max-depth=", ANY_COUNT},
    {"df", NULL, "aTh", "", "", ANY_COUNT},
    {"basename", NULL, "", "", "", 2},
    {"dirname", NULL, "", "", "", ANY_COUNT},
    {"realpath", NULL, "em", "", "", ANY_COUNT},
    {"readlink", NULL, "efm", "", "", ANY_COUNT},
    {"echo", NULL, "en", "", "", ANY_COUNT},
    {"true", NULL, "", "", "", 0},
    {"false", NULL, "", "", "", 0},
    {"test", NULL, "defrswxzn", "", "", 3},
    {"git", "status", "bsuv", "",
     "--short --branch --porcelain --porcelain= --untracked-files=", ANY_COUNT},
    {"git", "diff", "0123456789bpw", "U", GIT_LOOKS, ANY_COUNT},
    {"git", "log", "0123456789pw", "nUSG", GIT_LOOKS, ANY_COUNT},
    {"git", "show", "0123456789pws", "U", GIT_LOOKS, ANY_COUNT},
    {"git", "blame", "lswe", "L", "--date=", ANY_COUNT},
    {"git", "ls-files", "cdmosz", "", "--cached --others --exclude-standard", ANY_COUNT},
    {"git", "rev-parse", "", "", "--short --show-toplevel --abbrev-ref --verify", ANY_COUNT},
};

/* Read what comes through the pipe and no file. */
static const struct harmless filters[] = {
    {"cat", NULL, "AETbensv", "", "", 0},
    {"head", NULL, "0123456789", "cn", "--lines= --bytes=", 0},
    {"tail", NULL, "0123456789", "cn", "--lines= --bytes=", 0},
    {"wc", NULL, "Lclmw", "", "--lines", 0},
    {"nl", NULL, "", "b", "", 0},
    {"grep", NULL, "EFGaciIovwnx", "ABCm", "--color=never", 1},
    {"sort", NULL, "bdfghinruV", "kt", "--reverse --unique", 0},
    {"uniq", NULL, "cdiu", "fsw", "--count", 0},
    {"cut", NULL, "s", "bcdf", "", 0},
    {"tr", NULL, "Ccds", "", "", 2},
};

/* Say a word. */
static const struct harmless words_only[] = {
    {"echo", NULL, "en", "", "", ANY_COUNT},
    {"true", NULL, "", "", "", 0},
    {"pwd", NULL, "", "", "", 0},
};

/* -- Options ---------------------------------------------------------------------------------- */

static bool long_is_known(const struct harmless *row, struct str word)
{
    size_t equals = str_find_byte(word, '=', 0);
    struct str rest = str_from(row->words), known;
    struct str name = equals == STR_NONE ? word : str_slice(word, 0, equals + 1);
    while (str_next(&rest, ' ', &known))
        if (str_eq(known, word) || (equals != STR_NONE && str_eq(known, name)))
            return true;
    return false;
}

/* "-la", "-n", "-n3". *ret_wants: the next word is its value. */
static bool short_is_known(const struct harmless *row, const char *word, bool *ret_wants)
{
    for (const char *letter = word + 1; *letter; letter++) {
        if (strchr(row->values, *letter)) {
            *ret_wants = letter[1] == '\0';
            return true;
        }
        if (!strchr(row->flags, *letter))
            return false;
    }
    return true;
}

static bool row_takes(const struct harmless *row, const struct shell_part *part)
{
    size_t operands = 0, first = row->subcommand ? 2 : 1;
    bool wants_value = false, only_operands = false;
    for (size_t i = first; i < part->count; i++) {
        const char *word = part->words[i];
        if (wants_value) {
            wants_value = false;
        } else if (only_operands || word[0] != '-' || !word[1]) {
            operands++;
        } else if (strcmp(word, "--") == 0) {
            only_operands = true;
        } else if (word[1] == '-' ? !long_is_known(row, str_from(word))
                                  : !short_is_known(row, word, &wants_value)) {
            return false;
        }
    }
    return operands <= row->operands && !wants_value;
}

static bool is_in(const struct harmless *table, size_t count, const struct shell_part *part)
{
    for (size_t i = 0; i < count; i++) {
        const struct harmless *row = &table[i];
        bool is_it =
            strcmp(part->words[0], row->program) == 0 &&
            (!row->subcommand || (part->count > 1 && strcmp(part->words[1], row->subcommand) == 0));
        if (is_it && row_takes(row, part))
            return true;
    }
    return false;
}

/* -- The door --------------------------------------------------------------------------------- */

bool policy_only_reads(struct str command)
{
    struct shell_words parsed;
    bool only = shell_parse(command, &parsed) && parsed.parts.len > 0;
    for (size_t i = 0; i < parsed.parts.len && only; i++)
        only = is_in(lookers, array_count(lookers), &parsed.parts.ptr[i]);
    shell_words_finish(&parsed);
    return only;
}

/* Where a link leads counts, not how it is called. */
static bool stays_inside(struct str root, struct str workdir, const char *folder)
{
    struct buf path = {0};
    char real[PATH_MAX];
    path_append_join(&path, workdir, str_from(folder));
    bool inside = realpath(path.ptr, real) && path_is_under(str_from(real), root);
    buf_finish(&path);
    return inside;
}

static bool is_cd(const struct shell_words *parsed, size_t index, struct str root,
                  struct str workdir)
{
    const struct shell_part *part = &parsed->parts.ptr[index];
    bool is_followed =
        index + 1 < parsed->parts.len && parsed->parts.ptr[index + 1].operator== SHELL_AND;
    return index == 0 && is_followed && strcmp(part->words[0], "cd") == 0 && part->count == 2 &&
           part->words[1][0] != '-' && stays_inside(root, workdir, part->words[1]);
}

bool part_is_neutral(const struct shell_words *parsed, size_t index, struct str root,
                     struct str workdir)
{
    const struct shell_part *part = &parsed->parts.ptr[index];
    if (part->operator== SHELL_PIPE)
        return is_in(filters, array_count(filters), part);
    bool feeds =
        index + 1 < parsed->parts.len && parsed->parts.ptr[index + 1].operator== SHELL_PIPE;
    return is_cd(parsed, index, root, workdir) ||
           (!feeds && is_in(words_only, array_count(words_only), part));
}
