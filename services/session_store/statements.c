#include "services/session_store/statements.h"

/* In the order in which sessions.c reads them. */
#define SESSION_COLUMNS                                                                          \
    "key, id, scope, name, created_unix_ms, updated_unix_ms, last_sequence, snapshot_sequence, " \
    "epoch, owner, lease_expires_unix_ms, payload_bytes, appends, snapshot_bytes, "              \
    "projection_sequence, line"

/* In the order in which database_body reads them. */
#define BODY_COLUMNS "codec, raw_bytes, digest, body"

#define CATALOGUE_COLUMNS \
    "server, config_digest, kind, fetched_unix_ms, ttl_ms, version, " BODY_COLUMNS

/*
 * TASK_LIST and TASK_SEARCH: their common parts. First the ids in order, cut to the page, and only of
 * those the rest. $1 is the order (enum engine_task_order); the last parameters are the place after
 * which the page begins, and its size.
 */
#define FOUND_BEGIN                                                                               \
    "SELECT first, second, found.id, session.id, session.name, state, weight, priority, percent," \
    " parent, agent, task.updated_unix_ms, COALESCE(key_, ''), COALESCE(title, '')"               \
    " FROM (SELECT first, second, id FROM (SELECT"
#define FOUND_SECOND \
    " CASE $1 WHEN 2 THEN -task.updated_unix_ms ELSE 0 END AS second, task.id AS id"
#define FOUND_FILTER                                                                     \
    " WHERE session.scope = $2 AND ($3 = '' OR session.id = $3)"                         \
    " AND substr(session.name, 1, length($4)) = $4"                                      \
    " AND ($5 = 0 OR $5 >> task.state & 1) AND ($6 = '' OR task.agent = $6)"             \
    " AND task.priority >= $7 AND task.priority < $8 AND task.weight BETWEEN $9 AND $10" \
    " AND task.updated_unix_ms >= $11 AND ($12 = '' OR EXISTS (SELECT 1 FROM task_text"  \
    " WHERE task_text.id = task.id AND substr(task_text.key, 1, length($12)) = $12))"
#define FOUND_END(place, page)                                                                \
    ") WHERE (first, second, id) > (" place ") ORDER BY first, second, id LIMIT " page        \
    ") AS found JOIN task ON task.id = found.id JOIN session ON session.key = found.id >> 20" \
    " LEFT JOIN (SELECT id, key AS key_, title FROM task_text) AS said ON said.id = found.id" \
    " ORDER BY first, second, found.id"

