#include "gateway/flow/notices.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/flow/flow.h"
#include "gateway/flow/resources.h"
#include "gateway/flow/verbs.h"
#include "gateway/values.h"
#include "runtime/json/scan.h"
#include "runtime/rpc/message.h"

enum { SUBSCRIBED_MOST = 256, LISTENS_MOST = 64, URI_BYTES = 512 };

/* A session that is subscribed to. */
struct watched {
    struct notices *notices;
    char session[FB_SESSION_ID_BYTES + 1];
    int64_t seq;              /* of the last event known; below 0 before anything is */
    struct uplink_call *call; /* NULL when nothing is under way */
    bool told;                /* the stream has said something: it may be taken up at once */
    struct watched *next;
};

/* A subscriptions/listen that is not ended; the exchange's work. */
struct listen {
    struct exchange *exchange;
    struct notices *notices;
    struct resource *resources;
    size_t count;
    struct listen *next;
};

struct notices {
    struct mcp *mcp;
    struct watched *watched;
    struct listen *listens;
    size_t listen_count;
    struct resource *subscribed; /* of the legacy session */
    size_t subscribed_count;
};

/* --- telling --- */

static void tell(struct mcp *mcp, const struct resource *resource, const struct listen *listen)
{
    struct fb_buffer *out = notice_begin(mcp, "notifications/resources/updated");

    fb_buffer_string(out, "{\"uri\":\"");
    resource_put_uri(out, resource);
    fb_buffer_string(out, "\"");
    if (listen != NULL) {
        fb_buffer_string(out, ",\"_meta\":{\"io.modelcontextprotocol/subscriptionId\":");
        fb_buffer_text(out, listen->exchange->reply.id);
        fb_buffer_string(out, "}");
    }
    fb_buffer_string(out, "}");
    notice_end(mcp);
}

static void tell_all(const struct watched *watched)
{
    const struct notices *notices = watched->notices;

    for (size_t i = 0; i < notices->subscribed_count; i++) {
        if (strcmp(notices->subscribed[i].session, watched->session) == 0) {
            tell(notices->mcp, &notices->subscribed[i], NULL);
        }
    }
    for (const struct listen *listen = notices->listens; listen != NULL; listen = listen->next) {
        for (size_t i = 0; i < listen->count; i++) {
            if (strcmp(listen->resources[i].session, watched->session) == 0) {
                tell(notices->mcp, &listen->resources[i], listen);
            }
        }
    }
}

/* --- watching --- */

static void take_event(struct watched *watched, const Flowbalancer__V1__WatchResponse *reply)
{
    watched->told = true;
    if (reply->part_case == FLOWBALANCER__V1__WATCH_RESPONSE__PART_EVENT &&
        reply->event->seq > watched->seq) {
        watched->seq = reply->event->seq;
        /* Several events of one command are one change. */
        if (reply->event->event == NULL || !reply->event->event->continues) {
            tell_all(watched);
        }
    }
}

static void take_status(struct watched *watched, const Flowbalancer__V1__StatusResponse *reply)
{
    watched->told = true;
    watched->seq = reply->line != NULL ? reply->line->seq : 0;
}

static void on_message(void *arg, const uint8_t *data, size_t size)
{
    struct watched *watched = arg;
    const bool known = watched->seq >= 0;
    ProtobufCMessage *message;
    struct fb_arena arena;

    fb_arena_init(&arena, 0);
    if (fb_is_ok(fb_message_unpack(known ? method_watch.reply : method_status.reply, data, size, 0,
                                   &arena, &message))) {
        if (known) {
            take_event(watched, (const void *)message);
        } else {
            take_status(watched, (const void *)message);
        }
    }
    fb_arena_finish(&arena);
}

static void watch(struct watched *watched);

