/*
 * serve_list: ListTools, from the catalogue; it waits only if asked to, and only for servers that
 * never had a list.
 */
#include "services/worker/mcp_service.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "flowbalancer/v1/mcp.pb-c.h"
#include "runtime/rpc/call.h"

enum {
    PAGE_ITEMS = 500,
    PAGE_ITEMS_MOST = 5000,
    PAGE_BYTES_MOST = 8 << 20,
    WAIT_MOST_MS = 60000,
    PATIENCE_MS = 8000, /* with a server that is being started */
    MARGIN_MS = 200,    /* before the caller's deadline: a late list is worth nothing */
    DETAIL_BYTES = 512,
    TTL_MS = 300000, /* changes are told to those who listen */
    TTL_PENDING_MS = 1000,
};

#define OWNER_OF(type, member, pointer) ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

/* In the arena of its call. */
struct list_wait {
    struct mcp_service *service;
    struct fb_call *call;
    const Flowbalancer__V1__ListToolsRequest *request;
    struct fb_timer timer;
    struct list_wait *next;
};

/* A cursor is the version of the list and the place in it. */
static bool read_cursor(const struct mcp_service *service, const char *cursor, size_t *from)
{
    uint64_t place;

    if (cursor[0] == '\0') {
        *from = 0;
        return true;
    }
    if (strlen(cursor) < CATALOGUE_VERSION_BYTES + 2 ||
        memcmp(cursor, catalogue_version(service->catalogue), CATALOGUE_VERSION_BYTES) != 0 ||
        cursor[CATALOGUE_VERSION_BYTES] != '-' ||
        !fb_text_to_u64(fb_text_of(cursor + CATALOGUE_VERSION_BYTES + 1), &place) ||
        place > SIZE_MAX) {
        return false;
    }
    *from = (size_t)place;
    return true;
}

static Flowbalancer__V1__PendingServer *pending_server(const struct mcp_service *service,
                                                       size_t server, struct fb_arena *arena)
{
    const struct pool_report report = pool_report(service->pool, server);
    Flowbalancer__V1__PendingServer *p = fb_arena_zalloc(arena, 1, sizeof(*p));
    char *detail = fb_arena_alloc(arena, DETAIL_BYTES);

    if (p == NULL || detail == NULL) {
        return NULL;
    }
    flowbalancer__v1__pending_server__init(p);
    snprintf(detail, DETAIL_BYTES, "%s", report.why);
    p->server = (char *)service->configured[server];
    p->detail = detail;
    p->retry_ms = report.retry_ms;
    if (report.why[0] == '\0') {
        p->reason = FLOWBALANCER__V1__PENDING_REASON__PENDING_REASON_STARTING;
    } else if (report.state == POOL_UNABLE || report.not_found) {
        p->reason = FLOWBALANCER__V1__PENDING_REASON__PENDING_REASON_UNREACHABLE;
    } else {
        p->reason = FLOWBALANCER__V1__PENDING_REASON__PENDING_REASON_FAILED;
    }
    return p;
}

static bool add_pending(const struct mcp_service *service, struct fb_arena *arena,
                        Flowbalancer__V1__ListToolsResponse *response)
{
    response->pending_servers =
        fb_arena_zalloc(arena, service->count + 1, sizeof(*response->pending_servers));
    if (response->pending_servers == NULL) {
        return false;
    }
    for (size_t i = 0; i < service->count; i++) {
        if (!catalogue_has(service->catalogue, i)) {
            Flowbalancer__V1__PendingServer *p = pending_server(service, i, arena);

            if (p == NULL) {
                return false;
            }
            response->pending_servers[response->n_pending_servers++] = p;
        }
    }
    return true;
}

/* The items of one page; false when memory is exhausted. */
static bool add_items(const struct mcp_service *service, size_t from, size_t most,
                      struct fb_arena *arena, Flowbalancer__V1__ListToolsResponse *response)
{
    size_t count;
    const struct catalogue_tool *const *tools = catalogue_tools(service->catalogue, &count);
    size_t bytes = 0;
    size_t at = from;

    response->items_json = fb_arena_zalloc(arena, most + 1, sizeof(*response->items_json));
    if (response->items_json == NULL) {
        return false;
    }
    while (at < count && response->n_items_json < most) {
        const struct fb_text item = tools[at]->item;

        if (response->n_items_json > 0 && bytes + item.size > PAGE_BYTES_MOST) {
            break;
        }
        response->items_json[response->n_items_json++] =
            (ProtobufCBinaryData){.data = (uint8_t *)item.data, .len = item.size};
        bytes += item.size;
        at++;
    }
    if (at < count) {
        response->next_cursor =
            fb_arena_printf(arena, "%s-%zu", catalogue_version(service->catalogue), at);
        return response->next_cursor != NULL;
    }
    return true;
}

