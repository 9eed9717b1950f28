#include <criterion/criterion.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <lanebridge/base.h>

TestSuite(log, .timeout = 10);

/* Puts a pipe in the place of stderr for a while. */
struct capture {
    int stderr_before;
    int read_end;
};

static void capture_begin(struct capture *capture)
{
    int ends[2];
    cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
    capture->stderr_before = dup(STDERR_FILENO);
    capture->read_end = ends[0];
    dup2(ends[1], STDERR_FILENO);
    close(ends[1]);
    fcntl(capture->read_end, F_SETFL, O_NONBLOCK);
}

static void capture_read(struct capture *capture, struct buf *buf)
{
    char bytes[4096];
    for (ssize_t got; (got = read(capture->read_end, bytes, sizeof(bytes))) > 0;)
        buf_append(buf, (struct str){bytes, (size_t)got});
}

static void capture_end(struct capture *capture)
{
    dup2(capture->stderr_before, STDERR_FILENO);
    close(capture->stderr_before);
    close(capture->read_end);
}

Test(log, writes_one_visible_line)
{
    struct capture capture;
    struct buf out = {0};
    capture_begin(&capture);
    log_line(LOG_WARN, "lane.lost name=%s ms=%d", "a\nb\033[31m\xFF\x7Fé", 7);
    capture_read(&capture, &out);
    capture_end(&capture);
    cr_assert_str_eq(out.ptr, "warn lane.lost name=a\\x0ab\\x1b[31m\\xff\\x7fé ms=7\n");
    buf_finish(&out);
}

Test(log, level_filters)
{
    struct capture capture;
    struct buf out = {0};
    cr_assert_eq(log_get_level(), LOG_INFO);
    capture_begin(&capture);
    log_line(LOG_DEBUG, "hidden");
    log_set_level(LOG_DEBUG);
    log_line(LOG_DEBUG, "shown");
    log_set_level(LOG_ERROR);
    log_line(LOG_WARN, "hidden");
    log_line(LOG_ERROR, "shown");
    capture_read(&capture, &out);
    capture_end(&capture);
    cr_assert_str_eq(out.ptr, "debug shown\nerror shown\n");
    buf_finish(&out);
}

Test(log, parses_its_levels)
{
    static const char *const names[] = {"error", "warn", "info", "debug"};
    for (size_t i = 0; i < array_count(names); i++) {
        enum log_level level;
        cr_assert(log_level_parse(str_from(names[i]), &level));
        cr_assert_eq(level, (enum log_level)i);
    }
    enum log_level level = LOG_INFO;
    cr_assert_not(log_level_parse(STR("verbose"), &level));
    cr_assert_not(log_level_parse(STR("inf"), &level));
    cr_assert_eq(level, LOG_INFO);
}

Test(log, a_line_is_at_most_2_kib)
{
    struct capture capture;
    struct buf out = {0}, text = {0};
    buf_append_repeat(&text, '\n', 5000);
    capture_begin(&capture);
    log_line(LOG_INFO, "%s", text.ptr);
    buf_clear(&text);
    while (text.len < 5000)
        buf_append_c(&text, "€");
    log_line(LOG_INFO, "%s", text.ptr);
    capture_read(&capture, &out);
    capture_end(&capture);
    struct str rest = buf_str(&out), line;
    for (int i = 0; i < 2; i++) {
        cr_assert(str_next(&rest, '\n', &line));
        cr_assert_leq(line.len, 2047);
        cr_assert_geq(line.len, 2000);
    }
    cr_assert_eq(rest.len, 0);
    buf_finish(&out);
    buf_finish(&text);
}

Test(log, a_full_pipe_drops_and_says_so_later)
{
    struct capture capture;
    struct buf out = {0};
    capture_begin(&capture);
    fcntl(STDERR_FILENO, F_SETPIPE_SZ, 4096);
    /* More than the pipe holds; a blocking write would hang until the timeout. */
    for (int i = 0; i < 1000; i++)
        log_line(LOG_INFO, "line number=%d", i);
    capture_read(&capture, &out);
    size_t before = out.len;
    log_line(LOG_INFO, "room again");
    capture_read(&capture, &out);
    capture_end(&capture);
    cr_assert(strstr(out.ptr, "info line number=0\n"));
    cr_assert_null(strstr(out.ptr, "number=999"));
    cr_assert_leq(before, 8192);
    cr_assert_eq(strncmp(out.ptr + before, "warn log.dropped lines=", 23), 0, "%s",
                 out.ptr + before);
    cr_assert(strstr(out.ptr + before, "info room again\n"));
    buf_finish(&out);
}
