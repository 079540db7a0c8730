#define _GNU_SOURCE /* recv and send flags */

#include "runtime/rpc/h2/connection.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "runtime/rpc/h2/stream.h"
#include "runtime/rpc/h2/tls.h"
#include "runtime/rpc/metadata.h"

enum {
    TLS_RECORD_BYTES = 16 * 1024,     /* the largest: there may be another behind it */
    READS_PER_EVENT = 4,              /* then it is another connection's turn */
    WRITE_PER_ROUND_BYTES = 1 << 20,  /* likewise */
    STREAM_WINDOW_BYTES = 256 * 1024, /* what a peer may send ahead of a reader that pauses */
    CONNECTION_WINDOW_BYTES = 32 * 1024 * 1024, /* on its way; what waits here does not count */
    LARGEST_MESSAGES = 4, /* as many bytes of large ones come at once; others wait for a turn */
    CONSUME_STEP_BYTES = 128 * 1024,
    RESET_BURST = 10000, /* streams that a client may reset at once, and per second */
    RESET_RATE = 1000,
    IDLE_FRAMES_PER_S = 10000,
    WAITING_FRAMES = 10000, /* control frames that wait because the peer does not read */
    DRAIN_PING_MS = 1000,   /* to answer the ping between the two steps of a drain */
    HEADER_LIST_BYTES = FB_METADATA_LIMIT_BYTES + 4096, /* metadata and what gRPC itself says */
};

static const uint8_t drain_ping[8] = {'d', 'r', 'a', 'i', 'n', 0, 0, 0};

static struct fb_h2_connection *connection_of_watch(struct fb_watch *watch)
{
    return (struct fb_h2_connection *)((char *)watch - offsetof(struct fb_h2_connection, watch));
}

static int64_t now_ms(const struct fb_h2_connection *connection)
{
    return fb_loop_now_ms(connection->shared->loop);
}

/* --- life --- */

void fb_h2_connection_hold(struct fb_h2_connection *connection)
{
    connection->users++;
}

void fb_h2_connection_let_go(struct fb_h2_connection *connection)
{
    assert(connection->users > 0);
    if (--connection->users == 0) {
        assert(connection->phase == FB_H2_CLOSED && connection->inside == 0);
        nghttp2_session_del(connection->session);
        fb_h2_tls_end(connection->tls);
        if (connection->fd >= 0) {
            close(connection->fd);
        }
        fb_buffer_finish(&connection->unsent);
        connection->ops->unused(connection);
    }
}

/* Brackets all that calls into the session or the owner. */
static void enter(struct fb_h2_connection *connection)
{
    fb_h2_enter(connection->shared);
    connection->inside++;
    fb_h2_connection_hold(connection);
}

static void leave(struct fb_h2_connection *connection)
{
    struct fb_h2_shared *shared = connection->shared;

    connection->inside--;
    fb_h2_connection_let_go(connection);
    fb_h2_leave(shared);
}

void fb_h2_connection_close(struct fb_h2_connection *connection, struct fb_status why)
{
    if (connection->phase == FB_H2_CLOSED) {
        return;
    }
    enter(connection);
    connection->phase = FB_H2_CLOSED;
    fb_timer_clear(&connection->timer);
    fb_defer_cancel(&connection->flush);
    fb_loop_unwatch(&connection->watch);
    if (connection->tls != NULL && !connection->blocked) {
        fb_h2_tls_bye(connection->tls);
    }
    /* The peer is to see it now, not when the last call lets go. */
    shutdown(connection->fd, SHUT_RDWR);
    connection->ops->closed(connection, why);
    fb_h2_connection_let_go(connection); /* its own existence */
    leave(connection);
}

/* --- writing --- */

static void write_later(struct fb_h2_connection *connection)
{
    connection->blocked = true;
    connection->blocked_ms = now_ms(connection);
    fb_watch_interest(&connection->watch, FB_READABLE | FB_WRITABLE);
}

/* Bytes taken; 0 when the socket is full, -1 when it is broken. */
static ssize_t put(struct fb_h2_connection *connection, const void *data, size_t size)
{
    ssize_t count;

    if (connection->tls != NULL) {
        count = fb_h2_tls_write(connection->tls, data, size);
        return count == FB_H2_TLS_WANTS_READ || count == FB_H2_TLS_WANTS_WRITE ? 0 : count;
    }
    do {
        count = send(connection->fd, data, size, MSG_NOSIGNAL | MSG_DONTWAIT);
    } while (count < 0 && errno == EINTR);
    return count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK) ? 0 : count;
}