static void on_end(void *arg, const struct failure *end)
{
    struct watched *watched = arg;

    watched->call = NULL;
    if (end->status.code == FB_NOT_FOUND) {
        watched->seq = 0; /* whatever comes is new */
    }
    if (watched->told) {
        watch(watched);
    }
}

static const struct uplink_events events = {.on_message = on_message, .on_end = on_end};

/* Where the session is, then what comes after that. */
static void watch(struct watched *watched)
{
    Flowbalancer__V1__CallContext context = FLOWBALANCER__V1__CALL_CONTEXT__INIT;
    Flowbalancer__V1__StatusRequest status = FLOWBALANCER__V1__STATUS_REQUEST__INIT;
    Flowbalancer__V1__WatchRequest request = FLOWBALANCER__V1__WATCH_REQUEST__INIT;
    struct mcp *mcp = watched->notices->mcp;
    const bool known = watched->seq >= 0;

    context.agent = value_unconst(mcp->config.agent);
    context.scope = value_unconst(mcp->config.scope);
    context.session = watched->session;
    status.context = &context;
    request.context = &context;
    request.since_seq = watched->seq;
    watched->told = false;
    watched->call = mcp->uplink.call(mcp->uplink.self,
                                     &(struct uplink_plan){
                                         .path = known ? method_watch.path : method_status.path,
                                         .request = known ? (const ProtobufCMessage *)&request
                                                          : (const ProtobufCMessage *)&status,
                                         .deadline_ms = INT64_MAX,
                                         .only_if_there = known,
                                         .repeatable = true,
                                         .events = &events,
                                         .arg = watched,
                                     });
}

static bool is_wanted(const struct notices *notices, const char *session)
{
    for (size_t i = 0; i < notices->subscribed_count; i++) {
        if (strcmp(notices->subscribed[i].session, session) == 0) {
            return true;
        }
    }
    for (const struct listen *listen = notices->listens; listen != NULL; listen = listen->next) {
        for (size_t i = 0; i < listen->count; i++) {
            if (strcmp(listen->resources[i].session, session) == 0) {
                return true;
            }
        }
    }
    return false;
}

static void stop(struct watched *watched)
{
    struct mcp *mcp = watched->notices->mcp;

    if (watched->call != NULL) {
        mcp->uplink.cancel(mcp->uplink.self, watched->call);
    }
    free(watched);
}

/* Stops watching what nobody is subscribed to any more. */
static void forget_unwanted(struct notices *notices)
{
    struct watched **link = &notices->watched;

    while (*link != NULL) {
        struct watched *watched = *link;

        if (is_wanted(notices, watched->session)) {
            link = &watched->next;
        } else {
            *link = watched->next;
            stop(watched);
        }
    }
}

/* False when memory is exhausted. */
static bool want(struct notices *notices, const char *session)
{
    struct watched *watched = notices->watched;

    while (watched != NULL && strcmp(watched->session, session) != 0) {
        watched = watched->next;
    }
    if (watched == NULL) {
        watched = calloc(1, sizeof(*watched));
        if (watched == NULL) {
            return false;
        }
        watched->notices = notices;
        memcpy(watched->session, session, strlen(session) + 1);
        watched->seq = -1;
        watched->next = notices->watched;
        notices->watched = watched;
    }
    if (watched->call == NULL) {
        watch(watched);
    }
    return true;
}

void notices_resume(struct notices *notices)
{
    for (struct watched *watched = notices->watched; watched != NULL; watched = watched->next) {
        if (watched->call == NULL) {
            watch(watched);
        }
    }
}

/* --- resources/subscribe, resources/unsubscribe --- */

static void refuse(struct mcp *mcp, const struct ask *ask, int code, const char *why)
{
    answer_error(mcp, &ask->reply, &(struct jsonrpc_error){.code = code, .message = why});
}

static bool read_uri(struct mcp *mcp, struct fb_text value, struct resource *resource)
{
    const char *uri = value.size <= URI_BYTES ? value_string(value, &mcp->scratch) : NULL;

    return uri != NULL && resource_of(uri, resource);
}

