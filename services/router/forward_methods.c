/*
 * forward_methods: which methods are forwarded, what each allows, and how a call begins.
 */
#include "flowbalancer/v1/flow.pb-c.h"
#include "flowbalancer/v1/mcp.pb-c.h"
#include "runtime/base/clock.h"
#include "services/router/forward.h"

enum { RETRY_TOKENS_MOST = 100, MCP_METHODS = 9, FLOW_METHODS = ROUTER_METHODS - MCP_METHODS };

/* Of NextRequest and StatusRequest: wait_ms. */
enum { NEXT_WAIT_FIELD = 6, STATUS_WAIT_FIELD = 4 };

static const double RETRY_TOKENS_PER_CALL = 0.2;

static fb_handler_fn mcp_effect;
static fb_handler_fn mcp_read;
static fb_handler_fn mcp_standing;
static fb_handler_fn flow_mutation;
static fb_handler_fn flow_read;
static fb_handler_fn flow_standing;
static fb_handler_fn flow_next;
static fb_handler_fn flow_status;
static fb_handler_fn flow_upload;

/* One table, so that a method has one place; each service has a run of it, sorted. */
static const struct fb_method methods[] = {
    {"CallTool", FB_SERVER_STREAM, mcp_effect, .raw = true},
    {"Complete", FB_UNARY, mcp_read, .raw = true},
    {"GetPrompt", FB_SERVER_STREAM, mcp_read, .raw = true},
    {"ListPrompts", FB_UNARY, mcp_read, .raw = true},
    {"ListResourceTemplates", FB_UNARY, mcp_read, .raw = true},
    {"ListResources", FB_UNARY, mcp_read, .raw = true},
    {"ListTools", FB_UNARY, mcp_read, .raw = true},
    {"Listen", FB_SERVER_STREAM, mcp_standing, .raw = true},
    {"ReadResource", FB_SERVER_STREAM, mcp_read, .raw = true},

    {"Compact", FB_UNARY, flow_mutation, .raw = true},
    {"Edit", FB_UNARY, flow_mutation, .raw = true},
    {"Export", FB_SERVER_STREAM, flow_read, .raw = true},
    {"Find", FB_SERVER_STREAM, flow_read, .raw = true},
    {"Finish", FB_UNARY, flow_mutation, .raw = true},
    {"Forecast", FB_UNARY, flow_read, .raw = true},
    {"Graph", FB_UNARY, flow_read, .raw = true},
    {"Import", FB_CLIENT_STREAM, flow_upload, .raw = true},
    {"ListSessions", FB_UNARY, flow_read, .raw = true},
    {"MergeSessions", FB_UNARY, flow_mutation, .raw = true},
    {"Mute", FB_UNARY, flow_mutation, .raw = true},
    {"Next", FB_SERVER_STREAM, flow_next, .raw = true},
    {"OpenSession", FB_UNARY, flow_mutation, .raw = true},
    {"Plan", FB_UNARY, flow_mutation, .raw = true},
    {"Pulse", FB_UNARY, flow_mutation, .raw = true},
    {"Snapshot", FB_SERVER_STREAM, flow_read, .raw = true},
    {"Status", FB_UNARY, flow_status, .raw = true},
    {"Undo", FB_UNARY, flow_mutation, .raw = true},
    {"Verify", FB_UNARY, flow_mutation, .raw = true},
    {"Watch", FB_SERVER_STREAM, flow_standing, .raw = true},
};
_Static_assert(sizeof(methods) / sizeof(methods[0]) == ROUTER_METHODS, "");

size_t forward_method_place(const struct fb_call *call)
{
    return (size_t)(fb_call_method(call) - methods);
}

/* --- the beginning --- */

static struct forward *create(struct fb_call *call, const struct forward_rule *rule)
{
    struct router *router = fb_call_self(call);
    struct forward *forward = fb_arena_zalloc(fb_call_arena(call), 1, sizeof(*forward));

    if (forward == NULL) {
        fb_call_finish(call, fb_fail(FB_RESOURCE_EXHAUSTED, "no memory for another call"));
        return NULL;
    }
    forward->router = router;
    forward->call = call;
    forward->rule = *rule;
    forward->said_end = &forward->said;
    forward->began_us = fb_clock_us();
    router->in_flight++;
    if (router->retry_tokens < RETRY_TOKENS_MOST) {
        router->retry_tokens += RETRY_TOKENS_PER_CALL;
    }
    fb_call_watch(call, &forward_call_events, forward);
    return forward;
}

/* What the first message says of where it belongs, and what may be done with it. */
static struct fb_status read_first(struct forward *forward, const uint8_t *data, size_t size)
{
    struct fb_arena *arena = fb_call_arena(forward->call);
    struct fb_status status = context_peek(data, size, arena, &forward->context);

