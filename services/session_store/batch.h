#ifndef FB_SERVICES_SESSION_STORE_BATCH_H
#define FB_SERVICES_SESSION_STORE_BATCH_H

/*
 * batch: the events of one append as one run of bytes, and back.
 *
 * Each event is its kind and its payload's length as base-128 numbers, low group first, then the
 * payload. Numbers of sequence and time belong to the batch as a whole. Pure.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "services/session_store/engine.h"

/* How many bytes batch_write needs. */
size_t batch_size(const struct engine_event *events, size_t count);

/* Writes batch_size bytes. */
void batch_write(const struct engine_event *events, size_t count, uint8_t *out);

/*
 * The next event of what is left in `*from`, which it moves on; the payload is borrowed from there,
 * sequence and time are left alone. False, and nothing moved, for bytes that batch_write did not make.
 */
bool batch_next(struct engine_bytes *from, struct engine_event *event);

#endif
