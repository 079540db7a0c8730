#include "gateway/dial.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "flowbalancer/v1/mcp.pb-c.h"

#include "runtime/base/clock.h"
#include "runtime/rpc/call.h"
#include "runtime/rpc/h2/h2.h"
#include "runtime/rpc/server.h"
#include "tests/support/folder.h"

enum { DEADLINE_MS = 20000, TARGET_BYTES = FOLDER_BYTES + 16, CALLS = 8 };

/* A router that answers ListTools with the cursor as version, and keeps CallTool open. */
struct world {
    struct fb_loop *loop;
    char folder[FOLDER_BYTES];
    char target[TARGET_BYTES];
    struct fb_server *server; /* NULL: nobody listens */
    struct fb_call *kept;     /* of CallTool */
    bool kept_cancelled;
    size_t arrived; /* of CallTool */
    struct dial *dial;
    struct uplink uplink;
};

/* What an asker hears. */
struct heard {
    size_t messages;
    size_t again;
    char version[64];
    bool ended;
    enum fb_code code;
    char why[256];
    char reason[32];
    int64_t retry_ms;
};

/* --- the router --- */

static void serve_list(struct fb_call *call, const ProtobufCMessage *message)
{
    const Flowbalancer__V1__ListToolsRequest *request =
        (const Flowbalancer__V1__ListToolsRequest *)message;
    Flowbalancer__V1__ListToolsResponse response = FLOWBALANCER__V1__LIST_TOOLS_RESPONSE__INIT;

    if (strcmp(request->cursor, "busy") == 0) {
        fb_call_add_trailer(call, "flowbalancer-reason", FB_TEXT("queue"));
        fb_call_add_trailer(call, "flowbalancer-retry-ms", FB_TEXT("250"));
        fb_call_finish(call, fb_fail(FB_RESOURCE_EXHAUSTED, "busy"));
        return;
    }
    response.version = request->cursor;
    fb_call_reply(call, &response.base);
}

static void kept_is_cancelled(struct fb_call *call, void *arg)
{
    struct world *world = arg;

    world->kept_cancelled = true;
    world->kept = NULL;
    fb_call_finish(call, fb_fail(FB_CANCELLED, "cancelled"));
}

static const struct fb_call_events kept_events = {.on_cancel = kept_is_cancelled};

static void serve_call(struct fb_call *call, const ProtobufCMessage *message)
{
    struct world *world = fb_call_self(call);

    (void)message;
    world->kept = call;
    world->arrived++;
    fb_call_watch(call, &kept_events, world);
}

static const struct fb_method methods[] = {
    {.name = "CallTool", .kind = FB_SERVER_STREAM, .handle = serve_call},
    {.name = "ListTools", .kind = FB_UNARY, .handle = serve_list},
};

static const struct fb_rpc_service service = {
    .descriptor = &flowbalancer__v1__mcp_service__descriptor,
    .methods = methods,
    .method_count = 2,
};

static void open_router(struct world *world)
{
    struct fb_status status;

    world->server = fb_server_create(world->loop, &(struct fb_server_config){0});
    assert_non_null(world->server);
    fb_server_add(world->server, &service, world);
    status = fb_server_listen(world->server, &fb_h2,
                              &(struct fb_listen_config){.address = world->target});
    assert_string_equal(status.why, "");
}

static void close_router(struct world *world)
{
    fb_server_destroy(world->server);
    world->server = NULL;
}

/* --- the world --- */

static int setup(void **state)
{
    static struct world world;

    world = (struct world){.loop = fb_loop_create()};
    if (world.loop == NULL || !folder_make(world.folder)) {
        return -1;
    }
    snprintf(world.target, sizeof(world.target), "unix:%s/s", world.folder);
    *state = &world;
    return 0;
}

static int teardown(void **state)
{
    struct world *world = *state;

    dial_destroy(world->dial);
    fb_server_destroy(world->server);
    fb_loop_destroy(world->loop);
    return folder_remove(world->folder) ? 0 : -1;
}

