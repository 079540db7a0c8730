#include "runtime/rpc/h2/listener.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/rpc/h2/served.h"
#include "runtime/rpc/h2/shared.h"
#include "runtime/rpc/h2/tls.h"
#include "runtime/rpc/listening.h"

enum {
    ACCEPTS_PER_EVENT = 64,
    NO_ROOM_PAUSE_MS = 100, /* without descriptors, before accepting is tried again */
};

struct h2_listener {
    struct fb_listener listener; /* first */
    struct fb_h2_shared *shared;
    struct fb_h2_tls *tls; /* NULL: plain */
    struct fb_listening listening;
    struct fb_watch watch;
    struct fb_timer pause;
    struct fb_h2_served_connection *connections;
};

static struct h2_listener *of(struct fb_listener *listener)
{
    return (struct h2_listener *)listener;
}

/* --- accepting --- */

static void welcome(struct h2_listener *listener, int fd)
{
    struct fb_peer peer;
    SSL *tls = NULL;

    if (!fb_server_connection_opened(&listener->listener)) {
        close(fd);
        return;
    }
    if (listener->tls != NULL) {
        tls = fb_h2_tls_begin(listener->tls, fd, NULL);
        if (tls == NULL) {
            close(fd);
            fb_server_connection_closed(&listener->listener);
            return;
        }
    }
    fb_peer_of_socket(fd, &peer);
    fb_h2_served_start(&listener->listener, listener->shared, &peer, fd, tls,
                       &listener->connections);
}

static void resume(struct fb_timer *timer)
{
    struct h2_listener *listener =
        (struct h2_listener *)((char *)timer - offsetof(struct h2_listener, pause));

    fb_watch_interest(&listener->watch, FB_READABLE);
}

static void on_readable(struct fb_watch *watch, unsigned events)
{
    struct h2_listener *listener =
        (struct h2_listener *)((char *)watch - offsetof(struct h2_listener, watch));

    (void)events;
    for (int i = 0; i < ACCEPTS_PER_EVENT; i++) {
        const int fd = fb_listening_accept(&listener->listening);

        if (fd >= 0) {
            welcome(listener, fd);
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            fb_watch_interest(watch, 0);
            fb_timer_set(watch->loop, &listener->pause,
                         fb_loop_now_ms(watch->loop) + NO_ROOM_PAUSE_MS, resume);
            return;
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            return;
        }
    }
}

/* --- the end --- */

static void stop_accepting(struct h2_listener *listener)
{
    fb_loop_unwatch(&listener->watch);
    fb_timer_clear(&listener->pause);
    fb_listening_close(&listener->listening);
}

static void drain(struct fb_listener *listener)
{
    struct fb_h2_served_connection *next;

    stop_accepting(of(listener));
    for (struct fb_h2_served_connection *at = of(listener)->connections; at != NULL; at = next) {
        next = at->next;
        fb_h2_connection_go_away(&at->connection);
    }
}

static void destroy(struct fb_listener *listener)
{
    struct h2_listener *mine = of(listener);

    stop_accepting(mine);
    while (mine->connections != NULL) {
        fb_h2_connection_close(&mine->connections->connection,
                               fb_fail(FB_UNAVAILABLE, "the server is gone"));
    }
    fb_h2_tls_close(mine->tls);
    fb_h2_shared_release(mine->shared);
    free(mine);
}

static const struct fb_listener_ops listener_ops = {
    .drain = drain,
    .destroy = destroy,
};

static struct fb_status begin(struct h2_listener *listener, const struct fb_listen_config *config,
                              char *text, size_t room)
{
    struct fb_status status = fb_ok;

    if (listener->shared == NULL) {
        return fb_fail(FB_RESOURCE_EXHAUSTED, "no memory for a listener");
    }
    if (fb_h2_tls_wanted(&config->tls, true)) {
        status = fb_h2_tls_open(&config->tls, true, text, room, &listener->tls);
    }
    if (fb_is_ok(status)) {
        status = fb_listening_open(config->address, &listener->listening);
    }
    if (!fb_is_ok(status)) {
        return status;
    }
    memcpy(listener->listener.address, listener->listening.address,
           sizeof(listener->listener.address));
    return fb_loop_watch(listener->shared->loop, &listener->watch, listener->listening.fd,
                         FB_READABLE, on_readable);
}

struct fb_status fb_h2_listen(struct fb_server *server, const struct fb_listen_config *config,
                              struct fb_listener **listener)
{
    static _Thread_local char text[512];
    struct h2_listener *made = calloc(1, sizeof(*made));
    struct fb_status status;

    if (made == NULL) {
        return fb_fail(FB_RESOURCE_EXHAUSTED, "no memory for a listener");
    }
    made->listener =
        (struct fb_listener){.ops = &listener_ops, .server = server, .tokens = config->tokens};
    made->listening.fd = -1;
    made->shared = fb_h2_shared_acquire(fb_server_loop(server));
    status = begin(made, config, text, sizeof(text));
    if (!fb_is_ok(status)) {
        destroy(&made->listener);
        return status;
    }
    *listener = &made->listener;
    return fb_ok;
}
