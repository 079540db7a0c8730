/*
 * serve_listen: Listen, for changes of the list of tools. The other lists and resources are
 * acknowledged once they are served.
 */
#include "services/worker/mcp_service.h"

#include <stdio.h>
#include <string.h>

#include "flowbalancer/v1/mcp.pb-c.h"
#include "runtime/rpc/call.h"

/* In the arena of its call. */
struct listener {
    struct mcp_service *service;
    struct fb_call *call;
    bool wants_tools;
    bool behind;                               /* it reads too slowly: told when it has caught up */
    char version[CATALOGUE_VERSION_BYTES + 1]; /* that it was told, or had */
    struct listener *next;
};

static void tell(struct listener *l)
{
    const char *version = catalogue_version(l->service->catalogue);
    Flowbalancer__V1__ListChanged changed = FLOWBALANCER__V1__LIST_CHANGED__INIT;
    Flowbalancer__V1__ListenEvent event = FLOWBALANCER__V1__LISTEN_EVENT__INIT;

    if (!l->wants_tools || l->behind || strcmp(l->version, version) == 0) {
        return;
    }
    snprintf(l->version, sizeof(l->version), "%s", version);
    changed.kind = FLOWBALANCER__V1__LIST_KIND__LIST_KIND_TOOLS;
    changed.version = l->version;
    event.event_case = FLOWBALANCER__V1__LISTEN_EVENT__EVENT_LIST_CHANGED;
    event.list_changed = &changed;
    l->behind = !fb_call_send(l->call, &event.base);
}

void listeners_tell(struct mcp_service *service)
{
    for (struct listener *l = service->listeners; l != NULL; l = l->next) {
        tell(l);
    }
}

static void take_out(struct listener *listener)
{
    struct listener **link = &listener->service->listeners;

    while (*link != listener) {
        link = &(*link)->next;
    }
    *link = listener->next;
}

void listeners_drain(struct mcp_service *service)
{
    while (service->listeners != NULL) {
        struct listener *l = service->listeners;

        take_out(l);
        fb_call_finish(l->call, fb_fail(FB_UNAVAILABLE, "the worker is going down"));
    }
}

static void on_cancel(struct fb_call *call, void *arg)
{
    take_out(arg);
    fb_call_finish(call, fb_fail(FB_CANCELLED, "the caller cancelled"));
}

static void on_drain(struct fb_call *call, void *arg)
{
    struct listener *l = arg;

    (void)call;
    l->behind = false;
    tell(l);
}

static const struct fb_call_events listener_events = {
    .on_cancel = on_cancel,
    .on_drain = on_drain,
};

static void acknowledge(struct listener *l)
{
    Flowbalancer__V1__ListKind kinds[] = {FLOWBALANCER__V1__LIST_KIND__LIST_KIND_TOOLS};
    Flowbalancer__V1__ListenAcknowledged acknowledged = FLOWBALANCER__V1__LISTEN_ACKNOWLEDGED__INIT;
    Flowbalancer__V1__ListenEvent event = FLOWBALANCER__V1__LISTEN_EVENT__INIT;

    if (l->wants_tools) {
        acknowledged.n_lists = 1;
        acknowledged.lists = kinds;
    }
    event.event_case = FLOWBALANCER__V1__LISTEN_EVENT__EVENT_ACKNOWLEDGED;
    event.acknowledged = &acknowledged;
    l->behind = !fb_call_send(l->call, &event.base);
}

void serve_listen(struct fb_call *call, const ProtobufCMessage *message)
{
    struct mcp_service *service = fb_call_self(call);
    const Flowbalancer__V1__ListenRequest *request =
        (const Flowbalancer__V1__ListenRequest *)message;
    struct fb_status status = mcp_service_check_context(request->context);
    struct listener *l = fb_arena_zalloc(fb_call_arena(call), 1, sizeof(*l));

    if (l == NULL) {
        status = fb_fail(FB_RESOURCE_EXHAUSTED, "out of memory");
    }
    if (!fb_is_ok(status)) {
        fb_call_finish(call, status);
        return;
    }
    *l = (struct listener){.service = service, .call = call, .next = service->listeners};
    snprintf(l->version, sizeof(l->version), "%s", catalogue_version(service->catalogue));
    for (size_t i = 0; i < request->n_lists; i++) {
        if (request->lists[i]->kind == FLOWBALANCER__V1__LIST_KIND__LIST_KIND_TOOLS) {
            l->wants_tools = true;
            if (request->lists[i]->version[0] != '\0') {
                snprintf(l->version, sizeof(l->version), "%s", request->lists[i]->version);
            }
        }
    }
    service->listeners = l;
    fb_call_watch(call, &listener_events, l);
    acknowledge(l);
    tell(l);
}
