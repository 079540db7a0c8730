/*
 * compress_load: what the events of sessions weigh compressed, and what that costs.
 *
 *     compress_load TASKS SENTENCES
 *
 * Each append of the measured set of event_data is compressed by itself, as the store does, by each way
 * in turn, and decompressed again. The dictionaries are trained on the other set: of generated sentences,
 * which share no word with those measured but the commonest, and of the lines of the file SENTENCES,
 * which are other sentences of one project. Prints a JSON object for each text and way:
 *
 *     text                    "generated" or "project"
 *     way                     its name
 *     events, appends         how many
 *     raw, stored             bytes in all, before and after
 *     pack_us, unpack_us      of an append
 */
#include "tests/bench/event_data.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <zdict.h>
#include <zlib.h>
#include <zstd.h>

#include "runtime/base/clock.h"
#include "services/session_store/codec.h"

enum {
    OUT_BYTES = 4 << 20,
    ROUNDS = 5,
    TRAINING_TASKS = 3000,
    PROSE_MOST = 4096,
    STORE_SAMPLES = 4000,
    LINE_BYTES = 400
};

/* Appends one after the other. */
struct appends {
    uint8_t *bytes;
    size_t size;
    size_t room;
    size_t *sizes;
    size_t count;
    size_t most;
    size_t events;
};

struct way {
    const char *name;
    int gzip;                                   /* its level; 0: zstd */
    int level;                                  /* of zstd */
    size_t dictionary;                          /* bytes; 0 for none */
    enum { RAW_ZSTD, STORE, STORE_LEARNED } by; /* the store's codec, with its digests */
};

static const struct way ways[] = {
    {"gzip -6, one by one", .gzip = 6},
    {"zstd -1, one by one", .level = 1},
    {"zstd -3, one by one", .level = 3},
    {"zstd -1, dictionary of 4 KiB", .level = 1, .dictionary = 4 << 10},
    {"zstd -1, dictionary of 8 KiB", .level = 1, .dictionary = 8 << 10},
    {"zstd -1, dictionary of 64 KiB", .level = 1, .dictionary = 64 << 10},
    {"flow-store, before it learned", .by = STORE},
    {"flow-store, learned", .by = STORE_LEARNED},
};

static _Noreturn void stop(const char *what, const char *why)
{
    fprintf(stderr, "compress_load: %s: %s\n", what, why);
    exit(1);
}

static void gather(void *arg, struct engine_bytes append, size_t events)
{
    struct appends *all = arg;

    if (all->size + append.size > all->room || all->count == all->most) {
        all->room = 2 * (all->room + append.size);
        all->most = 2 * all->most + 64;
        all->bytes = realloc(all->bytes, all->room);
        all->sizes = realloc(all->sizes, all->most * sizeof(*all->sizes));
        if (all->bytes == NULL || all->sizes == NULL) {
            stop("events", "out of memory");
        }
    }
    memcpy(all->bytes + all->size, append.data, append.size);
    all->size += append.size;
    all->sizes[all->count++] = append.size;
    all->events += events;
}

/* What one way works with. */
struct packer {
    const struct way *way;
    ZSTD_CCtx *compressor;
    ZSTD_DCtx *decompressor;
    ZSTD_CDict *compressing;
    ZSTD_DDict *decompressing;
    z_stream deflater;
    z_stream inflater;
    struct codec *codec;
    struct fb_arena arena; /* of what the codec unpacks */
};

static const struct engine_bytes no_label = {NULL, 0};

/* What the store would learn of these appends. */
static void teach(struct codec *codec, const struct appends *training)
{
    uint8_t dictionary[CODEC_DICTIONARY_BYTES];
    size_t count = training->count < STORE_SAMPLES ? training->count : STORE_SAMPLES;
    size_t size = 0;

    for (size_t i = 0; i < count; i++) {
        size += training->sizes[i];
    }
    size = codec_train((struct engine_bytes){training->bytes, size}, training->sizes, count,
                       dictionary);
    if (size == 0 || !codec_learn(codec, 1, (struct engine_bytes){dictionary, size})) {
        stop("flow-store", "cannot learn");
    }
}