/* Puts all or until the socket is full; the bytes put, -1 when broken. */
static ssize_t put_all(struct fb_h2_connection *connection, const uint8_t *data, size_t size)
{
    size_t done = 0;

    while (done < size) {
        const ssize_t count = put(connection, data + done, size - done);

        if (count < 0) {
            return -1;
        }
        if (count == 0) {
            break;
        }
        done += (size_t)count;
    }
    connection->ops->count(connection, 0, done);
    return (ssize_t)done;
}

static void break_down(struct fb_h2_connection *connection)
{
    fb_h2_connection_close(connection, fb_fail(FB_UNAVAILABLE, "the connection broke"));
}

/* What an earlier round left. True when all of it is out. */
static bool put_unsent(struct fb_h2_connection *connection)
{
    ssize_t done;

    if (connection->unsent.size == 0) {
        return true;
    }
    done = put_all(connection, (const uint8_t *)connection->unsent.data, connection->unsent.size);
    if (done < 0) {
        break_down(connection);
        return false;
    }
    fb_buffer_consume(&connection->unsent, (size_t)done);
    if (connection->unsent.size > 0) {
        write_later(connection);
        return false;
    }
    fb_buffer_clear(&connection->unsent, 0);
    return true;
}

/*
 * Puts what the shared buffer holds; the rest waits in the connection. True when all of it is out.
 */
static bool put_shared(struct fb_h2_connection *connection)
{
    struct fb_h2_shared *shared = connection->shared;
    const size_t size = shared->write_size;
    ssize_t done;

    shared->write_size = 0;
    connection->round_bytes += size;
    if (size == 0) {
        return true;
    }
    done = put_all(connection, shared->write, size);
    if (done < 0) {
        break_down(connection);
        return false;
    }
    if ((size_t)done == size) {
        return true;
    }
    fb_buffer_append(&connection->unsent, shared->write + done, size - (size_t)done);
    if (connection->unsent.failed) {
        break_down(connection);
        return false;
    }
    write_later(connection);
    return false;
}

static bool add_frame(struct fb_h2_connection *connection, const uint8_t *data, size_t size)
{
    struct fb_h2_shared *shared = connection->shared;

    if (FB_H2_WRITE_BYTES - shared->write_size < size && !put_shared(connection)) {
        if (connection->phase != FB_H2_CLOSED) {
            fb_buffer_append(&connection->unsent, data, size);
        }
        return false;
    }
    assert(size <= FB_H2_WRITE_BYTES);
    memcpy(shared->write + shared->write_size, data, size);
    shared->write_size += size;
    return true;
}

/* Moves what the session has to the socket; the last buffer is the caller's to put. */
static void take_frames(struct fb_h2_connection *connection)
{
    while (connection->phase != FB_H2_CLOSED) {
        const uint8_t *data;
        const ssize_t size = nghttp2_session_mem_send(connection->session, &data);

        if (connection->phase == FB_H2_CLOSED) {
            return;
        }
        if (size < 0) {
            break_down(connection);
            return;
        }
        if (size == 0 && !connection->stuffed) {
            return;
        }
        if (size == 0) {
            connection->stuffed = false;
            if (!put_shared(connection)) {
                return;
            }
        } else if (!add_frame(connection, data, (size_t)size)) {
            return;
        }
        if (connection->round_bytes >= WRITE_PER_ROUND_BYTES) {
            write_later(connection);
            return;
        }
    }
}

static void close_if_done(struct fb_h2_connection *connection)
{
    if (connection->phase == FB_H2_CLOSED || connection->unsent.size > 0) {
        return;
    }
    if (!nghttp2_session_want_read(connection->session) &&
        !nghttp2_session_want_write(connection->session)) {
        fb_h2_connection_close(connection, fb_fail(FB_UNAVAILABLE, "the connection was ended"));
    }
}

static void flush(struct fb_h2_connection *connection)
{
    if (connection->phase < FB_H2_GREETING || connection->phase == FB_H2_CLOSED ||
        connection->blocked) {
        return;
    }
    enter(connection);
    connection->round_bytes = 0;
    if (put_unsent(connection)) {
        take_frames(connection);
        if (connection->phase != FB_H2_CLOSED) {
            put_shared(connection);
        }
    }
    connection->shared->write_size = 0;
    close_if_done(connection);
    leave(connection);
}