const char *const statements[STATEMENT_COUNT] = {
    [TRANSACTION_READ] = "BEGIN DEFERRED",
    [TRANSACTION_WRITE] = "BEGIN IMMEDIATE",
    [TRANSACTION_COMMIT] = "COMMIT",
    [TRANSACTION_ROLLBACK] = "ROLLBACK",

    [SESSION_BY_ID] = "SELECT " SESSION_COLUMNS " FROM session WHERE id = $1",
    [SESSION_BY_NAME] = "SELECT " SESSION_COLUMNS " FROM session"
                        " WHERE scope = $1 AND name = $2 AND name <> ''",
    [SESSION_CREATE] = "INSERT INTO session (id, scope, name, created_unix_ms, updated_unix_ms)"
                       " VALUES ($1, $2, $3, $4, $4)",
    [SESSION_OWN] = "UPDATE session SET epoch = $1, owner = $2, lease_expires_unix_ms = $3"
                    " WHERE key = $4",
    [SESSION_ADVANCE] = "UPDATE session SET last_sequence = $1, updated_unix_ms = $2,"
                        " payload_bytes = payload_bytes + $3, appends = appends + 1,"
                        " projection_sequence = MAX(projection_sequence, $4), line = $5"
                        " WHERE key = $6",
    [SESSION_PROJECT] = "UPDATE session SET projection_sequence = MAX(projection_sequence, $1),"
                        " line = $2 WHERE key = $3",
    [SESSION_SNAPSHOT] = "UPDATE session SET snapshot_sequence = $1, snapshot_bytes = $2"
                         " WHERE key = $3",
    [SESSION_DELETE] = "DELETE FROM session WHERE key = $1",
    [SESSION_LIST] = "SELECT " SESSION_COLUMNS " FROM session"
                     " WHERE scope = $1 AND (name, id) > ($2, $3) AND updated_unix_ms >= $4"
                     " ORDER BY name, id LIMIT $5",
    [SESSION_LIST_UPDATED] = "SELECT " SESSION_COLUMNS " FROM session"
                             " WHERE scope = $1 AND (-updated_unix_ms, id) > ($2, $3)"
                             " AND updated_unix_ms >= $4 AND (substr(name, 1, length($5)) = $5"
                             " OR substr(id, 1, length($5)) = $5)"
                             " ORDER BY -updated_unix_ms, id LIMIT $6",
    [SESSION_BEHIND] = "SELECT id FROM session WHERE scope = $1 AND ($2 = '' OR id = $2)"
                       " AND substr(name, 1, length($3)) = $3"
                       " AND projection_sequence < last_sequence ORDER BY key LIMIT $4",
    [SESSION_ALL] = "SELECT " SESSION_COLUMNS " FROM session ORDER BY key",

    [TASK_PUT] = "INSERT INTO task (id, state, weight, priority, percent, parent, agent,"
                 " updated_unix_ms) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"
                 " ON CONFLICT (id) DO UPDATE SET state = excluded.state,"
                 " weight = excluded.weight, priority = excluded.priority,"
                 " percent = excluded.percent, parent = excluded.parent, agent = excluded.agent,"
                 " updated_unix_ms = excluded.updated_unix_ms",
    [TASK_LIST] = FOUND_BEGIN
    " CASE $1 WHEN 2 THEN task.priority ELSE -task.updated_unix_ms END AS first," FOUND_SECOND
    " FROM session CROSS JOIN task"
    " ON task.id BETWEEN session.key << 20 AND session.key << 20 | 1048575" FOUND_FILTER FOUND_END(
        "$13, $14, $15", "$16"),
    /* By rank only the latest: a word that is nearly everywhere says nothing, and costs the most. */
    [TASK_SEARCH] = FOUND_BEGIN
    " CASE $1 WHEN 0 THEN bm25(task_match, 8.0, 4.0, 1.0) WHEN 2 THEN task.priority"
    " ELSE -task.updated_unix_ms END AS first," FOUND_SECOND
    " FROM task_match CROSS JOIN task ON task.id = task_match.rowid"
    " CROSS JOIN session ON session.key = task_match.rowid >> 20" FOUND_FILTER
    " AND task_match MATCH $13 AND task_match.rowid BETWEEN $14 AND $15"
    " ORDER BY task_match.rowid DESC LIMIT CASE $1 WHEN 0 THEN $16 ELSE -1 END" FOUND_END(
        "$17, $18, $19", "$20"),
    [TASK_SNIPPET] = "SELECT snippet(task_match, -1, char(2), char(3), '…', 20) FROM task_match"
                     " WHERE task_match MATCH $1 AND rowid = $2",
    [TASK_SNIPPETS] = "SELECT snippet(task_match, -1, char(2), char(3), '…', 20), rowid"
                      " FROM task_match WHERE task_match MATCH $1 AND rowid BETWEEN $2 AND $3"
                      " AND +rowid IN (SELECT value FROM json_each($4))",
    [TASK_STRAY] = "SELECT id FROM (SELECT id FROM task UNION SELECT id FROM task_text)"
                   " WHERE id >> 20 NOT IN (SELECT key FROM session)"
                   " AND id >> 20 NOT IN (SELECT session FROM purge)",
    [TEXT_READ] = "SELECT key, title, body FROM task_text WHERE id = $1",
    [TEXT_PUT] = "INSERT INTO task_text (id, key, title, body) VALUES ($1, $2, $3, $4)"
                 " ON CONFLICT (id) DO UPDATE SET key = excluded.key, title = excluded.title,"
                 " body = excluded.body",
    [TEXT_UNINDEXED] =
        "SELECT id FROM task_text WHERE id NOT IN (SELECT id FROM task_match_docsize)",
    [TEXT_GONE] = "SELECT id FROM task_match_docsize WHERE id NOT IN (SELECT id FROM task_text)",
    [MATCH_ADD] = "INSERT INTO task_match (rowid, key, title, body) VALUES ($1, $2, $3, $4)",
    [MATCH_REMOVE] = "INSERT INTO task_match (task_match, rowid, key, title, body)"
                     " SELECT 'delete', id, key, title, body FROM task_text WHERE id = $1",
    [MATCH_WORDS] = "SELECT COUNT(*) FROM task_word",

    [BATCH_ADD] =
        "INSERT INTO batch (session, first_sequence, last_sequence, unix_ms, " BODY_COLUMNS
        ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    [BATCH_HEAD] = "SELECT last_sequence, unix_ms, digest FROM batch"
                   " WHERE session = $1 AND first_sequence = $2",
    [BATCH_READ] = "SELECT first_sequence, last_sequence, unix_ms, " BODY_COLUMNS " FROM batch"
                   " WHERE session = $1 AND first_sequence >= COALESCE("
                   "(SELECT MAX(first_sequence) FROM batch"
                   " WHERE session = $1 AND first_sequence <= $2), 0)"
                   " AND first_sequence <= $3 ORDER BY first_sequence",
    [BATCH_ALL] = "SELECT first_sequence, last_sequence, unix_ms, " BODY_COLUMNS " FROM batch"
                  " WHERE session = $1 ORDER BY first_sequence",
    [REQUEST_FIND] = "SELECT first_sequence FROM request WHERE session = $1 AND id = $2",
    [REQUEST_ADD] = "INSERT INTO request (session, id, append, first_sequence)"
                    " VALUES ($1, $2, $3, $4)",
    [REQUEST_PRUNE] = "DELETE FROM request WHERE session = $1 AND append <= $2",
    [REQUEST_STRAY] = "SELECT session.id, request.id FROM request"
                      " JOIN session ON session.key = request.session"
                      " LEFT JOIN batch ON batch.session = request.session"
                      " AND batch.first_sequence = request.first_sequence"
                      " WHERE batch.session IS NULL",
    [SNAPSHOT_PUT] = "INSERT INTO snapshot_part (session, sequence, part_offset, " BODY_COLUMNS ")"
                     " VALUES ($1, $2, $3, $4, $5, $6, $7)",
    [SNAPSHOT_ENDS] = "SELECT part_offset + raw_bytes FROM snapshot_part"
                      " WHERE session = $1 AND sequence = $2 AND part_offset < $3"
                      " ORDER BY part_offset DESC LIMIT 1",
    [SNAPSHOT_CUT] = "DELETE FROM snapshot_part WHERE session = $1 AND sequence > $2"
                     " AND (sequence <> $3 OR part_offset >= $4)",
    [SNAPSHOT_DROP] = "DELETE FROM snapshot_part WHERE session = $1 AND sequence <> $2",
    [SNAPSHOT_READ] = "SELECT " BODY_COLUMNS " FROM snapshot_part"
                      " WHERE session = $1 AND sequence = $2 AND part_offset = $3",
    [SNAPSHOT_ALL] = "SELECT session.id, sequence, part_offset, " BODY_COLUMNS
                     " FROM snapshot_part JOIN session ON session.key = snapshot_part.session",
    [SNAPSHOT_SIZES] = "SELECT id, snapshot_bytes, (SELECT COALESCE(SUM(raw_bytes), -1)"
                       " FROM snapshot_part WHERE snapshot_part.session = session.key"
                       " AND snapshot_part.sequence = session.snapshot_sequence) AS kept"
                       " FROM session WHERE snapshot_sequence > 0 AND kept <> snapshot_bytes",

    [DICTIONARY_ADD] = "INSERT INTO dictionary (" BODY_COLUMNS ") VALUES ($1, $2, $3, $4)",
    [DICTIONARY_READ] = "SELECT " BODY_COLUMNS " FROM dictionary WHERE id = $1",
    [DICTIONARY_LAST] = "SELECT COALESCE(MAX(id), 0) FROM dictionary",
    [DICTIONARY_COUNT] = "SELECT COUNT(*) FROM (SELECT raw_bytes FROM batch"
                         " ORDER BY session DESC, first_sequence DESC LIMIT $1)"
                         " WHERE raw_bytes <= $2",
    [DICTIONARY_SAMPLES] = "SELECT session.id, first_sequence, unix_ms, " BODY_COLUMNS
                           " FROM (SELECT * FROM batch ORDER BY session DESC, first_sequence DESC"
                           " LIMIT $1) AS late JOIN session ON session.key = late.session"
                           " WHERE raw_bytes <= $2",

    [PURGE_ADD] = "INSERT INTO purge (session) VALUES ($1)",
    [PURGE_NEXT] = "SELECT session FROM purge ORDER BY session LIMIT 1",
    [PURGE_BATCHES] = "DELETE FROM batch WHERE session = $1 AND first_sequence IN"
                      " (SELECT first_sequence FROM batch WHERE session = $1"
                      " ORDER BY first_sequence LIMIT 200)",
    [PURGE_MATCHES] = "INSERT INTO task_match (task_match, rowid, key, title, body)"
                      " SELECT 'delete', id, key, title, body FROM task_text"
                      " WHERE id BETWEEN $1 << 20 AND $1 << 20 | 1048575 ORDER BY id LIMIT 200",
    [PURGE_TEXTS] = "DELETE FROM task_text WHERE id IN (SELECT id FROM task_text"
                    " WHERE id BETWEEN $1 << 20 AND $1 << 20 | 1048575 ORDER BY id LIMIT 200)",
    [PURGE_TASKS] = "DELETE FROM task WHERE id IN (SELECT id FROM task"
                    " WHERE id BETWEEN $1 << 20 AND $1 << 20 | 1048575 ORDER BY id LIMIT 5000)",
    [PURGE_REQUESTS] = "DELETE FROM request WHERE session = $1",
    [PURGE_SNAPSHOT] = "DELETE FROM snapshot_part WHERE session = $1",
    [PURGE_DONE] = "DELETE FROM purge WHERE session = $1",

    [BLOB_FIND] = "SELECT 1 FROM blob WHERE scope = $1 AND sha256 = $2",
    [BLOB_ADD] = "INSERT INTO blob (scope, sha256, " BODY_COLUMNS ")"
                 " VALUES ($1, $2, $3, $4, $5, $6)",
    [BLOB_READ] = "SELECT " BODY_COLUMNS " FROM blob WHERE scope = $1 AND sha256 = $2",
    [BLOB_ALL] = "SELECT sha256, " BODY_COLUMNS " FROM blob",

    [CATALOGUE_FIND] = "SELECT version, digest FROM catalogue"
                       " WHERE server = $1 AND config_digest = $2 AND kind = $3",
    [CATALOGUE_PUT] = "INSERT INTO catalogue (" CATALOGUE_COLUMNS ")"
                      " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)"
                      " ON CONFLICT (server, config_digest, kind) DO UPDATE SET"
                      " fetched_unix_ms = excluded.fetched_unix_ms, ttl_ms = excluded.ttl_ms,"
                      " version = excluded.version, codec = excluded.codec,"
                      " raw_bytes = excluded.raw_bytes, digest = excluded.digest,"
                      " body = excluded.body",
    [CATALOGUE_TOUCH] = "UPDATE catalogue SET fetched_unix_ms = $1, ttl_ms = $2"
                        " WHERE server = $3 AND config_digest = $4 AND kind = $5",
    [CATALOGUE_PRUNE] = "DELETE FROM catalogue WHERE server = $1 AND kind = $2"
                        " AND config_digest NOT IN (SELECT config_digest FROM catalogue"
                        " WHERE server = $1 AND kind = $2"
                        " ORDER BY fetched_unix_ms DESC, version DESC LIMIT $3)",
    [CATALOGUE_BY_VERSION] = "SELECT " CATALOGUE_COLUMNS " FROM catalogue"
                             " WHERE version > $1 ORDER BY version",
    [CATALOGUE_BY_KEY] = "SELECT " CATALOGUE_COLUMNS " FROM catalogue"
                         " WHERE (server, config_digest, kind) > ($1, $2, $3)"
                         " ORDER BY server, config_digest, kind",
    [CATALOGUE_NEXT_VERSION] = "UPDATE counter SET value = value + 1"
                               " WHERE name = 'catalogue_version' RETURNING value",
    [CATALOGUE_LAST_VERSION] = "SELECT value FROM counter WHERE name = 'catalogue_version'",

    [RESULT_PUT] = "INSERT INTO result (scope, key, stored_unix_ms, expires_unix_ms, " BODY_COLUMNS
                   ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    [RESULT_DELETE] = "DELETE FROM result WHERE scope = $1 AND key = $2 RETURNING LENGTH(body)",
    [RESULT_READ] = "SELECT stored_unix_ms, expires_unix_ms, " BODY_COLUMNS " FROM result"
                    " WHERE scope = $1 AND key = $2 AND expires_unix_ms > $3",
    [RESULT_TOTAL] = "SELECT COALESCE(SUM(LENGTH(body)), 0) FROM result",
    [RESULT_EVICT] = "DELETE FROM result WHERE id ="
                     " (SELECT id FROM result ORDER BY expires_unix_ms, id LIMIT 1)"
                     " RETURNING LENGTH(body)",
    [RESULT_EXPIRE] = "DELETE FROM result WHERE id IN (SELECT id FROM result"
                      " WHERE expires_unix_ms <= $1 ORDER BY expires_unix_ms LIMIT 200)"
                      " RETURNING LENGTH(body)",
    [RESULT_ALL] = "SELECT scope, key, stored_unix_ms, " BODY_COLUMNS " FROM result",
};
