/*
 * forward_lists: calls that wait for a worker with room, and calls that stand on one for long.
 */
#include <assert.h>
#include <stddef.h>

#include "services/router/forward.h"

/* --- waiting --- */

void forward_stop_waiting(struct forward *forward)
{
    struct router *router = forward->router;

    assert(forward->link != NULL);
    *forward->link = forward->next;
    if (forward->next != NULL) {
        forward->next->link = forward->link;
    } else {
        router->waiting_end = forward->link;
    }
    forward->link = NULL;
    router->waiting_count--;
}

/* A worker that sent a call back says nothing when it could take it again. */
enum { LOOK_AGAIN_MS = 250 };

static void arm(struct router *router, int64_t now_ms);

static void look_again(struct fb_timer *timer)
{
    struct router *router =
        (struct router *)((char *)timer - offsetof(struct router, waiting_timer));
    const int64_t now_ms = fb_loop_now_ms(router->loop);

    while (router->waiting != NULL && router->waiting->waits_until_ms <= now_ms) {
        struct forward *forward = router->waiting;

        forward_stop_waiting(forward);
        forward_refuse(
            forward, FB_UNAVAILABLE,
            "no worker took the call in time: see `flowctl status` for which are joined and busy",
            1000);
    }
    forward_waiting_soon(router);
    arm(router, now_ms);
}

static void arm(struct router *router, int64_t now_ms)
{
    int64_t due_ms;

    if (router->waiting != NULL) {
        due_ms = now_ms + LOOK_AGAIN_MS;
        due_ms =
            router->waiting->waits_until_ms < due_ms ? router->waiting->waits_until_ms : due_ms;
        fb_timer_set(router->loop, &router->waiting_timer, due_ms, look_again);
    }
}

void forward_start_waiting(struct forward *forward)
{
    struct router *router = forward->router;

    if (router->stopping || (int64_t)router->waiting_count >= router->config->waiting) {
        forward_refuse(forward, router->stopping ? FB_UNAVAILABLE : FB_RESOURCE_EXHAUSTED,
                       router->stopping ? "the router is going down"
                                        : "all workers are full and too many calls wait already",
                       1000);
        return;
    }
    forward->placement.tried_count = 0; /* after a wait each worker deserves another chance */
    forward->next = NULL;
    forward->link = router->waiting_end;
    *router->waiting_end = forward;
    router->waiting_end = &forward->next;
    router->waiting_count++;
    /* All wait equally long, so the list is in order of its ends. */
    forward->waits_until_ms = fb_loop_now_ms(router->loop) + router->config->wait_for_worker_ms;
    if (router->waiting == forward) {
        arm(router, fb_loop_now_ms(router->loop));
    }
}

static void retry_waiting(struct fb_defer *defer)
{
    struct router *router =
        (struct router *)((char *)defer - offsetof(struct router, waiting_retry));
    struct forward *forward = router->waiting;

    while (forward != NULL) {
        struct forward *next = forward->next;

        if (forward_pick(forward) != NULL) {
            forward_stop_waiting(forward);
            forward_run(forward, FORWARD_PICK);
        }
        forward = next;
    }
}

void forward_waiting_soon(struct router *router)
{
    if (router->waiting != NULL) {
        fb_loop_defer(router->loop, &router->waiting_retry, retry_waiting);
    }
}

/* --- standing --- */

void forward_start_standing(struct forward *forward)
{
    struct router *router = forward->router;

    forward->next = router->standing;
    forward->link = &router->standing;
    if (forward->next != NULL) {
        forward->next->link = &forward->next;
    }
    router->standing = forward;
}

void forward_stop_standing(struct forward *forward)
{
    assert(forward->link != NULL);
    *forward->link = forward->next;
    if (forward->next != NULL) {
        forward->next->link = forward->link;
    }
    forward->link = NULL;
}

void forward_stop(struct router *router)
{
    while (router->waiting != NULL) {
        struct forward *forward = router->waiting;

        forward_stop_waiting(forward);
        forward_refuse(forward, FB_UNAVAILABLE, "the router is going down", 100);
    }
    while (router->standing != NULL) {
        struct forward *forward = router->standing;

        fb_client_call_cancel(forward->sent);
        forward_leave_worker(forward, false);
        forward_finish(forward, fb_fail(FB_UNAVAILABLE, "the router is going down: ask again"));
    }
}
