/*
 * Asks an echo service (echo.proto) of other make, by either transport, all that its clients may ask, and judges the
 * answers.
 *
 * Writes "ok NAME" or "not ok NAME: why" for each question; the exit code is 1 if any is not.
 */

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/clock.h"
#include "runtime/loop/loop.h"
#include "runtime/rpc/channel.h"
#include "tests/support/echo.pb-c.h"
#include "tests/support/peer.h"

enum { PATIENCE_MS = 20000, LIMIT_BYTES = 4 << 20 };

typedef Flowbalancer__Test__EchoRequest EchoRequest;
typedef Flowbalancer__Test__EchoResponse EchoResponse;

#define REQUEST(...)                                                                               \
    ((EchoRequest){.base = PROTOBUF_C_MESSAGE_INIT(&flowbalancer__test__echo_request__descriptor), \
                   __VA_ARGS__})

#define UNARY   "/flowbalancer.test.EchoService/Unary"
#define EXPAND  "/flowbalancer.test.EchoService/Expand"
#define COLLECT "/flowbalancer.test.EchoService/Collect"
#define CHAT    "/flowbalancer.test.EchoService/Chat"

static struct fb_loop *loop;
static struct fb_channel *channel;

/* --- a call, and what is heard of it --- */

struct heard {
    struct fb_client_call *call;
    struct fb_call_plan plan;
    uint32_t messages;
    uint32_t disorder;
    uint64_t bytes;
    uint32_t index; /* of the newest */
    uint64_t counted;
    bool ended;
    enum fb_code code;
    char why[1024];
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
    copy_metadata(heard, &heard->header, headers);
}

static void on_message(struct fb_client_call *call, void *arg, const uint8_t *data, size_t size)
{
    struct heard *heard = arg;
    EchoResponse *answer = flowbalancer__test__echo_response__unpack(NULL, size, data);

    (void)call;
    if (answer == NULL) {
        heard->disorder++;
        return;
    }
    heard->disorder += answer->index != heard->messages;
    heard->messages++;
    heard->bytes += answer->payload.len;
    heard->index = answer->index;
    heard->counted = answer->bytes;
    flowbalancer__test__echo_response__free_unpacked(answer, NULL);
}

static void on_end(struct fb_client_call *call, void *arg, const struct fb_call_end *end)
{
    struct heard *heard = arg;

    (void)call;
    heard->ended = true;
    heard->call = NULL;
    heard->code = end->status.code;
    snprintf(heard->why, sizeof(heard->why), "%s", end->status.why);
    copy_metadata(heard, &heard->trailer, end->trailers);
}

static const struct fb_client_call_events events = {
    .on_headers = on_headers,
    .on_message = on_message,
    .on_end = on_end,
};

static struct heard *hear(const char *path)
{
    struct heard *heard = calloc(1, sizeof(*heard));

    heard->plan = (struct fb_call_plan){.path = path, .metadata = &heard->sent};
    fb_arena_init(&heard->arena, 0);
    return heard;
}

static void forget(struct heard *heard)
{
    if (heard->call != NULL) {
        fb_client_call_cancel(heard->call);
    }
    fb_arena_finish(&heard->arena);
    free(heard);
}

static void begin(struct heard *heard)
{
    heard->call = fb_channel_call(channel, &heard->plan, &events, heard);
}

static void send_once(struct heard *heard, EchoRequest request)
{
    begin(heard);
    fb_client_call_send(heard->call, &request.base);
    fb_client_call_half_close(heard->call);
}

static bool wait_end(const struct heard *heard)
{
    const int64_t until_ms = fb_clock_ms() + PATIENCE_MS;

    while (!heard->ended && fb_clock_ms() < until_ms) {
        fb_loop_turn(loop, 20);
    }
    return heard->ended;
}

static struct heard *ask(const char *path, EchoRequest request)
{
    struct heard *heard = hear(path);

    send_once(heard, request);
    wait_end(heard);
    return heard;
}

static ProtobufCBinaryData many_bytes(size_t size)
{
    static uint8_t bytes[LIMIT_BYTES + 1024];

    memset(bytes, 'y', size);
    return (ProtobufCBinaryData){.data = bytes, .len = size};
}

/* --- judging --- */

static const char *question;
static char wrong[1536];
static bool all_well = true;

