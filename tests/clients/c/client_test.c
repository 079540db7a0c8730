#define _GNU_SOURCE /* environ */

#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <spawn.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "clients/c/admin.h"
#include "clients/c/client.h"
#include "clients/c/flow.h"
#include "clients/c/health.h"
#include "clients/c/mcp.h"
#include "clients/c/session_store.h"
#include "runtime/base/clock.h"
#include "runtime/rpc/call.h"
#include "runtime/rpc/core/core.h"
#include "runtime/rpc/h2/h2.h"
#include "runtime/rpc/message.h"
#include "runtime/rpc/server.h"
#include "tests/support/folder.h"

enum { LONG_MS = 20000, EVENTS = 64, EVENT_BYTES = 256 * 1024 };

/* --- a program that serves, on a thread of its own --- */

struct world {
    const struct fb_transport *transport;
    char folder[FOLDER_BYTES];
    char target[64];
    struct fb_loop *loop;
    struct fb_server *server;
    struct fb_tokens *tokens;
    pthread_t thread;
    sem_t cancelled; /* posted when a call that waits was cancelled */
    int events_left; /* of the present CallTool */
    uint8_t *payload;
};

static void list_tools(struct fb_call *call, const ProtobufCMessage *message)
{
    const Flowbalancer__V1__ListToolsRequest *request =
        (const Flowbalancer__V1__ListToolsRequest *)(const void *)message;
    Flowbalancer__V1__ListToolsResponse response = FLOWBALANCER__V1__LIST_TOOLS_RESPONSE__INIT;
    ProtobufCBinaryData item = {.len = 14, .data = (uint8_t *)(uintptr_t) "{\"name\":\"a\"}  "};

    if (strcmp(request->cursor, "bad") == 0) {
        fb_call_add_trailer(call, "flowbalancer-reason", FB_TEXT("busy"));
        fb_call_add_trailer(call, "flowbalancer-retry-ms", FB_TEXT("250"));
        fb_call_finish(call, fb_fail(FB_RESOURCE_EXHAUSTED, "too much at once: 3 of 3"));
        return;
    }
    response.n_items_json = 1;
    response.items_json = &item;
    response.version = request->cursor;
    fb_call_reply(call, &response.base);
}

static void send_events(struct fb_call *call, void *arg)
{
    struct world *world = arg;
    Flowbalancer__V1__CallResult result = FLOWBALANCER__V1__CALL_RESULT__INIT;
    Flowbalancer__V1__CallToolEvent event = FLOWBALANCER__V1__CALL_TOOL_EVENT__INIT;
    char number[16];

    event.event_case = FLOWBALANCER__V1__CALL_TOOL_EVENT__EVENT_RESULT;
    event.result = &result;
    result.result_json.data = world->payload;
    result.result_json.len = EVENT_BYTES;
    while (world->events_left > 0) {
        snprintf(number, sizeof(number), "%d", EVENTS - world->events_left--);
        result.upstream_revision = number;
        if (!fb_call_send(call, &event.base)) {
            return;
        }
    }
    fb_call_finish(call, fb_ok);
}

static void waiting_cancelled(struct fb_call *call, void *arg)
{
    struct world *world = arg;

    fb_call_finish(call, fb_fail(FB_CANCELLED, "the caller went away"));
    sem_post(&world->cancelled);
}

static const struct fb_call_events sending = {
    .on_drain = send_events,
    .on_cancel = waiting_cancelled,
};
static const struct fb_call_events waiting = {.on_cancel = waiting_cancelled};

static void call_tool(struct fb_call *call, const ProtobufCMessage *message)
{
    const Flowbalancer__V1__CallToolRequest *request =
        (const Flowbalancer__V1__CallToolRequest *)(const void *)message;
    struct world *world = fb_call_self(call);
    Flowbalancer__V1__Progress progress = FLOWBALANCER__V1__PROGRESS__INIT;
    Flowbalancer__V1__CallToolEvent event = FLOWBALANCER__V1__CALL_TOOL_EVENT__INIT;

    if (request->progress) {
        event.event_case = FLOWBALANCER__V1__CALL_TOOL_EVENT__EVENT_PROGRESS;
        event.progress = &progress;
        fb_call_watch(call, &waiting, world);
        fb_call_send(call, &event.base);
        return;
    }
    world->events_left = EVENTS;
    fb_call_watch(call, &sending, world);
    send_events(call, world);
}

