#ifndef FB_SERVICES_WORKER_POOL_ADMISSION_H
#define FB_SERVICES_WORKER_POOL_ADMISSION_H

/*
 * admission: which server may start now.
 *
 * Few start at once, so that fifty servers do not make one machine crawl. Those that somebody waits
 * for go before those that are only refreshed, but one that has waited long goes first whatever it
 * is for. A start that is slow loses its place after a while and goes on beside the others: a
 * server that never answers holds nobody back. Pure: time comes in; on one thread at a time.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum admission_need {
    ADMISSION_REFRESH, /* nobody waits */
    ADMISSION_CALL,    /* a call waits */
};

enum {
    ADMISSION_PLACES = 4,
    ADMISSION_HEAD_START_MS = 10000, /* how much later a call may come and still go first */
    ADMISSION_HOLD_MS = 5000,        /* longest that a start keeps its place */
};

/* Embedded in what is to be started. All zero: neither waiting nor starting. */
struct admission_ticket {
    int64_t rank_ms;  /* the least goes first */
    int64_t until_ms; /* while it holds a place: when it loses it */
    bool waiting;
    bool holding;
    struct admission_ticket *next;
};

/* Open so that it can be embedded. */
struct admission {
    struct admission_ticket *waiting; /* by rank */
    struct admission_ticket *holding;
    size_t places;
    size_t held;
};

void admission_init(struct admission *admission, size_t places);

/* Waits for a place; asked again with a greater need it moves forward. */
void admission_wait(struct admission *admission, struct admission_ticket *ticket,
                    enum admission_need need, int64_t now_ms);

/* The next that may start now, holding a place; NULL when none waits or no place is free. */
struct admission_ticket *admission_next(struct admission *admission, int64_t now_ms);

/* It has started, failed or is not wanted any more. Harmless when it neither waits nor holds. */
void admission_leave(struct admission *admission, struct admission_ticket *ticket);

/* When a place will be taken from its holder while others wait; INT64_MAX for never. */
int64_t admission_due_ms(const struct admission *admission);

#endif
