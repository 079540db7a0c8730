#include "gateway/changes.h"

#include <stdio.h>
#include <stdlib.h>

#include "flowbalancer/v1/mcp.pb-c.h"

#include "gateway/exchange.h"
#include "runtime/rpc/message.h"

struct changes {
    struct mcp *mcp;
    struct uplink_call *call; /* NULL while nobody listens */
    char version[65];         /* of the list that the session holds; "" for none */
    bool refused;             /* the suite does not offer it */
};

static void on_message(void *arg, const uint8_t *data, size_t size)
{
    struct changes *changes = arg;
    struct fb_arena arena;
    ProtobufCMessage *message;
    const Flowbalancer__V1__ListenEvent *event;

    fb_arena_init(&arena, 0);
    if (fb_is_ok(fb_message_unpack(&flowbalancer__v1__listen_event__descriptor, data, size, 0,
                                   &arena, &message))) {
        event = (const Flowbalancer__V1__ListenEvent *)message;
        if (event->event_case == FLOWBALANCER__V1__LISTEN_EVENT__EVENT_LIST_CHANGED &&
            event->list_changed->kind == FLOWBALANCER__V1__LIST_KIND__LIST_KIND_TOOLS) {
            snprintf(changes->version, sizeof(changes->version), "%s",
                     event->list_changed->version);
            fb_buffer_string(notice_begin(changes->mcp, "notifications/tools/list_changed"), "{}");
            notice_end(changes->mcp);
        }
    }
    fb_arena_finish(&arena);
}

static void on_end(void *arg, const struct failure *end)
{
    struct changes *changes = arg;

    changes->call = NULL;
    changes->refused = end->status.code == FB_UNIMPLEMENTED;
}

static const struct uplink_events events = {.on_message = on_message, .on_end = on_end};

struct changes *changes_create(struct mcp *mcp)
{
    struct changes *changes = calloc(1, sizeof(*changes));

    if (changes != NULL) {
        changes->mcp = mcp;
    }
    return changes;
}

void changes_destroy(struct changes *changes)
{
    if (changes != NULL) {
        changes_stop(changes);
        free(changes);
    }
}

void changes_resume(struct changes *changes)
{
    Flowbalancer__V1__CallContext context = FLOWBALANCER__V1__CALL_CONTEXT__INIT;
    Flowbalancer__V1__ListenRequest request = FLOWBALANCER__V1__LISTEN_REQUEST__INIT;
    Flowbalancer__V1__ListInterest interest = FLOWBALANCER__V1__LIST_INTEREST__INIT;
    Flowbalancer__V1__ListInterest *interests[] = {&interest};
    struct mcp *mcp = changes->mcp;

    if (changes->call != NULL || changes->refused || changes->version[0] == '\0' ||
        !mcp->session.open) {
        return;
    }
    context.agent = (char *)(uintptr_t)mcp->config.agent;
    context.scope = (char *)(uintptr_t)mcp->config.scope;
    interest.kind = FLOWBALANCER__V1__LIST_KIND__LIST_KIND_TOOLS;
    interest.version = changes->version;
    request.context = &context;
    request.n_lists = 1;
    request.lists = interests;
    changes->call =
        mcp->uplink.call(mcp->uplink.self, &(struct uplink_plan){
                                               .path = "/flowbalancer.v1.McpService/Listen",
                                               .request = &request.base,
                                               .deadline_ms = INT64_MAX,
                                               .only_if_there = true,
                                               .events = &events,
                                               .arg = changes,
                                           });
}

void changes_shown(struct changes *changes, const char *version)
{
    snprintf(changes->version, sizeof(changes->version), "%s", version);
    changes_resume(changes);
}

void changes_stop(struct changes *changes)
{
    if (changes->call != NULL) {
        changes->mcp->uplink.cancel(changes->mcp->uplink.self, changes->call);
        changes->call = NULL;
    }
    changes->version[0] = '\0';
    changes->refused = false;
}
