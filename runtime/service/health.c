#include "runtime/service/health.h"

#include <assert.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "grpc/health/v1/health.pb-c.h"

#include "runtime/rpc/call.h"

enum { SERVICES_MOST = 33 };

/* A call of Watch; in its call's arena. */
struct watcher {
    struct fb_call *call;
    bool known; /* asks for a service that we have */
    struct watcher *next;
    struct watcher **link;
};

struct fb_health {
    bool serving;
    bool ended;
    const char *services[SERVICES_MOST];
    size_t service_count;
    struct watcher *watchers;
};

static bool knows(const struct fb_health *health, const char *service)
{
    for (size_t i = 0; i < health->service_count; i++) {
        if (strcmp(health->services[i], service) == 0) {
            return true;
        }
    }
    return service[0] == '\0';
}

static Grpc__Health__V1__HealthCheckResponse answer_of(const struct fb_health *health, bool known)
{
    Grpc__Health__V1__HealthCheckResponse answer = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__INIT;

    if (!known) {
        answer.status = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVICE_UNKNOWN;
    } else if (health->serving) {
        answer.status = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING;
    } else {
        answer.status = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__NOT_SERVING;
    }
    return answer;
}

static void check(struct fb_call *call, const ProtobufCMessage *message)
{
    const struct fb_health *health = fb_call_self(call);
    const Grpc__Health__V1__HealthCheckRequest *request =
        (const Grpc__Health__V1__HealthCheckRequest *)message;
    Grpc__Health__V1__HealthCheckResponse answer;

    if (!knows(health, request->service)) {
        fb_call_finish(call, fb_fail(FB_NOT_FOUND, "this program has no service of that name"));
        return;
    }
    answer = answer_of(health, true);
    fb_call_reply(call, &answer.base);
}

static void end_watch(struct watcher *watcher, struct fb_status status)
{
    *watcher->link = watcher->next;
    if (watcher->next != NULL) {
        watcher->next->link = watcher->link;
    }
    fb_call_finish(watcher->call, status);
}

static void watch_cancelled(struct fb_call *call, void *arg)
{
    (void)call;
    end_watch(arg, fb_fail(FB_CANCELLED, "the caller went away"));
}

static void watch(struct fb_call *call, const ProtobufCMessage *message)
{
    static const struct fb_call_events events = {.on_cancel = watch_cancelled};
    struct fb_health *health = fb_call_self(call);
    const Grpc__Health__V1__HealthCheckRequest *request =
        (const Grpc__Health__V1__HealthCheckRequest *)message;
    Grpc__Health__V1__HealthCheckResponse answer;
    struct watcher *watcher = fb_arena_zalloc(fb_call_arena(call), 1, sizeof(*watcher));

    if (watcher == NULL) {
        fb_call_finish(call, fb_fail(FB_RESOURCE_EXHAUSTED, "no memory left to watch health"));
        return;
    }
    *watcher = (struct watcher){
        .call = call,
        .known = knows(health, request->service),
        .next = health->watchers,
        .link = &health->watchers,
    };
    if (watcher->next != NULL) {
        watcher->next->link = &watcher->next;
    }
    health->watchers = watcher;
    answer = answer_of(health, watcher->known);
    fb_call_send(call, &answer.base);
    if (health->ended) {
        end_watch(watcher, fb_fail(FB_UNAVAILABLE, "the server is shutting down"));
        return;
    }
    fb_call_watch(call, &events, watcher);
}

static const struct fb_method methods[] = {
    {.name = "Check", .kind = FB_UNARY, .handle = check},
    {.name = "Watch", .kind = FB_SERVER_STREAM, .handle = watch},
};

static const struct fb_rpc_service service = {
    .descriptor = &grpc__health__v1__health__descriptor,
    .methods = methods,
    .method_count = sizeof(methods) / sizeof(methods[0]),
};

struct fb_health *fb_health_create(void)
{
    struct fb_health *health = calloc(1, sizeof(*health));

    if (health != NULL) {
        fb_health_know(health, FB_HEALTH_SERVICE);
    }
    return health;
}

void fb_health_destroy(struct fb_health *health)
{
    assert(health == NULL || health->watchers == NULL);
    free(health);
}

void fb_health_serve(struct fb_health *health, struct fb_server *server)
{
    fb_server_add(server, &service, health);
}

void fb_health_know(struct fb_health *health, const char *name)
{
    assert(health->service_count < SERVICES_MOST);
    health->services[health->service_count++] = name;
}

void fb_health_set(struct fb_health *health, bool serving)
{
    if (health->serving == serving || health->ended) {
        return;
    }
    health->serving = serving;
    for (const struct watcher *at = health->watchers; at != NULL; at = at->next) {
        Grpc__Health__V1__HealthCheckResponse answer = answer_of(health, at->known);

        if (at->known) {
            fb_call_send(at->call, &answer.base);
        }
    }
}

void fb_health_end(struct fb_health *health)
{
    fb_health_set(health, false);
    health->ended = true;
    while (health->watchers != NULL) {
        end_watch(health->watchers, fb_fail(FB_UNAVAILABLE, "the server is shutting down"));
    }
}
