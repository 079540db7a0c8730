#ifndef FB_GATEWAY_ERA_H
#define FB_GATEWAY_ERA_H

/*
 * era: by which revision a message is served, decided for each message alone.
 *
 * Both eras share one process. A message that names its version in `_meta` is modern and served
 * without regard to any other; all else belongs to the legacy session that `initialize` opened. A
 * client is never pinned to what its first message was. Pure.
 */

#include "gateway/envelope.h"
#include "gateway/jsonrpc.h"
#include "gateway/revision.h"
#include "runtime/base/arena.h"

/* What the legacy handshake left; all zero before it. */
struct era_session {
    bool open;
    enum revision revision;
};

enum era_way {
    ERA_SERVE,     /* by `revision` */
    ERA_HANDSHAKE, /* `initialize` without a modern envelope */
    ERA_DROP,      /* a notification of nobody's session */
    ERA_REFUSE,    /* with `error` */
};

struct era_verdict {
    enum era_way way;
    enum revision revision;
    struct jsonrpc_error error; /* its data lives in the arena */
};

/* For requests and notifications. */
struct era_verdict era_decide(const struct message *message, const struct envelope *envelope,
                              struct era_session session, struct fb_arena *arena);

/* The revision that answers a handshake: the one asked for, else our newest legacy one. */
enum revision era_agree(struct fb_text requested);

/* Whether a JSON value is one of the eight level names. */
bool era_is_log_level(struct fb_text value);

/* The names of the levels, least first, NULL-ended. */
extern const char *const era_log_levels[];

#endif
