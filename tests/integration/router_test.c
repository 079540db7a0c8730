/*
 * The router between real channels: it, its workers and its callers are servers and channels on libnghttp2
 * in one process, joined by Unix sockets. The workers' handlers are the only thing made up.
 */
#include "services/router/router.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "flowbalancer/v1/admin.pb-c.h"
#include "flowbalancer/v1/mcp.pb-c.h"
#include "runtime/base/clock.h"
#include "runtime/rpc/call.h"
#include "runtime/rpc/h2/h2.h"
#include "runtime/rpc/server.h"

enum { PATIENCE_MS = 20000, WORKERS = 2, ANSWERS_MOST = 64 };

/* --- workers --- */

/* What a worker's handler does with the next calls. */
enum behaviour { ANSWERS, HOLDS, REFUSES_UNRUN, FAILS, FLOODS };

struct worker_side {
    char path[64];
    char id[16];
    struct fb_server *server;
    struct fb_channel *channel;
    struct fb_client_call *join;
    enum behaviour behaviour;
    int calls;     /* that came */
    int cancelled; /* of those held */
    bool told_to_drain;
    struct fb_call *held; /* the last one, of HOLDS */
    int64_t flooded_bytes;
};

static struct fb_loop *loop;
static struct router *router;
static struct fb_server *router_server;
static struct fb_channel *channel;
static struct router_config config;
static char folder[] = "/tmp/flow-router-XXXXXX";
static char router_path[64];
static struct worker_side sides[WORKERS];

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

static void serve(struct fb_call *call, const ProtobufCMessage *request)
{
    struct worker_side *side = fb_call_self(call);
    const struct fb_text bytes = fb_call_request_bytes(call);

    (void)request;
    side->calls++;
    switch (side->behaviour) {
    case ANSWERS:
        fb_call_add_trailer(call, "worker", fb_text_of(side->id));
        fb_call_send_bytes(call, (const uint8_t *)bytes.data, bytes.size);
        fb_call_finish(call, fb_ok);
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
    }
}

static const struct fb_method worker_methods[] = {
    {"CallTool", FB_SERVER_STREAM, serve, .raw = true},
    {"ListTools", FB_UNARY, serve, .raw = true},
    {"Listen", FB_SERVER_STREAM, serve, .raw = true},
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

static void start_worker(size_t i)
{
    struct worker_side *side = &sides[i];
    const struct fb_server_config server_config = {0};
    char address[80];
    const struct fb_listen_config listen = {.address = address};
    const struct fb_channel_config channel_config = {.target = router_path};

    *side = (struct worker_side){0};
    snprintf(side->id, sizeof(side->id), "w%zu", i);
    snprintf(address, sizeof(address), "unix:%s/w%zu.sock", folder, i);
    snprintf(side->path, sizeof(side->path), "%s/w%zu.sock", folder, i);
    side->server = fb_server_create(loop, &server_config);
    fb_server_add(side->server, &worker_service, side);
    assert_true(fb_is_ok(fb_server_listen(side->server, &fb_h2, &listen)));
    assert_true(fb_is_ok(fb_channel_create(loop, &fb_h2, &channel_config, &side->channel)));
}

static struct worker *known(size_t i)
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

#define WAIT_FOR(condition)                                 \
    do {                                                    \
        const int64_t end_ms = fb_clock_ms() + PATIENCE_MS; \
        while (!(condition)) {                              \
            assert_true(fb_clock_ms() < end_ms);            \
            fb_loop_turn(loop, 50);                         \
        }                                                   \
    } while (0)

static char *second_address; /* of workers that join; NULL: none */

static void say(size_t i, char **sessions, size_t session_count, bool hello_too)
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

static void join(size_t i)
{
    const struct fb_call_plan plan = {.path = "/flowbalancer.v1.WorkerRegistryService/Join"};

    sides[i].join = fb_channel_call(sides[i].channel, &plan, &join_events, &sides[i]);
    assert_non_null(sides[i].join);
    say(i, NULL, 0, true);
    WAIT_FOR(known(i) != NULL && known(i)->state == WORKER_READY);
}

static void stop_worker(size_t i)
{
    fb_channel_destroy(sides[i].channel);
    sides[i].channel = NULL;
    sides[i].held = NULL;
    fb_server_destroy(sides[i].server);
    sides[i].server = NULL;
}

/* --- callers --- */

struct answer {
    bool over;
    enum fb_code code;
    char why[128];
    char worker[16];
    bool not_run;
    size_t messages;
    size_t bytes;
    struct fb_client_call *call;
};

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
    answer->not_run = fb_metadata_find(end->trailers, "flowbalancer-reason", &text) &&
                      fb_text_is(text, "not-run");
}

