#ifndef FB_SERVICES_WORKER_EXCHANGE_MESSAGE_JSON_H
#define FB_SERVICES_WORKER_EXCHANGE_MESSAGE_JSON_H

/*
 * message_json: any message of protobuf-c as a JSON object, and back, by its descriptor.
 *
 * Members are named as the fields in the .proto file, enums by the names of their values. What is
 * zero or empty is left out. Numbers of 64 bits beyond 2^53 are strings, bytes are base64; both ways of
 * writing a number are read. So a kind of event that is added tomorrow is written and read without a word
 * here. Pure; any thread.
 */

#include <stdbool.h>

#include <protobuf-c/protobuf-c.h>

#include "runtime/base/arena.h"
#include "runtime/base/status.h"
#include "runtime/base/text.h"

/* False when there is what JSON cannot say: unknown fields, or floating point. */
bool message_json_write(const ProtobufCMessage *message, struct fb_buffer *out);

/*
 * Gives the message of a checked JSON object, in the arena. INVALID_ARGUMENT names the member by its path
 * below `where`, what was expected and, for an unknown one, the name that was most likely meant.
 */
struct fb_status message_json_read(const ProtobufCMessageDescriptor *descriptor,
                                   struct fb_text object, const char *where, struct fb_arena *arena,
                                   ProtobufCMessage **message);

#endif