static void flush_deferred(struct fb_defer *defer)
{
    flush((struct fb_h2_connection *)((char *)defer - offsetof(struct fb_h2_connection, flush)));
}

void fb_h2_connection_wake(struct fb_h2_connection *connection)
{
    if (connection->phase != FB_H2_CLOSED) {
        fb_loop_defer(connection->shared->loop, &connection->flush, flush_deferred);
    }
}

/* --- reading --- */

/* Bytes; 0 for nothing now, -1 for the end or a broken socket. */
static ssize_t get(struct fb_h2_connection *connection, void *data, size_t size)
{
    ssize_t count;

    if (connection->tls != NULL) {
        count = fb_h2_tls_read(connection->tls, data, size);
        if (count == FB_H2_TLS_WANTS_READ || count == FB_H2_TLS_WANTS_WRITE) {
            return 0;
        }
        return count == 0 ? -1 : count;
    }
    do {
        count = recv(connection->fd, data, size, MSG_DONTWAIT);
    } while (count < 0 && errno == EINTR);
    if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
        return 0;
    }
    return count == 0 ? -1 : count;
}

static void feed(struct fb_h2_connection *connection, const uint8_t *data, size_t size)
{
    const ssize_t taken = nghttp2_session_mem_recv(connection->session, data, size);

    if (connection->phase == FB_H2_CLOSED) {
        return;
    }
    if (taken < 0 || connection->expelled) {
        /* Whatever the session has to say about it goes out first. */
        flush(connection);
        fb_h2_connection_close(connection,
                               fb_fail(FB_UNAVAILABLE, "the peer broke the HTTP/2 protocol"));
        return;
    }
    if (nghttp2_session_get_outbound_queue_size(connection->session) > WAITING_FRAMES &&
        connection->ops->server) {
        fb_h2_connection_close(connection,
                               fb_fail(FB_UNAVAILABLE, "the peer asks and does not read"));
        return;
    }
    fb_h2_connection_wake(connection);
}

static bool may_have_more(const struct fb_h2_connection *connection, ssize_t count)
{
    if (connection->tls != NULL) {
        return count >= TLS_RECORD_BYTES || fb_h2_tls_has_more(connection->tls);
    }
    return count == FB_H2_READ_BYTES;
}

static void on_timer(struct fb_timer *timer);

/* The timer is left to find out by itself that it was too early, but not that it came too late. */
static void hear(struct fb_h2_connection *connection)
{
    connection->heard_ms = now_ms(connection);
    if (connection->pinged_ms != 0) {
        connection->pinged_ms = 0;
        fb_timer_set(connection->shared->loop, &connection->timer,
                     connection->heard_ms + connection->terms.keepalive_ms, on_timer);
    }
}

static void read_all(struct fb_h2_connection *connection)
{
    bool more = true;

    /* What OpenSSL holds back is not seen by the loop: that is read to the end. */
    for (int i = 0; more && (i < READS_PER_EVENT ||
                             (connection->tls != NULL && fb_h2_tls_has_more(connection->tls)));
         i++) {
        const ssize_t count = get(connection, connection->shared->read, FB_H2_READ_BYTES);

        if (count == 0) {
            return;
        }
        if (count < 0) {
            fb_h2_connection_close(connection,
                                   fb_fail(FB_UNAVAILABLE, "the peer closed the connection"));
            return;
        }
        hear(connection);
        connection->ops->count(connection, (size_t)count, 0);
        feed(connection, connection->shared->read, (size_t)count);
        if (connection->phase == FB_H2_CLOSED) {
            return;
        }
        more = may_have_more(connection, count);
    }
}

/* --- the session --- */

static bool is_drain_ping(const nghttp2_frame *frame)
{
    return frame->hd.type == NGHTTP2_PING && (frame->hd.flags & NGHTTP2_FLAG_ACK) &&
           memcmp(frame->ping.opaque_data, drain_ping, sizeof(drain_ping)) == 0;
}

/* The second step: calls that crossed the first have been seen by now. */
static void finish_drain(struct fb_h2_connection *connection)
{
    connection->drain_ms = 0;
    nghttp2_submit_goaway(connection->session, NGHTTP2_FLAG_NONE,
                          nghttp2_session_get_last_proc_stream_id(connection->session),
                          NGHTTP2_NO_ERROR, NULL, 0);
    fb_h2_connection_wake(connection);
}