static const struct fb_method mcp_methods[] = {
    {.name = "CallTool", .kind = FB_SERVER_STREAM, .handle = call_tool},
    {.name = "ListTools", .kind = FB_UNARY, .handle = list_tools},
};

static const struct fb_rpc_service mcp_service = {
    .descriptor = &flowbalancer__v1__mcp_service__descriptor,
    .methods = mcp_methods,
    .method_count = sizeof(mcp_methods) / sizeof(mcp_methods[0]),
};

/* Import: reads one message at a time, slowly, and says how much there was; "stop" is refused at once. */

struct reading {
    uint64_t bytes;
    uint32_t messages;
    struct fb_timer timer;
    struct fb_call *call;
};

static void read_on(struct fb_timer *timer)
{
    struct reading *reading =
        (struct reading *)(void *)((char *)timer - offsetof(struct reading, timer));

    fb_call_resume(reading->call);
}

static void import_message(struct fb_call *call, void *arg, const uint8_t *data, size_t size)
{
    struct reading *reading = arg;
    ProtobufCMessage *message = NULL;
    const Flowbalancer__V1__ImportRequest *request;

    if (!fb_is_ok(fb_message_unpack(&flowbalancer__v1__import_request__descriptor, data, size, 0,
                                    fb_call_arena(call), &message))) {
        fb_call_finish(call, fb_fail(FB_INVALID_ARGUMENT, "no message"));
        return;
    }
    request = (const Flowbalancer__V1__ImportRequest *)(const void *)message;
    if (request->data.len == 4) {
        fb_call_finish(call, fb_fail(FB_INVALID_ARGUMENT, "line 1: stop"));
        return;
    }
    reading->bytes += request->data.len;
    reading->messages++;
    fb_call_pause(call);
    fb_timer_set(fb_call_loop(call), &reading->timer, fb_clock_ms() + 1, read_on);
}

static void import_half_close(struct fb_call *call, void *arg)
{
    struct reading *reading = arg;
    Flowbalancer__V1__ImportResponse response = FLOWBALANCER__V1__IMPORT_RESPONSE__INIT;

    response.events = reading->bytes;
    response.tasks = reading->messages;
    fb_timer_clear(&reading->timer);
    fb_call_reply(call, &response.base);
}

static const struct fb_call_events importing = {
    .on_message = import_message,
    .on_half_close = import_half_close,
};

static void import(struct fb_call *call, const ProtobufCMessage *message)
{
    struct reading *reading = fb_arena_alloc(fb_call_arena(call), sizeof(*reading));

    (void)message;
    *reading = (struct reading){.call = call};
    fb_call_watch(call, &importing, reading);
}

static const struct fb_method flow_methods[] = {
    {.name = "Import", .kind = FB_CLIENT_STREAM, .handle = import},
};

static const struct fb_rpc_service flow_service = {
    .descriptor = &flowbalancer__v1__flow_service__descriptor,
    .methods = flow_methods,
    .method_count = sizeof(flow_methods) / sizeof(flow_methods[0]),
};

static void *serve(void *arg)
{
    struct world *world = arg;

    fb_loop_run(world->loop);
    return NULL;
}

static void begin_at(struct world *world, const struct fb_transport *transport, const char *address,
                     const struct fb_tls_config *tls, const char *token)
{
    static const struct fb_server_config limits;
    struct fb_listen_config listening = {.address = address};
    char path[64];
    FILE *file;

    memset(world, 0, sizeof(*world));
    world->transport = transport;
    assert_true(folder_make(world->folder));
    snprintf(world->target, sizeof(world->target), "unix:%s/s", world->folder);
    if (address == NULL) {
        listening.address = world->target;
    }
    if (tls != NULL) {
        listening.tls = *tls;
    }
    if (token != NULL) {
        snprintf(path, sizeof(path), "%s/tokens", world->folder);
        file = fopen(path, "w");
        assert_non_null(file);
        fprintf(file, "somebody %s\n", token);
        fclose(file);
        assert_int_equal(chmod(path, 0600), 0);
        assert_int_equal(fb_tokens_open(path, &world->tokens).code, FB_OK);
        listening.tokens = world->tokens;
    }
    world->payload = calloc(1, EVENT_BYTES);
    assert_non_null(world->payload);
    sem_init(&world->cancelled, 0, 0);
    world->loop = fb_loop_create();
    assert_non_null(world->loop);
    world->server = fb_server_create(world->loop, &limits);
    assert_non_null(world->server);
    fb_server_add(world->server, &mcp_service, world);
    fb_server_add(world->server, &flow_service, world);
    assert_int_equal(fb_server_listen(world->server, transport, &listening).code, FB_OK);
    assert_int_equal(pthread_create(&world->thread, NULL, serve, world), 0);
}