static void make_dial(struct world *world, int64_t patience_ms)
{
    world->dial = dial_create(
        world->loop,
        &(struct dial_config){
            .transport = &fb_h2,
            .channel = {.target = world->target, .backoff_first_ms = 1, .backoff_most_ms = 10},
            .patience_ms = patience_ms,
        });
    assert_non_null(world->dial);
    world->uplink = dial_uplink(world->dial);
}

static void turn_until(struct world *world, const bool *done)
{
    int64_t end_ms = fb_clock_ms() + DEADLINE_MS;

    while (!*done) {
        assert_true(fb_clock_ms() < end_ms);
        fb_loop_turn(world->loop, 100);
    }
}

/* --- asking --- */

static void on_message(void *arg, const uint8_t *data, size_t size)
{
    struct heard *heard = arg;
    Flowbalancer__V1__ListToolsResponse *response =
        flowbalancer__v1__list_tools_response__unpack(NULL, size, data);

    assert_non_null(response);
    heard->messages++;
    snprintf(heard->version, sizeof(heard->version), "%s", response->version);
    flowbalancer__v1__list_tools_response__free_unpacked(response, NULL);
}

static void on_end(void *arg, const struct failure *end)
{
    struct heard *heard = arg;

    assert_false(heard->ended);
    heard->ended = true;
    heard->code = end->status.code;
    heard->retry_ms = end->retry_ms;
    snprintf(heard->why, sizeof(heard->why), "%s", end->status.why);
    snprintf(heard->reason, sizeof(heard->reason), "%.*s", (int)end->reason.size,
             end->reason.size > 0 ? end->reason.data : "");
}

static const struct uplink_events events = {.on_message = on_message, .on_end = on_end};

static struct uplink_call *ask(struct world *world, const char *cursor, bool only_if_there,
                               struct heard *heard)
{
    Flowbalancer__V1__ListToolsRequest request = FLOWBALANCER__V1__LIST_TOOLS_REQUEST__INIT;
    struct uplink_call *call;

    *heard = (struct heard){.messages = 0};
    request.cursor = (char *)(uintptr_t)cursor;
    call =
        world->uplink.call(world->uplink.self, &(struct uplink_plan){
                                                   .path = "/flowbalancer.v1.McpService/ListTools",
                                                   .request = &request.base,
                                                   .deadline_ms = INT64_MAX,
                                                   .only_if_there = only_if_there,
                                                   .events = &events,
                                                   .arg = heard,
                                               });
    assert_non_null(call);
    assert_false(heard->ended);
    return call;
}

static struct uplink_call *ask_tool(struct world *world, struct heard *heard)
{
    Flowbalancer__V1__CallToolRequest request = FLOWBALANCER__V1__CALL_TOOL_REQUEST__INIT;

    *heard = (struct heard){.messages = 0};
    return world->uplink.call(world->uplink.self,
                              &(struct uplink_plan){
                                  .path = "/flowbalancer.v1.McpService/CallTool",
                                  .request = &request.base,
                                  .deadline_ms = INT64_MAX,
                                  .events = &events,
                                  .arg = heard,
                              });
}

/* --- the sentences --- */

static void the_first_call_dials_and_is_answered(void **state)
{
    struct world *world = *state;
    struct heard heard;

    open_router(world);
    make_dial(world, DEADLINE_MS);
    fb_loop_turn(world->loop, 0);
    assert_int_equal(fb_server_stats(world->server)->connections_accepted, 0);
    ask(world, "c1", false, &heard);
    turn_until(world, &heard.ended);
    assert_int_equal(heard.code, FB_OK);
    assert_int_equal(heard.messages, 1);
    assert_string_equal(heard.version, "c1");
    assert_int_equal(fb_server_stats(world->server)->connections_accepted, 1);
}

