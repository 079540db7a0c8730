#include <string.h>

#include "services/worker/sessions/held.h"

enum {
    DECIDED_MOST = 256,   /* in one round */
    WAIT_MARGIN_MS = 250, /* before its deadline a call that waits is answered */
};

/* --- queues --- */

void queue_push(struct keeper_queue *queue, struct keeper_call *call)
{
    call->queue = queue;
    call->next = NULL;
    call->before = queue->last;
    if (queue->last == NULL) {
        queue->first = call;
    } else {
        queue->last->next = call;
    }
    queue->last = call;
    queue->count++;
}

void queue_remove(struct keeper_call *call)
{
    struct keeper_queue *queue = call->queue;

    if (call->before == NULL) {
        queue->first = call->next;
    } else {
        call->before->next = call->next;
    }
    if (call->next == NULL) {
        queue->last = call->before;
    } else {
        call->next->before = call->before;
    }
    queue->count--;
    call->queue = NULL;
}

static void move(struct keeper_call *call, struct keeper_queue *to)
{
    struct keeper *k = call->held->keeper;
    const struct keeper_queue *work = &call->held->for_work;
    const struct keeper_queue *change = &call->held->for_change;

    keeper_count(k, KEEPER_METRIC_WAITING,
                 (to == work || to == change) - (call->queue == work || call->queue == change));
    queue_remove(call);
    queue_push(to, call);
}

/* --- ends --- */

void call_end(struct keeper_call *call, struct fb_status status, const char *reason,
              const char *holder, int64_t retry_ms)
{
    struct keeper *k = call->held->keeper;
    struct keeper_end end = {
        .status = status,
        .reason = reason,
        .holder = holder,
        .retry_ms = retry_ms,
        .sequence = fb_is_ok(status) ? call->sequence : 0,
    };

    call_drop(call);
    if (!fb_is_ok(status)) {
        /* What the store said lives as long as the store's answer. */
        const char *why = fb_arena_copy(call->arena, status.why, strlen(status.why));
        const char *who = fb_arena_copy(call->arena, holder, strlen(holder));

        end.status.why = why == NULL ? "no memory to say why" : why;
        end.holder = who == NULL ? "" : who;
    }
    keeper_count(k, KEEPER_METRIC_CALLS, 1);
    call->events->on_end(call, &end);
}

void call_drop(struct keeper_call *call)
{
    struct keeper_held *held = call->held;

    if (held != NULL && (call->queue == &held->for_work || call->queue == &held->for_change)) {
        keeper_count(held->keeper, KEEPER_METRIC_WAITING, -1);
    }
    queue_remove(call);
    fb_timer_clear(&call->timer);
    if (held != NULL) {
        call->held = NULL;
        held_look_soon(held);
    }
}

void calls_fail_all(struct keeper_queue *of, struct fb_status status, const char *reason,
                    const char *holder, int64_t retry_ms)
{
    /* Who begins again at once comes last, and is not failed with them. */
    for (uint32_t left = of->count; left > 0 && of->first != NULL; left--) {
        call_end(of->first, status, reason, holder, retry_ms);
    }
}

void call_end_no_such(struct keeper_call *call)
{
    call_end(call,
             fb_arena_fail(call->arena, FB_NOT_FOUND,
                           "context.session: there is no session \"%.*s\"; flow_open makes it, "
                           "flow_find lists those there are",
                           (int)call->session.size, call->session.data),
             "no_such", "", 0);
}

/* It is decided once more, for another reason. */
static void again(struct keeper_call *call, enum keeper_cause cause)
{
    call->cause = cause;
    move(call, &call->held->arriving);
    call_arm(call);
    held_look_soon(call->held);
}

static void on_timer(struct fb_timer *timer)
{
    struct keeper_call *call = OWNER_OF(struct keeper_call, timer, timer);
    struct keeper_held *held = call->held;
    const bool waits = call->queue == &held->for_work || call->queue == &held->for_change;

    if (waits) {
        again(call, KEEPER_OVER);
        return;
    }
    if (call->queue == &held->deciding) {
        call_end(call,
                 fb_fail(FB_DEADLINE_EXCEEDED,
                         "the store has not said yet whether this was kept; repeat it with the "
                         "same request id"),
                 "", "", 0);
    } else {
        call_end(call, fb_fail(FB_DEADLINE_EXCEEDED, "the session could not be brought in time"),
                 "not-run", "", 0);
    }
}

