#ifndef FB_TESTS_RUNTIME_RPC_CONFORMANCE_WORLD_H
#define FB_TESTS_RUNTIME_RPC_CONFORMANCE_WORLD_H

/*
 * world: a server and a channel of the two transports on one loop, and calls that note what they hear.
 *
 * One for all groups of conformance.h; each test has it fresh. A test may change a config before it
 * serves or dials, and use server and channel as it likes: what is left is destroyed behind it.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/arena.h"
#include "runtime/base/clock.h"
#include "runtime/base/status.h"
#include "runtime/base/text.h"
#include "runtime/loop/loop.h"
#include "runtime/rpc/call.h"
#include "runtime/rpc/channel.h"
#include "runtime/rpc/server.h"
#include "runtime/rpc/transport.h"
#include "tests/runtime/rpc/conformance/relay.h"
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

extern const struct fb_transport *server_side;
extern const struct fb_transport *client_side;

extern char folder[FOLDER_BYTES]; /* of all tests */

extern struct fb_loop *loop;
extern struct fb_server *server;
extern struct fb_channel *channel;
extern struct relay *relay;
extern struct echo echo;
extern char socket_address[64];
extern struct fb_server_config server_config;
extern struct fb_listen_config listen_config;
extern struct fb_channel_config channel_config;

extern int drained; /* how often on_drained was called */

/* What all tests share: a folder with certificates of two authorities. */
bool world_open(const struct fb_transport *of_server, const struct fb_transport *of_client);
bool world_close(void);

int set_up(void **state);
int tear_down(void **state);

#define WORLD_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

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

struct fb_status listen_there(void);

/* These fail the test if they cannot. */
void serve(void);
void serve_tcp(void);
void dial(void);
void serve_and_dial(void);

void on_drained(void *arg);

/* The path of a certificate or key; good until seven more were asked for. */
const char *in_certificates(const char *name);

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

/* Notes the end, for a test with events of its own. */
void on_end(struct fb_client_call *call, void *arg, const struct fb_call_end *end);

struct heard *hear(const char *path);
void begin(struct heard *heard);
void send_once(struct heard *heard, EchoRequest request);
void run(struct heard *heard, EchoRequest request);

/* Cancels it, if it has not ended. */
void forget(struct heard *heard);

void assert_ended(const struct heard *heard, enum fb_code code);
void add_sent(struct heard *heard, const char *key, struct fb_text value);

/* How a call on the channel ends. */
enum fb_code code_of_unary(void);

/* Borrowed: the text, or one room for all that are many. */
ProtobufCBinaryData bytes_of(const char *text);
ProtobufCBinaryData many_bytes(size_t size);

/* --- the groups --- */

/* Each returns how many of its tests failed. */
int conformance_calls(void);
int conformance_endings(void);
int conformance_statuses(void);
int conformance_pressure(void);
int conformance_connections(void);
int conformance_draining(void);
int conformance_strangers(void);
int conformance_addresses(void);
int conformance_security(void);

#endif
