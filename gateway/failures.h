#ifndef FB_GATEWAY_FAILURES_H
#define FB_GATEWAY_FAILURES_H

/*
 * failures: how MCP says that something failed.
 *
 * The only place where a gRPC code, or an error of an upstream server, becomes an answer to the
 * agent. Pure. What a reader is told to do next is part of the text, as the reader is a model.
 */

#include <stdbool.h>
#include <stdint.h>

#include "gateway/jsonrpc.h"
#include "gateway/revision.h"
#include "runtime/base/arena.h"
#include "runtime/base/status.h"

/* How the suite ended a call. */
struct failure {
    struct fb_status status;
    struct fb_text reason; /* the trailer flowbalancer-reason; empty for none */
    int64_t retry_ms;      /* the trailer flowbalancer-retry-ms; below 0 for none */
    struct fb_text
        refusal; /* the trailer flowbalancer-refusal-bin, a FlowRefusal; empty for none */
};

/*
 * What is answered: a protocol error when `error.code` is not 0, else a result with `isError` and
 * `text`. Texts live in the arena.
 */
struct failure_answer {
    struct jsonrpc_error error;
    const char *text;
};

/* The failure of a tools/call of `tool`. */
struct failure_answer failure_of_call(const struct failure *failure, const char *tool,
                                      struct fb_arena *arena);

/* The failure of any other request: always a protocol error. */
struct jsonrpc_error failure_of_request(const struct failure *failure, struct fb_arena *arena);

/*
 * An error that a server answered, with the code that the agent's revision may be shown: what is
 * meant for our leg to the server, or reserved, becomes an internal error that names the code.
 */
struct jsonrpc_error failure_of_server(int64_t code, const char *message, struct fb_text data,
                                       enum revision to, struct fb_arena *arena);

#endif
