/* A reader of commands that understands little on purpose: what it does not know is doubt, and
 * doubt asks. It never builds a command; it only recognises one. */
#include "policy-internal.h"

#include <string.h>

struct scan {
    struct str rest;
    struct buf word;
    bool in_word, failed, quoted;
    bool expects_command; /* at the start, or after an operator */
    struct shell_words *out;
};

/* Letters, digits and what has no meaning to the shell wherever it stands. */
static bool is_plain(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           strchr("_./:@%+,-=", c) != NULL;
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
    vec_push(&s->out->words, word);
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
    static const char *const operators[] = {"&&", "||", ";", "|"};
    end_word(s);
    for (size_t i = 0; i < array_count(operators); i++) {
        struct str operator= str_from(operators[i]);
        if (!str_starts_with(s->rest, operator))
            continue;
        s->rest = str_skip(s->rest, operator.len);
        s->failed |= s->expects_command || str_starts_with(s->rest, STR("&"));
        s->expects_command = true;
        s->out->is_single = false;
        return;
    }
    s->failed = true;
}

bool shell_parse(struct str command, struct shell_words *ret_words)
{
    *ret_words = (struct shell_words){.is_single = true};
    struct scan s = {.rest = str_trim(command), .expects_command = true, .out = ret_words};
    while (s.rest.len && !s.failed) {
        char c = s.rest.ptr[0];
        if (c == ' ' || c == '\t') {
            end_word(&s);
            s.rest = str_skip(s.rest, 1);
        } else if (c == '\'' || c == '"') {
            take_quoted(&s, c);
        } else if (c == '&' || c == '|' || c == ';') {
            take_operator(&s);
        } else if (c && is_plain(c)) {
            buf_append_byte(&s.word, c);
            s.in_word = true;
            s.rest = str_skip(s.rest, 1);
        } else {
            s.failed = true;
        }
    }
    end_word(&s);
    buf_finish(&s.word);
    return !s.failed && !s.expects_command;
}

void shell_words_finish(struct shell_words *words)
{
    strings_finish(&words->words);
}
