/* About thirty steps: reads, searches, edits of an open file with unsaved text, of a closed one and
 * of a new one, and commands that leave a trace each time they run. Every edit and every command
 * fits the state that the one before left, so that nothing can be done twice or left out unseen. */
#include <stdio.h>
#include <sys/stat.h>

#include "faults.h"

enum { ROUNDS = 7 };

const char rollout_prompt[] = "Count up to seven";
const char rollout_next_prompt[] = "And what now?";
const char rollout_next_answer[] = "NOTHING MORE TO DO";

static const struct {
    const char *path, *text;
} files[] = {
    {"src/open.c", "/* the user has this one open */\nint count = 0;\nint last(void)\n{\n"
                   "    return count;\n}\n"},
    {"src/closed.c", "int other = 0;\n"},
    {"notes.txt", "count = nothing\n"},
};

/* -- The model's side ----------------------------------------------------------------------------
 */

/* Whole texts as one delta: what is cut in between is tried often enough. */
#define EMIT "\"pace\":{\"chunk\":400},\"emit\":["
#define PATCH "\"name\":\"apply_patch\",\"input\":\"*** Begin Patch\\n"
#define FUNCTION "{\"type\":\"function_call\",\"call\":"

static void append_round(struct buf *out, int i)
{
    buf_append_fmt(
        out,
        "{\"expect\":{\"outputs\":{\"%s%d\":null}}," EMIT
        "{\"type\":\"reasoning\",\"text\":\"Round %d: look first.\"}," FUNCTION
        "\"read%d\",\"name\":\"read_file\",\"arguments\":{\"path\":\"src/open.c\"}}," FUNCTION
        "\"find%d\",\"name\":\"grep\",\"arguments\":{\"pattern\":\"count = \"}}]}\n",
        i == 1 ? "run" : "shut", i - 1, i, i, i);
    buf_append_fmt(
        out,
        "{\"expect\":{\"outputs\":{\"read%d\":\"count = %d;\",\"find%d\":\"notes\"}}," EMIT
        "{\"type\":\"custom_tool_call\",\"call\":\"open%d\"," PATCH
        "*** Update File: src/open.c\\n@@\\n-int count = %d;\\n+int count = %d;\\n"
        "*** End Patch\\n\"}]}\n",
        i, i - 1, i, i, i - 1, i);
    buf_append_fmt(out,
                   "{\"expect\":{\"outputs\":{\"open%d\":\"src/open.c\"}}," EMIT
                   "{\"type\":\"message\",\"text\":\"Now the command of round %d.\","
                   "\"phase\":\"commentary\"}," FUNCTION "\"run%d\",\"name\":\"exec_command\","
                   "\"arguments\":{\"cmd\":\"echo ran >> ran/%d; cat src/open.c\"}}," FUNCTION
                   "\"look%d\",\"name\":\"read_file\","
                   "\"arguments\":{\"path\":\"src/closed.c\"}}]}\n",
                   i, i, i, i, i);
    buf_append_fmt(
        out,
        "{\"expect\":{\"outputs\":{\"run%d\":\"count = %d;\",\"look%d\":\"other = %d;\"}}," EMIT
        "{\"type\":\"custom_tool_call\",\"call\":\"shut%d\"," PATCH
        "*** Update File: src/closed.c\\n@@\\n-int other = %d;\\n+int other = %d;\\n"
        "*** Add File: made/%d.txt\\n+made in round %d\\n*** End Patch\\n\"}]}\n",
        i, i, i, i - 1, i, i - 1, i, i, i);
}

static void append_message(struct buf *out, const char *text)
{
    buf_append_fmt(out, "{\"type\":\"message\",\"text\":\"%s\",\"phase\":\"final_answer\"}]}\n",
                   text);
}

void rollout_append_replay(struct buf *replay)
{
    buf_append_c(replay, "{" EMIT "{\"type\":\"message\",\"text\":\"I count.\","
                         "\"phase\":\"commentary\"}," FUNCTION "\"run0\","
                         "\"name\":\"exec_command\",\"arguments\":{\"cmd\":"
                         "\"mkdir -p ran; echo ran >> ran/0\"}}]}\n");
    for (int i = 1; i <= ROUNDS; i++)
        append_round(replay, i);
    buf_append_fmt(replay, "{\"expect\":{\"outputs\":{\"shut%d\":\"src/closed.c\"}}," EMIT, ROUNDS);
    append_message(replay, "Counted.");
    buf_append_fmt(replay,
                   "{\"rollout\":\"next\",\"match\":{\"text\":\"%s\"},\"takes_over\":true}\n{" EMIT,
                   rollout_next_prompt);
    append_message(replay, rollout_next_answer);
}

/* -- The person's side ---------------------------------------------------------------------------
 */

bool rollout_make_files(const char *root)
{
    struct buf path = {0};
    bool good = mkdir(root, 0755) == 0;
    buf_append_fmt(&path, "%s/src", root);
    good = good && mkdir(path.ptr, 0755) == 0;
    for (size_t i = 0; good && i < array_count(files); i++) {
        buf_clear(&path);
        buf_append_fmt(&path, "%s/%s", root, files[i].path);
        FILE *file = fopen(path.ptr, "we");
        good = file && fputs(files[i].text, file) >= 0;
        if (file && fclose(file) != 0)
            good = false;
    }
    buf_finish(&path);
    return good;
}

bool rollout_open(struct client *client, const char *root, struct err *err)
{
    struct buf path = {0};
    buf_append_fmt(&path, "%s/%s", root, files[0].path);
    bool good =
        client_open(client, path.ptr, NULL, err) == STATUS_OK &&
        client_edit(client, path.ptr, 0, 0, STR("/* typed, not saved */\n"), err) == STATUS_OK;
    buf_finish(&path);
    return good;
}
