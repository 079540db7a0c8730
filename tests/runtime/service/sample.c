#include "tests/runtime/service/sample.h"

#include <string.h>

#include "flowbalancer/v1/admin.pb-c.h"

#include "runtime/ops/ops.h"
#include "runtime/rpc/call.h"
#include "runtime/service/service.h"

enum refusal { REFUSE_NOTHING, REFUSE_CONFIG, REFUSE_UNAVAILABLE, REFUSE_INTERNAL };

static const char *const refusals[] = {"nothing", "config", "unavailable", "internal", NULL};

struct sample_config {
    const char *greeting;
    bool hold;
    bool never_stop;
    int refuse;
};

static struct sample_config config;

static struct sample {
    struct fb_host *host;
    struct fb_call *open; /* RecentCalls */
    struct fb_timer stop;
} sample;

static const struct fb_option options[] = {
    {"greeting", FB_OPTION_STRING, offsetof(struct sample_config, greeting), .fallback = "hello",
     .help = "what GetOverview says"},
    {"hold", FB_OPTION_BOOL, offsetof(struct sample_config, hold),
     .help = "keep calls open when draining"},
    {"never_stop", FB_OPTION_BOOL, offsetof(struct sample_config, never_stop),
     .help = "do not tell when stopped"},
    {"refuse", FB_OPTION_CHOICE, offsetof(struct sample_config, refuse), .choices = refusals,
     .help = "how to fail at the start"},
    {.name = NULL},
};

enum { SAMPLE_OVERVIEWS };

static const struct fb_metric metrics[] = {
    [SAMPLE_OVERVIEWS] = {"flowbalancer_sample_overviews_total", FB_COUNTER,
                          .help = "Overviews given."},
    {.name = NULL},
};

static void get_overview(struct fb_call *call, const ProtobufCMessage *request)
{
    Flowbalancer__V1__RouterOverview router = FLOWBALANCER__V1__ROUTER_OVERVIEW__INIT;
    Flowbalancer__V1__GetOverviewResponse answer = FLOWBALANCER__V1__GET_OVERVIEW_RESPONSE__INIT;

    (void)request;
    fb_metrics_add(fb_host_metrics(sample.host), SAMPLE_OVERVIEWS, 1);
    router.router_id = (char *)config.greeting;
    answer.router = &router;
    fb_call_reply(call, &answer.base);
}

static void drain_worker(struct fb_call *call, const ProtobufCMessage *request)
{
    const char *order = ((const Flowbalancer__V1__DrainWorkerRequest *)request)->worker_id;
    const struct fb_status lost = fb_fail(FB_UNAVAILABLE, "something is lost");
    Flowbalancer__V1__DrainWorkerResponse answer = FLOWBALANCER__V1__DRAIN_WORKER_RESPONSE__INIT;

    if (strcmp(order, "unready") == 0) {
        fb_host_set_ready(sample.host, lost);
    } else if (strcmp(order, "ready") == 0) {
        fb_host_set_ready(sample.host, fb_ok);
    } else {
        fb_host_fail(sample.host, lost);
    }
    fb_call_reply(call, &answer.base);
}

static void end_open(struct fb_status status)
{
    struct fb_call *call = sample.open;

    if (call != NULL) {
        sample.open = NULL;
        fb_call_finish(call, status);
    }
}

static void open_cancelled(struct fb_call *call, void *arg)
{
    (void)call;
    (void)arg;
    end_open(fb_fail(FB_CANCELLED, "cancelled"));
}

static void recent_calls(struct fb_call *call, const ProtobufCMessage *request)
{
    static const struct fb_call_events events = {.on_cancel = open_cancelled};
    Flowbalancer__V1__RecentCallsResponse answer = FLOWBALANCER__V1__RECENT_CALLS_RESPONSE__INIT;

    (void)request;
    sample.open = call;
    fb_call_send(call, &answer.base);
    fb_call_watch(call, &events, NULL);
}

static const struct fb_method methods[] = {
    {.name = "DrainWorker", .kind = FB_UNARY, .handle = drain_worker},
    {.name = "GetOverview", .kind = FB_UNARY, .handle = get_overview},
    {.name = "RecentCalls", .kind = FB_SERVER_STREAM, .handle = recent_calls},
};

static const struct fb_rpc_service admin = {
    .descriptor = &flowbalancer__v1__admin_service__descriptor,
    .methods = methods,
    .method_count = sizeof(methods) / sizeof(methods[0]),
};

static struct fb_status start(struct fb_host *host, void **self)
{
    sample.host = host;
    *self = &sample;
    fb_host_serve(host, &admin, NULL);
    switch (config.refuse) {
    case REFUSE_CONFIG:
        return fb_fail(FB_NOT_FOUND, "a file that it needs is not there");
    case REFUSE_UNAVAILABLE:
        return fb_fail(FB_UNAVAILABLE, "what it needs is away");
    case REFUSE_INTERNAL:
        return fb_fail(FB_INTERNAL, "it is broken");
    default:
        return fb_ok;
    }
}

static void drain(void *self)
{
    (void)self;
    if (!config.hold) {
        end_open(fb_ok);
    }
}

static void stopped(struct fb_timer *timer)
{
    (void)timer;
    fb_host_stopped(sample.host);
}

static void stop(void *self)
{
    (void)self;
    if (!config.never_stop) {
        fb_timer_set(fb_host_loop(sample.host), &sample.stop, 0, stopped);
    }
}

static void destroy(void *self)
{
    (void)self;
    fb_timer_clear(&sample.stop);
}

static void reload(void *self)
{
    (void)self; /* `config` is used where it stands */
}

static struct fb_status write_page(void *context, const struct fb_ops_call *call,
                                   struct fb_buffer *body)
{
    (void)call;
    fb_buffer_string(body, context == &sample ? "a page of the sample\n" : "not ours\n");
    return fb_ok;
}

static const struct fb_ops_page pages[] = {
    {.path = "/sample", .type = "text/plain", .write = write_page, .help = "a page"},
    {.path = NULL},
};

int sample_main(int argc, char **argv, const struct fb_transport *transport)
{
    const struct fb_service service = {
        .name = "sample",
        .purpose = "does what its test needs",
        .transport = transport,
        .listen = "127.0.0.1:0",
        .options = options,
        .config = &config,
        .config_size = sizeof(config),
        .metrics = metrics,
        .pages = pages,
        .start = start,
        .drain = drain,
        .stop = stop,
        .destroy = destroy,
        .reload = reload,
    };

    return fb_service_main(argc, argv, &service);
}
