#define _GNU_SOURCE /* environ */

#include "tests/runtime/rpc/conformance.h"

#include <errno.h>
#include <setjmp.h>
#include <spawn.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "runtime/base/clock.h"
#include "runtime/loop/loop.h"
#include "runtime/rpc/call.h"
#include "runtime/rpc/channel.h"
#include "runtime/rpc/server.h"
#include "runtime/rpc/transport.h"
#include "tests/runtime/rpc/relay.h"
#include "tests/support/echo.h"
#include "tests/support/echo.pb-c.h"
#include "tests/support/folder.h"

enum { PATIENCE_MS = 30000 };

typedef Flowbalancer__Test__EchoRequest EchoRequest;
typedef Flowbalancer__Test__EchoResponse EchoResponse;

#define REQUEST(...)                                                                               \
    ((EchoRequest){.base = PROTOBUF_C_MESSAGE_INIT(&flowbalancer__test__echo_request__descriptor), \
                   __VA_ARGS__})

#define UNARY   "/flowbalancer.test.EchoService/Unary"
#define EXPAND  "/flowbalancer.test.EchoService/Expand"
#define COLLECT "/flowbalancer.test.EchoService/Collect"
#define CHAT    "/flowbalancer.test.EchoService/Chat"

/* --- the world of a test --- */

static const struct fb_transport *server_side;
static const struct fb_transport *client_side;

static char folder[FOLDER_BYTES];
static char certificates[48];

static struct fb_loop *loop;
static struct fb_server *server;
static struct fb_channel *channel;
static struct relay *relay;
static struct echo echo;
static char socket_address[64];
static struct fb_server_config server_config;
static struct fb_listen_config listen_config;
static struct fb_channel_config channel_config;

