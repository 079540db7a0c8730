#include "tests/integration/router_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "flowbalancer/v1/flow.pb-c.h"
#include "flowbalancer/v1/mcp.pb-c.h"
#include "runtime/rpc/h2/h2.h"
#include "runtime/rpc/server.h"

/* --- workers --- */

struct fb_loop *loop;
struct router *router;
struct fb_channel *channel;
struct router_config config;
struct worker_side sides[WORKERS];
char *second_address;

static struct fb_server *router_server;
static char folder[] = "/tmp/flow-router-XXXXXX";
static char router_path[64];

static void held_cancelled(struct fb_call *call, void *arg)
{
    struct worker_side *side = arg;

    side->cancelled++;
    side->held = NULL;
    fb_call_finish(call, fb_fail(FB_CANCELLED, ""));
}

static void flood(struct fb_call *call, void *arg)
{
    static const uint8_t block[16384];
    struct worker_side *side = arg;
    bool room = true;

    while (room && side->flooded_bytes < (64 << 20)) {
        room = fb_call_send_bytes(call, block, sizeof(block));
        side->flooded_bytes += (int64_t)sizeof(block);
    }
}

static const struct fb_call_events held_events = {.on_cancel = held_cancelled, .on_drain = flood};

static void answer(struct fb_call *call, struct worker_side *side)
{
    const struct fb_text bytes = fb_call_request_bytes(call);

    fb_call_add_trailer(call, "worker", fb_text_of(side->id));
    fb_call_send_bytes(call, (const uint8_t *)bytes.data, bytes.size);
    fb_call_finish(call, fb_ok);
}

static void take_in(struct fb_call *call, void *arg, const uint8_t *data, size_t size)
{
    struct worker_side *side = arg;

    (void)call;
    (void)data;
    side->taken_in += size;
}

static void took_all(struct fb_call *call, void *arg)
{
    struct worker_side *side = arg;
    char number[24];

    snprintf(number, sizeof(number), "%zu", side->taken_in);
    fb_call_add_trailer(call, "taken-in", fb_text_of(number));
    answer(call, side);
}

static const struct fb_call_events upload_events = {
    .on_message = take_in,
    .on_half_close = took_all,
    .on_cancel = held_cancelled,
};

static void serve(struct fb_call *call, const ProtobufCMessage *request)
{
    struct worker_side *side = fb_call_self(call);
    const struct fb_text bytes = fb_call_request_bytes(call);
    struct fb_text value;
    const bool taken_over =
        fb_metadata_find(fb_call_metadata(call), "flowbalancer-take-over", &value);

    (void)request;
    side->calls++;
    side->taken_over += taken_over;
    switch (side->behaviour) {
    case ANSWERS:
        answer(call, side);
        break;
    case REFUSES_UNRUN:
        fb_call_add_trailer(call, "flowbalancer-reason", FB_TEXT("not-run"));
        fb_call_finish(call, fb_fail(FB_UNAVAILABLE, "not now"));
        break;
    case FAILS:
        fb_call_finish(call, fb_fail(FB_UNAVAILABLE, "it broke on the way"));
        break;
    case HOLDS:
        side->held = call;
        fb_call_watch(call, &held_events, side);
        break;
    case FLOODS:
        side->held = call;
        fb_call_watch(call, &held_events, side);
        flood(call, side);
        break;
    case WAITS:
        side->held = call;
        fb_call_watch(call, &held_events, side);
        fb_call_send_bytes(call, (const uint8_t *)bytes.data, bytes.size);
        break;
    case SAYS_HELD:
        if (taken_over) {
            answer(call, side);
        } else {
            fb_call_add_trailer(call, "flowbalancer-reason", FB_TEXT("held"));
            fb_call_add_trailer(call, "flowbalancer-holder", fb_text_of(side->holder));
            fb_call_finish(call, fb_fail(FB_ABORTED, "another worker has the session"));
        }
        break;
    case TAKES_IN:
        side->taken_in = 0;
        fb_call_watch(call, &upload_events, side);
        break;
    }
}

static const struct fb_method worker_methods[] = {
    {"CallTool", FB_SERVER_STREAM, serve, .raw = true},
    {"ListTools", FB_UNARY, serve, .raw = true},
    {"Listen", FB_SERVER_STREAM, serve, .raw = true},
};

static const struct fb_method flow_methods[] = {
    {"Find", FB_SERVER_STREAM, serve, .raw = true},
    {"Import", FB_CLIENT_STREAM, serve, .raw = true},
    {"Next", FB_SERVER_STREAM, serve, .raw = true},
    {"Plan", FB_UNARY, serve, .raw = true},
    {"Status", FB_UNARY, serve, .raw = true},
    {"Watch", FB_SERVER_STREAM, serve, .raw = true},
};

static const struct fb_rpc_service flow_service = {
    .descriptor = &flowbalancer__v1__flow_service__descriptor,
    .methods = flow_methods,
    .method_count = sizeof(flow_methods) / sizeof(flow_methods[0]),
};

