#ifndef FB_CLIENTS_C_FLOW_H
#define FB_CLIENTS_C_FLOW_H

/*
 * flow: sessions of tasks.
 *
 * The calls block (see client.h); each has its method beside it for use without blocking. A call of
 * one answer returns it, or NULL with the reason in `answer`. A call of a stream returns the stream;
 * `…_next` gives its answers one by one, and NULL at its end (fb_stream_answer says how it ended).
 * What may be asked, and which codes and refusals come back, is said in
 * proto/flowbalancer/v1/flow.proto.
 */

#include "clients/c/client.h"
#include "flowbalancer/v1/flow.pb-c.h"

/* For fb_client_start and for lists of methods. */
extern const struct fb_client_method fb_flow_open_session_method;
extern const struct fb_client_method fb_flow_list_sessions_method;
extern const struct fb_client_method fb_flow_merge_sessions_method;
extern const struct fb_client_method fb_flow_plan_method;
extern const struct fb_client_method fb_flow_next_method;
extern const struct fb_client_method fb_flow_pulse_method;
extern const struct fb_client_method fb_flow_finish_method;
extern const struct fb_client_method fb_flow_find_method;
extern const struct fb_client_method fb_flow_status_method;
extern const struct fb_client_method fb_flow_edit_method;
extern const struct fb_client_method fb_flow_undo_method;
extern const struct fb_client_method fb_flow_watch_method;
extern const struct fb_client_method fb_flow_forecast_method;
extern const struct fb_client_method fb_flow_verify_method;
extern const struct fb_client_method fb_flow_mute_method;
extern const struct fb_client_method fb_flow_compact_method;
extern const struct fb_client_method fb_flow_import_method;
extern const struct fb_client_method fb_flow_export_method;
extern const struct fb_client_method fb_flow_graph_method;
extern const struct fb_client_method fb_flow_snapshot_method;

const Flowbalancer__V1__OpenSessionResponse *fb_flow_open_session(
    struct fb_client *client, const Flowbalancer__V1__OpenSessionRequest *request,
    const struct fb_client_options *options, struct fb_answer *answer);

const Flowbalancer__V1__ListFlowSessionsResponse *fb_flow_list_sessions(
    struct fb_client *client, const Flowbalancer__V1__ListFlowSessionsRequest *request,
    const struct fb_client_options *options, struct fb_answer *answer);

const Flowbalancer__V1__MergeSessionsResponse *fb_flow_merge_sessions(
    struct fb_client *client, const Flowbalancer__V1__MergeSessionsRequest *request,
    const struct fb_client_options *options, struct fb_answer *answer);

const Flowbalancer__V1__PlanResponse *fb_flow_plan(struct fb_client *client,
                                                   const Flowbalancer__V1__PlanRequest *request,
                                                   const struct fb_client_options *options,
                                                   struct fb_answer *answer);

/* With `wait_ms`: give it a deadline that is later. */
struct fb_stream *fb_flow_next(struct fb_client *client,
                               const Flowbalancer__V1__NextRequest *request,
                               const struct fb_client_options *options);
const Flowbalancer__V1__NextResponse *fb_flow_next_next(struct fb_stream *stream);

const Flowbalancer__V1__PulseResponse *fb_flow_pulse(struct fb_client *client,
                                                     const Flowbalancer__V1__PulseRequest *request,
                                                     const struct fb_client_options *options,
                                                     struct fb_answer *answer);

const Flowbalancer__V1__FinishResponse *fb_flow_finish(
    struct fb_client *client, const Flowbalancer__V1__FinishRequest *request,
    const struct fb_client_options *options, struct fb_answer *answer);

struct fb_stream *fb_flow_find(struct fb_client *client,
                               const Flowbalancer__V1__FindRequest *request,
                               const struct fb_client_options *options);
const Flowbalancer__V1__FindResponse *fb_flow_find_next(struct fb_stream *stream);

const Flowbalancer__V1__StatusResponse *fb_flow_status(
    struct fb_client *client, const Flowbalancer__V1__StatusRequest *request,
    const struct fb_client_options *options, struct fb_answer *answer);

const Flowbalancer__V1__EditResponse *fb_flow_edit(struct fb_client *client,
                                                   const Flowbalancer__V1__EditRequest *request,
                                                   const struct fb_client_options *options,
                                                   struct fb_answer *answer);

const Flowbalancer__V1__UndoResponse *fb_flow_undo(struct fb_client *client,
                                                   const Flowbalancer__V1__UndoRequest *request,
                                                   const struct fb_client_options *options,
                                                   struct fb_answer *answer);

/* Runs until it is closed: give it a deadline of INT64_MAX. */
struct fb_stream *fb_flow_watch(struct fb_client *client,
                                const Flowbalancer__V1__WatchRequest *request,
                                const struct fb_client_options *options);
const Flowbalancer__V1__WatchResponse *fb_flow_watch_next(struct fb_stream *stream);

const Flowbalancer__V1__ForecastResponse *fb_flow_forecast(
    struct fb_client *client, const Flowbalancer__V1__ForecastRequest *request,
    const struct fb_client_options *options, struct fb_answer *answer);

const Flowbalancer__V1__VerifyResponse *fb_flow_verify(
    struct fb_client *client, const Flowbalancer__V1__VerifyRequest *request,
    const struct fb_client_options *options, struct fb_answer *answer);

const Flowbalancer__V1__MuteResponse *fb_flow_mute(struct fb_client *client,
                                                   const Flowbalancer__V1__MuteRequest *request,
                                                   const struct fb_client_options *options,
                                                   struct fb_answer *answer);

const Flowbalancer__V1__CompactResponse *fb_flow_compact(
    struct fb_client *client, const Flowbalancer__V1__CompactRequest *request,
    const struct fb_client_options *options, struct fb_answer *answer);

/* The requests go by fb_flow_import_send; the reply comes with fb_flow_import_finish (see fb_upload_finish). */
struct fb_upload *fb_flow_import(struct fb_client *client, const struct fb_client_options *options);
bool fb_flow_import_send(struct fb_upload *upload, const Flowbalancer__V1__ImportRequest *request);
const Flowbalancer__V1__ImportResponse *fb_flow_import_finish(struct fb_upload *upload,
                                                              struct fb_answer *answer);

struct fb_stream *fb_flow_export(struct fb_client *client,
                                 const Flowbalancer__V1__ExportRequest *request,
                                 const struct fb_client_options *options);
const Flowbalancer__V1__ExportResponse *fb_flow_export_next(struct fb_stream *stream);

const Flowbalancer__V1__GraphResponse *fb_flow_graph(struct fb_client *client,
                                                     const Flowbalancer__V1__GraphRequest *request,
                                                     const struct fb_client_options *options,
                                                     struct fb_answer *answer);

struct fb_stream *fb_flow_snapshot(struct fb_client *client,
                                   const Flowbalancer__V1__SnapshotRequest *request,
                                   const struct fb_client_options *options);
const Flowbalancer__V1__SnapshotResponse *fb_flow_snapshot_next(struct fb_stream *stream);

#endif
