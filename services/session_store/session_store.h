#ifndef FB_SERVICES_SESSION_STORE_SESSION_STORE_H
#define FB_SERVICES_SESSION_STORE_SESSION_STORE_H

/*
 * session_store: SessionStoreService over an engine. On the loop's thread.
 */

#include <stddef.h>
#include <stdint.h>

#include "runtime/loop/loop.h"
#include "runtime/metrics/metrics.h"
#include "runtime/rpc/method.h"
#include "services/session_store/engine.h"

struct session_store;

enum session_store_metric {
    STORE_EVENTS,
    STORE_APPENDS,
    STORE_REFUSED,
    STORE_WATCHERS,
    STORE_WAITING,
};

extern const struct fb_metric session_store_metrics[];

struct session_store_config {
    const char *backup_folder;  /* absolute; where backups may be put */
    struct fb_metrics *metrics; /* NULL counts nothing */
};

/* What it serves; the `self` of fb_server_add is the session_store. */
extern const struct fb_rpc_service session_store_service;

/* Borrows loop and config's strings, takes the engine. NULL when memory is exhausted. */
struct session_store *session_store_create(struct fb_loop *loop, struct engine *engine,
                                           const struct session_store_config *config);

/* Ends the streams that have no end of their own, so that the server can drain. */
void session_store_drain(struct session_store *store);

/* Closes the engine. No call may be open. NULL is harmless. */
void session_store_destroy(struct session_store *store);

#endif
