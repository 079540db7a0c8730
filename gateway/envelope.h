#ifndef FB_GATEWAY_ENVELOPE_H
#define FB_GATEWAY_ENVELOPE_H

/*
 * envelope: what `params._meta` of a message says to us rather than to the server it is for.
 *
 * Pure; all slices are of the text that was read.
 */

#include "runtime/base/arena.h"
#include "runtime/base/text.h"
#include "runtime/trace/trace.h"

/* JSON values as they came; empty where absent. */
struct envelope {
    struct fb_text meta;           /* the whole object */
    struct fb_text version;        /* io.modelcontextprotocol/protocolVersion */
    struct fb_text capabilities;   /* io.modelcontextprotocol/clientCapabilities */
    struct fb_text log_level;      /* io.modelcontextprotocol/logLevel */
    struct fb_text progress_token; /* progressToken */
    struct fb_text traceparent;    /* W3C trace context; strings with their quotes */
    struct fb_text tracestate;
    struct fb_text baggage;
};

struct envelope envelope_read(struct fb_text params);

/*
 * Appends `meta` without what belongs to the leg between agent and us: the keys of the modern
 * envelope and the progress token. Nothing is appended when nothing is left.
 */
void envelope_append_rest(struct fb_buffer *out, struct fb_text meta);

/* The trace that the agent is in, or a new one; its texts are the envelope's or the arena's. */
struct fb_trace_context envelope_trace(const struct envelope *envelope, struct fb_arena *arena);

#endif
