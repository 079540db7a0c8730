#ifndef FB_GATEWAY_VALUES_H
#define FB_GATEWAY_VALUES_H

/*
 * values: from JSON text to the fields of messages, and back.
 *
 * Pure; all slices are of what was given.
 */

#include <protobuf-c/protobuf-c.h>

#include "runtime/base/arena.h"
#include "runtime/base/text.h"

ProtobufCBinaryData value_bytes(struct fb_text text);
struct fb_text value_text(ProtobufCBinaryData bytes);

/* protobuf-c has no const; a request is only packed. */
char *value_unconst(const char *string);

/* The characters of a string value as a C string; NULL when it is none, or holds NUL. */
const char *value_string(struct fb_text value, struct fb_arena *arena);

/*
 * JSON of the suite stands on one line already; should it not, it must not tear ours apart: it is
 * then written into `room`, which is empty.
 */
struct fb_text value_one_line(struct fb_text json, struct fb_buffer *room);

#endif