#define WAIT_FOR(condition)                                   \
    do {                                                      \
        const int64_t until_ms = fb_clock_ms() + PATIENCE_MS; \
                                                              \
        while (!(condition)) {                                \
            if (fb_clock_ms() > until_ms) {                   \
                fail_msg("waited in vain for " #condition);   \
            }                                                 \
            fb_loop_turn(loop, 20);                           \
        }                                                     \
    } while (0)

static int set_up(void **state)
{
    (void)state;
    loop = fb_loop_create();
    snprintf(socket_address, sizeof(socket_address), "unix:%s/echo", folder);
    echo = (struct echo){.begun = 0};
    server_config = (struct fb_server_config){.message_limit_bytes = 0};
    listen_config = (struct fb_listen_config){.address = socket_address};
    channel_config = (struct fb_channel_config){.target = socket_address};
    return loop == NULL ? -1 : 0;
}

static int tear_down(void **state)
{
    (void)state;
    fb_channel_destroy(channel);
    channel = NULL;
    fb_server_destroy(server);
    server = NULL;
    if (relay != NULL) {
        relay_destroy(relay);
        relay = NULL;
    }
    fb_loop_destroy(loop);
    return 0;
}

static struct fb_status listen_there(void)
{
    if (server == NULL) {
        server = fb_server_create(loop, &server_config);
        assert_non_null(server);
        fb_server_add(server, &echo_service, &echo);
    }
    return fb_server_listen(server, server_side, &listen_config);
}

static void serve(void)
{
    struct fb_status status = listen_there();

    if (!fb_is_ok(status)) {
        fail_msg("cannot listen: %s", status.why);
    }
}

static void serve_tcp(void)
{
    listen_config.address = "127.0.0.1:0";
    serve();
    channel_config.target = fb_server_address(server, 0);
}

static void dial(void)
{
    struct fb_status status = fb_channel_create(loop, client_side, &channel_config, &channel);

    if (!fb_is_ok(status)) {
        fail_msg("cannot make a channel: %s", status.why);
    }
}

static void serve_and_dial(void)
{
    serve();
    dial();
}

/* --- a call, and what is heard of it --- */

struct heard {
    struct fb_client_call *call;
    struct fb_call_plan plan;

    uint32_t headers;
    uint32_t messages;
    uint32_t drains;
    uint32_t ends;
    uint32_t disorder; /* messages whose index was not their turn */
    bool headers_late; /* they came behind a message or the end */
    uint64_t bytes;
    EchoResponse *answer; /* the newest */

    struct fb_status status;
    char why[8192];
    bool not_run;

    struct fb_arena arena;
    struct fb_metadata sent;
    struct fb_metadata header;
    struct fb_metadata trailer;
};

static void copy_metadata(struct heard *heard, struct fb_metadata *to,
                          const struct fb_metadata *from)
{
    for (size_t i = 0; i < from->count; i++) {
        fb_metadata_add(to, &heard->arena, from->items[i].key, from->items[i].value);
    }
}

static void on_headers(struct fb_client_call *call, void *arg, const struct fb_metadata *headers)
{
    struct heard *heard = arg;

    (void)call;
    heard->headers++;
    heard->headers_late = heard->headers_late || heard->messages != 0 || heard->ends != 0;
    copy_metadata(heard, &heard->header, headers);
}

static void on_message(struct fb_client_call *call, void *arg, const uint8_t *data, size_t size)
{
    struct heard *heard = arg;
    EchoResponse *answer = flowbalancer__test__echo_response__unpack(NULL, size, data);

    (void)call;
    if (answer == NULL || answer->index != heard->messages) {
        heard->disorder++;
    }
    heard->messages++;
    if (answer != NULL) {
        heard->bytes += answer->payload.len;
        if (heard->answer != NULL) {
            flowbalancer__test__echo_response__free_unpacked(heard->answer, NULL);
        }
        heard->answer = answer;
    }
}

static void on_drain(struct fb_client_call *call, void *arg)
{
    struct heard *heard = arg;

    (void)call;
    heard->drains++;
}

static void on_end(struct fb_client_call *call, void *arg, const struct fb_call_end *end)
{
    struct heard *heard = arg;

    (void)call;
    heard->ends++;
    heard->status.code = end->status.code;
    snprintf(heard->why, sizeof(heard->why), "%s", end->status.why);
    heard->status.why = heard->why;
    heard->not_run = end->not_run;
    copy_metadata(heard, &heard->trailer, end->trailers);
    heard->call = NULL;
}

static const struct fb_client_call_events events = {
    .on_headers = on_headers,
    .on_message = on_message,
    .on_drain = on_drain,
    .on_end = on_end,
};

static struct heard *hear(const char *path)
{
    struct heard *heard = calloc(1, sizeof(*heard));

    assert_non_null(heard);
    heard->plan = (struct fb_call_plan){.path = path, .metadata = &heard->sent};
    fb_arena_init(&heard->arena, 0);
    return heard;
}

static void begin(struct heard *heard)
{
    heard->call = fb_channel_call(channel, &heard->plan, &events, heard);
    assert_non_null(heard->call);
}

static void forget(struct heard *heard)
{
    if (heard->call != NULL) {
        fb_client_call_cancel(heard->call);
    }
    if (heard->answer != NULL) {
        flowbalancer__test__echo_response__free_unpacked(heard->answer, NULL);
    }
    fb_arena_finish(&heard->arena);
    free(heard);
}

static void send_once(struct heard *heard, EchoRequest request)
{
    begin(heard);
    fb_client_call_send(heard->call, &request.base);
    fb_client_call_half_close(heard->call);
}

static void run(struct heard *heard, EchoRequest request)
{
    send_once(heard, request);
    WAIT_FOR(heard->ends != 0);
}

static void assert_ended(const struct heard *heard, enum fb_code code)
{
    assert_int_equal(heard->ends, 1);
    if (heard->status.code != code) {
        fail_msg("ended with %s (%s) and not with %s", fb_code_name(heard->status.code), heard->why,
                 fb_code_name(code));
    }
}

static enum fb_code code_of_unary(void)
{
    struct heard *heard = hear(UNARY);
    enum fb_code code;

    run(heard, REQUEST());
    code = heard->status.code;
    forget(heard);
    return code;
}

static ProtobufCBinaryData bytes_of(const char *text)
{
    return (ProtobufCBinaryData){.data = (uint8_t *)(uintptr_t)text, .len = strlen(text)};
}

static ProtobufCBinaryData many_bytes(size_t size)
{
    static uint8_t bytes[8 << 20];

    assert_true(size <= sizeof(bytes));
    memset(bytes, 'y', size);
    return (ProtobufCBinaryData){.data = bytes, .len = size};
}

static void add_sent(struct heard *heard, const char *key, struct fb_text value)
{
    struct fb_status status = fb_metadata_add(&heard->sent, &heard->arena, fb_text_of(key), value);

    assert_true(fb_is_ok(status));
}

/* --- the four kinds --- */

static void a_unary_call_is_answered(void **state)
{
    struct heard *heard = hear(UNARY);

    (void)state;
    serve_and_dial();
    run(heard, REQUEST(.payload = bytes_of("hello")));
    assert_ended(heard, FB_OK);
    assert_string_equal(heard->why, "");
    assert_int_equal(heard->messages, 1);
    assert_int_equal(heard->headers, 1);
    assert_false(heard->headers_late);
    assert_int_equal(heard->answer->payload.len, 5);
    assert_memory_equal(heard->answer->payload.data, "hello", 5);
    forget(heard);
}

struct replied {
    int times;
    enum fb_code code;
    bool with_reply;
};

static void on_reply(void *arg, const struct fb_call_end *end, const ProtobufCMessage *reply)
{
    struct replied *replied = arg;

    replied->times++;
    replied->code = end->status.code;
    replied->with_reply = reply != NULL;
}

static void the_common_case_is_one_function(void **state)
{
    const struct fb_call_plan plan = {.path = UNARY};
    const struct fb_call_plan wrong = {.path = EXPAND};
    EchoRequest request = REQUEST(.payload = bytes_of("x"));
    EchoRequest failing = REQUEST(.code = FB_NOT_FOUND);
    EchoRequest two = REQUEST(.repeat = 2);
    struct replied replied = {.times = 0};

    (void)state;
    serve_and_dial();
    fb_channel_unary(channel, &plan, &request.base, &flowbalancer__test__echo_response__descriptor,
                     on_reply, &replied);
    assert_int_equal(replied.times, 0);
    WAIT_FOR(replied.times == 1);
    assert_int_equal(replied.code, FB_OK);
    assert_true(replied.with_reply);
    fb_channel_unary(channel, &plan, &failing.base, &flowbalancer__test__echo_response__descriptor,
                     on_reply, &replied);
    WAIT_FOR(replied.times == 2);
    assert_int_equal(replied.code, FB_NOT_FOUND);
    assert_false(replied.with_reply);
    fb_channel_unary(channel, &wrong, &two.base, &flowbalancer__test__echo_response__descriptor,
                     on_reply, &replied);
    WAIT_FOR(replied.times == 3);
    assert_int_equal(replied.code, FB_INTERNAL);
    fb_channel_unary(channel, &wrong, &request.base, &flowbalancer__test__echo_response__descriptor,
                     on_reply, &replied);
    WAIT_FOR(replied.times == 4);
    assert_int_equal(replied.code, FB_INTERNAL);
}

static void a_server_streams_in_order(void **state)
{
    struct heard *heard = hear(EXPAND);

    (void)state;
    serve_and_dial();
    run(heard, REQUEST(.repeat = 5000, .payload = bytes_of("some payload")));
    assert_ended(heard, FB_OK);
    assert_int_equal(heard->messages, 5000);
    assert_int_equal(heard->disorder, 0);
    forget(heard);
}

static void an_empty_stream_is_fine(void **state)
{
    struct heard *heard = hear(EXPAND);

    (void)state;
    serve_and_dial();
    run(heard, REQUEST());
    assert_ended(heard, FB_OK);
    assert_int_equal(heard->messages, 0);
    forget(heard);
}

static void a_client_streams_and_gets_one_answer(void **state)
{
    struct heard *heard = hear(COLLECT);
    EchoRequest request = REQUEST(.payload = many_bytes(1000));

    (void)state;
    serve_and_dial();
    begin(heard);
    for (int i = 0; i < 2000; i++) {
        fb_client_call_send(heard->call, &request.base);
    }
    fb_client_call_half_close(heard->call);
    WAIT_FOR(heard->ends != 0);
    assert_ended(heard, FB_OK);
    assert_int_equal(heard->messages, 1);
    assert_int_equal(heard->answer->index, 2000);
    assert_int_equal(heard->answer->bytes, 2000000);
    forget(heard);
}

static void a_client_may_close_without_a_message(void **state)
{
    struct heard *heard = hear(COLLECT);

    (void)state;
    serve_and_dial();
    begin(heard);
    fb_client_call_half_close(heard->call);
    WAIT_FOR(heard->ends != 0);
    assert_ended(heard, FB_OK);
    assert_int_equal(heard->answer->index, 0);
    forget(heard);
}

static void both_sides_take_turns(void **state)
{
    struct heard *heard = hear(CHAT);
    EchoRequest request = REQUEST(.payload = bytes_of("turn"));

    (void)state;
    serve_and_dial();
    begin(heard);
    for (uint32_t turn = 1; turn <= 100; turn++) {
        fb_client_call_send(heard->call, &request.base);
        WAIT_FOR(heard->messages == turn);
        assert_int_equal(heard->ends, 0);
    }
    fb_client_call_half_close(heard->call);
    WAIT_FOR(heard->ends != 0);
    assert_ended(heard, FB_OK);
    assert_int_equal(heard->disorder, 0);
    forget(heard);
}

static void both_sides_stream_at_once(void **state)
{
    struct heard *heard = hear(CHAT);
    EchoRequest request = REQUEST(.payload = many_bytes(4096));

    (void)state;
    serve_and_dial();
    begin(heard);
    for (int i = 0; i < 1000; i++) {
        fb_client_call_send(heard->call, &request.base);
    }
    fb_client_call_half_close(heard->call);
    WAIT_FOR(heard->ends != 0);
    assert_ended(heard, FB_OK);
    assert_int_equal(heard->messages, 1000);
    assert_int_equal(heard->disorder, 0);
    assert_int_equal(heard->bytes, 1000 * 4096);
    forget(heard);
}

static void a_server_may_end_before_the_client_does(void **state)
{
    struct heard *heard = hear(CHAT);
    EchoRequest request = REQUEST(.code = FB_ABORTED);

    (void)state;
    serve_and_dial();
    begin(heard);
    fb_client_call_send(heard->call, &request.base);
    WAIT_FOR(heard->ends != 0);
    assert_ended(heard, FB_ABORTED);
    assert_int_equal(heard->messages, 1);
    forget(heard);
    assert_int_equal(code_of_unary(), FB_OK);
}

static void messages_of_every_size_come_through(void **state)
{
    static const size_t sizes[] = {0,     1,     5,     127,    128,     16383,   16384,
                                   16385, 65535, 65536, 131072, 1 << 20, 4 << 20, 8 << 20};

    (void)state;
    serve_and_dial();
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct heard *heard = hear(UNARY);

        run(heard, REQUEST(.payload = many_bytes(sizes[i])));
        assert_ended(heard, FB_OK);
        assert_int_equal(heard->bytes, sizes[i]);
        forget(heard);
    }
}

static void many_calls_at_once_get_their_own_answers(void **state)
{
    enum { CALLS = 500 };
    struct heard *all[CALLS];
    char text[32];
    uint32_t ends = 0;

    (void)state;
    serve_and_dial();
    for (int i = 0; i < CALLS; i++) {
        all[i] = hear(UNARY);
        snprintf(text, sizeof(text), "call %d", i);
        send_once(all[i], REQUEST(.payload = bytes_of(text)));
    }
    for (int i = 0; i < CALLS; i++) {
        WAIT_FOR(all[i]->ends == 1);
        assert_ended(all[i], FB_OK);
        snprintf(text, sizeof(text), "call %d", i);
        assert_int_equal(all[i]->answer->payload.len, strlen(text));
        assert_memory_equal(all[i]->answer->payload.data, text, strlen(text));
        ends += all[i]->ends;
        forget(all[i]);
    }
    assert_int_equal(ends, CALLS);
    assert_int_equal(fb_server_stats(server)->calls_started, CALLS);
    WAIT_FOR(fb_server_stats(server)->calls_open == 0);
    assert_int_equal(fb_server_stats(server)->calls_ended[FB_OK], CALLS);
}

