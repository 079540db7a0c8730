/* The channel against servers that keep to the protocol, bend it and break it. */

#include "runtime/rpc/h2/h2.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>
#include <zlib.h>

#include "runtime/base/clock.h"
#include "runtime/rpc/channel.h"
#include "runtime/rpc/status_wire.h"
#include "tests/runtime/rpc/h2/raw.h"

enum { MESSAGE_LIMIT = 100000, STREAM_WINDOW = 256 * 1024 };

static const char path[] = "/probe.Probe/Echo";
static const char hello[] = "\n\5hello";

/* How a call went. */
struct went {
    struct fb_client_call *call;
    unsigned headers;
    unsigned messages;
    size_t bytes;
    char first[16]; /* the bytes of the first message */
    bool pause_each;
    bool drained;
    bool ended;
    enum fb_code code;
    char why[256];
    bool not_run;
    char trailer[64]; /* "x-trailer" */
};

static struct world {
    char folder[32];
    char address[64];
    struct fb_loop *loop;
    struct fb_channel *channel;
    int listen_fd;
    struct raw raw;
    bool accepted;
    struct went went;
} world;

/* --- the caller --- */

static void on_headers(struct fb_client_call *call, void *arg, const struct fb_metadata *headers)
{
    struct went *went = arg;

    (void)call;
    (void)headers;
    went->headers++;
}

static void on_message(struct fb_client_call *call, void *arg, const uint8_t *data, size_t size)
{
    struct went *went = arg;

    if (went->messages == 0) {
        memcpy(went->first, data, size < sizeof(went->first) ? size : sizeof(went->first));
    }
    went->messages++;
    went->bytes += size;
    if (went->pause_each) {
        fb_client_call_pause(call);
    }
}

static void on_drain(struct fb_client_call *call, void *arg)
{
    struct went *went = arg;

    (void)call;
    went->drained = true;
}

static void on_end(struct fb_client_call *call, void *arg, const struct fb_call_end *end)
{
    struct went *went = arg;
    struct fb_text value;

    (void)call;
    assert_false(went->ended);
    went->ended = true;
    went->code = end->status.code;
    went->not_run = end->not_run;
    snprintf(went->why, sizeof(went->why), "%s", end->status.why);
    if (fb_metadata_find(end->trailers, "x-trailer", &value)) {
        snprintf(went->trailer, sizeof(went->trailer), "%.*s", (int)value.size, value.data);
    }
}

static const struct fb_client_call_events events = {
    .on_headers = on_headers,
    .on_message = on_message,
    .on_drain = on_drain,
    .on_end = on_end,
};

static void start(struct went *went, const struct fb_call_plan *plan)
{
    went->call = fb_channel_call(world.channel, plan, &events, went);
    assert_non_null(went->call);
    fb_client_call_send_bytes(went->call, (const uint8_t *)hello, 7);
    fb_client_call_half_close(went->call);
}

static void call(struct went *went)
{
    start(went, &(struct fb_call_plan){.path = path});
}

static void wait_end(struct went *went)
{
    const int64_t end_ms = fb_clock_ms() + RAW_WAIT_MS;

    while (!went->ended) {
        assert_true(fb_clock_ms() < end_ms);
        fb_loop_turn(world.loop, 100);
    }
}

static void expect_end(struct went *went, enum fb_code code, bool not_run)
{
    wait_end(went);
    assert_int_equal(went->code, code);
    assert_int_equal(went->not_run, not_run);
}

/* --- the world: a server is a socket and a test that speaks --- */

static void make_channel(const struct fb_channel_config *config)
{
    struct fb_channel_config own = *config;

    own.target = world.address;
    assert_true(fb_is_ok(fb_channel_create(world.loop, &fb_h2, &own, &world.channel)));
}

