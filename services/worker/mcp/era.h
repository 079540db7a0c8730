#ifndef FB_SERVICES_WORKER_MCP_ERA_H
#define FB_SERVICES_WORKER_MCP_ERA_H

/*
 * era: which protocol a server speaks, judged by how it answers the probe.
 *
 * Legacy servers begin with a handshake (2024-11-05 to 2025-11-25), modern ones serve each request
 * by itself (2026-07-28). The probe is a `server/discover`: what only a modern server can answer
 * well proves it modern, and anything else, whatever the error, leads to the handshake. Pure: any
 * thread may use it.
 */

#include <stdbool.h>

#include "runtime/base/text.h"
#include "services/worker/mcp/wire.h"

#define ERA_MODERN_REVISION "2026-07-28"
#define ERA_LEGACY_REVISION "2025-11-25" /* the newest; offered in the handshake */

enum era { ERA_UNKNOWN, ERA_LEGACY, ERA_MODERN };

/* What to do after the probe was answered. */
enum era_verdict {
    ERA_SAYS_MODERN,
    ERA_SAYS_LEGACY,  /* go on with the handshake */
    ERA_SAYS_RETRY,   /* it refused our revision but lists it: ask once more */
    ERA_SAYS_NEITHER, /* it only speaks revisions later than ours */
};

enum era_verdict era_judge(const struct wire_message *answer);

/* The constant of a legacy revision that we speak; NULL for any other. `revision` is a JSON string. */
const char *era_legacy_revision(struct fb_text revision);

#endif
