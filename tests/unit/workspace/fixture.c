#include "fixture.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { RING_COUNT = 8 };

void fixture_init(struct fixture *fixture)
{
    fixture_init_in(fixture, "/tmp");
}

void fixture_init_in(struct fixture *fixture, const char *folder)
{
    char pattern[64];
    snprintf(pattern, sizeof(pattern), "%s/lanebridge-test-XXXXXX", folder);
    cr_assert_not_null(mkdtemp(pattern));
    char *real = realpath(pattern, NULL);
    snprintf(fixture->base, sizeof(fixture->base), "%s", real);
    free(real);
    static const char *const folders[] = {"ws", "ws-evil", "outside", "home", "state"};
    for (size_t i = 0; i < array_count(folders); i++)
        put_folder(fixture, folders[i]);
    struct err err = {0};
    fixture->loop = loop_new(&err);
    cr_assert_not_null(fixture->loop, "%s", err.text);
    fixture->workspace =
        workspace_new(fixture->loop, str_from(at(fixture, "state")), str_from(at(fixture, "home")));
    enum status status =
        workspace_add_root(fixture->workspace, str_from(at(fixture, "ws")), (struct str){0}, &err);
    cr_assert_eq(status, STATUS_OK, "%s", err.text);
}

static int remove_one(const char *path, const struct stat *found, int kind, struct FTW *walk)
{
    return remove(path);
}

void fixture_finish(struct fixture *fixture)
{
    workspace_free(fixture->workspace);
    loop_run(fixture->loop);
    loop_free(fixture->loop);
    nftw(fixture->base, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

const char *at(const struct fixture *fixture, const char *format, ...)
{
    static char ring[RING_COUNT][8192];
    static unsigned next;
    char *text = ring[next++ % RING_COUNT];
    int length = snprintf(text, sizeof(ring[0]), "%s/", fixture->base);
    va_list args;
    va_start(args, format);
    vsnprintf(text + length, sizeof(ring[0]) - (size_t)length, format, args);
    va_end(args);
    return text;
}

void put_bytes(const struct fixture *fixture, const char *name, struct str content)
{
    struct str folder = path_folder(str_from(name));
    if (folder.len) {
        char *copy = str_dup_c(folder);
        put_folder(fixture, copy);
        mem_free(copy);
    }
    int fd = open(at(fixture, "%s", name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    cr_assert_geq(fd, 0, "%s", name);
    cr_assert_eq(write(fd, content.ptr ? content.ptr : "", content.len), (ssize_t)content.len);
    close(fd);
}

void put_file(const struct fixture *fixture, const char *name, const char *content)
{
    put_bytes(fixture, name, str_from(content));
}

void put_folder(const struct fixture *fixture, const char *name)
{
    char *path = mem_dup_c(at(fixture, "%s", name));
    for (char *slash = path + strlen(fixture->base) + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = '\0';
        mkdir(path, 0755);
        *slash = '/';
    }
    mkdir(path, 0755);
    struct stat found;
    cr_assert_eq(stat(path, &found), 0, "%s", name);
    mem_free(path);
}

void put_link(const struct fixture *fixture, const char *name, const char *target)
{
    cr_assert_eq(symlink(target, at(fixture, "%s", name)), 0, "%s", name);
}

const char *get_file(const struct fixture *fixture, const char *name)
{
    static char ring[RING_COUNT][4096];
    static unsigned next;
    char *text = ring[next++ % RING_COUNT];
    int fd = open(at(fixture, "%s", name), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return "(none)";
    ssize_t length = read(fd, text, sizeof(ring[0]) - 1);
    close(fd);
    text[length > 0 ? length : 0] = '\0';
    return text;
}

struct workspace_path resolve(const struct fixture *fixture, const char *text)
{
    struct workspace_path path = {0};
    struct err err = {0};
    enum status status = workspace_resolve(fixture->workspace, NULL, str_from(text), &path, &err);
    cr_assert_eq(status, STATUS_OK, "%s: %s", text, err.text);
    return path;
}

enum status read_text(const struct fixture *fixture, const char *text, struct buf *bytes,
                      struct err *err)
{
    struct workspace_path path;
    enum status status = workspace_resolve(fixture->workspace, NULL, str_from(text), &path, err);
    if (status < 0)
        return status;
    status = workspace_read(&path, MIB, bytes, NULL, err);
    workspace_path_finish(&path);
    return status;
}

enum status write_text(const struct fixture *fixture, const char *text, const char *content,
                       struct err *err)
{
    struct workspace_path path;
    enum status status = workspace_resolve(fixture->workspace, NULL, str_from(text), &path, err);
    if (status < 0)
        return status;
    status = workspace_write(&path, str_from(content), NULL, err);
    workspace_path_finish(&path);
    return status;
}

static int give_away(const char *path, const struct stat *found, int kind, struct FTW *walk)
{
    return lchown(path, 65534, 65534);
}

void become_nobody(const struct fixture *fixture)
{
    if (geteuid() != 0)
        return;
    nftw(fixture->base, give_away, 16, FTW_DEPTH | FTW_PHYS);
    if (setresgid(65534, 65534, 65534) < 0)
        cr_skip_test("there is no other user in this user namespace");
    cr_assert_eq(setresuid(65534, 65534, 65534), 0);
}

size_t count_names(const struct fixture *fixture, const char *folder)
{
    DIR *stream = opendir(at(fixture, "%s", folder));
    size_t count = 0;
    while (readdir(stream))
        count++;
    closedir(stream);
    return count - 2;
}
