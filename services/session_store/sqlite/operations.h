#ifndef FB_SERVICES_SESSION_STORE_SQLITE_OPERATIONS_H
#define FB_SERVICES_SESSION_STORE_SQLITE_OPERATIONS_H

/*
 * operations: what each operation of engine.h does with a connection.
 *
 * Each runs inside a transaction of its caller. The result is SQLite's: other than SQLITE_OK it says
 * that the transaction has to be given up. What was decided, a refusal too, is in the operation with
 * SQLITE_OK; a refused operation has changed nothing. An operation may be run again.
 */

#include "services/session_store/engine.h"
#include "services/session_store/fencing.h"
#include "services/session_store/sqlite/database.h"
#include "services/session_store/sqlite/labels.h"

typedef int operation_fn(struct database *database, struct engine_op *op);

/* sessions.c */
int run_acquire(struct database *database, struct engine_op *op);
int run_renew(struct database *database, struct engine_op *op);
int run_release(struct database *database, struct engine_op *op);
int run_delete_session(struct database *database, struct engine_op *op);
int run_list_sessions(struct database *database, struct engine_op *op);

/* events.c */
int run_append(struct database *database, struct engine_op *op);
int run_read_events(struct database *database, struct engine_op *op);

/* projections.c */
int run_put_projection(struct database *database, struct engine_op *op);

/* queries.c */
int run_search_tasks(struct database *database, struct engine_op *op);

/* snapshots.c */
int run_put_snapshot(struct database *database, struct engine_op *op);
int run_read_session(struct database *database, struct engine_op *op);
int run_read_snapshot(struct database *database, struct engine_op *op);

/* blobs.c */
int run_put_blob(struct database *database, struct engine_op *op);
int run_read_blob(struct database *database, struct engine_op *op);

/* catalogue.c */
int run_put_catalogue(struct database *database, struct engine_op *op);
int run_read_catalogue(struct database *database, struct engine_op *op);

/* results.c */
int run_put_result(struct database *database, struct engine_op *op);
int run_read_result(struct database *database, struct engine_op *op);

/* Reads anew what results take, at the start and after a transaction was given up. */
int results_count(struct database *database);

/*
 * dictionary.c: makes one of the events that are there, once they are enough, and takes it into use;
 * `*more` when it was made. Part of the upkeep, on the writer only.
 */
int run_dictionary(struct database *database, bool *more);

/* Sees that the dictionary of a body is known to who reads it, if it is there. */
void dictionary_need(struct database *database, const struct codec_body *body);

/* upkeep.c: one slice of removing what is deleted or expired; `*more` when another is worth it. */
int run_upkeep(struct database *database, bool *more);

/* backup.c and check.c: these open and close what they need themselves. */
void run_backup(const char *path, struct engine_backup *backup);
void run_check(const char *path, struct engine_check *check);

/* --- shared by the files above --- */

/* A session's row: what all see, and what only the store knows. */
struct session_row {
    int64_t key;
    int64_t appends;
    struct engine_session session;
};

/* Reads the columns of a SESSION_… statement; the texts go into the arena. */
void session_row_read(sqlite3_stmt *statement, struct fb_arena *arena, struct session_row *row);

/*
 * Finds a session by id, and if `scope` is not NULL only in it. SQLITE_ROW; SQLITE_DONE and the
 * operation's status NOT_FOUND; or an error.
 */
int session_find(struct database *database, struct engine_op *op, const char *scope,
                 const char *session_id, struct session_row *row);

/* Writes the tasks of a projection; the session's row is the caller's. */
int projection_write(struct database *database, int64_t session,
                     const struct engine_projection *projection);

/* What fencing.h wants to know of it. */
struct fencing_facts session_facts(const struct session_row *row);

/* Ends an operation with a status. Always SQLITE_OK, so that it can be returned. */
int operation_answer(struct engine_op *op, struct fb_status status, const char *reason);

#endif