static void calls_wait_for_a_router_that_comes_up(void **state)
{
    struct world *world = *state;
    struct heard heard[CALLS];

    make_dial(world, DEADLINE_MS);
    for (int i = 0; i < CALLS; i++) {
        ask(world, "c", false, &heard[i]);
    }
    for (int i = 0; i < 5; i++) {
        fb_loop_turn(world->loop, 5);
    }
    open_router(world);
    for (int i = 0; i < CALLS; i++) {
        turn_until(world, &heard[i].ended);
        assert_int_equal(heard[i].code, FB_OK);
        assert_string_equal(heard[i].version, "c");
    }
}

static void a_call_to_nobody_is_given_up_as_not_run(void **state)
{
    struct world *world = *state;
    struct heard heard;

    make_dial(world, 50);
    for (int i = 0; i < 2; i++) { /* and so is the next one */
        ask(world, "c", false, &heard);
        turn_until(world, &heard.ended);
        assert_int_equal(heard.code, FB_UNAVAILABLE);
        assert_string_equal(heard.reason, "not-run");
        assert_non_null(strstr(heard.why, world->target));
    }
}

static void what_is_asked_only_if_somebody_is_there_does_not_wait(void **state)
{
    struct world *world = *state;
    struct heard heard;

    make_dial(world, INT64_MAX / 2);
    ask(world, "c", true, &heard);
    turn_until(world, &heard.ended);
    assert_int_equal(heard.code, FB_UNAVAILABLE);
}

static void a_router_is_found_again_after_it_was_away(void **state)
{
    struct world *world = *state;
    struct heard heard;

    open_router(world);
    make_dial(world, DEADLINE_MS);
    ask(world, "c1", false, &heard);
    turn_until(world, &heard.ended);
    close_router(world);
    fb_loop_turn(world->loop, 0);
    ask(world, "c2", false, &heard);
    open_router(world);
    turn_until(world, &heard.ended);
    assert_int_equal(heard.code, FB_OK);
    assert_string_equal(heard.version, "c2");
}

static void what_may_have_run_is_not_asked_again(void **state)
{
    struct world *world = *state;
    struct heard heard;
    bool arrived = false;
    int64_t end_ms = fb_clock_ms() + DEADLINE_MS;

    open_router(world);
    make_dial(world, DEADLINE_MS);
    assert_non_null(ask_tool(world, &heard));
    while (!arrived) {
        assert_true(fb_clock_ms() < end_ms);
        fb_loop_turn(world->loop, 100);
        arrived = world->kept != NULL;
    }
    close_router(world);
    open_router(world);
    turn_until(world, &heard.ended);
    assert_int_equal(heard.code, FB_UNAVAILABLE);
    assert_string_equal(heard.reason, "");
}

static void told_again(void *arg)
{
    ((struct heard *)arg)->again++;
}

static const struct uplink_events repeated_events = {
    .on_message = on_message, .on_end = on_end, .on_again = told_again};

static struct uplink_call *ask_repeatable(struct world *world, bool only_if_there,
                                          struct heard *heard)
{
    Flowbalancer__V1__CallToolRequest request = FLOWBALANCER__V1__CALL_TOOL_REQUEST__INIT;

    *heard = (struct heard){.messages = 0};
    return world->uplink.call(world->uplink.self,
                              &(struct uplink_plan){
                                  .path = "/flowbalancer.v1.McpService/CallTool",
                                  .request = &request.base,
                                  .deadline_ms = INT64_MAX,
                                  .only_if_there = only_if_there,
                                  .repeatable = true,
                                  .events = &repeated_events,
                                  .arg = heard,
                              });
}

static void what_may_be_repeated_is_asked_again_though_it_may_have_run(void **state)
{
    struct world *world = *state;
    int64_t end_ms = fb_clock_ms() + DEADLINE_MS;
    struct heard heard;
    struct uplink_call *call;

    open_router(world);
    make_dial(world, DEADLINE_MS);
    call = ask_repeatable(world, false, &heard);
    while (world->arrived < 1) {
        assert_true(fb_clock_ms() < end_ms);
        fb_loop_turn(world->loop, 100);
    }
    close_router(world);
    open_router(world);
    while (world->arrived < 2) {
        assert_true(fb_clock_ms() < end_ms);
        fb_loop_turn(world->loop, 100);
    }
    assert_false(heard.ended);
    assert_int_equal(heard.again, 1);
    world->uplink.cancel(world->uplink.self, call);
    turn_until(world, &world->kept_cancelled);
}

