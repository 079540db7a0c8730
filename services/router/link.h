#ifndef FB_SERVICES_ROUTER_LINK_H
#define FB_SERVICES_ROUTER_LINK_H

/*
 * link: the connection to a worker, dialled as soon as it joins.
 *
 * Keeps `reached` of the worker true to its channel, and tries its addresses in turn.
 */

#include "services/router/router.h"

/* INVALID_ARGUMENT when none of its addresses can be read. */
struct fb_status link_open(struct router *router, struct worker *worker);

/* Dials again where the connection is lost; to be called about once a second, never from an event. */
void link_tend(struct router *router, struct worker *worker);

/* Ends its calls and closes it. */
void link_close(struct worker *worker);

#endif
