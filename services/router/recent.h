#ifndef FB_SERVICES_ROUTER_RECENT_H
#define FB_SERVICES_ROUTER_RECENT_H

/*
 * recent: the latest calls that ended, for people to look at.
 *
 * A ring; arguments and results never come here. On the loop's thread.
 */

#include <stddef.h>
#include <stdint.h>

#include "runtime/base/status.h"
#include "runtime/base/text.h"

enum { RECENT_CALLS = 1000 };

struct recent_call {
    uint64_t number; /* from 1, without gaps */
    int64_t unix_ms; /* when it came */
    int64_t duration_us;
    char agent[129];
    char session[129];
    char server[65];
    char name[257];     /* cut */
    const char *method; /* constant: the path */
    char worker[65];    /* "" where none was reached */
    enum fb_code code;
    uint32_t attempts;
};

struct recent;

struct recent *recent_create(void);
void recent_destroy(struct recent *recent);

/* The place of the next call, cleared but for its number; the caller fills it in at once. */
struct recent_call *recent_next(struct recent *recent);

/* The number of the latest call; 0 before the first. */
uint64_t recent_latest(const struct recent *recent);

/* NULL when it is not kept any more, or not there yet. */
const struct recent_call *recent_find(const struct recent *recent, uint64_t number);

/* Copies as many whole characters as fit, with a NUL. */
void recent_copy(char *out, size_t room, struct fb_text text);

#endif
