/*
 * check_machine: our programs and their versions, folders, sockets, disk, limits.
 */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/un.h>
#include <unistd.h>

#include "clients/flowctl/ask.h"
#include "clients/flowctl/findings.h"
#include "clients/flowctl/suite.h"
#include "clients/flowctl/units.h"
#include "runtime/base/version.h"

enum {
    VERSION_BYTES = 256,
    DISK_LOW_BYTES = 1 << 30,
    DISK_FULL_BYTES = 64 << 20,
    DESCRIPTORS_LEAST = 1024,
};

static const char part_program[] = "program";
static const char part_folder[] = "folder";
static const char part_machine[] = "machine";

/* --- programs --- */

static void check_program(struct findings *findings, const char *name)
{
    const char *file = suite_beside(name, findings->run->arena);
    const char *const argv[] = {file, "--version", NULL};
    struct asked asked;
    char wanted[VERSION_BYTES];

    if (file == NULL || access(file, X_OK) != 0) {
        findings_add(findings, FINDING_PROBLEM, part_program,
                     "install all programs of the suite into one folder",
                     "%s is not beside flowctl: %s", name,
                     file == NULL ? "no /proc" : strerror(errno));
        return;
    }
    snprintf(wanted, sizeof(wanted), "%s %s", name, FB_VERSION);
    ask_program(argv, &asked);
    asked.out[strcspn(asked.out, "\r\n")] = '\0';
    if (strcmp(asked.out, wanted) != 0) {
        findings_add(findings, FINDING_PROBLEM, part_program,
                     "install all programs of the suite together",
                     "%s is \"%s\", but flowctl is of version %s", file, asked.out, FB_VERSION);
        return;
    }
    findings_add(findings, FINDING_GOOD, part_program, NULL, "%s", asked.out);
}

void check_programs(struct findings *findings)
{
    static const char *const names[] = {
        "flow-gateway", "flow-router", "flow-worker", "flow-store", "flow-supervisor", "flow-guard",
    };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        check_program(findings, names[i]);
    }
}

/* --- folders --- */

/* True when the folder is there and ours alone, be it after mending. */
static bool check_folder(struct findings *findings, const char *path)
{
    const char *by_hand =
        fb_arena_printf(findings->run->arena, "chmod 700 '%s', or \"flowctl doctor --fix\"", path);
    struct stat found;

    if (stat(path, &found) != 0) {
        findings_add(findings, FINDING_PROBLEM, part_folder, "see who owns the folders above",
                     "%s: %s", path, strerror(errno));
        return false;
    }
    if (!S_ISDIR(found.st_mode)) {
        findings_add(findings, FINDING_PROBLEM, part_folder, "move it away", "%s is no folder",
                     path);
        return false;
    }
    if (found.st_uid != geteuid()) {
        findings_add(findings, FINDING_PROBLEM, part_folder,
                     "give it back with chown, or choose another with --state-dir",
                     "%s belongs to user %ld", path, (long)found.st_uid);
        return false;
    }
    if ((found.st_mode & 0777) == 0700) {
        return true;
    }
    if (findings->fix && chmod(path, 0700) == 0) {
        findings_add(findings, FINDING_MENDED, part_folder, NULL, "%s had mode %03o", path,
                     (unsigned)(found.st_mode & 0777));
        return true;
    }
    findings_add(findings, (found.st_mode & 0700) == 0700 ? FINDING_WARNING : FINDING_PROBLEM,
                 part_folder, by_hand, "%s has mode %03o, not 700", path,
                 (unsigned)(found.st_mode & 0777));
    return (found.st_mode & 0700) == 0700;
}

static void check_socket_paths(struct findings *findings)
{
    static const char longest[] = "/run/worker-warm-999.sock";
    const size_t room = sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1;
    const size_t size = strlen(findings->run->state_dir) + strlen(longest);

    if (size > room) {
        findings_add(findings, FINDING_PROBLEM, part_folder,
                     "choose a shorter one with --state-dir, for the gateways too",
                     "%s is %zu bytes too long for the sockets in it", findings->run->state_dir,
                     size - room);
    }
}

static void check_disk(struct findings *findings, const char *path)
{
    struct statvfs found;
    char room[UNITS_ROOM];
    int64_t free_bytes;
    enum finding_level level = FINDING_GOOD;

    if (statvfs(path, &found) != 0) {
        return;
    }
    free_bytes = (int64_t)(found.f_bavail * found.f_frsize);
    if (free_bytes < DISK_LOW_BYTES) {
        level = free_bytes < DISK_FULL_BYTES ? FINDING_PROBLEM : FINDING_WARNING;
    }
    findings_add(findings, level, part_folder,
                 level == FINDING_GOOD ? NULL
                                       : "make room: the store refuses writes on a full disk",
                 "%s has %s free", path, units_bytes(free_bytes, room));
    if (found.f_files > 0 && found.f_favail < 100) {
        findings_add(findings, FINDING_PROBLEM, part_folder, "remove files",
                     "the file system of %s has no room for more files", path);
    }
    if ((found.f_flag & ST_RDONLY) != 0) {
        findings_add(findings, FINDING_PROBLEM, part_folder, "choose another with --state-dir",
                     "%s is on a file system that is read-only", path);
    }
}

static void check_limits(struct findings *findings)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_max != RLIM_INFINITY &&
        limit.rlim_max < DESCRIPTORS_LEAST) {
        findings_add(findings, FINDING_WARNING, part_machine,
                     "raise it, with ulimit -Hn or in /etc/security/limits.conf",
                     "a process may have %" PRIu64 " open files; a worker wants several for each "
                     "server",
                     (uint64_t)limit.rlim_max);
    }
    if (access("/proc/self/exe", F_OK) != 0) {
        findings_add(findings, FINDING_PROBLEM, part_machine, "mount it",
                     "/proc is not there; the suite cannot look after its processes");
    }
}

void check_folders(struct findings *findings)
{
    const struct run *run = findings->run;
    const char *inner[] = {
        fb_arena_printf(run->arena, "%s/run", run->state_dir),
        fb_arena_printf(run->arena, "%s/log", run->state_dir),
    };

    check_limits(findings);
    check_socket_paths(findings);
    if (access(run->state_dir, F_OK) != 0 && errno == ENOENT) {
        findings_add(findings, FINDING_HINT, part_folder, NULL,
                     "%s is not there yet; the first start makes it", run->state_dir);
        return;
    }
    if (!check_folder(findings, run->state_dir)) {
        return;
    }
    findings_add(findings, FINDING_GOOD, part_folder, NULL, "%s", run->state_dir);
    for (size_t i = 0; i < sizeof(inner) / sizeof(inner[0]); i++) {
        if (inner[i] != NULL && access(inner[i], F_OK) == 0) {
            check_folder(findings, inner[i]);
        }
    }
    check_disk(findings, run->state_dir);
}
