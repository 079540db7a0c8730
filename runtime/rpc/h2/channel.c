#include "runtime/rpc/h2/channel.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "runtime/rpc/address.h"
#include "runtime/rpc/h2/made.h"
#include "runtime/rpc/h2/shared.h"
#include "runtime/rpc/h2/tls.h"

enum {
    ADDRESSES_MOST = 64,
    LAST_STREAM_ID = INT32_MAX - 2, /* then another connection is needed */
    KEEPALIVE_DOUBLINGS = 6,        /* for servers that are annoyed by pings */
};

struct h2_channel;

struct dialled {
    struct fb_h2_dialled dialled; /* first */
    struct h2_channel *channel;
    struct dialled *next; /* of the channel's connections that are not closed */
    struct dialled **link;
};

struct h2_channel {
    struct fb_channel channel; /* first */
    struct fb_h2_shared *shared;
    struct fb_h2_tls *tls; /* NULL: plain */
    struct fb_h2_request_head head;
    char *target;
    char *authority;
    char *authorization;
    char *host; /* whom TLS verifies */

    /* calls */
    struct fb_h2_made_list calls;
    struct fb_defer fail; /* ends those that failed at once */

    /* connections */
    struct dialled *current;     /* being dialled, or ready */
    struct dialled *connections; /* and those that wait for their last calls */
    struct fb_timer idle;
    unsigned calm; /* how often a server complained about pings */

    /* dialling */
    struct fb_resolving *resolving;
    struct fb_address addresses[ADDRESSES_MOST];
    size_t address_count;
    size_t address_next;
    unsigned failures; /* rounds of all addresses since it was ready last */
    struct fb_timer backoff;
    char why[320]; /* the last round failed */

    /* life: users are connections, and functions of ours that tell others */
    unsigned users;
    bool dying;
};

static struct h2_channel *of(struct fb_channel *channel)
{
    return (struct h2_channel *)channel;
}

static struct dialled *of_dialled(struct fb_h2_dialled *dialled)
{
    return (struct dialled *)dialled;
}

/* --- life --- */

static void hold(struct h2_channel *channel)
{
    channel->users++;
}

static void let_go(struct h2_channel *channel)
{
    if (--channel->users > 0) {
        return;
    }
    fb_h2_tls_close(channel->tls);
    fb_h2_shared_release(channel->shared);
    free(channel->target);
    free(channel->authority);
    free(channel->authorization);
    free(channel->host);
    free(channel);
}

static void became(struct h2_channel *channel, enum fb_channel_state state)
{
    if (!channel->dying) {
        fb_channel_became(&channel->channel, state);
    }
}

/* --- calls that wait --- */

static struct fb_status unavailable(const struct h2_channel *channel)
{
    return fb_fail(FB_UNAVAILABLE, channel->why);
}

static void end_failed(struct fb_defer *defer)
{
    struct h2_channel *channel =
        (struct h2_channel *)((char *)defer - offsetof(struct h2_channel, fail));
    struct fb_h2_made_call *made = channel->calls.first;

    hold(channel);
    while (made != NULL && !channel->dying) {
        if (made->place == FB_H2_FAILED && !made->over) {
            fb_h2_made_end(channel->shared, made, unavailable(channel), true);
            made = channel->calls.first; /* whoever was told may have ended others */
        } else {
            made = made->next;
        }
    }
    let_go(channel);
}

static void fail_soon(struct h2_channel *channel, struct fb_h2_made_call *made)
{
    made->place = FB_H2_FAILED;
    fb_loop_defer(channel->channel.loop, &channel->fail, end_failed);
}

static bool waits(const struct h2_channel *channel)
{
    for (const struct fb_h2_made_call *made = channel->calls.first; made != NULL;
         made = made->next) {
        if (made->place == FB_H2_PARKED) {
            return true;
        }
    }
    return false;
}

static void dial(struct h2_channel *channel);

/* On the ready connection; parked until there is another one when this takes no more. */
static void begin(struct h2_channel *channel, struct fb_h2_made_call *made)
{
    struct dialled *current = channel->current;

    fb_timer_clear(&channel->idle);
    if (nghttp2_session_get_next_stream_id(current->dialled.connection.session) <=
            (uint32_t)LAST_STREAM_ID &&
        fb_h2_made_begin(made, &current->dialled)) {
        return;
    }
    channel->current = NULL;
    if (current->dialled.connection.stream_count == 0) {
        fb_h2_connection_go_away(&current->dialled.connection);
    }
    dial(channel);
}

static void begin_parked(struct h2_channel *channel)
{
    struct fb_h2_made_call *made = channel->calls.first;

    while (made != NULL && channel->current != NULL && channel->current->dialled.ready) {
        struct fb_h2_made_call *next = made->next;

        if (made->place == FB_H2_PARKED) {
            begin(channel, made);
        }
        made = next;
    }
}

