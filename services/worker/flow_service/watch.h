#ifndef FB_SERVICES_WORKER_FLOW_SERVICE_WATCH_H
#define FB_SERVICES_WORKER_FLOW_SERVICE_WATCH_H

/*
 * watch: what the service has to know of those that watch sessions.
 */

struct flow_service;

/* All that watch are told to resume elsewhere. */
void watches_drain(struct flow_service *service);

#endif
