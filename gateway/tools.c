#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "flowbalancer/v1/mcp.pb-c.h"

#include "gateway/changes.h"
#include "gateway/exchange.h"
#include "gateway/flow/flow.h"
#include "gateway/flow/notices.h"
#include "gateway/project.h"
#include "gateway/values.h"
#include "runtime/json/scan.h"
#include "runtime/log/log.h"
#include "runtime/rpc/message.h"

enum {
    NAME_BYTES = 2048,
    SERVER_BYTES = 64,
};

static void refuse(struct mcp *mcp, const struct ask *ask, const char *why)
{
    answer_error(mcp, &ask->reply,
                 &(struct jsonrpc_error){.code = JSONRPC_INVALID_PARAMS, .message = why});
}

/* --- tools/call: asking --- */

/* All before the first "__"; NULL when there is none. */
static const char *server_of(const char *name, struct fb_arena *arena)
{
    const char *end = strstr(name, "__");

    if (end == NULL || end == name || end - name > SERVER_BYTES) {
        return NULL;
    }
    return fb_arena_copy(arena, name, (size_t)(end - name));
}

static bool is_plain(const char *name)
{
    for (; *name != '\0'; name++) {
        if ((unsigned char)*name < ' ' || *name == 0x7f) {
            return false;
        }
    }
    return true;
}

/* What tools/call was given; JSON as it came, empty where absent. */
struct call_params {
    struct fb_text name;
    struct fb_text arguments;
    struct fb_text input_responses;
    struct fb_text request_state;
};

static struct call_params read_params(struct fb_text params)
{
    struct fb_json_walk walk = fb_json_walk(params);
    struct call_params found = {.name = {.size = 0}};

    while (fb_json_next(&walk)) {
        if (fb_json_string_is(walk.key, "name")) {
            found.name = walk.value;
        } else if (fb_json_string_is(walk.key, "arguments")) {
            found.arguments = walk.value;
        } else if (fb_json_string_is(walk.key, "inputResponses")) {
            found.input_responses = walk.value;
        } else if (fb_json_string_is(walk.key, "requestState")) {
            found.request_state = walk.value;
        }
    }
    if (fb_json_kind_of(found.arguments) == FB_JSON_NULL) {
        found.arguments = (struct fb_text){0};
    }
    return found;
}

static bool is_object_or_absent(struct fb_text value)
{
    return value.size == 0 || fb_json_kind_of(value) == FB_JSON_OBJECT;
}

static const struct uplink_events call_events;

void tools_call(struct mcp *mcp, const struct ask *ask)
{
    Flowbalancer__V1__CallContext context = FLOWBALANCER__V1__CALL_CONTEXT__INIT;
    Flowbalancer__V1__CallToolRequest request = FLOWBALANCER__V1__CALL_TOOL_REQUEST__INIT;
    struct call_params params = read_params(ask->params);
    bool modern = ask->revision == REVISION_MODERN;
    struct fb_buffer meta = {0};
    struct fb_trace_context trace;
    struct exchange *exchange;
    const char *name;
    const char *server;
    const char *state = "";

    if (fb_json_kind_of(params.name) != FB_JSON_STRING) {
        refuse(mcp, ask, "tools/call: params.name must be a string");
        return;
    }
    if (!is_object_or_absent(params.arguments)) {
        refuse(mcp, ask, "tools/call: params.arguments must be an object");
        return;
    }
    if (modern && params.request_state.size > 0) {
        state = value_string(params.request_state, &mcp->scratch);
    }
    if (modern && (!is_object_or_absent(params.input_responses) || state == NULL)) {
        refuse(mcp, ask,
               "tools/call: params.inputResponses must be an object and params.requestState the "
               "string that came with input_required");
        return;
    }
    name = value_string(params.name, &mcp->scratch);
    if (name != NULL && flow_has_tool(mcp, name)) {
        flow_call(mcp, ask, name, params.arguments);
        return;
    }
    server = name != NULL && strlen(name) <= NAME_BYTES && is_plain(name)
                 ? server_of(name, &mcp->scratch)
                 : NULL;
    if (server == NULL) {
        refuse(mcp, ask, "unknown tool: names are <server>__<tool>, as tools/list gives them");
        return;
    }
    exchange = exchange_open(mcp, ask, fb_text_of(name));
    if (exchange == NULL) {
        return;
    }
    context.agent = value_unconst(mcp->config.agent);
    context.scope = value_unconst(mcp->config.scope);
    context.server = value_unconst(server);
    context.name = value_unconst(name);
    request.context = &context;
    request.arguments_json = value_bytes(params.arguments);
    envelope_append_rest(&meta, ask->envelope.meta);
    request.meta_json = value_bytes((struct fb_text){meta.data, meta.size});
    request.progress = ask->envelope.progress_token.size > 0;
    if (modern) {
        const char *level = ask->envelope.log_level.size > 0
                                ? value_string(ask->envelope.log_level, &mcp->scratch)
                                : NULL;

        request.client_capabilities_json = value_bytes(ask->envelope.capabilities);
        request.log_level = value_unconst(level != NULL ? level : "");
        request.input_responses_json = value_bytes(params.input_responses);
        request.request_state = value_unconst(state);
    } else {
        request.log_level = value_unconst(mcp->log_level);
    }
    trace = envelope_trace(&ask->envelope, &mcp->scratch);
    exchange_call(exchange, "/flowbalancer.v1.McpService/CallTool", &request.base, &trace,
                  &call_events);
    fb_buffer_finish(&meta);
    if (!modern) {
        changes_resume(mcp->changes);
    }
    notices_resume(flow_notices(mcp->flow));
}

