#include "services/session_store/sqlite/operations.h"

#include <string.h>

/*
 * One dictionary is made in the life of a file, of its own first events: those of one store are much
 * alike, and no two stores are. Making it holds up writes for about a tenth of a second, once.
 */
enum {
    SAMPLES_LEAST = 2000,
    SAMPLES_MOST = 4000,
    SAMPLE_MOST_BYTES = 1024, /* of one; larger bodies compress by themselves */
};

/* Small bodies one after the other. */
struct samples {
    struct fb_arena arena;
    uint8_t *bytes;
    size_t size;
    size_t sizes[SAMPLES_MOST];
    size_t count;
};

static int samples_read(struct database *database, struct samples *samples)
{
    sqlite3_stmt *statement = database_bind(database, DICTIONARY_SAMPLES, "ii",
                                            (int64_t)SAMPLES_MOST, (int64_t)SAMPLE_MOST_BYTES);
    struct fb_arena row;
    int code;

    fb_arena_init(&row, 0);
    while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
        struct codec_body body = database_body(statement, 3);
        struct label label =
            label_batch((const char *)sqlite3_column_text(statement, 0),
                        sqlite3_column_int64(statement, 1), sqlite3_column_int64(statement, 2));
        struct engine_bytes raw;

        fb_arena_reset(&row);
        /* What cannot be read is found where it is wanted, not here. */
        if (fb_is_ok(codec_unpack(database->codec, &body, label_bytes(&label), &row, &raw))) {
            memcpy(samples->bytes + samples->size, raw.data, raw.size);
            samples->size += raw.size;
            samples->sizes[samples->count++] = raw.size;
        }
    }
    database_end(statement);
    fb_arena_finish(&row);
    return code == SQLITE_DONE ? SQLITE_OK : code;
}

/* Whether there is enough to learn of: asked often, so without a look into the bodies. */
static int samples_suffice(struct database *database, bool *suffice)
{
    sqlite3_stmt *statement = database_bind(database, DICTIONARY_COUNT, "ii", (int64_t)SAMPLES_MOST,
                                            (int64_t)SAMPLE_MOST_BYTES);
    int code = database_first(statement);

    if (code != SQLITE_ROW) {
        return code;
    }
    *suffice = sqlite3_column_int64(statement, 0) >= SAMPLES_LEAST;
    database_end(statement);
    return SQLITE_OK;
}

/* Trains on the samples and keeps what came of it. */
static int samples_learn(struct database *database, const struct samples *samples, bool *more)
{
    uint8_t bytes[CODEC_DICTIONARY_BYTES];
    struct label label = label_dictionary();
    struct codec_body body;
    size_t size;

    size = codec_train((struct engine_bytes){samples->bytes, samples->size}, samples->sizes,
                       samples->count, bytes);
    if (size == 0) {
        database->unlearnable = true;
        return SQLITE_OK;
    }
    *more = true;
    body = codec_pack(database->codec, (struct engine_bytes){bytes, size}, label_bytes(&label));
    return database_run(database_bind(
        database, DICTIONARY_ADD, "iibb", database_codec(&body), (int64_t)body.raw_bytes,
        database_blob(body.digest, sizeof(body.digest)), body.stored));
}

static int learn(struct database *database, bool *more)
{
    struct fb_arena arena;
    struct samples *samples;
    int code = SQLITE_NOMEM;

    fb_arena_init(&arena, 0);
    samples = fb_arena_zalloc(&arena, 1, sizeof(*samples));
    if (samples != NULL) {
        samples->bytes = fb_arena_alloc(&arena, (size_t)SAMPLES_MOST * SAMPLE_MOST_BYTES);
    }
    if (samples != NULL && samples->bytes != NULL) {
        code = samples_read(database, samples);
    }
    if (code == SQLITE_OK) {
        code = samples_learn(database, samples, more);
    }
    fb_arena_finish(&arena);
    return code;
}

/* Brings a dictionary from its table into the codec. */
static int take(struct database *database, uint32_t number)
{
    sqlite3_stmt *statement = database_bind(database, DICTIONARY_READ, "i", (int64_t)number);
    struct label label = label_dictionary();
    int code = database_first(statement);
    struct engine_bytes dictionary;
    struct codec_body body;
    struct fb_arena arena;

    if (code != SQLITE_ROW) {
        return code;
    }
    fb_arena_init(&arena, 0);
    body = database_body(statement, 0);
    if (fb_is_ok(codec_unpack(database->codec, &body, label_bytes(&label), &arena, &dictionary))) {
        codec_learn(database->codec, number, dictionary);
    }
    database_end(statement);
    fb_arena_finish(&arena);
    return SQLITE_ROW;
}

int run_dictionary(struct database *database, bool *more)
{
    sqlite3_stmt *statement;
    bool suffice = false;
    int64_t last;
    int code;

    if (database->unlearnable || codec_knows(database->codec, 0)) {
        return SQLITE_OK;
    }
    statement = database_bind(database, DICTIONARY_LAST, "");
    code = database_first(statement);
    if (code != SQLITE_ROW) {
        return code;
    }
    last = sqlite3_column_int64(statement, 0);
    database_end(statement);
    if (last == 0) {
        code = samples_suffice(database, &suffice);
        return code == SQLITE_OK && suffice ? learn(database, more) : code;
    }
    /* It was made by an earlier transaction, so it is on disk before anything is packed by it. */
    code = take(database, (uint32_t)last);
    database->unlearnable = !codec_knows(database->codec, 0);
    return code == SQLITE_ROW ? SQLITE_OK : code;
}

void dictionary_need(struct database *database, const struct codec_body *body)
{
    if (body->kind == CODEC_ZSTD_DICTIONARY && body->dictionary != 0 &&
        !codec_knows(database->codec, body->dictionary)) {
        take(database, body->dictionary);
    }
}
