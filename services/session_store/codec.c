#include "services/session_store/codec.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>
#include <zdict.h>
#include <zstd.h>

enum {
    CODEC_LEVEL = 1,
    CODEC_LEAST_BYTES = 256,
    CODEC_LEAST_SMALL_BYTES = 32, /* with a dictionary */
    CODEC_KEEP_BYTES = 1 << 20,   /* a larger buffer is given back after its use */
};

struct dictionary {
    uint32_t number;
    ZSTD_DDict *decompressing;
};

struct codec {
    ZSTD_CCtx *compressor;
    ZSTD_DCtx *decompressor;
    uint8_t *buffer;
    size_t room;

    struct dictionary dictionaries[CODEC_DICTIONARIES]; /* the last learned at the end */
    size_t dictionary_count;
    ZSTD_CCtx *small; /* set up for the last; NULL while there is none */
};

struct codec *codec_create(void)
{
    struct codec *codec = calloc(1, sizeof(*codec));

    if (codec == NULL) {
        return NULL;
    }
    codec->compressor = ZSTD_createCCtx();
    codec->decompressor = ZSTD_createDCtx();
    if (codec->compressor == NULL || codec->decompressor == NULL) {
        codec_destroy(codec);
        return NULL;
    }
    return codec;
}

void codec_destroy(struct codec *codec)
{
    if (codec == NULL) {
        return;
    }
    ZSTD_freeCCtx(codec->compressor);
    ZSTD_freeDCtx(codec->decompressor);
    ZSTD_freeCCtx(codec->small);
    for (size_t i = 0; i < codec->dictionary_count; i++) {
        ZSTD_freeDDict(codec->dictionaries[i].decompressing);
    }
    free(codec->buffer);
    free(codec);
}

/* Room for `size` bytes, or NULL: then the body simply stays plain. */
static uint8_t *codec_room(struct codec *codec, size_t size)
{
    if (codec->room >= size && (codec->room <= CODEC_KEEP_BYTES || size > CODEC_KEEP_BYTES)) {
        return codec->buffer;
    }
    free(codec->buffer);
    codec->room = size > CODEC_KEEP_BYTES ? size : CODEC_KEEP_BYTES;
    codec->buffer = malloc(codec->room);
    if (codec->buffer == NULL) {
        codec->room = 0;
    }
    return codec->buffer;
}

struct codec_body codec_pack(struct codec *codec, struct engine_bytes raw,
                             struct engine_bytes label)
{
    struct codec_body body = {.kind = CODEC_PLAIN, .raw_bytes = raw.size, .stored = raw};
    uint8_t *out;
    size_t size;

    assert(raw.size <= CODEC_RAW_MOST_BYTES);
    codec_digest(raw, label, body.digest);
    if (raw.size < CODEC_LEAST_BYTES) {
        return body;
    }
    out = codec_room(codec, ZSTD_compressBound(raw.size));
    if (out == NULL) {
        return body;
    }
    size = ZSTD_compressCCtx(codec->compressor, out, codec->room, raw.data, raw.size, CODEC_LEVEL);
    if (ZSTD_isError(size) || size > raw.size - raw.size / 8) {
        return body;
    }
    body.kind = CODEC_ZSTD;
    body.stored = (struct engine_bytes){out, size};
    return body;
}

struct codec_body codec_pack_small(struct codec *codec, struct engine_bytes raw,
                                   struct engine_bytes label)
{
    struct codec_body body = {.kind = CODEC_ZSTD_DICTIONARY, .raw_bytes = raw.size};
    uint8_t *out;
    size_t size;

    if (codec->small == NULL || raw.size < CODEC_LEAST_SMALL_BYTES ||
        raw.size > CODEC_SMALL_BYTES) {
        return codec_pack(codec, raw, label);
    }
    out = codec_room(codec, ZSTD_compressBound(raw.size));
    if (out == NULL) {
        return codec_pack(codec, raw, label);
    }
    size = ZSTD_compress2(codec->small, out, codec->room, raw.data, raw.size);
    if (ZSTD_isError(size) || size > raw.size - raw.size / 8) {
        return codec_pack(codec, raw, label);
    }
    codec_digest(raw, label, body.digest);
    body.dictionary = codec->dictionaries[codec->dictionary_count - 1].number;
    body.stored = (struct engine_bytes){out, size};
    return body;
}

size_t codec_train(struct engine_bytes samples, const size_t *sizes, size_t count,
                   uint8_t out[CODEC_DICTIONARY_BYTES])
{
    size_t size =
        ZDICT_trainFromBuffer(out, CODEC_DICTIONARY_BYTES, samples.data, sizes, (unsigned)count);

    return ZDICT_isError(size) ? 0 : size;
}

