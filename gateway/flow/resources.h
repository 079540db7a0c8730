#ifndef FB_GATEWAY_FLOW_RESOURCES_H
#define FB_GATEWAY_FLOW_RESOURCES_H

/*
 * resources: sessions as resources that agents read, and are told of when they change.
 *
 * flow://<session>/brief, graph.svg and log.
 */

#include <stdbool.h>

#include "clients/session_id/session_id.h"
#include "gateway/flow/work.h"
#include "runtime/base/text.h"

enum resource_kind { RESOURCE_BRIEF, RESOURCE_GRAPH, RESOURCE_LOG, RESOURCE_KINDS };

struct resource {
    char session[FB_SESSION_ID_BYTES + 1];
    enum resource_kind kind;
};

/* False for a URI that is none of ours. */
bool resource_of(const char *uri, struct resource *resource);

/* Appends the URI. */
void resource_put_uri(struct fb_buffer *out, const struct resource *resource);

/* What was gathered in `work->text` is the resource. */
void resource_answer(struct work *work);

/* Read the log: its last events, a line each. */
void resource_read_log(struct work *work);

#endif
