#ifndef FB_RUNTIME_TRACE_TRACE_H
#define FB_RUNTIME_TRACE_TRACE_H

/*
 * trace: where a call stands in a distributed trace, as W3C Trace Context and Baggage have it.
 *
 * A context is a value. Its state and baggage are borrowed from what it was read from, so whoever
 * keeps a context longer copies them. Any thread may use everything here.
 */

#include <stdbool.h>
#include <stdint.h>

#include "runtime/base/text.h"

enum {
    FB_TRACE_PARENT_BYTES = 55, /* "00-<32>-<16>-<2>", without a NUL */
    FB_TRACE_STATE_BYTES = 512, /* a longer tracestate is not handed on */
    FB_TRACE_STATE_ENTRIES = 32,
    FB_TRACE_BAGGAGE_BYTES = 8192, /* a longer baggage is not handed on */
    FB_TRACE_BAGGAGE_ENTRIES = 64
};

enum {
    FB_TRACE_SAMPLED = 0x01, /* somebody before us records it */
    FB_TRACE_RANDOM = 0x02   /* the trace id was drawn at random, all of it */
};

struct fb_trace_context {
    uint8_t trace_id[16]; /* all zero: no trace */
    uint8_t span_id[8];   /* of the span that calls; the parent of what it calls */
    uint8_t flags;
    struct fb_text state;   /* tracestate, checked; empty for none */
    struct fb_text baggage; /* checked; empty for none */
};

/* A new trace with a first span, ids at random. */
struct fb_trace_context fb_trace_begin(bool sampled);

/*
 * What came from outside. An empty or invalid `traceparent` means a new trace (as fb_trace_begin)
 * and `tracestate` is dropped with it; an invalid tracestate or baggage is dropped alone. A
 * traceparent of a later version is read as far as this version goes.
 */
struct fb_trace_context fb_trace_join(struct fb_text traceparent, struct fb_text tracestate,
                                      struct fb_text baggage, bool sampled_if_new);

/* The same trace, state and baggage under a new span id: for what this span calls. */
struct fb_trace_context fb_trace_child(const struct fb_trace_context *context);

/* Reads a traceparent alone; false leaves `*context` as it was. */
bool fb_trace_parse(struct fb_text traceparent, struct fb_trace_context *context);

/* Whether a list is as its standard says, with at most as many bytes and entries as above. */
bool fb_trace_state_is_valid(struct fb_text tracestate);
bool fb_trace_baggage_is_valid(struct fb_text baggage);

/* The traceparent, with a NUL behind it. */
void fb_trace_format(const struct fb_trace_context *context, char out[FB_TRACE_PARENT_BYTES + 1]);

bool fb_trace_is_set(const struct fb_trace_context *context);

/* Random bytes from the system, fetched in blocks per thread; for ids, not for keys. */
void fb_trace_random(void *out, size_t size);

#endif
