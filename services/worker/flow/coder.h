#ifndef FB_SERVICES_WORKER_FLOW_CODER_H
#define FB_SERVICES_WORKER_FLOW_CODER_H

/*
 * coder: values to bytes and back, by one list of fields for both ways, so that the two cannot part.
 *
 * Each function writes its value, or reads it, as the coder says. What is read is held to its limits;
 * once `failed`, values read are zero and texts NULL. Numbers take seven bits a byte, lowest first.
 * Pure, any thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/text.h"
#include "services/worker/flow/names.h"

struct coder {
    struct fb_buffer *out; /* NULL: reading */
    const unsigned char *at;
    const unsigned char *end;
    bool failed;
};

void coder_u64(struct coder *coder, uint64_t *value);

/* At most `most`. */
void coder_u32(struct coder *coder, uint32_t *value, uint32_t most);

/* Times and spans: never negative, at most 2^53. */
void coder_time(struct coder *coder, int64_t *value);

void coder_bool(struct coder *coder, bool *value);

/* Its eight bytes, lowest first; between -1e18 and 1e18. */
void coder_double(struct coder *coder, double *value);

/* Just these bytes. */
void coder_bytes(struct coder *coder, void *bytes, size_t size);

/* A text up to `most` bytes; NULL when empty. Gives what it reads. */
void coder_text(struct coder *coder, char **text, size_t most);

/* Up to `most` names of up to `bytes_most`; read into empty ones. */
void coder_names(struct coder *coder, struct names *names, uint32_t most, size_t bytes_most);

#endif
