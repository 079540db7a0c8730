#ifndef FB_SERVICES_WORKER_EXCHANGE_BEADS_H
#define FB_SERVICES_WORKER_EXCHANGE_BEADS_H

/*
 * beads: the issues.jsonl of beads, one issue in each line.
 *
 * An issue is {"id", "title", "description", "design", "acceptance_criteria", "notes", "status",
 * "priority", "issue_type", "close_reason", "dependencies": [{"depends_on_id", "type"}]}. Of the types of
 * dependencies `blocks` becomes AFTER, `parent-child` the parent, `waits-for` ENDS,
 * `conditional-blocks` ON_FAIL, `discovered-from` FROM, `duplicates` DUP; all others (`related` and so
 * on) hold up nothing and stay in the document alone. Where a child is blocked by what it is part of, only
 * the parent stays, as parents wait for their children here. Pure; any thread.
 */

#include "runtime/base/status.h"
#include "runtime/base/text.h"
#include "services/worker/exchange/outline.h"

/* Whether a checked JSON object looks like an issue. */
bool beads_is(struct fb_text line);

/* Adds the issue of a checked line, which is the `number`-th, from 1. INVALID_ARGUMENT names the place. */
struct fb_status beads_read_line(struct fb_text line, uint64_t number, struct outline *outline);

/* To be called behind the last line, before the outline is resolved. RESOURCE_EXHAUSTED: no memory. */
struct fb_status beads_end(struct outline *outline);

#endif
