#ifndef FB_SERVICES_WORKER_DIGEST_DIGEST_H
#define FB_SERVICES_WORKER_DIGEST_DIGEST_H

/*
 * digest: SHA-256 in hex, of several parts one after the other.
 *
 * Each part is hashed with its length before it, so that parts cannot flow into each other. Any
 * thread; a digest belongs to one at a time.
 */

#include <stdbool.h>

#include "runtime/base/text.h"

enum { DIGEST_HEX_BYTES = 64 };

struct digest {
    void *context; /* NULL once it has failed or ended */
};

void digest_begin(struct digest *digest);
void digest_add(struct digest *digest, struct fb_text part);

/* Writes `digits` hex digits (at most 64) and a NUL, and frees what the digest held. All '0' when memory was
 * exhausted, which no digest is. */
void digest_end(struct digest *digest, char *out, unsigned digits);

enum { DIGEST_BYTES = 32 };

/* The SHA-256 of these bytes alone, not in hex; false, and all zero, when memory was exhausted. */
bool digest_of(struct fb_text bytes, char out[DIGEST_BYTES]);

#endif
