#ifndef FB_CLIENTS_C_SESSION_STORE_H
#define FB_CLIENTS_C_SESSION_STORE_H

/*
 * session_store: sessions, catalogue, cached results and blobs, and the care of the store.
 *
 * The calls block (see client.h); each has its method beside it for use without blocking. A call of
 * one answer returns it, or NULL with the reason in `answer`. A call of a stream returns the stream;
 * `…_next` gives its answers one by one, and NULL at its end (fb_stream_answer says how it ended).
 * What may be asked, and which codes come back, is said in proto/flowbalancer/v1/session_store.proto.
 */

#include "clients/c/client.h"
#include "flowbalancer/v1/session_store.pb-c.h"

/* For fb_client_start and for lists of methods. */
extern const struct fb_client_method fb_session_store_acquire_session_method;
extern const struct fb_client_method fb_session_store_renew_sessions_method;
extern const struct fb_client_method fb_session_store_release_session_method;
extern const struct fb_client_method fb_session_store_append_events_method;
extern const struct fb_client_method fb_session_store_put_projection_method;
extern const struct fb_client_method fb_session_store_load_session_method;
extern const struct fb_client_method fb_session_store_put_snapshot_method;
extern const struct fb_client_method fb_session_store_watch_session_method;
extern const struct fb_client_method fb_session_store_list_sessions_method;
extern const struct fb_client_method fb_session_store_search_tasks_method;
extern const struct fb_client_method fb_session_store_delete_session_method;
extern const struct fb_client_method fb_session_store_put_blob_method;
extern const struct fb_client_method fb_session_store_get_blob_method;
extern const struct fb_client_method fb_session_store_put_catalogue_entry_method;
extern const struct fb_client_method fb_session_store_get_catalogue_method;
extern const struct fb_client_method fb_session_store_watch_catalogue_method;
extern const struct fb_client_method fb_session_store_put_result_method;
extern const struct fb_client_method fb_session_store_get_result_method;
extern const struct fb_client_method fb_session_store_backup_method;
extern const struct fb_client_method fb_session_store_check_method;

const Flowbalancer__V1__AcquireSessionResponse *fb_session_store_acquire_session(
    struct fb_client *client, const Flowbalancer__V1__AcquireSessionRequest *request,
    const struct fb_client_options *options, struct fb_answer *answer);

const Flowbalancer__V1__RenewSessionsResponse *fb_session_store_renew_sessions(
    struct fb_client *client, const Flowbalancer__V1__RenewSessionsRequest *request,
    const struct fb_client_options *options, struct fb_answer *answer);

const Flowbalancer__V1__ReleaseSessionResponse *fb_session_store_release_session(
    struct fb_client *client, const Flowbalancer__V1__ReleaseSessionRequest *request,
    const struct fb_client_options *options, struct fb_answer *answer);

const Flowbalancer__V1__AppendEventsResponse *fb_session_store_append_events(
    struct fb_client *client, const Flowbalancer__V1__AppendEventsRequest *request,
    const struct fb_client_options *options, struct fb_answer *answer);

const Flowbalancer__V1__PutProjectionResponse *fb_session_store_put_projection(
    struct fb_client *client, const Flowbalancer__V1__PutProjectionRequest *request,
    const struct fb_client_options *options, struct fb_answer *answer);

struct fb_stream *fb_session_store_load_session(struct fb_client *client,
                                                const Flowbalancer__V1__LoadSessionRequest *request,
                                                const struct fb_client_options *options);
const Flowbalancer__V1__LoadSessionResponse *fb_session_store_load_session_next(
    struct fb_stream *stream);

const Flowbalancer__V1__PutSnapshotResponse *fb_session_store_put_snapshot(
    struct fb_client *client, const Flowbalancer__V1__PutSnapshotRequest *request,
    const struct fb_client_options *options, struct fb_answer *answer);

/* The two watches run until they are closed: give them a deadline of INT64_MAX. */
struct fb_stream *fb_session_store_watch_session(
    struct fb_client *client, const Flowbalancer__V1__WatchSessionRequest *request,
    const struct fb_client_options *options);
const Flowbalancer__V1__WatchSessionResponse *fb_session_store_watch_session_next(
    struct fb_stream *stream);

const Flowbalancer__V1__ListSessionsResponse *fb_session_store_list_sessions(
    struct fb_client *client, const Flowbalancer__V1__ListSessionsRequest *request,
    const struct fb_client_options *options, struct fb_answer *answer);

struct fb_stream *fb_session_store_search_tasks(struct fb_client *client,
                                                const Flowbalancer__V1__SearchTasksRequest *request,
                                                const struct fb_client_options *options);
const Flowbalancer__V1__SearchTasksResponse *fb_session_store_search_tasks_next(
    struct fb_stream *stream);

const Flowbalancer__V1__DeleteSessionResponse *fb_session_store_delete_session(
    struct fb_client *client, const Flowbalancer__V1__DeleteSessionRequest *request,
    const struct fb_client_options *options, struct fb_answer *answer);

const Flowbalancer__V1__PutBlobResponse *fb_session_store_put_blob(
    struct fb_client *client, const Flowbalancer__V1__PutBlobRequest *request,
    const struct fb_client_options *options, struct fb_answer *answer);

struct fb_stream *fb_session_store_get_blob(struct fb_client *client,
                                            const Flowbalancer__V1__GetBlobRequest *request,
                                            const struct fb_client_options *options);
const Flowbalancer__V1__GetBlobResponse *fb_session_store_get_blob_next(struct fb_stream *stream);

const Flowbalancer__V1__PutCatalogueEntryResponse *fb_session_store_put_catalogue_entry(
    struct fb_client *client, const Flowbalancer__V1__PutCatalogueEntryRequest *request,
    const struct fb_client_options *options, struct fb_answer *answer);

struct fb_stream *fb_session_store_get_catalogue(
    struct fb_client *client, const Flowbalancer__V1__GetCatalogueRequest *request,
    const struct fb_client_options *options);
const Flowbalancer__V1__GetCatalogueResponse *fb_session_store_get_catalogue_next(
    struct fb_stream *stream);

struct fb_stream *fb_session_store_watch_catalogue(
    struct fb_client *client, const Flowbalancer__V1__WatchCatalogueRequest *request,
    const struct fb_client_options *options);
const Flowbalancer__V1__WatchCatalogueResponse *fb_session_store_watch_catalogue_next(
    struct fb_stream *stream);

const Flowbalancer__V1__PutResultResponse *fb_session_store_put_result(
    struct fb_client *client, const Flowbalancer__V1__PutResultRequest *request,
    const struct fb_client_options *options, struct fb_answer *answer);

const Flowbalancer__V1__GetResultResponse *fb_session_store_get_result(
    struct fb_client *client, const Flowbalancer__V1__GetResultRequest *request,
    const struct fb_client_options *options, struct fb_answer *answer);

/* Both take as long as the store is large: give them a deadline to match. */
struct fb_stream *fb_session_store_backup(struct fb_client *client,
                                          const Flowbalancer__V1__BackupRequest *request,
                                          const struct fb_client_options *options);
const Flowbalancer__V1__BackupResponse *fb_session_store_backup_next(struct fb_stream *stream);

struct fb_stream *fb_session_store_check(struct fb_client *client,
                                         const Flowbalancer__V1__CheckRequest *request,
                                         const struct fb_client_options *options);
const Flowbalancer__V1__CheckResponse *fb_session_store_check_next(struct fb_stream *stream);

#endif