/* --- dialling --- */

static const struct fb_h2_dialled_ops dialled_ops;

static void backed_off(struct fb_timer *timer)
{
    struct h2_channel *channel =
        (struct h2_channel *)((char *)timer - offsetof(struct h2_channel, backoff));

    if (waits(channel)) {
        dial(channel);
    } else {
        became(channel, FB_CHANNEL_IDLE);
    }
}

/* Doubles with each round, up to a fifth more or less so that many clients do not come at once. */
static int64_t backoff_ms(const struct h2_channel *channel)
{
    const struct fb_channel_config *config = &channel->channel.config;
    int64_t wait_ms = config->backoff_first_ms;
    int64_t jitter_ms;

    for (unsigned i = 1; i < channel->failures && wait_ms < config->backoff_most_ms; i++) {
        wait_ms *= 2;
    }
    if (wait_ms > config->backoff_most_ms) {
        wait_ms = config->backoff_most_ms;
    }
    jitter_ms = (int64_t)(fb_hash_mix((uint64_t)(uintptr_t)channel,
                                      (uint64_t)fb_loop_now_ms(channel->channel.loop)) %
                          1000) -
                500;
    return wait_ms + wait_ms * jitter_ms / 2500;
}

static void all_failed(struct h2_channel *channel)
{
    struct fb_loop *loop = channel->channel.loop;

    channel->failures++;
    fb_timer_set(loop, &channel->backoff, fb_loop_now_ms(loop) + backoff_ms(channel), backed_off);
    for (struct fb_h2_made_call *made = channel->calls.first; made != NULL; made = made->next) {
        if (made->place == FB_H2_PARKED && !made->wait_for_ready) {
            fail_soon(channel, made);
        }
    }
    became(channel, FB_CHANNEL_FAILING);
}

static void note_failure(struct h2_channel *channel, const char *where, const char *why)
{
    snprintf(channel->why, sizeof(channel->why), "%s: %s", where, why);
}

static struct fb_h2_terms terms_of(const struct h2_channel *channel)
{
    const struct fb_channel_config *config = &channel->channel.config;

    return (struct fb_h2_terms){
        .handshake_timeout_ms = config->connect_timeout_ms,
        .keepalive_ms = config->keepalive_ms << channel->calm,
        .keepalive_timeout_ms = config->keepalive_timeout_ms,
        .message_limit_bytes = config->message_limit_bytes,
    };
}

static int open_socket(const struct fb_address *address)
{
    const int on = 1;
    int fd = socket(address->socket.ss_family, SOCK_STREAM, 0);

    if (fd < 0) {
        return -1;
    }
    if (fcntl(fd, F_SETFD, FD_CLOEXEC) != 0 || fcntl(fd, F_SETFL, O_NONBLOCK) != 0) {
        close(fd);
        return -1;
    }
    if (address->socket.ss_family != AF_UNIX) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    }
    return fd;
}

/* False: it failed at once, and why was noted. */
static bool dial_address(struct h2_channel *channel, const struct fb_address *address)
{
    const struct fb_h2_terms terms = terms_of(channel);
    struct dialled *dialled = calloc(1, sizeof(*dialled));
    int fd = open_socket(address);
    SSL *tls = NULL;
    int error = 0;

    if (fd >= 0 && connect(fd, (const struct sockaddr *)&address->socket, address->size) != 0) {
        error = errno;
    }
    if (fd >= 0 && channel->tls != NULL && (error == 0 || error == EINPROGRESS)) {
        tls = fb_h2_tls_begin(channel->tls, fd, channel->host);
    }
    if (dialled == NULL || fd < 0 || (error != 0 && error != EINPROGRESS) ||
        (channel->tls != NULL && tls == NULL)) {
        note_failure(channel, channel->target,
                     error == 0 ? "no memory or descriptor to connect with"
                                : fb_h2_connect_why(error));
        free(dialled);
        fb_h2_tls_end(tls);
        if (fd >= 0) {
            close(fd);
        }
        return false;
    }
    dialled->channel = channel;
    hold(channel);
    dialled->next = channel->connections;
    dialled->link = &channel->connections;
    if (dialled->next != NULL) {
        dialled->next->link = &dialled->next;
    }
    channel->connections = dialled;
    channel->current = dialled;
    dialled->dialled.ops = &dialled_ops;
    fb_h2_dialled_start(&dialled->dialled, channel->shared, &terms, fd, tls, error == EINPROGRESS);
    return true;
}

static void dial_next(struct h2_channel *channel)
{
    while (channel->address_next < channel->address_count) {
        if (dial_address(channel, &channel->addresses[channel->address_next++])) {
            return;
        }
    }
    all_failed(channel);
}