static void answer(struct mcp_service *service, struct fb_call *call,
                   const Flowbalancer__V1__ListToolsRequest *request)
{
    Flowbalancer__V1__ListToolsResponse response = FLOWBALANCER__V1__LIST_TOOLS_RESPONSE__INIT;
    struct fb_arena *arena = fb_call_arena(call);
    const size_t most = request->page_size == 0 ? PAGE_ITEMS : request->page_size;
    bool fits = true;
    size_t from;

    if (!read_cursor(service, request->cursor, &from)) {
        fb_call_finish(call, fb_fail(FB_INVALID_ARGUMENT,
                                     "cursor is not of the present list; begin again without one"));
        return;
    }
    response.version = (char *)catalogue_version(service->catalogue);
    response.cache_scope = FLOWBALANCER__V1__CACHE_SCOPE__CACHE_SCOPE_PRIVATE;
    response.unchanged =
        request->if_version[0] != '\0' && strcmp(request->if_version, response.version) == 0;
    if (!response.unchanged) {
        fits = add_items(service, from, most, arena, &response);
    }
    if (fits && response.next_cursor[0] == '\0') {
        fits = add_pending(service, arena, &response);
    }
    if (!fits) {
        fb_call_finish(call, fb_fail(FB_RESOURCE_EXHAUSTED, "out of memory for the list"));
        return;
    }
    response.ttl_ms = response.n_pending_servers == 0 ? TTL_MS : TTL_PENDING_MS;
    fb_call_reply(call, &response.base);
}

static struct fb_status check(const Flowbalancer__V1__ListToolsRequest *request)
{
    struct fb_status status = mcp_service_check_context(request->context);

    if (!fb_is_ok(status)) {
        return status;
    }
    if (request->page_size > PAGE_ITEMS_MOST) {
        return fb_fail(FB_INVALID_ARGUMENT, "page_size is more than 5,000");
    }
    if (request->wait_ms < 0 || request->wait_ms > WAIT_MOST_MS) {
        return fb_fail(FB_INVALID_ARGUMENT, "wait_ms is not within 0 and 60,000");
    }
    if (request->if_version[0] != '\0' && request->cursor[0] != '\0') {
        return fb_fail(FB_INVALID_ARGUMENT, "if_version goes with an empty cursor only");
    }
    return fb_ok;
}

/* --- waiting --- */

/* Lists do not wait for a server that has failed before, nor for one that takes long, again and again. */
static bool is_worth_waiting(const struct mcp_service *service, size_t server)
{
    const struct pool_report report = pool_report(service->pool, server);

    return mcp_service_is_coming(service, server) && !report.broke &&
           (!service->settled || report.wanted_ms < PATIENCE_MS);
}

static bool is_any_coming(const struct mcp_service *service)
{
    for (size_t i = 0; i < service->count; i++) {
        if (is_worth_waiting(service, i)) {
            return true;
        }
    }
    return false;
}

static void take_out(struct list_wait *wait)
{
    struct list_wait **link = &wait->service->waits;

    while (*link != wait) {
        link = &(*link)->next;
    }
    *link = wait->next;
    fb_timer_clear(&wait->timer);
}

static void end_wait(struct list_wait *wait)
{
    take_out(wait);
    answer(wait->service, wait->call, wait->request);
}

static void on_timer(struct fb_timer *timer)
{
    end_wait(OWNER_OF(struct list_wait, timer, timer));
}

static void on_cancel(struct fb_call *call, void *arg)
{
    take_out(arg);
    fb_call_finish(call, fb_fail(FB_CANCELLED, "the caller cancelled"));
}

static const struct fb_call_events wait_events = {.on_cancel = on_cancel};

void list_waits_look(struct mcp_service *service)
{
    if (service->waits == NULL || is_any_coming(service)) {
        return;
    }
    while (service->waits != NULL) {
        end_wait(service->waits);
    }
}

void list_waits_drain(struct mcp_service *service)
{
    while (service->waits != NULL) {
        struct list_wait *wait = service->waits;

        take_out(wait);
        mcp_service_reason(wait->call, POOL_NOT_RUN);
        fb_call_finish(wait->call, fb_fail(FB_UNAVAILABLE, "the worker is going down"));
    }
}

void serve_list_tools(struct fb_call *call, const ProtobufCMessage *message)
{
    struct mcp_service *service = fb_call_self(call);
    const Flowbalancer__V1__ListToolsRequest *request =
        (const Flowbalancer__V1__ListToolsRequest *)message;
    const int64_t now_ms = fb_loop_now_ms(service->loop);
    const int64_t deadline_ms = fb_call_deadline_ms(call);
    struct fb_status status = check(request);
    struct list_wait *wait;
    int64_t until_ms = now_ms + request->wait_ms;

    if (!fb_is_ok(status)) {
        fb_call_finish(call, status);
        return;
    }
    service->asked = true;
    mcp_service_fill(service);
    pool_refresh_stale(service->pool); /* told to listeners if it brings something new */
    if (deadline_ms != INT64_MAX && until_ms > deadline_ms - MARGIN_MS) {
        until_ms = deadline_ms - MARGIN_MS;
    }
    if (until_ms <= now_ms || request->cursor[0] != '\0' || !is_any_coming(service)) {
        answer(service, call, request);
        return;
    }
    wait = fb_arena_zalloc(fb_call_arena(call), 1, sizeof(*wait));
    if (wait == NULL) {
        fb_call_finish(call, fb_fail(FB_RESOURCE_EXHAUSTED, "out of memory"));
        return;
    }
    *wait = (struct list_wait){
        .service = service,
        .call = call,
        .request = request,
        .next = service->waits,
    };
    service->waits = wait;
    fb_timer_set(service->loop, &wait->timer, until_ms, on_timer);
    fb_call_watch(call, &wait_events, wait);
}
