#include "services/session_store/sqlite/operations.h"

/* A slice of what queries saw of a session; not `*busy` when nothing is left. */
static int purge_tasks(struct database *database, int64_t session, bool *busy)
{
    /* The index of words is told before the texts go: it needs them to find its entries. */
    int code = database_run(database_bind(database, PURGE_MATCHES, "i", session));

    *busy = true;
    if (code == SQLITE_OK) {
        code = database_run(database_bind(database, PURGE_TEXTS, "i", session));
    }
    if (code != SQLITE_OK || sqlite3_changes(database->handle) > 0) {
        return code;
    }
    code = database_run(database_bind(database, PURGE_TASKS, "i", session));
    *busy = sqlite3_changes(database->handle) > 0;
    return code;
}

/* One slice of the first deleted session that still has rows. */
static int purge(struct database *database, bool *more)
{
    sqlite3_stmt *statement = database_bind(database, PURGE_NEXT, "");
    int64_t session;
    bool busy;
    int code = database_first(statement);

    if (code != SQLITE_ROW) {
        return code == SQLITE_DONE ? SQLITE_OK : code;
    }
    *more = true;
    session = sqlite3_column_int64(statement, 0);
    database_end(statement);
    code = database_run(database_bind(database, PURGE_BATCHES, "i", session));
    if (code != SQLITE_OK || sqlite3_changes(database->handle) > 0) {
        return code;
    }
    code = purge_tasks(database, session, &busy);
    if (code != SQLITE_OK || busy) {
        return code;
    }
    code = database_run(database_bind(database, PURGE_REQUESTS, "i", session));
    if (code == SQLITE_OK) {
        code = database_run(database_bind(database, PURGE_SNAPSHOT, "i", session));
    }
    return code == SQLITE_OK ? database_run(database_bind(database, PURGE_DONE, "i", session))
                             : code;
}

static int expire(struct database *database, bool *more)
{
    sqlite3_stmt *statement = database_bind(database, RESULT_EXPIRE, "i", database->unix_ms());
    int code;

    while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
        database->result_bytes -= sqlite3_column_int64(statement, 0);
        *more = true;
    }
    database_end(statement);
    return code == SQLITE_DONE ? SQLITE_OK : code;
}

int run_upkeep(struct database *database, bool *more)
{
    int code;

    *more = false;
    code = purge(database, more);
    if (code == SQLITE_OK) {
        code = expire(database, more);
    }
    return code == SQLITE_OK ? run_dictionary(database, more) : code;
}
