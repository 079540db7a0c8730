#ifndef FB_SERVICES_WORKER_FLOW_MUTES_H
#define FB_SERVICES_WORKER_FLOW_MUTES_H

/*
 * mutes: alarms that somebody has seen and does not want to hear of for a while.
 *
 * Up to MUTES_MOST; beyond that the one that ends first is forgotten. A value; one thread at a time.
 */

#include <stdint.h>

enum { MUTES_MOST = 32 };

struct mute {
    uint32_t kind; /* of the alarm */
    uint32_t task; /* 0: wherever */
    int64_t until_unix_ms;
};

/* All zero has none. */
struct mutes {
    struct mute items[MUTES_MOST];
    uint32_t count;
};

/* In place of what was said of the same kind and task; what has ended by now goes. */
void mutes_set(struct mutes *mutes, struct mute mute, int64_t now_unix_ms);

/* Until when the alarm is mute: of its task, or wherever; 0 if it is not. */
int64_t mutes_until(const struct mutes *mutes, uint32_t kind, uint32_t task, int64_t now_unix_ms);

#endif