static const struct fb_client_call_events answer_events = {
    .on_message = answer_message,
    .on_end = answer_end,
};

static struct answer *ask_with(const char *path, const char *session, int64_t deadline_ms)
{
    Flowbalancer__V1__CallContext context = FLOWBALANCER__V1__CALL_CONTEXT__INIT;
    Flowbalancer__V1__CallToolRequest request = FLOWBALANCER__V1__CALL_TOOL_REQUEST__INIT;
    const struct fb_call_plan plan = {.path = path, .deadline_ms = deadline_ms};
    struct answer *answer = &answers[asked++];

    assert_in_range(asked, 1, ANSWERS_MOST);
    *answer = (struct answer){0};
    context.agent = (char *)"agent";
    context.session = (char *)session;
    request.context = &context;
    answer->call = fb_channel_call(channel, &plan, &answer_events, answer);
    assert_non_null(answer->call);
    fb_client_call_send(answer->call, &request.base);
    fb_client_call_half_close(answer->call);
    return answer;
}

static const char CALL_TOOL[] = "/flowbalancer.v1.McpService/CallTool";
static const char LIST_TOOLS[] = "/flowbalancer.v1.McpService/ListTools";
static const char LISTEN[] = "/flowbalancer.v1.McpService/Listen";

static struct answer *ask(const char *path)
{
    return ask_with(path, "", 0);
}

static int calls_that_came(void)
{
    int sum = 0;

    for (size_t i = 0; i < WORKERS; i++) {
        sum += sides[i].calls;
    }
    return sum;
}

/* --- the world --- */

static int setup(void **state)
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
    fb_server_add(router_server, &join_service, router);
    assert_true(fb_is_ok(fb_server_listen(router_server, &fb_h2, &listen)));
    assert_true(fb_is_ok(fb_channel_create(loop, &fb_h2, &channel_config, &channel)));
    for (size_t i = 0; i < WORKERS; i++) {
        start_worker(i);
    }
    return 0;
}

static int teardown(void **state)
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

/* --- what it does --- */

static void a_call_waits_until_a_worker_has_joined(void **state)
{
    struct answer *answer = ask(CALL_TOOL);

    (void)state;
    WAIT_FOR(router->waiting_count == 1);
    assert_false(answer->over);
    join(0);
    WAIT_FOR(answer->over);
    assert_int_equal(answer->code, FB_OK);
    assert_string_equal(answer->worker, "w0");
}

static void more_calls_than_may_wait_are_refused_as_not_run(void **state)
{
    struct answer *third;

    (void)state;
    ask(CALL_TOOL);
    ask(CALL_TOOL);
    WAIT_FOR(router->waiting_count == 2);
    third = ask(CALL_TOOL);
    WAIT_FOR(third->over);
    assert_int_equal(third->code, FB_RESOURCE_EXHAUSTED);
    assert_true(third->not_run);
    assert_int_equal(router->waiting_count, 2);
}

