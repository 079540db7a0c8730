#ifndef FB_SERVICES_WORKER_MCP_CHANGE_H
#define FB_SERVICES_WORKER_MCP_CHANGE_H

/*
 * change: when to tell that something has changed.
 *
 * Notices close to each other are told as one, a debounce period after the last; a storm of them puts
 * the telling off for so long only, and two tellings are never close to each other. A plain value.
 */

#include <stdbool.h>
#include <stdint.h>

struct change {
    int64_t due_ms;   /* when to tell; INT64_MAX for never */
    int64_t first_ms; /* of the notices not told yet */
    int64_t told_ms;  /* the last time */
};

/* Nothing noticed, nothing told. */
struct change change_none(void);

/* Something has changed. */
void change_notice(struct change *change, int64_t debounce_ms, int64_t now_ms);

/* Whether to tell now; then it counts as told. */
bool change_is_due(struct change *change, int64_t now_ms);

#endif
