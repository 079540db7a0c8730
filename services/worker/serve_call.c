/*
 * serve_call: CallTool. The arguments are checked once and put into the server's line as they came;
 * what it answers is handed back as it came.
 */
#include "services/worker/mcp_service.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "flowbalancer/v1/mcp.pb-c.h"
#include "runtime/base/clock.h"
#include "runtime/json/scan.h"
#include "runtime/rpc/call.h"

enum {
    JSON_MOST_BYTES = 10 << 20,
    JSON_DEPTH = WIRE_DEPTH - 2, /* it stands in `params` of a message */
    MESSAGE_MOST_BYTES = 64 * 1024,
};

/* In the arena of its call. */
struct tool_call {
    struct pool_call pooled;
    struct mcp_service *service;
    struct fb_call *call;
    const Flowbalancer__V1__CallToolRequest *request;
    struct pool_call_plan plan;
    int64_t begin_us;
    int log_level;
    bool started;           /* in the pool */
    bool behind;            /* the caller reads too slowly: progress may be left out */
    struct tool_call *next; /* of those that wait for a list, or of those that run */
    struct tool_call **link;
};

static struct fb_text text_of(ProtobufCBinaryData data)
{
    return (struct fb_text){.data = (const char *)data.data, .size = data.len};
}

/* --- lists of calls --- */

static void enter(struct tool_call **list, struct tool_call *t)
{
    t->next = *list;
    t->link = list;
    if (t->next != NULL) {
        t->next->link = &t->next;
    }
    *list = t;
}

static void leave(struct tool_call *t)
{
    if (t->link == NULL) {
        return;
    }
    *t->link = t->next;
    if (t->next != NULL) {
        t->next->link = t->link;
    }
    t->next = NULL;
    t->link = NULL;
}

/* --- the end --- */

static void finish(struct tool_call *t, struct fb_status status, const char *reason)
{
    struct mcp_service *service = t->service;

    leave(t);
    service->in_flight--;
    fb_metrics_set(service->metrics, WORKER_IN_FLIGHT, service->in_flight);
    fb_metrics_observe(service->metrics, WORKER_CALL_SECONDS, fb_clock_us() - t->begin_us);
    fb_series_add(
        fb_metrics_series(service->metrics, WORKER_CALLS, FB_LABELS(fb_code_name(status.code))), 1);
    mcp_service_reason(t->call, reason);
    fb_call_finish(t->call, status);
}

static void send_event(struct tool_call *t, const Flowbalancer__V1__CallToolEvent *event)
{
    t->behind = !fb_call_send(t->call, &event->base) || t->behind;
}

/* --- what the pool tells --- */

static void on_progress(struct pool_call *pooled, struct fb_text params)
{
    struct tool_call *t = (struct tool_call *)(void *)pooled;
    Flowbalancer__V1__Progress progress = FLOWBALANCER__V1__PROGRESS__INIT;
    Flowbalancer__V1__CallToolEvent event = FLOWBALANCER__V1__CALL_TOOL_EVENT__INIT;

    if (t->behind) {
        return;
    }
    progress.params_json =
        (ProtobufCBinaryData){.data = (uint8_t *)params.data, .len = params.size};
    event.event_case = FLOWBALANCER__V1__CALL_TOOL_EVENT__EVENT_PROGRESS;
    event.progress = &progress;
    send_event(t, &event);
}

static void on_log(struct pool_call *pooled, struct fb_text params)
{
    struct tool_call *t = (struct tool_call *)(void *)pooled;
    Flowbalancer__V1__LogMessage log = FLOWBALANCER__V1__LOG_MESSAGE__INIT;
    Flowbalancer__V1__CallToolEvent event = FLOWBALANCER__V1__CALL_TOOL_EVENT__INIT;

    if (t->behind) {
        return;
    }
    log.params_json = (ProtobufCBinaryData){.data = (uint8_t *)params.data, .len = params.size};
    event.event_case = FLOWBALANCER__V1__CALL_TOOL_EVENT__EVENT_LOG;
    event.log = &log;
    send_event(t, &event);
}

static void send_result(struct tool_call *t, const struct pool_outcome *outcome)
{
    Flowbalancer__V1__CallResult result = FLOWBALANCER__V1__CALL_RESULT__INIT;
    Flowbalancer__V1__CallToolEvent event = FLOWBALANCER__V1__CALL_TOOL_EVENT__INIT;

    result.result_json =
        (ProtobufCBinaryData){.data = (uint8_t *)outcome->body.data, .len = outcome->body.size};
    result.upstream_revision = (char *)outcome->revision;
    event.event_case = FLOWBALANCER__V1__CALL_TOOL_EVENT__EVENT_RESULT;
    event.result = &result;
    send_event(t, &event);
}

/* As a NUL-ended string of bounded length; what a string of protobuf cannot hold becomes a space. */
static char *plain_message(struct fb_arena *arena, struct fb_text message)
{
    char *copy;

    if (message.size > MESSAGE_MOST_BYTES) {
        message.size = MESSAGE_MOST_BYTES;
        message.size = fb_utf8_check(message.data, message.size);
    }
    copy = fb_arena_copy(arena, message.data, message.size);
    for (size_t i = 0; copy != NULL && i < message.size; i++) {
        if (copy[i] == '\0') {
            copy[i] = ' ';
        }
    }
    return copy;
}