static void listen_here(void)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};

    snprintf(at.sun_path, sizeof(at.sun_path), "%s/s", world.folder);
    world.listen_fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(world.listen_fd, (struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(listen(world.listen_fd, 8), 0);
}

static int set_up_with(const struct fb_channel_config *config)
{
    world = (struct world){.folder = "/tmp/fb-h2-XXXXXX", .listen_fd = -1};
    assert_non_null(mkdtemp(world.folder));
    snprintf(world.address, sizeof(world.address), "unix:%s/s", world.folder);
    world.loop = fb_loop_create();
    assert_non_null(world.loop);
    make_channel(config);
    listen_here();
    return 0;
}

static int set_up(void **state)
{
    (void)state;
    return set_up_with(&(struct fb_channel_config){
        .message_limit_bytes = MESSAGE_LIMIT, .send_high_bytes = 1000, .send_limit_bytes = 100000});
}

static void stop_listening(void)
{
    if (world.listen_fd >= 0) {
        close(world.listen_fd);
        world.listen_fd = -1;
        unlink(world.address + strlen("unix:"));
    }
}

static int tear_down(void **state)
{
    (void)state;
    fb_channel_destroy(world.channel);
    if (world.accepted) {
        raw_close(&world.raw);
    }
    stop_listening();
    fb_loop_destroy(world.loop);
    rmdir(world.folder);
    return 0;
}

/* Takes the connection the channel dials, and greets as a server does. */
static void accept_one(struct raw *raw)
{
    char magic[24];
    int fd;

    while (fb_channel_state(world.channel) == FB_CHANNEL_IDLE) {
        fb_loop_turn(world.loop, 100);
    }
    for (int i = 0; i < 4; i++) {
        fb_loop_turn(world.loop, 0); /* looks up, dials */
    }
    fd = accept(world.listen_fd, NULL, NULL);
    assert_true(fd >= 0);
    raw_take(raw, world.loop, fd);
    while (raw->in.size < sizeof(magic) && !raw->closed) {
        fb_loop_turn(world.loop, 100);
    }
    assert_memory_equal(raw->in.data, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", sizeof(magic));
    fb_buffer_consume(&raw->in, sizeof(magic));
}

static void greet(struct raw *raw)
{
    raw_send(raw, RAW_SETTINGS, 0, 0, NULL, 0);
    raw_send(raw, RAW_SETTINGS, RAW_ACK, 0, NULL, 0);
}

static struct raw *serve(void)
{
    accept_one(&world.raw);
    world.accepted = true;
    greet(&world.raw);
    raw_await(&world.raw, RAW_HEADERS);
    return &world.raw;
}

static const struct raw_field heading[] = {{":status", "200"},
                                           {"content-type", "application/grpc"}};
static const struct raw_field ok[] = {{"grpc-status", "0"}};

static void answer(struct raw *raw, uint32_t stream)
{
    raw_headers(raw, stream, RAW_END_HEADERS, heading, 2);
    raw_message(raw, stream, 0, hello, 7);
    raw_headers(raw, stream, RAW_END_HEADERS | RAW_END_STREAM, ok, 1);
}

/* --- calls as they should be --- */

static void a_request_says_what_the_protocol_asks_for(void **state)
{
    struct raw *raw;

    (void)state;
    call(&world.went);
    raw = serve();
    assert_true(raw_find(raw, RAW_HEADERS, 1));
    assert_string_equal(raw_value(raw, ":method"), "POST");
    assert_string_equal(raw_value(raw, ":scheme"), "http");
    assert_string_equal(raw_value(raw, ":path"), path);
    assert_string_equal(raw_value(raw, ":authority"), "localhost");
    assert_string_equal(raw_value(raw, "te"), "trailers");
    assert_string_equal(raw_value(raw, "content-type"), "application/grpc");
    assert_null(raw_value(raw, "grpc-timeout"));
    assert_true(raw_find(raw, RAW_DATA, 1));
    assert_int_equal(raw->frame.flags, RAW_END_STREAM);
    assert_int_equal(raw->frame.size, 12);
    assert_memory_equal(raw->frame.payload + 5, hello, 7);
    answer(raw, 1);
    expect_end(&world.went, FB_OK, false);
    assert_int_equal(world.went.headers, 1);
    assert_int_equal(world.went.messages, 1);
    assert_memory_equal(world.went.first, hello, 7);
}

static void a_deadline_travels_as_a_timeout_and_ends_the_call(void **state)
{
    struct raw *raw;

    (void)state;
    start(&world.went,
          &(struct fb_call_plan){.path = path, .deadline_ms = fb_loop_now_ms(world.loop) + 100});
    raw = serve();
    assert_true(raw_find(raw, RAW_HEADERS, 1));
    assert_non_null(raw_value(raw, "grpc-timeout"));
    assert_in_range(fb_timeout_decode_us(fb_text_of(raw_value(raw, "grpc-timeout"))), 1, 100000);
    expect_end(&world.went, FB_DEADLINE_EXCEEDED, false);
    assert_true(raw_find(raw, RAW_RST_STREAM, 1));
    assert_int_equal(raw_number(raw, 0), NGHTTP2_CANCEL);
}

static void metadata_and_token_go_along(void **state)
{
    struct fb_arena arena;
    struct fb_metadata metadata = {0};
    struct raw *raw;

    (void)state;
    fb_channel_destroy(world.channel);
    make_channel(&(struct fb_channel_config){.token = "0123456789abcdef"});
    fb_arena_init(&arena, 0);
    assert_true(fb_is_ok(fb_metadata_add(&metadata, &arena, FB_TEXT("x-text"), FB_TEXT("some"))));
    assert_true(
        fb_is_ok(fb_metadata_add(&metadata, &arena, FB_TEXT("x-data-bin"), FB_TEXT("\0\1\2\3"))));
    start(&world.went, &(struct fb_call_plan){.path = path, .metadata = &metadata});
    fb_arena_finish(&arena);
    raw = serve();
    assert_true(raw_find(raw, RAW_HEADERS, 1));
    assert_string_equal(raw_value(raw, "x-text"), "some");
    assert_string_equal(raw_value(raw, "x-data-bin"), "AAECAw");
    assert_string_equal(raw_value(raw, "authorization"), "Bearer 0123456789abcdef");
}

static void trailers_and_message_come_back(void **state)
{
    static const struct raw_field fields[] = {{":status", "200"},
                                              {"content-type", "application/grpc"},
                                              {"grpc-status", "5"},
                                              {"grpc-message", "no %22w%C3%B6rd%22"},
                                              {"x-trailer", "yes"}};

    (void)state;
    call(&world.went);
    raw_headers(serve(), 1, RAW_END_HEADERS | RAW_END_STREAM, fields, 5);
    expect_end(&world.went, FB_NOT_FOUND, false);
    assert_string_equal(world.went.why, "no \"w\xc3\xb6rd\"");
    assert_string_equal(world.went.trailer, "yes");
    assert_int_equal(world.went.headers, 0);
}

static void an_interim_answer_is_passed_over(void **state)
{
    static const struct raw_field interim[] = {{":status", "103"}, {"link", "</x>"}};
    struct raw *raw;

    (void)state;
    call(&world.went);
    raw = serve();
    raw_headers(raw, 1, RAW_END_HEADERS, interim, 2);
    answer(raw, 1);
    expect_end(&world.went, FB_OK, false);
    assert_int_equal(world.went.headers, 1);
}

static void two_calls_share_a_connection(void **state)
{
    struct went second = {0};
    struct raw *raw;

    (void)state;
    call(&world.went);
    call(&second);
    raw = serve();
    assert_true(raw_find(raw, RAW_DATA, 3));
    answer(raw, 3);
    answer(raw, 1);
    wait_end(&world.went);
    wait_end(&second);
    assert_int_equal(world.went.code, FB_OK);
    assert_int_equal(second.code, FB_OK);
}

static void calls_beyond_what_the_server_allows_wait_their_turn(void **state)
{
    struct went second = {0};
    struct raw *raw;

    (void)state;
    call(&world.went);
    call(&second);
    accept_one(&world.raw);
    world.accepted = true;
    raw = &world.raw;
    raw_setting(raw, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 1);
    raw_send(raw, RAW_SETTINGS, RAW_ACK, 0, NULL, 0);
    assert_true(raw_find(raw, RAW_DATA, 1));
    raw_settle(raw);
    answer(raw, 1);
    wait_end(&world.went);
    assert_true(raw_find(raw, RAW_DATA, 3));
    answer(raw, 3);
    expect_end(&second, FB_OK, false);
}

/* --- answers that are none --- */

static void an_answer_without_a_status_is_unknown(void **state)
{
    struct raw *raw;

    (void)state;
    call(&world.went);
    raw = serve();
    raw_headers(raw, 1, RAW_END_HEADERS, heading, 2);
    raw_message(raw, 1, RAW_END_STREAM, hello, 7);
    expect_end(&world.went, FB_UNKNOWN, false);
}

static void an_http_error_is_said_in_grpcs_words(void **state)
{
    static const struct raw_field fields[] = {{":status", "503"}, {"content-type", "text/html"}};
    struct raw *raw;

    (void)state;
    call(&world.went);
    raw = serve();
    raw_headers(raw, 1, RAW_END_HEADERS, fields, 2);
    expect_end(&world.went, FB_UNAVAILABLE, false);
    assert_true(raw_find(raw, RAW_RST_STREAM, 1));
}

static void an_answer_that_is_not_grpc_is_unknown(void **state)
{
    static const struct raw_field fields[] = {{":status", "200"}, {"content-type", "text/html"}};

    (void)state;
    call(&world.went);
    raw_headers(serve(), 1, RAW_END_HEADERS, fields, 2);
    expect_end(&world.went, FB_UNKNOWN, false);
}

static void a_message_over_the_limit_is_refused(void **state)
{
    struct raw *raw;

    (void)state;
    call(&world.went);
    raw = serve();
    raw_headers(raw, 1, RAW_END_HEADERS, heading, 2);
    raw_send(raw, RAW_DATA, 0, 1, "\0\0\1\x86\xa1", 5);
    expect_end(&world.went, FB_RESOURCE_EXHAUSTED, false);
    assert_true(raw_find(raw, RAW_RST_STREAM, 1));
    call(&world.went);
    world.went.ended = false;
    assert_true(raw_find(raw, RAW_DATA, 3));
    answer(raw, 3);
    expect_end(&world.went, FB_OK, false);
}

static void an_answer_that_ends_inside_a_message_is_internal(void **state)
{
    struct raw *raw;

    (void)state;
    call(&world.went);
    raw = serve();
    raw_headers(raw, 1, RAW_END_HEADERS, heading, 2);
    raw_send(raw, RAW_DATA, 0, 1, "\0\0\0\0\7\n\5", 7);
    raw_headers(raw, 1, RAW_END_HEADERS | RAW_END_STREAM, ok, 1);
    expect_end(&world.went, FB_INTERNAL, false);
}

static void a_gzipped_answer_is_understood(void **state)
{
    static const struct raw_field fields[] = {
        {":status", "200"}, {"content-type", "application/grpc"}, {"grpc-encoding", "gzip"}};
    uint8_t payload[128] = {1};
    z_stream z = {.next_in = (z_const Bytef *)hello,
                  .avail_in = 7,
                  .next_out = payload + 5,
                  .avail_out = sizeof(payload) - 5};
    struct raw *raw;

    (void)state;
    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY), Z_OK);
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    deflateEnd(&z);
    payload[4] = (uint8_t)z.total_out;
    call(&world.went);
    raw = serve();
    raw_headers(raw, 1, RAW_END_HEADERS, fields, 3);
    raw_send(raw, RAW_DATA, 0, 1, payload, 5 + z.total_out);
    raw_headers(raw, 1, RAW_END_HEADERS | RAW_END_STREAM, ok, 1);
    expect_end(&world.went, FB_OK, false);
    assert_memory_equal(world.went.first, hello, 7);
}

