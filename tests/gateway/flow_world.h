#ifndef FB_TESTS_GATEWAY_FLOW_WORLD_H
#define FB_TESTS_GATEWAY_FLOW_WORLD_H

/*
 * flow_world: mcp_world with the tools of the flow, and a suite that answers of FlowService.
 */

#include "flowbalancer/v1/flow.pb-c.h"

#include "tests/gateway/mcp_world.h"

int flow_setup(void **state);
int flow_setup_original(void **state);

#define in_flow(test)     cmocka_unit_test_setup_teardown(test, flow_setup, teardown)
#define in_original(test) cmocka_unit_test_setup_teardown(test, flow_setup_original, teardown)

/* The agent calls one of our tools in the modern era. */
void call_flow(struct world *world, const char *tool, const char *arguments);

/* What the suite was asked last, which has to be by this method of FlowService. */
const void *asked_flow(struct world *world, const char *method);

/* The suite answers with one message and ends. */
void reply(struct world *world, const ProtobufCMessage *message);

/* The suite refuses. */
void refuse_with(struct world *world, enum fb_code code, const char *why,
                 const Flowbalancer__V1__FlowRefusal *refusal);

/* The text of the next line that the agent reads has all of these, NULL-ended. */
void assert_heard(struct world *world, const char *const *parts);
#define hears(world, ...) assert_heard(world, (const char *const[]){__VA_ARGS__, NULL})

/* A constant string as protobuf-c wants it. */
#define S(text) ((char *)(uintptr_t)(text))

#endif
