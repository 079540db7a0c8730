#define _GNU_SOURCE /* flock */

#include "clients/flowctl/suite.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "runtime/json/scan.h"

static const char *string_of(struct fb_text object, const char *key, struct fb_arena *arena)
{
    struct fb_text value;
    struct fb_text text;
    const char *copy = NULL;

    if (fb_json_find(object, key, &value) && fb_json_kind_of(value) == FB_JSON_STRING &&
        fb_is_ok(fb_json_unescape(value, arena, &text, NULL))) {
        copy = fb_arena_copy(arena, text.data, text.size);
    }
    return copy == NULL ? "" : copy;
}

static int64_t number_of(struct fb_text object, const char *key)
{
    struct fb_text value;
    int64_t number = 0;

    return fb_json_find(object, key, &value) && fb_json_to_i64(value, &number) ? number : 0;
}

struct fb_status suite_parse(struct fb_text text, struct fb_arena *arena, struct suite *suite)
{
    struct fb_status status = fb_json_check(text, FB_JSON_DEPTH, NULL);
    struct fb_json_walk walk;
    struct fb_text programs;

    if (!fb_is_ok(status)) {
        return status;
    }
    if (!fb_json_find(text, "programs", &programs) || fb_json_kind_of(programs) != FB_JSON_ARRAY) {
        return fb_fail(FB_INVALID_ARGUMENT, "\"programs\" is missing");
    }
    suite->version = string_of(text, "version", arena);
    suite->pid = number_of(text, "pid");
    suite->started_unix_ms = number_of(text, "started_unix_ms");
    suite->programs = fb_arena_zalloc(arena, SUITE_PROGRAMS_MOST, sizeof(*suite->programs));
    if (suite->programs == NULL) {
        return fb_fail(FB_RESOURCE_EXHAUSTED, "no memory for the list of programs");
    }
    suite->count = 0;
    walk = fb_json_walk(programs);
    while (suite->count < SUITE_PROGRAMS_MOST && fb_json_next(&walk)) {
        suite->programs[suite->count++] = (struct suite_program){
            .name = string_of(walk.value, "name", arena),
            .address = string_of(walk.value, "address", arena),
            .state = string_of(walk.value, "state", arena),
            .pid = number_of(walk.value, "pid"),
            .started_unix_ms = number_of(walk.value, "started_unix_ms"),
            .starts = number_of(walk.value, "starts"),
        };
    }
    return fb_ok;
}

static bool is_held(const char *path)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    bool held;

    if (fd < 0) {
        return false;
    }
    /* Shared, so that two who look do not see each other. */
    held = flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
    close(fd);
    return held;
}

static struct fb_status read_file(const char *path, struct fb_arena *arena, struct fb_text *text)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    char *data = fb_arena_alloc(arena, SUITE_FILE_BYTES);
    ssize_t got = 1;

    *text = (struct fb_text){.data = data};
    if (fd < 0) {
        return fb_arena_fail(arena, errno == ENOENT ? FB_NOT_FOUND : FB_PERMISSION_DENIED, "%s: %s",
                             path, strerror(errno));
    }
    while (data != NULL && got > 0 && text->size < SUITE_FILE_BYTES) {
        got = read(fd, data + text->size, SUITE_FILE_BYTES - text->size);
        text->size += got > 0 ? (size_t)got : 0;
    }
    close(fd);
    return data == NULL ? fb_fail(FB_RESOURCE_EXHAUSTED, "no memory for the suite file") : fb_ok;
}

struct fb_status suite_read(const char *state_dir, struct fb_arena *arena, struct suite *suite)
{
    const char *lock = fb_arena_printf(arena, "%s/run/suite.lock", state_dir);
    const char *path = fb_arena_printf(arena, "%s/run/suite.json", state_dir);
    struct fb_text text;
    struct fb_status status;

    *suite = (struct suite){.version = ""};
    if (lock == NULL || path == NULL) {
        return fb_fail(FB_RESOURCE_EXHAUSTED, "no memory for paths");
    }
    suite->runs = is_held(lock);
    status = read_file(path, arena, &text);
    if (status.code == FB_NOT_FOUND) {
        return fb_ok;
    }
    if (fb_is_ok(status)) {
        status = suite_parse(text, arena, suite);
        if (!fb_is_ok(status)) {
            status = fb_arena_fail(arena, status.code, "%s: %s", path, status.why);
        }
    }
    suite->is_told = fb_is_ok(status);
    return status;
}

const char *suite_beside(const char *name, struct fb_arena *arena)
{
    char path[PATH_MAX];
    const ssize_t size = readlink("/proc/self/exe", path, sizeof(path) - 1);
    const char *slash;

    if (size <= 0) {
        return NULL;
    }
    path[size] = '\0';
    slash = strrchr(path, '/');
    return fb_arena_printf(arena, "%.*s/%s", slash == NULL ? 0 : (int)(slash - path), path, name);
}

void suite_client_entry(const char *gateway, const char *state_dir, const char *config_path,
                        struct fb_buffer *out)
{
    const char *const given[][2] = {{"--state-dir", state_dir}, {"--config", config_path}};
    const char *before = "";

    fb_buffer_string(out, "{\"command\": ");
    fb_buffer_json_string(out, fb_text_of(gateway));
    fb_buffer_string(out, ", \"args\": [");
    for (size_t i = 0; i < 2; i++) {
        if (given[i][1] != NULL) {
            fb_buffer_printf(out, "%s\"%s\", ", before, given[i][0]);
            fb_buffer_json_string(out, fb_text_of(given[i][1]));
            before = ", ";
        }
    }
    fb_buffer_string(out, "]}");
}
