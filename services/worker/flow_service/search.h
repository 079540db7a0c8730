#ifndef FB_SERVICES_WORKER_FLOW_SERVICE_SEARCH_H
#define FB_SERVICES_WORKER_FLOW_SERVICE_SEARCH_H

/*
 * search: the tasks of one session that conditions and words ask for, in order.
 *
 * Looks at the session in memory, not at what the store shows to queries: so it finds what was said a
 * moment ago, and what depends on links. Bounded by SEARCH_BYTES_MOST of text. Pure.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "services/worker/flow_service/views.h"
#include "services/worker/flow_service/where.h"
#include "services/worker/flow_service/words.h"

enum { SEARCH_BYTES_MOST = 64 << 20 };

enum search_order { SEARCH_SCHEDULE, SEARCH_NUMBER, SEARCH_UPDATED, SEARCH_RANK };

struct search {
    struct where where;
    struct words words; /* none: any text */
    enum search_order order;
    struct fb_text agent;   /* who asks, for the order of the schedule */
    const uint8_t *alarmed; /* by task, for has:alarm; NULL: nobody is */
};

/* A place in the order: less comes first. */
struct search_place {
    uint64_t first;
    uint64_t second;
    uint32_t task;
};

struct search_result {
    struct search_place *places; /* all that match, in order */
    size_t count;
};

/* Gives the result in the view's arena. RESOURCE_EXHAUSTED: no memory, or too much text to look at. */
struct fb_status search_run(const struct view *view, const struct search *search,
                            struct search_result *result);

/* The first place in the result that is behind `place`. */
size_t search_behind(const struct search_result *result, const struct search_place *place);

/* Where the words occur in a task that matches; "" without words; NULL: the arena is exhausted. */
char *search_snippet(const struct view *view, const struct search *search, uint32_t number);

#endif