static void send_error(struct tool_call *t, const struct pool_outcome *outcome)
{
    struct fb_arena *arena = fb_call_arena(t->call);
    const struct wire_error e = wire_error_of(outcome->body, arena);
    Flowbalancer__V1__McpError error = FLOWBALANCER__V1__MCP_ERROR__INIT;
    Flowbalancer__V1__CallToolEvent event = FLOWBALANCER__V1__CALL_TOOL_EVENT__INIT;
    char *message = plain_message(arena, e.message);

    error.code = e.code;
    error.message = message == NULL ? (char *)"" : message;
    error.data_json = (ProtobufCBinaryData){.data = (uint8_t *)e.data.data, .len = e.data.size};
    error.upstream_revision = (char *)outcome->revision;
    event.event_case = FLOWBALANCER__V1__CALL_TOOL_EVENT__EVENT_ERROR;
    event.error = &error;
    send_event(t, &event);
}

static void on_end(struct pool_call *pooled, const struct pool_outcome *outcome)
{
    struct tool_call *t = (struct tool_call *)(void *)pooled;

    switch (outcome->end) {
    case POOL_RESULT:
        send_result(t, outcome);
        break;
    case POOL_ERROR:
        send_error(t, outcome);
        break;
    case POOL_FAILED:
        break;
    }
    finish(t, outcome->status, outcome->reason);
}

static const struct pool_call_events pool_events = {
    .on_progress = on_progress,
    .on_log = on_log,
    .on_end = on_end,
};

/* --- finding the tool --- */

static void start(struct tool_call *t, const struct catalogue_tool *tool)
{
    const Flowbalancer__V1__CallToolRequest *request = t->request;
    struct fb_arena *arena = fb_call_arena(t->call);
    /* The catalogue may change while the call waits for its server. */
    const char *own_name = fb_arena_copy(arena, tool->own_name.data, tool->own_name.size);

    if (own_name == NULL) {
        finish(t, fb_fail(FB_RESOURCE_EXHAUSTED, "out of memory"), POOL_NOT_RUN);
        return;
    }
    t->plan = (struct pool_call_plan){
        .server = tool->server,
        .say =
            {
                .method = "tools/call",
                .name = {.data = own_name, .size = tool->own_name.size},
                .arguments = text_of(request->arguments_json),
                .meta = text_of(request->meta_json),
                .progress = request->progress,
                .log_level = t->log_level,
            },
        .repeatable = tool->repeatable,
        .has_deadline = fb_call_deadline_ms(t->call) != INT64_MAX,
        .arena = arena,
    };
    t->started = true;
    leave(t);
    enter(&t->service->running, t);
    pool_call_start(t->service->pool, &t->pooled, &t->plan, &pool_events);
}

/* The server that a name begins with; `count` when there is none. */
static size_t server_of(const struct mcp_service *service, const char *name)
{
    const struct fb_text server = exposure_server_of(fb_text_of(name));

    for (size_t i = 0; server.size != 0 && i < service->count; i++) {
        if (fb_text_is(server, service->names[i].name)) {
            return i;
        }
    }
    return service->count;
}

static struct fb_status no_such(const struct tool_call *t, const char *what)
{
    const char *name = t->request->context->name;
    const char *nearest = catalogue_nearest(t->service->catalogue, name);
    struct fb_arena *arena = fb_call_arena(t->call);

    if (nearest == NULL) {
        return fb_arena_fail(arena, FB_NOT_FOUND, "no %s for '%.128s'", what, name);
    }
    return fb_arena_fail(arena, FB_NOT_FOUND, "no %s for '%.128s'; did you mean '%s'?", what, name,
                         nearest);
}

/* Starts the call, or ends it: all is known of its server that will be. */
static void resolve(struct tool_call *t)
{
    struct mcp_service *service = t->service;
    const char *name = t->request->context->name;
    const struct catalogue_tool *tool = catalogue_find(service->catalogue, fb_text_of(name));
    const size_t server = server_of(service, name);

    if (tool != NULL) {
        start(t, tool);
    } else if (server == service->count) {
        finish(t, no_such(t, "server"), "server");
    } else if (catalogue_has(service->catalogue, server)) {
        finish(t, no_such(t, "tool"), "tool");
    } else {
        finish(t,
               fb_arena_fail(fb_call_arena(t->call), FB_FAILED_PRECONDITION,
                             "server '%s' cannot be used: %s", service->names[server].name,
                             pool_report(service->pool, server).why),
               POOL_NOT_RUN);
    }
}

void finding_look(struct mcp_service *service)
{
    struct tool_call *waiting = service->finding;

    /* Those that still have to wait enter the list again. */
    service->finding = NULL;
    if (waiting != NULL) {
        waiting->link = &waiting;
    }
    while (waiting != NULL) {
        struct tool_call *t = waiting;

        leave(t);
        enter(&service->finding, t);
        if (!mcp_service_is_coming(service, server_of(service, t->request->context->name))) {
            resolve(t);
        }
    }
}