static void what_may_be_repeated_is_given_up_when_nobody_comes(void **state)
{
    struct world *world = *state;
    struct heard heard;

    open_router(world);
    make_dial(world, 100);
    ask(world, "c1", false, &heard);
    turn_until(world, &heard.ended);
    close_router(world);
    assert_non_null(ask_repeatable(world, false, &heard));
    turn_until(world, &heard.ended);
    assert_int_equal(heard.code, FB_UNAVAILABLE);
    assert_string_equal(heard.reason, "not-run");
}

static void a_cancelled_call_is_cancelled_at_the_router(void **state)
{
    struct world *world = *state;
    struct heard heard;
    struct uplink_call *call;
    int64_t end_ms = fb_clock_ms() + DEADLINE_MS;

    open_router(world);
    make_dial(world, DEADLINE_MS);
    call = ask_tool(world, &heard);
    while (world->kept == NULL) {
        assert_true(fb_clock_ms() < end_ms);
        fb_loop_turn(world->loop, 100);
    }
    world->uplink.cancel(world->uplink.self, call);
    turn_until(world, &world->kept_cancelled);
    assert_false(heard.ended);
}

static void the_words_of_a_failure_come_with_it(void **state)
{
    struct world *world = *state;
    struct heard heard;

    open_router(world);
    make_dial(world, DEADLINE_MS);
    ask(world, "busy", false, &heard);
    turn_until(world, &heard.ended);
    assert_int_equal(heard.code, FB_RESOURCE_EXHAUSTED);
    assert_string_equal(heard.reason, "queue");
    assert_int_equal(heard.retry_ms, 250);
}

static void what_is_held_comes_when_it_is_let_go(void **state)
{
    struct world *world = *state;
    struct heard heard;
    struct heard other;

    open_router(world);
    make_dial(world, DEADLINE_MS);
    ask(world, "c0", false, &other);
    turn_until(world, &other.ended);
    world->uplink.hold(world->uplink.self, true);
    ask(world, "c1", false, &heard);
    for (int i = 0; i < 20; i++) {
        fb_loop_turn(world->loop, 5);
    }
    assert_int_equal(heard.messages, 0);
    world->uplink.hold(world->uplink.self, false);
    turn_until(world, &heard.ended);
    assert_string_equal(heard.version, "c1");
}

static void a_target_that_is_none_is_the_fault_of_each_call(void **state)
{
    struct world *world = *state;
    struct heard heard;

    snprintf(world->target, sizeof(world->target), "nowhere");
    make_dial(world, DEADLINE_MS);
    for (int i = 0; i < 2; i++) {
        ask(world, "c", false, &heard);
        turn_until(world, &heard.ended);
        assert_int_equal(heard.code, FB_FAILED_PRECONDITION);
    }
}

#define in_world(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        in_world(the_first_call_dials_and_is_answered),
        in_world(calls_wait_for_a_router_that_comes_up),
        in_world(a_call_to_nobody_is_given_up_as_not_run),
        in_world(what_is_asked_only_if_somebody_is_there_does_not_wait),
        in_world(a_router_is_found_again_after_it_was_away),
        in_world(what_may_have_run_is_not_asked_again),
        in_world(what_may_be_repeated_is_asked_again_though_it_may_have_run),
        in_world(what_may_be_repeated_is_given_up_when_nobody_comes),
        in_world(a_cancelled_call_is_cancelled_at_the_router),
        in_world(the_words_of_a_failure_come_with_it),
        in_world(what_is_held_comes_when_it_is_let_go),
        in_world(a_target_that_is_none_is_the_fault_of_each_call),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
