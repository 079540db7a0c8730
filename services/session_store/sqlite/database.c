#include "services/session_store/sqlite/database.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    DATABASE_APPLICATION_ID = 0x464c4f57, /* "FLOW" */
    DATABASE_BUSY_MS = 10000,
    DATABASE_PAGE_BYTES = 4096,
};

/* Says an SQLite failure of opening, with the file's name. */
static struct fb_status open_fail(struct fb_arena *arena, const char *path, int code,
                                  const char *words)
{
    const char *reason;

    return fb_arena_fail(arena, database_fail(code, &reason).code, "store file %s: %s", path,
                         words);
}

static struct fb_status open_handle(const char *path, int flags, struct fb_arena *arena,
                                    struct database *database)
{
    int code = sqlite3_open_v2(path, &database->handle, flags | SQLITE_OPEN_NOMUTEX, NULL);

    if (code != SQLITE_OK) {
        return open_fail(arena, path, code, sqlite3_errstr(code));
    }
    sqlite3_extended_result_codes(database->handle, 1);
    sqlite3_busy_timeout(database->handle, DATABASE_BUSY_MS);
    return fb_ok;
}

static struct fb_status execute(struct database *database, const char *path, const char *sql,
                                struct fb_arena *arena)
{
    int code = sqlite3_exec(database->handle, sql, NULL, NULL, NULL);

    return code == SQLITE_OK ? fb_ok
                             : open_fail(arena, path, code, sqlite3_errmsg(database->handle));
}

static int pragma_number(struct database *database, const char *sql, int64_t *number)
{
    sqlite3_stmt *statement;
    int code = sqlite3_prepare_v2(database->handle, sql, -1, &statement, NULL);

    if (code != SQLITE_OK) {
        return code;
    }
    code = sqlite3_step(statement);
    if (code == SQLITE_ROW) {
        *number = sqlite3_column_int64(statement, 0);
        code = SQLITE_OK;
    }
    sqlite3_finalize(statement);
    return code;
}

/* Every statement at once, so that a wrong one is found at the start and not in a call. */
static struct fb_status prepare_all(struct database *database, const char *path,
                                    struct fb_arena *arena)
{
    for (unsigned i = 0; i < STATEMENT_COUNT; i++) {
        int code = sqlite3_prepare_v3(database->handle, statements[i], -1,
                                      SQLITE_PREPARE_PERSISTENT, &database->prepared[i], NULL);

        if (code != SQLITE_OK) {
            return open_fail(arena, path, code, sqlite3_errmsg(database->handle));
        }
        /* $n is a name to SQLite; we count on name and place being the same. */
        for (int p = sqlite3_bind_parameter_count(database->prepared[i]); p > 0; p--) {
            char name[16];

            snprintf(name, sizeof(name), "$%d", p);
            assert(strcmp(sqlite3_bind_parameter_name(database->prepared[i], p), name) == 0);
        }
    }
    return fb_ok;
}

static struct fb_status check_kind(struct database *database, const char *path,
                                   const struct schema *schema, struct fb_arena *arena,
                                   int64_t *version)
{
    int64_t application = 0;
    int64_t tables = 0;
    int code = pragma_number(database, "PRAGMA application_id", &application);

    if (code == SQLITE_OK) {
        code = pragma_number(database, "PRAGMA user_version", version);
    }
    if (code == SQLITE_OK) {
        code = pragma_number(database, "SELECT COUNT(*) FROM sqlite_schema", &tables);
    }
    if (code != SQLITE_OK) {
        return open_fail(arena, path, code, sqlite3_errmsg(database->handle));
    }
    if (application != DATABASE_APPLICATION_ID && (application != 0 || tables != 0)) {
        return fb_arena_fail(arena, FB_FAILED_PRECONDITION,
                             "store file %s: is a database of another program", path);
    }
    if (*version > (int64_t)schema->step_count) {
        return fb_arena_fail(arena, FB_FAILED_PRECONDITION,
                             "store file %s: has schema version %lld, but this flow-store knows "
                             "none above %zu; use a newer flow-store",
                             path, (long long)*version, schema->step_count);
    }
    return fb_ok;
}

static struct fb_status migrate(struct database *database, const char *path,
                                const struct schema *schema, int64_t version,
                                struct fb_arena *arena)
{
    struct fb_status status = fb_ok;

    while (fb_is_ok(status) && version < (int64_t)schema->step_count) {
        const char *sql = fb_arena_printf(
            arena,
            "BEGIN IMMEDIATE; %s PRAGMA application_id = %d; PRAGMA user_version = %d; COMMIT",
            schema->steps[version], (int)DATABASE_APPLICATION_ID, (int)version + 1);

        if (sql == NULL) {
            return fb_fail(FB_RESOURCE_EXHAUSTED, "out of memory");
        }
        status = execute(database, path, sql, arena);
        version += 1;
    }
    if (!fb_is_ok(status)) {
        database_rollback(database);
    }
    return status;
}

