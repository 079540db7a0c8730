#ifndef FB_RUNTIME_RPC_MESSAGE_H
#define FB_RUNTIME_RPC_MESSAGE_H

/*
 * message: from wire bytes to protobuf-c messages, within bounds.
 *
 * protobuf-c knows no limit of depth or memory (30 kB on the wire can end an 8 MB stack, 4 MB can
 * become 110 MB of heap), so both are bounded here before and while it unpacks.
 */

#include <stddef.h>
#include <stdint.h>

#include <protobuf-c/protobuf-c.h>

#include "runtime/base/arena.h"
#include "runtime/base/status.h"

enum {
    FB_MESSAGE_DEPTH = 32,             /* nested messages */
    FB_MESSAGE_LIMIT_BYTES = 16 << 20, /* default largest message, both ways */
};

/*
 * Unpacks into the arena; nothing is to be freed but the arena. `limit_bytes` bounds what the unpacked
 * message may take, protobuf-c's own scratch space included (0: eight times its wire size and 1 MiB, as
 * many tiny parts take some 25 times what they took on the wire). INVALID_ARGUMENT for bytes that
 * are not such a message, nested too deep, or with invalid UTF-8 or a NUL in a string field (field and
 * offset are named, in the arena's memory); RESOURCE_EXHAUSTED above the limit.
 */
struct fb_status fb_message_unpack(const ProtobufCMessageDescriptor *descriptor,
                                   const uint8_t *data, size_t size, size_t limit_bytes,
                                   struct fb_arena *arena, ProtobufCMessage **message);

#endif
