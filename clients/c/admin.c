#include "clients/c/admin.h"

const struct fb_client_method fb_admin_get_overview_method = {
    .path = "/flowbalancer.v1.AdminService/GetOverview",
    .request = &flowbalancer__v1__get_overview_request__descriptor,
    .reply = &flowbalancer__v1__get_overview_response__descriptor,
};

const struct fb_client_method fb_admin_drain_worker_method = {
    .path = "/flowbalancer.v1.AdminService/DrainWorker",
    .request = &flowbalancer__v1__drain_worker_request__descriptor,
    .reply = &flowbalancer__v1__drain_worker_response__descriptor,
};

const struct fb_client_method fb_admin_recent_calls_method = {
    .path = "/flowbalancer.v1.AdminService/RecentCalls",
    .request = &flowbalancer__v1__recent_calls_request__descriptor,
    .reply = &flowbalancer__v1__recent_calls_response__descriptor,
    .streams = true,
};

const Flowbalancer__V1__GetOverviewResponse *fb_admin_get_overview(
    struct fb_client *client, const Flowbalancer__V1__GetOverviewRequest *request,
    const struct fb_client_options *options, struct fb_answer *answer)
{
    return (const Flowbalancer__V1__GetOverviewResponse *)(const void *)fb_client_ask(
        client, &fb_admin_get_overview_method, &request->base, options, answer);
}

const Flowbalancer__V1__DrainWorkerResponse *fb_admin_drain_worker(
    struct fb_client *client, const Flowbalancer__V1__DrainWorkerRequest *request,
    const struct fb_client_options *options, struct fb_answer *answer)
{
    return (const Flowbalancer__V1__DrainWorkerResponse *)(const void *)fb_client_ask(
        client, &fb_admin_drain_worker_method, &request->base, options, answer);
}

struct fb_stream *fb_admin_recent_calls(struct fb_client *client,
                                        const Flowbalancer__V1__RecentCallsRequest *request,
                                        const struct fb_client_options *options)
{
    return fb_stream_open(client, &fb_admin_recent_calls_method, &request->base, options);
}

const Flowbalancer__V1__RecentCallsResponse *fb_admin_recent_calls_next(struct fb_stream *stream)
{
    return (const Flowbalancer__V1__RecentCallsResponse *)(const void *)fb_stream_next(stream);
}