static void a_wait_ends_with_a_clear_error(void **state)
{
    struct answer *answer;

    (void)state;
    config.wait_for_worker_ms = 30;
    answer = ask(CALL_TOOL);
    WAIT_FOR(answer->over);
    assert_int_equal(answer->code, FB_UNAVAILABLE);
    assert_true(answer->not_run);
    assert_non_null(strstr(answer->why, "no worker"));
}

static void a_deadline_ends_a_wait(void **state)
{
    struct answer *answer = ask_with(CALL_TOOL, "", fb_clock_ms() + 50);

    (void)state;
    WAIT_FOR(answer->over);
    assert_int_equal(answer->code, FB_DEADLINE_EXCEEDED);
    WAIT_FOR(router->waiting_count == 0 && router->in_flight == 0);
    assert_int_equal(recent_find(router->recent, 1)->code, FB_DEADLINE_EXCEEDED);
}

static void a_full_worker_makes_the_next_call_wait_for_its_turn(void **state)
{
    struct answer *held[4];
    struct answer *next;

    (void)state;
    join(0);
    sides[0].behaviour = HOLDS;
    for (size_t i = 0; i < 4; i++) {
        held[i] = ask(CALL_TOOL);
    }
    WAIT_FOR(sides[0].calls == 4);
    next = ask(CALL_TOOL);
    WAIT_FOR(router->waiting_count == 1);
    sides[0].behaviour = ANSWERS;
    fb_client_call_cancel(held[0]->call);
    WAIT_FOR(next->over);
    assert_int_equal(next->code, FB_OK);
    assert_int_equal(sides[0].cancelled, 1);
    for (size_t i = 1; i < 4; i++) {
        fb_client_call_cancel(held[i]->call);
    }
    WAIT_FOR(sides[0].cancelled == 4);
    assert_int_equal(known(0)->in_flight_here, 0);
}

static void a_call_that_surely_did_not_run_goes_to_another_worker(void **state)
{
    struct answer *answer;

    (void)state;
    join(0);
    join(1);
    sides[0].behaviour = REFUSES_UNRUN;
    for (int i = 0; i < 4; i++) {
        char session[8];

        snprintf(session, sizeof(session), "s%d", i); /* some begin with either worker */
        answer = ask_with(CALL_TOOL, session, 0);
        WAIT_FOR(answer->over);
        assert_int_equal(answer->code, FB_OK);
        assert_string_equal(answer->worker, "w1");
    }
    assert_int_equal(sides[1].calls, 4);
}

static void a_call_that_may_have_run_is_not_repeated(void **state)
{
    struct answer *answer;

    (void)state;
    join(0);
    join(1);
    sides[0].behaviour = FAILS;
    sides[1].behaviour = FAILS;
    answer = ask(CALL_TOOL);
    WAIT_FOR(answer->over);
    assert_int_equal(answer->code, FB_UNAVAILABLE);
    assert_false(answer->not_run);
    assert_string_equal(answer->why, "it broke on the way");
    assert_int_equal(calls_that_came(), 1);
}

static void a_list_is_asked_for_again_elsewhere(void **state)
{
    struct answer *answer;

    (void)state;
    join(0);
    join(1);
    sides[0].behaviour = FAILS;
    for (int i = 0; i < 4; i++) {
        char session[8];

        snprintf(session, sizeof(session), "s%d", i);
        answer = ask_with(LIST_TOOLS, session, 0);
        WAIT_FOR(answer->over);
        assert_int_equal(answer->code, FB_OK);
    }
    assert_int_equal(sides[1].calls, 4);
}

static void a_worker_that_dies_takes_its_running_call_and_no_other(void **state)
{
    struct answer *running;
    struct answer *after;

    (void)state;
    join(0);
    sides[0].behaviour = HOLDS;
    running = ask(CALL_TOOL);
    WAIT_FOR(sides[0].calls == 1);
    fb_call_finish(sides[0].held, fb_fail(FB_UNAVAILABLE, "gone"));
    stop_worker(0);
    WAIT_FOR(running->over);
    assert_int_equal(running->code, FB_UNAVAILABLE);
    assert_false(running->not_run);
    after = ask(CALL_TOOL);
    join(1);
    WAIT_FOR(after->over);
    assert_int_equal(after->code, FB_OK);
    assert_string_equal(after->worker, "w1");
    WAIT_FOR(known(0) == NULL);
}