/* In place: zlib's streams may not be moved. */
static void packer_open(struct packer *packer, const struct way *way,
                        const struct appends *training)
{
    *packer = (struct packer){
        .way = way, .compressor = ZSTD_createCCtx(), .decompressor = ZSTD_createDCtx()};
    fb_arena_init(&packer->arena, 0);
    if (way->by != RAW_ZSTD) {
        packer->codec = codec_create();
        if (packer->codec == NULL) {
            stop(way->name, "out of memory");
        }
    }
    if (way->by == STORE_LEARNED) {
        teach(packer->codec, training);
    }
    if (way->dictionary > 0) {
        void *dictionary = malloc(way->dictionary);
        size_t size = ZDICT_trainFromBuffer(dictionary, way->dictionary, training->bytes,
                                            training->sizes, (unsigned)training->count);

        if (ZDICT_isError(size)) {
            stop(way->name, ZDICT_getErrorName(size));
        }
        packer->compressing = ZSTD_createCDict(dictionary, size, way->level);
        packer->decompressing = ZSTD_createDDict(dictionary, size);
        free(dictionary);
    }
    if (way->gzip > 0 && (deflateInit2(&packer->deflater, way->gzip, Z_DEFLATED, 15 + 16, 8,
                                       Z_DEFAULT_STRATEGY) != Z_OK ||
                          inflateInit2(&packer->inflater, 15 + 16) != Z_OK)) {
        stop(way->name, "out of memory");
    }
}

static void packer_close(struct packer *packer)
{
    ZSTD_freeCCtx(packer->compressor);
    ZSTD_freeDCtx(packer->decompressor);
    ZSTD_freeCDict(packer->compressing);
    ZSTD_freeDDict(packer->decompressing);
    codec_destroy(packer->codec);
    fb_arena_finish(&packer->arena);
    if (packer->way->gzip > 0) {
        deflateEnd(&packer->deflater);
        inflateEnd(&packer->inflater);
    }
}

/* `body` is what the store's codec says beside the bytes. */
static size_t pack(struct packer *packer, uint8_t *data, size_t size, uint8_t *out,
                   struct codec_body *body)
{
    if (packer->codec != NULL) {
        *body = codec_pack_small(packer->codec, (struct engine_bytes){data, size}, no_label);
        memcpy(out, body->stored.data, body->stored.size);
        return body->stored.size;
    }
    if (packer->way->gzip > 0) {
        deflateReset(&packer->deflater);
        packer->deflater.next_in = data;
        packer->deflater.avail_in = (unsigned)size;
        packer->deflater.next_out = out;
        packer->deflater.avail_out = OUT_BYTES;
        return deflate(&packer->deflater, Z_FINISH) == Z_STREAM_END ? packer->deflater.total_out
                                                                    : 0;
    }
    return packer->compressing != NULL
               ? ZSTD_compress_usingCDict(packer->compressor, out, OUT_BYTES, data, size,
                                          packer->compressing)
               : ZSTD_compressCCtx(packer->compressor, out, OUT_BYTES, data, size,
                                   packer->way->level);
}

static size_t unpack(struct packer *packer, uint8_t *data, size_t size, uint8_t *out,
                     struct codec_body *body)
{
    struct engine_bytes raw;

    if (packer->codec != NULL) {
        body->stored = (struct engine_bytes){data, size};
        fb_arena_reset(&packer->arena);
        return fb_is_ok(codec_unpack(packer->codec, body, no_label, &packer->arena, &raw))
                   ? raw.size
                   : 0;
    }
    if (packer->way->gzip > 0) {
        inflateReset(&packer->inflater);
        packer->inflater.next_in = data;
        packer->inflater.avail_in = (unsigned)size;
        packer->inflater.next_out = out;
        packer->inflater.avail_out = OUT_BYTES;
        return inflate(&packer->inflater, Z_FINISH) == Z_STREAM_END ? packer->inflater.total_out
                                                                    : 0;
    }
    return packer->decompressing != NULL
               ? ZSTD_decompress_usingDDict(packer->decompressor, out, OUT_BYTES, data, size,
                                            packer->decompressing)
               : ZSTD_decompressDCtx(packer->decompressor, out, OUT_BYTES, data, size);
}

