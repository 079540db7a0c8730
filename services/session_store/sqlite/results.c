#include "services/session_store/sqlite/operations.h"

int results_count(struct database *database)
{
    sqlite3_stmt *statement = database_bind(database, RESULT_TOTAL, "");
    int code = database_first(statement);

    if (code != SQLITE_ROW) {
        return code;
    }
    database->result_bytes = sqlite3_column_int64(statement, 0);
    database_end(statement);
    return SQLITE_OK;
}

/* Runs a statement that deletes at most one result, whose room is free then. SQLITE_DONE for none. */
static int result_delete(struct database *database, sqlite3_stmt *statement)
{
    int code = database_first(statement);

    if (code == SQLITE_ROW) {
        database->result_bytes -= sqlite3_column_int64(statement, 0);
        database_end(statement);
    }
    return code;
}

/* Those that expire first go first, until `room` more bytes fit. */
static int results_evict(struct database *database, int64_t room)
{
    while (database->result_bytes + room > database->result_budget_bytes) {
        int code = result_delete(database, database_bind(database, RESULT_EVICT, ""));

        if (code != SQLITE_ROW) {
            return code == SQLITE_DONE ? SQLITE_OK : code;
        }
    }
    return SQLITE_OK;
}

int run_put_result(struct database *database, struct engine_op *op)
{
    struct engine_put_result *put = (struct engine_put_result *)op;
    int64_t now = database->unix_ms();
    struct label label = label_result(put->scope, put->key, now);
    struct codec_body body = codec_pack(database->codec, put->value, label_bytes(&label));
    int code;

    if ((int64_t)body.stored.size > database->result_budget_bytes) {
        return operation_answer(
            op, fb_fail(FB_RESOURCE_EXHAUSTED, "value: is larger than the budget for results"), "");
    }
    code =
        result_delete(database, database_bind(database, RESULT_DELETE, "tb", put->scope, put->key));
    if (code == SQLITE_ROW || code == SQLITE_DONE) {
        code = results_evict(database, (int64_t)body.stored.size);
    }
    if (code == SQLITE_OK) {
        code = database_run(
            database_bind(database, RESULT_PUT, "tbiiiibb", put->scope, put->key, now,
                          now + put->ttl_ms, (int64_t)body.kind, (int64_t)body.raw_bytes,
                          database_blob(body.digest, sizeof(body.digest)), body.stored));
    }
    database->result_bytes += (int64_t)body.stored.size;
    return code;
}

int run_read_result(struct database *database, struct engine_op *op)
{
    struct engine_read_result *read = (struct engine_read_result *)op;
    sqlite3_stmt *statement =
        database_bind(database, RESULT_READ, "tbi", read->scope, read->key, database->unix_ms());
    struct label label;
    struct codec_body body;
    int code = database_first(statement);

    if (code == SQLITE_DONE) {
        return operation_answer(op, fb_fail(FB_NOT_FOUND, "key: no result is kept under it"), "");
    }
    if (code != SQLITE_ROW) {
        return code;
    }
    read->stored_unix_ms = sqlite3_column_int64(statement, 0);
    read->expires_unix_ms = sqlite3_column_int64(statement, 1);
    body = database_body(statement, 2);
    label = label_result(read->scope, read->key, read->stored_unix_ms);
    op->status =
        codec_unpack(database->codec, &body, label_bytes(&label), &op->arena, &read->value);
    database_end(statement);
    return SQLITE_OK;
}