/* Pings overtake other frames, so it is asked for only when the notice is written. */
void fb_h2_connection_sent_goaway(struct fb_h2_connection *connection)
{
    if (connection->drain_ms != 0) {
        nghttp2_submit_ping(connection->session, NGHTTP2_FLAG_NONE, drain_ping);
    }
}

static bool brings_nothing(const nghttp2_frame *frame)
{
    switch (frame->hd.type) {
    case NGHTTP2_DATA:
        return frame->hd.length == 0 && !(frame->hd.flags & NGHTTP2_FLAG_END_STREAM);
    case NGHTTP2_PING:
    case NGHTTP2_PRIORITY:
    case NGHTTP2_SETTINGS:
        return true;
    default:
        return false;
    }
}

static bool tolerates(struct fb_h2_connection *connection)
{
    const int64_t second = now_ms(connection) / 1000;

    if (connection->idle_second != second) {
        connection->idle_second = second;
        connection->idle_frames = 0;
    }
    return ++connection->idle_frames <= IDLE_FRAMES_PER_S;
}

bool fb_h2_connection_frame(struct fb_h2_connection *connection, const nghttp2_frame *frame)
{
    if (brings_nothing(frame) && !tolerates(connection)) {
        connection->expelled = true;
        nghttp2_session_terminate_session(connection->session, NGHTTP2_ENHANCE_YOUR_CALM);
        return false;
    }
    if (frame->hd.type == NGHTTP2_SETTINGS && !(frame->hd.flags & NGHTTP2_FLAG_ACK) &&
        connection->phase == FB_H2_GREETING) {
        connection->phase = FB_H2_OPEN;
        fb_timer_clear(&connection->timer);
        fb_h2_connection_mind(connection);
        connection->ops->opened(connection);
    }
    if (connection->drain_ms != 0 && is_drain_ping(frame)) {
        finish_drain(connection);
    }
    return true;
}

static nghttp2_session_callbacks *callbacks_create(const struct fb_h2_connection_ops *ops)
{
    nghttp2_session_callbacks *callbacks;

    if (nghttp2_session_callbacks_new(&callbacks) != 0) {
        return NULL;
    }
    nghttp2_session_callbacks_set_send_data_callback(callbacks, fb_h2_stream_send_data);
    ops->set_callbacks(callbacks);
    return callbacks;
}

static nghttp2_option *option_create(void)
{
    nghttp2_option *option;

    if (nghttp2_option_new(&option) != 0) {
        return NULL;
    }
    nghttp2_option_set_no_auto_window_update(option, 1);
    nghttp2_option_set_no_closed_streams(option, 1);
    /* Other gRPC libraries send a status message as it is, be there a space at its end. */
    nghttp2_option_set_no_rfc9113_leading_and_trailing_ws_validation(option, 1);
    nghttp2_option_set_stream_reset_rate_limit(option, RESET_BURST, RESET_RATE);
    return option;
}

static bool submit_settings(struct fb_h2_connection *connection)
{
    const nghttp2_settings_entry server[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, connection->terms.streams},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, STREAM_WINDOW_BYTES},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, HEADER_LIST_BYTES},
        {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1}, /* no trees of a client's making */
    };
    /* Without the last, large requests take turns: a client has no other way to say so. */
    const nghttp2_settings_entry client[] = {
        {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, STREAM_WINDOW_BYTES},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, HEADER_LIST_BYTES},
    };
    const bool serves = connection->ops->server;

    return nghttp2_submit_settings(connection->session, NGHTTP2_FLAG_NONE, serves ? server : client,
                                   serves ? sizeof(server) / sizeof(server[0])
                                          : sizeof(client) / sizeof(client[0])) == 0 &&
           nghttp2_session_set_local_window_size(connection->session, NGHTTP2_FLAG_NONE, 0,
                                                 CONNECTION_WINDOW_BYTES) == 0;
}

static bool session_create(struct fb_h2_connection *connection)
{
    nghttp2_session_callbacks *callbacks = callbacks_create(connection->ops);
    nghttp2_option *option = option_create();
    nghttp2_mem memory = fb_h2_memory_face(&connection->shared->memory);
    int failed = -1;

    if (callbacks != NULL && option != NULL) {
        failed =
            (connection->ops->server ? nghttp2_session_server_new3 : nghttp2_session_client_new3)(
                &connection->session, callbacks, connection, option, &memory);
    }
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_option_del(option);
    return failed == 0 && submit_settings(connection);
}

