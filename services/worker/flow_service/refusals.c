#include "services/worker/flow_service/refusals.h"

#include <assert.h>

#include "flowbalancer/v1/flow.pb-c.h"

enum fb_code refusal_code(enum refusal_kind kind)
{
    static const enum fb_code codes[REFUSAL_KINDS] = {
        [REFUSAL_NONE] = FB_OK,
        [REFUSAL_INVALID] = FB_INVALID_ARGUMENT,
        [REFUSAL_CONFLICT] = FB_ABORTED,
        [REFUSAL_CYCLE] = FB_FAILED_PRECONDITION,
        [REFUSAL_NOT_READY] = FB_FAILED_PRECONDITION,
        [REFUSAL_WIP_LIMIT] = FB_RESOURCE_EXHAUSTED,
        [REFUSAL_NEEDS_CAPS] = FB_FAILED_PRECONDITION,
        [REFUSAL_STALE_REV] = FB_ABORTED,
        [REFUSAL_DUPLICATE_KEY] = FB_ALREADY_EXISTS,
        [REFUSAL_NO_SUCH] = FB_NOT_FOUND,
        [REFUSAL_BUDGET] = FB_RESOURCE_EXHAUSTED,
    };

    assert(kind < REFUSAL_KINDS);
    return codes[kind];
}

struct fb_text refusal_pack(const struct refusal *refusal, struct fb_arena *arena)
{
    Flowbalancer__V1__FlowRefusal said = FLOWBALANCER__V1__FLOW_REFUSAL__INIT;
    const char *holder = fb_arena_copy(arena, refusal->holder.data, refusal->holder.size);
    uint8_t *bytes;
    size_t size;

    said.reason = (char *)refusal_name(refusal->kind);
    said.task = refusal->task;
    said.other = refusal->other;
    said.holder = holder == NULL ? (char *)"" : (char *)holder;
    if (refusal->kind == REFUSAL_STALE_REV) {
        said.rev = (uint32_t)refusal->fence;
    } else {
        said.fence = refusal->fence;
    }
    size = flowbalancer__v1__flow_refusal__get_packed_size(&said);
    bytes = fb_arena_alloc(arena, size);
    if (bytes == NULL) {
        return (struct fb_text){.size = 0};
    }
    flowbalancer__v1__flow_refusal__pack(&said, bytes);
    return (struct fb_text){.data = (const char *)bytes, .size = size};
}

struct fb_status refusal_say(struct fb_call *call, const struct refusal *refusal)
{
    /* What is malformed is no refusal: no state of the session would allow it. */
    if (refusal->kind != REFUSAL_INVALID && refusal->kind != REFUSAL_NONE) {
        /* Legal keys and short values: they fit, or the call has worse problems. */
        (void)fb_call_add_trailer(call, "flowbalancer-reason",
                                  fb_text_of(refusal_name(refusal->kind)));
        (void)fb_call_add_trailer(call, "flowbalancer-refusal-bin",
                                  refusal_pack(refusal, fb_call_arena(call)));
    }
    return fb_fail(refusal_code(refusal->kind), refusal->why);
}