static bool is_same(const struct resource *a, const struct resource *b)
{
    return a->kind == b->kind && strcmp(a->session, b->session) == 0;
}

/* Its place, or `count`. */
static size_t find_resource(const struct resource *resources, size_t count,
                            const struct resource *resource)
{
    size_t i = 0;

    while (i < count && !is_same(&resources[i], resource)) {
        i++;
    }
    return i;
}

static size_t find_subscribed(const struct notices *notices, const struct resource *resource)
{
    return find_resource(notices->subscribed, notices->subscribed_count, resource);
}

static bool read_subscribed(struct mcp *mcp, const struct ask *ask, struct resource *resource)
{
    struct fb_text value;

    if (!fb_json_find(ask->params, "uri", &value) || fb_json_kind_of(value) != FB_JSON_STRING) {
        refuse(mcp, ask, JSONRPC_INVALID_PARAMS, "params.uri must be a string");
        return false;
    }
    if (!read_uri(mcp, value, resource)) {
        refuse(mcp, ask, MCP_RESOURCE_NOT_FOUND,
               "there is no such resource; resources/list has what there is");
        return false;
    }
    return true;
}

void resources_subscribe(struct mcp *mcp, const struct ask *ask)
{
    struct notices *notices = flow_notices(mcp->flow);
    struct resource resource;
    struct resource *more;

    if (!read_subscribed(mcp, ask, &resource)) {
        return;
    }
    if (find_subscribed(notices, &resource) == notices->subscribed_count) {
        if (notices->subscribed_count == SUBSCRIBED_MOST) {
            refuse(mcp, ask, JSONRPC_INTERNAL_ERROR,
                   "too many subscriptions: end one with resources/unsubscribe");
            return;
        }
        more = realloc(notices->subscribed, (notices->subscribed_count + 1) * sizeof(*more));
        if (more == NULL) {
            refuse(mcp, ask, JSONRPC_INTERNAL_ERROR, "out of memory");
            return;
        }
        notices->subscribed = more;
        more[notices->subscribed_count++] = resource;
    }
    if (!want(notices, resource.session)) {
        refuse(mcp, ask, JSONRPC_INTERNAL_ERROR, "out of memory");
        return;
    }
    answer_with(mcp, &ask->reply, "{}");
}

void resources_unsubscribe(struct mcp *mcp, const struct ask *ask)
{
    struct notices *notices = flow_notices(mcp->flow);
    struct resource resource;
    size_t at;

    if (!read_subscribed(mcp, ask, &resource)) {
        return;
    }
    at = find_subscribed(notices, &resource);
    if (at < notices->subscribed_count) {
        notices->subscribed[at] = notices->subscribed[--notices->subscribed_count];
        forget_unwanted(notices);
    }
    answer_with(mcp, &ask->reply, "{}");
}

/* --- subscriptions/listen --- */

static void listen_free(void *work)
{
    struct listen *listen = work;
    struct listen **link;

    if (listen == NULL) {
        return;
    }
    for (link = &listen->notices->listens; *link != NULL; link = &(*link)->next) {
        if (*link == listen) {
            *link = listen->next;
            listen->notices->listen_count--;
            break;
        }
    }
    forget_unwanted(listen->notices);
    free(listen->resources);
    free(listen);
}

/* The resources of ours that are asked for. False when memory is exhausted. */
static bool read_filter(struct mcp *mcp, const struct ask *ask, struct listen *listen)
{
    struct fb_text filter = {0};
    struct fb_text uris = {0};
    struct fb_json_walk walk;

    (void)fb_json_find(ask->params, "notifications", &filter);
    (void)fb_json_find(filter, "resourceSubscriptions", &uris);
    listen->resources = calloc(SUBSCRIBED_MOST, sizeof(*listen->resources));
    if (listen->resources == NULL) {
        return false;
    }
    for (walk = fb_json_walk(uris); fb_json_next(&walk) && listen->count < SUBSCRIBED_MOST;) {
        struct resource *resource = &listen->resources[listen->count];

        listen->count += read_uri(mcp, walk.value, resource) &&
                         find_resource(listen->resources, listen->count, resource) == listen->count;
    }
    return true;
}

