/* A place as the model names it: a file, a name that stands there, and perhaps the line. */
#ifndef LANEBRIDGE_TOOLS_SPOT_INTERNAL_H
#define LANEBRIDGE_TOOLS_SPOT_INTERNAL_H

#include "tools-internal.h"

struct spot {
    struct str path, symbol;
    int64_t line; /* 1-based; 0: the first place in the file */
    struct now_file file;
    size_t start; /* of the symbol, in file.text */
};
enum status spot_resolve(struct tools_call *call, struct spot *spot, struct err *err);
/* Reads the file as it is now. Errors: sentences for the model. */
enum status spot_read(const struct tools *tools, struct spot *spot, struct err *err);
/* Reads, and finds the symbol: whole words first, then parts of words. */
enum status spot_find(const struct tools *tools, struct spot *spot, struct err *err);
/* "src/a.c:12:5" */
void spot_append(const struct spot *spot, struct buf *out);
/* Says that what language servers see of the file is without the edits that wait for review. */
void spot_note_awaited(struct tools_call *call, const struct now_file *file);
void spot_finish(struct spot *spot);

#define SPOT_FIELDS(type)                                                                          \
    {"path", JSON_FIELD_STR, JSON_REQUIRED, offsetof(struct type, spot.path)},                     \
        {"symbol", JSON_FIELD_STR, JSON_REQUIRED, offsetof(struct type, spot.symbol)},             \
    {                                                                                              \
        "line", JSON_FIELD_INT, JSON_OPTIONAL, offsetof(struct type, spot.line)                    \
    }
#define SPOT_PROPERTIES                                                                            \
    "\"path\":{\"type\":\"string\",\"description\":\"A file in which it stands\"},"                \
    "\"symbol\":{\"type\":\"string\",\"description\":\"The name as it is written there\"},"        \
    "\"line\":{\"type\":[\"integer\",\"null\"],\"description\":\"Its line, from 1; null: where "   \
    "it stands first\"}"

#endif
