/* What runs here, and on what. */
#include <gnu/libc-version.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cjson/cJSON.h>
#include <libwebsockets.h>
#define PCRE2_CODE_UNIT_WIDTH 8
#include <openssl/crypto.h>
#include <pcre2.h>
#include <seccomp.h>
#include <sqlite3.h>
#include <uv.h>

#include "doctor-internal.h"

enum {
    DESCRIPTORS_COUNT = 256
}; /* sockets, pipes of commands, a folder for each level of a walk */
#define EARLIEST_MS ((uint64_t)1767225600 * 1000) /* 2026: this version did not exist before */

/* -- Versions -- */

static void version(struct doctor_line *line, const char *name, const char *text)
{
    size_t len = strcspn(text, " ");
    json_write_key(&line->w, name);
    json_write_str(&line->w, (struct str){text, len});
    doctor_ok(line, "%s %.*s", name, (int)len, text);
}

void doctor_check_versions(struct doctor *doctor, struct doctor_line *line)
{
    char pcre2[64] = "?", seccomp[32];
    struct utsname kernel = {0};
    const struct scmp_version *found = seccomp_version();
    pcre2_config(PCRE2_CONFIG_VERSION, pcre2);
    snprintf(seccomp, sizeof(seccomp), "%u.%u.%u", found->major, found->minor, found->micro);
    uname(&kernel);
    version(line, "lanebridge", LANEBRIDGE_VERSION);
    version(line, "kernel", kernel.release);
    version(line, "glibc", gnu_get_libc_version());
    version(line, "libuv", uv_version_string());
    version(line, "libwebsockets", lws_get_library_version());
    version(line, "openssl", OpenSSL_version(OPENSSL_VERSION_STRING));
    version(line, "sqlite", sqlite3_libversion());
    version(line, "cjson", cJSON_Version());
    version(line, "pcre2", pcre2);
    version(line, "libseccomp", seccomp);
}

/* -- System -- */

/* The program that an editor would start: the first in PATH. False: there is none. */
static bool find_in_path(char *ret_path)
{
    struct str rest = str_from(getenv("PATH"));
    for (struct str part; rest.len > 0 && str_next(&rest, ':', &part);) {
        struct buf path = {0};
        path_append_join(&path, part, STR("lanebridge"));
        bool found = access(path.ptr, X_OK) == 0 && realpath(path.ptr, ret_path);
        buf_finish(&path);
        if (found)
            return true;
    }
    return false;
}

static void look_at_program(struct doctor_line *line)
{
    char own[PATH_MAX] = "", found[PATH_MAX] = "";
    if (!realpath("/proc/self/exe", own))
        return;
    json_write_field_c(&line->w, "program", own);
    if (!find_in_path(found))
        doctor_warn(line,
                    "put its folder into PATH, or name the program with its path in the "
                    "editor's settings",
                    "%s is not found by PATH, so an editor may not find it", own);
    else if (strcmp(own, found) != 0)
        doctor_warn(line, "remove the one that is not wanted, or change the order of PATH",
                    "this is %s, but PATH leads to %s", own, found);
    else
        doctor_ok(line, "%s", own);
}

static void look_at_user(struct doctor_line *line)
{
    bool root = geteuid() == 0;
    json_write_field_bool(&line->w, "root", root);
    if (root)
        doctor_warn(line, "start the editor as an ordinary user: root is not held by all limits",
                    "runs as root");
}

static void look_at_limits(struct doctor_line *line)
{
    struct rlimit limit = {0};
    getrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur < DESCRIPTORS_COUNT)
        doctor_warn(line, "raise it: ulimit -n 1024", "only %llu files may be open at once",
                    (unsigned long long)limit.rlim_cur);
}

void doctor_check_system(struct doctor *doctor, struct doctor_line *line)
{
    look_at_program(line);
    look_at_user(line);
    look_at_limits(line);
    if (access("/bin/bash", X_OK) < 0)
        doctor_fail(line, "install bash: commands run in it", "/bin/bash is missing");
    if (time_wall_ms() < EARLIEST_MS)
        doctor_warn(line, "set the clock: certificates are held against it",
                    "the clock shows a year before 2026");
}
