#include "services/session_store/sqlite/operations.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "services/session_store/batch.h"

/* What a check carries from row to row. */
struct checker {
    struct engine_check *check;
    struct database *database;
    struct fb_arena row; /* emptied after each row */
};

static void finding(struct checker *checker, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void finding(struct checker *checker, const char *format, ...)
{
    char text[512];
    va_list values;

    va_start(values, format);
    vsnprintf(text, sizeof(text), format, values);
    va_end(values);
    checker->check->findings += 1;
    checker->check->on_finding(checker->check, text);
}

/* After each row: SQLITE_INTERRUPT when nobody waits any more. */
static int next_row(struct checker *checker, sqlite3_stmt *statement)
{
    fb_arena_reset(&checker->row);
    if (checker->check->cancelled(checker->check)) {
        return SQLITE_INTERRUPT;
    }
    return sqlite3_step(statement);
}

/* Is the body in the row what its digest says? Its raw bytes, or NULL after a finding. */
static const struct engine_bytes *check_body(struct checker *checker, sqlite3_stmt *statement,
                                             int column, const struct label *label,
                                             struct engine_bytes *raw)
{
    struct codec_body body = database_body(statement, column);
    struct fb_status status;

    dictionary_need(checker->database, &body);
    status = codec_unpack(checker->database->codec, &body, label_bytes(label), &checker->row, raw);

    if (!fb_is_ok(status)) {
        finding(checker, "%s: %s", label->text, status.why);
        return NULL;
    }
    return raw;
}

static int check_structure(struct checker *checker)
{
    sqlite3_stmt *statement;
    const char *sql =
        checker->check->quick ? "PRAGMA quick_check(100)" : "PRAGMA integrity_check(100)";
    int code = sqlite3_prepare_v2(checker->database->handle, sql, -1, &statement, NULL);

    while (code == SQLITE_OK || code == SQLITE_ROW) {
        code = next_row(checker, statement);
        if (code == SQLITE_ROW &&
            strcmp((const char *)sqlite3_column_text(statement, 0), "ok") != 0) {
            finding(checker, "structure: %s", (const char *)sqlite3_column_text(statement, 0));
        }
    }
    sqlite3_finalize(statement);
    return code;
}

/* Whether the events of a batch are as many as its row says. */
static void check_batch(struct checker *checker, sqlite3_stmt *statement, const char *id)
{
    int64_t first = sqlite3_column_int64(statement, 0);
    int64_t last = sqlite3_column_int64(statement, 1);
    struct label label = label_batch(id, first, sqlite3_column_int64(statement, 2));
    struct engine_event event;
    struct engine_bytes raw;
    int64_t count = 0;

    if (check_body(checker, statement, 3, &label, &raw) == NULL) {
        return;
    }
    while (raw.size > 0 && batch_next(&raw, &event)) {
        count += 1;
    }
    if (raw.size > 0 || count != last - first + 1) {
        finding(checker, "session %s: events %lld to %lld cannot be read", id, (long long)first,
                (long long)last);
    }
    checker->check->events += count;
}

static int check_events(struct checker *checker, const struct session_row *row)
{
    const char *id = row->session.id;
    sqlite3_stmt *statement = database_bind(checker->database, BATCH_ALL, "i", row->key);
    int64_t sequence = 0;
    int64_t unix_ms = 0;
    int code;

    while ((code = next_row(checker, statement)) == SQLITE_ROW) {
        int64_t first = sqlite3_column_int64(statement, 0);

        if (first != sequence + 1) {
            finding(checker, "session %s: after event %lld comes event %lld", id,
                    (long long)sequence, (long long)first);
        }
        if (sqlite3_column_int64(statement, 2) < unix_ms) {
            finding(checker,
                    "session %s: the time of event %lld is before that of the event before", id,
                    (long long)first);
        }
        sequence = sqlite3_column_int64(statement, 1);
        unix_ms = sqlite3_column_int64(statement, 2);
        check_batch(checker, statement, id);
    }
    database_end(statement);
    if (code == SQLITE_DONE && sequence != row->session.last_sequence) {
        finding(checker, "session %s: its last event should be %lld and is %lld", id,
                (long long)row->session.last_sequence, (long long)sequence);
    }
    return code;
}

static int check_sessions(struct checker *checker)
{
    struct fb_arena arena; /* of the session: the rows' is emptied by each of its events */
    sqlite3_stmt *statement = database_bind(checker->database, SESSION_ALL, "");
    int code;

    fb_arena_init(&arena, 0);
    while ((code = next_row(checker, statement)) == SQLITE_ROW) {
        struct session_row row;

        fb_arena_reset(&arena);
        session_row_read(statement, &arena, &row);
        if (row.session.id == NULL) {
            code = SQLITE_NOMEM;
            break;
        }
        checker->check->sessions += 1;
        code = check_events(checker, &row);
        if (code != SQLITE_DONE) {
            break;
        }
    }
    database_end(statement);
    fb_arena_finish(&arena);
    return code;
}

/* Each request that is remembered leads to what it appended. */
static int check_requests(struct checker *checker)
{
    sqlite3_stmt *statement = database_bind(checker->database, REQUEST_STRAY, "");
    int code;

    while ((code = next_row(checker, statement)) == SQLITE_ROW) {
        finding(checker, "session %s: request %s leads to no event",
                (const char *)sqlite3_column_text(statement, 0),
                (const char *)sqlite3_column_text(statement, 1));
    }
    database_end(statement);
    return code;
}

/* Each session's snapshot is as large as it should be, so none of its parts is missing. */
static int check_snapshot_sizes(struct checker *checker)
{
    sqlite3_stmt *statement = database_bind(checker->database, SNAPSHOT_SIZES, "");
    int code;

    while ((code = next_row(checker, statement)) == SQLITE_ROW) {
        finding(checker, "session %s: its snapshot should have %lld bytes and has %lld",
                (const char *)sqlite3_column_text(statement, 0),
                (long long)sqlite3_column_int64(statement, 1),
                (long long)sqlite3_column_int64(statement, 2));
    }
    database_end(statement);
    return code;
}

static int check_snapshots(struct checker *checker)
{
    sqlite3_stmt *statement = database_bind(checker->database, SNAPSHOT_ALL, "");
    struct engine_bytes raw;
    int code;

    while ((code = next_row(checker, statement)) == SQLITE_ROW) {
        struct label label =
            label_snapshot((const char *)sqlite3_column_text(statement, 0),
                           sqlite3_column_int64(statement, 1), sqlite3_column_int64(statement, 2));

        check_body(checker, statement, 3, &label, &raw);
    }
    database_end(statement);
    return code == SQLITE_DONE ? check_snapshot_sizes(checker) : code;
}

/* The rows of a statement are tasks that are wrong in one way. */
static int check_task_rows(struct checker *checker, enum statement rows, const char *wrong)
{
    sqlite3_stmt *statement = database_bind(checker->database, rows, "");
    int code;

    while ((code = next_row(checker, statement)) == SQLITE_ROW) {
        int64_t id = sqlite3_column_int64(statement, 0);

        finding(checker, "task %lld of session row %lld: %s",
                (long long)(id & ((1 << ENGINE_TASK_BITS) - 1)),
                (long long)(id >> ENGINE_TASK_BITS), wrong);
    }
    database_end(statement);
    return code;
}

/* What queries see can be made anew from the events; damage in it is a finding all the same. */
static int check_tasks(struct checker *checker)
{
    sqlite3_stmt *statement;
    int code = check_task_rows(checker, TASK_STRAY, "belongs to no session");

    if (code == SQLITE_DONE) {
        code = check_task_rows(checker, TEXT_UNINDEXED, "its texts are not in the index");
    }
    if (code == SQLITE_DONE) {
        code = check_task_rows(checker, TEXT_GONE, "is in the index, but its texts are gone");
    }
    if (code != SQLITE_DONE) {
        return code;
    }
    /* Counting the words reads the index from end to end. */
    statement = database_bind(checker->database, MATCH_WORDS, "");
    code = next_row(checker, statement);
    database_end(statement);
    return code == SQLITE_ROW ? SQLITE_DONE : code;
}

static int check_blobs(struct checker *checker)
{
    sqlite3_stmt *statement = database_bind(checker->database, BLOB_ALL, "");
    struct label label = label_blob();
    int code;

    while ((code = next_row(checker, statement)) == SQLITE_ROW) {
        struct engine_bytes raw;
        uint8_t sha256[32];

        if (check_body(checker, statement, 1, &label, &raw) == NULL) {
            continue;
        }
        codec_sha256(raw, sha256);
        if (sqlite3_column_bytes(statement, 0) != sizeof(sha256) ||
            memcmp(sqlite3_column_blob(statement, 0), sha256, sizeof(sha256)) != 0) {
            finding(checker, "a blob is not what its SHA-256 says");
        }
    }
    database_end(statement);
    return code;
}

static int check_catalogue(struct checker *checker)
{
    sqlite3_stmt *statement =
        database_bind(checker->database, CATALOGUE_BY_VERSION, "i", (int64_t)0);
    struct engine_bytes raw;
    int code;

    while ((code = next_row(checker, statement)) == SQLITE_ROW) {
        struct label label = label_catalogue((const char *)sqlite3_column_text(statement, 0),
                                             sqlite3_column_int64(statement, 2));

        check_body(checker, statement, 6, &label, &raw);
    }
    database_end(statement);
    return code;
}

static int check_results(struct checker *checker)
{
    sqlite3_stmt *statement = database_bind(checker->database, RESULT_ALL, "");
    struct engine_bytes raw;
    int code;

    while ((code = next_row(checker, statement)) == SQLITE_ROW) {
        struct engine_bytes key = database_blob(sqlite3_column_blob(statement, 1),
                                                (size_t)sqlite3_column_bytes(statement, 1));
        struct label label = label_result((const char *)sqlite3_column_text(statement, 0), key,
                                          sqlite3_column_int64(statement, 2));

        check_body(checker, statement, 3, &label, &raw);
    }
    database_end(statement);
    return code;
}

static const struct stage {
    const char *name;
    int (*run)(struct checker *checker); /* SQLITE_DONE when it came to its end */
    bool quick;                          /* also part of a quick check */
} stages[] = {
    {"structure", check_structure, true},  {"sessions", check_sessions, false},
    {"requests", check_requests, false},   {"snapshots", check_snapshots, false},
    {"tasks", check_tasks, false},         {"blobs", check_blobs, false},
    {"catalogue", check_catalogue, false}, {"results", check_results, false},
};

/* A damaged table is a finding and no reason to leave out the others. */
static struct fb_status run_stages(struct checker *checker)
{
    for (size_t i = 0; i < sizeof(stages) / sizeof(stages[0]); i++) {
        int code;

        if (checker->check->quick && !stages[i].quick) {
            continue;
        }
        checker->check->on_stage(checker->check, stages[i].name);
        code = stages[i].run(checker);
        if (code == SQLITE_INTERRUPT) {
            return fb_fail(FB_CANCELLED, "the check was cancelled");
        }
        if ((code & 0xff) == SQLITE_CORRUPT || (code & 0xff) == SQLITE_NOTADB) {
            finding(checker, "%s: cannot be read to the end, the file is damaged", stages[i].name);
        } else if (code != SQLITE_DONE) {
            return database_fail(code, &checker->check->op.reason);
        }
    }
    return fb_ok;
}

void run_check(const char *path, struct engine_check *check)
{
    struct checker checker = {.check = check};

    check->sessions = 0;
    check->events = 0;
    check->findings = 0;
    check->op.status = database_open_reader(path, &check->op.arena, &checker.database);
    if (!fb_is_ok(check->op.status)) {
        return;
    }
    fb_arena_init(&checker.row, 0);
    check->schema_version = database_schema_version(checker.database);
    /* One moment for all stages: what is written meanwhile is not looked at half. */
    check->op.status = database_do(checker.database, TRANSACTION_READ) == SQLITE_OK
                           ? run_stages(&checker)
                           : fb_fail(FB_UNAVAILABLE, "the store's file cannot be read");
    database_rollback(checker.database);
    fb_arena_finish(&checker.row);
    database_close(checker.database);
}
