#include "tests/runtime/rpc/conformance/relay.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "runtime/rpc/address.h"
#include "runtime/rpc/listening.h"

enum { ROOM = 64 * 1024 };

/* One direction: what came from `in` and `out` did not take yet. */
struct side {
    struct fb_watch watch; /* of the socket that we read; written to by the other side */
    struct pair *pair;
    struct side *other;
    char data[ROOM];
    size_t size;
};

struct pair {
    struct relay *relay;
    struct side sides[2]; /* client, server */
    struct pair *next;
};

struct relay {
    struct fb_loop *loop;
    struct fb_listening listening;
    struct fb_watch watch;
    struct fb_address target;
    struct pair *pairs;
    uint32_t accepted;
    uint64_t upstream_bytes;
    bool silent;
};

static void close_pair(struct pair *pair)
{
    struct pair **link = &pair->relay->pairs;

    for (int i = 0; i < 2; i++) {
        int fd = pair->sides[i].watch.fd;

        fb_loop_unwatch(&pair->sides[i].watch);
        close(fd);
    }
    while (*link != pair) {
        link = &(*link)->next;
    }
    *link = pair->next;
    free(pair);
}

/* What each socket is waited for: to be read when there is room for it, to be written when there is something. */
static void set_interest(struct pair *pair)
{
    for (int i = 0; i < 2; i++) {
        struct side *side = &pair->sides[i];
        unsigned interest = side->size < ROOM ? FB_READABLE : 0;

        if (side->other->size > 0) {
            interest |= FB_WRITABLE;
        }
        fb_watch_interest(&side->watch, pair->relay->silent ? 0 : interest);
    }
}

/* False: it is over. */
static bool pump(struct side *side)
{
    ssize_t size;

    if (side->size < ROOM) {
        size = recv(side->watch.fd, side->data + side->size, ROOM - side->size, MSG_DONTWAIT);
        if (size == 0 || (size < 0 && errno != EAGAIN)) {
            return false;
        }
        if (size > 0) {
            side->size += (size_t)size;
            if (side == &side->pair->sides[0]) {
                side->pair->relay->upstream_bytes += (uint64_t)size;
            }
        }
    }
    if (side->size > 0) {
        size = send(side->other->watch.fd, side->data, side->size, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (size < 0 && errno != EAGAIN) {
            return false;
        }
        if (size > 0) {
            side->size -= (size_t)size;
            memmove(side->data, side->data + size, side->size);
        }
    }
    return true;
}

static void on_data(struct fb_watch *watch, unsigned events)
{
    struct side *side = (struct side *)watch;
    struct pair *pair = side->pair;

    (void)events;
    if (!pump(side) || !pump(side->other)) {
        close_pair(pair);
        return;
    }
    set_interest(pair);
}

static void on_connection(struct fb_watch *watch, unsigned events)
{
    struct relay *relay = (struct relay *)((char *)watch - offsetof(struct relay, watch));
    int client = fb_listening_accept(&relay->listening);
    int server;
    struct pair *pair;

    (void)events;
    if (client < 0) {
        return;
    }
    relay->accepted++;
    server = socket(relay->target.socket.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    /* To loopback or a Unix socket: at once, or nobody is there. */
    if (connect(server, (const struct sockaddr *)&relay->target.socket, relay->target.size) != 0) {
        close(server);
        close(client);
        return;
    }
    pair = calloc(1, sizeof(*pair));
    assert(pair != NULL);
    pair->relay = relay;
    pair->next = relay->pairs;
    relay->pairs = pair;
    for (int i = 0; i < 2; i++) {
        pair->sides[i].pair = pair;
        pair->sides[i].other = &pair->sides[1 - i];
        fb_loop_watch(relay->loop, &pair->sides[i].watch, i == 0 ? client : server, 0, on_data);
    }
    set_interest(pair);
}

static void on_resolved(void *arg, struct fb_status status, const struct fb_address *list,
                        size_t count)
{
    struct relay *relay = arg;

    assert(fb_is_ok(status) && count == 1);
    (void)status;
    (void)count;
    relay->target = list[0];
}

struct relay *relay_create(struct fb_loop *loop, const char *target)
{
    struct relay *relay = calloc(1, sizeof(*relay));
    struct fb_status status;

    assert(relay != NULL);
    relay->loop = loop;
    fb_address_resolve(loop, target, on_resolved, relay);
    status = fb_listening_open("127.0.0.1:0", &relay->listening);
    assert(fb_is_ok(status));
    (void)status;
    fb_loop_watch(loop, &relay->watch, relay->listening.fd, FB_READABLE, on_connection);
    while (relay->target.size == 0) {
        fb_loop_turn(loop, 100);
    }
    return relay;
}

void relay_destroy(struct relay *relay)
{
    relay_cut(relay);
    fb_loop_unwatch(&relay->watch);
    fb_listening_close(&relay->listening);
    free(relay);
}

const char *relay_address(const struct relay *relay)
{
    return relay->listening.address;
}

uint32_t relay_accepted(const struct relay *relay)
{
    return relay->accepted;
}

uint64_t relay_upstream_bytes(const struct relay *relay)
{
    return relay->upstream_bytes;
}

void relay_silence(struct relay *relay, bool silent)
{
    relay->silent = silent;
    for (struct pair *pair = relay->pairs; pair != NULL; pair = pair->next) {
        set_interest(pair);
    }
}

void relay_cut(struct relay *relay)
{
    struct pair *pair = relay->pairs;

    while (pair != NULL) {
        struct pair *next = pair->next;

        close_pair(pair);
        pair = next;
    }
}
