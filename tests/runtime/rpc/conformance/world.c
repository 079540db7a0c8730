#define _GNU_SOURCE /* environ */

#include "tests/runtime/rpc/conformance/world.h"

#include <setjmp.h>
#include <spawn.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

const struct fb_transport *server_side;
const struct fb_transport *client_side;

char folder[FOLDER_BYTES];
static char certificates[48];

struct fb_loop *loop;
struct fb_server *server;
struct fb_channel *channel;
struct relay *relay;
struct echo echo;
char socket_address[64];
struct fb_server_config server_config;
struct fb_listen_config listen_config;
struct fb_channel_config channel_config;

int drained;

int set_up(void **state)
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

int tear_down(void **state)
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

struct fb_status listen_there(void)
{
    if (server == NULL) {
        server = fb_server_create(loop, &server_config);
        assert_non_null(server);
        fb_server_add(server, &echo_service, &echo);
    }
    return fb_server_listen(server, server_side, &listen_config);
}

void serve(void)
{
    struct fb_status status = listen_there();

    if (!fb_is_ok(status)) {
        fail_msg("cannot listen: %s", status.why);
    }
}

void serve_tcp(void)
{
    listen_config.address = "127.0.0.1:0";
    serve();
    channel_config.target = fb_server_address(server, 0);
}

void dial(void)
{
    struct fb_status status = fb_channel_create(loop, client_side, &channel_config, &channel);

    if (!fb_is_ok(status)) {
        fail_msg("cannot make a channel: %s", status.why);
    }
}

void serve_and_dial(void)
{
    serve();
    dial();
}

void on_drained(void *arg)
{
    (void)arg;
    drained++;
}

/* --- a call, and what is heard of it --- */

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

void on_end(struct fb_client_call *call, void *arg, const struct fb_call_end *end)
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

struct heard *hear(const char *path)
{
    struct heard *heard = calloc(1, sizeof(*heard));

    assert_non_null(heard);
    heard->plan = (struct fb_call_plan){.path = path, .metadata = &heard->sent};
    fb_arena_init(&heard->arena, 0);
    return heard;
}

void begin(struct heard *heard)
{
    heard->call = fb_channel_call(channel, &heard->plan, &events, heard);
    assert_non_null(heard->call);
}

void forget(struct heard *heard)
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

void send_once(struct heard *heard, EchoRequest request)
{
    begin(heard);
    fb_client_call_send(heard->call, &request.base);
    fb_client_call_half_close(heard->call);
}

void run(struct heard *heard, EchoRequest request)
{
    send_once(heard, request);
    WAIT_FOR(heard->ends != 0);
}

void assert_ended(const struct heard *heard, enum fb_code code)
{
    assert_int_equal(heard->ends, 1);
    if (heard->status.code != code) {
        fail_msg("ended with %s (%s) and not with %s", fb_code_name(heard->status.code), heard->why,
                 fb_code_name(code));
    }
}

enum fb_code code_of_unary(void)
{
    struct heard *heard = hear(UNARY);
    enum fb_code code;

    run(heard, REQUEST());
    code = heard->status.code;
    forget(heard);
    return code;
}

ProtobufCBinaryData bytes_of(const char *text)
{
    return (ProtobufCBinaryData){.data = (uint8_t *)(uintptr_t)text, .len = strlen(text)};
}

ProtobufCBinaryData many_bytes(size_t size)
{
    static uint8_t bytes[8 << 20];

    assert_true(size <= sizeof(bytes));
    memset(bytes, 'y', size);
    return (ProtobufCBinaryData){.data = bytes, .len = size};
}

void add_sent(struct heard *heard, const char *key, struct fb_text value)
{
    struct fb_status status = fb_metadata_add(&heard->sent, &heard->arena, fb_text_of(key), value);

    assert_true(fb_is_ok(status));
}

/* --- its folders --- */

const char *in_certificates(const char *name)
{
    static char paths[8][80];
    static unsigned next;
    char *path = paths[next++ % 8];

    snprintf(path, sizeof(paths[0]), "%s/%s", certificates, name);
    return path;
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

bool world_open(const struct fb_transport *of_server, const struct fb_transport *of_client)
{
    server_side = of_server;
    client_side = of_client;
    if (!folder_make(folder)) {
        return false;
    }
    snprintf(certificates, sizeof(certificates), "%s/ca", folder);
    return make_certificates(certificates) && make_certificates(in_certificates("other"));
}

bool world_close(void)
{
    return folder_remove(folder);
}
