#ifndef FB_TESTS_RUNTIME_RPC_H2_SERVER_WORLD_H
#define FB_TESTS_RUNTIME_RPC_H2_SERVER_WORLD_H

/*
 * server_world: a server of the Probe service, and one client that says frame by frame what it is told.
 *
 * Echo answers with what it got. Copies sends as many as it is asked for, as the client reads them.
 * Hold leaves its call in `held`. Talk counts what it hears, and pauses if it is to.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/loop/loop.h"
#include "runtime/rpc/call.h"
#include "runtime/rpc/server.h"
#include "tests/runtime/rpc/h2/probe.pb-c.h"
#include "tests/runtime/rpc/h2/raw.h"

enum {
    MESSAGE_LIMIT = 100000,
    SEND_HIGH = 64 * 1024,
    SEND_LIMIT = 1024 * 1024,
    STREAMS = 20,
    STREAM_WINDOW = 256 * 1024,
};

/* The paths of the methods. */
extern const char echo[];
extern const char copies[];
extern const char hold[];
extern const char talk[];

extern const char hello[8]; /* Bytes{payload: "hello"}: 7 bytes */

struct world {
    char folder[32];
    char address[64];
    struct fb_loop *loop;
    struct fb_server *server;
    struct raw raw;

    /* of the handlers */
    struct fb_call *held;
    unsigned held_count;
    unsigned cancelled;
    unsigned heard; /* messages of Talk */
    size_t heard_bytes;
    bool half_closed;
    bool pause_each;
    bool blocked; /* a send returned false */
    uint32_t copies_sent;
    bool done;
};

extern struct world world;

/* Probe, whose handlers use the world. */
extern const struct fb_rpc_service service;

/* The world with this server, and the client connected to it. */
void serve(const struct fb_server_config *config);

/* The same with the limits above. */
int set_up(void **state);
int tear_down(void **state);

#define TEST(name)               cmocka_unit_test_setup_teardown(name, set_up, tear_down)
#define TEST_IN(its_world, name) cmocka_unit_test_setup_teardown(name, its_world, tear_down)

/* --- what the client reads next, of what matters here --- */

void expect_trailers(uint32_t stream, const char *status);

/* Calls Echo on the stream, too. */
void expect_echo(uint32_t stream);

void expect_reset(uint32_t stream, uint32_t error);

/* And reads what comes until the server hangs up. */
void expect_goaway(uint32_t error);

void wait_until_no_call_is_open(void);

#endif
