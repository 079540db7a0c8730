#ifndef FB_RUNTIME_RPC_SERVED_H
#define FB_RUNTIME_RPC_SERVED_H

/*
 * served: what call.c and server.c need of each other, and nobody else does.
 */

#include <stdbool.h>

#include "runtime/base/status.h"

struct fb_call;
struct fb_server;

/* Enters the call in the server's list and counts it. */
void fb_server_count_begin(struct fb_server *server, struct fb_call *call);
void fb_server_count_end(struct fb_server *server, enum fb_code code);
void fb_server_forget_call(struct fb_server *server, struct fb_call *call);
bool fb_server_is_draining(const struct fb_server *server);

#endif
