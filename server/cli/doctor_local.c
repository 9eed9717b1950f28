/* What lies on this machine: settings, state, journal, sandbox. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <lanebridge/journal.h>
#include <lanebridge/policy.h>

#include "doctor-internal.h"

enum { LOOK_MS = 3000, VERSION_MS = 3000, VERSION_BYTES = 256 };
#define SPACE_LITTLE_BYTES ((uint64_t)256 * MIB) /* the journal's texts alone may take as much */
#define SPACE_NONE_BYTES ((uint64_t)16 * MIB)

/* -- Settings -- */

static void tell_warnings(struct doctor_line *line, struct str warnings)
{
    struct str text;
    int64_t count = 0;
    while (str_next(&warnings, '\n', &text)) {
        if (str_trim(text).len == 0)
            continue;
        count++;
        doctor_warn(line, NULL, STR_FMT, STR_ARG(str_trim(text)));
    }
    if (count > 0)
        doctor_warn(line, "correct or remove these settings; README.md has the table of them", "%s",
                    "");
    json_write_field_int(&line->w, "warnings", count);
}

void doctor_check_config(struct doctor *doctor, struct doctor_line *line)
{
    const char *path = doctor->env.config_file;
    struct buf warnings = {0};
    struct err err = {0};
    bool there = access(path, F_OK) == 0, named = getenv("LANEBRIDGE_CONFIG") != NULL;
    json_write_field_c(&line->w, "file", path);
    json_write_field_bool(&line->w, "exists", there);
    if (config_load_file(doctor->config, str_from(path), &warnings, &err) < 0)
        doctor_tell_error(line, DOCTOR_FAIL, err.text, "correct the file: no turn starts without");
    else if (there)
        doctor_ok(line, "%s", path);
    else if (named)
        doctor_warn(line, "make it, or take LANEBRIDGE_CONFIG away",
                    "there is no %s, which "
                    "LANEBRIDGE_CONFIG names; the defaults count",
                    path);
    else
        doctor_ok(line, "there is no %s; the defaults count", path);
    tell_warnings(line, buf_str(&warnings));
    buf_finish(&warnings);
}

/* -- State -- */

/* File systems of other machines: SQLite's log needs memory shared by all who write. */
static const struct {
    uint32_t magic;
    const char *name;
} remote[] = {
    {0x6969, "NFS"}, {0x517B, "SMB"}, {0xFE534D42, "SMB"}, {0xFF534D42, "CIFS"}, {0x01021997, "9p"},
};

static void look_at_disk(struct doctor_line *line, const char *folder)
{
    struct statfs fs;
    if (statfs(folder, &fs) < 0)
        return;
    uint64_t bytes = (uint64_t)fs.f_bavail * (uint64_t)fs.f_bsize;
    json_write_field_int(&line->w, "freeBytes", (int64_t)bytes);
    if (bytes < SPACE_NONE_BYTES)
        doctor_fail(line, "make room there, or name another folder in LANEBRIDGE_STATE",
                    "only %llu KiB are free", (unsigned long long)(bytes / KIB));
    else if (bytes < SPACE_LITTLE_BYTES)
        doctor_warn(line, "make room there", "only %llu MiB are free",
                    (unsigned long long)(bytes / MIB));
    else
        doctor_ok(line, "%llu MiB free", (unsigned long long)(bytes / MIB));
    for (size_t i = 0; i < array_count(remote); i++)
        if ((uint32_t)fs.f_type == remote[i].magic)
            doctor_warn(line, "name a folder of this machine in LANEBRIDGE_STATE",
                        "it lies on %s, where the journal may be damaged", remote[i].name);
}

/* Tried, not guessed from modes: a file is made and goes again. */
static bool can_write(const char *folder)
{
    struct buf name = {0};
    buf_append_fmt(&name, "%s/.doctor-XXXXXX", folder);
    int fd = mkstemp(name.ptr);
    int error = errno;
    if (fd >= 0) {
        unlink(name.ptr);
        close(fd);
    }
    buf_finish(&name);
    errno = error;
    return fd >= 0;
}

static void look_at_folder(struct doctor_line *line, const char *folder, const struct stat *st)
{
    if (!S_ISDIR(st->st_mode))
        doctor_fail(line, "move it away, or name another folder in LANEBRIDGE_STATE",
                    "%s is no folder", folder);
    else if (st->st_uid != geteuid())
        doctor_fail(line, "make it yours, or name another one in LANEBRIDGE_STATE",
                    "%s belongs to another user", folder);
    else if (!can_write(folder))
        doctor_fail(line, "make it writable, or name another one in LANEBRIDGE_STATE",
                    "cannot write in %s: %s", folder, strerror(errno));
    else
        doctor_ok(line, "%s can be written", folder);
}

/* It is made at the first turn: can it be? */
static void look_above(struct doctor_line *line, const char *folder, struct buf *above)
{
    buf_append_c(above, folder);
    while (above->len > 1 && access(above->ptr, F_OK) < 0) {
        struct str parent = path_folder(buf_str(above));
        buf_truncate(above, parent.len);
        above->ptr[above->len] = '\0';
    }
    if (access(above->ptr, W_OK | X_OK) < 0)
        doctor_fail(line, "make it writable, or name another folder in LANEBRIDGE_STATE",
                    "%s is not there and cannot be made: %s cannot be written", folder, above->ptr);
    else
        doctor_ok(line, "%s will be made at the first turn", folder);
}