void call_arm(struct keeper_call *call)
{
    struct keeper_held *held = call->held;
    int64_t due_ms = call->deadline_ms;

    if (call->queue == &held->for_work || call->queue == &held->for_change) {
        due_ms = call->until_ms;
    }
    if (call->timer.due_ms != due_ms || call->timer.place == 0) {
        fb_timer_set(held->keeper->loop, &call->timer, due_ms, on_timer);
    }
}

/* --- deciding --- */

/* Those that wait for work, as the engine wants to know them. NULL: none, or no memory. */
static struct waiter *waiters_of(const struct keeper_held *held, struct fb_arena *arena,
                                 size_t *count)
{
    struct waiter *waiters = NULL;

    *count = 0;
    if (held->for_work.count != 0) {
        waiters = fb_arena_alloc(arena, held->for_work.count * sizeof(*waiters));
    }
    if (waiters == NULL) {
        return NULL;
    }
    for (const struct keeper_call *call = held->for_work.first; call != NULL; call = call->next) {
        waiters[(*count)++] = (struct waiter){
            .agent = call->actor, .request_id = call->request_id, .task = call->wants};
    }
    return waiters;
}

static void too_much(struct keeper_held *held, struct keeper_call *call)
{
    held->spoiled = true;
    call_end(call,
             fb_fail(FB_RESOURCE_EXHAUSTED,
                     "what was decided is more than 4,096 events, or 16 MiB; do less at once"),
             "not-run", "", 0);
}

/*
 * Waits from now on, though the disk does not have yet what it saw: work that comes meanwhile is to find
 * it.
 */
static void wait(struct keeper_held *held, struct keeper_call *call)
{
    if (call->until_ms == 0) {
        call->until_ms = fb_loop_now_ms(held->keeper->loop) + call->wait_ms;
        if (call->until_ms > call->deadline_ms - WAIT_MARGIN_MS) {
            call->until_ms = call->deadline_ms - WAIT_MARGIN_MS;
        }
    }
    held->untold |= !call->told_wait;
    move(call, call->verdict == KEEPER_WAIT_WORK ? &held->for_work : &held->for_change);
    call_arm(call);
}

static bool run(struct keeper_held *held, struct keeper_call *call, struct decision *decision)
{
    call->verdict = call->events->decide(call, decision);
    if (held->session->broken || !appends_take(held, decision)) {
        too_much(held, call);
        return false;
    }
    unsaid_note(&held->unsaid, held->session, decision->events, decision->event_count);
    upkeep_decided(held, decision);
    call->sequence = (int64_t)held->session->events;
    if (call->verdict == KEEPER_ANSWER || call->cause == KEEPER_OVER) {
        move(call, &held->deciding);
        call_arm(call);
    } else {
        wait(held, call);
    }
    return true;
}

/* The call that a claim answers: of its agent, and if there are several the one that it names. */
static struct keeper_call *claimant(const struct keeper_held *held, const struct event *claimed)
{
    struct keeper_call *found = NULL;

    for (struct keeper_call *call = held->for_work.first; call != NULL; call = call->next) {
        if (!fb_text_equal(call->actor, claimed->actor)) {
            continue;
        }
        if (fb_text_equal(call->request_id, claimed->request_id)) {
            return call;
        }
        found = found == NULL ? call : found;
    }
    return found;
}

/* Who was given a task by these events, and waits for one, hears of it. */
static void deliver(struct keeper_held *held, const struct event *events, size_t count)
{
    for (size_t i = 0; i < count && held->for_work.first != NULL; i++) {
        struct keeper_call *call =
            events[i].kind == EVENT_CLAIMED ? claimant(held, &events[i]) : NULL;
        struct decision decision;

        if (call == NULL) {
            continue;
        }
        decision = (struct decision){
            .session = held->session,
            .arena = call->arena,
            .now_ms = keeper_unix_ms(held->keeper),
        };
        call->cause = KEEPER_GRANTED;
        call->task = events[i].task;
        call->fence = events[i].claimed.fence;
        if (!run(held, call, &decision)) {
            return;
        }
    }
}

