#ifndef FB_TESTS_RUNTIME_RPC_H2_CLIENT_WORLD_H
#define FB_TESTS_RUNTIME_RPC_H2_CLIENT_WORLD_H

/*
 * client_world: a channel, and a server that is a socket and a test that speaks frame by frame.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/loop/loop.h"
#include "runtime/rpc/channel.h"
#include "tests/runtime/rpc/h2/raw.h"

enum { MESSAGE_LIMIT = 100000, STREAM_WINDOW = 256 * 1024 };

extern const char path[18]; /* of the method that is called */
extern const char hello[8]; /* a message that holds "hello": 7 bytes */

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

struct world {
    char folder[32];
    char address[64];
    struct fb_loop *loop;
    struct fb_channel *channel;
    int listen_fd;
    struct raw raw;
    bool accepted;
    struct went went;
};

extern struct world world;

/* With a channel of the limit above that holds back sends beyond 1,000 bytes. */
int set_up(void **state);
int tear_down(void **state);

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

/* A channel to this server, in place of one that the test has destroyed. */
void make_channel(const struct fb_channel_config *config);

/* --- the caller; each `arg` is a struct went --- */

void on_message(struct fb_client_call *call, void *arg, const uint8_t *data, size_t size);
void on_end(struct fb_client_call *call, void *arg, const struct fb_call_end *end);

/* These two and the others: they note down how the call went. */
extern const struct fb_client_call_events events;

/* Says hello, and that this is all. */
void start(struct went *went, const struct fb_call_plan *plan);

/* The same by a plan that has only the path. */
void call(struct went *went);

void wait_end(struct went *went);
void expect_end(struct went *went, enum fb_code code, bool not_run);

/* --- the server --- */

void listen_here(void);
void stop_listening(void);

/* Takes the connection the channel dials, and reads what comes before its first frame. */
void accept_one(struct raw *raw);

/* Sends the settings, and acknowledges the client's. */
void greet(struct raw *raw);

/* Both with the world's connection, which now awaits the header fields of a call. */
struct raw *serve(void);

extern const struct raw_field heading[2]; /* what an answer begins with */
extern const struct raw_field ok[1];      /* its trailers */

/* Answers the stream with hello. */
void answer(struct raw *raw, uint32_t stream);

#endif