enum { LARGE_CALLS = 50, LARGE_BYTES = 3000000 };

static void fifty_large_answers_at_once_all_arrive(void **state)
{
    struct heard *all[LARGE_CALLS];

    (void)state;
    serve_and_dial();
    for (int i = 0; i < LARGE_CALLS; i++) {
        all[i] = hear(UNARY);
        send_once(all[i], REQUEST(.answer_bytes = LARGE_BYTES));
    }
    for (int i = 0; i < LARGE_CALLS; i++) {
        WAIT_FOR(all[i]->ends == 1);
        assert_ended(all[i], FB_OK);
        assert_int_equal(all[i]->bytes, LARGE_BYTES);
        forget(all[i]);
    }
}

static void fifty_large_requests_at_once_all_arrive(void **state)
{
    struct heard *all[LARGE_CALLS];

    (void)state;
    serve_and_dial();
    for (int i = 0; i < LARGE_CALLS; i++) {
        all[i] = hear(COLLECT);
        send_once(all[i], REQUEST(.payload = many_bytes(LARGE_BYTES)));
    }
    for (int i = 0; i < LARGE_CALLS; i++) {
        WAIT_FOR(all[i]->ends == 1);
        assert_ended(all[i], FB_OK);
        assert_int_equal(all[i]->answer->bytes, LARGE_BYTES);
        forget(all[i]);
    }
}

/* --- deadlines and cancellation --- */

static void a_deadline_travels_and_is_not_lengthened(void **state)
{
    struct heard *heard = hear(UNARY);

    (void)state;
    serve_and_dial();
    heard->plan.deadline_ms = fb_clock_ms() + 60000;
    run(heard, REQUEST());
    assert_ended(heard, FB_OK);
    /* On the wire it may be rounded up a little. */
    assert_in_range(heard->answer->deadline_left_ms, 60000 - PATIENCE_MS, 60600);
    forget(heard);
}

static void without_a_deadline_none_travels(void **state)
{
    struct heard *heard = hear(UNARY);

    (void)state;
    serve_and_dial();
    run(heard, REQUEST());
    assert_int_equal(heard->answer->deadline_left_ms, 0);
    forget(heard);
}

static void a_call_ends_at_its_deadline_on_both_sides(void **state)
{
    struct heard *heard = hear(UNARY);
    int64_t begun_ms = fb_clock_ms();

    (void)state;
    serve_and_dial();
    heard->plan.deadline_ms = begun_ms + 200;
    run(heard, REQUEST(.hold = true));
    assert_ended(heard, FB_DEADLINE_EXCEEDED);
    assert_true(fb_clock_ms() - begun_ms >= 200);
    WAIT_FOR(echo.cancelled == 1);
    assert_int_equal(echo.ended, 1);
    forget(heard);
    assert_int_equal(code_of_unary(), FB_OK);
}

static void a_deadline_that_has_passed_ends_at_once(void **state)
{
    struct heard *heard = hear(UNARY);

    (void)state;
    serve_and_dial();
    heard->plan.deadline_ms = fb_clock_ms() - 1;
    run(heard, REQUEST());
    assert_ended(heard, FB_DEADLINE_EXCEEDED);
    forget(heard);
}

static void a_clients_cancel_reaches_the_handler(void **state)
{
    static const char *const paths[] = {UNARY, EXPAND};

    (void)state;
    serve_and_dial();
    for (uint32_t i = 0; i < 2; i++) {
        struct heard *heard = hear(paths[i]);

        send_once(heard, REQUEST(.hold = true, .repeat = 1));
        WAIT_FOR(echo.begun == i + 1);
        fb_client_call_cancel(heard->call);
        heard->call = NULL;
        WAIT_FOR(echo.cancelled == i + 1);
        assert_int_equal(heard->ends, 0); /* who cancels is told nothing */
        forget(heard);
    }
    WAIT_FOR(fb_server_stats(server)->calls_open == 0);
    assert_int_equal(code_of_unary(), FB_OK);
}

static void a_call_may_be_cancelled_before_it_went_out(void **state)
{
    (void)state;
    serve_and_dial();
    for (int i = 0; i < 20; i++) {
        struct heard *heard = hear(UNARY);

        send_once(heard, REQUEST(.hold = true));
        forget(heard);
    }
    assert_int_equal(code_of_unary(), FB_OK);
    WAIT_FOR(fb_server_stats(server)->calls_open == 0);
}

static void cancel_at_first(struct fb_client_call *call, void *arg, const uint8_t *data,
                            size_t size)
{
    struct heard *heard = arg;

    (void)data;
    (void)size;
    heard->messages++;
    heard->call = NULL;
    fb_client_call_cancel(call);
}

static void a_call_may_be_cancelled_from_inside_an_event(void **state)
{
    static const struct fb_client_call_events cancelling = {
        .on_message = cancel_at_first,
        .on_end = on_end,
    };
    struct heard *heard = hear(EXPAND);
    EchoRequest request = REQUEST(.repeat = 100000, .payload = many_bytes(1000));

    (void)state;
    serve_and_dial();
    heard->call = fb_channel_call(channel, &heard->plan, &cancelling, heard);
    fb_client_call_send(heard->call, &request.base);
    fb_client_call_half_close(heard->call);
    WAIT_FOR(echo.cancelled == 1);
    assert_int_equal(heard->messages, 1);
    assert_int_equal(heard->ends, 0);
    forget(heard);
}

static void an_error_follows_the_messages_sent_before_it(void **state)
{
    struct heard *heard = hear(EXPAND);

    (void)state;
    serve_and_dial();
    run(heard, REQUEST(.repeat = 100, .code = FB_DATA_LOSS, .message = (char *)"lost it",
                       .payload = many_bytes(2000)));
    assert_ended(heard, FB_DATA_LOSS);
    assert_string_equal(heard->why, "lost it");
    assert_int_equal(heard->messages, 100);
    assert_int_equal(heard->disorder, 0);
    forget(heard);
}

/* --- statuses and metadata --- */

static void every_code_arrives_as_it_is(void **state)
{
    (void)state;
    serve_and_dial();
    for (uint32_t code = 1; code < FB_CODE_COUNT; code++) {
        struct heard *heard = hear(UNARY);

        run(heard, REQUEST(.code = code, .message = (char *)"as asked"));
        assert_ended(heard, (enum fb_code)code);
        assert_string_equal(heard->why, "as asked");
        assert_int_equal(heard->messages, 0);
        assert_false(heard->not_run);
        forget(heard);
    }
}

static void messages_of_a_status_may_be_any_text(void **state)
{
    static const char *const texts[] = {
        "100% of it", "line\nline\ttab", "é ☃ 😀", "%41%zz%", " spaces around ", "\x7f",
    };

    (void)state;
    serve_and_dial();
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct heard *heard = hear(UNARY);

        run(heard, REQUEST(.code = FB_NOT_FOUND, .message = (char *)(uintptr_t)texts[i]));
        assert_ended(heard, FB_NOT_FOUND);
        assert_string_equal(heard->why, texts[i]);
        forget(heard);
    }
}

static void assert_has(const struct fb_metadata *metadata, const char *key, struct fb_text value)
{
    struct fb_text found;

    if (!fb_metadata_find(metadata, key, &found)) {
        fail_msg("no %s", key);
    }
    assert_int_equal(found.size, value.size);
    assert_memory_equal(found.data, value.data, value.size);
}

