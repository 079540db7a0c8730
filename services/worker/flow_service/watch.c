/*
 * watch: Watch, the events of a session as they are kept, from wherever the caller is.
 *
 * Events are read from the store, not from the session in memory: so they are on disk when they are told,
 * and a watch lives on when another worker takes the session.
 */
#include "services/worker/flow_service/watch.h"

#include "runtime/rpc/message.h"
#include "services/worker/flow/event.h"
#include "services/worker/flow_service/flow_call.h"
#include "services/worker/flow_service/serve.h"
#include "services/worker/sessions/reader.h"

enum { KINDS_MOST = 64, FIRST_KIND = 10 };

/* In the arena of its call. */
struct flow_watch {
    struct flow_service *service;
    struct fb_call *call;
    const Flowbalancer__V1__WatchRequest *request;
    struct reader *reader;
    struct fb_arena event;     /* of one event */
    uint64_t kinds;            /* bits of their fields' numbers; 0: all */
    uint32_t task;             /* 0: all */
    struct keeper_call keeper; /* to find a task by its key */
    struct fb_status failure;
    struct flow_watch *next;
    struct flow_watch **link; /* not NULL while it reads */
};

static void end(struct flow_watch *watch, struct fb_status status)
{
    if (watch->link != NULL) {
        *watch->link = watch->next;
        if (watch->next != NULL) {
            watch->next->link = watch->link;
        }
        watch->link = NULL;
    }
    fb_arena_finish(&watch->event);
    fb_call_finish(watch->call, status);
}

/* --- what is told --- */

static bool links_touch(const struct event_link *links, size_t count, uint32_t task)
{
    for (size_t i = 0; i < count; i++) {
        if (links[i].task == task || links[i].on == task) {
            return true;
        }
    }
    return false;
}

static bool is_about(const struct event *event, uint32_t task)
{
    switch (event->kind) {
    case EVENT_PLANNED:
        return (task >= event->planned.first_task &&
                task - event->planned.first_task < event->planned.task_count) ||
               links_touch(event->planned.links, event->planned.link_count, task);
    case EVENT_IMPORTED:
        return (task >= event->imported.first_task &&
                task - event->imported.first_task < event->imported.task_count) ||
               links_touch(event->imported.links, event->imported.link_count, task);
    case EVENT_LINKED:
        return links_touch(event->linked.links, event->linked.link_count, task);
    default:
        return event->task == task;
    }
}

static bool is_wanted(struct flow_watch *watch, const Flowbalancer__V1__FlowEvent *message,
                      struct fb_text payload)
{
    struct event event;

    if (watch->kinds != 0 && ((size_t)message->kind_case >= KINDS_MOST ||
                              (watch->kinds >> message->kind_case & 1) == 0)) {
        return false;
    }
    return watch->task == 0 || (fb_is_ok(event_unpack(payload, &watch->event, &event)) &&
                                is_about(&event, watch->task));
}

static void on_event(void *self, int64_t sequence, struct fb_text payload)
{
    struct flow_watch *watch = self;
    Flowbalancer__V1__FlowWatched watched = FLOWBALANCER__V1__FLOW_WATCHED__INIT;
    Flowbalancer__V1__WatchResponse answer = FLOWBALANCER__V1__WATCH_RESPONSE__INIT;
    ProtobufCMessage *message;
    struct fb_status status;

    fb_arena_reset(&watch->event);
    status =
        fb_message_unpack(&flowbalancer__v1__flow_event__descriptor, (const uint8_t *)payload.data,
                          payload.size, 0, &watch->event, &message);
    if (!fb_is_ok(status)) {
        reader_cancel(watch->reader);
        end(watch, fb_fail(FB_DATA_LOSS, "the store has an event that is none"));
        return;
    }
    watched.event = (Flowbalancer__V1__FlowEvent *)message;
    watched.seq = sequence;
    if (!is_wanted(watch, watched.event, payload)) {
        return;
    }
    answer.part_case = FLOWBALANCER__V1__WATCH_RESPONSE__PART_EVENT;
    answer.event = &watched;
    if (!fb_call_send(watch->call, &answer.base)) {
        reader_pause(watch->reader);
    }
}

