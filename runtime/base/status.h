#ifndef FB_RUNTIME_BASE_STATUS_H
#define FB_RUNTIME_BASE_STATUS_H

/*
 * status: how anything ends, in gRPC's seventeen codes.
 *
 * The one vocabulary of failure from the SQL edge to the gateway; nothing is translated on the way.
 * Values, so any thread may use them.
 */

#include <stdbool.h>
#include <stddef.h>

/* Numbered as gRPC numbers them on the wire. */
enum fb_code {
    FB_OK = 0,
    FB_CANCELLED = 1,
    FB_UNKNOWN = 2,
    FB_INVALID_ARGUMENT = 3,
    FB_DEADLINE_EXCEEDED = 4,
    FB_NOT_FOUND = 5,
    FB_ALREADY_EXISTS = 6,
    FB_PERMISSION_DENIED = 7,
    FB_RESOURCE_EXHAUSTED = 8,
    FB_FAILED_PRECONDITION = 9,
    FB_ABORTED = 10,
    FB_OUT_OF_RANGE = 11,
    FB_UNIMPLEMENTED = 12,
    FB_INTERNAL = 13,
    FB_UNAVAILABLE = 14,
    FB_DATA_LOSS = 15,
    FB_UNAUTHENTICATED = 16,
    FB_CODE_COUNT
};

struct fb_status {
    enum fb_code code;
    /*
     * For the caller: UTF-8, says what and where and, if there is one, the way out; no secret.
     * A constant, or text in an arena that outlives the status (a call's own arena, say).
     * "" when FB_OK; never NULL.
     */
    const char *why;
};

extern const struct fb_status fb_ok;

/*
 * A failure. `why` is borrowed for as long as the status lives. Defined here, so that a static
 * checker sees that what comes out is no success.
 */
static inline struct fb_status fb_fail(enum fb_code code, const char *why)
{
    return (struct fb_status){.code = code, .why = why};
}

static inline bool fb_is_ok(struct fb_status status)
{
    return status.code == FB_OK;
}

/* "INVALID_ARGUMENT" and so on; "UNKNOWN" for a number outside the table. */
const char *fb_code_name(enum fb_code code);

#endif