static void metadata_travels_both_ways(void **state)
{
    static char any[256];
    struct heard *heard = hear(UNARY);
    const struct fb_text bytes = {.data = any, .size = sizeof(any)};
    struct fb_text found;

    (void)state;
    for (size_t i = 0; i < sizeof(any); i++) {
        any[i] = (char)i;
    }
    serve_and_dial();
    add_sent(heard, "echo-plain", FB_TEXT("~ printable, with spaces and = %41"));
    add_sent(heard, "echo-any-bin", bytes);
    add_sent(heard, "echo-empty-bin", FB_TEXT(""));
    add_sent(heard, "echo-one-bin", FB_TEXT("\xff"));
    add_sent(heard, "echo-two-bin", FB_TEXT("a,"));
    add_sent(heard, "unrelated", FB_TEXT("stays there"));
    run(heard, REQUEST());
    assert_ended(heard, FB_OK);
    for (int i = 0; i < 2; i++) {
        const struct fb_metadata *back = i == 0 ? &heard->header : &heard->trailer;

        assert_has(back, "echo-plain", FB_TEXT("~ printable, with spaces and = %41"));
        assert_has(back, "echo-any-bin", bytes);
        assert_has(back, "echo-empty-bin", FB_TEXT(""));
        assert_has(back, "echo-one-bin", FB_TEXT("\xff"));
        assert_has(back, "echo-two-bin", FB_TEXT("a,"));
        assert_false(fb_metadata_find(back, "unrelated", &found));
        assert_false(fb_metadata_find(back, "content-type", &found));
        assert_false(fb_metadata_find(back, "grpc-status", &found));
        assert_false(fb_metadata_find(back, ":status", &found));
    }
    forget(heard);
}

static void keys_may_repeat_and_keep_their_order(void **state)
{
    struct heard *heard = hear(UNARY);
    size_t seen = 0;

    (void)state;
    serve_and_dial();
    add_sent(heard, "echo-list", FB_TEXT("first"));
    add_sent(heard, "echo-list", FB_TEXT("second"));
    run(heard, REQUEST());
    assert_ended(heard, FB_OK);
    for (size_t i = 0; i < heard->header.count; i++) {
        if (fb_text_is(heard->header.items[i].key, "echo-list")) {
            assert_true(fb_text_is(heard->header.items[i].value, seen == 0 ? "first" : "second"));
            seen++;
        }
    }
    assert_int_equal(seen, 2);
    forget(heard);
}

static void an_answer_without_messages_carries_its_trailers(void **state)
{
    struct heard *heard = hear(UNARY);

    (void)state;
    serve_and_dial();
    add_sent(heard, "echo-plain", FB_TEXT("there"));
    run(heard, REQUEST(.code = FB_FAILED_PRECONDITION, .message = (char *)"not now"));
    assert_ended(heard, FB_FAILED_PRECONDITION);
    assert_has(&heard->header, "echo-plain", FB_TEXT("there"));
    assert_has(&heard->trailer, "echo-plain", FB_TEXT("there"));
    assert_int_equal(heard->header.count, 1);
    assert_int_equal(heard->trailer.count, 1);
    assert_false(heard->headers_late);
    forget(heard);
}

static void the_trace_of_a_call_travels(void **state)
{
    struct heard *heard = hear(UNARY);
    const struct fb_trace_context trace = fb_trace_begin(true);

    (void)state;
    serve_and_dial();
    heard->plan.trace = &trace;
    run(heard, REQUEST());
    assert_memory_equal(echo.trace_id, trace.trace_id, sizeof(trace.trace_id));
    forget(heard);
}

/* --- what is refused --- */

static void an_unknown_method_is_unimplemented(void **state)
{
    static const char *const paths[] = {
        "/flowbalancer.test.EchoService/Nothing",
        "/flowbalancer.test.Nobody/Unary",
        "/x",
    };

    (void)state;
    serve_and_dial();
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        struct heard *heard = hear(paths[i]);

        run(heard, REQUEST());
        assert_ended(heard, FB_UNIMPLEMENTED);
        assert_non_null(strstr(heard->why, paths[i]));
        forget(heard);
    }
    assert_int_equal(code_of_unary(), FB_OK);
}

static void bytes_that_are_no_message_are_refused_by_name(void **state)
{
    struct heard *heard = hear(UNARY);

    (void)state;
    serve_and_dial();
    begin(heard);
    fb_client_call_send_bytes(heard->call, (const uint8_t *)"\x2a\x01\xff", 3);
    fb_client_call_half_close(heard->call);
    WAIT_FOR(heard->ends != 0);
    assert_ended(heard, FB_INVALID_ARGUMENT);
    assert_non_null(strstr(heard->why, "\"message\" of flowbalancer.test.EchoRequest"));
    assert_int_equal(echo.begun, 0);
    forget(heard);
    assert_int_equal(code_of_unary(), FB_OK);
}

static void a_unary_call_takes_exactly_one_message(void **state)
{
    struct heard *heard = hear(UNARY);

    (void)state;
    serve_and_dial();
    begin(heard);
    fb_client_call_half_close(heard->call);
    WAIT_FOR(heard->ends != 0);
    assert_ended(heard, FB_UNIMPLEMENTED);
    forget(heard);
    assert_int_equal(code_of_unary(), FB_OK);
}

static void a_request_beyond_the_servers_limit_is_refused(void **state)
{
    struct heard *heard = hear(UNARY);

    (void)state;
    server_config.message_limit_bytes = 100000;
    serve_and_dial();
    run(heard, REQUEST(.payload = many_bytes(99000)));
    assert_ended(heard, FB_OK);
    forget(heard);
    heard = hear(UNARY);
    run(heard, REQUEST(.payload = many_bytes(100001)));
    assert_ended(heard, FB_RESOURCE_EXHAUSTED);
    forget(heard);
    assert_int_equal(echo.begun, 1);
    assert_int_equal(code_of_unary(), FB_OK);
}

static void an_answer_beyond_the_clients_limit_is_refused(void **state)
{
    struct heard *heard = hear(UNARY);

    (void)state;
    channel_config.message_limit_bytes = 100000;
    serve_and_dial();
    run(heard, REQUEST(.answer_bytes = 99000));
    assert_ended(heard, FB_OK);
    forget(heard);
    heard = hear(UNARY);
    run(heard, REQUEST(.answer_bytes = 100001));
    assert_ended(heard, FB_RESOURCE_EXHAUSTED);
    assert_int_equal(heard->messages, 0);
    forget(heard);
    assert_int_equal(code_of_unary(), FB_OK);
}

/* --- back-pressure --- */

enum { PIECE_BYTES = 10000, PIECES = 2000 };

static void a_slow_reader_holds_the_server_back(void **state)
{
    struct heard *heard = hear(EXPAND);
    uint32_t sent;

    (void)state;
    serve_and_dial();
    begin(heard);
    fb_client_call_pause(heard->call);
    {
        EchoRequest request = REQUEST(.repeat = PIECES, .answer_bytes = PIECE_BYTES);

        fb_client_call_send(heard->call, &request.base);
    }
    fb_client_call_half_close(heard->call);
    WAIT_FOR(echo.waits > 0);
    /* Another call on the same connection is not held back, and while it runs nothing more is sent. */
    assert_int_equal(code_of_unary(), FB_OK);
    do {
        sent = echo.sent;
        for (int i = 0; i < 20; i++) {
            assert_int_equal(code_of_unary(), FB_OK);
        }
    } while (echo.sent != sent);
    assert_true(echo.sent < PIECES / 4);
    assert_int_equal(heard->ends, 0);
    fb_client_call_resume(heard->call);
    WAIT_FOR(heard->ends != 0);
    assert_ended(heard, FB_OK);
    assert_int_equal(heard->messages, PIECES);
    assert_int_equal(heard->bytes, (uint64_t)PIECES * PIECE_BYTES);
    assert_int_equal(heard->disorder, 0);
    assert_true(echo.drains > 0);
    forget(heard);
}

static void a_slow_server_holds_the_client_back(void **state)
{
    struct heard *heard = hear(COLLECT);
    EchoRequest request = REQUEST(.payload = many_bytes(PIECE_BYTES));
    struct fb_call *paused;
    uint32_t sent = 0;
    uint32_t before;

    (void)state;
    serve_and_dial();
    begin(heard);
    fb_client_call_send(heard->call, &request.base);
    sent++;
    WAIT_FOR(echo.received == 1);
    paused = echo.last;
    fb_call_pause(paused);
    /* As long as there is room, and again each time there is. */
    do {
        before = sent;
        while (sent < PIECES && fb_client_call_send(heard->call, &request.base)) {
            sent++;
        }
        sent++;
        for (int i = 0; i < 20; i++) {
            assert_int_equal(code_of_unary(), FB_OK);
        }
    } while (sent != before + 1 && sent < PIECES && heard->drains > 0);
    assert_true(sent < PIECES / 4);
    assert_true(echo.received <= 3);
    fb_call_resume(paused);
    WAIT_FOR(heard->drains > 0);
    fb_client_call_half_close(heard->call);
    WAIT_FOR(heard->ends != 0);
    assert_ended(heard, FB_OK);
    assert_int_equal(heard->answer->index, sent);
    forget(heard);
}

