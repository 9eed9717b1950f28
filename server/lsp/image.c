/* An image that is given along: a file of the folders, or bytes the editor brings. What it is
 * called does not matter: its bytes say what it is. */
#include "given-internal.h"

static enum status take_data(struct str uri, struct buf *bytes, struct err *err)
{
    size_t comma = str_find_byte(uri, ',', 0);
    if (comma == STR_NONE || !str_ends_with(str_slice(uri, 0, comma), STR(";base64")) ||
        !base64_decode(str_skip(uri, comma + 1), bytes))
        return err_set(err, STATUS_INVALID, "the image is no base64-encoded data: URL");
    if (bytes->len > LIMIT_IMAGE_BYTES)
        return err_set(err, STATUS_LIMIT, "the image is too large: %zu KiB, at most %zu",
                       bytes->len / KIB, LIMIT_IMAGE_BYTES / KIB);
    return STATUS_OK;
}

static enum status take_file(const struct lsp_server *server, struct str uri,
                             struct input_part *part, struct buf *bytes, struct err *err)
{
    struct workspace_path where;
    struct workspace_stat stat;
    uint64_t device, inode;
    enum status status = convert_uri(uri, &part->path, &device, &inode, err);
    if (status == STATUS_OK)
        status = inputs_check(server, part->path.ptr, err);
    if (status == STATUS_OK)
        status = workspace_resolve(server->env.workspace, NULL, buf_str(&part->path), &where, err);
    if (status < 0)
        return status;
    status = workspace_read(&where, LIMIT_IMAGE_BYTES, bytes, &stat, err);
    workspace_path_finish(&where);
    if (status == STATUS_NOT_FOUND)
        err_set(err, status, "there is no file " STR_FMT,
                STR_ARG(convert_display(server, buf_str(&part->path))));
    return status;
}

static enum status check(const struct lsp_server *server, struct input_part *part,
                         const struct buf *bytes, struct picture *ret_picture, struct err *err)
{
    const char *wrong = picture_read(buf_str(bytes), ret_picture);
    struct str name = part->path.len > 0 ? convert_display(server, buf_str(&part->path))
                                         : STR("what was given as an image");
    return wrong ? err_set(err, STATUS_INVALID, STR_FMT " is %s", STR_ARG(name), wrong) : STATUS_OK;
}

static void describe(const struct lsp_server *server, struct input_part *part, size_t bytes,
                     const struct picture *picture)
{
    buf_append_c(&part->label, "image");
    if (part->path.len > 0)
        buf_append_fmt(&part->label, " " STR_FMT,
                       STR_ARG(convert_display(server, buf_str(&part->path))));
    buf_append_fmt(&part->text, "The image goes along with this message: %s, %u x %u.",
                   picture->type, picture->width, picture->height);
    buf_append_fmt(&part->why, "%s, %u x %u, %zu KiB", picture->type, picture->width,
                   picture->height, (bytes + KIB - 1) / KIB);
}

enum status image_read(const struct lsp_server *server, const struct json_value *input,
                       struct input_part *part, struct err *err)
{
    struct str uri = json_get_str(input, "uri");
    struct picture picture = {0};
    struct buf bytes = {0};
    enum status status = str_starts_with(uri, STR("data:"))
                             ? take_data(uri, &bytes, err)
                             : take_file(server, uri, part, &bytes, err);
    if (status == STATUS_OK)
        status = check(server, part, &bytes, &picture, err);
    if (status == STATUS_OK) {
        describe(server, part, bytes.len, &picture);
        buf_append_fmt(&part->image, "data:%s;base64,", picture.type);
        base64_append(&part->image, buf_str(&bytes));
    }
    buf_finish(&bytes);
    return status;
}
