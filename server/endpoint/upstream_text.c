/* Texts that come in pieces, torn anywhere: thoughts between tags, and the one string of a function
 * that stands for a tool of free text. */
#include <string.h>

#include "upstream-internal.h"

/* -- <think> --------------------------------------------------------------------------------------
 */

static const struct str open_tag = STR_INIT("<think>"), close_tag = STR_INIT("</think>");

static bool is_blank(char byte)
{
    return byte == ' ' || byte == '\n' || byte == '\r' || byte == '\t';
}

static struct str skip_blanks(struct str text)
{
    while (text.len > 0 && is_blank(text.ptr[0]))
        text = str_skip(text, 1);
    return text;
}

/* How many bytes at the end of the text may be the beginning of the tag. */
static size_t tail_of(struct str text, struct str tag)
{
    size_t len = text.len < tag.len ? text.len : tag.len - 1;
    while (len > 0 && !str_starts_with(tag, str_skip(text, text.len - len)))
        len--;
    return len;
}

static void hold(struct think *think, struct str text)
{
    struct buf held = {0};
    buf_append(&held, text);
    buf_move(&think->held, &held);
}

/* Each takes what it can of the held text; false: it has to be more, or nothing is left. */
static bool step_start(struct think *think, bool ended)
{
    struct str text = skip_blanks(buf_str(&think->held));
    if (str_starts_with(text, open_tag)) {
        hold(think, str_skip(text, open_tag.len));
        think->state = THINK_INSIDE;
        return true;
    }
    if (!ended && (text.len == 0 || str_starts_with(open_tag, text)))
        return false;
    think->state = THINK_TEXT;
    return true;
}

static bool step_inside(struct think *think, bool ended, struct buf *reasoning)
{
    struct str text = buf_str(&think->held);
    size_t at = str_find(text, close_tag, 0);
    bool found = at != STR_NONE;
    size_t keep = found || ended ? 0 : tail_of(text, close_tag);
    size_t end = found ? at : text.len - keep;
    buf_append(reasoning, str_slice(text, 0, end));
    if (found)
        think->state = THINK_AFTER;
    hold(think, str_skip(text, found ? at + close_tag.len : end));
    return found;
}

static bool step_after(struct think *think)
{
    struct str text = skip_blanks(buf_str(&think->held));
    if (text.len == 0)
        return false;
    hold(think, text);
    think->state = THINK_TEXT;
    return true;
}

void think_push(struct think *think, struct str piece, bool ended, struct buf *reasoning,
                struct buf *text)
{
    buf_append(&think->held, piece);
    bool goes_on = true;
    while (goes_on && think->state != THINK_TEXT) {
        if (think->state == THINK_START)
            goes_on = step_start(think, ended);
        else if (think->state == THINK_INSIDE)
            goes_on = step_inside(think, ended, reasoning);
        else
            goes_on = step_after(think);
    }
    if (think->state == THINK_TEXT) {
        buf_append(text, buf_str(&think->held));
        buf_clear(&think->held);
    }
}

void think_finish(struct think *think)
{
    buf_finish(&think->held);
}

/* -- JSON that may hold \u0000 --------------------------------------------------------------------
 */

/* The escape becomes that of U+FFFD, which is as long. */
static void replace_nulls(struct buf *text)
{
    for (size_t i = 0; i + 5 < text->len; i++) {
        if (text->ptr[i] != '\\')
            continue;
        if (memcmp(text->ptr + i, "\\u0000", 6) == 0)
            memcpy(text->ptr + i, "\\ufffd", 6);
        i++; /* what is escaped begins no escape */
    }
}

enum status upstream_parse(struct str text, struct json_value **ret_value)
{
    enum status status = json_parse(text, ret_value, NULL);
    if (status != STATUS_UNSUPPORTED)
        return status;
    struct buf copy = {0};
    buf_append(&copy, text);
    replace_nulls(&copy);
    status = json_parse(buf_str(&copy), ret_value, NULL);
    buf_finish(&copy);
    return status;
}

/* -- {"input":"…"}
 * ---------------------------------------------------------------------------------
 */

/* Behind the opening quote of the string; 0 if that is not there yet, or never will be. */
static size_t find_string(struct str json)
{
    static const char *const tokens[] = {"{", "\"input\"", ":", "\""};
    struct str rest = json;
    for (size_t i = 0; i < array_count(tokens); i++) {
        struct str token = str_from(tokens[i]);
        rest = skip_blanks(rest);
        if (!str_starts_with(rest, token))
            return 0;
        rest = str_skip(rest, token.len);
    }
    return json.len - rest.len;
}

/* The length of the escape at the start of `rest`; 0 if it is not all there. Of a pair of
 * surrogates both halves. */
static size_t escape_length(struct str rest)
{
    if (rest.len < 2)
        return 0;
    if (rest.ptr[1] != 'u')
        return 2;
    if (rest.len < 6)
        return 0;
    bool high = (rest.ptr[2] | 0x20) == 'd' && strchr("89abAB", rest.ptr[3]);
    if (!high)
        return 6;
    if (rest.len < 8)
        return 0;
    if (rest.ptr[6] != '\\' || rest.ptr[7] != 'u')
        return 6;
    return rest.len < 12 ? 0 : 12;
}

static void append_decoded(struct buf *text, struct str inner)
{
    struct buf quoted = {0};
    buf_append_byte(&quoted, '"');
    buf_append(&quoted, inner);
    buf_append_byte(&quoted, '"');
    if (!json_raw_decode(buf_str(&quoted), text))
        utf8_append(text, 0xFFFD);
    buf_finish(&quoted);
}

static void decode_more(struct unwrap *unwrap, struct buf *text)
{
    struct str rest = str_skip(buf_str(&unwrap->json), unwrap->at);
    size_t end = 0;
    while (end < rest.len && rest.ptr[end] != '"') {
        size_t len = rest.ptr[end] == '\\' ? escape_length(str_skip(rest, end)) : 1;
        if (len == 0)
            break;
        end += len;
    }
    unwrap->over = end < rest.len && rest.ptr[end] == '"';
    append_decoded(text, str_slice(rest, 0, end));
    unwrap->at += end;
}

void unwrap_push(struct unwrap *unwrap, struct str piece, struct buf *text)
{
    buf_append(&unwrap->json, piece);
    if (unwrap->at == 0)
        unwrap->at = find_string(buf_str(&unwrap->json));
    if (unwrap->at > 0 && !unwrap->over)
        decode_more(unwrap, text);
}

/* An object with one string of another name, or a string, is taken for what was meant. */
void unwrap_end(struct unwrap *unwrap, struct buf *text)
{
    if (unwrap->at > 0)
        return;
    struct json_value *value = NULL;
    struct str json = buf_str(&unwrap->json);
    const struct json_value *meant = NULL;
    if (json_parse(json, &value, NULL) == STATUS_OK) {
        const struct json_value *input = json_get(value, "input");
        bool single = json_is(value, JSON_OBJECT) && json_count(value) == 1;
        meant = input ? input : single ? json_first(value) : value;
    }
    buf_append(text, json_is(meant, JSON_STRING) ? json_str(meant) : json);
    json_free(value);
}

void unwrap_finish(struct unwrap *unwrap)
{
    buf_finish(&unwrap->json);
}