static void a_session_s_calls_go_to_the_worker_that_holds_it(void **state)
{
    char *sessions[] = {(char *)"held-by-1"};

    (void)state;
    join(0);
    join(1);
    say(1, sessions, 1, false);
    WAIT_FOR(registry_sessions(router->registry) == 1);
    for (int i = 0; i < 4; i++) {
        struct answer *answer = ask_with(CALL_TOOL, "held-by-1", 0);

        WAIT_FOR(answer->over);
        assert_string_equal(answer->worker, "w1");
    }
}

static void a_waiting_call_forgets_a_holder_that_has_left(void **state)
{
    char session[] = "s1";
    char *sessions[] = {session};
    const struct fb_call_plan plan = {.path = "/flowbalancer.v1.WorkerRegistryService/Join"};
    struct answer *answer;

    (void)state;
    /* It holds the session, but nobody can reach it. */
    fb_server_destroy(sides[0].server);
    sides[0].server = NULL;
    sides[0].join = fb_channel_call(sides[0].channel, &plan, &join_events, &sides[0]);
    say(0, sessions, 1, true);
    WAIT_FOR(registry_sessions(router->registry) == 1);
    answer = ask_with(CALL_TOOL, session, 0);
    WAIT_FOR(router->waiting_count == 1);
    fb_channel_destroy(sides[0].channel);
    sides[0].channel = NULL;
    WAIT_FOR(known(0) == NULL);
    join(1);
    WAIT_FOR(answer->over);
    assert_int_equal(answer->code, FB_OK);
    assert_string_equal(answer->worker, "w1");
}

static void a_worker_is_found_again_although_another_of_its_addresses_is_none(void **state)
{
    const struct fb_server_config server_config = {0};
    const struct fb_call_plan plan = {.path = "/flowbalancer.v1.WorkerRegistryService/Join"};
    char address[80];
    const struct fb_listen_config listen = {.address = address};
    char nonsense[] = "nowhere";

    (void)state;
    fb_server_destroy(sides[0].server);
    second_address = nonsense;
    sides[0].join = fb_channel_call(sides[0].channel, &plan, &join_events, &sides[0]);
    say(0, NULL, 0, true);
    second_address = NULL;
    WAIT_FOR(known(0) != NULL && known(0)->channel == NULL);
    snprintf(address, sizeof(address), "unix:%s", sides[0].path);
    sides[0].server = fb_server_create(loop, &server_config);
    fb_server_add(sides[0].server, &worker_service, &sides[0]);
    assert_true(fb_is_ok(fb_server_listen(sides[0].server, &fb_h2, &listen)));
    WAIT_FOR(known(0)->state == WORKER_READY);
}

static void a_cancel_reaches_the_worker(void **state)
{
    struct answer *answer;

    (void)state;
    join(0);
    sides[0].behaviour = HOLDS;
    answer = ask(CALL_TOOL);
    WAIT_FOR(sides[0].calls == 1);
    fb_client_call_cancel(answer->call);
    WAIT_FOR(sides[0].cancelled == 1);
    assert_int_equal(router->in_flight, 0);
}

static void a_deadline_reaches_the_worker(void **state)
{
    struct answer *answer;

    (void)state;
    join(0);
    sides[0].behaviour = HOLDS;
    answer = ask_with(CALL_TOOL, "", fb_clock_ms() + 300);
    WAIT_FOR(sides[0].calls == 1);
    assert_in_range(fb_call_deadline_ms(sides[0].held) - fb_clock_ms(), 1, 310);
    WAIT_FOR(answer->over && sides[0].cancelled == 1);
    assert_int_equal(answer->code, FB_DEADLINE_EXCEEDED);
    assert_int_equal(recent_find(router->recent, 1)->code, FB_DEADLINE_EXCEEDED);
}

