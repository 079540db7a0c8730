#ifndef FB_SERVICES_WORKER_POOL_INSTANCE_H
#define FB_SERVICES_WORKER_POOL_INSTANCE_H

/*
 * instance: one running process of a server, and the session spoken with it.
 *
 * It runs behind flow-guard, whose life line we hold: however this program ends, nothing of the
 * server survives it. Its standard error is read for ever and goes rationed into the log. It is
 * stopped in the order that servers expect: standard input closes, then SIGTERM, then SIGKILL. On
 * the loop's thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "runtime/base/status.h"
#include "runtime/loop/child.h"
#include "runtime/loop/loop.h"
#include "services/worker/mcp/session.h"

struct instance;

/* All borrowed for the life of the instance. */
struct instance_plan {
    const char *name;        /* the server's, for the log */
    const char *guard_path;  /* of flow-guard */
    const char *const *argv; /* NULL-ended */
    const char *const *env;  /* NULL-ended, all of it */
    const char *cwd;         /* NULL: ours */
    int64_t stop_ms;         /* patience before SIGTERM, and again before SIGKILL */
    size_t line_most_bytes;  /* of what it writes on standard output */
    struct mcp_session_config session;
};

struct instance_end {
    struct fb_child_end how;
    bool was_ready;   /* it had answered the handshake */
    bool was_probing; /* it ended over the probe, so far as we know */
    bool asked;       /* we had asked it to stop */
    int64_t ran_ms;
};

struct instance_events {
    /* May be asked for requests now. */
    void (*on_ready)(void *self, struct instance *instance);
    /* The handshake failed; the instance stops itself and on_end follows. `why` as in session.h. */
    void (*on_failed)(void *self, struct instance *instance, const char *why);
    void (*on_changed)(void *self, struct instance *instance, enum mcp_session_list list);
    void (*on_listed)(void *self, struct instance *instance, enum mcp_session_list list,
                      struct fb_status status, const struct mcp_session_items *items);
    /* Something was written or answered: there may be room for more requests. */
    void (*on_room)(void *self, struct instance *instance);
    /* The process is gone and its requests were told; destroy it, also from within. */
    void (*on_end)(void *self, struct instance *instance, const struct instance_end *end);
};

/*
 * Starts the process. `events` is borrowed and usually static. UNAVAILABLE when the system has no
 * room, else as fb_child_start says of flow-guard itself; a command that is not there shows only
 * when it ends with exit code 127.
 */
struct fb_status instance_create(struct fb_loop *loop, const struct instance_plan *plan,
                                 const struct instance_events *events, void *self,
                                 struct instance **instance);

/* Only after on_end, or when this program ends and nothing is to be told. NULL is fine. */
void instance_destroy(struct instance *instance);

/* Whether it takes requests now: it is ready, not stopping, and reads what it is sent. */
bool instance_has_room(const struct instance *instance);
bool instance_is_ready(const struct instance *instance);

/* As in session.h; what they put out is written at the end of the loop's round. */
struct fb_status instance_request(struct instance *instance, struct mcp_session_request *request,
                                  const struct mcp_session_request_events *events,
                                  const struct mcp_session_plan *plan);
void instance_cancel(struct instance *instance, struct mcp_session_request *request,
                     const char *reason);
void instance_list(struct instance *instance, enum mcp_session_list list);

const struct mcp_session *instance_session(const struct instance *instance);
pid_t instance_pid(const struct instance *instance); /* of its guard */

/* Asks it to end; on_end comes when it has. Open requests may still be answered. Harmless twice. */
void instance_stop(struct instance *instance);

#endif
