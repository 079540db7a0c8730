#include <stdlib.h>

#include "services/worker/flow/lease.h"
#include "services/worker/sessions/held.h"

enum {
    RELEASE_IDLES = 60,       /* times idle_ms: then it is released */
    EXPIRY_LEAST_MS = 20,     /* between two looks at the leases */
    EXPIRY_MOST_MS = 3600000, /* after so long the clock is looked at anew */
};

/* --- leases and deferrals --- */

static void on_expiry(struct fb_timer *timer);

static void arm(struct keeper_held *held)
{
    struct keeper *k = held->keeper;
    int64_t wait_ms;

    if (held->expires_ms == INT64_MAX) {
        fb_timer_clear(&held->expiry);
        return;
    }
    wait_ms = held->expires_ms - keeper_unix_ms(k);
    wait_ms = wait_ms < EXPIRY_LEAST_MS ? EXPIRY_LEAST_MS : wait_ms;
    wait_ms = wait_ms > EXPIRY_MOST_MS ? EXPIRY_MOST_MS : wait_ms;
    fb_timer_set(k->loop, &held->expiry, fb_loop_now_ms(k->loop) + wait_ms, on_expiry);
}

static void expect(struct keeper_held *held, int64_t unix_ms)
{
    if (unix_ms < held->expires_ms) {
        held->expires_ms = unix_ms;
        arm(held);
    }
}

static void expect_deferred(struct keeper_held *held)
{
    const struct session *s = held->session;

    if (s->deferred.count != 0) {
        expect(held, (int64_t)-heap_key(&s->deferred, heap_top(&s->deferred)));
    }
}

/* Looks at all leases: there are no more of them than may be active. */
static void expect_all(struct keeper_held *held)
{
    const struct session *s = held->session;
    const uint32_t most = s->in_state[TASK_ACTIVE];
    uint32_t *active = malloc((most + 1) * sizeof(*active));

    held->expires_ms = INT64_MAX;
    expect_deferred(held);
    if (active != NULL) {
        schedule_active(s->schedule, GRAPH_NONE, active, most);
        for (uint32_t i = 0; i < most; i++) {
            const struct lease *lease = &s->tasks[active[i]].lease;

            expect(held, lease_expires_ms(lease, s->agents[lease->agent].heard_ms));
        }
        free(active);
    }
    arm(held);
}

static void on_expiry(struct fb_timer *timer)
{
    struct keeper_held *held = OWNER_OF(struct keeper_held, expiry, timer);
    const bool now = held->state == HELD_READY && !held->spoiled && !held->lost && !held->leaving &&
                     !held->pausing && appends_have_room(held);

    if (now && held->expires_ms <= keeper_unix_ms(held->keeper)) {
        calls_expire(held);
        expect_all(held);
        held_look_soon(held);
    } else if (now) {
        expect_all(held); /* whoever held it was heard meanwhile, or the clock was set */
    } else {
        arm(held);
    }
}

void upkeep_decided(struct keeper_held *held, const struct decision *decision)
{
    /* Whoever was heard holds longer, which is seen when the time has come. */
    for (size_t i = 0; i < decision->event_count; i++) {
        const struct event *event = &decision->events[i];

        if (event->kind == EVENT_CLAIMED) {
            const struct lease lease = {.fence = event->claimed.fence,
                                        .lasts_ms = event->claimed.lasts_ms};

            expect(held, lease_expires_ms(&lease, event->unix_ms));
        }
    }
    expect_deferred(held);
}

/* --- rest --- */

static void on_rest(struct fb_timer *timer)
{
    struct keeper_held *held = OWNER_OF(struct keeper_held, rest, timer);
    struct keeper *k = held->keeper;
    const int64_t idle_ms = fb_loop_now_ms(k->loop) - held->used_ms;

    fb_timer_set(k->loop, &held->rest, fb_loop_now_ms(k->loop) + k->config.idle_ms, on_rest);
    if (held->state != HELD_READY || !held_is_idle(held) || idle_ms < k->config.idle_ms) {
        return;
    }
    if (idle_ms >= RELEASE_IDLES * k->config.idle_ms) {
        held_leave(held);
    } else if (!snapshot_is_going_on(held) && snapshot_is_due(held, SNAPSHOT_IDLE)) {
        held->pausing = true;
        held_look_soon(held);
    }
}

void upkeep_begin(struct keeper_held *held)
{
    struct keeper *k = held->keeper;

    fb_timer_set(k->loop, &held->rest, fb_loop_now_ms(k->loop) + k->config.idle_ms, on_rest);
    expect_all(held);
}

void upkeep_end(struct keeper_held *held)
{
    fb_timer_clear(&held->rest);
    fb_timer_clear(&held->expiry);
    held->expires_ms = INT64_MAX;
}
