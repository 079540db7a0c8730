#ifndef FB_SERVICES_SESSION_STORE_FENCING_H
#define FB_SERVICES_SESSION_STORE_FENCING_H

/*
 * fencing: who owns a session, and whether a write of its goes in.
 *
 * The rules that all engines share. Pure: facts and time come in, a decision goes out. A lease only
 * says how soon another owner may come; the epoch alone decides whose writes count.
 */

#include <stdbool.h>
#include <stdint.h>

#include "runtime/base/status.h"

/* What is known of the session. */
struct fencing_facts {
    int64_t epoch;                 /* of the last acquisition; 0 while there was none */
    const char *owner;             /* "" after a release */
    int64_t lease_expires_unix_ms; /* 0 after a release */
    int64_t last_sequence;
    int64_t updated_unix_ms;
};

enum fencing_verdict {
    FENCING_GO,     /* do it */
    FENCING_REPEAT, /* it was done before: answer as then */
    FENCING_REFUSE, /* answer with the status and reason */
};

struct fencing_decision {
    enum fencing_verdict verdict;
    struct fb_status status;
    const char *reason; /* a word for programs; "" for none */
};

/*
 * May `owner` have the session? With FENCING_GO, `epoch` is the one to give: the present one if it is
 * the owner already, else the next. Refused with FAILED_PRECONDITION `held`.
 */
struct fencing_decision fencing_acquire(const struct fencing_facts *facts, const char *owner,
                                        bool take_over, int64_t now_unix_ms, int64_t *epoch);

/* Does `owner` at `epoch` still have it, so that its lease may be prolonged? */
bool fencing_holds(const struct fencing_facts *facts, const char *owner, int64_t epoch);

/* May who holds `epoch` end the lease or write beside the events? Refused with ABORTED `stale-epoch`. */
struct fencing_decision fencing_owns(const struct fencing_facts *facts, int64_t epoch);

/* May the session be deleted by who holds `epoch` (0: nobody)? Refused with FAILED_PRECONDITION `held`. */
struct fencing_decision fencing_delete(const struct fencing_facts *facts, int64_t epoch,
                                       int64_t now_unix_ms);

/* What is known of the request id of an append. */
enum fencing_request {
    FENCING_NEW,       /* not seen */
    FENCING_SAME,      /* seen, with these events */
    FENCING_DIFFERENT, /* seen, with other events */
};

/*
 * Does an append go in? A request id that was seen is looked at first: it went in once, whoever owns
 * the session now. Refused with ABORTED `stale-epoch` before `wrong-sequence`, or ALREADY_EXISTS.
 */
struct fencing_decision fencing_append(const struct fencing_facts *facts, int64_t epoch,
                                       int64_t expected_sequence, enum fencing_request request);

/*
 * Is a snapshot of the state after `sequence`, or a part of it, kept? FENCING_REPEAT when one at
 * least as late is there. Refused with ABORTED `stale-epoch`, or `wrong-sequence` beyond the last
 * event.
 */
struct fencing_decision fencing_snapshot(const struct fencing_facts *facts, int64_t epoch,
                                         int64_t sequence, int64_t snapshot_sequence);

/*
 * Is a projection up to `sequence` taken? Refused with ABORTED `stale-epoch`, or `wrong-sequence` beyond
 * the last event.
 */
struct fencing_decision fencing_projection(const struct fencing_facts *facts, int64_t epoch,
                                           int64_t sequence);

/* The time to stamp: now, but never before the last event's. */
int64_t fencing_stamp(const struct fencing_facts *facts, int64_t now_unix_ms);

#endif
