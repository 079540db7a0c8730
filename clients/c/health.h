#ifndef FB_CLIENTS_C_HEALTH_H
#define FB_CLIENTS_C_HEALTH_H

/*
 * health: whether a program, or one of its services, takes calls. Every program of the suite tells.
 *
 * The calls block (see client.h); each has its method beside it for use without blocking. A call of
 * one answer returns it, or NULL with the reason in `answer`. A call of a stream returns the stream;
 * `…_next` gives its answers one by one, and NULL at its end (fb_stream_answer says how it ended).
 * What may be asked, and which codes come back, is said in proto/grpc/health/v1/health.proto.
 */

#include "clients/c/client.h"
#include "grpc/health/v1/health.pb-c.h"

/* For fb_client_start and for lists of methods. */
extern const struct fb_client_method fb_health_check_method;
extern const struct fb_client_method fb_health_watch_method;

const Grpc__Health__V1__HealthCheckResponse *fb_health_check(
    struct fb_client *client, const Grpc__Health__V1__HealthCheckRequest *request,
    const struct fb_client_options *options, struct fb_answer *answer);

/* Runs until it is closed: give it a deadline of INT64_MAX. */
struct fb_stream *fb_health_watch(struct fb_client *client,
                                  const Grpc__Health__V1__HealthCheckRequest *request,
                                  const struct fb_client_options *options);
const Grpc__Health__V1__HealthCheckResponse *fb_health_watch_next(struct fb_stream *stream);

#endif
