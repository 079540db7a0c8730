#include "services/worker/flow_service/flow_service.h"

#include "flowbalancer/v1/flow.pb-c.h"
#include "services/worker/flow_service/serve.h"
#include "services/worker/flow_service/watch.h"

static const struct fb_method flow_methods[] = {
    {"Compact", FB_UNARY, serve_compact, .raw = false},
    {"Edit", FB_UNARY, serve_edit, .raw = false},
    {"Export", FB_SERVER_STREAM, serve_export, .raw = false},
    {"Find", FB_SERVER_STREAM, serve_find, .raw = false},
    {"Finish", FB_UNARY, serve_finish, .raw = false},
    {"Forecast", FB_UNARY, serve_forecast, .raw = false},
    {"Graph", FB_UNARY, serve_graph, .raw = false},
    {"Import", FB_CLIENT_STREAM, serve_import, .raw = false},
    {"ListSessions", FB_UNARY, serve_list_sessions, .raw = false},
    {"MergeSessions", FB_UNARY, serve_merge_sessions, .raw = false},
    {"Mute", FB_UNARY, serve_mute, .raw = false},
    {"Next", FB_SERVER_STREAM, serve_next, .raw = false},
    {"OpenSession", FB_UNARY, serve_open_session, .raw = false},
    {"Plan", FB_UNARY, serve_plan, .raw = false},
    {"Pulse", FB_UNARY, serve_pulse, .raw = false},
    {"Snapshot", FB_SERVER_STREAM, serve_snapshot, .raw = false},
    {"Status", FB_UNARY, serve_status, .raw = false},
    {"Undo", FB_UNARY, serve_undo, .raw = false},
    {"Verify", FB_UNARY, serve_verify, .raw = false},
    {"Watch", FB_SERVER_STREAM, serve_watch, .raw = false},
};

const struct fb_rpc_service flow_service_rpc = {
    .descriptor = &flowbalancer__v1__flow_service__descriptor,
    .methods = flow_methods,
    .method_count = sizeof(flow_methods) / sizeof(flow_methods[0]),
};

const struct session *flow_service_held(void *self, const char *store_id)
{
    return keeper_peek(self, store_id);
}

void flow_service_drain(struct flow_service *service)
{
    service->draining = true;
    watches_drain(service);
}

void flow_service_finish(struct flow_service *service)
{
    turns_finish(&service->turns);
}
