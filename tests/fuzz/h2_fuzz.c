/*
 * Whatever a peer sends, a server and a channel on HTTP/2 end all their calls and connections and
 * serve the next peer.
 *
 * The first byte of the input says whom to talk to, and whether the rest is what is sent as it is
 * or frames: type, flags, stream and size by a byte each, then the payload.
 */

#include <assert.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "runtime/loop/loop.h"
#include "runtime/rpc/call.h"
#include "runtime/rpc/channel.h"
#include "runtime/rpc/h2/h2.h"
#include "runtime/rpc/server.h"
#include "tests/runtime/rpc/h2/probe.pb-c.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    TO_CHANNEL = 1,    /* of the first byte: the peer is a server */
    IN_FRAMES = 2,     /* the rest is frames */
    WITHOUT_HELLO = 4, /* not even the beginning is as it should be */
    TURNS = 6,         /* of the loop, for what was sent to have its effect */
    TURNS_MOST = 10000,
};

static struct fb_loop *loop;
static struct fb_server *server;
static char folder[] = "/tmp/fb-fuzz-XXXXXX";
static char server_address[64];
static char channel_address[64];
static int listen_fd = -1;

/* --- what the server offers: one of each kind --- */

static void answer_once(struct fb_call *call, const ProtobufCMessage *message)
{
    const Probe__Bytes *request = (const Probe__Bytes *)message;
    Probe__Bytes answer = PROBE__BYTES__INIT;

    answer.payload = request->payload;
    fb_call_reply(call, &answer.base);
}

static void cancelled(struct fb_call *call, void *arg)
{
    (void)arg;
    fb_call_finish(call, fb_fail(FB_CANCELLED, "cancelled"));
}

static void echo_back(struct fb_call *call, void *arg, const uint8_t *data, size_t size)
{
    (void)arg;
    if (!fb_call_send_bytes(call, data, size)) {
        fb_call_pause(call);
    }
}

static void go_on(struct fb_call *call, void *arg)
{
    (void)arg;
    fb_call_resume(call);
}

static void all_said(struct fb_call *call, void *arg)
{
    (void)arg;
    fb_call_add_trailer(call, "x-end-bin", FB_TEXT("\0\1"));
    fb_call_finish(call, fb_ok);
}

static const struct fb_call_events events = {
    .on_message = echo_back,
    .on_half_close = all_said,
    .on_cancel = cancelled,
    .on_drain = go_on,
};

static void keep(struct fb_call *call, const ProtobufCMessage *message)
{
    (void)message;
    fb_call_watch(call, &events, NULL);
}

static void answer_bytes(struct fb_call *call, const ProtobufCMessage *message)
{
    const struct fb_text request = fb_call_request_bytes(call);

    (void)message;
    fb_call_add_header(call, "x-begin", FB_TEXT("here"));
    for (int i = 0; i < 3; i++) {
        fb_call_send_bytes(call, (const uint8_t *)request.data, request.size);
    }
    fb_call_finish(call, fb_fail(FB_NOT_FOUND, "what \x01 there was"));
}

static const struct fb_method methods[] = {
    {.name = "Copies", .kind = FB_SERVER_STREAM, .handle = answer_bytes, .raw = true},
    {.name = "Echo", .kind = FB_UNARY, .handle = answer_once},
    {.name = "Hold", .kind = FB_UNARY, .handle = keep},
    {.name = "Talk", .kind = FB_BIDI_STREAM, .handle = keep, .raw = true},
};

static const struct fb_rpc_service service = {
    .descriptor = &probe__probe__descriptor, .methods = methods, .method_count = 4};

/* --- the world, made once --- */

static int unix_socket(const char *address, struct sockaddr_un *at)
{
    *at = (struct sockaddr_un){.sun_family = AF_UNIX};
    snprintf(at->sun_path, sizeof(at->sun_path), "%s", address + strlen("unix:"));
    return socket(AF_UNIX, SOCK_STREAM, 0);
}

static void tear_down(void)
{
    fb_server_destroy(server);
    fb_loop_destroy(loop);
    close(listen_fd);
    unlink(channel_address + strlen("unix:"));
    rmdir(folder);
}

static void set_up(void)
{
    const struct fb_server_config config = {.message_limit_bytes = 20000,
                                            .send_high_bytes = 5000,
                                            .send_limit_bytes = 30000,
                                            .streams_per_connection = 8};
    struct sockaddr_un at;

    assert(mkdtemp(folder) != NULL);
    snprintf(server_address, sizeof(server_address), "unix:%s/s", folder);
    snprintf(channel_address, sizeof(channel_address), "unix:%s/c", folder);
    loop = fb_loop_create();
    server = fb_server_create(loop, &config);
    fb_server_add(server, &service, NULL);
    assert(fb_is_ok(
        fb_server_listen(server, &fb_h2, &(struct fb_listen_config){.address = server_address})));
    listen_fd = unix_socket(channel_address, &at);
    assert(listen_fd >= 0 && fcntl(listen_fd, F_SETFL, O_NONBLOCK) == 0 &&
           bind(listen_fd, (struct sockaddr *)&at, sizeof(at)) == 0 && listen(listen_fd, 8) == 0);
    atexit(tear_down);
}