static void a_slow_reader_holds_its_worker_back(void **state)
{
    struct answer *answer;
    int64_t before;

    (void)state;
    join(0);
    sides[0].behaviour = FLOODS;
    answer = ask(CALL_TOOL);
    fb_client_call_pause(answer->call);
    WAIT_FOR(sides[0].calls == 1);
    do { /* until nothing moves any more */
        before = sides[0].flooded_bytes;
        for (int i = 0; i < 20; i++) {
            fb_loop_turn(loop, 5);
        }
    } while (sides[0].flooded_bytes != before);
    /* Far less than the 64 MiB it wants to send is under way: the windows and queues of two legs. */
    assert_in_range(sides[0].flooded_bytes, 1, 16 << 20);
    fb_client_call_resume(answer->call);
    WAIT_FOR(answer->bytes >= (size_t)(64 << 20));
    fb_client_call_cancel(answer->call);
    WAIT_FOR(sides[0].cancelled == 1);
}

static void a_subscription_is_no_load_and_ends_with_the_router(void **state)
{
    struct answer *answer;

    (void)state;
    join(0);
    sides[0].behaviour = HOLDS;
    answer = ask(LISTEN);
    WAIT_FOR(sides[0].calls == 1);
    assert_int_equal(known(0)->in_flight_here, 0);
    router_drain(router);
    WAIT_FOR(answer->over && sides[0].cancelled == 1);
    assert_int_equal(answer->code, FB_UNAVAILABLE);
}

static void a_context_that_is_wrong_is_refused_before_any_worker(void **state)
{
    char long_session[200];
    struct answer *answer;

    (void)state;
    join(0);
    memset(long_session, 's', sizeof(long_session) - 1);
    long_session[sizeof(long_session) - 1] = '\0';
    answer = ask_with(CALL_TOOL, long_session, 0);
    WAIT_FOR(answer->over);
    assert_int_equal(answer->code, FB_INVALID_ARGUMENT);
    assert_non_null(strstr(answer->why, "context.session"));
    assert_int_equal(calls_that_came(), 0);
}

/* --- what it shows --- */

static Flowbalancer__V1__GetOverviewResponse *overview;

static void overview_came(void *arg, const struct fb_call_end *end, const ProtobufCMessage *reply)
{
    uint8_t *bytes;
    size_t size;

    (void)arg;
    assert_int_equal(end->status.code, FB_OK);
    size = protobuf_c_message_get_packed_size(reply);
    bytes = malloc(size + 1);
    assert_non_null(bytes);
    protobuf_c_message_pack(reply, bytes);
    overview = flowbalancer__v1__get_overview_response__unpack(NULL, size, bytes);
    free(bytes);
}

static void the_overview_shows_workers_and_figures(void **state)
{
    Flowbalancer__V1__GetOverviewRequest request = FLOWBALANCER__V1__GET_OVERVIEW_REQUEST__INIT;
    const struct fb_call_plan plan = {.path = "/flowbalancer.v1.AdminService/GetOverview"};
    struct answer *answer;

    (void)state;
    overview = NULL;
    join(1);
    join(0);
    answer = ask(CALL_TOOL);
    WAIT_FOR(answer->over);
    fb_channel_unary(channel, &plan, &request.base,
                     &flowbalancer__v1__get_overview_response__descriptor, overview_came, NULL);
    WAIT_FOR(overview != NULL);
    assert_string_equal(overview->router->router_id, "r1");
    assert_int_equal(overview->router->calls, 1);
    assert_true(overview->router->resident_bytes > 0);
    assert_int_equal(overview->n_workers, 2);
    assert_string_equal(overview->workers[0]->worker_id, "w0");
    assert_int_equal(overview->workers[0]->state,
                     FLOWBALANCER__V1__WORKER_STATE__WORKER_STATE_READY);
    assert_int_equal(overview->workers[0]->calls + overview->workers[1]->calls, 1);
    flowbalancer__v1__get_overview_response__free_unpacked(overview, NULL);
}