static void begin(struct world *world, const struct fb_transport *transport, const char *token)
{
    begin_at(world, transport, NULL, NULL, token);
}

static void end(struct world *world)
{
    fb_loop_stop(world->loop);
    pthread_join(world->thread, NULL);
    fb_server_destroy(world->server);
    fb_loop_destroy(world->loop);
    fb_tokens_destroy(world->tokens);
    sem_destroy(&world->cancelled);
    free(world->payload);
    assert_true(folder_remove(world->folder));
}

static struct fb_client *client_of(const struct world *world)
{
    const struct fb_client_config config = {.target = world->target, .timeout_ms = LONG_MS};
    struct fb_client *client = NULL;

    assert_int_equal(fb_client_open(&config, &client).code, FB_OK);
    return client;
}

/* Each test runs against both of our servers. */
static const struct fb_transport *served_by(void **state)
{
    return *state;
}

/* --- what the library promises --- */

static void a_call_of_one_answer_returns_it(void **state)
{
    struct world world;
    struct fb_answer answer = {.status = fb_ok};
    Flowbalancer__V1__ListToolsRequest request = FLOWBALANCER__V1__LIST_TOOLS_REQUEST__INIT;
    const Flowbalancer__V1__ListToolsResponse *response;
    struct fb_client *client;

    begin(&world, served_by(state), NULL);
    client = client_of(&world);
    for (int i = 0; i < 3; i++) {
        request.cursor = (char *)(uintptr_t) "v7";
        response = fb_mcp_list_tools(client, &request, NULL, &answer);
        assert_int_equal(answer.status.code, FB_OK);
        assert_non_null(response);
        assert_string_equal(response->version, "v7");
        assert_int_equal(response->n_items_json, 1);
        assert_int_equal(response->items_json[0].len, 14);
    }
    fb_answer_finish(&answer);
    fb_client_close(client);
    end(&world);
}

static void a_failure_keeps_its_words_its_reason_and_when_to_retry(void **state)
{
    struct world world;
    struct fb_answer answer = {.status = fb_ok};
    Flowbalancer__V1__ListToolsRequest request = FLOWBALANCER__V1__LIST_TOOLS_REQUEST__INIT;
    struct fb_client *client;

    begin(&world, served_by(state), NULL);
    client = client_of(&world);
    request.cursor = (char *)(uintptr_t) "bad";
    assert_null(fb_mcp_list_tools(client, &request, NULL, &answer));
    assert_int_equal(answer.status.code, FB_RESOURCE_EXHAUSTED);
    assert_string_equal(answer.status.why, "too much at once: 3 of 3");
    assert_string_equal(fb_answer_reason(&answer), "busy");
    assert_int_equal(fb_answer_retry_ms(&answer), 250);
    fb_answer_finish(&answer);
    fb_client_close(client);
    end(&world);
}

static void a_method_that_nobody_serves_is_unimplemented(void **state)
{
    struct world world;
    struct fb_answer answer = {.status = fb_ok};
    Flowbalancer__V1__GetOverviewRequest request = FLOWBALANCER__V1__GET_OVERVIEW_REQUEST__INIT;
    struct fb_client *client;

    begin(&world, served_by(state), NULL);
    client = client_of(&world);
    assert_null(fb_admin_get_overview(client, &request, NULL, &answer));
    assert_int_equal(answer.status.code, FB_UNIMPLEMENTED);
    assert_string_equal(fb_answer_reason(&answer), "");
    assert_int_equal(fb_answer_retry_ms(&answer), -1);
    fb_answer_finish(&answer);
    fb_client_close(client);
    end(&world);
}

