#ifndef FB_SERVICES_SESSION_STORE_LIMITS_H
#define FB_SERVICES_SESSION_STORE_LIMITS_H

/*
 * limits: what a request may carry, as the contract says.
 *
 * Each check gives INVALID_ARGUMENT that begins with the field's name and says what is allowed, in
 * words of the arena. Pure.
 */

#include <stddef.h>
#include <stdint.h>

#include "runtime/base/arena.h"
#include "runtime/base/status.h"

enum {
    LIMIT_ID_BYTES = 128,
    LIMIT_NAME_BYTES = 256,
    LIMIT_SERVER_BYTES = 64,
    LIMIT_REVISION_BYTES = 32,
    LIMIT_HELD = 10000,
    LIMIT_EVENTS = 4096,
    LIMIT_EVENT_BYTES = 1 << 20,
    LIMIT_APPEND_BYTES = 16 << 20,
    LIMIT_SNAPSHOT_BYTES = 512 << 20,
    LIMIT_PART_BYTES = 16 << 20, /* of a snapshot, in one request */
    LIMIT_TASKS = 16384,         /* in one projection */
    LIMIT_TASK_NUMBER = 1000000,
    LIMIT_TASK_KEY_BYTES = 128,
    LIMIT_TASK_TITLE_BYTES = 512,
    LIMIT_TASK_BODY_BYTES = 16 << 10,
    LIMIT_TASK_SCALE = 1000, /* of weights and priorities */
    LIMIT_CODES = 32,        /* of states and alarms */
    LIMIT_SEARCH_BYTES = 1024,
    LIMIT_SEARCH_WORDS = 64,
    LIMIT_FOUND = 10000,
    LIMIT_FOUND_FALLBACK = 50,
    LIMIT_BLOB_BYTES = 16 << 20,
    LIMIT_CHUNK_BYTES = 1 << 20,
    LIMIT_ITEMS = 10000,
    LIMIT_ITEMS_BYTES = 8 << 20,
    LIMIT_INFO_BYTES = 64 << 10,
    LIMIT_FILTERS = 1000,
    LIMIT_KEY_BYTES = 256,
    LIMIT_RESULT_BYTES = 4 << 20,
    LIMIT_RESULT_TTL_MS = 604800000,
    LIMIT_LEASE_LEAST_MS = 1000,
    LIMIT_LEASE_MOST_MS = 600000,
    LIMIT_LEASE_FALLBACK_MS = 30000,
    LIMIT_PAGE = 1000,
    LIMIT_PAGE_FALLBACK = 100,
    LIMIT_PATH_BYTES = 1024,
    LIMIT_MESSAGE_BYTES = 20 << 20,
};

/* 1 to 128 of printable ASCII without spaces. */
struct fb_status limits_id(struct fb_arena *arena, const char *field, const char *id);

/* The same, or empty. */
struct fb_status limits_scope(struct fb_arena *arena, const char *field, const char *scope);

/* UTF-8 without control characters, up to `most` bytes. */
struct fb_status limits_text(struct fb_arena *arena, const char *field, const char *text,
                             size_t most);

/* A number from `least` to `most`. */
struct fb_status limits_number(struct fb_arena *arena, const char *field, int64_t number,
                               int64_t least, int64_t most);

/* A size from `least` to `most`, in `what`: "bytes", "events". */
struct fb_status limits_size(struct fb_arena *arena, const char *field, size_t size, size_t least,
                             size_t most, const char *what);

/* The first of `count` that is not FB_OK. */
struct fb_status limits_all(const struct fb_status *checks, size_t count);

#endif
