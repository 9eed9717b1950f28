/* Frames: every input gives the same calls in every split. */
#include <criterion/criterion.h>
#include <stdio.h>

#include <lanebridge/jsonrpc.h>

TestSuite(frame, .timeout = 60);

enum { CAP = 50 };

struct trace {
    struct jsonrpc_frames *frames;
    struct buf text;
    bool free_on_call;
};

static void note(struct trace *trace, const char *kind, struct str text)
{
    buf_append_fmt(&trace->text, "%s<" STR_FMT "> ", kind, STR_ARG(text));
    if (!trace->free_on_call)
        return;
    jsonrpc_frames_free(trace->frames);
    trace->frames = NULL;
}

static void on_body(void *user, struct str body)
{
    note(user, "body", body);
}

static void on_oversize(void *user, struct str head, struct str tail, uint64_t length)
{
    cr_expect(str_eq(head, tail));
    char text[64];
    snprintf(text, sizeof text, "%llu:%.4s", (unsigned long long)length, head.ptr);
    note(user, "skip", str_from(text));
}

static void on_bad_header(void *user, const struct err *err)
{
    cr_expect_lt(err->status, 0);
    cr_expect_gt(str_from(err->text).len, 20);
    note(user, "bad", STR(""));
}

static const struct jsonrpc_frame_handlers handlers = {on_body, on_oversize, on_bad_header};

/* Pushes `input` in pieces of exactly the size, each in memory of its own so that ASan sees reading
 * beyond it; size 0 is all at once. */
static void push_torn(struct trace *trace, struct str input, size_t size)
{
    while (input.len > 0 && trace->frames) {
        struct str piece = str_slice(input, 0, size ? size : input.len);
        char *copy = mem_dup(piece.ptr, piece.len);
        jsonrpc_frames_push(trace->frames, (struct str){copy, piece.len});
        mem_free(copy);
        input = str_skip(input, piece.len);
    }
}

static const size_t sizes[] = {0, 1, 2, 7, 143};