static void a_stream_is_read_in_order_to_its_end(void **state)
{
    struct world world;
    Flowbalancer__V1__CallToolRequest request = FLOWBALANCER__V1__CALL_TOOL_REQUEST__INIT;
    const Flowbalancer__V1__CallToolEvent *event;
    struct fb_stream *stream;
    struct fb_client *client;
    char number[16];
    int count = 0;

    begin(&world, served_by(state), NULL);
    client = client_of(&world);
    stream = fb_mcp_call_tool(client, &request, NULL);
    assert_non_null(stream);
    for (event = fb_mcp_call_tool_next(stream); event != NULL;
         event = fb_mcp_call_tool_next(stream)) {
        snprintf(number, sizeof(number), "%d", count++);
        assert_string_equal(event->result->upstream_revision, number);
        assert_int_equal(event->result->result_json.len, EVENT_BYTES);
    }
    assert_int_equal(fb_stream_answer(stream)->status.code, FB_OK);
    assert_int_equal(count, EVENTS);
    assert_null(fb_mcp_call_tool_next(stream));
    fb_stream_close(stream);
    fb_client_close(client);
    end(&world);
}

static void a_stream_that_is_closed_early_is_cancelled_at_the_server(void **state)
{
    struct world world;
    Flowbalancer__V1__CallToolRequest request = FLOWBALANCER__V1__CALL_TOOL_REQUEST__INIT;
    Flowbalancer__V1__ListToolsRequest other = FLOWBALANCER__V1__LIST_TOOLS_REQUEST__INIT;
    struct fb_answer answer = {.status = fb_ok};
    struct timespec until;
    struct fb_stream *stream;
    struct fb_client *client;

    begin(&world, served_by(state), NULL);
    client = client_of(&world);
    request.progress = 1;
    stream = fb_mcp_call_tool(client, &request, NULL);
    assert_non_null(fb_mcp_call_tool_next(stream));
    assert_int_equal(fb_stream_answer(stream)->status.code, FB_OK);
    fb_stream_close(stream);
    /* The next call drives the client's loop, which carries the cancellation. */
    assert_non_null(fb_mcp_list_tools(client, &other, NULL, &answer));
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += LONG_MS / 1000;
    assert_int_equal(sem_timedwait(&world.cancelled, &until), 0);
    fb_answer_finish(&answer);
    fb_client_close(client);
    end(&world);
}

static void an_upload_waits_for_a_slow_server_and_is_answered_once(void **state)
{
    struct world world;
    struct fb_answer answer = {.status = fb_ok};
    Flowbalancer__V1__ImportRequest request = FLOWBALANCER__V1__IMPORT_REQUEST__INIT;
    const Flowbalancer__V1__ImportResponse *response;
    struct fb_upload *upload;
    struct fb_client *client;

    begin(&world, served_by(state), NULL);
    client = client_of(&world);
    upload = fb_flow_import(client, NULL);
    assert_non_null(upload);
    request.data = (ProtobufCBinaryData){.len = EVENT_BYTES, .data = world.payload};
    for (int i = 0; i < EVENTS; i++) {
        assert_true(fb_flow_import_send(upload, &request));
    }
    response = fb_flow_import_finish(upload, &answer);
    assert_int_equal(answer.status.code, FB_OK);
    assert_non_null(response);
    assert_int_equal(response->tasks, EVENTS);
    assert_int_equal(response->events, EVENTS * EVENT_BYTES);
    fb_answer_finish(&answer);
    fb_client_close(client);
    end(&world);
}

static void an_upload_that_is_refused_in_the_midst_tells_so_and_takes_no_more(void **state)
{
    struct world world;
    struct fb_answer answer = {.status = fb_ok};
    Flowbalancer__V1__ImportRequest request = FLOWBALANCER__V1__IMPORT_REQUEST__INIT;
    const int64_t end_ms = fb_clock_ms() + LONG_MS;
    struct fb_upload *upload;
    struct fb_client *client;

    begin(&world, served_by(state), NULL);
    client = client_of(&world);
    upload = fb_flow_import(client, NULL);
    assert_non_null(upload);
    request.data = (ProtobufCBinaryData){.len = 4, .data = world.payload};
    assert_true(fb_flow_import_send(upload, &request));
    request.data.len = EVENT_BYTES;
    while (fb_flow_import_send(upload, &request)) {
        assert_true(fb_clock_ms() < end_ms);
    }
    assert_null(fb_flow_import_finish(upload, &answer));
    assert_int_equal(answer.status.code, FB_INVALID_ARGUMENT);
    assert_string_equal(answer.status.why, "line 1: stop");
    fb_answer_finish(&answer);
    fb_upload_close(fb_flow_import(client, NULL));
    fb_client_close(client);
    end(&world);
}

