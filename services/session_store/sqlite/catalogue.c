#include "services/session_store/sqlite/operations.h"

#include <string.h>

enum { DIGESTS_KEPT = 8 }; /* of one server and kind; the contract says so */

static struct engine_bytes entry_digest(const struct engine_catalogue_entry *entry)
{
    return database_blob(entry->config_digest, sizeof(entry->config_digest));
}

/* One number of SQL that always has one. */
static int read_number(sqlite3_stmt *statement, int64_t *number)
{
    int code = database_first(statement);

    if (code != SQLITE_ROW) {
        return code == SQLITE_DONE ? SQLITE_CORRUPT : code;
    }
    *number = sqlite3_column_int64(statement, 0);
    database_end(statement);
    return SQLITE_OK;
}

/* Whether the same content is kept already; its version goes into the answer. */
static int entry_is_same(struct database *database, struct engine_put_catalogue *put,
                         struct engine_bytes label, bool *same)
{
    const struct engine_catalogue_entry *entry = &put->entry;
    sqlite3_stmt *statement = database_bind(database, CATALOGUE_FIND, "tbi", entry->server,
                                            entry_digest(entry), (int64_t)entry->kind);
    uint8_t digest[CODEC_DIGEST_BYTES];
    int code = database_first(statement);

    *same = false;
    if (code != SQLITE_ROW) {
        return code == SQLITE_DONE ? SQLITE_OK : code;
    }
    codec_digest(entry->content, label, digest);
    put->version = sqlite3_column_int64(statement, 0);
    *same = sqlite3_column_bytes(statement, 1) == CODEC_DIGEST_BYTES &&
            memcmp(digest, sqlite3_column_blob(statement, 1), CODEC_DIGEST_BYTES) == 0;
    database_end(statement);
    return SQLITE_OK;
}

static int entry_touch(struct database *database, const struct engine_catalogue_entry *entry)
{
    return database_run(database_bind(database, CATALOGUE_TOUCH, "iitbi", entry->fetched_unix_ms,
                                      entry->ttl_ms, entry->server, entry_digest(entry),
                                      (int64_t)entry->kind));
}

static int entry_write(struct database *database, struct engine_put_catalogue *put,
                       struct engine_bytes label)
{
    const struct engine_catalogue_entry *entry = &put->entry;
    struct codec_body body = codec_pack(database->codec, entry->content, label);
    int code = read_number(database_bind(database, CATALOGUE_NEXT_VERSION, ""), &put->version);

    put->changed = true;
    if (code == SQLITE_OK) {
        code = database_run(
            database_bind(database, CATALOGUE_PUT, "tbiiiiiibb", entry->server, entry_digest(entry),
                          (int64_t)entry->kind, entry->fetched_unix_ms, entry->ttl_ms, put->version,
                          (int64_t)body.kind, (int64_t)body.raw_bytes,
                          database_blob(body.digest, sizeof(body.digest)), body.stored));
    }
    if (code == SQLITE_OK) {
        code = database_run(database_bind(database, CATALOGUE_PRUNE, "tii", entry->server,
                                          (int64_t)entry->kind, (int64_t)DIGESTS_KEPT));
    }
    return code;
}

int run_put_catalogue(struct database *database, struct engine_op *op)
{
    struct engine_put_catalogue *put = (struct engine_put_catalogue *)op;
    struct label label = label_catalogue(put->entry.server, put->entry.kind);
    bool same;
    int code = entry_is_same(database, put, label_bytes(&label), &same);

    put->changed = false;
    if (code != SQLITE_OK) {
        return code;
    }
    return same ? entry_touch(database, &put->entry)
                : entry_write(database, put, label_bytes(&label));
}

