#include "services/session_store/sqlite/operations.h"

#include <assert.h>
#include <string.h>

/* Are the texts that are kept, in the row, those of the task? */
static bool texts_are(sqlite3_stmt *statement, const struct engine_task *task)
{
    const char *const texts[] = {task->key, task->title, task->body};

    for (int i = 0; i < 3; i++) {
        const unsigned char *kept = sqlite3_column_text(statement, i);

        if (kept == NULL || strcmp((const char *)kept, texts[i]) != 0) {
            return false;
        }
    }
    return true;
}

/* The texts in place of those before, in their table and in the index over it. */
static int texts_write(struct database *database, int64_t id, const struct engine_task *task)
{
    sqlite3_stmt *statement = database_bind(database, TEXT_READ, "i", id);
    int code = database_first(statement);
    bool same;

    if (code == SQLITE_ROW) {
        same = texts_are(statement, task);
        database_end(statement);
        if (same) {
            return SQLITE_OK;
        }
        /* The index finds its entries by the texts, so before they change. */
        code = database_run(database_bind(database, MATCH_REMOVE, "i", id));
    } else if (code == SQLITE_DONE) {
        code = SQLITE_OK;
    }
    if (code == SQLITE_OK) {
        code = database_run(
            database_bind(database, TEXT_PUT, "ittt", id, task->key, task->title, task->body));
    }
    return code == SQLITE_OK ? database_run(database_bind(database, MATCH_ADD, "ittt", id,
                                                          task->key, task->title, task->body))
                             : code;
}

int projection_write(struct database *database, int64_t session,
                     const struct engine_projection *projection)
{
    int code = SQLITE_OK;

    for (size_t i = 0; i < projection->task_count && code == SQLITE_OK; i++) {
        const struct engine_task *task = &projection->tasks[i];
        int64_t id = session << ENGINE_TASK_BITS | task->number;

        assert(task->number >> ENGINE_TASK_BITS == 0);
        code = database_run(database_bind(database, TASK_PUT, "iiiiiiti", id, (int64_t)task->state,
                                          (int64_t)task->weight, (int64_t)task->priority,
                                          (int64_t)task->percent, (int64_t)task->parent,
                                          task->agent, task->updated_unix_ms));
        if (code == SQLITE_OK && task->has_texts) {
            code = texts_write(database, id, task);
        }
    }
    return code;
}

int run_put_projection(struct database *database, struct engine_op *op)
{
    struct engine_put_projection *put = (struct engine_put_projection *)op;
    const struct engine_projection *projection = &put->projection;
    struct session_row row;
    struct fencing_facts facts;
    struct fencing_decision decision;
    int code = session_find(database, op, NULL, put->session_id, &row);

    put->last_sequence = 0;
    if (code != SQLITE_ROW) {
        return code == SQLITE_DONE ? SQLITE_OK : code;
    }
    put->last_sequence = row.session.last_sequence;
    facts = session_facts(&row);
    decision = fencing_projection(&facts, put->epoch, projection->sequence);
    if (decision.verdict == FENCING_REFUSE) {
        return operation_answer(op, decision.status, decision.reason);
    }
    code = database_run(database_bind(database, SESSION_PROJECT, "ibi", projection->sequence,
                                      projection->has_line ? projection->line : row.session.line,
                                      row.key));
    return code == SQLITE_OK ? projection_write(database, row.key, projection) : code;
}