static bool drained;

static void drain_answered(void *arg, const struct fb_call_end *end, const ProtobufCMessage *reply)
{
    (void)reply;
    *(enum fb_code *)arg = end->status.code;
    drained = true;
}

static enum fb_code order_drain(const char *id)
{
    Flowbalancer__V1__DrainWorkerRequest request = FLOWBALANCER__V1__DRAIN_WORKER_REQUEST__INIT;
    const struct fb_call_plan plan = {.path = "/flowbalancer.v1.AdminService/DrainWorker"};
    enum fb_code code = FB_UNKNOWN;

    drained = false;
    request.worker_id = (char *)id;
    fb_channel_unary(channel, &plan, &request.base,
                     &flowbalancer__v1__drain_worker_response__descriptor, drain_answered, &code);
    WAIT_FOR(drained);
    return code;
}

static void an_order_to_drain_reaches_the_worker_it_names(void **state)
{
    (void)state;
    join(0);
    join(1);
    assert_int_equal(order_drain("w1"), FB_OK);
    WAIT_FOR(sides[1].told_to_drain);
    assert_false(sides[0].told_to_drain);
    assert_int_equal(order_drain("nobody"), FB_NOT_FOUND);
}

static void recent_calls_are_shown_and_followed(void **state)
{
    Flowbalancer__V1__RecentCallsRequest request = FLOWBALANCER__V1__RECENT_CALLS_REQUEST__INIT;
    const struct fb_call_plan plan = {.path = "/flowbalancer.v1.AdminService/RecentCalls"};
    struct answer *follower = &answers[ANSWERS_MOST - 1];
    struct answer *answer;

    (void)state;
    join(0);
    answer = ask(CALL_TOOL);
    WAIT_FOR(answer->over);
    *follower = (struct answer){0};
    request.follow = 1;
    follower->call = fb_channel_call(channel, &plan, &answer_events, follower);
    fb_client_call_send(follower->call, &request.base);
    fb_client_call_half_close(follower->call);
    WAIT_FOR(follower->messages == 1);
    ask(CALL_TOOL);
    WAIT_FOR(follower->messages == 2);
    fb_client_call_cancel(follower->call);
    WAIT_FOR(router->followers == NULL);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_call_waits_until_a_worker_has_joined),
        CASE(more_calls_than_may_wait_are_refused_as_not_run),
        CASE(a_wait_ends_with_a_clear_error),
        CASE(a_deadline_ends_a_wait),
        CASE(a_full_worker_makes_the_next_call_wait_for_its_turn),
        CASE(a_call_that_surely_did_not_run_goes_to_another_worker),
        CASE(a_call_that_may_have_run_is_not_repeated),
        CASE(a_list_is_asked_for_again_elsewhere),
        CASE(a_worker_that_dies_takes_its_running_call_and_no_other),
        CASE(a_session_s_calls_go_to_the_worker_that_holds_it),
        CASE(a_waiting_call_forgets_a_holder_that_has_left),
        CASE(a_worker_is_found_again_although_another_of_its_addresses_is_none),
        CASE(a_cancel_reaches_the_worker),
        CASE(a_deadline_reaches_the_worker),
        CASE(a_slow_reader_holds_its_worker_back),
        CASE(a_subscription_is_no_load_and_ends_with_the_router),
        CASE(a_context_that_is_wrong_is_refused_before_any_worker),
        CASE(the_overview_shows_workers_and_figures),
        CASE(an_order_to_drain_reaches_the_worker_it_names),
        CASE(recent_calls_are_shown_and_followed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