void finding_refresh(struct mcp_service *service)
{
    for (const struct tool_call *t = service->finding; t != NULL; t = t->next) {
        const size_t server = server_of(service, t->request->context->name);

        if (!catalogue_has(service->catalogue, server)) {
            pool_refresh(service->pool, server);
        }
    }
}

void finding_drain(struct mcp_service *service)
{
    while (service->finding != NULL) {
        struct tool_call *t = service->finding;

        finish(t, fb_fail(FB_UNAVAILABLE, "the worker is going down"), POOL_NOT_RUN);
    }
}

void mcp_service_cancel(struct mcp_service *service)
{
    while (service->running != NULL) {
        struct tool_call *t = service->running;

        pool_call_cancel(&t->pooled, "the worker is drained");
        finish(t, fb_fail(FB_UNKNOWN, "the worker was drained while the call ran"),
               POOL_MAY_HAVE_RUN);
    }
}

/* --- the caller --- */

static void on_cancel(struct fb_call *call, void *arg)
{
    struct tool_call *t = arg;
    const bool late = fb_call_deadline_ms(call) <= fb_loop_now_ms(t->service->loop);

    if (t->started) {
        pool_call_cancel(&t->pooled, late ? "the deadline has passed" : "the caller cancelled");
    }
    finish(t,
           late ? fb_fail(FB_DEADLINE_EXCEEDED, "the deadline has passed")
                : fb_fail(FB_CANCELLED, "the caller cancelled"),
           "");
}

static void on_drain(struct fb_call *call, void *arg)
{
    struct tool_call *t = arg;

    (void)call;
    t->behind = false;
}

static const struct fb_call_events call_events = {.on_cancel = on_cancel, .on_drain = on_drain};

static struct fb_status check_object(struct fb_text json, struct fb_arena *arena, const char *field)
{
    struct fb_status status;
    size_t offset = 0;

    if (json.size == 0) {
        return fb_ok;
    }
    if (json.size > JSON_MOST_BYTES) {
        return fb_arena_fail(arena, FB_RESOURCE_EXHAUSTED, "%s is larger than 10 MiB", field);
    }
    status = fb_json_check(json, JSON_DEPTH, &offset);
    if (!fb_is_ok(status)) {
        return fb_arena_fail(arena, FB_INVALID_ARGUMENT, "%s: %s at byte %zu", field, status.why,
                             offset);
    }
    if (fb_json_kind_of(json) != FB_JSON_OBJECT) {
        return fb_arena_fail(arena, FB_INVALID_ARGUMENT, "%s is not a JSON object", field);
    }
    return fb_ok;
}

static struct fb_status check(const Flowbalancer__V1__CallToolRequest *request,
                              struct fb_arena *arena, int *log_level)
{
    struct fb_status status = mcp_service_check_context(request->context);

    if (!fb_is_ok(status)) {
        return status;
    }
    if (request->context->name[0] == '\0') {
        return fb_fail(FB_INVALID_ARGUMENT, "context.name is empty");
    }
    if (request->input_responses_json.len != 0 || request->request_state[0] != '\0') {
        return fb_fail(FB_UNIMPLEMENTED, "later rounds of input are not served yet");
    }
    *log_level = mcp_session_log_level(fb_text_of(request->log_level));
    if (*log_level < 0 && request->log_level[0] != '\0') {
        return fb_fail(FB_INVALID_ARGUMENT, "log_level is none of debug to emergency");
    }
    status = check_object(text_of(request->arguments_json), arena, "arguments_json");
    return fb_is_ok(status) ? check_object(text_of(request->meta_json), arena, "meta_json")
                            : status;
}

void serve_call_tool(struct fb_call *call, const ProtobufCMessage *message)
{
    struct mcp_service *service = fb_call_self(call);
    struct fb_arena *arena = fb_call_arena(call);
    struct tool_call *t = fb_arena_zalloc(arena, 1, sizeof(*t));
    struct fb_status status;
    size_t server;

    if (t == NULL) {
        fb_call_finish(call, fb_fail(FB_RESOURCE_EXHAUSTED, "out of memory"));
        return;
    }
    t->service = service;
    t->call = call;
    t->request = (const Flowbalancer__V1__CallToolRequest *)message;
    t->begin_us = fb_clock_us();
    service->in_flight++;
    status = check(t->request, arena, &t->log_level);
    if (!fb_is_ok(status)) {
        finish(t, status, POOL_NOT_RUN);
        return;
    }
    server = server_of(service, t->request->context->name);
    if (service->settled && server < service->count && !catalogue_has(service->catalogue, server)) {
        pool_refresh(service->pool, server);
    }
    fb_call_watch(call, &call_events, t);
    enter(&service->finding, t);
    if (server == service->count || !mcp_service_is_coming(service, server)) {
        resolve(t);
    }
}
