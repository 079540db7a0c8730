#ifndef FB_CLIENTS_C_ADMIN_H
#define FB_CLIENTS_C_ADMIN_H

/*
 * admin: the picture that a router has of the whole, and its few orders.
 *
 * The calls block (see client.h); each has its method beside it for use without blocking. A call of
 * one answer returns it, or NULL with the reason in `answer`. A call of a stream returns the stream;
 * `…_next` gives its answers one by one, and NULL at its end (fb_stream_answer says how it ended).
 * What may be asked, and which codes come back, is said in proto/flowbalancer/v1/admin.proto.
 */

#include "clients/c/client.h"
#include "flowbalancer/v1/admin.pb-c.h"

/* For fb_client_start and for lists of methods. */
extern const struct fb_client_method fb_admin_get_overview_method;
extern const struct fb_client_method fb_admin_drain_worker_method;
extern const struct fb_client_method fb_admin_recent_calls_method;

const Flowbalancer__V1__GetOverviewResponse *fb_admin_get_overview(
    struct fb_client *client, const Flowbalancer__V1__GetOverviewRequest *request,
    const struct fb_client_options *options, struct fb_answer *answer);

const Flowbalancer__V1__DrainWorkerResponse *fb_admin_drain_worker(
    struct fb_client *client, const Flowbalancer__V1__DrainWorkerRequest *request,
    const struct fb_client_options *options, struct fb_answer *answer);

/* With `follow` it runs until it is closed: give it a deadline of INT64_MAX. */
struct fb_stream *fb_admin_recent_calls(struct fb_client *client,
                                        const Flowbalancer__V1__RecentCallsRequest *request,
                                        const struct fb_client_options *options);
const Flowbalancer__V1__RecentCallsResponse *fb_admin_recent_calls_next(struct fb_stream *stream);

#endif