static void resolved(void *arg, struct fb_status status, const struct fb_address *list,
                     size_t count)
{
    struct h2_channel *channel = arg;

    hold(channel);
    channel->resolving = NULL;
    channel->address_next = 0;
    channel->address_count = 0;
    if (fb_is_ok(status)) {
        channel->address_count = count < ADDRESSES_MOST ? count : ADDRESSES_MOST;
        memcpy(channel->addresses, list, channel->address_count * sizeof(list[0]));
        note_failure(channel, channel->target, "the name has no address");
    } else {
        note_failure(channel, channel->target, status.why);
    }
    dial_next(channel);
    let_go(channel);
}

static void dial(struct h2_channel *channel)
{
    if (channel->dying || channel->current != NULL || channel->resolving != NULL) {
        return;
    }
    fb_timer_clear(&channel->backoff);
    channel->resolving =
        fb_address_resolve(channel->channel.loop, channel->target, resolved, channel);
    if (channel->resolving == NULL) {
        note_failure(channel, channel->target, "no memory to look up the address");
        all_failed(channel);
        return;
    }
    became(channel, FB_CHANNEL_CONNECTING);
}

/* --- what connections tell --- */

static void idle_passed(struct fb_timer *timer)
{
    struct h2_channel *channel =
        (struct h2_channel *)((char *)timer - offsetof(struct h2_channel, idle));
    struct dialled *current = channel->current;

    if (current != NULL && current->dialled.ready) {
        hold(channel);
        channel->current = NULL;
        fb_h2_connection_go_away(&current->dialled.connection);
        became(channel, FB_CHANNEL_IDLE);
        let_go(channel);
    }
}

static void rest_if_idle(struct h2_channel *channel)
{
    const int64_t idle_ms = channel->channel.config.idle_ms;

    if (idle_ms > 0 && channel->calls.count == 0 && channel->current != NULL) {
        fb_timer_set(channel->channel.loop, &channel->idle,
                     fb_loop_now_ms(channel->channel.loop) + idle_ms, idle_passed);
    }
}

static void on_ready(struct fb_h2_dialled *dialled)
{
    struct h2_channel *channel = of_dialled(dialled)->channel;

    channel->failures = 0;
    hold(channel);
    begin_parked(channel);
    became(channel, FB_CHANNEL_READY);
    rest_if_idle(channel);
    let_go(channel);
}

/* Nobody to send to now: dial for those that wait, else rest. */
static void without_connection(struct h2_channel *channel)
{
    if (channel->dying) {
        return;
    }
    fb_timer_clear(&channel->idle);
    if (waits(channel)) {
        dial(channel);
    } else {
        became(channel, FB_CHANNEL_IDLE);
    }
}

static void on_leaving(struct fb_h2_dialled *dialled, bool calm)
{
    struct h2_channel *channel = of_dialled(dialled)->channel;

    if (calm && channel->calm < KEEPALIVE_DOUBLINGS) {
        channel->calm++;
    }
    if (channel->current == of_dialled(dialled)) {
        hold(channel);
        channel->current = NULL;
        without_connection(channel);
        let_go(channel);
    }
}

static void on_closed(struct fb_h2_dialled *dialled, struct fb_status why)
{
    struct dialled *mine = of_dialled(dialled);
    struct h2_channel *channel = mine->channel;

    *mine->link = mine->next;
    if (mine->next != NULL) {
        mine->next->link = mine->link;
    }
    if (channel->current != mine) {
        return;
    }
    channel->current = NULL;
    hold(channel);
    note_failure(channel, channel->target, why.why);
    if (channel->dying) {
        /* nobody waits any more */
    } else if (dialled->ready) {
        without_connection(channel);
    } else {
        dial_next(channel);
    }
    let_go(channel);
}

static void on_lighter(struct fb_h2_dialled *dialled)
{
    struct h2_channel *channel = of_dialled(dialled)->channel;

    if (channel->current != of_dialled(dialled) && dialled->connection.stream_count == 0) {
        fb_h2_connection_go_away(&dialled->connection);
        return;
    }
    rest_if_idle(channel);
}

static void on_unused(struct fb_h2_dialled *dialled)
{
    struct h2_channel *channel = of_dialled(dialled)->channel;

    free(of_dialled(dialled));
    let_go(channel);
}

static const struct fb_h2_dialled_ops dialled_ops = {
    .ready = on_ready,
    .leaving = on_leaving,
    .closed = on_closed,
    .lighter = on_lighter,
    .unused = on_unused,
};

/* --- what the common half asks for --- */