/* --- handshakes --- */

static void greet(struct fb_h2_connection *connection)
{
    connection->phase = FB_H2_GREETING;
    fb_watch_interest(&connection->watch, FB_READABLE);
    if (!connection->ops->secured(connection)) {
        return;
    }
    if (!session_create(connection)) {
        fb_h2_connection_close(connection,
                               fb_fail(FB_RESOURCE_EXHAUSTED, "no memory for a connection"));
        return;
    }
    fb_h2_connection_wake(connection);
    if (connection->tls != NULL) {
        read_all(connection); /* the handshake may have read ahead */
    }
}

static void secure(struct fb_h2_connection *connection)
{
    connection->phase = FB_H2_SECURING;
    if (connection->tls == NULL) {
        greet(connection);
        return;
    }
    switch (fb_h2_tls_handshake(connection->tls, connection->why, sizeof(connection->why))) {
    case FB_H2_TLS_DONE:
        greet(connection);
        break;
    case FB_H2_TLS_READ:
        fb_watch_interest(&connection->watch, FB_READABLE);
        break;
    case FB_H2_TLS_WRITE:
        fb_watch_interest(&connection->watch, FB_WRITABLE);
        break;
    case FB_H2_TLS_FAILED:
        fb_h2_connection_close(connection, fb_fail(FB_UNAVAILABLE, connection->why));
        break;
    }
}

const char *fb_h2_connect_why(int error)
{
    switch (error) {
    case ECONNREFUSED:
        return "nobody listens there";
    case ENOENT:
        return "there is no such socket";
    case EACCES:
    case EPERM:
        return "connecting there is not permitted";
    case EHOSTUNREACH:
    case ENETUNREACH:
        return "the host cannot be reached";
    case ETIMEDOUT:
        return "the host does not answer";
    case EAGAIN:
        return "too many wait to be accepted there";
    default:
        return "connecting failed";
    }
}

