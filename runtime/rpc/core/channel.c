#include "runtime/rpc/core/channel.h"

#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <grpc/grpc_security.h>

#include "runtime/rpc/core/credentials.h"
#include "runtime/rpc/core/library.h"
#include "runtime/rpc/core/made.h"

static enum fb_channel_state state_of(grpc_connectivity_state state)
{
    switch (state) {
    case GRPC_CHANNEL_CONNECTING:
        return FB_CHANNEL_CONNECTING;
    case GRPC_CHANNEL_READY:
        return FB_CHANNEL_READY;
    case GRPC_CHANNEL_TRANSIENT_FAILURE:
        return FB_CHANNEL_FAILING;
    default:
        return FB_CHANNEL_IDLE;
    }
}

/* --- state --- */

static void watch_state(struct fb_core_channel *channel)
{
    grpc_channel_watch_connectivity_state(
        channel->core, channel->seen, gpr_inf_future(GPR_CLOCK_MONOTONIC),
        fb_core_queue_cq(channel->queue), fb_core_tag(&channel->changed));
}

static void on_changed(struct fb_core_event *event, bool ok)
{
    struct fb_core_channel *channel =
        (struct fb_core_channel *)(void *)((char *)event -
                                           offsetof(struct fb_core_channel, changed));

    (void)ok;
    if (fb_core_queue_is_closing(channel->queue)) {
        return;
    }
    channel->seen = grpc_channel_check_connectivity_state(channel->core, 0);
    watch_state(channel);
    fb_channel_became(&channel->channel, state_of(channel->seen));
}

static void channel_connect(struct fb_channel *head)
{
    struct fb_core_channel *channel = (struct fb_core_channel *)head;

    grpc_channel_reset_connect_backoff(channel->core);
    grpc_channel_check_connectivity_state(channel->core, 1);
}

/* --- the end --- */

void fb_core_channel_hold(struct fb_core_channel *channel)
{
    channel->holds++;
}

void fb_core_channel_let_go(struct fb_core_channel *channel)
{
    if (--channel->holds > 0) {
        return;
    }
    for (size_t i = 0; i < sizeof(channel->strings) / sizeof(channel->strings[0]); i++) {
        free(channel->strings[i]);
    }
    free(channel);
    fb_core_library_release();
}

static void channel_destroy(struct fb_channel *head)
{
    struct fb_core_channel *channel = (struct fb_core_channel *)head;

    head->watcher = NULL;
    fb_core_end_calls(channel, fb_fail(FB_CANCELLED, "the channel was closed"));
    if (channel->core != NULL) {
        grpc_channel_destroy(channel->core);
    }
    fb_core_queue_destroy(channel->queue);
    fb_core_channel_let_go(channel);
}

/* --- the beginning --- */

static const struct fb_channel_ops channel_ops = {
    .destroy = channel_destroy,
    .connect = channel_connect,
    .call = fb_core_make,
};

/* Replaces the string by a copy of our own. False without memory. */
static bool keep(struct fb_core_channel *channel, size_t place, const char **string)
{
    if (*string == NULL) {
        return true;
    }
    channel->strings[place] = strdup(*string);
    *string = channel->strings[place];
    return *string != NULL;
}

static bool keep_strings(struct fb_core_channel *channel)
{
    struct fb_channel_config *config = &channel->channel.config;

    return keep(channel, 0, &config->target) && keep(channel, 1, &config->token) &&
           keep(channel, 2, &config->tls.ca_file) && keep(channel, 3, &config->tls.cert_file) &&
           keep(channel, 4, &config->tls.key_file) && keep(channel, 5, &config->tls.server_name);
}

static grpc_arg integer(const char *key, int64_t value)
{
    return (grpc_arg){
        .type = GRPC_ARG_INTEGER,
        .key = (char *)(uintptr_t)key,
        .value.integer = value > INT_MAX ? INT_MAX : (int)value,
    };
}

static grpc_arg string(const char *key, const char *value)
{
    return (grpc_arg){
        .type = GRPC_ARG_STRING,
        .key = (char *)(uintptr_t)key,
        .value.string = (char *)(uintptr_t)value,
    };
}

/* "[" and "]" have a meaning of their own in what the library takes for a URI. */
static void append_host(struct fb_buffer *out, struct fb_text host)
{
    for (size_t i = 0; i < host.size; i++) {
        if (host.data[i] == '[' || host.data[i] == ']') {
            fb_buffer_string(out, host.data[i] == '[' ? "%5B" : "%5D");
        } else {
            fb_buffer_append(out, &host.data[i], 1);
        }
    }
}

/*
 * The scheme by which the library takes an address. With three slashes a Unix target differs from the peer that a call
 * on it has, and with "dns:" a name is never taken for the scheme of an address.
 */
static const char *scheme_of(const char *target, bool in_list)
{
    if (strncmp(target, "unix:", 5) == 0) {
        return "unix://";
    }
    if (!in_list) {
        return "dns:///";
    }
    return strchr(target, '[') == target || strncmp(target, "dns:[", 5) == 0 ? "ipv6:" : "ipv4:";
}