static void garbage_ends_the_call_as_unavailable(void **state)
{
    (void)state;
    call(&world.went);
    raw_bytes(serve(), "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
              18);
    expect_end(&world.went, FB_UNAVAILABLE, false);
}

static void a_pushed_promise_is_an_error_of_the_connection(void **state)
{
    (void)state;
    call(&world.went);
    raw_send(serve(), 5, RAW_END_HEADERS, 1, "\0\0\0\2\x82\x84\x86\x41\1a", 10);
    expect_end(&world.went, FB_UNAVAILABLE, false);
}

static void fields_without_end_reset_the_call(void **state)
{
    static char value[8000];
    struct raw_field fields[] = {{":status", "200"},
                                 {"content-type", "application/grpc"},
                                 {"x-a", value},
                                 {"x-b", value},
                                 {"x-c", value}};

    (void)state;
    memset(value, 'v', sizeof(value) - 1);
    call(&world.went);
    raw_headers(serve(), 1, RAW_END_HEADERS, fields, 5);
    expect_end(&world.went, FB_INTERNAL, false);
}

/* --- ends of streams and connections --- */

static void a_refused_stream_surely_did_not_run(void **state)
{
    (void)state;
    call(&world.went);
    raw_reset(serve(), 1, NGHTTP2_REFUSED_STREAM);
    expect_end(&world.went, FB_UNAVAILABLE, true);
}

