#ifndef FB_SERVICES_WORKER_EXCHANGE_IMPORT_H
#define FB_SERVICES_WORKER_EXCHANGE_IMPORT_H

/*
 * import: a document comes in, chunk by chunk, and events to be appended come out.
 *
 *     import_create, import_feed ..., import_finish, then import_event and import_chunk_end
 *
 * Everything comes in or nothing: no event is given before import_finish has said that all of the document
 * is sound, which it has proved by folding every event into a scratch session. Then the caller appends
 * them, chunk by chunk (import_chunk_end), and folds what it has appended.
 *
 * What of a crash between two chunks?
 *   - A journal (our own JSONL or JSON) is its events and nothing else, so that the session becomes
 *     the same, byte for byte. The session then holds a beginning of it, which is a sound log. Importing
 *     the same journal into that session RESUMES: import_finish sees that the session is in the
 *     state in which the journal was after as many events, and `import_first` is the first one missing. A
 *     session that has gone another way is refused. (Where the session has another id than the
 *     journal's, it is a copy that goes its own way, and every event says its origin: see merge.h.)
 *   - A document of another system is RESUMED, too, by its keys: see arrival.h, which says why
 *     nothing is rolled back.
 *
 * A line is at most 2 MiB, a document 64 MiB, JSON 128 deep. Pure; one thread at a time.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/status.h"
#include "runtime/base/text.h"
#include "services/worker/flow/session.h"

enum { IMPORT_BYTES_MOST = 64 << 20 };

/* As flow.proto numbers FlowFormat. */
enum import_format {
    IMPORT_ANY, /* tell by the content */
    IMPORT_JSONL,
    IMPORT_JSON,
    IMPORT_SESSION_FILE,
    IMPORT_TASK_MASTER,
    IMPORT_BEADS,
    IMPORT_FORMATS
};

struct import_options {
    enum import_format format;
    struct session *into; /* borrowed until import_finish, not changed; NULL: a new one */
    struct fb_text name;  /* of a new session; empty: what the document says, else `session_id` */
    struct fb_text session_id; /* of the session that it comes into */
    struct fb_text actor;
    struct fb_text request_id;
    int64_t unix_ms;         /* now */
    bool drop_unknown_links; /* links to tasks that the document does not have are no error */
};

struct import;

/* Copies the options' texts. NULL when memory is exhausted. */
struct import *import_create(const struct import_options *options);
void import_destroy(struct import *import);

/*
 * Takes the next bytes. INVALID_ARGUMENT names line and byte, or the place in the document, what was
 * expected and the way out; RESOURCE_EXHAUSTED: a limit. A failed import stays failed.
 */
struct fb_status import_feed(struct import *import, struct fb_text chunk);

/*
 * There is no more. Fails as import_feed, or with FAILED_PRECONDITION: the session that it is to come
 * into does not allow it. A document that ends in the midst of a line says which, and at which byte.
 */
struct fb_status import_finish(struct import *import);

/* -- afterwards; all of it lives as long as the import -- */

enum import_format import_format(const struct import *import);
size_t import_event_count(const struct import *import);
size_t import_first(const struct import *import); /* the first event that is to be appended */
struct fb_text import_event(const struct import *import, size_t i);
size_t import_chunk_end(const struct import *import, size_t first);

/* Tasks that are new, and the state behind the last event; borrowed. */
uint32_t import_tasks(const struct import *import);
const struct session *import_session(const struct import *import);

/* What was not understood and kept, or brought within limits: up to 100 sentences of `*all`. */
const char *const *import_warnings(const struct import *import, size_t *count, uint64_t *all);

/* -- meanwhile -- */

struct import_progress {
    uint64_t bytes;
    uint64_t lines;
    uint64_t events;     /* of a journal: proved so far, */
    uint64_t events_all; /* of so many, as its header says; 0: not known */
};

struct import_progress import_progress(const struct import *import);

#endif
