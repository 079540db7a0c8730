#ifndef FB_GATEWAY_UPLINK_H
#define FB_GATEWAY_UPLINK_H

/*
 * uplink: how the gateway asks the suite, as a value of functions.
 *
 * dial.h makes the real one; tests make their own. All on the loop's thread.
 */

#include <stdbool.h>
#include <stdint.h>

#include <protobuf-c/protobuf-c.h>

#include "gateway/failures.h"
#include "runtime/trace/trace.h"

struct uplink_call;

struct uplink_events {
    /* One message of the answer; bytes borrowed until it returns. The call may be cancelled here. */
    void (*on_message)(void *arg, const uint8_t *data, size_t size);
    /* Exactly once and last, unless cancelled by us. OK as status, too; borrowed until it returns. */
    void (*on_end)(void *arg, const struct failure *end);
    /* The call is asked again: its messages will come anew. NULL unless it is `repeatable`. */
    void (*on_again)(void *arg);
};

struct uplink_plan {
    const char *path;                     /* "/package.Service/Method", a constant */
    const ProtobufCMessage *request;      /* packed before the call returns */
    int64_t deadline_ms;                  /* monotonic; INT64_MAX: none */
    const struct fb_trace_context *trace; /* NULL: none is sent */
    bool only_if_there;                   /* neither starts a suite nor waits for one */
    bool repeatable;                      /* doing it twice is as good as once */
    const struct uplink_events *events;   /* static */
    void *arg;
};

struct uplink {
    void *self;
    /* No event comes before it returns; NULL when memory is exhausted. */
    struct uplink_call *(*call)(void *self, const struct uplink_plan *plan);
    /* Nothing more comes of it; the call is gone. */
    void (*cancel)(void *self, struct uplink_call *call);
    /* Holds back what is still to come of all calls, or lets it come. */
    void (*hold)(void *self, bool on);
};

#endif
