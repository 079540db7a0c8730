#ifndef FB_SERVICES_WORKER_EXCHANGE_JOURNAL_H
#define FB_SERVICES_WORKER_EXCHANGE_JOURNAL_H

/*
 * journal: a session written down with all of its events, in the two forms of our own.
 *
 *     {"flow_balancer":"journal","version":1,"session":"<id>","name":"<name>","events":<count>}
 *     {"unix_ms":...,"actor":...,"opened":{...}}
 *     ...                                              JSONL: a header, then one event in each line
 *
 *     {"flow_balancer":"session","version":1,"session":"<id>","name":"<name>","state":{...},
 *      "events":[...]}                                 JSON: one document
 *
 * Both hold every event with all of its fields, so that reading them gives a session whose snapshot is
 * the same byte for byte; `state` is for other programs and is not read back. A line or document is
 * written piece by piece into a buffer that the caller empties. Pure; any thread.
 */

#include <stdint.h>

#include "runtime/base/arena.h"
#include "runtime/base/status.h"
#include "runtime/base/text.h"
#include "services/worker/flow/session.h"

enum { JOURNAL_VERSION = 1 };

struct journal_header {
    struct fb_text session; /* id */
    struct fb_text name;
    uint64_t events;
};

/* -- JSONL -- */

void journal_write_header(const struct journal_header *header, struct fb_buffer *out);

/* The line of an event; the arena holds what is needed on the way and may be reset behind it. */
void journal_write_event(struct fb_text bytes, struct fb_arena *arena, struct fb_buffer *out);

/* Whether a checked line is a header. */
bool journal_is_header(struct fb_text line);

/* INVALID_ARGUMENT: a member is missing or of the wrong kind; UNIMPLEMENTED: of a later version. */
struct fb_status journal_read_header(struct fb_text line, struct fb_arena *arena,
                                     struct journal_header *header);

/* -- JSON: begin, events in order, end -- */

/* The state alone, as one object. */
void journal_write_state(const struct session *session, struct fb_buffer *out);

/* Up to the opening of `events`: `session` is the state after all of them. */
void journal_begin_document(const struct journal_header *header, const struct session *session,
                            struct fb_buffer *out);
void journal_add_event(struct fb_text bytes, bool first, struct fb_arena *arena,
                       struct fb_buffer *out);
void journal_end_document(struct fb_buffer *out);

/* Whether a checked text is such a document. */
bool journal_is_document(struct fb_text text);

/* The list `events` of one. As journal_read_header. */
struct fb_status journal_read_document(struct fb_text text, struct fb_arena *arena,
                                       struct journal_header *header, struct fb_text *events);

#endif