/* Which dictionary it was is stored beside the body and its size too, so frames need not say so. */
static ZSTD_CCtx *small_create(struct engine_bytes dictionary)
{
    ZSTD_CCtx *small = ZSTD_createCCtx();

    if (small == NULL ||
        ZSTD_isError(ZSTD_CCtx_setParameter(small, ZSTD_c_compressionLevel, CODEC_LEVEL)) ||
        ZSTD_isError(ZSTD_CCtx_setParameter(small, ZSTD_c_contentSizeFlag, 0)) ||
        ZSTD_isError(ZSTD_CCtx_setParameter(small, ZSTD_c_dictIDFlag, 0)) ||
        ZSTD_isError(ZSTD_CCtx_loadDictionary(small, dictionary.data, dictionary.size))) {
        ZSTD_freeCCtx(small);
        return NULL;
    }
    return small;
}

bool codec_learn(struct codec *codec, uint32_t number, struct engine_bytes dictionary)
{
    struct dictionary learned = {.number = number};
    ZSTD_CCtx *small;

    assert(number > 0);
    if (codec->dictionary_count == CODEC_DICTIONARIES) {
        return false;
    }
    small = small_create(dictionary);
    learned.decompressing = ZSTD_createDDict(dictionary.data, dictionary.size);
    if (small == NULL || learned.decompressing == NULL) {
        ZSTD_freeCCtx(small);
        ZSTD_freeDDict(learned.decompressing);
        return false;
    }
    ZSTD_freeCCtx(codec->small);
    codec->small = small;
    codec->dictionaries[codec->dictionary_count++] = learned;
    return true;
}

/* NULL when it is not known. */
static const struct dictionary *dictionary_of(const struct codec *codec, uint32_t number)
{
    for (size_t i = codec->dictionary_count; i > 0; i--) {
        if (number == 0 || codec->dictionaries[i - 1].number == number) {
            return &codec->dictionaries[i - 1];
        }
    }
    return NULL;
}

bool codec_knows(const struct codec *codec, uint32_t number)
{
    return dictionary_of(codec, number) != NULL;
}

/* The size of what came out, or anything else than was expected. */
static size_t unpack_small(struct codec *codec, const struct codec_body *body, uint8_t *out)
{
    const struct dictionary *dictionary = dictionary_of(codec, body->dictionary);

    return dictionary != NULL && body->dictionary != 0
               ? ZSTD_decompress_usingDDict(codec->decompressor, out, body->raw_bytes,
                                            body->stored.data, body->stored.size,
                                            dictionary->decompressing)
               : SIZE_MAX;
}

struct fb_status codec_unpack(struct codec *codec, const struct codec_body *body,
                              struct engine_bytes label, struct fb_arena *arena,
                              struct engine_bytes *raw)
{
    uint8_t digest[CODEC_DIGEST_BYTES];
    uint8_t *out;
    size_t size = body->stored.size;

    if (body->raw_bytes > CODEC_RAW_MOST_BYTES ||
        (body->kind == CODEC_PLAIN && body->raw_bytes != size)) {
        return fb_fail(FB_DATA_LOSS, "a stored body has another size than was written");
    }
    out = fb_arena_alloc(arena, body->raw_bytes + 1);
    if (out == NULL) {
        return fb_fail(FB_RESOURCE_EXHAUSTED, "out of memory");
    }
    switch (body->kind) {
    case CODEC_PLAIN:
        if (size > 0) {
            memcpy(out, body->stored.data, size);
        }
        break;
    case CODEC_ZSTD:
        size =
            ZSTD_decompressDCtx(codec->decompressor, out, body->raw_bytes, body->stored.data, size);
        break;
    case CODEC_ZSTD_DICTIONARY:
        size = unpack_small(codec, body, out);
        break;
    default:
        return fb_fail(FB_DATA_LOSS, "a stored body has an unknown codec");
    }
    if (size != body->raw_bytes) {
        return fb_fail(FB_DATA_LOSS, "a stored body cannot be decompressed");
    }
    *raw = (struct engine_bytes){out, size};
    codec_digest(*raw, label, digest);
    if (memcmp(digest, body->digest, sizeof(digest)) != 0) {
        return fb_fail(FB_DATA_LOSS, "a stored body is not what its digest says");
    }
    return fb_ok;
}

static void codec_hash(struct engine_bytes raw, struct engine_bytes label, uint8_t sha256[32])
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    int done = context != NULL && EVP_DigestInit_ex(context, EVP_sha256(), NULL) == 1 &&
               EVP_DigestUpdate(context, raw.data, raw.size) == 1 &&
               EVP_DigestUpdate(context, label.data, label.size) == 1 &&
               EVP_DigestFinal_ex(context, sha256, NULL) == 1;

    EVP_MD_CTX_free(context);
    assert(done); /* fails only without memory for its few bytes */
    (void)done;
}

void codec_digest(struct engine_bytes raw, struct engine_bytes label,
                  uint8_t digest[CODEC_DIGEST_BYTES])
{
    uint8_t sha256[32];

    codec_hash(raw, label, sha256);
    memcpy(digest, sha256, CODEC_DIGEST_BYTES);
}

void codec_sha256(struct engine_bytes raw, uint8_t sha256[32])
{
    codec_hash(raw, (struct engine_bytes){NULL, 0}, sha256);
}