/* SQLite would make the file readable for all; its -wal and -shm take after it. */
static struct fb_status make_file(const char *path, struct fb_arena *arena)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    if (fd < 0) {
        return fb_arena_fail(arena, FB_UNAVAILABLE, "store file %s: %s", path, strerror(errno));
    }
    close(fd);
    return fb_ok;
}

static struct fb_status open_writer(const char *path, const struct schema *schema,
                                    int64_t size_most_bytes, struct fb_arena *arena,
                                    struct database *database)
{
    struct fb_status status = make_file(path, arena);
    int64_t version = 0;

    if (fb_is_ok(status)) {
        status = open_handle(path, SQLITE_OPEN_READWRITE, arena, database);
    }
    if (fb_is_ok(status)) {
        status = check_kind(database, path, schema, arena, &version);
    }
    if (fb_is_ok(status)) {
        status = execute(database, path,
                         "PRAGMA journal_mode = WAL;"
                         "PRAGMA synchronous = FULL;"
                         "PRAGMA foreign_keys = OFF;"
                         "PRAGMA temp_store = MEMORY;"
                         "PRAGMA cache_size = -16384;"
                         "PRAGMA wal_autocheckpoint = 4000;"
                         "PRAGMA journal_size_limit = 67108864",
                         arena);
    }
    if (fb_is_ok(status)) {
        status = migrate(database, path, schema, version, arena);
    }
    if (fb_is_ok(status) && size_most_bytes > 0) {
        const char *sql = fb_arena_printf(arena, "PRAGMA max_page_count = %lld",
                                          (long long)(size_most_bytes / DATABASE_PAGE_BYTES));

        status = sql != NULL ? execute(database, path, sql, arena)
                             : fb_fail(FB_RESOURCE_EXHAUSTED, "out of memory");
    }
    return status;
}

static struct fb_status finish_open(struct fb_status status, const char *path,
                                    struct fb_arena *arena, struct database *database,
                                    struct database **out)
{
    if (fb_is_ok(status)) {
        status = prepare_all(database, path, arena);
    }
    if (fb_is_ok(status)) {
        database->codec = codec_create();
        if (database->codec == NULL) {
            status = fb_fail(FB_RESOURCE_EXHAUSTED, "out of memory");
        }
    }
    if (!fb_is_ok(status)) {
        database_close(database);
        return status;
    }
    *out = database;
    return fb_ok;
}

struct fb_status database_open_writer(const char *path, const struct schema *schema,
                                      int64_t size_most_bytes, struct fb_arena *arena,
                                      struct database **database)
{
    struct database *made = calloc(1, sizeof(*made));

    if (made == NULL) {
        return fb_fail(FB_RESOURCE_EXHAUSTED, "out of memory");
    }
    return finish_open(open_writer(path, schema, size_most_bytes, arena, made), path, arena, made,
                       database);
}

struct fb_status database_open_reader(const char *path, struct fb_arena *arena,
                                      struct database **database)
{
    struct database *made = calloc(1, sizeof(*made));
    struct fb_status status;

    if (made == NULL) {
        return fb_fail(FB_RESOURCE_EXHAUSTED, "out of memory");
    }
    /* Not READONLY: a reader of a WAL has to be able to write the index of it. */
    status = open_handle(path, SQLITE_OPEN_READWRITE, arena, made);
    if (fb_is_ok(status)) {
        status = execute(made, path,
                         "PRAGMA query_only = ON;"
                         "PRAGMA temp_store = MEMORY;"
                         "PRAGMA cache_size = -8192",
                         arena);
    }
    return finish_open(status, path, arena, made, database);
}

void database_close(struct database *database)
{
    if (database == NULL) {
        return;
    }
    for (unsigned i = 0; i < STATEMENT_COUNT; i++) {
        sqlite3_finalize(database->prepared[i]);
    }
    sqlite3_close(database->handle);
    codec_destroy(database->codec);
    free(database);
}