static bool all_have_ended(const struct session *session)
{
    return session->task_count != 0 && session->in_state[TASK_COMPLETED] +
                                               session->in_state[TASK_FAILED] +
                                               session->in_state[TASK_CANCELLED] ==
                                           session->task_count;
}

static void decide(struct keeper_held *held, struct keeper_call *call)
{
    struct decision decision = {
        .session = held->session,
        .arena = call->arena,
        .now_ms = keeper_unix_ms(held->keeper),
        .request_id = call->request_id,
    };

    if (held->session->events == 0 && !call->create) {
        call_end_no_such(call);
        return;
    }
    decision.waiters = waiters_of(held, call->arena, &decision.waiter_count);
    if (!run(held, call, &decision)) {
        return;
    }
    deliver(held, decision.events, decision.event_count);
    if (decision.event_count != 0 && all_have_ended(held->session)) {
        while (held->for_work.first != NULL) {
            again(held->for_work.first, KEEPER_FINISHED);
        }
    }
}

static bool may_decide(const struct keeper_held *held)
{
    return held->state == HELD_READY && !held->spoiled && !held->pausing && !held->leaving &&
           !held->lost && appends_have_room(held);
}

bool calls_decide(struct keeper_held *held)
{
    uint32_t left = DECIDED_MOST;

    while (may_decide(held) && held->arriving.first != NULL) {
        if (left-- == 0) {
            return true;
        }
        decide(held, held->arriving.first);
    }
    return false;
}

void calls_expire(struct keeper_held *held)
{
    struct fb_arena arena;
    struct decision decision = {
        .session = held->session,
        .arena = &arena,
        .now_ms = keeper_unix_ms(held->keeper),
    };

    fb_arena_init(&arena, 0);
    decision.waiters = waiters_of(held, &arena, &decision.waiter_count);
    (void)decide_expire(&decision);
    if (held->session->broken || !appends_take(held, &decision)) {
        held->spoiled = true;
    } else {
        unsaid_note(&held->unsaid, held->session, decision.events, decision.event_count);
        upkeep_decided(held, &decision);
        deliver(held, decision.events, decision.event_count);
    }
    fb_arena_finish(&arena);
}

/* --- after the disk has it --- */

/* True: there are some that were not told, as the disk does not have what they saw. */
static bool tell_waiting(struct keeper_held *held, struct keeper_queue *queue)
{
    bool untold = false;

    for (uint32_t left = queue->count; left > 0 && queue->first != NULL; left--) {
        struct keeper_call *call = queue->first;

        queue_remove(call);
        queue_push(queue, call);
        if (call->told_wait) {
            continue;
        }
        if (call->sequence > held->durable) {
            untold = true;
            continue;
        }
        call->told_wait = true;
        if (call->events->on_wait != NULL) {
            call->events->on_wait(call);
        }
    }
    return untold;
}

void calls_settle(struct keeper_held *held)
{
    while (held->deciding.first != NULL && held->deciding.first->sequence <= held->durable) {
        call_end(held->deciding.first, fb_ok, "", "", 0);
    }
    if (held->untold) {
        held->untold = tell_waiting(held, &held->for_work);
        held->untold |= tell_waiting(held, &held->for_change);
    }
    for (uint32_t left = held->for_change.count; left > 0 && held->for_change.first != NULL;
         left--) {
        struct keeper_call *call = held->for_change.first;

        if (call->sequence < held->durable) {
            again(call, KEEPER_CHANGED);
        } else {
            move(call, &held->for_change);
        }
    }
}

void calls_rewind(struct keeper_held *held)
{
    struct keeper_queue *const queues[] = {&held->deciding, &held->for_work, &held->for_change};

    for (size_t i = 0; i < sizeof(queues) / sizeof(queues[0]); i++) {
        for (uint32_t left = queues[i]->count; left > 0 && queues[i]->first != NULL; left--) {
            struct keeper_call *call = queues[i]->first;

            if (call->attempts == KEEPER_ATTEMPTS_MOST) {
                call_end(call,
                         fb_fail(FB_UNAVAILABLE, "the session moves between workers too often"),
                         "not-run", "", 0);
                continue;
            }
            call->attempts++;
            again(call, call->cause == KEEPER_OVER ? KEEPER_OVER : KEEPER_FIRST);
        }
    }
}
