#ifndef FB_SERVICES_WORKER_FLOW_MERGE_LIFE_H
#define FB_SERVICES_WORKER_FLOW_MERGE_LIFE_H

/*
 * merge_life: what becomes of an event of the union in the merged log, as the session stands there.
 *
 * Every event is folded into a scratch session as it is made, so that a log comes out that folds. For the
 * files of merge.
 */

#include "services/worker/flow/merging.h"

#define MERGE_NOBODY UINT32_MAX

/* Which event wrote something last. */
struct merge_writer {
    uint32_t origin; /* and 1; 0: nobody since the task was planned */
    uint64_t sequence;
};

enum { MERGE_FIELDS = 6 }; /* bits of enum event_field */

/* What the merge keeps of a task beside the session. */
struct merge_task {
    struct merge_writer fields[MERGE_FIELDS];
    struct merge_writer outcome;
    uint32_t claimed_in; /* the origin whose lease it is; MERGE_NOBODY: none */
};

struct merging {
    const struct merge_reading *reading;
    struct fb_arena *arena; /* of the result */
    struct session *scratch;

    /* tasks */
    struct names identities;
    uint32_t *numbers; /* by number of the identity */
    uint32_t number_room;
    struct merge_task *tasks; /* by number */
    struct merge_writer opened;

    /* what origins know: known[a * origins + b] is the last event of b that a knows */
    uint64_t *known;

    /* the element under way */
    const struct merge_element *element;
    struct fb_arena scratch_arena; /* of this element */
    uint32_t adds;
    bool lost; /* it names a task that nobody added */
    uint32_t follows;

    /* what came out */
    struct fb_text *events;
    size_t count;
    size_t room;
    uint32_t conflicts;
};

struct fb_status merge_exhausted(void);

/* -- merge_emit.c: events that come out -- */

/*
 * Folds an event that the element has become, at its time, and adds it to what comes out. FAILED_PRECONDITION:
 * it may not happen as the session stands, and has not.
 */
struct fb_status merge_emit(struct merging *m, struct event *event);

/* As merge_emit; that it may not happen is no failure, but `*done` is false. */
struct fb_status merge_try(struct merging *m, struct event *event, bool *done);

/* Keeps the value that does not count. Task 0: the session. */
struct fb_status merge_conflict(struct merging *m, uint32_t task, struct fb_text field,
                                struct fb_text other, uint32_t other_origin);

/* Notes who writes; true if the last writer was another one that the element does not know of. */
bool merge_writes(struct merging *m, struct merge_writer *writer);

/* Adds links one by one; those that do not fit become conflicts. */
struct fb_status merge_link_each(struct merging *m, const struct event_link *links, size_t count);

/* -- merge_life.c: what is done with tasks -- */

struct fb_status merge_claimed(struct merging *m, struct event *event);
struct fb_status merge_noted(struct merging *m, struct event *event);
struct fb_status merge_left(struct merging *m, struct event *event); /* rested, blocked */
struct fb_status merge_requeued(struct merging *m, struct event *event);
struct fb_status merge_finished(struct merging *m, struct event *event);
struct fb_status merge_edited(struct merging *m, struct event *event);

/* Gives back what is held, at the end of the log. */
struct fb_status merge_end_leases(struct merging *m);

#endif
