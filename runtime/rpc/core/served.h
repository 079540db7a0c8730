#ifndef FB_RUNTIME_RPC_CORE_SERVED_H
#define FB_RUNTIME_RPC_CORE_SERVED_H

/*
 * served: a call that a listener has received from the library, until it is over.
 */

#include <grpc/grpc.h>

#include "runtime/rpc/core/connections.h"
#include "runtime/rpc/core/queue.h"
#include "runtime/rpc/transport.h"

/*
 * Takes `core` and begins it; details and metadata are borrowed. `connections` is NULL where the library accepts
 * connections itself. Without memory the call is cancelled.
 */
void fb_core_serve(struct fb_listener *listener, const struct fb_core_queue *queue,
                   struct fb_core_connections *connections, grpc_call *core,
                   const grpc_call_details *details, const grpc_metadata_array *metadata);

#endif