sqlite3_stmt *database_bind(struct database *database, enum statement statement,
                            const char *letters, ...)
{
    sqlite3_stmt *prepared = database->prepared[statement];
    va_list values;

    assert((int)strlen(letters) == sqlite3_bind_parameter_count(prepared));
    sqlite3_reset(prepared);
    va_start(values, letters);
    for (int i = 0; letters[i] != '\0'; i++) {
        struct engine_bytes bytes;

        switch (letters[i]) {
        case 'i':
            sqlite3_bind_int64(prepared, i + 1, va_arg(values, int64_t));
            break;
        case 'd':
            sqlite3_bind_double(prepared, i + 1, va_arg(values, double));
            break;
        case 't':
            sqlite3_bind_text(prepared, i + 1, va_arg(values, const char *), -1, SQLITE_STATIC);
            break;
        default:
            assert(letters[i] == 'b');
            bytes = va_arg(values, struct engine_bytes);
            /* A null pointer would bind NULL, and no column may be that. */
            sqlite3_bind_blob64(prepared, i + 1, bytes.size > 0 ? (const void *)bytes.data : "",
                                bytes.size, SQLITE_STATIC);
            break;
        }
    }
    va_end(values);
    return prepared;
}

int database_run(sqlite3_stmt *statement)
{
    int code = sqlite3_step(statement);

    sqlite3_reset(statement);
    return code == SQLITE_DONE ? SQLITE_OK : code;
}

int database_first(sqlite3_stmt *statement)
{
    int code = sqlite3_step(statement);

    if (code != SQLITE_ROW) {
        sqlite3_reset(statement);
    }
    return code;
}

void database_end(sqlite3_stmt *statement)
{
    sqlite3_reset(statement);
}

const char *database_text(sqlite3_stmt *statement, int column, struct fb_arena *arena)
{
    const unsigned char *text = sqlite3_column_text(statement, column);

    return fb_arena_copy(arena, text != NULL ? (const char *)text : "",
                         (size_t)sqlite3_column_bytes(statement, column));
}

struct engine_bytes database_bytes(sqlite3_stmt *statement, int column, struct fb_arena *arena)
{
    const void *data = sqlite3_column_blob(statement, column);
    size_t size = (size_t)sqlite3_column_bytes(statement, column);
    char *copy = fb_arena_copy(arena, data != NULL ? data : "", size);

    return copy != NULL ? database_blob(copy, size) : (struct engine_bytes){NULL, 0};
}

struct codec_body database_body(sqlite3_stmt *statement, int column)
{
    int64_t codec = sqlite3_column_int64(statement, column);
    int64_t raw_bytes = sqlite3_column_int64(statement, column + 1);
    const void *digest = sqlite3_column_blob(statement, column + 2);
    const void *stored = sqlite3_column_blob(statement, column + 3);
    struct codec_body body = {
        .kind = (enum codec_kind)(codec & 0xff),
        .dictionary = (uint32_t)(codec >> 8),
        /* A negative or absurd size is beyond what a codec believes. */
        .raw_bytes = raw_bytes >= 0 ? (size_t)raw_bytes : SIZE_MAX,
        .stored = database_blob(stored, (size_t)sqlite3_column_bytes(statement, column + 3)),
    };

    if (sqlite3_column_bytes(statement, column + 2) == CODEC_DIGEST_BYTES) {
        memcpy(body.digest, digest, CODEC_DIGEST_BYTES);
    }
    return body;
}

int64_t database_codec(const struct codec_body *body)
{
    return (int64_t)body->kind | (int64_t)body->dictionary << 8;
}

struct engine_bytes database_blob(const void *data, size_t size)
{
    return (struct engine_bytes){data, size};
}

int database_do(struct database *database, enum statement statement)
{
    return database_run(database_bind(database, statement, ""));
}

void database_rollback(struct database *database)
{
    /* Some failures have left the transaction already. */
    if (sqlite3_get_autocommit(database->handle) == 0) {
        sqlite3_exec(database->handle, "ROLLBACK", NULL, NULL, NULL);
    }
}

struct fb_status database_fail(int code, const char **reason)
{
    *reason = "";
    if (code == SQLITE_IOERR_NOMEM) {
        code = SQLITE_NOMEM;
    }
    switch (code & 0xff) {
    case SQLITE_FULL:
        *reason = "disk-full";
        return fb_fail(FB_RESOURCE_EXHAUSTED, "the store's disk or size limit is full");
    case SQLITE_NOMEM:
        return fb_fail(FB_RESOURCE_EXHAUSTED, "the store is out of memory");
    case SQLITE_TOOBIG:
        return fb_fail(FB_RESOURCE_EXHAUSTED, "the store cannot hold a record of this size");
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
        return fb_fail(FB_UNAVAILABLE, "the store's disk failed");
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_PROTOCOL:
        return fb_fail(FB_UNAVAILABLE, "the store's file is locked by another program");
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return fb_fail(FB_DATA_LOSS, "the store's file is damaged");
    default:
        return fb_fail(FB_INTERNAL, "the store's database failed unexpectedly");
    }
}

int database_schema_version(struct database *database)
{
    int64_t version = 0;

    return pragma_number(database, "PRAGMA user_version", &version) == SQLITE_OK ? (int)version : 0;
}
