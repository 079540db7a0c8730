#ifndef FB_SERVICES_WORKER_SESSIONS_READER_H
#define FB_SERVICES_WORKER_SESSIONS_READER_H

/*
 * reader: reads what has happened in a session from the store, whoever holds it.
 *
 * What is read is on disk. A store that went away is resumed where it stopped. On the loop's thread.
 */

#include <stdbool.h>
#include <stdint.h>

#include "runtime/base/status.h"
#include "runtime/base/text.h"
#include "runtime/loop/loop.h"
#include "runtime/rpc/channel.h"

struct reader;

struct reader_events {
    /* In order, none skipped, none repeated; the payload is an event's bytes. Borrowed until it returns. */
    void (*on_event)(void *self, int64_t sequence, struct fb_text payload);
    /* Once: all that there was has been told. Without `follow`, on_end comes next. */
    void (*on_caught_up)(void *self, int64_t sequence);
    /*
     * Once and last, unless cancelled. OK: all was told, without `follow`. NOT_FOUND: no such session, or
     * it was deleted. OUT_OF_RANGE: `after` is beyond the last event. INVALID_ARGUMENT: the names are
     * none, see store_id.h. UNAVAILABLE: the store is away, and the patience is over.
     */
    void (*on_end)(void *self, struct fb_status status);
};

struct reading {
    struct fb_text scope;
    struct fb_text session;
    int64_t after;       /* the last sequence that is known; 0: none */
    bool follow;         /* go on with what happens from now on */
    int64_t patience_ms; /* for a store that is away; 0 is 30 s, without end when following */
};

/*
 * Reads events from the store, whoever holds the session; what is read is on disk. A store that went
 * away is resumed where it stopped. NULL when memory is exhausted; no event comes before it returns.
 */
struct reader *reader_create(struct fb_loop *loop, struct fb_channel *channel,
                             const struct reading *reading, const struct reader_events *events,
                             void *self);

/* Holds the store back, while whoever reads is slow: an event or two may still come. */
void reader_pause(struct reader *reader);
void reader_resume(struct reader *reader);

/* Also from events. */
void reader_cancel(struct reader *reader);

#endif
