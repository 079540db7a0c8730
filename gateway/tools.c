#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "flowbalancer/v1/mcp.pb-c.h"

#include "gateway/changes.h"
#include "gateway/exchange.h"
#include "gateway/project.h"
#include "runtime/json/scan.h"
#include "runtime/log/log.h"
#include "runtime/rpc/message.h"

enum {
    NAME_BYTES = 2048,
    SERVER_BYTES = 64,
    SESSION_BYTES = 128,
    CURSOR_BYTES = 4096,
    PAGE_TOOLS = 5000,
    PAGES_MOST = 1000,    /* asked for one answer */
    PAGE_BYTES = 4 << 20, /* an answer that is as long gets no further tools */
};

static void refuse(struct mcp *mcp, const struct ask *ask, const char *why)
{
    answer_error(mcp, &ask->reply,
                 &(struct jsonrpc_error){.code = JSONRPC_INVALID_PARAMS, .message = why});
}

static ProtobufCBinaryData bytes_of(struct fb_text text)
{
    return (ProtobufCBinaryData){.len = text.size, .data = (uint8_t *)(uintptr_t)text.data};
}

static struct fb_text text_of(ProtobufCBinaryData bytes)
{
    return (struct fb_text){.data = (const char *)bytes.data, .size = bytes.len};
}

/* protobuf-c has no const; a request is only packed. */
static char *unconst(const char *string)
{
    return (char *)(uintptr_t)string;
}

