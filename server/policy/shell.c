/* A reader of commands that understands little on purpose: what it does not know is doubt, and
 * doubt asks. It never builds a command; it only recognises one. */
#include "policy-internal.h"

#include <string.h>

struct scan {
    struct str rest;
    struct buf word;
    bool in_word, failed, quoted;
    bool expects_command; /* at the start, or after an operator */
    enum shell_operator operator;
    struct shell_words *out;
};

/* Letters, digits and what has no meaning to the shell wherever it stands. */
static bool is_plain(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           strchr("_./:@%+,-=", c) != NULL;
}

/* HEAD~1 and HEAD^: no home folder, which a word would have to begin with. */
static bool is_plain_inside(const struct scan *s, char c)
{
    char before = s->word.len ? s->word.ptr[s->word.len - 1] : ' ';
    return (c == '~' || c == '^') &&
           ((before >= 'a' && before <= 'z') || (before >= 'A' && before <= 'Z') ||
            (before >= '0' && before <= '9') || before == c);
}

/* Words that begin a construct, or change what the following words mean. */
static bool is_reserved(const char *word)
{
    static const char *const reserved[] = {
        "!",    "[[",    "case",   "coproc",   "do",   "done",    "elif",    "else",
        "esac", "fi",    "for",    "function", "if",   "in",      "select",  "then",
        "time", "until", "while",  "{",        "}",    "alias",   "builtin", "command",
        "eval", "exec",  "source", ".",        "trap", "unalias",
    };
    for (size_t i = 0; i < array_count(reserved); i++)
        if (strcmp(word, reserved[i]) == 0)
            return true;
    return false;
}

static void end_word(struct scan *s)
{
    if (!s->in_word)
        return;
    char *word = buf_take(&s->word);
    /* NAME=value before a command sets its environment. */
    if (s->expects_command && (s->quoted || strchr(word, '=') || is_reserved(word)))
        s->failed = true;
    if (s->expects_command) {
        struct shell_part part = {.operator= s->operator};
        vec_push(&s->out->parts, part);
    }
    vec_push(&s->out->words, word);
    if (s->out->parts.len > 0)
        vec_last(&s->out->parts).count++;
    s->in_word = s->quoted = s->expects_command = false;
}

static void take_quoted(struct scan *s, char quote)
{
    size_t end = str_find_byte(s->rest, quote, 1);
    if (end == STR_NONE) {
        s->failed = true;
        return;
    }
    struct str inside = str_slice(s->rest, 1, end);
    for (size_t i = 0; i < inside.len; i++)
        if ((unsigned char)inside.ptr[i] < ' ' || inside.ptr[i] == 0x7F ||
            (quote == '"' && strchr("$`\\!", inside.ptr[i])))
            s->failed = true;
    buf_append(&s->word, inside);
    s->rest = str_skip(s->rest, end + 1);
    s->in_word = s->quoted = true;
}

static void take_operator(struct scan *s)
{
    static const struct {
        struct str text;
        enum shell_operator operator;
    } operators[] = {{{"&&", 2}, SHELL_AND},
                     {{"||", 2}, SHELL_OR},
                     {{";", 1}, SHELL_THEN},
                     {{"|", 1}, SHELL_PIPE}};
    end_word(s);
    for (size_t i = 0; i < array_count(operators); i++) {
        if (!str_starts_with(s->rest, operators[i].text))
            continue;
        s->rest = str_skip(s->rest, operators[i].text.len);
        s->failed |= s->expects_command || str_starts_with(s->rest, STR("&"));
        s->expects_command = true;
        s->operator= operators[i].operator;
        return;
    }
    s->failed = true;
}

/* Where output goes, as far as it is of no consequence. */
static bool take_redirection(struct scan *s)
{
    static const struct str known[] = {{"2>&1", 4},
                                       {"2>/dev/null", 11},
                                       {">/dev/null", 10},
                                       {"2> /dev/null", 12},
                                       {"> /dev/null", 11}};
    if (s->in_word || s->expects_command)
        return false;
    for (size_t i = 0; i < array_count(known); i++) {
        struct str after = str_skip(s->rest, known[i].len);
        if (!str_starts_with(s->rest, known[i]) || (after.len && !strchr(" \t|;&", after.ptr[0])))
            continue;
        s->rest = after;
        return true;
    }
    return false;
}

/* The words move while they grow, so the parts get theirs at the end. */
static void place_parts(struct shell_words *words)
{
    size_t at = 0;
    for (size_t i = 0; i < words->parts.len; i++) {
        words->parts.ptr[i].words = words->words.ptr + at;
        at += words->parts.ptr[i].count;
    }
}

bool shell_parse(struct str command, struct shell_words *ret_words)
{
    *ret_words = (struct shell_words){0};
    struct scan s = {.rest = str_trim(command), .expects_command = true, .out = ret_words};
    while (s.rest.len && !s.failed) {
        char c = s.rest.ptr[0];
        if (take_redirection(&s)) {
            continue;
        } else if (c == ' ' || c == '\t') {
            end_word(&s);
            s.rest = str_skip(s.rest, 1);
        } else if (c == '\'' || c == '"') {
            take_quoted(&s, c);
        } else if (c == '&' || c == '|' || c == ';') {
            take_operator(&s);
        } else if (c && (is_plain(c) || (s.in_word && is_plain_inside(&s, c)))) {
            buf_append_byte(&s.word, c);
            s.in_word = true;
            s.rest = str_skip(s.rest, 1);
        } else {
            s.failed = true;
        }
    }
    end_word(&s);
    buf_finish(&s.word);
    place_parts(ret_words);
    return !s.failed && !s.expects_command;
}

void shell_words_finish(struct shell_words *words)
{
    strings_finish(&words->words);
    vec_finish(&words->parts);
}