static const struct {
    const char *name, *input, *calls;
} cases[] = {
    {"one", "Content-Length: 2\r\n\r\n{}", "body<{}> "},
    {"two", "Content-Length: 2\r\n\r\n{}Content-Length: 3\r\n\r\n[1]", "body<{}> body<[1]> "},
    {"type",
     "Content-Type: application/vscode-jsonrpc; charset=utf-8\r\nContent-Length: 2\r\n\r\n{}",
     "body<{}> "},
    {"type after", "Content-Length: 2\r\nContent-Type: x\r\n\r\n{}", "body<{}> "},
    {"any case", "CONTENT-length:2\r\n\r\n{}", "body<{}> "},
    {"blanks", "Content-Length:  \t 2  \r\n\r\n{}", "body<{}> "},
    {"only newlines", "Content-Length: 2\n\n{}", "body<{}> "},
    {"unknown header", "X-Other: a:b:c\r\nContent-Length: 2\r\n\r\n{}", "body<{}> "},
    {"blank lines between", "\r\nContent-Length: 2\r\n\r\n{}\r\n\r\nContent-Length: 2\r\n\r\n[]",
     "body<{}> body<[]> "},
    {"empty body", "Content-Length: 0\r\n\r\nContent-Length: 2\r\n\r\n{}", "body<> body<{}> "},
    {"leading zeros", "Content-Length: 0002\r\n\r\n{}", "body<{}> "},
    {"same length twice", "Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}", "body<{}> "},
    {"at the cap", "Content-Length: 50\r\n\r\n01234567890123456789012345678901234567890123456789",
     "body<01234567890123456789012345678901234567890123456789> "},
    {"over the cap",
     "Content-Length: 51\r\n\r\n012345678901234567890123456789012345678901234567890"
     "Content-Length: 2\r\n\r\n{}",
     "skip<51:0123> body<{}> "},
    {"unfinished header", "Content-Length: 2\r\n", ""},
    {"unfinished body", "Content-Length: 5\r\n\r\n{}", ""},
    {"negative", "Content-Length: -5\r\n\r\n{}Content-Length: 2\r\n\r\n[]", "bad<> body<[]> "},
    {"plus", "Content-Length: +2\r\n\r\n{}Content-Length: 2\r\n\r\n[]", "bad<> body<[]> "},
    {"hex", "Content-Length: 0x2\r\n\r\n{}Content-Length: 2\r\n\r\n[]", "bad<> body<[]> "},
    {"no number", "Content-Length:\r\n\r\n{}Content-Length: 2\r\n\r\n[]", "bad<> body<[]> "},
    {"two numbers", "Content-Length: 2, 2\r\n\r\n{}Content-Length: 2\r\n\r\n[]", "bad<> body<[]> "},
    {"huge", "Content-Length: 99999999999999999999999\r\n\r\n{}Content-Length: 2\r\n\r\n[]",
     "bad<> body<[]> "},
    {"large beyond sense", "Content-Length: 4000000000\r\n\r\n{}Content-Length: 2\r\n\r\n[]",
     "bad<> body<[]> "},
    /* The second line is bad; the body of the first is rubbish then. */
    {"lengths disagree",
     "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}Content-Length: 2\r\n\r\n[]",
     "bad<> body<[]> "},
    {"no length", "Content-Type: x\r\n\r\n{}Content-Length: 2\r\n\r\n[]", "bad<> body<[]> "},
    {"rubbish line", "hello\r\nContent-Length: 2\r\n\r\n{}", "bad<> body<{}> "},
    {"rubbish before on the same line", "Debug: xContent-Length: 2\r\n\r\n{}", "bad<> body<{}> "},
    {"rubbish glued to the name", "debugContent-Length: 2\r\n\r\n{}", "bad<> body<{}> "},
    {"false start", "debug Content-LengContent-Length: 2\r\n\r\n{}", "bad<> body<{}> "},
    {"reported once", "a\nb\nc\n\n{}\nContent-Length: 2\r\n\r\n{}", "bad<> body<{}> "},
    {"reported anew after a good one",
     "a\nContent-Length: 2\r\n\r\n{}b\nContent-Length: 2\r\n\r\n[]",
     "bad<> body<{}> bad<> body<[]> "},
    {"colon first", ": 5\r\nContent-Length: 2\r\n\r\n{}", "bad<> body<{}> "},
};

static void check_case(size_t i, size_t size)
{
    struct trace trace = {0};
    trace.frames = jsonrpc_frames_new(CAP, &handlers, &trace);
    push_torn(&trace, str_from(cases[i].input), size);
    cr_assert(str_eq_c(buf_str(&trace.text), cases[i].calls), "%s in pieces of %zu: " STR_FMT,
              cases[i].name, size, STR_ARG(trace.text));
    jsonrpc_frames_free(trace.frames);
    buf_finish(&trace.text);
}

Test(frame, every_input_is_the_same_in_any_split)
{
    for (size_t i = 0; i < array_count(cases); i++)
        for (size_t k = 0; k < array_count(sizes); k++)
            check_case(i, sizes[k]);
}

Test(frame, may_be_freed_in_each_callback)
{
    for (size_t i = 0; i < array_count(cases); i++) {
        for (size_t k = 0; k < array_count(sizes); k++) {
            struct trace trace = {.free_on_call = true};
            trace.frames = jsonrpc_frames_new(CAP, &handlers, &trace);
            push_torn(&trace, str_from(cases[i].input), sizes[k]);
            cr_assert_eq(trace.frames == NULL, cases[i].calls[0] != '\0', "%s", cases[i].name);
            /* Exactly one call came. */
            size_t blank = str_find(buf_str(&trace.text), STR("> "), 0);
            cr_assert(blank == STR_NONE || blank + 2 == trace.text.len, STR_FMT,
                      STR_ARG(trace.text));
            jsonrpc_frames_free(trace.frames);
            buf_finish(&trace.text);
        }
    }
}

