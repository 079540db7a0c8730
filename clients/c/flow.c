#include "clients/c/flow.h"

const struct fb_client_method fb_flow_open_session_method = {
    .path = "/flowbalancer.v1.FlowService/OpenSession",
    .request = &flowbalancer__v1__open_session_request__descriptor,
    .reply = &flowbalancer__v1__open_session_response__descriptor,
};

const struct fb_client_method fb_flow_list_sessions_method = {
    .path = "/flowbalancer.v1.FlowService/ListSessions",
    .request = &flowbalancer__v1__list_flow_sessions_request__descriptor,
    .reply = &flowbalancer__v1__list_flow_sessions_response__descriptor,
};

const struct fb_client_method fb_flow_merge_sessions_method = {
    .path = "/flowbalancer.v1.FlowService/MergeSessions",
    .request = &flowbalancer__v1__merge_sessions_request__descriptor,
    .reply = &flowbalancer__v1__merge_sessions_response__descriptor,
};

const struct fb_client_method fb_flow_plan_method = {
    .path = "/flowbalancer.v1.FlowService/Plan",
    .request = &flowbalancer__v1__plan_request__descriptor,
    .reply = &flowbalancer__v1__plan_response__descriptor,
};

const struct fb_client_method fb_flow_next_method = {
    .path = "/flowbalancer.v1.FlowService/Next",
    .request = &flowbalancer__v1__next_request__descriptor,
    .reply = &flowbalancer__v1__next_response__descriptor,
    .streams = true,
};

const struct fb_client_method fb_flow_pulse_method = {
    .path = "/flowbalancer.v1.FlowService/Pulse",
    .request = &flowbalancer__v1__pulse_request__descriptor,
    .reply = &flowbalancer__v1__pulse_response__descriptor,
};

const struct fb_client_method fb_flow_finish_method = {
    .path = "/flowbalancer.v1.FlowService/Finish",
    .request = &flowbalancer__v1__finish_request__descriptor,
    .reply = &flowbalancer__v1__finish_response__descriptor,
};

const struct fb_client_method fb_flow_find_method = {
    .path = "/flowbalancer.v1.FlowService/Find",
    .request = &flowbalancer__v1__find_request__descriptor,
    .reply = &flowbalancer__v1__find_response__descriptor,
    .streams = true,
};

const struct fb_client_method fb_flow_status_method = {
    .path = "/flowbalancer.v1.FlowService/Status",
    .request = &flowbalancer__v1__status_request__descriptor,
    .reply = &flowbalancer__v1__status_response__descriptor,
};

const struct fb_client_method fb_flow_edit_method = {
    .path = "/flowbalancer.v1.FlowService/Edit",
    .request = &flowbalancer__v1__edit_request__descriptor,
    .reply = &flowbalancer__v1__edit_response__descriptor,
};

const struct fb_client_method fb_flow_undo_method = {
    .path = "/flowbalancer.v1.FlowService/Undo",
    .request = &flowbalancer__v1__undo_request__descriptor,
    .reply = &flowbalancer__v1__undo_response__descriptor,
};

const struct fb_client_method fb_flow_watch_method = {
    .path = "/flowbalancer.v1.FlowService/Watch",
    .request = &flowbalancer__v1__watch_request__descriptor,
    .reply = &flowbalancer__v1__watch_response__descriptor,
    .streams = true,
};

const struct fb_client_method fb_flow_forecast_method = {
    .path = "/flowbalancer.v1.FlowService/Forecast",
    .request = &flowbalancer__v1__forecast_request__descriptor,
    .reply = &flowbalancer__v1__forecast_response__descriptor,
};

const struct fb_client_method fb_flow_verify_method = {
    .path = "/flowbalancer.v1.FlowService/Verify",
    .request = &flowbalancer__v1__verify_request__descriptor,
    .reply = &flowbalancer__v1__verify_response__descriptor,
};

const struct fb_client_method fb_flow_mute_method = {
    .path = "/flowbalancer.v1.FlowService/Mute",
    .request = &flowbalancer__v1__mute_request__descriptor,
    .reply = &flowbalancer__v1__mute_response__descriptor,
};

const struct fb_client_method fb_flow_compact_method = {
    .path = "/flowbalancer.v1.FlowService/Compact",
    .request = &flowbalancer__v1__compact_request__descriptor,
    .reply = &flowbalancer__v1__compact_response__descriptor,
};

const struct fb_client_method fb_flow_import_method = {
    .path = "/flowbalancer.v1.FlowService/Import",
    .request = &flowbalancer__v1__import_request__descriptor,
    .reply = &flowbalancer__v1__import_response__descriptor,
    .uploads = true,
};

