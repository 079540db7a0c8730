#ifndef FB_SERVICES_SESSION_STORE_CODEC_H
#define FB_SERVICES_SESSION_STORE_CODEC_H

/*
 * codec: bytes on their way to the disk and back, compressed when it pays, with a digest.
 *
 * A codec keeps zstd's working memory, so each thread has its own. Small bodies say little that could
 * be compressed by itself; with a dictionary, learned of bodies like them, they are.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/arena.h"
#include "runtime/base/status.h"
#include "services/session_store/engine.h"

struct codec;

/* How a stored body is to be read; stored beside it, so never renumbered. */
enum codec_kind { CODEC_PLAIN = 0, CODEC_ZSTD = 1, CODEC_ZSTD_DICTIONARY = 2 };

enum {
    CODEC_DICTIONARIES = 16,       /* that one codec knows */
    CODEC_DICTIONARY_BYTES = 8192, /* of one that codec_train makes */
    CODEC_SMALL_BYTES = 4096,      /* of a body that a dictionary is used for */
    CODEC_DIGEST_BYTES = 16,
    CODEC_RAW_MOST_BYTES = 64 << 20, /* nothing larger is written, so nothing larger is believed */
};

/* A body as it is stored. */
struct codec_body {
    enum codec_kind kind;
    uint32_t dictionary;                /* of CODEC_ZSTD_DICTIONARY: its number, from 1 */
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

/* The same; a small body by the dictionary that was learned last, if there is one. */
struct codec_body codec_pack_small(struct codec *codec, struct engine_bytes raw,
                                   struct engine_bytes label);

/*
 * Makes a dictionary of samples, one after the other in `samples`, in `out`; its size, 0 when there is
 * too little to learn of them.
 */
size_t codec_train(struct engine_bytes samples, const size_t *sizes, size_t count,
                   uint8_t out[CODEC_DICTIONARY_BYTES]);

/* Knows a dictionary from now on. False without memory, or when it knows too many. */
bool codec_learn(struct codec *codec, uint32_t number, struct engine_bytes dictionary);

/* Whether it knows the dictionary, or for 0 any. */
bool codec_knows(const struct codec *codec, uint32_t number);

/*
 * Unpacks into the arena and checks the digest. DATA_LOSS when it is not what was packed, or by a
 * dictionary that is not known; RESOURCE_EXHAUSTED without memory.
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