static void a_handler_that_floods_is_ended_at_the_send_limit(void **state)
{
    struct heard *heard = hear(EXPAND);

    (void)state;
    server_config.send_limit_bytes = 1 << 20;
    serve_and_dial();
    begin(heard);
    fb_client_call_pause(heard->call);
    {
        EchoRequest request = REQUEST(.repeat = PIECES, .answer_bytes = PIECE_BYTES, .flood = true);

        fb_client_call_send(heard->call, &request.base);
    }
    fb_client_call_half_close(heard->call);
    WAIT_FOR(echo.cancelled == 1);
    assert_true(echo.sent < PIECES / 4);
    fb_client_call_resume(heard->call);
    WAIT_FOR(heard->ends != 0);
    assert_true(heard->status.code == FB_RESOURCE_EXHAUSTED || heard->status.code == FB_CANCELLED ||
                heard->status.code == FB_INTERNAL);
    forget(heard);
    assert_int_equal(code_of_unary(), FB_OK);
}

static void a_client_that_floods_is_ended_at_the_send_limit(void **state)
{
    struct heard *heard = hear(COLLECT);
    EchoRequest request = REQUEST(.payload = many_bytes(PIECE_BYTES));

    (void)state;
    channel_config.send_limit_bytes = 1 << 20;
    serve_and_dial();
    begin(heard);
    fb_client_call_send(heard->call, &request.base);
    WAIT_FOR(echo.received == 1);
    fb_call_pause(echo.last);
    for (int i = 0; i < PIECES && heard->call != NULL; i++) {
        fb_client_call_send(heard->call, &request.base);
    }
    WAIT_FOR(heard->ends != 0);
    assert_ended(heard, FB_RESOURCE_EXHAUSTED);
    WAIT_FOR(echo.cancelled == 1);
    forget(heard);
}

/* --- connections --- */

static enum fb_channel_state states[64];
static size_t state_count;

static void on_state(struct fb_channel *of, enum fb_channel_state state, void *arg)
{
    (void)of;
    (void)arg;
    if (state_count < sizeof(states) / sizeof(states[0])) {
        states[state_count++] = state;
    }
}

static void a_channel_dials_when_the_first_call_needs_it(void **state)
{
    (void)state;
    state_count = 0;
    serve_and_dial();
    fb_channel_watch(channel, on_state, NULL);
    assert_int_equal(fb_channel_state(channel), FB_CHANNEL_IDLE);
    for (int i = 0; i < 10; i++) {
        fb_loop_turn(loop, 0);
    }
    assert_int_equal(fb_server_stats(server)->connections_accepted, 0);
    assert_int_equal(code_of_unary(), FB_OK);
    WAIT_FOR(fb_channel_state(channel) == FB_CHANNEL_READY);
    assert_int_equal(code_of_unary(), FB_OK);
    assert_int_equal(fb_server_stats(server)->connections_accepted, 1);
    assert_int_equal(fb_server_stats(server)->connections_open, 1);
    assert_true(state_count >= 1);
    assert_int_equal(states[state_count - 1], FB_CHANNEL_READY);
}

static void a_channel_connects_when_told_to(void **state)
{
    (void)state;
    serve_and_dial();
    fb_channel_connect(channel);
    WAIT_FOR(fb_channel_state(channel) == FB_CHANNEL_READY);
    assert_int_equal(echo.begun, 0);
}

static void where_nobody_listens_a_call_fails_and_surely_did_not_run(void **state)
{
    struct heard *heard = hear(UNARY);

    (void)state;
    dial();
    run(heard, REQUEST());
    assert_ended(heard, FB_UNAVAILABLE);
    assert_true(heard->not_run);
    forget(heard);
}

static void a_channel_dials_again_when_the_server_is_back(void **state)
{
    struct heard *heard = hear(UNARY);

    (void)state;
    channel_config.backoff_first_ms = 100;
    channel_config.backoff_most_ms = 300;
    serve_and_dial();
    assert_int_equal(code_of_unary(), FB_OK);
    fb_server_destroy(server);
    server = NULL;
    WAIT_FOR(fb_channel_state(channel) != FB_CHANNEL_READY);
    run(heard, REQUEST());
    assert_ended(heard, FB_UNAVAILABLE);
    forget(heard);
    heard = hear(UNARY);
    heard->plan.wait_for_ready = true; /* waits out the backoff */
    send_once(heard, REQUEST());
    WAIT_FOR(fb_channel_state(channel) == FB_CHANNEL_FAILING);
    assert_int_equal(heard->ends, 0);
    serve();
    WAIT_FOR(heard->ends != 0);
    assert_ended(heard, FB_OK);
    forget(heard);
}

static void backoff_spaces_the_dials(void **state)
{
    int64_t begun_ms;

    (void)state;
    channel_config.backoff_first_ms = 100;
    channel_config.backoff_most_ms = 200;
    listen_config.address = "127.0.0.1:0";
    serve();
    relay = relay_create(loop, fb_server_address(server, 0));
    fb_server_destroy(server); /* connections are accepted and closed at once */
    server = NULL;
    channel_config.target = relay_address(relay);
    dial();
    begun_ms = fb_clock_ms();
    while (fb_clock_ms() - begun_ms < 1500) {
        struct heard *heard = hear(UNARY);

        run(heard, REQUEST());
        assert_ended(heard, FB_UNAVAILABLE);
        forget(heard);
        fb_loop_turn(loop, 5);
    }
    assert_in_range(relay_accepted(relay), 2, 25);
}

static void a_broken_connection_ends_its_calls_on_both_sides(void **state)
{
    struct heard *heard = hear(UNARY);

    (void)state;
    serve_tcp();
    relay = relay_create(loop, fb_server_address(server, 0));
    channel_config.target = relay_address(relay);
    dial();
    send_once(heard, REQUEST(.hold = true));
    WAIT_FOR(echo.begun == 1);
    relay_cut(relay);
    WAIT_FOR(heard->ends != 0);
    assert_ended(heard, FB_UNAVAILABLE);
    assert_false(heard->not_run); /* it may have been */
    WAIT_FOR(echo.cancelled == 1);
    forget(heard);
    WAIT_FOR(fb_channel_state(channel) != FB_CHANNEL_READY);
    heard = hear(UNARY);
    heard->plan.wait_for_ready = true;
    run(heard, REQUEST());
    assert_ended(heard, FB_OK);
    forget(heard);
    WAIT_FOR(fb_server_stats(server)->connections_open == 1);
}

static void a_client_gives_up_a_server_that_fell_silent(void **state)
{
    struct heard *heard = hear(UNARY);

    (void)state;
    serve_tcp();
    relay = relay_create(loop, fb_server_address(server, 0));
    channel_config.target = relay_address(relay);
    channel_config.keepalive_ms = 200;
    channel_config.keepalive_timeout_ms = 200;
    dial();
    send_once(heard, REQUEST(.hold = true));
    WAIT_FOR(echo.begun == 1);
    relay_silence(relay, true);
    WAIT_FOR(heard->ends != 0);
    assert_ended(heard, FB_UNAVAILABLE);
    forget(heard);
}

static void a_server_gives_up_a_client_that_fell_silent(void **state)
{
    struct heard *heard = hear(UNARY);

    (void)state;
    server_config.keepalive_ms = 200;
    server_config.keepalive_timeout_ms = 200;
    serve_tcp();
    relay = relay_create(loop, fb_server_address(server, 0));
    channel_config.target = relay_address(relay);
    dial();
    send_once(heard, REQUEST(.hold = true));
    WAIT_FOR(echo.begun == 1);
    relay_silence(relay, true);
    WAIT_FOR(echo.cancelled == 1);
    WAIT_FOR(fb_server_stats(server)->connections_open == 0);
    forget(heard);
}