static void on_caught_up(void *self, int64_t sequence)
{
    struct flow_watch *watch = self;
    Flowbalancer__V1__WatchResponse answer = FLOWBALANCER__V1__WATCH_RESPONSE__INIT;

    answer.part_case = FLOWBALANCER__V1__WATCH_RESPONSE__PART_CAUGHT_UP_SEQ;
    answer.caught_up_seq = sequence;
    if (!fb_call_send(watch->call, &answer.base)) {
        reader_pause(watch->reader);
    }
}

static void on_reader_end(void *self, struct fb_status status)
{
    struct flow_watch *watch = self;

    if (status.code == FB_NOT_FOUND) {
        status =
            fb_arena_fail(fb_call_arena(watch->call), FB_NOT_FOUND,
                          "context.session: there is no session \"%.128s\"; flow_open makes it, "
                          "flow_find lists those there are",
                          watch->request->context->session);
        (void)fb_call_add_trailer(watch->call, "flowbalancer-reason", FB_TEXT("no_such"));
    }
    end(watch, status);
}

static const struct reader_events reader_events = {
    .on_event = on_event,
    .on_caught_up = on_caught_up,
    .on_end = on_reader_end,
};

/* --- begin and end --- */

static void start_reading(struct flow_watch *watch)
{
    const struct reading reading = {
        .scope = fb_text_of(watch->request->context->scope),
        .session = fb_text_of(watch->request->context->session),
        .after = watch->request->since_seq,
        .follow = true,
    };
    struct flow_service *service = watch->service;

    if (service->draining) { /* while its key was looked up */
        end(watch, fb_fail(FB_UNAVAILABLE, "the worker is going down: watch again"));
        return;
    }
    watch->reader = reader_create(service->loop, keeper_channel(service->keeper), &reading,
                                  &reader_events, watch);
    if (watch->reader == NULL) {
        end(watch, fb_fail(FB_RESOURCE_EXHAUSTED, "no memory to watch"));
        return;
    }
    watch->next = service->watches;
    watch->link = &service->watches;
    if (watch->next != NULL) {
        watch->next->link = &watch->next;
    }
    service->watches = watch;
}

static enum keeper_verdict find_key(struct keeper_call *keeper, struct decision *d)
{
    struct flow_watch *watch = keeper->self;
    const char *key = watch->request->task->key;

    watch->task = session_task_of_key(d->session, fb_text_of(key));
    watch->failure = watch->task != 0
                         ? fb_ok
                         : fb_arena_fail(fb_call_arena(watch->call), FB_NOT_FOUND,
                                         "there is no task with the key \"%.128s\"", key);
    return KEEPER_ANSWER;
}

static void key_found(struct keeper_call *keeper, const struct keeper_end *keeper_end)
{
    struct flow_watch *watch = keeper->self;

    if (!fb_is_ok(keeper_end->status)) {
        keeper_say(watch->call, keeper_end);
        end(watch, keeper_end->status);
    } else if (!fb_is_ok(watch->failure)) {
        (void)fb_call_add_trailer(watch->call, "flowbalancer-reason", FB_TEXT("no_such"));
        end(watch, watch->failure);
    } else {
        start_reading(watch);
    }
}

static const struct keeper_call_events key_events = {.decide = find_key, .on_end = key_found};

static void start_finding(struct flow_watch *watch)
{
    watch->keeper = (struct keeper_call){
        .scope = fb_text_of(watch->request->context->scope),
        .session = fb_text_of(watch->request->context->session),
        .take_over = flow_takes_over(watch->call),
        .deadline_ms = fb_call_deadline_ms(watch->call),
        .arena = fb_call_arena(watch->call),
        .events = &key_events,
        .self = watch,
    };
    keeper_begin(watch->service->keeper, &watch->keeper);
}

