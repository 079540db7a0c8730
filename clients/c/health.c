#include "clients/c/health.h"

const struct fb_client_method fb_health_check_method = {
    .path = "/grpc.health.v1.Health/Check",
    .request = &grpc__health__v1__health_check_request__descriptor,
    .reply = &grpc__health__v1__health_check_response__descriptor,
};

const struct fb_client_method fb_health_watch_method = {
    .path = "/grpc.health.v1.Health/Watch",
    .request = &grpc__health__v1__health_check_request__descriptor,
    .reply = &grpc__health__v1__health_check_response__descriptor,
    .streams = true,
};

const Grpc__Health__V1__HealthCheckResponse *fb_health_check(
    struct fb_client *client, const Grpc__Health__V1__HealthCheckRequest *request,
    const struct fb_client_options *options, struct fb_answer *answer)
{
    return (const Grpc__Health__V1__HealthCheckResponse *)(const void *)fb_client_ask(
        client, &fb_health_check_method, &request->base, options, answer);
}

struct fb_stream *fb_health_watch(struct fb_client *client,
                                  const Grpc__Health__V1__HealthCheckRequest *request,
                                  const struct fb_client_options *options)
{
    return fb_stream_open(client, &fb_health_watch_method, &request->base, options);
}

const Grpc__Health__V1__HealthCheckResponse *fb_health_watch_next(struct fb_stream *stream)
{
    return (const Grpc__Health__V1__HealthCheckResponse *)(const void *)fb_stream_next(stream);
}
