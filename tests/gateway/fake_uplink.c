#include "tests/gateway/fake_uplink.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "flowbalancer/v1/mcp.pb-c.h"

static struct uplink_call *make_call(void *self, const struct uplink_plan *plan)
{
    struct fake_uplink *fake = self;
    struct uplink_call *made = &fake->calls[fake->count];
    size_t size = protobuf_c_message_get_packed_size(plan->request);
    uint8_t *bytes;

    if (fake->exhausted) {
        return NULL;
    }
    assert_true(fake->count < FAKE_CALLS);
    bytes = malloc(size + 1);
    assert_non_null(bytes);
    protobuf_c_message_pack(plan->request, bytes);
    *made = (struct uplink_call){
        .open = true,
        .path = plan->path,
        .request = protobuf_c_message_unpack(plan->request->descriptor, NULL, size, bytes),
        .deadline_ms = plan->deadline_ms,
        .only_if_there = plan->only_if_there,
        .repeatable = plan->repeatable,
        .events = plan->events,
        .arg = plan->arg,
    };
    free(bytes);
    assert_non_null(made->request);
    if (plan->trace != NULL) {
        made->trace = *plan->trace;
    }
    fake->count++;
    return made;
}

static void cancel(void *self, struct uplink_call *cancelled)
{
    (void)self;
    assert_true(cancelled->open);
    cancelled->open = false;
    cancelled->cancelled = true;
}

static void hold(void *self, bool on)
{
    ((struct fake_uplink *)self)->held = on;
}

struct uplink fake_uplink(struct fake_uplink *fake)
{
    memset(fake, 0, sizeof(*fake));
    return (struct uplink){.self = fake, .call = make_call, .cancel = cancel, .hold = hold};
}

void fake_uplink_finish(struct fake_uplink *fake)
{
    for (size_t i = 0; i < fake->count; i++) {
        protobuf_c_message_free_unpacked(fake->calls[i].request, NULL);
    }
}

void fake_say(struct uplink_call *call, const ProtobufCMessage *message)
{
    size_t size = protobuf_c_message_get_packed_size(message);
    uint8_t *bytes = malloc(size + 1);

    assert_non_null(bytes);
    assert_true(call->open);
    protobuf_c_message_pack(message, bytes);
    call->events->on_message(call->arg, bytes, size);
    free(bytes);
}

void fake_end(struct uplink_call *call, struct fb_status status, const char *reason,
              int64_t retry_ms)
{
    struct failure end = {.status = status, .reason = fb_text_of(reason), .retry_ms = retry_ms};

    assert_true(call->open);
    call->open = false;
    call->events->on_end(call->arg, &end);
}

static ProtobufCBinaryData bytes_of(const char *json)
{
    return (ProtobufCBinaryData){.len = strlen(json), .data = (uint8_t *)(uintptr_t)json};
}

void fake_result(struct uplink_call *call, const char *json)
{
    Flowbalancer__V1__CallToolEvent event = FLOWBALANCER__V1__CALL_TOOL_EVENT__INIT;
    Flowbalancer__V1__CallResult result = FLOWBALANCER__V1__CALL_RESULT__INIT;

    result.result_json = bytes_of(json);
    event.event_case = FLOWBALANCER__V1__CALL_TOOL_EVENT__EVENT_RESULT;
    event.result = &result;
    fake_say(call, &event.base);
}

void fake_progress(struct uplink_call *call, const char *json)
{
    Flowbalancer__V1__CallToolEvent event = FLOWBALANCER__V1__CALL_TOOL_EVENT__INIT;
    Flowbalancer__V1__Progress progress = FLOWBALANCER__V1__PROGRESS__INIT;

    progress.params_json = bytes_of(json);
    event.event_case = FLOWBALANCER__V1__CALL_TOOL_EVENT__EVENT_PROGRESS;
    event.progress = &progress;
    fake_say(call, &event.base);
}

void fake_log(struct uplink_call *call, const char *json)
{
    Flowbalancer__V1__CallToolEvent event = FLOWBALANCER__V1__CALL_TOOL_EVENT__INIT;
    Flowbalancer__V1__LogMessage log = FLOWBALANCER__V1__LOG_MESSAGE__INIT;

    log.params_json = bytes_of(json);
    event.event_case = FLOWBALANCER__V1__CALL_TOOL_EVENT__EVENT_LOG;
    event.log = &log;
    fake_say(call, &event.base);
}