static void a_cancelled_stream_is_cancelled_and_may_have_run(void **state)
{
    (void)state;
    call(&world.went);
    raw_reset(serve(), 1, NGHTTP2_CANCEL);
    expect_end(&world.went, FB_CANCELLED, false);
}

static void a_goaway_ends_the_calls_above_its_last_stream_as_not_run(void **state)
{
    struct went second = {0};
    struct went third = {0};
    struct raw next;
    struct raw *raw;

    (void)state;
    call(&world.went);
    call(&second);
    raw = serve();
    assert_true(raw_find(raw, RAW_DATA, 3));
    raw_send(raw, RAW_GOAWAY, 0, 0, "\0\0\0\1\0\0\0\0", 8);
    expect_end(&second, FB_UNAVAILABLE, true);
    assert_false(world.went.ended);
    call(&third); /* takes a new connection while the first call finishes on the old */
    accept_one(&next);
    greet(&next);
    assert_true(raw_find(&next, RAW_DATA, 1));
    answer(&next, 1);
    expect_end(&third, FB_OK, false);
    answer(raw, 1);
    expect_end(&world.went, FB_OK, false);
    raw_drain(raw);
    assert_true(raw->closed);
    assert_int_equal(fb_channel_state(world.channel), FB_CHANNEL_READY);
    raw_close(&next);
}

