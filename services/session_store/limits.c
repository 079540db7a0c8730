#include "services/session_store/limits.h"

#include <string.h>

#include "runtime/base/text.h"

/* Bytes of `id` that may stand in one, from the start. */
static size_t id_span(const char *id)
{
    size_t size = 0;

    while (id[size] > ' ' && id[size] < 0x7f) {
        size += 1;
    }
    return size;
}

struct fb_status limits_id(struct fb_arena *arena, const char *field, const char *id)
{
    size_t size = strlen(id);

    if (size < 1 || size > LIMIT_ID_BYTES) {
        return fb_arena_fail(arena, FB_INVALID_ARGUMENT,
                             "%s: has %zu bytes, but 1 to %d are allowed", field, size,
                             (int)LIMIT_ID_BYTES);
    }
    if (id_span(id) != size) {
        return fb_arena_fail(arena, FB_INVALID_ARGUMENT,
                             "%s: byte %zu is not printable ASCII without spaces", field,
                             id_span(id) + 1);
    }
    return fb_ok;
}

struct fb_status limits_scope(struct fb_arena *arena, const char *field, const char *scope)
{
    return scope[0] == '\0' ? fb_ok : limits_id(arena, field, scope);
}

struct fb_status limits_text(struct fb_arena *arena, const char *field, const char *text,
                             size_t most)
{
    size_t size = strlen(text);

    if (size > most) {
        return fb_arena_fail(arena, FB_INVALID_ARGUMENT,
                             "%s: has %zu bytes, but at most %zu are allowed", field, size, most);
    }
    for (size_t i = 0; i < size; i++) {
        if ((unsigned char)text[i] < ' ' || text[i] == 0x7f) {
            return fb_arena_fail(arena, FB_INVALID_ARGUMENT, "%s: byte %zu is a control character",
                                 field, i + 1);
        }
    }
    if (fb_utf8_check(text, size) != size) {
        return fb_arena_fail(arena, FB_INVALID_ARGUMENT, "%s: is not UTF-8", field);
    }
    return fb_ok;
}

struct fb_status limits_number(struct fb_arena *arena, const char *field, int64_t number,
                               int64_t least, int64_t most)
{
    if (number >= least && number <= most) {
        return fb_ok;
    }
    if (most == INT64_MAX) {
        return fb_arena_fail(arena, FB_INVALID_ARGUMENT, "%s: is %lld, but at least %lld is needed",
                             field, (long long)number, (long long)least);
    }
    return fb_arena_fail(arena, FB_INVALID_ARGUMENT, "%s: is %lld, but %lld to %lld are allowed",
                         field, (long long)number, (long long)least, (long long)most);
}

struct fb_status limits_size(struct fb_arena *arena, const char *field, size_t size, size_t least,
                             size_t most, const char *what)
{
    if (size >= least && size <= most) {
        return fb_ok;
    }
    if (least == most) {
        return fb_arena_fail(arena, FB_INVALID_ARGUMENT, "%s: has %zu %s, but %zu are needed",
                             field, size, what, least);
    }
    return fb_arena_fail(arena, FB_INVALID_ARGUMENT, "%s: has %zu %s, but %zu to %zu are allowed",
                         field, size, what, least, most);
}

struct fb_status limits_all(const struct fb_status *checks, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!fb_is_ok(checks[i])) {
            return checks[i];
        }
    }
    return fb_ok;
}