static void check_long(struct buf *input, const char *calls)
{
    for (size_t k = 0; k < array_count(sizes); k++) {
        struct trace trace = {0};
        trace.frames = jsonrpc_frames_new(CAP, &handlers, &trace);
        push_torn(&trace, buf_str(input), sizes[k]);
        cr_assert(str_eq_c(buf_str(&trace.text), calls), STR_FMT, STR_ARG(trace.text));
        jsonrpc_frames_free(trace.frames);
        buf_finish(&trace.text);
    }
    buf_finish(input);
}

Test(frame, a_header_block_over_its_limit_is_refused)
{
    struct buf input = {0};
    buf_append_repeat(&input, 'x', LIMIT_LSP_HEADER_BYTES + 1);
    buf_append_c(&input, "\r\n\r\nContent-Length: 2\r\n\r\n{}");
    check_long(&input, "bad<> body<{}> ");

    for (int i = 0; i < 2000; i++)
        buf_append_c(&input, "X: y\r\n");
    buf_append_c(&input, "\r\nContent-Length: 2\r\n\r\n{}");
    check_long(&input, "bad<> body<{}> ");

    /* Hidden behind the rubbish of one endless line. */
    buf_append_repeat(&input, 'x', LIMIT_LSP_HEADER_BYTES - 4);
    buf_append_c(&input, "Content-Length: 2\r\n\r\n{}");
    check_long(&input, "bad<> body<{}> ");
}

Test(frame, a_header_block_just_under_its_limit_is_read)
{
    struct buf input = {0};
    const char *end = "\r\nContent-Length: 2\r\n\r\n";
    buf_append_c(&input, "X: ");
    buf_append_repeat(&input, 'x', LIMIT_LSP_HEADER_BYTES - 3 - str_from(end).len);
    buf_append_c(&input, end);
    cr_assert_eq(input.len, LIMIT_LSP_HEADER_BYTES);
    buf_append_c(&input, "{}");
    check_long(&input, "body<{}> ");
}

static void on_ends(void *user, struct str head, struct str tail, uint64_t length)
{
    cr_expect_eq(head.len, LIMIT_LSP_HEAD_BYTES);
    cr_expect_eq(tail.len, LIMIT_LSP_TAIL_BYTES);
    cr_expect_eq(head.ptr[0], 'a');
    cr_expect_eq(tail.ptr[tail.len - 1], 'z');
    note(user, "ends", STR(""));
}

static void check_ends(size_t piece)
{
    const struct jsonrpc_frame_handlers long_handlers = {on_body, on_ends, on_bad_header};
    struct trace trace = {0};
    trace.frames = jsonrpc_frames_new(CAP, &long_handlers, &trace);
    struct buf input = {0};
    buf_append_c(&input, "Content-Length: 300000\r\n\r\n");
    buf_append_c(&input, "a");
    buf_append_repeat(&input, 'x', 300000 - 2);
    buf_append_c(&input, "zContent-Length: 2\r\n\r\n{}");
    push_torn(&trace, buf_str(&input), piece);
    cr_assert_str_eq(trace.text.ptr, "ends<> body<{}> ");
    jsonrpc_frames_free(trace.frames);
    buf_finish(&trace.text);
    buf_finish(&input);
}

Test(frame, of_a_skipped_body_both_ends_are_kept)
{
    for (size_t k = 0; k < array_count(sizes); k++)
        check_ends(sizes[k]);
}

Test(frame, bodies_of_all_sizes_arrive_whole)
{
    for (size_t length = 1; length <= CAP; length++) {
        struct buf input = {0}, expected = {0};
        for (int i = 0; i < 3; i++) {
            buf_append_fmt(&input, "Content-Length: %zu\r\n\r\n", length);
            buf_append_repeat(&input, (char)('a' + i), length);
            buf_append_c(&expected, "body<");
            buf_append_repeat(&expected, (char)('a' + i), length);
            buf_append_c(&expected, "> ");
        }
        check_long(&input, expected.ptr);
        buf_finish(&expected);
    }
}