static void a_connection_that_breaks_ends_its_calls_as_unavailable(void **state)
{
    struct raw *raw;

    (void)state;
    call(&world.went);
    raw = serve();
    assert_true(raw_find(raw, RAW_DATA, 1));
    raw_close(raw);
    world.accepted = false;
    expect_end(&world.went, FB_UNAVAILABLE, false);
    assert_non_null(strstr(world.went.why, world.address));
    assert_int_equal(fb_channel_state(world.channel), FB_CHANNEL_IDLE);
}

static void a_connection_that_breaks_before_the_settings_has_run_nothing(void **state)
{
    (void)state;
    call(&world.went);
    accept_one(&world.raw);
    raw_close(&world.raw);
    expect_end(&world.went, FB_UNAVAILABLE, true);
    assert_int_equal(fb_channel_state(world.channel), FB_CHANNEL_FAILING);
}

static void nobody_there_is_unavailable_and_names_the_target(void **state)
{
    (void)state;
    stop_listening();
    call(&world.went);
    assert_false(world.went.ended);
    expect_end(&world.went, FB_UNAVAILABLE, true);
    assert_non_null(strstr(world.went.why, world.address));
    assert_int_equal(fb_channel_state(world.channel), FB_CHANNEL_FAILING);
    world.went.ended = false;
    call(&world.went); /* fails at once while it waits to dial again */
    assert_false(world.went.ended);
    expect_end(&world.went, FB_UNAVAILABLE, true);
}

static void a_call_that_waits_is_sent_when_somebody_is_there(void **state)
{
    struct raw *raw = &world.raw;

    (void)state;
    stop_listening();
    start(&world.went, &(struct fb_call_plan){.path = path, .wait_for_ready = true});
    while (fb_channel_state(world.channel) != FB_CHANNEL_FAILING) {
        fb_loop_turn(world.loop, 100);
    }
    listen_here();
    while (fb_channel_state(world.channel) == FB_CHANNEL_FAILING) {
        fb_loop_turn(world.loop, 1000);
    }
    serve();
    assert_true(raw_find(raw, RAW_DATA, 1));
    answer(raw, 1);
    expect_end(&world.went, FB_OK, false);
}

