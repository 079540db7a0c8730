#include "tests/bench/query_data.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>

static void must(sqlite3 *handle, int code)
{
    if (code != SQLITE_OK && code != SQLITE_DONE && code != SQLITE_ROW) {
        query_fail("plain SQLite", sqlite3_errmsg(handle));
    }
}

static void *plain_open(const char *where, size_t count)
{
    sqlite3 *handle;
    sqlite3_stmt *insert;

    if (sqlite3_open(where, &handle) != SQLITE_OK) {
        query_fail(where, "cannot be opened");
    }
    must(handle, sqlite3_exec(handle,
                              "CREATE TABLE task (session TEXT, number INTEGER, title TEXT,"
                              " body TEXT, state INTEGER, weight INTEGER, priority INTEGER,"
                              " agent TEXT, updated INTEGER); BEGIN",
                              NULL, NULL, NULL));
    must(handle, sqlite3_prepare_v2(handle, "INSERT INTO task VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                                    -1, &insert, NULL));
    for (size_t i = 0; i < count; i++) {
        struct query_task task = query_task_of(i, count);

        sqlite3_bind_text(insert, 1, task.session, -1, SQLITE_STATIC);
        sqlite3_bind_int64(insert, 2, task.number);
        sqlite3_bind_text(insert, 3, task.title, -1, SQLITE_STATIC);
        sqlite3_bind_text(insert, 4, task.body, -1, SQLITE_STATIC);
        sqlite3_bind_int64(insert, 5, task.state);
        sqlite3_bind_int64(insert, 6, task.weight);
        sqlite3_bind_int64(insert, 7, task.priority);
        sqlite3_bind_text(insert, 8, task.agent, -1, SQLITE_STATIC);
        sqlite3_bind_int64(insert, 9, task.updated_unix_ms);
        must(handle, sqlite3_step(insert));
        sqlite3_reset(insert);
    }
    sqlite3_finalize(insert);
    must(handle, sqlite3_exec(handle, "COMMIT", NULL, NULL, NULL));
    return handle;
}

static size_t plain_ask(void *self, const struct query *query)
{
    sqlite3 *handle = self;
    sqlite3_stmt *select;
    char like[64];
    size_t count = 0;
    const char *sql =
        query->of_sessions
            ? "SELECT session, MAX(updated), AVG(state = 4) FROM task GROUP BY session"
              " ORDER BY 2 DESC LIMIT 20"
            : "SELECT session, number, title, state, agent, updated FROM task"
              " WHERE (?1 IS NULL OR title LIKE ?1 OR body LIKE ?1)"
              " AND (?2 IS NULL OR session = ?2) AND (?3 IS NULL OR agent = ?3)"
              " AND (?4 < 0 OR state = ?4) ORDER BY updated DESC LIMIT 20";

    must(handle, sqlite3_prepare_v2(handle, sql, -1, &select, NULL));
    if (!query->of_sessions) {
        snprintf(like, sizeof(like), "%%%s%%", query->word != NULL ? query->word : "");
        sqlite3_bind_text(select, 1, query->word != NULL ? like : NULL, -1, SQLITE_STATIC);
        sqlite3_bind_text(select, 2, query->session, -1, SQLITE_STATIC);
        sqlite3_bind_text(select, 3, query->agent, -1, SQLITE_STATIC);
        sqlite3_bind_int(select, 4, query->state);
    }
    for (int code; (code = sqlite3_step(select)) == SQLITE_ROW; must(handle, code)) {
        count += 1;
    }
    sqlite3_finalize(select);
    return count;
}

static void plain_close(void *self)
{
    sqlite3_close(self);
}

const struct query_way query_plain = {"plain", plain_open, plain_ask, plain_close};