const struct fb_client_method fb_flow_export_method = {
    .path = "/flowbalancer.v1.FlowService/Export",
    .request = &flowbalancer__v1__export_request__descriptor,
    .reply = &flowbalancer__v1__export_response__descriptor,
    .streams = true,
};

const struct fb_client_method fb_flow_graph_method = {
    .path = "/flowbalancer.v1.FlowService/Graph",
    .request = &flowbalancer__v1__graph_request__descriptor,
    .reply = &flowbalancer__v1__graph_response__descriptor,
};

const struct fb_client_method fb_flow_snapshot_method = {
    .path = "/flowbalancer.v1.FlowService/Snapshot",
    .request = &flowbalancer__v1__snapshot_request__descriptor,
    .reply = &flowbalancer__v1__snapshot_response__descriptor,
    .streams = true,
};

const Flowbalancer__V1__OpenSessionResponse *fb_flow_open_session(
    struct fb_client *client, const Flowbalancer__V1__OpenSessionRequest *request,
    const struct fb_client_options *options, struct fb_answer *answer)
{
    return (const Flowbalancer__V1__OpenSessionResponse *)(const void *)fb_client_ask(
        client, &fb_flow_open_session_method, &request->base, options, answer);
}

const Flowbalancer__V1__ListFlowSessionsResponse *fb_flow_list_sessions(
    struct fb_client *client, const Flowbalancer__V1__ListFlowSessionsRequest *request,
    const struct fb_client_options *options, struct fb_answer *answer)
{
    return (const Flowbalancer__V1__ListFlowSessionsResponse *)(const void *)fb_client_ask(
        client, &fb_flow_list_sessions_method, &request->base, options, answer);
}

const Flowbalancer__V1__MergeSessionsResponse *fb_flow_merge_sessions(
    struct fb_client *client, const Flowbalancer__V1__MergeSessionsRequest *request,
    const struct fb_client_options *options, struct fb_answer *answer)
{
    return (const Flowbalancer__V1__MergeSessionsResponse *)(const void *)fb_client_ask(
        client, &fb_flow_merge_sessions_method, &request->base, options, answer);
}

const Flowbalancer__V1__PlanResponse *fb_flow_plan(struct fb_client *client,
                                                   const Flowbalancer__V1__PlanRequest *request,
                                                   const struct fb_client_options *options,
                                                   struct fb_answer *answer)
{
    return (const Flowbalancer__V1__PlanResponse *)(const void *)fb_client_ask(
        client, &fb_flow_plan_method, &request->base, options, answer);
}

struct fb_stream *fb_flow_next(struct fb_client *client,
                               const Flowbalancer__V1__NextRequest *request,
                               const struct fb_client_options *options)
{
    return fb_stream_open(client, &fb_flow_next_method, &request->base, options);
}

const Flowbalancer__V1__NextResponse *fb_flow_next_next(struct fb_stream *stream)
{
    return (const Flowbalancer__V1__NextResponse *)(const void *)fb_stream_next(stream);
}

const Flowbalancer__V1__PulseResponse *fb_flow_pulse(struct fb_client *client,
                                                     const Flowbalancer__V1__PulseRequest *request,
                                                     const struct fb_client_options *options,
                                                     struct fb_answer *answer)
{
    return (const Flowbalancer__V1__PulseResponse *)(const void *)fb_client_ask(
        client, &fb_flow_pulse_method, &request->base, options, answer);
}

const Flowbalancer__V1__FinishResponse *fb_flow_finish(
    struct fb_client *client, const Flowbalancer__V1__FinishRequest *request,
    const struct fb_client_options *options, struct fb_answer *answer)
{
    return (const Flowbalancer__V1__FinishResponse *)(const void *)fb_client_ask(
        client, &fb_flow_finish_method, &request->base, options, answer);
}

struct fb_stream *fb_flow_find(struct fb_client *client,
                               const Flowbalancer__V1__FindRequest *request,
                               const struct fb_client_options *options)
{
    return fb_stream_open(client, &fb_flow_find_method, &request->base, options);
}

const Flowbalancer__V1__FindResponse *fb_flow_find_next(struct fb_stream *stream)
{
    return (const Flowbalancer__V1__FindResponse *)(const void *)fb_stream_next(stream);
}

const Flowbalancer__V1__StatusResponse *fb_flow_status(
    struct fb_client *client, const Flowbalancer__V1__StatusRequest *request,
    const struct fb_client_options *options, struct fb_answer *answer)
{
    return (const Flowbalancer__V1__StatusResponse *)(const void *)fb_client_ask(
        client, &fb_flow_status_method, &request->base, options, answer);
}

