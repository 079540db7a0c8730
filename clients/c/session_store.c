#include "clients/c/session_store.h"

const struct fb_client_method fb_session_store_acquire_session_method = {
    .path = "/flowbalancer.v1.SessionStoreService/AcquireSession",
    .request = &flowbalancer__v1__acquire_session_request__descriptor,
    .reply = &flowbalancer__v1__acquire_session_response__descriptor,
};

const struct fb_client_method fb_session_store_renew_sessions_method = {
    .path = "/flowbalancer.v1.SessionStoreService/RenewSessions",
    .request = &flowbalancer__v1__renew_sessions_request__descriptor,
    .reply = &flowbalancer__v1__renew_sessions_response__descriptor,
};

const struct fb_client_method fb_session_store_release_session_method = {
    .path = "/flowbalancer.v1.SessionStoreService/ReleaseSession",
    .request = &flowbalancer__v1__release_session_request__descriptor,
    .reply = &flowbalancer__v1__release_session_response__descriptor,
};

const struct fb_client_method fb_session_store_append_events_method = {
    .path = "/flowbalancer.v1.SessionStoreService/AppendEvents",
    .request = &flowbalancer__v1__append_events_request__descriptor,
    .reply = &flowbalancer__v1__append_events_response__descriptor,
};

const struct fb_client_method fb_session_store_put_projection_method = {
    .path = "/flowbalancer.v1.SessionStoreService/PutProjection",
    .request = &flowbalancer__v1__put_projection_request__descriptor,
    .reply = &flowbalancer__v1__put_projection_response__descriptor,
};

const struct fb_client_method fb_session_store_load_session_method = {
    .path = "/flowbalancer.v1.SessionStoreService/LoadSession",
    .request = &flowbalancer__v1__load_session_request__descriptor,
    .reply = &flowbalancer__v1__load_session_response__descriptor,
    .streams = true,
};

const struct fb_client_method fb_session_store_put_snapshot_method = {
    .path = "/flowbalancer.v1.SessionStoreService/PutSnapshot",
    .request = &flowbalancer__v1__put_snapshot_request__descriptor,
    .reply = &flowbalancer__v1__put_snapshot_response__descriptor,
};

const struct fb_client_method fb_session_store_watch_session_method = {
    .path = "/flowbalancer.v1.SessionStoreService/WatchSession",
    .request = &flowbalancer__v1__watch_session_request__descriptor,
    .reply = &flowbalancer__v1__watch_session_response__descriptor,
    .streams = true,
};

const struct fb_client_method fb_session_store_list_sessions_method = {
    .path = "/flowbalancer.v1.SessionStoreService/ListSessions",
    .request = &flowbalancer__v1__list_sessions_request__descriptor,
    .reply = &flowbalancer__v1__list_sessions_response__descriptor,
};

const struct fb_client_method fb_session_store_search_tasks_method = {
    .path = "/flowbalancer.v1.SessionStoreService/SearchTasks",
    .request = &flowbalancer__v1__search_tasks_request__descriptor,
    .reply = &flowbalancer__v1__search_tasks_response__descriptor,
    .streams = true,
};

const struct fb_client_method fb_session_store_delete_session_method = {
    .path = "/flowbalancer.v1.SessionStoreService/DeleteSession",
    .request = &flowbalancer__v1__delete_session_request__descriptor,
    .reply = &flowbalancer__v1__delete_session_response__descriptor,
};

const struct fb_client_method fb_session_store_put_blob_method = {
    .path = "/flowbalancer.v1.SessionStoreService/PutBlob",
    .request = &flowbalancer__v1__put_blob_request__descriptor,
    .reply = &flowbalancer__v1__put_blob_response__descriptor,
};

const struct fb_client_method fb_session_store_get_blob_method = {
    .path = "/flowbalancer.v1.SessionStoreService/GetBlob",
    .request = &flowbalancer__v1__get_blob_request__descriptor,
    .reply = &flowbalancer__v1__get_blob_response__descriptor,
    .streams = true,
};

const struct fb_client_method fb_session_store_put_catalogue_entry_method = {
    .path = "/flowbalancer.v1.SessionStoreService/PutCatalogueEntry",
    .request = &flowbalancer__v1__put_catalogue_entry_request__descriptor,
    .reply = &flowbalancer__v1__put_catalogue_entry_response__descriptor,
};

const struct fb_client_method fb_session_store_get_catalogue_method = {
    .path = "/flowbalancer.v1.SessionStoreService/GetCatalogue",
    .request = &flowbalancer__v1__get_catalogue_request__descriptor,
    .reply = &flowbalancer__v1__get_catalogue_response__descriptor,
    .streams = true,
};

const struct fb_client_method fb_session_store_watch_catalogue_method = {
    .path = "/flowbalancer.v1.SessionStoreService/WatchCatalogue",
    .request = &flowbalancer__v1__watch_catalogue_request__descriptor,
    .reply = &flowbalancer__v1__watch_catalogue_response__descriptor,
    .streams = true,
};

