#ifndef FB_SERVICES_WORKER_FLOW_MERGE_H
#define FB_SERVICES_WORKER_FLOW_MERGE_H

/*
 * merge: two logs of the same or of different sessions become one that has all that happened in both.
 *
 * An event is known by (origin, sequence): where it happened, and the how-many-th it was there. The merged
 * log has the union of both logs' events by (lamport, origin, sequence), and is an ordinary log: every event
 * of the union stands in it as a FlowMerged, followed by what became of it there. So nothing is ever lost,
 * and a merged log can be merged again: the events behind a FlowMerged are made anew from the union each
 * time. That makes merging commutative, associative and idempotent: the result is a function of the union.
 * Where one log has all that the other has, it is the result as it stands, leases and all.
 *
 * A copy of a session that goes its own way (a git branch, an import under another id) has to have an
 * origin of its own, and say of what it has copied whose that is: merge_name_origins.
 *
 * What becomes of an event:
 *   - Tasks get new numbers in the order of the union; (origin, number) names a task for ever. Fences, too,
 *     are counted anew.
 *   - Scalar fields (title, body, weight and so on, the session's settings) are the last writer's by
 *     (lamport, origin). Where the writers did not know of each other, a FlowConflict keeps the other value.
 *   - Notes and evidence are all kept: unattached where the one who wrote them no longer holds the task.
 *   - A task is held by who claimed it last, and by nobody in the end: leases do not survive.
 *   - What was finished stays finished, also where the other side had the task wait for something: a completion
 *     overrules a failure, else the first outcome counts; the other is a FlowConflict, its evidence kept.
 *   - A key that another task has, a second parent, a link that would close a cycle are left out, with a
 *     FlowConflict. Cold storage does not survive, since the log has all texts: compact again.
 *
 * As the order of events changes, a merged log cannot be appended to either of the two: it is that of a
 * session of its own, or takes the place of a log. Pure; one thread at a time.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/arena.h"
#include "runtime/base/status.h"
#include "runtime/base/text.h"

enum {
    MERGE_EVENTS_MOST = 1000000, /* of both logs together */
    MERGE_ORIGINS_MOST = 256,
};

/* A whole log, from its first event. */
struct merge_log {
    struct fb_text origin;        /* of its events that name none: 1 to 128 bytes, the same in every
                                     copy of the session and in no other; its scope and id, say */
    const struct fb_text *events; /* their bytes, in order */
    size_t count;
};

struct merge_result {
    const struct fb_text *events; /* in the arena, or those of a log */
    size_t count;
    uint64_t new_events;          /* of the second log that the first had not */
    uint32_t conflicts;           /* FlowConflict events in the whole log */
    const struct merge_log *same; /* the log that has all of the other, and is the result as it
                                     stands but for saying its origins; NULL: neither */
};

/*
 * Gives the log with every event saying where it happened, so that it can be kept under another origin, as a
 * copy that goes its own way must. What it folds to is the same. `events` has log->count of them, in the
 * arena. DATA_LOSS as merge_logs; UNIMPLEMENTED: it has events of a later version, which cannot be told.
 */
struct fb_status merge_name_origins(const struct merge_log *log, struct fb_arena *arena,
                                    struct fb_text *events);

/*
 * Merges; events of the result that name no origin are the first log's. The result lives in the arena (and in the logs). DATA_LOSS: a log is no log, or the two disagree
 * about an event that they share, which is named; RESOURCE_EXHAUSTED: a limit of a session (named), or memory.
 */
struct fb_status merge_logs(const struct merge_log *first, const struct merge_log *second,
                            struct fb_arena *arena, struct merge_result *result);

#endif
