#include "services/worker/flow/merge_life.h"

#include "services/worker/flow/session_life.h"

enum { LEASE_LASTS_MS = 60000 }; /* of a claim that is only there to finish */

static struct task *task_of(struct merging *m, uint32_t number)
{
    return &m->scratch->tasks[number];
}

/* Whether the actor holds the task. */
static bool holds(const struct merging *m, uint32_t number, struct fb_text actor)
{
    const struct task *task = &m->scratch->tasks[number];

    return task->state == TASK_ACTIVE && actor.size != 0 &&
           session_agent_of(m->scratch, actor) == task->lease.agent;
}

/* --- into somebody's hands, whatever holds it up here --- */

/* The links that hold a task up, as links that are dropped. */
static struct event_link *unmet_links(struct merging *m, uint32_t number, size_t *count)
{
    struct event_link *links = NULL;
    const struct graph *graph = m->scratch->graph;
    size_t room = 0;

    for (uint32_t at = graph_first_in(graph, number); at != GRAPH_NONE;
         at = graph_next_in(graph, at)) {
        room++;
    }
    *count = 0;
    links = fb_arena_zalloc(&m->scratch_arena, room + 1, sizeof(*links));
    for (uint32_t at = graph_first_in(graph, number); links != NULL && at != GRAPH_NONE;
         at = graph_next_in(graph, at)) {
        static const enum event_link_kind kinds[GRAPH_KINDS] = {
            [GRAPH_AFTER] = EVENT_LINK_AFTER,
            [GRAPH_ENDS] = EVENT_LINK_ENDS,
            [GRAPH_ON_FAIL] = EVENT_LINK_ON_FAIL,
            [GRAPH_PARENT] = EVENT_LINK_PARENT,
        };
        const struct graph_edge edge = graph_edge_at(graph, at);
        const bool parent = edge.kind == GRAPH_PARENT;

        if (!life_is_met(m->scratch, edge)) {
            links[(*count)++] = (struct event_link){
                .task = parent ? edge.before : edge.after,
                .on = parent ? edge.after : edge.before,
                .kind = kinds[edge.kind],
                .dropped = true,
            };
        }
    }
    return links;
}

static struct fb_status change_links(struct merging *m, struct event_link *links, size_t count,
                                     bool dropped)
{
    struct event event = {.kind = EVENT_LINKED, .linked = {.links = links, .link_count = count}};

    if (count == 0) {
        return fb_ok;
    }
    for (size_t i = 0; i < count; i++) {
        links[i].dropped = dropped;
    }
    return merge_emit(m, &event);
}

/* Back to the queue by the engine's hand. */
static struct fb_status requeue(struct merging *m, uint32_t number, enum event_cause cause)
{
    struct event event = {.kind = EVENT_REQUEUED, .task = number, .requeued = {.cause = cause}};

    return merge_emit(m, &event);
}

/*
 * An open task becomes the actor's: another one's lease ends, a gate is opened, and what holds it up is
 * taken away and put back behind the claim, for the work was begun elsewhere without it.
 */
static struct fb_status take(struct merging *m, uint32_t number, const struct event *claim)
{
    struct event event = *claim;
    struct fb_status status = fb_ok;
    struct event_link *links;
    size_t count = 0;

    if (task_of(m, number)->state == TASK_ACTIVE) {
        status = requeue(m, number, EVENT_EXPIRED);
    }
    if (fb_is_ok(status) && task_of(m, number)->state == TASK_BLOCKED &&
        task_of(m, number)->blocker == 0) {
        status = requeue(m, number, EVENT_RESTORED);
    }
    if (!fb_is_ok(status)) {
        return status;
    }
    links = unmet_links(m, number, &count);
    if (links == NULL) {
        return merge_exhausted();
    }
    if (task_of(m, number)->state == TASK_RESTING) {
        count = 0; /* what holds it up does not matter any more */
    }
    status = change_links(m, links, count, true);
    if (fb_is_ok(status)) {
        event.kind = EVENT_CLAIMED;
        event.task = number;
        event.claimed.fence = m->scratch->fence + 1;
        status = merge_emit(m, &event);
    }
    if (fb_is_ok(status)) {
        m->tasks[number].claimed_in = m->element->origin;
        status = change_links(m, links, count, false);
    }
    return status;
}

