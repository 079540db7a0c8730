#ifndef FB_RUNTIME_CONFIG_SERVER_DIGEST_H
#define FB_RUNTIME_CONFIG_SERVER_DIGEST_H

/*
 * server_digest: which servers may share an instance: those with the same digest.
 *
 * Pure.
 */

#include <stdbool.h>

#include "runtime/config/servers.h"

/*
 * Fills in `digest`: SHA-256 over all that makes an instance what it is, each part with its length
 * before it, so that no two different configurations read the same. False: no memory.
 */
bool fb_server_digest(struct fb_server_entry *server);

#endif