static void expect(bool well, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void expect(bool well, const char *format, ...)
{
    va_list args;

    if (well || wrong[0] != '\0') {
        return;
    }
    va_start(args, format);
    vsnprintf(wrong, sizeof(wrong), format, args);
    va_end(args);
}

static void expect_end(const struct heard *heard, enum fb_code code)
{
    expect(heard->ended, "no end came");
    expect(heard->code == code, "%s (%s) and not %s", fb_code_name(heard->code), heard->why,
           fb_code_name(code));
}

/* --- the questions --- */

static void sizes(void)
{
    static const size_t each[] = {0, 1, 5, 16379, 16384, 65535, 65536, 1 << 20, 4000000};

    for (size_t i = 0; i < sizeof(each) / sizeof(each[0]); i++) {
        struct heard *heard = ask(UNARY, REQUEST(.payload = many_bytes(each[i])));

        expect_end(heard, FB_OK);
        expect(heard->bytes == each[i], "%" PRIu64 " bytes and not %zu", heard->bytes, each[i]);
        forget(heard);
    }
}

static void server_stream(void)
{
    struct heard *heard = ask(EXPAND, REQUEST(.repeat = 2000, .answer_bytes = 3000));

    expect_end(heard, FB_OK);
    expect(heard->messages == 2000 && heard->disorder == 0, "%u messages, %u out of order",
           heard->messages, heard->disorder);
    forget(heard);
}

static void slow_reader(void)
{
    struct heard *heard = hear(EXPAND);

    send_once(heard, REQUEST(.repeat = 500, .answer_bytes = 20000));
    fb_client_call_pause(heard->call);
    for (int i = 0; i < 20; i++) {
        struct heard *other = ask(UNARY, REQUEST());

        expect_end(other, FB_OK);
        forget(other);
    }
    expect(heard->messages == 0, "messages in spite of the pause");
    fb_client_call_resume(heard->call);
    wait_end(heard);
    expect_end(heard, FB_OK);
    expect(heard->messages == 500 && heard->disorder == 0, "%u messages", heard->messages);
    forget(heard);
}

static void client_stream(void)
{
    struct heard *heard = hear(COLLECT);
    EchoRequest request = REQUEST(.payload = many_bytes(1000));

    begin(heard);
    for (int i = 0; i < 1000; i++) {
        fb_client_call_send(heard->call, &request.base);
    }
    fb_client_call_half_close(heard->call);
    wait_end(heard);
    expect_end(heard, FB_OK);
    expect(heard->index == 1000 && heard->counted == 1000000, "%u messages, %" PRIu64 " bytes",
           heard->index, heard->counted);
    forget(heard);
}

static void both_stream(void)
{
    struct heard *heard = hear(CHAT);
    EchoRequest request = REQUEST(.payload = many_bytes(5000));

    begin(heard);
    for (int i = 0; i < 500; i++) {
        fb_client_call_send(heard->call, &request.base);
    }
    fb_client_call_half_close(heard->call);
    wait_end(heard);
    expect_end(heard, FB_OK);
    expect(heard->messages == 500 && heard->disorder == 0, "%u messages", heard->messages);
    forget(heard);
}

static void many_at_once(void)
{
    struct heard *all[200];

    for (int i = 0; i < 200; i++) {
        all[i] = hear(UNARY);
        send_once(all[i], REQUEST(.answer_bytes = (uint32_t)i + 1));
    }
    for (int i = 0; i < 200; i++) {
        wait_end(all[i]);
        expect_end(all[i], FB_OK);
        expect(all[i]->bytes == (uint64_t)i + 1, "the answer of another call");
        forget(all[i]);
    }
}

static void codes(void)
{
    for (uint32_t code = 1; code < FB_CODE_COUNT; code++) {
        struct heard *heard =
            ask(UNARY, REQUEST(.code = code, .message = (char *)(uintptr_t) "100% é ☃\n"));

        expect_end(heard, (enum fb_code)code);
        expect(strcmp(heard->why, "100% é ☃\n") == 0, "the message became \"%s\"", heard->why);
        forget(heard);
    }
}

static void error_after_messages(void)
{
    struct heard *heard = ask(EXPAND, REQUEST(.repeat = 10, .code = FB_DATA_LOSS));

    expect_end(heard, FB_DATA_LOSS);
    expect(heard->messages == 10, "%u messages and not 10", heard->messages);
    forget(heard);
}

static void metadata(void)
{
    static char any[256];
    struct heard *heard = hear(UNARY);
    struct fb_text bytes = {.data = any, .size = sizeof(any)};
    struct fb_text found = {0};

    for (size_t i = 0; i < sizeof(any); i++) {
        any[i] = (char)i;
    }
    fb_metadata_add(&heard->sent, &heard->arena, FB_TEXT("echo-plain"), FB_TEXT("plain ~ text"));
    fb_metadata_add(&heard->sent, &heard->arena, FB_TEXT("echo-any-bin"), bytes);
    send_once(heard, REQUEST());
    wait_end(heard);
    expect_end(heard, FB_OK);
    for (int i = 0; i < 2; i++) {
        const struct fb_metadata *back = i == 0 ? &heard->header : &heard->trailer;
        const char *where = i == 0 ? "headers" : "trailers";

        expect(fb_metadata_find(back, "echo-plain", &found) && fb_text_is(found, "plain ~ text"),
               "ASCII in %s", where);
        expect(fb_metadata_find(back, "echo-any-bin", &found) && fb_text_equal(found, bytes),
               "binary in %s", where);
    }
    forget(heard);
}

static void deadline(void)
{
    struct heard *heard = hear(UNARY);
    const int64_t begun_ms = fb_clock_ms();

    heard->plan.deadline_ms = begun_ms + 300;
    send_once(heard, REQUEST(.hold = true));
    wait_end(heard);
    expect_end(heard, FB_DEADLINE_EXCEEDED);
    expect(fb_clock_ms() - begun_ms >= 300, "before its time");
    forget(heard);
}

static void cancel(void)
{
    struct heard *heard = hear(EXPAND);
    struct heard *after;

    send_once(heard, REQUEST(.hold = true, .repeat = 1));
    for (int64_t until_ms = fb_clock_ms() + PATIENCE_MS;
         heard->messages == 0 && fb_clock_ms() < until_ms;) {
        fb_loop_turn(loop, 20);
    }
    expect(heard->messages == 1, "the call did not begin");
    fb_client_call_cancel(heard->call);
    heard->call = NULL;
    forget(heard);
    after = ask(UNARY, REQUEST());
    expect_end(after, FB_OK);
    forget(after);
}

static void unknown_method(void)
{
    struct heard *heard = ask("/flowbalancer.test.EchoService/Nothing", REQUEST());

    expect_end(heard, FB_UNIMPLEMENTED);
    forget(heard);
}

static void large_answer(void)
{
    struct heard *heard = ask(UNARY, REQUEST(.answer_bytes = LIMIT_BYTES + 1));

    expect_end(heard, FB_RESOURCE_EXHAUSTED);
    forget(heard);
    heard = ask(UNARY, REQUEST());
    expect_end(heard, FB_OK);
    forget(heard);
}

static const struct {
    const char *name;
    void (*ask)(void);
} questions[] = {
    {"sizes", sizes},
    {"server stream", server_stream},
    {"slow reader", slow_reader},
    {"client stream", client_stream},
    {"both stream", both_stream},
    {"many at once", many_at_once},
    {"codes and messages", codes},
    {"error after messages", error_after_messages},
    {"metadata", metadata},
    {"deadline", deadline},
    {"cancel", cancel},
    {"unknown method", unknown_method},
    {"large answer", large_answer},
};

int main(int argc, char **argv)
{
    const struct peer_arguments arguments = peer_arguments_read(argc, argv);
    const struct fb_channel_config config = {
        .target = arguments.address,
        .tls = arguments.tls,
        .token = arguments.token,
        .message_limit_bytes = LIMIT_BYTES,
    };
    struct fb_status status;

    loop = fb_loop_create();
    status = fb_channel_create(loop, arguments.transport, &config, &channel);
    if (!fb_is_ok(status)) {
        fprintf(stderr, "%s: %s\n", fb_code_name(status.code), status.why);
        return 1;
    }
    for (size_t i = 0; i < sizeof(questions) / sizeof(questions[0]); i++) {
        question = questions[i].name;
        wrong[0] = '\0';
        questions[i].ask();
        if (wrong[0] == '\0') {
            printf("ok %s\n", question);
        } else {
            printf("not ok %s: %s\n", question, wrong);
            all_well = false;
        }
    }
    fb_channel_destroy(channel);
    fb_loop_destroy(loop);
    return all_well ? 0 : 1;
}
