/*
 * forward_repeat: when a call may be sent once more, and to whom.
 */
#include <string.h>

#include "services/router/forward.h"

const char FORWARD_REASON_KEY[] = "flowbalancer-reason";
const char FORWARD_NOT_RUN[] = "not-run";
const char FORWARD_TAKE_OVER_KEY[] = "flowbalancer-take-over";

static const char REASON_HELD[] = "held";
static const char HOLDER_KEY[] = "flowbalancer-holder";

static bool has_reason(const struct fb_call_end *end, const char *word)
{
    struct fb_text reason;

    return fb_metadata_find(end->trailers, FORWARD_REASON_KEY, &reason) &&
           (word == NULL || fb_text_is(reason, word));
}

bool forward_is_lost(const struct fb_call_end *end)
{
    return end->not_run || (end->status.code == FB_UNAVAILABLE && !has_reason(end, NULL));
}

bool forward_is_held(const struct fb_call_end *end)
{
    return end->status.code == FB_ABORTED && has_reason(end, REASON_HELD);
}

static void send_again(struct forward *forward, enum forward_step step)
{
    struct router *router = forward->router;

    if (!forward->said_all) {
        fb_call_pause(forward->call); /* until it is sent again */
    }
    router->retries++;
    fb_metrics_add(router->metrics, ROUTER_RETRIES, 1);
    forward_run(forward, step);
}

/* --- to another worker --- */

static bool may_repeat(const struct forward *forward, const struct fb_call_end *end)
{
    if (forward->answered || forward->rule.once || forward->said_more ||
        forward->attempts >= FORWARD_ATTEMPTS_MOST || forward->router->retry_tokens < 1 ||
        forward->router->stopping) {
        return false;
    }
    if (end->status.code != FB_UNAVAILABLE && end->status.code != FB_RESOURCE_EXHAUSTED) {
        return false;
    }
    return end->not_run || has_reason(end, FORWARD_NOT_RUN) ||
           (forward->rule.repeats && end->status.code == FB_UNAVAILABLE);
}

static void to_another(struct forward *forward)
{
    struct placement *placement = &forward->placement;

    forward->router->retry_tokens -= 1;
    if (placement->tried_count < PLACEMENT_TRIED_MOST) {
        placement->tried[placement->tried_count++] = forward->worker->serial;
    }
    forward->worker = NULL;
    send_again(forward, FORWARD_PICK);
}

/* --- to whom the session is --- */

static bool answers(const struct worker *worker)
{
    return worker->state == WORKER_READY || worker->state == WORKER_DRAINING;
}

static struct worker *living(const struct registry *registry, struct fb_text id)
{
    size_t count;
    struct worker *const *workers = registry_workers(registry, &count);

    for (size_t i = 0; i < count; i++) {
        if (answers(workers[i]) && fb_text_is(id, workers[i]->id)) {
            return workers[i];
        }
    }
    return NULL;
}

/*
 * The store, which knows who holds a session, does not know whether that one still lives; we do. No
 * retry token is spent: the worker that answered has done nothing, so no load is repeated.
 */
static void to_holder(struct forward *forward, const struct fb_call_end *end)
{
    struct worker *holder = NULL;
    struct fb_text id;

    forward->redirects++;
    if (fb_metadata_find(end->trailers, HOLDER_KEY, &id)) {
        holder = living(forward->router->registry, id);
    }
    forward->take_over = holder == NULL || holder == forward->worker;
    if (!forward->take_over) {
        forward->worker = holder;
    }
    send_again(forward, answers(forward->worker) ? FORWARD_SEND : FORWARD_PICK);
}

bool forward_repeat(struct forward *forward, const struct fb_call_end *end)
{
    if (forward_is_held(end) && !forward->answered && !forward->said_more &&
        !forward->router->stopping && forward->redirects < FORWARD_REDIRECTS_MOST) {
        to_holder(forward, end);
        return true;
    }
    if (may_repeat(forward, end)) {
        to_another(forward);
        return true;
    }
    return false;
}