static const struct fb_rpc_service worker_service = {
    .descriptor = &flowbalancer__v1__mcp_service__descriptor,
    .methods = worker_methods,
    .method_count = sizeof(worker_methods) / sizeof(worker_methods[0]),
};

static void join_said(struct fb_client_call *call, void *arg, const uint8_t *data, size_t size)
{
    struct worker_side *side = arg;
    Flowbalancer__V1__JoinResponse *said =
        flowbalancer__v1__join_response__unpack(NULL, size, data);

    (void)call;
    assert_non_null(said);
    if (said->message_case == FLOWBALANCER__V1__JOIN_RESPONSE__MESSAGE_DRAIN) {
        side->told_to_drain = true;
    }
    flowbalancer__v1__join_response__free_unpacked(said, NULL);
}

static void join_ended(struct fb_client_call *call, void *arg, const struct fb_call_end *end)
{
    struct worker_side *side = arg;

    (void)call;
    (void)end;
    side->join = NULL;
}

static const struct fb_client_call_events join_events = {
    .on_message = join_said,
    .on_end = join_ended,
};

void open_worker(size_t i)
{
    struct worker_side *side = &sides[i];
    const struct fb_server_config server_config = {0};
    char address[80];
    const struct fb_listen_config listen = {.address = address};

    snprintf(address, sizeof(address), "unix:%s", side->path);
    side->server = fb_server_create(loop, &server_config);
    fb_server_add(side->server, &worker_service, side);
    fb_server_add(side->server, &flow_service, side);
    assert_true(fb_is_ok(fb_server_listen(side->server, &fb_h2, &listen)));
}

void close_worker(size_t i)
{
    fb_server_destroy(sides[i].server);
    sides[i].server = NULL;
}

static void start_worker(size_t i)
{
    struct worker_side *side = &sides[i];
    const struct fb_channel_config channel_config = {.target = router_path};

    *side = (struct worker_side){0};
    snprintf(side->id, sizeof(side->id), "w%zu", i);
    snprintf(side->path, sizeof(side->path), "%s/w%zu.sock", folder, i);
    open_worker(i);
    assert_true(fb_is_ok(fb_channel_create(loop, &fb_h2, &channel_config, &side->channel)));
}

struct worker *known(size_t i)
{
    size_t count;
    struct worker *const *workers = registry_workers(router->registry, &count);

    for (size_t at = 0; at < count; at++) {
        if (workers[at]->state != WORKER_GONE && strcmp(workers[at]->id, sides[i].id) == 0) {
            return workers[at];
        }
    }
    return NULL;
}

void say(size_t i, char **sessions, size_t session_count, bool hello_too)
{
    struct worker_side *side = &sides[i];
    Flowbalancer__V1__WorkerHello hello = FLOWBALANCER__V1__WORKER_HELLO__INIT;
    Flowbalancer__V1__WorkerHeartbeat heartbeat = FLOWBALANCER__V1__WORKER_HEARTBEAT__INIT;
    Flowbalancer__V1__JoinRequest request = FLOWBALANCER__V1__JOIN_REQUEST__INIT;
    char address[80];
    char *addresses[] = {address, second_address};

    snprintf(address, sizeof(address), "unix:%s", side->path);
    heartbeat.sessions_added = sessions;
    heartbeat.n_sessions_added = session_count;
    if (hello_too) {
        hello.worker_id = side->id;
        hello.addresses = addresses;
        hello.n_addresses = second_address == NULL ? 1 : 2;
        hello.tier = FLOWBALANCER__V1__TIER__TIER_WARM;
        hello.capacity = 4;
        hello.start_unix_ms = fb_clock_unix_ms();
        hello.state = &heartbeat;
        request.message_case = FLOWBALANCER__V1__JOIN_REQUEST__MESSAGE_HELLO;
        request.hello = &hello;
    } else {
        request.message_case = FLOWBALANCER__V1__JOIN_REQUEST__MESSAGE_HEARTBEAT;
        request.heartbeat = &heartbeat;
    }
    fb_client_call_send(side->join, &request.base);
}

void begin_join(size_t i)
{
    const struct fb_call_plan plan = {.path = "/flowbalancer.v1.WorkerRegistryService/Join"};

    sides[i].join = fb_channel_call(sides[i].channel, &plan, &join_events, &sides[i]);
    assert_non_null(sides[i].join);
    say(i, NULL, 0, true);
}

void join(size_t i)
{
    begin_join(i);
    WAIT_FOR(known(i) != NULL && known(i)->state == WORKER_READY);
}

void stop_worker(size_t i)
{
    fb_channel_destroy(sides[i].channel);
    sides[i].channel = NULL;
    sides[i].held = NULL;
    close_worker(i);
}

/* --- callers --- */

static struct answer answers[ANSWERS_MOST];
static size_t asked;

static void answer_message(struct fb_client_call *call, void *arg, const uint8_t *data, size_t size)
{
    struct answer *answer = arg;

    (void)call;
    (void)data;
    answer->messages++;
    answer->bytes += size;
}

