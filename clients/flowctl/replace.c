#define _GNU_SOURCE /* realpath, O_CLOEXEC, copy of modes */

#include "clients/flowctl/replace.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { BACKUP_TRIES = 100 };

static struct fb_status refuse(struct fb_arena *arena, const char *what, const char *path)
{
    const enum fb_code code =
        errno == EACCES || errno == EPERM || errno == EROFS ? FB_PERMISSION_DENIED : FB_UNAVAILABLE;

    return fb_arena_fail(arena, code, "cannot %s %s: %s", what, path, strerror(errno));
}

static struct fb_status make_folders(const char *path, struct fb_arena *arena)
{
    char *copy = fb_arena_copy(arena, path, strlen(path));

    if (copy == NULL) {
        return fb_fail(FB_RESOURCE_EXHAUSTED, "no memory for paths");
    }
    for (char *at = copy + 1; (at = strchr(at, '/')) != NULL; at++) {
        *at = '\0';
        if (mkdir(copy, 0700) != 0 && errno != EEXIST) {
            return refuse(arena, "make folder", copy);
        }
        *at = '/';
    }
    return fb_ok;
}

/* A fresh file with all of the text, on disk. */
static struct fb_status write_fresh(const char *path, struct fb_text text, mode_t mode,
                                    struct fb_arena *arena)
{
    const int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    struct fb_status status = fb_ok;
    size_t written = 0;

    if (fd < 0) {
        return refuse(arena, "make", path);
    }
    while (written < text.size) {
        const ssize_t wrote = write(fd, text.data + written, text.size - written);

        if (wrote < 0 && errno == EINTR) {
            continue;
        }
        if (wrote <= 0) {
            status = refuse(arena, "write", path);
            break;
        }
        written += (size_t)wrote;
    }
    if (fb_is_ok(status) && (fchmod(fd, mode) != 0 || fsync(fd) != 0)) {
        status = refuse(arena, "write", path);
    }
    if (close(fd) != 0 && fb_is_ok(status)) {
        status = refuse(arena, "write", path);
    }
    if (!fb_is_ok(status)) {
        unlink(path);
    }
    return status;
}

/* A hard link holds the very bytes; two backups of one second get numbers. */
static struct fb_status keep(const char *path, struct fb_arena *arena, const char **backup)
{
    const time_t now = time(NULL);
    struct tm local = {.tm_mday = 1};
    char stamp[32];

    localtime_r(&now, &local);
    strftime(stamp, sizeof(stamp), "%Y%m%d-%H%M%S", &local);
    for (int i = 0; i < BACKUP_TRIES; i++) {
        *backup = i == 0 ? fb_arena_printf(arena, "%s.%s.backup", path, stamp)
                         : fb_arena_printf(arena, "%s.%s-%d.backup", path, stamp, i);
        if (*backup == NULL) {
            return fb_fail(FB_RESOURCE_EXHAUSTED, "no memory for paths");
        }
        if (link(path, *backup) == 0) {
            return fb_ok;
        }
        if (errno != EEXIST) {
            break;
        }
    }
    return refuse(arena, "keep a backup as", *backup);
}

static void sync_folder(const char *path, struct fb_arena *arena)
{
    const char *slash = strrchr(path, '/');
    const char *folder = fb_arena_copy(arena, path, (size_t)(slash - path) + 1);
    const int fd = folder == NULL ? -1 : open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd >= 0) {
        fsync(fd);
        close(fd);
    }
}

struct fb_status replace_file(const char *path, struct fb_text text, struct fb_arena *arena,
                              const char **backup)
{
    struct stat stat_now = {.st_mode = 0600};
    char *real = realpath(path, NULL);
    const char *target = real == NULL ? path : fb_arena_copy(arena, real, strlen(real));
    const char *fresh;
    struct fb_status status;

    free(real);
    *backup = NULL;
    if (target == NULL || strchr(target, '/') == NULL) {
        return fb_arena_fail(arena, FB_INVALID_ARGUMENT, "%s: wanted a path with a folder", path);
    }
    fresh = fb_arena_printf(arena, "%s.new-%ld", target, (long)getpid());
    if (fresh == NULL) {
        return fb_fail(FB_RESOURCE_EXHAUSTED, "no memory for paths");
    }
    status = make_folders(target, arena);
    if (fb_is_ok(status) && stat(target, &stat_now) == 0) {
        if (!S_ISREG(stat_now.st_mode)) {
            return fb_arena_fail(arena, FB_INVALID_ARGUMENT, "%s is no regular file", target);
        }
        status = keep(target, arena, backup);
    }
    if (fb_is_ok(status)) {
        unlink(fresh);
        status = write_fresh(fresh, text, stat_now.st_mode & 07777, arena);
    }
    if (fb_is_ok(status) && rename(fresh, target) != 0) {
        status = refuse(arena, "replace", target);
        unlink(fresh);
    }
    if (fb_is_ok(status)) {
        sync_folder(target, arena);
    }
    return status;
}