void doctor_check_state(struct doctor *doctor, struct doctor_line *line)
{
    const char *folder = doctor->env.state_folder;
    struct buf above = {0};
    struct stat st;
    bool there = stat(folder, &st) == 0;
    json_write_field_c(&line->w, "folder", folder);
    json_write_field_bool(&line->w, "exists", there);
    if (there)
        look_at_folder(line, folder, &st);
    else
        look_above(line, folder, &above);
    if (line->outcome != DOCTOR_FAIL)
        look_at_disk(line, there ? folder : above.ptr);
    buf_finish(&above);
}

static void tell_journal(struct doctor_line *line, const struct journal_facts *facts,
                         const struct err *err)
{
    json_write_field_int(&line->w, "schema", facts->version);
    json_write_field_int(&line->w, "ownSchema", facts->our_version);
    json_write_field_int(&line->w, "bytes", (int64_t)facts->bytes);
    json_write_field_int(&line->w, "threads", (int64_t)facts->threads);
    if (facts->damaged) {
        doctor_fail(line,
                    "nothing at once: the next start sets it aside as journal.db.damaged-1 and "
                    "begins a new one; restore a copy before that if you have one",
                    "journal.db is damaged: %s", err->text);
        return;
    }
    doctor_ok(line, "schema %d, %llu threads, %llu KiB", facts->version,
              (unsigned long long)facts->threads, (unsigned long long)(facts->bytes / KIB));
    if (facts->version > facts->our_version)
        doctor_warn(line, "install that version again to write it",
                    "it was written by a newer Lanebridge (own schema: %d) and is read-only here",
                    facts->our_version);
    else if (facts->version < facts->our_version)
        doctor_ok(line, "it will be brought to schema %d", facts->our_version);
    if (!facts->whole)
        doctor_ok(line, "too large to be read to its end here");
}

void doctor_check_journal(struct doctor *doctor, struct doctor_line *line)
{
    struct journal_facts facts;
    struct err err = {0};
    if (journal_look(str_from(doctor->env.state_folder), LOOK_MS, &facts, &err) < 0) {
        doctor_tell_error(line, DOCTOR_FAIL, err.text,
                          "make it readable, or name another folder in LANEBRIDGE_STATE");
        return;
    }
    json_write_field_bool(&line->w, "exists", facts.exists);
    if (facts.exists)
        tell_journal(line, &facts, &err);
    else
        doctor_ok(line, "journal.db will be made at the first turn");
}

/* -- Sandbox -- */

struct run {
    struct doctor *doctor;
    struct buf out;
    bool done;
};

static void on_output(void *user, struct str bytes)
{
    struct run *run = user;
    if (run->out.len + bytes.len <= VERSION_BYTES)
        buf_append(&run->out, bytes);
}

static void on_end(void *user, int exit_code, int signal)
{
    struct run *run = user;
    run->done = true;
    loop_stop(run->doctor->loop);
}

/* "bubblewrap 0.8.0" */
static void ask_version(struct doctor *doctor, const char *program, struct buf *version)
{
    static const struct loop_process_handlers handlers = {
        .on_stdout = on_output, .on_stderr = on_output, .on_exit = on_end};
    char *path = mem_dup_c(program), flag[] = "--version", *argv[] = {path, flag, NULL};
    char variable[] = "PATH=/usr/bin:/bin", *env[] = {variable, NULL};
    struct run run = {.doctor = doctor};
    struct loop_process_options options = {.argv = argv, .env = env};
    struct loop_process *process = loop_process_new(doctor->loop, &options, &handlers, &run, NULL);
    if (process) {
        doctor_wait(doctor, &run.done, VERSION_MS);
        loop_process_free(process);
    }
    struct str first;
    struct str rest = buf_str(&run.out);
    if (run.out.len > 0 && str_next(&rest, '\n', &first))
        buf_append(version, str_trim(first));
    buf_finish(&run.out);
    mem_free(path);
}

static void tell_tier(struct doctor *doctor, struct doctor_line *line, enum policy_tier tier,
                      const struct err *err)
{
    static const char *const names[] = {[TIER_UNKNOWN] = "unknown",
                                        [TIER_BUBBLEWRAP] = "bubblewrap",
                                        [TIER_LANDLOCK] = "landlock",
                                        [TIER_EXTERNAL] = "external",
                                        [TIER_NONE] = "none"};
    bool off = doctor->config->sandbox_mode == SANDBOX_OFF;
    json_write_field_c(&line->w, "tier", names[tier]);
    if (tier == TIER_BUBBLEWRAP)
        doctor_ok(line, "a command was run in it as a test, with seccomp");
    else if (tier == TIER_EXTERNAL)
        doctor_ok(line, "sandbox.mode is \"external\": commands run here as they are, because this "
                        "container is the sandbox");
    else
        doctor_tell_error(line, off || tier == TIER_LANDLOCK ? DOCTOR_WARN : DOCTOR_FAIL, err->text,
                          "see the guide, \"Sandbox\"");
}

void doctor_check_sandbox(struct doctor *doctor, struct doctor_line *line)
{
    struct err err = {0};
    struct buf version = {0};
    doctor->workspace =
        workspace_new(doctor->loop, str_from(doctor->env.state_folder), str_from(doctor->env.home));
    doctor->policy = policy_new(doctor->config, doctor->workspace, &doctor->env);
    enum policy_tier tier = policy_sandbox_test(doctor->policy, &err);
    const char *program = policy_sandbox_program(doctor->policy);
    if (program) {
        ask_version(doctor, program, &version);
        doctor_ok(line, "%s (%s)", version.len ? version.ptr : "bubblewrap", program);
        json_write_field_c(&line->w, "program", program);
        json_write_field_str(&line->w, "version", buf_str(&version));
    }
    tell_tier(doctor, line, tier, &err);
    buf_finish(&version);
}
