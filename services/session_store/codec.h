#ifndef FB_SERVICES_SESSION_STORE_CODEC_H
#define FB_SERVICES_SESSION_STORE_CODEC_H

/*
 * codec: bytes on their way to the disk and back, compressed when it pays, with a digest.
 *
 * A codec keeps zstd's working memory, so each thread has its own.
 */

#include <stddef.h>
#include <stdint.h>

#include "runtime/base/arena.h"
#include "runtime/base/status.h"
#include "services/session_store/engine.h"

struct codec;

/* How a stored body is to be read; stored beside it, so never renumbered. */
enum codec_kind { CODEC_PLAIN = 0, CODEC_ZSTD = 1 };

enum {
    CODEC_DIGEST_BYTES = 16,
    CODEC_RAW_MOST_BYTES = 64 << 20, /* nothing larger is written, so nothing larger is believed */
};

/* A body as it is stored. */
struct codec_body {
    enum codec_kind kind;
    size_t raw_bytes;                   /* before compression */
    uint8_t digest[CODEC_DIGEST_BYTES]; /* of the raw bytes and the label */
    struct engine_bytes stored;
};

/* NULL when memory is exhausted. */
struct codec *codec_create(void);
void codec_destroy(struct codec *codec);

/*
 * Packs `raw`. `label` is what else the digest vouches for: where the body belongs. The stored bytes
 * are `raw` itself or the codec's own, good until its next pack. Bodies below 256 bytes and those
 * that would not shrink by an eighth stay plain.
 */
struct codec_body codec_pack(struct codec *codec, struct engine_bytes raw,
                             struct engine_bytes label);

/*
 * Unpacks into the arena and checks the digest. DATA_LOSS when it is not what was packed,
 * RESOURCE_EXHAUSTED without memory.
 */
struct fb_status codec_unpack(struct codec *codec, const struct codec_body *body,
                              struct engine_bytes label, struct fb_arena *arena,
                              struct engine_bytes *raw);

/* The digest that codec_pack makes. */
void codec_digest(struct engine_bytes raw, struct engine_bytes label,
                  uint8_t digest[CODEC_DIGEST_BYTES]);

/* SHA-256 of the bytes. */
void codec_sha256(struct engine_bytes raw, uint8_t sha256[32]);

#endif
