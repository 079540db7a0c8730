#ifndef FB_SERVICES_WORKER_EXCHANGE_SESSION_FILE_H
#define FB_SERVICES_WORKER_EXCHANGE_SESSION_FILE_H

/*
 * session_file: the one JSON document per session of the system that came before ours.
 *
 *     {"sessionId", "created", "status", "context", "comprehensive_todos", "tasks": [{"id",
 *      "description", "context", "weight", "dependencies", "state", "momentum", "priority",
 *      "sanctuary_notes"}], "workLog", "momentum", "recommendations", "meta", ...}
 *
 * Tasks come in; everything else stays in the document, which is kept byte for byte. A task that was
 * active is queued, as nobody holds it here; its declared momentum is not taken for progress, which
 * is computed. What is written back is the document as it came but for the states of tasks that have
 * changed since, and the tasks that have come since; so an unchanged session gives back an equal
 * document. Pure; any thread.
 */

#include "runtime/base/status.h"
#include "runtime/base/text.h"
#include "services/worker/exchange/outline.h"
#include "services/worker/flow/session.h"

/* Whether a checked JSON object looks like one. */
bool session_file_is(struct fb_text document);

/* Fills the outline of a checked JSON text. INVALID_ARGUMENT names the place. */
struct fb_status session_file_read(struct fb_text document, struct outline *outline);

/*
 * Appends the document with the states that its tasks have in `session` now; tasks that are not in it
 * are added at the end, those of others than `document` too. An empty document: one is made of the
 * session alone. INVALID_ARGUMENT: the document is none; RESOURCE_EXHAUSTED: the buffer's limit or memory.
 */
struct fb_status session_file_write(const struct session *session, struct fb_text document,
                                    struct fb_arena *arena, struct fb_buffer *out);

#endif
