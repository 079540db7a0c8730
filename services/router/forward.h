#ifndef FB_SERVICES_ROUTER_FORWARD_H
#define FB_SERVICES_ROUTER_FORWARD_H

/*
 * forward: what the files of forwarding share: a call on its way to a worker and back.
 *
 * A call is a row of steps: pick, send, then the worker's answer; or it waits in the router's list
 * until a worker has room. forward.c has the steps and the answer, forward_methods.c the table of
 * methods and the beginning, forward_repeat.c what may be sent once more and where to,
 * forward_lists.c those that wait and those that stand. All memory is the call's arena.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/rpc/call.h"
#include "runtime/rpc/channel.h"
#include "services/router/context.h"
#include "services/router/placement.h"
#include "services/router/router.h"

enum {
    FORWARD_ATTEMPTS_MOST = PLACEMENT_TRIED_MOST,
    FORWARD_REDIRECTS_MOST = 4,   /* from one worker to the one that holds the session */
    FORWARD_KEPT_BYTES = 2 << 20, /* of a caller's stream, to be sent once more */
};

/* Between worker and us, and to our callers: mcp.proto and flow.proto say what the values mean. */
extern const char FORWARD_REASON_KEY[];
extern const char FORWARD_NOT_RUN[];
extern const char FORWARD_TAKE_OVER_KEY[];

/* What a method allows. */
struct forward_rule {
    /* sent to another worker when one was lost before anything of its answer came */
    bool repeats;                 /* always: it only reads */
    bool repeats_with_request_id; /* if its FlowMutation has one, in a session */
    bool once;                    /* never, not even when it surely did not run */

    /* open for long, so no load */
    bool stands;
    uint32_t wait_field; /* if this field of the request is above 0; 0: no such field */

    bool hot; /* short and frequent: workers of the hot tier come first */
};

/* A message of the caller. */
struct forward_message {
    struct fb_text bytes;
    struct forward_message *next;
};

struct forward {
    struct router *router;
    struct fb_call *call;
    struct forward_rule rule; /* `repeats` and `stands` as the request itself has it */
    struct context context;
    struct fb_text session_key; /* of the context's session, as workers name it */
    struct placement placement;
    uint32_t attempts;
    uint32_t redirects;
    int64_t began_us;
    bool answered;  /* something of the answer has gone out: no other worker can take over */
    bool take_over; /* the worker is to take the session from whoever held it */

    /* what the caller said */
    struct forward_message *said; /* oldest first */
    struct forward_message **said_end;
    size_t said_bytes;
    bool said_more; /* than is kept: it cannot be sent once more */
    bool said_all;

    /* where it is: on a worker, or waiting, or neither */
    struct worker *worker;
    struct fb_client_call *sent;
    struct forward *next;  /* in the list of those that wait, or of those that stand */
    struct forward **link; /* not NULL while in one of them */
    int64_t waits_until_ms;
};

enum forward_step { FORWARD_PICK, FORWARD_SEND, FORWARD_WAIT, FORWARD_DONE };

/* --- forward.c --- */

extern const struct fb_call_events forward_call_events;

void forward_run(struct forward *forward, enum forward_step step);

/* Where the call belongs as things are now; NULL: no worker has room. */
struct worker *forward_pick(struct forward *forward);

/* The call has left its worker, `lost` when that failed it. */
void forward_leave_worker(struct forward *forward, bool lost);

/* Ends the call; `forward` is gone with its arena. */
void forward_finish(struct forward *forward, struct fb_status status);

/* For failures of our own making: the call did not run, so anybody may send it again. */
void forward_refuse(struct forward *forward, enum fb_code code, const char *why, int64_t retry_ms);

/* --- forward_methods.c --- */

/* The place of the call's method among all that are forwarded, below ROUTER_METHODS. */
size_t forward_method_place(const struct fb_call *call);

/*
 * Takes in a message of a caller's stream, of which FORWARD_KEPT_BYTES are kept to be sent once more; the
 * first says where the call belongs. INVALID_ARGUMENT as context_peek; RESOURCE_EXHAUSTED.
 */
struct fb_status forward_say(struct forward *forward, const uint8_t *data, size_t size);

/* --- forward_repeat.c --- */

/* The worker, not what it ran, failed the call. */
bool forward_is_lost(const struct fb_call_end *end);

/* Sends the call to another worker, or to the one that holds its session, if it may; else false. */
bool forward_repeat(struct forward *forward, const struct fb_call_end *end);

/* The worker did not run the call, as another holds its session. */
bool forward_is_held(const struct fb_call_end *end);

/* --- forward_lists.c --- */

void forward_start_waiting(struct forward *forward);
void forward_stop_waiting(struct forward *forward);
void forward_start_standing(struct forward *forward);
void forward_stop_standing(struct forward *forward);

#endif