    if (!fb_is_ok(status)) {
        return status;
    }
    forward->session_key = context_session_key(&forward->context, arena);
    /* Outside any session nobody else knows what became of the request id. */
    if (forward->rule.repeats_with_request_id && forward->context.session.size > 0 &&
        context_has_request_id(data, size)) {
        forward->rule.repeats = true;
    }
    if (forward->rule.wait_field != 0 &&
        context_peek_number(data, size, forward->rule.wait_field) > 0) {
        forward->rule.stands = true;
    }
    return fb_ok;
}

static struct fb_status keep(struct forward *forward, struct fb_text bytes)
{
    struct forward_message *said = fb_arena_zalloc(fb_call_arena(forward->call), 1, sizeof(*said));

    if (said == NULL || bytes.data == NULL) {
        return fb_fail(FB_RESOURCE_EXHAUSTED, "no memory for what was sent");
    }
    said->bytes = bytes;
    *forward->said_end = said;
    forward->said_end = &said->next;
    forward->said_bytes += bytes.size;
    return fb_ok;
}

struct fb_status forward_say(struct forward *forward, const uint8_t *data, size_t size)
{
    const bool first = forward->said == NULL;
    struct fb_text kept = {.size = size};
    struct fb_status status;

    if (!first && forward->said_bytes + size > FORWARD_KEPT_BYTES) {
        forward->said_more = true;
        return fb_ok;
    }
    kept.data = fb_arena_copy(fb_call_arena(forward->call), data, size);
    status = keep(forward, kept);
    return fb_is_ok(status) && first ? read_first(forward, (const uint8_t *)kept.data, kept.size)
                                     : status;
}

static void begin(struct fb_call *call, const struct forward_rule *rule)
{
    struct forward *forward = create(call, rule);
    const struct fb_text request = fb_call_request_bytes(call);
    struct fb_status status;

    if (forward == NULL) {
        return;
    }
    forward->said_all = true;
    status = read_first(forward, (const uint8_t *)request.data, request.size);
    if (fb_is_ok(status)) {
        status = keep(forward, request.data == NULL ? FB_TEXT("") : request);
    }
    if (!fb_is_ok(status)) {
        forward_finish(forward, status);
        return;
    }
    forward_run(forward, FORWARD_PICK);
}

static void mcp_effect(struct fb_call *call, const ProtobufCMessage *request)
{
    const struct forward_rule rule = {.repeats = false};

    (void)request;
    begin(call, &rule);
}

static void mcp_read(struct fb_call *call, const ProtobufCMessage *request)
{
    const struct forward_rule rule = {.repeats = true};

    (void)request;
    begin(call, &rule);
}

/* A subscription belongs to the worker it was made with. */
static void mcp_standing(struct fb_call *call, const ProtobufCMessage *request)
{
    const struct forward_rule rule = {.stands = true, .repeats = false, .once = true};

    (void)request;
    begin(call, &rule);
}

static void flow_mutation(struct fb_call *call, const ProtobufCMessage *request)
{
    const struct forward_rule rule = {.repeats_with_request_id = true, .hot = true};

    (void)request;
    begin(call, &rule);
}

static void flow_read(struct fb_call *call, const ProtobufCMessage *request)
{
    const struct forward_rule rule = {.repeats = true, .hot = true};

    (void)request;
    begin(call, &rule);
}

static void flow_standing(struct fb_call *call, const ProtobufCMessage *request)
{
    const struct forward_rule rule = {.repeats = true, .stands = true, .hot = true};

    (void)request;
    begin(call, &rule);
}

static void flow_next(struct fb_call *call, const ProtobufCMessage *request)
{
    const struct forward_rule rule = {
        .repeats_with_request_id = true,
        .wait_field = NEXT_WAIT_FIELD,
        .hot = true,
    };

    (void)request;
    begin(call, &rule);
}

static void flow_status(struct fb_call *call, const ProtobufCMessage *request)
{
    const struct forward_rule rule = {
        .repeats = true,
        .wait_field = STATUS_WAIT_FIELD,
        .hot = true,
    };

    (void)request;
    begin(call, &rule);
}

/* It is placed when its first message has come. */
static void flow_upload(struct fb_call *call, const ProtobufCMessage *request)
{
    const struct forward_rule rule = {.hot = true};

    (void)request;
    create(call, &rule);
}

const struct fb_rpc_service forward_mcp_service = {
    .descriptor = &flowbalancer__v1__mcp_service__descriptor,
    .methods = methods,
    .method_count = MCP_METHODS,
};

const struct fb_rpc_service forward_flow_service = {
    .descriptor = &flowbalancer__v1__flow_service__descriptor,
    .methods = methods + MCP_METHODS,
    .method_count = FLOW_METHODS,
};