/* What is honoured, which comes before anything else. */
static void acknowledge(struct mcp *mcp, const struct listen *listen)
{
    struct fb_buffer *out = notice_begin(mcp, "notifications/subscriptions/acknowledged");

    fb_buffer_string(out, "{\"notifications\":{");
    for (size_t i = 0; i < listen->count; i++) {
        fb_buffer_string(out, i == 0 ? "\"resourceSubscriptions\":[\"" : ",\"");
        resource_put_uri(out, &listen->resources[i]);
        fb_buffer_string(out, i + 1 == listen->count ? "\"]" : "\"");
    }
    fb_buffer_string(out, "},\"_meta\":{\"io.modelcontextprotocol/subscriptionId\":");
    fb_buffer_text(out, listen->exchange->reply.id);
    fb_buffer_string(out, "}}");
    notice_end(mcp);
}

void subscriptions_listen(struct mcp *mcp, const struct ask *ask)
{
    struct notices *notices = flow_notices(mcp->flow);
    struct exchange *exchange;
    struct listen *listen;

    if (notices->listen_count == LISTENS_MOST) {
        refuse(mcp, ask, JSONRPC_INTERNAL_ERROR, "too many subscriptions: cancel one");
        return;
    }
    exchange = exchange_open(mcp, ask, (struct fb_text){0});
    if (exchange == NULL) {
        return;
    }
    listen = calloc(1, sizeof(*listen));
    if (listen != NULL) {
        listen->exchange = exchange;
        listen->notices = notices;
        exchange->work = listen;
        exchange->work_free = listen_free;
    }
    if (listen == NULL || !read_filter(mcp, ask, listen)) {
        refuse(mcp, ask, JSONRPC_INTERNAL_ERROR, "out of memory");
        exchange_answered(exchange);
        return;
    }
    acknowledge(mcp, listen);
    listen->next = notices->listens;
    notices->listens = listen;
    notices->listen_count++;
    for (size_t i = 0; i < listen->count; i++) {
        if (!want(notices, listen->resources[i].session)) {
            refuse(mcp, ask, JSONRPC_INTERNAL_ERROR, "out of memory");
            exchange_answered(exchange);
            return;
        }
    }
}

void notices_end(struct notices *notices)
{
    struct mcp *mcp = notices->mcp;

    while (notices->listens != NULL) {
        struct exchange *exchange = notices->listens->exchange;
        struct fb_buffer *out = answer_begin(mcp, &exchange->reply);

        fb_buffer_string(out, "{\"resultType\":\"complete\",\"_meta\":{"
                              "\"io.modelcontextprotocol/subscriptionId\":");
        fb_buffer_text(out, exchange->reply.id);
        fb_buffer_string(out, ",\"io.modelcontextprotocol/serverInfo\":");
        fb_buffer_text(out, mcp->server_info);
        fb_buffer_string(out, "}}");
        answer_end(mcp, &exchange->reply);
        exchange_answered(exchange); /* takes the listen out of the list */
    }
}

/* --- life --- */

void notices_forget(struct notices *notices)
{
    notices->subscribed_count = 0;
    forget_unwanted(notices);
}

struct notices *notices_create(struct mcp *mcp)
{
    struct notices *notices = calloc(1, sizeof(*notices));

    if (notices != NULL) {
        notices->mcp = mcp;
    }
    return notices;
}

void notices_destroy(struct notices *notices)
{
    if (notices == NULL) {
        return;
    }
    notices_forget(notices);
    free(notices->subscribed);
    free(notices);
}
