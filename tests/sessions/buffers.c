/* What the person does to buffers, and somebody else to files. */
#include "session.h"

#include <stdio.h>

enum outcome step_open(struct player *player, struct str rest)
{
    struct buf path = {0}, text = {0};
    struct err err = {0};
    if (!step_take_path(player, &rest, &path))
        return step_bad(player, "open FILE [\"unsaved text\"]");
    bool has_text = !words_done(rest) && words_take_text(&rest, &text);
    struct str given = buf_str(&text);
    enum status status = client_open(player->client, path.ptr, has_text ? &given : NULL, &err);
    buf_finish(&path);
    buf_finish(&text);
    return step_result(player, status, &err);
}

/* "3:0" or "3:0-3:5": lines and bytes, from 0. */
static bool take_offsets(const struct text *text, struct str *rest, size_t *ret_start,
                         size_t *ret_end)
{
    struct str word;
    unsigned line[2], column[2];
    if (!text || !words_take(rest, &word))
        return false;
    char *copy = str_dup_c(word);
    int got = sscanf(copy, "%u:%u-%u:%u", &line[0], &column[0], &line[1], &column[1]);
    mem_free(copy);
    if (got != 2 && got != 4)
        return false;
    if (line[0] >= text_line_count(text) || (got == 4 && line[1] >= text_line_count(text)))
        return false;
    *ret_start = text_line_start(text, line[0]) + column[0];
    *ret_end = got == 4 ? text_line_start(text, line[1]) + column[1] : *ret_start;
    return true;
}

enum outcome step_type(struct player *player, struct str rest)
{
    struct buf path = {0}, with = {0};
    struct err err = {0};
    size_t start, end;
    enum outcome outcome;
    if (step_take_path(player, &rest, &path) &&
        take_offsets(client_text(player->client, path.ptr), &rest, &start, &end) &&
        words_take_text(&rest, &with))
        outcome = step_result(
            player, client_edit(player->client, path.ptr, start, end, buf_str(&with), &err), &err);
    else
        outcome = step_bad(player, "type FILE LINE:BYTE[-LINE:BYTE] \"text\", in an open file");
    buf_finish(&path);
    buf_finish(&with);
    return outcome;
}

enum outcome step_replace(struct player *player, struct str rest)
{
    struct buf path = {0}, old = {0}, with = {0};
    struct err err = {0};
    size_t at = STR_NONE;
    const struct text *text = NULL;
    if (step_take_path(player, &rest, &path) && words_take_text(&rest, &old) &&
        words_take_text(&rest, &with))
        text = client_text(player->client, path.ptr);
    if (text)
        at = str_find(text_bytes(text), buf_str(&old), 0);
    enum outcome outcome =
        at == STR_NONE ? step_bad(player, "replace FILE \"old\" \"new\", with old in the open file")
                       : step_result(player,
                                     client_edit(player->client, path.ptr, at, at + old.len,
                                                 buf_str(&with), &err),
                                     &err);
    buf_finish(&path);
    buf_finish(&old);
    buf_finish(&with);
    return outcome;
}

static enum outcome do_with_file(struct player *player, struct str rest, const char *usage,
                                 enum status (*act)(struct client *client, const char *path,
                                                    struct err *err))
{
    struct buf path = {0};
    struct err err = {0};
    if (!step_take_path(player, &rest, &path))
        return step_bad(player, usage);
    enum status status = act(player->client, path.ptr, &err);
    buf_finish(&path);
    return step_result(player, status, &err);
}

enum outcome step_save(struct player *player, struct str rest)
{
    return do_with_file(player, rest, "save FILE", client_save);
}

enum outcome step_close(struct player *player, struct str rest)
{
    return do_with_file(player, rest, "close FILE", client_close);
}

/* Somebody else writes the file, not the editor. */
enum outcome step_write(struct player *player, struct str rest)
{
    struct buf path = {0}, text = {0};
    bool good = step_take_path(player, &rest, &path) && words_take_text(&rest, &text);
    if (good)
        player_make_parents(path.ptr);
    FILE *file = good ? fopen(path.ptr, "we") : NULL;
    if (file) {
        fwrite(text.ptr, 1, text.len, file);
        fclose(file);
    }
    buf_finish(&path);
    buf_finish(&text);
    return file ? STEP_DONE : step_bad(player, "write FILE \"text\"");
}