const Flowbalancer__V1__EditResponse *fb_flow_edit(struct fb_client *client,
                                                   const Flowbalancer__V1__EditRequest *request,
                                                   const struct fb_client_options *options,
                                                   struct fb_answer *answer)
{
    return (const Flowbalancer__V1__EditResponse *)(const void *)fb_client_ask(
        client, &fb_flow_edit_method, &request->base, options, answer);
}

const Flowbalancer__V1__UndoResponse *fb_flow_undo(struct fb_client *client,
                                                   const Flowbalancer__V1__UndoRequest *request,
                                                   const struct fb_client_options *options,
                                                   struct fb_answer *answer)
{
    return (const Flowbalancer__V1__UndoResponse *)(const void *)fb_client_ask(
        client, &fb_flow_undo_method, &request->base, options, answer);
}

struct fb_stream *fb_flow_watch(struct fb_client *client,
                                const Flowbalancer__V1__WatchRequest *request,
                                const struct fb_client_options *options)
{
    return fb_stream_open(client, &fb_flow_watch_method, &request->base, options);
}

const Flowbalancer__V1__WatchResponse *fb_flow_watch_next(struct fb_stream *stream)
{
    return (const Flowbalancer__V1__WatchResponse *)(const void *)fb_stream_next(stream);
}

const Flowbalancer__V1__ForecastResponse *fb_flow_forecast(
    struct fb_client *client, const Flowbalancer__V1__ForecastRequest *request,
    const struct fb_client_options *options, struct fb_answer *answer)
{
    return (const Flowbalancer__V1__ForecastResponse *)(const void *)fb_client_ask(
        client, &fb_flow_forecast_method, &request->base, options, answer);
}

const Flowbalancer__V1__VerifyResponse *fb_flow_verify(
    struct fb_client *client, const Flowbalancer__V1__VerifyRequest *request,
    const struct fb_client_options *options, struct fb_answer *answer)
{
    return (const Flowbalancer__V1__VerifyResponse *)(const void *)fb_client_ask(
        client, &fb_flow_verify_method, &request->base, options, answer);
}

const Flowbalancer__V1__MuteResponse *fb_flow_mute(struct fb_client *client,
                                                   const Flowbalancer__V1__MuteRequest *request,
                                                   const struct fb_client_options *options,
                                                   struct fb_answer *answer)
{
    return (const Flowbalancer__V1__MuteResponse *)(const void *)fb_client_ask(
        client, &fb_flow_mute_method, &request->base, options, answer);
}

const Flowbalancer__V1__CompactResponse *fb_flow_compact(
    struct fb_client *client, const Flowbalancer__V1__CompactRequest *request,
    const struct fb_client_options *options, struct fb_answer *answer)
{
    return (const Flowbalancer__V1__CompactResponse *)(const void *)fb_client_ask(
        client, &fb_flow_compact_method, &request->base, options, answer);
}

struct fb_upload *fb_flow_import(struct fb_client *client, const struct fb_client_options *options)
{
    return fb_upload_open(client, &fb_flow_import_method, options);
}

bool fb_flow_import_send(struct fb_upload *upload, const Flowbalancer__V1__ImportRequest *request)
{
    return fb_upload_send(upload, &request->base);
}

const Flowbalancer__V1__ImportResponse *fb_flow_import_finish(struct fb_upload *upload,
                                                              struct fb_answer *answer)
{
    return (const Flowbalancer__V1__ImportResponse *)(const void *)fb_upload_finish(upload, answer);
}

struct fb_stream *fb_flow_export(struct fb_client *client,
                                 const Flowbalancer__V1__ExportRequest *request,
                                 const struct fb_client_options *options)
{
    return fb_stream_open(client, &fb_flow_export_method, &request->base, options);
}

const Flowbalancer__V1__ExportResponse *fb_flow_export_next(struct fb_stream *stream)
{
    return (const Flowbalancer__V1__ExportResponse *)(const void *)fb_stream_next(stream);
}

const Flowbalancer__V1__GraphResponse *fb_flow_graph(struct fb_client *client,
                                                     const Flowbalancer__V1__GraphRequest *request,
                                                     const struct fb_client_options *options,
                                                     struct fb_answer *answer)
{
    return (const Flowbalancer__V1__GraphResponse *)(const void *)fb_client_ask(
        client, &fb_flow_graph_method, &request->base, options, answer);
}

struct fb_stream *fb_flow_snapshot(struct fb_client *client,
                                   const Flowbalancer__V1__SnapshotRequest *request,
                                   const struct fb_client_options *options)
{
    return fb_stream_open(client, &fb_flow_snapshot_method, &request->base, options);
}

const Flowbalancer__V1__SnapshotResponse *fb_flow_snapshot_next(struct fb_stream *stream)
{
    return (const Flowbalancer__V1__SnapshotResponse *)(const void *)fb_stream_next(stream);
}