static void a_call_ends_at_its_deadline(void **state)
{
    struct world world;
    Flowbalancer__V1__CallToolRequest request = FLOWBALANCER__V1__CALL_TOOL_REQUEST__INIT;
    const struct fb_client_options soon = {.deadline_ms = fb_clock_ms() + 100};
    struct fb_stream *stream;
    struct fb_client *client;

    begin(&world, served_by(state), NULL);
    client = client_of(&world);
    request.progress = 1;
    stream = fb_mcp_call_tool(client, &request, &soon);
    while (fb_mcp_call_tool_next(stream) != NULL) {
    }
    assert_int_equal(fb_stream_answer(stream)->status.code, FB_DEADLINE_EXCEEDED);
    fb_stream_close(stream);
    fb_client_close(client);
    end(&world);
}

static void the_token_goes_with_each_call(void **state)
{
    struct world world;
    Flowbalancer__V1__ListToolsRequest request = FLOWBALANCER__V1__LIST_TOOLS_REQUEST__INIT;
    struct fb_answer answer = {.status = fb_ok};
    struct fb_client_config config = {.timeout_ms = LONG_MS};
    struct fb_client *client = NULL;

    begin(&world, served_by(state), "0123456789abcdef0123");
    config.target = world.target;
    assert_int_equal(fb_client_open(&config, &client).code, FB_OK);
    assert_null(fb_mcp_list_tools(client, &request, NULL, &answer));
    assert_int_equal(answer.status.code, FB_UNAUTHENTICATED);
    fb_client_close(client);
    config.token = "0123456789abcdef0123";
    assert_int_equal(fb_client_open(&config, &client).code, FB_OK);
    assert_non_null(fb_mcp_list_tools(client, &request, NULL, &answer));
    fb_answer_finish(&answer);
    fb_client_close(client);
    end(&world);
}

/* --- on a loop of the caller --- */

struct heard {
    int replies;
    int ends;
    enum fb_code code;
    struct fb_pending *to_cancel; /* at the first reply */
};

static void heard_reply(void *arg, const ProtobufCMessage *reply, struct fb_arena *memory)
{
    struct heard *heard = arg;

    (void)reply;
    (void)memory;
    heard->replies++;
    if (heard->to_cancel != NULL) {
        fb_pending_cancel(heard->to_cancel);
        heard->to_cancel = NULL;
    }
}

static void heard_end(void *arg, const struct fb_call_end *end_)
{
    struct heard *heard = arg;

    heard->ends++;
    heard->code = end_->status.code;
}

static const struct fb_client_events heard_events = {
    .on_reply = heard_reply,
    .on_end = heard_end,
};

static void on_a_loop_of_the_caller_events_tell_and_nothing_blocks(void **state)
{
    struct world world;
    struct fb_loop *loop = fb_loop_create();
    struct fb_client_config config = {.loop = loop, .timeout_ms = LONG_MS};
    Flowbalancer__V1__ListToolsRequest list = FLOWBALANCER__V1__LIST_TOOLS_REQUEST__INIT;
    Flowbalancer__V1__CallToolRequest call = FLOWBALANCER__V1__CALL_TOOL_REQUEST__INIT;
    struct fb_answer answer = {.status = fb_ok};
    struct fb_client *client = NULL;
    struct fb_stream *stream;
    struct heard one = {.code = FB_UNKNOWN};
    struct heard many = {.code = FB_UNKNOWN};

    begin(&world, served_by(state), NULL);
    config.target = world.target;
    assert_int_equal(fb_client_open(&config, &client).code, FB_OK);
    assert_ptr_equal(fb_client_loop(client), loop);

    assert_null(fb_mcp_list_tools(client, &list, NULL, &answer));
    assert_int_equal(answer.status.code, FB_FAILED_PRECONDITION);
    stream = fb_mcp_call_tool(client, &call, NULL);
    assert_null(fb_mcp_call_tool_next(stream));
    assert_int_equal(fb_stream_answer(stream)->status.code, FB_FAILED_PRECONDITION);
    fb_stream_close(stream);

    assert_non_null(
        fb_client_start(client, &fb_mcp_list_tools_method, &list.base, NULL, &heard_events, &one));
    assert_non_null(
        fb_client_start(client, &fb_mcp_call_tool_method, &call.base, NULL, &heard_events, &many));
    assert_int_equal(one.ends + many.ends, 0);
    while (one.ends == 0 || many.ends == 0) {
        fb_loop_turn(loop, LONG_MS);
    }
    assert_int_equal(one.code, FB_OK);
    assert_int_equal(one.replies, 1);
    assert_int_equal(many.code, FB_OK);
    assert_int_equal(many.replies, EVENTS);
    fb_answer_finish(&answer);
    fb_client_close(client);
    fb_loop_destroy(loop);
    end(&world);
}

