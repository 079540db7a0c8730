#ifndef FB_SERVICES_WORKER_FLOW_COMPACT_H
#define FB_SERVICES_WORKER_FLOW_COMPACT_H

/*
 * compact: the texts of tasks that ended long ago go to cold storage, and come back.
 *
 *     compact_select    which tasks
 *     compact_write     their texts, as the bytes of a segment: the caller keeps them as a blob
 *     compact_event     says so, once the blob is on disk; folding it drops the texts
 *     compact_find      shows the texts of a task, changing nothing
 *     compact_expand    events that bring texts back
 *
 * Body, accept and the last note go; number, key, title, summary, links and evidence stay. A segment is the
 * same for the same texts, so that a crash before the event leaves at most a blob that nobody names. The log
 * has all texts, too: where a blob is lost, fold the log up to the event and write the segment again. A task
 * whose texts are there is not reopened (decide.h refuses): what has to be true at its end is among them.
 *
 * Pure; one thread at a time.
 */

#include <stddef.h>
#include <stdint.h>

#include "runtime/base/arena.h"
#include "runtime/base/status.h"
#include "runtime/base/text.h"
#include "services/worker/flow/event.h"
#include "services/worker/flow/session.h"

#define COMPACT_AGE_MS (INT64_C(14) * 24 * 60 * 60 * 1000) /* by default */

enum {
    COMPACT_AGE_LEAST_MS = 60 * 60 * 1000,
    COMPACT_TASKS_MOST = EVENT_COMPACTED_TASKS, /* of a segment */
    COMPACT_SEGMENT_BYTES = 8 << 20,            /* of its texts, together */
};

/*
 * Puts the tasks that ended at least `age_ms` before `now_ms` and have texts to be moved into `tasks`, by
 * number, as many as a segment takes and `most`; returns how many. What is left is for the next segment.
 */
size_t compact_select(const struct session *session, int64_t now_ms, int64_t age_ms,
                      uint32_t *tasks, size_t most);

/* Appends the segment of these tasks. The buffer tells whether it fit. */
void compact_write(const struct session *session, const uint32_t *tasks, size_t count,
                   struct fb_buffer *segment);

/* All is borrowed; `sha256` is the segment's digest, 32 bytes. Time, actor and so on are the caller's. */
struct event compact_event(struct fb_text sha256, size_t segment_bytes, const uint32_t *tasks,
                           size_t count);

/*
 * The texts of a task, in the arena. NOT_FOUND: it is not in the segment; DATA_LOSS: the bytes are no
 * segment.
 */
struct fb_status compact_find(struct fb_text segment, uint32_t task, struct fb_arena *arena,
                              struct event_expanded_task *texts);

/*
 * Gives the events that bring back the texts of `tasks` (increasing; none: of all that are still in it), in
 * the arena; each fits EVENT_BYTES. FAILED_PRECONDITION: a task is not in cold storage under this digest;
 * DATA_LOSS: the bytes are no segment, or not of these tasks.
 */
struct fb_status compact_expand(const struct session *session, struct fb_text segment,
                                struct fb_text sha256, const uint32_t *tasks, size_t count,
                                struct fb_arena *arena, struct event **events, size_t *event_count);

#endif
