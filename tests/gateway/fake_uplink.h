#ifndef FB_TESTS_GATEWAY_FAKE_UPLINK_H
#define FB_TESTS_GATEWAY_FAKE_UPLINK_H

/*
 * fake_uplink: a suite that answers what the test says, when the test says it.
 */

#include "gateway/uplink.h"

enum { FAKE_CALLS = 512 };

struct uplink_call {
    bool open;
    bool cancelled;
    const char *path;
    ProtobufCMessage *request; /* unpacked anew from the bytes that were sent */
    int64_t deadline_ms;
    struct fb_trace_context trace;
    bool only_if_there;
    bool repeatable;
    const struct uplink_events *events;
    void *arg;
};

struct fake_uplink {
    struct uplink_call calls[FAKE_CALLS]; /* in the order of asking */
    size_t count;
    bool held;
    bool exhausted; /* the next call finds no memory */
};

struct uplink fake_uplink(struct fake_uplink *fake);
void fake_uplink_finish(struct fake_uplink *fake);

/* The call answers one message; then it ends. */
void fake_say(struct uplink_call *call, const ProtobufCMessage *message);
void fake_end(struct uplink_call *call, struct fb_status status, const char *reason,
              int64_t retry_ms);

/* CallToolEvents of the given JSON. */
void fake_result(struct uplink_call *call, const char *json);
void fake_progress(struct uplink_call *call, const char *json);
void fake_log(struct uplink_call *call, const char *json);

#endif