static void answer_end(struct fb_client_call *call, void *arg, const struct fb_call_end *end)
{
    struct answer *answer = arg;
    struct fb_text text = {0};

    (void)call;
    answer->over = true;
    answer->call = NULL;
    answer->code = end->status.code;
    snprintf(answer->why, sizeof(answer->why), "%s", end->status.why);
    if (fb_metadata_find(end->trailers, "worker", &text)) {
        snprintf(answer->worker, sizeof(answer->worker), "%.*s", (int)text.size, text.data);
    }
    if (fb_metadata_find(end->trailers, "taken-in", &text)) {
        snprintf(answer->taken_in, sizeof(answer->taken_in), "%.*s", (int)text.size, text.data);
    }
    answer->not_run = fb_metadata_find(end->trailers, "flowbalancer-reason", &text) &&
                      fb_text_is(text, "not-run");
}

const struct fb_client_call_events answer_events = {
    .on_message = answer_message,
    .on_end = answer_end,
};

struct answer *call_with(const char *path, int64_t deadline_ms)
{
    const struct fb_call_plan plan = {.path = path, .deadline_ms = deadline_ms};
    struct answer *answer = &answers[asked++];

    assert_in_range(asked, 1, ANSWERS_MOST);
    *answer = (struct answer){0};
    answer->call = fb_channel_call(channel, &plan, &answer_events, answer);
    assert_non_null(answer->call);
    return answer;
}

struct answer *ask_with(const char *path, const char *session, int64_t deadline_ms)
{
    Flowbalancer__V1__CallContext context = FLOWBALANCER__V1__CALL_CONTEXT__INIT;
    Flowbalancer__V1__CallToolRequest request = FLOWBALANCER__V1__CALL_TOOL_REQUEST__INIT;
    struct answer *answer = call_with(path, deadline_ms);

    context.agent = (char *)"agent";
    context.session = (char *)session;
    request.context = &context;
    fb_client_call_send(answer->call, &request.base);
    fb_client_call_half_close(answer->call);
    return answer;
}

struct answer *ask_message(const char *path, const ProtobufCMessage *message)
{
    struct answer *answer = call_with(path, 0);

    fb_client_call_send(answer->call, message);
    fb_client_call_half_close(answer->call);
    return answer;
}

const char CALL_TOOL[] = "/flowbalancer.v1.McpService/CallTool";
const char LIST_TOOLS[] = "/flowbalancer.v1.McpService/ListTools";
const char LISTEN[] = "/flowbalancer.v1.McpService/Listen";

struct answer *ask(const char *path)
{
    return ask_with(path, "", 0);
}

int calls_that_came(void)
{
    int sum = 0;

    for (size_t i = 0; i < WORKERS; i++) {
        sum += sides[i].calls;
    }
    return sum;
}

/* --- the world --- */

int world_setup(void **state)
{
    const struct fb_server_config server_config = {0};
    const struct fb_listen_config listen = {.address = router_path};
    const struct fb_channel_config channel_config = {.target = router_path};

    (void)state;
    asked = 0;
    memcpy(folder + sizeof(folder) - 7, "XXXXXX", 6);
    assert_non_null(mkdtemp(folder));
    snprintf(router_path, sizeof(router_path), "unix:%s/router.sock", folder);
    loop = fb_loop_create();
    config = (struct router_config){
        .id = "r1",
        .heartbeat_interval_ms = 100,
        .heartbeat_grace_ms = 60000,
        .wait_for_worker_ms = 10000,
        .waiting = 2,
    };
    router = calloc(1, sizeof(*router));
    router_server = fb_server_create(loop, &server_config);
    router->loop = loop;
    router->config = &config;
    router->transport = &fb_h2;
    router->server = router_server;
    assert_true(fb_is_ok(router_init(router)));
    fb_server_add(router_server, &admin_service, router);
    fb_server_add(router_server, &forward_mcp_service, router);
    fb_server_add(router_server, &forward_flow_service, router);
    fb_server_add(router_server, &join_service, router);
    assert_true(fb_is_ok(fb_server_listen(router_server, &fb_h2, &listen)));
    assert_true(fb_is_ok(fb_channel_create(loop, &fb_h2, &channel_config, &channel)));
    for (size_t i = 0; i < WORKERS; i++) {
        start_worker(i);
    }
    return 0;
}

int world_teardown(void **state)
{
    (void)state;
    fb_channel_destroy(channel);
    router_drain(router);
    fb_server_destroy(router_server);
    router_finish(router);
    free(router);
    for (size_t i = 0; i < WORKERS; i++) {
        if (sides[i].server != NULL) {
            stop_worker(i);
        }
    }
    fb_loop_destroy(loop);
    for (size_t i = 0; i < WORKERS; i++) {
        unlink(sides[i].path);
    }
    unlink(router_path + strlen("unix:"));
    return rmdir(folder);
}
