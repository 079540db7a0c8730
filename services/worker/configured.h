#ifndef FB_SERVICES_WORKER_CONFIGURED_H
#define FB_SERVICES_WORKER_CONFIGURED_H

/*
 * configured: the servers of the configuration file as the worker runs and reports them.
 *
 * Read once at the start; all memory is an arena's.
 */

#include <stddef.h>

#include "runtime/base/arena.h"
#include "runtime/base/status.h"
#include "services/worker/catalogue/kept.h"
#include "services/worker/joins.h"
#include "services/worker/mcp/exposure.h"
#include "services/worker/pool/pool.h"

/* One row for each server that is not switched off, in the order of its name in the file. */
struct configured {
    size_t count;
    const char **names; /* in the file */
    struct exposure_server *exposed;
    struct pool_server *pool;   /* to be run */
    struct kept_server *kept;   /* for the store */
    struct joins_server *joins; /* for routers */
};

/*
 * Reads `path`, which need not exist: then there are no servers. What is wrong with single entries is
 * logged, and the entry left out. Otherwise as fb_servers_read says; RESOURCE_EXHAUSTED: no memory.
 */
struct fb_status configured_read(const char *path, struct fb_arena *arena,
                                 struct configured *configured);

#endif