static void on_cancel(struct fb_call *call, void *arg)
{
    struct flow_watch *watch = arg;

    (void)call;
    if (watch->link != NULL) {
        reader_cancel(watch->reader);
    } else {
        keeper_cancel(watch->service->keeper, &watch->keeper);
    }
    end(watch, fb_fail(FB_CANCELLED, "the caller cancelled"));
}

static void on_drain(struct fb_call *call, void *arg)
{
    struct flow_watch *watch = arg;

    (void)call;
    if (watch->link != NULL) {
        reader_resume(watch->reader);
    }
}

static const struct fb_call_events call_events = {.on_cancel = on_cancel, .on_drain = on_drain};

void watches_drain(struct flow_service *service)
{
    while (service->watches != NULL) {
        struct flow_watch *watch = service->watches;

        reader_cancel(watch->reader);
        end(watch, fb_fail(FB_UNAVAILABLE,
                           "the worker is going down: watch on from the last sequence you saw"));
    }
}

/* --- the request --- */

/* The number of the field of FlowEvent with that name, if it is a kind of event; else 0. */
static unsigned kind_of(const char *name)
{
    const ProtobufCFieldDescriptor *field = protobuf_c_message_descriptor_get_field_by_name(
        &flowbalancer__v1__flow_event__descriptor, name);

    return field == NULL || field->id < FIRST_KIND || field->id >= KINDS_MOST ? 0 : field->id;
}

static struct fb_status read_request(struct flow_watch *watch)
{
    const Flowbalancer__V1__WatchRequest *request = watch->request;

    if (request->since_seq < 0) {
        return fb_fail(FB_INVALID_ARGUMENT, "since_seq is at least 0");
    }
    for (size_t i = 0; i < request->n_kinds; i++) {
        const unsigned kind = kind_of(request->kinds[i]);

        if (kind == 0) {
            return fb_arena_fail(
                fb_call_arena(watch->call), FB_INVALID_ARGUMENT,
                "kinds: \"%.64s\" is none; they are the fields of FlowEvent, such as "
                "planned, claimed, finished",
                request->kinds[i]);
        }
        watch->kinds |= UINT64_C(1) << kind;
    }
    if (request->task != NULL &&
        request->task->ref_case == FLOWBALANCER__V1__FLOW_TASK_REF__REF_TASK) {
        watch->task = request->task->task;
    }
    return fb_ok;
}

void serve_watch(struct fb_call *call, const ProtobufCMessage *message)
{
    const Flowbalancer__V1__WatchRequest *request = (const Flowbalancer__V1__WatchRequest *)message;
    struct flow_service *service = fb_call_self(call);
    struct fb_status status = flow_check_context(request->context, true);
    struct flow_watch *watch = fb_arena_zalloc(fb_call_arena(call), 1, sizeof(*watch));

    if (fb_is_ok(status)) {
        status = flow_check_service(service);
    }
    if (fb_is_ok(status) && watch == NULL) {
        status = fb_fail(FB_RESOURCE_EXHAUSTED, "no memory to watch");
    }
    if (fb_is_ok(status)) {
        *watch = (struct flow_watch){.service = service, .call = call, .request = request};
        status = read_request(watch);
    }
    if (!fb_is_ok(status)) {
        if (status.code == FB_UNAVAILABLE) {
            (void)fb_call_add_trailer(call, "flowbalancer-reason", FB_TEXT("not-run"));
        }
        fb_call_finish(call, status);
        return;
    }
    fb_arena_init(&watch->event, 0);
    fb_call_watch(call, &call_events, watch);
    if (request->task != NULL &&
        request->task->ref_case == FLOWBALANCER__V1__FLOW_TASK_REF__REF_KEY) {
        start_finding(watch);
    } else {
        start_reading(watch);
    }
}
