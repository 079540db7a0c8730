#include "services/session_store/fencing.h"

#include <string.h>

static const struct fencing_decision fencing_go = {FENCING_GO, {FB_OK, ""}, ""};
static const struct fencing_decision fencing_repeat = {FENCING_REPEAT, {FB_OK, ""}, ""};

static struct fencing_decision fencing_refuse(enum fb_code code, const char *why,
                                              const char *reason)
{
    return (struct fencing_decision){FENCING_REFUSE, fb_fail(code, why), reason};
}

static struct fencing_decision fencing_stale(void)
{
    return fencing_refuse(FB_ABORTED, "epoch: the session has another owner now", "stale-epoch");
}

static bool fencing_leased(const struct fencing_facts *facts, int64_t now_unix_ms)
{
    return facts->owner[0] != '\0' && facts->lease_expires_unix_ms > now_unix_ms;
}

struct fencing_decision fencing_acquire(const struct fencing_facts *facts, const char *owner,
                                        bool take_over, int64_t now_unix_ms, int64_t *epoch)
{
    if (strcmp(facts->owner, owner) == 0) {
        *epoch = facts->epoch;
        return fencing_go;
    }
    if (fencing_leased(facts, now_unix_ms) && !take_over) {
        return fencing_refuse(FB_FAILED_PRECONDITION, "the session is held by another owner",
                              "held");
    }
    *epoch = facts->epoch + 1;
    return fencing_go;
}

bool fencing_holds(const struct fencing_facts *facts, const char *owner, int64_t epoch)
{
    return facts->epoch == epoch && strcmp(facts->owner, owner) == 0;
}

struct fencing_decision fencing_owns(const struct fencing_facts *facts, int64_t epoch)
{
    return facts->epoch == epoch ? fencing_go : fencing_stale();
}

struct fencing_decision fencing_delete(const struct fencing_facts *facts, int64_t epoch,
                                       int64_t now_unix_ms)
{
    if (fencing_leased(facts, now_unix_ms) && facts->epoch != epoch) {
        return fencing_refuse(FB_FAILED_PRECONDITION, "the session is held by an owner", "held");
    }
    return fencing_go;
}

struct fencing_decision fencing_append(const struct fencing_facts *facts, int64_t epoch,
                                       int64_t expected_sequence, enum fencing_request request)
{
    if (request == FENCING_SAME) {
        return fencing_repeat;
    }
    if (request == FENCING_DIFFERENT) {
        return fencing_refuse(FB_ALREADY_EXISTS,
                              "request_id: was used for other events in this session", "");
    }
    if (facts->epoch != epoch) {
        return fencing_stale();
    }
    if (facts->last_sequence != expected_sequence) {
        return fencing_refuse(FB_ABORTED, "expected_sequence: the session is at another sequence",
                              "wrong-sequence");
    }
    return fencing_go;
}

struct fencing_decision fencing_projection(const struct fencing_facts *facts, int64_t epoch,
                                           int64_t sequence)
{
    if (facts->epoch != epoch) {
        return fencing_stale();
    }
    if (sequence > facts->last_sequence) {
        return fencing_refuse(FB_ABORTED, "projection.sequence: is beyond the last event",
                              "wrong-sequence");
    }
    return fencing_go;
}

struct fencing_decision fencing_snapshot(const struct fencing_facts *facts, int64_t epoch,
                                         int64_t sequence, int64_t snapshot_sequence)
{
    if (facts->epoch != epoch) {
        return fencing_stale();
    }
    if (sequence > facts->last_sequence) {
        return fencing_refuse(FB_ABORTED, "sequence: is beyond the last event", "wrong-sequence");
    }
    return sequence > snapshot_sequence ? fencing_go : fencing_repeat;
}

int64_t fencing_stamp(const struct fencing_facts *facts, int64_t now_unix_ms)
{
    return now_unix_ms > facts->updated_unix_ms ? now_unix_ms : facts->updated_unix_ms;
}