static void connected(struct fb_h2_connection *connection)
{
    int error = 0;
    socklen_t size = sizeof(error);

    if (getsockopt(connection->fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0) {
        error = errno;
    }
    if (error != 0) {
        fb_h2_connection_close(connection, fb_fail(FB_UNAVAILABLE, fb_h2_connect_why(error)));
        return;
    }
    secure(connection);
}

static void on_event(struct fb_watch *watch, unsigned events)
{
    struct fb_h2_connection *connection = connection_of_watch(watch);

    enter(connection);
    switch (connection->phase) {
    case FB_H2_CONNECTING:
        connected(connection);
        break;
    case FB_H2_SECURING:
        secure(connection);
        break;
    case FB_H2_GREETING:
    case FB_H2_OPEN:
        if (events & FB_WRITABLE) {
            connection->blocked = false;
            flush(connection);
        }
        if (connection->phase != FB_H2_CLOSED && !connection->blocked) {
            fb_watch_interest(&connection->watch, FB_READABLE);
        }
        if ((events & FB_READABLE) && connection->phase != FB_H2_CLOSED) {
            read_all(connection);
        }
        break;
    case FB_H2_CLOSED:
        break;
    }
    leave(connection);
}

/* --- silence --- */

static bool is_minded(const struct fb_h2_connection *connection)
{
    return connection->terms.ping_when_idle || connection->stream_count > 0;
}

static int64_t sooner(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static void mind_open(struct fb_h2_connection *connection, int64_t now)
{
    const struct fb_h2_terms *terms = &connection->terms;
    int64_t due_ms = connection->heard_ms + terms->keepalive_ms;

    if (connection->drain_ms != 0) {
        if (now >= connection->drain_ms) {
            finish_drain(connection);
        } else {
            due_ms = sooner(due_ms, connection->drain_ms);
        }
    }
    if (connection->blocked &&
        now - connection->blocked_ms >= terms->keepalive_ms + terms->keepalive_timeout_ms) {
        fb_h2_connection_close(connection,
                               fb_fail(FB_UNAVAILABLE, "the peer does not read any more"));
        return;
    }
    if (connection->pinged_ms != 0) {
        if (now - connection->pinged_ms >= terms->keepalive_timeout_ms) {
            fb_h2_connection_close(connection,
                                   fb_fail(FB_UNAVAILABLE, "the peer does not answer pings"));
            return;
        }
        due_ms = connection->pinged_ms + terms->keepalive_timeout_ms;
    } else if (now >= due_ms && is_minded(connection)) {
        nghttp2_submit_ping(connection->session, NGHTTP2_FLAG_NONE, NULL);
        connection->pinged_ms = now;
        due_ms = now + terms->keepalive_timeout_ms;
        fb_h2_connection_wake(connection);
    }
    if (due_ms > now) {
        fb_timer_set(connection->shared->loop, &connection->timer, due_ms, on_timer);
    }
}

static void on_timer(struct fb_timer *timer)
{
    struct fb_h2_connection *connection =
        (struct fb_h2_connection *)((char *)timer - offsetof(struct fb_h2_connection, timer));

    enter(connection);
    switch (connection->phase) {
    case FB_H2_CONNECTING:
        fb_h2_connection_close(connection, fb_fail(FB_UNAVAILABLE, "connecting took too long"));
        break;
    case FB_H2_SECURING:
        fb_h2_connection_close(connection,
                               fb_fail(FB_UNAVAILABLE, "the TLS handshake took too long"));
        break;
    case FB_H2_GREETING:
        fb_h2_connection_close(connection,
                               fb_fail(FB_UNAVAILABLE, "the peer did not begin HTTP/2 in time"));
        break;
    case FB_H2_OPEN:
        mind_open(connection, now_ms(connection));
        break;
    case FB_H2_CLOSED:
        break;
    }
    leave(connection);
}

void fb_h2_connection_mind(struct fb_h2_connection *connection)
{
    if (connection->phase == FB_H2_OPEN && connection->timer.place == 0) {
        connection->heard_ms = now_ms(connection);
        fb_timer_set(connection->shared->loop, &connection->timer,
                     connection->heard_ms + connection->terms.keepalive_ms, on_timer);
    }
}

/* --- what owners ask for --- */

void fb_h2_connection_start(struct fb_h2_connection *connection,
                            const struct fb_h2_connection_ops *ops, struct fb_h2_shared *shared,
                            const struct fb_h2_terms *terms, int fd, SSL *tls, bool connecting)
{
    struct fb_status status;

    *connection = (struct fb_h2_connection){
        .ops = ops,
        .shared = shared,
        .terms = *terms,
        .phase = connecting ? FB_H2_CONNECTING : FB_H2_SECURING,
        .fd = fd,
        .tls = tls,
        .users = 1,
        .turns = {.most_bytes = (size_t)terms->message_limit_bytes * LARGEST_MESSAGES},
    };
    enter(connection);
    connection->heard_ms = now_ms(connection);
    fb_timer_set(shared->loop, &connection->timer,
                 connection->heard_ms + terms->handshake_timeout_ms, on_timer);
    status = fb_loop_watch(shared->loop, &connection->watch, fd,
                           connecting ? FB_WRITABLE : FB_READABLE, on_event);
    if (!fb_is_ok(status)) {
        fb_h2_connection_close(connection, status);
    } else if (!connecting) {
        secure(connection);
    }
    leave(connection);
}

void fb_h2_connection_go_away(struct fb_h2_connection *connection)
{
    if (connection->going || connection->phase == FB_H2_CLOSED) {
        return;
    }
    connection->going = true;
    if (connection->phase != FB_H2_OPEN) {
        fb_h2_connection_close(connection, fb_fail(FB_UNAVAILABLE, "shutting down"));
        return;
    }
    if (!connection->ops->server) {
        nghttp2_session_terminate_session(connection->session, NGHTTP2_NO_ERROR);
        fb_h2_connection_wake(connection);
        return;
    }
    nghttp2_submit_shutdown_notice(connection->session);
    connection->drain_ms = now_ms(connection) + DRAIN_PING_MS;
    fb_timer_set(connection->shared->loop, &connection->timer, connection->drain_ms, on_timer);
    fb_h2_connection_wake(connection);
}

void fb_h2_connection_consume(struct fb_h2_connection *connection, size_t size)
{
    connection->unconsumed += (uint32_t)size;
    if (connection->unconsumed >= CONSUME_STEP_BYTES && connection->phase != FB_H2_CLOSED) {
        nghttp2_session_consume_connection(connection->session, connection->unconsumed);
        connection->unconsumed = 0;
        fb_h2_connection_wake(connection);
    }
}
