#ifndef FB_GATEWAY_REVISION_H
#define FB_GATEWAY_REVISION_H

/*
 * revision: the dated versions of the protocol that we speak.
 *
 * The first four are legacy: agreed upon once by a handshake. The last is modern: stateless, named
 * in every request.
 */

#include <stdbool.h>

#include "runtime/base/text.h"

enum revision {
    REVISION_2024_11_05,
    REVISION_2025_03_26,
    REVISION_2025_06_18,
    REVISION_2025_11_25,
    REVISION_2026_07_28,
    REVISION_COUNT,
    REVISION_NEWEST_LEGACY = REVISION_2025_11_25,
    REVISION_MODERN = REVISION_2026_07_28
};

/* Sets of revisions, one bit each, for tables. */
enum {
    IN_LEGACY = (1 << REVISION_2026_07_28) - 1,
    IN_MODERN = 1 << REVISION_2026_07_28,
    IN_ALL = IN_LEGACY | IN_MODERN,
};

/* "2025-11-25" and so on. */
extern const char *const revision_names[REVISION_COUNT];

/* False for a version that we do not know. `name` is plain text, without quotes. */
bool revision_of(struct fb_text name, enum revision *revision);

#endif
