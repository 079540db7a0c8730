#ifndef FB_RUNTIME_RPC_CORE_INBOX_H
#define FB_RUNTIME_RPC_CORE_INBOX_H

/*
 * inbox: a message as the library received it, made into plain bytes.
 *
 * Messages are inflated here and not by the library, which knows no bound for what comes out.
 */

#include <stddef.h>

#include <grpc/grpc.h>
#include <grpc/slice.h>

#include "runtime/base/status.h"

/*
 * Takes `buffer`; on success `*message` is the caller's to unref. RESOURCE_EXHAUSTED when it inflates beyond
 * `limit_bytes`, INTERNAL for what cannot be inflated.
 */
struct fb_status fb_core_inbox_open(grpc_byte_buffer *buffer, size_t limit_bytes,
                                    grpc_slice *message);

#endif
