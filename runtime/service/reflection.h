#ifndef FB_RUNTIME_SERVICE_REFLECTION_H
#define FB_RUNTIME_SERVICE_REFLECTION_H

/*
 * reflection: tells clients without our protos what is served (grpc.reflection.v1, and v1alpha, which
 * many still ask for first).
 *
 * On the loop's thread.
 */

#include <stddef.h>

#include "runtime/rpc/server.h"

struct fb_reflection;

/*
 * `set` is a google.protobuf.FileDescriptorSet as protoc writes it with --include_imports; borrowed.
 * NULL when memory is exhausted or it is no such set.
 */
struct fb_reflection *fb_reflection_create(const unsigned char *set, size_t size);

/* After the server is destroyed. NULL is fine. */
void fb_reflection_destroy(struct fb_reflection *reflection);

/* Adds both services to a server. */
void fb_reflection_serve(struct fb_reflection *reflection, struct fb_server *server);

/* A service to be listed, by its full name, borrowed; at most 32, reflection itself not counted. */
void fb_reflection_know(struct fb_reflection *reflection, const char *service);

/* Ends all streams, that a drain need not wait for them. */
void fb_reflection_end(struct fb_reflection *reflection);

#endif
