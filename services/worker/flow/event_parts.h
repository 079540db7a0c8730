#ifndef FB_SERVICES_WORKER_FLOW_EVENT_PARTS_H
#define FB_SERVICES_WORKER_FLOW_EVENT_PARTS_H

/* event_parts: what writing, reading and checking of events share; for the files of event. */

#include "flowbalancer/v1/flow_event.pb-c.h"
#include "services/worker/flow/event.h"

/* Where messages and lists are made; whatever fails for want of memory leaves `failed`. */
struct event_room {
    struct fb_arena *arena;
    bool failed;
};

/* Zeroed memory for `count` things, at least one; NULL when there is none. */
void *event_take(struct event_room *room, size_t count, size_t size);

/* -- to messages: event_pack.c -- */

char *event_string(struct event_room *room, struct fb_text text);
Flowbalancer__V1__FlowLink **event_links(struct event_room *room, const struct event_link *links,
                                         size_t count);
Flowbalancer__V1__FlowPlannedTask **event_tasks(struct event_room *room,
                                                const struct event_planned_task *tasks,
                                                size_t count);

/* -- from messages: event_unpack.c -- */

const struct event_link *event_read_links(struct event_room *room,
                                          Flowbalancer__V1__FlowLink **links, size_t count);
const struct event_planned_task *event_read_tasks(struct event_room *room,
                                                  Flowbalancer__V1__FlowPlannedTask **tasks,
                                                  size_t count);

/* -- limits: event.c -- */

bool event_is_text(struct fb_text text, size_t least, size_t most);
struct fb_status event_check_planned_task(const struct event_planned_task *task);
struct fb_status event_check_links(const struct event_link *links, size_t count);

/* -- the kinds of what comes in, goes to cold storage or is merged: event_exchange.c -- */

struct fb_status event_check_exchange(const struct event *event);
void event_fill_exchange(struct event_room *room, const struct event *event,
                         Flowbalancer__V1__FlowEvent *message);
void event_read_exchange(struct event_room *room, const Flowbalancer__V1__FlowEvent *message,
                         struct event *event);

/* -- the kinds that alarms are about: event_watch.c -- */

struct fb_status event_check_watch(const struct event *event);
void event_fill_watch(struct event_room *room, const struct event *event,
                      Flowbalancer__V1__FlowEvent *message);
void event_read_watch(struct event_room *room, const Flowbalancer__V1__FlowEvent *message,
                      struct event *event);

#endif