/* The library knows lists of one kind of addresses. */
static struct fb_status spell_target(const char *target, struct fb_buffer *out)
{
    const bool is_list = strchr(target, ',') != NULL;
    const char *scheme = scheme_of(target, is_list);

    fb_buffer_string(out, scheme);
    while (*target != '\0') {
        const char *colon = strchr(target, ':');
        struct fb_text host = {.data = target, .size = strcspn(target, ",")};

        if (scheme_of(target, is_list) != scheme) {
            return fb_fail(FB_INVALID_ARGUMENT,
                           "this transport takes a list of Unix sockets, of IPv4 "
                           "or of IPv6 addresses, but not a mixed one");
        }
        if (strncmp(target, "unix:", 5) == 0 || strncmp(target, "dns:", 4) == 0) {
            host.size -= (size_t)(colon + 1 - target);
            host.data = colon + 1;
        }
        append_host(out, host);
        target = host.data + host.size;
        if (*target == ',') {
            fb_buffer_string(out, ",");
            target++;
        }
    }
    fb_buffer_append(out, "", 1);
    return out->failed ? fb_fail(FB_RESOURCE_EXHAUSTED, "no memory left for a channel") : fb_ok;
}

static void create_core(struct fb_core_channel *channel, const char *target,
                        grpc_channel_credentials *credentials)
{
    const struct fb_channel_config *config = &channel->channel.config;
    const char *name = config->tls.server_name;
    grpc_arg args[] = {
        integer(GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, config->message_limit_bytes),
        integer(GRPC_ARG_MAX_SEND_MESSAGE_LENGTH, -1),
        integer(GRPC_ARG_ENABLE_PER_MESSAGE_DECOMPRESSION, 0),
        integer(GRPC_ARG_MAX_METADATA_SIZE, 2 * FB_METADATA_LIMIT_BYTES),
        integer(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, config->backoff_first_ms),
        integer(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, config->backoff_most_ms),
        integer(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, config->connect_timeout_ms),
        integer(GRPC_ARG_KEEPALIVE_TIME_MS, config->keepalive_ms),
        integer(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, config->keepalive_timeout_ms),
        integer(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0),
        integer(GRPC_ARG_CLIENT_IDLE_TIMEOUT_MS, config->idle_ms == 0 ? INT_MAX : config->idle_ms),
        /* A channel is its own: its connection and its backoff are not another's. */
        integer(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1),
        /* Nothing from the environment or from DNS changes where and how we call. */
        integer(GRPC_ARG_ENABLE_HTTP_PROXY, 0),
        integer(GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1),
        string(GRPC_SSL_TARGET_NAME_OVERRIDE_ARG, name == NULL ? "" : name),
    };
    const grpc_channel_args all = {
        .num_args = sizeof(args) / sizeof(args[0]) - (name == NULL ? 1 : 0),
        .args = args,
    };

    channel->core = grpc_channel_create(target, credentials, &all);
}

static struct fb_status open_channel(struct fb_core_channel *channel)
{
    struct fb_buffer target = {.data = NULL};
    grpc_channel_credentials *credentials;
    struct fb_status status;

    if (!keep_strings(channel)) {
        return fb_fail(FB_RESOURCE_EXHAUSTED, "no memory left for a channel");
    }
    channel->queue = fb_core_queue_create(channel->channel.loop);
    if (channel->queue == NULL) {
        return fb_fail(FB_RESOURCE_EXHAUSTED, "no thread or memory left for a channel");
    }
    status = fb_core_channel_credentials(&channel->channel.config.tls, &credentials);
    if (!fb_is_ok(status)) {
        return status;
    }
    status = spell_target(channel->channel.config.target, &target);
    if (fb_is_ok(status)) {
        create_core(channel, target.data, credentials);
    }
    fb_buffer_finish(&target);
    grpc_channel_credentials_release(credentials);
    if (!fb_is_ok(status)) {
        return status;
    }
    channel->seen = grpc_channel_check_connectivity_state(channel->core, 0);
    watch_state(channel);
    return fb_ok;
}

struct fb_status fb_core_channel_create(struct fb_loop *loop,
                                        const struct fb_channel_config *config,
                                        struct fb_channel **channel)
{
    struct fb_core_channel *made = calloc(1, sizeof(*made));
    struct fb_status status;

    *channel = NULL;
    if (made == NULL) {
        return fb_fail(FB_RESOURCE_EXHAUSTED, "no memory left for a channel");
    }
    fb_core_library_acquire();
    made->channel.ops = &channel_ops;
    made->channel.loop = loop;
    made->channel.config = *config;
    made->changed.fn = on_changed;
    made->holds = 1;
    status = open_channel(made);
    if (!fb_is_ok(status)) {
        channel_destroy(&made->channel);
        return status;
    }
    *channel = &made->channel;
    return fb_ok;
}