static bool entry_is_wanted(const struct engine_read_catalogue *read,
                            const struct engine_catalogue_entry *entry)
{
    for (size_t i = 0; i < read->filter_count; i++) {
        const struct engine_catalogue_filter *filter = &read->filters[i];

        if ((filter->server[0] == '\0' || strcmp(filter->server, entry->server) == 0) &&
            (!filter->has_digest || memcmp(filter->config_digest, entry->config_digest,
                                           sizeof(entry->config_digest)) == 0)) {
            return true;
        }
    }
    return read->filter_count == 0;
}

/* All of the row but its content. */
static int entry_read(sqlite3_stmt *statement, struct fb_arena *arena,
                      struct engine_catalogue_entry *entry)
{
    *entry = (struct engine_catalogue_entry){
        .server = database_text(statement, 0, arena),
        .kind = sqlite3_column_int(statement, 2),
        .fetched_unix_ms = sqlite3_column_int64(statement, 3),
        .ttl_ms = sqlite3_column_int64(statement, 4),
        .version = sqlite3_column_int64(statement, 5),
    };
    if (entry->server == NULL) {
        return SQLITE_NOMEM;
    }
    if (sqlite3_column_bytes(statement, 1) != sizeof(entry->config_digest)) {
        return SQLITE_CORRUPT;
    }
    memcpy(entry->config_digest, sqlite3_column_blob(statement, 1), sizeof(entry->config_digest));
    return SQLITE_OK;
}

enum { ENTRIES_MOST = 256 }; /* in one answer */

/* Adds the row's entry to the answer; SQLITE_DONE when the answer is full. */
static int entry_add(struct database *database, struct engine_read_catalogue *read,
                     sqlite3_stmt *statement, size_t *bytes)
{
    struct engine_op *op = &read->op;
    struct engine_catalogue_entry entry;
    struct codec_body body;
    struct label label;
    int code = entry_read(statement, &op->arena, &entry);

    if (code != SQLITE_OK || !entry_is_wanted(read, &entry)) {
        return code;
    }
    body = database_body(statement, 6);
    if (read->entry_count == ENTRIES_MOST ||
        (read->entry_count > 0 && *bytes + body.raw_bytes > read->most_bytes)) {
        read->more = true;
        return SQLITE_DONE;
    }
    label = label_catalogue(entry.server, entry.kind);
    op->status =
        codec_unpack(database->codec, &body, label_bytes(&label), &op->arena, &entry.content);
    if (!fb_is_ok(op->status)) {
        return SQLITE_DONE;
    }
    *bytes += entry.content.size;
    read->entries[read->entry_count++] = entry;
    return SQLITE_OK;
}

int run_read_catalogue(struct database *database, struct engine_op *op)
{
    struct engine_read_catalogue *read = (struct engine_read_catalogue *)op;
    size_t bytes = 0;
    sqlite3_stmt *statement;
    int code =
        read_number(database_bind(database, CATALOGUE_LAST_VERSION, ""), &read->last_version);

    read->entry_count = 0;
    read->more = false;
    read->entries = fb_arena_zalloc(&op->arena, ENTRIES_MOST, sizeof(*read->entries));
    if (code != SQLITE_OK || read->entries == NULL) {
        return code != SQLITE_OK ? code : SQLITE_NOMEM;
    }
    if (read->order == ENGINE_BY_VERSION && read->after_version > read->last_version) {
        return operation_answer(
            op, fb_fail(FB_OUT_OF_RANGE, "after_version: is beyond the last version"), "");
    }
    if (read->order == ENGINE_BY_VERSION) {
        statement = database_bind(database, CATALOGUE_BY_VERSION, "i", read->after_version);
    } else {
        statement = database_bind(database, CATALOGUE_BY_KEY, "tbi", read->after_server,
                                  database_blob(read->after_digest, sizeof(read->after_digest)),
                                  (int64_t)read->after_kind);
    }
    code = SQLITE_OK;
    while (code == SQLITE_OK && (code = sqlite3_step(statement)) == SQLITE_ROW) {
        code = entry_add(database, read, statement, &bytes);
    }
    database_end(statement);
    return code == SQLITE_DONE ? SQLITE_OK : code;
}