static struct fb_client_call *call(struct fb_channel *base, const struct fb_call_plan *plan,
                                   const struct fb_client_call_events *events, void *arg)
{
    struct h2_channel *channel = of(base);
    struct fb_h2_made_call *made;

    if (channel->dying) {
        return NULL;
    }
    made = fb_h2_made_create(base, channel->shared, &channel->calls, &channel->head, plan, events,
                             arg);
    if (made == NULL) {
        return NULL;
    }
    if (channel->current != NULL && channel->current->dialled.ready) {
        begin(channel, made);
    } else if (base->state == FB_CHANNEL_FAILING && !made->wait_for_ready) {
        fail_soon(channel, made);
    } else if (base->state != FB_CHANNEL_FAILING) {
        dial(channel);
    }
    return &made->call;
}

static void connect_now(struct fb_channel *base)
{
    dial(of(base));
}

static void destroy(struct fb_channel *base)
{
    struct h2_channel *channel = of(base);
    struct fb_h2_shared *shared = channel->shared;
    struct fb_h2_made_call *made;

    fb_h2_enter(shared);
    channel->dying = true;
    base->watcher = NULL;
    fb_timer_clear(&channel->backoff);
    fb_timer_clear(&channel->idle);
    fb_defer_cancel(&channel->fail);
    if (channel->resolving != NULL) {
        fb_resolving_cancel(channel->resolving);
    }
    made = channel->calls.first;
    while (made != NULL) {
        if (made->over) {
            made = made->next;
            continue;
        }
        fb_h2_made_end(shared, made, fb_fail(FB_CANCELLED, "the channel was destroyed"),
                       made->place != FB_H2_BEGUN);
        made = channel->calls.first;
    }
    while (channel->connections != NULL) {
        fb_h2_connection_close(&channel->connections->dialled.connection,
                               fb_fail(FB_CANCELLED, "the channel was destroyed"));
    }
    assert(channel->calls.count == 0);
    let_go(channel);
    fb_h2_leave(shared);
}

static const struct fb_channel_ops channel_ops = {
    .destroy = destroy,
    .connect = connect_now,
    .call = call,
};

/* --- creating --- */

static char *copy(const char *text, size_t size)
{
    char *made = malloc(size + 1);

    if (made != NULL) {
        memcpy(made, text, size);
        made[size] = '\0';
    }
    return made;
}

/* "host:port" and the host alone, of a target that was checked. */
static void split_target(struct h2_channel *channel)
{
    const char *spelled = channel->target;
    const char *end;

    if (fb_address_is_unix(spelled)) {
        channel->authority = copy("localhost", sizeof("localhost") - 1);
        channel->host = copy("localhost", sizeof("localhost") - 1);
        return;
    }
    if (strncmp(spelled, "dns:", 4) == 0) {
        spelled += 4;
    }
    channel->authority = copy(spelled, strlen(spelled));
    end = strrchr(spelled, ':');
    if (spelled[0] == '[') {
        spelled++;
        end--;
    }
    channel->host = copy(spelled, (size_t)(end - spelled));
}

static bool set_up(struct h2_channel *channel, const struct fb_channel_config *config)
{
    static const char bearer[] = "Bearer ";

    channel->target = copy(config->target, strlen(config->target));
    if (channel->target == NULL) {
        return false;
    }
    split_target(channel);
    if (config->token != NULL) {
        const size_t room = sizeof(bearer) + strlen(config->token);

        channel->authorization = malloc(room);
        if (channel->authorization == NULL) {
            return false;
        }
        snprintf(channel->authorization, room, "%s%s", bearer, config->token);
    }
    channel->channel.config.target = channel->target;
    channel->channel.config.token = NULL;
    channel->head = (struct fb_h2_request_head){
        .scheme = fb_h2_tls_wanted(&config->tls, false) ? "https" : "http",
        .authority = channel->authority,
        .authorization = channel->authorization,
    };
    return channel->authority != NULL && channel->host != NULL && channel->shared != NULL;
}

struct fb_status fb_h2_channel_create(struct fb_loop *loop, const struct fb_channel_config *config,
                                      struct fb_channel **channel)
{
    static _Thread_local char text[512];
    struct h2_channel *made = calloc(1, sizeof(*made));
    struct fb_status status = fb_ok;

    if (made == NULL) {
        return fb_fail(FB_RESOURCE_EXHAUSTED, "no memory for a channel");
    }
    made->channel = (struct fb_channel){.ops = &channel_ops, .loop = loop, .config = *config};
    made->users = 1;
    made->shared = fb_h2_shared_acquire(loop);
    fb_h2_made_list_init(&made->calls);
    if (!set_up(made, config)) {
        status = fb_fail(FB_RESOURCE_EXHAUSTED, "no memory for a channel");
    } else if (fb_h2_tls_wanted(&config->tls, false)) {
        status = fb_h2_tls_open(&config->tls, false, text, sizeof(text), &made->tls);
    }
    if (!fb_is_ok(status)) {
        let_go(made);
        return status;
    }
    *channel = &made->channel;
    return fb_ok;
}