static void a_server_that_never_greets_is_given_up_on(void **state)
{
    (void)state;
    fb_channel_destroy(world.channel);
    make_channel(&(struct fb_channel_config){.connect_timeout_ms = 20});
    call(&world.went);
    expect_end(&world.went, FB_UNAVAILABLE, true);
}

static void connecting_at_once_does_not_wait_out_the_backoff(void **state)
{
    struct raw *raw;

    (void)state;
    fb_channel_destroy(world.channel);
    make_channel(
        &(struct fb_channel_config){.backoff_first_ms = 3600000, .backoff_most_ms = 3600000});
    stop_listening();
    call(&world.went);
    expect_end(&world.went, FB_UNAVAILABLE, true);
    listen_here();
    fb_channel_connect(world.channel);
    world.went = (struct went){0};
    call(&world.went);
    raw = serve();
    assert_true(raw_find(raw, RAW_DATA, 1));
    answer(raw, 1);
    expect_end(&world.went, FB_OK, false);
}

static void an_idle_connection_is_closed(void **state)
{
    struct raw *raw;

    (void)state;
    fb_channel_destroy(world.channel);
    make_channel(&(struct fb_channel_config){.idle_ms = 20});
    call(&world.went);
    raw = serve();
    answer(raw, 1);
    expect_end(&world.went, FB_OK, false);
    assert_true(raw_find(raw, RAW_GOAWAY, 0));
    raw_drain(raw);
    assert_int_equal(fb_channel_state(world.channel), FB_CHANNEL_IDLE);
}

static void a_silent_server_is_pinged_and_given_up_on(void **state)
{
    struct raw *raw;

    (void)state;
    fb_channel_destroy(world.channel);
    make_channel(&(struct fb_channel_config){.keepalive_ms = 20, .keepalive_timeout_ms = 20});
    call(&world.went);
    raw = serve();
    assert_true(raw_find(raw, RAW_PING, 0));
    raw_send(raw, RAW_PING, RAW_ACK, 0, raw->frame.payload, 8);
    assert_true(raw_find(raw, RAW_PING, 0));
    expect_end(&world.went, FB_UNAVAILABLE, false);
}

/* --- cancelling --- */

static void a_cancelled_call_resets_its_stream_and_tells_nobody(void **state)
{
    struct raw *raw;

    (void)state;
    call(&world.went);
    raw = serve();
    assert_true(raw_find(raw, RAW_DATA, 1));
    fb_client_call_cancel(world.went.call);
    assert_true(raw_find(raw, RAW_RST_STREAM, 1));
    assert_int_equal(raw_number(raw, 0), NGHTTP2_CANCEL);
    answer(raw, 1); /* too late */
    raw_settle(raw);
    assert_false(world.went.ended);
    assert_int_equal(world.went.messages, 0);
}

static void a_call_cancelled_before_it_was_sent_is_never_sent(void **state)
{
    struct went second = {0};
    struct raw *raw;

    (void)state;
    call(&world.went);
    call(&second);
    fb_client_call_cancel(world.went.call);
    raw = serve();
    assert_true(raw_find(raw, RAW_DATA, 0));
    assert_int_equal(raw->frame.stream, 1);
    answer(raw, 1);
    expect_end(&second, FB_OK, false);
    assert_false(world.went.ended);
}

static void cancel_inside(struct fb_client_call *inside, void *arg, const uint8_t *data,
                          size_t size)
{
    on_message(inside, arg, data, size);
    fb_client_call_cancel(inside);
}

