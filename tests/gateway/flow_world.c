#include "tests/gateway/flow_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int set_up(void **state, bool original)
{
    struct world *world;

    assert_int_equal(setup(state), 0);
    world = *state;
    world->flow_tools = !original;
    world->original_tools = original;
    begin_again(world, 16, 100000);
    return 0;
}

int flow_setup(void **state)
{
    return set_up(state, false);
}

int flow_setup_original(void **state)
{
    return set_up(state, true);
}

void call_flow(struct world *world, const char *tool, const char *arguments)
{
    static char line[65536];

    snprintf(line, sizeof(line),
             "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":\"%s\","
             "\"arguments\":%s," META "}}",
             tool, arguments);
    say(world, line);
}

const void *asked_flow(struct world *world, const char *method)
{
    char path[128];

    snprintf(path, sizeof(path), "/flowbalancer.v1.FlowService/%s", method);
    assert_true(last_call(world)->open);
    assert_string_equal(last_call(world)->path, path);
    return last_call(world)->request;
}

void reply(struct world *world, const ProtobufCMessage *message)
{
    struct uplink_call *call = last_call(world);

    fake_say(call, message);
    if (call->open) {
        fake_end(call, fb_ok, "", -1);
    }
}

void refuse_with(struct world *world, enum fb_code code, const char *why,
                 const Flowbalancer__V1__FlowRefusal *refusal)
{
    struct uplink_call *call = last_call(world);
    uint8_t packed[1024];
    struct failure end = {.status = fb_fail(code, why), .retry_ms = -1};

    if (refusal != NULL) {
        assert_true(protobuf_c_message_get_packed_size(&refusal->base) <= sizeof(packed));
        end.refusal = (struct fb_text){
            .data = (const char *)packed,
            .size = protobuf_c_message_pack(&refusal->base, packed),
        };
        end.reason = fb_text_of(refusal->reason);
    }
    assert_true(call->open);
    call->open = false;
    call->events->on_end(call->arg, &end);
}

void assert_heard(struct world *world, const char *const *parts)
{
    const char *line = heard(world);

    for (; *parts != NULL; parts++) {
        if (strstr(line, *parts) == NULL) {
            fail_msg("%s\nis not in\n%s", *parts, line);
        }
    }
}