static void turn(int turns)
{
    for (int i = 0; i < turns; i++) {
        fb_loop_turn(loop, 0);
    }
}

/* --- the peer --- */

static void put(int fd, const void *data, size_t size)
{
    const char *at = data;

    while (size > 0) {
        const ssize_t count = send(fd, at, size, MSG_DONTWAIT | MSG_NOSIGNAL);

        if (count <= 0) {
            return; /* it hung up on us, or does not read: both are its right */
        }
        at += count;
        size -= (size_t)count;
    }
}

static void put_frames(int fd, const uint8_t *data, size_t size)
{
    while (size >= 4) {
        const size_t payload = data[3] < size - 4 ? data[3] : size - 4;
        const uint8_t head[9] = {0, 0, (uint8_t)payload, data[0], data[1], 0, 0, 0, data[2]};

        put(fd, head, sizeof(head));
        put(fd, data + 4, payload);
        data += 4 + payload;
        size -= 4 + payload;
    }
}

static void speak(int fd, uint8_t how, const uint8_t *data, size_t size)
{
    static const char magic[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    static const uint8_t settings[] = {0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 4, 1, 0, 0, 0, 0};
    char answers[65536];

    if ((how & WITHOUT_HELLO) == 0) {
        if ((how & TO_CHANNEL) == 0) {
            put(fd, magic, sizeof(magic) - 1);
        }
        put(fd, settings, sizeof(settings));
        turn(2); /* a channel sends its calls now */
    }
    if (how & IN_FRAMES) {
        put_frames(fd, data, size);
    } else {
        put(fd, data, size);
    }
    for (int i = 0; i < TURNS; i++) {
        turn(1);
        while (recv(fd, answers, sizeof(answers), MSG_DONTWAIT) > 0) {
        }
    }
}

static void talk_to_server(uint8_t how, const uint8_t *data, size_t size)
{
    struct sockaddr_un at;
    int fd = unix_socket(server_address, &at);
    int turns = 0;

    assert(fd >= 0 && connect(fd, (struct sockaddr *)&at, sizeof(at)) == 0);
    turn(1);
    speak(fd, how, data, size);
    close(fd);
    while (fb_server_stats(server)->connections_open > 0) {
        assert(turns++ < TURNS_MOST);
        turn(1);
    }
    assert(fb_server_stats(server)->calls_open == 0);
}

/* --- the caller --- */

struct asked {
    bool pauses;
    unsigned ends;
};

static void came(struct fb_client_call *call, void *arg, const uint8_t *data, size_t size)
{
    struct asked *asked = arg;

    (void)data;
    (void)size;
    if (asked->pauses) {
        asked->pauses = false;
        fb_client_call_pause(call);
        fb_client_call_resume(call);
    }
}

static void ended(struct fb_client_call *call, void *arg, const struct fb_call_end *end)
{
    struct asked *asked = arg;

    (void)call;
    assert(end->status.why != NULL && end->trailers != NULL);
    asked->ends++;
}

static const struct fb_client_call_events asked_events = {.on_message = came, .on_end = ended};

static struct fb_client_call *ask(struct fb_channel *channel, struct asked *asked)
{
    struct fb_client_call *call = fb_channel_call(
        channel, &(struct fb_call_plan){.path = "/probe.Probe/Talk"}, &asked_events, asked);

    assert(call != NULL);
    fb_client_call_send_bytes(call, (const uint8_t *)"\n\1x", 3);
    return call;
}

static void talk_to_channel(uint8_t how, const uint8_t *data, size_t size)
{
    const struct fb_channel_config config = {.target = channel_address,
                                             .message_limit_bytes = 20000};
    struct asked asked[3] = {{.pauses = true}};
    struct fb_channel *channel;
    int fd;

    assert(fb_is_ok(fb_channel_create(loop, &fb_h2, &config, &channel)));
    for (int i = 0; i < 3; i++) {
        struct fb_client_call *call = ask(channel, &asked[i]);

        if (i > 0) {
            fb_client_call_half_close(call);
        }
    }
    turn(4);
    fd = accept(listen_fd, NULL, NULL);
    assert(fd >= 0);
    speak(fd, how, data, size);
    close(fd);
    turn(2);
    fb_channel_destroy(channel);
    for (int i = 0; i < 3; i++) {
        assert(asked[i].ends == 1);
    }
    while ((fd = accept(listen_fd, NULL, NULL)) >= 0) {
        close(fd); /* it may have dialled again */
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    if (loop == NULL) {
        set_up();
    }
    if (data[0] & TO_CHANNEL) {
        talk_to_channel(data[0], data + 1, size - 1);
    } else {
        talk_to_server(data[0], data + 1, size - 1);
    }
    return 0;
}