/* The least of some rounds, for packing and unpacking; the sizes of all that was packed. */
static void measure(const char *text, const struct way *way, const struct appends *training,
                    const struct appends *measured)
{
    struct packer packer;
    uint8_t *packed = malloc(measured->size + measured->count * 1024);
    size_t *sizes = calloc(measured->count, sizeof(*sizes));
    struct codec_body *bodies = calloc(measured->count, sizeof(*bodies));
    uint8_t *out = malloc(OUT_BYTES);
    int64_t least_us[2] = {INT64_MAX, INT64_MAX};
    size_t stored = 0;

    if (packed == NULL || sizes == NULL || bodies == NULL || out == NULL) {
        stop(way->name, "out of memory");
    }
    packer_open(&packer, way, training);
    for (int round = 0; round < ROUNDS; round++) {
        int64_t start_us = fb_clock_us();
        uint8_t *from = measured->bytes;
        int64_t took_us;

        stored = 0;
        for (size_t i = 0; i < measured->count; i++) {
            sizes[i] = pack(&packer, from, measured->sizes[i], out, &bodies[i]);
            if (sizes[i] == 0 ||
                (way->gzip == 0 && packer.codec == NULL && ZSTD_isError(sizes[i]))) {
                stop(way->name, "cannot compress");
            }
            memcpy(packed + stored, out, sizes[i]);
            stored += sizes[i];
            from += measured->sizes[i];
        }
        took_us = fb_clock_us() - start_us;
        least_us[0] = took_us < least_us[0] ? took_us : least_us[0];
        from = packed;
        start_us = fb_clock_us();
        for (size_t i = 0; i < measured->count; i++) {
            if (unpack(&packer, from, sizes[i], out, &bodies[i]) != measured->sizes[i]) {
                stop(way->name, "is not what it was");
            }
            from += sizes[i];
        }
        took_us = fb_clock_us() - start_us;
        least_us[1] = took_us < least_us[1] ? took_us : least_us[1];
    }
    printf("{\"text\": \"%s\", \"way\": \"%s\", \"events\": %zu, \"appends\": %zu, \"raw\": %zu, "
           "\"stored\": %zu, "
           "\"pack_us\": %.2f, \"unpack_us\": %.2f}\n",
           text, way->name, measured->events, measured->count, measured->size, stored,
           (double)least_us[0] / (double)measured->count,
           (double)least_us[1] / (double)measured->count);
    free(packed);
    free(sizes);
    free(bodies);
    free(out);
    packer_close(&packer);
}

static void appends_free(struct appends *appends)
{
    free(appends->bytes);
    free(appends->sizes);
}

static void measure_all(const char *text, const struct event_data_prose *prose, uint32_t tasks)
{
    struct appends training = {.bytes = NULL};
    struct appends measured = {.bytes = NULL};

    event_data_make(EVENT_DATA_TRAINING, prose, TRAINING_TASKS, 1, gather, &training);
    event_data_make(EVENT_DATA_MEASURED, prose, tasks, 2, gather, &measured);
    for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
        measure(text, &ways[i], &training, &measured);
    }
    appends_free(&training);
    appends_free(&measured);
}

/* The lines of the file. */
static struct event_data_prose read_prose(const char *path)
{
    struct event_data_prose prose = {.sentences = calloc(PROSE_MOST, sizeof(char *))};
    FILE *file = fopen(path, "r");
    char line[LINE_BYTES];

    if (file == NULL || prose.sentences == NULL) {
        stop(path, "cannot be read");
    }
    while (prose.count < PROSE_MOST && fgets(line, sizeof(line), file) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        prose.sentences[prose.count++] = strdup(line);
    }
    fclose(file);
    if (prose.count < 2) {
        stop(path, "has no two lines");
    }
    return prose;
}

int main(int argc, char **argv)
{
    const struct event_data_prose none = {.count = 0};
    struct event_data_prose prose;
    uint32_t tasks;

    if (argc != 3) {
        stop("arguments", "TASKS and SENTENCES are needed");
    }
    tasks = (uint32_t)strtoul(argv[1], NULL, 10);
    prose = read_prose(argv[2]);
    measure_all("generated", &none, tasks);
    measure_all("project", &prose, tasks);
    for (size_t i = 0; i < prose.count; i++) {
        free(prose.sentences[i]);
    }
    free(prose.sentences);
    return 0;
}
