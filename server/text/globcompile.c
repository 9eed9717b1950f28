/* Globs to programs. */
#include "glob-internal.h"

enum { BRACE_DEPTH_COUNT = 16 };

struct compiler {
    struct str pattern;
    enum glob_flavour flavour;
    struct glob_op *ops;
    size_t count;
    size_t at;                         /* byte of the pattern */
    uint16_t links[BRACE_DEPTH_COUNT]; /* of each open brace, its last op that wants `next` */
    uint16_t opens[BRACE_DEPTH_COUNT];
    size_t depth;
};

static struct glob_op *emit(struct compiler *c, enum glob_op_kind kind)
{
    struct glob_op *op = &c->ops[c->count++];

    *op = (struct glob_op){.kind = kind};
    return op;
}

static char byte_at(const struct compiler *c, size_t at)
{
    return at < c->pattern.len ? c->pattern.ptr[at] : '\0';
}

/* In ignore files a `**` is one only as a whole component; elsewhere it may stand anywhere, and
 * whether it begins a component shows while matching: `{a/,}**` does or does not. */
static void compile_stars(struct compiler *c)
{
    bool starts = c->at == 0 || c->pattern.ptr[c->at - 1] == '/';
    size_t end = c->at;
    bool slash, whole;

    while (byte_at(c, end) == '*')
        end++;
    slash = byte_at(c, end) == '/';
    whole = starts && (slash || end == c->pattern.len);
    if (end - c->at == 1 || (c->flavour == GLOB_IGNORE && !whole)) {
        emit(c, GLOB_STAR);
    } else {
        if (c->flavour == GLOB_IGNORE && slash)
            emit(c, GLOB_SKIP);
        emit(c, GLOB_GLOBSTAR);
    }
    c->at = end;
}

/* Where the class that starts at `at` ends (its bracket), or STR_NONE. */
static size_t class_end(const struct compiler *c, size_t at)
{
    size_t first = at;

    for (; at < c->pattern.len; at++) {
        char byte = c->pattern.ptr[at];

        if (byte == ']' && at > first)
            return at;
        if (c->flavour != GLOB_IGNORE)
            continue;
        if (byte == '\\') {
            at++;
        } else if (byte == '[' && byte_at(c, at + 1) == ':') {
            size_t close = str_find(c->pattern, STR(":]"), at + 2);

            if (close != STR_NONE)
                at = close + 1;
        }
    }
    return STR_NONE;
}

static enum status compile_class(struct compiler *c, struct err *err)
{
    char sign = byte_at(c, c->at + 1);
    size_t end = class_end(c, c->at + 1 + (sign == '!' || sign == '^'));
    struct glob_op *op;

    if (end == STR_NONE)
        return err_set(err, STATUS_INVALID, "the '[' at character %zu of the glob is never closed",
                       c->at + 1);
    op = emit(c, GLOB_CLASS);
    op->class.from = (uint16_t)(c->at + 1);
    op->class.to = (uint16_t)end;
    c->at = end + 1;
    return STATUS_OK;
}

static enum status compile_open(struct compiler *c, struct err *err)
{
    if (c->depth == BRACE_DEPTH_COUNT)
        return err_set(err, STATUS_LIMIT, "the glob nests braces more than %d deep",
                       BRACE_DEPTH_COUNT);
    c->opens[c->depth] = c->links[c->depth] = (uint16_t)c->count;
    c->depth++;
    emit(c, GLOB_OPEN);
    c->at++;
    return STATUS_OK;
}

/* A comma or the brace that closes: the op before it in the chain now knows its next. */
static void compile_divider(struct compiler *c, enum glob_op_kind kind)
{
    uint16_t *link = &c->links[c->depth - 1];

    c->ops[*link].brace.next = (uint16_t)c->count;
    *link = (uint16_t)c->count;
    emit(c, kind);
    c->at++;
    if (kind != GLOB_CLOSE)
        return;
    c->depth--;
    for (size_t op = c->ops[c->opens[c->depth]].brace.next; c->ops[op].kind == GLOB_COMMA;
         op = c->ops[op].brace.next)
        c->ops[op].brace.close = *link;
}

static enum status compile_literal(struct compiler *c, struct err *err)
{
    struct glob_op *op;

    if (c->flavour == GLOB_IGNORE && byte_at(c, c->at) == '\\') {
        c->at++;
        if (c->at == c->pattern.len)
            return err_set(err, STATUS_INVALID, "the glob ends in a backslash");
    }
    op = emit(c, GLOB_LITERAL);
    c->at += glob_decode(str_skip(c->pattern, c->at), &op->code_point);
    return STATUS_OK;
}

static enum status compile_one(struct compiler *c, struct err *err)
{
    char byte = c->pattern.ptr[c->at];
    bool braces = c->flavour == GLOB_LSP;

    if (byte == '*')
        return compile_stars(c), STATUS_OK;
    if (byte == '?')
        return emit(c, GLOB_ANY), c->at++, STATUS_OK;
    if (byte == '[')
        return compile_class(c, err);
    if (braces && byte == '{')
        return compile_open(c, err);
    if (braces && c->depth > 0 && (byte == ',' || byte == '}'))
        return compile_divider(c, byte == ',' ? GLOB_COMMA : GLOB_CLOSE), STATUS_OK;
    return compile_literal(c, err);
}

enum status glob_compile(struct str pattern, enum glob_flavour flavour, struct glob_op *ops,
                         struct glob *ret_glob, struct err *err)
{
    struct compiler c = {.pattern = pattern, .flavour = flavour, .ops = ops};

    if (pattern.len > LIMIT_GLOB_BYTES)
        return err_set(err, STATUS_LIMIT, "the glob is longer than %zu bytes",
                       (size_t)LIMIT_GLOB_BYTES);
    while (c.at < pattern.len) {
        enum status status = compile_one(&c, err);

        if (status < 0)
            return status;
    }
    if (c.depth > 0)
        return err_set(err, STATUS_INVALID, "a '{' of the glob is never closed");
    emit(&c, GLOB_END);
    *ret_glob = (struct glob){pattern, flavour, ops, c.count};
    return STATUS_OK;
}