/* The characters of a string value as a C string; NULL when it is none, or holds NUL. */
static const char *string_of(struct fb_text value, struct fb_arena *arena)
{
    struct fb_text text;
    bool exact;

    if (!fb_is_ok(fb_json_unescape(value, arena, &text, &exact)) || !exact ||
        (text.size > 0 && memchr(text.data, '\0', text.size) != NULL)) {
        return NULL;
    }
    return fb_arena_copy(arena, text.data, text.size);
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

/* The handle that our own tools take as an ordinary argument: their call goes where it is held. */
static const char *session_of(const char *server, struct fb_text arguments, struct fb_arena *arena)
{
    struct fb_text value;
    const char *session;

    if (strcmp(server, "flow") != 0 || !fb_json_find(arguments, "session", &value)) {
        return "";
    }
    session = string_of(value, arena);
    if (session == NULL || strlen(session) > SESSION_BYTES) {
        return "";
    }
    for (const char *c = session; *c != '\0'; c++) {
        if (*c <= ' ' || *c > '~') {
            return "";
        }
    }
    return session;
}

static struct fb_text plain(struct fb_text value, struct fb_arena *arena)
{
    struct fb_text text = {0};

    if (value.size > 0) {
        (void)fb_json_unescape(value, arena, &text, NULL);
    }
    return text;
}

static struct fb_trace_context trace_of(const struct envelope *envelope, struct fb_arena *arena)
{
    return fb_trace_join(plain(envelope->traceparent, arena), plain(envelope->tracestate, arena),
                         plain(envelope->baggage, arena), false);
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
        state = string_of(params.request_state, &mcp->scratch);
    }
    if (modern && (!is_object_or_absent(params.input_responses) || state == NULL)) {
        refuse(mcp, ask,
               "tools/call: params.inputResponses must be an object and params.requestState the "
               "string that came with input_required");
        return;
    }
    name = string_of(params.name, &mcp->scratch);
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
    context.agent = unconst(mcp->config.agent);
    context.scope = unconst(mcp->config.scope);
    context.server = unconst(server);
    context.name = unconst(name);
    context.session = unconst(session_of(server, params.arguments, &mcp->scratch));
    request.context = &context;
    request.arguments_json = bytes_of(params.arguments);
    envelope_append_rest(&meta, ask->envelope.meta);
    request.meta_json = bytes_of((struct fb_text){meta.data, meta.size});
    request.progress = ask->envelope.progress_token.size > 0;
    if (modern) {
        const char *level = ask->envelope.log_level.size > 0
                                ? string_of(ask->envelope.log_level, &mcp->scratch)
                                : NULL;

        request.client_capabilities_json = bytes_of(ask->envelope.capabilities);
        request.log_level = unconst(level != NULL ? level : "");
        request.input_responses_json = bytes_of(params.input_responses);
        request.request_state = unconst(state);
    } else {
        request.log_level = unconst(mcp->log_level);
    }
    trace = trace_of(&ask->envelope, &mcp->scratch);
    exchange_call(exchange, "/flowbalancer.v1.McpService/CallTool", &request.base, &trace,
                  &call_events);
    fb_buffer_finish(&meta);
    if (!modern) {
        changes_resume(mcp->changes);
    }
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

/* JSON of the suite stands on one line already; should it not, it must not tear ours apart. */
static struct fb_text one_line(struct fb_text json, struct fb_buffer *room)
{
    if (json.size == 0 || memchr(json.data, '\n', json.size) == NULL) {
        return json;
    }
    fb_json_append_compact(room, json);
    return (struct fb_text){.data = room->data, .size = room->size};
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
        fb_buffer_text(out, one_line(text_of(wanted->input_requests_json), &room));
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
    struct jsonrpc_error answer = failure_of_server(
        error->code, error->message, text_of(error->data_json), exchange->revision, &mcp->scratch);

    answer_error(mcp, &exchange->reply, &answer);
}

static void on_call_event(struct exchange *exchange, const Flowbalancer__V1__CallToolEvent *event)
{
    struct fb_buffer room = {0};

    switch (event->event_case) {
    case FLOWBALANCER__V1__CALL_TOOL_EVENT__EVENT_PROGRESS:
        tell_progress(exchange, one_line(text_of(event->progress->params_json), &room));
        fb_buffer_finish(&room);
        return;
    case FLOWBALANCER__V1__CALL_TOOL_EVENT__EVENT_LOG:
        tell_log(exchange, one_line(text_of(event->log->params_json), &room));
        fb_buffer_finish(&room);
        return;
    case FLOWBALANCER__V1__CALL_TOOL_EVENT__EVENT_INPUT_WANTED:
        answer_input_wanted(exchange, event->input_wanted);
        break;
    case FLOWBALANCER__V1__CALL_TOOL_EVENT__EVENT_RESULT:
        answer_result(exchange, one_line(text_of(event->result->result_json), &room));
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

/* --- tools/list --- */

/* A list that is being gathered from pages of the suite. */
struct listing {
    struct fb_buffer tools;        /* projected, with commas */
    char cursor[CURSOR_BYTES + 1]; /* of the page that is asked for */
    uint32_t page_tools;           /* most tools of it */
    unsigned pages;                /* asked for */
    bool full;                     /* the rest is for the agent's next request */
    bool last;                     /* there is no further page */
    bool answered;                 /* the present page has come */
    char version[65];
    int64_t ttl_ms;
    bool is_public;
};

static void listing_free(void *work)
{
    struct listing *listing = work;

    if (listing != NULL) {
        fb_buffer_finish(&listing->tools);
        free(listing);
    }
}

static const struct uplink_events list_events;

static void ask_page(struct exchange *exchange, const struct fb_trace_context *trace)
{
    Flowbalancer__V1__CallContext context = FLOWBALANCER__V1__CALL_CONTEXT__INIT;
    Flowbalancer__V1__ListToolsRequest request = FLOWBALANCER__V1__LIST_TOOLS_REQUEST__INIT;
    struct listing *listing = exchange->work;
    struct mcp *mcp = exchange->mcp;

    context.agent = unconst(mcp->config.agent);
    context.scope = unconst(mcp->config.scope);
    request.context = &context;
    request.cursor = listing->cursor;
    request.page_size = listing->page_tools;
    request.wait_ms = mcp->config.list_wait_ms;
    listing->answered = false;
    listing->pages++;
    exchange_call(exchange, "/flowbalancer.v1.McpService/ListTools", &request.base, trace,
                  &list_events);
}

void tools_list(struct mcp *mcp, const struct ask *ask)
{
    struct fb_text cursor = {0};
    struct fb_text value;
    struct listing *listing;
    struct exchange *exchange;
    struct fb_trace_context trace;

    if (fb_json_find(ask->params, "cursor", &value) && fb_json_kind_of(value) != FB_JSON_NULL) {
        const char *text = value.size <= CURSOR_BYTES ? string_of(value, &mcp->scratch) : NULL;

        if (text == NULL) {
            refuse(mcp, ask,
                   "tools/list: params.cursor is none that was given out; begin again "
                   "without one");
            return;
        }
        cursor = fb_text_of(text);
    }
    exchange = exchange_open(mcp, ask, (struct fb_text){0});
    if (exchange == NULL) {
        return;
    }
    listing = calloc(1, sizeof(*listing));
    if (listing == NULL) {
        answer_error(
            mcp, &ask->reply,
            &(struct jsonrpc_error){.code = JSONRPC_INTERNAL_ERROR, .message = "out of memory"});
        exchange_answered(exchange);
        return;
    }
    if (cursor.size > 0) {
        memcpy(listing->cursor, cursor.data, cursor.size);
    }
    listing->page_tools = PAGE_TOOLS;
    exchange->work = listing;
    exchange->work_free = listing_free;
    trace = trace_of(&ask->envelope, &mcp->scratch);
    ask_page(exchange, &trace);
}

static void log_pending(const Flowbalancer__V1__ListToolsResponse *page)
{
    for (size_t i = 0; i < page->n_pending_servers; i++) {
        fb_log(FB_WARN, "a server's tools are not in the list yet",
               fb_kv_str("server", page->pending_servers[i]->server),
               fb_kv_str("detail", page->pending_servers[i]->detail));
    }
}

/* Takes a page, or decides how it has to be asked for instead. */
static void take_page(struct exchange *exchange, const Flowbalancer__V1__ListToolsResponse *page)
{
    struct listing *listing = exchange->work;
    size_t most = exchange->mcp->config.line_bytes - PAGE_BYTES / 4;
    size_t bytes = 0;

    listing->answered = true;
    for (size_t i = 0; i < page->n_items_json; i++) {
        bytes += page->items_json[i].len + 64;
    }
    if (bytes + listing->tools.size > most) {
        if (listing->tools.size > 0) {
            listing->full = true; /* it begins the agent's next page */
            return;
        }
        if (page->n_items_json > 1) {
            listing->page_tools = (uint32_t)(page->n_items_json / 2);
            return;
        }
        fb_log(FB_ERROR, "a tool is too large to be listed", fb_kv_uint("bytes", bytes));
    } else {
        for (size_t i = 0; i < page->n_items_json; i++) {
            struct fb_buffer room = {0};

            fb_buffer_string(&listing->tools, listing->tools.size > 0 ? "," : "");
            project_tool(&listing->tools, one_line(text_of(page->items_json[i]), &room),
                         exchange->revision);
            fb_buffer_finish(&room);
        }
    }
    listing->last = page->next_cursor[0] == '\0';
    listing->full = listing->tools.size >= PAGE_BYTES;
    snprintf(listing->version, sizeof(listing->version), "%s", page->version);
    listing->ttl_ms = page->ttl_ms > 0 ? page->ttl_ms : 0;
    listing->is_public = page->cache_scope == FLOWBALANCER__V1__CACHE_SCOPE__CACHE_SCOPE_PUBLIC;
    if (snprintf(listing->cursor, sizeof(listing->cursor), "%s", page->next_cursor) >
        CURSOR_BYTES) {
        listing->last = true;
        fb_log(FB_ERROR, "the suite's cursor is too long; the list was cut");
    }
    log_pending(page);
}

static void answer_list(struct exchange *exchange)
{
    struct listing *listing = exchange->work;
    struct mcp *mcp = exchange->mcp;
    struct fb_buffer *out = answer_begin(mcp, &exchange->reply);

    fb_buffer_string(out,
                     exchange->revision == REVISION_MODERN ? "{\"resultType\":\"complete\"," : "{");
    fb_buffer_string(out, "\"tools\":[");
    fb_buffer_append(out, listing->tools.data, listing->tools.size);
    fb_buffer_string(out, "]");
    if (!listing->last) {
        fb_buffer_string(out, ",\"nextCursor\":");
        fb_buffer_json_string(out, fb_text_of(listing->cursor));
    }
    if (exchange->revision == REVISION_MODERN) {
        fb_buffer_printf(out, ",\"ttlMs\":%" PRId64 ",\"cacheScope\":\"%s\"", listing->ttl_ms,
                         listing->is_public ? "public" : "private");
    }
    answer_put_server_info(mcp, out, exchange->revision);
    fb_buffer_string(out, "}");
    if (!answer_end(mcp, &exchange->reply)) {
        answer_error(mcp, &exchange->reply,
                     &(struct jsonrpc_error){.code = JSONRPC_INTERNAL_ERROR,
                                             .message = "the list was too long for a line"});
    }
    if (exchange->revision != REVISION_MODERN) {
        changes_shown(mcp->changes, listing->version);
    }
}

static void on_page(void *arg, const uint8_t *data, size_t size)
{
    struct exchange *exchange = arg;
    ProtobufCMessage *message;
    struct fb_arena arena;

    fb_arena_init(&arena, 0);
    if (fb_is_ok(fb_message_unpack(&flowbalancer__v1__list_tools_response__descriptor, data, size,
                                   0, &arena, &message))) {
        take_page(exchange, (const Flowbalancer__V1__ListToolsResponse *)message);
    }
    fb_arena_finish(&arena);
}

static void on_page_end(void *arg, const struct failure *end)
{
    struct exchange *exchange = arg;
    struct listing *listing = exchange->work;
    struct mcp *mcp = exchange->mcp;

    exchange->call = NULL;
    if (!fb_is_ok(end->status) || !listing->answered) {
        struct failure failure = *end;
        struct jsonrpc_error error;

        if (fb_is_ok(end->status)) {
            failure.status = fb_fail(FB_INTERNAL, "the suite answered without a list");
        }
        error = failure_of_request(&failure, &mcp->scratch);
        answer_error(mcp, &exchange->reply, &error);
        exchange_answered(exchange);
    } else if (listing->full || listing->last || listing->pages == PAGES_MOST) {
        answer_list(exchange);
        exchange_answered(exchange);
    } else {
        ask_page(exchange, NULL);
    }
    fb_arena_reset(&mcp->scratch);
}

static const struct uplink_events list_events = {.on_message = on_page, .on_end = on_page_end};
