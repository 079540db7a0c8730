#include "gateway/mcp.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/changes.h"
#include "gateway/exchange.h"
#include "gateway/flow/flow.h"
#include "gateway/flow/notices.h"
#include "gateway/project.h"
#include "runtime/json/scan.h"
#include "runtime/log/log.h"

enum {
    BATCH_MESSAGES = 1000,
    SCRATCH_BYTES = 64 << 20,
};

/* --- what there is, and in which revisions --- */

struct method {
    const char *name;
    unsigned revisions;
    enum message_kind kind;
    method_fn *serve;
    bool (*offered)(const struct mcp *mcp); /* NULL: always */
};

/* Sorted by name. A group of methods is a file and its lines here. */
static const struct method methods[] = {
    {"initialize", IN_LEGACY, MESSAGE_REQUEST, lifecycle_initialize, NULL},
    {"logging/setLevel", IN_LEGACY, MESSAGE_REQUEST, lifecycle_set_level, NULL},
    {"notifications/cancelled", IN_ALL, MESSAGE_NOTIFICATION, lifecycle_cancelled, NULL},
    {"notifications/initialized", IN_LEGACY, MESSAGE_NOTIFICATION, lifecycle_initialized, NULL},
    {"ping", IN_LEGACY, MESSAGE_REQUEST, lifecycle_ping, NULL},
    {"resources/list", IN_ALL, MESSAGE_REQUEST, resources_list, flow_has_resources},
    {"resources/read", IN_ALL, MESSAGE_REQUEST, resources_read, flow_has_resources},
    {"resources/subscribe", IN_LEGACY, MESSAGE_REQUEST, resources_subscribe, flow_has_resources},
    {"resources/templates/list", IN_ALL, MESSAGE_REQUEST, resources_templates, flow_has_resources},
    {"resources/unsubscribe", IN_LEGACY, MESSAGE_REQUEST, resources_unsubscribe,
     flow_has_resources},
    {"server/discover", IN_MODERN, MESSAGE_REQUEST, lifecycle_discover, NULL},
    {"subscriptions/listen", IN_MODERN, MESSAGE_REQUEST, subscriptions_listen, flow_has_resources},
    {"tools/call", IN_ALL, MESSAGE_REQUEST, tools_call, NULL},
    {"tools/list", IN_ALL, MESSAGE_REQUEST, tools_list, NULL},
};

static int compare_method(const void *name, const void *method)
{
    return strcmp(name, ((const struct method *)method)->name);
}

static const struct method *find_method(const char *name)
{
    return bsearch(name, methods, sizeof(methods) / sizeof(methods[0]), sizeof(methods[0]),
                   compare_method);
}

/* --- unanswered requests --- */

static struct exchange *find_exchange(struct mcp *mcp, struct fb_text id)
{
    uint64_t hash = fb_hash(id.data, id.size);
    struct exchange *exchange = mcp->buckets[hash % EXCHANGE_BUCKETS];

    while (exchange != NULL && (exchange->hash != hash || !fb_text_equal(exchange->reply.id, id))) {
        exchange = exchange->next_of_hash;
    }
    return exchange;
}

static void forget_id(struct exchange *exchange)
{
    struct mcp *mcp = exchange->mcp;
    struct exchange **link = &mcp->buckets[exchange->hash % EXCHANGE_BUCKETS];

    while (*link != exchange) {
        link = &(*link)->next_of_hash;
    }
    *link = exchange->next_of_hash;
    mcp->unanswered--;
    mcp->unanswered_bytes -= exchange->line_bytes;
}

static struct fb_text copy_into(char **room, struct fb_text text)
{
    struct fb_text copy = {.data = *room, .size = text.size};

    if (text.size > 0) {
        memcpy(*room, text.data, text.size);
    }
    *room += text.size;
    return copy;
}

struct exchange *exchange_open(struct mcp *mcp, const struct ask *ask, struct fb_text tool)
{
    struct fb_text token = ask->envelope.progress_token;
    struct exchange *exchange;
    char *room;

