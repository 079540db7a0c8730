#include "services/session_store/sqlite/operations.h"

#include <string.h>

int operation_answer(struct engine_op *op, struct fb_status status, const char *reason)
{
    op->status = status;
    op->reason = reason;
    return SQLITE_OK;
}

void session_row_read(sqlite3_stmt *statement, struct fb_arena *arena, struct session_row *row)
{
    *row = (struct session_row){
        .key = sqlite3_column_int64(statement, 0),
        .appends = sqlite3_column_int64(statement, 12),
        .session =
            {
                .id = database_text(statement, 1, arena),
                .scope = database_text(statement, 2, arena),
                .name = database_text(statement, 3, arena),
                .created_unix_ms = sqlite3_column_int64(statement, 4),
                .updated_unix_ms = sqlite3_column_int64(statement, 5),
                .last_sequence = sqlite3_column_int64(statement, 6),
                .snapshot_sequence = sqlite3_column_int64(statement, 7),
                .epoch = sqlite3_column_int64(statement, 8),
                .owner = database_text(statement, 9, arena),
                .lease_expires_unix_ms = sqlite3_column_int64(statement, 10),
                .payload_bytes = sqlite3_column_int64(statement, 11),
                .snapshot_bytes = sqlite3_column_int64(statement, 13),
                .projection_sequence = sqlite3_column_int64(statement, 14),
                .line = database_bytes(statement, 15, arena),
            },
    };
}

static bool row_is_whole(const struct session_row *row)
{
    const struct engine_session *session = &row->session;

    return session->id != NULL && session->scope != NULL && session->name != NULL &&
           session->owner != NULL;
}

/* Runs a SESSION_BY_… statement. */
static int find(sqlite3_stmt *statement, struct engine_op *op, struct session_row *row)
{
    int code = database_first(statement);

    if (code == SQLITE_ROW) {
        session_row_read(statement, &op->arena, row);
        database_end(statement);
        if (!row_is_whole(row)) {
            return SQLITE_NOMEM;
        }
    }
    return code;
}

int session_find(struct database *database, struct engine_op *op, const char *scope,
                 const char *session_id, struct session_row *row)
{
    int code = find(database_bind(database, SESSION_BY_ID, "t", session_id), op, row);

    if (code == SQLITE_DONE ||
        (code == SQLITE_ROW && scope != NULL && strcmp(scope, row->session.scope) != 0)) {
        operation_answer(op, fb_fail(FB_NOT_FOUND, "session_id: no such session"), "");
        return SQLITE_DONE;
    }
    return code;
}

struct fencing_facts session_facts(const struct session_row *row)
{
    return (struct fencing_facts){
        .epoch = row->session.epoch,
        .owner = row->session.owner,
        .lease_expires_unix_ms = row->session.lease_expires_unix_ms,
        .last_sequence = row->session.last_sequence,
        .updated_unix_ms = row->session.updated_unix_ms,
    };
}

/* --- acquire --- */

/* Whether the session's name is free; SQLITE_DONE when it is, SQLITE_ROW when not. */
static int acquire_name_taken(struct database *database, struct engine_acquire *acquire)
{
    struct session_row row;

    if (acquire->name[0] == '\0') {
        return SQLITE_DONE;
    }
    return find(database_bind(database, SESSION_BY_NAME, "tt", acquire->scope, acquire->name),
                &acquire->op, &row);
}

static int acquire_create(struct database *database, struct engine_acquire *acquire,
                          struct session_row *row)
{
    const char *id = acquire->session_id[0] != '\0' ? acquire->session_id : acquire->new_id;
    int code = acquire_name_taken(database, acquire);

    if (code == SQLITE_ROW) {
        operation_answer(&acquire->op,
                         fb_fail(FB_ALREADY_EXISTS, "name: another session of the scope has it"),
                         "");
        return SQLITE_DONE;
    }
    if (code != SQLITE_DONE) {
        return code;
    }
    code = database_run(database_bind(database, SESSION_CREATE, "ttti", id, acquire->scope,
                                      acquire->name, acquire->now_unix_ms));
    if (code != SQLITE_OK) {
        return code;
    }
    acquire->created = true;
    return session_find(database, &acquire->op, acquire->scope, id, row);
}

/* As session_find, by what the operation gives, making the session where that is asked. */
static int acquire_find(struct database *database, struct engine_acquire *acquire,
                        struct session_row *row)
{
    int code;

    if (acquire->session_id[0] != '\0') {
        code = find(database_bind(database, SESSION_BY_ID, "t", acquire->session_id), &acquire->op,
                    row);
        if (code == SQLITE_ROW && strcmp(acquire->scope, row->session.scope) != 0) {
            operation_answer(&acquire->op,
                             acquire->create ? fb_fail(FB_ALREADY_EXISTS, "session_id: is taken")
                                             : fb_fail(FB_NOT_FOUND, "session_id: no such session"),
                             "");
            return SQLITE_DONE;
        }
    } else {
        code = find(database_bind(database, SESSION_BY_NAME, "tt", acquire->scope, acquire->name),
                    &acquire->op, row);
    }
    if (code != SQLITE_DONE) {
        return code;
    }
    if (acquire->create) {
        return acquire_create(database, acquire, row);
    }
    operation_answer(&acquire->op,
                     fb_fail(FB_NOT_FOUND, acquire->session_id[0] != '\0'
                                               ? "session_id: no such session"
                                               : "name: no session of the scope has it"),
                     "");
    return SQLITE_DONE;
}