const struct fb_client_method fb_session_store_put_result_method = {
    .path = "/flowbalancer.v1.SessionStoreService/PutResult",
    .request = &flowbalancer__v1__put_result_request__descriptor,
    .reply = &flowbalancer__v1__put_result_response__descriptor,
};

const struct fb_client_method fb_session_store_get_result_method = {
    .path = "/flowbalancer.v1.SessionStoreService/GetResult",
    .request = &flowbalancer__v1__get_result_request__descriptor,
    .reply = &flowbalancer__v1__get_result_response__descriptor,
};

const struct fb_client_method fb_session_store_backup_method = {
    .path = "/flowbalancer.v1.SessionStoreService/Backup",
    .request = &flowbalancer__v1__backup_request__descriptor,
    .reply = &flowbalancer__v1__backup_response__descriptor,
    .streams = true,
};

const struct fb_client_method fb_session_store_check_method = {
    .path = "/flowbalancer.v1.SessionStoreService/Check",
    .request = &flowbalancer__v1__check_request__descriptor,
    .reply = &flowbalancer__v1__check_response__descriptor,
    .streams = true,
};

const Flowbalancer__V1__AcquireSessionResponse *fb_session_store_acquire_session(
    struct fb_client *client, const Flowbalancer__V1__AcquireSessionRequest *request,
    const struct fb_client_options *options, struct fb_answer *answer)
{
    return (const Flowbalancer__V1__AcquireSessionResponse *)(const void *)fb_client_ask(
        client, &fb_session_store_acquire_session_method, &request->base, options, answer);
}

const Flowbalancer__V1__RenewSessionsResponse *fb_session_store_renew_sessions(
    struct fb_client *client, const Flowbalancer__V1__RenewSessionsRequest *request,
    const struct fb_client_options *options, struct fb_answer *answer)
{
    return (const Flowbalancer__V1__RenewSessionsResponse *)(const void *)fb_client_ask(
        client, &fb_session_store_renew_sessions_method, &request->base, options, answer);
}

const Flowbalancer__V1__ReleaseSessionResponse *fb_session_store_release_session(
    struct fb_client *client, const Flowbalancer__V1__ReleaseSessionRequest *request,
    const struct fb_client_options *options, struct fb_answer *answer)
{
    return (const Flowbalancer__V1__ReleaseSessionResponse *)(const void *)fb_client_ask(
        client, &fb_session_store_release_session_method, &request->base, options, answer);
}

const Flowbalancer__V1__AppendEventsResponse *fb_session_store_append_events(
    struct fb_client *client, const Flowbalancer__V1__AppendEventsRequest *request,
    const struct fb_client_options *options, struct fb_answer *answer)
{
    return (const Flowbalancer__V1__AppendEventsResponse *)(const void *)fb_client_ask(
        client, &fb_session_store_append_events_method, &request->base, options, answer);
}

const Flowbalancer__V1__PutProjectionResponse *fb_session_store_put_projection(
    struct fb_client *client, const Flowbalancer__V1__PutProjectionRequest *request,
    const struct fb_client_options *options, struct fb_answer *answer)
{
    return (const Flowbalancer__V1__PutProjectionResponse *)(const void *)fb_client_ask(
        client, &fb_session_store_put_projection_method, &request->base, options, answer);
}

struct fb_stream *fb_session_store_load_session(struct fb_client *client,
                                                const Flowbalancer__V1__LoadSessionRequest *request,
                                                const struct fb_client_options *options)
{
    return fb_stream_open(client, &fb_session_store_load_session_method, &request->base, options);
}

const Flowbalancer__V1__LoadSessionResponse *fb_session_store_load_session_next(
    struct fb_stream *stream)
{
    return (const Flowbalancer__V1__LoadSessionResponse *)(const void *)fb_stream_next(stream);
}

const Flowbalancer__V1__PutSnapshotResponse *fb_session_store_put_snapshot(
    struct fb_client *client, const Flowbalancer__V1__PutSnapshotRequest *request,
    const struct fb_client_options *options, struct fb_answer *answer)
{
    return (const Flowbalancer__V1__PutSnapshotResponse *)(const void *)fb_client_ask(
        client, &fb_session_store_put_snapshot_method, &request->base, options, answer);
}

struct fb_stream *fb_session_store_watch_session(
    struct fb_client *client, const Flowbalancer__V1__WatchSessionRequest *request,
    const struct fb_client_options *options)
{
    return fb_stream_open(client, &fb_session_store_watch_session_method, &request->base, options);
}

const Flowbalancer__V1__WatchSessionResponse *fb_session_store_watch_session_next(
    struct fb_stream *stream)
{
    return (const Flowbalancer__V1__WatchSessionResponse *)(const void *)fb_stream_next(stream);
}

const Flowbalancer__V1__ListSessionsResponse *fb_session_store_list_sessions(
    struct fb_client *client, const Flowbalancer__V1__ListSessionsRequest *request,
    const struct fb_client_options *options, struct fb_answer *answer)
{
    return (const Flowbalancer__V1__ListSessionsResponse *)(const void *)fb_client_ask(
        client, &fb_session_store_list_sessions_method, &request->base, options, answer);
}