    if (mcp->unanswered >= mcp->config.in_flight ||
        ask->line_bytes > mcp->config.in_flight_bytes - mcp->unanswered_bytes) {
        static const char busy[] = "too many requests at once: wait for answers, then ask again";

        if (tool.size > 0) {
            answer_tool_error(mcp, &ask->reply, ask->revision, busy);
        } else {
            answer_error(mcp, &ask->reply,
                         &(struct jsonrpc_error){.code = JSONRPC_INTERNAL_ERROR, .message = busy});
        }
        return NULL;
    }
    exchange = calloc(1, sizeof(*exchange) + ask->reply.id.size + token.size + tool.size + 1);
    if (exchange == NULL) {
        answer_error(
            mcp, &ask->reply,
            &(struct jsonrpc_error){.code = JSONRPC_INTERNAL_ERROR, .message = "out of memory"});
        return NULL;
    }
    room = exchange->copies;
    exchange->mcp = mcp;
    exchange->reply.id = copy_into(&room, ask->reply.id);
    exchange->reply.batch = ask->reply.batch;
    exchange->revision = ask->revision;
    exchange->progress_token = copy_into(&room, token);
    exchange->tool = copy_into(&room, tool).data;
    exchange->wants_log = ask->envelope.log_level.size > 0;
    exchange->line_bytes = ask->line_bytes;
    exchange->deadline_ms = ask->now_ms + mcp->config.call_timeout_ms;
    exchange->hash = fb_hash(ask->reply.id.data, ask->reply.id.size);
    exchange->next_of_hash = mcp->buckets[exchange->hash % EXCHANGE_BUCKETS];
    mcp->buckets[exchange->hash % EXCHANGE_BUCKETS] = exchange;
    exchange->next = mcp->exchanges;
    if (exchange->next != NULL) {
        exchange->next->previous = exchange;
    }
    mcp->exchanges = exchange;
    mcp->unanswered++;
    mcp->unanswered_bytes += exchange->line_bytes;
    return exchange;
}

void exchange_call(struct exchange *exchange, const char *path, const ProtobufCMessage *request,
                   const struct fb_trace_context *trace, const struct uplink_events *events)
{
    struct mcp *mcp = exchange->mcp;
    struct uplink_plan plan = {
        .path = path,
        .request = request,
        .deadline_ms = exchange->deadline_ms,
        .trace = trace,
        .repeatable = exchange->repeatable,
        .events = events,
        .arg = exchange,
    };

    exchange->call = mcp->uplink.call(mcp->uplink.self, &plan);
    if (exchange->call == NULL) {
        answer_error(
            mcp, &exchange->reply,
            &(struct jsonrpc_error){.code = JSONRPC_INTERNAL_ERROR, .message = "out of memory"});
        exchange_answered(exchange);
    }
}

static void exchange_free(struct exchange *exchange)
{
    if (exchange->previous != NULL) {
        exchange->previous->next = exchange->next;
    } else {
        exchange->mcp->exchanges = exchange->next;
    }
    if (exchange->next != NULL) {
        exchange->next->previous = exchange->previous;
    }
    if (exchange->work_free != NULL) {
        exchange->work_free(exchange->work);
    }
    free(exchange);
}

void exchange_answered(struct exchange *exchange)
{
    forget_id(exchange);
    exchange->answered = true;
    if (exchange->call == NULL) {
        exchange_free(exchange);
    }
}

void exchange_close(struct exchange *exchange)
{
    exchange->call = NULL;
    if (!exchange->answered) {
        forget_id(exchange);
    }
    exchange_free(exchange);
}

/* Without an answer. */
static void exchange_cancel(struct exchange *exchange)
{
    struct mcp *mcp = exchange->mcp;

    if (exchange->call != NULL) {
        mcp->uplink.cancel(mcp->uplink.self, exchange->call);
    }
    if (!exchange->answered && exchange->reply.batch != NULL) {
        batch_release(mcp, exchange->reply.batch);
    }
    exchange_close(exchange);
}

void lifecycle_cancelled(struct mcp *mcp, const struct ask *ask)
{
    struct exchange *exchange;
    struct fb_text id;

    if (!fb_json_find(ask->params, "requestId", &id)) {
        return;
    }
    exchange = find_exchange(mcp, id);
    if (exchange != NULL) {
        exchange_cancel(exchange);
    }
}

/* --- reading --- */

static void refuse(struct mcp *mcp, const struct reply *reply, int code, const char *why)
{
    answer_error(mcp, reply, &(struct jsonrpc_error){.code = code, .message = why});
}

