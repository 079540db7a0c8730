#ifndef FB_SERVICES_WORKER_EXCHANGE_EVENT_JSON_H
#define FB_SERVICES_WORKER_EXCHANGE_EVENT_JSON_H

/*
 * event_json: one event of a log as a JSON object without line breaks, and back to the same bytes.
 *
 * An event whose bytes would not come back exactly (of a later version, or written by another hand) is
 * `{"bytes": "<base64>"}`. Pure; any thread.
 */

#include "runtime/base/arena.h"
#include "runtime/base/status.h"
#include "runtime/base/text.h"

/* Appends the event; the arena holds what is needed on the way. The buffer tells whether it fit. */
void event_json_write(struct fb_text bytes, struct fb_arena *arena, struct fb_buffer *out);

/*
 * Gives the bytes of an event that is written so, as event_unpack takes them, in the arena.
 * INVALID_ARGUMENT names the member by its path below `where`, or what the event breaks.
 */
struct fb_status event_json_read(struct fb_text object, const char *where, struct fb_arena *arena,
                                 struct fb_text *bytes);

#endif