static void a_call_may_be_cancelled_from_its_own_event(void **state)
{
    static const struct fb_client_call_events cancelling = {.on_message = cancel_inside,
                                                            .on_end = on_end};
    struct raw *raw;

    (void)state;
    world.went.call = fb_channel_call(world.channel, &(struct fb_call_plan){.path = path},
                                      &cancelling, &world.went);
    raw = serve();
    raw_headers(raw, 1, RAW_END_HEADERS, heading, 2);
    raw_send(raw, RAW_DATA, 0, 1, "\0\0\0\0\1a\0\0\0\0\1b", 12);
    assert_true(raw_find(raw, RAW_RST_STREAM, 1));
    assert_int_equal(world.went.messages, 1);
    assert_false(world.went.ended);
}

static void destroy_inside(struct fb_client_call *inside, void *arg, const struct fb_call_end *end)
{
    on_end(inside, arg, end);
    fb_channel_destroy(world.channel);
    world.channel = NULL;
}

static void a_channel_may_be_destroyed_from_an_event(void **state)
{
    static const struct fb_client_call_events destroying = {.on_end = destroy_inside};
    struct went second = {0};
    struct went third = {0};
    struct raw *raw;

    (void)state;
    call(&second);
    world.went.call = fb_channel_call(world.channel, &(struct fb_call_plan){.path = path},
                                      &destroying, &world.went);
    call(&third);
    raw = serve();
    assert_true(raw_find(raw, RAW_DATA, 5));
    raw_headers(raw, 3, RAW_END_HEADERS, heading, 2);
    raw_headers(raw, 3, RAW_END_HEADERS | RAW_END_STREAM, ok, 1);
    expect_end(&world.went, FB_OK, false);
    assert_true(second.ended && third.ended);
    assert_int_equal(second.code, FB_CANCELLED);
    raw_drain(raw);
    assert_true(raw->closed);
}

static void a_channel_destroyed_while_it_dials_cancels_its_calls(void **state)
{
    (void)state;
    call(&world.went);
    fb_channel_destroy(world.channel);
    world.channel = NULL;
    assert_true(world.went.ended);
    assert_int_equal(world.went.code, FB_CANCELLED);
    assert_true(world.went.not_run);
}

/* --- flow --- */

static void sends_say_when_the_server_reads_too_slowly(void **state)
{
    static const uint8_t bytes[600];
    struct raw *raw = &world.raw;
    struct went *went = &world.went;

    (void)state;
    went->call =
        fb_channel_call(world.channel, &(struct fb_call_plan){.path = path}, &events, went);
    accept_one(raw);
    world.accepted = true;
    raw_setting(raw, NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 0);
    raw_settle(raw);
    assert_true(fb_client_call_send_bytes(went->call, bytes, sizeof(bytes)));
    assert_false(fb_client_call_send_bytes(went->call, bytes, sizeof(bytes)));
    assert_false(went->drained);
    raw_window(raw, 1, 700);
    raw_settle(raw);
    assert_false(went->drained);
    raw_window(raw, 1, 100);
    raw_until(raw, &went->drained);
}

static void what_exceeds_the_send_limit_ends_the_call(void **state)
{
    static const uint8_t bytes[60000];
    struct raw *raw = &world.raw;
    struct went *went = &world.went;

    (void)state;
    went->call =
        fb_channel_call(world.channel, &(struct fb_call_plan){.path = path}, &events, went);
    accept_one(raw);
    world.accepted = true;
    raw_setting(raw, NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 0);
    raw_settle(raw);
    fb_client_call_send_bytes(went->call, bytes, sizeof(bytes));
    fb_client_call_send_bytes(went->call, bytes, sizeof(bytes));
    expect_end(went, FB_RESOURCE_EXHAUSTED, false);
}

static void a_server_is_held_back_while_the_caller_pauses(void **state)
{
    static uint8_t part[16384 - 5];
    struct went *went = &world.went;
    struct raw *raw;

    (void)state;
    went->pause_each = true;
    call(went);
    raw = serve();
    raw_headers(raw, 1, RAW_END_HEADERS, heading, 2);
    for (size_t sent = 0; sent < STREAM_WINDOW; sent += 16384) {
        raw_message(raw, 1, 0, part, sizeof(part));
    }
    raw_send(raw, RAW_PING, 0, 0, "12345678", 8);
    do {
        assert_true(raw_read(raw));
        assert_false(raw->frame.type == RAW_WINDOW_UPDATE && raw->frame.stream == 1);
    } while (raw->frame.type != RAW_PING || (raw->frame.flags & RAW_ACK) == 0);
    assert_int_equal(went->messages, 1);
    went->pause_each = false;
    fb_client_call_resume(went->call);
    assert_true(raw_find(raw, RAW_WINDOW_UPDATE, 1));
    raw_headers(raw, 1, RAW_END_HEADERS | RAW_END_STREAM, ok, 1);
    expect_end(went, FB_OK, false);
    assert_int_equal(went->messages, STREAM_WINDOW / 16384);
}