struct fb_status merge_claimed(struct merging *m, struct event *event)
{
    const enum task_state state = task_of(m, event->task)->state;

    if (task_has_ended(state) || event->actor.size == 0) {
        return fb_ok;
    }
    return take(m, event->task, event);
}

/* --- what is said on the way --- */

/* What is said of a task by one who does not hold it here. */
static struct fb_status keep_unattached(struct merging *m, const struct event *event,
                                        struct fb_text note, struct event_evidence_list evidence)
{
    struct event kept = {
        .kind = EVENT_UNATTACHED,
        .unix_ms = event->unix_ms,
        .actor = event->actor,
        .request_id = event->request_id,
        .command = event->command,
        .task = event->task,
        .unattached = {.note = note, .evidence = evidence},
    };

    if (note.size == 0 && evidence.count == 0) {
        return fb_ok;
    }
    return merge_emit(m, &kept);
}

struct fb_status merge_noted(struct merging *m, struct event *event)
{
    if (!holds(m, event->task, event->actor)) {
        return keep_unattached(m, event, event->noted.note, event->noted.evidence);
    }
    return merge_emit(m, event);
}

struct fb_status merge_left(struct merging *m, struct event *event)
{
    bool done;

    if (!holds(m, event->task, event->actor)) {
        return fb_ok;
    }
    return merge_try(m, event, &done);
}

struct fb_status merge_requeued(struct merging *m, struct event *event)
{
    const enum event_cause cause = event->requeued.cause;
    bool done;

    if (cause == EVENT_EXPIRED && m->tasks[event->task].claimed_in != m->element->origin) {
        return fb_ok; /* the lease that expired is not the one that counts */
    }
    if (cause == EVENT_HANDED_BACK && !holds(m, event->task, event->actor)) {
        return fb_ok;
    }
    return merge_try(m, event, &done);
}

/* --- how it ends --- */

/* An outcome that does not count: what it says is kept. */
static struct fb_status too_late(struct merging *m, const struct event *event)
{
    static const char *const words[EVENT_OUTCOMES] = {[EVENT_COMPLETED] = "completed",
                                                      [EVENT_FAILED] = "failed",
                                                      [EVENT_CANCELLED] = "cancelled"};
    const enum event_outcome outcome = event->finished.outcome;
    const struct task *task = task_of(m, event->task);
    const bool same = (task->state == TASK_COMPLETED && outcome == EVENT_COMPLETED) ||
                      (task->state == TASK_FAILED && outcome == EVENT_FAILED) ||
                      (task->state == TASK_CANCELLED && outcome == EVENT_CANCELLED);
    struct fb_status status =
        keep_unattached(m, event, event->finished.summary, event->finished.evidence);

    if (fb_is_ok(status) && !same) {
        status = merge_conflict(m, event->task, FB_TEXT("outcome"), fb_text_of(words[outcome]),
                                m->element->origin);
    }
    return status;
}

static struct fb_status cancel(struct merging *m, struct event *event)
{
    event->finished.fence = task_of(m, event->task)->lease.fence;
    (void)merge_writes(m, &m->tasks[event->task].outcome);
    return merge_emit(m, event);
}

/* The engine found a chain done; if it is not here, it will say so again when it is. */
static struct fb_status end_chain(struct merging *m, struct event *event)
{
    bool done;

    event->finished.fence = 0;
    if (task_of(m, event->task)->state != TASK_QUEUED) {
        return fb_ok;
    }
    return merge_try(m, event, &done);
}

struct fb_status merge_finished(struct merging *m, struct event *event)
{
    const enum event_outcome outcome = event->finished.outcome;
    struct task *task = task_of(m, event->task);
    struct event claim = {
        .unix_ms = event->unix_ms,
        .actor = event->actor,
        .claimed = {.lasts_ms = LEASE_LASTS_MS, .implicit = true},
    };
    struct fb_status status = fb_ok;

