#ifndef FB_SERVICES_WORKER_FLOW_SNAPSHOT_H
#define FB_SERVICES_WORKER_FLOW_SNAPSHOT_H

/*
 * snapshot: the state of a session as bytes, one way only.
 *
 * Two sessions are in the same state exactly if their snapshots are equal, so it is both the proof
 * that a replay gives the same state and what the store keeps to spare one. Holds nothing that is
 * derived. A snapshot of another version is refused: fold the events instead. Pure, any thread.
 */

#include "runtime/base/status.h"
#include "runtime/base/text.h"
#include "services/worker/flow/session.h"

enum { SNAPSHOT_VERSION = 7 };

/* Appends to `bytes`; false when memory or the buffer's limit is exhausted. */
bool snapshot_write(struct session *session, struct fb_buffer *bytes);

/*
 * Gives the session of a snapshot. DATA_LOSS: the bytes are no snapshot, or of a state that cannot
 * be; UNIMPLEMENTED: of another version; RESOURCE_EXHAUSTED: no memory.
 */
struct fb_status snapshot_read(struct fb_text bytes, struct session **session);

#endif
