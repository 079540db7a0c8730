#include "services/session_store/sqlite/operations.h"

int run_put_blob(struct database *database, struct engine_op *op)
{
    struct engine_put_blob *put = (struct engine_put_blob *)op;
    struct engine_bytes sha256 = database_blob(put->sha256, sizeof(put->sha256));
    sqlite3_stmt *statement = database_bind(database, BLOB_FIND, "tb", put->scope, sha256);
    int code = database_first(statement);
    struct label label = label_blob();
    struct codec_body body;

    if (code == SQLITE_ROW) {
        database_end(statement);
        return SQLITE_OK;
    }
    if (code != SQLITE_DONE) {
        return code;
    }
    body = codec_pack(database->codec, put->data, label_bytes(&label));
    return database_run(database_bind(
        database, BLOB_ADD, "tbiibb", put->scope, sha256, (int64_t)body.kind,
        (int64_t)body.raw_bytes, database_blob(body.digest, sizeof(body.digest)), body.stored));
}

int run_read_blob(struct database *database, struct engine_op *op)
{
    struct engine_read_blob *read = (struct engine_read_blob *)op;
    sqlite3_stmt *statement = database_bind(database, BLOB_READ, "tb", read->scope,
                                            database_blob(read->sha256, sizeof(read->sha256)));
    int code = database_first(statement);
    struct label label = label_blob();
    struct codec_body body;

    if (code == SQLITE_DONE) {
        return operation_answer(op, fb_fail(FB_NOT_FOUND, "sha256: no such blob in the scope"), "");
    }
    if (code != SQLITE_ROW) {
        return code;
    }
    body = database_body(statement, 0);
    op->status = codec_unpack(database->codec, &body, label_bytes(&label), &op->arena, &read->data);
    database_end(statement);
    return SQLITE_OK;
}