static void a_call_may_be_cancelled_from_inside_its_reply(void **state)
{
    struct world world;
    struct fb_loop *loop = fb_loop_create();
    struct fb_client_config config = {.loop = loop, .timeout_ms = LONG_MS};
    Flowbalancer__V1__ListToolsRequest list = FLOWBALANCER__V1__LIST_TOOLS_REQUEST__INIT;
    Flowbalancer__V1__CallToolRequest call = FLOWBALANCER__V1__CALL_TOOL_REQUEST__INIT;
    struct fb_client *client = NULL;
    struct heard cancelled = {.code = FB_UNKNOWN};
    struct heard after = {.code = FB_UNKNOWN};

    begin(&world, served_by(state), NULL);
    config.target = world.target;
    assert_int_equal(fb_client_open(&config, &client).code, FB_OK);
    cancelled.to_cancel = fb_client_start(client, &fb_mcp_call_tool_method, &call.base, NULL,
                                          &heard_events, &cancelled);
    assert_non_null(cancelled.to_cancel);
    while (cancelled.replies == 0) {
        fb_loop_turn(loop, LONG_MS);
    }
    assert_non_null(fb_client_start(client, &fb_mcp_list_tools_method, &list.base, NULL,
                                    &heard_events, &after));
    while (after.ends == 0) {
        fb_loop_turn(loop, LONG_MS);
    }
    assert_int_equal(after.code, FB_OK);
    assert_int_equal(cancelled.replies, 1);
    assert_int_equal(cancelled.ends, 0);
    fb_client_close(client);
    fb_loop_destroy(loop);
    end(&world);
}

/* --- without a server --- */

static void where_nobody_listens_a_call_is_unavailable_and_surely_not_run(void **state)
{
    const struct fb_client_config config = {.target = "unix:/tmp/no-such-folder/s"};
    Flowbalancer__V1__ListToolsRequest request = FLOWBALANCER__V1__LIST_TOOLS_REQUEST__INIT;
    struct fb_answer answer = {.status = fb_ok};
    struct fb_client *client = NULL;

    (void)state;
    assert_int_equal(fb_client_open(&config, &client).code, FB_OK);
    assert_null(fb_mcp_list_tools(client, &request, NULL, &answer));
    assert_int_equal(answer.status.code, FB_UNAVAILABLE);
    assert_true(answer.not_run);
    fb_answer_finish(&answer);
    fb_client_close(client);
}

/* --- by TCP with mutual TLS --- */

struct authority {
    char folder[FOLDER_BYTES];
    char ca[64];
    char server_cert[64];
    char server_key[64];
    char client_cert[64];
    char client_key[64];
};