struct fb_stream *fb_session_store_search_tasks(struct fb_client *client,
                                                const Flowbalancer__V1__SearchTasksRequest *request,
                                                const struct fb_client_options *options)
{
    return fb_stream_open(client, &fb_session_store_search_tasks_method, &request->base, options);
}

const Flowbalancer__V1__SearchTasksResponse *fb_session_store_search_tasks_next(
    struct fb_stream *stream)
{
    return (const Flowbalancer__V1__SearchTasksResponse *)(const void *)fb_stream_next(stream);
}

const Flowbalancer__V1__DeleteSessionResponse *fb_session_store_delete_session(
    struct fb_client *client, const Flowbalancer__V1__DeleteSessionRequest *request,
    const struct fb_client_options *options, struct fb_answer *answer)
{
    return (const Flowbalancer__V1__DeleteSessionResponse *)(const void *)fb_client_ask(
        client, &fb_session_store_delete_session_method, &request->base, options, answer);
}

const Flowbalancer__V1__PutBlobResponse *fb_session_store_put_blob(
    struct fb_client *client, const Flowbalancer__V1__PutBlobRequest *request,
    const struct fb_client_options *options, struct fb_answer *answer)
{
    return (const Flowbalancer__V1__PutBlobResponse *)(const void *)fb_client_ask(
        client, &fb_session_store_put_blob_method, &request->base, options, answer);
}

struct fb_stream *fb_session_store_get_blob(struct fb_client *client,
                                            const Flowbalancer__V1__GetBlobRequest *request,
                                            const struct fb_client_options *options)
{
    return fb_stream_open(client, &fb_session_store_get_blob_method, &request->base, options);
}

const Flowbalancer__V1__GetBlobResponse *fb_session_store_get_blob_next(struct fb_stream *stream)
{
    return (const Flowbalancer__V1__GetBlobResponse *)(const void *)fb_stream_next(stream);
}

const Flowbalancer__V1__PutCatalogueEntryResponse *fb_session_store_put_catalogue_entry(
    struct fb_client *client, const Flowbalancer__V1__PutCatalogueEntryRequest *request,
    const struct fb_client_options *options, struct fb_answer *answer)
{
    return (const Flowbalancer__V1__PutCatalogueEntryResponse *)(const void *)fb_client_ask(
        client, &fb_session_store_put_catalogue_entry_method, &request->base, options, answer);
}

struct fb_stream *fb_session_store_get_catalogue(
    struct fb_client *client, const Flowbalancer__V1__GetCatalogueRequest *request,
    const struct fb_client_options *options)
{
    return fb_stream_open(client, &fb_session_store_get_catalogue_method, &request->base, options);
}

const Flowbalancer__V1__GetCatalogueResponse *fb_session_store_get_catalogue_next(
    struct fb_stream *stream)
{
    return (const Flowbalancer__V1__GetCatalogueResponse *)(const void *)fb_stream_next(stream);
}

struct fb_stream *fb_session_store_watch_catalogue(
    struct fb_client *client, const Flowbalancer__V1__WatchCatalogueRequest *request,
    const struct fb_client_options *options)
{
    return fb_stream_open(client, &fb_session_store_watch_catalogue_method, &request->base,
                          options);
}

const Flowbalancer__V1__WatchCatalogueResponse *fb_session_store_watch_catalogue_next(
    struct fb_stream *stream)
{
    return (const Flowbalancer__V1__WatchCatalogueResponse *)(const void *)fb_stream_next(stream);
}

const Flowbalancer__V1__PutResultResponse *fb_session_store_put_result(
    struct fb_client *client, const Flowbalancer__V1__PutResultRequest *request,
    const struct fb_client_options *options, struct fb_answer *answer)
{
    return (const Flowbalancer__V1__PutResultResponse *)(const void *)fb_client_ask(
        client, &fb_session_store_put_result_method, &request->base, options, answer);
}

const Flowbalancer__V1__GetResultResponse *fb_session_store_get_result(
    struct fb_client *client, const Flowbalancer__V1__GetResultRequest *request,
    const struct fb_client_options *options, struct fb_answer *answer)
{
    return (const Flowbalancer__V1__GetResultResponse *)(const void *)fb_client_ask(
        client, &fb_session_store_get_result_method, &request->base, options, answer);
}

struct fb_stream *fb_session_store_backup(struct fb_client *client,
                                          const Flowbalancer__V1__BackupRequest *request,
                                          const struct fb_client_options *options)
{
    return fb_stream_open(client, &fb_session_store_backup_method, &request->base, options);
}

const Flowbalancer__V1__BackupResponse *fb_session_store_backup_next(struct fb_stream *stream)
{
    return (const Flowbalancer__V1__BackupResponse *)(const void *)fb_stream_next(stream);
}

struct fb_stream *fb_session_store_check(struct fb_client *client,
                                         const Flowbalancer__V1__CheckRequest *request,
                                         const struct fb_client_options *options)
{
    return fb_stream_open(client, &fb_session_store_check_method, &request->base, options);
}

const Flowbalancer__V1__CheckResponse *fb_session_store_check_next(struct fb_stream *stream)
{
    return (const Flowbalancer__V1__CheckResponse *)(const void *)fb_stream_next(stream);
}
