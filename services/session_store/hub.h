#ifndef FB_SERVICES_SESSION_STORE_HUB_H
#define FB_SERVICES_SESSION_STORE_HUB_H

/*
 * hub: who is to be woken when something changes.
 *
 * It only wakes; what has changed everyone reads for itself, from where it is. On the loop's thread.
 */

#include <stdbool.h>
#include <stddef.h>

enum { HUB_BUCKETS = 1024 };

struct hub_seat;
typedef void hub_wake_fn(struct hub_seat *seat);

/* Embedded in who waits. All zero is not seated. */
struct hub_seat {
    const char *key;   /* borrowed while seated */
    hub_wake_fn *wake; /* may leave, and may seat others */
    struct hub_seat *next;
    struct hub_seat **link;
};

/* All zero is empty. */
struct hub {
    struct hub_seat *buckets[HUB_BUCKETS];
    size_t count; /* seated now */
};

void hub_join(struct hub *hub, struct hub_seat *seat, const char *key, hub_wake_fn *wake);

/* Harmless when it is not seated. */
void hub_leave(struct hub *hub, struct hub_seat *seat);

/* Wakes each that is seated under the key. */
void hub_wake(struct hub *hub, const char *key);

/* Wakes everyone. */
void hub_wake_all(struct hub *hub);

#endif