/* --- tools/call: answering --- */

static void tell_progress(struct exchange *exchange, struct fb_text params)
{
    struct mcp *mcp = exchange->mcp;
    struct fb_text value;
    double progress;
    char digits[64];

    if (exchange->progress_token.size == 0 || mcp->held ||
        !fb_json_find(params, "progress", &value) || fb_json_kind_of(value) != FB_JSON_NUMBER ||
        value.size >= sizeof(digits)) {
        return;
    }
    memcpy(digits, value.data, value.size);
    digits[value.size] = '\0';
    progress = strtod(digits, NULL);
    if (exchange->progressed && !(progress > exchange->progress)) {
        return;
    }
    exchange->progressed = true;
    exchange->progress = progress;
    project_progress(notice_begin(mcp, "notifications/progress"), params, exchange->progress_token,
                     exchange->revision);
    notice_end(mcp);
}

static void tell_log(struct exchange *exchange, struct fb_text params)
{
    struct mcp *mcp = exchange->mcp;
    bool wanted =
        exchange->revision == REVISION_MODERN ? exchange->wants_log : mcp->log_level[0] != '\0';

    if (wanted && !mcp->held && fb_json_kind_of(params) == FB_JSON_OBJECT) {
        fb_buffer_text(notice_begin(mcp, "notifications/message"), params);
        notice_end(mcp);
    }
}

static void answer_failure(struct exchange *exchange, const struct failure *failure)
{
    struct mcp *mcp = exchange->mcp;
    struct failure_answer answer = failure_of_call(failure, exchange->tool, &mcp->scratch);

    if (answer.error.code != 0) {
        answer_error(mcp, &exchange->reply, &answer.error);
    } else {
        answer_tool_error(mcp, &exchange->reply, exchange->revision, answer.text);
    }
}

static void answer_broken(struct exchange *exchange, const char *why)
{
    answer_failure(exchange,
                   &(struct failure){.status = fb_fail(FB_INTERNAL, why), .retry_ms = -1});
}

static void answer_result(struct exchange *exchange, struct fb_text result)
{
    struct mcp *mcp = exchange->mcp;
    const char *text;

    if (fb_json_kind_of(result) != FB_JSON_OBJECT) {
        answer_broken(exchange, "the suite answered without a result");
        return;
    }
    project_call_result(answer_begin(mcp, &exchange->reply), result, exchange->revision,
                        mcp->server_info);
    if (answer_end(mcp, &exchange->reply)) {
        return;
    }
    text = fb_arena_printf(&mcp->scratch,
                           "%s: the result has %zu bytes, and more than %zu cannot be handed on. "
                           "It did run. Ask for a part of it, or for less.",
                           exchange->tool, result.size, mcp->config.line_bytes);
    answer_tool_error(mcp, &exchange->reply, exchange->revision,
                      text != NULL ? text : "the result is too long to be handed on");
}

