/* Ignore files. Source: gitignore(5), "PATTERN FORMAT". */
#include "glob-internal.h"

/* Most rules are names or `*.suffix`: those need no program. */
enum rule_kind { RULE_LITERAL, RULE_SUFFIX, RULE_GLOB };

struct rule {
    enum rule_kind kind;
    bool negated;
    bool folder_only;
    bool anchored;      /* matches the whole path, else the last component */
    struct str pattern; /* of RULE_SUFFIX without the star */
    struct glob glob;
};

struct ignore {
    char *content;
    VEC(struct rule) rules;
};

static bool is_literal(struct str pattern)
{
    for (size_t i = 0; i < pattern.len; i++) {
        if (strchr("*?[\\", pattern.ptr[i]))
            return false;
    }
    return true;
}

/* Trailing blanks do not count unless escaped, nor does the CR of a CRLF. */
static struct str trim_rule(struct str line)
{
    if (line.len > 0 && line.ptr[line.len - 1] == '\r')
        line.len--;
    while (line.len > 0 && line.ptr[line.len - 1] == ' ' &&
           !(line.len > 1 && line.ptr[line.len - 2] == '\\'))
        line.len--;
    return line;
}

static bool take_byte(struct str *s, char byte)
{
    if (s->len == 0 || s->ptr[0] != byte)
        return false;
    *s = str_skip(*s, 1);
    return true;
}

static bool compile_rule(struct rule *rule)
{
    struct glob_op ops[GLOB_OPS_COUNT];

    if (glob_compile(rule->pattern, GLOB_IGNORE, ops, &rule->glob, NULL) < 0)
        return false;
    rule->glob.ops = mem_dup(ops, rule->glob.count * sizeof(*ops));
    rule->kind = RULE_GLOB;
    return true;
}

/* False for comments, blank lines and patterns that can match nothing. */
static bool parse_rule(struct str line, struct rule *rule)
{
    struct str pattern = trim_rule(line);

    *rule = (struct rule){0};
    if (pattern.len == 0 || pattern.ptr[0] == '#')
        return false;
    rule->negated = take_byte(&pattern, '!');
    if (pattern.len > 0 && pattern.ptr[pattern.len - 1] == '/') {
        rule->folder_only = true;
        pattern.len--;
    }
    rule->anchored = str_find_byte(pattern, '/', 0) != STR_NONE;
    take_byte(&pattern, '/');
    if (pattern.len == 0)
        return false;
    rule->pattern = pattern;
    if (is_literal(pattern)) {
        rule->kind = RULE_LITERAL;
        return true;
    }
    if (!rule->anchored && pattern.ptr[0] == '*' && is_literal(str_skip(pattern, 1))) {
        rule->kind = RULE_SUFFIX;
        rule->pattern = str_skip(pattern, 1);
        return true;
    }
    return compile_rule(rule);
}

struct ignore *ignore_parse(struct str content)
{
    struct ignore *ignore = mem_new(struct ignore);
    struct str rest, line;

    if (content.len > LIMIT_IGNORE_BYTES)
        content.len = str_rfind_byte(str_slice(content, 0, LIMIT_IGNORE_BYTES), '\n') + 1;
    ignore->content = str_dup_c(content);
    rest = (struct str){ignore->content, content.len};
    if (str_starts_with(rest, STR("\xEF\xBB\xBF")))
        rest = str_skip(rest, 3);
    while (str_next(&rest, '\n', &line)) {
        struct rule rule;

        if (parse_rule(line, &rule))
            vec_push(&ignore->rules, rule);
    }
    return ignore;
}

void ignore_free(struct ignore *ignore)
{
    if (!ignore)
        return;
    for (size_t i = 0; i < ignore->rules.len; i++)
        mem_free(ignore->rules.ptr[i].glob.ops);
    vec_finish(&ignore->rules);
    mem_free(ignore->content);
    mem_free(ignore);
}

static bool rule_matches(const struct rule *rule, struct str path, struct str name)
{
    struct str subject = rule->anchored ? path : name;

    switch (rule->kind) {
    case RULE_LITERAL:
        return str_eq(subject, rule->pattern);
    case RULE_SUFFIX:
        return str_ends_with(subject, rule->pattern);
    case RULE_GLOB:
        return glob_run(&rule->glob, subject);
    }
    return false;
}

enum ignore_verdict ignore_match(const struct ignore *ignore, struct str path, bool is_folder)
{
    struct str name = path_name(path);

    for (size_t i = ignore->rules.len; i-- > 0;) {
        const struct rule *rule = &ignore->rules.ptr[i];

        if (rule->folder_only && !is_folder)
            continue;
        if (rule_matches(rule, path, name))
            return rule->negated ? IGNORE_NO : IGNORE_YES;
    }
    return IGNORE_UNDECIDED;
}
