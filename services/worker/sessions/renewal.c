#include <stdlib.h>

#include "flowbalancer/v1/session_store.pb-c.h"
#include "services/worker/sessions/held.h"

enum { RENEWALS = 3 /* in the time of a lease */ };

static void on_renewal(struct fb_timer *timer);

static void again(struct keeper *k)
{
    fb_timer_set(k->loop, &k->renewal, fb_loop_now_ms(k->loop) + k->config.lease_ms / RENEWALS,
                 on_renewal);
}

static void on_renewed(void *arg, const struct fb_call_end *end, const ProtobufCMessage *reply)
{
    struct keeper *k = arg;
    const Flowbalancer__V1__RenewSessionsResponse *response =
        (const Flowbalancer__V1__RenewSessionsResponse *)reply;

    (void)end;
    k->renewing = NULL;
    for (size_t i = 0; response != NULL && i < response->n_lost_session_ids; i++) {
        struct keeper_held *held = held_find(k, response->lost_session_ids[i]);

        if (held != NULL && held->state != HELD_RELEASING && held->epoch != 0) {
            held->lost = true;
            held_look_soon(held);
        }
    }
}

static void renew(struct keeper *k)
{
    const struct fb_call_plan plan = {
        .path = STORE_METHOD("RenewSessions"),
        .deadline_ms = fb_loop_now_ms(k->loop) + k->config.lease_ms / RENEWALS,
        .wait_for_ready = true,
    };
    Flowbalancer__V1__RenewSessionsRequest request = FLOWBALANCER__V1__RENEW_SESSIONS_REQUEST__INIT;
    Flowbalancer__V1__HeldSession *sessions;
    struct fb_arena arena;

    fb_arena_init(&arena, 0);
    sessions = fb_arena_zalloc(&arena, k->count, sizeof(*sessions));
    request.sessions = fb_arena_zalloc(&arena, k->count, sizeof(*request.sessions));
    request.owner = k->owner;
    request.lease_ms = k->config.lease_ms;
    if (sessions != NULL && request.sessions != NULL) {
        for (struct keeper_held *held = k->newest; held != NULL; held = held->older) {
            if (held->epoch != 0 && held->state != HELD_RELEASING) {
                Flowbalancer__V1__HeldSession *session = &sessions[request.n_sessions];

                flowbalancer__v1__held_session__init(session);
                session->session_id = held->store_id;
                session->epoch = held->epoch;
                request.sessions[request.n_sessions++] = session;
            }
        }
        k->renewing = request.n_sessions == 0
                          ? NULL
                          : fb_channel_unary(k->channel, &plan, &request.base,
                                             &flowbalancer__v1__renew_sessions_response__descriptor,
                                             on_renewed, k);
    }
    fb_arena_finish(&arena);
}

static void on_renewal(struct fb_timer *timer)
{
    struct keeper *k = OWNER_OF(struct keeper, renewal, timer);

    if (k->count != 0 && k->renewing == NULL) {
        renew(k);
    }
    again(k);
}

void renewal_begin(struct keeper *k)
{
    again(k);
}

void renewal_end(struct keeper *k)
{
    fb_timer_clear(&k->renewal);
    if (k->renewing != NULL) {
        fb_client_call_cancel(k->renewing);
        k->renewing = NULL;
    }
}
