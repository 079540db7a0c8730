#include "services/session_store/sqlite/operations.h"

/*
 * The parts of a session's snapshot carry its sequence. Those of a later sequence are of one that is
 * not whole yet: nobody sees them until session.snapshot_sequence says so.
 */

/* --- put --- */

/* Sees that the part before this one ends at its offset, and drops what it takes the place of. */
static int put_place(struct database *database, struct engine_put_snapshot *put,
                     const struct session_row *row)
{
    sqlite3_stmt *statement =
        database_bind(database, SNAPSHOT_ENDS, "iii", row->key, put->sequence, put->offset);
    int code = database_first(statement);
    int64_t end = 0;

    if (code == SQLITE_ROW) {
        end = sqlite3_column_int64(statement, 0);
        database_end(statement);
    } else if (code != SQLITE_DONE) {
        return code;
    }
    if (end != put->offset) {
        return operation_answer(
            &put->op,
            fb_fail(FB_ABORTED, "offset: no part that was put ends here; begin again at 0"),
            "wrong-offset");
    }
    return database_run(database_bind(database, SNAPSHOT_CUT, "iiii", row->key,
                                      row->session.snapshot_sequence, put->sequence, put->offset));
}

static int put_part(struct database *database, const struct engine_put_snapshot *put,
                    const struct session_row *row)
{
    struct label label = label_snapshot(row->session.id, put->sequence, put->offset);
    struct codec_body body = codec_pack(database->codec, put->data, label_bytes(&label));

    return database_run(database_bind(
        database, SNAPSHOT_PUT, "iiiiibb", row->key, put->sequence, put->offset, (int64_t)body.kind,
        (int64_t)body.raw_bytes, database_blob(body.digest, sizeof(body.digest)), body.stored));
}

int run_put_snapshot(struct database *database, struct engine_op *op)
{
    struct engine_put_snapshot *put = (struct engine_put_snapshot *)op;
    struct session_row row;
    struct fencing_facts facts;
    struct fencing_decision decision;
    int code = session_find(database, op, NULL, put->session_id, &row);

    if (code != SQLITE_ROW) {
        return code == SQLITE_DONE ? SQLITE_OK : code;
    }
    facts = session_facts(&row);
    decision = fencing_snapshot(&facts, put->epoch, put->sequence, row.session.snapshot_sequence);
    put->complete = decision.verdict == FENCING_REPEAT;
    if (decision.verdict != FENCING_GO) {
        return operation_answer(op, decision.status, decision.reason);
    }
    code = put_place(database, put, &row);
    if (code != SQLITE_OK || !fb_is_ok(op->status)) {
        return code;
    }
    code = put_part(database, put, &row);
    put->complete = put->offset + (int64_t)put->data.size == put->total_bytes;
    if (code != SQLITE_OK || !put->complete) {
        return code;
    }
    code = database_run(
        database_bind(database, SESSION_SNAPSHOT, "iii", put->sequence, put->total_bytes, row.key));
    return code == SQLITE_OK
               ? database_run(database_bind(database, SNAPSHOT_DROP, "ii", row.key, put->sequence))
               : code;
}

/* --- read --- */

/* The part at an offset: SQLITE_ROW, with the operation's status what unpacking gave; SQLITE_DONE. */
static int read_part(struct database *database, struct engine_op *op, const struct session_row *row,
                     int64_t sequence, int64_t offset, struct engine_bytes *data)
{
    sqlite3_stmt *statement =
        database_bind(database, SNAPSHOT_READ, "iii", row->key, sequence, offset);
    struct label label = label_snapshot(row->session.id, sequence, offset);
    int code = database_first(statement);

    if (code == SQLITE_ROW) {
        struct codec_body body = database_body(statement, 0);

        op->status = codec_unpack(database->codec, &body, label_bytes(&label), &op->arena, data);
        database_end(statement);
    }
    return code;
}

int run_read_session(struct database *database, struct engine_op *op)
{
    struct engine_read_session *read = (struct engine_read_session *)op;
    struct session_row row;
    int code = session_find(database, op, read->scope, read->session_id, &row);

    read->has_snapshot = false;
    if (code != SQLITE_ROW) {
        return code == SQLITE_DONE ? SQLITE_OK : code;
    }
    read->session = row.session;
    if (row.session.snapshot_sequence <= read->snapshot_after) {
        return SQLITE_OK;
    }
    code = read_part(database, op, &row, row.session.snapshot_sequence, 0, &read->snapshot);
    if (code == SQLITE_DONE) {
        return operation_answer(op, fb_fail(FB_DATA_LOSS, "the session's snapshot is missing"), "");
    }
    read->has_snapshot = code == SQLITE_ROW && fb_is_ok(op->status);
    return code == SQLITE_ROW ? SQLITE_OK : code;
}

int run_read_snapshot(struct database *database, struct engine_op *op)
{
    struct engine_read_snapshot *read = (struct engine_read_snapshot *)op;
    struct session_row row;
    int code = session_find(database, op, read->scope, read->session_id, &row);

    if (code != SQLITE_ROW) {
        return code == SQLITE_DONE ? SQLITE_OK : code;
    }
    if (row.session.snapshot_sequence != read->sequence) {
        return operation_answer(
            op, fb_fail(FB_ABORTED, "a later snapshot replaced the one that was read; load again"),
            "snapshot-replaced");
    }
    code = read_part(database, op, &row, read->sequence, read->offset, &read->data);
    if (code == SQLITE_DONE ||
        (code == SQLITE_ROW && fb_is_ok(op->status) && read->data.size == 0)) {
        return operation_answer(
            op, fb_fail(FB_DATA_LOSS, "a part of the session's snapshot is missing"), "");
    }
    return code == SQLITE_ROW ? SQLITE_OK : code;
}