    if (outcome != EVENT_CANCELLED && event->actor.size == 0) {
        return end_chain(m, event);
    }
    if (task->state == TASK_FAILED && outcome == EVENT_COMPLETED) {
        const uint32_t failed_in = m->tasks[event->task].outcome.origin;

        status = requeue(m, event->task, EVENT_RESTORED);
        if (fb_is_ok(status) && merge_writes(m, &m->tasks[event->task].outcome)) {
            status = merge_conflict(m, event->task, FB_TEXT("outcome"), FB_TEXT("failed"),
                                    failed_in - 1);
        }
    } else if (task_has_ended(task->state)) {
        return too_late(m, event);
    }
    if (fb_is_ok(status) && outcome == EVENT_CANCELLED) {
        return cancel(m, event);
    }
    if (fb_is_ok(status) && !holds(m, event->task, event->actor)) {
        status = take(m, event->task, &claim);
    }
    if (fb_is_ok(status)) {
        (void)merge_writes(m, &m->tasks[event->task].outcome);
        event->finished.fence = task_of(m, event->task)->lease.fence;
        status = merge_emit(m, event);
    }
    return status;
}

/* --- what it says --- */

static struct fb_text value_of(struct merging *m, const struct task *task, uint32_t bit)
{
    const char *words = NULL;

    switch (bit) {
    case EVENT_FIELD_TITLE:
        return fb_text_of(task->title);
    case EVENT_FIELD_BODY:
        return fb_text_of(task->body);
    case EVENT_FIELD_ACCEPT:
        return fb_text_of(task->accept);
    case EVENT_FIELD_WEIGHT:
        words = fb_arena_printf(&m->scratch_arena, "%u", (unsigned)task->weight);
        break;
    case EVENT_FIELD_PRIORITY:
        words = fb_arena_printf(&m->scratch_arena, "%u", (unsigned)task->priority);
        break;
    default:
        words = fb_arena_printf(&m->scratch_arena, "%lld", (long long)task->defer_until_ms);
        break;
    }
    return fb_text_of(words);
}

struct fb_status merge_edited(struct merging *m, struct event *event)
{
    static const char *const names[MERGE_FIELDS] = {"title",  "body",     "accept",
                                                    "weight", "priority", "defer_until"};
    struct fb_text others[MERGE_FIELDS];
    uint32_t origins[MERGE_FIELDS];
    bool contested[MERGE_FIELDS] = {false};
    struct fb_status status;

    for (unsigned i = 0; i < MERGE_FIELDS; i++) {
        struct merge_writer *writer = &m->tasks[event->task].fields[i];

        if ((event->edited.fields & 1u << i) != 0) {
            /* A copy, for the event replaces it. */
            const struct fb_text was = value_of(m, task_of(m, event->task), 1u << i);

            origins[i] = writer->origin - 1;
            contested[i] = merge_writes(m, writer);
            others[i].size = was.size;
            others[i].data =
                fb_arena_copy(&m->scratch_arena, was.size == 0 ? "" : was.data, was.size);
            if (others[i].data == NULL) {
                return merge_exhausted();
            }
        }
    }
    status = merge_emit(m, event);
    for (unsigned i = 0; i < MERGE_FIELDS && fb_is_ok(status); i++) {
        if (contested[i] &&
            !fb_text_equal(others[i], value_of(m, task_of(m, event->task), 1u << i))) {
            status = merge_conflict(m, event->task, fb_text_of(names[i]), others[i], origins[i]);
        }
    }
    return status;
}

struct fb_status merge_end_leases(struct merging *m)
{
    struct fb_status status = fb_ok;

    for (uint32_t i = 1; i <= m->scratch->task_count && fb_is_ok(status); i++) {
        if (task_of(m, i)->state == TASK_ACTIVE) {
            status = requeue(m, i, EVENT_EXPIRED);
        }
    }
    return status;
}
