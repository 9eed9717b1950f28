/* Running globs, and the door's two functions. */
#include "glob-internal.h"

/* -- Classes ----------------------------------------------------------------------------------- */

static bool is_alpha(uint32_t c)
{
    return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
}

static bool is_digit(uint32_t c)
{
    return c >= '0' && c <= '9';
}

static bool is_alnum(uint32_t c)
{
    return is_alpha(c) || is_digit(c);
}

static bool is_lower(uint32_t c)
{
    return c >= 'a' && c <= 'z';
}

static bool is_upper(uint32_t c)
{
    return c >= 'A' && c <= 'Z';
}

static bool is_space(uint32_t c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool is_punct(uint32_t c)
{
    return c > ' ' && c < 0x7F && !is_alnum(c);
}

static bool is_xdigit(uint32_t c)
{
    return is_digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}

static const struct {
    const char *name;
    bool (*has)(uint32_t c);
} named_classes[] = {
    {"[:alnum:]", is_alnum}, {"[:alpha:]", is_alpha},   {"[:digit:]", is_digit},
    {"[:lower:]", is_lower}, {"[:punct:]", is_punct},   {"[:space:]", is_space},
    {"[:upper:]", is_upper}, {"[:xdigit:]", is_xdigit},
};

/* Takes a named class off the front of *rest. */
static bool take_named_class(struct str *rest, uint32_t c, bool *ret_has)
{
    for (size_t i = 0; i < array_count(named_classes); i++) {
        struct str name = str_from(named_classes[i].name);

        if (str_starts_with(*rest, name)) {
            *rest = str_skip(*rest, name.len);
            *ret_has = named_classes[i].has(c);
            return true;
        }
    }
    return false;
}

static uint32_t take_class_character(struct str *rest, bool escapes)
{
    uint32_t c;

    if (escapes && rest->len > 1 && rest->ptr[0] == '\\')
        *rest = str_skip(*rest, 1);
    *rest = str_skip(*rest, glob_decode(*rest, &c));
    return c;
}

static bool class_has(struct str rest, enum glob_flavour flavour, uint32_t c)
{
    bool escapes = flavour == GLOB_IGNORE;
    bool negated = rest.len > 0 && (rest.ptr[0] == '!' || rest.ptr[0] == '^');
    bool found = false;

    rest = str_skip(rest, negated);
    while (rest.len > 0) {
        uint32_t first, last;
        bool has = false;

        if (escapes && take_named_class(&rest, c, &has)) {
            found = found || has;
            continue;
        }
        first = last = take_class_character(&rest, escapes);
        if (rest.len > 1 && rest.ptr[0] == '-') {
            rest = str_skip(rest, 1);
            last = take_class_character(&rest, escapes);
        }
        found = found || (c >= first && c <= last);
    }
    return found != negated;
}

/* -- The places a match has reached ------------------------------------------------------------ */

/* A place behind a `**` that has taken nothing yet in this component: the "/" that follows it,
 * perhaps behind a brace, may be left out. */
enum { FRESH = GLOB_OPS_COUNT };

struct places {
    uint16_t list[2 * GLOB_OPS_COUNT];
    bool has[2 * GLOB_OPS_COUNT];
    size_t count;
};

static void places_add(struct places *places, size_t op)
{
    if (places->has[op])
        return;
    places->has[op] = true;
    places->list[places->count++] = (uint16_t)op;
}

static void places_clear(struct places *places)
{
    while (places->count > 0)
        places->has[places->list[--places->count]] = false;
}

static void add_alternatives(struct places *places, const struct glob *glob, size_t open,
                             size_t fresh)
{
    places_add(places, fresh + open + 1);
    for (size_t op = glob->ops[open].brace.next; glob->ops[op].kind == GLOB_COMMA;
         op = glob->ops[op].brace.next)
        places_add(places, fresh + op + 1);
}

static void follow_one(struct places *places, const struct glob *glob, size_t op, size_t fresh,
                       bool at_component_start)
{
    switch (glob->ops[op].kind) {
    case GLOB_SKIP:
        places_add(places, op + 3);
        places_add(places, op + 1);
        break;
    case GLOB_GLOBSTAR:
        if (at_component_start && glob->flavour == GLOB_LSP)
            places_add(places, FRESH + op + 1);
        if (!fresh)
            places_add(places, op + 1);
        break;
    case GLOB_STAR:
        if (!fresh)
            places_add(places, op + 1);
        break;
    case GLOB_CLOSE:
        places_add(places, fresh + op + 1);
        break;
    case GLOB_OPEN:
        add_alternatives(places, glob, op, fresh);
        break;
    case GLOB_COMMA:
        places_add(places, fresh + glob->ops[op].brace.close + 1u);
        break;
    case GLOB_LITERAL:
        if (fresh && glob->ops[op].code_point == '/')
            places_add(places, op + 1);
        break;
    case GLOB_ANY:
    case GLOB_CLASS:
    case GLOB_END:
        break;
    }
}

/* Adds what is reached without taking a character; the list grows while it is walked. */
static void places_follow(struct places *places, const struct glob *glob, bool at_component_start)
{
    for (size_t i = 0; i < places->count; i++) {
        size_t op = places->list[i], fresh = op >= FRESH ? FRESH : 0;

        follow_one(places, glob, op - fresh, fresh, at_component_start);
    }
}

static bool accepts(const struct glob *glob, const struct glob_op *op, uint32_t c)
{
    switch (op->kind) {
    case GLOB_LITERAL:
        return op->code_point == c;
    case GLOB_ANY:
    case GLOB_STAR:
        return c != '/';
    case GLOB_GLOBSTAR:
        return true;
    case GLOB_CLASS:
        return c != '/' &&
               class_has(str_slice(glob->pattern, op->class.from, op->class.to), glob->flavour, c);
    default:
        return false;
    }
}

static void places_step(const struct places *from, struct places *to, const struct glob *glob,
                        uint32_t c)
{
    for (size_t i = 0; i < from->count; i++) {
        size_t at = from->list[i];
        const struct glob_op *op;
        bool stays;

        if (at >= FRESH)
            continue;
        op = &glob->ops[at];
        stays = op->kind == GLOB_STAR || op->kind == GLOB_GLOBSTAR;
        if (accepts(glob, op, c))
            places_add(to, stays ? at : at + 1);
    }
}

static void places_init(struct places *places, const struct glob *glob)
{
    memset(places->has, 0, glob->count * sizeof(places->has[0]));
    if (glob->flavour == GLOB_LSP)
        memset(places->has + FRESH, 0, glob->count * sizeof(places->has[0]));
    places->count = 0;
}

bool glob_run(const struct glob *glob, struct str path)
{
    struct places sets[2];
    struct places *now = &sets[0], *next = &sets[1];

    places_init(now, glob);
    places_init(next, glob);
    places_add(now, 0);
    places_follow(now, glob, true);
    while (path.len > 0 && now->count > 0) {
        struct places *done = now;
        uint32_t c;

        path = str_skip(path, glob_decode(path, &c));
        places_step(now, next, glob, c);
        places_follow(next, glob, c == '/');
        places_clear(now);
        now = next;
        next = done;
    }
    return now->count > 0 && now->has[glob->count - 1];
}

/* -- The door ---------------------------------------------------------------------------------- */

bool glob_match(struct str pattern, struct str path)
{
    struct glob_op ops[GLOB_OPS_COUNT];
    struct glob glob;

    if (glob_compile(pattern, GLOB_LSP, ops, &glob, NULL) < 0)
        return false;
    if (str_find_byte(pattern, '/', 0) == STR_NONE)
        path = path_name(path);
    return glob_run(&glob, path);
}

enum status glob_check(struct str pattern, struct err *err)
{
    struct glob_op ops[GLOB_OPS_COUNT];
    struct glob glob;

    return glob_compile(pattern, GLOB_LSP, ops, &glob, err);
}