static void pings_keep_a_quiet_call_alive(void **state)
{
    struct heard *heard = hear(UNARY);
    uint64_t bytes;

    (void)state;
    serve_tcp();
    relay = relay_create(loop, fb_server_address(server, 0));
    channel_config.target = relay_address(relay);
    channel_config.keepalive_ms = 100;
    channel_config.keepalive_timeout_ms = 2000;
    dial();
    send_once(heard, REQUEST(.hold = true));
    WAIT_FOR(echo.begun == 1);
    for (int ping = 0; ping < 4; ping++) { /* more often than servers like by default */
        bytes = relay_upstream_bytes(relay);
        WAIT_FOR(relay_upstream_bytes(relay) > bytes);
    }
    assert_int_equal(heard->ends, 0);
    assert_int_equal(echo.cancelled, 0);
    forget(heard);
}

static int drained;

static void on_drained(void *arg)
{
    (void)arg;
    drained++;
}

static void draining_lets_calls_end_and_takes_no_new_ones(void **state)
{
    struct heard *chat = hear(CHAT);
    struct heard *late = hear(UNARY);
    EchoRequest request = REQUEST(.payload = bytes_of("x"));

    (void)state;
    drained = 0;
    serve_and_dial();
    begin(chat);
    fb_client_call_send(chat->call, &request.base);
    WAIT_FOR(chat->messages == 1);
    fb_server_drain(server, fb_clock_ms() + PATIENCE_MS, on_drained, NULL);
    WAIT_FOR(fb_channel_state(channel) != FB_CHANNEL_READY);
    run(late, REQUEST());
    assert_ended(late, FB_UNAVAILABLE);
    forget(late);
    fb_client_call_send(chat->call, &request.base);
    WAIT_FOR(chat->messages == 2);
    assert_int_equal(drained, 0);
    fb_client_call_half_close(chat->call);
    WAIT_FOR(chat->ends != 0);
    assert_ended(chat, FB_OK);
    WAIT_FOR(drained == 1);
    assert_int_equal(fb_server_stats(server)->calls_open, 0);
    assert_int_equal(fb_server_stats(server)->connections_open, 0);
    forget(chat);
}

static void draining_cancels_what_outlasts_its_deadline(void **state)
{
    struct heard *heard = hear(UNARY);

    (void)state;
    drained = 0;
    serve_and_dial();
    send_once(heard, REQUEST(.hold = true));
    WAIT_FOR(echo.begun == 1);
    fb_server_drain(server, fb_clock_ms() + 100, on_drained, NULL);
    WAIT_FOR(drained == 1);
    assert_int_equal(echo.cancelled, 1);
    WAIT_FOR(heard->ends != 0);
    assert_ended(heard, FB_UNAVAILABLE);
    forget(heard);
}

static void a_server_without_calls_drains_at_once(void **state)
{
    (void)state;
    drained = 0;
    serve_and_dial();
    assert_int_equal(code_of_unary(), FB_OK);
    fb_server_drain(server, fb_clock_ms() + PATIENCE_MS, on_drained, NULL);
    WAIT_FOR(drained == 1);
}

static void destroying_a_server_tells_handlers_and_callers(void **state)
{
    struct heard *heard = hear(UNARY);

    (void)state;
    serve_and_dial();
    send_once(heard, REQUEST(.hold = true));
    WAIT_FOR(echo.begun == 1);
    fb_server_destroy(server);
    server = NULL;
    assert_int_equal(echo.cancelled, 1);
    assert_int_equal(echo.ended, 1);
    WAIT_FOR(heard->ends != 0);
    assert_ended(heard, FB_UNAVAILABLE);
    forget(heard);
}

static void destroying_a_channel_ends_its_calls(void **state)
{
    struct heard *held = hear(UNARY);
    struct heard *young = hear(UNARY);

    (void)state;
    serve_and_dial();
    send_once(held, REQUEST(.hold = true));
    WAIT_FOR(echo.begun == 1);
    send_once(young, REQUEST());
    fb_channel_destroy(channel);
    channel = NULL;
    assert_ended(held, FB_CANCELLED);
    assert_ended(young, FB_CANCELLED);
    WAIT_FOR(echo.cancelled == 1);
    forget(held);
    forget(young);
}

static void a_list_of_addresses_is_tried_in_turn(void **state)
{
    char list[160];

    (void)state;
    serve();
    snprintf(list, sizeof(list), "unix:%s/nobody,%s", folder, socket_address);
    channel_config.target = list;
    dial();
    assert_int_equal(code_of_unary(), FB_OK);
}

static void a_name_is_resolved(void **state)
{
    char target[64];

    (void)state;
    serve_tcp();
    snprintf(target, sizeof(target), "dns:localhost%s", strrchr(channel_config.target, ':'));
    channel_config.target = target;
    dial();
    assert_int_equal(code_of_unary(), FB_OK);
}

static void connections_are_bounded(void **state)
{
    struct fb_channel *second;
    struct heard *heard = hear(UNARY);

    (void)state;
    server_config.connections = 1;
    serve_and_dial();
    assert_int_equal(code_of_unary(), FB_OK);
    second = channel;
    channel = NULL;
    dial();
    run(heard, REQUEST());
    assert_ended(heard, FB_UNAVAILABLE);
    forget(heard);
    fb_channel_destroy(second);
    WAIT_FOR(fb_server_stats(server)->connections_open == 0);
    heard = hear(UNARY);
    heard->plan.wait_for_ready = true;
    run(heard, REQUEST());
    assert_ended(heard, FB_OK);
    forget(heard);
}

/* A socket connected to the server, which speaks no HTTP/2 by itself. */
static int connect_raw(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    snprintf(address.sun_path, sizeof(address.sun_path), "%s", socket_address + 5);
    assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

/* Whether the other end has closed it; what it said before is read and forgotten. */
static bool is_closed(int fd)
{
    char bytes[512];
    ssize_t size;

    do {
        size = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);
    } while (size > 0);
    return size == 0 || errno != EAGAIN;
}

static void a_connection_that_says_nothing_is_closed_in_time(void **state)
{
    int fd;

    (void)state;
    server_config.handshake_timeout_ms = 200;
    serve_and_dial();
    assert_int_equal(code_of_unary(), FB_OK);
    fd = connect_raw();
    WAIT_FOR(fb_server_stats(server)->connections_open == 2);
    WAIT_FOR(is_closed(fd));
    WAIT_FOR(fb_server_stats(server)->connections_open == 1);
    close(fd);
    assert_int_equal(code_of_unary(), FB_OK);
}

static void what_is_not_http2_is_closed_and_others_live_on(void **state)
{
    static const char *const words[] = {
        "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nand then no frame at all, but many words more",
        "\x16\x03\x01\x02 a TLS handshake where none is asked for",
    };

    (void)state;
    serve_and_dial();
    assert_int_equal(code_of_unary(), FB_OK);
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        int fd = connect_raw();

        assert_int_equal(send(fd, words[i], strlen(words[i]), MSG_NOSIGNAL), strlen(words[i]));
        WAIT_FOR(is_closed(fd));
        close(fd);
        WAIT_FOR(fb_server_stats(server)->connections_open == 1);
        assert_int_equal(code_of_unary(), FB_OK);
    }
}

static void silent_connections_do_not_delay_a_drain(void **state)
{
    int fd;

    (void)state;
    drained = 0;
    serve();
    fd = connect_raw();
    WAIT_FOR(fb_server_stats(server)->connections_open == 1);
    fb_server_drain(server, fb_clock_ms() + PATIENCE_MS, on_drained, NULL);
    WAIT_FOR(drained == 1);
    assert_true(is_closed(fd));
    close(fd);
}