static void a_paused_call_gets_its_end_behind_its_messages(void **state)
{
    struct went *went = &world.went;
    struct raw *raw;

    (void)state;
    went->pause_each = true;
    call(went);
    raw = serve();
    raw_headers(raw, 1, RAW_END_HEADERS, heading, 2);
    raw_message(raw, 1, 0, hello, 7);
    raw_message(raw, 1, 0, hello, 7);
    raw_message(raw, 1, 0, hello, 7);
    raw_headers(raw, 1, RAW_END_HEADERS | RAW_END_STREAM, ok, 1);
    raw_settle(raw);
    for (unsigned i = 1; i < 3; i++) {
        assert_int_equal(went->messages, i);
        fb_client_call_resume(went->call);
        raw_settle(raw);
    }
    assert_int_equal(went->messages, 3);
    assert_false(went->ended);
    raw_close(raw); /* what came is not lost with the connection */
    world.accepted = false;
    while (fb_channel_state(world.channel) == FB_CHANNEL_READY) {
        fb_loop_turn(world.loop, 100);
    }
    assert_false(went->ended);
    fb_client_call_resume(went->call);
    expect_end(went, FB_OK, false);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_request_says_what_the_protocol_asks_for),
        TEST(a_deadline_travels_as_a_timeout_and_ends_the_call),
        TEST(metadata_and_token_go_along),
        TEST(trailers_and_message_come_back),
        TEST(an_interim_answer_is_passed_over),
        TEST(two_calls_share_a_connection),
        TEST(calls_beyond_what_the_server_allows_wait_their_turn),
        TEST(an_answer_without_a_status_is_unknown),
        TEST(an_http_error_is_said_in_grpcs_words),
        TEST(an_answer_that_is_not_grpc_is_unknown),
        TEST(a_message_over_the_limit_is_refused),
        TEST(an_answer_that_ends_inside_a_message_is_internal),
        TEST(a_gzipped_answer_is_understood),
        TEST(garbage_ends_the_call_as_unavailable),
        TEST(a_pushed_promise_is_an_error_of_the_connection),
        TEST(fields_without_end_reset_the_call),
        TEST(a_refused_stream_surely_did_not_run),
        TEST(a_cancelled_stream_is_cancelled_and_may_have_run),
        TEST(a_goaway_ends_the_calls_above_its_last_stream_as_not_run),
        TEST(a_connection_that_breaks_ends_its_calls_as_unavailable),
        TEST(a_connection_that_breaks_before_the_settings_has_run_nothing),
        TEST(nobody_there_is_unavailable_and_names_the_target),
        TEST(a_call_that_waits_is_sent_when_somebody_is_there),
        TEST(a_server_that_never_greets_is_given_up_on),
        TEST(connecting_at_once_does_not_wait_out_the_backoff),
        TEST(an_idle_connection_is_closed),
        TEST(a_silent_server_is_pinged_and_given_up_on),
        TEST(a_cancelled_call_resets_its_stream_and_tells_nobody),
        TEST(a_call_cancelled_before_it_was_sent_is_never_sent),
        TEST(a_call_may_be_cancelled_from_its_own_event),
        TEST(a_channel_may_be_destroyed_from_an_event),
        TEST(a_channel_destroyed_while_it_dials_cancels_its_calls),
        TEST(sends_say_when_the_server_reads_too_slowly),
        TEST(what_exceeds_the_send_limit_ends_the_call),
        TEST(a_server_is_held_back_while_the_caller_pauses),
        TEST(a_paused_call_gets_its_end_behind_its_messages),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
