#define _GNU_SOURCE /* flock, realpath */

#include "services/supervisor/place.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* The longest name of a socket that we make: "worker-" tier "-" number. */
#define LONGEST_NAME "worker-warm-999"

static struct fb_status refuse(struct fb_arena *arena, const char *what, const char *path)
{
    enum fb_code code = errno == EACCES || errno == EPERM ? FB_PERMISSION_DENIED : FB_UNAVAILABLE;

    return fb_arena_fail(arena, code, "%s '%s': %s", what, path, strerror(errno));
}

static struct fb_status no_memory(void)
{
    return fb_fail(FB_RESOURCE_EXHAUSTED, "no memory left for paths");
}

/* The folder and what leads to it. */
static bool make_folders(char *path)
{
    for (char *at = path + 1; *at != '\0'; at++) {
        if (*at != '/') {
            continue;
        }
        *at = '\0';
        if (mkdir(path, 0700) != 0 && errno != EEXIST) {
            *at = '/';
            return false;
        }
        *at = '/';
    }
    return mkdir(path, 0700) == 0 || errno == EEXIST;
}

static struct fb_status make_private(const char *path, struct fb_arena *arena)
{
    char *copy = fb_arena_copy(arena, path, strlen(path));
    struct stat info;

    if (copy == NULL) {
        return no_memory();
    }
    if (!make_folders(copy) || stat(path, &info) != 0) {
        return refuse(arena, "cannot make folder", path);
    }
    if (!S_ISDIR(info.st_mode)) {
        return fb_arena_fail(arena, FB_UNAVAILABLE, "'%s' is no folder", path);
    }
    if (info.st_uid != geteuid()) {
        return fb_arena_fail(arena, FB_PERMISSION_DENIED, "folder '%s' belongs to somebody else",
                             path);
    }
    if ((info.st_mode & 022) != 0) {
        return fb_arena_fail(arena, FB_PERMISSION_DENIED, "others may write to folder '%s'", path);
    }
    return fb_ok;
}

static struct fb_status take_lock(struct place *place, struct fb_arena *arena)
{
    const char *path = fb_arena_printf(arena, "%s/suite.lock", place->run);
    struct fb_status status;

    if (path == NULL) {
        return no_memory();
    }
    place->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (place->lock < 0) {
        return refuse(arena, "cannot open lock", path);
    }
    if (flock(place->lock, LOCK_EX | LOCK_NB) == 0) {
        return fb_ok;
    }
    status = errno == EWOULDBLOCK ? fb_arena_fail(arena, FB_ALREADY_EXISTS,
                                                  "a suite runs already in '%s'", place->state)
                                  : refuse(arena, "cannot lock", path);
    close(place->lock);
    place->lock = -1;
    return status;
}

static struct fb_status make_absolute(struct place *place, const char *state,
                                      struct fb_arena *arena)
{
    char *real = realpath(state, NULL);

    if (real == NULL) {
        return refuse(arena, "cannot find folder", state);
    }
    place->state = fb_arena_copy(arena, real, strlen(real));
    free(real);
    if (place->state != NULL) {
        place->run = fb_arena_printf(arena, "%s/run", place->state);
        place->log = fb_arena_printf(arena, "%s/log", place->state);
        place->database = fb_arena_printf(arena, "%s/flow.db", place->state);
        place->suite_file = fb_arena_printf(arena, "%s/run/suite.json", place->state);
        place->suite_fresh = fb_arena_printf(arena, "%s/run/suite.json.new", place->state);
    }
    return place->suite_fresh == NULL ? no_memory() : fb_ok;
}

struct fb_status place_open(struct place *place, const char *state, struct fb_arena *arena)
{
    const char *longest;
    struct fb_status status;

    *place = (struct place){.lock = -1};
    status = make_private(state, arena);
    if (fb_is_ok(status)) {
        status = make_absolute(place, state, arena);
    }
    if (fb_is_ok(status)) {
        status = place_address(place, LONGEST_NAME, arena, &longest);
    }
    if (fb_is_ok(status)) {
        status = make_private(place->run, arena);
    }
    if (fb_is_ok(status)) {
        status = make_private(place->log, arena);
    }
    if (fb_is_ok(status)) {
        status = take_lock(place, arena);
    }
    return status;
}

void place_close(struct place *place)
{
    if (place->lock < 0) {
        return;
    }
    unlink(place->suite_file);
    close(place->lock);
    place->lock = -1;
}

struct fb_status place_address(const struct place *place, const char *name, struct fb_arena *arena,
                               const char **address)
{
    const size_t room = sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1;
    const size_t length = strlen(place->run) + strlen(name) + strlen("/.sock");

    if (length > room) {
        return fb_arena_fail(arena, FB_INVALID_ARGUMENT,
                             "state_dir '%s' is %zu bytes too long: the path of a Unix socket has "
                             "at most %zu",
                             place->state, length - room, room);
    }
    *address = fb_arena_printf(arena, "unix:%s/%s.sock", place->run, name);
    return *address == NULL ? no_memory() : fb_ok;
}

struct fb_status place_write_suite(const struct place *place, const char *text, size_t size,
                                   struct fb_arena *arena)
{
    int fd = open(place->suite_fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    bool written;

    if (fd < 0) {
        return refuse(arena, "cannot write", place->suite_fresh);
    }
    written = write(fd, text, size) == (ssize_t)size;
    if (close(fd) != 0 || !written || rename(place->suite_fresh, place->suite_file) != 0) {
        return refuse(arena, "cannot write", place->suite_file);
    }
    return fb_ok;
}