static void make_authority(struct authority *authority)
{
    char *argv[] = {(char *)(uintptr_t) "deploy/dev-ca", authority->folder, NULL};
    int status = -1;
    pid_t pid;

    assert_true(folder_make(authority->folder));
    assert_int_equal(posix_spawn(&pid, argv[0], NULL, NULL, argv, environ), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    snprintf(authority->ca, sizeof(authority->ca), "%s/ca.pem", authority->folder);
    snprintf(authority->server_cert, 64, "%s/server.pem", authority->folder);
    snprintf(authority->server_key, 64, "%s/server.key", authority->folder);
    snprintf(authority->client_cert, 64, "%s/dev.pem", authority->folder);
    snprintf(authority->client_key, 64, "%s/dev.key", authority->folder);
}

static enum fb_code ask_over_tls(const struct world *world, const struct fb_tls_config *tls)
{
    const struct fb_client_config config = {
        .target = fb_server_address(world->server, 0), .tls = *tls, .timeout_ms = 5000};
    Flowbalancer__V1__ListToolsRequest request = FLOWBALANCER__V1__LIST_TOOLS_REQUEST__INIT;
    struct fb_answer answer = {.status = fb_ok};
    struct fb_client *client = NULL;
    enum fb_code code;

    assert_int_equal(fb_client_open(&config, &client).code, FB_OK);
    fb_mcp_list_tools(client, &request, NULL, &answer);
    code = answer.status.code;
    fb_answer_finish(&answer);
    fb_client_close(client);
    return code;
}

static void over_mutual_tls_a_certificate_opens_what_stays_shut_without(void **state)
{
    struct world world;
    struct authority authority;
    struct authority other;
    struct fb_tls_config server_tls = {.require_client_cert = true};
    struct fb_tls_config ours;
    struct fb_tls_config without;
    struct fb_tls_config mistrusting;

    make_authority(&authority);
    make_authority(&other);
    server_tls.ca_file = authority.ca;
    server_tls.cert_file = authority.server_cert;
    server_tls.key_file = authority.server_key;
    ours = (struct fb_tls_config){.ca_file = authority.ca,
                                  .cert_file = authority.client_cert,
                                  .key_file = authority.client_key};
    without = (struct fb_tls_config){.ca_file = authority.ca};
    mistrusting = ours;
    mistrusting.ca_file = other.ca;

    begin_at(&world, served_by(state), "127.0.0.1:0", &server_tls, NULL);
    assert_int_equal(ask_over_tls(&world, &ours), FB_OK);
    assert_int_equal(ask_over_tls(&world, &without), FB_UNAVAILABLE);
    assert_int_equal(ask_over_tls(&world, &mistrusting), FB_UNAVAILABLE);
    assert_int_equal(ask_over_tls(&world, &ours), FB_OK);
    end(&world);
    assert_true(folder_remove(authority.folder));
    assert_true(folder_remove(other.folder));
}

static void a_certificate_that_cannot_be_read_is_refused_at_once(void **state)
{
    const struct fb_client_config config = {.target = "127.0.0.1:1",
                                            .tls = {.ca_file = "/no/such/ca.pem"}};
    struct fb_client *client = NULL;
    struct fb_status status;

    (void)state;
    status = fb_client_open(&config, &client);
    assert_int_equal(status.code, FB_INVALID_ARGUMENT);
    assert_non_null(strstr(status.why, "/no/such/ca.pem"));
    assert_null(client);
}

static void a_target_that_is_none_is_refused(void **state)
{
    const struct fb_client_config config = {.target = "somewhere"};
    struct fb_client *client = NULL;

    (void)state;
    assert_int_equal(fb_client_open(&config, &client).code, FB_INVALID_ARGUMENT);
    assert_null(client);
    fb_client_close(client);
}

static void check_contract(const ProtobufCServiceDescriptor *service,
                           const struct fb_client_method *const *methods, size_t count)
{
    char path[128];

    assert_int_equal(service->n_methods, count);
    for (size_t i = 0; i < count; i++) {
        snprintf(path, sizeof(path), "/%s/%s", service->name, service->methods[i].name);
        assert_string_equal(methods[i]->path, path);
        assert_ptr_equal(methods[i]->request, service->methods[i].input);
        assert_ptr_equal(methods[i]->reply, service->methods[i].output);
    }
}

static void every_method_of_the_contracts_is_there(void **state)
{
    static const struct fb_client_method *const mcp[] = {
        &fb_mcp_list_tools_method,
        &fb_mcp_list_resources_method,
        &fb_mcp_list_resource_templates_method,
        &fb_mcp_list_prompts_method,
        &fb_mcp_call_tool_method,
        &fb_mcp_read_resource_method,
        &fb_mcp_get_prompt_method,
        &fb_mcp_listen_method,
        &fb_mcp_complete_method,
    };
    static const struct fb_client_method *const admin[] = {
        &fb_admin_get_overview_method,
        &fb_admin_drain_worker_method,
        &fb_admin_recent_calls_method,
    };
    static const struct fb_client_method *const store[] = {
        &fb_session_store_acquire_session_method, &fb_session_store_renew_sessions_method,
        &fb_session_store_release_session_method, &fb_session_store_append_events_method,
        &fb_session_store_put_projection_method,  &fb_session_store_load_session_method,
        &fb_session_store_put_snapshot_method,    &fb_session_store_watch_session_method,
        &fb_session_store_list_sessions_method,   &fb_session_store_search_tasks_method,
        &fb_session_store_delete_session_method,  &fb_session_store_put_blob_method,
        &fb_session_store_get_blob_method,        &fb_session_store_put_catalogue_entry_method,
        &fb_session_store_get_catalogue_method,   &fb_session_store_watch_catalogue_method,
        &fb_session_store_put_result_method,      &fb_session_store_get_result_method,
        &fb_session_store_backup_method,          &fb_session_store_check_method,
    };
    static const struct fb_client_method *const flow[] = {
        &fb_flow_open_session_method, &fb_flow_list_sessions_method, &fb_flow_merge_sessions_method,
        &fb_flow_plan_method,         &fb_flow_next_method,          &fb_flow_pulse_method,
        &fb_flow_finish_method,       &fb_flow_find_method,          &fb_flow_status_method,
        &fb_flow_edit_method,         &fb_flow_undo_method,          &fb_flow_watch_method,
        &fb_flow_forecast_method,     &fb_flow_verify_method,        &fb_flow_mute_method,
        &fb_flow_compact_method,      &fb_flow_import_method,        &fb_flow_export_method,
        &fb_flow_graph_method,        &fb_flow_snapshot_method,
    };
    static const struct fb_client_method *const health[] = {
        &fb_health_check_method,
        &fb_health_watch_method,
    };

    (void)state;
    check_contract(&flowbalancer__v1__mcp_service__descriptor, mcp, sizeof(mcp) / sizeof(mcp[0]));
    check_contract(&flowbalancer__v1__admin_service__descriptor, admin,
                   sizeof(admin) / sizeof(admin[0]));
    check_contract(&flowbalancer__v1__flow_service__descriptor, flow,
                   sizeof(flow) / sizeof(flow[0]));
    check_contract(&flowbalancer__v1__session_store_service__descriptor, store,
                   sizeof(store) / sizeof(store[0]));
    check_contract(&grpc__health__v1__health__descriptor, health,
                   sizeof(health) / sizeof(health[0]));
}

#define ON_BOTH(test)                                                                             \
    {.name = #test "_over_core",                                                                  \
     .test_func = (test),                                                                         \
     .initial_state = (void *)(uintptr_t)&fb_core},                                               \
    {                                                                                             \
        .name = #test "_over_h2", .test_func = (test), .initial_state = (void *)(uintptr_t)&fb_h2 \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_BOTH(a_call_of_one_answer_returns_it),
        ON_BOTH(a_failure_keeps_its_words_its_reason_and_when_to_retry),
        ON_BOTH(a_method_that_nobody_serves_is_unimplemented),
        ON_BOTH(a_stream_is_read_in_order_to_its_end),
        ON_BOTH(a_stream_that_is_closed_early_is_cancelled_at_the_server),
        ON_BOTH(an_upload_waits_for_a_slow_server_and_is_answered_once),
        ON_BOTH(an_upload_that_is_refused_in_the_midst_tells_so_and_takes_no_more),
        ON_BOTH(a_call_ends_at_its_deadline),
        ON_BOTH(the_token_goes_with_each_call),
        ON_BOTH(on_a_loop_of_the_caller_events_tell_and_nothing_blocks),
        ON_BOTH(a_call_may_be_cancelled_from_inside_its_reply),
        ON_BOTH(over_mutual_tls_a_certificate_opens_what_stays_shut_without),
        cmocka_unit_test(a_certificate_that_cannot_be_read_is_refused_at_once),
        cmocka_unit_test(where_nobody_listens_a_call_is_unavailable_and_surely_not_run),
        cmocka_unit_test(a_target_that_is_none_is_refused),
        cmocka_unit_test(every_method_of_the_contracts_is_there),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