static void serve(struct mcp *mcp, const struct ask *ask, enum message_kind kind, enum era_way way)
{
    const struct method *method = find_method(ask->method);

    if (kind == MESSAGE_NOTIFICATION) {
        /* Cancelling names its request, so it needs no session. */
        if (method != NULL && method->kind == kind &&
            (way == ERA_SERVE || method->serve == lifecycle_cancelled)) {
            method->serve(mcp, ask);
        }
        return;
    }
    if (method == NULL || method->kind != kind || !(method->revisions >> ask->revision & 1) ||
        (method->offered != NULL && !method->offered(mcp))) {
        refuse(mcp, &ask->reply, JSONRPC_METHOD_NOT_FOUND,
               "this method is not known, or not in this version of the protocol");
        return;
    }
    if (method->serve == lifecycle_initialize && ask->reply.batch != NULL) {
        refuse(mcp, &ask->reply, JSONRPC_INVALID_REQUEST, "initialize cannot be part of a batch");
        return;
    }
    method->serve(mcp, ask);
}

static void one_message(struct mcp *mcp, struct fb_text text, struct batch *batch, int64_t now_ms)
{
    struct message message;
    struct jsonrpc_error error;
    struct era_verdict verdict;
    struct ask ask;
    bool good = jsonrpc_read(text, &mcp->scratch, &message, &error);
    struct reply reply = {.id = message.id, .batch = batch};

    if (message.kind != MESSAGE_REQUEST && good) {
        reply.batch = NULL; /* nothing is answered */
    } else if (batch != NULL) {
        batch->unanswered++;
    }
    if (!good) {
        if (message.kind == MESSAGE_NOTIFICATION && error.code == JSONRPC_INVALID_PARAMS) {
            if (batch != NULL) {
                batch_release(mcp, batch);
            }
            return;
        }
        answer_error(mcp, &reply, &error);
        return;
    }
    if (message.kind == MESSAGE_RESPONSE) {
        fb_log(FB_DEBUG, "an answer to nothing that was asked");
        return;
    }
    ask = (struct ask){
        .reply = reply,
        .method = message.method,
        .params = message.params,
        .envelope = envelope_read(message.params),
        .line_bytes = text.size,
        .now_ms = now_ms,
    };
    verdict = era_decide(&message, &ask.envelope, mcp->session, &mcp->scratch);
    ask.revision = verdict.revision;
    if (verdict.way == ERA_REFUSE) {
        if (message.kind == MESSAGE_REQUEST) {
            answer_error(mcp, &reply, &verdict.error);
        }
        return;
    }
    if (batch != NULL && ask.envelope.version.size > 0) {
        if (message.kind == MESSAGE_REQUEST) {
            refuse(mcp, &reply, JSONRPC_INVALID_REQUEST,
                   "this version of the protocol has no batches");
        }
        return;
    }
    if (message.kind == MESSAGE_REQUEST && find_exchange(mcp, message.id) != NULL) {
        refuse(mcp, &reply, JSONRPC_INVALID_REQUEST,
               "the id is in use by a request that is not answered yet");
        return;
    }
    serve(mcp, &ask, message.kind, verdict.way);
}

static void many_messages(struct mcp *mcp, struct fb_text text, int64_t now_ms)
{
    static const struct reply nobody = {.batch = NULL};
    struct fb_json_walk walk = fb_json_walk(text);
    size_t count = 0;
    struct batch *batch;

    if (!mcp->session.open || mcp->session.revision != REVISION_2025_03_26) {
        refuse(mcp, &nobody, JSONRPC_INVALID_REQUEST,
               "an array of messages is for sessions of protocol version 2025-03-26 only");
        return;
    }
    while (fb_json_next(&walk)) {
        count++;
    }
    if (count == 0 || count > BATCH_MESSAGES) {
        refuse(mcp, &nobody, JSONRPC_INVALID_REQUEST,
               count == 0 ? "an array of messages must not be empty"
                          : "an array of messages has at most 1000");
        return;
    }
    batch = calloc(1, sizeof(*batch));
    if (batch == NULL) {
        refuse(mcp, &nobody, JSONRPC_INTERNAL_ERROR, "out of memory");
        return;
    }
    batch->reading = true;
    walk = fb_json_walk(text);
    while (fb_json_next(&walk)) {
        one_message(mcp, walk.value, batch, now_ms);
    }
    batch->reading = false;
    batch_finish(mcp, batch);
}