int run_acquire(struct database *database, struct engine_op *op)
{
    struct engine_acquire *acquire = (struct engine_acquire *)op;
    struct session_row row = {.key = 0};
    struct fencing_facts facts;
    struct fencing_decision decision;
    int64_t epoch = 0;
    int64_t expires;
    int code;

    acquire->created = false;
    acquire->now_unix_ms = database->unix_ms();
    code = acquire_find(database, acquire, &row);
    if (code != SQLITE_ROW) {
        return code == SQLITE_DONE ? SQLITE_OK : code;
    }
    facts = session_facts(&row);
    decision =
        fencing_acquire(&facts, acquire->owner, acquire->take_over, acquire->now_unix_ms, &epoch);
    acquire->session = row.session;
    if (decision.verdict == FENCING_REFUSE) {
        return operation_answer(op, decision.status, decision.reason);
    }
    expires = acquire->now_unix_ms + acquire->lease_ms;
    acquire->session.epoch = epoch;
    acquire->session.owner = acquire->owner;
    acquire->session.lease_expires_unix_ms = expires;
    return database_run(
        database_bind(database, SESSION_OWN, "itii", epoch, acquire->owner, expires, row.key));
}

/* --- renew, release, delete --- */

int run_renew(struct database *database, struct engine_op *op)
{
    struct engine_renew *renew = (struct engine_renew *)op;

    renew->lease_expires_unix_ms = database->unix_ms() + renew->lease_ms;
    for (size_t i = 0; i < renew->held_count; i++) {
        struct engine_held *held = &renew->held[i];
        struct session_row row;
        struct fencing_facts facts;
        int code = find(database_bind(database, SESSION_BY_ID, "t", held->session_id), op, &row);

        held->lost = true;
        if (code == SQLITE_DONE) {
            continue;
        }
        if (code != SQLITE_ROW) {
            return code;
        }
        facts = session_facts(&row);
        if (!fencing_holds(&facts, renew->owner, held->epoch)) {
            continue;
        }
        held->lost = false;
        code = database_run(database_bind(database, SESSION_OWN, "itii", held->epoch, renew->owner,
                                          renew->lease_expires_unix_ms, row.key));
        if (code != SQLITE_OK) {
            return code;
        }
    }
    return SQLITE_OK;
}

int run_release(struct database *database, struct engine_op *op)
{
    struct engine_release *release = (struct engine_release *)op;
    struct session_row row;
    struct fencing_facts facts;
    struct fencing_decision decision;
    int code = session_find(database, op, NULL, release->session_id, &row);

    if (code != SQLITE_ROW) {
        return code == SQLITE_DONE ? SQLITE_OK : code;
    }
    facts = session_facts(&row);
    decision = fencing_owns(&facts, release->epoch);
    if (decision.verdict == FENCING_REFUSE) {
        return operation_answer(op, decision.status, decision.reason);
    }
    return database_run(
        database_bind(database, SESSION_OWN, "itii", release->epoch, "", (int64_t)0, row.key));
}

int run_delete_session(struct database *database, struct engine_op *op)
{
    struct engine_delete_session *delete = (struct engine_delete_session *)op;
    struct session_row row;
    struct fencing_facts facts;
    struct fencing_decision decision;
    int code = session_find(database, op, delete->scope, delete->session_id, &row);

    if (code != SQLITE_ROW) {
        return code == SQLITE_DONE ? SQLITE_OK : code;
    }
    facts = session_facts(&row);
    decision = fencing_delete(&facts, delete->epoch, database->unix_ms());
    if (decision.verdict == FENCING_REFUSE) {
        return operation_answer(op, decision.status, decision.reason);
    }
    /* Its events may be many: they go in slices, by upkeep, that hold nobody up. */
    code = database_run(database_bind(database, PURGE_ADD, "i", row.key));
    return code == SQLITE_OK ? database_run(database_bind(database, SESSION_DELETE, "i", row.key))
                             : code;
}

/* --- reading --- */

static sqlite3_stmt *bind_list(struct database *database, const struct engine_list_sessions *list)
{
    bool begins = list->after_id == NULL;
    int64_t page = (int64_t)list->most + 1;

    if (list->order == ENGINE_BY_UPDATED) {
        return database_bind(database, SESSION_LIST_UPDATED, "tititi", list->scope,
                             begins ? INT64_MIN : -list->after_updated_unix_ms,
                             begins ? "" : list->after_id, list->updated_since_unix_ms,
                             list->name_prefix, page);
    }
    return database_bind(database, SESSION_LIST, "tttii", list->scope,
                         begins ? list->name_prefix : list->after_name,
                         begins ? "" : list->after_id, list->updated_since_unix_ms, page);
}

int run_list_sessions(struct database *database, struct engine_op *op)
{
    struct engine_list_sessions *list = (struct engine_list_sessions *)op;
    size_t prefix_size = strlen(list->name_prefix);
    sqlite3_stmt *statement = bind_list(database, list);
    int code;

    list->session_count = 0;
    list->more = false;
    list->sessions = fb_arena_zalloc(&op->arena, list->most, sizeof(*list->sessions));
    if (list->sessions == NULL) {
        database_end(statement);
        return SQLITE_NOMEM;
    }
    while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
        struct session_row row;

        session_row_read(statement, &op->arena, &row);
        if (!row_is_whole(&row)) {
            code = SQLITE_NOMEM;
            break;
        }
        if (list->order != ENGINE_BY_UPDATED &&
            strncmp(row.session.name, list->name_prefix, prefix_size) != 0) {
            code = SQLITE_DONE; /* by name, so no further one begins so */
            break;
        }
        if (list->session_count == list->most) {
            list->more = true;
            code = SQLITE_DONE;
            break;
        }
        list->sessions[list->session_count++] = row.session;
    }
    database_end(statement);
    return code == SQLITE_DONE ? SQLITE_OK : code;
}
