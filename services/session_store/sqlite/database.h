#ifndef FB_SERVICES_SESSION_STORE_SQLITE_DATABASE_H
#define FB_SERVICES_SESSION_STORE_SQLITE_DATABASE_H

/*
 * database: one connection to the SQLite file, with every statement prepared.
 *
 * A connection belongs to one thread. Functions that return int give SQLite's result codes;
 * database_fail says them in ours.
 */

#include <stdbool.h>
#include <stdint.h>

#include <sqlite3.h>

#include "runtime/base/arena.h"
#include "runtime/base/status.h"
#include "services/session_store/codec.h"
#include "services/session_store/engine.h"
#include "services/session_store/schema/schema.h"
#include "services/session_store/statements.h"

struct database {
    sqlite3 *handle;
    sqlite3_stmt *prepared[STATEMENT_COUNT];
    struct codec *codec;
    int64_t (*unix_ms)(void); /* wall clock; set by who opened */

    /* the writer's only */
    int64_t result_bytes;        /* what cached results take now */
    int64_t result_budget_bytes; /* and may take */
    bool unlearnable;            /* its events gave no dictionary: not tried again */
};

/*
 * Makes the file if it is not there (mode 0600), brings its schema to the newest version, and sees
 * that it can be written durably. `size_most_bytes` bounds the file, 0 does not. Failures are told in
 * the arena, with the path: FAILED_PRECONDITION for a file of another program or of a newer schema,
 * DATA_LOSS for a damaged one, UNAVAILABLE when it cannot be opened.
 */
struct fb_status database_open_writer(const char *path, const struct schema *schema,
                                      int64_t size_most_bytes, struct fb_arena *arena,
                                      struct database **database);

/* For reading what a writer has made. */
struct fb_status database_open_reader(const char *path, struct fb_arena *arena,
                                      struct database **database);

void database_close(struct database *database);

/*
 * Resets the statement and binds its parameters from what follows, a letter each: i int64_t,
 * t const char *, b struct engine_bytes, d double.
 */
sqlite3_stmt *database_bind(struct database *database, enum statement statement,
                            const char *letters, ...);

/* Runs a bound statement that gives no rows. */
int database_run(sqlite3_stmt *statement);

/* Runs to the first row, which is the only one wanted: SQLITE_ROW, SQLITE_DONE or an error. */
int database_first(sqlite3_stmt *statement);

/* Ends a statement of which rows may be left. Nothing of a row is valid after. */
void database_end(sqlite3_stmt *statement);

/* A column's text or bytes, copied into the arena; NULL and empty without memory. */
const char *database_text(sqlite3_stmt *statement, int column, struct fb_arena *arena);
struct engine_bytes database_bytes(sqlite3_stmt *statement, int column, struct fb_arena *arena);

/* The four columns of a body from `column` on; `stored` is borrowed from the row. */
struct codec_body database_body(sqlite3_stmt *statement, int column);

/* What the column `codec` holds of a body: its kind in the low byte, above it its dictionary. */
int64_t database_codec(const struct codec_body *body);

/* Bytes in memory as a parameter. */
struct engine_bytes database_blob(const void *data, size_t size);

/* Runs `statement`, that has neither parameters nor rows. */
int database_do(struct database *database, enum statement statement);

/* Leaves the transaction, if one is open. */
void database_rollback(struct database *database);

/* What a result code means to the caller; `reason` gets the word for programs. */
struct fb_status database_fail(int code, const char **reason);

/* Version of the schema in the file. */
int database_schema_version(struct database *database);

#endif
