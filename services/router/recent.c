#include "services/router/recent.h"

#include <stdlib.h>
#include <string.h>

struct recent {
    uint64_t latest;
    struct recent_call calls[RECENT_CALLS]; /* by number modulo RECENT_CALLS */
};

struct recent *recent_create(void)
{
    return calloc(1, sizeof(struct recent));
}

void recent_destroy(struct recent *recent)
{
    free(recent);
}

struct recent_call *recent_next(struct recent *recent)
{
    struct recent_call *call = &recent->calls[++recent->latest % RECENT_CALLS];

    /* The strings are cleared by their first bytes: wiping all of it would cost more than the rest. */
    call->number = recent->latest;
    call->unix_ms = 0;
    call->duration_us = 0;
    call->agent[0] = '\0';
    call->session[0] = '\0';
    call->server[0] = '\0';
    call->name[0] = '\0';
    call->method = "";
    call->worker[0] = '\0';
    call->code = FB_OK;
    call->attempts = 0;
    return call;
}

uint64_t recent_latest(const struct recent *recent)
{
    return recent->latest;
}

const struct recent_call *recent_find(const struct recent *recent, uint64_t number)
{
    const struct recent_call *call = &recent->calls[number % RECENT_CALLS];

    return number != 0 && call->number == number ? call : NULL;
}

void recent_copy(char *out, size_t room, struct fb_text text)
{
    size_t size = text.size;

    if (size >= room) {
        size = fb_utf8_check(text.data, room - 1); /* no half of a character */
    }
    if (size > 0) {
        memcpy(out, text.data, size);
    }
    out[size] = '\0';
}