static void a_server_out_of_descriptors_recovers(void **state)
{
    enum { CLIENTS = 30 };
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct rlimit before;
    struct rlimit few;
    int clients[CLIENTS];

    (void)state;
    serve_and_dial();
    assert_int_equal(code_of_unary(), FB_OK);
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", socket_address + 5);
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = socket(AF_UNIX, SOCK_STREAM, 0);
    }
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    few = before;
    few.rlim_cur = (rlim_t)clients[CLIENTS - 1] + 5;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    for (int i = 0; i < CLIENTS; i++) {
        assert_int_equal(connect(clients[i], (const struct sockaddr *)&address, sizeof(address)),
                         0);
    }
    for (int i = 0; i < 20; i++) {
        assert_int_equal(code_of_unary(), FB_OK); /* who is connected is served on */
    }
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    for (int i = 0; i < CLIENTS; i++) {
        close(clients[i]);
    }
    fb_channel_destroy(channel);
    channel = NULL;
    dial();
    assert_int_equal(code_of_unary(), FB_OK);
    WAIT_FOR(fb_server_stats(server)->connections_open == 1);
}

/* --- where and who --- */

static void a_unix_socket_is_ours_alone_and_tells_who_calls(void **state)
{
    struct heard *heard = hear(UNARY);
    struct stat info;

    (void)state;
    serve_and_dial();
    assert_string_equal(fb_server_address(server, 0), socket_address);
    assert_null(fb_server_address(server, 1));
    assert_int_equal(stat(socket_address + 5, &info), 0);
    assert_true(S_ISSOCK(info.st_mode));
    assert_int_equal(info.st_mode & 0777, 0600);
    run(heard, REQUEST());
    assert_ended(heard, FB_OK);
    assert_true(echo.peer.local);
    assert_int_equal(echo.peer.uid, getuid());
    assert_int_equal(echo.peer.pid, getpid());
    assert_string_equal(heard->answer->peer, "unix:");
    assert_string_equal(heard->answer->tenant, "");
    forget(heard);
    fb_server_destroy(server);
    server = NULL;
    assert_int_not_equal(stat(socket_address + 5, &info), 0);
}

static void a_dead_socket_is_replaced_and_a_living_one_is_not(void **state)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct fb_server *first;
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    (void)state;
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", socket_address + 5);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    close(fd); /* its file stays */
    serve();
    first = server;
    server = NULL;
    assert_int_equal(listen_there().code, FB_ALREADY_EXISTS);
    fb_server_destroy(server);
    server = first;
    dial();
    assert_int_equal(code_of_unary(), FB_OK);
}

static void what_is_no_socket_is_left_alone(void **state)
{
    FILE *file = fopen(socket_address + 5, "w");

    (void)state;
    fputs("precious", file);
    fclose(file);
    assert_int_equal(listen_there().code, FB_ALREADY_EXISTS);
    assert_int_equal(unlink(socket_address + 5), 0);
}

static void port_0_is_chosen_and_told(void **state)
{
    struct heard *heard = hear(UNARY);

    (void)state;
    serve_tcp();
    assert_int_equal(strncmp(channel_config.target, "127.0.0.1:", 10), 0);
    assert_int_not_equal(strtol(channel_config.target + 10, NULL, 10), 0);
    dial();
    run(heard, REQUEST());
    assert_ended(heard, FB_OK);
    assert_int_equal(strncmp(heard->answer->peer, "127.0.0.1:", 10), 0);
    assert_false(echo.peer.local);
    forget(heard);
}

static void a_taken_port_is_told(void **state)
{
    static char address[64];
    struct fb_server *first;

    (void)state;
    serve_tcp();
    snprintf(address, sizeof(address), "%s", fb_server_address(server, 0));
    first = server;
    server = NULL;
    listen_config.address = address;
    assert_int_equal(listen_there().code, FB_ALREADY_EXISTS);
    fb_server_destroy(server);
    server = first;
}

static void one_server_listens_on_several_addresses(void **state)
{
    (void)state;
    serve();
    listen_config.address = "127.0.0.1:0";
    serve();
    assert_string_equal(fb_server_address(server, 0), socket_address);
    channel_config.target = fb_server_address(server, 1);
    dial();
    assert_int_equal(code_of_unary(), FB_OK);
}

static void beyond_loopback_is_refused_without_protection(void **state)
{
    (void)state;
    listen_config.address = "0.0.0.0:0";
    assert_int_equal(listen_there().code, FB_FAILED_PRECONDITION);
    listen_config.address = "[::]:0";
    assert_int_equal(listen_there().code, FB_FAILED_PRECONDITION);
    listen_config.address = "nonsense";
    assert_int_equal(listen_there().code, FB_INVALID_ARGUMENT);
    listen_config.address = "127.0.0.1:0";
    assert_int_equal(listen_there().code, FB_OK);
}

/* --- TLS --- */

static const char *in_certificates(const char *name)
{
    static char paths[8][80];
    static unsigned next;
    char *path = paths[next++ % 8];

    snprintf(path, sizeof(paths[0]), "%s/%s", certificates, name);
    return path;
}

static void use_server_tls(bool mutual)
{
    listen_config.address = "127.0.0.1:0";
    listen_config.tls = (struct fb_tls_config){
        .cert_file = in_certificates("server.pem"),
        .key_file = in_certificates("server.key"),
        .ca_file = mutual ? in_certificates("ca.pem") : NULL,
        .require_client_cert = mutual,
    };
    serve();
    channel_config.target = fb_server_address(server, 0);
    channel_config.tls.ca_file = in_certificates("ca.pem");
}

static void tls_protects_a_call(void **state)
{
    struct heard *heard = hear(UNARY);

    (void)state;
    use_server_tls(false);
    dial();
    run(heard, REQUEST(.payload = many_bytes(1 << 20)));
    assert_ended(heard, FB_OK);
    assert_int_equal(heard->bytes, 1 << 20);
    assert_string_equal(heard->answer->subject, "");
    assert_int_equal(strncmp(heard->answer->peer, "127.0.0.1:", 10), 0);
    forget(heard);
    heard = hear(EXPAND);
    run(heard, REQUEST(.repeat = 300, .answer_bytes = 50000));
    assert_ended(heard, FB_OK);
    assert_int_equal(heard->messages, 300);
    forget(heard);
}

static void a_server_of_an_unknown_authority_is_not_trusted(void **state)
{
    struct heard *heard = hear(UNARY);

    (void)state;
    use_server_tls(false);
    channel_config.tls.ca_file = in_certificates("other/ca.pem");
    dial();
    run(heard, REQUEST());
    assert_ended(heard, FB_UNAVAILABLE);
    assert_true(heard->not_run);
    assert_int_equal(echo.begun, 0);
    forget(heard);
}

static void a_server_of_another_name_is_not_trusted(void **state)
{
    struct heard *heard = hear(UNARY);

    (void)state;
    use_server_tls(false);
    channel_config.tls.server_name = "elsewhere.example";
    dial();
    run(heard, REQUEST());
    assert_ended(heard, FB_UNAVAILABLE);
    forget(heard);
    fb_channel_destroy(channel);
    channel = NULL;
    channel_config.tls.server_name = "localhost";
    dial();
    assert_int_equal(code_of_unary(), FB_OK);
}

static void a_plain_client_gets_nowhere_with_tls(void **state)
{
    struct heard *heard = hear(UNARY);

    (void)state;
    use_server_tls(false);
    channel_config.tls.ca_file = NULL;
    dial();
    run(heard, REQUEST());
    assert_ended(heard, FB_UNAVAILABLE);
    assert_int_equal(echo.begun, 0);
    forget(heard);
}

static void mutual_tls_tells_who_calls(void **state)
{
    struct heard *heard = hear(UNARY);

    (void)state;
    use_server_tls(true);
    channel_config.tls.cert_file = in_certificates("dev.pem");
    channel_config.tls.key_file = in_certificates("dev.key");
    dial();
    run(heard, REQUEST());
    assert_ended(heard, FB_OK);
    assert_string_equal(heard->answer->subject, "dev");
    forget(heard);
}

static void mutual_tls_refuses_who_has_no_certificate(void **state)
{
    struct heard *heard = hear(UNARY);

    (void)state;
    use_server_tls(true);
    dial();
    run(heard, REQUEST());
    assert_ended(heard, FB_UNAVAILABLE);
    forget(heard);
    fb_channel_destroy(channel);
    channel = NULL;
    channel_config.tls.cert_file = in_certificates("other/dev.pem");
    channel_config.tls.key_file = in_certificates("other/dev.key");
    dial();
    heard = hear(UNARY);
    run(heard, REQUEST());
    assert_ended(heard, FB_UNAVAILABLE);
    assert_int_equal(echo.begun, 0);
    forget(heard);
}