void mcp_line(struct mcp *mcp, struct fb_text line, int64_t now_ms)
{
    static const struct reply nobody = {.batch = NULL};
    size_t offset = 0;
    struct fb_status status = fb_json_check(line, JSONRPC_DEPTH, &offset);

    batch_free_done(mcp);
    if (!fb_is_ok(status)) {
        const char *why =
            fb_arena_printf(&mcp->scratch, "not JSON at byte %zu: %s", offset, status.why);

        refuse(mcp, &nobody, JSONRPC_PARSE_ERROR, why != NULL ? why : status.why);
    } else if (memchr(line.data, '\r', line.size) != NULL) {
        /* Between tokens only; some servers would take it for the end of a line. */
        struct fb_buffer compact = {0};

        fb_json_append_compact(&compact, line);
        if (compact.failed) {
            refuse(mcp, &nobody, JSONRPC_INTERNAL_ERROR, "out of memory");
        } else {
            mcp_line(mcp, (struct fb_text){compact.data, compact.size}, now_ms);
        }
        fb_buffer_finish(&compact);
        return;
    } else if (fb_json_kind_of(line) == FB_JSON_ARRAY) {
        many_messages(mcp, line, now_ms);
    } else {
        one_message(mcp, line, NULL, now_ms);
    }
    fb_arena_reset(&mcp->scratch);
}

static void tell_waiting(struct exchange *exchange)
{
    struct mcp *mcp = exchange->mcp;
    char params[64];

    exchange->progress += 1;
    snprintf(params, sizeof(params), "{\"progress\":%.0f,\"message\":\"waiting\"}",
             exchange->progress);
    project_progress(notice_begin(mcp, "notifications/progress"), fb_text_of(params),
                     exchange->progress_token, exchange->revision);
    notice_end(mcp);
}

void mcp_tick(struct mcp *mcp)
{
    for (struct exchange *exchange = mcp->exchanges; exchange != NULL && !mcp->held;
         exchange = exchange->next) {
        if (exchange->waits && !exchange->answered && exchange->progress_token.size > 0) {
            tell_waiting(exchange);
        }
    }
}

void mcp_line_too_long(struct mcp *mcp)
{
    static const struct reply nobody = {.batch = NULL};

    refuse(mcp, &nobody, JSONRPC_INVALID_REQUEST,
           "the line is longer than --max-line of the gateway allows and was skipped; send it in "
           "parts");
}

/* --- life --- */

struct mcp *mcp_create(const struct mcp_config *config, const struct mcp_output *output,
                       const struct uplink *uplink, const struct looker *looker)
{
    struct mcp *mcp = calloc(1, sizeof(*mcp));
    const char *info;

    if (mcp == NULL) {
        return NULL;
    }
    mcp->config = *config;
    mcp->output = *output;
    mcp->uplink = *uplink;
    mcp->looker = *looker;
    mcp->log_level = "";
    fb_arena_init(&mcp->scratch, SCRATCH_BYTES);
    info = lifecycle_server_info(config->version);
    mcp->server_info = fb_text_of(info);
    mcp->changes = changes_create(mcp);
    mcp->flow = flow_create(mcp);
    if (info == NULL || mcp->changes == NULL || mcp->flow == NULL) {
        mcp_destroy(mcp);
        return NULL;
    }
    return mcp;
}

void mcp_destroy(struct mcp *mcp)
{
    if (mcp == NULL) {
        return;
    }
    mcp_cancel_all(mcp);
    changes_destroy(mcp->changes);
    flow_destroy(mcp->flow);
    batch_free_done(mcp);
    fb_arena_finish(&mcp->scratch);
    free((void *)(uintptr_t)mcp->server_info.data);
    free(mcp);
}

size_t mcp_unanswered(const struct mcp *mcp)
{
    return mcp->unanswered;
}

void mcp_cancel_all(struct mcp *mcp)
{
    while (mcp->exchanges != NULL) {
        exchange_cancel(mcp->exchanges);
    }
    if (mcp->changes != NULL) {
        changes_stop(mcp->changes);
    }
    if (mcp->flow != NULL) {
        notices_forget(flow_notices(mcp->flow));
    }
}

void mcp_end_subscriptions(struct mcp *mcp)
{
    notices_end(flow_notices(mcp->flow));
}

void mcp_hold(struct mcp *mcp, bool on)
{
    if (mcp->held != on) {
        mcp->held = on;
        mcp->uplink.hold(mcp->uplink.self, on);
    }
}