static void answer_input_wanted(struct exchange *exchange,
                                const Flowbalancer__V1__InputWanted *wanted)
{
    struct mcp *mcp = exchange->mcp;
    struct fb_buffer room = {0};
    struct fb_buffer *out;

    if (exchange->revision != REVISION_MODERN) {
        answer_tool_error(mcp, &exchange->reply, exchange->revision,
                          "The server wants to ask the user before it goes on, which cannot be "
                          "said in this version of the protocol.");
        return;
    }
    out = answer_begin(mcp, &exchange->reply);
    fb_buffer_string(out, "{\"resultType\":\"input_required\"");
    if (wanted->input_requests_json.len > 0) {
        fb_buffer_string(out, ",\"inputRequests\":");
        fb_buffer_text(out, value_one_line(value_text(wanted->input_requests_json), &room));
        fb_buffer_finish(&room);
    }
    if (wanted->request_state[0] != '\0') {
        fb_buffer_string(out, ",\"requestState\":");
        fb_buffer_json_string(out, fb_text_of(wanted->request_state));
    }
    answer_put_server_info(mcp, out, exchange->revision);
    fb_buffer_string(out, "}");
    if (!answer_end(mcp, &exchange->reply)) {
        answer_broken(exchange, "what the server asks is too long to be handed on");
    }
}

static void answer_server_error(struct exchange *exchange, const Flowbalancer__V1__McpError *error)
{
    struct mcp *mcp = exchange->mcp;
    struct jsonrpc_error answer =
        failure_of_server(error->code, error->message, value_text(error->data_json),
                          exchange->revision, &mcp->scratch);

    answer_error(mcp, &exchange->reply, &answer);
}

static void on_call_event(struct exchange *exchange, const Flowbalancer__V1__CallToolEvent *event)
{
    struct fb_buffer room = {0};

    switch (event->event_case) {
    case FLOWBALANCER__V1__CALL_TOOL_EVENT__EVENT_PROGRESS:
        tell_progress(exchange, value_one_line(value_text(event->progress->params_json), &room));
        fb_buffer_finish(&room);
        return;
    case FLOWBALANCER__V1__CALL_TOOL_EVENT__EVENT_LOG:
        tell_log(exchange, value_one_line(value_text(event->log->params_json), &room));
        fb_buffer_finish(&room);
        return;
    case FLOWBALANCER__V1__CALL_TOOL_EVENT__EVENT_INPUT_WANTED:
        answer_input_wanted(exchange, event->input_wanted);
        break;
    case FLOWBALANCER__V1__CALL_TOOL_EVENT__EVENT_RESULT:
        answer_result(exchange, value_one_line(value_text(event->result->result_json), &room));
        break;
    case FLOWBALANCER__V1__CALL_TOOL_EVENT__EVENT_ERROR:
        answer_server_error(exchange, event->error);
        break;
    default:
        return; /* of a later version */
    }
    fb_buffer_finish(&room);
    exchange_answered(exchange);
}

static void on_call_message(void *arg, const uint8_t *data, size_t size)
{
    struct exchange *exchange = arg;
    struct mcp *mcp = exchange->mcp;
    ProtobufCMessage *message;
    struct fb_status status;

    if (exchange->answered) {
        return;
    }
    status = fb_message_unpack(&flowbalancer__v1__call_tool_event__descriptor, data, size, 0,
                               &mcp->scratch, &message);
    if (fb_is_ok(status)) {
        on_call_event(exchange, (const Flowbalancer__V1__CallToolEvent *)message);
    } else {
        answer_broken(exchange, status.why);
        exchange_answered(exchange);
    }
    fb_arena_reset(&mcp->scratch);
}

static void on_call_end(void *arg, const struct failure *end)
{
    struct exchange *exchange = arg;
    struct mcp *mcp = exchange->mcp;

    if (!exchange->answered) {
        if (fb_is_ok(end->status)) {
            answer_broken(exchange, "the suite ended the call without an answer");
        } else {
            answer_failure(exchange, end);
        }
    }
    exchange_close(exchange);
    fb_arena_reset(&mcp->scratch);
}

static const struct uplink_events call_events = {
    .on_message = on_call_message,
    .on_end = on_call_end,
};