static void assert_names(struct fb_status status, const char *file)
{
    assert_int_equal(status.code, FB_INVALID_ARGUMENT);
    if (strstr(status.why, file) == NULL) {
        fail_msg("\"%s\" does not name %s", status.why, file);
    }
}

static void unreadable_tls_files_are_named(void **state)
{
    (void)state;
    listen_config.address = "127.0.0.1:0";
    listen_config.tls.cert_file = in_certificates("missing.pem");
    listen_config.tls.key_file = in_certificates("server.key");
    assert_names(listen_there(), "missing.pem");
    listen_config.tls.cert_file = in_certificates("server.key");
    assert_names(listen_there(), "server.key");
    listen_config.tls.cert_file = in_certificates("server.pem");
    listen_config.tls.key_file = in_certificates("dev.key");
    assert_names(listen_there(), "dev.key");
    channel_config.tls.ca_file = in_certificates("missing.pem");
    assert_names(fb_channel_create(loop, client_side, &channel_config, &channel), "missing.pem");
    assert_null(channel);
}

/* --- tokens --- */

static void a_token_gives_the_tenant_and_none_is_refused(void **state)
{
    static const char *const tokens_sent[] = {"0123456789abcdef", NULL, "0123456789abcdeX"};
    char path[64];
    struct fb_tokens *tokens;
    FILE *file;

    (void)state;
    snprintf(path, sizeof(path), "%s/tokens", folder);
    file = fopen(path, "w");
    fputs("team-a 0123456789abcdef\n", file);
    fclose(file);
    assert_int_equal(chmod(path, 0600), 0);
    assert_int_equal(fb_tokens_open(path, &tokens).code, FB_OK);
    listen_config.tokens = tokens;
    serve();
    for (int i = 0; i < 3; i++) {
        struct heard *heard = hear(UNARY);

        channel_config.token = tokens_sent[i];
        dial();
        run(heard, REQUEST());
        if (i == 0) {
            assert_ended(heard, FB_OK);
            assert_string_equal(heard->answer->tenant, "team-a");
        } else {
            assert_ended(heard, FB_UNAUTHENTICATED);
        }
        forget(heard);
        fb_channel_destroy(channel);
        channel = NULL;
    }
    assert_int_equal(echo.begun, 1);
    fb_server_destroy(server);
    server = NULL;
    fb_tokens_destroy(tokens);
    assert_int_equal(unlink(path), 0);
}

/* --- all of them --- */

/* The leak sanitizer asks for it: the name resolver that gRPC C core uses keeps a name. */
const char *__lsan_default_suppressions(void);

const char *__lsan_default_suppressions(void)
{
    return "leak:libcares.so";
}

/* Certificates of an authority, in a folder below `folder`. */
static bool make_certificates(const char *path)
{
    char *arguments[] = {(char *)"deploy/dev-ca", (char *)(uintptr_t)path, NULL};
    int status = 0;
    pid_t pid;

    return posix_spawn(&pid, arguments[0], NULL, NULL, arguments, environ) == 0 &&
           waitpid(pid, &status, 0) == pid && status == 0;
}

static int make_folders(void **state)
{
    (void)state;
    if (!folder_make(folder)) {
        return -1;
    }
    snprintf(certificates, sizeof(certificates), "%s/ca", folder);
    return make_certificates(certificates) && make_certificates(in_certificates("other")) ? 0 : -1;
}

static int remove_folders(void **state)
{
    (void)state;
    return folder_remove(folder) ? 0 : -1;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int conformance_run(const struct fb_transport *of_server, const struct fb_transport *of_client)
{
    const struct CMUnitTest tests[] = {
        TEST(a_unary_call_is_answered),
        TEST(the_common_case_is_one_function),
        TEST(a_server_streams_in_order),
        TEST(an_empty_stream_is_fine),
        TEST(a_client_streams_and_gets_one_answer),
        TEST(a_client_may_close_without_a_message),
        TEST(both_sides_take_turns),
        TEST(both_sides_stream_at_once),
        TEST(a_server_may_end_before_the_client_does),
        TEST(messages_of_every_size_come_through),
        TEST(many_calls_at_once_get_their_own_answers),
        TEST(fifty_large_answers_at_once_all_arrive),
        TEST(fifty_large_requests_at_once_all_arrive),
        TEST(a_deadline_travels_and_is_not_lengthened),
        TEST(without_a_deadline_none_travels),
        TEST(a_call_ends_at_its_deadline_on_both_sides),
        TEST(a_deadline_that_has_passed_ends_at_once),
        TEST(a_clients_cancel_reaches_the_handler),
        TEST(a_call_may_be_cancelled_before_it_went_out),
        TEST(a_call_may_be_cancelled_from_inside_an_event),
        TEST(an_error_follows_the_messages_sent_before_it),
        TEST(every_code_arrives_as_it_is),
        TEST(messages_of_a_status_may_be_any_text),
        TEST(metadata_travels_both_ways),
        TEST(keys_may_repeat_and_keep_their_order),
        TEST(an_answer_without_messages_carries_its_trailers),
        TEST(the_trace_of_a_call_travels),
        TEST(an_unknown_method_is_unimplemented),
        TEST(bytes_that_are_no_message_are_refused_by_name),
        TEST(a_unary_call_takes_exactly_one_message),
        TEST(a_request_beyond_the_servers_limit_is_refused),
        TEST(an_answer_beyond_the_clients_limit_is_refused),
        TEST(a_slow_reader_holds_the_server_back),
        TEST(a_slow_server_holds_the_client_back),
        TEST(a_handler_that_floods_is_ended_at_the_send_limit),
        TEST(a_client_that_floods_is_ended_at_the_send_limit),
        TEST(a_channel_dials_when_the_first_call_needs_it),
        TEST(a_channel_connects_when_told_to),
        TEST(where_nobody_listens_a_call_fails_and_surely_did_not_run),
        TEST(a_channel_dials_again_when_the_server_is_back),
        TEST(backoff_spaces_the_dials),
        TEST(a_broken_connection_ends_its_calls_on_both_sides),
        TEST(a_client_gives_up_a_server_that_fell_silent),
        TEST(a_server_gives_up_a_client_that_fell_silent),
        TEST(pings_keep_a_quiet_call_alive),
        TEST(draining_lets_calls_end_and_takes_no_new_ones),
        TEST(draining_cancels_what_outlasts_its_deadline),
        TEST(a_server_without_calls_drains_at_once),
        TEST(destroying_a_server_tells_handlers_and_callers),
        TEST(destroying_a_channel_ends_its_calls),
        TEST(a_list_of_addresses_is_tried_in_turn),
        TEST(a_name_is_resolved),
        TEST(connections_are_bounded),
        TEST(a_connection_that_says_nothing_is_closed_in_time),
        TEST(what_is_not_http2_is_closed_and_others_live_on),
        TEST(silent_connections_do_not_delay_a_drain),
        TEST(a_server_out_of_descriptors_recovers),
        TEST(a_unix_socket_is_ours_alone_and_tells_who_calls),
        TEST(a_dead_socket_is_replaced_and_a_living_one_is_not),
        TEST(what_is_no_socket_is_left_alone),
        TEST(port_0_is_chosen_and_told),
        TEST(a_taken_port_is_told),
        TEST(one_server_listens_on_several_addresses),
        TEST(beyond_loopback_is_refused_without_protection),
        TEST(tls_protects_a_call),
        TEST(a_server_of_an_unknown_authority_is_not_trusted),
        TEST(a_server_of_another_name_is_not_trusted),
        TEST(a_plain_client_gets_nowhere_with_tls),
        TEST(mutual_tls_tells_who_calls),
        TEST(mutual_tls_refuses_who_has_no_certificate),
        TEST(unreadable_tls_files_are_named),
        TEST(a_token_gives_the_tenant_and_none_is_refused),
    };

    cmocka_set_test_filter(getenv("TESTBRIDGE_TEST_ONLY")); /* bazel test --test_filter=... */
    server_side = of_server;
    client_side = of_client;
    return cmocka_run_group_tests(tests, make_folders, remove_folders);
}
