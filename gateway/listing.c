#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "flowbalancer/v1/mcp.pb-c.h"

#include "gateway/changes.h"
#include "gateway/exchange.h"
#include "gateway/flow/flow.h"
#include "gateway/project.h"
#include "gateway/values.h"
#include "runtime/json/scan.h"
#include "runtime/log/log.h"
#include "runtime/rpc/message.h"

enum {
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

/* A list that is being gathered from pages of the suite. */
struct listing {
    struct fb_buffer tools;        /* projected, with commas */
    char cursor[CURSOR_BYTES + 1]; /* of the page that is asked for */
    uint32_t page_tools;           /* most tools of it */
    unsigned pages;                /* asked for */
    bool first;                    /* the agent's first page: our own tools are on it */
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

    context.agent = value_unconst(mcp->config.agent);
    context.scope = value_unconst(mcp->config.scope);
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
        const char *text = value.size <= CURSOR_BYTES ? value_string(value, &mcp->scratch) : NULL;

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
    listing->first = cursor.size == 0;
    exchange->work = listing;
    exchange->work_free = listing_free;
    trace = envelope_trace(&ask->envelope, &mcp->scratch);
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
            project_tool(&listing->tools, value_one_line(value_text(page->items_json[i]), &room),
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
    if (listing->first) {
        flow_list(mcp, out, exchange->revision);
        fb_buffer_string(out,
                         listing->tools.size > 0 && out->data[out->size - 1] == '}' ? "," : "");
    }
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
